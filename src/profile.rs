//! The directories of one account, and the lock on them.
//!
//! A profile is one account. Its three directories follow the XDG base directory rules and are
//! made with mode 0700. At most one process mounts a profile; the lock file names it.

mod directory;
mod lock;
mod picking;
mod private_file;
mod replacement;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy;
use parking_lot::Mutex;

pub use directory::{Marker, Strangers, TIGHTENED, claim, is_plain, make_private};
pub use lock::{Holder, LockError, ProfileLock, Running};
pub use picking::Picking;
pub use private_file::write_private;
pub use replacement::{BEFORE, if_there, replace};
pub use target::MountTarget;

/// The lock file in the state directory.
const LOCK: &str = "lock";

/// The lock file of the commands that wait for a pick, in the state directory.
const PICKING: &str = "picking";

/// The record of the mount target in the state directory.
const TARGET: &str = "mount-target";

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
    tightened: Arc<Mutex<Vec<Tightened>>>,
}

/// A directory that other users could use until now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tightened {
    /// The directory.
    pub path: PathBuf,
    /// The mode that it had.
    pub mode: u32,
}

impl Profile {
    /// Finds the directories by the XDG rules without touching the disk.
    ///
    /// # Errors
    /// If the home directory cannot be found.
    pub fn locate(name: ProfileName) -> io::Result<Self> {
        let base = etcetera::base_strategy::Xdg::new().map_err(io::Error::other)?;
        // A mount that detaches leaves the working directory.
        let under = |dir: PathBuf| std::path::absolute(dir.join("gphotosfs").join(&name.0));
        let state = base.state_dir().unwrap_or_else(|| base.home_dir().join(".local/state"));
        Ok(Self {
            config: under(base.config_dir())?,
            state: under(state)?,
            cache: under(base.cache_dir())?,
            name,
            tightened: Arc::default(),
        })
    }

    /// Puts all three directories under `root`, for tests.
    pub fn under(root: &Path) -> Self {
        Self {
            name: ProfileName("test".into()),
            config: root.join("config"),
            state: root.join("state"),
            cache: root.join("cache"),
            tightened: Arc::default(),
        }
    }

    /// The account's name.
    pub fn name(&self) -> &ProfileName {
        &self.name
    }

    /// Client secret and token. Made on first use.
    ///
    /// # Errors
    /// If it cannot be made, or other users can use it and that cannot be changed.
    pub fn config_dir(&self) -> io::Result<&Path> {
        self.private(&self.config)
    }

    /// Database and spool, which must survive. Made on first use.
    ///
    /// # Errors
    /// If it cannot be made, or other users can use it and that cannot be changed.
    pub fn state_dir(&self) -> io::Result<&Path> {
        self.private(&self.state)
    }

    /// Content cache, which may be deleted at any time. Made on first use.
    ///
    /// # Errors
    /// If it cannot be made, or other users can use it and that cannot be changed.
    pub fn cache_dir(&self) -> io::Result<&Path> {
        self.private(&self.cache)
    }

