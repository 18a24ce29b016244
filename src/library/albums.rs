//! Creates albums, and never two for one `mkdir`.

use std::time::{Duration, SystemTime};

use super::error::Error;
use super::listing_handle::ListingTarget;
use super::state::Library;
use crate::api;
use crate::media::{DirId, EntryName};
use crate::store::{self, AlbumIntent, Store};

/// Pauses between the lists in which `mkdir` looks for an album whose creation may have taken
/// effect. Google may still be creating it, and its lists may lag.
const SETTLE_PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];

/// How often `mkdir` asks Google to create an album.
const CREATE_ATTEMPTS: u32 = 4;

/// `mkdir` accepts a list of the albums that began so long before the call, for each page of it.
///
/// So a copy of many directories asks for their titles with at most one request in this time. If
/// another machine creates an album of the same title meanwhile, there are two.
const TITLES_FRESH_PER_PAGE: Duration = Duration::from_secs(5);

/// `mkdir` accepts no list that is older than this, however many pages it has.
const TITLES_FRESH_MAX: Duration = Duration::from_secs(30);

/// About how many albums of its title that were gone `mkdir` asks.
const GONE_ASKED_MAX: u32 = 3;

impl Library {
    /// Creates an album, or shows a hidden one again. Lists the albums first: if another machine
    /// has created one of this title, or an earlier attempt whose answer was lost, the directory is
    /// that album.
    ///
    /// Continues after the caller has stopped waiting. The next caller that asks for the same album
    /// waits for the outcome, which a listing might not show yet.
    ///
    /// # Errors
    /// If the name is taken, Google does not accept the title, or a request fails.
    pub async fn mkdir(&self, parent: DirId, name: EntryName) -> Result<DirId, Error> {
        let asked_at = self.now();
        let turn = self.making.clone().acquire_owned().await;
        let library = self.clone();
        let making = self.runtime.spawn(async move {
            let made = library.make_album(parent, name, asked_at).await;
            drop(turn);
            made
        });
        making.await.map_err(|_| store::Error::ShuttingDown)?
    }

    async fn make_album(
        &self,
        parent: DirId,
        name: EntryName,
        asked_at: SystemTime,
    ) -> Result<DirId, Error> {
        self.complete(parent).await?;
        let title = self.title(parent, &name).await?;
        let intent = loop {
            let (name, wanted) = (name.clone(), title.clone());
            let intent = move |store: &Store| store.album_intended(parent, &name, &wanted);
            match self.store.run(intent).await?? {
                AlbumIntent::Unhidden(dir) if self.was_deleted(dir).await? => {}
                intent => break intent,
            }
        };
        let (dir, mut settled) = match intent {
            AlbumIntent::Unhidden(dir) => return Ok(dir),
            AlbumIntent::Fresh(dir) => match self.exists_at_google(dir, &title, asked_at).await {
                Ok(true) => return Ok(dir),
                Ok(false) => (dir, true),
                Err(error) => {
                    self.store.run(move |store| store.album_not_created(dir)).await?;
                    return Err(error);
                }
            },
            AlbumIntent::OutcomeUnknown(dir) => (dir, false),
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
                    tracing::info!(title, %error, "the answer to creating an album was lost: looking for the album");
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

    /// Whether an album that `rmdir` had hidden was deleted at Google meanwhile, and has gone here,
    /// too. It has not if Google cannot be asked, or its list still shows the album.
    async fn was_deleted(&self, dir: DirId) -> Result<bool, Error> {
        let found = self.store.run(move |store| store.dir(dir)).await?;
        let Some(album) = found.and_then(|dir| dir.album?.remote) else { return Ok(false) };
        match self.client.get_album(&album).await {
            Ok(_) => Ok(false),
            Err(error) if error.is_not_found() => {
                self.relist_now(ListingTarget::Albums).await?;
                Ok(!self.is_known_at_google(dir).await?)
            }
            Err(error) => {
                tracing::info!(%error, "cannot ask whether a hidden album is still there");
                Ok(false)
            }
        }
    }

    /// Whether Google has an album of the title that `dir` stands for. Its list is requested, unless
    /// a complete one began after `asked_at` or a short while before.
    async fn exists_at_google(
        &self,
        dir: DirId,
        title: &str,
        asked_at: SystemTime,
    ) -> Result<bool, Error> {
        let (listed_at, pages) =
            self.store.run(|store| Ok((store.albums_listed_at()?, store.albums_pages()?))).await?;
        let age_max = TITLES_FRESH_PER_PAGE.saturating_mul(pages).min(TITLES_FRESH_MAX);
        let is_old = |at| asked_at.duration_since(at).is_ok_and(|age| age > age_max);
        if listed_at.is_none_or(is_old) {
            self.relist_now(ListingTarget::Albums).await?;
        }
        // A listing that was running anyway may have shown it, too.
        if self.is_known_at_google(dir).await? {
            return Ok(true);
        }
        self.ask_for_gone_albums(title).await?;
        self.is_known_at_google(dir).await
    }

    /// Asks about the albums of this title that were gone: one may be back, and a list lag.
    async fn ask_for_gone_albums(&self, title: &str) -> Result<(), Error> {
        let wanted = title.to_owned();
        let gone = move |store: &Store| store.albums_gone_titled(&wanted, GONE_ASKED_MAX);
        for album in self.store.run(gone).await? {
            let now = self.now();
            match self.client.get_album(&album).await {
                Ok(found) => {
                    let listed = super::listing::listed_album(found);
                    let found = move |store: &Store| {
                        store.album_listed(&listed, store.next_listing()?, now)
                    };
                    self.store.run(found).await?;
                }
                Err(error) if error.is_not_found() => {}
                // Such an album may never get an answer, and must not forbid its title.
                Err(error) => {
                    tracing::info!(%error, title, "cannot ask about an album that was gone")
                }
            }
        }
        Ok(())
    }

    async fn is_known_at_google(&self, dir: DirId) -> Result<bool, Error> {
        let dir = self.store.run(move |store| store.dir(dir)).await?;
        Ok(dir.and_then(|dir| dir.album).is_some_and(|album| album.remote.is_some()))
    }

    /// Whether a list of the albums shows an album whose creation may have taken effect.
    async fn found_by_listing(&self, dir: DirId) -> Result<bool, Error> {
        for pause in SETTLE_PAUSES {
            tokio::time::sleep(pause).await;
            self.relist_now(ListingTarget::Albums).await?;
            if self.is_known_at_google(dir).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The title of an album with this parent and name.
    pub(super) async fn title(&self, parent: DirId, name: &EntryName) -> Result<String, Error> {
        let last = std::str::from_utf8(name.as_bytes())
            .map_err(|_| {
                Error::BadTitle(
                    "it is not UTF-8; convert the names of the folder, for example with convmv, \
                     and copy it again",
                )
            })?
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
