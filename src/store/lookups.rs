//! Questions that several operations ask of the tables.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Result;
use super::states::UploadState;
use super::types::{Child, DirEntry, TreeError};
use crate::media::{DirId, EntryName, FileId};

/// A listed file, from a row with `id`, `name` and `file`.
pub(super) fn listed_file(row: &Row<'_>) -> rusqlite::Result<DirEntry> {
    Ok(DirEntry {
        cookie: row.get("id")?,
        name: row.get("name")?,
        child: Child::File(row.get("file")?),
    })
}

pub(super) fn child(db: &Connection, dir: DirId, name: &EntryName) -> Result<Option<Child>> {
    let subdir = db
        .prepare_cached("SELECT id FROM shown_dirs WHERE parent = ?1 AND name = ?2")?
        .query_row(params![dir, name], |row| row.get(0).map(Child::Dir))
        .optional()?;
    if subdir.is_some() {
        return Ok(subdir);
    }
    Ok(db
        .prepare_cached("SELECT file FROM entries WHERE dir = ?1 AND name = ?2")?
        .query_row(params![dir, name], |row| row.get(0).map(Child::File))
        .optional()?)
}

pub(super) fn dir_path(db: &Connection, dir: DirId) -> Result<String> {
    let mut parts = Vec::new();
    let mut at = dir;
    while at != DirId::ROOT {
        let (parent, name): (DirId, EntryName) = db
            .prepare_cached("SELECT parent, name FROM dirs WHERE id = ?1")?
            .query_row([at], |row| Ok((row.get("parent")?, row.get("name")?)))?;
        parts.push(name.to_text().into_owned());
        at = parent;
    }
    parts.reverse();
    Ok(parts.join("/"))
}

/// Follows `merged_into` to the file that has the names now.
pub(super) fn resolve_merged(db: &Connection, mut file: FileId) -> Result<FileId> {
    loop {
        let next: Option<FileId> = db
            .prepare_cached("SELECT merged_into FROM files WHERE id = ?1")?
            .query_row([file], |row| row.get(0))
            .optional()?
            .flatten();
        match next {
            Some(other) => file = other,
            None => return Ok(file),
        }
    }
}

pub(super) fn is_album(db: &Connection, dir: DirId) -> Result<bool> {
    Ok(check_album(db, dir)?.is_ok())
}

/// Whether `dir` can hold files: it is an album or a local directory, and not hidden.
pub(super) fn check_album(db: &Connection, dir: DirId) -> Result<Result<(), TreeError>> {
    let found: Option<(bool, bool)> = db
        .prepare_cached(
            "SELECT d.shown, d.local OR (a.dir IS NOT NULL AND NOT a.hidden) AS holds_files FROM dirs d \
             LEFT JOIN albums a ON a.dir = d.id WHERE d.id = ?1",
        )?
        .query_row([dir], |row| Ok((row.get("shown")?, row.get("holds_files")?)))
        .optional()?;
    Ok(match found {
        Some((true, true)) => Ok(()),
        Some((true, false)) => Err(TreeError::NotAlbum),
        _ => Err(TreeError::Missing),
    })
}

/// All names of a file, oldest first.
pub(super) fn names_of(db: &Connection, file: FileId) -> Result<Vec<(DirId, EntryName)>> {
    Ok(db
        .prepare_cached("SELECT dir, name FROM entries WHERE file = ?1 ORDER BY id")?
        .query_map([file], |row| Ok((row.get("dir")?, row.get("name")?)))?
        .collect::<rusqlite::Result<_>>()?)
}

pub(super) fn has_entry(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM entries WHERE file = ?1")?.exists([file])?)
}

/// Whether `name` may be given to a file in `dir`.
pub(super) fn check_free(
    db: &Connection,
    dir: DirId,
    name: &EntryName,
) -> Result<Result<(), TreeError>> {
    if let Err(refusal) = check_album(db, dir)? {
        return Ok(Err(refusal));
    }
    Ok(if child(db, dir, name)?.is_some() { Err(TreeError::Exists) } else { Ok(()) })
}

/// Whether no name refers to a file that Google never had and is not being asked to make.
pub(super) fn is_orphan(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM orphan_files WHERE file = ?1")?.exists([file])?)
}

pub(super) fn upload_state(db: &Connection, file: FileId) -> Result<Option<UploadState>> {
    Ok(db
        .prepare_cached("SELECT state FROM uploads WHERE file = ?1")?
        .query_row([file], |row| row.get(0))
        .optional()?)
}

/// Whether a call without an answer may have made an item of the file.
pub(super) fn was_asked_for(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT 1 FROM uploads WHERE file = ?1 AND first_call IS NOT NULL")?
        .exists([file])?)
}

/// Whether Google has an item of the file.
pub(super) fn has_item(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT 1 FROM files WHERE id = ?1 AND media IS NOT NULL")?
        .exists([file])?)
}

pub(super) fn is_current(
    db: &Connection,
    file: FileId,
    seq: i64,
    state: UploadState,
) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT 1 FROM uploads WHERE file = ?1 AND seq = ?2 AND state = ?3")?
        .exists(params![file, seq, state])?)
}

pub(super) fn replaced_by(db: &Connection, file: FileId) -> Result<Option<FileId>> {
    Ok(db
        .prepare_cached("SELECT replaces FROM uploads WHERE file = ?1")?
        .query_row([file], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Whether Google has a file and nothing is under way for it.
pub(super) fn is_committed(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM committed_files WHERE id = ?1")?.exists([file])?)
}

pub(super) fn has_pending_removals(db: &Connection, dir: DirId) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT 1 FROM members WHERE dir = ?1 AND pending = 'removal'")?
        .exists([dir])?)
}
