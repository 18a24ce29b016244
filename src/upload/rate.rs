//! How fast the queue moves, and when it will be empty. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::civil::Time;

use crate::media::UploadLimit;

/// Rates are averages over this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Samples closer together than this count as one, so the window holds a bounded number of them.
const SAMPLES_APART: Duration = Duration::from_secs(1);
/// After so short a gap the uploads have not stopped: they waited for an answer or the next file.
const GAP: Duration = Duration::from_secs(10);

/// Totals since the program began. They only grow, except when an upload breaks and begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentTotals {
    /// Bytes handed to the network, of uploads that have not failed.
    pub bytes: u64,
    /// Bytes of files that turned out to have been sent before, or to be on their way.
    pub deduplicated: u64,
    /// Files that have become items for certain, and items put into albums or taken out.
    pub operations: u64,
}

/// How fast it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Bytes.
    pub bytes_per_s: f64,
    /// See [`SentTotals::deduplicated`].
    pub deduplicated_per_s: f64,
    /// See [`SentTotals::operations`].
    pub operations_per_s: f64,
}

/// The last samples of the totals.
#[derive(Debug, Default)]
pub(super) struct UploadRate {
    /// The first may be older than the window: it is what the others are compared with.
    samples: VecDeque<(Instant, SentTotals)>,
    /// The most bytes a second over a while.
    fastest: f64,
}

impl UploadRate {
    /// The most bytes a second that went over a while, since the program began.
    pub(super) fn fastest(&self) -> f64 {
        self.fastest
    }

    /// Uploads begin: an idle time before them does not count, but a short gap does.
    pub(super) fn begin(&mut self, now: Instant, sent: SentTotals) {
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) > GAP) {
            self.samples.clear();
            self.samples.push_back((now, sent));
        }
    }

    /// The user has changed the limit: what went before says nothing about what follows.
    pub(super) fn begin_again(&mut self, now: Instant, sent: SentTotals) {
        self.samples.clear();
        self.begin(now, sent);
    }

    /// Adds a sample of the totals, and returns the rate.
    pub(super) fn sample(&mut self, now: Instant, sent: SentTotals) -> Rate {
        if self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLES_APART) {
            self.samples.push_back((now, sent));
        }
        let old = |sample: Option<&(Instant, SentTotals)>| {
            sample.is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        };
        // The sample before the newest stays, however old: a large file may take longer than the
        // window.
        while self.samples.len() > 2 && old(self.samples.front()) {
            self.samples.pop_front();
        }
        let Some((since, before)) = self.samples.front() else { return Rate::default() };
        let seconds = now.duration_since(*since).as_secs_f64();
        if seconds < SAMPLES_APART.as_secs_f64() {
            return Rate::default();
        }
        let per_s = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        if seconds >= GAP.as_secs_f64() {
            self.fastest = self.fastest.max(per_s(sent.bytes, before.bytes));
        }
        Rate {
            bytes_per_s: per_s(sent.bytes, before.bytes),
            deduplicated_per_s: per_s(sent.deduplicated, before.deduplicated),
            operations_per_s: per_s(sent.operations, before.operations),
        }
    }
}

