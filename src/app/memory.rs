//! Gives the memory of large buffers back to the system.
//!
//! glibc maps a large buffer by itself, and unmaps it in the end. But when the first one is freed, it
//! takes buffers of that size for ordinary ones from then on. These are cut from larger areas, which
//! hardly ever become empty: many readers at once left three times the memory behind that they
//! needed. A fixed limit prevents that. Only the environment of a starting program can set it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable of glibc for such settings. Other C libraries ignore it.
const VARIABLE: &str = "GLIBC_TUNABLES";

/// From this size on, a buffer is mapped. A read has 128 KiB mostly, and is too quick for that.
const LIMIT: &str = "glibc.malloc.mmap_threshold=262144";

/// Sets the limit for a program that is about to start, unless the user has settings of their own.
pub fn limit(command: &mut Command) -> &mut Command {
    match is_set() {
        true => command,
        false => command.env(VARIABLE, LIMIT),
    }
}

#[expect(clippy::disallowed_methods, reason = "no setting of this program's, but one of glibc's")]
fn is_set() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts this program again in its place, under the same number, unless it has settings. `args` has
/// its name first. Call it before there are threads or open files. Returns if nothing is to be done, or
/// the start fails.
///
/// # Errors
/// If the program does not start.
pub fn start_with_limit(args: &[OsString]) -> io::Result<()> {
    let Some((name, rest)) = args.split_first().filter(|_| !is_set()) else { return Ok(()) };
    Err(limit(Command::new(std::env::current_exe()?).arg0(name).args(rest)).exec())
}
