//! The bytes of a sealed file: whether they are those that were closed, and their hashes.

use std::fs::File;
use std::sync::Arc;

use super::outcome::Outcome;
use super::shared::Shared;
use super::spool;
use super::state::Sealed;
use crate::media::FileId;
use crate::store::{Hashed, UploadState};

/// The bytes of the file as they were closed. Hashes them, if that has not been done.
pub(super) async fn hashed(
    shared: &Arc<Shared>,
    sealed: Sealed,
) -> Result<(Arc<File>, Sealed), Outcome> {
    let file = sealed.0.file;
    if let Some(damage) = blocking(shared, move |shared| damage(shared, file)).await? {
        return Err(Outcome::Damaged(damage));
    }
    let bytes = Arc::new(blocking(shared, move |shared| shared.spool.read(file)).await?);
    if bytes.metadata()?.len() != sealed.0.size {
        // A writer has just opened it.
        return Err(Outcome::Superseded);
    }
    let sealed = match sealed.0.sha1 {
        Some(_) => sealed,
        None => {
            let (sha256, sha1) = hash(shared, bytes.clone()).await?;
            let (next, sealed) = sealed.hashed(&shared.store, sha256, sha1).await?;
            match next {
                Hashed::Upload => sealed,
                Hashed::Duplicate => return Err(Outcome::Duplicate),
                Hashed::Outdated => return Err(Outcome::Superseded),
            }
        }
    };
    Ok((bytes, sealed))
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

async fn hash(
    shared: &Arc<Shared>,
    bytes: Arc<File>,
) -> std::io::Result<(crate::media::ContentHash, [u8; 20])> {
    blocking(shared, move |_| spool::hash(&*bytes)).await
}

pub(super) async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let shared = shared.clone();
    tokio::task::spawn_blocking(move || work(&shared)).await.map_err(std::io::Error::other)?
}
