//! One listing at a time for each subject, however many look at it; page by page into the store.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::OptionFuture;
use lru::LruCache;
use parking_lot::Mutex;

use super::follower::{Demand, Follower, Pace};
use super::walk::Walk;
use super::{Error, ITEMS_AGE_MAX, Library, names};
use crate::api::{self, Page};
use crate::media::{Album, DirId, MediaItem, PageToken, View};
use crate::store::{self, ListedAlbum, ListedItem, PageKept, Pass, Store};

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
    /// What a view shows.
    View(View),
    /// What a view lacks of what is known here: nobody else is asked.
    Known(View),
}

/// What is remembered of listings while the program runs.
pub(super) struct Memory {
    // Each held for a look-up or an insert, and never two.
    failed: Mutex<LruCache<Subject, Instant>>,
    // Albums that were looked at while it is being asked whether they have changed.
    looked_at: Mutex<HashSet<DirId>>,
    // Since when which albums were asked for one by one.
    asked: Mutex<(Option<SystemTime>, HashSet<DirId>)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            failed: Mutex::new(LruCache::new(FAILURES_MAX)),
            looked_at: Mutex::default(),
            asked: Mutex::default(),
        }
    }
}

impl Memory {
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
        if !self.memory.failed_just_now(subject) {
            self.start(subject, Demand::All);
        }
    }

    /// Starts listing `subject`, or joins the listing that is running, and has it go as far as `demand` says.
    pub(super) fn start(&self, subject: Subject, demand: Demand) -> Follower {
        let (follower, pace) = self.listings.join(subject, demand);
        if let Some(pace) = pace {
            self.spawn(subject, pace);
        }
        follower
    }

    /// Starts the first listing of `subject`, or joins it if it is running; `None` if it has ended since whoever calls
    /// found that there was none.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) fn start_first(
        &self,
        subject: Subject,
        is_listed: impl FnOnce(&Store) -> store::Result<bool>,
    ) -> store::Result<Option<Follower>> {
        let (follower, pace) = self.listings.join(subject, Demand::Begin);
        let Some(pace) = pace else { return Ok(Some(follower)) };
        match is_listed(&self.store) {
            Ok(false) => {
                self.spawn(subject, pace);
                Ok(Some(follower))
            }
            known => {
                pace.ended(Ok(()));
                known.map(|_| None)
            }
        }
    }

    fn spawn(&self, subject: Subject, pace: Pace) {
        let library = self.clone();
        self.runtime.spawn(async move { library.run(subject, pace).await });
    }

    async fn run(self, subject: Subject, mut pace: Pace) {
        let outcome = match subject {
            Subject::Albums => self.list_albums(&mut pace).await,
            Subject::Album(dir) => self.ask_for_album(dir).await.map(|()| true),
            Subject::Items(dir) => self.list_items(dir, &mut pace).await,
            Subject::View(view) => self.list_view(view, &mut pace).await,
            Subject::Known(view) => self.show_known(view).await.map(|()| true),
        };
        let outcome = match outcome {
            Ok(true) => Ok(()),
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(?subject, error = as_dyn(&error), "listing failed");
                self.memory.failed.lock().put(subject, Instant::now());
                Err(error)
            }
        };
        if matches!(subject, Subject::Albums | Subject::Album(_))
            && let Err(error) = self.follow_counts(subject).await
        {
            tracing::warn!(%error, "what was looked at could not be looked up");
        }
        pace.ended(outcome);
    }

    /// The albums that were looked at are listed again if their counts say so.
    async fn follow_counts(&self, told: Subject) -> Result<(), Error> {
        let looked_at: Vec<DirId> = match told {
            Subject::Albums => self.memory.looked_at.lock().drain().collect(),
            Subject::View(_) | Subject::Known(_) => Vec::new(),
            Subject::Album(dir) | Subject::Items(dir) => {
                self.memory.looked_at.lock().remove(&dir).then_some(dir).into_iter().collect()
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
                self.start(Subject::Albums, Demand::All);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let listed = listed_album(album);
        self.store.run(move |store| store.album_listed(&listed, listing, now)).await?;
        Ok(())
    }

    /// Lists the albums; `false` if the listing was given up on the way.
    async fn list_albums(&self, pace: &mut Pace) -> Result<bool, Error> {
        for last in [false, true] {
            let began = self.now();
            let keep = |albums: Vec<Album>, listing| async move {
                let keep = move |store: &Store| {
                    let listed: Vec<_> = albums.into_iter().map(listed_album).collect();
                    let latest = store.dir_cookies_to_come()?;
                    let is_fresh = store.albums_listed(&listed, listing, began)?;
                    Ok((PageKept { is_fresh, news: false }, latest))
                };
                self.store.run(keep).await
            };
            let ask = |token: Option<PageToken>| async move {
                self.client.list_albums(token.as_ref()).await
            };
            let Some((pass, pages)) = self.pass(began, last, pace, ask, keep).await? else {
                return Ok(false);
            };
            let doubtful = self
                .store
                .run(move |store| {
                    let doubtful = store.albums_complete(&pass)?;
                    for (dir, album, title) in store.misplaced()? {
                        store.place_again(dir, &album, &names::for_album(&title, &album))?;
                    }
                    let due = doubtful && !last;
                    let at = if due { SystemTime::UNIX_EPOCH } else { pass.began };
                    store.set_albums_listed(at, pages)?;
                    Ok(doubtful)
                })
                .await?;
            if !doubtful {
                break;
            }
            pace.all_kept();
        }
        self.retitle_later();
        Ok(true)
    }

    /// Lists the items of an album; `false` if the listing was given up on the way.
    async fn list_items(&self, dir: DirId, pace: &mut Pace) -> Result<bool, Error> {
        let album = self.store.run(move |store| store.dir(dir)).await?;
        let album = album.and_then(|dir| dir.album?.remote).ok_or(Error::NotAnAlbum)?;
        for last in [false, true] {
            let ask = |token: Option<PageToken>| {
                let album = &album;
                async move { self.client.list_album_items(album, token.as_ref()).await }
            };
            let keep = |items: Vec<MediaItem>, listing| {
                self.base_urls.learn(&items);
                async move {
                    let keep = move |store: &Store| {
                        let latest = store.file_cookies_to_come(dir)?;
                        Ok((store.items_listed(dir, &listed_items(items), listing)?, latest))
                    };
                    self.store.run(keep).await
                }
            };
            let Some((pass, _)) = self.pass(self.now(), last, pace, ask, keep).await? else {
                return Ok(false);
            };
            if !self.store.run(move |store| store.items_complete(dir, &pass)).await? {
                break;
            }
            pace.all_kept();
        }
        Ok(true)
    }

    /// Goes through the pages of a listing once: `ask`s for each, and `keep`s it under the number of the listing. If
    /// the page behind is wanted already, it is asked for while this one is kept. Returns the pass and its pages;
    /// `None` if it was given up. The `last` pass goes to the end, whatever is wanted.
    pub(super) async fn pass<T, Asked, Kept>(
        &self,
        began: SystemTime,
        last: bool,
        pace: &mut Pace,
        ask: impl Fn(Option<PageToken>) -> Asked,
        keep: impl Fn(Vec<T>, i64) -> Kept,
    ) -> Result<Option<(Pass, u32)>, Error>
    where
        Asked: Future<Output = Result<Page<T>, api::Error>>,
        Kept: Future<Output = store::Result<(PageKept, Range<i64>)>>,
    {
        let mut listing = self.store.run(|store| store.next_listing()).await?;
        let (mut walk, mut news, mut ahead) = (Walk::default(), false, None);
        loop {
            let asked = match ahead.take() {
                Some(asked) => asked,
                None => ask(walk.token().cloned()).await,
            };
            let page = match asked {
                Ok(page) => page,
                Err(error) => {
                    walk.refused(error)?;
                    listing = self.store.run(|store| store.next_listing()).await?;
                    continue;
                }
            };
            let more = walk.turn(page.next)?;
            let is_wanted = more && (last || pace.is_wanted_behind_next());
            let next = OptionFuture::from(is_wanted.then(|| ask(walk.token().cloned())));
            let kept = async {
                let (kept, latest) = keep(page.items, listing).await?;
                pace.page_kept(latest);
                Ok::<_, Error>(kept)
            };
            let (kept, asked) = tokio::try_join!(kept, async { Ok(next.await) })?;
            ahead = asked;
            news |= kept.news;
            walk.kept(kept.is_fresh)?;
            if !more {
                let one_page = walk.pages() == 1;
                return Ok(Some((Pass { listing, began, news, one_page, last }, walk.pages())));
            }
            if !last && !pace.more().await {
                return Ok(None);
            }
        }
    }
}

fn listed_album(album: Album) -> ListedAlbum {
    ListedAlbum { path: names::for_album(&album.title, &album.id), album }
}

pub(super) fn listed_items(items: Vec<MediaItem>) -> Vec<ListedItem> {
    let names = |item: &MediaItem| names::for_item(&item.filename, &item.mime_type, &item.id);
    items.into_iter().map(|item| ListedItem { names: names(&item), item }).collect()
}

fn as_dyn(error: &Error) -> &(dyn std::error::Error + 'static) {
    error
}
