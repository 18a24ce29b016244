//! How many files are uploaded at a time: as many as keep the next batches full, and no more. Pure.

use std::time::{Duration, Instant};

use crate::api::BATCH_MAX;

/// The first limit. Google creates some 36 items a second, in batches one after the other. At a
/// quarter of a second for each small file, 10 uploads keep up with that.
const FIRST: usize = 16;
/// Fewer uploads never keep up with the batches.
const FEWEST: usize = 4;
/// With fewer files ready than this when a batch begins, a later one may not be full.
const SCARCE: usize = 2 * BATCH_MAX;
/// With so many files ready, the uploads are well ahead.
const PLENTY: usize = 4 * BATCH_MAX;
/// A raise has to bring so much more, or the network is the limit.
const WORTH_IT: f64 = 1.1;
/// For this long no raise is tried again.
const SETTLED_FOR: Duration = Duration::from_secs(60);

/// The limit, and the measurements that it follows from.
pub(super) struct ConcurrencyLimit {
    current: usize,
    most: usize,
    /// Bytes that have arrived since `since`, when the last batch began.
    bytes: u64,
    since: Option<Instant>,
    /// The limit before the last raise, and the bytes a second that it brought.
    raised_from: Option<(usize, f64)>,
    settled_until: Option<Instant>,
}

impl ConcurrencyLimit {
    /// At most `most` at a time.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            current: FIRST.min(most),
            most,
            bytes: 0,
            since: None,
            raised_from: None,
            settled_until: None,
        }
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// A file has arrived.
    pub(super) fn arrived(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// A batch begins. `ready` files were waiting for it, and `under_way` are being uploaded.
    pub(super) fn batch_begins(&mut self, ready: usize, under_way: usize, at: Instant) {
        let elapsed = self.since.replace(at).map(|since| at.duration_since(since).as_secs_f64());
        let bytes = std::mem::take(&mut self.bytes) as f64;
        let rate = elapsed.filter(|it| *it > 0.0).map(|it| bytes / it);
        let raised_from = self.raised_from.take();
        if ready >= PLENTY {
            self.current = (self.current - self.current / 4).max(FEWEST.min(self.most));
        } else if let Some(rate) = rate
            && ready < SCARCE
            && under_way >= self.current
        {
            match raised_from {
                Some((before, slower)) if rate < slower * WORTH_IT => {
                    self.current = before;
                    self.settled_until = Some(at + SETTLED_FOR);
                }
                _ if self.settled_until.is_some_and(|until| at < until) => {}
                _ if self.current < self.most => {
                    self.raised_from = Some((self.current, rate));
                    self.current =
                        (self.current + self.current / 2).clamp(self.current + 1, self.most);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches a second apart, each after as many bytes as `rate` says for the limit.
    fn run(limit: &mut ConcurrencyLimit, batches: u64, ready: usize, rate: impl Fn(usize) -> u64) {
        let start = Instant::now();
        for second in 0..batches {
            limit.arrived(rate(limit.current()));
            limit.batch_begins(ready, limit.current(), start + Duration::from_secs(second));
        }
    }

    #[test]
    fn slow_uploads_get_more_places() {
        let mut limit = ConcurrencyLimit::new(64);
        run(&mut limit, 10, 30, |limit| limit as u64 * 1000);
        assert_eq!(limit.current(), 64);
    }

    #[test]
    fn a_full_network_is_not_given_more() {
        let mut limit = ConcurrencyLimit::new(64);
        run(&mut limit, 50, 30, |_| 100_000);
        assert_eq!(limit.current(), 16);
    }

    #[test]
    fn fewer_do_when_uploads_are_well_ahead() {
        let mut limit = ConcurrencyLimit::new(64);
        run(&mut limit, 20, 500, |limit| limit as u64 * 1000);
        assert_eq!(limit.current(), 4);
    }

    #[test]
    fn places_that_are_not_taken_are_not_added_to() {
        let mut limit = ConcurrencyLimit::new(64);
        let start = Instant::now();
        for second in 0..10 {
            limit.arrived(1000);
            limit.batch_begins(3, 2, start + Duration::from_secs(second));
        }
        assert_eq!(limit.current(), 16);
    }

    #[test]
    fn the_user_s_limit_is_kept() {
        let mut limit = ConcurrencyLimit::new(2);
        assert_eq!(limit.current(), 2);
        run(&mut limit, 10, 0, |limit| limit as u64 * 1000);
        run(&mut limit, 10, 1000, |limit| limit as u64 * 1000);
        assert_eq!(limit.current(), 2);
    }
}
