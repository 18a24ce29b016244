//! How many files are sent at a time: as many as keep the next batches full, and no more. Pure.

use std::time::{Duration, Instant};

use crate::api::BATCH_MAX;

/// Where it begins: Google makes some 36 items a second, in batches one after the other; at a quarter of a second
/// for each small file that takes 10 uploads.
const FIRST: usize = 16;
/// Fewer never keep up.
const FEWEST: usize = 4;
/// With fewer files ready than this when a batch begins, a later one may not be full.
const SCARCE: usize = 2 * BATCH_MAX;
/// With so many, the uploads are well ahead.
const PLENTY: usize = 4 * BATCH_MAX;
/// More at a time have to bring so much more, or the line is full.
const WORTH_IT: f64 = 1.1;
/// For how long a full line is taken to be one.
const SETTLED_FOR: Duration = Duration::from_secs(60);

/// The level, and what it follows from.
pub(super) struct Level {
    now: usize,
    most: usize,
    /// Bytes that have arrived since `since`, when the last batch began.
    bytes: u64,
    since: Option<Instant>,
    /// The level before the last raise, and the bytes a second that it brought.
    raised_from: Option<(usize, f64)>,
    settled_until: Option<Instant>,
}

impl Level {
    /// At most `most` at a time.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            now: FIRST.min(most),
            most,
            bytes: 0,
            since: None,
            raised_from: None,
            settled_until: None,
        }
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// A file has arrived.
    pub(super) fn arrived(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// A batch begins, for which `ready` files were waiting while `under_way` were being sent.
    pub(super) fn batch_begins(&mut self, ready: usize, under_way: usize, at: Instant) {
        let elapsed = self.since.replace(at).map(|since| at.duration_since(since).as_secs_f64());
        let bytes = std::mem::take(&mut self.bytes) as f64;
        let rate = elapsed.filter(|it| *it > 0.0).map(|it| bytes / it);
        let raised_from = self.raised_from.take();
        if ready >= PLENTY {
            self.now = (self.now - self.now / 4).max(FEWEST.min(self.most));
        } else if let Some(rate) = rate
            && ready < SCARCE
            && under_way >= self.now
        {
            match raised_from {
                Some((before, slower)) if rate < slower * WORTH_IT => {
                    self.now = before;
                    self.settled_until = Some(at + SETTLED_FOR);
                }
                _ if self.settled_until.is_some_and(|until| at < until) => {}
                _ if self.now < self.most => {
                    self.raised_from = Some((self.now, rate));
                    self.now = (self.now + self.now / 2).clamp(self.now + 1, self.most);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches a second apart, each after as many bytes as `rate` says for the level.
    fn run(level: &mut Level, batches: u64, ready: usize, rate: impl Fn(usize) -> u64) {
        let start = Instant::now();
        for second in 0..batches {
            level.arrived(rate(level.now()));
            level.batch_begins(ready, level.now(), start + Duration::from_secs(second));
        }
    }

    #[test]
    fn slow_uploads_get_more_places() {
        let mut level = Level::new(64);
        run(&mut level, 10, 30, |level| level as u64 * 1000);
        assert_eq!(level.now(), 64);
    }

    #[test]
    fn a_full_line_is_not_given_more() {
        let mut level = Level::new(64);
        run(&mut level, 50, 30, |_| 100_000);
        assert_eq!(level.now(), 16);
    }

    #[test]
    fn fewer_do_when_uploads_are_well_ahead() {
        let mut level = Level::new(64);
        run(&mut level, 20, 500, |level| level as u64 * 1000);
        assert_eq!(level.now(), 4);
    }

    #[test]
    fn places_that_are_not_taken_are_not_added_to() {
        let mut level = Level::new(64);
        let start = Instant::now();
        for second in 0..10 {
            level.arrived(1000);
            level.batch_begins(3, 2, start + Duration::from_secs(second));
        }
        assert_eq!(level.now(), 16);
    }

    #[test]
    fn the_user_s_limit_is_kept() {
        let mut level = Level::new(2);
        assert_eq!(level.now(), 2);
        run(&mut level, 10, 0, |level| level as u64 * 1000);
        run(&mut level, 10, 1000, |level| level as u64 * 1000);
        assert_eq!(level.now(), 2);
    }
}
