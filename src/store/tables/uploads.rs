//! Writes the journal of uploads.

use rusqlite::params;

use crate::media::{ContentHash, DirId, FileId, MediaId, UploadToken};
use crate::store::error::Result;
use crate::store::states::{LocalReason, UploadState};
use crate::store::tx::Tx;
use crate::store::write_error::WriteError;

/// The file belongs to a `batchCreate` that is about to be sent.
pub(in crate::store) fn set_creating(
    tx: &Tx<'_>,
    file: FileId,
    dir: DirId,
    call: i64,
) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET state = ?2, dir = ?3, call = ?4 WHERE file = ?1")?
        .execute(params![file, UploadState::Creating, dir, call])?;
    Ok(())
}

/// The answer to this call is lost: it may have made items.
pub(in crate::store) fn keep_first_call(tx: &Tx<'_>, call: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET first_call = coalesce(first_call, call) WHERE call = ?1",
    )?
    .execute([call])?;
    Ok(())
}

/// The call is made again at `retry_at`.
pub(in crate::store) fn retry_call(tx: &Tx<'_>, call: i64, retry_at: i64) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET retry_at = ?2 WHERE call = ?1 AND state = ?3")?
        .execute(params![call, retry_at, UploadState::Creating])?;
    Ok(())
}

/// The file has left the journal.
pub(in crate::store) fn delete(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM uploads WHERE file = ?1")?.execute([file])?;
    Ok(())
}

/// The item has arrived, but no listing has shown it: its bytes stay here. `retry_at` is when a
/// listing is made for it; `None` leaves it to listings made for other reasons.
pub(in crate::store) fn set_unseen(
    tx: &Tx<'_>,
    file: FileId,
    attempts: u32,
    retry_at: Option<i64>,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, seq = NULL, attempts = ?3, retry_at = ?4, error = NULL \
         WHERE file = ?1",
    )?
    .execute(params![file, UploadState::Unseen, attempts, retry_at])?;
    Ok(())
}

/// Google had the bytes from another program, and does not show the item: the bytes stay here. It
/// counts as tried, so that no listing is made for it.
pub(in crate::store) fn set_withheld(tx: &Tx<'_>, file: FileId, reason: &str) -> Result<()> {
    set_unseen(tx, file, 1, None)?;
    tx.prepare_cached("UPDATE uploads SET error = ?2 WHERE file = ?1")?
        .execute(params![file, reason])?;
    Ok(())
}

/// Google had the item `media` before it was asked to make it, and has failed to show it so often.
pub(in crate::store) fn set_had_before(
    tx: &Tx<'_>,
    file: FileId,
    media: &MediaId,
    attempts: u32,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET made = ?2, attempts = ?3, retry_at = NULL WHERE file = ?1",
    )?
    .execute(params![file, media, attempts])?;
    Ok(())
}

/// The item `media` is lost: the bytes are uploaded again. If Google answers with the same id, it
/// is not a new one. `counted` says whether that is a loss of the file's own.
pub(in crate::store) fn set_lost(
    tx: &Tx<'_>,
    file: FileId,
    media: &MediaId,
    counted: bool,
    error: &str,
) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET state = ?2, attempts = 1, own_failures = 0, failing_since = NULL, lost = lost + ?5, made = ?3, token = NULL, token_at = NULL, \
         first_call = NULL, retry_at = NULL, error = ?4 WHERE file = ?1")?.execute(params![file, UploadState::Sealed, media, error, counted])?;
    Ok(())
}

/// Google has answered with an item; a later listing must show it. `made` is its id if Google had
/// it before the call.
pub(in crate::store) fn set_confirming(
    tx: &Tx<'_>,
    file: FileId,
    made: Option<&MediaId>,
) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET state = ?2, made = ?3, session = NULL, token = NULL, token_at = NULL, dir = NULL, call = NULL, \
         first_call = NULL, attempts = 0, own_failures = 0, failing_since = NULL, isolate = 0, retry_at = NULL, error = NULL WHERE file = ?1")?.execute(params![file, UploadState::Confirming, made])?;
    expect_proof(tx, file)
}

/// Only a listing that begins from now on proves that Google has the file's bytes.
pub(in crate::store) fn expect_proof(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET claimed_at = ?2, listing_before = \
         coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'listing'), 0) WHERE file = ?1",
    )?
    .execute(params![file, tx.now_millis()])?;
    Ok(())
}

