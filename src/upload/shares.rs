//! Shares of the spool. Refused files have a share, so that they never take the room of photos on
//! their way to Google. Files that stay here for good have one, too; those beyond it use the room of
//! photos, because copying them must not fail.

use std::io;
use std::os::unix::fs::FileExt;

use super::accept::{self, HEAD_BYTES};
use super::classify::Names;
use super::pipeline::Pipeline;
use super::room::{SpoolFile, allocated};
use super::room_wait::NoRoom;
use super::shared::Shared;
use crate::media::{EntryName, FileId};
use crate::store;

/// So few bytes of a beginning do not say that a file would be refused.
const JUDGED_BYTES_MIN: usize = 512;
/// The holes of shorter files do not matter, so the disk is not asked for them.
const LARGE_BYTES: u64 = 16 << 20;

impl Pipeline {
    /// Whether a write may add to a file, as far as the shares go. A file that would be refused may
    /// not grow once its share is used up. `first` are the bytes of the write if it is at the
    /// beginning.
    ///
    /// # Errors
    /// [`NoRoom::RefusedFull`]; if spool or database fail.
    pub fn check_share(&self, file: FileId, spool: &SpoolFile, first: &[u8]) -> Result<(), NoRoom> {
        let shared = &self.shared;
        let room = shared.spool.room();
        if !room.is_refused_full() {
            return Ok(());
        }
        match shared.names(file)? {
            Names::Real(name) if is_refused(spool, first, &name)? => {}
            _ => return Ok(()),
        }
        // Some of them may have been removed since the last count.
        shared.count_set_aside()?;
        if room.is_refused_full() { Err(NoRoom::RefusedFull) } else { Ok(()) }
    }
}

/// Whether a file would be refused, by its first bytes after the write. Zeros may be a hole whose
/// bytes come later, in a file that is preallocated or written out of order.
fn is_refused(spool: &SpoolFile, first: &[u8], name: &EntryName) -> io::Result<bool> {
    let mut head = [0; HEAD_BYTES];
    let read = spool.file().read_at(&mut head, 0)?;
    let first = &first[..first.len().min(HEAD_BYTES)];
    head[..first.len()].copy_from_slice(first);
    let head = &head[..read.max(first.len())];
    let written = head.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let is_judged =
        written >= JUDGED_BYTES_MIN && head[..JUDGED_BYTES_MIN].iter().any(|&it| it != 0);
    Ok(is_judged && accept::is_refused(head, name))
}

impl Shared {
    /// Counts how much of the spool is not on its way to Google. Blocking.
    pub(super) fn count_set_aside(&self) -> store::Result<()> {
        let store::SetAside { mut refused, mut kept, large } = self.store.set_aside(LARGE_BYTES)?;
        for store::LargeFile { file, size, refused: is_refused } in large {
            let meta = std::fs::metadata(self.spool.path(file));
            let bytes = meta.map_or(0, |meta| allocated(&meta).min(size));
            *(if is_refused { &mut refused } else { &mut kept }) += bytes;
        }
        self.spool.room().set_aside(refused, kept);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::name;
    use crate::upload::Spool;

    #[test]
    fn a_photo_is_not_taken_for_a_refused_file_before_its_beginning_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().join("spool"), 1 << 20).unwrap();
        let file = spool.create(FileId(1)).unwrap();
        let photo = [&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], &[7; 5000]].concat();
        let refused = |first: &[u8]| is_refused(&file, first, &name("a.jpg")).unwrap();
        assert!(!refused(&photo));
        file.set_len(10_000).unwrap();
        assert!(!refused(&[]), "a later range comes first");
        assert!(!refused(&photo), "preallocated");
        assert!(!refused(b"FORM"), "the beginning comes in small parts");
        file.write_at(&photo[512..], 512).unwrap();
        assert!(!refused(&[]), "the first block comes last");
        assert!(!refused(&photo[..512]));
        file.write_at(&[b'x'; 5000], 0).unwrap();
        assert!(refused(&[]), "a text");
        assert!(!refused(&photo), "it becomes a photo");
        assert!(refused(&[b'y'; 5000]));
    }
}
