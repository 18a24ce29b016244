//! Times as the tables keep them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// For this time, a change made here counts for more than a listing that does not show it
/// (reference §11.7).
pub const GRACE: Duration = Duration::from_secs(600);

/// Milliseconds since 1970, before or after, as the tables keep times.
pub(crate) fn to_millis(time: SystemTime) -> i64 {
    let clamp = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => clamp(since),
        Err(before) => -clamp(before.duration()),
    }
}

/// Nanoseconds since 1970, before or after, as the tables keep the times of files.
pub(crate) fn to_nanos(time: SystemTime) -> i64 {
    let clamp = |age: Duration| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => clamp(since),
        Err(before) => -clamp(before.duration()),
    }
}

/// The inverse of [`to_nanos`].
pub(crate) fn from_nanos(nanos: i64) -> SystemTime {
    let age = Duration::from_nanos(nanos.unsigned_abs());
    let time = if nanos < 0 { UNIX_EPOCH.checked_sub(age) } else { UNIX_EPOCH.checked_add(age) };
    time.unwrap_or(UNIX_EPOCH)
}

/// `time` less `span`, as far as clocks go back.
pub(crate) fn before(time: SystemTime, span: Duration) -> SystemTime {
    time.checked_sub(span).unwrap_or(UNIX_EPOCH)
}

/// The inverse of [`to_millis`].
pub(crate) fn from_millis(millis: i64) -> SystemTime {
    let age = Duration::from_millis(millis.unsigned_abs());
    let time = if millis < 0 { UNIX_EPOCH.checked_sub(age) } else { UNIX_EPOCH.checked_add(age) };
    time.unwrap_or(UNIX_EPOCH)
}
