//! Whether Google takes a file, and whether a name keeps it here.

use std::fs::File;

use super::accept::{self, Accepted};
use super::errors::SealError;
use super::spool::SpoolStat;
use crate::media::{DirId, EntryName};
use crate::store::{self, Store};

/// Whether Google takes such a file.
///
/// # Errors
/// [`SealError::Unsupported`], [`SealError::TooLarge`].
pub(super) fn classify(stat: &SpoolStat, name: &EntryName) -> Result<Accepted, SealError> {
    let accepted = accept::sniff(&stat.head, name).map_err(SealError::Unsupported)?;
    if stat.size > accepted.bytes_max() {
        return Err(SealError::TooLarge { size: stat.size, max: accepted.bytes_max() });
    }
    Ok(accepted)
}

/// Whether a file of this name stays here: the name marks it as temporary, or the directory is only
/// here.
pub(super) fn stays_here(store: &Store, dir: DirId, name: &EntryName) -> store::Result<bool> {
    Ok(accept::is_temporary_name(name) || store.dir(dir)?.is_some_and(|it| it.local))
}

/// Whether a copy of a local file would be uploaded under this name, in these directories of an
/// album. A file that is empty, or temporary by its name or theirs, stays here.
///
/// # Errors
/// [`SealError::Unsupported`] and [`SealError::TooLarge`] if it would be rejected.
pub fn would_upload(copied: File, dirs: &[EntryName], name: &EntryName) -> Result<bool, SealError> {
    let stat = SpoolStat::of(copied)?;
    let temporary = accept::is_temporary_name(name) || dirs.iter().any(accept::is_temporary_name);
    let real = stat.size > 0 && !temporary;
    if real {
        classify(&stat, name)?;
    }
    Ok(real)
}
