//! A file of the cache that a download fills.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::buffer::spare_capacity;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tempfile::TempPath;
use tokio::sync::OwnedSemaphorePermit;

/// A file that a download fills.
pub(super) struct Part {
    pub(super) file: File,
    pub(super) backing: Backing,
}

/// The storage of a part.
pub(super) enum Backing {
    /// A file on disk. Deleted if it is dropped before it gets its name.
    Disk(TempPath),
    /// In memory, because the disk is full.
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

    /// Frees the disk space of a range. Nobody may read it afterwards.
    pub(super) fn punch(&self, range: &Range<u64>) {
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let punched = rustix::fs::fallocate(&self.file, how, range.start, range.end - range.start);
        if let Err(error) = punched {
            tracing::debug!(%error, "cannot free the disk space of a cached file");
        }
    }

    /// Frees all its space. Nobody may read it afterwards.
    pub(super) fn empty(&self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "cannot free the disk space of a cached file");
        }
    }
}

/// Reads `len` bytes, or less at the end of the file. Reading from the cache is mostly copying, so
/// nothing zeroes the buffer first.
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
    // The spare capacity may exceed `len`.
    bytes.truncate(len);
    Ok(bytes)
}
