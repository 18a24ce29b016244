//! One listing at a time for each subject, however many look at it; page by page into the store.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Error, ITEMS_AGE_MAX, Library, names};
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
    /// One album: its title, and how many items it has.
    Album(DirId),
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
    // Albums that were looked at while it is being asked whether they have changed.
    looked_at: Mutex<HashSet<DirId>>,
    // Since when which albums were asked for one by one.
    asked: Mutex<(Option<SystemTime>, HashSet<DirId>)>,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            listings: Mutex::default(),
            failed: Mutex::new(LruCache::new(FAILURES_MAX)),
            looked_at: Mutex::default(),
            asked: Mutex::default(),
        }
    }
}

impl Running {
    /// The running listing of `subject`.
    pub(super) fn get(&self, subject: Subject) -> Option<Follower> {
        self.listings.lock().get(&subject).cloned()
    }

    /// All that run.
    pub(super) fn all(&self) -> Vec<Follower> {
        self.listings.lock().values().cloned().collect()
    }

    /// The items of an album are to be looked at once it is known whether they have changed.
    pub(super) fn check_after(&self, dir: DirId) {
        self.looked_at.lock().insert(dir);
    }

    /// Whether an album may be asked for by itself: as many as the list of all has pages, in the time
    /// for which an answer holds. Whoever looks at more albums than that gets the list.
    pub(super) fn may_ask(&self, dir: DirId, max: u32, period: Duration, now: SystemTime) -> bool {
        let (since, asked) = &mut *self.asked.lock();
        if !since.is_some_and(|at| now.duration_since(at).is_ok_and(|age| age < period)) {
            *since = Some(now);
            asked.clear();
        }
        let room = asked.len() < usize::try_from(max).unwrap_or(usize::MAX);
        if room {
            asked.insert(dir);
        }
        room
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
                Subject::Album(dir) => library.ask_for_album(dir).await,
                Subject::Items(dir) => library.list_items(dir, &progress).await,
            };
            if let Err(error) = &outcome {
                let error = error as &(dyn std::error::Error + 'static);
                tracing::warn!(?subject, error, "listing failed");
                library.running.failed.lock().put(subject, Instant::now());
            }
            if !matches!(subject, Subject::Items(_))
                && let Err(error) = library.follow_counts(subject).await
            {
                tracing::warn!(%error, "what was looked at could not be looked up");
            }
            library.running.listings.lock().remove(&subject);
            progress.send_modify(|progress| progress.ended = Some(outcome.map_err(Arc::new)));
        });
        follower
    }

    /// The albums that were looked at are listed again if their counts say so.
    async fn follow_counts(&self, told: Subject) -> Result<(), Error> {
        let looked_at: Vec<DirId> = match told {
            Subject::Albums => self.running.looked_at.lock().drain().collect(),
            Subject::Album(dir) | Subject::Items(dir) => {
                self.running.looked_at.lock().remove(&dir).then_some(dir).into_iter().collect()
            }
        };
        let (refresh, now) = (self.config.refresh, self.now());
        let stale = self
            .store
            .run(move |store| {
                let mut stale = Vec::new();
                for dir in looked_at {
                    let album = store.dir(dir)?.and_then(|dir| dir.album);
                    if album.is_some_and(|it| !it.is_fresh(ITEMS_AGE_MAX, refresh, now)) {
                        stale.push(dir);
                    }
                }
                Ok(stale)
            })
            .await?;
        stale.into_iter().for_each(|dir| self.renew(Subject::Items(dir)));
        Ok(())
    }

    /// Asks for one album: a single request, where the list of all takes one for each fifty.
    async fn ask_for_album(&self, dir: DirId) -> Result<(), Error> {
        let now = self.now();
        let (remote, listing) = self
            .store
            .run(move |store| {
                let album = store.dir(dir)?.and_then(|dir| dir.album);
                Ok((album.and_then(|album| album.remote), store.next_listing()?))
            })
            .await?;
        let album = match self.client.get_album(&remote.ok_or(Error::NotAnAlbum)?).await {
            Ok(album) => album,
            // It is for the list to say what is left.
            Err(error) if error.is_album_missing() => {
                self.start(Subject::Albums);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let path = names::for_album(&album.title, &album.id);
        let listed = ListedAlbum { album, path };
        let told = self.store.run(move |store| store.album_listed(&listed, listing, now)).await?;
        self.announce(told.changes);
        Ok(())
    }

    async fn list_albums(&self, progress: &watch::Sender<Progress>) -> Result<(), Error> {
        let listing = self.store.run(|store| store.next_listing()).await?;
        let now = self.now();
        let mut pages = 0;
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
                            store.album_listed(&ListedAlbum { album, path }, listing, now)?.changes,
                        );
                    }
                    Ok(changes)
                })
                .await?;
            self.announce(changes);
            pages += 1;
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
                store.set_albums_listed(now, pages)?;
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
        let began = self.now();
        let mut news = false;
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
            news |= !changes.is_empty();
            self.announce(changes);
            progress.send_modify(|progress| progress.pages += 1);
            match next {
                Some(token) => cursor = Some(token),
                None => break,
            }
        }
        let changes =
            self.store.run(move |store| store.items_complete(dir, listing, began, news)).await?;
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
