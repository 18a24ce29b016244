//! Writing: begins a version, and changes its bytes if the spool has room.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::descriptor::WritableFile;
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::{Bytes, Fh, Item, OpenFile};
use crate::media::FileId;
use crate::upload::{self, Need, ShortWrite, SpoolFile, Writer};

/// The position of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// A number of bytes from the beginning.
    At(u64),
    /// The same, for a page of a mapping. A program that has changed some bytes of the page may not
    /// have changed those that a failed write has left out.
    OfPage(u64),
    /// The end of the file.
    End,
}

impl Fs {
    /// Writes into a version that is being written. `None` if there is none, or if the spool is
    /// full.
    pub fn write_now(&self, fh: Fh, offset: Offset, data: &[u8]) -> Result<Option<u32>> {
        let WritableFile { open, writer } = self.writable(fh)?;
        let Some(bytes) = open.bytes.try_read() else { return Ok(None) };
        let Some(file) = bytes.writable(&writer) else { return Ok(None) };
        let mut attempt = WriteAttempt::new(&writer, range_of(file, offset, data.len())?);
        let write = |missing: &mut Range<u64>| {
            let planned = self.plan_write(open.file, file, offset, data)?;
            if !self.pipeline.take_room(planned.need.more)? {
                return Ok(None);
            }
            *missing = 0..0;
            put(&writer, file, offset, data).map(Some)
        };
        let outcome = write(&mut attempt.missing);
        attempt.end(outcome)
    }

    /// Writes. Begins a new version if necessary, which may download its content first. Waits for
    /// room in the spool.
    pub async fn write(&self, fh: Fh, offset: Offset, data: &[u8]) -> Result<u32> {
        let target = self.writable(fh)?;
        let WritableFile { open, writer } = &target;
        let missing = self.range_before_begin(open, offset, data.len())?;
        let plan = |file: &SpoolFile| self.plan_write(open.file, file, offset, data);
        self.change(&target, missing, plan, |file| put(writer, file, offset, data)).await
    }

    /// The range of a write to a file that may have no version yet.
    fn range_before_begin(
        &self,
        open: &OpenFile,
        offset: Offset,
        len: usize,
    ) -> Result<Range<u64>> {
        let start = match (offset, &*open.bytes.read()) {
            (Offset::At(start) | Offset::OfPage(start), _) => start,
            (Offset::End, Bytes::Spool(file, _)) => file.file().metadata()?.len(),
            (Offset::End, _) => self.file(open.file)?.size.unwrap_or(0),
        };
        range_at(start, len)
    }

    /// The room that a write needs. Fails if the file would be longer than Google accepts.
    fn plan_write(
        &self,
        id: FileId,
        file: &SpoolFile,
        offset: Offset,
        data: &[u8],
    ) -> Result<Planned> {
        let bytes = range_of(file, offset, data.len())?;
        let first = if bytes.start == 0 { data } else { &[] };
        let checked = file.check_length(bytes.end).map_err(Error::from);
        let checked = checked.and_then(|()| Ok(self.pipeline.check_share(id, file, first)?));
        checked.map_err(|error| self.writing(id, error))?;
        Ok(Planned { need: file.need(bytes.end, data.len() as u64)?, bytes })
    }

    /// Allocates space or punches a hole: fallocate(2).
    pub async fn fallocate(&self, fh: Fh, offset: u64, len: u64, mode: i32) -> Result<()> {
        use rustix::fs::FallocateFlags as Flags;
        use rustix::io::Errno;
        // The spool's filesystem decides which modes are supported.
        let mode = Flags::from_bits_retain(mode as u32);
        let takes_away = mode.contains(Flags::PUNCH_HOLE);
        let plan = |file: &SpoolFile| {
            if takes_away {
                return Ok(Planned::of_no_bytes(Need::default()));
            }
            let end = offset.saturating_add(len);
            if !mode.contains(Flags::KEEP_SIZE) {
                file.check_length(end)?;
            }
            Ok(Planned::of_no_bytes(file.need(end, len)?))
        };
        let allocate = |file: &SpoolFile| {
            file.fallocate(mode, offset, len).map_err(|errno| match errno {
                Errno::OPNOTSUPP | Errno::INVAL | Errno::FBIG => Error::plain(errno.raw_os_error()),
                errno => io::Error::from(errno).into(),
            })
        };
        self.change(&self.writable(fh)?, 0..0, plan, allocate).await
    }

