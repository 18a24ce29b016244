//! The spool: one file on this disk for each upload, named by the file's number. It keeps bytes
//! that Google does not have yet.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::accept::HEAD_BYTES;
use super::room::{Room, SpoolFile, allocated};
use crate::media::{ContentHash, FileId};
use crate::profile::{Strangers, TIGHTENED, is_plain, make_private};
use crate::store::{Fate, FileInfo, SealedFacts, from_nanos};

/// The end of the name of half a copy, behind the numbers of its file and version.
const HALF: &str = ".half";

/// The directory of files that the journal does not know.
const ORPHANS: &str = "orphans";

/// Buffer for reading files from end to end.
const BUFFER_BYTES: usize = 256 * 1024;

/// A directory of spool files. Blocking.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
    room: Arc<Room>,
}

/// A spool file with its size, times and first bytes.
#[derive(Debug)]
pub(crate) struct SpoolStat {
    pub(crate) size: u64,
    pub(crate) mtime_ns: i64,
    pub(crate) ctime_ns: i64,
    pub(crate) head: Vec<u8>,
    pub(crate) bytes: File,
}

/// An entry of the spool directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SpoolEntry {
    /// The bytes of a file.
    Bytes(FileId),
    /// A copy of a file's bytes, made before a writer changes them; or the content that an edit
    /// begins with.
    Version(FileId),
    /// The smaller copy of a file, which goes to Google instead of it.
    Copy(FileId),
    /// A smaller copy that a program has begun to write.
    Half(PathBuf),
}

impl Spool {
    /// Uses the directory `dir` for at most `max` bytes, and creates it if it is missing.
    ///
    /// # Errors
    /// If the directory cannot be created, or other users can use it and that cannot be changed.
    pub fn new(dir: PathBuf, max: u64) -> io::Result<Self> {
        if let Some(mode) = make_private(&dir)? {
            tracing::warn!(path = ?dir, mode = format!("{mode:04o}"), "{TIGHTENED}");
        }
        Ok(Self { dir, room: Arc::new(Room::new(max)) })
    }

    /// The directory `dir`, to look at it. Creates nothing.
    pub fn existing(dir: PathBuf) -> Self {
        Self { dir, room: Arc::new(Room::new(u64::MAX)) }
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Counts the bytes of disk that the spool uses.
    pub(crate) fn count(&self) -> io::Result<()> {
        let mut used = 0;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if SpoolEntry::of(&entry).is_some() {
                used += allocated(&entry.metadata()?);
            }
        }
        self.room.set_used(used);
        Ok(())
    }

    /// The directory of the spool files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The spool file of a file, which exists until Google has the bytes.
    pub fn path(&self, file: FileId) -> PathBuf {
        self.dir.join(file.0.to_string())
    }

