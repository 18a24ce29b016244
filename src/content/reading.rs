//! Readers of a file that is only partly in the cache.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::Content;
use super::error::Error;
use super::fetch::Fetch;
use super::part::Part;
use super::plan::Number;
use crate::store;

/// One reader of such a file. When the last one is dropped, the streams end.
pub struct Reading {
    content: Content,
    fetch: Arc<Fetch>,
}

impl Reading {
    pub(super) fn new(content: Content, fetch: Arc<Fetch>) -> Self {
        fetch.add_reader();
        Self { content, fetch }
    }

    /// Reads a downloaded range; `None` if a part of it is missing.
    pub(super) fn read_now(&self, offset: u64, len: usize) -> Option<io::Result<Vec<u8>>> {
        let range = offset..offset.saturating_add(len as u64);
        let bytes = self.fetch.read_here(range.clone())?;
        self.fetch.read_on(&range);
        Some(bytes)
    }

    pub(super) async fn arrive(&self, offset: u64, len: usize) -> Result<(), Error> {
        self.reach(offset..offset.saturating_add(len as u64)).await
    }

    pub(super) async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let range = offset..offset.saturating_add(len as u64);
        loop {
            self.reach(range.clone()).await?;
            let (fetch, range) = (self.fetch.clone(), range.clone());
            let read = tokio::task::spawn_blocking(move || fetch.read_here(range));
            // None: the bytes were dropped meanwhile to free space.
            if let Some(bytes) = read.await.map_err(|_| store::Error::ShuttingDown)? {
                return Ok(bytes?);
            }
        }
    }

    pub(super) async fn fetch_length(&self, near: u64) -> Result<u64, Error> {
        // The answer with this byte usually reports the length. Otherwise the end of the file shows
        // it.
        for wanted in [near..near.saturating_add(1), 0..u64::MAX] {
            tokio::select! {
                () = self.fetch.total_known() => break,
                outcome = self.reach(wanted) => outcome?,
            }
        }
        let total = self.fetch.total().ok_or(Error::NoSize)?;
        self.content.store_length(&self.fetch, total).await?;
        Ok(total)
    }

    /// Waits until the file is whole, and returns it.
    pub(super) async fn complete(&self) -> Result<Arc<Part>, Error> {
        loop {
            // Memory has no room for a whole file.
            if !self.fetch.part().is_on_disk() {
                return Err(io::Error::from(io::ErrorKind::StorageFull).into());
            }
            self.reach(0..u64::MAX).await?;
            if let Some(part) = self.fetch.ended().await? {
                return Ok(part);
            }
        }
    }

    /// Waits until a range is downloaded, up to the end of the file, and starts streams for it.
    async fn reach(&self, range: Range<u64>) -> Result<(), Error> {
        let mut changes = self.fetch.changes();
        let waiter = Waiter::new(&self.fetch, range);
        loop {
            if let Some(stream) = waiter.step()? {
                self.content.begin_stream(&self.fetch, stream);
            } else if waiter.is_here() {
                return Ok(());
            }
            changes.changed().await.map_err(|_| store::Error::ShuttingDown)?;
        }
    }
}

impl Clone for Reading {
    fn clone(&self) -> Self {
        Self::new(self.content.clone(), self.fetch.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.fetch.remove_reader();
        self.content.tidy(&self.fetch);
    }
}

/// Waits for a range; cancelled when dropped.
struct Waiter<'a> {
    fetch: &'a Fetch,
    number: Number,
    range: Range<u64>,
}

impl<'a> Waiter<'a> {
    fn new(fetch: &'a Fetch, range: Range<u64>) -> Self {
        let number = fetch.add_waiter(range.clone());
        Self { fetch, number, range }
    }

    fn is_here(&self) -> bool {
        self.fetch.is_here(&self.range)
    }

    /// Returns the stream to start, if any.
    fn step(&self) -> Result<Option<Number>, Error> {
        self.fetch.step(self.number)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.fetch.cancel(self.number);
    }
}
