//! A running mount, seen from outside: finds it, reads its status, and waits for it.
//!
//! Commands reach a mount through its own filesystem, so there is no socket to secure. They read
//! `.gphotos/status.json`, and xattrs whose read waits for an event.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use super::error::CommandError;
use super::progress::{self, Progress, Snapshot};
use super::{mounts, process, unmounted, unseen};
use crate::profile::{Holder, LockError, Profile};
use crate::status::Status;

/// Reading this xattr waits until Google has everything below the path. Unlike fsync(2), it blocks
/// no writer.
const SYNCED_XATTR: &CStr = c"user.gphotos.synced";
/// Reading this xattr lists the directory again from Google, and returns afterwards.
const LISTED_XATTR: &CStr = c"user.gphotos.listed";
/// Reading this xattr makes the mount use the stored login, and waits until Google accepts it.
const LOGIN_XATTR: &CStr = c"user.gphotos.login";

/// How long a mount may take to answer with its status. It reads only its database for that.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// The root of a running mount.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The mountpoint, as an absolute path.
    pub root: PathBuf,
}

impl Mount {
    /// The mount of a profile, if there is one.
    ///
    /// # Errors
    /// If the profile's lock cannot be read, or the mount cannot be seen from here.
    pub fn of_profile(profile: &Profile) -> Result<Option<Self>, CommandError> {
        let unknown =
            |err| CommandError::new("cannot find out whether a mount is running").because(err);
        if let Some(unseen) = unseen::find(profile).map_err(unknown)? {
            return Err(unseen.error(profile));
        }
        let running = profile.running().map_err(unknown)?;
        Ok(running.map(|it| Self { root: it.mountpoint }))
    }