    /// Creates an empty spool file for reading and writing.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn create(&self, file: FileId) -> io::Result<SpoolFile> {
        let path = self.path(file);
        self.make_way(&path)?;
        self.create_path(&path)
    }

    pub(super) fn create_path(&self, path: &Path) -> io::Result<SpoolFile> {
        let made =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        SpoolFile::new(made, self.room.clone())
    }

    /// Opens a spool file for reading and writing.
    ///
    /// # Errors
    /// If it is not there or cannot be opened.
    pub fn open(&self, file: FileId) -> io::Result<SpoolFile> {
        let opened = OpenOptions::new().read(true).write(true).open(self.path(file))?;
        SpoolFile::new(opened, self.room.clone())
    }

    /// Updates the size and times of a file that is being written. Until it is sealed only the
    /// spool file has them.
    ///
    /// # Errors
    /// If the disk fails. A missing spool file is no error: the file may have been uploaded or
    /// deleted just now.
    pub fn update(&self, info: &mut FileInfo) -> io::Result<()> {
        let meta = match fs::metadata(self.path(info.id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        };
        let (mtime_ns, ctime_ns) = times(&meta);
        info.size = Some(meta.len());
        info.mtime_ns = mtime_ns;
        info.ctime_ns = info.ctime_ns.max(ctime_ns);
        Ok(())
    }

    /// Opens a spool file for reading.
    ///
    /// # Errors
    /// If it is not there or cannot be opened.
    pub(crate) fn read(&self, file: FileId) -> io::Result<File> {
        File::open(self.path(file))
    }

    fn allocated(&self, path: &Path) -> u64 {
        fs::metadata(path).map_or(0, |meta| allocated(&meta))
    }

    pub(super) fn remove_path(&self, path: &Path) -> io::Result<()> {
        let before = self.allocated(path);
        match fs::remove_file(path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        }
        self.room.changed(before, 0);
        Ok(())
    }

    /// Frees the name of a new spool file. Numbers are never reused, so a file of this name is left
    /// of an attempt that failed, or a stranger's. It is not truncated: it may be a hard link to a
    /// file in the cache.
    pub(super) fn make_way(&self, path: &Path) -> io::Result<()> {
        match path.symlink_metadata() {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(err) => Err(err),
            Ok(meta) if meta.is_file() && is_private(&meta) => self.remove_path(path),
            Ok(_) => {
                let kept = self.quarantine(path)?;
                tracing::warn!(path = ?kept, "a file of another program was in the spool; it is kept");
                Ok(())
            }
        }
    }

    /// Sets a spool file's modification time, nanoseconds since 1970. Sealing takes the time from
    /// there.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn set_mtime(&self, file: FileId, mtime_ns: i64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(file))?;
        file.set_modified(from_nanos(mtime_ns))
    }

    /// Deletes a spool file, if it exists. Descriptors that are open can still read it.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn remove(&self, file: FileId) -> io::Result<()> {
        self.remove_path(&self.copy_path(file))?;
        self.remove_path(&self.path(file))
    }

    /// Deletes a spool file that is not needed any more. If that fails, the next start tries again.
    pub(crate) fn discard(&self, file: FileId) {
        if let Err(error) = self.remove(file) {
            tracing::warn!(%error, file = file.0, "cannot delete a spool file");
        }
    }

    /// Syncs a spool file, so that it survives a power cut, and returns its size, times and first
    /// bytes.
    pub(crate) fn sync(&self, file: FileId) -> io::Result<SpoolStat> {
        let bytes = self.read(file)?;
        bytes.sync_all()?;
        self.sync_dir()?;
        SpoolStat::of(bytes)
    }

    /// A spool file's size, times and first bytes.
    pub(crate) fn stat(&self, file: FileId) -> io::Result<SpoolStat> {
        SpoolStat::of(self.read(file)?)
    }

    /// Makes a spool file with the bytes of another, durably. Both are one file on the disk until
    /// a writer changes one of them, see [`Spool::unshare`].
    pub(crate) fn link(&self, file: FileId, copy: FileId) -> io::Result<()> {
        let path = self.path(copy);
        self.make_way(&path)?;
        fs::hard_link(self.path(file), &path)?;
        self.room.changed(0, self.allocated(&path));
        self.sync_dir()
    }

    /// The hashes of a spool file's bytes. Reads all of them.
    pub(crate) fn hashes(&self, file: FileId) -> io::Result<(ContentHash, [u8; 20])> {
        hash(self.read(file)?)
    }

    /// The hash of a spool file's bytes. Reads all of them.
    pub(crate) fn hash(&self, file: FileId) -> io::Result<ContentHash> {
        Ok(self.hashes(file)?.0)
    }

    /// Copies `source` to a place beside the spool file, for a version that begins with this
    /// content. Moves the position of `source`. Returns hash and length of the content.
    pub(crate) fn fill(&self, file: FileId, mut source: &File) -> io::Result<(ContentHash, u64)> {
        source.seek(SeekFrom::Start(0))?;
        let path = self.version_path(file);
        self.make_way(&path)?;
        let target = self.create_path(&path)?;
        let copied = io::copy(&mut source, &mut target.file());
        target.count()?;
        let size = match copied {
            Ok(size) => size,
            Err(error) => {
                // On a full disk half a copy would only be in the way.
                self.drop_version(file)?;
                return Err(error);
            }
        };
        target.file().seek(SeekFrom::Start(0))?;
        Ok((hash(target.file())?.0, size))
    }

    /// Makes a durable copy of a file's bytes beside the spool file, before a writer changes them.
    pub(crate) fn keep_version(&self, file: FileId) -> io::Result<()> {
        let aside = self.version_path(file);
        self.make_way(&aside)?;
        let copied = fs::copy(self.path(file), &aside);
        self.room.changed(0, self.allocated(&aside));
        if let Err(error) = copied {
            self.drop_version(file)?;
            return Err(error);
        }
        File::open(&aside)?.sync_all()?;
        self.sync_dir()
    }

    /// Makes the copy beside a spool file the bytes of `version`.
    pub(crate) fn adopt_version(&self, file: FileId, version: FileId) -> io::Result<()> {
        let path = self.path(version);
        let before = self.allocated(&path);
        fs::rename(self.version_path(file), path)?;
        self.room.changed(before, 0);
        self.sync_dir()
    }

    /// Sees to it that a spool file is no hard link to a file in the cache or to a refused file,
    /// before a writer changes it. That takes a copy, but it is rare: the cache has the bytes only
    /// if the database failed just when Google had confirmed the item, or the process died there.
    pub(crate) fn unshare(&self, file: FileId) -> io::Result<()> {
        match fs::metadata(self.path(file)) {
            Ok(meta) if meta.nlink() == 1 => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                self.keep_version(file)?;
                self.adopt_version(file, file)
            }
        }
    }

    /// Deletes the copy beside a spool file.
    pub(crate) fn drop_version(&self, file: FileId) -> io::Result<()> {
        self.remove_path(&self.version_path(file))
    }

    /// The files that gphotosfs has put into the directory.
    pub(crate) fn list(&self) -> io::Result<Vec<SpoolEntry>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            found.extend(SpoolEntry::of(&entry?));
        }
        Ok(found)
    }

    /// Everything else in the directory.
    pub(crate) fn strangers(&self) -> io::Result<Strangers> {
        Strangers::of(&self.dir, |entry| {
            SpoolEntry::of(entry).is_some()
                || entry.file_name() == ORPHANS && entry.file_type().is_ok_and(|it| it.is_dir())
        })
    }

    /// Whether a spool file has the mode of one. If not, another program has put it there.
    pub(crate) fn is_of_ours(&self, file: FileId) -> io::Result<bool> {
        Ok(is_private(&self.path(file).symlink_metadata()?))
    }

    /// Moves a file that the journal does not know out of the way, without deleting it. Returns the
    /// new path.
    pub(crate) fn quarantine(&self, path: &Path) -> io::Result<PathBuf> {
        let dir = self.dir.join(ORPHANS);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = (0..)
            .map(|n: u32| if n == 0 { dir.join(&name) } else { dir.join(format!("{name}.{n}")) })
            .find(|target| target.symlink_metadata().is_err())
            .unwrap_or_else(|| dir.join(&name));
        let before = self.allocated(path);
        fs::rename(path, &target)?;
        self.room.changed(before, 0);
        Ok(target)
    }

    /// The copy beside a spool file.
    pub(crate) fn version_path(&self, file: FileId) -> PathBuf {
        self.dir.join(format!("{}.old", file.0))
    }

    /// The smaller copy of a file.
    pub(super) fn copy_path(&self, file: FileId) -> PathBuf {
        self.dir.join(format!("{}.sent", file.0))
    }

    /// Half a copy of a version.
    pub(super) fn half_path(&self, file: FileId, seq: i64) -> PathBuf {
        self.dir.join(format!("{}.{seq}{HALF}", file.0))
    }

    pub(super) fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

