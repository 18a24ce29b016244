//! What Google says is there, put beside what is known and wanted here.
//!
//! Listings have a number, counted up: whatever a complete listing did not see is gone. Google's
//! listings lag behind changes, ours included, so recent changes of our own are believed
//! before a listing is ([`GRACE`]).

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::tree::{add_entry, child, video_to_number};
use super::{AlbumState, Change, Child, Result, Store, TreeError, from_millis, to_millis};
use crate::media::{Album, AlbumId, DirId, EntryName, FileId, MediaItem};

/// How long a change of ours is believed although a listing does not show it (reference §11.7).
pub const GRACE: Duration = Duration::from_secs(600);

const ALBUMS_LISTED_AT: &str = "albums_listed_at";

/// An album from a listing, with the names that its place in the tree may get.
#[derive(Clone, Debug)]
pub struct ListedAlbum {
    /// As Google describes it.
    pub album: Album,
    /// One list for each component of the title, best name first; every list but the last has one.
    pub path: Vec<Vec<EntryName>>,
}

/// An item from a listing, with the names it may get, best first.
#[derive(Clone, Debug)]
pub struct ListedItem {
    /// As Google describes it.
    pub item: MediaItem,
    /// Safe names; the last one cannot clash.
    pub names: Vec<EntryName>,
}

/// What listing one album has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlbumListed {
    /// Its directory.
    pub dir: DirId,
    /// What the kernel must be told.
    pub changes: Vec<Change>,
}

/// What `mkdir` finds in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlbumIntent {
    /// To be created at Google now; nobody has asked for it before.
    Fresh(DirId),
    /// An earlier creation may have taken effect: list before creating.
    Unsettled(DirId),
    /// It was hidden by `rmdir` and is shown again: nothing to ask Google for.
    Unhidden(DirId),
}

impl Store {
    /// The next number for a listing of albums, or of one album's items.
    ///
    /// # Errors
    /// If the database fails.
    pub fn next_listing(&self) -> Result<i64> {
        self.write(|tx| {
            tx.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('listing', '0')", [])?;
            tx.execute(
                "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'listing'",
                [],
            )?;
            let text: String =
                tx.query_row("SELECT value FROM meta WHERE key = 'listing'", [], |row| row.get(0))?;
            text.parse().map_err(|_| super::Error::Corrupt("listing number"))
        })
    }

    /// When the albums were last listed completely; `None` if never.
    ///
    /// # Errors
    /// If the database fails.
    pub fn albums_listed_at(&self) -> Result<Option<SystemTime>> {
        Ok(self.meta(ALBUMS_LISTED_AT)?.and_then(|text| text.parse().ok()).map(from_millis))
    }

    /// Keeps when the albums were last listed completely.
    ///
    /// # Errors
    /// If the database fails.
    pub fn set_albums_listed_at(&self, at: SystemTime) -> Result<()> {
        self.set_meta(ALBUMS_LISTED_AT, &to_millis(at).to_string())
    }

    /// Has every album's items listed again when it is next looked at.
    ///
    /// # Errors
    /// If the database fails.
    pub fn distrust_listings(&self) -> Result<()> {
        self.write(|tx| {
            tx.execute("UPDATE albums SET listed_at = 0 WHERE listed_at IS NOT NULL", [])?;
            Ok(())
        })
    }

    /// Puts an album from a listing into the tree, or updates the one that is there.
    ///
    /// # Errors
    /// If the database fails.
    pub fn album_listed(&self, listed: &ListedAlbum, listing: i64) -> Result<AlbumListed> {
        self.write(|tx| {
            let mut changes = Vec::new();
            let dir = album_listed(tx, listed, listing, &mut changes)?;
            Ok(AlbumListed { dir, changes })
        })
    }

