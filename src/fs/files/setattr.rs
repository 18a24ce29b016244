//! Sets sizes and times.

use std::io;
use std::time::SystemTime;

use super::descriptor::{Descriptor, WritableFile};
use super::open::Open;
use super::write::Planned;
use crate::fs::attr::{Attr, withheld};
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::Fs;
use crate::fs::handles::Fh;
use crate::fs::node::{Ino, Node};
use crate::media::FileId;
use crate::store::to_nanos;
use crate::upload::{Need, SpoolFile};

/// The changes that `setattr` requests. The owner is accepted and ignored, and so is the mode, except
/// that it may keep a file from the group and from others.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttrChange {
    /// The new size in bytes.
    pub size: Option<u64>,
    /// The new time of the last access.
    pub atime: Option<SystemTime>,
    /// The new modification time.
    pub mtime: Option<SystemTime>,
    /// The new mode.
    pub mode: Option<u32>,
}

impl Fs {
    /// Changes size and times. Other changes affect only ctime.
    pub async fn setattr(&self, ino: Ino, fh: Option<Fh>, change: AttrChange) -> Result<Attr> {
        self.check_writable()?;
        match self.node(ino)? {
            Node::File(file) => {
                if let Some(mode) = change.mode {
                    self.store.set_withheld(file, withheld(mode))?;
                }
                if let Some(size) = change.size {
                    self.resize(file, fh, size).await?;
                }
                // A new size sets ctime by itself.
                if change.size.is_none() || change.atime.is_some() || change.mtime.is_some() {
                    self.set_times(file, change)?;
                }
            }
            Node::Dir(dir) if change.size.is_none() => {
                if let Some(mode) = change.mode {
                    self.store.set_dir_withheld(dir, withheld(mode))?;
                }
                if let Some(mtime) = change.mtime {
                    self.store.set_dir_mtime(dir, to_nanos(mtime))?;
                }
            }
            Node::Dir(_) => return Err(Error::plain(libc::EISDIR)),
            Node::Control | Node::Status | Node::Metrics | Node::RefusedLink | Node::Failed(_) => {
                return Err(Error::plain(libc::EPERM));
            }
            Node::Library | Node::View(_) | Node::Picks | Node::Pick(_) | Node::ReadOnlyFile(_) => {
                return Err(Error::plain(libc::EROFS));
            }
        }
        self.attr_after(ino)
    }

    async fn resize(&self, file: FileId, fh: Option<Fh>, size: u64) -> Result<()> {
        if let Some(target) = fh.and_then(|fh| self.writable(fh).ok()) {
            return self.resize_open(&target, size).await;
        }
        // truncate(2) of a path: opens a descriptor for this call, and seals the version at its
        // close.
        let ino = Node::File(file).ino();
        let how = Open { write: true, ..Open::default() };
        let opened = self.open_as_it_is(ino, how)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        self.resize_open(&self.writable(descriptor.fh)?, size).await?;
        self.flush_now(descriptor.fh, || false)
    }

    async fn resize_open(&self, target: &WritableFile, size: u64) -> Result<()> {
        if size == 0 {
            return self.truncate_whole(target);
        }
        // A hole needs no room.
        let plan = |file: &SpoolFile| {
            file.check_length(size)?;
            Ok(Planned::of_no_bytes(Need::default()))
        };
        let cut = |file: &SpoolFile| {
            file.set_len(size)?;
            target.writer.truncated(size);
            Ok(())
        };
        self.change(target, 0..0, plan, cut).await
    }

    fn set_times(&self, file: FileId, change: AttrChange) -> Result<()> {
        let info = self.file(file)?;
        let [atime, mtime] = [change.atime, change.mtime].map(|time| time.map(to_nanos));
        if let (Some(_), Some(mtime)) = (info.upload, mtime) {
            // Sealing reads mtime from the spool file.
            match self.pipeline.spool().set_mtime(info.id, mtime) {
                // The file was just committed: only the row has its time now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => outcome?,
            }
        }
        Ok(self.store.set_times(info.id, atime, mtime)?)
    }
}
