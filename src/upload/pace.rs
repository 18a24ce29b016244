//! How fast the queue goes, and when it may be through. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rates are those of this last while.
const WINDOW: Duration = Duration::from_secs(60);
/// Looks closer together than this count as one, so the window holds a bounded number of them.
const LOOKS_APART: Duration = Duration::from_secs(1);
/// Work that begins again so soon has not stopped: it waited for an answer, or for the next file.
const GAP: Duration = Duration::from_secs(10);

/// What has gone since the program began. Counts only up, but for an upload that breaks and begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Bytes handed to the network, of uploads that have not failed.
    pub bytes: u64,
    /// Bytes of files that turned out to have been sent before, or to be on their way.
    pub spared: u64,
    /// Files that have become items for certain, and items put into albums or taken out.
    pub things: u64,
}

/// How fast it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Bytes.
    pub bytes_per_s: f64,
    /// See [`Gone::spared`].
    pub spared_per_s: f64,
    /// See [`Gone::things`].
    pub things_per_s: f64,
}

/// The last looks at what has gone.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The first may be older than the window: it is what the others are compared with.
    looks: VecDeque<(Instant, Gone)>,
}

impl Pace {
    /// Uploads begin: the time before, in which there was nothing to do, does not count. A short gap does.
    pub(super) fn begin(&mut self, now: Instant, gone: Gone) {
        if self.looks.back().is_none_or(|(at, _)| now.duration_since(*at) > GAP) {
            self.looks.clear();
            self.looks.push_back((now, gone));
        }
    }

    /// Takes note of what has gone by now, and says how fast that was.
    pub(super) fn look(&mut self, now: Instant, gone: Gone) -> Rate {
        if self.looks.back().is_none_or(|(at, _)| now.duration_since(*at) >= LOOKS_APART) {
            self.looks.push_back((now, gone));
        }
        let old = |look: Option<&(Instant, Gone)>| {
            look.is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        };
        // The last one but the newest stays, however old: a large file may take longer than the window.
        while self.looks.len() > 2 && old(self.looks.front()) {
            self.looks.pop_front();
        }
        let Some((since, before)) = self.looks.front() else { return Rate::default() };
        let seconds = now.duration_since(*since).as_secs_f64();
        if seconds < LOOKS_APART.as_secs_f64() {
            return Rate::default();
        }
        let per_s = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        Rate {
            bytes_per_s: per_s(gone.bytes, before.bytes),
            spared_per_s: per_s(gone.spared, before.spared),
            things_per_s: per_s(gone.things, before.things),
        }
    }
}

/// How long what is left takes at this rate: the bytes or the calls, whichever takes longer. Of the bytes as many need
/// not be sent as of late, if nothing else is known of them. `None` if nothing is left, or nothing moves.
pub(super) fn time_left(bytes: u64, things: u64, rate: Rate) -> Option<Duration> {
    let needs = |left: u64, per_s: f64| (left > 0 && per_s > 0.0).then(|| left as f64 / per_s);
    let needs =
        [needs(bytes, rate.bytes_per_s + rate.spared_per_s), needs(things, rate.things_per_s)];
    let seconds = needs.into_iter().flatten().reduce(f64::max)?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(bytes: u64, things: u64) -> Gone {
        Gone { bytes, things, ..Gone::default() }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_that_of_the_window() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.begin(start, gone(0, 0));
        assert_eq!(pace.look(start, gone(0, 0)), Rate::default());
        for second in 1..=100 {
            pace.look(after(start, second), gone(second * 1000, second * 2));
        }
        let rate = pace.look(after(start, 101), gone(101_000, 202));
        assert!((rate.bytes_per_s - 1000.0).abs() < 1.0 && (rate.things_per_s - 2.0).abs() < 0.1);
        // Nothing has gone for a window: it stands still.
        let mut rate = rate;
        for second in 102..=170 {
            rate = pace.look(after(start, second), gone(101_000, 202));
        }
        assert_eq!(rate, Rate::default());
    }

    #[test]
    fn looks_are_bounded_however_often_one_looks() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for tick in 0..100_000 {
            pace.look(start + Duration::from_millis(10 * tick), gone(tick, 0));
        }
        assert!(pace.looks.len() <= 63, "{}", pace.looks.len());
    }

    #[test]
    fn one_look_at_a_file_that_takes_long_is_enough() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.begin(start, gone(500, 0));
        assert_eq!(pace.look(after(start, 300), gone(30_500, 0)).bytes_per_s, 100.0);
    }

    #[test]
    fn a_pause_without_work_does_not_count() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.begin(start, gone(0, 0));
        pace.look(after(start, 5), gone(5000, 1));
        pace.begin(after(start, 3600), gone(5000, 1));
        assert_eq!(pace.look(after(start, 3602), gone(9000, 1)).bytes_per_s, 2000.0);
    }

    #[test]
    fn the_slower_of_bytes_and_calls_decides() {
        let rate = Rate { bytes_per_s: 100.0, things_per_s: 2.0, ..Rate::default() };
        assert_eq!(time_left(1000, 4, rate), Some(Duration::from_secs(10)));
        assert_eq!(time_left(100, 40, rate), Some(Duration::from_secs(20)));
        assert_eq!(time_left(0, 0, rate), None);
        assert_eq!(time_left(1000, 4, Rate::default()), None);
        // Of ten files nine were sent before.
        let again = Rate { spared_per_s: 900.0, ..rate };
        assert_eq!(time_left(10_000, 4, again), Some(Duration::from_secs(10)));
        // The first batch has not arrived yet.
        let first = Rate { things_per_s: 0.0, ..rate };
        assert_eq!(time_left(1000, 4, first), Some(Duration::from_secs(10)));
    }
}
