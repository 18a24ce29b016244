//! The addresses of picked items. The Picker API gives them out only with the list of a session, and
//! only as long as the session lives.

use std::time::Instant;

use super::Content;
use super::error::Error;
use super::picked_urls::Cursor;
use crate::api::{FailureKind, PICKED_ITEMS_MAX, Pager, Source};
use crate::media::{FileId, MediaId, VideoStatus};

impl Content {
    /// The address of a picked item's bytes.
    pub(super) async fn picked_source(
        &self,
        file: FileId,
        picked: &MediaId,
    ) -> Result<Source, Error> {
        let source = match self.picked_urls.known.get(picked) {
            Some(source) => source,
            None => self.list_for(file, picked).await?,
        };
        match source.video {
            None | Some(VideoStatus::Ready) => Ok(source),
            Some(VideoStatus::Failed) => Err(Error::ProcessingFailed),
            Some(VideoStatus::Processing | VideoStatus::Unspecified) => Err(Error::Processing),
        }
    }

    /// Lists the session of an item until the item is there.
    async fn list_for(&self, file: FileId, picked: &MediaId) -> Result<Source, Error> {
        let mut cursor = self.picked_urls.listing.lock().await;
        if let Some(source) = self.picked_urls.known.get(picked) {
            return Ok(source);
        }
        let session = self.store.run(move |store| store.session_of(file)).await?;
        let session = session.ok_or(Error::PickEnded)?;
        if session.expires_at <= std::time::SystemTime::now() {
            return Err(Error::PickEnded);
        }
        let resumed = cursor.take().filter(|it| it.session == session.remote);
        let from_start =
            Cursor { session: session.remote.clone(), pager: Pager::up_to(PICKED_ITEMS_MAX) };
        for mut at in resumed.into_iter().chain([from_start]) {
            let outcome = self.list_on(&mut at, picked).await;
            if let Err(Error::Download(error)) = &outcome {
                match error.kind() {
                    FailureKind::NotFound => {
                        let remote = session.remote;
                        self.store.run(move |store| store.session_ended(&remote)).await?;
                        return Err(Error::PickEnded);
                    }
                    FailureKind::ScopeMissing => return Err(Error::PickForbidden),
                    FailureKind::ApiDisabled => return Err(Error::PickerDisabled),
                    _ => {}
                }
            }
            if let Some(source) = outcome? {
                // Without a token, the list has ended.
                *cursor = Some(at).filter(|it| it.pager.token().is_some());
                return Ok(source);
            }
        }
        Err(Error::PickGone)
    }

    /// Lists a session from a position until the item is there, or to its end.
    async fn list_on(&self, at: &mut Cursor, picked: &MediaId) -> Result<Option<Source>, Error> {
        loop {
            let began = Instant::now();
            let page = match self.client.picker().list_picked(&at.session, at.pager.token()).await {
                Ok(page) => page,
                Err(error) => {
                    at.pager.refused(error)?;
                    continue;
                }
            };
            let has_more = at.pager.advance(page.next)?;
            at.pager.page_stored(page.items.len() as u64)?;
            self.picked_urls.known.remember(&page.items, began);
            let found = page.items.iter().find(|it| it.id == *picked).and_then(Source::of);
            if found.is_some() || !has_more {
                return Ok(found);
            }
        }
    }
}
