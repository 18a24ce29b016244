//! Prepares a sealed file for its upload: makes a smaller copy of it, if its album is to have one.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::draft::InFlight;
use super::outcome::Outcome;
use super::sealed_bytes::{blocking, hashed};
use super::shared::Shared;
use super::spool;
use super::state::Sealed;
use crate::crash;
use crate::media::{FileId, Quality, Saver};
use crate::shrink::Whole;
use crate::store::{Made, Prepared, Sent};

/// The only type of which smaller copies are made.
const JPEG: &str = "image/jpeg";

/// Prepares a sealed file. Ends early if `upload` is cancelled, because the version is void then.
pub(super) async fn prepare(shared: Arc<Shared>, sealed: Sealed, upload: InFlight) -> Outcome {
    let cancel = upload.cancel.clone();
    tokio::select! {
        outcome = attempt(&shared, sealed) => outcome.unwrap_or_else(|stopped| stopped),
        () = cancel.cancelled() => Outcome::Superseded,
    }
}

async fn attempt(shared: &Arc<Shared>, sealed: Sealed) -> Result<Outcome, Outcome> {
    let (bytes, sealed) = hashed(shared, sealed).await?;
    prepared(shared, &sealed, sealed.0.quality, bytes).await?;
    Ok(Outcome::Prepared)
}

/// Makes a smaller copy and keeps it, or the reason that there is none.
pub(super) async fn prepared(
    shared: &Arc<Shared>,
    sealed: &Sealed,
    quality: Quality,
    bytes: Arc<File>,
) -> Result<Prepared, Outcome> {
    let (file, seq) = (sealed.0.file, sealed.0.seq);
    let made = match quality.saver() {
        Some(saver) => made(shared, sealed, bytes, saver).await?,
        None => Made::Whole(String::new()),
    };
    let prepared = Prepared { quality: quality.exact(), made };
    let kept = prepared.clone();
    if !shared.store.run(move |store| store.set_prepared(file, seq, Some(&kept))).await? {
        return Err(Outcome::Superseded);
    }
    crash::point(crash::SHRINK_AFTER_JOURNAL);
    Ok(prepared)
}

async fn made(
    shared: &Arc<Shared>,
    sealed: &Sealed,
    bytes: Arc<File>,
    saver: Saver,
) -> Result<Made, Outcome> {
    let (file, seq) = (sealed.0.file, sealed.0.seq);
    let whole = |reason: Whole| Made::Whole(reason.word().to_owned());
    if sealed.0.mime != JPEG {
        return Ok(whole(Whole::Format));
    }
    if shared.store.run(move |store| is_copy(store, file)).await? {
        return Ok(whole(Whole::Ours));
    }
    let copy = match shared.shrinkers.shrink(bytes, saver).await? {
        Ok(copy) => copy,
        Err(reason) => return Ok(whole(reason)),
    };
    crash::point(crash::SHRINK_BEFORE_COPY);
    let put = blocking(shared, move |shared| put(shared, (file, seq), &copy)).await;
    let sent = match put {
        Ok(Some(sent)) => sent,
        Ok(None) => return Err(Outcome::Superseded),
        // The upload of the file frees its own room. To wait for room might last for ever.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            return Ok(whole(Whole::NoRoom));
        }
        Err(error) => return Err(error.into()),
    };
    crash::point(crash::SHRINK_AFTER_COPY);
    tracing::debug!(
        file = file.0,
        seq,
        from = sealed.0.size,
        to = sent.size,
        "made a smaller copy"
    );
    Ok(Made::Smaller(sent))
}

/// Whether a file is a smaller copy that was made here.
fn is_copy(store: &crate::store::Store, file: FileId) -> crate::store::Result<bool> {
    match store.file(file)?.and_then(|it| it.sha256) {
        Some(sha256) => store.is_copy(sha256),
        None => Ok(false),
    }
}

/// Puts the copy into the spool, unless the version is void.
fn put(shared: &Shared, (file, seq): (FileId, i64), copy: &[u8]) -> io::Result<Option<Sent>> {
    let (sha256, sha1) = spool::hash(copy)?;
    // No later version puts its copy there meanwhile.
    let _draft = shared.drafts.lock(file);
    if !shared.store.is_current_version(file, seq).map_err(io::Error::other)? {
        return Ok(None);
    }
    shared.spool.put_copy(file, copy)?;
    Ok(Some(Sent { size: copy.len() as u64, sha256, sha1 }))
}
