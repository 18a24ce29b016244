//! The open files. All descriptors of a file share one [`OpenFile`], so that they see the same
//! bytes, and sealing one version cannot race with writing the next.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::error::Error;
use super::snapshots::SnapshotReader;
use crate::content::Reader;
use crate::media::{Caller, FileId};
use crate::upload::{Drafts, OpenVersion, SpoolFile, Writer};

/// Most open files take a descriptor of this process. Other users may have one part of so many.
const OTHERS_PART: usize = 4;

/// The kernel's number for a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fh(pub u64);

/// The place of an open file's bytes.
#[derive(Clone)]
pub enum Bytes {
    /// Not known yet: the first `open` is looking for them. No descriptor exists yet.
    Opening,
    /// The spool: the file is being written or uploaded.
    Spool(Arc<SpoolFile>, Option<OpenVersion>),
    /// The cache, or Google.
    Item(Item),
}

impl Bytes {
    /// The spool file, if a writer may write to it now. The file of an earlier version may be in
    /// the cache: two files that were opened apart may have been merged since.
    pub fn writable(&self, writer: &Writer) -> Option<&Arc<SpoolFile>> {
        let may_be_written = writer.begin_write();
        match self {
            Self::Spool(file, version @ Some(_)) if *version == may_be_written => Some(file),
            _ => None,
        }
    }
}

/// An open item.
#[derive(Clone, Default)]
pub struct Item {
    /// The reader. `None` until the first read of an item that is not here.
    pub reader: Option<Reader>,
    /// The reported size. Until the last close, bytes of another size are an error.
    pub reported: Option<u64>,
}

/// An open file.
pub struct OpenFile {
    /// Its number.
    pub file: FileId,
    /// Locked for reading while bytes are read or written. Locked for writing while a version is
    /// sealed or begun.
    pub bytes: RwLock<Bytes>,
    /// Whether the first `open` has found the bytes. It has a lock of its own, because a later
    /// `open` must not wait while a version is sealed or begun.
    found: AtomicBool,
}

/// One open descriptor.
#[derive(Clone)]
pub enum Handle {
    /// A file.
    File {
        /// Shared with the other descriptors of the file.
        open: Arc<OpenFile>,
        /// The descriptor's writer, if it may write.
        writer: Option<Arc<Writer>>,
    },
    /// A file whose content was generated when it was opened.
    Snapshot(Arc<SnapshotReader>),
}

/// All open descriptors. Bounded by the number of files that the kernel has open.
pub struct Handles {
    drafts: Drafts,
    next: AtomicU64,
    // All are locked only for a look-up, an insert or a count, and never two at once.
    files: Mutex<HashMap<FileId, Shared>>,
    handles: RwLock<HashMap<Fh, Handle>>,
    /// Those that other users have opened.
    of_others: Mutex<HashSet<Fh>>,
    of_others_max: usize,
}

/// A file with the number of its descriptors.
struct Shared {
    open: Arc<OpenFile>,
    descriptors: usize,
}

impl Handles {
    /// No descriptor yet. An open file has its draft in `drafts`.
    pub fn new(drafts: Drafts) -> Self {
        Self {
            drafts,
            next: AtomicU64::new(0),
            files: Mutex::default(),
            handles: RwLock::default(),
            of_others: Mutex::default(),
            of_others_max: descriptors_max() / OTHERS_PART,
        }
    }

