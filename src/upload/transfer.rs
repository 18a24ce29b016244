//! Uploads one file: hashes its bytes, compares them with known items, and sends them.

use std::fs::File;
use std::sync::Arc;

use super::draft::InFlight;
use super::shared::Shared;
use super::spool;
use super::state::Sealed;
use crate::api::{self, FinishError, Payload, RAW_UPLOAD_MAX, UploadSession};
use crate::crash;
use crate::media::{FileId, UploadToken};
use crate::store::{self, Hashed, UploadState};

/// How a transfer ended.
pub(super) enum Outcome {
    /// Google has the bytes and has answered with an upload token.
    Succeeded,
    /// A later write has made the version void. Google has said nothing, so this ends no outage.
    Superseded,
    /// Another file has the same bytes: nothing is uploaded, but an album may lack the item.
    Duplicate,
    /// The resumable session has expired: the next attempt begins a new one.
    SessionGone,
    /// Google refused the upload, or could not be reached.
    Refused(api::Error),
    /// The local disk failed.
    Disk(std::io::Error),
    /// The spool does not hold the bytes that were closed, for this reason.
    Damaged(String),
    /// The database failed.
    Store(store::Error),
}

impl From<store::Error> for Outcome {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for Outcome {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<api::Error> for Outcome {
    fn from(error: api::Error) -> Self {
        Self::Refused(error)
    }
}

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
    let (file, seq) = (sealed.0.file, sealed.0.seq);
    if let Some(damage) = blocking(shared, move |shared| damage(shared, file)).await? {
        return Ok(Outcome::Damaged(damage));
    }
    let bytes = Arc::new(blocking(shared, move |shared| shared.spool.read(file)).await?);
    if bytes.metadata()?.len() != sealed.0.size {
        // A writer has just opened it.
        return Ok(Outcome::Superseded);
    }
    let sealed = match sealed.0.sha1 {
        Some(_) => sealed,
        None => {
            let (sha256, sha1) = hash(shared, bytes.clone()).await?;
            let (next, sealed) = sealed.hashed(&shared.store, sha256, sha1).await?;
            match next {
                Hashed::Upload => sealed,
                Hashed::Duplicate => return Ok(Outcome::Duplicate),
                Hashed::Outdated => return Ok(Outcome::Superseded),
            }
        }
    };
    let payload = Payload {
        file: bytes,
        len: sealed.0.size,
        mime: sealed.0.mime.clone(),
        sha1: sealed.0.sha1.unwrap_or_default(),
        sent: upload.sent.clone(),
    };
    let token = if payload.len <= RAW_UPLOAD_MAX {
        shared.client.upload_raw(&payload).await?
    } else {
        resumable(shared, &sealed, &payload).await?
    };
    crash::point(crash::UPLOAD_AFTER_BYTES);
    tracing::debug!(file = file.0, seq, bytes = payload.len, "uploaded");
    sealed.uploaded(&shared.store, token).await?;
    crash::point(crash::UPLOAD_AFTER_TOKEN);
    Ok(Outcome::Succeeded)
}

/// Why a sealed file cannot be sent, if its bytes were lost or changed since it was closed. A part
/// of a photo must not pass for all of it.
fn damage(shared: &Shared, file: FileId) -> std::io::Result<Option<String>> {
    // No writer begins a new version meanwhile.
    let _draft = shared.drafts.lock(file);
    let info = shared.store.file(file).map_err(std::io::Error::other)?;
    let sealed = info.filter(|info| info.upload == Some(UploadState::Sealed));
    let Some(closed) = sealed.and_then(|info| info.size) else { return Ok(None) };
    match shared.spool.read(file).and_then(|bytes| bytes.metadata()) {
        Ok(meta) if meta.len() == closed => Ok(None),
        Ok(meta) => Ok(Some(format!(
            "it had {closed} bytes when it was closed, and its copy in the spool has {}: something else has changed it",
            meta.len()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Some("its copy in the spool is gone: something else has deleted it".to_owned()))
        }
        Err(error) => Err(error),
    }
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
        Err(FinishError::Api(error)) => {
            // Google has received other bytes, or refuses the session: it cannot be resumed.
            if matches!(error.advice(), api::Advice::GiveUp) {
                shared.store.run(move |store| store.set_session(file, seq, None)).await?;
            }
            Err(error.into())
        }
    }
}

async fn hash(
    shared: &Arc<Shared>,
    bytes: Arc<File>,
) -> std::io::Result<(crate::media::ContentHash, [u8; 20])> {
    blocking(shared, move |_| spool::hash(&*bytes)).await
}

async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let shared = shared.clone();
    tokio::task::spawn_blocking(move || work(&shared)).await.map_err(std::io::Error::other)?
}
