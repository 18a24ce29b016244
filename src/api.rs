//! The Google Photos Library API: one method per endpoint, and the bytes up and down.
//!
//! [`Client`] is the only way out of this program to Google Photos. It keeps the rules of the
//! service (sizes of batches and pages, one library-changing call at a time, who gets the token), so
//! that callers need not know them. Calls that only look are repeated inside, within a bounded time.
//! Calls that change something are made once: [`Error::advice`] and [`Error::may_have_happened`] tell the
//! caller how to go on. Cancelling a call that changes something does not stop it once it was sent.

mod auth;
mod backoff;
mod base_urls;
mod budget;
mod bytes;
mod download;
mod error;
mod failure;
mod http;
mod messages;
mod refusal;
mod request;
mod request_log;
mod retry;
mod service;
mod throttle;
mod transport;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::media::{Album, AlbumId, MediaId, MediaItem, PageToken, UploadToken};
use request::{limit_batch, limit_chars};
use transport::{Call, Transport};

pub use auth::{
    AccessToken, Authorisation, ClientFileError, ClientKind, ClientSecret, Grant, Login,
    LoginError, OAuth, Scope,
};
pub use backoff::Backoff;
pub use base_urls::{BaseUrls, Source, SourceError};
pub use budget::{
    API_REQUESTS_PER_DAY, Budget, Kind as QuotaKind, MEDIA_REQUESTS_PER_DAY, Saved as SavedBudget,
    next_reset,
};
pub use bytes::{FinishError, Payload, RAW_UPLOAD_MAX, UploadSession};
pub use download::Download;
pub use error::Error;
pub use failure::{Advice, FailureKind, ItemStatus, ItemVerdict};
pub use refusal::{Class, Refusal};
pub use request::{
    ALBUM_ITEMS_MAX, AlbumPosition, BATCH_MAX, DESCRIPTION_CHARS_MAX, DateFilter, Enrichment,
    FILE_NAME_CHARS_MAX, Location, NewItem, TITLE_CHARS_MAX,
};
pub use service::{Foreign, Service};
pub use throttle::Throttle;

/// Largest page of albums.list (reference §6.1).
const ALBUMS_PER_PAGE: usize = 50;
/// Largest page of mediaItems.list and search (reference §7.1).
const ITEMS_PER_PAGE: usize = 100;

/// How the client behaves; the defaults are right for Google.
#[derive(Debug, Clone)]
pub struct Config {
    /// Limits of time.
    pub deadlines: Deadlines,
    /// Upper limit of the wait before the first repetition of a read; doubles from there.
    pub retry_base: Duration,
    /// The writers' pause after a short-term 429 without `Retry-After`; doubles from there. Google
    /// asks for at least 30 s.
    pub write_pause: Duration,
}

/// How long we wait for what.
#[derive(Debug, Clone)]
pub struct Deadlines {
    /// A TCP and TLS connection.
    pub connect: Duration,
    /// The whole answer to a call that only looks.
    pub read: Duration,
    /// The whole answer to a call that changes something, or to the last byte of an upload. Long,
    /// because Google goes on working on what we have given up (reference §10.2).
    pub write: Duration,
    /// The next byte of a transfer, up or down.
    pub stall: Duration,
    /// No repetition of a read begins later than this after the first attempt.
    pub retries: Duration,
    /// Instead of `retries`, where a short-term 429 is waited out, and also of what a caller wants changed at once.
    pub throttled: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deadlines: Deadlines::default(),
            retry_base: Duration::from_secs(1),
            write_pause: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// With every wait divided by `pace`, which is at least 1: for a service that is made for tests.
    pub fn paced(self, pace: u32) -> Self {
        let (retry_base, write_pause) = (self.retry_base / pace, self.write_pause / pace);
        Self { retry_base, write_pause, ..self }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(60),
            write: Duration::from_secs(300),
            stall: Duration::from_secs(60),
            retries: Duration::from_secs(30),
            throttled: Duration::from_secs(120),
        }
    }
}

/// The service. Cheap to clone; all clones share the login, the budget and the order of writers.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("api_url", &self.transport.login.api_url().as_str())
            .finish_non_exhaustive()
    }
}

/// One page of a listing. May be short or even empty and still have a successor (reference §7.2);
/// neighbouring pages may overlap.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The next one; only its absence ends the listing.
    pub next: Option<PageToken>,
}

impl Client {
    /// Makes a client; sends nothing.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the API URL is unusable or TLS cannot be set up.
    pub fn new(config: Config, login: Arc<Login>, budget: Arc<Budget>) -> Result<Self, Error> {
        Ok(Self { transport: Arc::new(Transport::new(config, login, budget)?) })
    }

    /// What was spent of the daily allowances.
    pub fn budget(&self) -> &Budget {
        &self.transport.budget
    }

