//! A mount that runs where this process cannot see it: in another mount namespace (a container's,
//! that of `unshare --mount`), or after a lazy unmount, until programs close their files in it.

use std::fs;
use std::io;
use std::path::PathBuf;

use rustix::event::Timespec;

use super::error::CommandError;
use super::{mounts, process};
use crate::profile::{Holder, Profile, Running};

/// How long the process of a mount that has just been unmounted may take to notice it.
const GRACE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Such a mount.
#[derive(Debug)]
pub struct Unseen {
    /// Its mountpoint, as its process names it.
    pub mountpoint: PathBuf,
    /// The number of its process here. `None` if it is in a container that hides its processes.
    pub pid: Option<u32>,
    /// Another mount namespace has it.
    pub is_elsewhere: bool,
}

/// The profile's mount, if it runs and cannot be seen.
///
/// # Errors
/// If the lock or the table of mounts cannot be read.
pub fn find(profile: &Profile) -> io::Result<Option<Unseen>> {
    let Some(running) = holder(profile)? else { return Ok(None) };
    let pid = process::holding(running.pid, &profile.lock_file());
    if let Some(process) = pid.and_then(process::open) {
        process::has_ended(&process, &GRACE)?;
    }
    let Some(running) = holder(profile)? else { return Ok(None) };
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    let is_elsewhere = pid.is_none_or(|pid| namespace(&pid.to_string()) != namespace("self"));
    Ok(Some(Unseen { mountpoint: running.mountpoint, pid, is_elsewhere }))
}

/// The mount that holds the profile, unless it can be seen.
fn holder(profile: &Profile) -> io::Result<Option<Running>> {
    let Holder::Mount(running) = profile.holder()? else { return Ok(None) };
    let is_seen = mounts::ours()?.contains(&running.mountpoint);
    Ok((!is_seen).then_some(running))
}

impl Unseen {
    /// Where it is, in words.
    pub fn text(&self) -> String {
        let place = self.mountpoint.display();
        let process = self.pid.map_or_else(String::new, |pid| format!(" by process {pid}"));
        match self.is_elsewhere {
            true => format!("mounted on {place}{process}, in another mount namespace"),
            false => format!(
                "still held{process}: {place} was unmounted lazily, and a program has a file open there, \
                 or a copy of the mount is elsewhere"
            ),
        }
    }

    /// The next step.
    pub fn remedy(&self) -> String {
        match self.pid {
            Some(_) => format!(
                "'gphotosfs umount {}' ends its process; nothing is lost",
                self.mountpoint.display()
            ),
            None => "unmount it where it runs: in its container, or outside of this one".to_owned(),
        }
    }

    /// The error for a command that needs the mount.
    pub fn error(&self, profile: &Profile) -> CommandError {
        CommandError::new(format!("profile {} is {}", profile.name(), self.text()))
            .hint(self.remedy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_by_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(dir.path());
        assert!(find(&profile).unwrap().is_none());
        let mut lock = profile.lock().unwrap();
        assert!(find(&profile).unwrap().is_none(), "no mount");
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let mountpoint = dir.path().join("mnt");
        lock.announce(&Running { pid: process::innermost(&status).unwrap(), mountpoint }).unwrap();
        let found = find(&profile).unwrap().unwrap();
        assert_eq!((found.pid, found.is_elsewhere), (Some(std::process::id()), false));
        assert!(found.text().contains("unmounted lazily"), "{}", found.text());
        lock.announce(&Running { pid: u32::MAX, mountpoint: "/m".into() }).unwrap();
        let found = find(&profile).unwrap().unwrap();
        assert_eq!((found.pid, found.is_elsewhere), (None, true));
        assert!(found.remedy().contains("container"), "{}", found.remedy());
    }
}
