//! Google allows so many requests for media in a minute. When one was too many (429), all who want more wait together:
//! what is asked for meanwhile would be refused as well, and make it last.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::Error;
use crate::api;

/// The least pause, whatever Google says.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Pauses that follow each other double, but not beyond this unless Google says so.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// See the module.
pub(super) struct Limit {
    /// The first pause, unless Google says how long.
    first: Duration,
    // Held for a look or a change.
    pause: Mutex<Pause>,
}

#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    in_a_row: u32,
}

impl Limit {
    pub(super) fn new(first: Duration) -> Self {
        Self { first, pause: Mutex::default() }
    }

    /// A request was one too many.
    pub(super) fn reached(&self, error: &api::Error) {
        let told = error.refusal().and_then(|refusal| refusal.retry_after);
        let least = told.unwrap_or(self.first).max(PAUSE_MIN.min(self.first));
        let mut pause = self.pause.lock();
        let now = Instant::now();
        if pause.until.is_some_and(|until| now < until) {
            // It was on its way when the pause began.
            pause.until = pause.until.max(told.map(|told| now + told));
            return;
        }
        let doubled = least.saturating_mul(1 << pause.in_a_row.min(20)).min(PAUSE_MAX).max(least);
        pause.in_a_row += 1;
        pause.until = Some(now + doubled);
        tracing::info!(pause = ?doubled, %error, "Google limits downloads for now: all of them wait");
    }

    /// A request was not too many.
    pub(super) fn kept(&self) {
        let mut pause = self.pause.lock();
        // Otherwise it was on its way when the pause began.
        if pause.until.is_none_or(|until| until <= Instant::now()) {
            *pause = Pause::default();
        }
    }

    /// Until when nothing may be asked for, if that is so.
    pub(super) fn until(&self) -> Option<Instant> {
        self.pause.lock().until.filter(|until| Instant::now() < *until)
    }

    /// Waits until something may be asked for.
    ///
    /// # Errors
    /// [`Error::Limited`], at once, if that is after `deadline`.
    pub(super) async fn over(&self, deadline: Instant) -> Result<(), Error> {
        while let Some(until) = self.until() {
            if until > deadline {
                return Err(Error::Limited);
            }
            sleep_until(until).await;
        }
        Ok(())
    }

    /// Makes a request when it may be made, and again when it was one too many.
    ///
    /// # Errors
    /// [`Error::Limited`] if it cannot be made before `deadline`; those of the request.
    pub(super) async fn keep<T, A: Future<Output = Result<T, api::Error>>>(
        &self,
        deadline: Instant,
        request: impl Fn() -> A,
    ) -> Result<T, Error> {
        loop {
            self.over(deadline).await?;
            match request().await {
                Err(error) if error.is_throttled() => self.reached(&error),
                outcome => {
                    self.kept();
                    return Ok(outcome?);
                }
            }
        }
    }
}