    /// Changes the bytes of a version that is being written, and begins one if necessary. Waits
    /// until the spool has the room that `plan` returns. If that fails or the caller is killed, the
    /// bytes of `missing`, or those that `plan` returns, are missing.
    pub(super) async fn change<T>(
        &self,
        target: &WritableFile,
        missing: Range<u64>,
        plan: impl Fn(&SpoolFile) -> Result<Planned>,
        change: impl Fn(&SpoolFile) -> Result<T>,
    ) -> Result<T> {
        let mut attempt = WriteAttempt::new(&target.writer, missing);
        let outcome = self.begin_and_change(target, &mut attempt.missing, plan, change).await;
        attempt.end(outcome)
    }

    async fn begin_and_change<T>(
        &self,
        target: &WritableFile,
        missing: &mut Range<u64>,
        plan: impl Fn(&SpoolFile) -> Result<Planned>,
        change: impl Fn(&SpoolFile) -> Result<T>,
    ) -> Result<T> {
        let WritableFile { open, writer } = target;
        loop {
            self.begin_version(target).await?;
            let need = match open.bytes.read().writable(writer) {
                Some(file) => {
                    let Planned { need, bytes } = plan(file)?;
                    *missing = bytes;
                    if self.pipeline.take_room(need.more)? {
                        *missing = 0..0;
                        return change(file);
                    }
                    need
                }
                // The close of another descriptor has sealed the version meanwhile.
                None => continue,
            };
            self.wait_for_room(target, need).await?;
        }
    }

    async fn wait_for_room(&self, target: &WritableFile, need: Need) -> Result<()> {
        let outcome = self.pipeline.wait_for_room(&target.writer, need).await;
        outcome.map_err(|error| self.writing(target.open.file, error.into()))
    }

    /// Ensures that the file is in the spool and accepts writes.
    async fn begin_version(&self, target: &WritableFile) -> Result<()> {
        let WritableFile { open, writer } = target;
        loop {
            if open.bytes.read().writable(writer).is_some() {
                return Ok(());
            }
            let info = self.file(open.file)?;
            let content = match info.upload {
                Some(_) => None,
                None => {
                    self.check_edit(info.id)?;
                    let content = self.content.whole(&info).await;
                    Some(content.map_err(|error| self.reading(open.file, error.into()))?)
                }
            };
            if let Some(content) = &content {
                let size = content.metadata()?.len();
                self.check_size(open, size)?;
                writer.follow(info.id);
                self.wait_for_room(target, Need { more: size, total: size }).await?;
            }
            let mut bytes = open.bytes.write();
            if bytes.writable(writer).is_some() {
                return Ok(());
            }
            let info = self.file(open.file)?;
            writer.follow(info.id);
            match (info.upload, &content) {
                (None, Some(content)) => {
                    self.pipeline.begin_edit(info.id, Some(content))?;
                    self.content.drop_local(&info);
                }
                // The file was committed meanwhile, so its content is needed.
                (None, None) => continue,
                (Some(_), _) if self.unseal(info.id)? => {}
                (Some(_), _) => continue,
            }
            self.open_spool(&mut bytes, writer, info.id)?;
            return Ok(());
        }
    }

    /// Opens the spool file of a version that has begun.
    fn open_spool(
        &self,
        bytes: &mut Bytes,
        writer: &Writer,
        file: FileId,
    ) -> Result<Arc<SpoolFile>> {
        // The spool file of the previous version may be in the cache now. If the open fails, no
        // write must reach that file: the next write comes here again.
        *bytes = Bytes::Item(Item::default());
        let version = writer.begin_write();
        let spool = Arc::new(self.pipeline.spool().open(file)?);
        *bytes = Bytes::Spool(spool.clone(), version);
        Ok(spool)
    }

