//! Reads an item's bytes: from the cache on disk, or by download.
//!
//! A download fills a file of the cache from the place where a reader is. Many readers share one
//! download, and each waits only for its part, so the first bytes arrive before the last. Files
//! copied in through the mount go to the cache unchanged, so reads return them byte for byte.

mod cache;
mod config;
mod error;
mod fetch;
mod fingerprint;
mod key;
mod limit;
mod local_copy;
mod measure;
mod negative_cache;
mod part;
mod picked;
mod picked_urls;
mod plan;
mod prefetch;
mod reader;
mod reading;
mod size_requests;
mod sizes;
mod stream;
mod thumbnail;
mod verify;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use url::Url;

use crate::api::{self, BaseUrls, QuotaKind, Source, Throttle};
use crate::error_chain::chain;
use crate::media::{Caller, ContentHash, FileId, ItemId, MediaId, VideoStatus};
use crate::store::{FileInfo, Store};

use cache::Cache;
use config::{STREAMS_IN_ALL_MAX, STREAMS_OF_OTHERS_MAX};
use fetch::Fetch;
use key::Key;
pub use local_copy::LocalCopy;
use negative_cache::{NegativeCache, Pauses};
use picked_urls::PickedUrls;
use size_requests::SizeRequests;

pub use config::{Config, Waits};
pub use error::Error;
pub use fingerprint::Fingerprint;
pub(crate) use part::read_at;
pub use reader::Reader;
pub use reading::Reading;
pub use verify::{Copies, Returned};

/// After a failed download, no request is made for that item for a while, or for any item if the
/// service failed.
const PAUSES: Pauses = Pauses {
    service: Duration::from_secs(5),
    item: Duration::from_secs(5),
    item_max: Duration::from_secs(3600),
};

/// The content of all items. Cheap to clone.
#[derive(Clone)]
pub struct Content {
    store: Store,
    client: api::Client,
    urls: Arc<BaseUrls>,
    picked_urls: Arc<PickedUrls>,
    runtime: Handle,
    cache: Arc<Cache>,
    sizes: Arc<SizeRequests>,
    failures: Arc<NegativeCache>,
    throttle: Arc<Throttle>,
    waits: Waits,
    stream_turns: Arc<Semaphore>,
    /// Streams for other users take a turn here, too.
    others_turns: Arc<Semaphore>,
}

impl Content {
    /// Opens the cache.
    ///
    /// # Errors
    /// If its directory cannot be used.
    pub fn new(
        config: Config,
        store: Store,
        client: api::Client,
        urls: Arc<BaseUrls>,
        runtime: Handle,
    ) -> io::Result<Self> {
        Ok(Self {
            cache: Arc::new(Cache::open(config.dir, config.limit)?),
            store,
            client,
            urls,
            picked_urls: Arc::default(),
            runtime,
            sizes: Arc::default(),
            failures: Arc::new(NegativeCache::new(PAUSES, Error::is_of_service)),
            throttle: Arc::new(Throttle::of_downloads(config.waits.limited)),
            waits: config.waits,
            stream_turns: Arc::new(Semaphore::new(STREAMS_IN_ALL_MAX)),
            others_turns: Arc::new(Semaphore::new(STREAMS_OF_OTHERS_MAX)),
        })
    }

    /// Whether reads of an uploaded file return the original bytes, not Google's rendition.
    pub fn has_original(&self, info: &FileInfo) -> bool {
        info.known().is_some_and(|hash| self.cache.has(Key::Original(hash)))
    }

    /// Whether reads of a file need no request.
    pub fn is_local(&self, info: &FileInfo) -> bool {
        Key::all_of(info).any(|key| self.cache.has(key))
    }

    /// Where background work of content runs.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Adds an uploaded file to the cache. `sha256` is the hash of its bytes. The spool file stays,
    /// and may become a hard link to the file in the cache, so nobody may write to it afterwards.
    /// Blocking.
    pub fn add_to_cache(&self, file: FileId, sha256: ContentHash, spool: &Path) {
        if let Err(error) = self.try_add_to_cache(file, sha256, spool) {
            tracing::warn!(
                error = chain(&error),
                "cannot add an uploaded file to the cache: the next read will download it"
            );
        }
    }

