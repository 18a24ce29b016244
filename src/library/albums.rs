//! Creates albums, and never two for one `mkdir`.

use std::time::Duration;

use super::error::Error;
use super::listing_handle::ListingTarget;
use super::state::Library;
use crate::api;
use crate::media::{DirId, EntryName};
use crate::store::{self, AlbumIntent};

/// Pauses between the lists in which `mkdir` looks for an album whose creation may have taken
/// effect. Google may still be creating it, and its lists may lag.
const SETTLE_PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];

/// How often `mkdir` asks Google to create an album.
const CREATE_ATTEMPTS: u32 = 4;

impl Library {
    /// Creates an album, or shows a hidden one again. If the outcome of an earlier attempt is
    /// unknown, lists the albums first, so that no second album of this title is created.
    ///
    /// Continues after the caller has stopped waiting. The next caller that asks for the same album
    /// waits for the outcome, which a listing might not show yet.
    ///
    /// # Errors
    /// If the name is taken, Google does not accept the title, or a request fails.
    pub async fn mkdir(&self, parent: DirId, name: EntryName) -> Result<DirId, Error> {
        let turn = self.making.clone().acquire_owned().await;
        let library = self.clone();
        let making = self.runtime.spawn(async move {
            let made = library.make_album(parent, name).await;
            drop(turn);
            made
        });
        making.await.map_err(|_| store::Error::ShuttingDown)?
    }

    async fn make_album(&self, parent: DirId, name: EntryName) -> Result<DirId, Error> {
        self.complete(parent).await?;
        let title = self.title(parent, &name).await?;
        let wanted = title.clone();
        let intent =
            self.store.run(move |store| store.album_intended(parent, &name, &wanted)).await??;
        let (dir, mut settled) = match intent {
            AlbumIntent::Unhidden(dir) => return Ok(dir),
            AlbumIntent::Fresh(dir) => (dir, true),
            AlbumIntent::OutcomeUnknown(dir) => (dir, false),
        };
        let mut attempt = 0;
        loop {
            if !settled && self.found_by_listing(dir).await? {
                return Ok(dir);
            }
            attempt += 1;
            match self.client.create_album(&title).await {
                Ok(album) => {
                    self.store.run(move |store| store.album_created(dir, &album)).await?;
                    return Ok(dir);
                }
                Err(error) if error.may_have_happened() && attempt < CREATE_ATTEMPTS => {
                    tracing::info!(title, %error, "the answer to creating an album was lost: looking for the album");
                    settled = false;
                }
                Err(error) => {
                    if !error.may_have_happened() && settled {
                        self.store.run(move |store| store.album_not_created(dir)).await?;
                    }
                    return Err(error.into());
                }
            }
        }
    }

    /// Whether a list of the albums shows an album whose creation may have taken effect.
    async fn found_by_listing(&self, dir: DirId) -> Result<bool, Error> {
        for pause in SETTLE_PAUSES {
            tokio::time::sleep(pause).await;
            self.relist_now(ListingTarget::Albums).await?;
            let found = self
                .store
                .run(move |store| Ok(store.dir(dir)?.and_then(|dir| dir.album)))
                .await?
                .is_some_and(|album| album.remote.is_some());
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The title of an album with this parent and name.
    pub(super) async fn title(&self, parent: DirId, name: &EntryName) -> Result<String, Error> {
        let last = std::str::from_utf8(name.as_bytes())
            .map_err(|_| Error::BadTitle("it is not UTF-8"))?
            .to_owned();
        let above = self
            .store
            .run(move |store| match store.dir(parent)?.and_then(|dir| dir.album) {
                Some(album) => Ok(album.title),
                None => store.dir_path(parent),
            })
            .await?;
        let title = if above.is_empty() { last } else { format!("{above}/{last}") };
        if title.chars().count() > api::TITLE_CHARS_MAX {
            return Err(Error::BadTitle("it is longer than 500 characters"));
        }
        Ok(title)
    }
}
