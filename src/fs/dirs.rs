//! Changes of directories: creates, links and removes names.

use super::attr::{Attr, withheld};
use super::error::{Error, Result};
use super::filesystem::{Fs, entry_name};
use super::node::{Ino, Node};
use crate::library::names::{CONTROL_DIR, is_trash};
use crate::media::{DirId, EntryName};
use crate::store::{Child, Unlinked};

impl Fs {
    /// As [`Fs::mkdir`]. The bits of the mode that the group and others lack are kept for a mount
    /// that they can use.
    pub async fn mkdir_with_mode(&self, parent: Ino, name: &[u8], mode: u32) -> Result<Attr> {
        let attr = self.mkdir(parent, name).await?;
        let Node::Dir(dir) = self.node(attr.ino)? else { return Ok(attr) };
        // An album that comes back may have had another mode.
        self.store.set_dir_withheld(dir, withheld(mode))?;
        Ok(Attr { ttl: attr.ttl, ..self.getattr(attr.ino).await? })
    }

    /// Creates an album, or a local directory if programs use such names for files that stay here.
    pub async fn mkdir(&self, parent: Ino, name: &[u8]) -> Result<Attr> {
        let (dir, name) = self.changeable(parent, name, libc::EEXIST)?;
        if dir == DirId::ROOT && is_trash(&name) {
            let why = "file managers make a trash of that name, and emptying it would delete nothing at Google";
            return Err(Error::because(libc::EPERM, why));
        }
        let made = if self.pipeline.dir_stays_here(dir, &name)? {
            // Only Google knows whether the name is taken.
            self.library.complete(dir).await?;
            self.store.make_local_dir(dir, &name)??
        } else {
            let text = name.clone();
            let made = self.library.mkdir(dir, name).await;
            made.map_err(|error| Error::from(error).doing(|| format!("making the album {text}")))?
        };
        let node = Node::Dir(made);
        self.named(parent, node, self.getattr(node.ino()).await?)
    }

    /// Hides an empty album, because Google cannot delete albums. Deletes a local directory.
    pub async fn rmdir(&self, parent: Ino, name: &[u8]) -> Result<()> {
        let (parent, name) = self.changeable(parent, name, libc::EPERM)?;
        if let Some(Child::Dir(dir)) = self.store.child(parent, &name)? {
            // Only Google knows whether it is empty.
            self.library.complete(dir).await?;
        }
        Ok(self.store.remove_dir(parent, &name)??)
    }

    /// Removes a name. With its last name in an album, an item leaves the album.
    pub fn unlink(&self, parent: Ino, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        let name = entry_name(name)?;
        let gone = match self.node(parent)? {
            Node::Dir(DirId::ROOT) if name.as_bytes() == CONTROL_DIR.as_bytes() => {
                return Err(Error::plain(libc::EISDIR));
            }
            Node::Dir(DirId::ROOT) if self.is_refused_link(&name)? => {
                return self.dismiss_refused_link();
            }
            Node::Dir(dir) => {
                self.check_leaving(dir, &name)?;
                self.store.unlink(dir, &name)??
            }
            Node::Failed(dir) => self.store.unlink_failed(dir, &name)??,
            Node::Control => return Err(Error::plain(libc::EPERM)),
            Node::Library | Node::View(_) | Node::Picks | Node::Pick(_) => {
                return Err(Error::plain(libc::EROFS));
            }
            Node::File(_)
            | Node::ReadOnlyFile(_)
            | Node::Status
            | Node::Metrics
            | Node::RefusedLink => {
                return Err(Error::plain(libc::ENOTDIR));
            }
        };
        self.remove_unnamed(gone)?;
        self.pipeline.wake();
        Ok(())
    }

    /// Adds a name to a file. A name in another album adds the item to that album. Returns the
    /// inode number under the new name, which differs from `ino` if that was in a view.
    pub fn link(&self, ino: Ino, parent: Ino, name: &[u8]) -> Result<Ino> {
        let dir = self.changeable_dir(parent)?;
        let name = entry_name(name)?;
        let file = self.node(ino)?.file().ok_or_else(|| Error::plain(libc::EPERM))?;
        self.check_not_picked(file)?;
        self.store.check_place((dir, &name), false)??;
        self.check_room(dir, Some(file), &name)?;
        self.check_joining(file, dir, None)?;
        self.check_name(file, dir, &name)?;
        self.store.link(file, dir, &name)??;
        self.pipeline.renamed(file)?;
        self.pipeline.wake();
        Ok(Node::File(file).ino())
    }

    /// Removes a file that has lost its last name.
    pub(super) fn remove_unnamed(&self, gone: Unlinked) -> Result<()> {
        if gone.orphan {
            self.pipeline.remove_if_orphan(gone.file)?;
        }
        Ok(())
    }

    /// Refuses special files, because Google stores only photos and videos.
    pub fn refuse_special(&self, parent: Ino) -> Result<Attr> {
        let errno = if self.node(parent)?.is_read_only() { libc::EROFS } else { libc::EPERM };
        Err(Error::plain(errno))
    }

    /// Checks that a name may change. `ours` is the errno for the control directory.
    pub(super) fn changeable(
        &self,
        dir: Ino,
        name: &[u8],
        ours: i32,
    ) -> Result<(DirId, EntryName)> {
        let (dir, name) = (self.changeable_dir(dir)?, entry_name(name)?);
        if dir == DirId::ROOT && name.as_bytes() == CONTROL_DIR.as_bytes() {
            return Err(Error::plain(ours));
        }
        Ok((dir, name))
    }

    /// Checks that names in a directory may change.
    pub(super) fn changeable_dir(&self, ino: Ino) -> Result<DirId> {
        self.check_writable()?;
        match self.node(ino)? {
            Node::Dir(dir) => Ok(dir),
            Node::Control | Node::Failed(_) => Err(Error::plain(libc::EPERM)),
            Node::Library | Node::View(_) | Node::Picks | Node::Pick(_) => {
                Err(Error::plain(libc::EROFS))
            }
            Node::File(_)
            | Node::ReadOnlyFile(_)
            | Node::Status
            | Node::Metrics
            | Node::RefusedLink => Err(Error::plain(libc::ENOTDIR)),
        }
    }
}
