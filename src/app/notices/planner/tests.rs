use super::*;
use crate::store::NewlyRefused;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn none_refused() -> NewlyRefused {
    NewlyRefused { count: 0, up_to: 0, first_at: at(0), last_at: at(0), examples: Vec::new() }
}

fn facts(seconds: i64) -> Facts {
    Facts {
        now: at(seconds),
        login_ended: None,
        granted_at: at(-1000),
        login_ends_at: None,
        quota_until: None,
        is_metered: false,
        is_storage_full: false,
        blocked: None,
        left: 0,
        arrived: 0,
        failed: 0,
        refused: none_refused(),
    }
}

fn planner() -> Planner {
    Planner::new(Memory::default(), Pace::new(1))
}

/// Shows all that is due.
fn shown(planner: &mut Planner, facts: &Facts) -> Vec<Notice> {
    let due = planner.look(facts).due;
    due.iter().for_each(|it| planner.announced(it, true));
    due
}

#[test]
fn an_ended_login_is_announced_once_also_after_a_start() {
    let mut planner = planner();
    let dead = Facts { login_ended: Some("revoked".into()), ..facts(0) };
    let notice = Notice::LoginEnded { granted_at: dead.granted_at, why: "revoked".into() };
    assert_eq!(planner.look(&dead).due, std::slice::from_ref(&notice));
    planner.announced(&notice, false);
    assert_eq!(shown(&mut planner, &dead), [notice], "nobody had seen it");
    assert_eq!(shown(&mut planner, &dead), []);
    let mut after_a_start = Planner::new(planner.memory().clone(), Pace::new(1));
    assert_eq!(shown(&mut after_a_start, &dead), []);
    let over = after_a_start.look(&facts(10)).over;
    assert!(over.contains(&Kind::Login), "{over:?}");
    let again = Facts { granted_at: at(20), ..dead };
    assert_eq!(shown(&mut after_a_start, &again).len(), 1, "another login");
}

#[test]
fn the_end_of_a_login_is_announced_two_days_before_once() {
    let mut planner = planner();
    let end = at(7 * 86_400);
    let told: Vec<i64> = (0..7 * 24)
        .filter(|hour| {
            let facts = Facts { login_ends_at: Some(end), ..facts(hour * 3600) };
            !shown(&mut planner, &facts).is_empty()
        })
        .collect();
    assert_eq!(told, [5 * 24 + 1]);
}

#[test]
fn a_used_up_quota_is_announced_once_a_day() {
    let mut planner = planner();
    let used_up = |until| Facts { quota_until: Some(until), left: 3, ..facts(0) };
    let notice = |until| Notice::QuotaUsedUp { until };
    assert_eq!(shown(&mut planner, &used_up(at(100))), [notice(at(100))]);
    assert_eq!(shown(&mut planner, &used_up(at(100))), []);
    assert!(planner.look(&facts(100)).over.contains(&Kind::Quota));
    assert_eq!(shown(&mut planner, &used_up(at(86_500))), [notice(at(86_500))]);
}

#[test]
fn a_full_storage_is_announced_again_only_after_something_has_arrived() {
    let mut planner = planner();
    let full = Facts { is_storage_full: true, left: 5, ..facts(0) };
    assert_eq!(shown(&mut planner, &full), [Notice::StorageFull]);
    let mut after_a_start = Planner::new(planner.memory().clone(), Pace::new(1));
    assert_eq!(shown(&mut after_a_start, &facts(1)), []);
    assert_eq!(shown(&mut after_a_start, &full), [], "the outage is found anew");
    let plan = after_a_start.look(&Facts { arrived: 1, ..facts(2) });
    assert!(plan.over.contains(&Kind::Storage));
    assert_eq!(shown(&mut after_a_start, &full).len(), 1);
}

#[test]
fn a_metered_connection_is_announced_once_and_only_if_files_wait() {
    let mut planner = planner();
    let metered = |now, left| Facts { is_metered: true, left, ..facts(now) };
    assert_eq!(shown(&mut planner, &metered(0, 0)), []);
    assert_eq!(shown(&mut planner, &metered(1, 5)), [Notice::Metered]);
    assert_eq!(shown(&mut planner, &metered(2, 6)), []);
    assert!(planner.look(&facts(3)).over.contains(&Kind::Metered));
    assert_eq!(shown(&mut planner, &metered(4, 5)).len(), 1);
}

#[test]
fn a_burst_of_refused_files_is_one_notice() {
    let mut planner = planner();
    let burst = |now, count, last| Facts {
        failed: count,
        refused: NewlyRefused {
            count,
            up_to: count as i64,
            first_at: at(0),
            last_at: at(last),
            examples: vec![("A/1.jpg".into(), "broken".into())],
        },
        ..facts(now)
    };
    assert_eq!(shown(&mut planner, &burst(1, 1, 0)), []);
    assert!(planner.is_busy());
    assert_eq!(shown(&mut planner, &burst(11, 20, 8)), []);
    let due = shown(&mut planner, &burst(18, 20, 8));
    assert!(matches!(&due[..], [Notice::Refused { up_to: 20, count: 20, .. }]), "{due:?}");
    assert_eq!(planner.memory().refused_up_to, 20);
    // One that never ends does not stay silent.
    let due = shown(&mut planner, &burst(121, 90, 121));
    assert_eq!(due.len(), 1);
    // The clock was set back.
    assert_eq!(shown(&mut planner, &burst(-500, 1, 0)).len(), 1);
    assert!(planner.look(&facts(200)).over.contains(&Kind::Refused));
}

#[test]
fn a_copy_of_more_than_a_minute_is_announced_when_all_has_arrived() {
    let mut planner = planner();
    let look = |now, left, arrived| Facts { left, arrived, ..facts(now) };
    for now in 0..90 {
        // The queue is empty for a moment, because the copy is slower than the line.
        let left = u64::from(now % 3 != 0);
        assert_eq!(shown(&mut planner, &look(now, left, now as u64)), []);
    }
    assert_eq!(shown(&mut planner, &look(95, 0, 90)), []);
    let all = Notice::Arrived { count: 90, is_all: true };
    assert_eq!(shown(&mut planner, &look(100, 0, 90)), [all]);
    assert_eq!(shown(&mut planner, &look(120, 0, 90)), []);
    assert!(!planner.is_busy());
    // A short one is not.
    for now in 200..230 {
        assert_eq!(shown(&mut planner, &look(now, 1, now as u64)), []);
    }
    assert_eq!(shown(&mut planner, &look(240, 0, 240)), []);
    assert_eq!(planner.memory().copy, None);
}

#[test]
fn a_copy_goes_on_after_a_start() {
    let mut before = planner();
    before.look(&Facts { left: 2, arrived: 1, ..facts(0) });
    let mut planner = Planner::new(before.memory().clone(), Pace::new(1));
    assert_eq!(shown(&mut planner, &Facts { left: 1, arrived: 1, ..facts(100) }), []);
    let last = Facts { arrived: 2, failed: 1, ..facts(120) };
    let some = Notice::Arrived { count: 3, is_all: false };
    assert_eq!(shown(&mut planner, &last), [some], "one of them was refused");
}
