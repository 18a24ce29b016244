use std::collections::HashSet;

use proptest::prelude::*;

use super::input::PROBE_MAX;
use super::*;
use crate::api::{Error, RAW_UPLOAD_MAX};
use crate::media::{AlbumId, ContentHash, DirId, FileId, MediaId};
use crate::store::{Duplicate, MemberCall, Membership, PastFailures, Ready, Unconfirmed};
use crate::upload::blocked::{Backoff, Blocked, BlockedReason};
use crate::upload::blockers::Blockers;

const NOW: u64 = 1_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn outage(reason: BlockedReason, last_seen: u64, until: u64) -> Blocked {
    let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
    let error = Error::TimedOut { call: "upload" };
    let read = Blocked::read(&error, String::new(), None, backoff, None, at(last_seen), 1.0);
    let mut outage = read.expect("a timeout is an outage");
    (outage.reason, outage.until) = (reason, at(until));
    outage
}

fn state(blockers: &Blockers) -> State<'_> {
    State {
        now: at(NOW),
        blockers,
        uploads: Vec::new(),
        changing: None,
        confirming: None,
        limit: 8,
        batch_window: Duration::from_secs(2),
        impatient: false,
        last_change: None,
        create_parts: false,
        edit_parts: Vec::new(),
        full: None,
        confirm_since: None,
    }
}

fn sealed(seq: i64, size: u64) -> Startable {
    Startable {
        file: FileId(seq),
        seq,
        size,
        mime: "image/jpeg".to_owned(),
        sha1: None,
        session: None,
        past: PastFailures::default(),
    }
}

fn ready(seq: i64, dir: i64) -> Ready {
    Ready {
        file: FileId(seq),
        seq,
        dir: DirId(dir),
        sha256: None,
        attempts: 0,
        isolate: false,
        since: at(NOW - 100),
    }
}

fn media(number: usize) -> MediaId {
    MediaId::new(format!("item-{number}"))
}

fn members(dir: i64, items: std::ops::Range<usize>, since: u64) -> MemberCall {
    let member = |number| Membership {
        file: FileId(number as i64),
        seq: None,
        item_of: FileId(number as i64),
        media: media(number),
        since: at(since),
    };
    MemberCall {
        dir: DirId(dir),
        album: AlbumId::new("album"),
        members: items.map(member).collect(),
    }
}

fn unconfirmed(number: usize) -> Unconfirmed {
    Unconfirmed {
        file: FileId(number as i64),
        seq: number as i64,
        media: media(number),
        attempts: 0,
        lost: 0,
        foreign: false,
    }
}

/// Everything is due.
fn full_rows() -> Rows {
    Rows {
        sealed: (1..20).map(|seq| sealed(seq, 1000)).collect(),
        ready: vec![ready(30, 1), ready(31, 1)],
        additions: Some(members(2, 40..42, NOW - 100)),
        removals: Some(members(3, 50..52, NOW - 100)),
        unconfirmed: (60..110).map(unconfirmed).collect(),
        ..Rows::default()
    }
}

fn actions(plan: &Plan) -> usize {
    plan.uploads.len() + usize::from(plan.change.is_some()) + usize::from(plan.confirm.is_some())
}

#[test]
fn everything_that_is_due_begins() {
    let plan = plan(&state(&Blockers::default()), &full_rows());
    assert_eq!(plan.uploads.len(), 8);
    assert!(matches!(plan.change, Some(Change::Create { .. })));
    assert_eq!(plan.confirm.unwrap().len(), BATCH_MAX);
}

#[test]
fn creations_additions_and_removals_take_turns() {
    let (blockers, rows) = (Blockers::default(), full_rows());
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let state = State { last_change: kinds.last().copied(), ..state(&blockers) };
        kinds.push(plan(&state, &rows).change.unwrap().kind());
    }
    let turns = [ChangeKind::Create, ChangeKind::ADD, ChangeKind::REMOVE];
    assert_eq!(kinds, [turns, turns].concat());
}

