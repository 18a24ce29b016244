//! Writing: begins a version, and changes its bytes if the spool has room.

use std::io;
use std::sync::Arc;

use super::descriptor::WritableFile;
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::{Bytes, Fh, Item};
use crate::media::FileId;
use crate::upload::{self, Need, SpoolFile, Writer};

/// The position of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// A number of bytes from the beginning.
    At(u64),
    /// The end of the file.
    End,
}

impl Fs {
    /// Writes into a version that is being written. `None` if there is none, or if the spool is
    /// full.
    pub fn write_now(&self, fh: Fh, offset: Offset, data: &[u8]) -> Result<Option<u32>> {
        let WritableFile { open, writer } = self.writable(fh)?;
        let Some(bytes) = open.bytes.try_read() else { return Ok(None) };
        let (true, Bytes::Spool(file)) = (writer.begin_write(), &*bytes) else { return Ok(None) };
        let need = self.need(&writer, open.file, file, offset, data.len())?;
        if !self.pipeline.take_room(need.more)? {
            return Ok(None);
        }
        put(&writer, file, offset, data).map(Some)
    }

    /// Writes. Begins a new version if necessary, which may download its content first. Waits for
    /// room in the spool.
    pub async fn write(&self, fh: Fh, offset: Offset, data: &[u8]) -> Result<u32> {
        let target = self.writable(fh)?;
        let WritableFile { open, writer } = &target;
        let need = |file: &SpoolFile| self.need(writer, open.file, file, offset, data.len());
        self.change(&target, need, |file| put(writer, file, offset, data), Failure::LosesBytes)
            .await
    }

    /// The room that a write needs. Fails if the file would be longer than Google accepts. The
    /// version then lacks bytes, so it has a write error.
    fn need(
        &self,
        writer: &Writer,
        id: FileId,
        file: &SpoolFile,
        offset: Offset,
        len: usize,
    ) -> Result<Need> {
        let end = end_of(file, offset, len)?;
        if let Err(error) = file.check_length(end) {
            let error = Error::from(error);
            writer.write_failed(error.errno().0);
            return Err(self.writing(id, error));
        }
        Ok(file.need(end, len as u64)?)
    }

    /// Allocates space or punches a hole: fallocate(2).
    pub async fn fallocate(&self, fh: Fh, offset: u64, len: u64, mode: i32) -> Result<()> {
        use rustix::fs::FallocateFlags as Flags;
        use rustix::io::Errno;
        // The spool's filesystem decides which modes are supported.
        let mode = Flags::from_bits_retain(mode as u32);
        let takes_away = mode.intersects(Flags::PUNCH_HOLE | Flags::COLLAPSE_RANGE);
        let need = |file: &SpoolFile| {
            if takes_away {
                return Ok(Need::default());
            }
            let end = offset.saturating_add(len);
            if !mode.contains(Flags::KEEP_SIZE) {
                file.check_length(end)?;
            }
            Ok(file.need(end, len)?)
        };
        let allocate = |file: &SpoolFile| {
            file.fallocate(mode, offset, len).map_err(|errno| match errno {
                Errno::OPNOTSUPP | Errno::INVAL | Errno::FBIG => Error::plain(errno.raw_os_error()),
                errno => io::Error::from(errno).into(),
            })
        };
        self.change(&self.writable(fh)?, need, allocate, Failure::LosesNothing).await
    }

    /// Changes the bytes of a version that is being written, and begins one if necessary. Waits
    /// until the spool has the room that `need` returns (see [`SpoolFile::need`]).
    pub(super) async fn change<T>(
        &self,
        target: &WritableFile,
        need: impl Fn(&SpoolFile) -> Result<Need>,
        change: impl Fn(&SpoolFile) -> Result<T>,
        failure: Failure,
    ) -> Result<T> {
        let WritableFile { open, writer } = target;
        loop {
            self.begin_version(target).await?;
            let lacks = match &*open.bytes.read() {
                Bytes::Spool(file) if writer.begin_write() => {
                    let need = need(file)?;
                    if self.pipeline.take_room(need.more)? {
                        return change(file);
                    }
                    Some(need)
                }
                // The close of another descriptor has sealed the version meanwhile.
                _ => None,
            };
            if let Some(need) = lacks {
                let mut waiting = WaitingWrite { writer, errno: libc::EINTR, failure };
                let waited = self.wait_for_room(open.file, need).await;
                match &waited {
                    Ok(()) => waiting.failure = Failure::LosesNothing,
                    Err(error) => waiting.errno = error.errno().0,
                }
                waited?;
            }
        }
    }

    async fn wait_for_room(&self, file: FileId, need: Need) -> Result<()> {
        let outcome = self.pipeline.wait_for_room(file, need).await;
        outcome.map_err(|error| self.writing(file, error.into()))
    }

    /// Ensures that the file is in the spool and accepts writes.
    async fn begin_version(&self, target: &WritableFile) -> Result<()> {
        let WritableFile { open, writer } = target;
        let has_begun = |bytes: &Bytes| writer.begin_write() && matches!(bytes, Bytes::Spool(_));
        loop {
            if has_begun(&open.bytes.read()) {
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
                self.wait_for_room(open.file, Need { more: size, total: size }).await?;
            }
            let mut bytes = open.bytes.write();
            if has_begun(&bytes) {
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
            self.open_spool(&mut bytes, info.id)?;
            return Ok(());
        }
    }

    /// Opens the spool file of a version that has begun.
    fn open_spool(&self, bytes: &mut Bytes, file: FileId) -> Result<Arc<SpoolFile>> {
        // The spool file of the previous version may be in the cache now. If the open fails, no
        // write must reach that file: the next write comes here again.
        *bytes = Bytes::Item(Item::default());
        let spool = Arc::new(self.pipeline.spool().open(file)?);
        *bytes = Bytes::Spool(spool.clone());
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
        self.open_spool(&mut bytes, info.id)?.set_len(0)?;
        writer.emptied();
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

/// The effect of a failed change on the version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Bytes are missing, so the version has a write error.
    LosesBytes,
    /// No bytes are missing.
    LosesNothing,
}

/// A change that waits for room. If it fails, or its caller is killed, the version has a write
/// error.
struct WaitingWrite<'a> {
    writer: &'a Writer,
    /// The errno of the failure.
    errno: i32,
    failure: Failure,
}

impl Drop for WaitingWrite<'_> {
    fn drop(&mut self) {
        if self.failure == Failure::LosesBytes {
            self.writer.write_failed(self.errno);
        }
    }
}

fn put(writer: &Writer, file: &SpoolFile, offset: Offset, data: &[u8]) -> Result<u32> {
    // The kernel serialises appends to one file.
    let start = end_of(file, offset, data.len())? - data.len() as u64;
    file.write_at(data, start)
        .inspect_err(|error| writer.write_failed(error.raw_os_error().unwrap_or(libc::EIO)))?;
    // The kernel never sends more than a few megabytes.
    Ok(data.len() as u32)
}

/// The end of a write of `len` bytes.
fn end_of(file: &SpoolFile, offset: Offset, len: usize) -> Result<u64> {
    let start = match offset {
        Offset::At(offset) => offset,
        Offset::End => file.file().metadata()?.len(),
    };
    start.checked_add(len as u64).ok_or_else(|| Error::plain(libc::EFBIG))
}
