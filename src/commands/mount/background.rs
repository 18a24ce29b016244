//! Starts a mount that outlives its command, and a mount that root starts for a user.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::app::{CommandError, Exit, daemon, log, memory};
use crate::settings::MountSettings;

/// The child of a detaching mount prints this line on stdout when the mount can be used.
const READY: &str = "ready";

/// Where a mount that root starts for a user finds programs.
const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long a mount may take to become usable. It does not wait for the network.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// Runs this program with `args` as another user, which needs root. The last of them is the
/// mountpoint. Returns only if that fails.
pub fn become_user(user: &str, args: &[OsString]) -> CommandError {
    let failed = || CommandError::new(format!("cannot mount for the user {user}"));
    let Some((mountpoint, rest)) = args.split_last() else { return failed() };
    let prepared = std::env::current_exe().and_then(|program| {
        let mountpoint = std::path::absolute(mountpoint)?;
        daemon::close_inherited()?;
        Ok((program, mountpoint))
    });
    let (program, mountpoint) = match prepared {
        Ok(prepared) => prepared,
        Err(err) => return failed().because(err),
    };
    daemon::create_private_files();
    // runuser sets groups, home directory and name as a login does. Everything else of root's
    // environment is none of the user's.
    let err = Command::new("/sbin/runuser")
        .args(["-u", user, "--"])
        .arg(program)
        .args(rest.iter().skip(1))
        .arg(mountpoint)
        .env_clear()
        .env("PATH", USER_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .exec();
    failed().because(err).hint("install util-linux, which has the command runuser")
}

/// Runs the same command again in a session of its own, and waits until the mount is ready.
pub(super) fn detach(args: &[OsString]) -> Result<Exit, CommandError> {
    let failed =
        |what: &str| CommandError::new(format!("cannot start the mount in the background: {what}"));
    let program =
        std::env::current_exe().map_err(|err| failed("its program is not found").because(err))?;
    // After `--`, clap would take the flag for a mountpoint.
    let flags = args.iter().skip(1).position(|arg| arg == "--").map_or(args.len(), |at| at + 1);
    let mut child = memory::limit(&mut Command::new(program))
        .args(&args[1..flags])
        .arg("--detached")
        .args(&args[flags..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|err| failed("it does not start").because(err))?;
    let Some(stdout) = child.stdout.take() else { return Err(failed("it has no output")) };
    let (said, heard) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        // This fails once the deadline has passed.
        let _ = said.send(line);
    });
    match heard.recv_timeout(READY_DEADLINE) {
        Ok(line) if line.trim() == READY => Ok(Exit::Done),
        // The child has printed the reason on stderr, which both processes share.
        Ok(_) => Ok(Exit::Failed),
        Err(_) => {
            let _ = child.kill();
            Err(failed("it is not ready after a minute"))
        }
    }
}

/// Reports to the parent that the mount can be used. From then on, a detached mount writes only to
/// its log.
pub(super) fn tell_ready(settings: &MountSettings, state_dir: &Path) -> Result<(), CommandError> {
    if !settings.detached {
        return Ok(());
    }
    let failed = |err| CommandError::new("cannot open the log").because(err);
    let log = log::File::open(state_dir.join("log")).map_err(failed)?;
    let mut out = std::io::stdout();
    // This fails if the parent is gone, which is harmless.
    let _ = writeln!(out, "{READY}").and_then(|()| out.flush());
    log.take_over().map_err(failed)
}