    /// Hides the albums which a complete listing, begun at `began`, did not have.
    ///
    /// Albums with files still on their way are left alone.
    ///
    /// # Errors
    /// If the database fails.
    pub fn albums_complete(&self, listing: i64) -> Result<Vec<Change>> {
        self.write(|tx| {
            let gone: Vec<DirId> = tx
                .prepare_cached(
                    "SELECT dir FROM albums a WHERE seen < ?1 AND remote IS NOT NULL AND NOT EXISTS \
                     (SELECT 1 FROM members m JOIN uploads u ON u.file = m.file WHERE m.dir = a.dir)",
                )?
                .query_map([listing], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut changes = Vec::new();
            for dir in gone {
                tx.execute("DELETE FROM entries WHERE dir = ?1", [dir])?;
                tx.execute("DELETE FROM members WHERE dir = ?1", [dir])?;
                tx.execute("DELETE FROM albums WHERE dir = ?1", [dir])?;
                show_or_hide(tx, dir, &mut changes)?;
            }
            Ok(changes)
        })
    }

    /// Notes that an album of this title is to be made, before Google is asked.
    ///
    /// # Errors
    /// [`TreeError::Exists`]; or the database fails.
    pub fn album_intended(
        &self,
        parent: DirId,
        name: &EntryName,
        title: &str,
    ) -> Result<Result<AlbumIntent, TreeError>> {
        self.write_durable(|tx| {
            if child(tx, parent, name)?.is_some() {
                return Ok(Err(TreeError::Exists));
            }
            let dir = dir_named(tx, parent, name, false)?;
            let known: Option<(Option<String>, bool)> = tx
                .prepare_cached("SELECT remote, hidden FROM albums WHERE dir = ?1")?
                .query_row([dir], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(Ok(match known {
                Some((Some(_), _)) => {
                    tx.execute("UPDATE albums SET hidden = 0 WHERE dir = ?1", [dir])?;
                    show_or_hide(tx, dir, &mut Vec::new())?;
                    AlbumIntent::Unhidden(dir)
                }
                Some((None, _)) => AlbumIntent::Unsettled(dir),
                None => {
                    tx.execute(
                        "INSERT INTO albums (dir, title) VALUES (?1, ?2)",
                        params![dir, title],
                    )?;
                    AlbumIntent::Fresh(dir)
                }
            }))
        })
    }

    /// Google has made the album: it is shown, and known to be empty.
    ///
    /// # Errors
    /// If the database fails.
    pub fn album_created(&self, dir: DirId, album: &Album) -> Result<()> {
        self.write_durable(|tx| {
            tx.execute(
                "UPDATE albums SET remote = ?2, title = ?3, hidden = 0, count_hint = 0, listed_count = 0, \
                 listed_at = ?4, seen = (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'listing') \
                 WHERE dir = ?1",
                params![dir, album.id, album.title, to_millis(SystemTime::now())],
            )?;
            // A null `seen` would make the next complete listing think it gone.
            tx.execute("UPDATE albums SET seen = 0 WHERE dir = ?1 AND seen IS NULL", [dir])?;
            show_or_hide(tx, dir, &mut Vec::new())
        })
    }

    /// The album was certainly not made: nobody needs to look for it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn album_not_created(&self, dir: DirId) -> Result<()> {
        self.write(|tx| {
            tx.execute("DELETE FROM albums WHERE dir = ?1 AND remote IS NULL", [dir])?;
            Ok(())
        })
    }

    /// Google has renamed the album: its directory moves.
    ///
    /// # Errors
    /// [`TreeError::Exists`]; or the database fails.
    pub fn album_renamed(
        &self,
        dir: DirId,
        parent: DirId,
        name: &EntryName,
        title: &str,
    ) -> Result<Result<(), TreeError>> {
        self.write_durable(|tx| {
            if child(tx, parent, name)?.is_some() {
                return Ok(Err(TreeError::Exists));
            }
            tx.execute("UPDATE albums SET title = ?2 WHERE dir = ?1", params![dir, title])?;
            let changes = &mut Vec::new();
            let old = vacate(tx, dir, changes)?;
            move_dir(tx, dir, old, (parent, name), changes)?;
            Ok(Ok(()))
        })
    }

    /// Hides an empty album.
    ///
    /// # Errors
    /// [`TreeError`]; or the database fails.
    pub fn hide_album(&self, parent: DirId, name: &EntryName) -> Result<Result<(), TreeError>> {
        self.write_durable(|tx| {
            let dir = match child(tx, parent, name)? {
                None => return Ok(Err(TreeError::Missing)),
                Some(Child::File(_)) => return Ok(Err(TreeError::NotDir)),
                Some(Child::Dir(dir)) => dir,
            };
            let occupied =
                tx.prepare_cached("SELECT 1 FROM entries WHERE dir = ?1")?.exists([dir])?
                    || has_shown_child(tx, dir)?;
            if occupied {
                return Ok(Err(TreeError::NotEmpty));
            }
            tx.execute("UPDATE albums SET hidden = 1 WHERE dir = ?1", [dir])?;
            show_or_hide(tx, dir, &mut Vec::new())?;
            Ok(Ok(()))
        })
    }

    /// Puts one page of an album's listing beside what is known.
    ///
    /// # Errors
    /// If the database fails.
    pub fn items_listed(
        &self,
        dir: DirId,
        page: &[ListedItem],
        listing: i64,
    ) -> Result<Vec<Change>> {
        self.write(|tx| {
            let mut changes = Vec::new();
            for listed in page {
                let file = item_known(tx, &listed.item)?;
                item_listed(tx, dir, file, &listed.names, listing, &mut changes)?;
            }
            Ok(changes)
        })
    }

    /// Ends a complete listing of an album's items: what it did not have has been taken out of the album.
    ///
    /// # Errors
    /// If the database fails.
    pub fn items_complete(
        &self,
        dir: DirId,
        listing: i64,
        began: SystemTime,
    ) -> Result<Vec<Change>> {
        let now = SystemTime::now();
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
            let mut changes = Vec::new();
            for file in gone {
                let names: Vec<EntryName> = tx
                    .prepare_cached("DELETE FROM entries WHERE dir = ?1 AND file = ?2 RETURNING name")?
                    .query_map(params![dir, file], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                tx.prepare_cached("DELETE FROM members WHERE dir = ?1 AND file = ?2")?
                    .execute(params![dir, file])?;
                changes.extend(names.into_iter().map(|name| Change::Entry(dir, name)));
                changes.push(Change::File(file));
            }
            tx.prepare_cached(
                "DELETE FROM members WHERE dir = ?1 AND want = 0 AND present = 0 AND since < ?2",
            )?
            .execute(params![dir, trusted_since])?;
            tx.prepare_cached(
                "UPDATE albums SET listed_at = ?2, listed_count = count_hint WHERE dir = ?1",
            )?
            .execute(params![dir, to_millis(now)])?;
            if !changes.is_empty() {
                changes.push(Change::Dir(dir));
            }
            Ok(changes)
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

fn album_listed(
    tx: &Transaction<'_>,
    listed: &ListedAlbum,
    listing: i64,
    changes: &mut Vec<Change>,
) -> Result<DirId> {
    let album = &listed.album;
    let known: Option<(DirId, String)> = tx
        .prepare_cached("SELECT dir, title FROM albums WHERE remote = ?1")?
        .query_row([&album.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // A creation whose answer was lost is this one, unless the album had been known before.
    let known = match known {
        Some(known) => Some(known),
        None => tx
            .prepare_cached("SELECT dir, title FROM albums WHERE remote IS NULL AND title = ?1")?
            .query_row([&album.title], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?,
    };
    let dir = match known {
        Some((dir, title)) => {
            if title != album.title {
                let old = vacate(tx, dir, changes)?;
                let (parent, name) = place_for(tx, &listed.path, &album.id, Some(dir))?;
                move_dir(tx, dir, old, (parent, &name), changes)?;
            }
            dir
        }
        None => {
            let (parent, name) = place_for(tx, &listed.path, &album.id, None)?;
            let dir = dir_named(tx, parent, &name, false)?;
            tx.prepare_cached("INSERT INTO albums (dir, title) VALUES (?1, ?2)")?
                .execute(params![dir, album.title])?;
            dir
        }
    };
    tx.prepare_cached(
        "UPDATE albums SET remote = ?2, title = ?3, count_hint = ?4, seen = ?5 WHERE dir = ?1",
    )?
    .execute(params![dir, album.id, album.title, album.items_count, listing])?;
    show_or_hide(tx, dir, changes)?;
    Ok(dir)
}

/// Chooses where an album stands: its parents are made, and of the names for its last component the
/// first is taken that is free, or is this album's own, or is so far only a parent of albums.
fn place_for(
    tx: &Transaction<'_>,
    path: &[Vec<EntryName>],
    album: &AlbumId,
    own: Option<DirId>,
) -> Result<(DirId, EntryName)> {
    let Some((names, parents)) = path.split_last() else {
        return Err(super::Error::Corrupt("an album without a name"));
    };
    let mut parent = DirId::ROOT;
    for names in parents {
        let Some(name) = names.first() else {
            return Err(super::Error::Corrupt("an album without a name"));
        };
        parent = dir_named(tx, parent, name, true)?;
    }
    for name in names {
        let taken_by: Option<DirId> = tx
            .prepare_cached(
                "SELECT d.id FROM dirs d JOIN albums a ON a.dir = d.id WHERE d.parent = ?1 AND d.name = ?2",
            )?
            .query_row(params![parent, name], |row| row.get(0))
            .optional()?;
        let file_there = matches!(child(tx, parent, name)?, Some(Child::File(_)));
        if !file_there && (taken_by.is_none() || taken_by == own) {
            return Ok((parent, name.clone()));
        }
    }
    // The last name holds the album's whole id: only a file or directory of that very name can be in the way.
    let text = format!("{} {album}", names.first().map(EntryName::to_text).unwrap_or_default());
    let cut: String = text.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    let name = EntryName::new(cut).map_err(|_| super::Error::Corrupt("an album's id"))?;
    Ok((parent, name))
}

/// The directory of that name, made if need be.
fn dir_named(tx: &Transaction<'_>, parent: DirId, name: &EntryName, shown: bool) -> Result<DirId> {
    let found = tx
        .prepare_cached("SELECT id FROM dirs WHERE parent = ?1 AND name = ?2 AND id <> 1")?
        .query_row(params![parent, name], |row| row.get(0))
        .optional()?;
    if let Some(dir) = found {
        return Ok(dir);
    }
    tx.prepare_cached("INSERT INTO dirs (parent, name, shown) VALUES (?1, ?2, ?3)")?
        .execute(params![parent, name, shown])?;
    Ok(DirId(tx.last_insert_rowid()))
}

/// Takes a directory out of its place, which is returned, so that its new one may lie below the old one.
/// Albums below it are called after the old place and stay there.
fn vacate(
    tx: &Transaction<'_>,
    dir: DirId,
    changes: &mut Vec<Change>,
) -> Result<(DirId, EntryName)> {
    let (parent, name): (DirId, EntryName) = tx
        .prepare_cached("SELECT parent, name FROM dirs WHERE id = ?1")?
        .query_row([dir], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // In itself it is in nobody's way, until `move_dir` puts it where it belongs.
    tx.execute("UPDATE dirs SET parent = id WHERE id = ?1", [dir])?;
    changes.push(Change::Entry(parent, name.clone()));
    if tx.prepare_cached("SELECT 1 FROM dirs WHERE parent = ?1 AND id <> ?1")?.exists([dir])? {
        let heir = dir_named(tx, parent, &name, false)?;
        inherit(tx, dir, heir, changes)?;
        show_or_hide(tx, heir, changes)?;
    }
    Ok((parent, name))
}

/// Puts a directory that has been taken out of its `old` place into a new one. A mere parent of albums there
/// gives way: its children move in.
fn move_dir(
    tx: &Transaction<'_>,
    dir: DirId,
    old: (DirId, EntryName),
    (parent, name): (DirId, &EntryName),
    changes: &mut Vec<Change>,
) -> Result<()> {
    let in_the_way: Option<(DirId, bool)> = tx
        .prepare_cached(
            "SELECT d.id, a.dir IS NOT NULL FROM dirs d LEFT JOIN albums a ON a.dir = d.id \
             WHERE d.parent = ?1 AND d.name = ?2 AND d.id NOT IN (1, ?3)",
        )?
        .query_row(params![parent, name, dir], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((other, is_album)) = in_the_way {
        if !is_album {
            inherit(tx, other, dir, changes)?;
        }
        tx.execute(
            "UPDATE dirs SET name = ?2 WHERE id = ?1",
            params![other, spare_name(name, other)?],
        )?;
        show_or_hide(tx, other, changes)?;
    }
    tx.execute("UPDATE dirs SET parent = ?2, name = ?3 WHERE id = ?1", params![dir, parent, name])?;
    changes.push(Change::Entry(parent, name.clone()));
    show_or_hide(tx, dir, changes)?;
    show_or_hide(tx, old.0, changes)
}

/// Moves all directories in `from` to `heir`.
fn inherit(
    tx: &Transaction<'_>,
    from: DirId,
    heir: DirId,
    changes: &mut Vec<Change>,
) -> Result<()> {
    let children: Vec<(DirId, EntryName)> = tx
        .prepare_cached("SELECT id, name FROM dirs WHERE parent = ?1 AND id <> ?1")?
        .query_map([from], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (child, name) in children {
        let taken = tx
            .prepare_cached("SELECT 1 FROM dirs WHERE parent = ?1 AND name = ?2")?
            .exists(params![heir, name])?;
        let new_name = if taken { spare_name(&name, child)? } else { name.clone() };
        tx.execute(
            "UPDATE dirs SET parent = ?2, name = ?3 WHERE id = ?1",
            params![child, heir, new_name],
        )?;
        changes.push(Change::Entry(from, name));
    }
    Ok(())
}

/// A name that nothing else has: row numbers are never reused.
fn spare_name(name: &EntryName, dir: DirId) -> Result<EntryName> {
    EntryName::new(format!("{name} {}", dir.0))
        .or_else(|_| EntryName::new(format!("{}", dir.0)))
        .map_err(|_| super::Error::Corrupt("directory name"))
}

fn has_shown_child(db: &Connection, dir: DirId) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT 1 FROM dirs WHERE parent = ?1 AND shown AND id <> 1")?
        .exists([dir])?)
}

/// A directory is shown if it is an album that is not hidden, or has such an album below it.
fn show_or_hide(tx: &Transaction<'_>, mut dir: DirId, changes: &mut Vec<Change>) -> Result<()> {
    while dir != DirId::ROOT {
        let is_album = tx
            .prepare_cached(
                "SELECT 1 FROM albums WHERE dir = ?1 AND NOT hidden AND remote IS NOT NULL",
            )?
            .exists([dir])?;
        let shown = is_album || has_shown_child(tx, dir)?;
        let (parent, name, was): (DirId, EntryName, bool) = tx
            .prepare_cached("SELECT parent, name, shown FROM dirs WHERE id = ?1")?
            .query_row([dir], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if was != shown {
            tx.prepare_cached("UPDATE dirs SET shown = ?2 WHERE id = ?1")?
                .execute(params![dir, shown])?;
            changes.push(Change::Entry(parent, name));
            changes.push(Change::Dir(parent));
        }
        dir = parent;
    }
    Ok(())
}

/// The file that is this item at Google, made if it is new, brought up to date if not.
pub(super) fn item_known(tx: &Transaction<'_>, item: &MediaItem) -> Result<FileId> {
    let created = item.creation_time.map(to_millis);
    tx.prepare_cached(
        "INSERT INTO files (mtime_ns, media, confirmed, filename, mime, description, product_url, created_at, \
         width, height, make, model, video) VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
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
    ])?;
    Ok(tx
        .prepare_cached("SELECT id FROM files WHERE media = ?1")?
        .query_row([&item.id], |row| row.get(0))?)
}

fn item_listed(
    tx: &Transaction<'_>,
    dir: DirId,
    file: FileId,
    names: &[EntryName],
    listing: i64,
    changes: &mut Vec<Change>,
) -> Result<()> {
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
            return Ok(());
        }
        // Somebody has put it back.
        Some((false, ..)) => false,
    };
    tx.prepare_cached(
        "INSERT INTO members (dir, file, want, present, since, seen) VALUES (?1, ?2, 1, 1, ?3, ?4) \
         ON CONFLICT (dir, file) DO UPDATE SET want = 1, present = 1, seen = excluded.seen",
    )?
    .execute(params![dir, file, to_millis(now), listing])?;
    if wanted {
        return Ok(());
    }
    for name in names {
        if child(tx, dir, name)?.is_none() {
            add_entry(tx, dir, name, file)?;
            changes.push(Change::Entry(dir, name.clone()));
            return Ok(());
        }
    }
    // Every name is taken, which takes files named after this item's id: it keeps its row number instead.
    let name = EntryName::new(format!("item {}", file.0))
        .map_err(|_| super::Error::Corrupt("file number"))?;
    if child(tx, dir, &name)?.is_none() {
        add_entry(tx, dir, &name, file)?;
        changes.push(Change::Entry(dir, name));
    }
    Ok(())
}

impl AlbumState {
    /// Whether the last complete listing still holds: it is younger than `age`, and
    /// Google has not told another number of items since.
    pub fn is_fresh(&self, age: Duration, now: SystemTime) -> bool {
        self.listed_count == Some(self.count_hint)
            && self
                .listed_at
                .is_some_and(|at| now.duration_since(at).is_ok_and(|since| since < age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaId;
    use crate::store::tests::{album, name};

    fn item(id: &str) -> ListedItem {
        let item = MediaItem {
            id: MediaId::new(id),
            filename: format!("{id}.jpg"),
            mime_type: "image/jpeg".into(),
            description: String::new(),
            product_url: String::new(),
            base_url: None,
            creation_time: None,
            width: 0,
            height: 0,
            camera_make: String::new(),
            camera_model: String::new(),
            video: None,
        };
        ListedItem {
            item,
            names: vec![name(&format!("{id}.jpg")), name(&format!("{id} {id}.jpg"))],
        }
    }

    fn names(store: &Store, dir: DirId) -> Vec<String> {
        store.entries(dir, 0, 100).unwrap().iter().map(|entry| entry.name.to_string()).collect()
    }

    #[test]
    fn items_appear_and_those_missing_from_the_next_listing_go() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a"), item("b")], 1).unwrap();
        assert!(store.items_complete(trip, 1, SystemTime::now()).unwrap().is_empty());
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        store.items_listed(trip, &[item("b")], 2).unwrap();
        let changes = store.items_complete(trip, 2, SystemTime::now()).unwrap();
        assert!(changes.contains(&Change::Entry(trip, name("a.jpg"))));
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

    #[test]
    fn two_albums_of_one_title_stay_apart() {
        let store = Store::in_memory().unwrap();
        let one = album(&store, "Trip");
        let listed = ListedAlbum {
            album: Album {
                id: AlbumId::new("other"),
                title: "Trip".into(),
                items_count: 0,
                product_url: String::new(),
                is_writeable: true,
            },
            path: vec![vec![name("Trip"), name("Trip {other}")]],
        };
        let two = store.album_listed(&listed, 1).unwrap().dir;
        assert_ne!(one, two);
        assert_eq!(names(&store, DirId::ROOT), ["Trip", "Trip {other}"]);
        // And again: nothing moves.
        assert_eq!(
            store.album_listed(&listed, 2).unwrap(),
            AlbumListed { dir: two, changes: vec![] }
        );
    }

    #[test]
    fn a_hidden_album_comes_back_with_mkdir_and_its_parent_with_it() {
        let store = Store::in_memory().unwrap();
        let day = album(&store, "2019/Day");
        let Some(Child::Dir(year)) = store.child(DirId::ROOT, &name("2019")).unwrap() else {
            panic!("no parent")
        };
        store.hide_album(year, &name("Day")).unwrap().unwrap();
        assert_eq!(names(&store, DirId::ROOT), Vec::<String>::new());
        assert_eq!(
            store
                .album_listed(
                    &ListedAlbum {
                        album: Album {
                            id: AlbumId::new("id of 2019/Day"),
                            title: "2019/Day".into(),
                            items_count: 0,
                            product_url: String::new(),
                            is_writeable: true
                        },
                        path: vec![vec![name("2019")], vec![name("Day")]],
                    },
                    2
                )
                .unwrap()
                .dir,
            day
        );
        assert_eq!(names(&store, DirId::ROOT), Vec::<String>::new(), "listing does not unhide");
        let intent = store.album_intended(year, &name("Day"), "2019/Day").unwrap();
        assert_eq!(intent, Ok(AlbumIntent::Unhidden(day)));
        assert_eq!(names(&store, DirId::ROOT), ["2019"]);
    }

    #[test]
    fn a_lost_creation_is_adopted_by_the_listing() {
        let store = Store::in_memory().unwrap();
        let Ok(AlbumIntent::Fresh(dir)) =
            store.album_intended(DirId::ROOT, &name("Trip"), "Trip").unwrap()
        else {
            panic!("not fresh")
        };
        assert_eq!(names(&store, DirId::ROOT), Vec::<String>::new());
        assert_eq!(
            store.album_intended(DirId::ROOT, &name("Trip"), "Trip").unwrap(),
            Ok(AlbumIntent::Unsettled(dir))
        );
        assert_eq!(album(&store, "Trip"), dir);
        assert_eq!(names(&store, DirId::ROOT), ["Trip"]);
    }

    #[test]
    fn a_title_changed_by_the_user_moves_the_directory() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "Old");
        let listed = ListedAlbum {
            album: Album {
                id: AlbumId::new("id of Old"),
                title: "A/New".into(),
                items_count: 3,
                product_url: String::new(),
                is_writeable: true,
            },
            path: vec![vec![name("A")], vec![name("New")]],
        };
        let outcome = store.album_listed(&listed, 2).unwrap();
        assert_eq!(outcome.dir, dir);
        assert!(outcome.changes.contains(&Change::Entry(DirId::ROOT, name("Old"))));
        assert_eq!(names(&store, DirId::ROOT), ["A"]);
        assert_eq!(store.dir_path(dir).unwrap(), "A/New");
    }

    /// The user gives the album that was `old` the title `new`, and Google lists it.
    fn retitled(store: &Store, old: &str, new: &str) -> DirId {
        let listed = ListedAlbum {
            album: Album {
                id: AlbumId::new(format!("id of {old}")),
                title: new.to_owned(),
                items_count: 0,
                product_url: String::new(),
                is_writeable: true,
            },
            path: new.split('/').map(|part| vec![name(part)]).collect(),
        };
        store.album_listed(&listed, 2).unwrap().dir
    }

    #[test]
    fn an_album_may_move_below_its_own_old_place() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "A");
        assert_eq!(retitled(&store, "A", "A/B/C"), dir);
        assert_eq!(store.dir_path(dir).unwrap(), "A/B/C");
        assert_eq!(names(&store, DirId::ROOT), ["A"]);
    }

    #[test]
    fn albums_below_a_retitled_album_stay_where_their_titles_say() {
        let store = Store::in_memory().unwrap();
        let (year, day) = (album(&store, "2019"), album(&store, "2019/Day"));
        retitled(&store, "2019", "2020");
        assert_eq!(store.dir_path(year).unwrap(), "2020");
        assert_eq!(store.dir_path(day).unwrap(), "2019/Day");
        assert_eq!(names(&store, DirId::ROOT), ["2020", "2019"]);
    }

    #[test]
    fn an_album_takes_the_place_of_a_mere_parent_with_all_that_is_in_it() {
        let store = Store::in_memory().unwrap();
        let (day, old) = (album(&store, "2019/Day"), album(&store, "2019/Old"));
        retitled(&store, "2019/Old", "2019");
        assert_eq!(store.dir_path(old).unwrap(), "2019");
        assert_eq!(store.dir_path(day).unwrap(), "2019/Day");
        assert_eq!(names(&store, DirId::ROOT), ["2019"]);
        assert_eq!(names(&store, old), ["Day"]);
    }

    #[test]
    fn an_album_deleted_by_the_user_goes_with_the_next_complete_listing() {
        let store = Store::in_memory().unwrap();
        let listing = store.next_listing().unwrap();
        album(&store, "Trip");
        assert_eq!(store.albums_complete(listing).unwrap(), []);
        let next = store.next_listing().unwrap();
        assert!(!store.albums_complete(next).unwrap().is_empty());
        assert_eq!(names(&store, DirId::ROOT), Vec::<String>::new());
    }
}
