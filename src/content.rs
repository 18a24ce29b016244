//! What is read: the bytes of an item, from the local cache or by download.
//!
//! A download fills a file of the cache from front to back; readers wait for the part they want, so
//! many of them share one download and the first bytes come before the last. What was copied in
//! through the mount is put into the cache as it was and read back byte for byte.

mod cache;
mod fetch;
mod sizes;
mod verify;

pub use verify::{Fingerprint, Returned, Seen};

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::api::{self, BaseUrls, SourceError};
use crate::media::{FileId, MediaId};
use crate::store::{self, Adoption, FileInfo, Store};

use cache::Cache;
use fetch::Fetch;

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
    /// The bytes are not those of one picture, or not all of them.
    #[error("the item changed at Google while it was downloaded")]
    Changed,
    /// The download failed.
    #[error("the download failed")]
    Download(#[from] api::Error),
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
    // Held for a look-up or an insert, or while a whole file gets its name.
    running: Arc<Mutex<HashMap<FileId, Weak<Fetch>>>>,
    sizes: Arc<sizes::Sizes>,
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
            running: Arc::default(),
            sizes: Arc::default(),
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

    /// Drops the local copy of a file whose content has begun to change. A download that is under way serves
    /// its readers to the end, but is not kept.
    pub fn drop_local(&self, file: FileId) {
        self.running.lock().remove(&file);
        self.cache.remove(file);
    }

    /// Takes a local file for an item whose bytes nobody here knows, and shows its size and time. Says whether it did.
    ///
    /// # Errors
    /// If the database fails.
    pub fn adopt(&self, file: FileId, local: &Adoption) -> store::Result<bool> {
        let done = self.store.adopt(file, local)?;
        if done {
            // A rendition of Google's need not have the local file's size.
            self.drop_local(file);
        }
        Ok(done)
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
