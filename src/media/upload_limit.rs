//! How many bytes of uploads a second may leave this machine, and at which times of the day.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;

/// A rate for the whole day, and other rates for parts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadLimit {
    /// Bytes a second; `None` is without a limit.
    rest: Option<u64>,
    windows: Vec<Window>,
}

/// A part of each day, by the clock on the wall. It may go past midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    from: Minute,
    to: Minute,
    rate: Option<u64>,
}

/// Minutes since midnight; 1440 is the next midnight.
type Minute = u16;

const DAY: Minute = 24 * 60;
/// The word for no limit.
const OFF: &str = "off";

impl UploadLimit {
    /// The lowest rate, in bytes a second. At a lower one, requests would take so long that servers
    /// and proxies close them.
    pub const LOWEST: u64 = 4000;

    /// The bytes a second at this time of the day. If several windows hold it, the last one counts.
    pub fn at(&self, time: Time) -> Option<u64> {
        self.at_minute(minute_of(time))
    }

    /// How many seconds so many bytes take from this time of the day on. `speed` says how many bytes
    /// a second go under a limit; more than 0.
    pub fn seconds_for(&self, bytes: u64, from: Time, speed: impl Fn(Option<u64>) -> f64) -> f64 {
        let bytes = bytes as f64;
        if !self.is_schedule() {
            return bytes / speed(self.rest);
        }
        let rate = |minute: Minute| speed(self.at_minute(minute % DAY));
        let day = (0..DAY).map(|minute| rate(minute) * 60.0).sum::<f64>();
        let days = (bytes / day).floor();
        let (mut left, mut seconds) = (bytes - days * day, days * f64::from(DAY) * 60.0);
        let begun = minute_of(from);
        // The first minute has begun, so the last one is that of the next day.
        for minute in begun..=begun + DAY {
            let passed = if minute == begun { f64::from(from.second()) } else { 0.0 };
            let takes = left / rate(minute);
            if takes <= 60.0 - passed {
                return seconds + takes;
            }
            (left, seconds) = (left - rate(minute) * (60.0 - passed), seconds + 60.0 - passed);
        }
        seconds
    }

    fn at_minute(&self, minute: Minute) -> Option<u64> {
        let window = self.windows.iter().rev().find(|it| it.holds(minute));
        window.map_or(self.rest, |it| it.rate)
    }

    /// Whether the rate depends on the time.
    pub fn is_schedule(&self) -> bool {
        !self.windows.is_empty()
    }
}

impl Window {
    fn holds(&self, minute: Minute) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// Why a text is no limit of uploads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadLimitError {
    /// It is no rate.
    #[error(
        "{0:?} is no rate: use bytes a second as in 500k or 2M, bits a second as in 16Mbit, or 'off'"
    )]
    Rate(String),
    /// The rate is too low.
    #[error("{0} is too low: the lowest rate is 4k, 4000 bytes a second")]
    TooLow(String),
    /// It is no part of a day.
    #[error("{0:?} is no part of a day: use FROM-TO=RATE as in 01:00-07:00=off")]
    Window(String),
    /// The first word is a window.
    #[error(
        "give the rate for the rest of the day first, as in 2M 01:00-07:00=off, or off 08:00-18:00=500k"
    )]
    NoRest,
}

impl FromStr for UploadLimit {
    type Err = UploadLimitError;

    fn from_str(text: &str) -> Result<Self, UploadLimitError> {
        // `mount -o` takes a comma for the end of the option, so that spaces do as well.
        let mut words = text.split([',', ' ', '\t']).filter(|it| !it.is_empty());
        let first = words.next().unwrap_or_default();
        if first.contains(':') {
            return Err(UploadLimitError::NoRest);
        }
        let rest = rate(first)?;
        Ok(Self { rest, windows: words.map(window).collect::<Result<_, _>>()? })
    }
}

fn minute_of(time: Time) -> Minute {
    time.hour() as Minute * 60 + time.minute() as Minute
}

fn window(word: &str) -> Result<Window, UploadLimitError> {
    let refused = || UploadLimitError::Window(word.to_owned());
    let (times, its_rate) = word.split_once('=').unwrap_or((word, OFF));
    let (from, to) = times.split_once('-').ok_or_else(refused)?;
    let (from, to) = (minute(from).ok_or_else(refused)?, minute(to).ok_or_else(refused)?);
    if from == to || from == DAY {
        return Err(refused());
    }
    Ok(Window { from, to, rate: rate(its_rate)? })
}

/// Reads `7:30` or `07:30`, up to `24:00`.
fn minute(text: &str) -> Option<Minute> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |it: &str, digits: std::ops::RangeInclusive<usize>| {
        let plain = digits.contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit());
        plain.then(|| it.parse::<Minute>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

/// Reads a rate: bytes a second, or bits a second with the word for it.
fn rate(text: &str) -> Result<Option<u64>, UploadLimitError> {
    if text == OFF {
        return Ok(None);
    }
    let refused = || UploadLimitError::Rate(text.to_owned());
    let lower = text.to_ascii_lowercase();
    let plain = lower.strip_suffix("/s").unwrap_or(&lower);
    let (plain, bits) = match plain.strip_suffix("bit") {
        Some(it) => (it, 8.0),
        None => (plain.strip_suffix('b').unwrap_or(plain), 1.0),
    };
    let end = plain.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(plain.len());
    let (number, unit) = plain.split_at(end);
    let unit = match unit.trim_start() {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "ki" => 1024.0,
        "mi" => 1024.0 * 1024.0,
        "gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(refused()),
    };
    let number: f64 = number.parse().map_err(|_| refused())?;
    // No rate of a machine comes near the bounds of an integer.
    let rate = (number * unit / bits).round() as u64;
    match rate {
        0..UploadLimit::LOWEST => Err(UploadLimitError::TooLow(text.to_owned())),
        rate => Ok(Some(rate)),
    }
}

impl fmt::Display for UploadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rate_word(self.rest))?;
        for Window { from, to, rate } in &self.windows {
            let (from_h, from_m, to_h, to_m) = (from / 60, from % 60, to / 60, to % 60);
            write!(f, " {from_h:02}:{from_m:02}-{to_h:02}:{to_m:02}={}", rate_word(*rate))?;
        }
        Ok(())
    }
}