/// The bytes do not count as those of another item any more: they are uploaded themselves.
pub(in crate::store) fn upload_after_all(tx: &Tx<'_>, sha256: ContentHash) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET base = NULL, attempts = 0, own_failures = 0, failing_since = NULL, retry_at = NULL, error = NULL \
         WHERE state = ?2 AND file IN (SELECT id FROM files WHERE known = ?1)",
    )?
    .execute(params![sha256, UploadState::Sealed])?;
    Ok(())
}

/// The answer to the file's call is lost: it may have made an item.
pub(in crate::store) fn keep_first_call_of(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET first_call = coalesce(first_call, call) WHERE file = ?1",
    )?
    .execute([file])?;
    Ok(())
}

/// The file waits for another `batchCreate` with the same token.
pub(in crate::store) fn retry_create(
    tx: &Tx<'_>,
    file: FileId,
    isolate: bool,
    retry_at: Option<i64>,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, dir = NULL, call = NULL, isolate = max(isolate, ?3), \
         retry_at = ?4 WHERE file = ?1",
    )?
    .execute(params![file, UploadState::Uploaded, isolate, retry_at])?;
    Ok(())
}

/// The upload token is void: the bytes are uploaded again.
pub(in crate::store) fn clear_token(
    tx: &Tx<'_>,
    file: FileId,
    retry_at: Option<i64>,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, dir = NULL, call = NULL, token = NULL, token_at = NULL, \
         retry_at = ?3 WHERE file = ?1",
    )?
    .execute(params![file, UploadState::Sealed, retry_at])?;
    Ok(())
}

/// No upload replaces this version any more.
pub(in crate::store) fn clear_replaces(tx: &Tx<'_>, old: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET replaces = NULL WHERE replaces = ?1")?.execute([old])?;
    Ok(())
}

/// The file is sealed, or stays here.
pub(in crate::store) fn set_sealed(
    tx: &Tx<'_>,
    file: FileId,
    state: UploadState,
    stays_here: Option<LocalReason>,
    seq: Option<i64>,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, stays_here = ?3, seq = ?4, session = NULL, retry_at = NULL \
         WHERE file = ?1 AND state IN ('open', 'scratch', 'sealed')",
    )?
    .execute(params![file, state, stays_here, seq])?;
    expect_proof(tx, file)
}

/// Keeps the bytes that the file lacks, or that it lacks none.
pub(in crate::store) fn set_write_error(
    tx: &Tx<'_>,
    file: FileId,
    error: Option<&WriteError>,
) -> Result<()> {
    let errno = error.map(|it| it.errno);
    // The kernel knows no greater offsets.
    let offset = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let missing = error.map(|it| (offset(it.missing.start), offset(it.missing.end)));
    let (from, to) = missing.unzip();
    tx.prepare_cached(
        "UPDATE uploads SET write_errno = ?2, missing_from = ?3, missing_to = ?4 \
         WHERE file = ?1 AND state IN ('scratch', 'sealed', 'failed')",
    )?
    .execute(params![file, errno, from, to])?;
    Ok(())
}

/// Keeps or forgets the resumable session of a version.
pub(in crate::store) fn set_session(
    tx: &Tx<'_>,
    file: FileId,
    seq: i64,
    session: Option<&str>,
) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET session = ?3 WHERE file = ?1 AND seq = ?2")?
        .execute(params![file, seq, session])?;
    Ok(())
}

/// Google has the bytes.
pub(in crate::store) fn set_uploaded(
    tx: &Tx<'_>,
    file: FileId,
    token: &UploadToken,
    at: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, token = ?3, token_at = ?4, session = NULL, \
         retry_at = NULL WHERE file = ?1",
    )?
    .execute(params![file, UploadState::Uploaded, token, at])?;
    Ok(())
}

/// No upload waits for its time any more. The time of an unseen item is that of its next listing.
pub(in crate::store) fn retry_all_now(tx: &Tx<'_>) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET retry_at = NULL WHERE retry_at IS NOT NULL AND state <> ?1",
    )?
    .execute([UploadState::Unseen])?;
    Ok(())
}

/// Counts a failure. `own` says whether other files succeeded meanwhile.
pub(in crate::store) fn count_failure(
    tx: &Tx<'_>,
    file: FileId,
    error: &str,
    own: bool,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET attempts = attempts + 1, own_failures = own_failures + ?3, \
         failing_since = coalesce(failing_since, ?4), error = ?2 WHERE file = ?1",
    )?
    .execute(params![file, error, own, tx.now_millis()])?;
    Ok(())
}

