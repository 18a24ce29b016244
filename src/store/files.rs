//! The facts about each file.

use std::time::SystemTime;

use rusqlite::types::ToSqlOutput;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::database::Store;
use super::error::Result;
use super::lookups::{is_orphan, resolve_merged};
use super::naming::touched;
use super::states::UploadState;
use super::tables::{files, uploads};
use super::time::from_millis;
use super::versions::retire_replaced;
use crate::media::{ContentHash, DirId, FileId, ItemId, MediaId, PickId, VideoStatus, View};

/// A local file that counts as the original of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Of its bytes.
    pub sha256: ContentHash,
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// A directory in which items have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListingScope {
    /// An album.
    Dir(DirId),
    /// One of the views by date.
    View(View),
    /// A pick.
    Pick(PickId),
}

impl ListingScope {
    /// The table of its names, and the column of the directory.
    fn entries(self) -> (&'static str, &'static str) {
        match self {
            Self::Dir(_) => ("entries", "dir"),
            Self::View(_) => ("view_entries", "view"),
            Self::Pick(_) => ("pick_entries", "pick"),
        }
    }
}

impl ToSql for ListingScope {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Dir(dir) => dir.to_sql(),
            Self::View(view) => view.to_sql(),
            Self::Pick(pick) => pick.to_sql(),
        }
    }
}

/// The facts about a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileInfo {
    /// Itself.
    pub id: FileId,
    /// Size of the bytes written or adopted here, otherwise of Google's rendition. `None` if not
    /// known yet.
    pub size: Option<u64>,
    /// Size of the rendition that Google serves. `None` if not known yet.
    pub rendition: Option<u64>,
    /// Last change of the bytes, or the time set by a user; nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of bytes, times or names; nanoseconds since 1970.
    pub ctime_ns: i64,
    /// The time set by a user, else `mtime_ns`; nanoseconds since 1970. Reads do not change it.
    pub atime_ns: i64,
    /// The permission bits that its mode keeps from the group and from others.
    pub withheld: u16,
    /// Whether the bytes that were written here look cut off.
    pub cut_off: bool,
    /// Hash of the bytes that were written here.
    pub sha256: Option<ContentHash>,
    /// Hash of the adopted local file, if the bytes were not written here. Likely, not proven.
    pub adopted: Option<ContentHash>,
    /// Google's id.
    pub media: Option<MediaId>,
    /// The Picker API's id of an item that the user has picked. It has no other id.
    pub picked: Option<MediaId>,
    /// Whether a later read has resolved that id.
    pub confirmed: bool,
    /// Google's name for it.
    pub filename: Option<String>,
    /// The MIME type, sniffed here or reported by Google.
    pub mime: Option<String>,
    /// The user's text.
    pub description: Option<String>,
    /// Where a signed-in person sees it.
    pub product_url: Option<String>,
    /// When the picture was taken.
    pub created: Option<SystemTime>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Camera maker.
    pub make: Option<String>,
    /// Camera model.
    pub model: Option<String>,
    /// Set for videos.
    pub video: Option<VideoStatus>,
    /// The state of its upload. `None` if it has arrived or came from Google.
    pub upload: Option<UploadState>,
    /// Why it was refused, else the last failure of its upload.
    pub error: Option<String>,
    /// How many names it has.
    pub links: u32,
    /// When it was refused.
    pub failed_at: Option<SystemTime>,
}

/// The attributes that stat(2) reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Itself.
    pub id: FileId,
    /// As [`FileInfo::size`].
    pub size: Option<u64>,
    /// As [`FileInfo::mtime_ns`].
    pub mtime_ns: i64,
    /// As [`FileInfo::ctime_ns`].
    pub ctime_ns: i64,
    /// As [`FileInfo::atime_ns`].
    pub atime_ns: i64,
    /// As [`FileInfo::withheld`].
    pub withheld: u16,
    /// As [`FileInfo::upload`].
    pub upload: Option<UploadState>,
    /// As [`FileInfo::links`].
    pub links: u32,
    /// Whether it was refused.
    pub failed: bool,
}