    /// The mount that `path` is on.
    ///
    /// # Errors
    /// If `path` does not exist or is not on a gphotosfs mount.
    pub fn holding(path: &Path) -> Result<Self, CommandError> {
        let given = path;
        let failed = |err| cannot_use(given, err);
        let path = path.canonicalize().map_err(failed)?;
        let device = path.metadata().map_err(failed)?.dev();
        let same = |dir: &&Path| dir.metadata().is_ok_and(|it| it.dev() == device);
        let root = path.ancestors().take_while(same).last().unwrap_or(&path);
        let mount = Self { root: root.to_owned() };
        let is_own = mounts::is_own_device(device)
            .map_err(|err| CommandError::new("cannot read the table of mounts").because(err))?;
        if !is_own {
            let what = format!("{} is not on a gphotosfs mount of yours", given.display());
            return Err(CommandError::usage(what));
        }
        match mount.status_file().metadata() {
            Ok(it) if it.is_file() && mount.root.is_dir() => return Ok(mount),
            // The kernel may still have cached attributes of a mount that has died.
            Err(err) if err.raw_os_error() == Some(libc::ENOTCONN) => return Err(failed(err)),
            // Its control directory is closed to everybody else.
            Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
                return Err(
                    failed(err).hint("only the user who has mounted it, and root, can do that")
                );
            }
            _ => {}
        }
        Err(CommandError::usage(format!("{} is not on a gphotosfs mount", path.display())))
    }

    /// The mount that a path given by the user is on.
    ///
    /// # Errors
    /// As [`Mount::holding`], with the next step.
    pub fn given(path: &Path, profile: &Profile) -> Result<Self, CommandError> {
        Self::holding(path).map_err(|err| {
            if err.next_step().is_some() {
                return err;
            }
            match unmounted::covering(path, profile) {
                Some(error) => error,
                None if is_parent_on_mount(path) => {
                    err.hint("the mount has no such name: 'ls' its directory")
                }
                None => err.hint("'gphotosfs status' says where the profile is mounted"),
            }
        })
    }

    fn status_file(&self) -> PathBuf {
        self.control("status.json")
    }

    /// A path below the mount's control directory.
    pub fn control(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(".gphotos").join(name)
    }

    /// The mount's status.
    ///
    /// # Errors
    /// If the mount is gone, does not answer or belongs to another version.
    pub fn status(&self) -> Result<Status, CommandError> {
        let (done, waiting) = mpsc::channel();
        let file = self.status_file();
        // If the mount's process is stopped or stuck, this read never returns.
        std::thread::spawn(move || done.send(present_text(&file)));
        let text = match waiting.recv_timeout(ANSWER_DEADLINE) {
            Ok(text) => text.map_err(|err| cannot_use(&self.root, err))?,
            Err(_) => {
                return Err(CommandError::new(format!("{} does not answer", self.root.display()))
                    .hint("its process is stopped or stuck: run 'gphotosfs doctor'"));
            }
        };
        serde_json::from_str(&text).map_err(|err| {
            CommandError::new(format!("cannot parse {}", self.status_file().display()))
                .because(err)
                .hint("if another version of gphotosfs made the mount, unmount and mount again")
        })
    }

    /// The status with the number that the mount's process has here. The process tells its own number,
    /// which is that of a stranger here if a container runs it. `None` if it cannot be seen from here.
    pub fn as_seen_here(&self, mut status: Status, profile: &Profile) -> Status {
        status.pid = status.pid.and_then(|told| self.process(told, profile));
        status
    }

    fn process(&self, told: u32, profile: &Profile) -> Option<u32> {
        let is_holder = |profile: &Profile| match profile.holder() {
            Ok(Holder::Mount(running)) => running.mountpoint == self.root,
            _ => false,
        };
        match profile.siblings().unwrap_or_default().into_iter().find(is_holder) {
            Some(profile) => process::holding(told, &profile.lock_file()),
            // Its profile lies elsewhere.
            None => Some(told).filter(|pid| process::serves_fuse(*pid)),
        }
    }

    /// Makes the mount use the stored login now, and returns whether that succeeded. Otherwise the
    /// mount tries again later.
    pub fn use_stored_login(&self) -> bool {
        let (done, waiting) = mpsc::channel();
        let root = self.root.clone();
        std::thread::spawn(move || done.send(read_waiting(&root, LOGIN_XATTR)));
        matches!(waiting.recv_timeout(ANSWER_DEADLINE), Ok(Ok(())))
    }

    /// Waits until Google has everything under `path`, and shows the progress.
    ///
    /// # Errors
    /// `EIO` if Google refused a file under `path`; others if the mount is gone.
    pub fn wait_for_uploads(&self, path: &Path) -> io::Result<()> {
        let mut progress = Progress::start();
        self.wait(path, SYNCED_XATTR, |status| progress.show(&Snapshot::from(&status)))
    }

    /// Makes the mount list a directory again, and shows the progress on a terminal.
    ///
    /// # Errors
    /// Those of the mount, for example that Google cannot be reached.
    pub fn refresh(&self, dir: &Path) -> io::Result<()> {
        let bar = progress::bar(0, "albums listed again");
        let outcome = self.wait(dir, LISTED_XATTR, |status| {
            if let Some(refresh) = status.refresh {
                bar.set_length(refresh.albums);
                bar.set_position(refresh.listed);
            }
        });
        bar.finish_and_clear();
        outcome
    }

    /// Reads an attribute that waits. Shows the mount's status meanwhile.
    fn wait(
        &self,
        path: &Path,
        attribute: &'static CStr,
        mut show: impl FnMut(Status),
    ) -> io::Result<()> {
        let (done, waiting) = mpsc::channel();
        let path = path.to_owned();
        std::thread::spawn(move || done.send(read_waiting(&path, attribute)));
        loop {
            match waiting.recv_timeout(Duration::from_millis(200)) {
                Ok(outcome) => return outcome,
                // If the mount cannot be read, the waiting thread gets the error.
                Err(_) => self.status().map_or((), &mut show),
            }
        }
    }
}

/// The text of a control file as it is after this call has begun. A program that has only asked for
/// the file's length is owed the text of that time, and the next reader gets that text too.
fn present_text(file: &Path) -> io::Result<String> {
    let asked = SystemTime::now();
    let (text, made) = read_with_time(file)?;
    if made < asked { read_with_time(file).map(|(text, _)| text) } else { Ok(text) }
}

fn read_with_time(file: &Path) -> io::Result<(String, SystemTime)> {
    let file = File::open(file)?;
    let made = file.metadata()?.modified()?;
    Ok((io::read_to_string(file)?, made))
}

/// Whether the directory of a path that does not exist is on a mount.
fn is_parent_on_mount(path: &Path) -> bool {
    !path.exists() && directory_of(path).is_some_and(|dir| Mount::holding(dir).is_ok())
}

