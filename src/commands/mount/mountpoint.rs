//! The directory to mount on.
//!
//! While nothing is mounted there, it must not look as if something were: files that a program
//! copies into it would stay on this disk. So its permission to write goes before the mount, and
//! stays away afterwards. Programs then get `EACCES` whenever the mount is not there.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::app::unmounted::{contents, in_words};
use crate::app::{CommandError, mounts, tell};
use crate::commands::umount;
use crate::profile::{MountTarget, Profile};
use crate::settings::MountSettings;

/// The permissions to write.
const WRITE: u32 = 0o222;
/// The owner's permission to write, which fusermount3 demands.
const OWNER_WRITE: u32 = 0o200;

/// A directory that can be mounted on.
pub(super) struct Mountpoint {
    /// Absolute and without links.
    pub(super) path: PathBuf,
    /// As the user has named it, but absolute.
    pub(super) named: PathBuf,
    dir: File,
    /// Its permissions, and whether they are ours to change.
    mode: Option<u32>,
    /// Files may lie in it.
    may_hide_files: bool,
}

impl Mountpoint {
    /// Checks the directory, makes it the profile's target, and closes it for writing.
    /// Unmounts it first if a crashed mount is there.
    ///
    /// # Errors
    /// If it cannot be mounted on, with the next step.
    pub(super) fn prepare(
        settings: &MountSettings,
        profile: &Profile,
    ) -> Result<Self, CommandError> {
        let given = settings.mountpoint.as_path();
        clean_up(settings)?;
        let path = given.canonicalize().map_err(|err| unusable(given, err))?;
        if !path.is_dir() {
            let error = cannot_mount(given).because(io::Error::from(ErrorKind::NotADirectory));
            return Err(error.hint("name an empty directory").for_a_person());
        }
        if mounts::ours().map_err(|err| unusable(given, err))?.contains(&path) {
            let what = format!("{} is a gphotosfs mount already", given.display());
            let hint = "name another directory: this one has another profile's mount";
            return Err(CommandError::new(what).hint(hint).for_a_person());
        }
        if path.to_str().is_none() {
            let error = cannot_mount(given).because("its path is not UTF-8");
            return Err(error.hint("name a directory whose path is").for_a_person());
        }
        check_apart(&path, profile)?;
        let may_hide_files = settings.nonempty || settings.import;
        let mut this = Self::open(path, may_hide_files).map_err(|err| unusable(given, err))?;
        // Before the mount leaves the working directory.
        this.named = std::path::absolute(given).map_err(|err| unusable(given, err))?;
        // A mount that is refused is wanted as well: until it is there, files go nowhere.
        let target = MountTarget {
            mountpoint: this.path.clone(),
            wanted: true,
            hides_files: settings.nonempty,
        };
        profile.set_target(&target).map_err(crate::app::engine::no_directory)?;
        this.close();
        this.check_empty().inspect_err(|_| this.reopen())?;
        Ok(this)
    }

    /// Opens the directory. Only its owner can change its permissions.
    pub(super) fn open(path: PathBuf, may_hide_files: bool) -> io::Result<Self> {
        let dir = File::open(&path)?;
        let meta = dir.metadata()?;
        let is_own = meta.uid() == geteuid().as_raw();
        let mode = (is_own && !may_hide_files).then_some(meta.mode() & 0o7777);
        let named = path.clone();
        Ok(Self { path, named, dir, mode, may_hide_files })
    }

    /// Runs `mount` while the directory can be mounted on. Fails if files have come meanwhile.
    ///
    /// # Errors
    /// Those of `mount`, or that the directory is not empty.
    pub(super) fn while_open<T>(
        &self,
        mount: impl FnOnce() -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        if let Some(mode) = self.mode {
            // root needs no permission. If this fails, fusermount3 says why.
            let _ = self.set_mode(mode & !WRITE | OWNER_WRITE);
        }
        let outcome = mount();
        self.close();
        outcome
    }

    /// The directory itself, also when a mount hides it.
    pub(super) fn dir(&self) -> &File {
        &self.dir
    }

    /// Fails if the directory itself is not empty, also below a mount.
    ///
    /// # Errors
    /// With the number of the files in it, and the ways to go on.
    pub(super) fn check_empty(&self) -> Result<(), CommandError> {
        if self.may_hide_files {
            return Ok(());
        }
        let place = self.path.display();
        let itself = beneath(&self.dir);
        if itself.read_dir().map_err(|err| unusable(&self.path, err))?.next().is_none() {
            return Ok(());
        }
        let found = contents(&itself);
        let hint = format!(
            "the mount would hide the files in it. 'gphotosfs mount --import {place}' moves them \
             into the mount; or move them away, name an empty directory, or mount with -o nonempty"
        );
        let error = CommandError::new(format!("{place} is not empty")).hint(hint).for_a_person();
        Err(if found.files > 0 {
            error.because(format!("{} there", in_words(&found)))
        } else {
            error
        })
    }

    /// Takes away the permission to write. A disk without permissions keeps it.
    pub(super) fn close(&self) {
        if let Some(mode) = self.mode
            && let Err(error) = self.set_mode(mode & !WRITE)
        {
            tracing::debug!(%error, "cannot close the mountpoint for writing");
        }
    }

    fn reopen(&self) {
        if let Some(mode) = self.mode {
            // It worked in the other direction.
            let _ = self.set_mode(mode);
        }
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.dir.set_permissions(Permissions::from_mode(mode))
    }
}

/// The path of an open directory, also if a mount hides it.
pub(super) fn beneath(dir: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    // The last component makes it the directory instead of a link to it.
    PathBuf::from(format!("/proc/self/fd/{}/.", dir.as_raw_fd()))
}

/// Unmounts a mount whose process has died.
pub(super) fn clean_up(settings: &MountSettings) -> Result<(), CommandError> {
    let given = settings.mountpoint.as_path();
    if !mounts::is_dead(given) {
        return Ok(());
    }
    if settings.foreground {
        tracing::warn!("cleaning up after a mount whose process has died");
    } else {
        // The log is not open yet, and the user waits at the terminal.
        tell("gphotosfs: the process behind the last mount has died; cleaning up");
    }
    umount::detach(given)
}

/// Fails if the mount would hide files that the mount itself needs: it would wait for itself.
fn check_apart(path: &Path, profile: &Profile) -> Result<(), CommandError> {
    let dirs = [
        profile.config_dir().map(Path::to_owned),
        profile.state_dir().map(Path::to_owned),
        profile.cache_dir().map(Path::to_owned),
        // These may be links to another disk.
        profile.cache_dir().map(|dir| dir.join("content")),
        profile.state_dir().map(|dir| dir.join("spool")),
    ];
    let dirs = dirs.into_iter().flatten().filter_map(|dir| dir.canonicalize().ok());
    for dir in dirs {
        if dir.starts_with(path) || path.starts_with(&dir) {
            let why = format!("it would hide files of the profile itself, in {}", dir.display());
            let hint = "name a directory that has nothing else in it, such as ~/gphotos";
            return Err(cannot_mount(path).because(why).hint(hint).for_a_person());
        }
    }
    Ok(())
}

fn cannot_mount(given: &Path) -> CommandError {
    CommandError::new(format!("cannot mount on {}", given.display()))
}

pub(super) fn unusable(given: &Path, err: io::Error) -> CommandError {
    let hint = match err.kind() {
        ErrorKind::NotFound => format!("make it: mkdir -p {}", given.display()),
        _ => "name an empty directory of yours".to_owned(),
    };
    cannot_mount(given).because(err).hint(hint).for_a_person()
}
