//! `--commit close`: a close that waits until Google has made an item of the file.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::blocked::{Blocked, BlockedReason};
use super::draft::Rejection;
use super::drain::DrainError;
use super::pipeline::Pipeline;
use super::shared::{Shared, Waiter};
use crate::media::FileId;
use crate::store::{self, Store, UploadState};

/// A close gives up when Google has not been reached for this long, or has only answered with
/// errors.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It is under `.gphotos/failed` now.
    #[error("{reason}")]
    Rejected {
        /// For the errno.
        rejection: Rejection,
        /// For people.
        reason: String,
    },
    /// As [`DrainError`].
    #[error(transparent)]
    Drain(#[from] DrainError),
}

impl From<store::Error> for CommitError {
    fn from(error: store::Error) -> Self {
        Self::Drain(error.into())
    }
}

impl Pipeline {
    /// Waits until Google has made an item of the file. To be called when no writer is active any
    /// more. The upload begins at once: [`Pipeline::release`] comes later, and much later if there
    /// are copies of the descriptor. Returns early if a writer comes.
    ///
    /// # Errors
    /// See [`CommitError`]. May be dropped at any time; the upload goes on.
    pub async fn commit(&self, file: FileId) -> Result<(), CommitError> {
        let shared = &self.shared;
        let begun = shared.clone();
        shared.store.run(move |_| begun.begin_commit(file)).await?;
        let _waiter = Waiter::new(shared);
        let mut progress = shared.progress.subscribe();
        let mut blocked_since = None;
        loop {
            progress.borrow_and_update();
            match shared.store.run(move |store| store.upload_state(file)).await? {
                state if is_on_its_way(state) => {}
                Some(UploadState::Failed) => return Err(shared.rejection(file).await?),
                _ => return Ok(()),
            }
            if shared.drafts.is_being_written(file) {
                return Ok(());
            }
            let blocked = shared.blocked().filter(Blocked::blocks_uploads);
            let deadline = match &blocked {
                // Google has announced how long this lasts.
                Some(blocked) if blocked.reason == BlockedReason::Throttled => {
                    Instant::now() + OUTAGE_TIMEOUT
                }
                Some(_) => *blocked_since.get_or_insert_with(Instant::now) + OUTAGE_TIMEOUT,
                None => {
                    blocked_since = None;
                    Instant::now() + OUTAGE_TIMEOUT
                }
            };
            if let Some(blocked) = blocked
                && (is_long(&blocked) || Instant::now() >= deadline)
            {
                return Err(DrainError::Blocked(blocked).into());
            }
            tokio::select! {
                _ = progress.changed() => {}
                () = tokio::time::sleep_until(deadline) => {}
                () = shared.stop.cancelled() => return Err(DrainError::ShuttingDown.into()),
            }
        }
    }
}

/// Whether it lasts until somebody acts, or until the next day, and the worker is not trying again
/// just now.
fn is_long(blocked: &Blocked) -> bool {
    let such = blocked.needs_a_person() || blocked.reason == BlockedReason::Quota;
    such && blocked.until > SystemTime::now()
}

fn is_on_its_way(state: Option<UploadState>) -> bool {
    matches!(state, Some(UploadState::Sealed | UploadState::Uploaded | UploadState::Creating))
}

impl Shared {
    /// The upload need not wait until the writers have gone. Does nothing for a file that was
    /// rejected before.
    pub(super) fn begin_commit(&self, file: FileId) -> store::Result<()> {
        if is_on_its_way(self.store.upload_state(file)?)
            && let Some(draft) = self.drafts.find(file)
        {
            draft.begin_closing();
        }
        Ok(())
    }

    async fn rejection(self: &Arc<Self>, file: FileId) -> Result<CommitError, store::Error> {
        let shared = self.clone();
        let read = move |store: &Store| {
            // A rejection changes the row first and the draft then, while the draft is locked.
            let rejection = shared.drafts.lock(file).rejection().unwrap_or_default();
            Ok((rejection, store.file(file)?))
        };
        let (rejection, known) = self.store.run(read).await?;
        let reason = known.and_then(|it| it.error).unwrap_or_default();
        Ok(CommitError::Rejected { rejection, reason })
    }
}