/// The number in a spool file's name. Only the form that gphotosfs writes counts, so `010` is no
/// number.
fn number(name: &str) -> Option<FileId> {
    let number: i64 = name.parse().ok()?;
    (number.to_string() == name).then_some(FileId(number))
}

/// Whether a file of the spoolhas the name of half a copy.
fn is_half(name: &str) -> bool {
    let numbers = name.strip_suffix(HALF).and_then(|it| it.split_once('.'));
    numbers.is_some_and(|(file, seq)| number(file).is_some() && number(seq).is_some())
}

/// Whether its mode is that of a spool file. Other programs rarely make files that nobody else may
/// read.
fn is_private(meta: &fs::Metadata) -> bool {
    meta.mode() & 0o177 == 0
}

impl SpoolEntry {
    fn of(entry: &DirEntry) -> Option<Self> {
        let name = entry.file_name();
        let name = name.to_str().filter(|_| is_plain(entry))?;
        let version = || name.strip_suffix(".old").and_then(number).map(Self::Version);
        let copy = || name.strip_suffix(".sent").and_then(number).map(Self::Copy);
        let half = || is_half(name).then(|| Self::Half(entry.path()));
        number(name).map(Self::Bytes).or_else(version).or_else(copy).or_else(half)
    }
}

impl SpoolStat {
    /// The facts that sealing writes to the journal.
    pub(crate) fn facts(&self, fate: Fate) -> SealedFacts {
        let Self { size, mtime_ns, ctime_ns, .. } = *self;
        SealedFacts { size, mtime_ns, ctime_ns, fate, write_error: None, cut_off: false }
    }

