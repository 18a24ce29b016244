//! Making items: what waits for its `batchCreate`, what was asked for, what came of it, and whether
//! it was seen since.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::database::Store;
use super::error::Result;
use super::lookups::was_asked_for;
use super::naming::set_observed;
use super::outgoing::MergedFiles;
use super::states::{Observed, UploadState};
use super::tables::{entries, files, members, meta, uploads, views};
use super::time::{from_millis, to_millis};
use super::tx::Tx;
use super::versions::{fail, merge, retire_replaced};
use crate::media::{
    AlbumId, ContentHash, DirId, EntryName, FileId, MediaId, MediaItem, UploadToken,
};

/// A file whose bytes Google has, waiting for its `batchCreate`.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The file.
    pub file: FileId,
    /// Its version, and its place in the order of closing.
    pub seq: i64,
    /// The album it is to be created in.
    pub dir: DirId,
    /// Of its bytes: equal ones must not share a call.
    pub sha256: Option<ContentHash>,
    /// Failures of its own so far.
    pub attempts: u32,
    /// It is to have a call of its own.
    pub isolate: bool,
    /// When the bytes had arrived.
    pub since: SystemTime,
}

/// A file that will be [`Ready`] soon if all goes well: a later one of the same album waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Coming {
    /// The file.
    pub file: FileId,
    /// Its place in the order of closing.
    pub seq: i64,
    /// The album it is to be created in.
    pub dir: DirId,
}

/// One `batchCreate`, as the journal has it.
#[derive(Clone, Debug)]
pub struct CreateCall {
    /// Its number; never given again.
    pub call: i64,
    /// Where.
    pub dir: DirId,
    /// Google's id for that; `None` if the album is not there (any more).
    pub album: Option<AlbumId>,
    /// What, in order.
    pub items: Vec<CreateItem>,
}

/// One file of a [`CreateCall`].
#[derive(Clone, Debug)]
pub struct CreateItem {
    /// The file.
    pub file: FileId,
    /// Its version.
    pub seq: i64,
    /// Names it in the answer.
    pub token: UploadToken,
    /// A name of the file in that album.
    pub name: EntryName,
    /// Kept from the version before.
    pub description: Option<String>,
    /// Failures of its own so far.
    pub attempts: u32,
}

/// What came of one file of a [`CreateCall`].
#[derive(Clone, Debug)]
pub enum CreateOutcome {
    /// It is an item, in the album.
    Made(MediaItem),
    /// To be asked for again with the same token.
    Retry {
        /// In a call of its own.
        isolate: bool,
        /// It was the file's own failure, to be counted and told.
        error: Option<String>,
        /// Not before.
        retry_at: Option<SystemTime>,
        /// The answer was lost: something may have been made after all.
        maybe_made: bool,
    },
    /// Nothing was made, and the token is no good: the bytes must be uploaded again.
    TokenLost(String),
    /// Refused for good.
    Refused(String),
}

/// An item that Google says it made and that has to be seen once more.
#[derive(Clone, Debug)]
pub struct Unconfirmed {
    /// The file.
    pub file: FileId,
    /// Its version.
    pub seq: i64,
    /// The item.
    pub media: MediaId,
    /// How often it was looked for.
    pub attempts: u32,
    /// How often such an item was lost before.
    pub lost: u32,
    /// Google's name for it differs from ours: it had the bytes before us (reference §11.2).
    pub foreign: bool,
}

/// Uploaded files that may be created now, and the album to create each in.
pub(super) const READY: &str = "SELECT file, seq, target, sha256, attempts, isolate, token_at FROM upload_queue \
     WHERE state = ?1 AND coalesce(retry_at, 0) <= ?2 AND target IS NOT NULL ORDER BY seq LIMIT ?3";

/// Sealed files that a later file of the same album waits for.
pub(super) const COMING: &str = "SELECT file, seq, target FROM upload_queue \
     WHERE state = ?1 AND attempts <= ?3 AND NOT is_duplicate AND target IS NOT NULL ORDER BY seq LIMIT ?2";