#[test]
fn an_outage_is_probed_by_one_action_at_a_time() {
    let rows = full_rows();
    let waiting = Blockers {
        everything: Some(outage(BlockedReason::Offline, NOW - 10, NOW + 5)),
        ..Blockers::default()
    };
    let shut = plan(&state(&waiting), &rows);
    assert_eq!((actions(&shut), shut.wake_at), (0, at(NOW + 5)));
    let due = Blockers {
        everything: Some(outage(BlockedReason::Offline, NOW - 10, NOW)),
        ..Blockers::default()
    };
    let probe = plan(&state(&due), &rows);
    assert_eq!((actions(&probe), probe.change.is_some()), (1, true));
    // The probe has not answered yet.
    let probing = State { changing: Some(Duration::from_secs(1)), ..state(&due) };
    assert_eq!(actions(&plan(&probing, &rows)), 0);
    // An upload that began before the outage is no probe, nor is one that takes very long.
    for age in [20, 3600] {
        let upload = Upload { file: FileId(99), large: true, age: Duration::from_secs(age) };
        let hanging = State { uploads: vec![upload], ..state(&due) };
        assert_eq!(actions(&plan(&hanging, &rows)), 1);
    }
    // Small requests come first.
    let only_uploads = Rows { sealed: full_rows().sealed, ..Rows::default() };
    assert_eq!(plan(&state(&due), &only_uploads).uploads.len(), 1);
}

#[test]
fn a_full_account_is_probed_by_one_change_or_upload_and_confirms_meanwhile() {
    let rows = full_rows();
    let full = |until| Blockers {
        changes: Some(outage(BlockedReason::StorageFull, NOW - 10, until)),
        ..Blockers::default()
    };
    let waiting = full(NOW + 5);
    let shut = plan(&state(&waiting), &rows);
    assert!(shut.uploads.is_empty() && shut.change.is_none() && shut.confirm.is_some());
    let due = full(NOW);
    let probe = plan(&state(&due), &rows);
    assert!(probe.uploads.is_empty() && probe.change.is_some() && probe.confirm.is_some());
    let nothing_to_change = Rows { sealed: full_rows().sealed, ..Rows::default() };
    assert_eq!(plan(&state(&due), &nothing_to_change).uploads.len(), 1);
}

#[test]
fn a_missing_permission_leaves_files_alone() {
    let blockers = Blockers {
        memberships: Some(outage(BlockedReason::Permission, NOW - 10, NOW + 5)),
        ..Blockers::default()
    };
    let state = State { last_change: Some(ChangeKind::Create), ..state(&blockers) };
    let plan = plan(&state, &full_rows());
    assert!(matches!(plan.change, Some(Change::Create { .. })));
    assert_eq!(plan.uploads.len(), 8);
}

#[test]
fn large_files_leave_a_place_for_small_ones() {
    let large = |seq| sealed(seq, RAW_UPLOAD_MAX + 1);
    let rows =
        Rows { sealed: (0..20).map(large).chain([sealed(20, 1)]).collect(), ..Rows::default() };
    let seqs: Vec<_> =
        plan(&state(&Blockers::default()), &rows).uploads.iter().map(|it| it.seq).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4, 5, 6, 20]);
}

#[test]
fn no_tokens_are_fetched_that_would_only_age() {
    let rows = Rows { uploaded: TOKENS_MAX, ..full_rows() };
    assert!(plan(&state(&Blockers::default()), &rows).uploads.is_empty());
}

#[test]
fn a_full_album_is_emptied_before_more_is_added() {
    let blockers = Blockers::default();
    let rows = Rows {
        additions: Some(members(3, 40..42, NOW - 100)),
        removals: Some(members(3, 41..43, NOW - 100)),
        ..Rows::default()
    };
    let removed = |state: &State<'_>| match plan(state, &rows).change {
        Some(Change::Edit(Edit::Remove, call)) => call.members.len(),
        _ => 0,
    };
    assert_eq!(removed(&State { full: Some(DirId(3)), ..state(&blockers) }), 2);
    // An item that is about to be added again stays.
    assert_eq!(removed(&State { last_change: Some(ChangeKind::ADD), ..state(&blockers) }), 1);
}

