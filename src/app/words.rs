//! Durations in words.

use jiff::{SignedDuration, Unit};

/// Formats a duration with its two largest units, for example `1h 20m`.
pub fn time_words(seconds: u64) -> String {
    let unit = match seconds {
        0..3600 => Unit::Second,
        3600..86_400 => Unit::Minute,
        _ => Unit::Hour,
    };
    let exact = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let rounded = exact.round(unit).unwrap_or(exact);
    if rounded.is_zero() { "0s".to_owned() } else { format!("{rounded:#}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_to_two_units() {
        for (seconds, words) in [
            (0, "0s"),
            (59, "59s"),
            (125, "2m 5s"),
            (3725, "1h 2m"),
            (86_400, "24h"),
            (200_000, "56h"),
        ] {
            assert_eq!(time_words(seconds), words);
        }
    }
}
