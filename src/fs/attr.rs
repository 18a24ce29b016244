//! Attributes of files and directories.

use std::time::{Duration, SystemTime};

use super::error::{Error, Result};
use super::filesystem::Fs;
use super::node::{Ino, Node};
use super::refused_link;
use crate::media::{FileId, View};
use crate::store::{FileInfo, Stat, UploadState, from_nanos};

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
}

/// Attributes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// The inode number, which is stable across mounts.
    pub ino: Ino,
    /// Directory, regular file or link.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u16,
    /// The number of names, or for a directory 2 plus its subdirectories.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// The time that a program has set, otherwise `mtime`. Reads do not change it.
    pub atime: SystemTime,
    /// Last change of the content, or the time that a program has set.
    pub mtime: SystemTime,
    /// Last change of content, attributes or names.
    pub ctime: SystemTime,
    /// The TTL in the kernel's cache. Earlier changes invalidate it.
    pub ttl: Duration,
}

/// The longest TTL. Every change invalidates the kernel's cache, so this only bounds the effect of
/// a bug.
pub(super) const TTL_MAX: Duration = Duration::from_secs(3600);

/// The permission bits that a mode keeps from the group and from others.
pub(super) fn withheld(mode: u32) -> u16 {
    (!mode & 0o077) as u16
}

impl Fs {
    /// Attributes from the database. `None` if the size takes a request, or the content is
    /// changing.
    pub fn getattr_now(&self, ino: Ino) -> Result<Option<Attr>> {
        let dir = |links, mode: u16, mtime: SystemTime| Attr {
            ino,
            kind: Kind::Dir,
            mode,
            links,
            size: 0,
            atime: mtime,
            mtime,
            ctime: mtime,
            ttl: TTL_MAX,
        };
        let may_write = if self.config.read_only { 0o555 } else { 0o777 };
        let dir_mode = may_write & !self.config.umask;
        // Other users have no business there, whatever the umask is.
        let private_mode = may_write & 0o700;
        Ok(Some(match self.node(ino)? {
            Node::Dir(id) => {
                let known = self.store.dir(id)?.ok_or_else(|| Error::plain(libc::ESTALE))?;
                let mode = dir_mode & !self.withheld(known.withheld);
                let ctime = from_nanos(known.names_changed_ns);
                let mtime = known.mtime_ns.map_or(ctime, from_nanos);
                Attr { ctime, ..dir(2 + self.store.subdir_count(id)?, mode, mtime) }
            }
            Node::Control => dir(5, 0o500, self.began),
            // A link count of 1 means that subdirectories are not counted.
            Node::Failed(_) => dir(1, private_mode, self.began),
            Node::RefusedLink => {
                let size = refused_link::TARGET.len() as u64;
                Attr { kind: Kind::Link, size, ..dir(1, 0o777, self.began) }
            }
            Node::View(View::By(_)) => dir(1, dir_mode, self.began),
            // The mode bits do not show that nothing can be changed, as on a filesystem that is
            // mounted read-only. Otherwise a copy would be read-only too.
            Node::Library => dir(2 + View::FIXED.len() as u32, dir_mode, self.began),
            Node::View(_) => dir(2, dir_mode, self.began),
            Node::Picks => dir(1, dir_mode, self.began),
            Node::Pick(pick) => dir(2, dir_mode, from_nanos(self.pick(pick)?.names_changed_ns)),
            node @ (Node::Status | Node::Metrics) => {
                let snapshot = self.snapshot(node)?;
                let time = snapshot.time();
                Attr {
                    ino,
                    kind: Kind::File,
                    mode: 0o400,
                    links: 1,
                    size: snapshot.len(),
                    atime: time,
                    mtime: time,
                    ctime: time,
                    ttl: Duration::ZERO,
                }
            }
            Node::File(file) | Node::ReadOnlyFile(file) => {
                let info = self.shown(self.node(ino)?, file)?;
                let Some(reported) = self.reported_size(&info) else { return Ok(None) };
                // A program that writes to an item relies on the length of its bytes.
                let is_open_unread = reported.is_unknown();
                let Some(size) = reported.known(&info).filter(|_| !is_open_unread) else {
                    return Ok(None);
                };
                self.file_attr(ino, &info.stat(), size)
            }
        }))
    }

