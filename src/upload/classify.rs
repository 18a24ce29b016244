//! Whether Google takes a file, and whether its names keep it here.

use std::fs::File;

use super::accept::{self, Accepted};
use super::errors::SealError;
use super::local_names::NameRules;
use super::spool::SpoolStat;
use crate::formats::source::Source;
use crate::media::{DirId, EntryName, FileId};
use crate::store::{self, Fate, LocalReason, Store};

/// Whether Google takes such a file.
///
/// # Errors
/// [`SealError::Unsupported`], [`SealError::TooLarge`].
pub(super) fn classify(stat: &SpoolStat, name: &EntryName) -> Result<Accepted, SealError> {
    let mut source = Source::new(&stat.bytes);
    let accepted = accept::sniff(&stat.head, &mut source, name).map_err(SealError::Unsupported)?;
    if stat.size > accepted.bytes_max() {
        return Err(SealError::TooLarge { size: stat.size, max: accepted.bytes_max() });
    }
    Ok(accepted)
}

/// Where a file of this name and these bytes belongs.
///
/// # Errors
/// As [`classify`].
pub(super) fn fate(stat: &SpoolStat, name: &EntryName) -> Result<Fate, SealError> {
    match stat.size {
        0 => Ok(Fate::StaysHere(LocalReason::Empty)),
        _ => Ok(Fate::Upload(classify(stat, name)?.mime)),
    }
}

/// Why a file of this name stays here: its name says so, or the directory is only here.
pub(super) fn stays_here(
    store: &Store,
    rules: &NameRules,
    dir: DirId,
    name: &EntryName,
) -> store::Result<Option<LocalReason>> {
    let in_local_dir = local_dir(store, rules, dir)?;
    Ok(in_local_dir.or_else(|| rules.of_file(name)))
}

/// Why a directory is only here. The first one on the way down from the album decides.
pub(super) fn local_dir(
    store: &Store,
    rules: &NameRules,
    mut dir: DirId,
) -> store::Result<Option<LocalReason>> {
    let mut reason = None;
    while let Some(found) = store.dir(dir)?.filter(|it| it.local) {
        reason = Some(rules.within(&found.name));
        dir = found.parent;
    }
    Ok(reason)
}

/// The names of a file, as far as they decide where it belongs.
#[derive(Debug)]
pub(super) enum Names {
    /// This one does not keep it here.
    Real(EntryName),
    /// All of them keep it here.
    Local(LocalReason),
}

impl Names {
    /// The names of `file`. A half-written file among several names stays half-written.
    pub(super) fn of(store: &Store, rules: &NameRules, file: FileId) -> store::Result<Self> {
        let mut local = None;
        for (dir, name) in store.names_of(file)? {
            match stays_here(store, rules, dir, &name)? {
                None => return Ok(Self::Real(name)),
                Some(LocalReason::Temporary) => local = Some(LocalReason::Temporary),
                Some(reason) => local = local.or(Some(reason)),
            }
        }
        Ok(Self::Local(local.unwrap_or(LocalReason::Temporary)))
    }
}

/// The fate of a copy of a local file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyOutcome {
    /// It would be uploaded.
    Uploaded,
    /// It would stay on this machine.
    StaysHere(LocalReason),
    /// It would be refused, for this reason.
    Refused(String),
}

/// The fate of a copy of a local file under this name, in these directories of an album.
///
/// # Errors
/// If the file cannot be read.
pub fn would_upload(
    copied: File,
    dirs: &[EntryName],
    name: &EntryName,
    rules: &NameRules,
) -> std::io::Result<CopyOutcome> {
    let by_name = dirs.iter().find_map(|it| rules.of_dir(it)).or_else(|| rules.of_file(name));
    if let Some(reason) = by_name {
        return Ok(CopyOutcome::StaysHere(reason));
    }
    Ok(match fate(&SpoolStat::of(copied)?, name) {
        Ok(Fate::Upload(_)) => CopyOutcome::Uploaded,
        Ok(Fate::StaysHere(reason)) => CopyOutcome::StaysHere(reason),
        Err(error) => CopyOutcome::Refused(error.to_string()),
    })
}