    /// The login that requests are made with.
    pub fn login(&self) -> &Login {
        &self.transport.login
    }

    /// How far this machine's clock is behind the service's, as far as an answer has told; off by a second or two.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        self.transport.clock_skew()
    }

    /// How long library-changing calls are still held back after a short-term 429.
    pub fn write_pause_left(&self) -> Option<Duration> {
        self.transport.throttle.left()
    }

    /// One page of the albums that this client created, in no promised order.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_albums(&self, page: Option<&PageToken>) -> Result<Page<Album>, Error> {
        let mut query = vec![("pageSize", ALBUMS_PER_PAGE.to_string())];
        query.extend(page.map(|it| ("pageToken", it.as_str().to_owned())));
        let call = Call { query, ..get("albums.list", ["albums"]) };
        let answer: wire::AlbumsPage = self.look(&call).await?;
        let items = answer.albums.into_iter().filter_map(wire::Album::into_album).collect();
        Ok(Page { items, next: next_page(call.name, page, answer.next_page_token)? })
    }

    /// One album.
    ///
    /// # Errors
    /// [`FailureKind::AlbumMissing`] if it is not there or not ours.
    pub async fn get_album(&self, id: &AlbumId) -> Result<Album, Error> {
        let call = get("albums.get", ["albums", id.as_str()]);
        album(call.name, self.look(&call).await?)
    }

    /// Creates an album. Titles need not be unique: after an error that [`Error::may_have_happened`], look for
    /// the album before trying again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_album(&self, title: &str) -> Result<Album, Error> {
        const NAME: &str = "albums.create";
        limit_chars(NAME, "title", title, TITLE_CHARS_MAX)?;
        let call = post(NAME, ["albums"], json!({"album": {"title": title}}));
        album(NAME, self.change_for_caller(call).await?)
    }

    /// Gives an album another title.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn rename_album(&self, id: &AlbumId, title: &str) -> Result<Album, Error> {
        limit_chars("albums.patch", "title", title, TITLE_CHARS_MAX)?;
        self.patch_album(id, "title", title).await
    }

    /// Makes one of an album's items its cover.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_album_cover(&self, id: &AlbumId, cover: &MediaId) -> Result<Album, Error> {
        self.patch_album(id, "coverPhotoMediaItemId", cover.as_str()).await
    }

    async fn patch_album(
        &self,
        id: &AlbumId,
        field: &'static str,
        value: &str,
    ) -> Result<Album, Error> {
        let call = patch("albums.patch", ["albums", id.as_str()], field, value);
        album(call.name, self.change_for_caller(call).await?)
    }

    /// Appends 1 to [`BATCH_MAX`] different items to an album, in order; all or none.
    ///
    /// # Errors
    /// [`FailureKind::InvalidItem`], [`FailureKind::AlbumFull`], [`FailureKind::AlbumMissing`] and others.
    pub async fn add_to_album(&self, album: &AlbumId, items: &[MediaId]) -> Result<(), Error> {
        self.change_members("albums.batchAddMediaItems", "batchAddMediaItems", album, items).await
    }

    /// Takes 1 to [`BATCH_MAX`] different items out of an album; all or none. They stay in the library.
    /// Not safe to repeat blindly: an item that is out already may fail the whole call (reference §10.3).
    ///
    /// # Errors
    /// [`FailureKind::InvalidItem`], [`FailureKind::AlbumMissing`] and others.
    pub async fn remove_from_album(&self, album: &AlbumId, items: &[MediaId]) -> Result<(), Error> {
        self.change_members("albums.batchRemoveMediaItems", "batchRemoveMediaItems", album, items)
            .await
    }

    async fn change_members(
        &self,
        name: &'static str,
        verb: &str,
        album: &AlbumId,
        items: &[MediaId],
    ) -> Result<(), Error> {
        limit_batch(name, items)?;
        let path = ["albums", &format!("{album}:{verb}")];
        let answer = self.transport.write(post(name, path, json!({"mediaItemIds": items}))).await?;
        // The answer is {} or empty: whatever else comes with a 200 is not from Google.
        if answer.body.is_empty() {
            return Ok(());
        }
        answer.json::<serde_json::Map<String, Value>>(name).map(drop)
    }

    /// Puts a text, place or map into an album; it cannot be taken out again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_enrichment(
        &self,
        album: &AlbumId,
        enrichment: &Enrichment,
        position: &AlbumPosition,
    ) -> Result<(), Error> {
        let body =
            json!({"newEnrichmentItem": enrichment.json(), "albumPosition": position.json()});
        let path = ["albums", &format!("{album}:addEnrichment")];
        self.transport.write(post("albums.addEnrichment", path, body)).await?;
        Ok(())
    }

    /// One page of all items that this client created, without archived and binned ones.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_items(&self, page: Option<&PageToken>) -> Result<Page<MediaItem>, Error> {
        let mut query = vec![("pageSize", ITEMS_PER_PAGE.to_string())];
        query.extend(page.map(|it| ("pageToken", it.as_str().to_owned())));
        self.items(Call { query, ..get("mediaItems.list", ["mediaItems"]) }, page).await
    }

    /// One page of an album's items, in album order.
    ///
    /// # Errors
    /// [`FailureKind::AlbumMissing`] and others.
    pub async fn list_album_items(
        &self,
        album: &AlbumId,
        page: Option<&PageToken>,
    ) -> Result<Page<MediaItem>, Error> {
        self.search(json!({"albumId": album}), page).await
    }

    /// One page of the items taken at certain dates, newest first. Lags behind new uploads
    /// (reference §7.3): good for views, not for membership.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_items(
        &self,
        dates: DateFilter,
        page: Option<&PageToken>,
    ) -> Result<Page<MediaItem>, Error> {
        self.search(json!({"filters": {"dateFilter": dates.json()}}), page).await
    }

    async fn search(
        &self,
        mut body: Value,
        page: Option<&PageToken>,
    ) -> Result<Page<MediaItem>, Error> {
        body["pageSize"] = ITEMS_PER_PAGE.into();
        if let Some(token) = page {
            body["pageToken"] = token.as_str().into();
        }
        // A POST, but one that only looks.
        let call =
            Call { class: Class::Read, ..post("mediaItems.search", ["mediaItems:search"], body) };
        self.items(call, page).await
    }

    async fn items(&self, call: Call, page: Option<&PageToken>) -> Result<Page<MediaItem>, Error> {
        let answer: wire::ItemsPage = self.look(&call).await?;
        let items = answer.media_items.into_iter().filter_map(wire::MediaItem::into_item).collect();
        Ok(Page { items, next: next_page(call.name, page, answer.next_page_token)? })
    }

    /// One item, with a fresh base URL.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if it is not there (any more) or not ours.
    pub async fn get_item(&self, id: &MediaId) -> Result<MediaItem, Error> {
        let call = get("mediaItems.get", ["mediaItems", id.as_str()]);
        item(call.name, self.look(&call).await?)
    }

    /// Up to [`BATCH_MAX`] different items with fresh base URLs, in the order asked for. If one poisons the
    /// whole call (reference §7.5), they are fetched one by one.
    ///
    /// # Errors
    /// What concerns the call; what concerns one item is in its place in the list.
    pub async fn get_items(
        &self,
        ids: &[MediaId],
    ) -> Result<Vec<Result<MediaItem, ItemStatus>>, Error> {
        const NAME: &str = "mediaItems.batchGet";
        limit_batch(NAME, ids)?;
        let query = ids.iter().map(|it| ("mediaItemIds", it.as_str().to_owned())).collect();
        let call = Call { query, ..get(NAME, ["mediaItems:batchGet"]) };
        let answer: wire::GetResults = match self.look(&call).await {
            Err(error) if error.refusal().is_some_and(|it| it.status == 500) && ids.len() > 1 => {
                return self.complete_items(ids, HashMap::new()).await;
            }
            answer => answer?,
        };
        let results: Vec<_> =
            answer.media_item_results.into_iter().map(wire::ItemResult::into_result).collect();
        if results.is_empty() {
            let why = format!("no results for {} items", ids.len());
            return Err(Error::Garbled { call: NAME, why });
        }
        let is_asked_for = |(result, id): (&Result<MediaItem, _>, &MediaId)| {
            result.as_ref().map_or(true, |item| item.id == *id)
        };
        if results.len() == ids.len() && results.iter().zip(ids).all(is_asked_for) {
            return Ok(results);
        }
        // An item says itself which one it is; a refusal does not.
        tracing::info!("{NAME}: the answers are not in the order of the questions");
        let got = results.into_iter().flatten().map(|item| (item.id.clone(), item)).collect();
        self.complete_items(ids, got).await
    }

    /// The items asked for, in that order: those that were not `got` are fetched one by one.
    async fn complete_items(
        &self,
        ids: &[MediaId],
        mut got: HashMap<MediaId, MediaItem>,
    ) -> Result<Vec<Result<MediaItem, ItemStatus>>, Error> {
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let item = match got.remove(id) {
                Some(item) => Ok(item),
                None => self.get_item(id).await,
            };
            results.push(match item {
                Ok(item) => Ok(item),
                Err(Error::Refused(refusal)) => match refusal.status {
                    404 => Err(ItemStatus::new(5, &refusal.message)),
                    400 => Err(ItemStatus::new(3, &refusal.message)),
                    500 => Err(ItemStatus::new(13, &refusal.message)),
                    _ => return Err(Error::Refused(refusal)),
                },
                Err(error) => return Err(error),
            });
        }
        Ok(results)
    }

    /// Creates 1 to [`BATCH_MAX`] items, in an album if one is given, and answers for each in the order given.
    /// Bytes that the library holds already give the item that is there (reference §7.6), so to repeat
    /// the call does no harm.
    ///
    /// # Errors
    /// What fails the whole call: [`FailureKind::InvalidToken`], [`FailureKind::AlbumMissing`],
    /// [`FailureKind::StorageFull`] and others.
    pub async fn create_items(
        &self,
        album: Option<&AlbumId>,
        items: &[NewItem],
    ) -> Result<Vec<Result<MediaItem, ItemStatus>>, Error> {
        const NAME: &str = "mediaItems.batchCreate";
        let tokens: Vec<&UploadToken> = items.iter().map(|it| &it.token).collect();
        limit_batch(NAME, &tokens)?;
        for item in items {
            limit_chars(NAME, "file name", &item.file_name, FILE_NAME_CHARS_MAX)?;
            limit_chars(
                NAME,
                "description",
                item.description.as_deref().unwrap_or(""),
                DESCRIPTION_CHARS_MAX,
            )?;
        }
        let new_media_items = items
            .iter()
            .map(|it| wire::NewMediaItem {
                description: it.description.as_deref(),
                simple_media_item: wire::SimpleMediaItem {
                    upload_token: &it.token,
                    file_name: &it.file_name,
                },
            })
            .collect();
        let body = serde_json::to_value(wire::BatchCreate { album_id: album, new_media_items })
            .map_err(|err| Error::Unfit { call: NAME, why: err.to_string() })?;
        let answer: wire::CreateResults =
            self.change(post(NAME, ["mediaItems:batchCreate"], body)).await?;
        Ok(wire::by_token(&tokens, answer.new_media_item_results))
    }

    /// Gives an item another description.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn describe_item(&self, id: &MediaId, description: &str) -> Result<MediaItem, Error> {
        const NAME: &str = "mediaItems.patch";
        limit_chars(NAME, "description", description, DESCRIPTION_CHARS_MAX)?;
        let call = patch(NAME, ["mediaItems", id.as_str()], "description", description);
        item(NAME, self.change_for_caller(call).await?)
    }

    async fn look<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        self.transport.read(call).await
    }

    async fn change<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let name = call.name;
        self.transport.write(call).await?.json(name)
    }

    /// As [`Client::change`], sent again after a short-term 429: there is no queue to try it again.
    async fn change_for_caller<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let begun = Instant::now();
        loop {
            let answer = self.change(call.clone()).await;
            let wait = self.transport.throttle.left().unwrap_or_default();
            let in_time = begun.elapsed() + wait <= self.transport.config.deadlines.throttled;
            match answer {
                Err(error) if error.is_throttled() && in_time => {}
                answer => return answer,
            }
        }
    }
}

