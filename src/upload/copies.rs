//! Smaller copies in the spool: each lies beside its file until Google has shown the item.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::room::allocated;
use super::spool::Spool;
use crate::media::FileId;

/// A smaller copy that a program is writing. It goes unless it is kept. The account of the spool does
/// not know it yet.
pub(crate) struct NewCopy {
    pub(crate) path: PathBuf,
    is_kept: bool,
}

impl Drop for NewCopy {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot delete half of a smaller copy");
        }
    }
}

impl Spool {
    /// Puts the smaller copy of a file beside it, durably.
    pub(crate) fn put_copy(&self, file: FileId, bytes: &[u8]) -> io::Result<()> {
        let path = self.copy_path(file);
        self.make_way(&path)?;
        let target = self.create_path(&path)?;
        let written = target.file().write_all(bytes).and_then(|()| target.file().sync_all());
        target.count()?;
        if let Err(error) = written {
            // On a full disk half a copy would only be in the way.
            self.drop_copy(file)?;
            return Err(error);
        }
        self.sync_dir()
    }

    /// An empty file for a program that writes the smaller copy of a version. Each version has a name of
    /// its own: the writer of an earlier one may still be ending.
    pub(crate) fn new_copy(&self, file: FileId, seq: i64) -> io::Result<NewCopy> {
        let path = self.half_path(file, seq);
        self.make_way(&path)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(NewCopy { path, is_kept: false })
    }

    /// Makes the copy that a program has written the smaller copy of a file, durably.
    pub(crate) fn keep_copy(&self, file: FileId, mut copy: NewCopy) -> io::Result<()> {
        let written = File::open(&copy.path)?;
        written.sync_all()?;
        self.drop_copy(file)?;
        fs::rename(&copy.path, self.copy_path(file))?;
        copy.is_kept = true;
        self.room().changed(0, allocated(&written.metadata()?));
        self.sync_dir()
    }

    /// Opens the smaller copy of a file, if it is there and has this size.
    pub(crate) fn read_copy(&self, file: FileId, size: u64) -> io::Result<Option<File>> {
        match File::open(self.copy_path(file)) {
            Ok(copy) => Ok((copy.metadata()?.len() == size).then_some(copy)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the smaller copy of a file.
    pub(crate) fn drop_copy(&self, file: FileId) -> io::Result<()> {
        self.remove_path(&self.copy_path(file))
    }

    /// Deletes half a copy that an earlier process has left.
    pub(crate) fn drop_half(&self, path: &Path) -> io::Result<()> {
        self.remove_path(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::spool::SpoolEntry;
    use super::*;

    #[test]
    fn half_a_copy_goes_and_a_whole_one_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path().join("spool"), u64::MAX).unwrap();
        let file = FileId(7);
        let [first, second] = [1, 2].map(|seq| spool.new_copy(file, seq).unwrap());
        fs::write(&second.path, "a film").unwrap();
        let found = spool.list().unwrap();
        let halves = [&first, &second].map(|it| SpoolEntry::Half(it.path.clone()));
        assert!(found.len() == 2 && halves.iter().all(|it| found.contains(it)), "{found:?}");
        spool.keep_copy(file, second).unwrap();
        drop(first);
        assert_eq!(spool.list().unwrap(), [SpoolEntry::Copy(file)]);
        assert!(spool.read_copy(file, 6).unwrap().is_some());
        assert!(spool.strangers().unwrap().to_string().is_empty());
    }
}
