//! A file of the cache that is being filled.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::buffer::spare_capacity;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tempfile::TempPath;
use tokio::sync::OwnedSemaphorePermit;

/// A file that is being filled.
pub(super) struct Part {
    pub(super) file: File,
    pub(super) backing: Backing,
}

/// Where the bytes of a part are.
pub(super) enum Backing {
    /// Deleted when it is dropped before it got its name.
    Disk(TempPath),
    /// For want of room on the disk.
    Memory { _turn: OwnedSemaphorePermit },
}

impl Part {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self.backing, Backing::Disk(_))
    }

    pub(super) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    /// Gives the room of some bytes back. Nobody may read them any more.
    pub(super) fn punch(&self, range: &Range<u64>) {
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let punched = rustix::fs::fallocate(&self.file, how, range.start, range.end - range.start);
        if let Err(error) = punched {
            tracing::debug!(%error, "the disk does not take room back");
        }
    }
}

/// Reads until `len` bytes or the end of the file. Streaming from the cache is mostly copying, so there is no pass over
/// the buffer for zeroes.
pub(crate) fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let at = offset + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
    // The spare capacity may be more than was asked for.
    bytes.truncate(len);
    Ok(bytes)
}
