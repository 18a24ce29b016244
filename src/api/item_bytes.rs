//! The bytes of items of the Library API.

use bytes::Bytes;

use super::Client;
use super::download::Download;
use super::error::Error;
use crate::media::MediaKind;

impl Client {
    /// Downloads an item's bytes from `from` on, or from an earlier offset: see
    /// [`Download::starts_at`]. Sends no token.
    ///
    /// # Errors
    /// `FailureKind::StaleUrl` if the base URL has expired; see [`Error`] for others. A break later
    /// on is an error in the stream.
    pub async fn download(
        &self,
        base_url: &str,
        kind: MediaKind,
        from: u64,
    ) -> Result<Download, Error> {
        self.transport.download(base_url, kind, from).await
    }

    /// Requests the length of an item in bytes without its content. `None` if the server does not
    /// report it.
    ///
    /// # Errors
    /// `FailureKind::StaleUrl` if the base URL has expired; see [`Error`] for others.
    pub async fn download_size(
        &self,
        base_url: &str,
        kind: MediaKind,
    ) -> Result<Option<u64>, Error> {
        self.transport.download_size(base_url, kind).await
    }

    /// Downloads a preview that Google has made of a photo or video, usually a JPEG. It fits into a
    /// square of `pixels`.
    ///
    /// # Errors
    /// As [`Client::download_size`].
    pub async fn thumbnail(&self, base_url: &str, pixels: u32) -> Result<Bytes, Error> {
        self.transport.thumbnail(base_url, pixels).await
    }
}
