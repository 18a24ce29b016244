//! Writes the table of failed names.

use rusqlite::params;

use crate::media::{DirId, EntryName, FileId};
use crate::store::error::Result;
use crate::store::tx::Tx;

/// Removes a failed name.
pub(in crate::store) fn delete(tx: &Tx<'_>, dir: DirId, name: &EntryName) -> Result<()> {
    tx.prepare_cached("DELETE FROM failed WHERE dir = ?1 AND name = ?2")?
        .execute(params![dir, name])?;
    Ok(())
}

/// A file was closed under these names: earlier remains of a dead writer go.
pub(in crate::store) fn delete_unfinished(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM failed WHERE unfinished AND EXISTS \
         (SELECT 1 FROM entries e WHERE e.file = ?1 AND e.dir = failed.dir AND e.name = failed.name)")?.execute([file])?;
    Ok(())
}

/// Adds a failed name, or brings its reason up to date.
pub(in crate::store) fn upsert(
    tx: &Tx<'_>,
    dir: DirId,
    name: &EntryName,
    file: FileId,
    reason: &str,
    at: i64,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO failed (dir, name, file, reason, at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (dir, name) DO UPDATE SET reason = excluded.reason, at = excluded.at",
    )?
    .execute(params![dir, name, file, reason, at])?;
    Ok(())
}

/// The writer of these names never closed the file.
pub(in crate::store) fn set_unfinished(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE failed SET unfinished = 1 WHERE file = ?1")?.execute([file])?;
    Ok(())
}
