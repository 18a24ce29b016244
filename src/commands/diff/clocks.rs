//! What a clock may show that is no capture time. Pure.

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Time zones differ by multiples of this, in seconds.
const ZONE_GRAIN: u64 = 900;
/// The largest offset of a time zone from UTC, in seconds.
const ZONE_MAX: u64 = 14 * 3600;

/// Where the weeks of the satellites begin, and where the seconds since 1904 end, in seconds
/// since 1970.
const BEGINNINGS: [i64; 2] = [315_964_800, 2_212_122_495];

/// Whether two times may differ by the offset of a time zone: whole quarters of an hour.
pub fn is_zone(apart: u64) -> bool {
    apart <= ZONE_MAX && apart.is_multiple_of(ZONE_GRAIN)
}

/// Whether this is where a clock begins that nobody has set: the first moment of a year, in any
/// zone, or of another count. Some cameras begin at noon. All files of such a camera have one time.
pub fn is_unset(seconds: i64) -> bool {
    let is_at = |beginning: i64| is_zone(seconds.abs_diff(beginning));
    new_year(seconds).is_some_and(is_at) || BEGINNINGS.into_iter().any(is_at)
}

/// The first moment of the year, for a time shortly before or behind it.
fn new_year(seconds: i64) -> Option<i64> {
    let zone = SignedDuration::from_secs(i64::try_from(ZONE_MAX).ok()?);
    let behind = Timestamp::from_second(seconds).ok()?.checked_add(zone).ok()?;
    let year = TimeZone::UTC.to_datetime(behind).year();
    let first = DateTime::from_parts(date(year, 1, 1), jiff::civil::Time::midnight());
    Some(TimeZone::UTC.to_timestamp(first).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn clocks_that_were_never_set_show_the_beginning_of_something() {
        for year in [1904, 1970, 1980, 2000, 2001, 2008, 2019] {
            assert!(is_unset(seconds(&format!("{year}-01-01T00:00:00Z"))), "{year}");
        }
        // In other zones, and at noon.
        for time in ["1999-12-31T22:00:00Z", "1980-01-01T05:45:00Z", "2008-01-01T12:00:00Z"] {
            assert!(is_unset(seconds(time)), "{time}");
        }
        for time in ["1980-01-06T00:00:00Z", "2040-02-06T06:28:15Z"] {
            assert!(is_unset(seconds(time)), "{time}");
        }
    }

    #[test]
    fn other_times_are_capture_times() {
        for time in [
            "2000-01-01T00:00:01Z",
            "2000-01-01T15:00:00Z",
            "1999-12-31T09:45:00Z",
            "2019-04-28T00:00:00Z",
            "2019-02-01T00:00:00Z",
        ] {
            assert!(!is_unset(seconds(time)), "{time}");
        }
        assert!(!is_unset(i64::MIN) && !is_unset(i64::MAX));
    }
}
