//! Looks names up.

use super::attr::Attr;
use super::error::{Error, Result};
use super::filesystem::{Fs, entry_name};
use super::node::{Ino, Node};
use crate::library::names::CONTROL_DIR;
use crate::library::{ListingHandle, any_progress};
use crate::media::{DirId, EntryName, View};
use crate::store::Child;

/// The outcome of a look-up in the database.
pub(super) enum Lookup {
    Node(Node),
    /// The directory has not been listed completely. These listings may bring the name.
    Unknown(Vec<ListingHandle>),
    /// A file that was closed just now is about to be among the failed ones.
    Settling,
    NotFound,
}

impl Fs {
    /// Looks a name up in the database. `None` if only Google knows whether it exists.
    pub fn lookup_now(&self, parent: Ino, name: &[u8]) -> Result<Option<Attr>> {
        if let Some(ino) = self.relative(parent, name)? {
            return self.getattr_now(ino);
        }
        let name = entry_name(name)?;
        match self.find(parent, &name)? {
            Lookup::Node(node) => Ok(match self.getattr_now(node.ino())? {
                Some(attr) => Some(self.named(parent, node, attr)?),
                None => None,
            }),
            Lookup::Unknown(_) | Lookup::Settling => Ok(None),
            Lookup::NotFound => Err(Error::plain(libc::ENOENT)),
        }
    }

    /// Looks a name up. Waits for listings if the database does not have it.
    pub async fn lookup(&self, parent: Ino, name: &[u8]) -> Result<Attr> {
        if let Some(ino) = self.relative(parent, name)? {
            return self.getattr(ino).await;
        }
        let name = entry_name(name)?;
        if let Node::Failed(_) = self.node(parent)? {
            self.pipeline.wait_for_rejected().await;
        }
        loop {
            match self.find(parent, &name)? {
                Lookup::Node(node) => {
                    // Sizes of the neighbours are requested ahead.
                    let walked = self.config.exact_sizes.then(|| self.node(parent)).transpose()?;
                    let attr = self.getattr_in(walked, node.ino()).await?;
                    return self.named(parent, node, attr);
                }
                Lookup::Unknown(listings) => {
                    listings.iter().for_each(ListingHandle::read_on);
                    any_progress(listings).await?;
                }
                Lookup::Settling | Lookup::NotFound => return Err(Error::plain(libc::ENOENT)),
            }
        }
    }

    /// The node that `.` or `..` names. A program that has kept a handle of a file, as a server of
    /// NFS does, may use it after the kernel has forgotten the file. Then the kernel looks up `.` in
    /// the inode number of the handle, and `..` to find the way from there to the root.
    fn relative(&self, ino: Ino, name: &[u8]) -> Result<Option<Ino>> {
        Ok(match name {
            b"." => Some(ino),
            b".." => Some(self.parent(self.node(ino)?)?),
            _ => None,
        })
    }

    fn find(&self, parent: Ino, name: &EntryName) -> Result<Lookup> {
        let node = match self.node(parent)? {
            Node::Dir(DirId::ROOT) if name.as_bytes() == CONTROL_DIR.as_bytes() => Node::Control,
            Node::Dir(dir) => match self.store.child(dir, name)? {
                Some(child) => Node::from(child),
                None => {
                    let listings = self.library.refresh_if_due(dir)?;
                    // A listing that has just ended may have added it.
                    match self.store.child(dir, name)? {
                        Some(child) => Node::from(child),
                        None if dir == DirId::ROOT && self.is_refused_link(name)? => {
                            Node::RefusedLink
                        }
                        None if listings.is_empty() => return Ok(Lookup::NotFound),
                        None => return Ok(Lookup::Unknown(listings)),
                    }
                }
            },
            Node::Control => match name.as_bytes() {
                b"status.json" => Node::Status,
                b"metrics" => Node::Metrics,
                b"failed" => Node::Failed(DirId::ROOT),
                b"library" => Node::Library,
                b"picked" => Node::Picks,
                _ => return Ok(Lookup::NotFound),
            },
            Node::Library => match View::named(name.as_bytes()) {
                Some(view) => Node::View(view),
                None => return Ok(Lookup::NotFound),
            },
            Node::View(view) => return self.find_in_view(view, name),
            Node::Picks => match self.store.pick_named(name)? {
                Some(pick) => Node::Pick(pick),
                None => return Ok(Lookup::NotFound),
            },
            Node::Pick(pick) => match self.store.pick_child(pick, name)? {
                Some(file) => Node::ReadOnlyFile(file),
                None => return Ok(Lookup::NotFound),
            },
            Node::Failed(dir) => match self.store.failed_child(dir, name)? {
                Some(Child::Dir(dir)) => Node::Failed(dir),
                Some(Child::File(file)) => Node::File(file),
                None if self.pipeline.has_closed_rejected() => return Ok(Lookup::Settling),
                None => return Ok(Lookup::NotFound),
            },
            Node::File(_)
            | Node::ReadOnlyFile(_)
            | Node::Status
            | Node::Metrics
            | Node::RefusedLink => {
                return Err(Error::plain(libc::ENOTDIR));
            }
        };
        Ok(Lookup::Node(node))
    }
}
