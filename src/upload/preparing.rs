//! Prepares a sealed file for its upload: makes a smaller copy of it, if its album is to have one.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::copies::NewCopy;
use super::draft::InFlight;
use super::outcome::Outcome;
use super::sealed_bytes::{blocking, hashed};
use super::shared::Shared;
use super::spool;
use super::state::Sealed;
use crate::crash;
use crate::media::{FileId, Quality, Saver, VideoQuality};
use crate::shrink::Whole;
use crate::store::{Made, Prepared, Sent};

/// The only type of photos of which smaller copies are made.
const JPEG: &str = "image/jpeg";
/// The types of videos of which smaller copies are made.
const FILMS: [&str; 2] = ["video/mp4", "video/quicktime"];

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
    let Some(wanted) = sealed.0.wanted() else { return Ok(Outcome::Prepared) };
    prepared(shared, &sealed, wanted, bytes).await?;
    Ok(Outcome::Prepared)
}

/// Makes a smaller copy and keeps it, or the reason that there is none.
pub(super) async fn prepared(
    shared: &Arc<Shared>,
    sealed: &Sealed,
    quality: String,
    bytes: Arc<File>,
) -> Result<Prepared, Outcome> {
    let (file, seq) = (sealed.0.file, sealed.0.seq);
    let saver = quality.parse().ok().and_then(Quality::saver);
    let made = match saver {
        Some(saver) => made(shared, sealed, bytes, saver).await?,
        None if quality == VideoQuality::EXACT => made_of_video(shared, sealed).await?,
        None => Made::Whole(String::new()),
    };
    let prepared = Prepared { quality, made };
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
    settled(sealed, put)
}

/// As [`made`], for a video.
async fn made_of_video(shared: &Arc<Shared>, sealed: &Sealed) -> Result<Made, Outcome> {
    let (file, seq) = (sealed.0.file, sealed.0.seq);
    let whole = |reason: Whole| Made::Whole(reason.word().to_owned());
    if !FILMS.contains(&&*sealed.0.mime) {
        return Ok(whole(Whole::Format));
    }
    if shared.store.run(move |store| is_copy(store, file)).await? {
        return Ok(whole(Whole::Ours));
    }
    let begun = blocking(shared, move |shared| {
        let copy = shared.spool.new_copy(file, seq)?;
        Ok((copy, shared.spool.room().left(shared.spool.dir())?))
    });
    let (copy, room) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return Ok(whole(no_copy(&error))),
    };
    let input = shared.spool.path(file);
    match shared.videos.shrink(&input, &copy.path, room).await {
        Ok(Ok(())) => {}
        Ok(Err(Whole::Unsure)) if has_no_room(shared).await => return Ok(whole(Whole::NoRoom)),
        Ok(Err(reason)) => return Ok(whole(reason)),
        Err(error) => return Ok(whole(no_copy(&error))),
    }
    crash::point(crash::SHRINK_BEFORE_COPY);
    let kept = blocking(shared, move |shared| keep(shared, (file, seq), copy)).await;
    settled(sealed, kept)
}

/// Whether the disk is full. An encoder that fails for it gives no other sign.
async fn has_no_room(shared: &Arc<Shared>) -> bool {
    let left = blocking(shared, |shared| shared.spool.room().left(shared.spool.dir()));
    left.await.is_ok_and(|left| left == 0)
}

/// The copy lies in the spool, unless the file was written meanwhile, or the disk has failed.
fn settled(sealed: &Sealed, put: io::Result<Option<Sent>>) -> Result<Made, Outcome> {
    match put {
        Ok(Some(sent)) => {
            crash::point(crash::SHRINK_AFTER_COPY);
            note(sealed, sent);
            Ok(Made::Smaller(sent))
        }
        Ok(None) => Err(Outcome::Superseded),
        Err(error) => Ok(Made::Whole(no_copy(&error).word().to_owned())),
    }
}

/// Why a file goes as it is, if its copy cannot be written. To wait until it can might last for ever:
/// the upload of the file frees its own room.
fn no_copy(error: &io::Error) -> Whole {
    if error.kind() == io::ErrorKind::StorageFull {
        return Whole::NoRoom;
    }
    tracing::warn!(%error, "cannot keep a smaller copy, so the original goes");
    Whole::Unsure
}

fn note(sealed: &Sealed, sent: Sent) {
    let (file, seq, from) = (sealed.0.file.0, sealed.0.seq, sealed.0.size);
    tracing::debug!(file, seq, from, to = sent.size, "made a smaller copy");
}

/// Keeps a copy that a program has written, unless the version is void.
fn keep(shared: &Shared, (file, seq): (FileId, i64), copy: NewCopy) -> io::Result<Option<Sent>> {
    let written = File::open(&copy.path)?;
    let size = written.metadata()?.len();
    let (sha256, sha1) = spool::hash(&written)?;
    // As in `put`.
    let _draft = shared.drafts.lock(file);
    if !shared.store.is_current_version(file, seq).map_err(io::Error::other)? {
        return Ok(None);
    }
    shared.spool.keep_copy(file, copy)?;
    Ok(Some(Sent { size, sha256, sha1 }))
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
