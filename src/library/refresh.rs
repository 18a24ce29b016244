//! Lists directories now, whatever their age, and waits for the end.

use futures_util::{StreamExt, TryStreamExt};

use super::error::Error;
use super::listing_handle::{Extent, ListingHandle, ListingTarget};
use super::refreshes::Refreshing;
use super::state::Library;
use crate::media::{Caller, DirId};
use crate::store::Store;

/// How many albums of a directory are listed at the same time.
const REFRESH_AT_A_TIME: usize = 8;

impl Library {
    /// Waits until all entries of a directory are known.
    ///
    /// # Errors
    /// If a listing fails.
    pub async fn complete(&self, dir: DirId) -> Result<(), Error> {
        loop {
            let (library, caller) = (self.clone(), Caller::current());
            let due = move |_: &Store| caller.run(|| library.refresh_if_due(dir));
            let awaited = self.store.run(due).await?;
            awaited.iter().for_each(ListingHandle::finish);
            let mut complete = true;
            for handle in awaited {
                complete &= handle.complete().await?;
            }
            if complete {
                return Ok(());
            }
        }
    }

    /// Lists the albums, and the items of all albums at or below `dir` that have been listed
    /// before.
    ///
    /// This takes a request for each page of those albums, even where the number of items is
    /// unchanged: the number does not show that one item has replaced another. Albums that nobody
    /// has accessed cost nothing.
    ///
    /// # Errors
    /// If a listing fails. The remaining albums are listed at their next access.
    pub async fn refresh(&self, dir: DirId) -> Result<(), Error> {
        self.memory.clear_failures();
        self.relist_now(ListingTarget::Albums).await?;
        let albums = self.store.run(move |store| store.invalidate_listings(dir)).await?;
        let refresh = self.refreshes.begin(albums.len());
        let listings = albums.into_iter().map(async |dir| {
            self.relist_items_now(dir).await?;
            refresh.listed();
            Ok(())
        });
        futures_util::stream::iter(listings)
            .buffer_unordered(REFRESH_AT_A_TIME)
            .try_collect::<()>()
            .await
    }

    /// The progress of the running refreshes; `None` if there are none.
    pub fn refreshing(&self) -> Option<Refreshing> {
        self.refreshes.now()
    }

    /// Lists an album, and asks about items that its list does not show yet: the user may have
    /// deleted them meanwhile.
    ///
    /// An album that was deleted at Google stays while it has files that are not uploaded. There is
    /// nothing to list then.
    async fn relist_items_now(&self, dir: DirId) -> Result<(), Error> {
        match self.relist_now(ListingTarget::Items(dir)).await {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.ask_for_unlisted_items(dir).await,
        }
    }

    /// Begins a new listing: a running one may have begun before the changes that the caller
    /// expects.
    pub(super) async fn relist_now(&self, target: ListingTarget) -> Result<(), Error> {
        if let Some(running) = self.listings.supersede(target) {
            // Only the next one's outcome matters.
            let _ = running.complete().await;
        }
        // It is given up only if other users have begun it, and have no share of today's requests.
        while !self.start(target, Extent::All).complete().await? {}
        Ok(())
    }
}
