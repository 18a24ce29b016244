//! Items, as Google lists them, put beside what is known and wanted here.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension, Transaction, params};

use super::files::video_to_number;
use super::tree::{add_entry, child};
use super::{AlbumState, GRACE, Result, Store, to_millis};
use crate::media::{DirId, EntryName, FileId, MediaItem};

/// An item from a listing, with the names it may get, best first.
#[derive(Clone, Debug)]
pub struct ListedItem {
    /// As Google describes it.
    pub item: MediaItem,
    /// Safe names; the last one cannot clash.
    pub names: Vec<EntryName>,
}

impl Store {
    /// Puts one page of an album's listing beside what is known. Says whether it has shown something new.
    ///
    /// # Errors
    /// If the database fails.
    pub fn items_listed(&self, dir: DirId, page: &[ListedItem], listing: i64) -> Result<bool> {
        self.write(|tx| {
            let mut news = false;
            for listed in page {
                let file = item_known(tx, &listed.item)?;
                news |= item_listed(tx, dir, file, &listed.names, listing)?;
            }
            Ok(news)
        })
    }

    /// Ends a complete listing of an album's items, begun at `began`: what it did not have has been taken out of
    /// the album. `news` says whether it has shown something new.
    ///
    /// # Errors
    /// If the database fails.
    pub fn items_complete(
        &self,
        dir: DirId,
        listing: i64,
        began: SystemTime,
        news: bool,
    ) -> Result<()> {
        let trusted_since = to_millis(began.checked_sub(GRACE).unwrap_or(SystemTime::UNIX_EPOCH));
        self.write(|tx| {
            // Only what a listing has shown before can be missed now; what we added ourselves may not
            // show yet, and what Google had before us may never show (reference §11.2c).
            let gone: Vec<FileId> = tx
                .prepare_cached(
                    "SELECT m.file FROM members m JOIN files f ON f.id = m.file \
                     WHERE m.dir = ?1 AND m.want = 1 AND m.present = 1 AND m.seen < ?2 AND f.confirmed \
                     AND (m.seen > 0 OR m.since < ?3)",
                )?
                .query_map(params![dir, listing, trusted_since], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for file in &gone {
                tx.prepare_cached("DELETE FROM entries WHERE dir = ?1 AND file = ?2")?
                    .execute(params![dir, file])?;
                tx.prepare_cached("DELETE FROM members WHERE dir = ?1 AND file = ?2")?
                    .execute(params![dir, file])?;
            }
            tx.prepare_cached(
                "DELETE FROM members WHERE dir = ?1 AND want = 0 AND present = 0 AND since < ?2",
            )?
            .execute(params![dir, trusted_since])?;
            let shown: i64 = tx
                .prepare_cached("SELECT count(*) FROM members WHERE dir = ?1 AND seen = ?2")?
                .query_row(params![dir, listing], |row| row.get(0))?;
            // A count that led here for nothing is taken as it is from now on, and so is one that is never
            // told; any other is expected to agree, in its own time.
            let fruitless = !news && gone.is_empty();
            tx.prepare_cached(
                "UPDATE albums SET \
                     excess = CASE WHEN count_hint = ?3 THEN 0 \
                         WHEN (suspect AND ?4) OR (listed_at IS NULL AND count_hint = 0) THEN count_hint - ?3 \
                         ELSE excess END, \
                     fruitless = CASE WHEN suspect AND ?4 THEN fruitless + 1 ELSE 0 END, \
                     suspect = 0, listed_at = ?2 WHERE dir = ?1",
            )?
            .execute(params![dir, to_millis(began), shown, fruitless])?;
            Ok(())
        })
    }

    /// Keeps what Google says about items, wherever they came up.
    ///
    /// # Errors
    /// If the database fails.
    pub fn items_seen(&self, items: &[MediaItem]) -> Result<Vec<FileId>> {
        self.write(|tx| items.iter().map(|item| item_known(tx, item)).collect())
    }
}

/// The file that is this item at Google, made if it is new, brought up to date if not.
pub(super) fn item_known(tx: &Transaction<'_>, item: &MediaItem) -> Result<FileId> {
    let created = item.creation_time.map(to_millis);
    tx.prepare_cached(
        "INSERT INTO files (mtime_ns, media, confirmed, filename, mime, description, product_url, created_at, \
         width, height, make, model, video, listed_at) VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
         ON CONFLICT (media) DO UPDATE SET confirmed = 1, filename = excluded.filename, mime = excluded.mime, \
         description = excluded.description, product_url = excluded.product_url, \
         created_at = excluded.created_at, width = excluded.width, height = excluded.height, \
         make = excluded.make, model = excluded.model, video = excluded.video",
    )?
    .execute(params![
        created.unwrap_or(0).saturating_mul(1_000_000),
        item.id,
        item.filename,
        item.mime_type,
        item.description,
        item.product_url,
        created,
        item.width,
        item.height,
        item.camera_make,
        item.camera_model,
        item.video.map(video_to_number),
        to_millis(SystemTime::now()),
    ])?;
    Ok(tx
        .prepare_cached("SELECT id FROM files WHERE media = ?1")?
        .query_row([&item.id], |row| row.get(0))?)
}

/// Returns whether it is new in this album.
fn item_listed(
    tx: &Transaction<'_>,
    dir: DirId,
    file: FileId,
    names: &[EntryName],
    listing: i64,
) -> Result<bool> {
    let now = SystemTime::now();
    let known: Option<(bool, i64, i64)> = tx
        .prepare_cached("SELECT want, present, since FROM members WHERE dir = ?1 AND file = ?2")?
        .query_row(params![dir, file], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let wanted = match known {
        None => false,
        Some((true, ..)) => true,
        // We have just taken it out and the listing lags, or we are about to.
        Some((false, present, since))
            if present != 0 || since > to_millis(now.checked_sub(GRACE).unwrap_or(now)) =>
        {
            tx.prepare_cached("UPDATE members SET seen = ?3 WHERE dir = ?1 AND file = ?2")?
                .execute(params![dir, file, listing])?;
            return Ok(false);
        }
        // Somebody has put it back.
        Some((false, ..)) => false,
    };
    // No time: it is not a change of ours that Google's lists and counts might lag behind.
    tx.prepare_cached(
        "INSERT INTO members (dir, file, want, present, since, seen) VALUES (?1, ?2, 1, 1, 0, ?3) \
         ON CONFLICT (dir, file) DO UPDATE SET want = 1, present = 1, seen = excluded.seen",
    )?
    .execute(params![dir, file, listing])?;
    if wanted {
        return Ok(false);
    }
    for name in names {
        if child(tx, dir, name)?.is_none() {
            add_entry(tx, dir, name, file)?;
            return Ok(true);
        }
    }
    // Every name is taken, which takes files named after this item's id: it keeps its row number instead.
    let name = EntryName::new(format!("item {}", file.0))
        .map_err(|_| super::Error::Corrupt("file number"))?;
    let free = child(tx, dir, &name)?.is_none();
    if free {
        add_entry(tx, dir, &name, file)?;
    }
    Ok(free)
}

impl AlbumState {
    /// Whether the last complete listing still holds: it is younger than `age`, and Google has told no number of
    /// items since that cannot be explained. A number that misled us before is followed more and more rarely.
    pub fn is_fresh(&self, age: Duration, refresh: Duration, now: SystemTime) -> bool {
        let patience = if self.suspect && self.fruitless == 0 {
            Duration::ZERO
        } else if self.suspect {
            age.min(refresh.saturating_mul(1_u32.checked_shl(self.fruitless).unwrap_or(u32::MAX)))
        } else {
            age
        };
        self.listed_at.is_some_and(|at| now.duration_since(at).is_ok_and(|since| since < patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Change;
    use crate::store::tests::{album, item, name, names};

    #[test]
    fn items_appear_and_those_missing_from_the_next_listing_go() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a"), item("b")], 1).unwrap();
        store.items_complete(trip, 1, SystemTime::now(), true).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        store.items_listed(trip, &[item("b")], 2).unwrap();
        store.watch().unwrap();
        store.items_complete(trip, 2, SystemTime::now(), true).unwrap();
        assert!(store.untold().contains(&Change::Entry(trip, name("a.jpg"))));
        assert_eq!(names(&store, trip), ["b.jpg"]);
    }

    #[test]
    fn an_item_listed_twice_has_one_entry() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a"), item("a")], 1).unwrap();
        store.items_listed(trip, &[item("a")], 1).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg"]);
    }

    #[test]
    fn what_was_just_removed_does_not_come_back_with_a_lagging_listing() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        store.unlink(trip, &name("a.jpg")).unwrap().unwrap();
        store.items_listed(trip, &[item("a")], 2).unwrap();
        assert_eq!(names(&store, trip), Vec::<String>::new());
    }

    #[test]
    fn a_local_file_keeps_its_name_and_the_listed_one_gets_a_suffix() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.create_file(trip, &name("a.jpg"), 0).unwrap().unwrap();
        store.items_listed(trip, &[item("a")], 1).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg", "a a.jpg"]);
    }
}
