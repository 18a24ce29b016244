//! Carries out the kernel's requests: counts each, traces it, and chooses the thread that answers
//! it.
//!
//! There are three ways to answer an operation:
//! * The thread that took the request answers at once, if small reads and writes of the database
//!   are sufficient.
//! * A blocking thread answers, if the operation may wait for the disk.
//! * A blocking thread answers, if the operation may wait for the network. Each [`WaitClass`] may
//!   occupy a limited number of threads, and other users only a part of them. The operation ends
//!   early if the caller is being killed.
//!
//! The reply moves to the thread that answers. A reply that is dropped unanswered sends `EIO`, so
//! no caller hangs, whatever happens to its operation.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use fuser::Request;
use rustix::process::getuid;
use tokio::runtime::Handle;
use tracing::Instrument;

use super::interrupt::{Ending, Waiting};
use super::programs;
use super::reply::{self, Reply};
use super::slots::{Slot, Slots, Turn, WaitClass};
use super::trace::{Operand, Trace};
use crate::fs::error::{Error, Result};
use crate::fs::{Fs, Operation};
use crate::media::Caller;

/// Threads for operations that may wait, and for the work that they wait for.
pub const BLOCKING_THREADS: usize = 1280;

/// Runs operations of one mount.
pub(super) struct Dispatcher {
    fs: Arc<Fs>,
    runtime: Handle,
    callers: Callers,
    slots: Slots,
}

impl Dispatcher {
    /// `shown` is the owner that the kernel sees.
    pub(super) fn new(fs: Arc<Fs>, runtime: Handle, shown: u32) -> Self {
        Self {
            fs,
            runtime,
            callers: Callers { shown, own: getuid().as_raw() },
            slots: Slots::new(),
        }
    }

    /// Takes a request: counts it, and opens its span.
    pub(super) fn begin(
        &self,
        req: &Request,
        operation: Operation,
        operand: Operand<'_>,
    ) -> Call<'_> {
        self.fs.requests().count(operation);
        let caller = self.callers.of(req.uid());
        Call {
            dispatcher: self,
            operation,
            class: WaitClass::of(operation, caller),
            caller,
            is_own: req.uid() == self.callers.own,
            pid: req.pid(),
            trace: Trace::begin(operation, operand),
        }
    }
}

/// Who is the owner of the mount.
struct Callers {
    shown: u32,
    /// The user of this process.
    own: u32,
}

impl Callers {
    /// Root may do everything that the owner may. The kernel's own requests have its number.
    fn of(&self, uid: u32) -> Caller {
        match uid {
            0 => Caller::Owner,
            uid if uid == self.shown || uid == self.own => Caller::Owner,
            uid => Caller::Other(uid),
        }
    }
}

/// A request that has been taken and not answered yet.
#[must_use]
pub(super) struct Call<'a> {
    dispatcher: &'a Dispatcher,
    operation: Operation,
    class: WaitClass,
    caller: Caller,
    /// The user of this process is the caller. Others have desktops of their own.
    is_own: bool,
    pid: u32,
    trace: Trace,
}

impl<'a> Call<'a> {
    /// Adds arguments to the line in the log, as ` key=value`.
    pub(super) fn with(mut self, arguments: fmt::Arguments<'_>) -> Self {
        self.trace.add(arguments);
        self
    }

    /// It may wait for a download, as a read does.
    pub(super) fn waits_as_read(self) -> Self {
        Self { class: WaitClass::Read, ..self }
    }

    /// Answers on this thread.
    pub(super) fn run<T>(self, work: impl FnOnce(&Fs) -> Result<T>, reply: impl Reply<T>) {
        let Self { dispatcher, operation, caller, trace, .. } = self;
        caller.run(|| {
            let outcome = trace.span().in_scope(|| work(&dispatcher.fs));
            reply::send(operation, trace, outcome, reply);
        });
    }

    /// Answers with an error that needs no explanation.
    pub(super) fn refuse<T>(self, errno: i32, reply: impl Reply<T>) {
        self.run(|_| Err(Error::plain(errno)), reply);
    }

    /// Answers on a blocking thread.
    pub(super) fn run_blocking<T>(
        self,
        work: impl FnOnce(&Fs) -> Result<T> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        let Self { dispatcher, operation, caller, trace, .. } = self;
        let fs = dispatcher.fs.clone();
        drop(dispatcher.runtime.spawn_blocking(move || {
            caller.run(|| {
                let outcome = trace.span().in_scope(|| work(&fs));
                reply::send(operation, trace, outcome, reply);
            });
        }));
    }

