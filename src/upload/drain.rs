//! Waiting until everything that is closed has arrived.

use std::time::SystemTime;

use super::blocked::Blocked;
use super::pipeline::Pipeline;
use super::shared::Waiter;
use crate::store::{self, PendingChanges, Store, SyncScope};

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
    /// Waits until everything in `scope` that is closed has arrived. May be dropped at any time. It
    /// waits for an outage and for the daily quota, because both end by themselves.
    ///
    /// # Errors
    /// [`DrainError::Failed`] if a file in `scope` was rejected, now or earlier.
    /// [`DrainError::Blocked`] if nothing goes on before somebody logs in again or makes room at
    /// Google; the worker tries once more first.
    pub async fn drain(&self, scope: SyncScope) -> Result<(), DrainError> {
        let shared = &self.shared;
        let _waiter = Waiter::new(shared);
        let mut progress = shared.progress.subscribe();
        let asked = SystemTime::now();
        self.try_now();
        loop {
            progress.borrow_and_update();
            let pending = shared.store.run(move |store| store.pending_changes(scope)).await?;
            if pending == PendingChanges::Nothing {
                break;
            }
            let blocked = shared.blocked();
            if let Some(blocked) = blocked
                && blocked.stops_until_a_person_acts(pending)
                && blocked.last_seen >= asked
            {
                return Err(DrainError::Blocked(blocked));
            }
            tokio::select! {
                _ = progress.changed() => {}
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
