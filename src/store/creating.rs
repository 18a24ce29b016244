//! Creating items: files that wait for a `batchCreate`, calls and their outcomes.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::database::Store;
use super::error::Result;
use super::journal::PastFailures;
use super::lookups::{has_item, was_asked_for};
use super::naming::set_observed;
use super::states::{Observed, UploadState};
use super::stored;
use super::tables::{entries, files, members, meta, uploads, views};
use super::time::{from_millis, to_millis};
use super::tx::Tx;
use super::versions::fail;
use crate::media::{AlbumId, ContentHash, DirId, EntryName, FileId, MediaItem, UploadToken};

/// A file whose bytes Google has, waiting for its `batchCreate`.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The file.
    pub file: FileId,
    /// Its version, which is its place in the order of closing, too.
    pub seq: i64,
    /// The album to create it in.
    pub dir: DirId,
    /// The hash of the bytes that Google has. Equal bytes must not share a call.
    pub sha256: Option<ContentHash>,
    /// Failures of its own so far.
    pub attempts: u32,
    /// The file needs a call of its own.
    pub isolate: bool,
    /// When Google got the bytes.
    pub since: SystemTime,
}

/// A file that will be [`Ready`] soon. A later file of the same album waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Coming {
    /// The file.
    pub file: FileId,
    /// Its place in the order of closing.
    pub seq: i64,
    /// The album to create it in.
    pub dir: DirId,
}

/// One `batchCreate` of the journal.
#[derive(Clone, Debug)]
pub struct CreateCall {
    /// Its number, which is never reused.
    pub call: i64,
    /// The directory of the album.
    pub dir: DirId,
    /// Google's id of the album. `None` if there is no album.
    pub album: Option<AlbumId>,
    /// The files, in the order of closing.
    pub items: Vec<CreateItem>,
}

/// One file of a [`CreateCall`].
#[derive(Clone, Debug)]
pub struct CreateItem {
    /// The file.
    pub file: FileId,
    /// Its version.
    pub seq: i64,
    /// The upload token. It identifies the file in the answer.
    pub token: UploadToken,
    /// A name of the file in that album.
    pub name: EntryName,
    /// The description, taken over from the version before.
    pub description: Option<String>,
    /// The failures so far.
    pub past: PastFailures,
    /// It has failed before and needs a call of its own.
    pub isolate: bool,
}

/// The outcome for one file of a [`CreateCall`].
#[derive(Clone, Debug)]
pub enum CreateOutcome {
    /// Google has made the item in the album.
    Made(MediaItem),
    /// The file needs another call with the same token.
    Retry {
        /// That call must have no other file.
        isolate: bool,
        /// The failure, if it counts for the file.
        error: Option<FileFailure>,
        /// The call must not begin before this time.
        retry_at: Option<SystemTime>,
        /// The answer was lost: Google may have made the item.
        maybe_made: bool,
    },
    /// Google has made nothing and the token is void. The bytes must be uploaded again.
    TokenLost {
        /// The failure.
        error: FileFailure,
        /// The upload must not begin before this time.
        retry_at: Option<SystemTime>,
    },
    /// Google has refused the file for good.
    Refused(String),
}

/// A failure that counts for a file.
#[derive(Clone, Debug)]
pub struct FileFailure {
    /// In words.
    pub text: String,
    /// Whether other files succeeded meanwhile.
    pub own: bool,
}

/// Uploaded files that may be created now, and the album to create each in.
pub(super) const READY: &str = "SELECT file, seq, target, coalesce(sent_sha256, sha256) AS sent_sha256, attempts, isolate, token_at FROM upload_queue \
     WHERE state = ?1 AND coalesce(retry_at, 0) <= ?2 AND target IS NOT NULL ORDER BY seq LIMIT ?3";

/// Sealed files that a later file of the same album waits for.
pub(super) const COMING: &str = "SELECT file, seq, target FROM upload_queue \
     WHERE state = ?1 AND attempts <= ?3 AND NOT is_duplicate AND target IS NOT NULL ORDER BY seq LIMIT ?2";

/// A file keeps its place in the order of closing after so many failures. An outage costs each file
/// one failure, so the files behind it wait for one more attempt. A second failure is the file's
/// own.
pub const FAILURES_WITH_PLACE: u32 = 1;

