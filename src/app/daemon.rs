//! A process that outlives the command that has started it keeps nothing of that command: no
//! descriptor, no working directory, no umask, no limit of descriptors below the greatest.

use std::io;
use std::os::fd::RawFd;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, chdir, getrlimit, setrlimit, umask};

/// The descriptors that a process keeps: stdin, stdout and stderr.
const STANDARD: RawFd = 3;

/// Closes all descriptors that this process has inherited from its parent, except stdin, stdout and
/// stderr. Call it before this process opens any for itself that it still needs, or starts threads.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn close_inherited() -> io::Result<()> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
        open.extend(number.filter(|number| *number >= STANDARD));
    }
    // The descriptor of that directory is among them, and closed already.
    for number in open {
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Nobody else can read the files that this process makes from now on.
pub fn create_private_files() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Leaves the working directory, so that its disk can be unmounted.
///
/// # Errors
/// If the root directory cannot be entered.
pub fn leave_directory() -> io::Result<()> {
    Ok(chdir("/")?)
}

/// Raises the limit of descriptors: each open file of the mount is a descriptor of this process
/// too.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If this fails, the old limit stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
