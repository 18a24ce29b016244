//! Fetches Google's copy of an item, past the cache: for users who check whether it is a backup.

use std::io::{self, Write};
use std::sync::Arc;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::key::Key;
use super::measure::check_length;
use super::{Content, Error, limit};
use crate::api::{FailureKind, Source, SourceError};
use crate::media::{FileId, MediaId, MediaKind};
use crate::store::{self, FileInfo};

/// Google's copy of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// A photo, with the fingerprint of its bytes.
    Photo(Fingerprint),
    /// A video, only with its length in bytes: Google always encodes videos anew.
    Video(u64),
    /// Nothing, with Google's message.
    Missing(String),
}

/// The copies to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Google's copy.
    pub google: Returned,
    /// The uploaded bytes, if they are still in the cache.
    pub kept: Option<Fingerprint>,
}

impl Content {
    /// Fetches Google's copy of an item past the cache, without comparing it. A photo costs a media
    /// request, and perhaps a share of a request for its address.
    ///
    /// # Errors
    /// If the download fails, or Google is still processing the item.
    pub async fn fetch_copies(&self, info: &FileInfo) -> Result<Copies, Error> {
        let media = info.media.clone().ok_or(Error::NowhereYet)?;
        let google = match self.returned(info.id, &media).await {
            // The base URL may have expired.
            Err(Error::Download(error)) if error.kind() == FailureKind::StaleUrl => {
                self.urls.forget(&media);
                self.returned(info.id, &media).await
            }
            other => other,
        };
        let google = match google {
            Err(Error::Source(SourceError::Item(status))) => Returned::Missing(status.message),
            other => other?,
        };
        let Some(local) = Key::all_of(info).find_map(|key| self.cache.get(key)) else {
            return Ok(Copies { google, kept: None });
        };
        let kept = blocking(move || Fingerprint::of(&local)).await?;
        // The cached copy may be a download itself.
        Ok(Copies { google, kept: Some(kept).filter(|it| Some(it.sha256) == info.known()) })
    }

    async fn returned(&self, file: FileId, media: &MediaId) -> Result<Returned, Error> {
        let source = self.library_source(file, media).await?;
        match source.kind {
            MediaKind::Photo => Ok(Returned::Photo(self.fingerprint(file, &source).await?)),
            MediaKind::Video => {
                let request = || self.client.download_size(&source.base_url, source.kind);
                let size = limit::send(&self.throttle, self.waits.limit_passes(), request).await?;
                size.map(Returned::Video).ok_or(Error::NoSize)
            }
        }
    }

    async fn fingerprint(&self, file: FileId, source: &Source) -> Result<Fingerprint, Error> {
        let request = || self.client.download(&source.base_url, source.kind, 0);
        let mut download = limit::send(&self.throttle, self.waits.limit_passes(), request).await?;
        check_length(source.kind, download.len.unwrap_or_default())?;
        // Deleted when it is dropped.
        let into = Arc::new(self.cache.begin(file)?);
        let counted = Arc::new(self.cache.clone().beside());
        let mut size = 0;
        while let Some(chunk) = download.stream.next().await {
            let (chunk, into, counted) = (chunk?, into.clone(), counted.clone());
            size += chunk.len() as u64;
            check_length(source.kind, size)?;
            blocking(move || {
                counted.add(chunk.len() as u64);
                into.file().write_all(&chunk)
            })
            .await?;
        }
        if download.len.is_some_and(|len| len != size) {
            return Err(Error::Changed);
        }
        blocking(move || Fingerprint::of(into.file())).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| store::Error::ShuttingDown)??)
}
