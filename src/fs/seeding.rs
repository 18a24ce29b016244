//! Seeding: thumbnails that Google makes come into the desktop's cache while a file manager shows a
//! directory. Then the file manager need not read the photos.
//!
//! The programs look into the cache for one photo after the other, and open the photos that lack a
//! thumbnail. So a file manager that opens a directory waits for a moment, and then finds the
//! thumbnails. A program that opens a photo without one waits as well: somebody looks at a directory
//! whose thumbnails are missing, and the program finds the others. No open fails, and no read returns
//! other bytes than the photo's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::error::Result;
use super::filesystem::Fs;
use super::node::{Ino, Node};
use super::seeder::{Made, Seeder};
use crate::library::any_progress;
use crate::media::{DirId, FileId};
use crate::store;

/// An open of a photo waits so long at most for the thumbnails of its directory. That of a directory
/// ends if none has come for so long.
const HOLD_MAX: Duration = Duration::from_secs(5);

/// An open of a directory waits so long at most. File managers look into the cache when they have
/// the names. They read each photo that lacks a thumbnail then, even if it gets one meanwhile.
const HOLD_OF_VIEW_MAX: Duration = Duration::from_secs(20);

/// A listing that takes longer gets no thumbnails.
const LISTING_MAX: Duration = Duration::from_secs(60);

impl Fs {
    /// Whether the mount makes thumbnails at all.
    pub fn makes_thumbnails(&self) -> bool {
        self.seeder.is_some()
    }

    /// A program that makes thumbnails is about to open a file. If the file lacks its thumbnail,
    /// returns the wait for the thumbnails of its directory.
    pub fn opened_for_thumbnail(&self, ino: Ino) -> Option<BoxFuture<'static, ()>> {
        let seeder = self.seeder.as_ref()?;
        let Ok(Node::File(file)) = self.node(ino) else { return None };
        let made = self.view_of(seeder, file).unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot look for thumbnails");
            Vec::new()
        });
        if made.is_empty() {
            return None;
        }
        Some(Box::pin(async move {
            let all = async {
                for mut made in made {
                    // The end of a job drops its sender.
                    while made.changed().await.is_ok() {}
                }
            };
            // The open goes on in any case.
            let _ = tokio::time::timeout(HOLD_MAX, all).await;
        }))
    }

    fn view_of(&self, seeder: &Arc<Seeder>, file: FileId) -> Result<Vec<Made>> {
        let Some(info) = self.store.file(file)? else { return Ok(Vec::new()) };
        let mut made = Vec::new();
        for (dir, name) in self.store.names_of(info.id)? {
            if !seeder.lacking(&info, dir, name.as_bytes())?.is_empty() {
                made.extend(seeder.view(dir, Some(info.id)));
            }
        }
        Ok(made)
    }

    /// A program that makes thumbnails opens a directory. If somebody may look at it, returns the wait
    /// for its listing and its thumbnails.
    pub fn opened_for_thumbnails(self: &Arc<Self>, ino: Ino) -> Option<BoxFuture<'static, ()>> {
        let seeder = self.seeder.clone()?;
        let Ok(Node::Dir(dir)) = self.node(ino) else { return None };
        let is_viewed = seeder.is_view(dir);
        let is_album = self.store.dir(dir).is_ok_and(|it| it.is_some_and(|it| it.album.is_some()));
        if !is_viewed || !is_album {
            return None;
        }
        let library = self.library.clone();
        // The work goes on when the wait is over.
        let begun = self.content.runtime().spawn(async move {
            match tokio::time::timeout(LISTING_MAX, library.complete(dir)).await {
                Ok(Ok(())) => seeder.view(dir, None),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "cannot list for thumbnails");
                    None
                }
                Err(_) => None,
            }
        });
        let all = async move {
            let Ok(Ok(Some(mut made))) = tokio::time::timeout(HOLD_MAX, begun).await else {
                return;
            };
            // The end of a job drops its sender.
            while let Ok(Ok(())) = tokio::time::timeout(HOLD_MAX, made.changed()).await {}
        };
        Some(Box::pin(async move {
            let _ = tokio::time::timeout(HOLD_OF_VIEW_MAX, all).await;
        }))
    }

    /// A program of the mount's user opens a directory. With `--thumbnails on`, it gets its
    /// thumbnails as soon as its listing is complete.
    pub fn viewed_by_user(self: &Arc<Self>, ino: Ino) {
        let Some(seeder) = self.seeder.clone().filter(|it| it.follows_listings()) else {
            return;
        };
        let Ok(Node::Dir(dir)) = self.node(ino) else { return };
        let fs = self.clone();
        drop(self.content.runtime().spawn(async move {
            let is_complete = tokio::time::timeout(LISTING_MAX, fs.listing_ends(dir));
            match is_complete.await {
                Ok(Ok(())) => drop(seeder.view(dir, None)),
                Ok(Err(error)) => tracing::debug!(%error, "cannot list for thumbnails"),
                Err(_) => {}
            }
        }));
    }

    /// Waits until all entries of a directory are known. Listings go on as a program reads them.
    async fn listing_ends(self: &Arc<Self>, dir: DirId) -> Result<()> {
        loop {
            let fs = self.clone();
            let due = tokio::task::spawn_blocking(move || fs.library.refresh_if_due(dir));
            let listings = due.await.map_err(|_| store::Error::ShuttingDown)??;
            if listings.is_empty() {
                return Ok(());
            }
            any_progress(listings).await?;
        }
    }
}
