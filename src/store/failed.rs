//! Files that Google refused for good, under the names they had.

use std::io;
use std::time::SystemTime;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::database::Store;
use super::error::Result;
use super::journal::{SealedFacts, back_in_queue, reopen};
use super::lookups::{child, dir_path, is_album, is_orphan, upload_state};
use super::naming::{add_entry, add_failed, is_refused_already, refused_as, remove_entry};
use super::states::UploadState;
use super::tables::{dirs, failed, files, meta, uploads};
use super::time::from_millis;
use super::tree::in_cookie_order;
use super::types::{Child, DirEntry, TreeError, Unlinked};
use crate::media::{ContentHash, DirId, EntryName, FileId};

/// The directories that have failed files in them or below them.
const WITH_FAILURES: &str = "WITH RECURSIVE above (id) AS (SELECT dir FROM failed UNION \
     SELECT d.parent FROM dirs d JOIN above ON d.id = above.id)";

/// The files that are not on their way to Google.
const SET_ASIDE: &str = "FROM uploads u JOIN files f ON f.id = u.file \
     WHERE (u.state = 'failed' OR (u.state = 'scratch' AND u.stays_here IN ('junk', 'sidecar')))";

/// How many refused names [`NewlyRefused`] quotes.
const EXAMPLES: u32 = 3;

/// The name of a link in the root while files are refused. `invalidations.sql` has it too.
pub const REFUSED_LINK: &str = "Refused by Google";

/// The key of the last refused file when the user removed the link.
const DISMISSED: &str = "refused_link_dismissed";

/// A name that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedName {
    /// The directory where it was.
    pub dir: DirId,
    /// That directory's path from the root.
    pub dir_path: String,
    /// The name, made distinct if another file had failed under it.
    pub name: EntryName,
    /// The file.
    pub file: FileId,
    /// Why.
    pub reason: String,
    /// When.
    pub at: SystemTime,
    /// Bytes, if known.
    pub size: Option<u64>,
    /// Whether its writer never closed it: gphotosfs stopped before, or the writer was killed.
    pub unfinished: bool,
}

/// Names that were refused after another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewlyRefused {
    /// How many.
    pub count: u64,
    /// The row number of the last one.
    pub up_to: i64,
    /// When the first of them was refused.
    pub first_at: Timestamp,
    /// When the last of them was refused.
    pub last_at: Timestamp,
    /// Path and reason of the first few.
    pub examples: Vec<(String, String)>,
}

/// Bytes that are not on their way to Google.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Of refused files.
    pub refused: u64,
    /// Of sidecars, and of files that systems and programs leave.
    pub kept: u64,
    /// Large files, which may have holes. The other fields do not count them.
    pub large: Vec<LargeFile>,
}

/// A large file that is not on its way to Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeFile {
    /// The file.
    pub file: FileId,
    /// Its length.
    pub size: u64,
    /// Whether it was refused. If not, it stays here for good.
    pub refused: bool,
}

impl Store {
    /// All names that were refused, oldest first.
    pub fn failed_names(&self) -> Result<Vec<FailedName>> {
        self.read(|db| failed_names(db, None))
    }

