use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn counts_start_anew_at_midnight_pacific() {
    let budget = Budget::new(at("2026-07-01T12:00:00Z"));
    budget.spend(Caller::Owner, Kind::Api, at("2026-07-01T12:00:00Z")).unwrap();
    budget.spend(Caller::Owner, Kind::Media, at("2026-07-02T06:59:59Z")).unwrap();
    let late = budget.snapshot(at("2026-07-02T06:59:59Z"));
    assert_eq!((late.api, late.media), (1, 1));
    let next = budget.snapshot(at("2026-07-02T07:00:00Z"));
    assert_eq!((next.api, next.media, next.day.to_string().as_str()), (0, 0, "2026-07-02"));
}

#[test]
fn used_up_quota_blocks_its_kind_until_the_reset_and_not_longer() {
    let budget = Budget::new(at("2026-07-01T12:00:00Z"));
    let until = budget.exhausted(Kind::Api, at("2026-07-01T12:00:00Z"));
    assert_eq!(until, at("2026-07-02T07:00:00Z"));
    assert_eq!(
        budget.spend(Caller::Owner, Kind::Api, at("2026-07-02T06:00:00Z")),
        Err(Unspent::QuotaUsedUp(until))
    );
    assert_eq!(budget.spend(Caller::Owner, Kind::Media, at("2026-07-02T06:00:00Z")), Ok(()));
    assert_eq!(budget.spend(Caller::Owner, Kind::Api, until), Ok(()));
}

#[test]
fn reset_is_right_when_summer_time_ends() {
    let budget = Budget::new(at("2026-11-01T08:00:00Z"));
    assert_eq!(budget.exhausted(Kind::Api, at("2026-11-01T12:00:00Z")), at("2026-11-02T08:00:00Z"));
}

#[test]
fn refusal_right_after_midnight_does_not_cost_the_new_day() {
    let budget = Budget::new(at("2026-07-01T12:00:00Z"));
    assert_eq!(budget.exhausted(Kind::Api, at("2026-07-02T07:01:00Z")), at("2026-07-02T07:16:00Z"));
}

const NOON: &str = "2026-07-01T19:00:00Z";

/// The day and the number of API requests.
fn day(budget: &Budget, now: &str) -> (String, u64) {
    let spent = budget.snapshot(at(now));
    (spent.day.to_string(), spent.api)
}

fn restart(budget: &Budget) -> Budget {
    let text = serde_json::to_string(&budget.saved()).unwrap();
    Budget::restore(serde_json::from_str(&text).unwrap())
}

#[test]
fn a_clock_that_steps_ahead_loses_no_request() {
    let real = |count| ("2026-07-01".to_owned(), count);
    let hours = SignedDuration::from_hours;
    let mut budget = Budget::new(at(NOON));
    budget.spend(Caller::Owner, Kind::Api, at(NOON)).unwrap();
    budget.answered(hours(0), at(NOON));
    // Two days ahead, before and after Google's answer; and back again.
    let ahead = "2026-07-03T19:00:00Z";
    for restarted in [false, true] {
        budget.spend(Caller::Owner, Kind::Api, at(ahead)).unwrap();
        if restarted {
            budget = restart(&budget);
        }
        let spent = 2 + u64::from(restarted);
        assert_eq!(day(&budget, NOON), real(spent));
        budget.answered(hours(-48), at(ahead));
        assert_eq!(day(&budget, ahead), real(spent));
        assert_eq!(day(&budget, NOON), real(spent));
        budget.answered(hours(0), at(NOON));
    }
    // Midnight passes.
    budget.spend(Caller::Owner, Kind::Api, at("2026-07-02T07:00:00Z")).unwrap();
    budget.answered(hours(0), at("2026-07-02T07:00:00Z"));
    assert_eq!(day(&budget, "2026-07-02T07:00:00Z"), ("2026-07-02".to_owned(), 1));
}

