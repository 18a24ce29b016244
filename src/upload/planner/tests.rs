use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::input::PROBE_MAX;
use super::*;
use crate::api::{Error, RAW_UPLOAD_MAX};
use crate::media::{AlbumId, ContentHash, DirId, FileId, MediaId, Qualities};
use crate::store::{AlbumClaims, Claim, ClaimKind, MemberCall, Membership, PastFailures, Ready};
use crate::upload::blocked::{Backoff, Blocked, BlockedReason};
use crate::upload::blockers::Blockers;

const NOW: u64 = 1_000_000;

static NOTHING_MADE: LazyLock<HashMap<DirId, u64>> = LazyLock::new(HashMap::new);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn outage(reason: BlockedReason, last_seen: u64, until: u64) -> Blocked {
    let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
    let error = Error::TimedOut { call: "upload" };
    let read = Blocked::read(&error, None, backoff, None, at(last_seen), 1.0);
    let mut outage = read.expect("a timeout is an outage");
    (outage.reason, outage.until) = (reason, at(until));
    outage
}

fn state(blockers: &Blockers) -> State<'_> {
    State {
        now: at(NOW),
        blockers,
        uploads: Vec::new(),
        preparing: 0,
        changing: None,
        confirming: None,
        limit: 8,
        batch_window: Duration::from_secs(2),
        upload_delay: Duration::ZERO,
        opening: false,
        impatient: false,
        last_change: None,
        create_parts: false,
        edit_parts: Vec::new(),
        full: None,
        made: &NOTHING_MADE,
        lacks_room: false,
    }
}

