//! How much the spool may hold.
//!
//! Two things limit it: the user's `--spool-size`, and the disk. Files that are not on their way to
//! Google have shares of their own beside `--spool-size` (`shares.rs`). A part of the disk stays free for
//! the database and for other programs. The account counts allocated bytes with each change, and
//! anew at each start. It asks the disk for its free space now and then.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::fs::FallocateFlags;

use super::accept::{self, HEAD_BYTES, PHOTO_BYTES_MAX};
use super::errors::SealError;

/// At most this much is written before the free space is read again: other programs fill the disk,
/// too.
const LOOK_AFTER_BYTES: u64 = 4 << 20;
/// This much stays free of a disk of ordinary size, so that other programs can go on.
const RESERVE_MAX: u64 = 1 << 30;
/// This much stays free of a small disk, so that the database and its log can grow a little.
const RESERVE_MIN: u64 = 16 << 20;

/// Refused files may use this part of the spool's limit in addition to it, and so may files that
/// stay here for good. More of the latter counts as files on their way.
const SHARE_PART: u64 = 10;

/// The account of one spool directory.
#[derive(Debug)]
pub(crate) struct Room {
    pub(super) max: u64,
    /// Bytes of disk that the spool uses. Negative only before the first count.
    used: AtomicI64,
    /// Those of refused files, when they were last counted.
    refused: AtomicU64,
    /// Those of files that stay here for good.
    kept: AtomicU64,
    /// Bytes that may be written before the free space is read again.
    allowance: Mutex<u64>,
}

impl Room {
    pub(crate) fn new(max: u64) -> Self {
        Self {
            max,
            used: AtomicI64::new(0),
            refused: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            allowance: Mutex::new(0),
        }
    }

    pub(crate) fn set_used(&self, bytes: u64) {
        self.used.store(signed(bytes), Ordering::Relaxed);
    }

    pub(crate) fn changed(&self, before: u64, after: u64) {
        self.used.fetch_add(signed(after) - signed(before), Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> u64 {
        u64::try_from(self.used.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Keeps how many bytes are not on their way to Google.
    pub(super) fn set_aside(&self, refused: u64, kept: u64) {
        self.refused.store(refused, Ordering::Relaxed);
        self.kept.store(kept, Ordering::Relaxed);
    }

    /// Another file stays here for good, or the same one again: the next count is exact.
    pub(super) fn add_kept(&self, bytes: u64) {
        self.kept.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of refused files, and of files that stay here for good.
    pub(crate) fn set_aside_bytes(&self) -> (u64, u64) {
        (self.refused.load(Ordering::Relaxed), self.kept.load(Ordering::Relaxed))
    }

    /// Whether refused files use up their share, as last counted.
    pub(super) fn is_refused_full(&self) -> bool {
        self.set_aside_bytes().0 >= self.max / SHARE_PART
    }

    /// Bytes of files that stay here for good, beyond their share.
    fn kept_excess(&self) -> u64 {
        self.set_aside_bytes().1.saturating_sub(self.max / SHARE_PART)
    }

    /// Bytes of files that are on their way, being written, or beyond the share of kept files.
    fn queued(&self) -> u64 {
        let (refused, kept) = self.set_aside_bytes();
        let beside = refused.saturating_add(kept.min(self.max / SHARE_PART));
        self.used().saturating_sub(beside)
    }

    /// How many more bytes the spool may use now for files on their way.
    pub(crate) fn left(&self, dir: &Path) -> io::Result<u64> {
        self.room_with(dir, self.queued())
    }

    /// How many bytes files on their way might use if there were no others, and if other programs
    /// left the disk as it is.
    pub(super) fn most(&self, dir: &Path) -> io::Result<u64> {
        self.room_with(dir, self.kept_excess())
    }

    /// How many more bytes the spool might use for files on their way if these used `queued` bytes.
    fn room_with(&self, dir: &Path, queued: u64) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(dir)?;
        let free =
            disk.f_bavail.saturating_mul(disk.f_frsize) + self.queued().saturating_sub(queued);
        let reserve = reserve(disk.f_blocks.saturating_mul(disk.f_frsize));
        Ok(free.saturating_sub(reserve).min(self.max.saturating_sub(queued)))
    }

    /// Reserves bytes for a writer, if there is room for them.
    pub(crate) fn take(&self, dir: &Path, bytes: u64) -> io::Result<bool> {
        let mut allowance = self.allowance.lock();
        if *allowance < bytes {
            let left = self.left(dir)?;
            if left < bytes {
                return Ok(false);
            }
            *allowance = (left / 2).min(LOOK_AFTER_BYTES).max(bytes);
        }
        *allowance -= bytes;
        Ok(true)
    }
}

/// How much of a disk of so many bytes stays free: a twentieth, within bounds, and never more than
/// a quarter.
pub fn reserve(disk: u64) -> u64 {
    (disk / 20).clamp(RESERVE_MIN, RESERVE_MAX).min(disk / 4)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Bytes of disk that a file uses. Holes use none.
pub(crate) fn allocated(meta: &std::fs::Metadata) -> u64 {
    meta.blocks().saturating_mul(512)
}

/// An open spool file. All changes of its size go through here, so that the account follows them.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    /// Bytes that the account counts for it.
    counted: Mutex<u64>,
    room: Arc<Room>,
}

impl SpoolFile {
    pub(crate) fn new(file: File, room: Arc<Room>) -> io::Result<Self> {
        let counted = Mutex::new(allocated(&file.metadata()?));
        Ok(Self { file, counted, room })
    }

    /// For reading.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The room that writing `len` bytes up to `end` needs at most: none in place, all of it in a
    /// hole.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn need(&self, end: u64, len: u64) -> io::Result<Need> {
        let counted = *self.counted.lock();
        let size = self.file.metadata()?.len();
        let more = if counted < size && self.has_hole(end - len.min(end), end) {
            len
        } else {
            end.saturating_sub(counted.max(size)).min(len)
        };
        Ok(Need { more, total: counted.saturating_add(more) })
    }

    /// Whether a part of the range is a hole. Moves the position of the file, which nothing uses.
    fn has_hole(&self, start: u64, end: u64) -> bool {
        rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Hole(start)).map_or(true, |at| at < end)
    }

    /// Whether the file may become so long. A write that makes it longer than Google takes fails
    /// before it happens.
    ///
    /// # Errors
    /// [`SealError::TooLarge`]; or the disk fails.
    pub fn check_length(&self, end: u64) -> Result<(), SealError> {
        if end <= PHOTO_BYTES_MAX || end <= self.file.metadata()?.len() {
            return Ok(());
        }
        let mut head = [0; HEAD_BYTES];
        let read = self.file.read_at(&mut head, 0)?;
        let max = accept::bytes_max(&head[..read]);
        if end > max { Err(SealError::TooLarge { size: end, max }) } else { Ok(()) }
    }

    /// Writes all of `data`.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn write_at(&self, data: &[u8], offset: u64) -> Result<(), ShortWrite> {
        let mut written = 0;
        let mut outcome = Ok(());
        while written < data.len() && outcome.is_ok() {
            match self.file.write_at(&data[written..], offset + written as u64) {
                Ok(0) => outcome = Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => outcome = Err(error),
            }
        }
        let counted = self.count();
        outcome.and(counted).map_err(|source| ShortWrite { written, source })
    }

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.count()
    }

