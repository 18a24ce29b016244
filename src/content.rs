//! What is read: the bytes of an item, from the local cache or by download.
//!
//! Downloads fill a file of the cache, each from where somebody reads on; readers wait for the part they want, so many of
//! them share one download and the first bytes come before the last. What was copied in through the mount
//! is put into the cache as it was and read back byte for byte.

mod cache;
mod fetch;
mod key;
mod limit;
mod local_copy;
mod negative_cache;
mod part;
mod plan;
mod prefetch;
mod sizes;
mod stream;
mod thumbnail;
mod verify;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::api::{self, BaseUrls, Source, SourceError, Throttle};
use crate::media::{ContentHash, FileId, MediaId, VideoStatus};
use crate::store::{self, FileInfo, Store};

use cache::Cache;
use fetch::Fetch;
pub use fetch::Reading;
use key::Key;
pub use local_copy::LocalCopy;
use negative_cache::{NegativeCache, Pauses};
pub use stream::Waits;
pub use verify::{Fingerprint, Returned, Seen};

/// After a download has failed, the same item is not asked for at once again, nor anything while the service has none
/// for anybody.
const PAUSES: Pauses = Pauses {
    service: Duration::from_secs(5),
    item: Duration::from_secs(5),
    item_max: Duration::from_secs(3600),
};

/// Where the cache is and how large it may become.
#[derive(Clone, Debug)]
pub struct Config {
    /// A directory of its own; what is in it may be deleted while nothing is mounted.
    pub dir: PathBuf,
    /// Bytes; the least recently used files go when it is passed.
    pub limit: u64,
    /// How long is waited for bytes that do not come.
    pub waits: Waits,
}