/// The directory that a path's last name is in.
pub fn directory_of(path: &Path) -> Option<&Path> {
    path.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir })
}

/// Makes the mount list a directory again, without a progress bar.
///
/// # Errors
/// Those of the mount, for example that Google cannot be reached.
pub fn list_again(dir: &Path) -> io::Result<()> {
    read_waiting(dir, LISTED_XATTR)
}

/// Reads only the value's size: reading the value takes two requests, and each would wait.
fn read_waiting(path: &Path, attribute: &CStr) -> io::Result<()> {
    // A mount in another pid namespace cannot see that this program is being ended. So it ends the
    // wait from time to time.
    rustix::io::retry_on_intr(|| rustix::fs::getxattr(path, attribute, &mut [0u8; 0]))?;
    Ok(())
}

/// The next step without a login that works.
pub const NO_LOGIN: &str = "run 'gphotosfs login' ('gphotosfs status' says what is wrong with this one); queued files are \
    safe, and their upload continues by itself then";
/// The next step when the Google account is full.
pub const GOOGLE_FULL: &str = "free space in the Google account; queued files are safe, and their upload continues by \
    itself then. 'gphotosfs status' says how much less '--quality saver' would have stored";

/// The next step when the login may not edit albums.
pub const NO_PERMISSION: &str = "run 'gphotosfs login' again and tick all boxes; queued changes are safe, and continue \
    by themselves then";

/// The meaning of the errno that a waiting read returned, and the next step. `None` if the error is
/// about the path itself.
pub fn meaning(err: &io::Error) -> Option<(&'static str, &'static str)> {
    Some(match err.raw_os_error()? {
        libc::EACCES => ("Google does not accept the login", NO_LOGIN),
        libc::ENOSPC => ("the Google account is full", GOOGLE_FULL),
        libc::EPERM => {
            ("this login may neither add items to albums nor remove them", NO_PERMISSION)
        }
        libc::EDQUOT => (
            "today's requests to Google are used up",
            "'gphotosfs status' shows when the quota resets; the uploads continue by themselves then",
        ),
        libc::EHOSTUNREACH | libc::ETIMEDOUT => (
            "Google cannot be reached",
            "check the network; queued files are safe, and their upload continues by itself when it is back",
        ),
        _ => return None,
    })
}

/// The next step when Google has refused files.
pub const REFUSED: &str = "'gphotosfs failed' lists the refused files and the reasons";

/// Adds the meaning of the errno that a waiting read returned.
pub fn not_done(error: CommandError, err: io::Error) -> CommandError {
    match meaning(&err) {
        Some((words, hint)) => error.because(words).hint(hint),
        None => error.because(err),
    }
}

/// The possible holders of a profile's lock if the profile is not mounted.
pub const OTHER_HOLDER: &str = "'gphotosfs sync' is running, or a mount is starting or ending";

/// The error for an operation that needs the profile's lock while another process holds it.
pub fn in_use(what: impl Into<String>, err: LockError) -> CommandError {
    let hint = match &err {
        LockError::Held(Some(running))
            if mounts::ours().is_ok_and(|places| !places.contains(&running.mountpoint)) =>
        {
            format!(
                "it cannot be seen from here: another mount namespace has it, or it was unmounted lazily; \
                 'gphotosfs umount {}' ends its process",
                running.mountpoint.display()
            )
        }
        LockError::Held(Some(running)) => format!(
            "unmount it first with 'gphotosfs umount {}', or use another account with --profile",
            running.mountpoint.display()
        ),
        LockError::Held(None) => format!("{OTHER_HOLDER}: wait for its end"),
        LockError::Io(_) => "'gphotosfs doctor' checks the profile's directories".to_owned(),
    };
    CommandError::new(what).because(err).hint(hint)
}

/// The state of a mount whose process was killed, and the next step.
pub const DIED: &str = "the mount has died: run 'gphotosfs umount' on it";

/// The error for a path on a mount that cannot be used.
pub fn cannot_use(path: &Path, err: io::Error) -> CommandError {
    let dead = err.raw_os_error() == Some(libc::ENOTCONN);
    let error = CommandError::new(format!("cannot use {}", path.display())).because(err);
    if dead { error.hint(DIED) } else { error }
}
