//! The reported size: the size of an open item that the kernel has cached.
//!
//! Programs stat a file after its open, and copy that many bytes. The kernel truncates reads to the
//! cached size, or pads them with zeros. So from the first `open` for reading to the last close, an
//! item has one size, and bytes of another size are an error.

use super::open::Open;
use crate::content::{self, Reader};
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::{Bytes, Item, OpenFile};
use crate::fs::xattrs::INVALIDATION_DEADLINE;
use crate::store::FileInfo;

/// The size of an item for its descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fs) enum ReportedSize {
    /// The size of the row.
    Stored,
    /// The size of the local copy, or of the download.
    Fixed(u64),
    /// The size of an earlier download, which may have changed since.
    Remembered(u64),
    /// The size of a download that has not been requested yet.
    Unknown,
}

impl ReportedSize {
    /// Whether its download has not been requested yet.
    pub(in crate::fs) fn is_unknown(self) -> bool {
        self == Self::Unknown
    }

    /// The size in bytes, if it is known.
    pub(in crate::fs) fn known(self, info: &FileInfo) -> Option<u64> {
        match self {
            Self::Stored | Self::Unknown => info.size,
            Self::Fixed(size) | Self::Remembered(size) => Some(size),
        }
    }
}

impl Fs {
    /// The size of a file for its descriptors. `None` while a transition changes its content.
    pub(in crate::fs) fn reported_size(&self, info: &FileInfo) -> Option<ReportedSize> {
        if info.upload.is_some() {
            return Some(ReportedSize::Stored);
        }
        let Some(open) = self.handles.opened(info.id) else { return Some(ReportedSize::Stored) };
        let bytes = open.bytes.try_read()?;
        let Bytes::Item(item) = &*bytes else { return Some(ReportedSize::Stored) };
        let remembered = info.rendition.map_or(ReportedSize::Unknown, ReportedSize::Remembered);
        Some(item.reported.map_or(remembered, ReportedSize::Fixed))
    }

    /// Whether an open file has the size that the kernel has cached.
    pub(super) fn is_size_reported(&self, open: &OpenFile, how: Open) -> Result<bool> {
        let info = self.file(open.file)?;
        Ok(match self.reported_size(&info) {
            Some(ReportedSize::Stored) => true,
            Some(ReportedSize::Fixed(size)) => info.size == Some(size),
            Some(ReportedSize::Remembered(size)) => !how.read && info.size == Some(size),
            Some(ReportedSize::Unknown) | None => false,
        })
    }

    /// Invalidates the size that the kernel has cached. A reader gets the size of the download.
    /// Others request it only if they ask for the attributes.
    pub(super) async fn report_size(&self, open: &OpenFile, how: Open) -> Result<()> {
        let info = self.file(open.file)?;
        // This may wait while a version is begun or sealed. `fuse/dispatch.rs` runs operations that
        // wait on blocking threads, and no async worker waits for it.
        let bytes = open.bytes.read().clone();
        let fetched = match bytes {
            Bytes::Item(item) if info.upload.is_none() && how.read => {
                Some(self.open_item(open, item, &info, 0).await?)
            }
            _ => None,
        };
        if !self.store.invalidate_attributes(info.id, INVALIDATION_DEADLINE).await? {
            return Err(Error::because(libc::EIO, "the kernel does not invalidate a cached size"));
        }
        match fetched {
            Some((reader, size)) => self.read_from(open, &reader, size),
            None => Ok(()),
        }
    }

    /// Fetches the size of an item that is open for writing only, because a program asks for it. It
    /// may be about to write at the end, and the write begins with the bytes of the download.
    pub(in crate::fs) async fn fetch_open_size(&self, open: &OpenFile) -> Result<()> {
        let info = self.file(open.file)?;
        // As in `report_size`, this may wait for a blocking thread, but for no async worker.
        let bytes = open.bytes.read().clone();
        match bytes {
            Bytes::Item(item) if self.reported_size(&info) == Some(ReportedSize::Unknown) => {
                let (reader, size) = self.open_item(open, item, &info, 0).await?;
                self.read_from(open, &reader, size)
            }
            _ => Ok(()),
        }
    }

    /// A reader for an item, and the item's size. If the size is not known, this requests the bytes
    /// at `near`.
    pub(super) async fn open_item(
        &self,
        open: &OpenFile,
        item: Item,
        info: &FileInfo,
        near: u64,
    ) -> Result<(Reader, u64)> {
        let opened = async {
            let reader = match item.reader {
                Some(reader) => reader,
                None => self.content.open(info)?,
            };
            let size = reader.fetch_length(near).await?;
            Ok((reader, size))
        };
        opened.await.map_err(|error: content::Error| self.not_read(open, error.into()))
    }

    /// Makes all descriptors of an item read from `reader`, if that has the reported size.
    pub(super) fn read_from(&self, open: &OpenFile, reader: &Reader, size: u64) -> Result<()> {
        self.check_size(open, size)?;
        if let Bytes::Item(item) = &mut *open.bytes.write() {
            *item = Item { reader: Some(reader.clone()), reported: Some(size) };
        }
        Ok(())
    }

    /// Fails if the reported size is another one.
    pub(super) fn check_size(&self, open: &OpenFile, size: u64) -> Result<()> {
        let reported = match &*open.bytes.read() {
            Bytes::Item(item) => item.reported,
            Bytes::Spool(..) | Bytes::Opening => None,
        };
        match reported {
            Some(reported) if reported != size => {
                Err(self.not_read(open, content::Error::Changed.into()))
            }
            _ => Ok(()),
        }
    }
}
