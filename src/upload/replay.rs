//! The start: the journal and the spool are put in order after whatever ended the last run.
//!
//! Sealed, uploaded and creating files need nothing: the worker reads them off the tables like any
//! others. What is left are files that were being written or renamed, and spool files that the journal does not know.
//!
//! The database may be an older copy that was put back. Then the spool may hold bytes that came later, under the number
//! of a file that the database takes for something else; so none are let go that are not what it says.

use std::io;
use std::path::Path;

use super::accept::is_temporary_name;
use super::draft::Rejection;
use super::errors::Error;
use super::shared::Shared;
use super::spool::Found;
use crate::media::FileId;
use crate::store::{Reopened, SealedFacts};

/// Why a file that was being written is under `.gphotos/failed`.
const INTERRUPTED: &str = "it was still being written when gphotosfs stopped";
/// Why bytes that came after the database was copied are there.
const LATER: &str =
    "the database knows nothing of these bytes: an older copy of it seems to have been put back";

pub(super) fn replay(shared: &Shared) -> Result<(), Error> {
    settle_versions(shared)?;
    for file in shared.store.hashed_uploads()? {
        if !is_as_journalled(shared, file)? {
            set_apart(shared, file)?;
        }
    }
    for file in shared.store.open_files()? {
        settle_open(shared, file)?;
    }
    for file in shared.store.temporary_files()? {
        settle_named(shared, file)?;
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
    let draft = shared.drafts.lock(file);
    if shared.remove_if_orphan(&draft)? {
        return Ok(());
    }
    let size = match std::fs::metadata(shared.spool.path(file)) {
        Ok(meta) => meta.len(),
        Err(err) if err.kind() == io::ErrorKind::NotFound => 0,
        Err(err) => return Err(err.into()),
    };
    if size > 0 {
        let path = shared.path_of(file);
        shared.store.fail_unfinished(file, size, INTERRUPTED)?;
        tracing::warn!(%path, "{INTERRUPTED}; what there is of it is under .gphotos/failed");
        shared.remember(path, INTERRUPTED.to_owned());
        return Ok(());
    }
    if shared.store.revert_edit(file)? {
        shared.spool.discard(file);
        return Ok(());
    }
    shared.spool.create(file)?;
    let times = shared.store.file(file)?.map(|known| (known.mtime_ns, known.ctime_ns));
    let (mtime_ns, ctime_ns) = times.unwrap_or_default();
    Ok(shared.store.seal(file, &SealedFacts { size: 0, mtime_ns, ctime_ns, mime: None })?)
}

/// A half-written file that had just got its real name, or come into an album, is on its way from then on.
fn settle_named(shared: &Shared, file: FileId) -> Result<(), Error> {
    if shared.store.names_in_albums(file)?.iter().all(is_temporary_name) {
        return Ok(());
    }
    let draft = shared.drafts.lock(file);
    if let Err(err) = shared.seal_named(&draft) {
        shared.note_failure(file, &err);
    }
    Ok(())
}

/// Spool files that the journal does not know are let go if Google has them, else kept.
fn sweep(shared: &Shared) -> Result<(), Error> {
    for found in shared.spool.list()? {
        match found {
            Found::Version(_) => {}
            Found::Other(path) => quarantine(shared, &path)?,
            Found::Bytes(file) if shared.store.upload_state(file)?.is_some() => {}
            Found::Bytes(file) if is_arrived(shared, file)? => shared.spool.discard(file),
            Found::Bytes(file) => set_apart(shared, file)?,
        }
    }
    Ok(())
}

/// Whether Google has the bytes in the spool for certain: then the reader was given them before.
fn is_arrived(shared: &Shared, file: FileId) -> Result<bool, Error> {
    let Some(known) = shared.store.file(file)? else { return Ok(false) };
    if known.upload.is_some() || !known.confirmed {
        return Ok(false);
    }
    // An edit was about to begin with no content.
    let empty = shared.spool.stat(file)?.size == 0;
    Ok(empty || known.known() == Some(shared.spool.hash(file)?))
}

/// Whether the spool holds the bytes of which the journal has the hash. To read all of them would keep the mount waiting
/// for minutes; but what was changed since has a later time of change, which nobody can set.
fn is_as_journalled(shared: &Shared, file: FileId) -> Result<bool, Error> {
    let Some(known) = shared.store.file(file)? else { return Ok(true) };
    let found = match shared.spool.stat(file) {
        // The worker finds out what that means.
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(true),
        found => found?,
    };
    let untouched = known.size == Some(found.size)
        && known.mtime_ns == found.mtime_ns
        && known.ctime_ns >= found.ctime_ns;
    Ok(untouched || known.sha256 == Some(shared.spool.hash(file)?))
}

/// Bytes that are not what the database takes them for become a version of their own, as by a write. Whether its writer
/// had finished, nobody can tell.
fn set_apart(shared: &Shared, file: FileId) -> Result<(), Error> {
    if shared.store.names_in_albums(file)?.is_empty() {
        return quarantine(shared, &shared.spool.path(file));
    }
    let size = shared.spool.stat(file)?.size;
    match shared.store.reopen(file)? {
        Reopened::Open => shared.store.set_size(file, size)?,
        Reopened::InFlight | Reopened::NotStaged => {
            shared.store.fork_version(file, None, size)?;
        }
    }
    let draft = shared.drafts.lock(file);
    Ok(shared.reject(&draft, Rejection::Other, LATER)?)
}

fn quarantine(shared: &Shared, path: &Path) -> Result<(), Error> {
    let kept = shared.spool.quarantine(path)?;
    tracing::warn!(path = %kept.display(), "the spool held a file that the journal does not know; it is kept");
    Ok(())
}
