//! Counts and durations in words.

use std::fmt::Display;

use jiff::{SignedDuration, Unit};

/// A count with its noun: `1 file`, `2 files`. All plurals of the commands are made here.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

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
    fn only_one_is_singular() {
        assert_eq!(counted(1_u64, "file"), "1 file");
        assert_eq!(counted(0_usize, "file"), "0 files");
        assert_eq!(counted(1.5, "file"), "1.5 files");
    }

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
