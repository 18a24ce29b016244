//! Waits that double, as Google advises (reference §10.3).

use std::time::Duration;

/// Growing waits between attempts.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The limit of the first wait. It doubles from there.
    pub base: Duration,
    /// No wait is longer.
    pub max: Duration,
}

impl Backoff {
    /// The longest wait after the `attempts`-th failure in a row, counted from 1.
    pub fn limit(self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1);
        self.base.saturating_mul(2u32.saturating_pow(doublings)).min(self.max)
    }

    /// A random wait up to [`Backoff::limit`], so that clients that failed together do not return
    /// together. `jitter` lies in 0..1. The wait is never short enough for a busy loop.
    pub fn wait(self, attempts: u32, jitter: f64) -> Duration {
        let limit = self.limit(attempts);
        limit.mul_f64(jitter.clamp(0.0, 1.0)).max(limit / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };

    #[test]
    fn waits_grow_to_a_limit_and_are_never_nothing() {
        assert_eq!(BACKOFF.wait(1, 1.0), Duration::from_secs(1));
        assert_eq!(BACKOFF.wait(4, 1.0), Duration::from_secs(8));
        assert_eq!(BACKOFF.wait(4, 0.5), Duration::from_secs(4));
        assert_eq!(BACKOFF.wait(u32::MAX, 1.0), Duration::from_secs(60));
        assert_eq!(BACKOFF.wait(1, 0.0), Duration::from_millis(100));
    }

    #[test]
    fn limits_double() {
        let limits = [0, 1, 2, 6, 7, u32::MAX].map(|attempts| BACKOFF.limit(attempts).as_secs());
        assert_eq!(limits, [1, 1, 2, 32, 60, 60]);
    }
}
