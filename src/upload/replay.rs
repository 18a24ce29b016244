//! The start: the journal and the spool are put in order after whatever ended the last run.
//!
//! Sealed, uploaded and creating files need nothing: the worker reads them off the tables like any
//! others. What is left are files that were being written, and spool files that the journal does not know.

use std::io;

use super::spool::Found;
use super::{Error, Shared};
use crate::media::FileId;
use crate::store::SealedFacts;

/// Why a file that was being written is under `.gphotos/failed`.
const INTERRUPTED: &str = "it was still being written when gphotosfs stopped";

pub(super) fn replay(shared: &Shared) -> Result<(), Error> {
    settle_versions(shared)?;
    for file in shared.store.open_files()? {
        settle_open(shared, file)?;
    }
    sweep(shared)
}

/// A copy that was put aside belongs to the version that was split off, if it came to that.
fn settle_versions(shared: &Shared) -> Result<(), Error> {
    for found in shared.spool.list()? {
        let Found::Version(file) = found else { continue };
        let old = shared.store.replaced_by(file)?;
        let needed = match old {
            Some(old) => {
                !shared.spool.path(old).exists() && shared.store.upload_state(old)?.is_some()
            }
            None => false,
        };
        match old.filter(|_| needed) {
            Some(old) => shared.spool.adopt_version(file, old)?,
            None => shared.spool.drop_version(file)?,
        }
    }
    Ok(())
}

/// A file that was being written: nothing was promised, but nothing is thrown away.
fn settle_open(shared: &Shared, file: FileId) -> Result<(), Error> {
    if shared.store.forget_file(file)? {
        shared.spool.discard(file);
        return Ok(());
    }
    let size = match std::fs::metadata(shared.spool.path(file)) {
        Ok(meta) => meta.len(),
        Err(err) if err.kind() == io::ErrorKind::NotFound => 0,
        Err(err) => return Err(err.into()),
    };
    if size > 0 {
        return Ok(shared.fail(file, INTERRUPTED)?);
    }
    if shared.store.abandon_edit(file)? {
        shared.spool.discard(file);
        return Ok(());
    }
    shared.spool.create(file)?;
    let times = shared.store.file(file)?.map(|known| (known.mtime_ns, known.ctime_ns));
    let (mtime_ns, ctime_ns) = times.unwrap_or_default();
    Ok(shared.store.seal(file, &SealedFacts { size: 0, mtime_ns, ctime_ns, mime: None })?)
}

/// Spool files that the journal does not know are let go if Google has them, else kept out of the way.
fn sweep(shared: &Shared) -> Result<(), Error> {
    for found in shared.spool.list()? {
        let path = match found {
            Found::Version(_) => continue,
            Found::Other(path) => path,
            Found::Bytes(file) => match shared.store.upload_state(file)? {
                None if is_arrived(shared, file)? => {
                    shared.spool.discard(file);
                    continue;
                }
                Some(_) => continue,
                None => shared.spool.path(file),
            },
        };
        let kept = shared.spool.orphan(&path)?;
        tracing::warn!(path = %kept.display(), "the spool held a file that the journal does not know; it is kept");
    }
    Ok(())
}

/// Whether Google has the file for certain: then the reader was given its bytes before.
fn is_arrived(shared: &Shared, file: FileId) -> Result<bool, Error> {
    Ok(shared.store.file(file)?.is_some_and(|known| known.upload.is_none() && known.confirmed))
}
