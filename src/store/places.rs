//! Places of albums: directories are created, moved, shown and hidden as titles say.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::{Error, Result};
use super::lookups::child;
use super::tables::dirs;
use super::tx::Tx;
use super::types::Child;
use crate::media::{AlbumId, DirId, EntryName};

/// Chooses the place of an album and creates its parents. The album gets the first of its names
/// that is free, is its own, belongs to a hidden album, or is a mere parent of albums. A local
/// directory keeps its name.
pub(super) fn place_for(
    tx: &Tx<'_>,
    path: &[Vec<EntryName>],
    album: &AlbumId,
    own: Option<DirId>,
) -> Result<(DirId, EntryName)> {
    let Some((names, parents)) = path.split_last() else {
        return Err(Error::Corrupt("an album without a name"));
    };
    let mut parent = DirId::ROOT;
    for names in parents {
        let Some(name) = names.first() else {
            return Err(Error::Corrupt("an album without a name"));
        };
        parent = dir_named(tx, parent, name)?;
    }
    for name in names {
        let taken_by: Option<DirId> = tx
            .prepare_cached(
                "SELECT d.id FROM dirs d LEFT JOIN albums a ON a.dir = d.id \
                 WHERE d.parent = ?1 AND d.name = ?2 AND (d.local OR NOT a.hidden)",
            )?
            .query_row(params![parent, name], |row| row.get(0))
            .optional()?;
        let file_there = matches!(child(tx, parent, name)?, Some(Child::File(_)));
        if !file_there && (taken_by.is_none() || taken_by == own) {
            return Ok((parent, name.clone()));
        }
    }
    // The last name holds the album's whole id. Only an entry of that very name can be in the way.
    let text = format!("{} {album}", names.first().map(EntryName::to_text).unwrap_or_default());
    let cut: String = text.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    let name = EntryName::new(cut).map_err(|_| Error::Corrupt("an album's id"))?;
    Ok((parent, name))
}

/// The directory of that name, created if necessary. [`show_or_hide`] shows it.
pub(super) fn dir_named(tx: &Tx<'_>, parent: DirId, name: &EntryName) -> Result<DirId> {
    let found = tx
        .prepare_cached("SELECT id FROM subdirs WHERE parent = ?1 AND name = ?2")?
        .query_row(params![parent, name], |row| row.get(0))
        .optional()?;
    if let Some(dir) = found {
        return Ok(dir);
    }
    dirs::insert_hidden(tx, parent, name)?;
    Ok(DirId(tx.last_insert_rowid()))
}

/// As [`dir_named`], for a new directory that is no mere parent. A hidden album in that place gives
/// way.
pub(super) fn new_dir(tx: &Tx<'_>, parent: DirId, name: &EntryName) -> Result<DirId> {
    let in_the_way: Option<DirId> = tx
        .prepare_cached(
            "SELECT d.id FROM dirs d JOIN albums a ON a.dir = d.id WHERE d.parent = ?1 AND d.name = ?2",
        )?
        .query_row(params![parent, name], |row| row.get(0))
        .optional()?;
    if let Some(other) = in_the_way {
        dirs::rename(tx, other, &spare_name(name, other)?)?;
    }
    let dir = dir_named(tx, parent, name)?;
    if let Some(other) = in_the_way {
        if has_shown_child(tx, other)? {
            inherit(tx, children(tx, other, "TRUE")?, dir)?;
        }
        show_or_hide(tx, other)?;
    }
    Ok(dir)
}

/// Takes a directory out of its place, so that its new place may be below the old one. Returns the
/// old place. Albums below it have titles with the old place and stay there. Local directories go
/// with it.
pub(super) fn vacate(tx: &Tx<'_>, dir: DirId) -> Result<(DirId, EntryName)> {
    let (parent, name): (DirId, EntryName) = tx
        .prepare_cached("SELECT parent, name FROM dirs WHERE id = ?1")?
        .query_row([dir], |row| Ok((row.get("parent")?, row.get("name")?)))?;
    // In itself and without a name it is in nobody's way, until `move_dir` places it.
    dirs::vacate(tx, dir)?;
    let called_after_it = children(tx, dir, "NOT local")?;
    if !called_after_it.is_empty() {
        let heir = dir_named(tx, parent, &name)?;
        inherit(tx, called_after_it, heir)?;
        show_or_hide(tx, heir)?;
    }
    Ok((parent, name))
}

