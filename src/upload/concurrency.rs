//! How many files are uploaded at a time: as many as fill the line and keep the next batches full,
//! and no more. With more, each of them takes longer and nothing arrives sooner. Pure.
//!
//! It begins with few, so that the first of them arrives soon on any line. While files arrive within
//! a moment, each adds a place (as TCP's slow start does). Otherwise the limit follows the rate: it
//! doubles every few seconds until that brings no more bytes a second. From then on more uploads are
//! tried now and then, and fewer where each takes long.

use std::time::{Duration, Instant};

use crate::api::BATCH_MAX;

/// The first limit, for files that are small.
const FIRST: usize = 8;
/// The bytes of the first uploads, if they are more than one.
const FIRST_BYTES: u64 = 2_500_000;
/// Google creates some 36 items a second, in batches one after the other. At a quarter of a second
/// for each small file, 10 uploads keep up with that. At the beginning there is a batch to catch up.
const QUICK_START_MAX: usize = 32;
/// An upload that is over so soon says that there is room for another one.
const MOMENT: Duration = Duration::from_secs(1);
/// If nothing has arrived after so long, the line is slow.
const SLOW_AFTER: Duration = Duration::from_secs(3);
/// Fewer uploads of small files never keep up with the batches.
const FEWEST: usize = 4;
/// Fewer never fill a line, because each waits for its answer at its end.
const FEWEST_LONG: usize = 2;
/// Where uploads take longer than this, fewer at a time are tried.
const LONG: Duration = Duration::from_secs(10);
/// With fewer files ready than this when a batch begins, a later one may not be full.
const SCARCE: usize = 2 * BATCH_MAX;
/// With so many files ready, the uploads are well ahead.
const PLENTY: usize = 4 * BATCH_MAX;
/// A raise has to bring so much more, or the network is the limit.
const WORTH_IT: f64 = 1.1;
/// With fewer uploads, so much of the rate has to stay.
const AS_GOOD: f64 = 0.93;
/// With fewer bytes a second for each upload, more uploads only take longer. Where the user limits
/// the rate, so few are enough that each has this.
const EACH: u64 = 64_000;
/// For this long nothing is tried again.
const SETTLED_FOR: Duration = Duration::from_secs(60);
/// A rate is that of so many uploads one after another, but of no less and no more time.
const UPLOADS_LONG: u32 = 4;
/// See [`UPLOADS_LONG`].
const MEASURED_MIN: Duration = Duration::from_millis(500);
/// See [`UPLOADS_LONG`]. Also if no upload has ended yet.
const MEASURED_MAX: Duration = Duration::from_secs(10);
/// While files are uploaded, the rate is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The same while the limit doubles.
const LOOK_EVERY_SEEKING: Duration = Duration::from_millis(500);
/// While the limit doubles, a rate is that of this time.
const SOUGHT_FOR: Duration = Duration::from_secs(2);
/// But of no fewer bytes, because the network takes them in pieces.
const SOUGHT_BYTES: u64 = 512 << 10;

/// The limit, and the measurements that it follows from.
pub(super) struct ConcurrencyLimit {
    current: usize,
    most: usize,
    /// When the uploads under way began, the first of them.
    begun: Option<Instant>,
    /// Nothing has arrived yet.
    is_fresh: bool,
    /// The limit still grows with each upload that is over soon.
    quick_start: bool,
    /// The limit still doubles, as long as that raises the rate.
    is_seeking: bool,
    /// How many files were ready when the last batch began.
    ready: usize,
    /// How long uploads take, of late.
    took: Option<Duration>,
    /// When the measurement of the rate begins, or has begun with so many bytes.
    measured: Option<(Instant, Option<u64>)>,
    /// The limit before the last change, and the bytes a second that it brought.
    tried_from: Option<(usize, f64)>,
    /// No raise before then.
    full_until: Option<Instant>,
    /// No trial with fewer before then.
    needed_until: Option<Instant>,
    /// The bytes a second that the user allows.
    allowed: Option<u64>,
}

