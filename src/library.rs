//! What is there: albums, items, directory entries, and how fresh that knowledge is.
//!
//! Answers come from the store; this module sees to it that the store holds what Google says, lazily
//! and page by page, and makes, renames and looks for albums. It knows nothing of uploads.

mod listing;
mod listing_handle;
mod moving;
pub mod names;
mod pager;
mod refreshes;
mod views;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, TryStreamExt};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::api::{self, BaseUrls};
use crate::media::{DirId, EntryName};
use crate::store::{self, AlbumIntent, Store, TreeError};

pub use listing::ListingTarget;
use listing_handle::{Extent, Listings};
pub use listing_handle::{ListingHandle, any_progress};
use refreshes::Refreshes;
pub use refreshes::Refreshing;

/// An album's items are listed again at this age even if Google reports no change in their number.
const ITEMS_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// When `mkdir` looks for an album whose creation may have taken effect, one time after the other, before it asks again:
/// Google may still be at it, and its lists may lag.
const SETTLE_PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];

/// How often `mkdir` asks Google for an album at the most.
const CREATE_ATTEMPTS: u32 = 4;

/// While only albums are looked into, the list of albums costs this share of what asking for them does.
const LIST_SHARE: u32 = 20;

/// How many albums are listed at a time when all below a directory are.
const REFRESH_AT_A_TIME: usize = 8;

/// What the library needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The list of albums is looked at again after this time.
    pub refresh: Duration,
    /// What the age of listings is measured with.
    pub clock: Clock,
}

/// Tells the time.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(SystemTime::now))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").finish_non_exhaustive()
    }
}

/// Why the library could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Google could not be asked, or refused.
    #[error("asking Google failed")]
    Api(#[from] api::Error),
    /// What is kept could not be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The name is taken, or the like.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A listing never ends.
    #[error("Google answered the same page again and again")]
    PagesRepeat,
    /// The directory is only the parent of albums.
    #[error("the directory is not an album")]
    NotAnAlbum,
    /// Google takes titles of up to 500 characters, in Unicode.
    #[error("Google does not take this as an album's title: {0}")]
    BadTitle(&'static str),
    /// A listing that somebody else had started failed.
    #[error(transparent)]
    Shared(Arc<Error>),
    /// Each album below a directory that moves costs a request.
    #[error("there are {albums} albums in the directory; up to {max} are moved at once")]
    TooManyBelow {
        /// So many there are.
        albums: usize,
        /// So many there may be.
        max: u32,
    },
}

impl Error {
    /// Whether Google says that there is no such thing.
    fn is_not_found(&self) -> bool {
        match self {
            Self::Api(error) => error.is_not_found(),
            Self::Shared(error) => error.is_not_found(),
            _ => false,
        }
    }
}

/// What is there. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    config: Config,
    store: Store,
    client: api::Client,
    runtime: Handle,
    base_urls: Arc<BaseUrls>,
    listings: Arc<Listings>,
    memory: Arc<listing::Memory>,
    refreshes: Arc<Refreshes>,
    /// The turn of whoever makes an album.
    making: Arc<Semaphore>,
}

impl Library {
    /// Puts the parts together; asks nobody anything.
    pub fn new(
        config: Config,
        store: Store,
        client: api::Client,
        runtime: Handle,
        base_urls: Arc<BaseUrls>,
    ) -> Self {
        let (listings, memory, refreshes) = (Arc::default(), Arc::default(), Arc::default());
        let making = Arc::new(Semaphore::new(1));
        Self { config, store, client, runtime, base_urls, listings, memory, refreshes, making }
    }