fn sealed(seq: i64, size: u64) -> Startable {
    Startable {
        file: FileId(seq),
        seq,
        size,
        mime: "image/jpeg".to_owned(),
        sha1: None,
        quality: Qualities::default(),
        prepared: None,
        asked: false,
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

/// A claim of a new item that no album shows.
fn loose(number: usize) -> Claim {
    Claim {
        file: FileId(number as i64),
        seq: Some(number as i64),
        kind: ClaimKind::New,
        item_of: FileId(number as i64),
        media: media(number),
        attempts: 0,
        lost: 0,
        since: SystemTime::UNIX_EPOCH,
        is_due: true,
        is_missed: false,
        is_wanted: false,
        foreign: false,
        never_shown: false,
    }
}

/// New items of an album of so many.
fn claims(dir: i64, new: u64, items: u64) -> AlbumClaims {
    AlbumClaims {
        dir: DirId(dir),
        items,
        new,
        missed: 0,
        known: 0,
        unseen: 0,
        is_overdue: false,
        oldest: at(NOW),
        newest: at(NOW),
    }
}

/// Everything is due.
fn full_rows() -> Rows {
    Rows {
        sealed: (1..20).map(|seq| sealed(seq, 1000)).collect(),
        ready: vec![ready(30, 1), ready(31, 1)],
        additions: Some(members(2, 40..42, NOW - 100)),
        removals: Some(members(3, 50..52, NOW - 100)),
        claims: vec![claims(4, 50, 50)],
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
    assert!(matches!(plan.confirm, Some(Confirmation::Pass(DirId(4)))));
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
fn over_a_metered_connection_only_bytes_wait() {
    let mut blockers = Blockers::default();
    assert!(blockers.set_metered(true, at(NOW)) && !blockers.set_metered(true, at(NOW)));
    let waiting = plan(&state(&blockers), &full_rows());
    assert!(waiting.uploads.is_empty() && waiting.change.is_some() && waiting.confirm.is_some());
    assert!(blockers.set_metered(false, at(NOW)));
    assert_eq!(plan(&state(&blockers), &full_rows()).uploads.len(), 8);
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

/// The confirmation that is due for these claims, and when to plan again.
fn confirmation(state: &State<'_>, claims: AlbumClaims) -> (Option<Confirmation>, SystemTime) {
    let plan = plan(state, &Rows { claims: vec![claims], ..Rows::default() });
    (plan.confirm, plan.wake_at)
}

fn is_pass(state: &State<'_>, claims: AlbumClaims) -> bool {
    matches!(confirmation(state, claims).0, Some(Confirmation::Pass(_)))
}

fn is_by_id(state: &State<'_>, claims: AlbumClaims) -> bool {
    matches!(confirmation(state, claims).0, Some(Confirmation::New(_)))
}

fn is_nothing(state: &State<'_>, claims: AlbumClaims) -> bool {
    confirmation(state, claims).0.is_none()
}

fn busy<'a>(blockers: &'a Blockers) -> State<'a> {
    let upload = Upload { file: FileId(9), large: false, age: Duration::ZERO };
    State { uploads: vec![upload], ..state(blockers) }
}

#[test]
fn confirmations_wait_for_more_but_not_for_ever() {
    let blockers = Blockers::default();
    let since =
        |ago| AlbumClaims { oldest: at(NOW - ago), newest: at(NOW - ago), ..claims(1, 1, 1) };
    let (none, wake_at) = confirmation(&state(&blockers), since(0));
    assert!(none.is_none());
    assert_eq!(wake_at, at(NOW + 2));
    assert!(is_pass(&state(&blockers), since(2)));
    // More is coming.
    let coming =
        Rows { coming: vec![Coming { file: FileId(9), seq: 9, dir: DirId(1) }], ..Rows::default() };
    for (ago, dir, is_due) in [(2, 1, false), (20, 1, true), (2, 2, true)] {
        let claims = AlbumClaims { dir: DirId(dir), ..since(ago) };
        let rows = Rows { claims: vec![claims], coming: coming.coming.clone(), ..Rows::default() };
        assert_eq!(plan(&busy(&blockers), &rows).confirm.is_some(), is_due, "{ago} {dir}");
    }
    let impatient = State { impatient: true, ..state(&blockers) };
    assert!(is_pass(&impatient, since(0)));
    // A clock that was set back does not make it wait for that long.
    let later = AlbumClaims { oldest: at(NOW + 5000), newest: at(NOW + 5000), ..claims(1, 1, 1) };
    assert!(is_pass(&state(&blockers), later));
}

#[test]
fn a_pass_is_due_when_enough_wait_for_it() {
    let blockers = Blockers::default();
    let changing = State { changing: Some(Duration::ZERO), ..state(&blockers) };
    assert!(is_nothing(&changing, claims(1, 49, 49)));
    assert!(is_pass(&changing, claims(1, 50, 100)));
    assert!(is_nothing(&changing, claims(1, 50, 101)));
    assert!(is_pass(&changing, claims(1, 1500, 3000)));
    // Arrived items without a proof count.
    assert!(is_pass(&changing, AlbumClaims { unseen: 49, ..claims(1, 1, 100) }));
    assert!(is_nothing(&changing, AlbumClaims { unseen: 100, ..claims(1, 0, 100) }));
    assert!(is_pass(&changing, AlbumClaims { is_overdue: true, unseen: 1, ..claims(1, 0, 3000) }));
}

#[test]
fn new_items_in_a_large_album_are_asked_for_by_their_ids() {
    let blockers = Blockers::default();
    let impatient = State { impatient: true, ..state(&blockers) };
    assert!(is_pass(&impatient, claims(1, 1, 200)));
    assert!(is_by_id(&impatient, claims(1, 1, 201)));
    assert!(is_pass(&impatient, claims(1, 100, 400)));
    // Those of a long copy have paid for the pass at its end.
    let made = HashMap::from([(DirId(1), 1000)]);
    let paid = State { made: &made, ..state(&blockers) };
    let paid = State { impatient: true, ..paid };
    let last = confirmation(&paid, claims(1, 200, 1000)).0;
    assert!(matches!(last, Some(Confirmation::LastPass(DirId(1)))));
    assert!(is_by_id(&paid, claims(2, 200, 1000)));
    // What Google had before is proved by a pass only. That waits for more, which may come one by one.
    let known = |newest| AlbumClaims {
        known: 1,
        oldest: at(NOW - 200),
        newest: at(newest),
        ..claims(1, 0, 3000)
    };
    assert!(is_nothing(&impatient, known(NOW - 1)));
    assert!(is_pass(&impatient, known(NOW - 2)));
    let later = State { now: at(NOW + 100), impatient: true, ..state(&blockers) };
    assert!(is_pass(&later, known(NOW + 99)));
    // A pass has not shown it.
    assert!(is_by_id(&impatient, AlbumClaims { missed: 1, ..claims(1, 0, 1) }));
}

#[test]
fn a_writer_without_room_has_the_album_listed() {
    let blockers = Blockers::default();
    let full = State { lacks_room: true, ..state(&blockers) };
    assert!(is_pass(&full, AlbumClaims { unseen: 1, ..claims(1, 0, 3000) }));
    let coming = State { changing: Some(Duration::ZERO), lacks_room: true, ..state(&blockers) };
    assert!(is_nothing(&coming, AlbumClaims { unseen: 1, ..claims(1, 0, 3000) }));
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

fn any_claims() -> impl Strategy<Value = (Vec<AlbumClaims>, HashSet<usize>)> {
    let counts = (0..300u64, 0..5u64, 0..300u64, 0..300u64);
    let album = (0..4i64, counts, 0..5000u64, prop::bool::weighted(0.1), 0..400u64);
    let album = album.prop_map(|(dir, (new, missed, known, unseen), more, is_overdue, ago)| {
        let items = new + missed + known + unseen + more;
        let (oldest, newest) = (at(NOW - ago), at(NOW - ago / 2));
        AlbumClaims { missed, known, unseen, is_overdue, oldest, newest, ..claims(dir, new, items) }
    });
    let loose =
        prop_oneof![3 => Just(HashSet::new()), 1 => prop::collection::hash_set(0..90usize, 0..50)];
    (prop::collection::vec(album, 0..4), loose)
}

fn any_rows() -> impl Strategy<Value = Rows> {
    let sizes = prop::collection::vec(prop::sample::select(vec![1, RAW_UPLOAD_MAX + 1]), 0..30);
    (sizes, any_ready(), any_call(), any_call(), any_claims()).prop_map(
        |(sizes, (ready, coming), additions, removals, (claims, numbers))| Rows {
            sealed: (0..).zip(sizes).map(|(seq, size)| sealed(1000 + seq, size)).collect(),
            uploaded: ready.len(),
            ready,
            coming,
            additions,
            removals,
            claims,
            loose: numbers.into_iter().map(loose).collect(),
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
        state.uploads.iter().find(|it| it.file == file).is_none_or(|it| it.age < ORDER_WAIT_MAX)
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
        metered: bool,
        changing in prop::option::weighted(0.2, 0..100u64),
        confirming in prop::option::weighted(0.2, 0..100u64),
        limit in 1..10usize,
        impatient: bool,
        last in prop::sample::select(vec![None, Some(ChangeKind::Create), Some(ChangeKind::ADD), Some(ChangeKind::REMOVE)]),
        full in prop::option::weighted(0.2, 0..3i64),
    ) {
        let (everything, changes, memberships) = blocked;
        let metered = metered.then(|| Blocked::of_metered(at(NOW)));
        let blockers = Blockers { everything, metered, changes, memberships };
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
        prop_assert!(plan.uploads.is_empty() || blockers.metered.is_none());
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
        prop_assert!(plan.confirm.is_none() || state.confirming.is_none());
        match &plan.confirm {
            None => {}
            Some(Confirmation::Items(asked)) => {
                prop_assert!((1..=BATCH_MAX).contains(&asked.len()));
            }
            Some(Confirmation::New(dir)) => {
                let mut albums = rows.claims.iter().filter(|it| it.dir == *dir);
                prop_assert!(albums.any(|it| it.new + it.missed > 0));
            }
            Some(Confirmation::LastPass(_)) => prop_assert!(false, "nothing was made"),
            Some(Confirmation::Pass(dir)) => {
                // A pass costs no more than asking for ids did, unless nothing else proves the claims.
                let mut albums = rows.claims.iter().filter(|it| it.dir == *dir);
                let is_worth_it = albums.any(|it| {
                    let pages = it.items.div_ceil(100).max(1);
                    let is_cheap = pages <= 2 + (it.new + it.known + it.unseen) / 50;
                    it.is_overdue || it.known > 0 || (it.new > 0 && is_cheap)
                });
                prop_assert!(is_worth_it);
            }
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