impl Store {
    /// Up to `limit` files that may be created now and up to `coming` that will be ready soon, in
    /// the order of closing.
    pub fn ready(
        &self,
        now: SystemTime,
        limit: usize,
        coming: usize,
    ) -> Result<(Vec<Ready>, Vec<Coming>)> {
        self.read(|db| {
            let ready = db
                .prepare_cached(READY)?
                .query_map(params![UploadState::Uploaded, to_millis(now), limit], |row| {
                    Ok(Ready {
                        file: row.get("file")?,
                        seq: row.get("seq")?,
                        dir: row.get("target")?,
                        sha256: row.get("sent_sha256")?,
                        attempts: row.get("attempts")?,
                        isolate: row.get("isolate")?,
                        since: from_millis(row.get("token_at")?),
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            let coming = db
                .prepare_cached(COMING)?
                .query_map(params![UploadState::Sealed, coming, FAILURES_WITH_PLACE], |row| {
                    Ok(Coming {
                        file: row.get("file")?,
                        seq: row.get("seq")?,
                        dir: row.get("target")?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok((ready, coming))
        })
    }

    /// How many files wait for their `batchCreate`.
    pub fn uploaded_count(&self) -> Result<usize> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT count(*) FROM uploads WHERE state = ?1")?
                .query_row([UploadState::Uploaded], |row| row.get(0))?)
        })
    }

    /// Journals a `batchCreate` before it is sent. Files that were written, moved or removed
    /// meanwhile are left out.
    pub fn begin_create(&self, dir: DirId, files: &[(FileId, i64)]) -> Result<CreateCall> {
        self.write_durable(|tx| {
            let call = meta::next_number(tx, "call")?;
            for (file, seq) in files {
                let wanted = members::set_asked(tx, dir, *file, *seq)?;
                if wanted == 1 {
                    uploads::set_creating(tx, *file, dir, call)?;
                }
            }
            create_call(tx, call, dir)
        })
    }

    /// A call without an answer that is due to be repeated.
    pub fn unanswered_create(&self, now: SystemTime) -> Result<Option<CreateCall>> {
        self.write(|tx| {
            let found: Option<(i64, DirId)> = tx
                .prepare_cached(
                    "SELECT call, dir FROM uploads WHERE state = ?1 AND coalesce(retry_at, 0) <= ?2 ORDER BY call LIMIT 1",
                )?
                .query_row(params![UploadState::Creating, to_millis(now)], |row| Ok((row.get("call")?, row.get("dir")?)))
                .optional()?;
            let Some((call, dir)) = found else { return Ok(None) };
            uploads::keep_first_call(tx, call)?;
            create_call(tx, call, dir).map(Some)
        })
    }

    /// Keeps that a call has no answer. It is repeated at `retry_at`.
    pub fn create_unanswered(&self, call: i64, retry_at: SystemTime) -> Result<()> {
        self.write(|tx| {
            uploads::retry_call(tx, call, to_millis(retry_at))?;
            Ok(())
        })
    }

    /// Keeps Google's answer to a `batchCreate`, for each upload token.
    pub fn record_create_outcomes(
        &self,
        call: i64,
        outcomes: &[(UploadToken, CreateOutcome)],
    ) -> Result<()> {
        self.write_durable(|tx| {
            for (token, outcome) in outcomes {
                // If the file was written meanwhile, the row belongs to the version that was sent.
                let found: Option<(FileId, DirId, i64)> = tx
                    .prepare_cached("SELECT file, dir, coalesce(first_call, call) AS first_call FROM uploads WHERE call = ?1 AND token = ?2 AND state = ?3")?
                    .query_row(params![call, token, UploadState::Creating], |row| Ok((row.get("file")?, row.get("dir")?, row.get("first_call")?)))
                    .optional()?;
                if let Some((file, dir, asked)) = found {
                    settle_created(tx, file, dir, asked, outcome)?;
                }
            }
            Ok(())
        })
    }
}

fn create_call(db: &Connection, call: i64, dir: DirId) -> Result<CreateCall> {
    let album = db
        .prepare_cached("SELECT remote FROM albums WHERE dir = ?1")?
        .query_row([dir], |row| row.get(0))
        .optional()?
        .flatten();
    // A file that has lost its names meanwhile stays in the call, which is under way.
    let items = db
        .prepare_cached(
            "SELECT file, seq, token, description, attempts, own_failures, failing_since, isolate, coalesce( \
                 (SELECT e.name FROM entries e WHERE e.file = q.file AND e.dir = q.dir ORDER BY e.id LIMIT 1), \
                 (SELECT e.name FROM entries e WHERE e.file = q.file ORDER BY e.id LIMIT 1), \
                 CAST('file' AS BLOB)) AS name \
             FROM upload_queue q WHERE call = ?1 AND state = ?2 ORDER BY seq",
        )?
        .query_map(params![call, UploadState::Creating], |row| {
            Ok(CreateItem {
                file: row.get("file")?,
                seq: row.get("seq")?,
                token: row.get("token")?,
                description: row.get("description")?,
                past: PastFailures::read(row)?,
                isolate: row.get("isolate")?,
                name: row.get("name")?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(CreateCall { call, dir, album, items })
}

fn settle_created(
    tx: &Tx<'_>,
    file: FileId,
    dir: DirId,
    asked: i64,
    outcome: &CreateOutcome,
) -> Result<()> {
    match outcome {
        CreateOutcome::Made(item) => {
            set_observed(tx, dir, file, Observed::Present)?;
            made(tx, file, dir, asked, item)?;
        }
        CreateOutcome::Retry { isolate, error, retry_at, maybe_made } => {
            if *maybe_made {
                uploads::keep_first_call_of(tx, file)?;
            }
            not_made(tx, dir, file)?;
            if let Some(FileFailure { text, own }) = error {
                uploads::count_failure(tx, file, text, *own)?;
            }
            uploads::retry_create(tx, file, *isolate, retry_at.map(to_millis))?;
        }
        CreateOutcome::TokenLost { error: FileFailure { text, own }, retry_at } => {
            not_made(tx, dir, file)?;
            uploads::count_failure(tx, file, text, *own)?;
            uploads::clear_token(tx, file, retry_at.map(to_millis))?;
        }
        CreateOutcome::Refused(reason) => {
            set_observed(tx, dir, file, Observed::Absent)?;
            fail(tx, file, reason)?;
        }
    }
    Ok(())
}

/// Google has answered with an item. If it had that before the call, it may lie in its bin: the
/// file becomes a name of it only when a listing has shown it.
fn made(tx: &Tx<'_>, file: FileId, dir: DirId, asked: i64, item: &MediaItem) -> Result<()> {
    let mut other: Option<FileId> = tx
        .prepare_cached("SELECT id FROM files WHERE media = ?1 AND id <> ?2")?
        .query_row(params![item.id, file], |row| row.get(0))
        .optional()?;
    let was_withheld = match other {
        Some(forgotten) => is_withheld_and_unwanted(tx, forgotten)?,
        None => false,
    };
    if let Some(forgotten) = other.filter(|_| was_withheld) {
        members::delete_of_file(tx, forgotten)?;
        files::clear_item(tx, forgotten)?;
        other = None;
    }
    if let Some(other) = other
        && !absorb_listed(tx, file, other, asked)?
    {
        members::set_claimed(tx, dir, other, tx.now_millis())?;
        return uploads::set_confirming(tx, file, Some(&item.id));
    }
    let came_back = tx
        .prepare_cached(
            "SELECT 1 FROM uploads u JOIN files f ON f.id = u.file \
             WHERE u.file = ?1 AND ?2 IN (u.made, f.media)",
        )?
        .exists(params![file, item.id])?;
    if !(came_back || was_withheld) {
        stored::count(tx, file)?;
    }
    if has_item(tx, file)? && !came_back {
        // The item before this one is gone, and its albums lack the new one.
        members::set_others_absent(tx, dir, file)?;
    }
    files::set_item(tx, file, item, false)?;
    uploads::set_confirming(tx, file, (came_back || was_withheld).then_some(&item.id))
}

/// Whether no read has ever shown the file's item, and the file has gone.
fn is_withheld_and_unwanted(tx: &Tx<'_>, file: FileId) -> Result<bool> {
    Ok(tx
        .prepare_cached(
            "SELECT 1 FROM files f WHERE id = ?1 AND NOT confirmed \
             AND NOT EXISTS (SELECT 1 FROM uploads WHERE file = f.id) \
             AND NOT EXISTS (SELECT 1 FROM entries WHERE file = f.id)",
        )?
        .exists([file])?)
}

/// The call has not made the item. It is absent, unless an earlier call without an answer has made
/// it.
fn not_made(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    if was_asked_for(tx, file)? { Ok(()) } else { set_observed(tx, dir, file, Observed::Absent) }
}

/// Merges `listed` into `file` if both are one item. A listing may show an item before the call
/// that made it has answered. Returns `false` if `listed` is another item.
fn absorb_listed(tx: &Tx<'_>, file: FileId, listed: FileId, asked: i64) -> Result<bool> {
    let known_before = tx
        .prepare_cached(
            "SELECT 1 FROM files f WHERE f.id = ?1 AND (f.known IS NOT NULL \
             OR EXISTS (SELECT 1 FROM uploads WHERE file = f.id) \
             OR f.listed_after IS NULL OR f.listed_after < ?2 \
             OR NOT EXISTS (SELECT 1 FROM members WHERE file = f.id \
                 UNION ALL SELECT 1 FROM view_entries WHERE file = f.id))",
        )?
        .exists(params![listed, asked])?;
    if known_before {
        return Ok(false);
    }
    entries::remove_all_of_file(tx, listed)?;
    members::take_seen(tx, file, listed)?;
    members::delete_of_file(tx, listed)?;
    views::move_item(tx, listed, file)?;
    files::merge_listed(tx, listed, file)?;
    Ok(true)
}
