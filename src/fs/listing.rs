//! Lists directories.

use std::time::Duration;

use super::attr::{Attr, Kind};
use super::error::{Errno, Error, Result};
use super::filesystem::Fs;
use super::node::{Ino, Node};
use super::refused_link;
use crate::library::{ListingHandle, any_progress};
use crate::media::{DirId, View};
use crate::store::{Child, DirEntry, Stat, UploadState};

/// How many entries one query reads: about as many as the kernel's buffer holds.
const ENTRIES_PER_QUERY: u32 = 512;

/// The same with attributes. The buffer of `ls`, of 32 KiB, holds about as many.
const ENTRIES_WITH_ATTRS_PER_QUERY: u32 = 200;

/// Offsets 1 and 2 belong to `.` and `..`, and 3 to the link to the refused files.
pub(super) const OFFSET_OF_FIRST: u64 = 3;

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its inode number.
    pub ino: Ino,
    /// Directory, regular file or link.
    pub kind: Kind,
    /// Its name.
    pub name: Vec<u8>,
    /// The offset of the next entry.
    pub next: u64,
}

impl Fs {
    /// Opens a directory: starts the listings that are due. Returns whether the kernel may cache
    /// the entries, which requires that all of them are known and that changes invalidate the
    /// cache.
    pub fn opendir(&self, ino: Ino) -> Result<bool> {
        let node = self.node(ino)?;
        if let Some(scope) = node.listing_scope() {
            self.content.listed(scope);
        }
        match node {
            Node::Dir(dir) => {
                if self.store.dir(dir)?.is_none() {
                    return Err(Error::plain(libc::ESTALE));
                }
                Ok(self.library.refresh_if_due(dir)?.is_empty())
            }
            Node::View(view) => {
                self.library.refresh_view_if_due(view)?;
                Ok(false)
            }
            Node::Pick(pick) => {
                self.pick(pick)?;
                Ok(false)
            }
            Node::Control | Node::Failed(_) | Node::Library | Node::Picks => Ok(false),
            Node::File(_)
            | Node::ReadOnlyFile(_)
            | Node::Status
            | Node::Metrics
            | Node::RefusedLink => Err(Error::plain(libc::ENOTDIR)),
        }
    }

    /// The known entries after `offset`. Empty at the end; `None` if the end is not known yet.
    pub fn readdir_now(&self, ino: Ino, offset: u64) -> Result<Option<Vec<Listed>>> {
        self.listed_now(ino, offset, ENTRIES_PER_QUERY)
    }

    /// As [`Fs::readdir_now`], with the attributes that a look-up of each name would return.
    pub fn readdirplus_now(&self, ino: Ino, offset: u64) -> Result<Option<Vec<(Listed, Attr)>>> {
        let listed = self.listed_now(ino, offset, ENTRIES_WITH_ATTRS_PER_QUERY)?;
        listed.map(|listed| self.with_attrs(ino, listed)).transpose()
    }

    fn listed_now(&self, ino: Ino, offset: u64, limit: u32) -> Result<Option<Vec<Listed>>> {
        if self.is_settling(ino)? {
            return Ok(None);
        }
        let (listed, more) = self.stored(ino, offset, limit)?;
        Ok(if listed.is_empty() && !more.is_empty() { None } else { Some(listed) })
    }

    /// The entries after `offset`. Waits for the next page if there are none yet.
    pub async fn readdir(&self, ino: Ino, offset: u64) -> Result<Vec<Listed>> {
        self.listed(ino, offset, ENTRIES_PER_QUERY).await
    }

    /// As [`Fs::readdir`], with the attributes that a look-up of each name would return.
    pub async fn readdirplus(&self, ino: Ino, offset: u64) -> Result<Vec<(Listed, Attr)>> {
        self.with_attrs(ino, self.listed(ino, offset, ENTRIES_WITH_ATTRS_PER_QUERY).await?)
    }