/// Why bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing at Google to read yet.
    #[error("the file is not at Google and not in the local cache")]
    NowhereYet,
    /// Google has not finished with the video.
    #[error("Google is still processing the video: try again later")]
    Processing,
    /// Google could not make sense of the video.
    #[error("Google could not process the video")]
    ProcessingFailed,
    /// There is no address to download from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bytes are not those of one picture.
    #[error("the item changed at Google while it was downloaded")]
    Changed,
    /// The download failed.
    #[error("the download failed")]
    Download(#[from] api::Error),
    /// The download broke off, again and again.
    #[error("the download broke off")]
    Interrupted(#[source] api::Error),
    /// Fewer bytes came than were announced, again and again.
    #[error("the download ended too early")]
    Short,
    /// Nothing came any more.
    #[error("Google has not sent anything for too long")]
    Stalled,
    /// Google takes no more requests for media for now, and it takes too long to wait for that.
    #[error("Google limits downloads, and that lasts too long: try again in some minutes")]
    Limited,
    /// It took too long for a caller who lists a directory.
    #[error("Google did not tell the size in time")]
    TooSlow,
    /// Google did not say how large the item is.
    #[error("Google did not tell the size")]
    NoSize,
    /// The cache could not be read or written.
    #[error("the content cache failed")]
    Cache(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A download that somebody else had started failed.
    #[error(transparent)]
    Shared(Arc<Error>),
}

/// The content of all items. Cheap to clone.
#[derive(Clone)]
pub struct Content {
    store: Store,
    client: api::Client,
    urls: Arc<BaseUrls>,
    runtime: Handle,
    cache: Arc<Cache>,
    sizes: Arc<sizes::Sizes>,
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
            stream_turns: Arc::new(Semaphore::new(stream::STREAMS_IN_ALL_MAX)),
        })
    }

    /// The local copy of a file, if there is one. Does not touch the network.
    pub fn open_local(&self, info: &FileInfo) -> Option<Reader> {
        let file = Key::all_of(info).find_map(|key| self.cache.get(key))?;
        Some(Reader::Local(Arc::new(file)))
    }

    /// Whether a file that Google has would be read as it was copied in, rather than as Google gives it out.
    pub fn has_original(&self, info: &FileInfo) -> bool {
        info.known().is_some_and(|hash| self.cache.has(Key::Original(hash)))
    }

    /// Something to read a file's bytes from; a download is begun or joined if need be.
    ///
    /// # Errors
    /// If the item has no bytes to offer now.
    pub fn open(&self, info: &FileInfo) -> Result<Reader, Error> {
        if let Some(local) = self.open_local(info) {
            return Ok(local);
        }
        let media = info.media.clone().ok_or(Error::NowhereYet)?;
        let reading = self.cache.part(
            info.id,
            |part| Fetch::new(info.id, media, info.rendition, part),
            |fetch| Reading::new(self.clone(), fetch),
        )?;
        Ok(Reader::Fetching(reading))
    }

    /// Waits until the whole file is here, and opens it anew.
    ///
    /// # Errors
    /// If the item has no bytes to offer now, or there is no room for them all.
    pub async fn whole(&self, info: &FileInfo) -> Result<File, Error> {
        let file = match self.open(info)? {
            Reader::Local(file) => reopen(&file)?,
            Reader::Fetching(reading) => reopen(reading.complete().await?.file())?,
        };
        Ok(file)
    }

    /// Adds a file that has been uploaded to the cache; its bytes have the hash `sha256`. The spool file stays, and may
    /// be a hard link to the file in the cache: nobody may write to it any more. Blocking.
    pub fn keep(&self, file: FileId, sha256: ContentHash, spool: &Path) {
        if let Err(error) = self.try_keep(file, sha256, spool) {
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "an uploaded file could not be put into the cache: it will be downloaded when it is read"
            );
        }
    }

    fn try_keep(&self, file: FileId, sha256: ContentHash, spool: &Path) -> Result<(), Error> {
        let Some(info) = self.store.file(file)? else { return Ok(()) };
        let rendition = info.media.as_ref().map(Key::of_item);
        let key = match info.known() {
            Some(known) if known == sha256 => Some(Key::Original(sha256)),
            // An edit that came to nothing began with what Google had given out.
            _ => rendition,
        };
        if let Some(key) = key {
            self.cache.adopt(info.id, key, spool)?;
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
            let ahead = api::BATCH_MAX as u32;
            beside = self.store.run(move |store| store.items_near(file, ahead)).await?;
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
    pub fn forget_failures(&self) {
        self.failures.forget();
        self.sizes.forget_failures();
    }

    fn tidy(&self, fetch: &Arc<Fetch>) {
        self.cache.tidy(fetch);
    }
}

impl Error {
    /// What the service has said, if it was asked.
    fn of_api(&self) -> Option<&api::Error> {
        match self {
            Self::Download(error) => Some(error),
            Self::Source(SourceError::Api(error)) => Some(error),
            Self::Shared(error) => error.of_api(),
            _ => None,
        }
    }

    /// Whether another item would fare no better: there is no network, no login, or nothing left of the day's or the
    /// minute's requests. When that is over, it is over for all. A failure of the server's may be about one item.
    fn is_of_service(&self) -> bool {
        self.of_api().is_some_and(|error| error.kind().is_of_service())
    }
}

/// An item's bytes, there or on their way. Cheap to clone.
#[derive(Clone)]
pub enum Reader {
    /// All of them are on this disk.
    Local(Arc<File>),
    /// They are being downloaded, as far as they are read.
    Fetching(Reading),
}

impl Reader {
    /// Reads from a local file at once; `None` if a download must be waited for.
    pub fn read_now(&self, offset: u64, len: usize) -> Option<io::Result<Vec<u8>>> {
        match self {
            Self::Local(file) => Some(read_at(file, offset, len)),
            Self::Fetching(reading) => reading.read_now(offset, len),
        }
    }

    /// How long the file is, if all of it is here.
    pub fn local_length(&self) -> Option<u64> {
        match self {
            Self::Local(file) => file.metadata().ok().map(|it| it.len()),
            Self::Fetching(_) => None,
        }
    }

    /// How long the file is in bytes, which what is downloaded at `near`, for whoever reads there, tells. It is kept.
    ///
    /// # Errors
    /// If the download fails before.
    pub async fn learn_length(&self, near: u64) -> Result<u64, Error> {
        match self {
            Self::Local(file) => Ok(file.metadata()?.len()),
            Self::Fetching(reading) => reading.learn_length(near).await,
        }
    }

    /// Reads, waiting for the download if need be. Short only at the end of the file.
    ///
    /// # Errors
    /// If the download fails before those bytes have come.
    pub async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        match self {
            Self::Local(file) => {
                let file = file.clone();
                let read = tokio::task::spawn_blocking(move || read_at(&file, offset, len));
                Ok(read.await.map_err(|_| store::Error::ShuttingDown)??)
            }
            Self::Fetching(reading) => reading.read(offset, len).await,
        }
    }
}

/// Opens a file once more, with a position of its own, also if it has no name any more.
fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Reads until `len` bytes or the end of the file. Streaming from the cache is mostly copying, so there is no pass over
/// the buffer for zeroes.
pub(crate) fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = offset + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
    // The spare capacity may be more than was asked for.
    bytes.truncate(len);
    Ok(bytes)
}
