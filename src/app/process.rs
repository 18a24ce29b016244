//! Other processes, and their ends.

use std::io;
use std::os::fd::OwnedFd;

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
