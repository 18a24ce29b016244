//! Runs listings: at most one for each target, page by page into the store.

use std::ops::Range;
use std::time::SystemTime;

use futures_util::future::OptionFuture;
use jiff::Timestamp;

use super::error::Error;
use super::freshness::ITEMS_AGE_MAX;
use super::listing_handle::{Extent, ListingDriver, ListingHandle, ListingTarget};
use super::names;
use super::state::Library;
use crate::api::{self, ALBUM_ITEMS_MAX, FailureKind, Page, Pager, QuotaKind, Unending};
use crate::error_chain::chain;
use crate::media::{Album, Caller, DirId, MediaItem, PageToken};
use crate::store::{self, ListedAlbum, ListedItem, PageKept, Pass, Store};

/// How many albums there may be. Google states no limit, and this list takes 2,000 requests.
const ALBUMS_MAX: u64 = 100_000;

/// A listing may show twice as many items as Google has counted, and so many more: others may be
/// adding some.
const COUNT_LAG_MAX: u64 = 1000;

impl Library {
    /// Whether the caller may cause another request today.
    pub(super) fn has_share(&self) -> bool {
        self.client.budget().has_share(Caller::current(), QuotaKind::Api, Timestamp::now())
    }

    /// Starts a listing of `target` that nobody waits for.
    pub(super) fn relist(&self, target: ListingTarget) {
        if !self.memory.failed_just_now(target) && self.has_share() {
            self.start(target, Extent::All);
        }
    }

    /// Starts a listing of `target`, or joins the running one, and extends it to `extent`.
    pub(super) fn start(&self, target: ListingTarget, extent: Extent) -> ListingHandle {
        let (handle, driver) = self.listings.join(target, extent);
        if let Some(driver) = driver {
            self.spawn(target, driver);
        }
        handle
    }

