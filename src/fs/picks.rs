//! `/.gphotos/picked`: what the user has picked from all of Google Photos, read-only.

use super::attr::Kind;
use super::error::{Error, Result};
use super::filesystem::Fs;
use super::listing::{Listed, OFFSET_OF_FIRST, row};
use super::node::Node;
use crate::media::{FileId, PickId};
use crate::store::{Child, Pick};

impl Fs {
    /// A pick. It may have been forgotten.
    pub(super) fn pick(&self, pick: PickId) -> Result<Pick> {
        self.store.pick(pick)?.ok_or_else(|| Error::plain(libc::ESTALE))
    }

    /// Up to `limit` picks after a cookie.
    pub(super) fn listed_picks(&self, cookie: i64, limit: u32) -> Result<Vec<Listed>> {
        let listed = |it: Pick| Listed {
            ino: Node::Pick(it.id).ino(),
            kind: Kind::Dir,
            name: it.name.as_bytes().to_vec(),
            next: OFFSET_OF_FIRST + it.id.0 as u64,
        };
        Ok(self.store.picks(cookie, limit)?.into_iter().map(listed).collect())
    }

    /// Up to `limit` items of a pick after a cookie.
    pub(super) fn listed_picked(
        &self,
        pick: PickId,
        cookie: i64,
        limit: u32,
    ) -> Result<Vec<Listed>> {
        let node = |child| match child {
            Child::Dir(dir) => Node::Dir(dir),
            Child::File(file) => Node::ReadOnlyFile(file),
        };
        let entries = self.store.pick_entries(pick, cookie, limit)?;
        Ok(entries.into_iter().map(|entry| row(entry, node)).collect())
    }

    /// Refuses to put a picked item into an album.
    pub(super) fn check_not_picked(&self, file: FileId) -> Result<()> {
        if self.file(file)?.picked.is_none() {
            return Ok(());
        }
        let why = "Google lets no program put the photos of others into albums; copy your own originals instead, \
                   'gphotosfs diff LOCAL PICK --copy' prints the commands";
        Err(Error::because(libc::EPERM, why))
    }

    /// Says once in the log how picked items read.
    pub(super) fn tell_of_renditions(&self) {
        self.told_of_renditions.call_once(|| {
            tracing::warn!(
                "a picked photo reads as Google gives it out: without its place, and a video encoded anew; a copy of \
                 it in an album becomes a second item beside the original"
            );
        });
    }
}
