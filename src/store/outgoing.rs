//! The queue of changes to make at Google. It is read off the tables.
//!
//! There is no other queue. The row of an upload has the file's state. A membership whose desired
//! and observed state differ is a pending addition or removal.

use rusqlite::{OptionalExtension, params};

use super::database::Store;
use super::error::Result;
use super::states::UploadState;
use crate::media::{DirId, EntryName, FileId};

/// How much there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Files being written.
    pub open: u64,
    /// Temporary and empty files, which stay here for now.
    pub temporary: u64,
    /// Those of them that are empty.
    pub empty: u64,
    /// Sidecars, and files that systems and programs leave.
    pub kept: u64,
    /// Files to be uploaded.
    pub sealed: u64,
    /// Bytes of those, without duplicates.
    pub sealed_bytes: u64,
    /// Files that wait for their `batchCreate`.
    pub uploaded: u64,
    /// Files whose `batchCreate` has no answer yet.
    pub creating: u64,
    /// Items that a read must confirm.
    pub confirming: u64,
    /// Arrived items that no list of Google's shows yet. Their bytes stay here.
    pub unseen: u64,
    /// Names that were refused.
    pub failed: u64,
    /// Items to add to albums.
    pub additions: u64,
    /// Items to remove from albums.
    pub removals: u64,
}

impl Backlog {
    /// How many operations are left.
    pub fn left(&self) -> u64 {
        self.sealed
            + self.uploaded
            + self.creating
            + self.confirming
            + self.additions
            + self.removals
    }
}

/// The kind of changes that are left in a part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingChanges {
    /// Nothing.
    Nothing,
    /// Only additions to albums and removals from them.
    Memberships,
    /// Files that Google does not certainly have, too.
    Files,
}

/// A part of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncScope {
    /// Everything.
    All,
    /// A directory with everything below it.
    Dir(DirId),
    /// A file.
    File(FileId),
}