/// They share the call if they do.
#[test]
fn additions_wait_for_files_that_may_turn_out_to_be_items() {
    let blockers = Blockers::default();
    let additions = || Some(members(2, 40..42, NOW - 1));
    let alone = Rows { additions: additions(), ..Rows::default() };
    assert!(plan(&state(&blockers), &alone).change.is_some());
    let with_others = Rows { sealed: vec![sealed(1, 1000)], ..alone };
    let plan = plan(&state(&blockers), &with_others);
    assert_eq!((plan.uploads.len(), plan.change.is_none()), (1, true));
}

#[test]
fn parts_of_a_failed_call_come_before_others_of_their_kind() {
    let blockers = Blockers::default();
    let after = |last_change| {
        let (create_parts, edit_parts) = (true, vec![Edit::Remove]);
        let state = State { create_parts, edit_parts, last_change, ..state(&blockers) };
        plan(&state, &full_rows()).change
    };
    assert!(matches!(after(None), Some(Change::CreatePart)));
    assert!(matches!(after(Some(ChangeKind::ADD)), Some(Change::EditPart(Edit::Remove))));
}

#[test]
fn confirmations_wait_for_more_but_not_for_ever() {
    let blockers = Blockers::default();
    let few = Rows { unconfirmed: vec![unconfirmed(1)], ..Rows::default() };
    let first = plan(&state(&blockers), &few);
    assert_eq!((first.confirm_since, first.wake_at), (Some(at(NOW)), at(NOW + 2)));
    assert!(first.confirm.is_none());
    let later = State { confirm_since: Some(at(NOW - 2)), ..state(&blockers) };
    assert_eq!(plan(&later, &few).confirm.map(|it| it.len()), Some(1));
    let upload = || vec![Upload { file: FileId(9), large: false, age: Duration::ZERO }];
    let busy = State { uploads: upload(), confirm_since: Some(at(NOW - 2)), ..state(&blockers) };
    assert!(plan(&busy, &few).confirm.is_none());
    let busy = State { uploads: upload(), confirm_since: Some(at(NOW - 20)), ..state(&blockers) };
    assert!(plan(&busy, &few).confirm.is_some());
    let impatient = State { impatient: true, ..state(&blockers) };
    assert!(plan(&impatient, &few).confirm.is_some());
    // A clock that was set back does not make it wait for that long.
    let back = State { confirm_since: Some(at(NOW + 5000)), ..state(&blockers) };
    assert_eq!(plan(&back, &few).confirm_since, Some(at(NOW)));
}

#[test]
fn an_item_is_asked_for_once_for_all_that_depend_on_it() {
    let duplicate = Duplicate { file: FileId(7), seq: 7, item_of: FileId(1), media: media(1) };
    let rows = Rows {
        unconfirmed: vec![unconfirmed(1), unconfirmed(2)],
        duplicates: vec![duplicate],
        ..Rows::default()
    };
    let blockers = Blockers::default();
    let asked = plan(&State { impatient: true, ..state(&blockers) }, &rows).confirm.unwrap();
    let claims: Vec<_> = asked.iter().map(|it| (it.media.clone(), it.claims.len())).collect();
    assert_eq!(claims, [(media(1), 2), (media(2), 1)]);
}

fn any_outage() -> impl Strategy<Value = Option<Blocked>> {
    let kinds = prop::sample::select(vec![
        BlockedReason::Offline,
        BlockedReason::ServerError,
        BlockedReason::Throttled,
        BlockedReason::StorageFull,
        BlockedReason::Permission,
    ]);
    let some = (kinds, 1..100u64, -50..50i64)
        .prop_map(|(kind, ago, until)| outage(kind, NOW - ago, NOW.saturating_add_signed(until)));
    prop::option::weighted(0.4, some)
}

