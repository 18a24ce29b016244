//! `gphotosfs umount`: waits for the uploads, unmounts, and waits until the mount's process has
//! ended.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};
use rustix::mount::UnmountFlags;
use rustix::process::{Signal, geteuid, pidfd_send_signal};

use crate::app::running::{self, Mount};
use crate::app::unseen::{self, Unseen};
use crate::app::{CommandError, mounts, process, tell};
use crate::profile::Profile;

/// How long the mount's process may take to end after the unmount.
const EXIT_DEADLINE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// How long it may take before it is asked to end. Usually it needs a fraction of a second.
const NOTICE_DEADLINE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// A mount may be busy for an instant, because another command reads its status. Then the unmount is
/// tried again for so long.
const BUSY_DEADLINE: Duration = Duration::from_secs(1);

/// How long to wait before it is tried again. The kernel does not report the end of the use.
const BUSY_PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Unmounts.
///
/// # Errors
/// If the mount is in use, or is not a gphotosfs mount.
pub fn run(mountpoint: &Path, now: bool, profile: &Profile) -> Result<(), CommandError> {
    let root = absolute(mountpoint).map_err(|err| {
        CommandError::usage(format!("cannot use {}", mountpoint.display())).because(err)
    })?;
    let unreadable = |err| CommandError::new("cannot read the table of mounts").because(err);
    let ours = mounts::ours().map_err(unreadable)?;
    if !ours.contains(&root) {
        if let Ok(Some(unseen)) = unseen::find(profile)
            && unseen.mountpoint == root
        {
            return end(&unseen, profile);
        }
        if withdraw(&root, profile) {
            tell(format!("gphotosfs: {} was not mounted; it stays so", root.display()));
            return Ok(());
        }
        let error = CommandError::usage(format!("{} is not a gphotosfs mount", root.display()));
        return Err(error.hint(where_mounted(&ours, profile)));
    }
    if !mounts::is_own(&root).map_err(unreadable)? {
        return unmount_of_another(&root, now);
    }
    let mount = Mount { root };
    if mounts::is_dead(&mount.root) {
        tell("gphotosfs: the process behind the mount has died; cleaning up");
        detach(&mount.root)?;
        withdraw(&mount.root, profile);
        return Ok(());
    }
    if !now {
        drain(&mount)?;
    }
    // Opened before unmounting, so that it cannot be a later process with the same number.
    let status = mount.status().ok().map(|it| mount.as_seen_here(it, profile));
    let process = status.and_then(|it| it.pid).and_then(process::open);
    unmount(&mount.root, How::WhenIdle)?;
    let Some(process) = process else {
        withdraw(&mount.root, profile);
        return Ok(());
    };
    // A copy of the mount in another mount namespace, such as a container's, keeps it alive without
    // the process noticing.
    if !has_ended(&process, &NOTICE_DEADLINE)? {
        // Fails only if the process has ended meanwhile.
        let _ = pidfd_send_signal(&process, Signal::TERM);
    }
    wait_for_exit(&process)?;
    withdraw(&mount.root, profile);
    Ok(())
}

/// Ends the process of a mount that cannot be seen from here.
fn end(unseen: &Unseen, profile: &Profile) -> Result<(), CommandError> {
    let Some(process) = unseen.pid.and_then(process::open) else {
        return Err(unseen.error(profile));
    };
    tell(format!(
        "gphotosfs: the profile is {}; its process ends, and the next mount uploads what is left",
        unseen.text()
    ));
    // Fails only if the process has ended meanwhile.
    let _ = pidfd_send_signal(&process, Signal::TERM);
    wait_for_exit(&process)?;
    withdraw(&unseen.mountpoint, profile);
    Ok(())
}

/// Records that nothing is meant to be mounted there any more. Returns whether a profile was.
/// `profile` may be another one than that of the mount.
fn withdraw(root: &Path, profile: &Profile) -> bool {
    let mut withdrawn = false;
    for profile in profile.siblings().unwrap_or_default() {
        match profile.withdraw_target(root) {
            Ok(it) => withdrawn |= it,
            Err(err) => tell(format!("gphotosfs: cannot store that nothing is mounted: {err}")),
        }
    }
    withdrawn
}

/// Unmounts another user's mount, which only root can do. Believes nothing in it: its program may
/// name any process as its own, and never end to upload.
fn unmount_of_another(root: &Path, now: bool) -> Result<(), CommandError> {
    let next_step = match (geteuid().is_root(), now) {
        (true, true) => return unmount(root, How::WhenIdle),
        (true, false) => "'gphotosfs umount --now' unmounts it without waiting for its uploads",
        (false, _) => "only that user and root can unmount it",
    };
    let error = CommandError::usage(format!("{} is another user's mount", root.display()));
    Err(error.hint(next_step))
}

/// Says where the profile is mounted. If it is not, mounts of other profiles and users are called so.
fn where_mounted(ours: &[PathBuf], profile: &Profile) -> String {
    let mine = profile.last_mount().ok().flatten().map(|it| it.mountpoint);
    let name = profile.name();
    if let Some(mine) = ours.iter().find(|it| Some(*it) == mine.as_ref()) {
        return format!("profile {name} is mounted on {}", mine.display());
    }
    if ours.is_empty() {
        return format!("profile {name} is not mounted");
    }
    let others: Vec<_> = ours.iter().map(|it| it.display().to_string()).collect();
    format!(
        "profile {name} is not mounted; other profiles or users have mounts on {}",
        others.join(", ")
    )
}