    fn try_add_to_cache(
        &self,
        file: FileId,
        sha256: ContentHash,
        spool: &Path,
    ) -> Result<(), Error> {
        let Some(info) = self.store.file(file)? else { return Ok(()) };
        let rendition = info.item().as_ref().map(Key::of_item);
        let key = match info.known() {
            Some(known) if known == sha256 => Some(Key::Original(sha256)),
            // An edit without effect: its content is Google's rendition.
            _ => rendition,
        };
        if let Some(key) = key {
            self.cache.add(info.id, key, spool)?;
        }
        if let (Some(Key::Original(_)), Some(rendition)) = (key, rendition) {
            self.cache.remove(rendition);
        }
        Ok(())
    }

    /// Drops the local copy of a file whose content begins to change. A running download serves its
    /// readers to the end, but is not cached.
    pub fn drop_local(&self, info: &FileInfo) {
        self.cache.remove_pieces(info.id);
        Key::all_of(info).for_each(|key| self.cache.remove(key));
    }

    /// Bytes in the cache, and its limit.
    pub fn usage(&self) -> (u64, u64) {
        self.cache.usage()
    }

    /// Returns the address of an item's bytes, if it has any now.
    async fn source(&self, file: FileId, item: &ItemId) -> Result<Source, Error> {
        match item {
            ItemId::Library(media) => self.library_source(file, media).await,
            ItemId::Picked(picked) => self.picked_source(file, picked).await,
        }
    }

    /// Drops the address of an item's bytes, which Google has refused.
    fn forget_source(&self, item: &ItemId) {
        match item {
            ItemId::Library(media) => self.urls.forget(media),
            ItemId::Picked(picked) => self.picked_urls.forget(picked),
        }
    }

    /// The address of an item of the Library API. If that needs a request, the request includes
    /// neighbouring items, because a program that reads one file of a directory often reads them
    /// all.
    async fn library_source(&self, file: FileId, media: &MediaId) -> Result<Source, Error> {
        let mut beside = Vec::new();
        if !self.urls.knows(media) {
            let count = api::BATCH_MAX as u32;
            beside = self.store.run(move |store| store.items_near(file, count)).await?;
        }
        let source = self.urls.get(media, beside).await?;
        match source.video {
            // It has no bytes until Google has processed it (reference §9).
            Some(VideoStatus::Processing) => Err(Error::Processing),
            Some(VideoStatus::Failed) => Err(Error::ProcessingFailed),
            _ => Ok(source),
        }
    }

    /// Makes a request to the host of an address, unless that host has just failed. `is_of_host`
    /// says whether an error concerns all addresses there.
    async fn at_host<T>(
        failures: &NegativeCache,
        base_url: &str,
        is_of_host: fn(&Error) -> bool,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let host = host_of(base_url);
        failures.check_host(&host)?;
        match request.await {
            Err(error) if is_of_host(&error) => Err(failures.host_failed(&host, error)),
            outcome => {
                failures.host_answered(&host);
                outcome
            }
        }
    }

    /// Refuses a media request for another user who has no share of today's requests left. Then
    /// the owner of the mount still has the rest of them.
    fn check_share(&self, caller: Caller) -> Result<(), Error> {
        match self.client.budget().has_share(caller, QuotaKind::Media, Timestamp::now()) {
            true => Ok(()),
            false => Err(api::Error::ShareUsedUp(QuotaKind::Media).into()),
        }
    }

    /// Clears the failures, so that the next readers make requests again.
    pub fn clear_failures(&self) {
        self.failures.clear();
        self.sizes.clear_failures();
    }

    fn tidy(&self, fetch: &Arc<Fetch>) {
        self.cache.tidy(fetch);
    }
}

/// Host and port of an address, as a key.
fn host_of(base_url: &str) -> String {
    Url::parse(base_url).map_or_else(|_| String::new(), |url| url.authority().to_owned())
}
