//! Waiting until everything that is closed has arrived.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::blocked::Blocked;
use super::pipeline::Pipeline;
use super::shared::Waiter;
use crate::store::{self, PendingChanges, Store, SyncScope};

/// In an outage, a caller that holds others up waits so long without progress.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until the end of an outage.
    Unbounded,
    /// In an outage, until there is no progress for a while.
    Bounded,
}

/// How long nothing has moved in an outage.
#[derive(Debug, Default)]
struct Stall {
    /// What has gone to Google by then: files and bytes.
    moved: (u64, u64),
    since: Option<Instant>,
}

impl Stall {
    /// When a caller gives up. `None` if there is no outage.
    fn deadline(&mut self, moved: (u64, u64), is_blocked: bool, now: Instant) -> Option<Instant> {
        if !is_blocked || moved != self.moved {
            self.since = None;
        }
        self.moved = moved;
        is_blocked.then(|| *self.since.get_or_insert(now) + STALL_TIMEOUT)
    }
}

/// Why waiting came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// Everything else has arrived, but these names were rejected.
    #[error("{}", were_rejected(*.count))]
    Failed {
        /// How many.
        count: u64,
    },
    /// The queue is blocked: the rest stays in it, and goes on by itself when the outage is over.
    #[error("it is safe here and stays queued, but uploads are waiting ({}): {}", .0.reason.as_str(), .0.text)]
    Blocked(Blocked),
    /// The pipeline stops: what is left goes on with the next mount.
    #[error("the program is shutting down")]
    ShuttingDown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

fn were_rejected(count: u64) -> String {
    match count {
        1 => "a file was refused; it is under .gphotos/failed".to_owned(),
        _ => format!("{count} files were refused; they are under .gphotos/failed"),
    }
}

impl Pipeline {
    /// Waits until everything in `scope` that is closed has arrived, also for the end of an outage.
    ///
    /// # Errors
    /// As [`Pipeline::drain_with`].
    pub async fn drain(&self, scope: SyncScope) -> Result<(), DrainError> {
        self.drain_with(scope, Patience::Unbounded).await
    }

    /// Waits until everything in `scope` that is closed has arrived. May be dropped at any time. An
    /// outage and the daily quota end by themselves, so `patience` says how long it waits for that.
    ///
    /// # Errors
    /// [`DrainError::Failed`] if a file in `scope` was rejected, now or earlier.
    /// [`DrainError::Blocked`] if nothing goes on before somebody logs in again or makes room at
    /// Google, and the worker has tried once more, or if the patience is over.
    pub async fn drain_with(&self, scope: SyncScope, patience: Patience) -> Result<(), DrainError> {
        let shared = &self.shared;
        let _waiter = Waiter::new(shared);
        let mut progress = shared.progress.subscribe();
        let asked = SystemTime::now();
        let mut stall = Stall::default();
        self.try_now();
        loop {
            progress.borrow_and_update();
            let pending = shared.store.run(move |store| store.pending_changes(scope)).await?;
            if pending == PendingChanges::Nothing {
                break;
            }
            let blocked = shared.blocked();
            let now = Instant::now();
            let deadline = match patience {
                Patience::Unbounded => None,
                Patience::Bounded => stall.deadline(shared.arrived(), blocked.is_some(), now),
            };
            let is_over = deadline.is_some_and(|deadline| deadline <= now);
            if let Some(blocked) = blocked
                && (is_over
                    || (blocked.stops_until_a_person_acts(pending) && blocked.last_seen >= asked))
            {
                return Err(DrainError::Blocked(blocked));
            }
            tokio::select! {
                _ = progress.changed() => {}
                () = tokio::time::sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => {}
                () = shared.stop.cancelled() => return Err(DrainError::ShuttingDown),
            }
        }
        self.check_rejected(scope).await
    }

    /// Whether everything in `scope` that is closed has arrived. Does not wait for it.
    ///
    /// # Errors
    /// As [`Pipeline::drain`], if nothing is left to wait for.
    pub async fn is_drained(&self, scope: SyncScope) -> Result<bool, DrainError> {
        let pending = self.shared.store.run(move |store| store.pending_changes(scope)).await?;
        if pending != PendingChanges::Nothing {
            return Ok(false);
        }
        self.check_rejected(scope).await.map(|()| true)
    }

    async fn check_rejected(&self, scope: SyncScope) -> Result<(), DrainError> {
        let shared = &self.shared;
        let rejected = shared.drafts.rejected();
        // In this order: a file that goes from the first to the second meanwhile is counted twice,
        // not never.
        let failed = move |store: &Store| {
            Ok(store.open_count(scope, &rejected)? + store.failed_count(scope)?)
        };
        match shared.store.run(failed).await? {
            0 => Ok(()),
            count => Err(DrainError::Failed { count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_an_outage_without_progress() {
        let (mut stall, start) = (Stall::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let end = |since| Some(at(since) + STALL_TIMEOUT);
        assert_eq!(stall.deadline((1, 100), false, at(0)), None);
        assert_eq!(stall.deadline((1, 100), true, at(10)), end(10));
        assert_eq!(stall.deadline((1, 100), true, at(50)), end(10));
        assert_eq!(stall.deadline((1, 200), true, at(60)), end(60));
        assert_eq!(stall.deadline((2, 200), true, at(70)), end(70));
        assert_eq!(stall.deadline((2, 200), false, at(90)), None);
        assert_eq!(stall.deadline((2, 200), true, at(95)), end(95));
    }
}
