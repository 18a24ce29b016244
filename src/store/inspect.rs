//! All that the tables know about a file and about the queue, for people who look for a fault.
//!
//! Nothing here reads an upload token or the address of an upload session: either lets its reader
//! write to the account.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Store;
use super::error::Result;
use super::failed::{FailedName, failed_names};
use super::files::{FileInfo, info};
use super::journal::write_error;
use super::lookups::dir_path;
use super::states::{LocalReason, Observed, UploadState};
use super::time::from_millis;
use crate::media::{AlbumId, ContentHash, DirId, EntryName, FileId, MediaId};

/// A name of a file, in the tree or below the failed files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathName {
    /// It stands below the failed files.
    pub is_failed: bool,
    /// The directory's path from the root.
    pub dir_path: String,
    /// The name in it.
    pub name: EntryName,
}

/// The albums that Google knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAlbums {
    /// How many there are.
    pub count: u64,
    /// Titles of those that came last.
    pub titles: Vec<String>,
}

/// Names of files whose bytes look cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutOffNames {
    /// How many there are.
    pub count: u64,
    /// The paths of the last ones.
    pub paths: Vec<String>,
}

/// A row of the journal.
#[derive(Clone, Debug)]
pub struct JournalRow {
    /// The file.
    pub file: FileId,
    /// One of its names.
    pub path: Option<PathName>,
    /// Bytes, as far as the row of the file says.
    pub size: Option<u64>,
    /// How far it is.
    pub state: UploadState,
    /// Why it stays here, if it does.
    pub stays_here: Option<LocalReason>,
    /// The number of its version. `None` until it is sealed.
    pub seq: Option<i64>,
    /// Failures of its own so far.
    pub attempts: u32,
    /// It needs a `batchCreate` of its own.
    pub isolate: bool,
    /// How often Google lost the item.
    pub lost: u32,
    /// When the next attempt may begin.
    pub retry_at: Option<SystemTime>,
    /// The last failure, or the reason of the refusal.
    pub error: Option<String>,
    /// The `batchCreate` that it is in.
    pub call: Option<i64>,
    /// The first `batchCreate` without an answer.
    pub first_call: Option<i64>,
    /// The answered id, if Google had it before the call.
    pub made: Option<MediaId>,
    /// Whether there is a resumable upload session.
    pub has_session: bool,
    /// When Google gave the upload token, if there is one.
    pub token_at: Option<SystemTime>,
    /// Of the content that an edit began with.
    pub base: Option<ContentHash>,
    /// The old version that it replaces.
    pub replaces: Option<FileId>,
    /// Another file with the same content is ahead of it, or has arrived.
    pub is_duplicate: bool,
    /// It has a name in an album, or an item of it may be in one.
    pub is_wanted: bool,
    /// The album to create the item in has no id yet.
    pub is_album_missing: bool,
}

/// The membership of a file in an album.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// The album's path from the root.
    pub dir_path: String,
    /// Google's id for the album.
    pub album: Option<AlbumId>,
    /// Whether the file has a name there.
    pub desired: bool,
    /// Whether the item is there at Google.
    pub observed: Observed,
    /// The word for the pending change: `addition` or `removal`.
    pub pending: Option<String>,
    /// Since when. `None` if a listing showed it.
    pub since: Option<SystemTime>,
    /// The last complete listing did not show it.
    pub missed: bool,
}

/// All facts about a file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// As everybody sees it.
    pub info: FileInfo,
    /// Bytes written or adopted here.
    pub own_size: Option<u64>,
    /// Hash of the bytes that were written here; Google checks an upload against it.
    pub sha1: Option<[u8; 20]>,
    /// The file that has taken over its names.
    pub merged_into: Option<FileId>,
    /// Files whose names it has taken over.
    pub merged: Vec<FileId>,
    /// Its names, those in the tree first.
    pub names: Vec<PathName>,
    /// The refusals of its names below `.gphotos/failed`.
    pub failed: Vec<FailedName>,
    /// Its row of the journal.
    pub journal: Option<JournalRow>,
    /// Its memberships.
    pub members: Vec<MemberRow>,
}

/// Columns of a [`JournalRow`], of a row `q` of `upload_queue`.
const JOURNAL_COLUMNS: &str = "q.file, q.size, q.state, q.stays_here, q.seq, q.attempts, q.isolate, q.lost, q.retry_at, q.error, \
     q.write_errno, q.missing_from, q.missing_to, \
     q.call, q.first_call, q.made, q.session IS NOT NULL AS has_session, q.token_at, q.base, q.replaces, \
     q.is_duplicate, q.is_wanted, \
     EXISTS (SELECT 1 FROM albums a WHERE a.dir = q.target AND a.remote IS NULL) AS is_album_missing";

