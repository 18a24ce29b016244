//! Attributes of files and directories.

use std::time::{Duration, SystemTime};

use super::error::{Error, Result};
use super::filesystem::Fs;
use super::node::{Ino, Node};
use crate::media::{FileId, View};
use crate::store::{FileInfo, Stat, UploadState, from_nanos};

/// Attributes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Stable across mounts.
    pub ino: Ino,
    /// Directory or regular file.
    pub is_dir: bool,
    /// Permission bits.
    pub mode: u16,
    /// Names, or for a directory 2 and its subdirectories.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// What somebody has set, else `mtime`: reading does not change it.
    pub atime: SystemTime,
    /// Last change of the content, or what somebody has set instead.
    pub mtime: SystemTime,
    /// Last change of content, attributes or names.
    pub ctime: SystemTime,
    /// For how long the kernel may answer by itself. Of changes before that it is told.
    pub valid: Duration,
}

/// The kernel is told of every change: this bounds what a fault could do.
pub(super) const VALID_MAX: Duration = Duration::from_secs(3600);

impl Fs {
    /// Attributes from what is kept; `None` if Google must be asked for the size, or the content is about to change.
    pub fn getattr_now(&self, ino: Ino) -> Result<Option<Attr>> {
        let dir = |links, mode, mtime| Attr {
            ino,
            is_dir: true,
            mode,
            links,
            size: 0,
            atime: mtime,
            mtime,
            ctime: mtime,
            valid: VALID_MAX,
        };
        let dir_mode = if self.config.read_only { 0o555 } else { 0o755 };
        Ok(Some(match self.node(ino)? {
            Node::Dir(id) => {
                let known = self.store.dir(id)?.ok_or_else(|| Error::plain(libc::ESTALE))?;
                dir(2 + self.store.subdir_count(id)?, dir_mode, from_nanos(known.names_changed_ns))
            }
            Node::Control => dir(4, 0o555, self.began),
            // 1 says that subdirectories are not counted.
            Node::Failed(_) | Node::View(View::By(_)) => dir(1, dir_mode, self.began),
            // As on a filesystem that is mounted read-only, modes do not tell that nothing can be changed: what
            // is copied from here can be changed there.
            Node::Library => dir(2 + View::FIXED.len() as u32, dir_mode, self.began),
            Node::View(_) => dir(2, dir_mode, self.began),
            Node::Status | Node::Metrics => {
                let now = SystemTime::now();
                Attr {
                    ino,
                    is_dir: false,
                    mode: 0o444,
                    links: 1,
                    // Made when it is opened, and then read to its end whatever this says.
                    size: 0,
                    atime: now,
                    mtime: now,
                    ctime: now,
                    valid: Duration::ZERO,
                }
            }
            Node::File(file) | Node::ReadOnlyFile(file) => {
                let info = self.shown(self.node(ino)?, file)?;
                let Some(reported) = self.reported_size(&info) else { return Ok(None) };
                match reported.known(&info) {
                    Some(size) => self.file_attr(ino, &info.stat(), size),
                    None if self.config.exact_sizes => return Ok(None),
                    // When it is learnt, the kernel is told.
                    None => self.file_attr(ino, &info.stat(), 0),
                }
            }
        }))
    }

    /// Attributes, asking Google for the size if need be.
    pub async fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.getattr_in(None, ino).await
    }

    /// As [`Fs::getattr`], for who has looked it up in a directory.
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
                // A listing must not fail because one size is not to be had.
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::debug!(file = file.0, error, "size not known: shown as 0");
            }
        } else if let Some(open) = self.handles.opened(info.id) {
            // Until its content has changed.
            drop(open.bytes.read());
        }
        // It took its time: whatever was known before may be different now.
        match self.getattr_now(ino)? {
            Some(attr) => Ok(attr),
            None => {
                let info = self.shown(node, file)?;
                let attr = self.file_attr(ino, &info.stat(), info.size.unwrap_or(0));
                Ok(Attr { valid: Duration::ZERO, ..attr })
            }
        }
    }

    pub(super) fn file_attr(&self, ino: Ino, stat: &Stat, size: u64) -> Attr {
        // What a writer changes only the spool file knows; and of what becomes of a file that has been merged into
        // another the kernel is told under the other's number.
        let told = stat.upload != Some(UploadState::Open)
            && Node::File(stat.id).ino() == ino
            // Whoever has it open is shown another size, as long as it is open.
            && stat.size.is_none_or(|kept| kept == size);
        let mode = if self.config.read_only { 0o444 } else { 0o644 };
        // tar does not open what is empty and can be read by all, and would put it away as empty. Nobody else gets in here.
        let hidden = if stat.size.is_none() && !self.config.shared { 0o004 } else { 0 };
        Attr {
            ino,
            is_dir: false,
            mode: mode & !hidden,
            // A name among the failed ones is not counted as one in an album.
            links: stat.links.max(u32::from(stat.failed)),
            size,
            atime: from_nanos(stat.atime_ns),
            mtime: from_nanos(stat.mtime_ns),
            ctime: from_nanos(stat.ctime_ns),
            valid: if told { VALID_MAX } else { Duration::ZERO },
        }
    }

    /// Attributes of something that was found by its name. The name is good until somebody must look whether it still
    /// is at Google: then the kernel has to ask, so that somebody does.
    pub(super) fn named(&self, parent: Ino, node: Node, attr: Attr) -> Result<Attr> {
        let valid = match (self.node(parent)?, node) {
            (Node::Dir(dir), Node::Dir(_) | Node::File(_)) => self.library.names_ttl(dir)?,
            (Node::Dir(_), Node::Control) | (Node::Control, _) => VALID_MAX,
            // Elsewhere names come and go without notice.
            _ => Duration::ZERO,
        };
        Ok(Attr { valid: attr.valid.min(valid), ..attr })
    }

    /// What is known of a file where it is shown. In a view an item is shown, while the file it was may be getting
    /// another content: then the view has the item under another number.
    pub(super) fn shown(&self, node: Node, file: FileId) -> Result<FileInfo> {
        let mut info = self.file(file)?;
        if matches!(node, Node::ReadOnlyFile(_)) {
            if info.media.is_none() {
                return Err(Error::plain(libc::ESTALE));
            }
            // Also of what is in no album: the kernel makes no links to what has none.
            info.links = 1;
        }
        Ok(info)
    }
}
