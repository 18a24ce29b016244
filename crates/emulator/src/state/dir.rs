//! The state directory: a journal of changes, the signing key, and received bytes.
//!
//! ```text
//! STATE/lock                one emulator at a time
//! STATE/key                 signs tokens and URLs
//! STATE/journal.jsonl       one change a line; rewritten without history at each start
//! STATE/blobs/SHA256        whole uploads
//! STATE/sessions/ID.json    resumable uploads, with ID.part beside
//! ```
//!
//! Changes are handed to the operating system before they are answered, so they survive `kill -9`;
//! they are not synced, because a test server need not survive a power cut.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::{choices, private};

/// The state directory, or a temporary one.
pub(crate) struct StateDir {
    path: PathBuf,
    /// Held for as long as the emulator runs.
    _lock: File,
    /// Removed at the end, without a configured directory.
    _temporary: Option<tempfile::TempDir>,
}

impl StateDir {
    /// Opens `path` for this process alone, or a temporary directory.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<StateDir> {
        let temporary = match path {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("gphotosfs-emulator-").tempdir()?),
        };
        let path = match (&temporary, path) {
            (Some(temporary), _) => temporary.path().to_owned(),
            (None, path) => path.unwrap_or(Path::new(".")).to_owned(),
        };
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        for dir in [&path, &path.join("blobs"), &path.join("sessions")] {
            private::dir(dir)?;
        }
        let lock = private::create(&path.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("another emulator uses {}", path.display()),
            ),
            TryLockError::Error(error) => error,
        })?;
        Ok(StateDir { path, _lock: lock, _temporary: temporary })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        self.path.join("blobs").join(sha256)
    }

    pub(crate) fn session(&self, id: &str, extension: &str) -> PathBuf {
        self.path.join("sessions").join(id).with_extension(extension)
    }

    /// The signing key, made on first use.
    pub(crate) fn key(&self) -> io::Result<[u8; 32]> {
        let path = self.path.join("key");
        let read = private::open(&path).and_then(|mut file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes)
        });
        match read {
            Ok(bytes) => bytes.try_into().map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, "the state's key has a wrong length")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = rand::random();
                private::write(&path, &key)?;
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes received bytes that are no longer wanted, once no token or session can need them. Files
    /// of other names are not the emulator's.
    pub(crate) fn sweep(&self, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        for (folder, days_max) in [("blobs", 2), ("sessions", choices::SESSION_DAYS as u64)] {
            for entry in fs::read_dir(self.path.join(folder))? {
                let entry = entry?;
                let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
                let lapsed = age.as_secs() > days_max * 24 * 3600;
                let is_needless = |name: &str| is_received(name) && !wanted(name);
                let is_file = entry.file_type()?.is_file();
                if lapsed && is_file && entry.file_name().to_str().is_some_and(is_needless) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }
}

/// Whether received bytes have such a name: a hash, or the id of a session with its extension.
fn is_received(name: &str) -> bool {
    let is_hex = |it: &str| it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    match name.split_once('.') {
        None => name.len() == 64 && is_hex(name),
        Some((id, extension)) => {
            let id = id.strip_prefix("AEnB2U").unwrap_or(id);
            id.len() == 32 && is_hex(id) && matches!(extension, "json" | "part")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn only_received_bytes_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(Some(&dir.path().join("state"))).unwrap();
        let put = |path: PathBuf| {
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(400 * 24 * 3600)).unwrap();
            path
        };
        let id = format!("AEnB2U{:032x}", 7);
        let needless = [
            put(state.blob(&"a".repeat(64))),
            put(state.session(&id, "json")),
            put(state.session(&id[6..], "part")),
        ];
        let theirs = ["blobs/IMG_1.jpg", "blobs/1", "sessions/notes.json"];
        let theirs = theirs.map(|it| put(state.path().join(it)));
        let wanted = "b".repeat(64);
        let kept = put(state.blob(&wanted));
        fs::create_dir(state.path().join("blobs/sub")).unwrap();
        state.sweep(|it| it == wanted).unwrap();
        assert!(needless.iter().all(|it| !it.exists()) && kept.exists());
        assert!(theirs.iter().all(|it| it.exists()));
    }
}