/// The time that the rest takes: the longer of the times for bytes and for operations. Assumes that
/// duplicates continue at the recent rate. Nothing goes faster than `limit` allows at its time, nor
/// than it goes now, or went while more was allowed. `None` if nothing is left, or nothing moves.
pub(super) fn time_left(
    bytes: u64,
    operations: u64,
    rate: Rate,
    limit: (&UploadLimit, Time),
    fastest: f64,
) -> Option<Duration> {
    let (limit, time) = limit;
    let now = limit.at(time);
    let is_more = |allowed: Option<u64>| now.is_some_and(|now| allowed.is_none_or(|it| it > now));
    let speed = |allowed: Option<u64>| {
        let known = rate.bytes_per_s;
        let known = if is_more(allowed) { known.max(fastest) } else { known };
        let sent = allowed.map_or(known, |it| known.min(it as f64));
        sent + rate.deduplicated_per_s
    };
    let moves = rate.bytes_per_s + rate.deduplicated_per_s > 0.0;
    let for_bytes = (bytes > 0 && moves).then(|| limit.seconds_for(bytes, time, speed));
    let for_operations = (operations > 0 && rate.operations_per_s > 0.0)
        .then(|| operations as f64 / rate.operations_per_s);
    let seconds = [for_bytes, for_operations].into_iter().flatten().reduce(f64::max)?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(bytes: u64, operations: u64) -> SentTotals {
        SentTotals { bytes, operations, ..SentTotals::default() }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_that_of_the_window() {
        let (mut uploads, start) = (UploadRate::default(), Instant::now());
        uploads.begin(start, sent(0, 0));
        assert_eq!(uploads.sample(start, sent(0, 0)), Rate::default());
        for second in 1..=100 {
            uploads.sample(after(start, second), sent(second * 1000, second * 2));
        }
        let rate = uploads.sample(after(start, 101), sent(101_000, 202));
        assert!(
            (rate.bytes_per_s - 1000.0).abs() < 1.0 && (rate.operations_per_s - 2.0).abs() < 0.1
        );
        // Nothing was sent for a window: the queue stands still.
        let mut rate = rate;
        for second in 102..=170 {
            rate = uploads.sample(after(start, second), sent(101_000, 202));
        }
        assert_eq!(rate, Rate::default());
    }

    #[test]
    fn looks_are_bounded_however_often_one_looks() {
        let (mut uploads, start) = (UploadRate::default(), Instant::now());
        for tick in 0..100_000 {
            uploads.sample(start + Duration::from_millis(10 * tick), sent(tick, 0));
        }
        assert!(uploads.samples.len() <= 63, "{}", uploads.samples.len());
    }

    #[test]
    fn one_look_at_a_file_that_takes_long_is_enough() {
        let (mut uploads, start) = (UploadRate::default(), Instant::now());
        uploads.begin(start, sent(500, 0));
        assert_eq!(uploads.sample(after(start, 300), sent(30_500, 0)).bytes_per_s, 100.0);
    }

    #[test]
    fn a_pause_without_work_does_not_count() {
        let (mut uploads, start) = (UploadRate::default(), Instant::now());
        uploads.begin(start, sent(0, 0));
        uploads.sample(after(start, 5), sent(5000, 1));
        uploads.begin(after(start, 3600), sent(5000, 1));
        assert_eq!(uploads.sample(after(start, 3602), sent(9000, 1)).bytes_per_s, 2000.0);
    }

    #[test]
    fn the_slower_of_bytes_and_calls_decides() {
        let limit = (&UploadLimit::default(), Time::midnight());
        let rate = Rate { bytes_per_s: 100.0, operations_per_s: 2.0, ..Rate::default() };
        assert_eq!(time_left(1000, 4, rate, limit, 0.0), Some(Duration::from_secs(10)));
        assert_eq!(time_left(100, 40, rate, limit, 0.0), Some(Duration::from_secs(20)));
        assert_eq!(time_left(0, 0, rate, limit, 0.0), None);
        assert_eq!(time_left(1000, 4, Rate::default(), limit, 0.0), None);
        // Of ten files nine were sent before.
        let again = Rate { deduplicated_per_s: 900.0, ..rate };
        assert_eq!(time_left(10_000, 4, again, limit, 0.0), Some(Duration::from_secs(10)));
        // The first batch has not arrived yet.
        let first = Rate { operations_per_s: 0.0, ..rate };
        assert_eq!(time_left(1000, 4, first, limit, 0.0), Some(Duration::from_secs(10)));
    }

    #[test]
    fn nothing_goes_faster_than_the_user_allows() {
        let rate = Rate { bytes_per_s: 100.0, operations_per_s: 2.0, ..Rate::default() };
        let limit = |text: &str| text.parse::<UploadLimit>().unwrap();
        let left = |bytes, text: &str, fastest| {
            time_left(
                bytes,
                0,
                Rate { bytes_per_s: 8000.0, ..rate },
                (&limit(text), Time::midnight()),
                fastest,
            )
        };
        assert_eq!(left(80_000, "4k", 0.0), Some(Duration::from_secs(20)));
        assert_eq!(left(80_000, "20k", 0.0), Some(Duration::from_secs(10)));
        // After a minute the limit allows less, or nothing holds the fastest rate back.
        assert_eq!(left(960_000, "4k 00:00-00:01=8k", 0.0), Some(Duration::from_secs(180)));
        assert_eq!(left(960_000, "off 00:00-00:01=8k", 16_000.0), Some(Duration::from_secs(90)));
        let (mut uploads, start) = (UploadRate::default(), Instant::now());
        uploads.begin(start, sent(0, 0));
        uploads.sample(after(start, 30), sent(30_000, 0));
        uploads.begin_again(after(start, 30), sent(30_000, 0));
        assert_eq!(uploads.sample(after(start, 32), sent(30_200, 0)).bytes_per_s, 100.0);
    }
}
