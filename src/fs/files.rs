//! Files: opening, reading, writing, closing.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use super::attr::Attr;
use super::error::{Error, Result};
use super::filesystem::{Fs, entry_name};
use super::handles::{Bytes, Fh, Handle, Item, OpenFile};
use super::node::{Ino, Node};
use super::xattrs::INVALIDATION_DEADLINE;
use crate::content::{self, Reader, read_at};
use crate::media::FileId;
use crate::store::{FileInfo, UploadState, to_nanos};
use crate::upload::{self, Need, SealError, SpoolFile};

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Bytes are read through this descriptor.
    pub read: bool,
    /// Bytes may be changed through this descriptor.
    pub write: bool,
    /// The file is emptied first.
    pub truncate: bool,
}

/// Where bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// In bytes from the beginning.
    At(u64),
    /// Behind the last one.
    End,
}

/// An opened file.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its descriptor.
    pub fh: Fh,
    /// It has no size: reads must not be cut to it, nor cached.
    pub direct: bool,
    /// Where nobody can write to it, a file on this disk with the same bytes, if there is one.
    pub local: Option<Arc<File>>,
}

/// What `setattr` is asked to change. Mode and owner are accepted and ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttrChange {
    /// The new size in bytes.
    pub size: Option<u64>,
    /// The new time of the last access.
    pub atime: Option<SystemTime>,
    /// The new modification time.
    pub mtime: Option<SystemTime>,
}

