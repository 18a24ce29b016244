//! A running mount, seen from outside: finding it, reading what it says, waiting for it.
//!
//! The mount is talked to through its own filesystem, so there is no other socket to secure:
//! `.gphotos/status.json` tells, and there are xattrs that wait when they are read.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::CommandError;
use super::progress::{Outlook, Progress};
use crate::profile::Profile;

/// Reading this xattr waits until Google has everything below, like fsync(2), but locks nobody out.
const SYNCED_XATTR: &std::ffi::CStr = c"user.gphotos.synced";
/// Reading this xattr of a directory lists it again from Google before the call returns.
const LISTED_XATTR: &std::ffi::CStr = c"user.gphotos.listed";

/// The root of a running mount.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where it is mounted, absolute.
    pub root: PathBuf,
}

impl Mount {
    /// The mount of a profile.
    ///
    /// # Errors
    /// If there is none.
    pub fn of_profile(profile: &Profile) -> Result<Self, CommandError> {
        let running = profile
            .running()
            .map_err(|err| CommandError::new("cannot look for a running mount").because(err))?;
        running.map(|it| Self { root: it.mountpoint }).ok_or_else(|| {
            CommandError::new(format!("profile {} is not mounted", profile.name()))
                .hint("run 'gphotosfs mount MOUNTPOINT'")
        })
    }

    /// The mount that `path` is on.
    ///
    /// # Errors
    /// If it does not exist or is not on a mount of ours.
    pub fn holding(path: &Path) -> Result<Self, CommandError> {
        let given = path;
        let trouble = |err| cannot_use(given, err);
        let path = path.canonicalize().map_err(trouble)?;
        let device = path.metadata().map_err(trouble)?.dev();
        let same = |dir: &&Path| dir.metadata().is_ok_and(|it| it.dev() == device);
        let root = path.ancestors().take_while(same).last().unwrap_or(&path);
        let mount = Self { root: root.to_owned() };
        match mount.status_file().metadata() {
            Ok(it) if it.is_file() && mount.root.is_dir() => return Ok(mount),
            // Of a mount that has died the kernel may still know some things.
            Err(err) if err.raw_os_error() == Some(libc::ENOTCONN) => return Err(trouble(err)),
            _ => {}
        }
        Err(CommandError::usage(format!("{} is not on a gphotosfs mount", path.display())))
    }

    fn status_file(&self) -> PathBuf {
        self.control("status.json")
    }

    /// A path below the mount's control directory.
    pub fn control(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(".gphotos").join(name)
    }

    /// What the mount says about itself, unparsed.
    ///
    /// # Errors
    /// If the mount is gone.
    pub fn status_text(&self) -> Result<String, CommandError> {
        std::fs::read_to_string(self.status_file()).map_err(|err| cannot_use(&self.root, err))
    }

    /// What the mount says about itself.
    ///
    /// # Errors
    /// If the mount is gone or speaks another version.
    pub fn status(&self) -> Result<Status, CommandError> {
        serde_json::from_str(&self.status_text()?).map_err(|err| {
            CommandError::new(format!("cannot understand {}", self.status_file().display()))
                .because(err)
                .hint("is the mount of another version of gphotosfs?")
        })
    }

    /// Waits until Google has everything under `path`, showing how far the mount is.
    ///
    /// # Errors
    /// `EIO` if something under `path` was refused for good; others if the mount is gone.
    pub fn wait_for_uploads(&self, path: &Path) -> io::Result<()> {
        let (done, waiting) = mpsc::channel();
        let path = path.to_owned();
        std::thread::spawn(move || done.send(read_waiting(&path, SYNCED_XATTR)));
        let mut progress = Progress::start();
        loop {
            match waiting.recv_timeout(Duration::from_millis(200)) {
                Ok(outcome) => return outcome,
                // A mount that cannot be read right now will be noticed by the thread that waits.
                Err(_) => self.status().map_or((), |status| progress.show(&status.outlook())),
            }
        }
    }
}

/// Has the mount list a directory again.
///
/// # Errors
/// Those of the mount, for example that Google cannot be reached.
pub fn list_again(dir: &Path) -> io::Result<()> {
    read_waiting(dir, LISTED_XATTR)
}