fn any_ready() -> impl Strategy<Value = (Vec<Ready>, Vec<Coming>)> {
    let row = (0..3i64, 0..6u8, any::<bool>(), 0..3u32, prop::bool::weighted(0.1), 0..5u64);
    prop::collection::vec(row, 0..200).prop_map(|rows| {
        let (mut all, mut coming) = (Vec::new(), Vec::new());
        for (seq, (dir, hash, uploaded, attempts, isolate, ago)) in (0..).zip(rows) {
            if uploaded {
                let sha256 = Some(ContentHash([hash; 32])).filter(|_| hash > 0);
                let since = at(NOW - ago);
                all.push(Ready { sha256, attempts, isolate, since, ..ready(seq, dir) });
            } else {
                coming.push(Coming { file: FileId(seq), seq, dir: DirId(dir) });
            }
        }
        (all, coming)
    })
}

fn any_call() -> impl Strategy<Value = Option<MemberCall>> {
    let call = (0..3i64, 0..60usize, 1..=BATCH_MAX, 0..20u64);
    prop::option::of(
        call.prop_map(|(dir, first, count, ago)| members(dir, first..first + count, NOW - ago)),
    )
}

fn any_rows() -> impl Strategy<Value = Rows> {
    let sizes = prop::collection::vec(prop::sample::select(vec![1, RAW_UPLOAD_MAX + 1]), 0..30);
    let unconfirmed_rows = prop::collection::vec(0..60usize, 0..60);
    (sizes, any_ready(), any_call(), any_call(), unconfirmed_rows).prop_map(
        |(sizes, (ready, coming), additions, removals, numbers)| Rows {
            sealed: (0..).zip(sizes).map(|(seq, size)| sealed(1000 + seq, size)).collect(),
            uploaded: ready.len(),
            ready,
            coming,
            additions,
            removals,
            unconfirmed: numbers.into_iter().map(unconfirmed).collect(),
            ..Rows::default()
        },
    )
}

fn any_uploads() -> impl Strategy<Value = Vec<Upload>> {
    let upload = (0..200i64, any::<bool>(), 0..1000u64).prop_map(|(file, large, age)| Upload {
        file: FileId(file),
        large,
        age: Duration::from_secs(age),
    });
    prop::collection::vec(upload, 0..8)
}

/// What a probe must not accompany.
fn check_probe(state: &State<'_>, plan: &Plan) -> Result<(), TestCaseError> {
    let Some(blocked) = &state.blockers.everything else { return Ok(()) };
    let ages = state.uploads.iter().map(|it| it.age).chain(state.changing).chain(state.confirming);
    let probing =
        ages.filter(|age| *age < PROBE_MAX && at(NOW) - *age >= blocked.last_seen).count();
    let most = usize::from(blocked.until <= state.now && probing == 0);
    prop_assert!(actions(plan) <= most);
    Ok(())
}

fn check_creation(
    dir: DirId,
    files: &[Ready],
    rows: &Rows,
    state: &State<'_>,
) -> Result<(), TestCaseError> {
    prop_assert!((1..=BATCH_MAX).contains(&files.len()));
    prop_assert!(files.iter().all(|file| file.dir == dir));
    prop_assert!(files.is_sorted_by_key(|file| file.seq));
    prop_assert!(files.len() == 1 || files.iter().all(|file| !file.isolate));
    let hashes: Vec<_> = files.iter().filter_map(|file| file.sha256).collect();
    prop_assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
    let waited_for = |file: FileId| {
        state.uploads.iter().find(|it| it.file == file).is_none_or(|it| it.age < HOLD_UP_MAX)
    };
    let overtakes = |file: &Ready| {
        let mut coming = rows.coming.iter();
        coming.any(|it| it.dir == dir && it.seq < file.seq && waited_for(it.file))
    };
    prop_assert!(files.iter().all(|it| it.attempts > 1 || !overtakes(it)));
    Ok(())
}