impl Fs {
    /// Makes a file and opens it for writing.
    pub fn create(&self, parent: Ino, name: &[u8]) -> Result<(Attr, Opened)> {
        let dir = self.changeable_dir(parent)?;
        let name = entry_name(name)?;
        self.check_room(dir, None, &name)?;
        let file = self.store.create_file(dir, &name, to_nanos(SystemTime::now()))??;
        let opened = self.handles.open(file, true, || -> Result<Bytes> {
            Ok(Bytes::Spool { file: Arc::new(self.pipeline.spool().create(file)?), writing: true })
        });
        let (fh, _) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // No bytes, no name: nobody would look for one after an error.
                self.store.unlink(dir, &name)??;
                self.store.forget_file(file)?;
                return Err(error);
            }
        };
        self.pipeline.opened(file);
        let attr = self.file_attr(Node::File(file).ino(), &self.file(file)?.stat(), 0);
        Ok((attr, Opened { fh, direct: false, local: None }))
    }

    /// Makes an empty file without opening it.
    pub fn mknod(&self, parent: Ino, name: &[u8]) -> Result<Attr> {
        let (attr, opened) = self.create(parent, name)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        self.flush_now(descriptor.fh)?;
        Ok(attr)
    }

    /// Opens a file; `None` if it is not known yet how long it is for whoever reads it, or the kernel may have been told
    /// otherwise.
    pub fn open_now(&self, ino: Ino, how: Open) -> Result<Option<Opened>> {
        let opened = self.open_as_it_is(ino, how)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        let shown = match self.handle(descriptor.fh)? {
            Handle::File { open, .. } if !how.truncate => self.is_as_kept(&open, how)?,
            _ => true,
        };
        Ok(shown.then(|| descriptor.keep(opened)))
    }

    /// Opens a file, having learnt how long it is: programs ask when they have opened it, and then read that much. What
    /// brings the length brings the first bytes, too.
    pub async fn open(&self, ino: Ino, how: Open) -> Result<Opened> {
        let opened = self.open_as_it_is(ino, how)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        if let Handle::File { open, .. } = self.handle(descriptor.fh)?
            && !how.truncate
            && !self.is_as_kept(&open, how)?
        {
            self.learn_length(&open, how).await?;
        }
        Ok(descriptor.keep(opened))
    }

    /// Whether a file that has been opened is as long for whoever opens it as it is for others.
    fn is_as_kept(&self, open: &OpenFile, how: Open) -> Result<bool> {
        let info = self.file(open.file)?;
        Ok(match self.length(&info) {
            Some(Length::AsKept) => true,
            Some(Length::Is(length)) => info.size == Some(length),
            Some(Length::Was(length)) => !how.read && info.size == Some(length),
            Some(Length::NotLearnt) | None => false,
        })
    }

    /// Has the kernel take note of how long a file is. Who reads is told what the download says, not what is remembered.
    async fn learn_length(&self, open: &OpenFile, how: Open) -> Result<()> {
        let info = self.file(open.file)?;
        let bytes = open.bytes.read().clone();
        let learnt = match bytes {
            Bytes::Item(item)
                if info.upload.is_none() && (how.read || info.rendition.is_none()) =>
            {
                Some(self.open_item(open, item, &info, 0).await?)
            }
            _ => None,
        };
        if !self.store.tell_attributes(info.id, INVALIDATION_DEADLINE).await? {
            return Err(Error::because(libc::EIO, "the kernel does not take note of a size"));
        }
        match learnt {
            Some((reader, length)) => self.settle(open, &reader, length),
            None => Ok(()),
        }
    }

    /// What an item is read from, and how long it is: for that, bytes at `near` are asked for if need be.
    async fn open_item(
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
            let length = reader.learn_length(near).await?;
            Ok((reader, length))
        };
        opened.await.map_err(|error: content::Error| self.not_read(open, error.into()))
    }

    /// From now on an item is read from there, if it is as long as who has it open was told.
    fn settle(&self, open: &OpenFile, reader: &Reader, length: u64) -> Result<()> {
        self.check_told(open, length)?;
        if let Bytes::Item(item) = &mut *open.bytes.write() {
            *item = Item { reader: Some(reader.clone()), told: Some(length) };
        }
        Ok(())
    }

    /// How long an item is for whoever has it open; `None` while its content is about to change.
    pub(super) fn length(&self, info: &FileInfo) -> Option<Length> {
        if info.upload.is_some() {
            return Some(Length::AsKept);
        }
        let Some(open) = self.handles.opened(info.id) else { return Some(Length::AsKept) };
        let bytes = open.bytes.try_read()?;
        let Bytes::Item(item) = &*bytes else { return Some(Length::AsKept) };
        let remembered = info.rendition.map_or(Length::NotLearnt, Length::Was);
        Some(item.told.map_or(remembered, Length::Is))
    }

    fn open_as_it_is(&self, ino: Ino, how: Open) -> Result<Opened> {
        // O_RDONLY | O_TRUNC empties a file as well.
        let write = how.write || how.truncate;
        if write {
            self.check_writable()?;
        }
        let node = self.node(ino)?;
        let file = match node {
            Node::ReadOnlyFile(_) if write => return Err(Error::plain(libc::EROFS)),
            Node::File(file) | Node::ReadOnlyFile(file) => file,
            Node::Status | Node::Metrics if write => return Err(Error::plain(libc::EACCES)),
            node @ (Node::Status | Node::Metrics) => {
                let status = self.status()?;
                let text = match node {
                    Node::Metrics => status.metrics(),
                    _ => status.json()?,
                };
                let fh = self.handles.open_snapshot(text);
                return Ok(Opened { fh, direct: true, local: None });
            }
            Node::Dir(_) | Node::Control | Node::Failed(_) | Node::Library | Node::View(_) => {
                return Err(Error::plain(libc::EISDIR));
            }
        };
        let info = self.file(file)?;
        // Files that were merged live on under another number.
        let file = info.id;
        self.content.opened(file);
        let (fh, open) = self.handles.open(file, write, || self.bytes(file))?;
        if write {
            self.pipeline.opened(file);
        }
        if how.truncate
            && let Err(error) = self.truncate_whole(&open)
        {
            self.release(fh)?;
            return Err(error);
        }
        let unwritable = self.config.read_only || node.is_in_views();
        let local = if unwritable { local(&open) } else { None };
        Ok(Opened { fh, direct: false, local })
    }

    /// Where a file's bytes are that nobody has open.
    fn bytes(&self, file: FileId) -> Result<Bytes> {
        // What is here now is read until the last close, also if the cache gives it up before: the size is told now.
        let item = |info: &FileInfo| {
            let reader = self.content.open_local(info);
            Bytes::Item(Item { told: reader.as_ref().and_then(Reader::local_length), reader })
        };
        // Twice: between the look and the opening the file may move from the spool to the cache.
        for _ in 0..2 {
            let info = self.file(file)?;
            if info.upload.is_none() {
                return Ok(item(&info));
            }
            match self.pipeline.spool().open(file) {
                Ok(spool) => return Ok(Bytes::Spool { file: Arc::new(spool), writing: false }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(item(&self.file(file)?))
    }

    /// Reads what is on this disk; `None` if a download must be waited for.
    pub fn read_now(&self, fh: Fh, offset: u64, len: usize) -> Result<Option<Vec<u8>>> {
        let open = match self.handle(fh)? {
            Handle::File { open, .. } => open,
            Handle::Snapshot(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(len).min(bytes.len());
                return Ok(Some(bytes[start..end].to_vec()));
            }
        };
        // While a version is sealed or begun, which takes the disk's time.
        let Some(bytes) = open.bytes.try_read().map(|bytes| bytes.clone()) else { return Ok(None) };
        match bytes {
            Bytes::Spool { file, .. } => Ok(Some(read_at(file.file(), offset, len)?)),
            Bytes::Item(Item { reader: Some(reader), .. }) => {
                Ok(reader.read_now(offset, len).transpose()?)
            }
            Bytes::Item(Item { reader: None, .. }) => Ok(None),
        }
    }

    /// Reads, downloading if need be. Short only at the end of the file.
    pub async fn read(&self, fh: Fh, offset: u64, len: usize) -> Result<Vec<u8>> {
        if let Some(bytes) = self.read_now(fh, offset, len)? {
            return Ok(bytes);
        }
        let Handle::File { open, .. } = self.handle(fh)? else {
            return Err(Error::plain(libc::EBADF));
        };
        let current = open.bytes.read().clone();
        let reader = match current {
            Bytes::Spool { file, .. } => return Ok(read_at(file.file(), offset, len)?),
            Bytes::Item(Item { reader: Some(reader), .. }) => reader,
            Bytes::Item(item) => {
                let info = self.file(open.file)?;
                let (reader, length) = self.open_item(&open, item, &info, offset).await?;
                self.settle(&open, &reader, length)?;
                reader
            }
        };
        let outcome = reader.read(offset, len).await;
        outcome.map_err(|error| self.not_read(&open, error.into()))
    }

    fn not_read(&self, open: &OpenFile, error: Error) -> Error {
        if let Bytes::Item(item) = &mut *open.bytes.write() {
            // The next read tries anew.
            item.reader = None;
        }
        self.reading(open.file, error)
    }

    /// The kernel cuts what is read to the length it was told, or fills it up: bytes of another length are an error.
    fn check_told(&self, open: &OpenFile, length: u64) -> Result<()> {
        let told = match &*open.bytes.read() {
            Bytes::Item(item) => item.told,
            Bytes::Spool { .. } => None,
        };
        match told {
            Some(told) if told != length => {
                Err(self.not_read(open, content::Error::Changed.into()))
            }
            _ => Ok(()),
        }
    }

    fn reading(&self, file: FileId, error: Error) -> Error {
        error.doing(|| {
            let path = self.store.file_path(file).ok().flatten();
            format!("reading {}", path.as_deref().unwrap_or("a file without a name"))
        })
    }

    /// Writes into a version that is open for writing; `None` if one must be begun first, or if the spool
    /// is full.
    pub fn write_now(&self, fh: Fh, offset: Offset, data: &[u8]) -> Result<Option<u32>> {
        let open = self.writable(fh)?;
        let Some(bytes) = open.bytes.try_read() else { return Ok(None) };
        let Bytes::Spool { file, writing: true } = &*bytes else { return Ok(None) };
        let need = self.need(&open, file, offset, data.len())?;
        if !self.pipeline.take_room(need.more)? {
            return Ok(None);
        }
        self.put(&open, file, offset, data).map(Some)
    }

    /// Writes, beginning a new version if need be: its content may have to be downloaded first. Waits for
    /// room in the spool.
    pub async fn write(&self, fh: Fh, offset: Offset, data: &[u8]) -> Result<u32> {
        let open = self.writable(fh)?;
        let need = |file: &SpoolFile| self.need(&open, file, offset, data.len());
        let put = |file: &SpoolFile| self.put(&open, file, offset, data);
        self.change(&open, need, put, Lacking::Spoils).await
    }

    /// The room that a write needs, unless the file would be longer by it than Google takes: then what it lacks makes
    /// it another file than its writer meant.
    fn need(&self, open: &OpenFile, file: &SpoolFile, offset: Offset, len: usize) -> Result<Need> {
        let end = end_of(file, offset, len)?;
        if let Err(error) = file.check_length(end) {
            let error = Error::from(error);
            let errno = std::io::Error::from_raw_os_error(error.errno().0);
            self.pipeline.spoiled(open.file, &errno);
            return Err(self.writing(open.file, error));
        }
        Ok(file.need(end, len as u64)?)
    }

    fn put(&self, open: &OpenFile, file: &SpoolFile, offset: Offset, data: &[u8]) -> Result<u32> {
        // Of two that append to one file the kernel lets one at a time write.
        let start = end_of(file, offset, data.len())? - data.len() as u64;
        file.write_at(data, start).inspect_err(|error| self.pipeline.spoiled(open.file, error))?;
        // The kernel never sends more than a few megabytes.
        Ok(data.len() as u32)
    }

    /// Changes the bytes of a version that is open for writing, beginning one if need be, when the spool has
    /// the room for it that `need` tells (see [`SpoolFile::need`]).
    async fn change<T>(
        &self,
        open: &Arc<OpenFile>,
        need: impl Fn(&SpoolFile) -> Result<Need>,
        change: impl Fn(&SpoolFile) -> Result<T>,
        lacking: Lacking,
    ) -> Result<T> {
        loop {
            self.begin_version(open).await?;
            let lacks = match &*open.bytes.read() {
                Bytes::Spool { file, writing: true } => {
                    let need = need(file)?;
                    if self.pipeline.take_room(need.more)? {
                        return change(file);
                    }
                    Some(need)
                }
                // Another descriptor has been closed, and has sealed the version, in between.
                _ => None,
            };
            if let Some(need) = lacks {
                let mut lack = Lack { fs: self, file: open.file, errno: libc::EINTR, lacking };
                let waited = self.wait_for_room(open.file, need).await;
                match &waited {
                    Ok(()) => lack.lacking = Lacking::Harmless,
                    Err(error) => lack.errno = error.errno().0,
                }
                waited?;
            }
        }
    }

    async fn wait_for_room(&self, file: FileId, need: Need) -> Result<()> {
        let outcome = self.pipeline.wait_for_room(file, need).await;
        outcome.map_err(|error| self.writing(file, error.into()))
    }

    fn writing(&self, file: FileId, error: Error) -> Error {
        error.doing(|| {
            let path = self.store.file_path(file).ok().flatten();
            format!("writing {}", path.as_deref().unwrap_or("a file without a name"))
        })
    }

    /// Makes room, or punches a hole: fallocate(2).
    pub async fn fallocate(&self, fh: Fh, offset: u64, len: u64, mode: i32) -> Result<()> {
        // Whatever a disk below can do is allowed; what it refuses is refused likewise.
        let mode = rustix::fs::FallocateFlags::from_bits_retain(mode as u32);
        let takes_away = mode.intersects(
            rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::COLLAPSE_RANGE,
        );
        let lengthens = !mode.contains(rustix::fs::FallocateFlags::KEEP_SIZE);
        let need = |file: &SpoolFile| {
            if takes_away {
                return Ok(Need::default());
            }
            let end = offset.saturating_add(len);
            if lengthens {
                file.check_length(end)?;
            }
            Ok(file.need(end, len)?)
        };
        let allocate = |file: &SpoolFile| {
            file.fallocate(mode, offset, len).map_err(|errno| match errno {
                rustix::io::Errno::OPNOTSUPP
                | rustix::io::Errno::INVAL
                | rustix::io::Errno::FBIG => Error::plain(errno.raw_os_error()),
                errno => std::io::Error::from(errno).into(),
            })
        };
        // Nothing that was written is missing if it fails.
        self.change(&self.writable(fh)?, need, allocate, Lacking::Harmless).await
    }

    /// Finds the next data or hole: lseek(2) with `SEEK_DATA` or `SEEK_HOLE`.
    pub fn lseek(&self, fh: Fh, offset: i64, whence: i32) -> Result<i64> {
        let Handle::File { open, .. } = self.handle(fh)? else {
            return Err(Error::plain(libc::EINVAL));
        };
        let bytes = open.bytes.read().clone();
        let found = match bytes {
            Bytes::Spool { file, .. } => {
                let offset = u64::try_from(offset).map_err(|_| Error::plain(libc::ENXIO))?;
                let from = match whence {
                    libc::SEEK_DATA => rustix::fs::SeekFrom::Data(offset),
                    libc::SEEK_HOLE => rustix::fs::SeekFrom::Hole(offset),
                    _ => return Err(Error::plain(libc::EINVAL)),
                };
                // The position it moves is used by nobody: all reads and writes name theirs.
                let found = rustix::fs::seek(file.file(), from)
                    .map_err(|errno| Error::plain(errno.raw_os_error()))?;
                i64::try_from(found).map_err(|_| Error::plain(libc::EOVERFLOW))?
            }
            // An item has no holes but the one at its end.
            Bytes::Item(_) => {
                let info = self.file(open.file)?;
                let size = self.length(&info).and_then(|length| length.shown(&info));
                let size = size.and_then(|size| i64::try_from(size).ok());
                let size = size.ok_or_else(|| Error::plain(libc::EINVAL))?;
                match whence {
                    _ if offset < 0 || offset >= size => return Err(Error::plain(libc::ENXIO)),
                    libc::SEEK_DATA => offset,
                    libc::SEEK_HOLE => size,
                    _ => return Err(Error::plain(libc::EINVAL)),
                }
            }
        };
        Ok(found)
    }

    /// Changes size and times; the kernel's other wishes are granted without effect but that on the time of change.
    pub async fn setattr(&self, ino: Ino, fh: Option<Fh>, change: AttrChange) -> Result<Attr> {
        self.check_writable()?;
        match self.node(ino)? {
            Node::File(file) => {
                if let Some(size) = change.size {
                    self.resize(file, fh, size).await?;
                }
                // A new size has its own time of change.
                if change.size.is_none() || change.atime.is_some() || change.mtime.is_some() {
                    self.set_times(file, change)?;
                }
            }
            Node::Dir(_) if change.size.is_none() => {}
            Node::Dir(_) => return Err(Error::plain(libc::EISDIR)),
            Node::Control | Node::Status | Node::Metrics | Node::Failed(_) => {
                return Err(Error::plain(libc::EPERM));
            }
            Node::Library | Node::View(_) | Node::ReadOnlyFile(_) => {
                return Err(Error::plain(libc::EROFS));
            }
        }
        self.getattr(ino).await
    }

    async fn resize(&self, file: FileId, fh: Option<Fh>, size: u64) -> Result<()> {
        if let Some(Handle::File { open, writing, .. }) =
            fh.map(|fh| self.handle(fh)).transpose()?
        {
            open.mark_writing(&writing, true);
            return self.resize_open(&open, size).await;
        }
        // truncate(2) on a path: a descriptor for as long as it takes, sealed like any other at its close.
        let ino = Node::File(file).ino();
        let how = Open { write: true, ..Open::default() };
        let opened = self.open_as_it_is(ino, how)?;
        let descriptor = Descriptor { fs: self, fh: opened.fh };
        self.resize_open(&self.writable(descriptor.fh)?, size).await?;
        self.flush_now(descriptor.fh)
    }

    async fn resize_open(&self, open: &Arc<OpenFile>, size: u64) -> Result<()> {
        if size == 0 {
            return self.truncate_whole(open);
        }
        // A hole needs no room.
        let need = |file: &SpoolFile| Ok(file.check_length(size).map(|()| Need::default())?);
        self.change(open, need, |file| Ok(file.set_len(size)?), Lacking::Harmless).await
    }

    /// Empties a file: nothing of the old content is needed.
    fn truncate_whole(&self, open: &Arc<OpenFile>) -> Result<()> {
        let mut bytes = open.bytes.write();
        let info = loop {
            let info = self.file(open.file)?;
            if info.upload.is_none() {
                self.check_edit(info.id)?;
                self.pipeline.begin_edit(info.id, None)?;
                self.content.drop_local(&info);
                break info;
            } else if self.unseal(info.id)? {
                break info;
            }
        };
        let spool = self.pipeline.spool().open(info.id)?;
        spool.set_len(0)?;
        self.pipeline.emptied(info.id);
        *bytes = Bytes::Spool { file: Arc::new(spool), writing: true };
        Ok(())
    }

    /// Sees to it that the file is in the spool and may be written.
    async fn begin_version(&self, open: &Arc<OpenFile>) -> Result<()> {
        loop {
            if matches!(&*open.bytes.read(), Bytes::Spool { writing: true, .. }) {
                return Ok(());
            }
            let info = self.file(open.file)?;
            let content = match info.upload {
                Some(_) => None,
                None => {
                    self.check_edit(info.id)?;
                    Some(
                        self.content
                            .whole(&info)
                            .await
                            .map_err(|error| self.reading(open.file, error.into()))?,
                    )
                }
            };
            if let Some(content) = &content {
                let size = content.metadata()?.len();
                self.check_told(open, size)?;
                self.wait_for_room(open.file, Need { more: size, total: size }).await?;
            }
            let mut bytes = open.bytes.write();
            if matches!(&*bytes, Bytes::Spool { writing: true, .. }) {
                return Ok(());
            }
            let info = self.file(open.file)?;
            match (info.upload, &content) {
                (None, Some(content)) => {
                    self.pipeline.begin_edit(info.id, Some(content))?;
                    self.content.drop_local(&info);
                }
                // It was committed while we looked away: now its content is needed.
                (None, None) => continue,
                (Some(_), _) if self.unseal(info.id)? => {}
                (Some(_), _) => continue,
            }
            let spool = self.pipeline.spool().open(info.id)?;
            *bytes = Bytes::Spool { file: Arc::new(spool), writing: true };
            return Ok(());
        }
    }

    /// Voids an earlier sealing; `false` if the file has arrived at Google just now, so that a new version must
    /// be begun instead.
    fn unseal(&self, file: FileId) -> Result<bool> {
        match self.pipeline.unseal(file) {
            Ok(()) => Ok(true),
            Err(upload::Error::Refused) if self.file(file)?.upload.is_none() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn set_times(&self, file: FileId, change: AttrChange) -> Result<()> {
        let info = self.file(file)?;
        let [atime, mtime] = [change.atime, change.mtime].map(|time| time.map(to_nanos));
        if let (Some(_), Some(mtime)) = (info.upload, mtime) {
            // Sealing takes the time from the spool file.
            match self.pipeline.spool().set_mtime(info.id, mtime) {
                // It has arrived just now: the row alone counts.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                outcome => outcome?,
            }
        }
        Ok(self.store.set_times(info.id, atime, mtime)?)
    }

    /// close(2) is under way. The kernel sends this for every descriptor that is closed, `dup`s
    /// included, so it may come several times and need not be the last: it seals what has been written, so
    /// that bytes and intent are on disk before close returns; a later write unseals. Nothing durable
    /// depends on [`Fs::release`], whose errors nobody would see.
    ///
    /// If the user wants it (`--commit close`), the close that leaves no descriptor being written returns when
    /// Google has the file. A copied descriptor may be used all the same: then a new version is begun.
    pub async fn flush(&self, fh: Fh) -> Result<()> {
        self.flush_now(fh)?;
        let Handle::File { open, writable: true, writing } = self.handle(fh)? else {
            return Ok(());
        };
        open.mark_writing(&writing, false);
        if !self.config.commit_at_close || open.is_being_written() {
            return Ok(());
        }
        let file = self.file(open.file)?.id;
        self.pipeline.commit(file).await.map_err(|error| self.closing(file, error.into()))
    }

    /// The part of a close that everything durable depends on.
    fn flush_now(&self, fh: Fh) -> Result<()> {
        self.flush_as(fh, Sealing::Close)
    }

    fn flush_as(&self, fh: Fh, why: Sealing) -> Result<()> {
        match self.handle(fh)? {
            Handle::File { open, writable: true, .. } => self.seal(&open, why),
            _ => Ok(()),
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

    fn seal(&self, open: &OpenFile, why: Sealing) -> Result<()> {
        let mut bytes = open.bytes.write();
        let Bytes::Spool { writing, .. } = &mut *bytes else { return Ok(()) };
        if !*writing && why != Sealing::Close {
            return Ok(());
        }
        // A file without a name is going away with its last descriptor, if it has not gone yet.
        let Some(info) = self.store.file(open.file)?.filter(|info| info.links > 0) else {
            return Ok(());
        };
        // What was refused stays open until its last writer has gone, and is refused again: who closed it before may
        // have had a copy of the descriptor only, and cared for nothing.
        if !*writing && info.upload != Some(UploadState::Open) {
            return Ok(());
        }
        match (self.pipeline.seal(info.id), why) {
            (Ok(_), _) => {
                *writing = false;
                Ok(())
            }
            // The bytes are on the disk; that they have a name must be, too.
            (Err(SealError::Unsupported(_) | SealError::TooLarge { .. }), Sealing::Sync) => {
                Ok(self.store.make_durable()?)
            }
            (Err(error), _) => {
                // Refused for what it is, this version has ended: it goes to `failed` with its last writer.
                *writing = !matches!(error, SealError::Unsupported(_) | SealError::TooLarge { .. });
                if why == Sealing::Close {
                    self.pipeline.close_failed(info.id, &error);
                }
                Err(self.closing(open.file, error.into()))
            }
        }
    }

    /// The last reference to a descriptor is gone: uploading may begin.
    pub fn release(&self, fh: Fh) -> Result<()> {
        // A file that stays mapped after close may be written to until now.
        let sealed = self.flush_as(fh, Sealing::Release);
        let Some(closed) = self.handles.close(fh) else { return Ok(()) };
        if closed.writable {
            self.pipeline.released(closed.file);
        }
        if closed.last && self.store.forget_file(closed.file)? {
            self.pipeline.spool().remove(closed.file)?;
            self.pipeline.wake();
        }
        sealed
    }

    /// fsync(2): of a file being written, that its bytes are on this disk; of any other, that it is at Google.
    pub async fn fsync(&self, ino: Ino, fh: Fh) -> Result<()> {
        match self.handle(fh)? {
            Handle::File { open, writable: true, .. } => self.seal(&open, Sealing::Sync),
            _ => self.sync(ino).await,
        }
    }

    fn handle(&self, fh: Fh) -> Result<Handle> {
        self.handles.get(fh).ok_or_else(|| Error::plain(libc::EBADF))
    }

    /// The file of a descriptor that is about to write.
    fn writable(&self, fh: Fh) -> Result<Arc<OpenFile>> {
        match self.handle(fh)? {
            Handle::File { open, writable: true, writing } => {
                open.mark_writing(&writing, true);
                Ok(open)
            }
            _ => Err(Error::plain(libc::EBADF)),
        }
    }
}

/// On whose behalf a version is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sealing {
    /// A descriptor is being closed: whether Google takes the file is told now.
    Close,
    /// Programs sync files of which there is only a part, or only room: nothing is refused yet.
    Sync,
    /// A descriptor has gone: its close has had its answer.
    Release,
}

/// What it means for a version if there is no room for a change of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lacking {
    /// Bytes are missing: it is not what its writer meant.
    Spoils,
    /// The change was of no bytes.
    Harmless,
}

/// A change that waits for room. If it comes to nothing, also because its caller is killed, the version is spoiled.
struct Lack<'a> {
    fs: &'a Fs,
    file: FileId,
    /// Why it comes to nothing.
    errno: i32,
    lacking: Lacking,
}

impl Drop for Lack<'_> {
    fn drop(&mut self) {
        if self.lacking == Lacking::Spoils {
            let errno = std::io::Error::from_raw_os_error(self.errno);
            self.fs.pipeline.spoiled(self.file, &errno);
        }
    }
}

/// Closes what an operation has opened for itself, also if nobody waits for the operation any more.
struct Descriptor<'a> {
    fs: &'a Fs,
    fh: Fh,
}

impl Drop for Descriptor<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.fs.release(self.fh) {
            tracing::debug!(%error, "closing a descriptor of our own");
        }
    }
}

