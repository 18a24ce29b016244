//! One listing at a time for each subject, however many look at it; page by page into the store.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Error, Library, names};
use crate::media::{DirId, PageToken};
use crate::store::{Change, ListedAlbum, ListedItem};

/// A listing that failed is not begun again before this time unless somebody needs it.
const PAUSE: Duration = Duration::from_secs(30);

/// How many failures are remembered.
const FAILURES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All albums, and so the directories.
    Albums,
    /// The items of one album.
    Items(DirId),
}

/// How far a listing is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Pages that are in the store.
    pub pages: u64,
    /// Set when the listing has ended.
    pub ended: Option<Result<(), Arc<Error>>>,
}

/// Follows a running listing.
pub type Follower = watch::Receiver<Progress>;

/// The listings that are running now: bounded by the number of directories being looked at.
pub(super) struct Running {
    // Held for a lookup or an insert.
    listings: Mutex<HashMap<Subject, Follower>>,
    // Likewise, and never both.
    failed: Mutex<LruCache<Subject, Instant>>,
}

impl Default for Running {
    fn default() -> Self {
        Self { listings: Mutex::default(), failed: Mutex::new(LruCache::new(FAILURES_MAX)) }
    }
}

impl Running {
    /// The running listing of `subject`.
    pub(super) fn get(&self, subject: Subject) -> Option<Follower> {
        self.listings.lock().get(&subject).cloned()
    }

    fn failed_just_now(&self, subject: Subject) -> bool {
        self.failed.lock().peek(&subject).is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// No failure counts any more.
    pub(super) fn forgive(&self) {
        self.failed.lock().clear();
    }
}

impl Library {
    /// Starts listing `subject` again, for the next look: nobody waits for it.
    pub(super) fn renew(&self, subject: Subject) {
        if !self.running.failed_just_now(subject) {
            self.start(subject);
        }
    }

    /// Starts listing `subject`, or joins the listing that is running.
    pub(super) fn start(&self, subject: Subject) -> Follower {
        let mut listings = self.running.listings.lock();
        if let Some(follower) = listings.get(&subject) {
            return follower.clone();
        }
        let (progress, follower) = watch::channel(Progress::default());
        listings.insert(subject, follower.clone());
        drop(listings);
        let library = self.clone();
        self.runtime.spawn(async move {
            let outcome = match subject {
                Subject::Albums => library.list_albums(&progress).await,
                Subject::Items(dir) => library.list_items(dir, &progress).await,
            };
            if let Err(error) = &outcome {
                let error = error as &(dyn std::error::Error + 'static);
                tracing::warn!(?subject, error, "listing failed");
                library.running.failed.lock().put(subject, Instant::now());
            }
            library.running.listings.lock().remove(&subject);
            progress.send_modify(|progress| progress.ended = Some(outcome.map_err(Arc::new)));
        });
        follower
    }

    async fn list_albums(&self, progress: &watch::Sender<Progress>) -> Result<(), Error> {
        let listing = self.store.run(|store| store.next_listing()).await?;
        let mut cursor = None;
        loop {
            let page = self.client.list_albums(cursor.as_ref()).await?;
            let next = next_page(cursor, page.next)?;
            let albums = page.items;
            let changes = self
                .store
                .run(move |store| {
                    let mut changes = Vec::new();
                    for album in albums {
                        let path = names::for_album(&album.title, &album.id);
                        changes.extend(
                            store.album_listed(&ListedAlbum { album, path }, listing)?.changes,
                        );
                    }
                    Ok(changes)
                })
                .await?;
            self.announce(changes);
            progress.send_modify(|progress| progress.pages += 1);
            match next {
                Some(token) => cursor = Some(token),
                None => break,
            }
        }
        let changes = self
            .store
            .run(move |store| {
                let changes = store.albums_complete(listing)?;
                store.set_albums_listed_at(SystemTime::now())?;
                Ok(changes)
            })
            .await?;
        self.announce(changes);
        self.retitle_later();
        Ok(())
    }

    async fn list_items(
        &self,
        dir: DirId,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), Error> {
        let began = SystemTime::now();
        let (album, listing) = self
            .store
            .run(move |store| {
                let album =
                    store.dir(dir)?.and_then(|dir| dir.album).and_then(|album| album.remote);
                Ok((album, store.next_listing()?))
            })
            .await?;
        let album = album.ok_or(Error::NotAnAlbum)?;
        let mut cursor = None;
        loop {
            let page = self.client.list_album_items(&album, cursor.as_ref()).await?;
            let next = next_page(cursor, page.next)?;
            self.base_urls.learn(&page.items);
            let listed: Vec<ListedItem> = page
                .items
                .into_iter()
                .map(|item| ListedItem {
                    names: names::for_item(&item.filename, &item.mime_type, &item.id),
                    item,
                })
                .collect();
            let changes =
                self.store.run(move |store| store.items_listed(dir, &listed, listing)).await?;
            self.announce(changes);
            progress.send_modify(|progress| progress.pages += 1);
            match next {
                Some(token) => cursor = Some(token),
                None => break,
            }
        }
        let changes =
            self.store.run(move |store| store.items_complete(dir, listing, began)).await?;
        self.announce(changes);
        Ok(())
    }

    pub(super) fn announce(&self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| (self.on_change)(change));
    }
}

/// Only the absence of a token ends a listing; a token that repeats would never end it (reference §7.2).
fn next_page(sent: Option<PageToken>, next: Option<PageToken>) -> Result<Option<PageToken>, Error> {
    if next.is_some() && next == sent { Err(Error::PagesRepeat) } else { Ok(next) }
}