    /// Starts the first listing of `target`, or joins it. Returns `None` if it has ended since the
    /// caller found that there was none. For another user without a share of today's requests, the
    /// listing has failed, and so has one that did not end a short time ago.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) fn start_first(
        &self,
        target: ListingTarget,
        is_listed: impl FnOnce(&Store) -> store::Result<bool>,
    ) -> store::Result<Option<ListingHandle>> {
        if !self.has_share() {
            let refused = || ListingHandle::failed(api::Error::ShareUsedUp(QuotaKind::Api).into());
            return is_listed(&self.store).map(|is_listed| (!is_listed).then(refused));
        }
        if let Some(why) = self.memory.unending_just_now(target) {
            let failed = || ListingHandle::failed(why.into());
            return is_listed(&self.store).map(|is_listed| (!is_listed).then(failed));
        }
        let (handle, driver) = self.listings.join(target, Extent::FirstPage);
        let Some(driver) = driver else { return Ok(Some(handle)) };
        match is_listed(&self.store) {
            Ok(false) => {
                self.spawn(target, driver);
                Ok(Some(handle))
            }
            known => {
                driver.ended(Ok(()));
                known.map(|_| None)
            }
        }
    }

    fn spawn(&self, target: ListingTarget, driver: ListingDriver) {
        let (library, callers) = (self.clone(), driver.callers());
        self.runtime.spawn(callers.run_async(async move { library.run(target, driver).await }));
    }

    async fn run(self, target: ListingTarget, mut driver: ListingDriver) {
        let outcome = match target {
            ListingTarget::Albums => self.list_albums(&mut driver).await,
            ListingTarget::Album(dir) => self.ask_for_album(dir).await.map(|()| true),
            ListingTarget::Items(dir) => self.list_items(dir, &mut driver).await,
            ListingTarget::View(view) => self.list_view(view, &mut driver).await,
            ListingTarget::Known(view) => self.show_known(view).await.map(|()| true),
        };
        let outcome = match outcome {
            Ok(true) => Ok(()),
            Ok(false) => return,
            // The owner's listing would not fail, so this one leaves no trace.
            Err(error) if error.is_share_used_up() => return driver.refused(),
            Err(error) => {
                tracing::warn!("cannot list {}: {}", self.words_for(target).await, chain(&error));
                match &error {
                    Error::Unending(why) => {
                        self.memory.did_not_end(target, *why, driver.pages());
                    }
                    _ => self.memory.failed(target),
                }
                Err(error)
            }
        };
        if matches!(target, ListingTarget::Albums | ListingTarget::Album(_))
            && let Err(error) = self.follow_counts(target).await
        {
            tracing::warn!(%error, "cannot read which albums have changed");
        }
        driver.ended(outcome);
    }

    /// A target, in the words of the log.
    async fn words_for(&self, target: ListingTarget) -> String {
        match target {
            ListingTarget::Albums => "the albums".to_owned(),
            ListingTarget::Album(dir) | ListingTarget::Items(dir) => {
                let path = self.store.run(move |store| store.dir_path(dir)).await;
                path.map_or_else(|_| "an album".to_owned(), |path| format!("the album {path}"))
            }
            ListingTarget::View(_) | ListingTarget::Known(_) => "a view of the library".to_owned(),
        }
    }

    /// Lists the albums again that were accessed meanwhile and whose counts do not match.
    async fn follow_counts(&self, listed: ListingTarget) -> Result<(), Error> {
        let accessed = self.memory.take_to_check(listed);
        let (refresh, now) = (self.config.refresh, self.now());
        let stale = self
            .store
            .run(move |store| {
                let mut stale = Vec::new();
                for (dir, caller) in accessed {
                    let album = store.dir(dir)?.and_then(|dir| dir.album);
                    if album.is_some_and(|it| !it.is_fresh(ITEMS_AGE_MAX, refresh, now)) {
                        stale.push((dir, caller));
                    }
                }
                Ok(stale)
            })
            .await?;
        for (dir, caller) in stale {
            caller.run(|| self.relist(ListingTarget::Items(dir)));
        }
        Ok(())
    }

    /// Requests one album. The list of all albums takes a request for each fifty.
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
            // The album is gone if the list lacks it, too.
            Err(error) if error.kind() == FailureKind::AlbumMissing => {
                self.memory.failed(ListingTarget::Album(dir));
                self.start(ListingTarget::Albums, Extent::All);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let listed = listed_album(album);
        self.store.run(move |store| store.album_listed(&listed, listing, now)).await?;
        Ok(())
    }

    /// Lists the albums. Returns `false` if the listing was given up before its end.
    async fn list_albums(&self, driver: &mut ListingDriver) -> Result<bool, Error> {
        let began = self.now();
        let store_page = |albums: Vec<Album>, listing| async move {
            let write = move |store: &Store| {
                let listed: Vec<_> = albums.into_iter().map(listed_album).collect();
                let latest = store.dir_cookies_to_come()?;
                let is_fresh = store.albums_listed(&listed, listing, began)?;
                let fresh = if is_fresh { listed.len() as u64 } else { 0 };
                Ok((PageKept { fresh, news: false }, latest))
            };
            self.store.run(write).await
        };
        let fetch =
            |token: Option<PageToken>| async move { self.client.list_albums(token.as_ref()).await };
        let passed =
            self.pass(began, false, driver, Pager::up_to(ALBUMS_MAX), fetch, store_page).await?;
        let Some((pass, pages)) = passed else { return Ok(false) };
        driver.all_stored();
        self.ask_for_missing_albums(pass.listing).await?;
        self.store
            .run(move |store| {
                for (dir, album, title) in store.conflict_named_albums()? {
                    store.restore_album_name(dir, &album, &names::for_album(&title, &album))?;
                }
                store.set_albums_listed(pass.began, pages)
            })
            .await?;
        self.send_album_renames_later();
        Ok(true)
    }

    /// Lists the items of an album. Returns `false` if the listing was given up before its end.
    async fn list_items(&self, dir: DirId, driver: &mut ListingDriver) -> Result<bool, Error> {
        let album = self.store.run(move |store| store.dir(dir)).await?;
        let album = album.and_then(|dir| dir.album?.remote).ok_or(Error::NotAnAlbum)?;
        let mut items_max = self.items_max(dir).await?;
        for last in [false, true] {
            let fetch = |token: Option<PageToken>| {
                let album = &album;
                async move { self.client.list_album_items(album, token.as_ref()).await }
            };
            let store_page = |items: Vec<MediaItem>, listing| {
                self.base_urls.remember(&items);
                async move {
                    let write = move |store: &Store| {
                        let latest = store.file_cookies_to_come(dir)?;
                        Ok((store.items_listed(dir, &listed_items(items), listing)?, latest))
                    };
                    self.store.run(write).await
                }
            };
            let pager = Pager::up_to(items_max);
            let passed = match self.pass(self.now(), last, driver, pager, &fetch, &store_page).await
            {
                Err(Error::Unending(Unending::TooLong)) => {
                    let before = items_max;
                    items_max = self.items_max_now(dir).await?;
                    if items_max <= before {
                        return Err(Unending::TooLong.into());
                    }
                    let pager = Pager::up_to(items_max);
                    self.pass(self.now(), last, driver, pager, &fetch, &store_page).await?
                }
                passed => passed?,
            };
            let Some((pass, _)) = passed else { return Ok(false) };
            if !self.store.run(move |store| store.items_complete(dir, &pass)).await? {
                return Ok(true);
            }
            driver.all_stored();
        }
        match self.ask_for_missing_items(dir).await {
            Err(error) if error.is_share_used_up() => {
                self.store.run(move |store| store.set_items_due(dir)).await?;
                return Err(error);
            }
            Err(error) => {
                tracing::info!(%error, "cannot ask about items that a list lacks: they stay")
            }
            Ok(()) => {}
        }
        Ok(true)
    }

    /// How many items a listing of the album may show: Google's count may lag, but not by any number.
    async fn items_max(&self, dir: DirId) -> Result<u64, Error> {
        let album = self.store.run(move |store| store.dir(dir)).await?.and_then(|it| it.album);
        // A count that Google does not give is 0.
        let count = album.map(|it| it.count_hint).filter(|count| *count > 0);
        Ok(count.map_or(ALBUM_ITEMS_MAX, |count| {
            count.saturating_mul(2).saturating_add(COUNT_LAG_MAX).min(ALBUM_ITEMS_MAX)
        }))
    }

    /// As [`Library::items_max`], by a count that Google gives now.
    async fn items_max_now(&self, dir: DirId) -> Result<u64, Error> {
        self.ask_for_album(dir).await?;
        self.items_max(dir).await
    }

    /// Goes through the pages of a listing once. It requests each page with `fetch`, and writes it
    /// to the store with `store_page`, under the number of the listing. If a reader wants the page
    /// after it, that is requested at the same time. The `pager` has the limits of the listing.
    ///
    /// Returns the pass and its number of pages, or `None` if the listing was given up. The `last`
    /// pass always goes to the end.
    pub(super) async fn pass<T, Fetched, Stored>(
        &self,
        began: SystemTime,
        last: bool,
        driver: &mut ListingDriver,
        mut pager: Pager,
        fetch: impl Fn(Option<PageToken>) -> Fetched,
        store_page: impl Fn(Vec<T>, i64) -> Stored,
    ) -> Result<Option<(Pass, u32)>, Error>
    where
        Fetched: Future<Output = Result<Page<T>, api::Error>>,
        Stored: Future<Output = store::Result<(PageKept, Range<i64>)>>,
    {
        let mut listing = self.store.run(|store| store.next_listing()).await?;
        let (mut news, mut prefetched) = (false, None);
        loop {
            let fetched = match prefetched.take() {
                Some(page) => page,
                None => fetch(pager.token().cloned()).await,
            };
            let page = match fetched {
                Ok(page) => page,
                Err(error) => {
                    pager.refused(error)?;
                    listing = self.store.run(|store| store.next_listing()).await?;
                    continue;
                }
            };
            let more = pager.advance(page.next)?;
            let is_wanted = more && (last || driver.is_page_after_next_wanted());
            let next = OptionFuture::from(is_wanted.then(|| fetch(pager.token().cloned())));
            let storing = async {
                let (stored, latest) = store_page(page.items, listing).await?;
                driver.page_stored(latest);
                Ok::<_, Error>(stored)
            };
            let (stored, fetched) = tokio::try_join!(storing, async { Ok(next.await) })?;
            prefetched = fetched;
            news |= stored.news;
            pager.page_stored(stored.fresh)?;
            if !more {
                return Ok(Some((Pass { listing, began, news, last }, pager.pages())));
            }
            if !last && !driver.more().await {
                return Ok(None);
            }
        }
    }
}

pub(super) fn listed_album(album: Album) -> ListedAlbum {
    ListedAlbum { path: names::for_album(&album.title, &album.id), album }
}

pub(super) fn listed_items(items: Vec<MediaItem>) -> Vec<ListedItem> {
    let names = |item: &MediaItem| names::for_item(&item.filename, &item.mime_type, &item.id);
    items.into_iter().map(|item| ListedItem { names: names(&item), item }).collect()
}
