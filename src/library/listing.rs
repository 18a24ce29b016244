//! One listing at a time for each target, however many look at it; page by page into the store.

use std::ops::Range;
use std::time::SystemTime;

use futures_util::future::OptionFuture;

use super::error::Error;
use super::freshness::ITEMS_AGE_MAX;
use super::listing_handle::{Extent, ListingDriver, ListingHandle, ListingTarget};
use super::names;
use super::pager::Pager;
use super::state::Library;
use crate::api::{self, Page};
use crate::media::{Album, DirId, MediaItem, PageToken};
use crate::store::{self, ListedAlbum, ListedItem, PageKept, Pass, Store};

impl Library {
    /// Starts listing `target` again, for the next look: nobody waits for it.
    pub(super) fn relist(&self, target: ListingTarget) {
        if !self.memory.failed_just_now(target) {
            self.start(target, Extent::All);
        }
    }

    /// Starts listing `target`, or joins the listing that is running, and has it go as far as `extent` says.
    pub(super) fn start(&self, target: ListingTarget, extent: Extent) -> ListingHandle {
        let (handle, driver) = self.listings.join(target, extent);
        if let Some(driver) = driver {
            self.spawn(target, driver);
        }
        handle
    }

    /// Starts the first listing of `target`, or joins it if it is running; `None` if it has ended since whoever calls
    /// found that there was none.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) fn start_first(
        &self,
        target: ListingTarget,
        is_listed: impl FnOnce(&Store) -> store::Result<bool>,
    ) -> store::Result<Option<ListingHandle>> {
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
        let library = self.clone();
        self.runtime.spawn(async move { library.run(target, driver).await });
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
            Err(error) => {
                tracing::warn!(?target, error = as_dyn(&error), "listing failed");
                self.memory.failed(target);
                Err(error)
            }
        };
        if matches!(target, ListingTarget::Albums | ListingTarget::Album(_))
            && let Err(error) = self.follow_counts(target).await
        {
            tracing::warn!(%error, "what was looked at could not be looked up");
        }
        driver.ended(outcome);
    }

    /// The albums that were looked at are listed again if their counts say so.
    async fn follow_counts(&self, told: ListingTarget) -> Result<(), Error> {
        let looked_at = self.memory.take_looked_at(told);
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
        stale.into_iter().for_each(|dir| self.relist(ListingTarget::Items(dir)));
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
                self.start(ListingTarget::Albums, Extent::All);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let listed = listed_album(album);
        self.store.run(move |store| store.album_listed(&listed, listing, now)).await?;
        Ok(())
    }

    /// Lists the albums; `false` if the listing was given up on the way.
    async fn list_albums(&self, driver: &mut ListingDriver) -> Result<bool, Error> {
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
            let Some((pass, pages)) = self.pass(began, last, driver, ask, keep).await? else {
                return Ok(false);
            };
            let needs_confirmation = self
                .store
                .run(move |store| {
                    let needs_confirmation = store.albums_complete(&pass)?;
                    for (dir, album, title) in store.conflict_named_albums()? {
                        store.restore_album_name(dir, &album, &names::for_album(&title, &album))?;
                    }
                    let due = needs_confirmation && !last;
                    let at = if due { SystemTime::UNIX_EPOCH } else { pass.began };
                    store.set_albums_listed(at, pages)?;
                    Ok(needs_confirmation)
                })
                .await?;
            if !needs_confirmation {
                break;
            }
            driver.all_stored();
        }
        self.send_album_renames_later();
        Ok(true)
    }

    /// Lists the items of an album; `false` if the listing was given up on the way.
    async fn list_items(&self, dir: DirId, driver: &mut ListingDriver) -> Result<bool, Error> {
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
            let Some((pass, _)) = self.pass(self.now(), last, driver, ask, keep).await? else {
                return Ok(false);
            };
            if !self.store.run(move |store| store.items_complete(dir, &pass)).await? {
                break;
            }
            driver.all_stored();
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
        driver: &mut ListingDriver,
        ask: impl Fn(Option<PageToken>) -> Asked,
        keep: impl Fn(Vec<T>, i64) -> Kept,
    ) -> Result<Option<(Pass, u32)>, Error>
    where
        Asked: Future<Output = Result<Page<T>, api::Error>>,
        Kept: Future<Output = store::Result<(PageKept, Range<i64>)>>,
    {
        let mut listing = self.store.run(|store| store.next_listing()).await?;
        let (mut pager, mut news, mut ahead) = (Pager::default(), false, None);
        loop {
            let asked = match ahead.take() {
                Some(asked) => asked,
                None => ask(pager.token().cloned()).await,
            };
            let page = match asked {
                Ok(page) => page,
                Err(error) => {
                    pager.refused(error)?;
                    listing = self.store.run(|store| store.next_listing()).await?;
                    continue;
                }
            };
            let more = pager.advance(page.next)?;
            let is_wanted = more && (last || driver.is_page_after_next_wanted());
            let next = OptionFuture::from(is_wanted.then(|| ask(pager.token().cloned())));
            let kept = async {
                let (kept, latest) = keep(page.items, listing).await?;
                driver.page_stored(latest);
                Ok::<_, Error>(kept)
            };
            let (kept, asked) = tokio::try_join!(kept, async { Ok(next.await) })?;
            ahead = asked;
            news |= kept.news;
            pager.page_stored(kept.is_fresh)?;
            if !more {
                let one_page = pager.pages() == 1;
                return Ok(Some((Pass { listing, began, news, one_page, last }, pager.pages())));
            }
            if !last && !driver.more().await {
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
