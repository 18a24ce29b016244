//! What is read: the bytes of an item, from the local cache or by download.
//!
//! A download fills a file of the cache from front to back; readers wait for the part they want, so
//! many of them share one download and the first bytes come before the last. What was copied in
//! through the mount is put into the cache as it was and read back byte for byte.

mod cache;
mod fetch;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::api::{self, BaseUrls, SourceError};
use crate::media::{FileId, MediaId};
use crate::store::{self, Change, FileInfo, OnChange, Store};

use cache::Cache;
use fetch::Fetch;

/// How many sizes are asked for at a time.
const SIZES_AT_A_TIME: usize = 16;

/// How many sizes are asked for ahead of whoever lists a directory.
const SIZES_AHEAD: u32 = 256;

/// Where the cache is and how large it may become.
#[derive(Clone, Debug)]
pub struct Config {
    /// A directory of its own; what is in it may be deleted while nothing is mounted.
    pub dir: PathBuf,
    /// Bytes; the least recently used files go when it is passed.
    pub limit: u64,
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
    /// The download failed.
    #[error("the download failed")]
    Download(#[from] api::Error),
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
    on_change: OnChange,
    cache: Arc<Cache>,
    // Held for a look-up or an insert.
    running: Arc<Mutex<HashMap<FileId, Weak<Fetch>>>>,
    sizes: Arc<Semaphore>,
    beside: Arc<tokio::sync::Mutex<()>>,
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
        on_change: OnChange,
    ) -> io::Result<Self> {
        Ok(Self {
            cache: Arc::new(Cache::open(config.dir, config.limit)?),
            store,
            client,
            urls,
            runtime,
            on_change,
            running: Arc::default(),
            sizes: Arc::new(Semaphore::new(SIZES_AT_A_TIME)),
            beside: Arc::default(),
        })
    }

    /// The local copy of a file, if there is one. Does not touch the network.
    pub fn open_local(&self, file: FileId) -> Option<Reader> {
        self.cache.get(file).map(|file| Reader::Local(Arc::new(file)))
    }

    /// Something to read a file's bytes from; a download is begun or joined if need be.
    ///
    /// # Errors
    /// If the item has no bytes to offer now.
    pub fn open(&self, info: &FileInfo) -> Result<Reader, Error> {
        if let Some(local) = self.open_local(info.id) {
            return Ok(local);
        }
        let media = info.media.clone().ok_or(Error::NowhereYet)?;
        Ok(Reader::Fetching(self.fetch(info.id, media)?))
    }

    /// Waits until the whole file is in the cache, and says where.
    ///
    /// # Errors
    /// If the item has no bytes to offer now.
    pub async fn whole(&self, info: &FileInfo) -> Result<PathBuf, Error> {
        if let Reader::Fetching(fetch) = self.open(info)? {
            fetch.complete().await?;
        }
        Ok(self.cache.path(info.id))
    }

