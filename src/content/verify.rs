//! Fetches Google's copy of an item, past the cache: for users who check whether it is a backup.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use img_parts::jpeg::{Jpeg, markers};
use img_parts::png::Png;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::Key;
use super::{Content, Error, limit};
use crate::api::{FailureKind, Source, SourceError};
use crate::media::{ContentHash, FileId, MediaId, MediaKind};
use crate::store::{self, FileInfo};

/// Larger files are only hashed: photos cannot be so large, and parsing takes place in memory.
const TAKEN_APART_MAX: u64 = 200_000_000;

/// Longer copies of a photo are not fetched: Google takes photos of up to 200 MB, and its copies are
/// hardly larger.
const PHOTO_BYTES_MAX: u64 = 250_000_000;

/// Properties of a file, to compare copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The length in bytes.
    pub size: u64,
    /// The hash of all bytes.
    pub sha256: ContentHash,
    /// The hash of the compressed picture without its metadata, for formats that can be parsed
    /// (JPEG and PNG).
    pub picture: Option<ContentHash>,
    /// Width and height in pixels, if it is a picture.
    pub dimensions: Option<(u32, u32)>,
}

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

impl Fingerprint {
    /// Reads and hashes a file. Blocking.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(mut file: &File) -> io::Result<Self> {
        file.rewind()?;
        if file.metadata()?.len() > TAKEN_APART_MAX {
            let mut hasher = Sha256::new();
            let size = io::copy(&mut file, &mut hasher)?;
            let sha256 = ContentHash(hasher.finalize().into());
            return Ok(Self { size, sha256, picture: None, dimensions: None });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let bytes = Bytes::from(bytes);
        let dimensions = imagesize::blob_size(&bytes).ok();
        Ok(Self {
            size: bytes.len() as u64,
            sha256: hash(&bytes),
            dimensions: dimensions.and_then(|it| {
                Some((u32::try_from(it.width).ok()?, u32::try_from(it.height).ok()?))
            }),
            picture: picture(bytes),
        })
    }
}

fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(Sha256::digest(bytes).into())
}

/// The hash of the picture alone; `None` for an unsupported format.
fn picture(bytes: Bytes) -> Option<ContentHash> {
    if let Ok(mut jpeg) = Jpeg::from_bytes(bytes.clone()) {
        // Adobe's segment specifies the coding of colours, so it belongs to the picture.
        jpeg.segments_mut().retain(|it| {
            let about = (markers::APP0..=markers::APP15).contains(&it.marker());
            it.marker() == markers::APP14 || !(about || it.marker() == markers::COM)
        });
        return Some(hash(&jpeg.encoder().bytes()));
    }
    let mut png = Png::from_bytes(bytes).ok()?;
    const ABOUT: [&[u8; 4]; 5] = [b"eXIf", b"iTXt", b"tEXt", b"tIME", b"zTXt"];
    png.chunks_mut().retain(|it| !ABOUT.contains(&&it.kind()));
    Some(hash(&png.encoder().bytes()))
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
        let source = self.source(file, media).await?;
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
        if download.len.is_some_and(|len| len > PHOTO_BYTES_MAX) {
            return Err(Error::TooLong);
        }
        // Deleted when it is dropped.
        let into = Arc::new(self.cache.begin(file)?);
        let counted = Arc::new(self.cache.clone().beside());
        let mut size = 0;
        while let Some(chunk) = download.stream.next().await {
            let (chunk, into, counted) = (chunk?, into.clone(), counted.clone());
            size += chunk.len() as u64;
            if size > PHOTO_BYTES_MAX {
                return Err(Error::TooLong);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A start marker, metadata, a table, and the picture up to its end.
    fn jpeg(about: &[u8], table: u8) -> Bytes {
        let table = [0xff, 0xdb, 0, 3, table];
        let scan = [0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9];
        [&b"\xff\xd8"[..], about, &table, &scan].concat().into()
    }

    #[test]
    fn metadata_does_not_belong_to_the_picture() {
        let plain = picture(jpeg(b"", 7));
        assert!(plain.is_some());
        assert_eq!(picture(jpeg(b"\xff\xe1\0\x06Exif\xff\xfe\0\x04ab", 7)), plain);
        assert_ne!(picture(jpeg(b"", 8)), plain);
        assert_ne!(picture(jpeg(b"\xff\xee\0\x07Adobe", 7)), plain);
        assert_eq!(picture(Bytes::from_static(b"RIFF")), None);
    }
}
