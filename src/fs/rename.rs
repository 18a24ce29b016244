//! Renames files and directories. An album's new name becomes its title at Google.

use super::error::{Error, Result};
use super::filesystem::{Fs, entry_name};
use super::node::{Ino, Node};
use crate::media::{DirId, EntryName, FileId};
use crate::store::Child;

/// What to do if the new name is taken, as in renameat2(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// Replace it.
    Replace,
    /// Refuse the rename.
    NoReplace,
    /// Exchange both.
    Exchange,
}

impl Fs {
    /// Renames a file or directory. Only an album's new title takes a request.
    pub async fn rename(&self, from: (Ino, &[u8]), to: (Ino, &[u8]), how: Rename) -> Result<()> {
        let to = self.changeable(to.0, to.1, libc::EPERM)?;
        if let Node::Failed(dir) = self.node(from.0)? {
            return self.retry((dir, entry_name(from.1)?), &to, how);
        }
        let from = self.changeable(from.0, from.1, libc::EPERM)?;
        match self.store.child(from.0, &from.1)? {
            None if from.0 == DirId::ROOT && self.is_refused_link(&from.1)? => {
                Err(Error::plain(libc::EPERM))
            }
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
        let (from, to) = ((from.0, &from.1), (to.0, &to.1));
        if how != Rename::Exchange {
            self.store.check_place(to, how == Rename::Replace)??;
            self.check_room(to.0, Some(file), to.1)?;
        }
        let other = self.store.child(to.0, to.1)?;
        // If both are names of one file, rename(2) does nothing.
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
        // A refused name leaves the bytes among the failed files: only the name may be at fault.
        match how {
            Rename::Exchange => {
                if let Some(Child::File(other)) = other {
                    self.check_name(file, to.0, to.1)?;
                    self.check_name(other, from.0, from.1)?;
                }
                self.store.exchange_files(from, to)??;
                if let Some(Child::File(other)) = other {
                    self.pipeline.renamed(other)?;
                }
            }
            Rename::Replace | Rename::NoReplace => {
                self.check_name(file, to.0, to.1)?;
                let replaced = self.store.rename_file(from, to, how == Rename::Replace)??;
                if let Some(replaced) = replaced {
                    self.remove_unnamed(replaced)?;
                }
            }
        }
        self.pipeline.renamed(file)?;
        self.pipeline.wake();
        Ok(())
    }

    /// Moves a file from `failed` into an album, so that it is uploaded again.
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
        replaced.map_or(Ok(()), |replaced| self.remove_unnamed(replaced))
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
            // Google cannot exchange two titles in one step.
            (Some(Child::Dir(_)), Rename::Exchange) => return Err(Error::plain(libc::EOPNOTSUPP)),
            // It is hidden as by rmdir, if it is empty.
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
            if !self.pipeline.dir_stays_here(to.0, &to.1)? {
                // It would have to become an album. After this errno, mv(1) copies, which creates
                // one.
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
}
