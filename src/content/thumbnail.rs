//! Previews made by Google, for file managers that would otherwise read the originals.

use super::{Content, Error, limit};
use crate::api::FailureKind;
use crate::media::MediaId;
use crate::store::FileInfo;

/// The edge, in pixels, of the thumbnails that desktops call large.
const PIXELS: u32 = 256;

impl Content {
    /// Downloads a preview of an item: some kilobytes, usually a JPEG. It costs a media request,
    /// and perhaps a share of a request for its address.
    ///
    /// # Errors
    /// If the item is not at Google yet, or the download fails.
    pub async fn thumbnail(&self, info: &FileInfo) -> Result<Vec<u8>, Error> {
        let media = info.media.clone().ok_or(Error::NowhereYet)?;
        match self.picture_of(info, &media).await {
            // The base URL may have expired.
            Err(Error::Download(error)) if error.kind() == FailureKind::StaleUrl => {
                self.urls.forget(&media);
                self.picture_of(info, &media).await
            }
            other => other,
        }
    }

    async fn picture_of(&self, info: &FileInfo, media: &MediaId) -> Result<Vec<u8>, Error> {
        let source = self.library_source(info.id, media).await?;
        let request = || self.client.thumbnail(&source.base_url, PIXELS);
        Ok(limit::send(&self.throttle, self.waits.limit_passes(), request).await?.to_vec())
    }
}
