//! Checks before a change: for albums that are full, and for a login that may not edit albums.

use super::error::{Error, Result};
use super::filesystem::Fs;
use crate::api::{ALBUM_ITEMS_MAX, Scope};
use crate::media::{Caller, DirId, EntryName, FileId};
use crate::store::TreeError;

/// Refuses a request that only the owner of the mount may make.
pub(super) fn check_owner() -> Result<()> {
    match Caller::current() {
        Caller::Owner => Ok(()),
        Caller::Other(_) => Err(Error::owners_only()),
    }
}

impl Fs {
    /// Refuses a new name in an album that is full.
    pub(super) fn check_room(
        &self,
        dir: DirId,
        file: Option<FileId>,
        name: &EntryName,
    ) -> Result<()> {
        // A temporary file may be renamed over another one, which frees a slot.
        if self.pipeline.stays_here(dir, name)?
            || !self.store.is_full(dir, file, name, ALBUM_ITEMS_MAX)?
        {
            return Ok(());
        }
        let path = self.store.dir_path(dir)?;
        Err(Error::from(TreeError::Full).doing(|| format!("another item in {path}")))
    }

    /// Refuses a name under which Google would not take the file. Its bytes are then under the
    /// failed files, also when the caller deletes the file.
    pub(super) fn check_name(&self, file: FileId, dir: DirId, name: &EntryName) -> Result<()> {
        let Err(error) = self.pipeline.check_name(file, dir, name) else { return Ok(()) };
        if let Some(reason) = error.refusal() {
            self.pipeline.refuse_name(file, (dir, name), &reason)?;
        }
        let text = name.clone();
        Err(Error::from(error).doing(|| format!("renaming a file to {text}")))
    }

    /// Refuses to remove a name if its item would leave the album and the login forbids that.
    pub(super) fn check_leaving(&self, dir: DirId, name: &EntryName) -> Result<()> {
        match self.pipeline.lacks_edit() && self.store.causes_removal(dir, name)? {
            true => Err(lacks_edit()),
            false => Ok(()),
        }
    }

    /// Refuses a new name if its item would be added to the album and the login forbids that.
    pub(super) fn check_joining(
        &self,
        file: FileId,
        dir: DirId,
        instead: Option<(DirId, &EntryName)>,
    ) -> Result<()> {
        match self.pipeline.lacks_edit() && self.store.causes_addition(file, dir, instead)? {
            true => Err(lacks_edit()),
            false => Ok(()),
        }
    }

    /// Refuses to move a name if its item would change albums and the login forbids that.
    pub(super) fn check_moving(
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

    /// Refuses an edit if a new item would replace the old one in its albums and the login forbids
    /// that.
    pub(super) fn check_edit(&self, file: FileId) -> Result<()> {
        match self.pipeline.lacks_edit() && self.store.is_in_albums(file)? {
            true => Err(lacks_edit()),
            false => Ok(()),
        }
    }
}

fn lacks_edit() -> Error {
    Error::because(libc::EACCES, Scope::EditAppCreated.is_missing())
}
