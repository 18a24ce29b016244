//! Reading.

use crate::content::read_at;
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::{Bytes, Fh, Handle, Item, OpenFile};
use crate::media::FileId;

impl Fs {
    /// Reads bytes that are on this disk. `None` if the read must wait.
    pub fn read_now(&self, fh: Fh, offset: u64, len: usize) -> Result<Option<Vec<u8>>> {
        let open = match self.handle(fh)? {
            Handle::File { open, .. } => open,
            Handle::Snapshot(reader) => return Ok(Some(reader.read(offset, len))),
        };
        // A version is being sealed or begun, which waits for the disk.
        let Some(bytes) = open.bytes.try_read().map(|bytes| bytes.clone()) else { return Ok(None) };
        match bytes {
            Bytes::Spool(file, _) => Ok(Some(read_at(file.file(), offset, len)?)),
            Bytes::Item(Item { reader: Some(reader), .. }) => {
                Ok(reader.read_now(offset, len).transpose()?)
            }
            Bytes::Item(Item { reader: None, .. }) | Bytes::Opening => Ok(None),
        }
    }

    /// Reads, and downloads if necessary. A short read means the end of the file.
    pub async fn read(&self, fh: Fh, offset: u64, len: usize) -> Result<Vec<u8>> {
        if let Some(bytes) = self.read_now(fh, offset, len)? {
            return Ok(bytes);
        }
        let Handle::File { open, .. } = self.handle(fh)? else {
            return Err(Error::plain(libc::EBADF));
        };
        let current = open.bytes.read().clone();
        let reader = match current {
            Bytes::Spool(file, _) => return Ok(read_at(file.file(), offset, len)?),
            // No descriptor exists yet.
            Bytes::Opening => return Err(Error::plain(libc::EBADF)),
            Bytes::Item(Item { reader: Some(reader), .. }) => reader,
            Bytes::Item(item) => {
                let info = self.file(open.file)?;
                let (reader, size) = self.open_item(&open, item, &info, offset).await?;
                self.read_from(&open, &reader, size)?;
                reader
            }
        };
        let outcome = reader.read(offset, len).await;
        outcome.map_err(|error| self.not_read(&open, error.into()))
    }

    /// Finds the next data or hole: lseek(2) with `SEEK_DATA` or `SEEK_HOLE`.
    pub fn lseek(&self, fh: Fh, offset: i64, whence: i32) -> Result<i64> {
        let Handle::File { open, .. } = self.handle(fh)? else {
            return Err(Error::plain(libc::EINVAL));
        };
        let bytes = open.bytes.read().clone();
        let Bytes::Spool(file, _) = bytes else { return self.lseek_item(&open, offset, whence) };
        let offset = u64::try_from(offset).map_err(|_| Error::plain(libc::ENXIO))?;
        let from = match whence {
            libc::SEEK_DATA => rustix::fs::SeekFrom::Data(offset),
            libc::SEEK_HOLE => rustix::fs::SeekFrom::Hole(offset),
            _ => return Err(Error::plain(libc::EINVAL)),
        };
        // This moves the position of the spool file, which no read or write uses.
        let found = rustix::fs::seek(file.file(), from)
            .map_err(|errno| Error::plain(errno.raw_os_error()))?;
        i64::try_from(found).map_err(|_| Error::plain(libc::EOVERFLOW))
    }

    /// An item has no hole except the one at its end.
    fn lseek_item(&self, open: &OpenFile, offset: i64, whence: i32) -> Result<i64> {
        let info = self.file(open.file)?;
        let size = self.reported_size(&info).and_then(|size| size.known(&info));
        let size = size.and_then(|size| i64::try_from(size).ok());
        let size = size.ok_or_else(|| Error::plain(libc::EINVAL))?;
        match whence {
            _ if offset < 0 || offset >= size => Err(Error::plain(libc::ENXIO)),
            libc::SEEK_DATA => Ok(offset),
            libc::SEEK_HOLE => Ok(size),
            _ => Err(Error::plain(libc::EINVAL)),
        }
    }

    pub(super) fn not_read(&self, open: &OpenFile, error: Error) -> Error {
        if let Bytes::Item(item) = &mut *open.bytes.write() {
            // The next read tries again.
            item.reader = None;
        }
        self.reading(open.file, error)
    }

    pub(super) fn reading(&self, file: FileId, error: Error) -> Error {
        error.doing(|| {
            let path = self.store.file_path(file).ok().flatten();
            format!("reading {}", path.as_deref().unwrap_or("a file without a name"))
        })
    }
}