    /// Takes over a file that has been uploaded. Blocking.
    pub fn keep(&self, file: FileId, spool: &Path) {
        if let Err(error) = self.cache.adopt(file, spool) {
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "an uploaded file could not be put into the cache: it will be downloaded when it is read"
            );
        }
    }

    /// Drops the local copy of a file whose content is about to change.
    pub fn drop_local(&self, file: FileId) {
        self.cache.remove(file);
    }

    /// Asks for an item's size, which Google tells only as the length of the download, and keeps it.
    ///
    /// # Errors
    /// If it cannot be learnt now.
    pub async fn learn_size(&self, info: &FileInfo) -> Result<u64, Error> {
        let _turn = self.sizes.acquire().await.map_err(|_| store::Error::ShuttingDown)?;
        let file = info.id;
        // Somebody else may have learnt it while this one waited for its turn.
        if let Some(size) =
            self.store.run(move |store| store.file(file)).await?.and_then(|info| info.size)
        {
            return Ok(size);
        }
        let media = info.media.clone().ok_or(Error::NowhereYet)?;
        let source = self.urls.get(&media).await?;
        fetch::check_ready(&source)?;
        let asked = self.client.download_size(&source.base_url, source.kind).await;
        let asked = match asked {
            Err(error) if error.is_stale_url() => {
                self.urls.forget(&media);
                let source = self.urls.get(&media).await?;
                self.client.download_size(&source.base_url, source.kind).await
            }
            other => other,
        };
        let size = asked?.ok_or(Error::NoSize)?;
        self.store.run(move |store| store.learn_size(file, size)).await?;
        (self.on_change)(Change::File(file));
        Ok(size)
    }

    /// Learns, in the background, the sizes of all items that share an album with this one: whoever asks
    /// for one is listing them all.
    pub fn learn_sizes_beside(&self, file: FileId) {
        let content = self.clone();
        self.runtime.spawn(async move {
            // One at a time: it is asked again for every item until the sizes are known.
            let Ok(_alone) = content.beside.try_lock() else { return };
            let unknown =
                content.store.run(move |store| store.unsized_beside(file, SIZES_AHEAD)).await;
            let mut asking = tokio::task::JoinSet::new();
            for info in unknown.unwrap_or_default() {
                let content = content.clone();
                asking.spawn(async move { content.learn_size(&info).await.map(drop) });
            }
            while let Some(asked) = asking.join_next().await {
                // What stops one then stops all: whoever needs a size will hear why.
                if let Ok(Err(Error::Download(error))) = asked
                    && (error.is_offline() || !matches!(error.advice(), api::Advice::GiveUp))
                {
                    break;
                }
            }
        });
    }

    /// Bytes in the cache, and its limit.
    pub fn usage(&self) -> (u64, u64) {
        self.cache.usage()
    }

    fn fetch(&self, file: FileId, media: MediaId) -> io::Result<Arc<Fetch>> {
        let mut running = self.running.lock();
        if let Some(fetch) = running.get(&file).and_then(Weak::upgrade)
            && !fetch.has_failed()
        {
            return Ok(fetch);
        }
        let fetch = Arc::new(Fetch::new(self.cache.begin(file)?));
        running.insert(file, Arc::downgrade(&fetch));
        let content = self.clone();
        let weak = Arc::downgrade(&fetch);
        let progress = fetch.progress();
        self.runtime.spawn(async move {
            let outcome = content.download(file, media, &weak, &progress).await;
            {
                let mut running = content.running.lock();
                // A later download may have taken the place.
                if running.get(&file).is_some_and(|fetch| fetch.ptr_eq(&weak)) {
                    running.remove(&file);
                }
            }
            progress.send_modify(|state| state.ended = Some(outcome.map_err(Arc::new)));
        });
        Ok(fetch)
    }
}

/// An item's bytes, there or on their way. Cheap to clone.
#[derive(Clone)]
pub enum Reader {
    /// All of them are on this disk.
    Local(Arc<File>),
    /// They are being downloaded.
    Fetching(Arc<Fetch>),
}

impl Reader {
    /// Reads from a local file at once; `None` if a download must be waited for.
    pub fn read_now(&self, offset: u64, len: usize) -> Option<io::Result<Vec<u8>>> {
        match self {
            Self::Local(file) => Some(read_at(file, offset, len)),
            Self::Fetching(fetch) => fetch.read_now(offset, len),
        }
    }

    /// Reads, waiting for the download if need be. Short only at the end of the file.
    ///
    /// # Errors
    /// If the download fails before those bytes have come.
    pub async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        if let Self::Fetching(fetch) = self {
            fetch.reach(offset.saturating_add(len as u64)).await?;
        }
        let reader = self.clone();
        let read = move || match reader {
            Self::Local(file) => read_at(&file, offset, len),
            Self::Fetching(fetch) => fetch.read_at(offset, len),
        };
        Ok(tokio::task::spawn_blocking(read).await.map_err(|_| store::Error::ShuttingDown)??)
    }
}

/// Reads until `len` bytes or the end of the file.
pub(crate) fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}