/// After so many failures a file still has its place in the order of closing: one is what an outage costs whatever was
/// on its way, and those behind it wait for one more try. Two are its own.
pub const FAILURES_WITH_PLACE: u32 = 1;

impl Store {
    /// Up to `limit` files ready to be created, and up to `coming` that are about to be, in the order of closing.
    ///
    /// # Errors
    /// If the database fails.
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
                        sha256: row.get("sha256")?,
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
    ///
    /// # Errors
    /// If the database fails.
    pub fn uploaded_count(&self) -> Result<usize> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT count(*) FROM uploads WHERE state = ?1")?
                .query_row([UploadState::Uploaded], |row| row.get(0))?)
        })
    }

    /// Notes, before Google is asked, that these files are to be created in an album. What has been
    /// written, moved or removed in the meantime is left out.
    ///
    /// # Errors
    /// If the database fails.
    pub fn begin_create(&self, dir: DirId, files: &[(FileId, i64)]) -> Result<CreateCall> {
        self.write_durable(|tx| {
            // Also the time, so that what a listing shows can be told to be older or younger than the call.
            let call = meta::next_number(tx, "call")?.max(tx.now_millis());
            meta::set(tx, "call", &call.to_string())?;
            for (file, seq) in files {
                let wanted = members::set_asked(tx, dir, *file, *seq)?;
                if wanted == 1 {
                    uploads::set_creating(tx, *file, dir, call)?;
                }
            }
            create_call(tx, call, dir)
        })
    }

    /// A call whose outcome is not known, to be made again.
    ///
    /// # Errors
    /// If the database fails.
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

    /// The outcome of a call is unknown: it is to be made again at `retry_at`.
    ///
    /// # Errors
    /// If the database fails.
    pub fn create_unanswered(&self, call: i64, retry_at: SystemTime) -> Result<()> {
        self.write(|tx| {
            uploads::retry_call(tx, call, to_millis(retry_at))?;
            Ok(())
        })
    }

    /// Keeps what Google answered to a `batchCreate`, for each upload token of it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn record_create_outcomes(
        &self,
        call: i64,
        outcomes: &[(UploadToken, CreateOutcome)],
    ) -> Result<MergedFiles> {
        self.write_durable(|tx| {
            let mut settled = MergedFiles::default();
            for (token, outcome) in outcomes {
                // A file that was written meanwhile has left its row to the version that was sent.
                let found: Option<(FileId, DirId, i64)> = tx
                    .prepare_cached("SELECT file, dir, coalesce(first_call, call) AS first_call FROM uploads WHERE call = ?1 AND token = ?2 AND state = ?3")?
                    .query_row(params![call, token, UploadState::Creating], |row| Ok((row.get("file")?, row.get("dir")?, row.get("first_call")?)))
                    .optional()?;
                if let Some((file, dir, asked)) = found {
                    settle_created(tx, file, dir, asked, outcome, &mut settled)?;
                }
            }
            Ok(settled)
        })
    }

    /// Items that have to be seen once more.
    ///
    /// # Errors
    /// If the database fails.
    pub fn unconfirmed(&self, now: SystemTime, limit: usize) -> Result<Vec<Unconfirmed>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT file, seq, media, attempts, lost, filename IS NOT NULL AND NOT EXISTS \
                     (SELECT 1 FROM entries e WHERE e.file = q.file AND CAST(e.name AS TEXT) = q.filename) AS is_foreign \
                     FROM upload_queue q \
                     WHERE state = ?1 AND coalesce(retry_at, 0) <= ?2 AND media IS NOT NULL ORDER BY file LIMIT ?3",
                )?
                .query_map(params![UploadState::Confirming, to_millis(now), limit], |row| {
                    Ok(Unconfirmed {
                        file: row.get("file")?,
                        seq: row.get("seq")?,
                        media: row.get("media")?,
                        attempts: row.get("attempts")?,
                        lost: row.get("lost")?,
                        foreign: row.get("is_foreign")?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Whether the file is still waiting for this item to be seen.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_unconfirmed(&self, file: FileId, media: &MediaId) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT 1 FROM uploads u JOIN files f ON f.id = u.file WHERE u.file = ?1 AND u.state = ?2 AND f.media = ?3",
                )?
                .exists(params![file, UploadState::Confirming, media])?)
        })
    }

    /// The item has been seen: the file has arrived, and takes the place of the version before it.
    ///
    /// # Errors
    /// If the database fails.
    pub fn confirmed(&self, file: FileId, item: &MediaItem) -> Result<()> {
        self.write(|tx| {
            retire_replaced(tx, file)?;
            files::set_item(tx, file, item, true)?;
            uploads::delete(tx, file)?;
            views::arrived(tx, file, item)
        })
    }

    /// The item cannot be seen by us, and will not be: the file counts as arrived, but its bytes stay.
    ///
    /// # Errors
    /// If the database fails.
    pub fn unseen(&self, file: FileId) -> Result<()> {
        self.write_durable(|tx| {
            retire_replaced(tx, file)?;
            uploads::set_unseen(tx, file)?;
            Ok(())
        })
    }

    /// The item that Google said it made is not there: the bytes are to be uploaded again.
    ///
    /// # Errors
    /// If the database fails.
    pub fn item_lost(&self, file: FileId, error: &str) -> Result<()> {
        self.write_durable(|tx| {
            files::clear_item(tx, file)?;
            members::set_all_absent(tx, file)?;
            members::delete_undesired(tx, file)?;
            uploads::set_lost(tx, file, error)?;
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
    // A file that has lost its names in the meantime keeps whatever was its own: the call is under way.
    let items = db
        .prepare_cached(
            "SELECT file, seq, token, description, attempts, coalesce( \
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
                attempts: row.get("attempts")?,
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
    settled: &mut MergedFiles,
) -> Result<()> {
    match outcome {
        CreateOutcome::Made(item) => {
            set_observed(tx, dir, file, Observed::Present)?;
            let other: Option<FileId> = tx
                .prepare_cached("SELECT id FROM files WHERE media = ?1 AND id <> ?2")?
                .query_row(params![item.id, file], |row| row.get(0))
                .optional()?;
            if let Some(other) = other
                && !absorb_listed(tx, file, other, asked)?
            {
                // Google had these bytes: both are one item.
                retire_replaced(tx, file)?;
                merge(tx, file, other)?;
                settled.merged.push((file, other));
                return Ok(());
            }
            files::set_item(tx, file, item, false)?;
            uploads::set_confirming(tx, file)?;
        }
        CreateOutcome::Retry { isolate, error, retry_at, maybe_made } => {
            if *maybe_made {
                uploads::keep_first_call_of(tx, file)?;
            }
            not_made(tx, dir, file)?;
            uploads::retry_create(tx, file, *isolate, error.as_deref(), retry_at.map(to_millis))?;
        }
        CreateOutcome::TokenLost(error) => {
            not_made(tx, dir, file)?;
            uploads::clear_token(tx, file, error)?;
        }
        CreateOutcome::Refused(reason) => {
            set_observed(tx, dir, file, Observed::Absent)?;
            fail(tx, file, reason)?;
        }
    }
    Ok(())
}

/// A call has not made the item: it is not there, unless an earlier one without an answer has made it.
fn not_made(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    if was_asked_for(tx, file)? { Ok(()) } else { set_observed(tx, dir, file, Observed::Absent) }
}

/// A listing may show what a call has made before the call has answered. What it has put into the
/// tree then is `file` itself, and gives way. Returns `false` if `listed` is something else.
fn absorb_listed(tx: &Tx<'_>, file: FileId, listed: FileId, asked: i64) -> Result<bool> {
    let known_before = tx
        .prepare_cached(
            "SELECT 1 FROM files f WHERE f.id = ?1 AND (f.known IS NOT NULL \
             OR EXISTS (SELECT 1 FROM uploads WHERE file = f.id) \
             OR f.listed_at IS NULL OR f.listed_at < ?2 \
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