    /// Empties a file, without its old content.
    pub(super) fn truncate_whole(&self, target: &WritableFile) -> Result<()> {
        let WritableFile { open, writer } = target;
        let mut bytes = open.bytes.write();
        let info = loop {
            let info = self.file(open.file)?;
            writer.follow(info.id);
            if info.upload.is_none() {
                self.check_edit(info.id)?;
                self.pipeline.begin_edit(info.id, None)?;
                self.content.drop_local(&info);
                break info;
            } else if self.unseal(info.id)? {
                break info;
            }
        };
        self.open_spool(&mut bytes, writer, info.id)?.set_len(0)?;
        writer.truncated(0);
        Ok(())
    }

    /// Unseals a version. Returns `false` if the file has been committed, so that a write needs a
    /// new version.
    fn unseal(&self, file: FileId) -> Result<bool> {
        match self.pipeline.unseal(file) {
            Ok(()) => Ok(true),
            Err(upload::Error::Rejected) if self.file(file)?.upload.is_none() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn writing(&self, file: FileId, error: Error) -> Error {
        error.doing(|| {
            let path = self.store.file_path(file).ok().flatten();
            format!("writing {}", path.as_deref().unwrap_or("a file without a name"))
        })
    }
}

/// A change of a spool file, before it happens.
pub(super) struct Planned {
    need: Need,
    /// The bytes that will be missing if it fails.
    bytes: Range<u64>,
}

impl Planned {
    /// A change that brings no bytes, such as one of the length.
    pub(super) fn of_no_bytes(need: Need) -> Self {
        Self { need, bytes: 0..0 }
    }
}

/// A change that has not begun. If it never does, its bytes are missing: also if it is dropped,
/// because its caller is killed.
struct WriteAttempt<'a> {
    writer: &'a Writer,
    /// The errno of the failure.
    errno: i32,
    missing: Range<u64>,
}

impl<'a> WriteAttempt<'a> {
    fn new(writer: &'a Writer, missing: Range<u64>) -> Self {
        Self { writer, errno: libc::EINTR, missing }
    }

    fn end<T>(mut self, outcome: Result<T>) -> Result<T> {
        match &outcome {
            Ok(_) => self.missing = 0..0,
            Err(error) => self.errno = error.errno().0,
        }
        outcome
    }
}

impl Drop for WriteAttempt<'_> {
    fn drop(&mut self) {
        self.writer.write_failed(self.errno, self.missing.clone());
    }
}

fn put(writer: &Writer, file: &SpoolFile, offset: Offset, data: &[u8]) -> Result<u32> {
    // The kernel serialises appends to one file.
    let bytes = range_of(file, offset, data.len())?;
    if let Err(ShortWrite { written, source }) = file.write_at(data, bytes.start) {
        let mut missing = bytes.start + written as u64..bytes.end;
        if offset == Offset::End {
            // The program assumes that nothing was appended, and may repeat all of it.
            missing.start = bytes.start;
            let _ = file.set_len(bytes.start);
        }
        writer.write_failed(source.raw_os_error().unwrap_or(libc::EIO), missing);
        return Err(source.into());
    }
    if !matches!(offset, Offset::OfPage(_)) {
        writer.wrote(&bytes);
    }
    // The kernel never sends more than a few megabytes.
    Ok(data.len() as u32)
}

/// The range of a write of `len` bytes to a version.
fn range_of(file: &SpoolFile, offset: Offset, len: usize) -> Result<Range<u64>> {
    match offset {
        Offset::At(start) | Offset::OfPage(start) => range_at(start, len),
        Offset::End => range_at(file.file().metadata()?.len(), len),
    }
}

fn range_at(start: u64, len: usize) -> Result<Range<u64>> {
    let end = start.checked_add(len as u64).ok_or_else(|| Error::plain(libc::EFBIG))?;
    Ok(start..end)
}