    /// Opens a file. `bytes` finds its bytes if the file is not open yet. That may wait for the
    /// disk, but other files do not wait meanwhile.
    ///
    /// # Errors
    /// Those of `bytes`.
    pub fn open<E: From<Error>>(
        &self,
        file: FileId,
        writable: bool,
        bytes: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<(Fh, Arc<OpenFile>), E> {
        let of_other = !Caller::current().is_owner();
        if of_other && self.of_others.lock().len() >= self.of_others_max {
            return Err(Error::plain(libc::EMFILE).into());
        }
        let open = self.share(file);
        if let Err(error) = find_bytes(&open, bytes) {
            self.unshare(file);
            return Err(error);
        }
        let writer = writable.then(|| Arc::new(self.drafts.open_writer(file)));
        let fh = self.insert(Handle::File { open: open.clone(), writer });
        if of_other {
            self.of_others.lock().insert(fh);
        }
        Ok((fh, open))
    }

    /// Counts another descriptor of a file.
    fn share(&self, file: FileId) -> Arc<OpenFile> {
        let mut files = self.files.lock();
        let shared = files.entry(file).or_insert_with(|| {
            self.drafts.file_opened(file);
            let (bytes, found) = (RwLock::new(Bytes::Opening), AtomicBool::new(false));
            Shared { open: Arc::new(OpenFile { file, bytes, found }), descriptors: 0 }
        });
        shared.descriptors += 1;
        shared.open.clone()
    }

    /// Removes a descriptor of a file. Returns whether it was the last one.
    fn unshare(&self, file: FileId) -> bool {
        let mut files = self.files.lock();
        let Some(shared) = files.get_mut(&file) else { return false };
        shared.descriptors -= 1;
        let last = shared.descriptors == 0;
        if last {
            files.remove(&file);
            self.drafts.file_closed(file);
        }
        last
    }

    /// How many files are open. The descriptors of a file count once.
    pub fn open_files(&self) -> usize {
        self.files.lock().len()
    }

    /// Opens generated content.
    pub fn open_snapshot(&self, reader: SnapshotReader) -> Fh {
        self.insert(Handle::Snapshot(Arc::new(reader)))
    }

    fn insert(&self, handle: Handle) -> Fh {
        let fh = Fh(self.next.fetch_add(1, Ordering::Relaxed));
        self.handles.write().insert(fh, handle);
        fh
    }

    /// The descriptor with this number.
    pub fn get(&self, fh: Fh) -> Option<Handle> {
        self.handles.read().get(&fh).cloned()
    }

    /// The shared object of a file, if it is open.
    pub fn opened(&self, file: FileId) -> Option<Arc<OpenFile>> {
        self.files.lock().get(&file).map(|shared| shared.open.clone())
    }

    /// Removes a descriptor after its last close. The caller releases its writer.
    pub fn close(&self, fh: Fh) -> Option<Closed> {
        let handle = self.handles.write().remove(&fh)?;
        self.of_others.lock().remove(&fh);
        let Handle::File { open, writer } = handle else { return None };
        let last = self.unshare(open.file);
        Some(Closed { file: open.file, writer, last })
    }
}

/// How many descriptors this process may have.
fn descriptors_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The first descriptor of a file finds its bytes. Other descriptors wait only for that.
fn find_bytes<E>(open: &OpenFile, bytes: impl FnOnce() -> Result<Bytes, E>) -> Result<(), E> {
    if !open.found.load(Ordering::Acquire) {
        let mut place = open.bytes.write();
        if !open.found.load(Ordering::Acquire) {
            *place = bytes()?;
            open.found.store(true, Ordering::Release);
        }
    }
    Ok(())
}

/// A closed descriptor.
#[derive(Debug)]
pub struct Closed {
    /// Its file.
    pub file: FileId,
    /// Its writer, if it could write.
    pub writer: Option<Arc<Writer>>,
    /// Whether it was the file's last descriptor.
    pub last: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    fn item() -> Result<Bytes, Error> {
        Ok(Bytes::Item(Item::default()))
    }

    #[test]
    fn descriptors_of_a_file_share_it_until_the_last_is_closed() {
        let handles = Handles::new(Drafts::default());
        let (one, a) = handles.open(FileId(1), true, item).unwrap();
        let (two, b) =
            handles.open(FileId(1), false, || -> Result<Bytes, Error> { panic!("open") }).unwrap();
        assert!(Arc::ptr_eq(&a, &b));
        let closed = handles.close(one).unwrap();
        assert_eq!((closed.file, closed.last), (FileId(1), false));
        assert!(!closed.writer.unwrap().closed());
        let closed = handles.close(two).unwrap();
        assert_eq!((closed.file, closed.last), (FileId(1), true));
        assert!(closed.writer.is_none());
        assert!(handles.opened(FileId(1)).is_none() && handles.get(two).is_none());
        assert!(handles.close(two).is_none());
    }

    /// The bytes of file 1 are on a slow disk.
    #[test]
    fn a_slow_open_keeps_no_other_file_waiting() {
        let handles = Handles::new(Drafts::default());
        let (begun, end) = (Barrier::new(2), Barrier::new(2));
        let (answers, answered) = std::sync::mpsc::channel();
        let timely = std::thread::scope(|scope| {
            scope.spawn(|| {
                let slow = || {
                    begun.wait();
                    end.wait();
                    item()
                };
                handles.open(FileId(1), false, slow).unwrap();
            });
            begun.wait();
            scope.spawn(|| {
                let known = handles.opened(FileId(2)).is_none();
                let (fh, _) = handles.open(FileId(2), true, item).unwrap();
                answers.send(known && handles.close(fh).is_some()).unwrap();
            });
            let timely = answered.recv_timeout(Duration::from_secs(10));
            end.wait();
            timely
        });
        assert_eq!(timely, Ok(true));
        assert_eq!(handles.open_files(), 1);
    }

    #[test]
    fn a_file_whose_version_is_being_sealed_can_be_opened_again() {
        let handles = Handles::new(Drafts::default());
        let (_, open) = handles.open(FileId(1), true, item).unwrap();
        let (answers, answered) = std::sync::mpsc::channel();
        let timely = std::thread::scope(|scope| {
            let sealing = open.bytes.write();
            scope.spawn(|| answers.send(handles.open(FileId(1), false, item).is_ok()).unwrap());
            let timely = answered.recv_timeout(Duration::from_secs(10));
            drop(sealing);
            timely
        });
        assert_eq!(timely, Ok(true));
    }

    #[test]
    fn a_file_that_could_not_be_opened_is_not_open() {
        let handles = Handles::new(Drafts::default());
        assert!(
            handles.open(FileId(1), true, || Err::<Bytes, _>(Error::plain(libc::EIO))).is_err()
        );
        assert_eq!(handles.open_files(), 0);
        handles.open(FileId(1), true, item).unwrap();
    }
}
