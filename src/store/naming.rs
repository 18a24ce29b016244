//! Names and their consequences: each name asks for a membership.

use rusqlite::{Connection, params};

use super::error::Result;
use super::lookups::{is_orphan, replaced_by};
use super::states::Observed;
use super::tables::{entries, failed, files, members};
use super::tx::Tx;
use super::types::Unlinked;
use crate::media::{DirId, EntryName, FileId};

pub(super) fn add_entry(tx: &Tx<'_>, dir: DirId, name: &EntryName, file: FileId) -> Result<()> {
    entries::insert(tx, dir, name, file)?;
    set_desired(tx, dir, file)
}

pub(super) fn remove_entry(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    file: FileId,
) -> Result<Unlinked> {
    entries::delete(tx, dir, name)?;
    touched(tx, file)?;
    clear_desired(tx, dir, file)?;
    Ok(Unlinked { file, orphan: is_orphan(tx, file)? })
}

/// Makes a membership desired, because the file has a name in the album. A local directory has
/// no members.
pub(super) fn set_desired(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    members::set_desired(tx, dir, file, tx.now_millis())?;
    Ok(())
}

/// Makes a membership undesired, if the file's last name in the album is gone. The old version
/// that the file replaces leaves the album, too.
pub(super) fn clear_desired(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    let named = tx
        .prepare_cached("SELECT 1 FROM entries WHERE file = ?1 AND dir = ?2")?
        .exists(params![file, dir])?;
    if named {
        return Ok(());
    }
    if let Some(old) = replaced_by(tx, file)? {
        clear_desired(tx, dir, old)?;
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

/// Adds a failed name, unless the same bytes were refused under this name before. Another file that
/// failed under the same name keeps it, so this one gets a distinct name.
pub(super) fn add_failed(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    file: FileId,
    reason: &str,
) -> Result<()> {
    if is_refused_already(tx, dir, name, file)? {
        return Ok(());
    }
    let taken = tx
        .prepare_cached("SELECT 1 FROM failed WHERE dir = ?1 AND name = ?2 AND file <> ?3")?
        .exists(params![dir, name, file])?;
    let shown = if taken { distinct(name, file) } else { name.clone() };
    failed::upsert(tx, dir, &shown, file, reason, tx.now_millis())?;
    Ok(())
}

/// Whether the bytes of `file` were refused under this name before, by their hashes.
pub(super) fn is_refused_already(
    db: &Connection,
    dir: DirId,
    name: &EntryName,
    file: FileId,
) -> Result<bool> {
    let mut is_same = db.prepare_cached(
        "SELECT 1 FROM files f JOIN files o ON o.sha256 = f.sha256 WHERE f.id = ?1 AND o.id = ?2",
    )?;
    for other in refused_as(db, dir, name)? {
        if other != file && is_same.exists([file, other])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files that were refused under this name, and closed before. All but the first have distinct
/// names. An item that only an album has refused may have no bytes here.
pub(super) fn refused_as(db: &Connection, dir: DirId, name: &EntryName) -> Result<Vec<FileId>> {
    let text = name.to_text();
    let (stem, _) = split(&text);
    // Distinct names lie between these two.
    let (from, to) = (format!("{stem} ("), format!("{stem} )"));
    let found: Vec<(EntryName, FileId)> = db
        .prepare_cached(
            "SELECT t.name, t.file FROM failed t JOIN uploads u ON u.file = t.file \
             WHERE t.dir = ?1 AND NOT t.unfinished AND u.state = 'failed' \
             AND (t.name = ?2 OR (t.name > ?3 AND t.name < ?4)) ORDER BY t.id",
        )?
        .query_map(params![dir, name, from.as_bytes(), to.as_bytes()], |row| {
            Ok((row.get("name")?, row.get("file")?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let such =
        |(shown, file): &(EntryName, FileId)| shown == name || *shown == distinct(name, *file);
    Ok(found.into_iter().filter(such).map(|(_, file)| file).collect())
}

/// Stem and extension.
fn split(text: &str) -> (&str, String) {
    match text.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (text, String::new()),
    }
}

/// A name that no other failed file has: row numbers are unique.
pub(super) fn distinct(name: &EntryName, file: FileId) -> EntryName {
    let text = name.to_text();
    let (stem, extension) = split(&text);
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
