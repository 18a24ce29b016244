//! Closing and syncing.

use super::descriptor::WritableFile;
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::{Bytes, Fh, Handle};
use crate::fs::node::Ino;
use crate::media::{Death, FileId};
use crate::upload::SealCause;

impl Fs {
    /// close(2). The kernel sends this for each closed descriptor, including those of `dup`, so it
    /// may come several times. It seals the version, so that bytes and journal row are on disk
    /// before close returns. A later write unseals it. Nothing durable depends on [`Fs::release`],
    /// because the kernel drops its errors.
    ///
    /// With `--commit close`, the close of the last writer returns when Google has the file. If a
    /// copy of the descriptor writes afterwards, it begins a new version.
    ///
    /// A file that Google does not take is judged only by the last close if `is_mapped` says that
    /// its program goes on to write it through memory.
    pub async fn flush(&self, fh: Fh, is_mapped: impl FnOnce() -> bool) -> Result<()> {
        let sealed = self.flush_now(fh, is_mapped);
        let Handle::File { open, writer: Some(writer) } = self.handle(fh)? else {
            return sealed;
        };
        let others_write = writer.closed();
        sealed?;
        if !self.config.commit_at_close || others_write {
            return Ok(());
        }
        let file = self.file(open.file)?.id;
        self.pipeline.commit(file).await.map_err(|error| self.closing(file, error.into()))
    }

    /// The closes that wait for nothing: those of a descriptor that cannot write, and those that
    /// come from the death of the writer, which seal nothing. `None` for other ones.
    pub fn flush_unwaiting(
        &self,
        fh: Fh,
        death: impl FnOnce() -> Option<Death>,
    ) -> Result<Option<()>> {
        match self.handle(fh)? {
            Handle::File { writer: Some(writer), .. } => {
                Ok(death().map(|death| writer.died(death)))
            }
            Handle::File { .. } => Ok(Some(())),
            Handle::Snapshot(reader) => {
                reader.closed();
                Ok(Some(()))
            }
        }
    }

    /// The part of a close that makes the file durable.
    pub(super) fn flush_now(&self, fh: Fh, is_mapped: impl FnOnce() -> bool) -> Result<()> {
        match self.handle(fh)? {
            Handle::File { open, writer: Some(writer) } => {
                let target = WritableFile { open, writer };
                let sealed = self.seal(&target, SealCause::Close);
                if sealed.is_err() && target.writer.is_rejected() && is_mapped() {
                    return Ok(self.pipeline.unseal(self.file(target.open.file)?.id)?);
                }
                sealed
            }
            _ => Ok(()),
        }
    }

    /// The last reference to a descriptor is gone, so the upload may begin.
    pub fn release(&self, fh: Fh) -> Result<()> {
        // A mapping may have written to the file after its close.
        let sealed = match self.handles.get(fh) {
            Some(Handle::File { open, writer: Some(writer) }) => {
                self.seal(&WritableFile { open, writer }, SealCause::Release)
            }
            _ => Ok(()),
        };
        let Some(closed) = self.handles.close(fh) else { return Ok(()) };
        match closed.writer {
            Some(writer) => self.pipeline.release(&writer),
            None if closed.last => self.pipeline.remove_if_orphan(closed.file)?,
            None => {}
        }
        sealed
    }

    /// fsync(2). When it returns, a file that is being written is on this disk, and any other file
    /// is at Google.
    pub async fn fsync(&self, ino: Ino, fh: Fh) -> Result<()> {
        match self.handle(fh)? {
            Handle::File { open, writer: Some(writer) } => {
                self.seal(&WritableFile { open, writer }, SealCause::Sync)
            }
            _ => self.sync(ino).await,
        }
    }

    fn seal(&self, target: &WritableFile, cause: SealCause) -> Result<()> {
        let WritableFile { open, writer } = target;
        if cause != SealCause::Close && !writer.is_unsealed() {
            return Ok(());
        }
        // This lock excludes writes.
        let bytes = open.bytes.write();
        // After a write that began a version but could not open its spool file, the bytes are those
        // of an item.
        if !matches!(&*bytes, Bytes::Spool(..)) && !writer.is_unsealed() {
            return Ok(());
        }
        // A file without a name is removed with its last descriptor.
        let Some(info) = self.store.file(open.file)?.filter(|info| info.links > 0) else {
            return Ok(());
        };
        match self.pipeline.seal(info.id, cause) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.closing(open.file, error.into())),
        }
    }

    fn closing(&self, file: FileId, error: Error) -> Error {
        error.doing(|| {
            let path = self.store.file_path(file).ok().flatten();
            format!(
                "closing {}",
                path.as_deref().unwrap_or("a file that is now in .gphotos/failed")
            )
        })
    }
}
