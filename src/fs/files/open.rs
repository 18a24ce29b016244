//! Opening and creating files.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use super::descriptor::Descriptor;
use crate::content::Reader;
use crate::fs::attr::{Attr, withheld};
use crate::fs::error::{Error, Result};
use crate::fs::filesystem::{Fs, entry_name};
use crate::fs::handles::{Bytes, Fh, Handle, Item, OpenFile};
use crate::fs::node::{Ino, Node};
use crate::media::FileId;
use crate::store::{FileInfo, to_nanos};

/// The mode of an open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// The descriptor reads.
    pub read: bool,
    /// The descriptor writes.
    pub write: bool,
    /// The open empties the file.
    pub truncate: bool,
}

/// An opened file.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its descriptor.
    pub fh: Fh,
    /// The content is generated, so that the kernel must neither truncate reads to a size nor cache
    /// them.
    pub direct: bool,
    /// A file on this disk with the same bytes, if there is one and the file cannot be written to.
    pub local: Option<Arc<File>>,
}

impl Fs {
    /// Creates a file that everybody may read, and opens it for writing.
    pub fn create(&self, parent: Ino, name: &[u8]) -> Result<(Attr, Opened)> {
        self.create_with_mode(parent, name, 0o666)
    }

    /// Creates a file and opens it for writing. The bits of the mode that the group and others lack
    /// are kept for a mount that they can use.
    pub fn create_with_mode(&self, parent: Ino, name: &[u8], mode: u32) -> Result<(Attr, Opened)> {
        let dir = self.changeable_dir(parent)?;
        let name = entry_name(name)?;
        self.check_room(dir, None, &name)?;
        let now = to_nanos(SystemTime::now());
        let file = self.store.create_file_with(dir, &name, now, withheld(mode))??;
        let opened = self.handles.open(file, true, || -> Result<Bytes> {
            Ok(Bytes::Spool(Arc::new(self.pipeline.spool().create(file)?), None))
        });
        let (fh, open) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // The create has failed, so its caller expects no name.
                self.store.unlink(dir, &name)??;
                self.pipeline.remove_if_orphan(file)?;
                return Err(error);
            }
        };
        let begun = self.pipeline.begin_new(file);
        if let Bytes::Spool(_, version) = &mut *open.bytes.write() {
            *version = Some(begun);
        }
        let attr = self.file_attr(Node::File(file).ino(), &self.file(file)?.stat(), 0);
        Ok((attr, Opened { fh, direct: false, local: None }))
    }

    /// Creates an empty file without opening it.
    pub fn mknod_with_mode(&self, parent: Ino, name: &[u8], mode: u32) -> Result<Attr> {
        let (attr, opened) = self.create_with_mode(parent, name, mode)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        self.flush_now(descriptor.fh, || false)?;
        Ok(attr)
    }

    /// Opens a file. `None` if the kernel may have cached another size than the descriptor will
    /// have, or if the size is not known yet.
    pub fn open_now(&self, ino: Ino, how: Open) -> Result<Option<Opened>> {
        let opened = self.open_as_it_is(ino, how)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        let reported = match self.handle(descriptor.fh)? {
            Handle::File { open, .. } if !how.truncate => self.is_size_reported(&open, how)?,
            _ => true,
        };
        Ok(reported.then(|| descriptor.keep(opened)))
    }

    /// Opens a file. If its size is not known, requests it first; the answer has the first bytes
    /// too.
    pub async fn open(&self, ino: Ino, how: Open) -> Result<Opened> {
        let opened = self.open_as_it_is(ino, how)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        if let Handle::File { open, .. } = self.handle(descriptor.fh)?
            && !how.truncate
            && !self.is_size_reported(&open, how)?
        {
            self.report_size(&open, how).await?;
        }
        Ok(descriptor.keep(opened))
    }

    pub(super) fn open_as_it_is(&self, ino: Ino, how: Open) -> Result<Opened> {
        // O_RDONLY | O_TRUNC empties a file as well.
        let write = how.write || how.truncate;
        if write {
            self.check_writable()?;
        }
        let node = self.node(ino)?;
        let file = match node {
            Node::ReadOnlyFile(_) if write => return Err(Error::plain(libc::EROFS)),
            Node::File(file) | Node::ReadOnlyFile(file) => file,
            // The kernel follows the link by itself.
            Node::RefusedLink => return Err(Error::plain(libc::ELOOP)),
            Node::Status | Node::Metrics if write => return Err(Error::plain(libc::EACCES)),
            Node::Status | Node::Metrics => {
                let fh = self.open_snapshot(node)?;
                return Ok(Opened { fh, direct: true, local: None });
            }
            Node::Dir(_)
            | Node::Control
            | Node::Failed(_)
            | Node::Library
            | Node::View(_)
            | Node::Picks
            | Node::Pick(_) => return Err(Error::plain(libc::EISDIR)),
        };
        // A file that was merged into another one lives on under the other's number.
        let info = self.file(file)?;
        let file = info.id;
        if info.picked.is_some() {
            self.tell_of_renditions();
        }
        self.content.opened(file);
        let (fh, open) = self.handles.open(file, write, || self.bytes(file))?;
        if how.truncate
            && let Err(error) = self.truncate_whole(&self.writable(fh)?)
        {
            self.release(fh)?;
            return Err(error);
        }
        let unwritable = self.config.read_only || node.is_read_only();
        let local = if unwritable { local_copy(&open) } else { None };
        Ok(Opened { fh, direct: false, local })
    }

    /// Finds the bytes of a file that is not open.
    fn bytes(&self, file: FileId) -> Result<Bytes> {
        // All descriptors read this local copy until the last close, also if the cache evicts it
        // before. So its size is the reported size from now on.
        let item = |info: &FileInfo| {
            let reader = self.content.open_local(info);
            Bytes::Item(Item { reported: reader.as_ref().and_then(Reader::local_length), reader })
        };
        // Tried twice, because the file may move from the spool to the cache meanwhile.
        for _ in 0..2 {
            let info = self.file(file)?;
            if info.upload.is_none() {
                return Ok(item(&info));
            }
            match self.pipeline.spool().open(file) {
                Ok(spool) => return Ok(Bytes::Spool(Arc::new(spool), None)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(item(&self.file(file)?))
    }
}

/// The local copy of an item that is open. `None` also while its content changes.
pub(super) fn local_copy(open: &OpenFile) -> Option<Arc<File>> {
    match &*open.bytes.try_read()? {
        Bytes::Item(Item { reader: Some(Reader::Local(file)), .. }) => Some(file.clone()),
        _ => None,
    }
}
