//! A pause of all calls of a kind after a short-term 429 (reference §10.2). Google would refuse a
//! call during the pause as well, and prolong the limit.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::error::Error;

/// The shortest pause of downloads, even if `Retry-After` is shorter.
const DOWNLOADS_PAUSE_MIN: Duration = Duration::from_secs(1);
/// No pause is longer, unless the service asks for it.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// The pause of one kind of call.
#[derive(Debug)]
pub struct Throttle {
    calls: Calls,
    /// The first pause, unless Google sends a `Retry-After`.
    first: Duration,
    // Held only to read or change the value.
    pause: Mutex<Pause>,
}

/// The calls that pause together.
#[derive(Clone, Copy, Debug)]
enum Calls {
    /// Library-changing calls.
    Changes,
    Downloads,
}

#[derive(Debug, Default)]
struct Pause {
    until: Option<Instant>,
    in_a_row: u32,
}

impl Throttle {
    /// For library-changing calls.
    pub(super) fn of_changes(first: Duration) -> Self {
        Self { calls: Calls::Changes, first, pause: Mutex::default() }
    }

    /// For downloads.
    pub fn of_downloads(first: Duration) -> Self {
        Self { calls: Calls::Downloads, first, pause: Mutex::default() }
    }

    /// Records that a call failed. Starts a pause after a 429.
    pub fn failed(&self, error: &Error) {
        if !error.is_throttled() {
            return;
        }
        let retry_after = error.refusal().and_then(|refusal| refusal.retry_after);
        let now = Instant::now();
        let mut pause = self.pause.lock();
        if pause.until.is_some_and(|until| now < until) {
            // The call was in flight when the pause began.
            pause.until = pause.until.max(retry_after.map(|retry_after| now + retry_after));
            return;
        }
        pause.in_a_row += 1;
        let length = self.calls.pause(self.first, pause.in_a_row, retry_after, rand::random());
        pause.until = Some(now + length);
        tracing::info!(pause = ?length, %error, "Google limits {} for now: all of them wait", self.calls.name());
    }

    /// Records that a call succeeded, so that the next pause is short again.
    pub fn succeeded(&self) {
        let mut pause = self.pause.lock();
        // Otherwise the call was in flight when the pause began.
        if pause.until.is_none_or(|until| until <= Instant::now()) {
            *pause = Pause::default();
        }
    }

    /// When the pause ends, if there is one.
    pub fn until(&self) -> Option<Instant> {
        self.pause.lock().until.filter(|until| Instant::now() < *until)
    }

    /// How long the pause still lasts, if there is one.
    pub(super) fn left(&self) -> Option<Duration> {
        self.until().map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Waits for the end of the pause. Returns `false` at once if it ends after `deadline`.
    pub async fn wait_until_over(&self, deadline: Option<Instant>) -> bool {
        while let Some(until) = self.until() {
            if deadline.is_some_and(|deadline| until > deadline) {
                return false;
            }
            sleep_until(until).await;
        }
        true
    }
}

impl Calls {
    fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Downloads => "downloads",
        }
    }

    /// The length of the `nth` pause in a row. `asked` is the service's `Retry-After`.
    fn pause(
        self,
        first: Duration,
        nth: u32,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Duration {
        let doubled = |base: Duration| Backoff { base, max: PAUSE_MAX.max(base) }.limit(nth);
        match (self, retry_after) {
            (Self::Changes, Some(retry_after)) => retry_after,
            (Self::Changes, None) => doubled(first).mul_f64(1.0 + jitter / 4.0),
            // A Retry-After that turns out to be too short doubles as well.
            (Self::Downloads, retry_after) => {
                doubled(retry_after.unwrap_or(first).max(DOWNLOADS_PAUSE_MIN.min(first)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{Class, Refusal};
    use super::*;

    fn too_many() -> Error {
        Error::Refused(Box::new(Refusal::read("x", Class::Write, 429, false, b"", None)))
    }

    #[test]
    fn pauses_grow_unless_the_service_says_how_long() {
        let base = Duration::from_secs(30);
        let pause = |nth, retry_after| Calls::Changes.pause(base, nth, retry_after, 0.0);
        assert_eq!(pause(1, None), base);
        assert_eq!(pause(3, None), base * 4);
        assert_eq!(pause(30, None), PAUSE_MAX);
        assert_eq!(
            Calls::Changes.pause(base, 30, Some(Duration::from_secs(5)), 0.5),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn pauses_of_downloads_grow_even_if_the_service_says_how_long() {
        let pause = |nth, retry_after: Option<u64>| {
            let retry_after = retry_after.map(Duration::from_secs);
            Calls::Downloads.pause(Duration::from_secs(10), nth, retry_after, 0.5).as_secs()
        };
        assert_eq!([pause(1, None), pause(2, None), pause(30, None)], [10, 20, 600]);
        assert_eq!([pause(1, Some(0)), pause(2, Some(3)), pause(9, Some(900))], [1, 6, 900]);
    }

    #[tokio::test]
    async fn calls_that_fail_together_begin_one_pause() {
        let throttle = Throttle::of_changes(Duration::from_secs(30));
        for _ in 0..8 {
            throttle.failed(&too_many());
        }
        let left = throttle.left().unwrap();
        assert!(left <= Duration::from_secs(38), "{left:?}");
        throttle.succeeded();
        assert!(throttle.until().is_some(), "a call from before the pause does not end it");
        assert!(!throttle.wait_until_over(Some(Instant::now())).await);
    }

    #[tokio::test]
    async fn a_pause_ends() {
        let throttle = Throttle::of_changes(Duration::from_millis(1));
        throttle.failed(&too_many());
        assert!(throttle.wait_until_over(None).await);
        assert!(throttle.until().is_none());
    }
}