impl FileInfo {
    /// The attributes that stat(2) reports.
    pub fn stat(&self) -> Stat {
        Stat {
            id: self.id,
            size: self.size,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
            atime_ns: self.atime_ns,
            withheld: self.withheld,
            upload: self.upload,
            links: self.links,
            failed: self.failed_at.is_some(),
        }
    }

    /// Google's id, with the API that it belongs to.
    pub fn item(&self) -> Option<ItemId> {
        let picked = || self.picked.clone().map(ItemId::Picked);
        self.media.clone().map(ItemId::Library).or_else(picked)
    }

    /// The hash of the bytes written here, or of the adopted local file.
    pub fn known(&self) -> Option<ContentHash> {
        self.sha256.or(self.adopted)
    }
}

/// The columns of a [`FileInfo`], of a row `f` of `files` and `u` of `uploads`.
const FILE_COLUMNS: &str = "f.id, coalesce(f.size, f.rendition) AS size, f.rendition, f.mtime_ns, \
     coalesce(f.ctime_ns, f.mtime_ns) AS ctime_ns, coalesce(f.atime_ns, f.mtime_ns) AS atime_ns, \
     f.withheld, f.cut_off, f.sha256, f.adopted, f.media, f.picked, f.confirmed, f.filename, f.mime, f.description, f.product_url, f.created_at, \
     f.width, f.height, f.make, f.model, f.video, u.state, \
     coalesce((SELECT reason FROM failed WHERE file = f.id ORDER BY id DESC LIMIT 1), u.error) AS error, \
     (SELECT count(*) FROM entries e WHERE e.file = f.id) AS links, \
     (SELECT at FROM failed WHERE file = f.id ORDER BY id DESC LIMIT 1) AS failed_at";

/// The items after an entry, and the items before it.
const NEAR_IN_ALBUM: [&str; 2] = [
    "SELECT f.media FROM entries e JOIN files f ON f.id = e.file \
     WHERE e.dir = ?1 AND e.id > ?2 AND f.media IS NOT NULL ORDER BY e.id LIMIT ?3",
    "SELECT f.media FROM entries e JOIN files f ON f.id = e.file \
     WHERE e.dir = ?1 AND e.id < ?2 AND f.media IS NOT NULL ORDER BY e.id DESC LIMIT ?3",
];
const NEAR_IN_VIEW: [&str; 2] = [
    "SELECT f.media FROM view_entries e JOIN files f ON f.id = e.file \
     WHERE e.view = ?1 AND e.id > ?2 AND e.name IS NOT NULL AND f.media IS NOT NULL ORDER BY e.id LIMIT ?3",
    "SELECT f.media FROM view_entries e JOIN files f ON f.id = e.file \
     WHERE e.view = ?1 AND e.id < ?2 AND e.name IS NOT NULL AND f.media IS NOT NULL ORDER BY e.id DESC LIMIT ?3",
];

fn file_info(row: &Row<'_>) -> rusqlite::Result<FileInfo> {
    Ok(FileInfo {
        id: row.get("id")?,
        size: row.get("size")?,
        rendition: row.get("rendition")?,
        mtime_ns: row.get("mtime_ns")?,
        ctime_ns: row.get("ctime_ns")?,
        atime_ns: row.get("atime_ns")?,
        withheld: row.get("withheld")?,
        cut_off: row.get("cut_off")?,
        sha256: row.get("sha256")?,
        adopted: row.get("adopted")?,
        media: row.get("media")?,
        picked: row.get("picked")?,
        confirmed: row.get("confirmed")?,
        filename: row.get("filename")?,
        mime: row.get("mime")?,
        description: row.get("description")?,
        product_url: row.get("product_url")?,
        created: row.get::<_, Option<i64>>("created_at")?.map(from_millis),
        width: row.get("width")?,
        height: row.get("height")?,
        make: row.get("make")?,
        model: row.get("model")?,
        video: row.get("video")?,
        upload: row.get("state")?,
        error: row.get("error")?,
        links: row.get("links")?,
        failed_at: row.get::<_, Option<i64>>("failed_at")?.map(from_millis),
    })
}

/// The facts about a file itself.
pub(super) fn info(db: &Connection, id: FileId) -> Result<Option<FileInfo>> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT {FILE_COLUMNS} FROM files f LEFT JOIN uploads u ON u.file = f.id WHERE f.id = ?1"
        ))?
        .query_row([id], file_info)
        .optional()?)
}