/// The word that reads back as this very rate.
fn rate_word(rate: Option<u64>) -> String {
    let Some(rate) = rate else { return OFF.to_owned() };
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1000, "k"), (1, "")];
    let unit = units.into_iter().find(|(unit, _)| rate.is_multiple_of(*unit));
    unit.map_or_else(|| rate.to_string(), |(unit, word)| format!("{}{word}", rate / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> UploadLimit {
        text.parse().unwrap()
    }

    fn at(limit: &UploadLimit, hour: i8, minute: i8) -> Option<u64> {
        limit.at(Time::constant(hour, minute, 30, 0))
    }

    #[test]
    fn each_limit_is_read_as_it_is_written() {
        for (text, written) in [
            ("off", "off"),
            ("2M", "2M"),
            ("2m", "2M"),
            ("2MB/s", "2M"),
            ("0.5M", "500k"),
            ("1500k", "1500k"),
            ("4000", "4k"),
            ("1Mi", "1048576"),
            ("16Mbit", "2M"),
            ("16Mbit/s", "2M"),
            ("300kbit", "37500"),
            ("1G", "1G"),
            ("2M 01:00-07:00", "2M 01:00-07:00=off"),
            ("2M,1:00-7:00=off,18:00-23:30=500k", "2M 01:00-07:00=off 18:00-23:30=500k"),
            ("off 22:00-06:00=1M", "off 22:00-06:00=1M"),
            ("off 00:00-24:00=1M", "off 00:00-24:00=1M"),
        ] {
            assert_eq!(limit(text).to_string(), written, "{text}");
            assert_eq!(limit(written), limit(text));
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_to_write() {
        for (text, said) in [
            ("", "is no rate: use bytes a second as in 500k or 2M"),
            ("fast", "\"fast\" is no rate"),
            ("-2M", "is no rate"),
            ("2T", "is no rate"),
            ("1.2.3M", "is no rate"),
            ("0", "is too low: the lowest rate is 4k"),
            ("31kbit", "is too low"),
            ("01:00-07:00", "give the rate for the rest of the day first"),
            ("2M 7", "\"7\" is no part of a day: use FROM-TO=RATE"),
            ("2M 07:00-25:00", "is no part of a day"),
            ("2M 07:60-08:00", "is no part of a day"),
            ("2M 07:00-07:00", "is no part of a day"),
            ("2M 24:00-07:00", "is no part of a day"),
            ("2M 1-7", "is no part of a day"),
            ("2M 01:00-07:00=no", "\"no\" is no rate"),
        ] {
            let error = text.parse::<UploadLimit>().unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }

    #[test]
    fn each_part_of_the_day_has_its_rate() {
        let limit = limit("2M 01:00-07:00=off 18:00-23:30=500k 20:00-21:00=4k");
        for (hour, minute, rate) in [
            (0, 59, Some(2_000_000)),
            (1, 0, None),
            (6, 59, None),
            (7, 0, Some(2_000_000)),
            (18, 0, Some(500_000)),
            (20, 30, Some(4000)),
            (21, 0, Some(500_000)),
            (23, 29, Some(500_000)),
            (23, 30, Some(2_000_000)),
        ] {
            assert_eq!(at(&limit, hour, minute), rate, "{hour}:{minute}");
        }
    }

    #[test]
    fn a_part_of_the_day_may_go_past_midnight() {
        let limit = limit("off 22:30-06:00=1M");
        for (hour, minute, rate) in [
            (22, 29, None),
            (22, 30, Some(1_000_000)),
            (23, 59, Some(1_000_000)),
            (0, 0, Some(1_000_000)),
            (5, 59, Some(1_000_000)),
            (6, 0, None),
        ] {
            assert_eq!(at(&limit, hour, minute), rate, "{hour}:{minute}");
        }
        assert_eq!(
            at(&super::UploadLimit::from_str("off 0:00-24:00=1M").unwrap(), 23, 59),
            Some(1_000_000)
        );
    }

    #[test]
    fn the_time_for_bytes_follows_the_schedule() {
        let speed = |allowed: Option<u64>| allowed.map_or(1e6, |it| 1e6_f64.min(it as f64));
        let seconds = |text: &str, bytes, hour| {
            limit(text).seconds_for(bytes, Time::constant(hour, 0, 0, 0), speed)
        };
        assert_eq!(seconds("off", 10_000_000, 12), 10.0);
        assert_eq!(seconds("100k", 10_000_000, 12), 100.0);
        // An hour without a limit, and the rest under one.
        assert_eq!(seconds("off 13:00-18:00=100k", 3_610_000_000, 12), 3700.0);
        assert_eq!(seconds("100k 13:00-18:00=off", 361_000_000, 12), 3601.0);
        // Nineteen hours without a limit are 68.4 GB a day, and five under one are 1.8 GB.
        let day = 68_400_000_000 + 1_800_000_000;
        assert_eq!(seconds("off 13:00-18:00=100k", 3 * day + 1_000_000, 12), 3.0 * 86_400.0 + 1.0);
        let late = Time::constant(12, 59, 50, 0);
        assert_eq!(limit("off 13:00-18:00=100k").seconds_for(11_000_000, late, speed), 20.0);
    }
}