impl ConcurrencyLimit {
    /// At most `most` at a time.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            current: FIRST.min(most),
            most,
            begun: None,
            is_fresh: true,
            quick_start: true,
            is_seeking: true,
            ready: 0,
            took: None,
            measured: None,
            tried_from: None,
            full_until: None,
            needed_until: None,
            allowed: None,
        }
    }

    pub(super) fn current(&self) -> usize {
        match self.allowed {
            Some(rate) => self.current.min(FEWEST_LONG.max((rate / EACH) as usize)),
            None => self.current,
        }
    }

    /// The user allows so many bytes a second from now on. Nothing that was measured under another
    /// limit counts.
    pub(super) fn allow(&mut self, rate: Option<u64>) {
        if self.allowed != rate {
            self.allowed = rate;
            (self.measured, self.tried_from) = (None, None);
            (self.full_until, self.needed_until) = (None, None);
        }
    }

    /// Uploads of the sizes `next` could begin beside those of `under_way`. Returns how many of them
    /// do.
    pub(super) fn begin(&mut self, under_way: &[u64], next: &[u64]) -> usize {
        if !self.is_fresh {
            return next.len();
        }
        let mut bytes: u64 = under_way.iter().sum();
        let fitting = next.iter().take_while(|size| {
            bytes = bytes.saturating_add(**size);
            bytes <= FIRST_BYTES
        });
        let fitting = fitting.count().max(usize::from(under_way.is_empty()));
        if fitting < next.len() {
            self.is_fresh = false;
            self.change(under_way.len() + fitting);
        }
        fitting.min(next.len())
    }

    /// After so long the rate is to be looked at again.
    pub(super) fn look_every(&self) -> Duration {
        if self.is_seeking { LOOK_EVERY_SEEKING } else { LOOK_EVERY }
    }

    /// A file has arrived.
    pub(super) fn arrived(&mut self, took: Duration) {
        self.is_fresh = false;
        self.took = Some(self.took.map_or(took, |old| (old * 3 + took) / 4));
        if !self.quick_start {
            return;
        }
        if took > MOMENT || self.ready >= SCARCE {
            self.quick_start = false;
        } else if self.current < QUICK_START_MAX.min(self.most) {
            self.current += 1;
            self.measured = None;
        }
    }

    /// A batch begins. `ready` files were waiting for it.
    pub(super) fn batch_begins(&mut self, ready: usize) {
        self.ready = ready;
        if ready >= PLENTY {
            self.change((self.current - self.current / 4).max(FEWEST.min(self.most)));
            (self.tried_from, self.quick_start) = (None, false);
        }
    }

    /// Looks at the rate. `bytes` went to the network so far, in all, and `under_way` files are being
    /// uploaded.
    pub(super) fn observe(&mut self, bytes: u64, under_way: usize, now: Instant) {
        if under_way == 0 {
            (self.begun, self.measured) = (None, None);
            return;
        }
        let since = *self.begun.get_or_insert(now);
        if self.quick_start && self.took.is_none() && now >= since + SLOW_AFTER {
            // A slow line: whatever is under way goes to its end, and no more begins beside it.
            self.quick_start = false;
            self.change(self.current.min(FEWEST_LONG));
        }
        if under_way < self.current() {
            // The rate is not that of the limit.
            self.measured = None;
            return;
        }
        let window = self.took.map_or(MEASURED_MAX, |took| took * UPLOADS_LONG);
        let window = window.clamp(MEASURED_MIN, MEASURED_MAX);
        let window = if self.is_seeking { window.min(SOUGHT_FOR) } else { window };
        let is_telling = |before: u64, since: Instant| {
            let enough = bytes.saturating_sub(before) >= SOUGHT_BYTES;
            !self.is_seeking || enough || now >= since + MEASURED_MAX
        };
        match self.measured {
            // What a new connection takes at once is not on the line yet.
            None => self.measured = Some((now + window / 2, None)),
            Some((from, None)) if now >= from => self.measured = Some((now, Some(bytes))),
            Some((from, Some(before))) if now >= from + window && is_telling(before, from) => {
                let seconds = now.duration_since(from).as_secs_f64();
                self.measured = Some((now, Some(bytes)));
                self.decide(bytes.saturating_sub(before) as f64 / seconds, now);
            }
            Some(_) => {}
        }
    }

    fn decide(&mut self, rate: f64, now: Instant) {
        match self.tried_from.take() {
            Some((fewer, slower)) if fewer < self.current && rate < slower * WORTH_IT => {
                self.change(fewer.max(FEWEST_LONG));
                self.is_seeking = false;
                self.full_until = Some(now + SETTLED_FOR);
                return;
            }
            Some((more, faster)) if more > self.current && rate < faster * AS_GOOD => {
                self.change(more);
                self.needed_until = Some(now + SETTLED_FOR);
                return;
            }
            _ => {}
        }
        let is_over = |until: Option<Instant>| until.is_none_or(|until| now >= until);
        // The user's limit is reached: the line could carry more, but must not.
        let is_full = self.allowed.is_some_and(|it| rate >= it as f64 * AS_GOOD);
        let may_raise = self.ready < SCARCE && self.current < self.most && !is_full;
        let next = if may_raise && is_over(self.full_until) {
            let more = if self.is_seeking { self.current } else { self.current / 2 };
            (self.current + more).clamp(self.current + 1, self.most)
        } else if self.took.is_none_or(|took| took > LONG) && is_over(self.needed_until) {
            (self.current - self.current / 4).min(self.current - 1).max(FEWEST_LONG)
        } else {
            self.is_seeking = false;
            return;
        };
        self.is_seeking &= next > self.current;
        if next != self.current {
            self.tried_from = Some((self.current, rate));
            self.change(next);
        }
    }

    fn change(&mut self, limit: usize) {
        self.current = limit.clamp(1, self.most);
        self.measured = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uploads one after another in all places, for so many seconds, of files of `size` bytes. The
    /// line carries as many bytes a second as `rate` says for so many uploads.
    fn run(
        limit: &mut ConcurrencyLimit,
        seconds: u64,
        size: u64,
        ready: usize,
        rate: impl Fn(usize) -> f64,
    ) {
        let start = Instant::now();
        let (mut bytes, mut arrived) = (0.0, 0);
        limit.batch_begins(ready);
        for tenth in 0..seconds * 10 {
            let now = start + Duration::from_millis(tenth * 100);
            let each = rate(limit.current()) / limit.current() as f64;
            bytes += rate(limit.current()) / 10.0;
            while arrived < (bytes / size as f64) as u64 {
                arrived += 1;
                limit.arrived(Duration::from_secs_f64(size as f64 / each));
            }
            limit.observe(bytes as u64, limit.current(), now);
        }
    }

    /// Files that take a quarter of a second each, whatever their number.
    fn quick(limit: usize) -> f64 {
        limit as f64 * 1_200_000.0
    }

    #[test]
    fn slow_answers_get_more_places() {
        let mut limit = ConcurrencyLimit::new(64);
        run(&mut limit, 60, 300_000, 30, quick);
        assert_eq!(limit.current(), 64);
    }

    #[test]
    fn small_files_have_their_places_within_a_second() {
        let mut limit = ConcurrencyLimit::new(64);
        run(&mut limit, 1, 300_000, 0, quick);
        assert!(limit.current() >= QUICK_START_MAX, "{}", limit.current());
    }

    #[test]
    fn the_first_uploads_are_few_bytes() {
        let mut limit = ConcurrencyLimit::new(32);
        assert_eq!(limit.begin(&[], &[300_000; 5]), 5);
        assert_eq!(limit.begin(&[300_000; 5], &[300_000; 3]), 3);
        assert_eq!(limit.current(), FIRST);
        // One large file begins in any case, and a second one waits for the first look at the rate.
        let mut limit = ConcurrencyLimit::new(32);
        assert_eq!(limit.begin(&[], &[4_000_000]), 1);
        assert_eq!(limit.begin(&[4_000_000], &[4_000_000; 7]), 0);
        assert_eq!(limit.current(), 1);
        assert_eq!(limit.begin(&[], &[4_000_000; 7]), 7);
    }

    #[test]
    fn a_full_line_carries_few_at_a_time() {
        let mut limit = ConcurrencyLimit::new(32);
        // 2 Mbit/s, photos of 4 MB.
        limit.begin(&[], &[4_000_000; 8]);
        run(&mut limit, 55, 4_000_000, 0, |_| 250_000.0);
        assert!(limit.current() <= FEWEST_LONG, "{}", limit.current());
        run(&mut limit, 600, 4_000_000, 0, |_| 250_000.0);
        assert!(limit.current() <= FIRST, "{}", limit.current());
    }

    #[test]
    fn a_line_that_loses_packets_gets_as_many_as_fill_it() {
        let mut limit = ConcurrencyLimit::new(32);
        // Each connection carries 75 kB/s, the line 625 kB/s.
        let lossy = |limit: usize| (limit as f64 * 75_000.0).min(625_000.0);
        limit.begin(&[], &[2_000_000; 8]);
        run(&mut limit, 20, 2_000_000, 0, lossy);
        assert!(limit.current() >= 8, "{} after 20 seconds", limit.current());
        run(&mut limit, 600, 2_000_000, 0, lossy);
        assert!((8..=14).contains(&limit.current()), "{}", limit.current());
    }

    #[test]
    fn fewer_do_when_uploads_are_well_ahead() {
        let mut limit = ConcurrencyLimit::new(64);
        run(&mut limit, 60, 300_000, 0, quick);
        for _ in 0..20 {
            limit.batch_begins(500);
        }
        assert_eq!(limit.current(), FEWEST);
    }

    #[test]
    fn places_that_are_not_taken_are_not_added_to() {
        let mut limit = ConcurrencyLimit::new(64);
        let start = Instant::now();
        limit.arrived(MOMENT * 2);
        for second in 0..100 {
            limit.observe(second * 1000, 2, start + Duration::from_secs(second));
        }
        assert_eq!(limit.current(), FIRST);
    }

    #[test]
    fn a_rate_that_the_user_limits_gets_few_uploads_until_the_limit_goes() {
        let mut limit = ConcurrencyLimit::new(32);
        limit.allow(Some(250_000));
        assert_eq!(limit.current(), 3);
        run(&mut limit, 600, 300_000, 0, |_| 250_000.0);
        assert!(limit.current() <= 3, "{}", limit.current());
        limit.allow(None);
        run(&mut limit, 300, 300_000, 30, quick);
        assert_eq!(limit.current(), 32);
        limit.allow(Some(1));
        assert_eq!(limit.current(), FEWEST_LONG);
        let mut one = ConcurrencyLimit::new(1);
        one.allow(Some(1_000_000));
        assert_eq!(one.current(), 1);
    }

    #[test]
    fn the_user_s_limit_is_kept() {
        let mut limit = ConcurrencyLimit::new(2);
        assert_eq!(limit.current(), 2);
        run(&mut limit, 60, 300_000, 0, quick);
        assert_eq!(limit.current(), 2);
        let mut limit = ConcurrencyLimit::new(1);
        run(&mut limit, 60, 4_000_000, 1000, |_| 250_000.0);
        assert_eq!(limit.current(), 1);
    }
}
