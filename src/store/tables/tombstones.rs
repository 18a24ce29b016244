//! Writes the tables of tombstones: names and albums that are gone, and may come back.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use crate::media::{AlbumId, DirId, EntryName, FileId};
use crate::store::error::Result;
use crate::store::time::{before, to_millis};
use crate::store::tx::Tx;

/// How many names are kept, and how many albums. The oldest go first.
const TOMBSTONES_MAX: i64 = 100_000;

/// How long they are kept.
const AGE_MAX: Duration = Duration::from_secs(400 * 24 * 3600);

/// An album that is gone.
pub(in crate::store) struct AlbumTombstone {
    /// Its directory.
    pub(in crate::store) dir: DirId,
    /// The title that Google had.
    pub(in crate::store) title: String,
    /// The title that a rename made here desired.
    pub(in crate::store) desired_title: Option<String>,
    /// `rmdir` had hidden it.
    pub(in crate::store) hidden: bool,
}

/// Keeps the names of an item in an album that are about to go.
pub(in crate::store) fn bury_item(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    delete_of_item(tx, dir, file)?;
    tx.prepare_cached(
        "INSERT INTO tombstones (album, media, name, at) SELECT a.remote, f.media, e.name, ?3 \
         FROM entries e JOIN albums a ON a.dir = e.dir JOIN files f ON f.id = e.file \
         WHERE e.dir = ?1 AND e.file = ?2 AND a.remote IS NOT NULL AND f.media IS NOT NULL ORDER BY e.id",
    )?
    .execute(params![dir, file, tx.now_millis()])?;
    limit(tx)
}

/// Keeps an album that is about to go, with the names of its items and the pending removals.
pub(in crate::store) fn bury_album(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    let now = tx.now_millis();
    tx.prepare_cached(
        "DELETE FROM tombstones WHERE album = (SELECT remote FROM albums WHERE dir = ?1)",
    )?
    .execute([dir])?;
    tx.prepare_cached(
        "INSERT INTO tombstones (album, media, name, at) \
         SELECT a.remote, f.media, n.name, ?2 FROM (SELECT file, name, id FROM entries WHERE dir = ?1 UNION ALL \
             SELECT file, NULL, 0 FROM members WHERE dir = ?1 AND pending = 'removal') n \
         JOIN albums a ON a.dir = ?1 JOIN files f ON f.id = n.file \
         WHERE a.remote IS NOT NULL AND f.media IS NOT NULL ORDER BY n.id",
    )?
    .execute(params![dir, now])?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO album_tombstones (remote, dir, title, desired_title, hidden, at) \
         SELECT remote, dir, title, desired_title, hidden, ?2 FROM albums WHERE dir = ?1 AND remote IS NOT NULL",
    )?
    .execute(params![dir, now])?;
    limit(tx)
}

/// The names that an item had in an album.
pub(in crate::store) const NAMES_OF_ITEM: &str = "SELECT t.name FROM tombstones t JOIN albums a ON a.remote = t.album \
     JOIN files f ON f.media = t.media WHERE a.dir = ?1 AND f.id = ?2 ORDER BY t.id";

/// Takes the names of an item that a listing of the album shows again. `None` stands for a pending
/// removal.
pub(in crate::store) fn take_item(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
) -> Result<Vec<Option<EntryName>>> {
    let names: Vec<_> = tx
        .prepare_cached(NAMES_OF_ITEM)?
        .query_map(params![dir, file], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if !names.is_empty() {
        delete_of_item(tx, dir, file)?;
    }
    Ok(names)
}

/// Takes an album that Google shows again.
pub(in crate::store) fn take_album(tx: &Tx<'_>, album: &AlbumId) -> Result<Option<AlbumTombstone>> {
    Ok(tx
        .prepare_cached(
            "DELETE FROM album_tombstones WHERE remote = ?1 RETURNING dir, title, desired_title, hidden",
        )?
        .query_row([album], |row| {
            Ok(AlbumTombstone {
                dir: row.get("dir")?,
                title: row.get("title")?,
                desired_title: row.get("desired_title")?,
                hidden: row.get("hidden")?,
            })
        })
        .optional()?)
}

/// Forgets the pending removals of an album that has come back. The removal of an item that is not
/// there any more is done, and whoever adds it later wants it.
pub(in crate::store) fn delete_removals(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM tombstones WHERE name IS NULL AND album = (SELECT remote FROM albums WHERE dir = ?1)",
    )?
    .execute([dir])?;
    Ok(())
}

fn delete_of_item(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM tombstones WHERE album = (SELECT remote FROM albums WHERE dir = ?1) \
         AND media = (SELECT media FROM files WHERE id = ?2)",
    )?
    .execute(params![dir, file])?;
    Ok(())
}

/// Forgets the oldest tombstones. Numbers are never reused, so those of the latest rows bound their
/// count.
fn limit(tx: &Tx<'_>) -> Result<()> {
    let oldest = to_millis(before(tx.now, AGE_MAX));
    for sql in [
        "DELETE FROM tombstones WHERE at < ?1 OR id <= (SELECT max(id) FROM tombstones) - ?2",
        "DELETE FROM album_tombstones WHERE at < ?1 OR id <= (SELECT max(id) FROM album_tombstones) - ?2",
    ] {
        tx.prepare_cached(sql)?.execute(params![oldest, TOMBSTONES_MAX])?;
    }
    Ok(())
}
