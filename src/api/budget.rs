//! The two daily quotas of a Google Cloud project, and this program's use of them.
//!
//! Pure: takes the time as an argument. Other programs may share the project. So reaching the
//! published limit by our own count blocks nothing; only Google's answer does.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::media::Caller;

/// Library API requests per day and project, uploads included (reference §10.1).
pub const API_REQUESTS_PER_DAY: u64 = 10_000;
/// Base URL requests per day and project, HEAD included (reference §10.1).
pub const MEDIA_REQUESTS_PER_DAY: u64 = 75_000;

/// Other users of the machine cause no more downloads after so many media requests of a day.
const OTHERS_MEDIA_REQUESTS_MAX: u64 = MEDIA_REQUESTS_PER_DAY / 2;

/// The API requests of a day that other users of the machine may cause: the rest is the owner's.
pub const OTHERS_API_REQUESTS_MAX: u64 = API_REQUESTS_PER_DAY / 10;

/// So many minutes after midnight, a "daily quota" answer still refers to the old day, because
/// clocks differ.
const MIDNIGHT_BLUR_MIN: i64 = 15;

/// The length of the longest day, on which summer time ends.
const DAY_MAX: SignedDuration = SignedDuration::from_hours(25);

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

/// The requests of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    day: Date,
    api: u64,
    media: u64,
    #[serde(default)]
    others_api: u64,
}

/// Why a request must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unspent {
    /// The quota is used up. It is renewed then.
    QuotaUsedUp(Timestamp),
    /// Other users of the machine have had their share of the day.
    ShareUsedUp,
}

/// The counts that outlive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The Pacific date of the last request.
    pub day: Date,
    /// API requests sent on that day.
    pub api: u64,
    /// Media requests sent on that day.
    pub media: u64,
    /// The API requests of that day that other users of the machine have caused.
    #[serde(default)]
    pub others_api: u64,
    /// The day before that, while only this machine's clock says that it has ended. The clock may
    /// be wrong, and Google may count on.
    #[serde(default)]
    pub before: Option<Day>,
    /// Until when the API requests are used up, if the service has said so. By this machine's clock.
    pub api_blocked_until: Option<Timestamp>,
    /// Until when the media requests are used up, if the service has said so.
    pub media_blocked_until: Option<Timestamp>,
}

/// Counts requests as they are sent.
///
/// The counts belong to a day of Google's clock. This machine's clock is only a guess at it, which
/// the next answer confirms or corrects. The count may be too high then, but never too low.
#[derive(Debug)]
pub struct Budget {
    counter: Mutex<Counter>,
}

#[derive(Debug)]
struct Counter {
    saved: Saved,
    /// Google's time minus ours, by its last answer.
    skew: SignedDuration,
    /// The requests sent since that answer.
    unanswered: Unanswered,
}

#[derive(Debug, Default)]
struct Unanswered {
    api: u64,
    media: u64,
    others_api: u64,
}

impl Budget {
    /// A budget with nothing spent.
    pub fn new(now: Timestamp) -> Self {
        Self::restore(Saved {
            day: pacific_day(now),
            api: 0,
            media: 0,
            others_api: 0,
            before: None,
            api_blocked_until: None,
            media_blocked_until: None,
        })
    }

    /// Continues with the counts of an earlier process.
    pub fn restore(saved: Saved) -> Self {
        let counter =
            Counter { saved, skew: SignedDuration::ZERO, unanswered: Unanswered::default() };
        Self { counter: Mutex::new(counter) }
    }

    /// The counts, for a later process.
    pub fn saved(&self) -> Saved {
        self.counter.lock().saved.clone()
    }

    /// The counts of the day that `now` falls on.
    pub fn snapshot(&self, now: Timestamp) -> Saved {
        let counter = self.counter.lock();
        let today = counter.google_day(now);
        let mut saved = counter.saved.clone();
        saved.end_blocks(now);
        match saved.before.take() {
            Some(before) if today <= before.day => saved.set(before.plus(saved.spent())),
            _ if today > saved.day => saved.set(Day::begin(today)),
            _ => {}
        }
        saved
    }

    /// Whether a caller may cause another request of this kind.
    pub fn has_share(&self, caller: Caller, kind: Kind, now: Timestamp) -> bool {
        caller.is_owner() || self.snapshot(now).has_share_of_others(kind)
    }

