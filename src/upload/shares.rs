//! Shares of the spool. Refused files and files that stay here for good have a share each, so that
//! they never take the room of photos on their way to Google.

use std::io;
use std::os::unix::fs::FileExt;

use super::accept::{self, HEAD_BYTES};
use super::classify::Names;
use super::pipeline::Pipeline;
use super::room::SpoolFile;
use super::room_wait::NoRoom;
use super::shared::Shared;
use crate::media::{EntryName, FileId};
use crate::store;

/// So few bytes of a beginning do not say that a file would be refused.
const JUDGED_BYTES_MIN: usize = 512;

impl Pipeline {
    /// Whether a write may add to a file, as far as the shares go. One that would be refused, or
    /// stays here, may not once its share is used up. A file that was begun before may exceed the
    /// share. `first` are the bytes of the write if it is at the beginning.
    ///
    /// # Errors
    /// [`NoRoom::RefusedFull`], [`NoRoom::KeptFull`]; if spool or database fail.
    pub fn check_share(&self, file: FileId, spool: &SpoolFile, first: &[u8]) -> Result<(), NoRoom> {
        let shared = &self.shared;
        let room = shared.spool.room();
        if !room.is_refused_full() && !room.is_kept_full() {
            return Ok(());
        }
        let is_kept = match shared.names(file)? {
            Names::Local(reason) if reason.is_kept() => true,
            Names::Real(name) if is_refused(spool, first, &name)? => false,
            _ => return Ok(()),
        };
        // Some of them may have been removed since the last count.
        shared.count_set_aside()?;
        match is_kept {
            true if room.is_kept_full() => Err(NoRoom::KeptFull),
            false if room.is_refused_full() => Err(NoRoom::RefusedFull),
            _ => Ok(()),
        }
    }
}

/// Whether a file would be refused, by its first bytes: those in the spool, or else those of the
/// write.
fn is_refused(spool: &SpoolFile, first: &[u8], name: &EntryName) -> io::Result<bool> {
    let mut head = [0; HEAD_BYTES];
    let read = spool.file().read_at(&mut head, 0)?;
    let head = if read == 0 { first } else { &head[..read] };
    let head = &head[..head.len().min(HEAD_BYTES)];
    Ok(head.len() >= JUDGED_BYTES_MIN && accept::sniff(head, name).is_err())
}

impl Shared {
    /// Counts how much of the spool is not on its way to Google. Blocking.
    pub(super) fn count_set_aside(&self) -> store::Result<()> {
        let store::SetAside { refused, kept } = self.store.set_aside()?;
        self.spool.room().set_aside(refused, kept);
        Ok(())
    }
}
