//! Uploads one file: hashes its bytes, compares them with known items, and sends them.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::draft::InFlight;
use super::outcome::Outcome;
use super::preparing;
use super::sealed_bytes::{blocking, hashed};
use super::shared::Shared;
use super::state::Sealed;
use crate::api::{self, FinishError, Payload, UploadSession};
use crate::crash;
use crate::media::UploadToken;

/// Uploads a sealed file. Ends early if `upload` is cancelled, because the version is void then.
pub(super) async fn transfer(shared: Arc<Shared>, sealed: Sealed, upload: InFlight) -> Outcome {
    let cancel = upload.cancel.clone();
    tokio::select! {
        outcome = attempt(&shared, sealed, &upload) => outcome.unwrap_or_else(|stopped| stopped),
        () = cancel.cancelled() => Outcome::Superseded,
    }
}

async fn attempt(
    shared: &Arc<Shared>,
    sealed: Sealed,
    upload: &InFlight,
) -> Result<Outcome, Outcome> {
    let (bytes, sealed) = hashed(shared, sealed).await?;
    let seq = sealed.0.seq;
    let (bytes, sha1) = chosen(shared, &sealed, bytes).await?;
    let len = bytes.metadata()?.len();
    let turn = shared.client.upload_turn(seq, len).await;
    upload.begun.store(true, Ordering::Relaxed);
    let payload = Payload {
        len,
        file: bytes,
        mime: sealed.0.mime.clone(),
        sha1,
        sent: upload.sent.clone(),
        turn: Some(turn),
    };
    let token = if goes_raw(shared, &sealed, payload.len) {
        shared.client.upload_raw(&payload).await?
    } else {
        resumable(shared, &sealed, &payload).await?
    };
    crash::point(crash::UPLOAD_AFTER_BYTES);
    tracing::debug!(file = sealed.0.file.0, seq, bytes = payload.len, "uploaded");
    sealed.uploaded(&shared.store, token).await?;
    crash::point(crash::UPLOAD_AFTER_TOKEN);
    Ok(Outcome::Succeeded)
}

/// The bytes to send, with their SHA-1: those of the smaller copy, or of the file itself.
async fn chosen(
    shared: &Arc<Shared>,
    sealed: &Sealed,
    bytes: Arc<File>,
) -> Result<(Arc<File>, [u8; 20]), Outcome> {
    let (file, seq, sha1) = (sealed.0.file, sealed.0.seq, sealed.0.sha1.unwrap_or_default());
    let Some(mut copy) = sealed.0.copy() else { return Ok((bytes, sha1)) };
    if sealed.0.wanted().is_none() && !sealed.0.asked {
        // The quality is another one by now.
        shared.store.run(move |store| store.set_prepared(file, seq, None)).await?;
        return Ok((bytes, sha1));
    }
    let open = move |size| move |shared: &Shared| shared.spool.read_copy(file, size);
    if let Some(found) = blocking(shared, open(copy.size)).await? {
        return Ok((Arc::new(found), copy.sha1));
    }
    tracing::warn!(file = file.0, "the smaller copy in the spool is gone: it is made again");
    // Google may have made an item of the copy that is gone: only the same quality gives its bytes.
    let quality = sealed.0.prepared.as_ref().map(|it| it.quality.clone());
    let quality = quality.or(sealed.0.wanted()).unwrap_or_default();
    let made = preparing::prepared(shared, sealed, quality, bytes.clone()).await?;
    let Some(again) = made.sent() else { return Ok((bytes, sha1)) };
    copy = again;
    match blocking(shared, open(copy.size)).await? {
        Some(found) => Ok((Arc::new(found), copy.sha1)),
        None => Err(Outcome::Superseded),
    }
}

/// Files up to this size go whole on any line, also after a break: a session for them costs more.
const CHEAP_BYTES: u64 = 512 << 10;

/// Whether all bytes go in one request. Not if a session has some of them, nor if they would take
/// long, or have broken off before.
fn goes_raw(shared: &Shared, sealed: &Sealed, len: u64) -> bool {
    let is_quick = sealed.0.past.attempts == 0 && shared.client.fits_in_one_request(len);
    sealed.0.session.is_none() && (len <= CHEAP_BYTES || is_quick)
}

/// Resumes the session in the journal, or begins one and journals it before it sends bytes.
async fn resumable(
    shared: &Shared,
    sealed: &Sealed,
    payload: &Payload,
) -> Result<UploadToken, Outcome> {
    let (file, seq) = (sealed.0.file, sealed.0.seq);
    let known = sealed.0.session.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let session: UploadSession = match known {
        Some(session) => session,
        None => {
            let session = shared.client.start_upload(payload).await?;
            crash::point(crash::UPLOAD_AFTER_START);
            let text = serde_json::to_string(&session).map_err(std::io::Error::other)?;
            shared.store.run(move |store| store.set_session(file, seq, Some(&text))).await?;
            crash::point(crash::UPLOAD_AFTER_SESSION);
            session
        }
    };
    match shared.client.finish_upload(&session, payload).await {
        Ok(token) => Ok(token),
        Err(FinishError::Gone) => {
            shared.store.run(move |store| store.set_session(file, seq, None)).await?;
            Err(Outcome::SessionGone)
        }
        Err(FinishError::Api(error)) if error.is_busy() => Err(Outcome::Busy(error)),
        Err(FinishError::Api(error)) => {
            // Google has received other bytes, or refuses the session: it cannot be resumed.
            if matches!(error.advice(), api::Advice::GiveUp) {
                shared.store.run(move |store| store.set_session(file, seq, None)).await?;
            }
            Err(error.into())
        }
    }
}
