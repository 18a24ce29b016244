//! The content cache on disk: whole files, named by their content, and parts of files. It evicts
//! the least recently used ones first.
//!
//! A file gets its name only when it is whole and synced, so a crash leaves no false content. The
//! next start deletes parts. To know which of their bytes had reached the disk would need a sync
//! for each piece. Google may also have encoded the item anew by then. The modification times of
//! the files hold the order of use. They have no other meaning here, and access times depend on
//! mount options.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::MemfdFlags;
use tokio::sync::Semaphore;

use super::fetch::Fetch;
use super::key::Key;
use super::part::{Backing, Part};
use crate::media::FileId;
use crate::profile::{Marker, TIGHTENED, claim, is_plain};

/// The end of the name of a part on disk.
const PART_SUFFIX: &str = ".gphotosfs-part";

/// Backup programs leave out a directory with this file
/// (<https://bford.info/cachedir/>). Its text says whose cache it is.
const MARKER: Marker = Marker {
    name: "CACHEDIR.TAG",
    text: "Signature: 8a477f597d28d172789f06886806bc55\n\
        # This directory is gphotosfs's cache of photos. It deletes only files that it has made.\n",
    unfinished: PART_SUFFIX,
};

/// Files in memory while the disk is full.
const IN_MEMORY_MAX: usize = 4;

/// Parts that are kept without readers. Each takes a file descriptor.
const IDLE_PARTS_MAX: usize = 256;

/// The cache of one profile.
pub(super) struct Cache {
    dir: PathBuf,
    limit: u64,
    // Held for lookups, inserts and evictions. Taken before the state of a `Fetch`.
    index: Mutex<Index>,
    memory_turns: Arc<Semaphore>,
}

struct Index {
    /// Whole files with their sizes. The most recently used comes first, here and below.
    whole: LruCache<Key, u64>,
    /// Parts, with the bytes counted for each.
    parts: LruCache<FileId, (Arc<Fetch>, u64)>,
    total: u64,
}

/// Makes the directory, and marks it as a cache.
fn claim_dir(dir: &Path) -> io::Result<()> {
    let is_name_ours = |name: &str| Key::parse(name).is_some() || is_part(name);
    let (mode, strangers) = claim(dir, &MARKER, |entry| {
        is_plain(entry) && entry.file_name().to_str().is_some_and(is_name_ours)
    })?;
    if let Some(mode) = mode {
        tracing::warn!(path = ?dir, mode = format!("{mode:04o}"), "{TIGHTENED}");
    }
    strangers.log(dir);
    Ok(())
}

