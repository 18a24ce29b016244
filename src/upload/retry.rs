//! A rejected file is tried again, because somebody has moved it out of `.gphotos/failed`.

use super::classify::{classify, stays_here};
use super::errors::SealError;
use super::pipeline::Pipeline;
use super::spool::Spool;
use crate::media::{DirId, EntryName};
use crate::store::{self, Child, SealedFacts, Store, Unlinked, UploadState};

/// Why a rejected file could not be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// It would be rejected again, or disk or database failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The name is not there, or cannot be given there.
    #[error(transparent)]
    Tree(#[from] store::TreeError),
}

impl Pipeline {
    /// Moves a rejected file's name out of the failed ones, into an album: it is tried again.
    /// Returns what became of the file that had the name.
    ///
    /// # Errors
    /// [`RetryError::Seal`] if Google would reject it again; see there for others.
    pub fn retry(
        &self,
        from: (DirId, &EntryName),
        to: (DirId, &EntryName),
        replace: bool,
    ) -> Result<Option<Unlinked>, RetryError> {
        let outcome = retry(&self.shared.store, &self.shared.spool, from, to, replace);
        self.wake();
        outcome
    }
}

/// [`Pipeline::retry`] for when no pipeline runs.
///
/// # Errors
/// See there.
pub fn retry(
    store: &Store,
    spool: &Spool,
    from: (DirId, &EntryName),
    to: (DirId, &EntryName),
    replace: bool,
) -> Result<Option<Unlinked>, RetryError> {
    let facts = match store.failed_child(from.0, from.1).map_err(SealError::from)? {
        Some(Child::File(file))
            if store.upload_state(file).map_err(SealError::from)? == Some(UploadState::Failed) =>
        {
            let stat = spool.stat(file).map_err(SealError::from)?;
            let temporary =
                stat.size == 0 || stays_here(store, to.0, to.1).map_err(SealError::from)?;
            let mime = if temporary { None } else { Some(classify(&stat, to.1)?.mime) };
            stat.facts(mime)
        }
        // It has arrived, or is on its way by another name; or the store says what it is instead.
        _ => SealedFacts { size: 0, mtime_ns: 0, ctime_ns: 0, mime: None, write_error: None },
    };
    Ok(store.retry_failed(from, to, replace, &facts).map_err(SealError::from)??)
}
