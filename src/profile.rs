//! The directories of one account, and the lock on them.
//!
//! A profile is one account. Its three directories follow the XDG base directory rules and are
//! made with mode 0700. At most one process mounts a profile; the lock file names it.

mod directory;
mod lock;
mod names;
mod picking;
mod private_file;
mod replacement;
mod scratch;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use etcetera::BaseStrategy;
use parking_lot::Mutex;

use self::directory::make_private_or_refuse;
use self::names::{LOCK, PICKING, TARGET};
pub use directory::{Marker, Strangers, TIGHTENED, claim, is_plain, make_private};
pub use lock::{Holder, LockError, ProfileLock, Running};
pub use names::{BEFORE, DECIDED};
pub use picking::Picking;
pub use private_file::write_private;
pub use replacement::{if_there, replace};
pub use scratch::{Scratch, is_spooled};
pub use target::MountTarget;

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
        self.private(&self.config, names::in_config)
    }

    /// Database and spool, which must survive. Made on first use.
    ///
    /// # Errors
    /// If it cannot be made, or other users can use it and that cannot be changed.
    pub fn state_dir(&self) -> io::Result<&Path> {
        self.private(&self.state, names::in_state)
    }

    /// Content cache, which may be deleted at any time. Made on first use.
    ///
    /// # Errors
    /// If it cannot be made, holds files of others and no marker of ours, or other users can use it
    /// and that cannot be changed.
    pub fn cache_dir(&self) -> io::Result<&Path> {
        let (mode, _) = claim(&self.cache, &names::CACHE_MARKER, names::in_cache)?;
        self.note(mode, &self.cache);
        Ok(&self.cache)
    }

    fn private<'a>(&self, path: &'a Path, is_ours: names::IsOurs) -> io::Result<&'a Path> {
        let mode = make_private_or_refuse(path, is_ours)?;
        self.note(mode, path);
        Ok(path)
    }

    fn note(&self, mode: Option<u32>, path: &Path) {
        if let Some(mode) = mode {
            self.tightened.lock().push(Tightened { path: path.to_owned(), mode });
        }
    }

    /// Names in the log the files of others in the directories of state and cache. They stay.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub fn log_strangers(&self) -> io::Result<()> {
        self.strangers()?.into_iter().for_each(|(dir, strangers)| strangers.log(dir));
        Ok(())
    }

    fn strangers(&self) -> io::Result<[(&Path, Strangers); 2]> {
        let state = self.state_dir()?;
        let in_state = Strangers::of(state, names::in_state)?;
        let (_, in_cache) = claim(&self.cache, &names::CACHE_MARKER, names::in_cache)?;
        Ok([(state, in_state), (&self.cache, in_cache)])
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

    /// Waits until no process has this profile, or until the deadline has passed.
    ///
    /// # Errors
    /// If the lock file cannot be opened.
    pub fn wait_until_free(&self, deadline: Duration) -> io::Result<()> {
        lock::wait_until_free(&self.state_dir()?.join(LOCK), deadline)
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
    fn a_link_to_a_directory_of_the_user_is_no_directory_of_ours() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("pictures");
        std::fs::create_dir(&theirs).unwrap();
        std::fs::set_permissions(&theirs, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(theirs.join("IMG_1.jpg"), "x").unwrap();
        let profile = Profile::under(dir.path());
        for name in ["config", "state", "cache"] {
            symlink(&theirs, dir.path().join(name)).unwrap();
        }
        for refused in [profile.config_dir(), profile.state_dir(), profile.cache_dir()] {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("IMG_1.jpg") && refused.contains("empty"), "{refused}");
        }
        assert_eq!(theirs.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(std::fs::read_dir(&theirs).unwrap().count(), 1);
        // An empty one is taken, and a marked one again.
        std::fs::remove_file(theirs.join("IMG_1.jpg")).unwrap();
        profile.cache_dir().unwrap();
        std::fs::write(theirs.join("IMG_1.jpg"), "x").unwrap();
        profile.cache_dir().unwrap();
    }

    #[test]
    fn names_of_our_making_are_no_strangers() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        let _lock = profile.lock().unwrap();
        let state = profile.state_dir().unwrap();
        let target = MountTarget { mountpoint: "/m".into(), wanted: true, hides_files: false };
        profile.set_target(&target).unwrap();
        let _scratch = Scratch::new(state).unwrap();
        std::fs::create_dir(state.join("spool")).unwrap();
        std::fs::create_dir_all(profile.cache_dir().unwrap().join("content")).unwrap();
        let named = || profile.strangers().unwrap().map(|(_, it)| it.to_string());
        assert_eq!(named(), ["", ""]);
        for dir in [state, &profile.cache] {
            std::fs::write(dir.join("mine"), "x").unwrap();
        }
        std::fs::create_dir(state.join("backup")).unwrap();
        let [first, second] = named();
        assert!(first.contains("\"mine\"") && first.contains("\"backup\""), "{first}");
        assert_eq!(second, "\"mine\"");
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