    /// Called when somebody looks at a directory: starts what listings are due, in the background.
    ///
    /// Returns the listings whose outcome is not known yet and without which the directory cannot be
    /// told; none if there is something to answer from.
    ///
    /// # Errors
    /// If the database fails.
    pub fn refresh_if_due(&self, dir: DirId) -> Result<Vec<ListingHandle>, store::Error> {
        let now = self.now();
        let mut awaited = Vec::new();
        let listed_at = self.store.albums_listed_at()?;
        if listed_at.is_none() {
            let is_listed = |store: &Store| Ok(store.albums_listed_at()?.is_some());
            awaited.extend(self.start_first(ListingTarget::Albums, is_listed)?);
        }
        let age = listed_at.and_then(|at| now.duration_since(at).ok()).unwrap_or(Duration::MAX);
        match self.store.dir(dir)?.and_then(|dir| dir.album) {
            Some(album) if album.remote.is_some() => {
                if album.listed_at.is_none() {
                    let is_listed = |store: &Store| {
                        let album = store.dir(dir)?.and_then(|dir| dir.album);
                        Ok(album.is_none_or(|album| album.listed_at.is_some()))
                    };
                    awaited.extend(self.start_first(ListingTarget::Items(dir), is_listed)?);
                } else if !self.is_recent(album.told_at, now) {
                    self.check_for_changes(dir, age, now)?;
                } else if !album.is_fresh(ITEMS_AGE_MAX, self.config.refresh, now) {
                    self.relist(ListingTarget::Items(dir));
                }
            }
            _ if listed_at.is_some() && age >= self.config.refresh => {
                self.relist(ListingTarget::Albums)
            }
            _ => {}
        }
        Ok(awaited)
    }

    /// Has Google asked whether an album has changed: by itself, or by the list of all albums, which
    /// also tells of new albums below it, if that costs no more or has not been done for long.
    fn check_for_changes(
        &self,
        dir: DirId,
        list_age: Duration,
        now: SystemTime,
    ) -> Result<(), store::Error> {
        let pages = self.store.albums_pages()?;
        let list_age_max = self.config.refresh.saturating_mul(pages.saturating_mul(LIST_SHARE));
        self.memory.check_after(dir);
        if let Some(albums) = self.listings.get(ListingTarget::Albums) {
            albums.finish();
            return Ok(());
        }
        if pages <= 1
            || list_age >= list_age_max
            || !self.memory.may_ask(dir, pages, self.config.refresh, now)
        {
            self.relist(ListingTarget::Albums);
        } else {
            self.relist(ListingTarget::Album(dir));
        }
        Ok(())
    }

    /// For how long nobody need look whether the names in a directory are still at Google. If that is due, it is
    /// looked at now: then they are good for as long as an answer is.
    ///
    /// # Errors
    /// If the database fails.
    pub fn names_ttl(&self, dir: DirId) -> Result<Duration, store::Error> {
        let (refresh, now) = (self.config.refresh, self.now());
        let told_at = match self.store.dir(dir)?.and_then(|dir| dir.album) {
            Some(album) if album.remote.is_some() => {
                album.is_fresh(ITEMS_AGE_MAX, refresh, now).then_some(album.told_at)
            }
            _ => self.store.albums_listed_at()?,
        };
        let age = told_at.and_then(|at| now.duration_since(at).ok());
        match age.and_then(|age| refresh.checked_sub(age)).filter(|left| !left.is_zero()) {
            Some(left) => Ok(left),
            None => self.refresh_if_due(dir).map(|_| refresh),
        }
    }

    fn is_recent(&self, at: SystemTime, now: SystemTime) -> bool {
        now.duration_since(at).is_ok_and(|age| age < self.config.refresh)
    }

    /// The time by which ages are told.
    fn now(&self) -> SystemTime {
        (self.config.clock.0)()
    }

    /// The listings that run or pause now.
    pub fn running(&self) -> Vec<ListingHandle> {
        self.listings.all()
    }

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
        let albums = self.store.run(move |store| store.distrust_listings(dir)).await?;
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
    async fn relist_now(&self, target: ListingTarget) -> Result<(), Error> {
        if let Some(running) = self.listings.supersede(target) {
            // Its outcome does not matter: the next one's does.
            let _ = running.complete().await;
        }
        self.start(target, Extent::All).complete().await?;
        Ok(())
    }

    /// Makes an album, or shows again one that was hidden. Settles earlier attempts whose outcome is not
    /// known by listing, so that no second album of the title comes about.
    ///
    /// Goes on when the caller has stopped waiting: whoever then asks for the same album waits for the
    /// outcome, which a listing might not show yet.
    ///
    /// # Errors
    /// The name is taken, the title is not one for Google, or Google could not be asked.
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
            AlbumIntent::Unsettled(dir) => (dir, false),
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
                    tracing::info!(title, %error, "the answer to making an album was lost: looking for the album");
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

    /// Looks for an album whose creation may have taken effect.
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

    /// The title of an album at this place.
    async fn title(&self, parent: DirId, name: &EntryName) -> Result<String, Error> {
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