    /// Attributes. Requests the size if it is not known.
    pub async fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.getattr_in(None, ino).await
    }

    /// As [`Fs::getattr`], for a look-up in the directory `parent`.
    pub(super) async fn getattr_in(&self, parent: Option<Node>, ino: Ino) -> Result<Attr> {
        if let Some(attr) = self.getattr_now(ino)? {
            return Ok(attr);
        }
        let node = self.node(ino)?;
        let file = node.file().ok_or_else(|| Error::plain(libc::ESTALE))?;
        let info = self.file(file)?;
        if info.size.is_none() {
            if let Some(scope) = parent.and_then(Node::listing_scope) {
                self.content.looked_up(scope, info.id)?;
            }
            if let Err(error) = self.content.fetch_size(&info).await {
                // A listing must not fail because one size cannot be fetched.
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::debug!(file = file.0, error, "size not known: shown as 0");
            }
        } else if let Some(open) = self.handles.opened(info.id)
            && let Err(error) = self.fetch_open_size(&open).await
        {
            tracing::debug!(file = file.0, %error, "size of the download not known");
        }
        self.attr_after(ino)
    }

    /// Attributes after a change or a request. They lack a size that still takes a request: the
    /// kernel asks again when a program needs it.
    pub(super) fn attr_after(&self, ino: Ino) -> Result<Attr> {
        let node = self.node(ino)?;
        if let Some(open) = node.file().and_then(|file| self.handles.opened(file)) {
            // Waits until the running change of the content is complete.
            drop(open.bytes.read());
        }
        match (self.getattr_now(ino)?, node.file()) {
            (Some(attr), _) => Ok(attr),
            (None, Some(file)) => {
                let info = self.shown(node, file)?;
                let attr = self.file_attr(ino, &info.stat(), info.size.unwrap_or(0));
                Ok(Attr { ttl: Duration::ZERO, ..attr })
            }
            (None, None) => Err(Error::plain(libc::ESTALE)),
        }
    }

    pub(super) fn file_attr(&self, ino: Ino, stat: &Stat, size: u64) -> Attr {
        // Only the spool file has the current size of an open draft. A file that was merged into
        // another is invalidated under the other's inode number.
        let is_invalidated = stat.upload != Some(UploadState::Open)
            && Node::File(stat.id).ino() == ino
            // While a file is open, its size may differ from the database.
            && stat.size.is_none_or(|stored| stored == size);
        let may_write = if self.config.read_only { 0o444 } else { 0o666 };
        let mode = may_write & !self.config.umask & !self.withheld(stat.withheld);
        // tar does not open a file of size 0 that everybody may read; it would store it as empty.
        // Only the owner can access this mount, so removing the bit has no other effect.
        let hidden = if stat.size.is_none() && !self.config.shared { 0o004 } else { 0 };
        Attr {
            ino,
            kind: Kind::File,
            mode: mode & !hidden,
            // A name in `failed` does not count as a link.
            links: stat.links.max(u32::from(stat.failed)),
            size,
            atime: from_nanos(stat.atime_ns),
            mtime: from_nanos(stat.mtime_ns),
            ctime: from_nanos(stat.ctime_ns),
            ttl: if is_invalidated { TTL_MAX } else { Duration::ZERO },
        }
    }

    /// The permission bits that a mode keeps from the group and from others. Without other users on
    /// the mount, modes are ignored.
    fn withheld(&self, bits: u16) -> u16 {
        if self.config.shared { bits } else { 0 }
    }

    /// Attributes of a node that was found by its name. The name's TTL ends when its directory is
    /// due for refresh: then the kernel looks the name up again, and the refresh starts.
    pub(super) fn named(&self, parent: Ino, node: Node, attr: Attr) -> Result<Attr> {
        let ttl = match (self.node(parent)?, node) {
            (Node::Dir(dir), Node::Dir(_) | Node::File(_) | Node::RefusedLink) => {
                self.library.names_ttl(dir)?
            }
            (Node::Dir(_), Node::Control) | (Node::Control, _) => TTL_MAX,
            // Names in other directories change without an invalidation.
            _ => Duration::ZERO,
        };
        Ok(Attr { ttl: attr.ttl.min(ttl), ..attr })
    }

    /// A file as `node` shows it. Views and picks show items. A file that is being edited has no item any
    /// more; the view shows the old item under another inode number.
    pub(super) fn shown(&self, node: Node, file: FileId) -> Result<FileInfo> {
        let mut info = self.file(file)?;
        if matches!(node, Node::ReadOnlyFile(_)) {
            if info.item().is_none() {
                return Err(Error::plain(libc::ESTALE));
            }
            // This includes items in no album: the kernel refuses to link a file that has no link.
            info.links = 1;
        }
        Ok(info)
    }
}
