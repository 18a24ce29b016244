//! The directories of one account, and the lock on them.
//!
//! A profile is one account. Its three directories follow the XDG base directory rules and are
//! made with mode 0700. At most one process mounts a profile; the lock file names it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

/// A profile's name: a single, plain path component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

impl std::str::FromStr for ProfileName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
            return Err(format!(
                "profile name {name:?}: use 1 to 64 letters, digits, '-', '_' or '.', not starting with '.'"
            ));
        }
        Ok(Self(name.to_owned()))
    }
}

impl std::fmt::Display for ProfileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The directories of one account.
#[derive(Clone, Debug)]
pub struct Profile {
    name: ProfileName,
    config: PathBuf,
    state: PathBuf,
    cache: PathBuf,
}

impl Profile {
    /// Finds the directories by the XDG rules without touching the disk.
    ///
    /// # Errors
    /// If the home directory cannot be found.
    pub fn locate(name: ProfileName) -> io::Result<Self> {
        let base = etcetera::base_strategy::Xdg::new().map_err(io::Error::other)?;
        let under = |dir: PathBuf| dir.join("gphotosfs").join(&name.0);
        let state = base.state_dir().unwrap_or_else(|| base.home_dir().join(".local/state"));
        Ok(Self {
            config: under(base.config_dir()),
            state: under(state),
            cache: under(base.cache_dir()),
            name,
        })
    }

    /// Puts all three directories under `root`, for tests.
    pub fn under(root: &Path) -> Self {
        Self {
            name: ProfileName("test".into()),
            config: root.join("config"),
            state: root.join("state"),
            cache: root.join("cache"),
        }
    }

    /// The account's name.
    pub fn name(&self) -> &ProfileName {
        &self.name
    }

    /// Client secret and token. Made on first use.
    ///
    /// # Errors
    /// If it is not there and cannot be made.
    pub fn config_dir(&self) -> io::Result<&Path> {
        private_dir(&self.config)
    }

    /// Database and spool, which must survive. Made on first use.
    ///
    /// # Errors
    /// If it is not there and cannot be made.
    pub fn state_dir(&self) -> io::Result<&Path> {
        private_dir(&self.state)
    }

    /// Content cache, which may be deleted at any time. Made on first use.
    ///
    /// # Errors
    /// If it is not there and cannot be made.
    pub fn cache_dir(&self) -> io::Result<&Path> {
        private_dir(&self.cache)
    }

    /// Takes the right to mount this profile, held until the returned value is dropped.
    ///
    /// # Errors
    /// [`LockError::Held`] names the process that has it.
    pub fn lock(&self) -> Result<ProfileLock, LockError> {
        let path = self.state_dir()?.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {
                // The previous holder's announcement is no longer true.
                file.set_len(0)?;
                Ok(ProfileLock { file })
            }
            Err(TryLockError::WouldBlock) => Err(LockError::Held(announced(&mut file)?)),
            Err(TryLockError::Error(err)) => Err(err.into()),
        }
    }

    /// The running mount of this profile, if there is one.
    ///
    /// # Errors
    /// If the lock file cannot be read.
    pub fn running(&self) -> io::Result<Option<Running>> {
        Ok(match self.holder()? {
            Holder::Mount(running) => Some(running),
            Holder::Nobody | Holder::Other => None,
        })
    }

    /// The present holder of the lock. Any number of processes may ask at a time.
    ///
    /// # Errors
    /// If the lock file cannot be read.
    pub fn holder(&self) -> io::Result<Holder> {
        let mut file = match File::open(self.state.join("lock")) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
            Err(err) => return Err(err),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Holder::Nobody),
            Err(TryLockError::WouldBlock) => {
                Ok(announced(&mut file)?.map_or(Holder::Other, Holder::Mount))
            }
            Err(TryLockError::Error(err)) => Err(err),
        }
    }
}

/// The holder of a profile, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// It is free.
    Nobody,
    /// A mount.
    Mount(Running),
    /// A command that sends what is queued, or a mount that is just beginning or ending.
    Other,
}

/// A mount's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The process.
    pub pid: u32,
    /// Where it is mounted, absolute.
    pub mountpoint: PathBuf,
}

/// The right to mount a profile; the kernel gives it back even if the process is killed.
#[derive(Debug)]
pub struct ProfileLock {
    file: File,
}

impl ProfileLock {
    /// Tells other processes where this one is mounted.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn announce(&mut self, running: &Running) -> io::Result<()> {
        use std::io::Seek;
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(&serde_json::to_vec(running)?)
    }
}

/// Why a profile could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it: the mount, if it has announced itself.
    #[error("this profile is in use by another gphotosfs process{}", describe(.0))]
    Held(Option<Running>),
    /// The lock file could not be used.
    #[error("cannot lock the profile")]
    Io(#[from] io::Error),
}

/// The mount that the holder of the lock has announced; none if it is no mount, or none yet.
fn announced(file: &mut File) -> io::Result<Option<Running>> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text).ok())
}

fn describe(running: &Option<Running>) -> String {
    running.as_ref().map_or_else(String::new, |it| {
        format!(" (pid {}, mounted on {})", it.pid, it.mountpoint.display())
    })
}

fn private_dir(path: &Path) -> io::Result<&Path> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_path_components() {
        assert!("family-2019".parse::<ProfileName>().is_ok());
        for bad in ["", ".", "..", "a/b", ".hidden", "a b", "ä"] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn second_lock_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        let mut lock = profile.lock().unwrap();
        let me = Running { pid: 7, mountpoint: "/mnt".into() };
        lock.announce(&me).unwrap();
        assert!(matches!(profile.lock(), Err(LockError::Held(Some(who))) if who == me));
        assert_eq!(profile.running().unwrap(), Some(me));
        drop(lock);
        assert_eq!(profile.running().unwrap(), None);
        assert_eq!(profile.holder().unwrap(), Holder::Nobody);
        let _not_a_mount = profile.lock().unwrap();
        assert_eq!(profile.running().unwrap(), None, "that was the one before");
        assert_eq!(profile.holder().unwrap(), Holder::Other);
    }
}
