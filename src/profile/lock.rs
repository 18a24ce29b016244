//! The lock of a profile. Its holder writes into the lock file where it is mounted.
//!
//! The lock belongs to the open file, so the kernel gives it back when the process ends. A process
//! can look at such a lock without taking it, unlike at that of flock(2).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use serde::{Deserialize, Serialize};

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

impl Holder {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Self::Nobody),
            Err(err) => return Err(err),
        };
        let mut found = whole_file(libc::F_RDLCK);
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found))?;
        if i32::from(found.l_type) == libc::F_UNLCK {
            return Ok(Self::Nobody);
        }
        Ok(announced(&mut file)?.map_or(Self::Other, Self::Mount))
    }
}

/// A mount's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The process.
    pub pid: u32,
    /// Where it is mounted, absolute.
    pub mountpoint: PathBuf,
}

impl Running {
    /// The last announcement, also of a process that has ended since.
    pub(super) fn last(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(mut file) => announced(&mut file),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }
}

/// The right to mount a profile; the kernel gives it back even if the process is killed.
#[derive(Debug)]
pub struct ProfileLock {
    file: File,
}

impl ProfileLock {
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = open(path)?;
        if !take_alone(&file)? {
            return Err(LockError::Held(announced(&mut file)?));
        }
        // The previous holder's announcement is no longer true.
        file.set_len(0)?;
        Ok(Self { file })
    }

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

    /// The mount is no more, and this process ends.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn withdraw(&mut self) -> io::Result<()> {
        self.file.set_len(0)
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

/// Opens a lock file. Makes it if there is none.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Takes the lock for this process alone, unless another one has it. Returns whether it did.
pub(super) fn take_alone(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

/// Waits until no process has the lock, or until the deadline has passed.
pub(super) fn wait_until_free(path: &Path, deadline: Duration) -> io::Result<()> {
    let file = File::open(path)?;
    let (done, waiting) = mpsc::channel();
    // The kernel has no deadline for this.
    std::thread::spawn(move || {
        let free = fcntl(&file, FcntlArg::F_OFD_SETLKW(&whole_file(libc::F_RDLCK)));
        drop(file);
        done.send(free)
    });
    match waiting.recv_timeout(deadline) {
        Ok(free) => Ok(free.map(drop)?),
        Err(_) => Ok(()),
    }
}

/// A lock of this kind on the whole file.
pub(super) fn whole_file(kind: i32) -> libc::flock {
    libc::flock {
        // The constants are small, whatever their type is.
        l_type: kind as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The mount that the holder of the lock has announced; none if it is no mount, or none yet.
fn announced(file: &mut File) -> io::Result<Option<Running>> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text).ok())
}

fn describe(running: &Option<Running>) -> String {
    running.as_ref().map_or_else(String::new, |it| {
        // Its number may be that of a stranger here.
        format!(" (mounted on {})", it.mountpoint.display())
    })
}
