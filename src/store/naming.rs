//! Names and their consequences: each name asks for a membership.

use rusqlite::params;

use super::error::Result;
use super::lookups::{is_orphan, replaced_by};
use super::states::Observed;
use super::tables::{entries, failed, files, members};
use super::tx::Tx;
use super::types::Unlinked;
use crate::media::{DirId, EntryName, FileId};

pub(super) fn add_entry(tx: &Tx<'_>, dir: DirId, name: &EntryName, file: FileId) -> Result<()> {
    entries::insert(tx, dir, name, file)?;
    add_wish(tx, dir, file)
}

pub(super) fn remove_entry(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    file: FileId,
) -> Result<Unlinked> {
    entries::delete(tx, dir, name)?;
    touched(tx, file)?;
    drop_wish(tx, dir, file)?;
    Ok(Unlinked { file, orphan: is_orphan(tx, file)? })
}

/// Adds the wish for a membership, because the file has a name in the album. A local directory has
/// no members.
pub(super) fn add_wish(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    members::set_desired(tx, dir, file, tx.now_millis())?;
    Ok(())
}

/// Drops the wish for a membership, if the file's last name in the album is gone. The old version
/// that the file replaces leaves the album, too.
pub(super) fn drop_wish(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    let named = tx
        .prepare_cached("SELECT 1 FROM entries WHERE file = ?1 AND dir = ?2")?
        .exists(params![file, dir])?;
    if named {
        return Ok(());
    }
    if let Some(old) = replaced_by(tx, file)? {
        drop_wish(tx, dir, old)?;
    }
    // Google was never asked to add it, so there is nothing to undo.
    let never = members::delete_absent(tx, dir, file)?;
    if never == 0 {
        members::set_undesired(tx, dir, file, tx.now_millis())?;
    }
    Ok(())
}

/// Sets the ctime, because names or attributes have changed. For bytes, sealing sets it.
pub(super) fn touched(tx: &Tx<'_>, file: FileId) -> Result<()> {
    files::set_ctime(tx, file, tx.now_nanos())?;
    Ok(())
}

/// Adds a failed name. Another file that failed under the same name keeps it, so this one gets a
/// distinct name.
pub(super) fn add_failed(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    file: FileId,
    reason: &str,
) -> Result<()> {
    let taken = tx
        .prepare_cached("SELECT 1 FROM failed WHERE dir = ?1 AND name = ?2 AND file <> ?3")?
        .exists(params![dir, name, file])?;
    let shown = if taken { distinct(name, file) } else { name.clone() };
    failed::upsert(tx, dir, &shown, file, reason, tx.now_millis())?;
    Ok(())
}

/// A name that no other failed file has: row numbers are unique.
pub(super) fn distinct(name: &EntryName, file: FileId) -> EntryName {
    let text = name.to_text();
    let (stem, extension) = match text.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (&*text, String::new()),
    };
    EntryName::new(format!("{stem} ({}){extension}", file.0))
        .or_else(|_| EntryName::new(file.0.to_string()))
        .unwrap_or_else(|_| name.clone())
}
/// Keeps what Google has said about a membership. Listings from before an addition do not count,
/// because the next ones may lag. A row that is neither desired nor observed, and that no listing
/// could contradict, goes.
pub(super) fn set_observed(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    observed: Observed,
) -> Result<()> {
    members::set_observed(tx, dir, file, observed, tx.now_millis())?;
    members::delete_if_void(tx, dir, file)?;
    Ok(())
}
