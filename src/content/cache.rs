//! The content cache on disk: whole files, named by file number, the least recently used out first.
//!
//! A file appears under its name only when it is complete and synced, so a crash leaves nothing
//! that could be taken for content; what was unfinished is deleted at the next start.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lru::LruCache;
use parking_lot::Mutex;
use tempfile::TempPath;

use crate::media::FileId;

const UNFINISHED: &str = "part";

/// The cache of one profile.
pub(super) struct Cache {
    dir: PathBuf,
    limit: u64,
    // Held for a look-up, an insert and the unlinking of what must go.
    index: Mutex<Index>,
}

struct Index {
    sizes: LruCache<FileId, u64>,
    total: u64,
}

/// A file that is being filled. It is deleted when it is dropped before it got its name.
pub(super) struct Unfinished {
    pub(super) file: File,
    path: TempPath,
}

impl Cache {
    /// Reads what is there, oldest use first.
    pub(super) fn open(dir: PathBuf, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut found: Vec<(SystemTime, FileId, u64)> = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            match number {
                Some(number) => {
                    let meta = entry.metadata()?;
                    let used = meta.accessed().or_else(|_| meta.modified())?;
                    found.push((used, FileId(number), meta.len()));
                }
                None => fs::remove_file(entry.path())?,
            }
        }
        found.sort_unstable();
        let mut index = Index { sizes: LruCache::unbounded(), total: 0 };
        for (_, file, size) in found {
            index.sizes.put(file, size);
            index.total += size;
        }
        let cache = Self { dir, limit, index: Mutex::new(index) };
        cache.evict(&mut cache.index.lock());
        Ok(cache)
    }

    /// Where a complete file is, if it is.
    pub(super) fn path(&self, file: FileId) -> PathBuf {
        self.dir.join(file.0.to_string())
    }

    /// Opens a complete file for reading and notes that it is used.
    pub(super) fn get(&self, file: FileId) -> Option<File> {
        self.index.lock().sizes.get(&file)?;
        match File::open(self.path(file)) {
            Ok(opened) => Some(opened),
            // Somebody has emptied the directory, which they may.
            Err(_) => {
                self.forget(file);
                None
            }
        }
    }

    /// Gives up the quarter of the cache that was used least recently, because the disk is full although the limit
    /// is not reached. Says whether there was anything. Blocking.
    pub(super) fn make_room(&self) -> bool {
        let mut index = self.index.lock();
        let quarter = index.sizes.len().div_ceil(4);
        for _ in 0..quarter {
            if let Some((file, size)) = index.sizes.pop_lru() {
                index.total -= size;
                let _ = fs::remove_file(self.path(file));
            }
        }
        quarter > 0
    }

    /// A new file to be filled. Each has its own name: an abandoned one is in nobody's way.
    pub(super) fn begin(&self, file: FileId) -> io::Result<Unfinished> {
        let (file, path) = tempfile::Builder::new()
            .prefix(&format!("{}.", file.0))
            .suffix(&format!(".{UNFINISHED}"))
            .tempfile_in(&self.dir)?
            .into_parts();
        Ok(Unfinished { file, path })
    }

    /// A filled file, which has been synced, gets its name.
    pub(super) fn finish(&self, file: FileId, filled: &Unfinished) -> io::Result<()> {
        fs::rename(&filled.path, self.path(file))?;
        self.insert(file, filled.file.metadata()?.len());
        Ok(())
    }

    /// Moves a file in from elsewhere. Blocking: copies if the directories are on different disks.
    pub(super) fn adopt(&self, file: FileId, from: &Path) -> io::Result<()> {
        if fs::rename(from, self.path(file)).is_err() {
            while let Err(error) = self.copy(file, from) {
                if error.kind() != io::ErrorKind::StorageFull || !self.make_room() {
                    return Err(error);
                }
            }
            return fs::remove_file(from);
        }
        self.insert(file, fs::metadata(self.path(file))?.len());
        Ok(())
    }

    fn copy(&self, file: FileId, from: &Path) -> io::Result<()> {
        let mut copy = self.begin(file)?;
        io::copy(&mut File::open(from)?, &mut copy.file)?;
        copy.file.sync_data()?;
        self.finish(file, &copy)
    }

    /// Deletes a file, if it is there. Whoever has it open reads on.
    pub(super) fn remove(&self, file: FileId) {
        if self.forget(file) {
            let _ = fs::remove_file(self.path(file));
        }
    }

    pub(super) fn usage(&self) -> (u64, u64) {
        (self.index.lock().total, self.limit)
    }

    fn insert(&self, file: FileId, size: u64) {
        let mut index = self.index.lock();
        let before = index.sizes.put(file, size).unwrap_or(0);
        index.total = index.total - before + size;
        self.evict(&mut index);
    }

    fn forget(&self, file: FileId) -> bool {
        let mut index = self.index.lock();
        let size = index.sizes.pop(&file);
        index.total -= size.unwrap_or(0);
        size.is_some()
    }

    /// The newest stays even if it alone is over the limit: somebody is about to read it.
    fn evict(&self, index: &mut Index) {
        while index.total > self.limit && index.sizes.len() > 1 {
            if let Some((file, size)) = index.sizes.pop_lru() {
                index.total -= size;
                let _ = fs::remove_file(self.path(file));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopt(cache: &Cache, dir: &Path, file: i64, len: usize) {
        let from = dir.join("incoming");
        fs::write(&from, vec![7; len]).unwrap();
        cache.adopt(FileId(file), &from).unwrap();
    }

    #[test]
    fn least_recently_used_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("cache"), 30).unwrap();
        for file in 1..=3 {
            adopt(&cache, dir.path(), file, 10);
        }
        assert!(cache.get(FileId(1)).is_some());
        adopt(&cache, dir.path(), 4, 10);
        assert!(cache.get(FileId(2)).is_none());
        assert!(cache.get(FileId(1)).is_some() && cache.get(FileId(3)).is_some());
        assert_eq!(cache.usage(), (30, 30));
    }

    #[test]
    fn reopening_finds_whole_files_and_deletes_unfinished_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache");
        let cache = Cache::open(path.clone(), 100).unwrap();
        adopt(&cache, dir.path(), 1, 10);
        std::mem::forget(cache.begin(FileId(2)).unwrap());
        drop(cache);
        let cache = Cache::open(path.clone(), 100).unwrap();
        assert!(cache.get(FileId(1)).is_some() && cache.get(FileId(2)).is_none());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn a_file_deleted_behind_our_back_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("cache"), 100).unwrap();
        adopt(&cache, dir.path(), 1, 10);
        fs::remove_file(cache.path(FileId(1))).unwrap();
        assert!(cache.get(FileId(1)).is_none());
        assert_eq!(cache.usage().0, 0);
    }
}
