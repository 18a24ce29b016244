//! Items and albums that Google's lists do not show any more. A list that lacks them is no proof:
//! they go if Google's count agrees (`items.rs`), or if Google does not know their ids. Their names
//! then become tombstones, and come back when a list shows the id again.

use std::time::SystemTime;

use rusqlite::params;

use super::database::Store;
use super::error::Result;
use super::places::show_or_hide;
use super::states::UploadState;
use super::tables::{albums, entries, members, tombstones};
use super::time::{GRACE, before, to_millis};
use super::tx::Tx;
use super::versions::fail;
use crate::media::{AlbumId, DirId, FileId, MediaId};

/// Why a sidecar is among the failed files.
const ALBUM_DELETED: &str = "its album was deleted at Google, and this file was only here";

impl Store {
    /// Up to `limit` items that the last complete listing of an album did not show and that may
    /// nevertheless be there. They come in no order, so that each has its turn.
    pub fn missing_items(&self, dir: DirId, limit: u32) -> Result<Vec<(FileId, MediaId)>> {
        self.expected_items(dir, "missed", limit)
    }

    /// As [`Store::missing_items`], items that were put into the album lately and that no listing
    /// has shown there yet.
    pub fn unlisted_items(&self, dir: DirId, limit: u32) -> Result<Vec<(FileId, MediaId)>> {
        self.expected_items(dir, "seen = 0 AND NOT missed", limit)
    }

    fn expected_items(
        &self,
        dir: DirId,
        which: &str,
        limit: u32,
    ) -> Result<Vec<(FileId, MediaId)>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(&format!(
                    "SELECT file, media FROM expected_members WHERE dir = ?1 AND {which} ORDER BY random() LIMIT ?2"
                ))?
                .query_map(params![dir, limit], |row| Ok((row.get("file")?, row.get("media")?)))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Google does not know these items, and the last listing of the album did not show them. They
    /// leave the album, unless a listing has shown them meanwhile.
    pub fn items_gone(&self, dir: DirId, items: &[FileId]) -> Result<()> {
        self.write(|tx| {
            for file in items {
                let is_missing = tx
                    .prepare_cached(
                        "SELECT 1 FROM expected_members WHERE dir = ?1 AND file = ?2 AND (missed OR seen = 0)",
                    )?
                    .exists(params![dir, file])?;
                if is_missing {
                    bury_item(tx, dir, *file)?;
                }
            }
            Ok(())
        })
    }

