//! One listing at a time for each subject, however many look at it; page by page into the store.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;

use super::follower::{Demand, Follower, Pace};
use super::walk::Walk;
use super::{Error, ITEMS_AGE_MAX, Library, names};
use crate::media::{DirId, View};
use crate::store::{ListedAlbum, ListedItem, Pass};

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
            let library = self.clone();
            self.runtime.spawn(async move { library.run(subject, pace).await });
        }
        follower
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
        let path = names::for_album(&album.title, &album.id);
        let listed = ListedAlbum { album, path };
        self.store.run(move |store| store.album_listed(&listed, listing, now)).await?;
        Ok(())
    }

    /// Lists the albums; `false` if the listing was given up on the way.
    async fn list_albums(&self, pace: &mut Pace) -> Result<bool, Error> {
        for last in [false, true] {
            let Some((pass, pages)) = self.albums_pass(last, pace).await? else {
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

    /// Takes all albums into the store once. Returns the pass and its pages, `None` if it was given up.
    async fn albums_pass(&self, last: bool, pace: &mut Pace) -> Result<Option<(Pass, u32)>, Error> {
        let began = self.now();
        let mut listing = self.store.run(|store| store.next_listing()).await?;
        let mut walk = Walk::default();
        loop {
            let page = match self.client.list_albums(walk.token()).await {
                Ok(page) => page,
                Err(error) => {
                    walk.refused(error)?;
                    listing = self.store.run(|store| store.next_listing()).await?;
                    continue;
                }
            };
            let albums = page.items;
            let (is_fresh, latest) = self
                .store
                .run(move |store| {
                    let (latest, shown) = (store.dir_cookies_to_come()?, store.albums_in(listing)?);
                    for album in albums {
                        let path = names::for_album(&album.title, &album.id);
                        store.album_listed(&ListedAlbum { album, path }, listing, began)?;
                    }
                    Ok((store.albums_in(listing)? > shown, latest))
                })
                .await?;
            pace.page_kept(latest);
            if !walk.turn(page.next, is_fresh)? {
                break;
            }
            if !last && !pace.more().await {
                return Ok(None);
            }
        }
        let one_page = walk.pages() == 1;
        Ok(Some((Pass { listing, began, news: false, one_page, last }, walk.pages())))
    }

    /// Lists the items of an album; `false` if the listing was given up on the way.
    async fn list_items(&self, dir: DirId, pace: &mut Pace) -> Result<bool, Error> {
        for last in [false, true] {
            let Some(pass) = self.items_pass(dir, last, pace).await? else { return Ok(false) };
            if !self.store.run(move |store| store.items_complete(dir, &pass)).await? {
                break;
            }
            pace.all_kept();
        }
        Ok(true)
    }

    /// Takes all items of an album into the store once; `None` if that was given up.
    async fn items_pass(
        &self,
        dir: DirId,
        last: bool,
        pace: &mut Pace,
    ) -> Result<Option<Pass>, Error> {
        let began = self.now();
        let mut news = false;
        let (album, mut listing) = self
            .store
            .run(move |store| {
                let album =
                    store.dir(dir)?.and_then(|dir| dir.album).and_then(|album| album.remote);
                Ok((album, store.next_listing()?))
            })
            .await?;
        let album = album.ok_or(Error::NotAnAlbum)?;
        let mut walk = Walk::default();
        loop {
            let page = match self.client.list_album_items(&album, walk.token()).await {
                Ok(page) => page,
                Err(error) => {
                    walk.refused(error)?;
                    listing = self.store.run(|store| store.next_listing()).await?;
                    continue;
                }
            };
            self.base_urls.learn(&page.items);
            let listed: Vec<ListedItem> = page
                .items
                .into_iter()
                .map(|item| ListedItem {
                    names: names::for_item(&item.filename, &item.mime_type, &item.id),
                    item,
                })
                .collect();
            let (kept, latest) = self
                .store
                .run(move |store| {
                    let latest = store.file_cookies_to_come(dir)?;
                    Ok((store.items_listed(dir, &listed, listing)?, latest))
                })
                .await?;
            news |= kept.news;
            pace.page_kept(latest);
            if !walk.turn(page.next, kept.is_fresh)? {
                break;
            }
            if !last && !pace.more().await {
                return Ok(None);
            }
        }
        Ok(Some(Pass { listing, began, news, one_page: walk.pages() == 1, last }))
    }
}

fn as_dyn(error: &Error) -> &(dyn std::error::Error + 'static) {
    error
}