#[test]
fn a_clock_that_is_behind_loses_no_request() {
    let hours = SignedDuration::from_hours;
    let behind = "2026-06-29T19:00:00Z";
    let budget = Budget::new(at(behind));
    budget.spend(Caller::Owner, Kind::Api, at(behind)).unwrap();
    budget.spend(Caller::Owner, Kind::Api, at(behind)).unwrap();
    // Google's first answer tells the day to which both belong.
    budget.answered(hours(48), at(behind));
    assert_eq!(day(&budget, behind), ("2026-07-01".to_owned(), 2));
    budget.spend(Caller::Owner, Kind::Api, at(behind)).unwrap();
    assert_eq!(day(&budget, NOON), ("2026-07-03".to_owned(), 0), "by the skew so far");
    budget.answered(hours(0), at(NOON));
    assert_eq!(day(&budget, NOON), ("2026-07-01".to_owned(), 3));
    // It steps back once more, and the program begins anew.
    let budget = restart(&budget);
    budget.spend(Caller::Owner, Kind::Api, at(behind)).unwrap();
    assert_eq!(day(&budget, behind), ("2026-07-01".to_owned(), 4));
}

#[test]
fn requests_around_midnight_are_counted_for_the_new_day() {
    let [before, after] = ["2026-07-02T06:59:59Z", "2026-07-02T07:00:01Z"];
    let budget = Budget::new(at(before));
    for _ in 0..3 {
        budget.spend(Caller::Owner, Kind::Api, at(before)).unwrap();
    }
    // Google's clock is two seconds ahead.
    budget.answered(SignedDuration::from_secs(2), at(before));
    assert_eq!(day(&budget, after), ("2026-07-02".to_owned(), 3));
}

#[test]
fn a_clock_that_steps_back_does_not_prolong_a_block() {
    let budget = Budget::new(at(NOON));
    let until = budget.exhausted(Kind::Api, at(NOON));
    assert_eq!(budget.spend(Caller::Owner, Kind::Api, at(NOON)), Err(Unspent::QuotaUsedUp(until)));
    assert_eq!(budget.spend(Caller::Owner, Kind::Api, at("2026-06-29T19:00:00Z")), Ok(()));
}

#[test]
fn a_block_lasts_until_googles_midnight_by_a_wrong_clock() {
    let budget = Budget::new(at(NOON));
    budget.answered(SignedDuration::from_hours(-1), at(NOON));
    assert_eq!(budget.exhausted(Kind::Api, at(NOON)), at("2026-07-02T08:00:00Z"));
}

#[test]
fn survives_a_restart() {
    let budget = Budget::new(at("2026-07-01T12:00:00Z"));
    budget.exhausted(Kind::Media, at("2026-07-01T12:00:00Z"));
    let saved = budget.saved();
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<Saved>(&text).unwrap(), saved);
}

#[test]
fn other_users_have_a_tenth_of_the_days_api_requests() {
    let stranger = Caller::Other(1001);
    let budget = Budget::new(at(NOON));
    for _ in 0..OTHERS_API_REQUESTS_MAX {
        budget.spend(stranger, Kind::Api, at(NOON)).unwrap();
    }
    assert!(!budget.has_share(stranger, Kind::Api, at(NOON)));
    assert_eq!(budget.spend(stranger, Kind::Api, at(NOON)), Err(Unspent::ShareUsedUp));
    assert_eq!(budget.spend(Caller::Owner, Kind::Api, at(NOON)), Ok(()));
    assert_eq!(budget.spend(stranger, Kind::Media, at(NOON)), Ok(()));
    let saved = budget.saved();
    assert_eq!((saved.api, saved.others_api), (1001, 1000));
    // The next process counts on, and so does the next day.
    let restored = Budget::restore(saved);
    assert!(!restored.has_share(stranger, Kind::Api, at(NOON)));
    let tomorrow = next_reset(at(NOON));
    assert!(restored.has_share(stranger, Kind::Api, tomorrow));
    assert_eq!(restored.spend(stranger, Kind::Api, tomorrow), Ok(()));
    assert_eq!(restored.saved().others_api, 1);
}

#[test]
fn the_share_of_a_version_without_shares_is_whole() {
    let saved = r#"{"day": "2026-07-01", "api": 9, "media": 9, "before": {"day": "2026-06-30", "api": 9, "media": 9},
        "api_blocked_until": null, "media_blocked_until": null}"#;
    let budget = Budget::restore(serde_json::from_str(saved).unwrap());
    assert!(budget.has_share(Caller::Other(1001), Kind::Api, at(NOON)));
}