    fn with_attrs(&self, ino: Ino, listed: Vec<Listed>) -> Result<Vec<(Listed, Attr)>> {
        let attrs = self.attrs(ino, &listed)?;
        Ok(listed.into_iter().zip(attrs).filter_map(|(it, attr)| Some((it, attr?))).collect())
    }

    /// Attributes of listed entries, from the database. If an attribute needs a network request,
    /// its TTL is 0, so the kernel calls getattr. `None` for an entry that was removed meanwhile.
    fn attrs(&self, parent: Ino, listed: &[Listed]) -> Result<Vec<Option<Attr>>> {
        let parent = self.node(parent)?;
        let name_ttl = match parent {
            Node::Dir(dir) => self.library.names_ttl(dir)?,
            _ => Duration::ZERO,
        };
        let files: Vec<_> =
            listed.iter().filter_map(|it| Node::of(it.ino).and_then(Node::file)).collect();
        let mut stats = self.store.stats(&files)?.into_iter();
        let attr = |it: &Listed| -> Result<Option<Attr>> {
            let found = match self.node(it.ino)? {
                node @ (Node::File(_) | Node::ReadOnlyFile(_)) => {
                    let Some(stat) = stats.next().flatten() else { return Ok(None) };
                    self.attr_of_listed(node, stat)
                }
                _ => self.getattr_now(it.ino),
            };
            match found {
                Ok(attr) => Ok(attr.map(|it| Attr { ttl: it.ttl.min(name_ttl), ..it })),
                Err(error) if error.errno() == Errno(libc::ESTALE) => Ok(None),
                Err(error) => Err(error),
            }
        };
        listed.iter().map(attr).collect()
    }

    fn attr_of_listed(&self, node: Node, stat: Stat) -> Result<Option<Attr>> {
        // The row of an open file may be outdated.
        let open = stat.upload == Some(UploadState::Open) || self.handles.opened(stat.id).is_some();
        if open && let Some(attr) = self.getattr_now(node.ino())? {
            return Ok(Some(attr));
        }
        let links = if node.is_read_only() { 1 } else { stat.links };
        let attr = self.file_attr(node.ino(), &Stat { links, ..stat }, stat.size.unwrap_or(0));
        let unknown = open || stat.size.is_none();
        Ok(Some(Attr { ttl: if unknown { Duration::ZERO } else { attr.ttl }, ..attr }))
    }

    /// Whether a file that was closed just now is about to be in this directory.
    fn is_settling(&self, ino: Ino) -> Result<bool> {
        Ok(matches!(self.node(ino)?, Node::Failed(_)) && self.pipeline.has_closed_rejected())
    }

    async fn listed(&self, ino: Ino, offset: u64, limit: u32) -> Result<Vec<Listed>> {
        if self.is_settling(ino)? {
            self.pipeline.wait_for_rejected().await;
        }
        loop {
            // This takes the handles before it reads the entries, so no page is missed in between.
            let (listed, listings) = self.stored(ino, offset, limit)?;
            if !listed.is_empty() || listings.is_empty() {
                return Ok(listed);
            }
            any_progress(listings).await?;
        }
    }