proptest! {
    #[test]
    fn plans_keep_the_rules(
        rows in any_rows(),
        uploads in any_uploads(),
        blocked in (any_outage(), any_outage(), any_outage()),
        changing in prop::option::weighted(0.2, 0..100u64),
        confirming in prop::option::weighted(0.2, 0..100u64),
        limit in 1..10usize,
        impatient: bool,
        last in prop::sample::select(vec![None, Some(ChangeKind::Create), Some(ChangeKind::ADD), Some(ChangeKind::REMOVE)]),
        full in prop::option::weighted(0.2, 0..3i64),
    ) {
        let (everything, changes, memberships) = blocked;
        let blockers = Blockers { everything, changes, memberships };
        let state = State {
            uploads,
            changing: changing.map(Duration::from_secs),
            confirming: confirming.map(Duration::from_secs),
            limit,
            impatient,
            last_change: last,
            full: full.map(DirId),
            ..state(&blockers)
        };
        let plan = plan(&state, &rows);
        let is_shut = |blocked: &Option<Blocked>| blocked.as_ref().is_some_and(|it| it.until > state.now);
        check_probe(&state, &plan)?;
        // Uploads.
        prop_assert!(plan.uploads.is_empty() || plan.uploads.len() + state.uploads.len() <= limit
            || (plan.uploads.len() == 1 && blockers.iter().next().is_some()));
        prop_assert!(plan.uploads.is_sorted_by_key(|file| file.seq));
        if blockers.changes.as_ref().is_some_and(|it| it.reason == BlockedReason::StorageFull) {
            prop_assert!(plan.uploads.len() + usize::from(plan.change.is_some()) <= 1);
            prop_assert!(plan.uploads.is_empty() || !is_shut(&blockers.changes));
        }
        // Changes.
        if let Some(change) = &plan.change {
            prop_assert!(state.changing.is_none() && !is_shut(&blockers.changes));
            match change {
                Change::Create { dir, files } => check_creation(*dir, files, &rows, &state)?,
                Change::Edit(_, call) => {
                    prop_assert!(!is_shut(&blockers.memberships));
                    prop_assert!((1..=BATCH_MAX).contains(&call.members.len()));
                    prop_assert!(change.kind() == ChangeKind::REMOVE || state.full != Some(call.dir));
                }
                Change::Repeat(_) | Change::CreatePart | Change::EditPart(_) => prop_assert!(false, "there was none"),
            }
        }
        // Confirmations.
        if let Some(asked) = &plan.confirm {
            prop_assert!(state.confirming.is_none() && (1..=BATCH_MAX).contains(&asked.len()));
            let items: HashSet<_> = asked.iter().map(|it| &it.media).collect();
            prop_assert_eq!(items.len(), asked.len());
        }
        prop_assert!(plan.wake_at > state.now && plan.wake_at <= state.now + SLEEP_MAX);
    }

    #[test]
    fn no_kind_of_change_starves(rows in any_rows()) {
        let blockers = Blockers::default();
        // In impatience and after a long time all that is there is due.
        let now = at(NOW + 1000);
        let alone = |kind| {
            let last = ChangeKind::turns_after(None).into_iter().find(|it| ChangeKind::turns_after(Some(*it))[0] == kind);
            let state = State { now, impatient: true, last_change: last, ..state(&blockers) };
            plan(&state, &rows).change.is_some_and(|change| change.kind() == kind)
        };
        let possible: Vec<_> = ChangeKind::turns_after(None).into_iter().filter(|kind| alone(*kind)).collect();
        let mut last = None;
        let mut made = Vec::new();
        for _ in 0..3 {
            let state = State { now, impatient: true, last_change: last, ..state(&blockers) };
            last = plan(&state, &rows).change.map(|change| change.kind());
            made.extend(last);
        }
        prop_assert!(possible.iter().all(|kind| made.contains(kind)), "{possible:?} {made:?}");
    }
}