fn call(name: &'static str, class: Class, method: Method, path: &[&str]) -> Call {
    let path = ["v1"].iter().chain(path).map(|&it| it.to_owned()).collect();
    Call { name, class, method, path, query: Vec::new(), body: None }
}

fn get<const N: usize>(name: &'static str, path: [&str; N]) -> Call {
    call(name, Class::Read, Method::GET, &path)
}

fn post<const N: usize>(name: &'static str, path: [&str; N], body: Value) -> Call {
    Call { body: Some(body), ..call(name, Class::Write, Method::POST, &path) }
}

/// A patch of one field; the mask spells it as the body does.
fn patch<const N: usize>(
    name: &'static str,
    path: [&str; N],
    field: &'static str,
    value: &str,
) -> Call {
    let query = vec![("updateMask", field.to_owned())];
    Call {
        query,
        body: Some(json!({field: value})),
        ..call(name, Class::Write, Method::PATCH, &path)
    }
}

fn album(call: &'static str, answer: wire::Album) -> Result<Album, Error> {
    answer.into_album().ok_or_else(|| Error::Garbled { call, why: "the album has no id".into() })
}

fn item(call: &'static str, answer: wire::MediaItem) -> Result<MediaItem, Error> {
    answer.into_item().ok_or_else(|| Error::Garbled { call, why: "the item has no id".into() })
}

/// A page that names itself as its successor would never end (reference §7.2), and to end there
/// would pass off a part of the list as the whole.
fn next_page(
    call: &'static str,
    this: Option<&PageToken>,
    next: String,
) -> Result<Option<PageToken>, Error> {
    let next = wire::page_token(next);
    match next {
        Some(_) if next.as_ref() == this => {
            Err(Error::Garbled { call, why: "the page follows itself".into() })
        }
        next => Ok(next),
    }
}
