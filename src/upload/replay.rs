//! The replay at the start: it brings journal and spool into agreement, however the last run ended.
//!
//! Sealed, uploaded and creating files need nothing: the worker finds them in the tables. The
//! replay handles files that were being written or renamed, and spool files that the journal does
//! not know.
//!
//! The database may be an older copy that somebody has put back. Then a spool file may hold bytes
//! that the database takes for those of another version. So the replay compares bytes before it
//! deletes them.

use std::io;
use std::path::Path;

use super::draft::Rejection;
use super::errors::Error;
use super::local_names::NameRules;
use super::shared::Shared;
use super::spool::SpoolEntry;
use crate::media::{EntryName, FileId};
use crate::store::{Fate, LocalReason, Reopened, SealedFacts};

/// Why a file that was being written is under `.gphotos/failed`.
const INTERRUPTED: &str = "it was still being written when gphotosfs stopped";
/// Why bytes that are newer than the database are there.
const LATER: &str =
    "the database knows nothing of these bytes: an older copy of it seems to have been put back";

pub(super) fn replay(shared: &Shared) -> Result<(), Error> {
    shared.spool.strangers()?.log(shared.spool.dir());
    let mended = shared.store.mend_memberships()?;
    if mended > 0 {
        tracing::warn!(
            mended,
            "the database said of files that Google has to get that albums have them"
        );
    }
    settle_versions(shared)?;
    for file in shared.store.hashed_uploads()? {
        if !is_as_journalled(shared, file)? {
            set_apart(shared, file)?;
        }
    }
    for file in shared.store.open_files()? {
        settle_open(shared, file)?;
    }
    // Another setting than before does not refuse sidecars that were kept.
    let rules = NameRules { keep_sidecars: true, ..shared.config.names.clone() };
    let is_real = |name: &EntryName| rules.of_file(name).is_none();
    for file in shared.store.local_files_named(is_real)? {
        settle_named(shared, file);
    }
    sweep(shared)
}

/// A copy that a write has put aside becomes the bytes of the old version, if the journal knows of
/// the fork.
fn settle_versions(shared: &Shared) -> Result<(), Error> {
    for found in shared.spool.list()? {
        let SpoolEntry::Version(file) = found else { continue };
        let old = shared.store.replaced_by(file)?;
        let needed = match old {
            Some(old) => {
                !shared.spool.path(old).exists() && shared.store.upload_state(old)?.is_some()
            }
            None => false,
        };
        match old.filter(|_| needed) {
            Some(old) => shared.spool.adopt_version(file, old)?,
            // A number that the database has never had is not ours.
            None if shared.store.file(file)?.is_none() => {
                quarantine(shared, &shared.spool.version_path(file))?;
            }
            None => shared.spool.drop_version(file)?,
        }
    }
    Ok(())
}

/// A file that was being written. No close has promised anything, but its bytes are kept.
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
    if shared.set_aside_unfinished(&draft, size, INTERRUPTED)? {
        return Ok(());
    }
    shared.spool.create(file)?;
    let times = shared.store.file(file)?.map(|known| (known.mtime_ns, known.ctime_ns));
    let (mtime_ns, ctime_ns) = times.unwrap_or_default();
    let fate = Fate::StaysHere(LocalReason::Empty);
    let empty =
        SealedFacts { size: 0, mtime_ns, ctime_ns, fate, write_error: None, cut_off: false };
    Ok(shared.store.seal(file, &empty)?)
}

/// A temporary file that had just got a real name is sealed under it. If Google does not take it, it
/// stays as it was: the rename was checked, so only another setting than before makes the name real.
fn settle_named(shared: &Shared, file: FileId) {
    let draft = shared.drafts.lock(file);
    if let Err(err) = shared.seal(&draft) {
        shared.note_failure(file, &err);
    }
}

/// Deletes spool files that the journal does not know if Google has their bytes, and keeps the
/// others.
fn sweep(shared: &Shared) -> Result<(), Error> {
    for found in shared.spool.list()? {
        match found {
            SpoolEntry::Version(_) => {}
            SpoolEntry::Half(path) => shared.spool.drop_half(&path)?,
            // It was made of bytes that are in the spool, or at Google by now.
            SpoolEntry::Copy(file) => {
                let is_known = shared.store.prepared(file)?.is_some_and(|it| it.sent().is_some());
                if !is_known || shared.store.upload_state(file)?.is_none() {
                    shared.spool.drop_copy(file)?;
                }
            }
            SpoolEntry::Bytes(file) if shared.store.upload_state(file)?.is_some() => {}
            SpoolEntry::Bytes(file) => sweep_bytes(shared, file)?,
        }
    }
    Ok(())
}

/// A spool file that the journal does not know. If Google has its bytes for certain, they go to the
/// cache: the process may have died before they did.
fn sweep_bytes(shared: &Shared, file: FileId) -> Result<(), Error> {
    // A stranger's file is not shown under the name of a photo that happens to have its number.
    if !shared.spool.is_of_ours(file)? {
        return quarantine(shared, &shared.spool.path(file));
    }
    let known = shared.store.file(file)?;
    let Some(item) = known.filter(|known| known.upload.is_none() && known.confirmed) else {
        return set_apart(shared, file);
    };
    // If it is empty, an edit was about to begin with an empty file.
    if shared.spool.stat(file)?.size > 0 {
        if item.known() != Some(shared.spool.hash(file)?) {
            return set_apart(shared, file);
        }
        shared.add_to_cache(file, &item);
    }
    shared.spool.discard(file);
    Ok(())
}

/// Whether the spool holds the bytes whose hash the journal has. Reading all of them would delay
/// the mount for minutes. A file that was changed since has a later time of change, which no
/// program can set.
fn is_as_journalled(shared: &Shared, file: FileId) -> Result<bool, Error> {
    let Some(known) = shared.store.file(file)? else { return Ok(true) };
    let found = match shared.spool.stat(file) {
        // The worker handles a missing spool file.
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(true),
        found => found?,
    };
    let untouched = known.size == Some(found.size)
        && known.mtime_ns == found.mtime_ns
        && known.ctime_ns >= found.ctime_ns;
    Ok(untouched || known.sha256 == Some(shared.spool.hash(file)?))
}

/// Bytes that differ from those of the journal become a version of their own, as if written now. It
/// is rejected, because its writer may not have finished.
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
