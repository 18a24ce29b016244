//! Other processes, and their ends.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process to wait for. `None` if it has ended.
pub fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Waits until the process has ended, up to a deadline. Returns whether it has.
///
/// # Errors
/// If the kernel cannot wait.
pub fn has_ended(process: &OwnedFd, deadline: &Timespec) -> io::Result<bool> {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    Ok(poll(&mut fds, Some(deadline))? > 0)
}

/// The process that has announced itself by this number in a lock file, and has it open. In its own
/// namespace it may have another number than here. `None` if it cannot be seen from here.
pub fn holding(announced: u32, lock: &Path) -> Option<u32> {
    if !numbers_are_valid() {
        return None;
    }
    let lock = lock.metadata().ok()?;
    let has_lock = |file: &fs::Metadata| (file.dev(), file.ino()) == (lock.dev(), lock.ino());
    let is_holder = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        innermost(&status) == Some(announced) && has_open(*pid, has_lock)
    };
    // Mostly it has the same number here.
    Some(announced).filter(is_holder).or_else(|| {
        let numbers = fs::read_dir("/proc").ok()?.flatten();
        numbers.filter_map(|it| it.file_name().to_str()?.parse().ok()).find(is_holder)
    })
}

/// Whether the numbers in /proc are those of this process's pid namespace. Otherwise such a number
/// means a stranger here: `unshare --pid` leaves the outer /proc in place.
fn numbers_are_valid() -> bool {
    let own = std::process::id().to_string();
    fs::read_link("/proc/self").is_ok_and(|it| it.as_os_str() == own.as_str())
}

/// Whether the process has an open file for which `is_such` holds.
fn has_open(pid: u32, is_such: impl Fn(&fs::Metadata) -> bool) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|it| it.path().metadata().ok()).any(|it| is_such(&it))
}

/// Whether the process serves a FUSE filesystem.
pub fn serves_fuse(pid: u32) -> bool {
    let Ok(fuse) = Path::new("/dev/fuse").metadata() else { return false };
    has_open(pid, |file| file.rdev() == fuse.rdev())
}

/// The number of a process in its own namespace, from proc(5)'s `status`.
pub fn innermost(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_that_of_the_innermost_namespace() {
        assert_eq!(innermost("Name:\tx\nNSpid:\t4711\t12\t1\nNSpgid:\t1\n"), Some(1));
        assert_eq!(innermost("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_is_known_by_its_open_files() {
        let own = std::process::id();
        assert!(!serves_fuse(own));
        let file = tempfile::NamedTempFile::new().unwrap();
        let meta = file.as_file().metadata().unwrap();
        assert!(has_open(own, |it| it.ino() == meta.ino() && it.dev() == meta.dev()));
    }
}