    fn stored(
        &self,
        ino: Ino,
        offset: u64,
        limit: u32,
    ) -> Result<(Vec<Listed>, Vec<ListingHandle>)> {
        let node = self.node(ino)?;
        let listings = match node {
            Node::Dir(dir) => self.library.refresh_if_due(dir)?,
            Node::View(view) => self.library.refresh_view_if_due(view)?,
            _ => Vec::new(),
        };
        let mut listed = Vec::new();
        if offset < OFFSET_OF_FIRST {
            for (at, name) in [(0, "."), (1, "..")] {
                if offset <= at {
                    let ino = if at == 0 { ino } else { self.parent(node)? };
                    listed.push(Listed { ino, kind: Kind::Dir, name: name.into(), next: at + 1 });
                }
            }
        }
        let cookie = i64::try_from(offset.saturating_sub(OFFSET_OF_FIRST)).unwrap_or(i64::MAX);
        let own = |node: Node, name: &str, at: i64| Listed {
            ino: node.ino(),
            kind: match node {
                Node::Status | Node::Metrics => Kind::File,
                Node::RefusedLink => Kind::Link,
                _ => Kind::Dir,
            },
            name: name.into(),
            next: OFFSET_OF_FIRST + at as u64,
        };
        match node {
            Node::Dir(dir) => {
                if dir == DirId::ROOT && offset < OFFSET_OF_FIRST && self.has_refused_link()? {
                    listed.push(own(Node::RefusedLink, refused_link::NAME, 0));
                }
                listed.extend(
                    self.store.entries(dir, cookie, limit)?.into_iter().map(|e| row(e, Node::from)),
                );
            }
            Node::Failed(dir) => {
                let mirror = |child| match child {
                    Child::Dir(dir) => Node::Failed(dir),
                    Child::File(file) => Node::File(file),
                };
                let entries = self.store.failed_entries(dir, cookie, limit)?;
                listed.extend(entries.into_iter().map(|e| row(e, mirror)));
            }
            Node::Control => {
                let all = [
                    own(Node::Status, "status.json", 1),
                    own(Node::Failed(DirId::ROOT), "failed", 2),
                    own(Node::Metrics, "metrics", 3),
                    own(Node::Library, "library", 4),
                    own(Node::Picks, "picked", 5),
                ];
                listed.extend(
                    all.into_iter().filter(|entry| entry.next > offset.max(OFFSET_OF_FIRST)),
                );
            }
            Node::Library => {
                let all =
                    (1..).zip(View::FIXED).map(|(at, it)| own(Node::View(it), &it.name(), at));
                listed.extend(all.filter(|entry| entry.next > offset.max(OFFSET_OF_FIRST)));
            }
            Node::View(view) => listed.extend(self.view_entries(view, cookie, limit)?),
            Node::Picks => listed.extend(self.listed_picks(cookie, limit)?),
            Node::Pick(pick) => listed.extend(self.listed_picked(pick, cookie, limit)?),
            Node::File(_)
            | Node::ReadOnlyFile(_)
            | Node::Status
            | Node::Metrics
            | Node::RefusedLink => {
                return Err(Error::plain(libc::ENOTDIR));
            }
        }
        listings.iter().for_each(|it| it.read(cookie, !listed.is_empty()));
        Ok((listed, listings))
    }

    pub(super) fn parent(&self, node: Node) -> Result<Ino> {
        let parent = |dir| -> Result<DirId> {
            Ok(self.store.dir(dir)?.ok_or_else(|| Error::plain(libc::ESTALE))?.parent)
        };
        Ok(match node {
            Node::Dir(dir) => Node::Dir(parent(dir)?),
            Node::Failed(DirId::ROOT)
            | Node::Library
            | Node::Picks
            | Node::Status
            | Node::Metrics => Node::Control,
            Node::Pick(_) => Node::Picks,
            Node::View(View::Of(period)) => Node::View(View::By(period.span())),
            Node::View(_) => Node::Library,
            Node::Failed(dir) => Node::Failed(parent(dir)?),
            Node::Control | Node::RefusedLink | Node::File(_) | Node::ReadOnlyFile(_) => {
                Node::Dir(DirId::ROOT)
            }
        }
        .ino())
    }
}

pub(super) fn row(entry: DirEntry, node: impl Fn(Child) -> Node) -> Listed {
    Listed {
        ino: node(entry.child).ino(),
        kind: match entry.child {
            Child::Dir(_) => Kind::Dir,
            Child::File(_) => Kind::File,
        },
        name: entry.name.as_bytes().to_vec(),
        next: OFFSET_OF_FIRST + entry.cookie as u64,
    }
}
