//! Notices that a waiting caller is being killed.
//!
//! The kernel reports an interrupted caller by `FUSE_INTERRUPT`, which fuser does not pass on.
//! Until the answer comes, the caller cannot even be killed. So while an operation waits for the
//! network, this module checks the caller's pending signals a few times a second.
//!
//! A caller outside the pid namespace of the mount has no number here, and its signals cannot be
//! seen. Its waits that have no end of their own end after [`UNSEEN_MAX`].

use std::time::Duration;

/// How soon Ctrl-C takes effect. Each check reads one small file of /proc.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// How long a caller whose signals cannot be seen waits at most, where nothing else ends its wait.
const UNSEEN_MAX: Duration = Duration::from_secs(60);

/// Signals that ask the caller to end. Others (a resized window, a timer, a language runtime's own)
/// must not make a file operation fail.
const STOPPING: [i32; 5] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGKILL, libc::SIGTERM];

/// The signals that end the wait of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Those that ask the caller to end. Its own handler may run then.
    Stopping,
    /// Those that the caller does not handle. A program takes a close that fails with `EINTR` for a
    /// lost file, and must not repeat it.
    Fatal,
}

/// A caller that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Its thread. 0 if it is outside the pid namespace of the mount.
    pub(super) pid: u32,
    /// The signals that end its wait.
    pub(super) ending: Ending,
    /// Nothing else ends the wait in bounded time.
    pub(super) is_unbounded: bool,
}

impl Waiting {
    fn limit(self) -> Option<Duration> {
        (self.pid == 0 && self.is_unbounded).then_some(UNSEEN_MAX)
    }

    /// Completes when such a signal is pending for the thread and not blocked.
    pub(super) async fn killed(self) {
        if let Some(limit) = self.limit() {
            return tokio::time::sleep(limit).await;
        }
        let is_ending = match self.ending {
            Ending::Stopping => is_stopping,
            Ending::Fatal => is_dying,
        };
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            if status(self.pid).is_some_and(|status| is_ending(&status)) {
                return;
            }
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

/// Whether proc(5)'s `status` shows one of [`STOPPING`], pending and not blocked.
fn is_stopping(status: &str) -> bool {
    pending(status) != 0
}

/// Whether proc(5)'s `status` shows such a signal that the program does not handle.
pub(super) fn is_dying(status: &str) -> bool {
    pending(status) & !set(status, "SigCgt") != 0
}

/// The set of [`STOPPING`] that are pending and not blocked.
fn pending(status: &str) -> u64 {
    let stopping = STOPPING.iter().fold(0, |set, signal| set | 1u64 << (signal - 1));
    (set(status, "SigPnd") | set(status, "ShdPnd")) & !set(status, "SigBlk") & stopping
}

/// A set of signals in proc(5)'s `status`.
fn set(status: &str, key: &str) -> u64 {
    field(status, key).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
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

    #[test]
    fn only_a_caller_that_cannot_be_seen_waits_for_a_limited_time() {
        let waiting =
            |pid, is_unbounded| Waiting { pid, ending: Ending::Stopping, is_unbounded }.limit();
        assert_eq!(waiting(0, true), Some(UNSEEN_MAX));
        assert_eq!([waiting(0, false), waiting(7, true)], [None; 2]);
    }

    #[test]
    fn a_program_does_not_die_of_a_signal_that_it_handles() {
        let [int, kill] = [libc::SIGINT, libc::SIGKILL].map(|signal| 1 << (signal - 1));
        let handled = |pending| status(pending, 0, 0) + &format!("SigCgt:\t{int:016x}\n");
        assert!(is_stopping(&handled(int)) && !is_dying(&handled(int)));
        assert!(is_dying(&handled(int | kill)));
        assert!(is_dying(&status(int, 0, 0)));
    }
}
