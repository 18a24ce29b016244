//! The signals that end this process in order.
//!
//! Without a handler, each of them would end it at once, and leave a dead mount. docs/MOUNTING.md
//! has the table.

use std::future::poll_fn;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::CommandError;

/// All signals whose default is to end the process, and that a process can catch, but realtime
/// signals. Those of faults in the process itself (`SIGSEGV` and its like) are not among them.
const ENDING: [(&str, i32); 13] = [
    ("SIGTERM", libc::SIGTERM),
    ("SIGINT", libc::SIGINT),
    (SIGHUP, libc::SIGHUP),
    ("SIGQUIT", libc::SIGQUIT),
    ("SIGUSR1", libc::SIGUSR1),
    ("SIGUSR2", libc::SIGUSR2),
    ("SIGALRM", libc::SIGALRM),
    ("SIGVTALRM", libc::SIGVTALRM),
    ("SIGPROF", libc::SIGPROF),
    ("SIGIO", libc::SIGIO),
    ("SIGPWR", libc::SIGPWR),
    ("SIGSTKFLT", libc::SIGSTKFLT),
    ("SIGXCPU", libc::SIGXCPU),
];

/// nohup(1) makes a process ignore it.
const SIGHUP: &str = "SIGHUP";

/// How many of [`ENDING`] ask for the end as users and service managers do.
const REQUESTS: usize = 2;

/// A signal that has asked this process to end.
#[derive(Clone, Copy, Debug)]
pub struct EndSignal {
    /// Its name.
    pub name: &'static str,
    /// Somebody wants the process to end. Other signals end it by mistake or in need, and a service
    /// manager should start it again.
    pub is_request: bool,
}

/// Catches the signals that ask this process to end. They no longer end it by themselves once this
/// exists.
pub struct EndSignals {
    caught: Vec<(EndSignal, Signal)>,
    /// A write beyond the limit of file sizes is `EFBIG` then, instead of the end.
    _file_size: Signal,
}

impl EndSignals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn listen(runtime: &Handle) -> Result<Self, CommandError> {
        let _entered = runtime.enter();
        let listen = |number| {
            signal(SignalKind::from_raw(number))
                .map_err(|err| CommandError::new("cannot wait for signals").because(err))
        };
        let mut caught = Vec::new();
        let realtime = (libc::SIGRTMIN()..=libc::SIGRTMAX()).map(|it| ("a realtime signal", it));
        for (at, (name, number)) in ENDING.into_iter().chain(realtime).enumerate() {
            if name != SIGHUP || !is_ignored(number) {
                caught.push((EndSignal { name, is_request: at < REQUESTS }, listen(number)?));
            }
        }
        Ok(Self { caught, _file_size: listen(libc::SIGXFSZ)? })
    }

    /// Completes when a signal has arrived, also if it arrived before the call.
    pub async fn received(&mut self) -> EndSignal {
        poll_fn(|context| {
            // Each one must be polled, so that each one wakes this task.
            let arrived = self
                .caught
                .iter_mut()
                .filter_map(|(found, it)| it.poll_recv(context).is_ready().then_some(*found));
            // A service manager may send SIGHUP together with its request.
            arrived.min_by_key(|it| !it.is_request).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Whether the process was started with the signal ignored.
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0);
    set >> (number - 1) & 1 == 1
}
