//! Sizes of items that were not uploaded from here: Google tells them only as lengths of downloads.
//!
//! Whoever lists a directory waits for them, so what cannot be learnt now must not be waited for again at the
//! next item: trouble with the service stops all asking for a while, and trouble with one item the asking
//! for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::error::Error;
use super::size_requests::{AT_A_TIME, ITEM_TURNS};
use super::{Content, limit};
use crate::api::FailureKind;
use crate::media::{FileId, MediaId};
use crate::store::{self, FileInfo, ListingScope};

/// Two look-ups follow each other if fewer sizes than this are not known between them: some go through a directory with
/// several threads.
const NEAR: u32 = 8;

/// Nobody waits longer for one size.
const TIMEOUT: Duration = Duration::from_secs(8);

impl Content {
    /// Asks for an item's size and keeps it. Waits some seconds at most, not counting those who ask before.
    ///
    /// # Errors
    /// If it cannot be learnt now.
    pub async fn fetch_size(&self, info: &FileInfo) -> Result<u64, Error> {
        let stripe = info.id.0.unsigned_abs() as usize % ITEM_TURNS;
        let _alone = self.sizes.items[stripe].lock().await;
        let _turn = self.sizes.turns.acquire().await.map_err(|_| store::Error::ShuttingDown)?;
        self.sizes.failures.check(info.id)?;
        let requested = tokio::time::timeout(TIMEOUT, self.request_size(info)).await;
        match requested.unwrap_or(Err(Error::TooSlow)) {
            Ok(size) => {
                self.sizes.failures.succeeded(info.id);
                Ok(size)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.sizes.failures.failed(info.id, &error);
                Err(Error::Shared(error))
            }
        }
    }

    async fn request_size(&self, info: &FileInfo) -> Result<u64, Error> {
        let file = info.id;
        // Somebody else may have learnt it while this one waited for its turn.
        if let Some(size) =
            self.store.run(move |store| store.file(file)).await?.and_then(|info| info.size)
        {
            return Ok(size);
        }
        let media = info.media.clone().ok_or(Error::NowhereYet)?;
        // Whoever lists a directory does not wait for a limit to pass.
        let deadline = Instant::now();
        let requested = match self.request_length(file, &media, deadline).await {
            Err(Error::Download(error)) if error.kind() == FailureKind::StaleUrl => {
                self.urls.forget(&media);
                self.request_length(file, &media, deadline).await
            }
            other => other,
        };
        let size = requested?.ok_or(Error::NoSize)?;
        self.store.run(move |store| store.set_rendition_size(&media, size)).await?;
        Ok(size)
    }

    async fn request_length(
        &self,
        file: FileId,
        media: &MediaId,
        deadline: Instant,
    ) -> Result<Option<u64>, Error> {
        let source = self.source(file, media).await?;
        let request = || self.client.download_size(&source.base_url, source.kind);
        limit::send(&self.throttle, deadline.into(), request).await
    }

    /// A file whose size is not known is looked up in a directory. If that is likely to go on, the sizes of those behind
    /// it are learnt in the background.
    ///
    /// # Errors
    /// If the database fails.
    pub fn looked_up(&self, scope: ListingScope, file: FileId) -> store::Result<()> {
        if self.sizes.failures.cached_error(file).is_some() {
            return Ok(());
        }
        let last = self.sizes.walks.lock().last(scope);
        let follows = match last {
            Some(last) => self.store.unsized_between(scope, last, file, NEAR)? < NEAR,
            None => false,
        };
        let count = self.sizes.walks.lock().looked_up(scope, file, follows, Instant::now());
        if count > 0 {
            self.prefetch_sizes_after(scope, file, count);
        }
        Ok(())
    }

    /// Somebody is about to list a directory.
    pub fn listed(&self, scope: ListingScope) {
        self.sizes.walks.lock().listed(scope, Instant::now());
    }

    /// Somebody opens a file.
    pub fn opened(&self, file: FileId) {
        self.sizes.walks.lock().opened(file);
    }

    fn prefetch_sizes_after(&self, scope: ListingScope, file: FileId, count: u32) {
        let content = self.clone();
        self.runtime.spawn(async move {
            // One at a time: it is asked again for every item until the sizes are known.
            let Ok(_alone) = content.sizes.prefetching.try_lock() else { return };
            let unknown =
                content.store.run(move |store| store.unsized_after(scope, file, count)).await;
            // In their order, so that those whose addresses come together are asked for together. What stops one stops
            // all: those behind it do not ask.
            let fetch = async |info| drop(content.fetch_size(&info).await);
            stream::iter(unknown.unwrap_or_default())
                .map(fetch)
                .buffer_unordered(AT_A_TIME)
                .collect::<()>()
                .await;
        });
    }
}
