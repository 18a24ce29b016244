//! Sizes of items that were not uploaded from here. Google reports them only as lengths of
//! downloads.
//!
//! A program that lists a directory waits for them. It must not wait for a missing size again at
//! every item. So a failure of the service stops all requests for a while, and a failure of one
//! item the requests for this item.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use super::error::Error;
use super::measure::check_length;
use super::size_requests::{AT_A_TIME, ITEM_TURNS};
use super::{Content, limit};
use crate::api::{Advice, FailureKind};
use crate::media::{Caller, FileId, ItemId};
use crate::store::{self, FileInfo, ListingScope};

/// Two lookups count as consecutive if fewer unknown sizes than this lie between them. Some
/// programs walk a directory with several threads.
const NEAR: u32 = 8;

/// A caller waits at most so long for one size.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Of which the item's host may take so long.
const HOST_TIMEOUT: Duration = Duration::from_secs(7);

impl Content {
    /// Requests an item's size and stores it. Waits a few seconds at most, after the callers before
    /// it.
    ///
    /// # Errors
    /// If Google does not report it now.
    pub async fn fetch_size(&self, info: &FileInfo) -> Result<u64, Error> {
        let stripe = info.id.0.unsigned_abs() as usize % ITEM_TURNS;
        let _alone = self.sizes.items[stripe].lock().await;
        let _turn = self.sizes.turns.acquire().await.map_err(|_| store::Error::ShuttingDown)?;
        self.check_share(Caller::current())?;
        self.sizes.failures.check(info.id)?;
        let requested = tokio::time::timeout(TIMEOUT, self.request_size(info)).await;
        match requested.unwrap_or(Err(Error::TooSlow)) {
            Ok(size) => {
                self.sizes.failures.succeeded(info.id);
                Ok(size)
            }
            Err(error) => {
                if error.is_share_used_up() {
                    return Err(error);
                }
                let error = Arc::new(error);
                self.sizes.failures.failed(info.id, &error);
                Err(Error::Shared(error))
            }
        }
    }

    async fn request_size(&self, info: &FileInfo) -> Result<u64, Error> {
        let file = info.id;
        // Another task may have stored it while this one waited for its turn.
        if let Some(size) =
            self.store.run(move |store| store.file(file)).await?.and_then(|info| info.size)
        {
            return Ok(size);
        }
        let item = info.item().ok_or(Error::NowhereYet)?;
        // A program that lists a directory does not wait for the end of a limit.
        let deadline = Instant::now();
        let requested = match self.request_length(file, &item, deadline).await {
            Err(Error::Download(error)) if error.kind() == FailureKind::StaleUrl => {
                self.forget_source(&item);
                self.request_length(file, &item, deadline).await
            }
            other => other,
        };
        let size = requested?.ok_or(Error::NoSize)?;
        self.store.run(move |store| store.set_rendition_size(&item, size)).await?;
        Ok(size)
    }

    async fn request_length(
        &self,
        file: FileId,
        item: &ItemId,
        deadline: Instant,
    ) -> Result<Option<u64>, Error> {
        let source = self.source(file, item).await?;
        let request = || async {
            let picker = self.client.picker();
            let asked = async {
                match item {
                    ItemId::Library(_) => {
                        self.client.download_size(&source.base_url, source.kind).await
                    }
                    ItemId::Picked(_) => picker.download_size(&source.base_url, source.kind).await,
                }
            };
            tokio::time::timeout(HOST_TIMEOUT, asked).await.ok().transpose()
        };
        let request = async {
            let answer = limit::send(&self.throttle, deadline.into(), request).await?;
            let length = answer.ok_or(Error::TooSlow)?;
            length.map(|it| check_length(source.kind, it)).transpose()
        };
        Self::at_host(&self.sizes.failures, &source.base_url, is_of_host, request).await
    }

    /// Records the lookup of a file of unknown size. If more lookups are likely, prefetches the
    /// sizes of the next files in the background.
    ///
    /// # Errors
    /// If the database fails.
    pub fn looked_up(&self, scope: ListingScope, file: FileId) -> store::Result<()> {
        let is_useless = self.sizes.failures.cached_error(file).is_some();
        if is_useless || self.check_share(Caller::current()).is_err() {
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

    /// Records that a program lists a directory.
    pub fn listed(&self, scope: ListingScope) {
        self.sizes.walks.lock().listed(scope, Instant::now());
    }

    /// Records that a program opens a file.
    pub fn opened(&self, file: FileId) {
        self.sizes.walks.lock().opened(file);
    }

    fn prefetch_sizes_after(&self, scope: ListingScope, file: FileId, count: u32) {
        let content = self.clone();
        self.runtime.spawn(Caller::current().run_async(async move {
            // One task at a time: every lookup gets here until the sizes are known.
            let Ok(_alone) = content.sizes.prefetching.try_lock() else { return };
            let unknown =
                content.store.run(move |store| store.unsized_after(scope, file, count)).await;
            // In directory order, so that one request brings the addresses of items that follow
            // each other. A failure that stops one stops all: the negative cache answers the
            // others.
            let fetch = async |info| drop(content.fetch_size(&info).await);
            stream::iter(unknown.unwrap_or_default())
                .map(fetch)
                .buffer_unordered(AT_A_TIME)
                .collect::<()>()
                .await;
        }));
    }
}

/// Whether the failure concerns all items at the same host.
fn is_of_host(error: &Error) -> bool {
    match error {
        Error::TooSlow => true,
        Error::Download(error) => {
            !matches!(error.advice(), Advice::GiveUp) && !error.kind().is_local()
        }
        _ => false,
    }
}