/// The mountpoint's name in the table of mounts. Does not enter it, because it may be dead.
fn absolute(mountpoint: &Path) -> io::Result<PathBuf> {
    mountpoint.canonicalize().or_else(|err| {
        if err.raw_os_error() != Some(libc::ENOTCONN) {
            return Err(err);
        }
        let whole = std::path::absolute(mountpoint)?;
        let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(err);
        };
        Ok(parent.canonicalize()?.join(name))
    })
}

/// The next step for a user who does not want to wait.
const NOW: &str = "'gphotosfs umount --now' leaves the uploads to the next mount";

fn drain(mount: &Mount) -> Result<(), CommandError> {
    if mount.status().is_ok_and(|it| it.blocked.is_some()) {
        tell(format!(
            "gphotosfs: waiting for the uploads, which are blocked; Ctrl-C and then {NOW}"
        ));
    }
    match mount.wait_for_uploads(&mount.root) {
        // Refused files stay in failed/, mounted or not.
        Err(err) if err.raw_os_error() == Some(libc::EIO) => {
            tell(
                "gphotosfs: Google refused some files; their bytes are kept: run 'gphotosfs failed'",
            );
            Ok(())
        }
        result => result.map_err(|err| {
            let error = CommandError::new("cannot wait for the uploads");
            match running::meaning(&err) {
                Some((words, next)) => error.because(words).hint(format!("{next}; {NOW}")),
                None => error.because(err).hint(NOW),
            }
        }),
    }
}

/// Detaches a mount at once, even if files in it are open or its process has died.
///
/// # Errors
/// If the kernel refuses.
pub(super) fn detach(root: &Path) -> Result<(), CommandError> {
    unmount(root, How::AtOnce)
}

#[derive(Clone, Copy)]
enum How {
    /// Fail while files or directories are in use.
    WhenIdle,
    /// Open files work until they are closed. No new ones can be opened.
    AtOnce,
}

fn unmount(root: &Path, how: How) -> Result<(), CommandError> {
    let begun = Instant::now();
    loop {
        match try_unmount(root, how) {
            Err(Refused::Busy) if begun.elapsed() < BUSY_DEADLINE => {
                // An interrupted pause is only shorter.
                let _ = poll(&mut [], Some(&BUSY_PAUSE));
            }
            Err(Refused::Busy) => {
                return Err(cannot(root).because(io::Error::from_raw_os_error(libc::EBUSY)).hint(
                    format!(
                        "close the files and leave the directories that are in use there; \
                         'fuser -vm {}' lists the programs",
                        root.display()
                    ),
                ));
            }
            Err(Refused::Otherwise(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

fn cannot(root: &Path) -> CommandError {
    CommandError::new(format!("cannot unmount {}", root.display()))
}

/// Why the kernel or fusermount3 did not unmount.
enum Refused {
    Busy,
    Otherwise(CommandError),
}

fn try_unmount(root: &Path, how: How) -> Result<(), Refused> {
    let failed = |error: CommandError| Err(Refused::Otherwise(error));
    if geteuid().is_root() {
        let flags = match how {
            How::WhenIdle => UnmountFlags::NOFOLLOW,
            How::AtOnce => UnmountFlags::NOFOLLOW | UnmountFlags::DETACH,
        };
        return match rustix::mount::unmount(root, flags) {
            Err(rustix::io::Errno::BUSY) => Err(Refused::Busy),
            Err(err) => failed(cannot(root).because(err)),
            Ok(()) => Ok(()),
        };
    }
    let flags: &[&str] = match how {
        How::WhenIdle => &["-u"],
        How::AtOnce => &["-u", "-z"],
    };
    let output = match Command::new("fusermount3").args(flags).arg("--").arg(root).output() {
        Ok(output) => output,
        Err(err) => {
            let hint = "install fuse3, which has the command fusermount3";
            return failed(cannot(root).because(err).hint(hint));
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        // fusermount3 has one exit status for all errors. Its messages are always in English.
        false if said.contains("busy") => Err(Refused::Busy),
        false => failed(cannot(root).because(said.trim())),
    }
}

/// Waits until the process has ended, which releases the profile.
///
/// # Errors
/// If the deadline passes.
fn wait_for_exit(process: &OwnedFd) -> Result<(), CommandError> {
    match has_ended(process, &EXIT_DEADLINE)? {
        true => Ok(()),
        false => Err(CommandError::new("unmounted, but the mount's process has not ended yet")
            .hint("wait for it before mounting again")),
    }
}

/// Waits until the process has ended, up to a deadline. Returns whether it has.
fn has_ended(process: &OwnedFd, deadline: &Timespec) -> Result<bool, CommandError> {
    process::has_ended(process, deadline).map_err(|err| {
        CommandError::new("unmounted, but cannot wait for the mount's process").because(err)
    })
}
