//! The two daily quotas of a Google Cloud project, and this program's use of them.
//!
//! Pure: takes the time as an argument. Other programs may share the project. So reaching the
//! published limit by our own count blocks nothing; only Google's answer does.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Library API requests per day and project, uploads included (reference §10.1).
pub const API_REQUESTS_PER_DAY: u64 = 10_000;
/// Base URL requests per day and project, HEAD included (reference §10.1).
pub const MEDIA_REQUESTS_PER_DAY: u64 = 75_000;

/// So many minutes after midnight, a "daily quota" answer still refers to the old day, because
/// clocks differ.
const MIDNIGHT_BLUR_MIN: i64 = 15;

/// The quota that a request is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Listing, creating, uploading: everything with a login.
    Api,
    /// Downloads by base URL.
    Media,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Api => "API",
            Self::Media => "media",
        })
    }
}

/// The counts that outlive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The Pacific day that the counts belong to.
    pub day: Date,
    /// API requests sent on that day.
    pub api: u64,
    /// Media requests sent on that day.
    pub media: u64,
    /// Until when the API requests are used up, if the service has said so.
    pub api_blocked_until: Option<Timestamp>,
    /// Until when the media requests are used up, if the service has said so.
    pub media_blocked_until: Option<Timestamp>,
}

/// Counts requests as they are sent.
#[derive(Debug)]
pub struct Budget {
    saved: Mutex<Saved>,
}

impl Budget {
    /// A budget with nothing spent.
    pub fn new(now: Timestamp) -> Self {
        Self::restore(Saved {
            day: pacific_day(now),
            api: 0,
            media: 0,
            api_blocked_until: None,
            media_blocked_until: None,
        })
    }

    /// Continues with the counts of an earlier process.
    pub fn restore(saved: Saved) -> Self {
        Self { saved: Mutex::new(saved) }
    }

    /// The counts of the day that `now` falls on.
    pub fn snapshot(&self, now: Timestamp) -> Saved {
        let mut saved = self.saved.lock();
        saved.roll_over(now);
        saved.clone()
    }

    /// Charges one request. The caller is about to send it.
    ///
    /// # Errors
    /// The time of renewal, if the quota is known to be used up. Then nothing is charged.
    pub fn spend(&self, kind: Kind, now: Timestamp) -> Result<(), Timestamp> {
        let mut saved = self.saved.lock();
        saved.roll_over(now);
        let (count, blocked_until) = saved.of(kind);
        match *blocked_until {
            Some(until) => Err(until),
            None => {
                *count += 1;
                Ok(())
            }
        }
    }

    /// Records that the service refused a request because the daily quota is used up. Returns the
    /// time from which the next one may be sent.
    pub fn exhausted(&self, kind: Kind, now: Timestamp) -> Timestamp {
        let mut saved = self.saved.lock();
        saved.roll_over(now);
        let blur = Span::new().minutes(MIDNIGHT_BLUR_MIN);
        let until = match now.checked_sub(blur) {
            Ok(earlier) if pacific_day(earlier) < pacific_day(now) => {
                now.checked_add(blur).unwrap_or(now)
            }
            _ => next_reset(now),
        };
        *saved.of(kind).1 = Some(until);
        until
    }
}

impl Saved {
    /// Starts a new day if one has begun.
    fn roll_over(&mut self, now: Timestamp) {
        let today = pacific_day(now);
        if today != self.day {
            (self.day, self.api, self.media) = (today, 0, 0);
        }
        for blocked in [&mut self.api_blocked_until, &mut self.media_blocked_until] {
            if blocked.is_some_and(|until| until <= now) {
                *blocked = None;
            }
        }
    }

    fn of(&mut self, kind: Kind) -> (&mut u64, &mut Option<Timestamp>) {
        match kind {
            Kind::Api => (&mut self.api, &mut self.api_blocked_until),
            Kind::Media => (&mut self.media, &mut self.media_blocked_until),
        }
    }
}

/// The quota's day begins at midnight Pacific time (reference §10.1).
fn pacific() -> TimeZone {
    TimeZone::get("America/Los_Angeles").expect("the time zone database is part of the program")
}

fn pacific_day(now: Timestamp) -> Date {
    now.to_zoned_datetime(pacific()).date()
}

/// The next midnight in Pacific time, also on days of 23 and 25 hours.
pub fn next_reset(now: Timestamp) -> Timestamp {
    let midnight = now.to_zoned_datetime(pacific()).tomorrow().and_then(|it| it.start_of_day());
    midnight.map_or(now, |it| it.timestamp()) // only beyond the year 9999
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn counts_start_anew_at_midnight_pacific() {
        let budget = Budget::new(at("2026-07-01T12:00:00Z"));
        budget.spend(Kind::Api, at("2026-07-01T12:00:00Z")).unwrap();
        budget.spend(Kind::Media, at("2026-07-02T06:59:59Z")).unwrap();
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
        assert_eq!(budget.spend(Kind::Api, at("2026-07-02T06:00:00Z")), Err(until));
        assert_eq!(budget.spend(Kind::Media, at("2026-07-02T06:00:00Z")), Ok(()));
        assert_eq!(budget.spend(Kind::Api, until), Ok(()));
    }

    #[test]
    fn reset_is_right_when_summer_time_ends() {
        let budget = Budget::new(at("2026-11-01T08:00:00Z"));
        assert_eq!(
            budget.exhausted(Kind::Api, at("2026-11-01T12:00:00Z")),
            at("2026-11-02T08:00:00Z")
        );
    }

    #[test]
    fn refusal_right_after_midnight_does_not_cost_the_new_day() {
        let budget = Budget::new(at("2026-07-01T12:00:00Z"));
        assert_eq!(
            budget.exhausted(Kind::Api, at("2026-07-02T07:01:00Z")),
            at("2026-07-02T07:16:00Z")
        );
    }

    #[test]
    fn survives_a_restart() {
        let budget = Budget::new(at("2026-07-01T12:00:00Z"));
        budget.exhausted(Kind::Media, at("2026-07-01T12:00:00Z"));
        let saved = budget.snapshot(at("2026-07-01T12:00:00Z"));
        let text = serde_json::to_string(&saved).unwrap();
        assert_eq!(serde_json::from_str::<Saved>(&text).unwrap(), saved);
    }
}
