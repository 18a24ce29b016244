//! What is read: the bytes of an item, from the local cache or by download.
//!
//! Downloads fill a file of the cache, each from where somebody reads on; readers wait for the part they want, so many of
//! them share one download and the first bytes come before the last. What was copied in through the mount
//! is put into the cache as it was and read back byte for byte.

mod cache;
mod config;
mod error;
mod fetch;
mod key;
mod limit;
mod local_copy;
mod negative_cache;
mod part;
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

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::api::{self, BaseUrls, Source, Throttle};
use crate::media::{ContentHash, FileId, MediaId, VideoStatus};
use crate::store::{FileInfo, Store};

use cache::Cache;
use config::STREAMS_IN_ALL_MAX;
use fetch::Fetch;
use key::Key;
pub use local_copy::LocalCopy;
use negative_cache::{NegativeCache, Pauses};
use size_requests::SizeRequests;

pub use config::{Config, Waits};
pub use error::Error;
pub(crate) use part::read_at;
pub use reader::Reader;
pub use reading::Reading;
pub use verify::{Copies, Fingerprint, Returned};

/// After a download has failed, the same item is not asked for at once again, nor anything while the service has none
/// for anybody.
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
    runtime: Handle,
    cache: Arc<Cache>,
    sizes: Arc<SizeRequests>,
    failures: Arc<NegativeCache>,
    throttle: Arc<Throttle>,
    waits: Waits,
    stream_turns: Arc<Semaphore>,
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
            runtime,
            sizes: Arc::default(),
            failures: Arc::new(NegativeCache::new(PAUSES, Error::is_of_service)),
            throttle: Arc::new(Throttle::of_downloads(config.waits.limited)),
            waits: config.waits,
            stream_turns: Arc::new(Semaphore::new(STREAMS_IN_ALL_MAX)),
        })
    }

    /// Whether a file that Google has would be read as it was copied in, rather than as Google gives it out.
    pub fn has_original(&self, info: &FileInfo) -> bool {
        info.known().is_some_and(|hash| self.cache.has(Key::Original(hash)))
    }

    /// Adds a file that has been uploaded to the cache; its bytes have the hash `sha256`. The spool file stays, and may
    /// be a hard link to the file in the cache: nobody may write to it any more. Blocking.
    pub fn add_to_cache(&self, file: FileId, sha256: ContentHash, spool: &Path) {
        if let Err(error) = self.try_add_to_cache(file, sha256, spool) {
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "an uploaded file could not be put into the cache: it will be downloaded when it is read"
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
        let rendition = info.media.as_ref().map(Key::of_item);
        let key = match info.known() {
            Some(known) if known == sha256 => Some(Key::Original(sha256)),
            // An edit that came to nothing began with what Google had given out.
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

    /// Drops the local copy of a file whose content has begun to change. A download that is under way serves
    /// its readers to the end, but is not kept.
    pub fn drop_local(&self, info: &FileInfo) {
        self.cache.remove_pieces(info.id);
        Key::all_of(info).for_each(|key| self.cache.remove(key));
    }

    /// Bytes in the cache, and its limit.
    pub fn usage(&self) -> (u64, u64) {
        self.cache.usage()
    }

    /// Where an item's bytes are to be had. Addresses of items next to it come with it, if it has to be asked
    /// for: whoever reads one file of a directory often reads them all.
    async fn source(&self, file: FileId, media: &MediaId) -> Result<Source, Error> {
        let mut beside = Vec::new();
        if !self.urls.knows(media) {
            let count = api::BATCH_MAX as u32;
            beside = self.store.run(move |store| store.items_near(file, count)).await?;
        }
        let source = self.urls.get(media, beside).await?;
        match source.video {
            // It has no bytes to give before Google has processed it (reference §9).
            Some(VideoStatus::Processing) => Err(Error::Processing),
            Some(VideoStatus::Failed) => Err(Error::ProcessingFailed),
            _ => Ok(source),
        }
    }

    /// Forgets all failures, so that the next readers make requests again.
    pub fn clear_failures(&self) {
        self.failures.clear();
        self.sizes.clear_failures();
    }

    fn tidy(&self, fetch: &Arc<Fetch>) {
        self.cache.tidy(fetch);
    }
}
