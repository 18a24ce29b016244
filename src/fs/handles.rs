//! What is open: one [`OpenFile`] for each file however many descriptors it has, so that all of them
//! see the same bytes and sealing one version cannot race with writing the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::content::Reader;
use crate::media::FileId;
use crate::upload::SpoolFile;

/// The kernel's number for a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fh(pub u64);

/// Where an open file's bytes are.
#[derive(Clone)]
pub enum Bytes {
    /// In the spool. While `writing`, the version is being changed; otherwise it is sealed.
    Spool {
        /// Open for reading and writing.
        file: Arc<SpoolFile>,
        /// Whether it has been unsealed.
        writing: bool,
    },
    /// In the cache, or at Google.
    Item(Item),
}

/// An item that somebody has open.
#[derive(Clone, Default)]
pub struct Item {
    /// What it is read from; what is not here is opened by whoever reads it first.
    pub reader: Option<Reader>,
    /// How long it is, once the kernel has been told so for who reads it: until the last close nothing of another
    /// length is read.
    pub told: Option<u64>,
}

/// A file that somebody has open.
pub struct OpenFile {
    /// Which.
    pub file: FileId,
    /// Held for reading while bytes are read or written, for writing while a version is sealed or begun.
    pub bytes: RwLock<Bytes>,
    descriptors: AtomicUsize,
    /// Descriptors that may write and have not been closed since they last did.
    writing: AtomicUsize,
}

impl OpenFile {
    /// Whether a descriptor that may write has not been closed since it last did.
    pub fn is_being_written(&self) -> bool {
        self.writing.load(Ordering::SeqCst) > 0
    }

    /// A descriptor writes, or (`false`) a copy of it has been closed; `flag` is the descriptor's own.
    pub fn mark_writing(&self, flag: &AtomicBool, writing: bool) {
        match (flag.swap(writing, Ordering::SeqCst), writing) {
            (false, true) => self.writing.fetch_add(1, Ordering::SeqCst),
            (true, false) => self.writing.fetch_sub(1, Ordering::SeqCst),
            _ => 0,
        };
    }
}

/// One open descriptor.
#[derive(Clone)]
pub enum Handle {
    /// A file.
    File {
        /// Shared with the other descriptors of the file.
        open: Arc<OpenFile>,
        /// Whether this one may write.
        writable: bool,
        /// See [`OpenFile::mark_writing`].
        writing: Arc<AtomicBool>,
    },
    /// A file whose content was made when it was opened.
    Snapshot(Arc<[u8]>),
}

/// All open descriptors. Bounded by what the kernel has open.
#[derive(Default)]
pub struct Handles {
    next: AtomicU64,
    // Held for a look-up, an insert or a count; `files` is taken before `handles`.
    files: Mutex<HashMap<FileId, Arc<OpenFile>>>,
    handles: RwLock<HashMap<Fh, Handle>>,
}

impl Handles {
    /// Opens a file; `bytes` says where they are if nobody has it open yet.
    ///
    /// # Errors
    /// Those of `bytes`.
    pub fn open<E>(
        &self,
        file: FileId,
        writable: bool,
        bytes: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<(Fh, Arc<OpenFile>), E> {
        let mut files = self.files.lock();
        let open = match files.get(&file) {
            Some(open) => open.clone(),
            None => {
                let open = Arc::new(OpenFile {
                    file,
                    bytes: RwLock::new(bytes()?),
                    descriptors: AtomicUsize::new(0),
                    writing: AtomicUsize::new(0),
                });
                files.insert(file, open.clone());
                open
            }
        };
        open.descriptors.fetch_add(1, Ordering::Relaxed);
        let writing = Arc::new(AtomicBool::new(false));
        if writable {
            open.mark_writing(&writing, true);
        }
        Ok((self.insert(Handle::File { open: open.clone(), writable, writing }), open))
    }

    /// How many files are open, however many descriptors each has.
    pub fn open_files(&self) -> usize {
        self.files.lock().len()
    }

    /// Opens something that was made just now.
    pub fn open_snapshot(&self, bytes: Vec<u8>) -> Fh {
        self.insert(Handle::Snapshot(bytes.into()))
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

    /// The shared object of a file, if somebody has it open.
    pub fn opened(&self, file: FileId) -> Option<Arc<OpenFile>> {
        self.files.lock().get(&file).cloned()
    }

    /// A descriptor is closed for good.
    pub fn close(&self, fh: Fh) -> Option<Closed> {
        let mut files = self.files.lock();
        let Handle::File { open, writable, writing } = self.handles.write().remove(&fh)? else {
            return None;
        };
        if writable {
            open.mark_writing(&writing, false);
        }
        let last = open.descriptors.fetch_sub(1, Ordering::Relaxed) == 1;
        if last {
            files.remove(&open.file);
        }
        Some(Closed { file: open.file, writable, last })
    }
}

/// What a closed descriptor was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Of which file.
    pub file: FileId,
    /// Whether it could write.
    pub writable: bool,
    /// Whether it was the file's last.
    pub last: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Result<Bytes, ()> {
        Ok(Bytes::Item(Item::default()))
    }

    #[test]
    fn descriptors_of_a_file_share_it_until_the_last_is_closed() {
        let handles = Handles::default();
        let (one, a) = handles.open(FileId(1), true, item).unwrap();
        let (two, b) =
            handles.open(FileId(1), false, || -> Result<Bytes, ()> { panic!("open") }).unwrap();
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(
            handles.close(one),
            Some(Closed { file: FileId(1), writable: true, last: false })
        );
        assert!(!a.is_being_written());
        assert_eq!(
            handles.close(two),
            Some(Closed { file: FileId(1), writable: false, last: true })
        );
        assert!(handles.opened(FileId(1)).is_none() && handles.get(two).is_none());
        assert_eq!(handles.close(two), None);
    }
}