impl Store {
    /// How many files have bytes here that Google does not hold for certain.
    pub fn only_here(&self) -> Result<u64> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT count(*) FROM unfinished_uploads")?
                .query_row([], |row| row.get(0))?)
        })
    }

    /// How much there is to do.
    pub fn backlog(&self) -> Result<Backlog> {
        self.read(|db| {
            let mut backlog = Backlog::default();
            let mut statement = db.prepare_cached(
                "SELECT state, count(*) FILTER (WHERE stays_here IN ('junk', 'sidecar')) AS kept, \
                 count(*) FILTER (WHERE stays_here = 'empty') AS empty, count(*) AS files, coalesce(sum(coalesce(sent_size, size)) FILTER (WHERE NOT is_duplicate), 0) AS bytes \
                 FROM upload_queue GROUP BY state",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let count: u64 = row.get("files")?;
                match row.get("state")? {
                    UploadState::Open => backlog.open = count,
                    UploadState::Temporary => {
                        backlog.kept = row.get("kept")?;
                        backlog.temporary = count - backlog.kept;
                        backlog.empty = row.get("empty")?;
                    }
                    UploadState::Sealed => {
                        backlog.sealed = count;
                        backlog.sealed_bytes = row.get("bytes")?;
                    }
                    UploadState::Uploaded => backlog.uploaded = count,
                    UploadState::Creating => backlog.creating = count,
                    UploadState::Confirming => backlog.confirming = count,
                    UploadState::Unseen => backlog.unseen = count,
                    UploadState::Failed => {}
                }
            }
            backlog.failed = db.query_row("SELECT count(*) FROM failed", [], |row| row.get(0))?;
            (backlog.additions, backlog.removals) = db.query_row(
                "SELECT count(*) FILTER (WHERE m.pending = 'addition') AS additions, \
                     count(*) FILTER (WHERE m.pending = 'removal') AS removals \
                 FROM members m JOIN files f ON f.id = m.file \
                 WHERE m.pending IS NOT NULL AND f.media IS NOT NULL",
                [],
                |row| Ok((row.get("additions")?, row.get("removals")?)),
            )?;
            Ok(backlog)
        })
    }

    /// How many of these files are sealed, and how many bytes of them must be uploaded.
    pub fn sealed_among(&self, files: &[FileId]) -> Result<(u64, u64)> {
        self.read(|db| {
            let mut bytes_of = db.prepare_cached(
                "SELECT CASE WHEN is_duplicate THEN 0 ELSE coalesce(sent_size, size, 0) END \
                 FROM upload_queue WHERE file = ?1 AND state = ?2",
            )?;
            let mut sealed = (0, 0);
            for file in files {
                let found =
                    bytes_of.query_row(params![file, UploadState::Sealed], |row| row.get(0));
                if let Some(bytes) = found.optional()? {
                    let bytes: u64 = bytes;
                    sealed = (sealed.0 + 1, sealed.1 + bytes);
                }
            }
            Ok(sealed)
        })
    }

    /// The kind of changes that are left in this part of the tree.
    pub fn pending_changes(&self, scope: SyncScope) -> Result<PendingChanges> {
        self.read(|db| {
            let (with, of_upload, of_member) = within(scope);
            let is_there = |what: &str| -> Result<bool> {
                Ok(db
                    .prepare_cached(&format!("{with} SELECT EXISTS ({what})"))?
                    .query_row([scope_number(scope)], |row| row.get(0))?)
            };
            let files = format!("SELECT 1 FROM pending_uploads u WHERE {of_upload}");
            let memberships = format!("SELECT 1 FROM pending_memberships m WHERE {of_member}");
            Ok(if is_there(&files)? {
                PendingChanges::Files
            } else if is_there(&memberships)? {
                PendingChanges::Memberships
            } else {
                PendingChanges::Nothing
            })
        })
    }

    /// How many names in this part of the tree were refused.
    pub fn failed_count(&self, scope: SyncScope) -> Result<u64> {
        self.read(|db| {
            let (with, _, of_member) = within(scope);
            Ok(db
                .prepare_cached(&format!("{with} SELECT count(*) FROM failed m WHERE {of_member}"))?
                .query_row([scope_number(scope)], |row| row.get(0))?)
        })
    }

    /// How many of these files are still open and have names in this part of the tree.
    pub fn open_count(&self, scope: SyncScope, files: &[FileId]) -> Result<u64> {
        self.read(|db| {
            let (with, of_upload, _) = within(scope);
            let mut query = db.prepare_cached(&format!(
                "{with} SELECT count(*) FROM uploads u WHERE u.file = ?2 AND u.state = ?3 \
                 AND EXISTS (SELECT 1 FROM entries WHERE file = u.file) AND {of_upload}"
            ))?;
            let mut count = 0;
            for file in files {
                count += query
                    .query_row(params![scope_number(scope), file, UploadState::Open], |row| {
                        row.get::<_, u64>(0)
                    })?;
            }
            Ok(count)
        })
    }

    /// Up to `limit` files without a name that Google never had.
    pub fn orphans(&self, limit: usize) -> Result<Vec<FileId>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT file FROM orphan_files LIMIT ?1")?
                .query_map([limit], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Files whose bytes have been hashed and are still here.
    pub fn hashed_uploads(&self) -> Result<Vec<FileId>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT file FROM upload_queue \
                     WHERE state IN ('sealed', 'uploaded', 'creating', 'confirming', 'unseen') AND sha256 IS NOT NULL \
                     ORDER BY file",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Files that stay here although they are not empty, and have a name in an album that `is_real`.
    pub fn local_files_named(
        &self,
        mut is_real: impl FnMut(&EntryName) -> bool,
    ) -> Result<Vec<FileId>> {
        self.read(|db| {
            let mut statement = db.prepare_cached(
                "SELECT u.file, e.name FROM uploads u JOIN files f ON f.id = u.file \
                 JOIN entries e ON e.file = u.file JOIN dirs d ON d.id = e.dir \
                 WHERE u.state = ?1 AND f.size > 0 AND NOT d.local ORDER BY u.file",
            )?;
            let mut rows = statement.query([UploadState::Temporary])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                if is_real(&row.get("name")?) {
                    found.push(row.get("file")?);
                }
            }
            found.dedup();
            Ok(found)
        })
    }

    /// Files that were being written.
    pub fn open_files(&self) -> Result<Vec<FileId>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT file FROM uploads WHERE state = ?1 ORDER BY file")?
                .query_map([UploadState::Open], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// SQL for a scope: a preamble, a condition on an upload `u`, a condition on a row `m` with `dir`
/// and `file`.
fn within(scope: SyncScope) -> (&'static str, &'static str, &'static str) {
    match scope {
        SyncScope::All => ("", "?1 IS NOT NULL", "?1 IS NOT NULL"),
        SyncScope::Dir(_) => (
            "WITH RECURSIVE below(id) AS (SELECT ?1 UNION SELECT d.id FROM dirs d JOIN below ON d.parent = below.id)",
            "EXISTS (SELECT 1 FROM members m WHERE m.file = u.file AND m.dir IN (SELECT id FROM below))",
            "m.dir IN (SELECT id FROM below)",
        ),
        SyncScope::File(_) => ("", "u.file = ?1", "m.file = ?1"),
    }
}

fn scope_number(scope: SyncScope) -> i64 {
    match scope {
        SyncScope::All => 0,
        SyncScope::Dir(DirId(number)) | SyncScope::File(FileId(number)) => number,
    }
}