impl Cache {
    /// Opens the cache and reads its directory, least recently used first. Deletes the parts that
    /// an earlier run has left, and no other file.
    pub(super) fn open(dir: PathBuf, limit: u64) -> io::Result<Self> {
        claim_dir(&dir)?;
        let mut found: Vec<(SystemTime, Key, u64)> = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|_| is_plain(&entry)) else { continue };
            if let Some(key) = Key::parse(name) {
                let meta = entry.metadata()?;
                found.push((meta.modified()?, key, meta.len()));
            } else if is_part(name) {
                fs::remove_file(entry.path())?;
            }
        }
        found.sort_unstable();
        let mut index =
            Index { whole: LruCache::unbounded(), parts: LruCache::unbounded(), total: 0 };
        for (_, key, size) in found {
            index.total += size;
            index.whole.put(key, size);
        }
        let memory_turns = Arc::new(Semaphore::new(IN_MEMORY_MAX));
        let cache = Self { dir, limit, index: Mutex::new(index), memory_turns };
        cache.evict(&mut cache.index.lock());
        Ok(cache)
    }

    /// The path of a whole file.
    fn path(&self, key: Key) -> PathBuf {
        self.dir.join(key.name())
    }

    /// Whether the cache has a whole file.
    pub(super) fn has(&self, key: Key) -> bool {
        self.index.lock().whole.contains(&key)
    }

    /// Opens a whole file for reading and records its use.
    pub(super) fn get(&self, key: Key) -> Option<File> {
        self.index.lock().whole.get(&key)?;
        match File::open(self.path(key)) {
            Ok(opened) => {
                // If this fails, the order after a restart is slightly wrong.
                let _ = opened.set_modified(SystemTime::now());
                Some(opened)
            }
            // The user may delete files of the cache.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.forget(key);
                None
            }
            // The file still exists: for example, too many files are open.
            Err(error) => {
                tracing::warn!(%error, "cannot open a file in the cache");
                None
            }
        }
    }

    /// Returns the pieces of a partly downloaded file; `new` starts without any. `interest`
    /// registers the caller as a reader, before an eviction can drop the pieces.
    pub(super) fn part<T>(
        &self,
        file: FileId,
        new: impl FnOnce(Part) -> Fetch,
        interest: impl FnOnce(Arc<Fetch>) -> T,
    ) -> io::Result<T> {
        let mut index = self.index.lock();
        if let Some((fetch, _)) = index.parts.get(&file)
            && fetch.is_good()
        {
            return Ok(interest(fetch.clone()));
        }
        let begun = match self.begin(file) {
            Err(error) if is_full(&error) => self.in_memory()?,
            begun => begun?,
        };
        let fetch = Arc::new(new(begun));
        self.drop_part(&mut index, file);
        index.parts.put(file, (fetch.clone(), 0));
        let interest = interest(fetch);
        let idle: Vec<FileId> = match index.parts.len().checked_sub(IDLE_PARTS_MAX) {
            Some(beyond) => index.idle_parts().take(beyond).collect(),
            None => Vec::new(),
        };
        idle.into_iter().for_each(|file| self.drop_part(&mut index, file));
        Ok(interest)
    }

    /// Counts new bytes of a download. Returns whether the cache is above its limit and has nothing
    /// left to evict.
    pub(super) fn count(&self, fetch: &Arc<Fetch>) -> bool {
        let mut index = self.index.lock();
        index.count(fetch);
        self.evict(&mut index);
        index.total > self.limit
    }

    /// Call this when pieces have lost a reader or a stream.
    pub(super) fn tidy(&self, fetch: &Arc<Fetch>) {
        let mut index = self.index.lock();
        if fetch.is_void() && index.holds(fetch) {
            self.drop_part(&mut index, fetch.file);
        }
        self.evict(&mut index);
    }

    /// Evicts the least recently used quarter of the cache and all pieces without readers, because
    /// the disk is full below the cache's limit. Returns whether there were any. Blocking.
    pub(super) fn make_room(&self) -> bool {
        let mut index = self.index.lock();
        let idle: Vec<FileId> = index.idle_parts().collect();
        let quarter = index.whole.len().div_ceil(4);
        for file in &idle {
            self.drop_part(&mut index, *file);
        }
        for _ in 0..quarter {
            self.drop_whole(&mut index);
        }
        quarter > 0 || !idle.is_empty()
    }

    /// Creates a file to fill. Each has a name of its own, so an abandoned one does no harm.
    pub(super) fn begin(&self, file: FileId) -> io::Result<Part> {
        let make = || {
            tempfile::Builder::new()
                .prefix(&part_prefix(file))
                .suffix(PART_SUFFIX)
                // Unlike tempfile_in, this keeps the errno of a failure.
                .make_in(&self.dir, |path| {
                    let mut options = OpenOptions::new();
                    options.read(true).write(true).create_new(true).mode(0o600).open(path)
                })
        };
        let made = match make() {
            // The user may delete the cache at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                claim_dir(&self.dir)?;
                make()
            }
            made => made,
        };
        let (file, path) = made?.into_parts();
        Ok(Part { file, backing: Backing::Disk(path) })
    }

    /// Creates a file in memory, for a full disk.
    pub(super) fn in_memory(&self) -> io::Result<Part> {
        let turn = self.memory_turns.clone().try_acquire_owned();
        let turn = turn.map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        let file = rustix::fs::memfd_create("gphotosfs", MemfdFlags::CLOEXEC)?.into();
        Ok(Part { file, backing: Backing::Memory { _turn: turn } })
    }

    /// Gives a complete file its name, unless the file has other content by now. Blocking.
    pub(super) fn finish(&self, fetch: &Arc<Fetch>) -> io::Result<()> {
        let part = fetch.part();
        let Backing::Disk(path) = &part.backing else { return Ok(()) };
        part.file.sync_data()?;
        let mut index = self.index.lock();
        if !index.holds(fetch) {
            return Ok(());
        }
        let key = Key::of_item(&fetch.item);
        fs::rename(path, self.path(key))?;
        let size = part.file.metadata()?.len();
        if let Some((_, counted)) = index.parts.pop(&fetch.file) {
            index.total -= counted;
        }
        self.insert(&mut index, key, size);
        Ok(())
    }

    /// Adds the bytes of `from` to the cache as `key`, the content of `file`. `from` stays, and may
    /// become a hard link to the file in the cache, so nobody may write to it afterwards. Blocking:
    /// copies it if the directories are on different disks.
    pub(super) fn add(&self, file: FileId, key: Key, from: &Path) -> io::Result<()> {
        if fs::metadata(from)?.len() > self.limit {
            return Ok(());
        }
        if self.link(file, key, from).is_err() {
            while let Err(error) = self.copy(file, key, from) {
                if !is_full(&error) || !self.make_room() {
                    return Err(error);
                }
            }
        }
        let added = File::open(self.path(key))?;
        // From here on the modification time is the time of use, until now it was the picture's
        // own.
        added.set_modified(SystemTime::now())?;
        let size = added.metadata()?.len();
        let mut index = self.index.lock();
        self.drop_part(&mut index, file);
        self.insert(&mut index, key, size);
        Ok(())
    }

    /// Links a file into the cache. Readers find the file under its name at any moment, this one or
    /// the one before.
    fn link(&self, file: FileId, key: Key, from: &Path) -> io::Result<()> {
        // Others may link the same file at the same time. If both names are links to one file,
        // rename(2) leaves both. Dropping the path removes its own.
        let aside = tempfile::Builder::new()
            .prefix(&part_prefix(file))
            .suffix(PART_SUFFIX)
            .make_in(&self.dir, |aside| fs::hard_link(from, aside))?
            .into_temp_path();
        fs::rename(&aside, self.path(key))
    }

    fn copy(&self, file: FileId, key: Key, from: &Path) -> io::Result<()> {
        let mut copy = self.begin(file)?;
        io::copy(&mut File::open(from)?, &mut copy.file)?;
        copy.file.sync_data()?;
        match &copy.backing {
            Backing::Disk(path) => fs::rename(path, self.path(key)),
            Backing::Memory { .. } => Ok(()),
        }
    }

    /// Deletes a whole file, if it exists. Readers that have it open go on.
    pub(super) fn remove(&self, key: Key) {
        if self.forget(key) {
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Drops the pieces of a file, if there are any. Their readers go on.
    pub(super) fn remove_pieces(&self, file: FileId) {
        self.drop_part(&mut self.index.lock(), file);
    }

    /// Counts bytes of files that stand beside those of the cache, and evicts for them.
    pub(super) fn beside(self: Arc<Self>) -> Beside {
        Beside { cache: self, bytes: AtomicU64::new(0) }
    }

    /// Bytes in the cache, and its limit.
    pub(super) fn usage(&self) -> (u64, u64) {
        (self.index.lock().total, self.limit)
    }

    fn insert(&self, index: &mut Index, key: Key, size: u64) {
        index.total += size;
        if let Some(before) = index.whole.put(key, size) {
            index.total -= before;
        }
        self.evict(index);
    }

    fn forget(&self, key: Key) -> bool {
        let mut index = self.index.lock();
        let size = index.whole.pop(&key);
        index.total -= size.unwrap_or_default();
        size.is_some()
    }

    /// Evicts pieces before whole files, because whole files are of use without a network, too.
    fn evict(&self, index: &mut Index) {
        while index.total > self.limit {
            let idle = index.idle_parts().next();
            match idle {
                Some(file) => self.drop_part(index, file),
                None if index.whole.is_empty() => return,
                None => self.drop_whole(index),
            }
        }
    }

    fn drop_whole(&self, index: &mut Index) {
        if let Some((key, size)) = index.whole.pop_lru() {
            index.total -= size;
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Readers of the pieces go on.
    fn drop_part(&self, index: &mut Index, file: FileId) {
        if let Some((fetch, counted)) = index.parts.pop(&file) {
            index.total -= counted;
            if let Backing::Disk(path) = &fetch.part().backing {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Bytes beside the files of the cache. They count towards its limit until this is dropped.
pub(super) struct Beside {
    cache: Arc<Cache>,
    bytes: AtomicU64,
}

impl Beside {
    /// Counts more bytes. Blocking.
    pub(super) fn add(&self, bytes: u64) {
        let mut index = self.cache.index.lock();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        index.total += bytes;
        self.cache.evict(&mut index);
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.cache.index.lock().total -= self.bytes.load(Ordering::Relaxed);
    }
}

impl Index {
    fn holds(&self, fetch: &Arc<Fetch>) -> bool {
        self.parts.peek(&fetch.file).is_some_and(|(held, _)| Arc::ptr_eq(held, fetch))
    }

    fn count(&mut self, fetch: &Arc<Fetch>) {
        if self.holds(fetch)
            && let Some((_, counted)) = self.parts.peek_mut(&fetch.file)
        {
            let bytes = if fetch.part().is_on_disk() { fetch.bytes() } else { 0 };
            self.total = self.total - *counted + bytes;
            *counted = bytes;
        }
    }

    /// Pieces without readers, least recently used first.
    fn idle_parts(&self) -> impl Iterator<Item = FileId> {
        let idle = self.parts.iter().rev().filter(|(_, (fetch, _))| !fetch.is_read());
        idle.map(|(file, _)| *file)
    }
}

/// The beginning of the name of a part on disk.
fn part_prefix(file: FileId) -> String {
    format!("{}.", file.0)
}

/// Whether this is the name of a part of any file on disk.
fn is_part(name: &str) -> bool {
    let number = name.strip_suffix(PART_SUFFIX).and_then(|name| name.split_once('.'));
    number.is_some_and(|(number, _)| number.parse::<i64>().is_ok())
}

/// Whether this is the name of a part of `file` on disk.
pub(super) fn is_part_of(name: &str, file: FileId) -> bool {
    name.starts_with(&part_prefix(file)) && name.ends_with(PART_SUFFIX)
}

/// Whether the disk is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests;