/// Places a directory that was taken out of its `old` place. A mere parent of albums in the new
/// place gives way, and so does a hidden album. Their shown children move in.
pub(super) fn move_dir(
    tx: &Tx<'_>,
    dir: DirId,
    old: (DirId, EntryName),
    (parent, name): (DirId, &EntryName),
) -> Result<()> {
    let in_the_way: Option<(DirId, bool)> = tx
        .prepare_cached(
            "SELECT d.id, a.dir IS NOT NULL AS is_album FROM subdirs d LEFT JOIN albums a ON a.dir = d.id \
             WHERE d.parent = ?1 AND d.name = ?2 AND d.id <> ?3",
        )?
        .query_row(params![parent, name, dir], |row| Ok((row.get("id")?, row.get("is_album")?)))
        .optional()?;
    if let Some((other, is_album)) = in_the_way {
        if !is_album || has_shown_child(tx, other)? {
            inherit(tx, children(tx, other, "TRUE")?, dir)?;
        }
        dirs::rename(tx, other, &spare_name(name, other)?)?;
        show_or_hide(tx, other)?;
    }
    let name = free_name(tx, parent, name, dir)?;
    dirs::place(tx, dir, parent, &name)?;
    show_or_hide(tx, dir)?;
    show_or_hide(tx, old.0)
}

/// The directories in `dir` for which a condition holds.
fn children(tx: &Tx<'_>, dir: DirId, which: &str) -> Result<Vec<(DirId, EntryName)>> {
    Ok(tx
        .prepare_cached(&format!(
            "SELECT id, name FROM dirs WHERE parent = ?1 AND id <> ?1 AND {which}"
        ))?
        .query_map([dir], |row| Ok((row.get("id")?, row.get("name")?)))?
        .collect::<rusqlite::Result<_>>()?)
}

/// Moves directories to `heir`.
fn inherit(tx: &Tx<'_>, children: Vec<(DirId, EntryName)>, heir: DirId) -> Result<()> {
    for (child, name) in children {
        let taken = tx
            .prepare_cached("SELECT 1 FROM dirs WHERE parent = ?1 AND name = ?2")?
            .exists(params![heir, name])?;
        let new_name = if taken { spare_name(&name, child)? } else { name.clone() };
        dirs::place(tx, child, heir, &new_name)?;
    }
    Ok(())
}

/// The name under which a directory can be shown. A file may have got its name while it was hidden.
fn free_name(db: &Connection, parent: DirId, name: &EntryName, dir: DirId) -> Result<EntryName> {
    let taken = db
        .prepare_cached("SELECT 1 FROM entries WHERE dir = ?1 AND name = ?2")?
        .exists(params![parent, name])?;
    if taken { spare_name(name, dir) } else { Ok(name.clone()) }
}

/// A unique name: row numbers are never reused.
fn spare_name(name: &EntryName, dir: DirId) -> Result<EntryName> {
    EntryName::new(format!("{name} {}", dir.0))
        .or_else(|_| EntryName::new(format!("{}", dir.0)))
        .map_err(|_| Error::Corrupt("directory name"))
}

pub(super) fn has_shown_child(db: &Connection, dir: DirId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM shown_dirs WHERE parent = ?1")?.exists([dir])?)
}

/// Shows a directory if it is a local one or an album that is not hidden, or has such a one below
/// it. Hides any other.
pub(super) fn show_or_hide(tx: &Tx<'_>, mut dir: DirId) -> Result<()> {
    while dir != DirId::ROOT {
        let for_itself = tx
            .prepare_cached(
                "SELECT 1 FROM albums WHERE dir = ?1 AND NOT hidden AND remote IS NOT NULL \
                 UNION ALL SELECT 1 FROM dirs WHERE id = ?1 AND local",
            )?
            .exists([dir])?;
        let shown = for_itself || has_shown_child(tx, dir)?;
        let (parent, name, was): (DirId, EntryName, bool) = tx
            .prepare_cached("SELECT parent, name, shown FROM dirs WHERE id = ?1")?
            .query_row([dir], |row| {
                Ok((row.get("parent")?, row.get("name")?, row.get("shown")?))
            })?;
        if was != shown {
            let name = if shown { free_name(tx, parent, &name, dir)? } else { name };
            dirs::set_shown(tx, dir, shown, &name)?;
        }
        dir = parent;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::store::Store;
    use crate::store::tests::{album, name, names};

    #[test]
    fn a_directory_gives_way_to_a_file_that_has_its_name() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.create_file(trip, &name("a.jpg"), 0).unwrap().unwrap();
        let below = album(&store, "Trip/a.jpg/Day");
        let parent = store.dir(below).unwrap().unwrap().parent;
        assert_eq!(names(&store, trip), [format!("a.jpg {}", parent.0), "a.jpg".to_owned()]);
        // One that was hidden when the file came.
        let day = album(&store, "Trip/Day");
        store.remove_dir(trip, &name("Day")).unwrap().unwrap();
        store.create_file(trip, &name("Day"), 0).unwrap().unwrap();
        album(&store, "Trip/Day/1");
        let listed = names(&store, trip);
        assert!(listed.contains(&format!("Day {}", day.0)), "{listed:?}");
    }
}