impl Store {
    /// The albums that Google knows, with up to so many titles.
    pub fn album_titles(&self, titles: u32) -> Result<KnownAlbums> {
        self.read(|db| {
            let count = "SELECT count(*) FROM albums WHERE remote IS NOT NULL AND NOT hidden";
            let latest = "SELECT title FROM albums WHERE remote IS NOT NULL AND NOT hidden \
                 ORDER BY dir DESC LIMIT ?1";
            Ok(KnownAlbums {
                count: db.prepare_cached(count)?.query_row([], |row| row.get(0))?,
                titles: db
                    .prepare_cached(latest)?
                    .query_map([titles], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?,
            })
        })
    }

    /// The names of files whose bytes look cut off, with up to so many paths.
    pub fn cut_off_names(&self, paths: u32) -> Result<CutOffNames> {
        self.read(|db| {
            let count = "SELECT count(*) FROM cut_off_names";
            let latest = "SELECT dir, name FROM cut_off_names ORDER BY file DESC LIMIT ?1";
            let latest = db
                .prepare_cached(latest)?
                .query_map([paths], |row| Ok((row.get("dir")?, row.get("name")?)))?
                .collect::<rusqlite::Result<Vec<(DirId, EntryName)>>>()?;
            let path =
                |(dir, name): (DirId, EntryName)| Ok(format!("{}/{name}", dir_path(db, dir)?));
            Ok(CutOffNames {
                count: db.prepare_cached(count)?.query_row([], |row| row.get(0))?,
                paths: latest.into_iter().map(path).collect::<Result<_>>()?,
            })
        })
    }

    /// All rows of the journal, in the order of closing; files that were never closed come last.
    pub fn journal(&self) -> Result<Vec<JournalRow>> {
        self.read(|db| {
            let rows = db
                .prepare_cached(&format!(
                    "SELECT {JOURNAL_COLUMNS} FROM upload_queue q ORDER BY q.seq IS NULL, q.seq, q.file"
                ))?
                .query_map([], journal_row)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            rows.into_iter().map(|row| with_path(db, row)).collect()
        })
    }

    /// All facts about a file itself, whether or not another one has taken over its names.
    pub fn file_facts(&self, file: FileId) -> Result<Option<FileFacts>> {
        self.read(|db| {
            let Some(info) = info(db, file)? else { return Ok(None) };
            let (own_size, sha1, merged_into) = db
                .prepare_cached("SELECT size, sha1, merged_into FROM files WHERE id = ?1")?
                .query_row([file], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let merged = db
                .prepare_cached("SELECT id FROM files WHERE merged_into = ?1 ORDER BY id")?
                .query_map([file], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let failed = failed_names(db, Some(file))?;
            let names = names(db, file)?;
            let (journal, members) = (journal_of(db, file)?, members(db, file)?);
            Ok(Some(FileFacts {
                info,
                own_size,
                sha1,
                merged_into,
                merged,
                names,
                failed,
                journal,
                members,
            }))
        })
    }
}

fn journal_row(row: &Row<'_>) -> rusqlite::Result<JournalRow> {
    let missing = write_error(row)?.map(|error| error.to_string());
    let time = |column| row.get::<_, Option<i64>>(column).map(|it| it.map(from_millis));
    Ok(JournalRow {
        file: row.get("file")?,
        path: None,
        size: row.get("size")?,
        state: row.get("state")?,
        stays_here: row.get("stays_here")?,
        seq: row.get("seq")?,
        attempts: row.get("attempts")?,
        isolate: row.get("isolate")?,
        lost: row.get("lost")?,
        retry_at: time("retry_at")?,
        error: row.get::<_, Option<String>>("error")?.or(missing),
        call: row.get("call")?,
        first_call: row.get("first_call")?,
        made: row.get("made")?,
        has_session: row.get("has_session")?,
        token_at: time("token_at")?,
        base: row.get("base")?,
        replaces: row.get("replaces")?,
        is_duplicate: row.get("is_duplicate")?,
        is_wanted: row.get("is_wanted")?,
        is_album_missing: row.get("is_album_missing")?,
    })
}

fn with_path(db: &Connection, row: JournalRow) -> Result<JournalRow> {
    Ok(JournalRow { path: names(db, row.file)?.into_iter().next(), ..row })
}

fn journal_of(db: &Connection, file: FileId) -> Result<Option<JournalRow>> {
    let row = db
        .prepare_cached(&format!("SELECT {JOURNAL_COLUMNS} FROM upload_queue q WHERE q.file = ?1"))?
        .query_row([file], journal_row)
        .optional()?;
    row.map(|row| with_path(db, row)).transpose()
}

/// Those in the tree come first.
fn names(db: &Connection, file: FileId) -> Result<Vec<PathName>> {
    let names: Vec<(DirId, PathName)> = db
        .prepare_cached(
            "SELECT dir, name, 0 AS is_failed, id FROM entries WHERE file = ?1 UNION ALL \
             SELECT dir, name, 1, id FROM failed WHERE file = ?1 ORDER BY is_failed, id",
        )?
        .query_map([file], |row| {
            let (is_failed, name) = (row.get("is_failed")?, row.get("name")?);
            Ok((row.get("dir")?, PathName { is_failed, dir_path: String::new(), name }))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let placed = |(dir, name)| Ok(PathName { dir_path: dir_path(db, dir)?, ..name });
    names.into_iter().map(placed).collect()
}

fn members(db: &Connection, file: FileId) -> Result<Vec<MemberRow>> {
    let rows: Vec<(DirId, MemberRow)> = db
        .prepare_cached(
            "SELECT m.dir, a.remote, m.desired, m.observed, m.pending, m.since, m.missed \
             FROM members m LEFT JOIN albums a ON a.dir = m.dir WHERE m.file = ?1 ORDER BY m.dir",
        )?
        .query_map(params![file], |row| {
            let member = MemberRow {
                dir_path: String::new(),
                album: row.get("remote")?,
                desired: row.get("desired")?,
                observed: row.get("observed")?,
                pending: row.get("pending")?,
                since: Some(row.get("since")?).filter(|&since| since != 0).map(from_millis),
                missed: row.get("missed")?,
            };
            Ok((row.get("dir")?, member))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let placed = |(dir, member)| Ok(MemberRow { dir_path: dir_path(db, dir)?, ..member });
    rows.into_iter().map(placed).collect()
}
