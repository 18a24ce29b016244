//! Writes the table of names.

use rusqlite::params;

use crate::media::{DirId, EntryName, FileId};
use crate::store::error::Result;
use crate::store::tx::Tx;

/// Removes all names of a directory.
pub(in crate::store) fn remove_all_of_dir(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("DELETE FROM entries WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// Removes all names of a file.
pub(in crate::store) fn remove_all_of_file(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM entries WHERE file = ?1")?.execute([file])?;
    Ok(())
}

/// Removes the names of a file in one directory.
pub(in crate::store) fn remove_of_file_in_dir(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM entries WHERE dir = ?1 AND file = ?2")?
        .execute(params![dir, file])?;
    Ok(())
}

/// Moves a name.
pub(in crate::store) fn rename(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    to_dir: DirId,
    to_name: &EntryName,
) -> Result<()> {
    tx.prepare_cached("UPDATE entries SET dir = ?3, name = ?4 WHERE dir = ?1 AND name = ?2")?
        .execute(params![dir, name, to_dir, to_name])?;
    Ok(())
}

/// Gives a name to another file.
pub(in crate::store) fn set_file(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    file: FileId,
) -> Result<()> {
    tx.prepare_cached("UPDATE entries SET file = ?3 WHERE dir = ?1 AND name = ?2")?
        .execute(params![dir, name, file])?;
    Ok(())
}

/// Gives a file a name.
pub(in crate::store) fn insert(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    file: FileId,
) -> Result<()> {
    tx.prepare_cached("INSERT INTO entries (dir, name, file) VALUES (?1, ?2, ?3)")?
        .execute(params![dir, name, file])?;
    Ok(())
}

/// Removes a name.
pub(in crate::store) fn delete(tx: &Tx<'_>, dir: DirId, name: &EntryName) -> Result<()> {
    tx.prepare_cached("DELETE FROM entries WHERE dir = ?1 AND name = ?2")?
        .execute(params![dir, name])?;
    Ok(())
}

/// Gives all names of one file to another.
pub(in crate::store) fn give_all(tx: &Tx<'_>, to: FileId, from: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE entries SET file = ?1 WHERE file = ?2")?
        .execute(params![to, from])?;
    Ok(())
}

/// Removes the names of a file in one directory, and returns them.
pub(in crate::store) fn take_of_file_in_dir(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
) -> Result<Vec<EntryName>> {
    Ok(tx
        .prepare_cached("DELETE FROM entries WHERE dir = ?1 AND file = ?2 RETURNING name")?
        .query_map(params![dir, file], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}