    /// Ends a complete pass through the albums. Returns up to `limit` albums that it did not show,
    /// those first of which Google has not said anything for the longest time.
    ///
    /// Albums that a file is on its way into are not among them. Nor are albums that were created
    /// here so recently that Google's list may lag.
    pub fn albums_complete(&self, listing: i64, limit: u32) -> Result<Vec<(DirId, AlbumId)>> {
        self.write(|tx| {
            albums::set_missed(tx, listing)?;
            let trusted_since = to_millis(before(tx.now, GRACE));
            Ok(tx
                .prepare_cached(
                    "SELECT dir, remote FROM missing_albums WHERE made_at < ?1 ORDER BY described_at LIMIT ?2",
                )?
                .query_map(params![trusted_since, limit], |row| {
                    Ok((row.get("dir")?, row.get("remote")?))
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Up to `limit` albums of this title that are gone, the latest ones first.
    pub fn albums_gone_titled(&self, title: &str, limit: u32) -> Result<Vec<AlbumId>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT remote FROM album_tombstones WHERE title = ?1 ORDER BY id DESC LIMIT ?2",
                )?
                .query_map(params![title, limit], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Whether the album was not made here after this time.
    pub fn is_album_made_before(&self, dir: DirId, time: SystemTime) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT 1 FROM albums WHERE dir = ?1 AND made_at <= ?2")?
                .exists(params![dir, to_millis(time)])?)
        })
    }

    /// Google does not know the album, and its last list did not show it. It goes, unless a list
    /// has shown it meanwhile. Files that stayed here for good beside its items are failed files
    /// then. Returns how many there were.
    pub fn album_gone(&self, dir: DirId, album: &AlbumId) -> Result<usize> {
        self.write_durable(|tx| {
            let is_missing = tx
                .prepare_cached("SELECT 1 FROM missing_albums WHERE dir = ?1 AND remote = ?2")?
                .exists(params![dir, album])?;
            if !is_missing {
                return Ok(0);
            }
            let kept = kept_only_in(tx, dir)?;
            for file in &kept {
                fail(tx, *file, ALBUM_DELETED)?;
            }
            tombstones::bury_album(tx, dir)?;
            entries::remove_all_of_dir(tx, dir)?;
            members::delete_of_dir(tx, dir)?;
            albums::delete(tx, dir)?;
            show_or_hide(tx, dir)?;
            Ok(kept.len())
        })
    }
}

/// The files that stay here for good and have names in no other directory.
fn kept_only_in(tx: &Tx<'_>, dir: DirId) -> Result<Vec<FileId>> {
    Ok(tx
        .prepare_cached(
            "SELECT DISTINCT e.file FROM entries e JOIN uploads u ON u.file = e.file \
             WHERE e.dir = ?1 AND u.state = ?2 AND u.stays_here IN ('junk', 'sidecar') \
             AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.file = e.file AND o.dir <> e.dir)",
        )?
        .query_map(params![dir, UploadState::Temporary], |row| row.get("file"))?
        .collect::<rusqlite::Result<_>>()?)
}

/// Removes an item from an album, and keeps its names for its return.
pub(super) fn bury_item(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    tombstones::bury_item(tx, dir, file)?;
    entries::remove_of_file_in_dir(tx, dir, file)?;
    members::delete(tx, dir, file)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::media::Clock;
    use crate::store::ListedItem;
    use crate::store::tests::{album, item, names};

    const DAY: u64 = 24 * 3600;

    /// How many names and albums have tombstones.
    fn kept(store: &Store) -> (i64, i64) {
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            store.read(|db| Ok(db.query_row(&sql, [], |row| row.get(0))?)).unwrap()
        };
        (count("tombstones"), count("album_tombstones"))
    }

    /// The items of the album go.
    fn all_go(store: &Store, dir: DirId) {
        store.write(|tx| Ok(tx.execute("UPDATE members SET missed = TRUE", [])?)).unwrap();
        let gone = store.missing_items(dir, 9).unwrap();
        store.items_gone(dir, &gone.iter().map(|it| it.0).collect::<Vec<_>>()).unwrap();
        assert_eq!(names(store, dir), [""; 0]);
    }

    #[test]
    fn tombstones_are_kept_for_400_days() {
        let (dir, seconds) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(0)));
        let shared = seconds.clone();
        let clock = move || SystemTime::now() + Duration::from_secs(shared.load(Ordering::SeqCst));
        let store = Store::open_with_clock(dir.path(), Clock(Arc::new(clock))).unwrap();
        let trip = album(&store, "Trip");
        for (at, day, left) in [("a", 0, 1), ("b", 399, 2), ("c", 401, 2), ("d", 900, 1)] {
            seconds.store(day * DAY, Ordering::SeqCst);
            store.items_listed(trip, &[item(at)], 1).unwrap();
            all_go(&store, trip);
            assert_eq!(kept(&store).0, left, "day {day}");
        }
    }

    #[test]
    fn the_number_of_tombstones_is_limited_and_the_oldest_go_first() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        for (at, skipped, left) in [("a", 99_998, 1), ("b", 1, 2), ("c", 0, 2)] {
            store.items_listed(trip, &[item(at)], 1).unwrap();
            all_go(&store, trip);
            let skip = format!(
                "UPDATE sqlite_sequence SET seq = seq + {skipped} WHERE name = 'tombstones'"
            );
            store.write(|tx| Ok(tx.execute(&skip, [])?)).unwrap();
            assert_eq!(kept(&store).0, left, "{at}");
        }
        let back = ["a", "b", "c"].map(|id| ListedItem { names: vec![], ..item(id) });
        store.items_listed(trip, &back, 2).unwrap();
        let names = names(&store, trip);
        assert!(names[1..] == ["b.jpg", "c.jpg"] && names[0].starts_with("item "), "{names:?}");
        assert_eq!(kept(&store), (0, 0));
    }
}