impl Store {
    /// The facts about a file, or about the file it was merged into.
    pub fn file(&self, id: FileId) -> Result<Option<FileInfo>> {
        self.read(|db| info(db, resolve_merged(db, id)?))
    }

    /// The attributes of several files, in their order. `None` for a file that does not exist.
    pub fn stats(&self, files: &[FileId]) -> Result<Vec<Option<Stat>>> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT f.id, coalesce(f.size, f.rendition) AS size, f.mtime_ns, \
                 coalesce(f.ctime_ns, f.mtime_ns) AS ctime_ns, coalesce(f.atime_ns, f.mtime_ns) AS atime_ns, \
                 f.withheld, u.state, (SELECT count(*) FROM entries e WHERE e.file = f.id) AS links, \
                 EXISTS (SELECT 1 FROM failed WHERE file = f.id) AS failed \
                 FROM files f LEFT JOIN uploads u ON u.file = f.id WHERE f.id = ?1",
            )?;
            let mut stat = |file: &FileId| {
                query
                    .query_row([file], |row| {
                        Ok(Stat {
                            id: row.get("id")?,
                            size: row.get("size")?,
                            mtime_ns: row.get("mtime_ns")?,
                            ctime_ns: row.get("ctime_ns")?,
                            atime_ns: row.get("atime_ns")?,
                            withheld: row.get("withheld")?,
                            upload: row.get("state")?,
                            links: row.get("links")?,
                            failed: row.get("failed")?,
                        })
                    })
                    .optional()
            };
            Ok(files.iter().map(&mut stat).collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Up to `limit` items whose size is not known and that come after `file` in a directory.
    pub fn unsized_after(
        &self,
        scope: ListingScope,
        file: FileId,
        limit: u32,
    ) -> Result<Vec<FileInfo>> {
        let (table, dir) = scope.entries();
        self.read(|db| {
            Ok(db
                .prepare_cached(&format!(
                    "SELECT {FILE_COLUMNS} FROM {table} e JOIN unsized_items f ON f.id = e.file \
                     LEFT JOIN uploads u ON u.file = f.id \
                     WHERE e.{dir} = ?1 AND e.id > (SELECT min(id) FROM {table} WHERE {dir} = ?1 AND file = ?2) \
                     AND e.name IS NOT NULL ORDER BY e.id LIMIT ?3"
                ))?
                .query_map(params![scope, file, limit], file_info)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// How many items of unknown size, up to `limit`, stand between two files of a directory.
    pub fn unsized_between(
        &self,
        scope: ListingScope,
        one: FileId,
        other: FileId,
        limit: u32,
    ) -> Result<u32> {
        let (table, dir) = scope.entries();
        self.read(|db| {
            Ok(db
                .prepare_cached(&format!(
                    "WITH ends AS (SELECT min(id) AS first, max(id) AS last FROM {table} \
                     WHERE {dir} = ?1 AND file IN (?2, ?3)) \
                     SELECT count(*) FROM (SELECT 1 FROM {table} e JOIN unsized_items f ON f.id = e.file \
                     WHERE e.{dir} = ?1 AND e.id > (SELECT first FROM ends) AND e.id < (SELECT last FROM ends) \
                     AND e.name IS NOT NULL ORDER BY e.id LIMIT ?4)"
                ))?
                .query_row(params![scope, one, other, limit], |row| row.get(0))?)
        })
    }

    /// Google's ids of the items next to `file`, in one of its albums or else in the largest view.
    /// Up to `limit` items follow it, and as many precede it, the nearest first.
    pub fn items_near(&self, file: FileId, limit: u32) -> Result<Vec<MediaId>> {
        self.read(|db| {
            let place = |sql: &str| -> Result<Option<(i64, i64)>> {
                let found = |row: &Row<'_>| Ok((row.get("scope")?, row.get("id")?));
                Ok(db.prepare_cached(sql)?.query_row([file], found).optional()?)
            };
            // One directory only: sorting the items of several would read all of them.
            let album = "SELECT dir AS scope, id FROM entries WHERE file = ?1 LIMIT 1";
            let view =
                "SELECT view AS scope, id FROM view_entries WHERE file = ?1 ORDER BY view LIMIT 1";
            let (sql, (scope, cookie)) = if let Some(place) = place(album)? {
                (NEAR_IN_ALBUM, place)
            } else if let Some(place) = place(view)? {
                (NEAR_IN_VIEW, place)
            } else {
                return Ok(Vec::new());
            };
            let mut near = Vec::new();
            for direction in sql {
                let mut statement = db.prepare_cached(direction)?;
                let found = statement.query_map(params![scope, cookie, limit], |row| row.get(0))?;
                near.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(near)
        })
    }

    /// Deletes a file that nothing refers to and Google never had.
    ///
    /// Returns whether it did. The caller must then delete the spool file, too.
    pub fn forget_file(&self, file: FileId) -> Result<bool> {
        if !self.read(|db| is_orphan(db, file))? {
            return Ok(false);
        }
        self.write(|tx| {
            if !is_orphan(tx, file)? {
                return Ok(false);
            }
            retire_replaced(tx, file)?;
            uploads::delete(tx, file)?;
            uploads::clear_replaces(tx, file)?;
            files::delete(tx, file)?;
            Ok(true)
        })
    }

    /// Sets the given times, as `touch`, `cp -p` and `rsync -t` do. This changes ctime, too, even
    /// if no time is given, as by `chmod`.
    pub fn set_times(
        &self,
        file: FileId,
        atime_ns: Option<i64>,
        mtime_ns: Option<i64>,
    ) -> Result<()> {
        self.write(|tx| {
            let file = resolve_merged(tx, file)?;
            files::set_times(tx, file, atime_ns, mtime_ns)?;
            touched(tx, file)
        })
    }

    /// Sets the permission bits that a file's mode keeps from the group and from others.
    pub fn set_withheld(&self, file: FileId, bits: u16) -> Result<()> {
        self.write(|tx| {
            let file = resolve_merged(tx, file)?;
            files::set_withheld(tx, file, bits)
        })
    }

    /// Keeps the size of an item's rendition, which a download reports. The key is the item,
    /// because the file may have other content by now.
    pub fn set_rendition_size(&self, item: &ItemId, size: u64) -> Result<()> {
        self.write(|tx| match item {
            ItemId::Library(media) => files::set_rendition_size(tx, media, size),
            ItemId::Picked(picked) => files::set_picked_size(tx, picked, size),
        })
    }

    /// Adopts a local file as the original of an item, so that equal bytes are not uploaded again.
    /// Returns `false` if the bytes are known already, or if Google does not certainly have the
    /// item.
    pub fn adopt(&self, file: FileId, local: &Adoption) -> Result<bool> {
        self.write(|tx| {
            let done = files::adopt(tx, file, local.sha256, local.size, local.mtime_ns)?;
            touched(tx, file)?;
            Ok(done > 0)
        })
    }

    /// Takes an adoption back, with its size. Returns whether there was one.
    pub fn disown(&self, file: FileId) -> Result<bool> {
        self.write(|tx| {
            let done = files::disown(tx, file)?;
            touched(tx, file)?;
            Ok(done > 0)
        })
    }

    /// Keeps the size of a file whose bytes lie in the spool.
    pub fn set_size(&self, file: FileId, size: u64) -> Result<()> {
        self.write(|tx| {
            files::set_size(tx, file, size)?;
            Ok(())
        })
    }

    /// Keeps a description that Google has accepted.
    pub fn set_description(&self, file: FileId, description: &str) -> Result<()> {
        self.write(|tx| {
            files::set_description(tx, file, description)?;
            touched(tx, file)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_next_to_a_file_is_found_without_sorting_all_of_it() {
        let store = Store::in_memory().unwrap();
        for sql in NEAR_IN_ALBUM.into_iter().chain(NEAR_IN_VIEW) {
            let plan: Vec<String> = store
                .read(|db| {
                    Ok(db
                        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?
                        .query_map([1, 1, 1], |row| row.get("detail"))?
                        .collect::<rusqlite::Result<_>>()?)
                })
                .unwrap();
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
