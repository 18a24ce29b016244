//! Noticing that a caller who waits is being killed.
//!
//! The kernel tells a filesystem of an interrupted caller by `FUSE_INTERRUPT`, which fuser does not pass on,
//! and a caller that waits for an answer cannot even be killed before it comes. So while an operation waits
//! for the network, we look at the caller's pending signals ourselves, a few times a second.

use std::time::Duration;

/// Ctrl-C ends within this time. One read of a small file of the kernel's each.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Signals that say "stop": others (a resized window, a timer, a language runtime's own) must
/// not make a file operation fail.
const STOPPING: [i32; 5] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGKILL, libc::SIGTERM];

/// Completes when the thread `pid` has a signal pending that says "stop" and is not blocked.
pub(super) async fn killed(pid: u32) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // The kernel itself asks with pid 0, and so do callers outside our pid namespace.
        if pid != 0
            // Of the kernel's memory, not of a disk: and a thread to read it on might be long in coming.
            && let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status"))
            && is_stopping(&status)
        {
            return;
        }
    }
}

/// Reads the signal sets of proc(5)'s `status`.
fn is_stopping(status: &str) -> bool {
    let set = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
            .unwrap_or(0)
    };
    let stopping = STOPPING.iter().fold(0, |set, signal| set | 1u64 << (signal - 1));
    (set("SigPnd") | set("ShdPnd")) & !set("SigBlk") & stopping != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pending: u64, shared: u64, blocked: u64) -> String {
        format!(
            "Name:\tcat\nSigPnd:\t{pending:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{blocked:016x}\n"
        )
    }

    #[test]
    fn only_pending_unblocked_stop_signals_count() {
        let int = 1 << (libc::SIGINT - 1);
        let winch = 1 << (libc::SIGWINCH - 1);
        assert!(is_stopping(&status(int, 0, 0)));
        assert!(is_stopping(&status(0, int, 0)));
        assert!(!is_stopping(&status(0, int, int)));
        assert!(!is_stopping(&status(winch, winch, 0)));
        assert!(!is_stopping(""));
    }
}
