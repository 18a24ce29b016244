//! Waits of readers for downloads, before their operations begin.
//!
//! Many programs read at once, and each may wait for long. A wait here takes no thread, and holds no
//! bytes. So it costs kilobytes, also while hundreds wait.

use std::sync::Arc;

use super::open::Open;
use crate::content::Reader;
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::{Bytes, Fh, Handle, Item, OpenFile};
use crate::fs::node::{Ino, Node};
use crate::media::{Caller, FileId};
use crate::store;

impl Fs {
    /// Waits until [`Fs::open`] needs no download to learn a length. Keep the reader until it has
    /// opened the file: the download ends without readers.
    pub async fn length_arrives(self: Arc<Self>, ino: Ino, how: Open) -> Result<Option<Reader>> {
        if !how.read || how.truncate {
            return Ok(None);
        }
        let turn = self.beginning.acquire().await.map_err(|_| store::Error::ShuttingDown)?;
        let begun = self.clone().on_thread(move |fs| fs.begin_download(ino)).await;
        drop(turn);
        let Some((file, reader)) = begun? else { return Ok(None) };
        match reader.fetch_length(0).await {
            Ok(_) => Ok(Some(reader)),
            Err(error) => self.on_thread(move |fs| Err(fs.reading(file, error.into()))).await,
        }
    }

    /// Waits until [`Fs::read`] needs no download. Keep the reader until it has read.
    pub async fn bytes_arrive(
        self: Arc<Self>,
        fh: Fh,
        offset: u64,
        len: usize,
    ) -> Result<Option<Reader>> {
        let Handle::File { open, .. } = self.handle(fh)? else { return Ok(None) };
        let Some(reader) = downloading(&open) else { return Ok(None) };
        match reader.arrive(offset, len).await {
            Ok(()) => Ok(Some(reader)),
            Err(error) => self.on_thread(move |fs| Err(fs.not_read(&open, error.into()))).await,
        }
    }

    /// Begins or joins the download of a file that is not on this disk.
    fn begin_download(&self, ino: Ino) -> Result<Option<(FileId, Reader)>> {
        let (Node::File(file) | Node::ReadOnlyFile(file)) = self.node(ino)? else {
            return Ok(None);
        };
        let info = self.file(file)?;
        if info.upload.is_some() {
            return Ok(None);
        }
        if let Some(open) = self.handles.opened(info.id) {
            let reader = match open.bytes.try_read().as_deref() {
                Some(Bytes::Item(Item { reader, .. })) => reader.clone(),
                _ => return Ok(None),
            };
            if let Some(reader) = reader {
                return Ok(Some((info.id, reader)));
            }
        }
        let reader = self.content.open(&info);
        let reader = reader.map_err(|error| self.reading(info.id, error.into()))?;
        Ok(Some((info.id, reader)))
    }

    /// Runs work with the database or the disk on a blocking thread.
    async fn on_thread<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let caller = Caller::current();
        let work = move || caller.run(|| work(&self));
        let outcome = tokio::task::spawn_blocking(work).await;
        outcome.map_err(|_| Error::from(store::Error::ShuttingDown))?
    }
}

/// The reader of an open file whose download has begun.
fn downloading(open: &OpenFile) -> Option<Reader> {
    match &*open.bytes.try_read()? {
        Bytes::Item(Item { reader: Some(reader @ Reader::Downloading(_)), .. }) => {
            Some(reader.clone())
        }
        _ => None,
    }
}
