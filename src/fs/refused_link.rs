//! A link in the root to the refused files. It is there while there are some, because a file manager
//! does not show `.gphotos`. Removing it dismisses it until another file is refused. An album of its
//! name takes its place.

use super::error::{Error, Result};
use super::filesystem::Fs;
use super::node::{Ino, Node};
use crate::media::{DirId, EntryName};
use crate::store::REFUSED_LINK;

/// Its name.
pub(super) const NAME: &str = REFUSED_LINK;

/// Where it leads to, from the root.
pub(super) const TARGET: &str = ".gphotos/failed";

impl Fs {
    /// Whether the root has the link.
    pub(super) fn has_refused_link(&self) -> Result<bool> {
        let Ok(name) = EntryName::new(NAME.as_bytes()) else { return Ok(false) };
        Ok(self.store.has_refused_link()? && self.store.child(DirId::ROOT, &name)?.is_none())
    }

    /// Whether this name in the root is that of the link, and it is there.
    pub(super) fn is_refused_link(&self, name: &EntryName) -> Result<bool> {
        Ok(name.as_bytes() == NAME.as_bytes() && self.has_refused_link()?)
    }

    /// Removes the link until another file is refused.
    pub(super) fn dismiss_refused_link(&self) -> Result<()> {
        Ok(self.store.dismiss_refused_link()?)
    }

    /// The target of a link.
    pub fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        match self.node(ino)? {
            Node::RefusedLink => Ok(TARGET.into()),
            _ => Err(Error::plain(libc::EINVAL)),
        }
    }
}
