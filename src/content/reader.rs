//! Readers of a file's bytes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::Content;
use super::error::Error;
use super::fetch::Fetch;
use super::key::Key;
use super::part::read_at;
use super::reading::Reading;
use crate::store::{self, FileInfo};

/// Reads an item's bytes, local or during their download. Cheap to clone.
#[derive(Clone)]
pub enum Reader {
    /// All of them are on this disk.
    Local(Arc<File>),
    /// A download runs as far as the reader reads.
    Downloading(Reading),
}

impl Reader {
    /// Reads without waiting; `None` if the bytes must be downloaded first.
    pub fn read_now(&self, offset: u64, len: usize) -> Option<io::Result<Vec<u8>>> {
        match self {
            Self::Local(file) => Some(read_at(file, offset, len)),
            Self::Downloading(reading) => reading.read_now(offset, len),
        }
    }

    /// The length of the file, if it is local.
    pub fn local_length(&self) -> Option<u64> {
        match self {
            Self::Local(file) => file.metadata().ok().map(|it| it.len()),
            Self::Downloading(_) => None,
        }
    }

    /// Waits until the length of the file in bytes is known, and stores it. If that needs a
    /// download, it starts at `near`, where the caller will read.
    ///
    /// # Errors
    /// If the download fails.
    pub async fn fetch_length(&self, near: u64) -> Result<u64, Error> {
        match self {
            Self::Local(file) => Ok(file.metadata()?.len()),
            Self::Downloading(reading) => reading.fetch_length(near).await,
        }
    }

    /// Waits until these bytes can be read without a wait.
    ///
    /// # Errors
    /// If the download fails before they have arrived.
    pub async fn arrive(&self, offset: u64, len: usize) -> Result<(), Error> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Downloading(reading) => reading.arrive(offset, len).await,
        }
    }

    /// Reads, and waits for the download if necessary. Short only at the end of the file.
    ///
    /// # Errors
    /// If the download fails before those bytes have arrived.
    pub async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        match self {
            Self::Local(file) => {
                let file = file.clone();
                let read = tokio::task::spawn_blocking(move || read_at(&file, offset, len));
                Ok(read.await.map_err(|_| store::Error::ShuttingDown)??)
            }
            Self::Downloading(reading) => reading.read(offset, len).await,
        }
    }
}

impl Content {
    /// The local copy of a file, if there is one. Does not touch the network.
    pub fn open_local(&self, info: &FileInfo) -> Option<Reader> {
        let file = Key::all_of(info).find_map(|key| self.cache.get(key))?;
        Some(Reader::Local(Arc::new(file)))
    }

    /// Returns a reader of a file's bytes. Starts or joins a download if necessary.
    ///
    /// # Errors
    /// If the item has no bytes now.
    pub fn open(&self, info: &FileInfo) -> Result<Reader, Error> {
        if let Some(local) = self.open_local(info) {
            return Ok(local);
        }
        let item = info.item().ok_or(Error::NowhereYet)?;
        let reading = self.cache.part(
            info.id,
            |part| Fetch::new(info.id, item, info.rendition, part),
            |fetch| Reading::new(self.clone(), fetch),
        )?;
        Ok(Reader::Downloading(reading))
    }

    /// Waits until the whole file is local, and opens it with a position of its own.
    ///
    /// # Errors
    /// If the item has no bytes now, or there is no space for all of them.
    pub async fn whole(&self, info: &FileInfo) -> Result<File, Error> {
        let file = match self.open(info)? {
            Reader::Local(file) => reopen(&file)?,
            Reader::Downloading(reading) => reopen(reading.complete().await?.file())?,
        };
        Ok(file)
    }
}

/// Opens a file again, with a position of its own, even if the file has no name any more.
fn reopen(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