/// This version is not tried again before `retry_at`. Returns whether it is the current one.
pub(in crate::store) fn set_retry_at(
    tx: &Tx<'_>,
    file: FileId,
    seq: i64,
    retry_at: i64,
) -> Result<bool> {
    let changed = tx
        .prepare_cached("UPDATE uploads SET retry_at = ?3 WHERE file = ?1 AND seq = ?2")?
        .execute(params![file, seq, retry_at])?;
    Ok(changed > 0)
}

/// Tokens from before a time are void: their bytes are uploaded again. Returns how many there were.
pub(in crate::store) fn expire_tokens(tx: &Tx<'_>, before: i64) -> Result<usize> {
    Ok(tx.prepare_cached("UPDATE uploads SET state = ?1, token = NULL, token_at = NULL, first_call = coalesce(first_call, call), dir = NULL, call = NULL \
         WHERE state IN ('uploaded', 'creating') AND token_at < ?2")?.execute(params![UploadState::Sealed, before])?)
}

/// The file is open for writing: its upload is void.
pub(in crate::store) fn set_open(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, stays_here = NULL, seq = NULL, session = NULL, token = NULL, token_at = NULL, \
         attempts = 0, own_failures = 0, failing_since = NULL, isolate = 0, lost = 0, made = NULL, retry_at = NULL, error = NULL, write_errno = NULL, \
         missing_from = NULL, missing_to = NULL WHERE file = ?1",
    )?
    .execute(params![file, UploadState::Open])?;
    Ok(())
}

/// A refused file is sealed again, as if nothing had been tried.
pub(in crate::store) fn requeue(
    tx: &Tx<'_>,
    file: FileId,
    state: UploadState,
    stays_here: Option<LocalReason>,
    seq: Option<i64>,
) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET state = ?2, stays_here = ?3, seq = ?4, attempts = 0, own_failures = 0, failing_since = NULL, isolate = 0, lost = 0, \
         error = NULL WHERE file = ?1")?.execute(params![file, state, stays_here, seq])?;
    expect_proof(tx, file)
}

/// Adds a file that is open for writing.
pub(in crate::store) fn insert(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("INSERT INTO uploads (file, state) VALUES (?1, ?2)")?
        .execute(params![file, UploadState::Open])?;
    Ok(())
}

/// The row in the journal belongs to another file.
pub(in crate::store) fn move_to(tx: &Tx<'_>, file: FileId, to: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET file = ?2 WHERE file = ?1")?
        .execute(params![file, to])?;
    Ok(())
}

/// Uploads that replaced one version replace another instead.
pub(in crate::store) fn replace_instead(tx: &Tx<'_>, old: FileId, instead: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET replaces = ?2 WHERE replaces = ?1")?
        .execute(params![old, instead])?;
    Ok(())
}

/// Adds a file that is open for writing and replaces its old version.
pub(in crate::store) fn insert_edit(
    tx: &Tx<'_>,
    file: FileId,
    base: Option<ContentHash>,
    old: FileId,
) -> Result<()> {
    tx.prepare_cached("INSERT INTO uploads (file, state, base, replaces) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![file, UploadState::Open, base, old])?;
    Ok(())
}

/// The file replaces no version any more.
pub(in crate::store) fn clear_replaced(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET replaces = NULL WHERE file = ?1")?.execute([file])?;
    Ok(())
}

/// Google has refused the file for good.
pub(in crate::store) fn set_failed(tx: &Tx<'_>, file: FileId, reason: &str) -> Result<()> {
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, seq = NULL, token = NULL, token_at = NULL, session = NULL, \
         dir = NULL, call = NULL, first_call = NULL, made = NULL, retry_at = NULL, replaces = NULL, \
         stays_here = NULL, error = ?3 WHERE file = ?1",
    )?
    .execute(params![file, UploadState::Failed, reason])?;
    Ok(())
}

/// Google had made this item of a refused file. If it answers with the same id again, the item is
/// not a new one.
pub(in crate::store) fn keep_made(tx: &Tx<'_>, file: FileId, media: &MediaId) -> Result<()> {
    tx.prepare_cached("UPDATE uploads SET made = ?2 WHERE file = ?1")?
        .execute(params![file, media])?;
    Ok(())
}