    /// fallocate(2).
    ///
    /// # Errors
    /// If the disk fails.
    pub fn fallocate(&self, mode: FallocateFlags, offset: u64, len: u64) -> rustix::io::Result<()> {
        rustix::fs::fallocate(self.file.as_fd(), mode, offset, len)?;
        self.count()
            .map_err(|err| rustix::io::Errno::from_io_error(&err).unwrap_or(rustix::io::Errno::IO))
    }

    pub(crate) fn count(&self) -> io::Result<()> {
        let mut counted = self.counted.lock();
        let now = allocated(&self.file.metadata()?);
        self.room.changed(*counted, now);
        *counted = now;
        Ok(())
    }
}

/// A write that failed, perhaps after a part of it.
#[derive(Debug, thiserror::Error)]
#[error("only {written} bytes were written")]
pub struct ShortWrite {
    /// This many bytes were written.
    pub written: usize,
    /// Why the others were not.
    pub source: io::Error,
}

/// The room that a change of a spool file needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes in addition to those that the file uses.
    pub more: u64,
    /// Bytes that the file would use then. Holes do not count.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_suits_the_disk() {
        assert_eq!(reserve(2 << 40), 1 << 30);
        assert_eq!(reserve(10 << 30), (10 << 30) / 20);
        assert_eq!(reserve(64 << 20), 16 << 20);
        assert_eq!(reserve(8 << 20), 2 << 20);
    }

    #[test]
    fn kept_files_beyond_their_share_use_the_room_of_photos() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::new(1_000_000);
        room.set_used(500_000);
        room.set_aside(300_000, 80_000);
        assert_eq!(room.left(dir.path()).unwrap(), 880_000);
        assert_eq!(room.most(dir.path()).unwrap(), 1_000_000);
        room.set_aside(300_000, 200_000);
        assert_eq!(room.left(dir.path()).unwrap(), 900_000);
        assert_eq!(room.most(dir.path()).unwrap(), 900_000);
    }

    #[test]
    fn a_copy_that_fails_takes_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let spool = super::super::Spool::new(dir.path().join("spool"), 1 << 20).unwrap();
        // Reading a directory fails after the spool file has been made.
        spool.fill(crate::media::FileId(1), &std::fs::File::open(dir.path()).unwrap()).unwrap_err();
        assert_eq!(spool.list().unwrap(), []);
        assert_eq!(spool.room().used(), 0);
    }

    #[test]
    fn the_account_follows_what_is_written_cut_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let spool = super::super::Spool::new(dir.path().join("spool"), 1 << 20).unwrap();
        let file = spool.create(crate::media::FileId(1)).unwrap();
        file.write_at(&[7; 100_000], 0).unwrap();
        let full = spool.room().used();
        assert!((100_000..200_000).contains(&full), "{full}");
        let more = |end, len| file.need(end, len).unwrap().more;
        assert_eq!((more(50_000, 1000), more(full + 500, 1000)), (0, 500));
        assert!(!spool.room().take(spool.dir(), 1 << 20).unwrap());
        assert!(spool.room().take(spool.dir(), 500_000).unwrap());
        file.set_len(1 << 40).unwrap();
        assert_eq!(spool.room().used(), full, "a hole costs nothing");
        assert_eq!(more(50_000, 1000), 0, "in place");
        let in_hole = Need { more: 1000, total: full + 1000 };
        assert_eq!(file.need(500_000, 1000).unwrap(), in_hole);
        assert_eq!(file.need((1 << 40) + 1000, 1000).unwrap(), in_hole);
        spool.count().unwrap();
        assert_eq!(spool.room().used(), full);
        spool.remove(crate::media::FileId(1)).unwrap();
        assert_eq!(spool.room().used(), 0);
    }
}