    /// Charges one request that `caller` has caused. It is about to be sent.
    ///
    /// # Errors
    /// If it must not be sent. Then nothing is charged.
    pub fn spend(&self, caller: Caller, kind: Kind, now: Timestamp) -> Result<(), Unspent> {
        let counter = &mut *self.counter.lock();
        let today = counter.google_day(now);
        let saved = &mut counter.saved;
        saved.end_blocks(now);
        if let Some(until) = *saved.blocked_until(kind) {
            return Err(Unspent::QuotaUsedUp(until));
        }
        if today > saved.day {
            let ended = saved.spent();
            // Of several unconfirmed days the first one counts: all later ones may be wrong.
            saved.before = Some(saved.before.map_or(ended, |before| before.plus(ended)));
            saved.set(Day::begin(today));
        }
        if !caller.is_owner() && !saved.has_share_of_others(kind) {
            return Err(Unspent::ShareUsedUp);
        }
        let unanswered = &mut counter.unanswered;
        let (count, unanswered_count) = match kind {
            Kind::Api => (&mut saved.api, &mut unanswered.api),
            Kind::Media => (&mut saved.media, &mut unanswered.media),
        };
        *count += 1;
        *unanswered_count += 1;
        if kind == Kind::Api && !caller.is_owner() {
            saved.others_api += 1;
            unanswered.others_api += 1;
        }
        Ok(())
    }

    /// Google has answered a request. `skew` is its time minus ours.
    pub fn answered(&self, skew: SignedDuration, now: Timestamp) {
        let counter = &mut *self.counter.lock();
        counter.skew = skew;
        let unanswered = std::mem::take(&mut counter.unanswered);
        let (day, saved) = (pacific_day(plus(now, skew)), &mut counter.saved);
        let before = saved.before.take();
        if day > saved.day {
            // The latest requests may all belong to the new day.
            let Unanswered { api, media, others_api } = unanswered;
            saved.set(Day { day, api, media, others_api });
        } else if day < saved.day {
            let spent = Day { day, ..saved.spent() };
            saved.set(before.map_or(spent, |before| spent.plus(before)));
        }
    }

    /// Records that the service refused a request because the daily quota is used up. Returns the
    /// time from which the next one may be sent.
    pub fn exhausted(&self, kind: Kind, now: Timestamp) -> Timestamp {
        let counter = &mut *self.counter.lock();
        let skew = counter.known_skew();
        let google_now = plus(now, skew);
        let blur = Span::new().minutes(MIDNIGHT_BLUR_MIN);
        let until = match google_now.checked_sub(blur) {
            Ok(earlier) if pacific_day(earlier) < pacific_day(google_now) => {
                google_now.checked_add(blur).unwrap_or(google_now)
            }
            _ => next_reset(google_now),
        };
        let until = plus(until, -skew);
        *counter.saved.blocked_until(kind) = Some(until);
        until
    }
}

impl Counter {
    /// The day of Google's clock, as far as it is known.
    fn google_day(&self, now: Timestamp) -> Date {
        pacific_day(plus(now, self.known_skew()))
    }

    /// Google's time minus ours, or zero if both are about the same: the `Date` of an answer is only
    /// exact to a few seconds.
    fn known_skew(&self) -> SignedDuration {
        match self.skew.abs() < SignedDuration::from_mins(MIDNIGHT_BLUR_MIN) {
            true => SignedDuration::ZERO,
            false => self.skew,
        }
    }
}

impl Day {
    /// A day without requests.
    fn begin(day: Date) -> Self {
        Self { day, api: 0, media: 0, others_api: 0 }
    }

    /// Both days' requests, with the date of `self`.
    fn plus(self, other: Self) -> Self {
        Self {
            day: self.day,
            api: self.api + other.api,
            media: self.media + other.media,
            others_api: self.others_api + other.others_api,
        }
    }
}

impl Saved {
    fn spent(&self) -> Day {
        let Self { day, api, media, others_api, .. } = *self;
        Day { day, api, media, others_api }
    }

    fn set(&mut self, spent: Day) {
        (self.day, self.api, self.media) = (spent.day, spent.api, spent.media);
        self.others_api = spent.others_api;
    }

    /// Whether other users may cause another request of this kind. Downloads of all users count for
    /// their share of those.
    fn has_share_of_others(&self, kind: Kind) -> bool {
        match kind {
            Kind::Api => self.others_api < OTHERS_API_REQUESTS_MAX,
            Kind::Media => self.media < OTHERS_MEDIA_REQUESTS_MAX,
        }
    }

    /// Ends the blocks that are over. One that would last for more than a day dates from a time
    /// when the clock was ahead.
    fn end_blocks(&mut self, now: Timestamp) {
        let latest = plus(now, DAY_MAX);
        for blocked in [&mut self.api_blocked_until, &mut self.media_blocked_until] {
            blocked.take_if(|until| *until <= now || *until > latest);
        }
    }

    fn blocked_until(&mut self, kind: Kind) -> &mut Option<Timestamp> {
        match kind {
            Kind::Api => &mut self.api_blocked_until,
            Kind::Media => &mut self.media_blocked_until,
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

/// The time after a while. A time that no calendar has counts as `at` itself.
fn plus(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}

/// The next midnight in Pacific time, also on days of 23 and 25 hours.
pub fn next_reset(now: Timestamp) -> Timestamp {
    let midnight = now.to_zoned_datetime(pacific()).tomorrow().and_then(|it| it.start_of_day());
    midnight.map_or(now, |it| it.timestamp()) // only beyond the year 9999
}

#[cfg(test)]
mod tests;
