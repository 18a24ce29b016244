//! Keeps the bytes of all uploads together under the user's limit, which may change at any time.
//!
//! A token bucket: credit grows with time, and each piece of a file takes from it before it goes to
//! the network. Pure, but for the clock and the time zone of a schedule.

use std::time::{Duration, Instant};

use jiff::civil::Time;

use crate::media::{UploadLimit, local_clock};

/// Credit for longer than this does not pile up: the line stays smooth. It covers the time by which
/// a busy machine is late.
const CREDIT_MAX: Duration = Duration::from_millis(250);
/// A piece takes about so long, so that another program never waits behind a whole burst.
const PIECE: Duration = Duration::from_millis(50);
/// Smaller pieces cost more than they smooth.
const PIECE_BYTES_MIN: u64 = 1 << 10;

/// The limit of all uploads of a client.
pub(super) struct UploadLimiter {
    limit: UploadLimit,
    bucket: Bucket,
}

impl UploadLimiter {
    pub(super) fn new(limit: UploadLimit) -> Self {
        Self { limit, bucket: Bucket::new(Instant::now()) }
    }

    pub(super) fn limit(&self) -> &UploadLimit {
        &self.limit
    }

    /// Counts from now on, also for uploads under way.
    pub(super) fn set(&mut self, limit: UploadLimit) {
        self.limit = limit;
    }

    /// The bytes a second that may go now. `None` is without a limit.
    pub(super) fn now(&self) -> Option<u64> {
        // To read the clock and the time zone for each piece would be for nothing.
        let time = if self.limit.is_schedule() { local_clock() } else { Time::midnight() };
        self.limit.at(time)
    }

    /// How many bytes to send at a time, if there is a limit.
    pub(super) fn piece(&self) -> Option<u64> {
        let bytes = self.now()? as f64 * PIECE.as_secs_f64();
        Some((bytes as u64).max(PIECE_BYTES_MIN))
    }

    /// Takes credit for so many bytes if there is any. Otherwise returns how long until then.
    pub(super) fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let Some(rate) = self.now() else {
            self.bucket = Bucket::new(now);
            return Duration::ZERO;
        };
        self.bucket.take(bytes, rate, now)
    }
}

/// The credit. Pure.
struct Bucket {
    /// Bytes that may go at once; less than 0 after a piece that was larger.
    credit: f64,
    at: Instant,
}

impl Bucket {
    fn new(at: Instant) -> Self {
        Self { credit: 0.0, at }
    }

    /// Takes credit for so many bytes if there is any. Otherwise returns how long until then.
    fn take(&mut self, bytes: u64, rate: u64, now: Instant) -> Duration {
        let rate = rate.max(1) as f64;
        let elapsed = now.saturating_duration_since(self.at);
        let most = rate * CREDIT_MAX.as_secs_f64();
        self.credit = (self.credit + elapsed.as_secs_f64() * rate).min(most);
        self.at = now;
        if self.credit >= 0.0 {
            self.credit -= bytes as f64;
            return Duration::ZERO;
        }
        // Timers count milliseconds. A shorter sleep would be none.
        Duration::from_secs_f64(-self.credit / rate).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends pieces for so many seconds by a clock of its own, which is late by `late` each time.
    /// Returns how many bytes went in each second.
    fn run(bucket: &mut Bucket, seconds: u64, piece: u64, rate: u64, late: Duration) -> Vec<u64> {
        let start = bucket.at;
        let mut now = start;
        let mut sent = vec![0; seconds as usize];
        while now < start + Duration::from_secs(seconds) {
            match bucket.take(piece, rate, now) {
                Duration::ZERO => sent[now.duration_since(start).as_secs() as usize] += piece,
                wait => now += wait + late,
            }
        }
        sent
    }

    #[test]
    fn each_second_carries_what_the_rate_allows() {
        for (rate, piece) in [(4000, 1024), (125_000, 6250), (2_000_000, 65_536)] {
            let sent = run(&mut Bucket::new(Instant::now()), 60, piece, rate, Duration::ZERO);
            for (second, bytes) in sent.iter().enumerate() {
                assert!(bytes.abs_diff(rate) <= piece, "{rate}: {bytes} in second {second}");
            }
            let all = sent.iter().sum::<u64>();
            assert!(all.abs_diff(60 * rate) <= piece, "{rate}: {all}");
        }
    }

    #[test]
    fn a_machine_that_is_late_loses_nothing_and_catches_up_with_little() {
        let late = Duration::from_millis(100);
        let sent = run(&mut Bucket::new(Instant::now()), 60, 6250, 125_000, late);
        let all = sent.iter().sum::<u64>();
        assert!(all.abs_diff(60 * 125_000) <= 125_000 / 4, "{all}");
    }

    #[test]
    fn credit_of_an_idle_time_is_a_moment_s() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        bucket.at = start + Duration::from_secs(3600);
        bucket.credit = 0.0;
        let sent = run(&mut bucket, 1, 6250, 125_000, Duration::ZERO);
        assert!(sent[0] <= 125_000 * 5 / 4 + 6250, "{sent:?}");
    }

    #[test]
    fn another_rate_counts_from_the_next_piece_on() {
        let mut bucket = Bucket::new(Instant::now());
        run(&mut bucket, 10, 1024, 4000, Duration::ZERO);
        bucket.at += Duration::from_millis(1);
        let sent = run(&mut bucket, 10, 65_536, 2_000_000, Duration::ZERO);
        assert!(sent.iter().sum::<u64>().abs_diff(20_000_000) <= 65_536, "{sent:?}");
    }

    #[test]
    fn a_limit_that_goes_takes_its_debts_along() {
        let mut limiter = UploadLimiter::new("4k".parse().unwrap());
        assert_eq!((limiter.now(), limiter.piece()), (Some(4000), Some(PIECE_BYTES_MIN)));
        let now = Instant::now();
        // An hour's worth.
        limiter.take(4000 * 3600, now);
        assert!(limiter.take(1024, now) > Duration::from_secs(3000));
        limiter.set(UploadLimit::default());
        assert_eq!((limiter.now(), limiter.piece()), (None, None));
        assert_eq!(limiter.take(1024, now), Duration::ZERO);
        assert_eq!(limiter.limit().to_string(), "off");
    }
}