    /// Answers on a blocking thread that may wait, when its class has a free slot for it. Answers
    /// `EINTR` if the caller is being killed.
    pub(super) fn wait<T: 'static>(
        self,
        work: impl AsyncFnOnce(Arc<Fs>) -> Result<T> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        self.wait_after(std::future::ready(Ok(())), work, reply);
    }

    /// As [`Call::wait`], after `before`. Meanwhile the operation occupies neither a slot nor a
    /// thread. The value of `before` is kept until the answer.
    pub(super) fn wait_after<T: 'static, K: Send + 'static>(
        self,
        before: impl Future<Output = Result<K>> + Send + 'static,
        work: impl AsyncFnOnce(Arc<Fs>) -> Result<T> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        let Self { dispatcher, operation, class, caller, pid, trace, .. } = self;
        let (fs, runtime) = (dispatcher.fs.clone(), dispatcher.runtime.clone());
        let turn = dispatcher.slots.turn(class, caller);
        let ending = match operation {
            Operation::Flush => Ending::Fatal,
            _ => Ending::Stopping,
        };
        let is_unbounded = matches!(class, WaitClass::Sync | WaitClass::Control);
        let waiting = Waiting { pid, ending, is_unbounded };
        drop(dispatcher.runtime.spawn(async move {
            let before = caller.run_async(before).instrument(trace.span().clone());
            let begun = match unless_killed(waiting, before).await {
                Ok(kept) => slot(class, turn, waiting).await.map(|slot| (kept, slot)),
                Err(error) => Err(error),
            };
            let (kept, slot) = match begun {
                Ok(begun) => begun,
                Err(error) => {
                    return caller.run(|| reply::send(operation, trace, Err(error), reply));
                }
            };
            let blocking = runtime.clone();
            drop(blocking.spawn_blocking(move || {
                let work = unless_killed(waiting, work(fs)).instrument(trace.span().clone());
                let outcome = runtime.block_on(caller.run_async(work));
                caller.run(|| reply::send(operation, trace, outcome, reply));
                drop((kept, slot));
            }));
        }));
    }

    /// Whether the mount makes thumbnails, and the caller is a program of this process's user that
    /// does so, too.
    pub(super) fn is_for_thumbnails(&self) -> bool {
        self.is_own && self.fs().makes_thumbnails() && programs::makes_thumbnails(self.pid)
    }

    /// Whether the caller is the user of this process, to whom the desktop's cache belongs.
    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    /// The filesystem.
    pub(super) fn fs(&self) -> &Arc<Fs> {
        &self.dispatcher.fs
    }

    /// Tries to answer on this thread; [`Attempt::or_wait`] says how to go on if that is
    /// impossible.
    pub(super) fn attempt<T>(self, work: impl FnOnce(&Fs) -> Result<Option<T>>) -> Attempt<'a, T> {
        let outcome = self.caller.run(|| self.trace.span().in_scope(|| work(&self.dispatcher.fs)));
        Attempt { call: self, outcome }
    }
}

/// A request that was tried on the thread that took it.
#[must_use]
pub(super) struct Attempt<'a, T> {
    call: Call<'a>,
    /// `None` if the answer must be waited for.
    outcome: Result<Option<T>>,
}

impl<T: 'static> Attempt<'_, T> {
    /// Whether the answer must be waited for.
    pub(super) fn must_wait(&self) -> bool {
        matches!(self.outcome, Ok(None))
    }

    /// Answers if the attempt had an outcome; otherwise as [`Call::wait`].
    pub(super) fn or_wait(
        self,
        work: impl AsyncFnOnce(Arc<Fs>) -> Result<T> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        self.or_wait_after(|_| std::future::ready(Ok(())), work, reply);
    }

    /// Answers if the attempt had an outcome; otherwise as [`Call::wait_after`].
    pub(super) fn or_wait_after<K: Send + 'static, F>(
        self,
        before: impl FnOnce(Arc<Fs>) -> F,
        work: impl AsyncFnOnce(Arc<Fs>) -> Result<T> + Send + 'static,
        reply: impl Reply<T>,
    ) where
        F: Future<Output = Result<K>> + Send + 'static,
    {
        match self.outcome.transpose() {
            Some(outcome) => self.call.run(|_| outcome, reply),
            None => {
                let before = before(self.call.fs().clone());
                self.call.wait_after(before, work, reply);
            }
        }
    }
}

/// Waits for a slot of a class. Only the filesystem can note that the bytes of a write are missing.
/// So a write comes there even if its caller is being killed, without a slot.
async fn slot(class: WaitClass, turn: Turn, waiting: Waiting) -> Result<Option<Slot>> {
    match unless_killed(waiting, turn.slot()).await {
        Err(_) if class == WaitClass::Write => Ok(None),
        outcome => outcome,
    }
}

/// Fails with `EINTR` if a signal ends the wait before the work is done. The work begins in any case.
async fn unless_killed<T>(waiting: Waiting, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = waiting.killed() => Err(Error::plain(libc::EINTR)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child that SIGTERM would kill if it were not stopped.
    struct Dying(std::process::Child);

    impl Dying {
        fn new() -> Self {
            use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
            let child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
            let pid = Pid::from_child(&child);
            kill_process(pid, Signal::STOP).unwrap();
            waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
            kill_process(pid, Signal::TERM).unwrap();
            Self(child)
        }
    }

    impl Drop for Dying {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[tokio::test]
    async fn a_write_comes_to_the_filesystem_although_its_caller_is_being_killed() {
        let caller = Dying::new();
        let dying = Waiting { pid: caller.0.id(), ending: Ending::Fatal, is_unbounded: false };
        let slot = |class| slot(class, Turn::never(), dying);
        assert!(matches!(slot(WaitClass::Write).await, Ok(None)));
        let other = slot(WaitClass::General).await;
        assert!(other.is_err_and(|error| error.errno().0 == libc::EINTR));
        let mut has_begun = false;
        let work = async {
            has_begun = true;
            std::future::pending::<Result<()>>().await
        };
        assert!(unless_killed(dying, work).await.is_err());
        assert!(has_begun);
    }

    #[test]
    fn root_the_mounter_and_the_shown_owner_are_the_owner() {
        let callers = Callers { shown: 1001, own: 1000 };
        for uid in [0, 1000, 1001] {
            assert_eq!(callers.of(uid), Caller::Owner);
        }
        assert_eq!(callers.of(65534), Caller::Other(65534));
    }
}
