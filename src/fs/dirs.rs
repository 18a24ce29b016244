//! Directories and names: listing, making, removing, moving.

use tokio::task::JoinSet;

use super::error::{Error, Result};
use super::node::{Ino, Node};
use super::{Attr, Fs, entry_name, node_of_child};
use crate::api::{ALBUM_ITEMS_MAX, Scope};
use crate::library::ListingHandle;
use crate::library::names::is_trash;
use crate::media::{DirId, EntryName, FileId, View};
use crate::store::{Child, DirEntry, TreeError, Unlinked};

/// How many entries are taken from the store at a time: about what a kernel buffer holds.
pub(super) const CHUNK: u32 = 512;

/// The same with attributes, of which a buffer of 32 KiB, as `ls` has it, holds about so many.
const CHUNK_WITH_ATTRS: u32 = 200;

/// Offsets 1 and 2 belong to `.` and `..`.
pub(super) const OFFSET_OF_FIRST: u64 = 2;

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The thing.
    pub ino: Ino,
    /// Directory or regular file.
    pub is_dir: bool,
    /// Its name.
    pub name: Vec<u8>,
    /// Where the listing goes on after this entry.
    pub next: u64,
}

impl Fs {
    /// Somebody is about to look at a directory: listings that are due begin. Says whether the kernel may keep what it
    /// reads: all names are there, and it is told of changes.
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
            Node::Control | Node::Failed(_) | Node::Library => Ok(false),
            Node::File(_) | Node::ReadOnlyFile(_) | Node::Status | Node::Metrics => {
                Err(Error::plain(libc::ENOTDIR))
            }
        }
    }

    /// The entries behind `offset` that are kept; empty at the end, `None` if the end is not known yet.
    pub fn readdir_now(&self, ino: Ino, offset: u64) -> Result<Option<Vec<Listed>>> {
        self.listed_now(ino, offset, CHUNK)
    }

    /// As [`Fs::readdir_now`], with what a look-up of each name would tell.
    pub fn readdirplus_now(&self, ino: Ino, offset: u64) -> Result<Option<Vec<(Listed, Attr)>>> {
        let listed = self.listed_now(ino, offset, CHUNK_WITH_ATTRS)?;
        listed.map(|listed| self.with_attrs(ino, listed)).transpose()
    }

    fn listed_now(&self, ino: Ino, offset: u64, limit: u32) -> Result<Option<Vec<Listed>>> {
        let (listed, more) = self.kept(ino, offset, limit)?;
        Ok(if listed.is_empty() && !more.is_empty() { None } else { Some(listed) })
    }

    /// The entries behind `offset`, waiting for the next page if need be.
    pub async fn readdir(&self, ino: Ino, offset: u64) -> Result<Vec<Listed>> {
        self.listed(ino, offset, CHUNK).await
    }

    /// As [`Fs::readdir`], with what a look-up of each name would tell.
    pub async fn readdirplus(&self, ino: Ino, offset: u64) -> Result<Vec<(Listed, Attr)>> {
        self.with_attrs(ino, self.listed(ino, offset, CHUNK_WITH_ATTRS).await?)
    }

    fn with_attrs(&self, ino: Ino, listed: Vec<Listed>) -> Result<Vec<(Listed, Attr)>> {
        let attrs = self.attrs(ino, &listed)?;
        Ok(listed.into_iter().zip(attrs).filter_map(|(it, attr)| Some((it, attr?))).collect())
    }

    async fn listed(&self, ino: Ino, offset: u64, limit: u32) -> Result<Vec<Listed>> {
        loop {
            // The listings are asked for first: a page that comes after the store was read is noticed.
            let (listed, listings) = self.kept(ino, offset, limit)?;
            if !listed.is_empty() || listings.is_empty() {
                return Ok(listed);
            }
            any_progress(listings).await?;
        }
    }

    fn kept(&self, ino: Ino, offset: u64, limit: u32) -> Result<(Vec<Listed>, Vec<ListingHandle>)> {
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
                    listed.push(Listed { ino, is_dir: true, name: name.into(), next: at + 1 });
                }
            }
        }
        let cookie = i64::try_from(offset.saturating_sub(OFFSET_OF_FIRST)).unwrap_or(i64::MAX);
        let own = |node: Node, name: &str, at: i64| Listed {
            ino: node.ino(),
            is_dir: !matches!(node, Node::Status | Node::Metrics),
            name: name.into(),
            next: OFFSET_OF_FIRST + at as u64,
        };
        match node {
            Node::Dir(dir) => {
                listed.extend(
                    self.store
                        .entries(dir, cookie, limit)?
                        .into_iter()
                        .map(|e| row(e, node_of_child)),
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
            Node::View(view) => listed.extend(self.viewed(view, cookie, limit)?),
            Node::File(_) | Node::ReadOnlyFile(_) | Node::Status | Node::Metrics => {
                return Err(Error::plain(libc::ENOTDIR));
            }
        }
        listings.iter().for_each(|it| it.read(cookie, !listed.is_empty()));
        Ok((listed, listings))
    }

    fn parent(&self, node: Node) -> Result<Ino> {
        let parent = |dir| -> Result<DirId> {
            Ok(self.store.dir(dir)?.ok_or_else(|| Error::plain(libc::ESTALE))?.parent)
        };
        Ok(match node {
            Node::Dir(dir) => Node::Dir(parent(dir)?),
            Node::Failed(DirId::ROOT) | Node::Library | Node::Status | Node::Metrics => {
                Node::Control
            }
            Node::View(View::Of(period)) => Node::View(View::By(period.span())),
            Node::View(_) => Node::Library,
            Node::Failed(dir) => Node::Failed(parent(dir)?),
            Node::Control | Node::File(_) | Node::ReadOnlyFile(_) => Node::Dir(DirId::ROOT),
        }
        .ino())
    }

    /// Makes an album, at Google and here; for half-written files a directory that is only here.
    pub async fn mkdir(&self, parent: Ino, name: &[u8]) -> Result<Attr> {
        let (dir, name) = self.changeable(parent, name, libc::EEXIST)?;
        if dir == DirId::ROOT && is_trash(&name) {
            let why = "file managers make a trash of that name, and emptying it would delete nothing at Google";
            return Err(Error::because(libc::EPERM, why));
        }
        let made = if self.pipeline.stays_here(dir, &name)? {
            // Whether the name is taken is for Google to say.
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

    /// Hides an empty album: Google cannot delete albums, so it stays there. What is only here is deleted.
    pub async fn rmdir(&self, parent: Ino, name: &[u8]) -> Result<()> {
        let (parent, name) = self.changeable(parent, name, libc::EPERM)?;
        if let Some(Child::Dir(dir)) = self.store.child(parent, &name)? {
            // Whether it is empty is for Google to say.
            self.library.complete(dir).await?;
        }
        Ok(self.store.remove_dir(parent, &name)??)
    }

    /// Takes a name away; with an album's last name for an item, the item leaves the album.
    pub fn unlink(&self, parent: Ino, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        let name = entry_name(name)?;
        let gone = match self.node(parent)? {
            Node::Dir(DirId::ROOT) if name.as_bytes() == super::CONTROL_DIR.as_bytes() => {
                return Err(Error::plain(libc::EISDIR));
            }
            Node::Dir(dir) => {
                self.check_leaving(dir, &name)?;
                self.store.unlink(dir, &name)??
            }
            Node::Failed(dir) => self.store.failed_unlink(dir, &name)??,
            Node::Control => return Err(Error::plain(libc::EPERM)),
            Node::Library | Node::View(_) => return Err(Error::plain(libc::EROFS)),
            Node::File(_) | Node::ReadOnlyFile(_) | Node::Status | Node::Metrics => {
                return Err(Error::plain(libc::ENOTDIR));
            }
        };
        self.discard(gone)?;
        self.pipeline.wake();
        Ok(())
    }

    /// Gives a file another name; in another album this puts the item there, too. Returns the number under
    /// which the name shows it, which is another one if it was named in a view.
    pub fn link(&self, ino: Ino, parent: Ino, name: &[u8]) -> Result<Ino> {
        let dir = self.changeable_dir(parent)?;
        let name = entry_name(name)?;
        let file = self.node(ino)?.file().ok_or_else(|| Error::plain(libc::EPERM))?;
        self.pipeline.check_name(file, dir, &name)?;
        self.check_room(dir, Some(file), &name)?;
        self.check_joining(file, dir, None)?;
        self.store.link(file, dir, &name)??;
        self.pipeline.renamed(file)?;
        self.pipeline.wake();
        Ok(Node::File(file).ino())
    }

    /// Moves a name. Files move here alone; an album's new name is told to Google.
    pub async fn rename(&self, from: (Ino, &[u8]), to: (Ino, &[u8]), how: Rename) -> Result<()> {
        let to = self.changeable(to.0, to.1, libc::EPERM)?;
        if let Node::Failed(dir) = self.node(from.0)? {
            return self.retry((dir, entry_name(from.1)?), &to, how);
        }
        let from = self.changeable(from.0, from.1, libc::EPERM)?;
        match self.store.child(from.0, &from.1)? {
            None => Err(Error::plain(libc::ENOENT)),
            Some(Child::File(file)) => self.rename_file(file, &from, &to, how),
            Some(Child::Dir(dir)) => self.rename_dir(dir, &from, to, how).await,
        }
    }

    fn rename_file(
        &self,
        file: FileId,
        from: &(DirId, EntryName),
        to: &(DirId, EntryName),
        how: Rename,
    ) -> Result<()> {
        self.pipeline.check_name(file, to.0, &to.1)?;
        if how != Rename::Exchange {
            self.check_room(to.0, Some(file), &to.1)?;
        }
        let (from, to) = ((from.0, &from.1), (to.0, &to.1));
        let other = self.store.child(to.0, to.1)?;
        // Of two names of one file nothing happens.
        if other != Some(Child::File(file)) {
            self.check_moving(file, from, to)?;
            match (other, how) {
                (Some(Child::File(_)), Rename::Replace) => self.check_leaving(to.0, to.1)?,
                (Some(Child::File(other)), Rename::Exchange) => {
                    self.check_moving(other, to, from)?
                }
                _ => {}
            }
        }
        match how {
            Rename::Exchange => {
                self.store.exchange_files(from, to)??;
                if let Some(Child::File(other)) = other {
                    self.pipeline.renamed(other)?;
                }
            }
            Rename::Replace | Rename::NoReplace => {
                let replaced = self.store.rename_file(from, to, how == Rename::Replace)??;
                if let Some(replaced) = replaced {
                    self.discard(replaced)?;
                }
            }
        }
        self.pipeline.renamed(file)?;
        self.pipeline.wake();
        Ok(())
    }

    /// Out of `failed`, into an album: Google is asked once more.
    fn retry(&self, from: (DirId, EntryName), to: &(DirId, EntryName), how: Rename) -> Result<()> {
        if how == Rename::Exchange {
            return Err(Error::plain(libc::EPERM));
        }
        let replace = how == Rename::Replace;
        self.check_room(to.0, None, &to.1)?;
        self.check_leaving(to.0, &to.1)?;
        let replaced = self
            .pipeline
            .retry((from.0, &from.1), (to.0, &to.1), replace)
            .map_err(|error| Error::from(error).doing(|| format!("trying {} again", from.1)))?;
        replaced.map_or(Ok(()), |replaced| self.discard(replaced))
    }

    async fn rename_dir(
        &self,
        dir: DirId,
        from: &(DirId, EntryName),
        to: (DirId, EntryName),
        how: Rename,
    ) -> Result<()> {
        if *from == to && how != Rename::NoReplace {
            return Ok(());
        }
        match (self.store.child(to.0, &to.1)?, how) {
            (None, Rename::Exchange) => return Err(Error::plain(libc::ENOENT)),
            (None, _) => {}
            (Some(_), Rename::NoReplace) => return Err(Error::plain(libc::EEXIST)),
            (Some(Child::File(_)), _) => return Err(Error::plain(libc::ENOTDIR)),
            // Google can neither delete an album nor swap two titles in one step.
            (Some(Child::Dir(_)), Rename::Exchange) => return Err(Error::plain(libc::EOPNOTSUPP)),
            // Hidden as by rmdir, if it is empty.
            (Some(Child::Dir(_)), Rename::Replace) => {}
        }
        let mut above = to.0;
        while above != DirId::ROOT {
            if above == dir {
                return Err(Error::plain(libc::EINVAL));
            }
            above = self.store.dir(above)?.ok_or_else(|| Error::plain(libc::ESTALE))?.parent;
        }
        let is_local = |dir| Ok::<_, Error>(self.store.dir(dir)?.is_some_and(|it| it.local));
        if is_local(dir)? {
            if !self.pipeline.stays_here(to.0, &to.1)? {
                // It would have to become an album. mv(1) then copies, and so makes one.
                return Err(Error::plain(libc::EXDEV));
            }
        } else if is_local(to.0)? {
            let why =
                "an album cannot be in a directory that is only here: give that another place";
            return Err(Error::because(libc::EPERM, why));
        }
        let text = to.1.clone();
        self.library
            .move_dir(dir, to.0, to.1)
            .await
            .map_err(|error| Error::from(error).doing(|| format!("moving albums to {text}")))
    }

    /// Refuses a name in an album in which there is no room for another item.
    pub(super) fn check_room(
        &self,
        dir: DirId,
        file: Option<FileId>,
        name: &EntryName,
    ) -> Result<()> {
        // A half-written file may be about to take another's place.
        if self.pipeline.stays_here(dir, name)?
            || !self.store.is_full(dir, file, name, ALBUM_ITEMS_MAX)?
        {
            return Ok(());
        }
        let path = self.store.dir_path(dir)?;
        Err(Error::from(TreeError::Full).doing(|| format!("another item in {path}")))
    }

    /// Refuses to take a name away if Google would have to be told, and would not listen.
    fn check_leaving(&self, dir: DirId, name: &EntryName) -> Result<()> {
        match self.pipeline.lacks_edit() && self.store.would_leave(dir, name)? {
            true => Err(lacks_edit()),
            false => Ok(()),
        }
    }

    /// Refuses a name likewise, in an album that a file is not in yet.
    fn check_joining(
        &self,
        file: FileId,
        dir: DirId,
        instead: Option<(DirId, &EntryName)>,
    ) -> Result<()> {
        match self.pipeline.lacks_edit() && self.store.would_join(file, dir, instead)? {
            true => Err(lacks_edit()),
            false => Ok(()),
        }
    }

    /// Refuses to move a file's name likewise.
    fn check_moving(
        &self,
        file: FileId,
        from: (DirId, &EntryName),
        to: (DirId, &EntryName),
    ) -> Result<()> {
        if from.0 == to.0 {
            return Ok(());
        }
        self.check_leaving(from.0, from.1)?;
        self.check_joining(file, to.0, Some(from))
    }

    /// Refuses an edit likewise: another item would have to take the place of the one in its albums.
    pub(super) fn check_edit(&self, file: FileId) -> Result<()> {
        match self.pipeline.lacks_edit() && self.store.is_in_albums(file)? {
            true => Err(lacks_edit()),
            false => Ok(()),
        }
    }

    /// Deletes what is left of a file that nothing refers to, unless somebody has it open: then
    /// closing it does.
    pub(super) fn discard(&self, gone: Unlinked) -> Result<()> {
        if gone.orphan
            && self.handles.opened(gone.file).is_none()
            && self.store.forget_file(gone.file)?
        {
            self.pipeline.spool().remove(gone.file)?;
        }
        Ok(())
    }

    /// A name that may change; `ours` is the errno for the one that may not.
    fn changeable(&self, dir: Ino, name: &[u8], ours: i32) -> Result<(DirId, EntryName)> {
        let (dir, name) = (self.changeable_dir(dir)?, entry_name(name)?);
        if dir == DirId::ROOT && name.as_bytes() == super::CONTROL_DIR.as_bytes() {
            return Err(Error::plain(ours));
        }
        Ok((dir, name))
    }

    /// A directory in which names may change.
    pub(super) fn changeable_dir(&self, ino: Ino) -> Result<DirId> {
        self.check_writable()?;
        match self.node(ino)? {
            Node::Dir(dir) => Ok(dir),
            Node::Control | Node::Failed(_) => Err(Error::plain(libc::EPERM)),
            Node::Library | Node::View(_) => Err(Error::plain(libc::EROFS)),
            Node::File(_) | Node::ReadOnlyFile(_) | Node::Status | Node::Metrics => {
                Err(Error::plain(libc::ENOTDIR))
            }
        }
    }
}

fn lacks_edit() -> Error {
    Error::because(libc::EACCES, Scope::EditAppCreated.is_missing())
}

/// What `rename` does about a name that is taken: renameat2(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// It goes.
    Replace,
    /// The rename is refused.
    NoReplace,
    /// The two swap.
    Exchange,
}

pub(super) fn row(entry: DirEntry, node: impl Fn(Child) -> Node) -> Listed {
    Listed {
        ino: node(entry.child).ino(),
        is_dir: matches!(entry.child, Child::Dir(_)),
        name: entry.name.as_bytes().to_vec(),
        next: OFFSET_OF_FIRST + entry.cookie as u64,
    }
}

/// Waits until one of the listings has got further than when it was looked at.
pub(super) async fn any_progress(listings: Vec<ListingHandle>) -> Result<()> {
    let mut waiting = JoinSet::new();
    for mut listing in listings {
        waiting.spawn(async move { listing.progressed().await });
    }
    match waiting.join_next().await {
        Some(Ok(outcome)) => Ok(outcome?),
        _ => Ok(()),
    }
}
