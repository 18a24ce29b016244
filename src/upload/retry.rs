//! A rejected file is tried again, because somebody has moved it out of `.gphotos/failed`.

use super::classify::{fate, stays_here};
use super::cut_off::is_cut_off;
use super::errors::SealError;
use super::local_names::NameRules;
use super::pipeline::Pipeline;
use super::shared::Shared;
use super::spool::Spool;
use crate::media::{DirId, EntryName};
use crate::store::{self, Child, Fate, LocalReason, SealedFacts, Store, Unlinked, UploadState};

/// Why a rejected file could not be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// It would be rejected again, for example because it lacks the bytes of a failed write; or disk
    /// or database failed.
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
        let Shared { store, spool, config, .. } = &*self.shared;
        let outcome = retry((store, spool), &config.names, from, to, replace);
        self.wake();
        outcome
    }
}

/// [`Pipeline::retry`] for when no pipeline runs.
///
/// # Errors
/// See there.
pub fn retry(
    (store, spool): (&Store, &Spool),
    names: &NameRules,
    from: (DirId, &EntryName),
    to: (DirId, &EntryName),
    replace: bool,
) -> Result<Option<Unlinked>, RetryError> {
    let facts = match store.failed_child(from.0, from.1).map_err(SealError::from)? {
        Some(Child::File(file))
            if store.upload_state(file).map_err(SealError::from)? == Some(UploadState::Failed) =>
        {
            let stat = spool.stat(file).map_err(SealError::from)?;
            let local = stays_here(store, names, to.0, to.1).map_err(SealError::from)?;
            if local.is_none()
                && let Some(error) = store.write_error(file).map_err(SealError::from)?
            {
                return Err(SealError::Incomplete((&error).into()).into());
            }
            let fate = local.map_or_else(|| fate(&stat, to.1), |it| Ok(Fate::StaysHere(it)))?;
            let cut_off = match fate {
                Fate::Upload(mime) => is_cut_off(&stat.bytes, Some(mime)),
                Fate::StaysHere(_) => false,
            };
            SealedFacts { cut_off, ..stat.facts(fate) }
        }
        // It has arrived, or is on its way by another name; or the store says what it is instead.
        _ => SealedFacts {
            size: 0,
            mtime_ns: 0,
            ctime_ns: 0,
            fate: Fate::StaysHere(LocalReason::Empty),
            write_error: None,
            cut_off: false,
        },
    };
    Ok(store.retry_failed(from, to, replace, &facts).map_err(SealError::from)??)
}
