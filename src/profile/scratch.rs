//! Directories in the state directory that last as long as one command.
//!
//! Each has a name of its own, because users may keep files under any name that is easy to guess. Only
//! names of our making are removed from it; with anything else in it, it stays.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::directory::Strangers;
use super::names::{self, is_scratch};

/// The directories that this program makes in them.
const DIRS: [&str; 4] = ["spool", "orphans", names::KEPT, names::DROPPED];

/// The files that this program makes in them, beside those of the spool.
const FILES: [&str; 8] = [
    "gphotosfs.db",
    "gphotosfs.db-wal",
    "gphotosfs.db-shm",
    "gphotosfs.db-journal",
    "config.toml",
    "client_secret.json",
    "token.json",
    names::MARK,
];

/// A directory of this process alone. Dropping it removes it.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    /// Tells other processes that it is in use.
    _lock: File,
}

impl Scratch {
    /// Makes an empty one. Removes those that killed processes have left.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn new(state: &Path) -> io::Result<Self> {
        sweep(state)?;
        loop {
            let dir = tempfile::Builder::new()
                .prefix(names::SCRATCH)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(state)?
                .keep();
            let lock = open(&dir)?;
            lock.lock()?;
            // Before the lock, another process may have taken it for a dead one's.
            match dir.symlink_metadata() {
                Ok(meta) if meta.ino() == lock.metadata()?.ino() => {
                    return Ok(Self { dir, _lock: lock });
                }
                Ok(_) => {}
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) => return Err(err),
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Removes everything that this program has put into it.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn clear(&self) -> io::Result<()> {
        clear(&self.dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

/// Whether the spool has files of such a name: `7`, `7.old`, `7.sent`, and among its orphans `7.1`.
pub fn is_spooled(name: &str) -> bool {
    let mut parts = name.split('.');
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    parts.next().is_some_and(is_number)
        && parts
            .enumerate()
            .all(|(at, it)| at == 0 && ["old", "sent"].contains(&it) || is_number(it))
}

/// Removes the directories of processes that were killed.
fn sweep(state: &Path) -> io::Result<()> {
    for entry in fs::read_dir(state)? {
        let entry = entry?;
        // Its owner holds the lock. It may also have gone meanwhile.
        if is_scratch(&entry)
            && let Ok(lock) = open(&entry.path())
            && lock.try_lock().is_ok()
        {
            remove(&entry.path());
        }
    }
    Ok(())
}

/// Opens a directory, but no link to one.
fn open(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(dir)
}

fn remove(dir: &Path) {
    let removed = clear(dir).and_then(|()| fs::remove_dir(dir));
    match removed {
        Ok(()) => {}
        // It has become the profile's.
        Err(err) if err.kind() == io::ErrorKind::NotFound => {}
        Err(err) if err.kind() == io::ErrorKind::DirectoryNotEmpty => {
            if let Ok(strangers) = Strangers::of(dir, |_| false) {
                strangers.log(dir);
            }
        }
        Err(error) => tracing::warn!(%error, path = ?dir, "cannot remove a directory"),
    }
}

/// Removes names of our making, and follows no link.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let Some(name) = name.to_str() else { continue };
        if kind.is_dir() && DIRS.contains(&name) {
            clear(&entry.path())?;
            match fs::remove_dir(entry.path()) {
                Err(err) if err.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                outcome => outcome?,
            }
        } else if kind.is_file() && (FILES.contains(&name) || is_spooled(name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_all_that_we_have_made_and_stays_with_anything_else() {
        let state = tempfile::tempdir().unwrap();
        let made = Scratch::new(state.path()).unwrap();
        fs::create_dir_all(made.path().join("kept/spool/orphans")).unwrap();
        for name in FILES.iter().chain(&["kept/spool/12", "kept/spool/orphans/12.old.1"]) {
            fs::write(made.path().join(name), "x").unwrap();
        }
        drop(made);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);

        let theirs = tempfile::tempdir().unwrap();
        fs::write(theirs.path().join("12"), "theirs").unwrap();
        let made = Scratch::new(state.path()).unwrap();
        let dir = made.path().to_owned();
        std::os::unix::fs::symlink(theirs.path(), dir.join("spool")).unwrap();
        fs::write(dir.join("IMG_1.jpg"), "theirs").unwrap();
        fs::write(dir.join("7"), "ours").unwrap();
        drop(made);
        assert!(theirs.path().join("12").exists() && dir.join("IMG_1.jpg").exists());
        assert!(!dir.join("7").exists());
    }

    #[test]
    fn that_of_a_killed_process_goes_and_that_of_a_running_one_stays() {
        let state = tempfile::tempdir().unwrap();
        let running = Scratch::new(state.path()).unwrap();
        let killed = state.path().join(".scratch-killed");
        fs::create_dir_all(killed.join("spool")).unwrap();
        let theirs = tempfile::tempdir().unwrap();
        fs::write(theirs.path().join("7"), "theirs").unwrap();
        std::os::unix::fs::symlink(theirs.path(), state.path().join(".scratch-link")).unwrap();
        let _another = Scratch::new(state.path()).unwrap();
        assert!(running.path().exists() && !killed.exists());
        assert!(theirs.path().join("7").exists());
    }

    #[test]
    fn only_names_as_the_spool_has_them_are_its_own() {
        for name in ["7", "7.old", "7.sent", "7.1", "7.old.1"] {
            assert!(is_spooled(name), "{name}");
        }
        for name in ["", ".", "7.", "7.jpg", "7.old.jpg", "7.1.old", "x7", "7/8", "-7", "..", "7.."]
        {
            assert!(!is_spooled(name), "{name}");
        }
    }
}
