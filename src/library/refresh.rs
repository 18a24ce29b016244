//! Lists again, now, and waits for the end.

use futures_util::{StreamExt, TryStreamExt};

use super::error::Error;
use super::listing_handle::{Extent, ListingHandle, ListingTarget};
use super::refreshes::Refreshing;
use super::state::Library;
use crate::media::DirId;

/// How many albums are listed at a time when all below a directory are.
const REFRESH_AT_A_TIME: usize = 8;

impl Library {
    /// Waits until everything that `refresh_if_due` would wait for is complete.
    ///
    /// # Errors
    /// If a listing fails.
    pub async fn complete(&self, dir: DirId) -> Result<(), Error> {
        loop {
            let library = self.clone();
            let awaited = self.store.run(move |_| library.refresh_if_due(dir)).await?;
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

    /// Lists a directory again, now: the albums, and the items of `dir` if it is an album, and of each album below
    /// it of which something has been shown. That costs the pages of those albums, whatever their numbers of items
    /// say: who asks for this by hand does not believe what is known, and a number does not tell that one item has
    /// taken another's place. Albums that nobody has looked into cost nothing.
    ///
    /// # Errors
    /// If a listing fails. What was not reached by then is listed again when it is next looked at.
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

    /// How far the refreshes are that are under way; `None` if there are none.
    pub fn refreshing(&self) -> Option<Refreshing> {
        self.refreshes.now()
    }

    /// An album that has been deleted at Google stays while files in it are only here, and has nothing to list.
    async fn relist_items_now(&self, dir: DirId) -> Result<(), Error> {
        match self.relist_now(ListingTarget::Items(dir)).await {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }

    /// A listing that is running may have begun before what the caller wants to see.
    pub(super) async fn relist_now(&self, target: ListingTarget) -> Result<(), Error> {
        if let Some(running) = self.listings.supersede(target) {
            // Its outcome does not matter: the next one's does.
            let _ = running.complete().await;
        }
        self.start(target, Extent::All).complete().await?;
        Ok(())
    }
}
