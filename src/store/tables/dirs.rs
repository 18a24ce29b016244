//! Writes the table of directories.

use rusqlite::params;

use crate::media::{DirId, EntryName, Quality};
use crate::store::error::Result;
use crate::store::tx::Tx;

/// Marks a directory that has no album.
pub(in crate::store) fn set_local(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE dirs SET local = 1 WHERE id = ?1")?.execute([dir])?;
    Ok(())
}

/// A name came or went that has no row of its own.
pub(in crate::store) fn names_changed(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("INSERT INTO names_changed VALUES (?1)")?.execute([dir])?;
    Ok(())
}

/// A directory without an album is no longer shown for itself.
pub(in crate::store) fn clear_local(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE dirs SET local = 0 WHERE id = ?1")?.execute([dir])?;
    Ok(())
}

/// Sets the permission bits that the mode keeps from the group and from others.
pub(in crate::store) fn set_withheld(tx: &Tx<'_>, dir: DirId, bits: u16) -> Result<()> {
    tx.prepare_cached("UPDATE dirs SET withheld = ?2 WHERE id = ?1 AND withheld <> ?2")?
        .execute(params![dir, bits])?;
    Ok(())
}

/// Sets the time that a directory shows until the next change of its names.
pub(in crate::store) fn set_mtime(tx: &Tx<'_>, dir: DirId, mtime_ns: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE dirs SET mtime_ns = ?2, names_changed_ns = max(names_changed_ns + 1, now_ns()) \
         WHERE id = ?1",
    )?
    .execute(params![dir, mtime_ns])?;
    Ok(())
}

/// Sets the quality in which photos below a directory are uploaded, or that of its parent.
pub(in crate::store) fn set_quality(
    tx: &Tx<'_>,
    dir: DirId,
    quality: Option<Quality>,
) -> Result<usize> {
    Ok(tx
        .prepare_cached("UPDATE dirs SET quality = ?2 WHERE id = ?1 AND quality IS NOT ?2")?
        .execute(params![dir, quality.map(|it| it.exact())])?)
}

/// Puts a directory back that was shown although it was empty. Without an album it is a local one.
pub(in crate::store) fn restore(
    tx: &Tx<'_>,
    dir: DirId,
    parent: DirId,
    name: &EntryName,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE dirs SET parent = ?2, name = ?3, \
         local = NOT EXISTS (SELECT 1 FROM albums WHERE dir = ?1) WHERE id = ?1",
    )?
    .execute(params![dir, parent, name])?;
    Ok(())
}

/// Adds a directory that is not shown yet.
pub(in crate::store) fn insert_hidden(tx: &Tx<'_>, parent: DirId, name: &EntryName) -> Result<()> {
    tx.prepare_cached("INSERT INTO dirs (parent, name, shown) VALUES (?1, ?2, 0)")?
        .execute(params![parent, name])?;
    Ok(())
}

/// Renames a directory in its place.
pub(in crate::store) fn rename(tx: &Tx<'_>, dir: DirId, name: &EntryName) -> Result<()> {
    tx.prepare_cached("UPDATE dirs SET name = ?2 WHERE id = ?1")?.execute(params![dir, name])?;
    Ok(())
}

/// Takes a directory out of its place: in itself and without a name it is in nobody's way.
pub(in crate::store) fn vacate(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE dirs SET parent = id, name = x'' WHERE id = ?1")?.execute([dir])?;
    Ok(())
}

/// Puts a directory into a place.
pub(in crate::store) fn place(
    tx: &Tx<'_>,
    dir: DirId,
    parent: DirId,
    name: &EntryName,
) -> Result<()> {
    tx.prepare_cached("UPDATE dirs SET parent = ?2, name = ?3 WHERE id = ?1")?
        .execute(params![dir, parent, name])?;
    Ok(())
}

/// Shows or hides a directory, under a name that is free.
pub(in crate::store) fn set_shown(
    tx: &Tx<'_>,
    dir: DirId,
    shown: bool,
    name: &EntryName,
) -> Result<()> {
    tx.prepare_cached("UPDATE dirs SET shown = ?2, name = ?3 WHERE id = ?1")?
        .execute(params![dir, shown, name])?;
    Ok(())
}