    pub(crate) fn of(bytes: File) -> io::Result<Self> {
        let meta = bytes.metadata()?;
        let mut head = Vec::new();
        (&bytes).take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        let (mtime_ns, ctime_ns) = times(&meta);
        Ok(Self { size: meta.len(), mtime_ns, ctime_ns, head, bytes })
    }
}

/// Modification time and time of change, in nanoseconds since 1970.
fn times(meta: &fs::Metadata) -> (i64, i64) {
    let nanos = |seconds: i64, nanos| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    (nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec()))
}

/// SHA-256, which identifies content here, and SHA-1, with which Google checks an upload, in one
/// pass.
pub(crate) fn hash(mut bytes: impl Read) -> io::Result<(ContentHash, [u8; 20])> {
    let mut sha256 = Sha256::new();
    let mut sha1 = sha1::Sha1::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                sha256.update(&buffer[..read]);
                sha1.update(&buffer[..read]);
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok((ContentHash(sha256.finalize().into()), sha1.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_put_aside_keeps_the_bytes_that_a_writer_then_changes() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().join("spool"), u64::MAX).unwrap();
        let (file, old) = (FileId(1), FileId(2));
        fs::write(spool.path(file), b"before").unwrap();
        spool.keep_version(file).unwrap();
        fs::write(spool.path(file), b"after!").unwrap();
        spool.adopt_version(file, old).unwrap();
        assert_eq!(fs::read(spool.path(old)).unwrap(), b"before");
        assert_eq!(spool.list().unwrap().len(), 2);
    }

    #[test]
    fn orphans_are_moved_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().join("spool"), u64::MAX).unwrap();
        for text in ["one", "two"] {
            fs::write(spool.path(FileId(7)), text).unwrap();
            spool.quarantine(&spool.path(FileId(7))).unwrap();
        }
        assert_eq!(fs::read(dir.path().join("spool/orphans/7")).unwrap(), b"one");
        assert_eq!(fs::read(dir.path().join("spool/orphans/7.1")).unwrap(), b"two");
        assert_eq!(spool.list().unwrap(), []);
    }

    #[test]
    fn only_names_as_we_write_them_are_files() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().to_owned(), u64::MAX).unwrap();
        for name in ["7", "8.old", "010", "+9", "1.old.old", "99999999999999999999"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("9")).unwrap();
        std::os::unix::fs::symlink("7", dir.path().join("10")).unwrap();
        let found = spool.list().unwrap();
        assert!(found.contains(&SpoolEntry::Bytes(FileId(7))), "{found:?}");
        assert!(found.contains(&SpoolEntry::Version(FileId(8))), "{found:?}");
        assert_eq!(found.len(), 2, "{found:?}");
        let strangers = spool.strangers().unwrap().to_string();
        assert!(strangers.ends_with("and 1 more"), "{strangers}");
        let halves = ["9.1.half", "9.half", "9.1.2.half", "9.x.half", ".1.half"].map(is_half);
        assert_eq!(halves, [true, false, false, false, false]);
    }

    #[test]
    fn a_modification_time_before_1970_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().join("spool"), u64::MAX).unwrap();
        spool.create(FileId(1)).unwrap();
        spool.set_mtime(FileId(1), -1_500_000_000).unwrap();
        assert_eq!(spool.sync(FileId(1)).unwrap().mtime_ns, -1_500_000_000);
    }
}