    fn private<'a>(&self, path: &'a Path) -> io::Result<&'a Path> {
        if let Some(mode) = make_private(path)? {
            self.tightened.lock().push(Tightened { path: path.to_owned(), mode });
        }
        Ok(path)
    }

    /// The directories that this process has closed to other users so far.
    pub fn tightened(&self) -> Vec<Tightened> {
        self.tightened.lock().clone()
    }

    /// The file whose lock the mount holds.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join(LOCK)
    }

    /// Takes the right to mount this profile, held until the returned value is dropped. Finishes a
    /// replacement of its content that was cut off.
    ///
    /// # Errors
    /// [`LockError::Held`] names the process that has it.
    pub fn lock(&self) -> Result<ProfileLock, LockError> {
        let state = self.state_dir()?;
        let lock = ProfileLock::take(&state.join(LOCK))?;
        replacement::carry_out(state)?;
        Ok(lock)
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

    /// The last mount of this profile, if its process ended without leaving the lock to another one.
    ///
    /// # Errors
    /// If the lock file cannot be read.
    pub fn last_mount(&self) -> io::Result<Option<Running>> {
        Running::last(&self.state.join(LOCK))
    }

    /// Where this profile is meant to be mounted. `None` if it never was.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn target(&self) -> io::Result<Option<MountTarget>> {
        MountTarget::read(&self.state.join(TARGET))
    }

    /// Records where this profile is meant to be mounted.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn set_target(&self, target: &MountTarget) -> io::Result<()> {
        target.write(&self.state_dir()?.join(TARGET))
    }

    /// Records that the profile is not to be mounted any more, if `mountpoint` is its target. Returns
    /// whether it was wanted there.
    ///
    /// # Errors
    /// If the record cannot be read or written.
    pub fn withdraw_target(&self, mountpoint: &Path) -> io::Result<bool> {
        match self.target()? {
            Some(target) if target.wanted && target.mountpoint == mountpoint => {
                self.set_target(&MountTarget { wanted: false, ..target })?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// This user's profiles, this one included.
    ///
    /// # Errors
    /// If their directory cannot be read.
    pub fn siblings(&self) -> io::Result<Vec<Self>> {
        let base = |dir: &Path| dir.parent().map(Path::to_owned).unwrap_or_default();
        let (config, state, cache) = (base(&self.config), base(&self.state), base(&self.cache));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&state)? {
            let name = entry?.file_name();
            let Some(Ok(name)) = name.to_str().map(str::parse::<ProfileName>) else { continue };
            let under = |dir: &Path| dir.join(&name.0);
            found.push(Self {
                config: under(&config),
                state: under(&state),
                cache: under(&cache),
                name,
                tightened: Arc::default(),
            });
        }
        Ok(found)
    }

    /// Takes a place among the commands that wait for a pick, held until it is dropped.
    ///
    /// # Errors
    /// If the lock file cannot be used.
    pub fn picking(&self) -> io::Result<Picking> {
        Picking::begin(&self.state_dir()?.join(PICKING))
    }

    /// The present holder of the lock. Takes no lock, so a process that wants it succeeds meanwhile.
    ///
    /// # Errors
    /// If the lock file cannot be read.
    pub fn holder(&self) -> io::Result<Holder> {
        Holder::of(&self.state.join(LOCK))
    }
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
        assert_eq!(profile.last_mount().unwrap().unwrap().mountpoint, Path::new("/mnt"));
        let _not_a_mount = profile.lock().unwrap();
        assert_eq!(profile.running().unwrap(), None, "that was the one before");
        assert_eq!(profile.holder().unwrap(), Holder::Other);
    }

    #[test]
    fn a_profile_is_wanted_where_it_was_mounted_last_until_it_is_withdrawn() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        assert_eq!(profile.target().unwrap(), None);
        let target = MountTarget { mountpoint: "/m".into(), wanted: true, hides_files: false };
        profile.set_target(&target).unwrap();
        assert_eq!(profile.target().unwrap().as_ref(), Some(&target));
        assert!(!profile.withdraw_target(Path::new("/elsewhere")).unwrap());
        assert!(profile.withdraw_target(Path::new("/m")).unwrap());
        assert!(!profile.withdraw_target(Path::new("/m")).unwrap());
        assert_eq!(profile.target().unwrap(), Some(MountTarget { wanted: false, ..target }));
        std::fs::write(profile.state_dir().unwrap().join(TARGET), "{\"mountpoint\":").unwrap();
        assert_eq!(profile.target().unwrap(), None);
    }

    #[test]
    fn a_look_at_the_lock_never_keeps_it_from_anybody() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        drop(profile.lock().unwrap());
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        profile.holder().unwrap();
                    }
                });
            }
            let refused = (0..2000).filter(|_| profile.lock().is_err()).count();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(refused, 0);
        });
    }

    #[test]
    fn a_directory_that_was_open_to_others_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        let state = profile.state_dir().unwrap().to_owned();
        assert_eq!(profile.tightened(), []);
        std::fs::set_permissions(&state, PermissionsExt::from_mode(0o755)).unwrap();
        profile.clone().state_dir().unwrap();
        assert_eq!(profile.tightened(), [Tightened { path: state, mode: 0o755 }]);
    }
}