/// Asks for the value's size alone: a value would be asked for twice, and so waited for twice.
fn read_waiting(path: &Path, attribute: &std::ffi::CStr) -> io::Result<()> {
    rustix::fs::getxattr(path, attribute, &mut [0u8; 0])?;
    Ok(())
}

/// What to say about a path on a mount that cannot be used.
pub fn cannot_use(path: &Path, err: io::Error) -> CommandError {
    let dead = err.raw_os_error() == Some(libc::ENOTCONN);
    let error = CommandError::new(format!("cannot use {}", path.display())).because(err);
    if dead { error.hint("the mount has died: run 'gphotosfs umount' on it") } else { error }
}

/// `.gphotos/status.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// Which account.
    pub profile: String,
    /// The mount's process.
    pub pid: u32,
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// Since when.
    pub since: Timestamp,
    /// The API's base URL.
    pub api_url: String,
    /// Whether Google lets us in.
    pub login: Login,
    /// Files on their way, by state.
    pub queue: Queue,
    /// What holds up the uploads now.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// The day's allowance.
    pub quota: Quota,
    /// The content cache.
    pub cache: Cache,
    /// The last few things that went wrong, oldest first.
    pub errors: Vec<Problem>,
}

/// Whether Google lets us in.
#[derive(Clone, Debug, Deserialize)]
pub struct Login {
    /// `ok`, `missing`, `dead` or `offline`.
    pub state: String,
    /// What to do about it; empty if all is well.
    #[serde(default)]
    pub message: String,
}

/// Files on their way, by state.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs)] // The states are those of the design's state machine.
pub struct Queue {
    pub open: u64,
    pub scratch: u64,
    pub sealed: u64,
    /// Of those, the ones whose bytes are under way.
    pub uploading: u64,
    pub uploaded: u64,
    pub creating: u64,
    pub confirming: u64,
    pub failed: u64,
    /// Items of the library to be put into an album.
    pub additions: u64,
    /// Items to be taken out of an album.
    pub removals: u64,
    /// Bytes that Google does not have yet.
    pub bytes_left: u64,
}

impl Queue {
    /// How many things Google has still to be told.
    pub fn left(&self) -> u64 {
        self.sealed
            + self.uploaded
            + self.creating
            + self.confirming
            + self.additions
            + self.removals
    }
}

/// What holds up the uploads.
#[derive(Clone, Debug, Deserialize)]
pub struct Trouble {
    /// For people.
    pub text: String,
    /// When they are tried again.
    pub until: Timestamp,
}

/// The day's allowance.
#[derive(Clone, Debug, Deserialize)]
pub struct Quota {
    /// The day in Google's time zone.
    pub day: String,
    /// Calls of the API so far.
    pub api_requests: u64,
    /// How many there may be.
    pub api_limit: u64,
    /// Downloads so far.
    pub media_requests: u64,
    /// How many there may be.
    pub media_limit: u64,
    /// When both begin again at 0.
    pub resets_at: Timestamp,
    /// Until when nothing is sent, if Google said so.
    #[serde(default)]
    pub blocked_until: Option<Timestamp>,
}

/// The content cache, in bytes.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Cache {
    pub bytes: u64,
    pub limit: u64,
}

/// Something that went wrong.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Problem {
    pub at: Timestamp,
    pub path: String,
    pub error: String,
}

impl Status {
    /// For a progress bar.
    pub fn outlook(&self) -> Outlook {
        Outlook {
            left: self.queue.left(),
            bytes_left: self.queue.bytes_left,
            failed: self.queue.failed,
            hindrance: self.hindrance(),
        }
    }

    /// Why nothing moves, if so.
    pub fn hindrance(&self) -> Option<String> {
        if self.login.state != "ok" {
            let message = &self.login.message;
            return Some(if message.is_empty() {
                format!("login is {}", self.login.state)
            } else {
                message.clone()
            });
        }
        if let Some(until) = self.quota.blocked_until {
            return Some(format!("Google's quota is used up until {}", local_time(until)));
        }
        self.trouble.as_ref().map(|it| it.text.clone())
    }
}

/// A time for people, in their own zone.
pub fn local_time(at: Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
