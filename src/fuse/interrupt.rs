//! Notices that a waiting caller is being killed.
//!
//! The kernel reports an interrupted caller by `FUSE_INTERRUPT`, which fuser does not pass on.
//! Until the answer comes, the caller cannot even be killed. So while an operation waits for the
//! network, this module checks the caller's pending signals a few times a second.

use std::time::Duration;

/// How soon Ctrl-C takes effect. Each check reads one small file of /proc.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Signals that ask the caller to end. Others (a resized window, a timer, a language runtime's own)
/// must not make a file operation fail.
const STOPPING: [i32; 5] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGKILL, libc::SIGTERM];

/// Completes when one of [`STOPPING`] is pending for the thread `pid` and not blocked.
pub(super) async fn killed(pid: u32) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        if status(pid).is_some_and(|status| is_stopping(&status)) {
            return;
        }
    }
}

/// proc(5)'s `status` of a thread; `None` if there is no such thread any more. This read does not wait
/// for a disk, so it needs no blocking thread, which may be scarce.
pub(super) fn status(pid: u32) -> Option<String> {
    // Requests of the kernel itself, and of callers outside our pid namespace, have pid 0.
    (pid != 0).then(|| std::fs::read_to_string(format!("/proc/{pid}/status")).ok()).flatten()
}

/// A field of proc(5)'s `status`.
pub(super) fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(rest.trim())
}

/// Whether proc(5)'s `status` shows such a signal.
pub(super) fn is_stopping(status: &str) -> bool {
    let set = |key: &str| {
        field(status, key).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
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