impl Descriptor<'_> {
    /// It is somebody else's to close.
    fn keep(self, opened: Opened) -> Opened {
        std::mem::forget(self);
        opened
    }
}

/// How long an item is for whoever has it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// As long as for everybody.
    AsKept,
    /// As long as its local copy, or as what Google gives out now.
    Is(u64),
    /// As long as what Google has given out once, which need not be so any more.
    Was(u64),
    /// As long as what Google gives out, which nobody has been told yet.
    NotLearnt,
}

impl Length {
    /// The size to be shown in bytes, if it is known.
    pub(super) fn shown(self, info: &FileInfo) -> Option<u64> {
        match self {
            Self::AsKept | Self::NotLearnt => info.size,
            Self::Is(length) | Self::Was(length) => Some(length),
        }
    }
}

/// The local copy of an item that is open. `None` also while it would have to be waited for.
fn local(open: &OpenFile) -> Option<Arc<File>> {
    match &*open.bytes.try_read()? {
        Bytes::Item(Item { reader: Some(Reader::Local(file)), .. }) => Some(file.clone()),
        _ => None,
    }
}

/// Where a write of `len` bytes ends.
fn end_of(file: &SpoolFile, offset: Offset, len: usize) -> Result<u64> {
    let start = match offset {
        Offset::At(offset) => offset,
        Offset::End => file.file().metadata()?.len(),
    };
    start.checked_add(len as u64).ok_or_else(|| Error::plain(libc::EFBIG))
}
