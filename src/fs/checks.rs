//! Refusals before a change: albums that are full, and a login that may not edit albums.

use super::error::{Error, Result};
use super::filesystem::Fs;
use crate::api::{ALBUM_ITEMS_MAX, Scope};
use crate::media::{DirId, EntryName, FileId};
use crate::store::TreeError;

impl Fs {
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
    pub(super) fn check_leaving(&self, dir: DirId, name: &EntryName) -> Result<()> {
        match self.pipeline.lacks_edit() && self.store.causes_removal(dir, name)? {
            true => Err(lacks_edit()),
            false => Ok(()),
        }
    }

    /// Refuses a name likewise, in an album that a file is not in yet.
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

    /// Refuses to move a file's name likewise.
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

    /// Refuses an edit likewise: another item would have to take the place of the one in its albums.
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