    /// Whether files are refused, and one of them since the user removed the link to them.
    pub fn has_refused_link(&self) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT 1 FROM failed WHERE id > coalesce( \
                     (SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1), 0)",
                )?
                .exists([DISMISSED])?)
        })
    }

    /// The user has removed the link to the refused files.
    pub fn dismiss_refused_link(&self) -> Result<()> {
        self.write_durable(|tx| {
            let last: i64 =
                tx.query_row("SELECT coalesce(max(id), 0) FROM failed", [], |row| row.get(0))?;
            meta::set(tx, DISMISSED, &last.to_string())?;
            dirs::names_changed(tx, DirId::ROOT)
        })
    }

    /// The names that were refused after the one with this row number.
    pub fn refused_after(&self, row: i64) -> Result<NewlyRefused> {
        self.read(|db| {
            let refused = db
                .prepare_cached(
                    "SELECT count(*) AS count, coalesce(max(id), ?1) AS up_to, \
                     coalesce(min(at), 0) AS first_at, coalesce(max(at), 0) AS last_at \
                     FROM failed WHERE id > ?1",
                )?
                .query_row([row], |row| {
                    let at = |column| -> rusqlite::Result<Timestamp> {
                        Ok(Timestamp::from_millisecond(row.get(column)?).unwrap_or_default())
                    };
                    Ok(NewlyRefused {
                        count: row.get("count")?,
                        up_to: row.get("up_to")?,
                        first_at: at("first_at")?,
                        last_at: at("last_at")?,
                        examples: Vec::new(),
                    })
                })?;
            let first: Vec<(DirId, EntryName, String)> = db
                .prepare_cached(
                    "SELECT dir, name, reason FROM failed WHERE id > ?1 ORDER BY id LIMIT ?2",
                )?
                .query_map(params![row, EXAMPLES], |row| {
                    Ok((row.get("dir")?, row.get("name")?, row.get("reason")?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let example = |(dir, name, reason): (DirId, EntryName, String)| {
                let dir = dir_path(db, dir)?;
                let between = if dir.is_empty() { "" } else { "/" };
                Ok((format!("{dir}{between}{}", name.to_text()), reason))
            };
            let examples = first.into_iter().map(example).collect::<Result<_>>()?;
            Ok(NewlyRefused { examples, ..refused })
        })
    }

    /// The entry `name` in the mirror of `dir` below `failed`.
    pub fn failed_child(&self, dir: DirId, name: &EntryName) -> Result<Option<Child>> {
        self.read(|db| failed_child(db, dir, name))
    }

    /// Up to `limit` entries of the mirror of `dir` behind `cookie`.
    pub fn failed_entries(&self, dir: DirId, cookie: i64, limit: u32) -> Result<Vec<DirEntry>> {
        self.read(|db| {
            let dirs = format!(
                "{WITH_FAILURES} SELECT id, name FROM subdirs WHERE parent = ?1 AND id > ?2 \
                 AND id IN above ORDER BY id LIMIT ?3"
            );
            let files =
                "SELECT id, name, file FROM failed WHERE dir = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            in_cookie_order(db, (&dirs, files), dir, cookie, limit)
        })
    }

    /// Removes a failed name.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::IsDir`].
    pub fn unlink_failed(
        &self,
        dir: DirId,
        name: &EntryName,
    ) -> Result<Result<Unlinked, TreeError>> {
        self.write_durable(|tx| match failed_child(tx, dir, name)? {
            None => Ok(Err(TreeError::Missing)),
            Some(Child::Dir(_)) => Ok(Err(TreeError::IsDir)),
            Some(Child::File(file)) => {
                failed::delete(tx, dir, name)?;
                Ok(Ok(Unlinked { file, orphan: is_orphan(tx, file)? }))
            }
        })
    }

    /// Gives a failed file a name in an album again and queues it with these `facts`.
    ///
    /// Returns the file that had the name, if there was one.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn retry_failed(
        &self,
        from: (DirId, &EntryName),
        to: (DirId, &EntryName),
        replace: bool,
        facts: &SealedFacts,
    ) -> Result<Result<Option<Unlinked>, TreeError>> {
        self.write_durable_asked(&[to], |tx| {
            let file = match failed_child(tx, from.0, from.1)? {
                None => return Ok(Err(TreeError::Missing)),
                Some(Child::Dir(_)) => return Ok(Err(TreeError::IsDir)),
                Some(Child::File(file)) => file,
            };
            if !is_album(tx, to.0)? {
                return Ok(Err(TreeError::NotAlbum));
            }
            let taken = child(tx, to.0, to.1)?;
            let replaced = match taken {
                None => None,
                Some(Child::Dir(_)) => return Ok(Err(TreeError::IsDir)),
                Some(Child::File(_)) if !replace => return Ok(Err(TreeError::Exists)),
                Some(Child::File(same)) if same == file => None,
                Some(Child::File(other)) => Some(remove_entry(tx, to.0, to.1, other)?),
            };
            failed::delete(tx, from.0, from.1)?;
            if taken != Some(Child::File(file)) {
                add_entry(tx, to.0, to.1, file)?;
            }
            // If only an album has refused the item, there is nothing to upload.
            if upload_state(tx, file)? == Some(UploadState::Failed) {
                back_in_queue(tx, file, facts)?;
            }
            Ok(Ok(replaced))
        })
    }

    /// Other files of the size of this one that were refused under this name.
    pub fn refused_alike(&self, dir: DirId, name: &EntryName, file: FileId) -> Result<Vec<FileId>> {
        self.read(|db| {
            let mut is_alike = db.prepare_cached(
                "SELECT 1 FROM files f JOIN files o ON o.size = f.size WHERE f.id = ?1 AND o.id = ?2",
            )?;
            let mut alike = Vec::new();
            for other in refused_as(db, dir, name)? {
                if other != file && is_alike.exists([file, other])? {
                    alike.push(other);
                }
            }
            Ok(alike)
        })
    }

    /// Whether the bytes of this file were refused under this name before, as far as their hashes
    /// are known.
    pub fn is_refused_already(&self, dir: DirId, name: &EntryName, file: FileId) -> Result<bool> {
        self.read(|db| is_refused_already(db, dir, name, file))
    }

    /// Keeps the hashes of a file's bytes, which no upload has asked for.
    pub fn keep_hashes(&self, file: FileId, sha256: ContentHash, sha1: [u8; 20]) -> Result<()> {
        self.write(|tx| files::set_hashes(tx, file, sha256, sha1))
    }

    /// Forgets the hashes of a file whose bytes may be others, or gone.
    pub fn forget_hashes(&self, file: FileId) -> Result<()> {
        self.write(|tx| files::clear_hashes(tx, file))
    }

    /// Puts a copy of a file under the failed names, because it may not get this name. `link` gives
    /// the copy its bytes; if that fails, nothing has changed.
    pub fn refuse_name(
        &self,
        file: FileId,
        (dir, name): (DirId, &EntryName),
        reason: &str,
        link: impl FnOnce(FileId) -> io::Result<()>,
    ) -> Result<io::Result<()>> {
        self.write_durable(|tx| {
            files::insert_version(tx, file)?;
            let copy = FileId(tx.last_insert_rowid());
            uploads::insert(tx, copy)?;
            if let Err(error) = link(copy) {
                uploads::delete(tx, copy)?;
                files::delete(tx, copy)?;
                return Ok(Err(error));
            }
            add_failed(tx, dir, name, copy, reason)?;
            uploads::set_failed(tx, copy, reason)?;
            Ok(Ok(()))
        })
    }

    /// How many bytes are not on their way to Google, in blocks of a disk. Files of at least `large`
    /// bytes are listed instead.
    pub fn set_aside(&self, large: u64) -> Result<SetAside> {
        self.read(|db| {
            let found = db
                .prepare_cached(&format!(
                    "SELECT coalesce(sum((f.size + 4095) / 4096) FILTER (WHERE u.state = 'failed'), 0) AS refused, \
                     coalesce(sum((f.size + 4095) / 4096) FILTER (WHERE u.state = 'scratch'), 0) AS kept \
                     {SET_ASIDE} AND f.size < ?1",
                ))?
                .query_row([large], |row| {
                    let bytes = |column| Ok::<_, rusqlite::Error>(4096 * row.get::<_, u64>(column)?);
                    Ok(SetAside { refused: bytes("refused")?, kept: bytes("kept")?, large: Vec::new() })
                })?;
            let large = db
                .prepare_cached(&format!(
                    "SELECT f.id, f.size, u.state = 'failed' AS refused {SET_ASIDE} AND f.size >= ?1"
                ))?
                .query_map([large], |row| {
                    let (file, size) = (row.get("id")?, row.get("size")?);
                    Ok(LargeFile { file, size, refused: row.get("refused")? })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(SetAside { large, ..found })
        })
    }

    /// Takes a refusal back, because the file's writer had more to write. The file is open again,
    /// under those of its names that are free. Returns `false` if it stays refused.
    pub fn reopen_failed(&self, file: FileId) -> Result<bool> {
        self.write_durable(|tx| {
            let names: Vec<(DirId, EntryName)> = tx
                .prepare_cached("SELECT dir, name FROM failed WHERE file = ?1 ORDER BY id")?
                .query_map([file], |row| Ok((row.get("dir")?, row.get("name")?)))?
                .collect::<rusqlite::Result<_>>()?;
            let mut back = false;
            for (dir, name) in names {
                if is_album(tx, dir)? && child(tx, dir, &name)?.is_none() {
                    failed::delete(tx, dir, &name)?;
                    add_entry(tx, dir, &name, file)?;
                    back = true;
                }
            }
            if back {
                reopen(tx, file)?;
            }
            Ok(back)
        })
    }
}

/// The refused names of one file, or of all. The files come in the order in which they were made, so
/// that a retry keeps it: uploads run in parallel, and are refused in any order.
pub(super) fn failed_names(db: &Connection, file: Option<FileId>) -> Result<Vec<FailedName>> {
    let rows = db
        .prepare_cached(
            "SELECT t.dir, t.name, t.file, t.reason, t.at, t.unfinished, f.size \
             FROM failed t JOIN files f ON f.id = t.file WHERE ?1 IS NULL OR t.file = ?1 \
             ORDER BY t.file, t.id",
        )?
        .query_map([file], |row| {
            Ok(FailedName {
                dir: row.get("dir")?,
                dir_path: String::new(),
                name: row.get("name")?,
                file: row.get("file")?,
                reason: row.get("reason")?,
                at: from_millis(row.get("at")?),
                size: row.get("size")?,
                unfinished: row.get("unfinished")?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter()
        .map(|name| Ok(FailedName { dir_path: dir_path(db, name.dir)?, ..name }))
        .collect()
}

fn failed_child(db: &Connection, dir: DirId, name: &EntryName) -> Result<Option<Child>> {
    let file = db
        .prepare_cached("SELECT file FROM failed WHERE dir = ?1 AND name = ?2")?
        .query_row(params![dir, name], |row| row.get(0).map(Child::File))
        .optional()?;
    if file.is_some() {
        return Ok(file);
    }
    Ok(db
        .prepare_cached(&format!(
            "{WITH_FAILURES} SELECT id FROM subdirs WHERE parent = ?1 AND name = ?2 AND id IN above"
        ))?
        .query_row(params![dir, name], |row| row.get(0).map(Child::Dir))
        .optional()?)
}
