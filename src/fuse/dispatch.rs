//! Carries out the kernel's requests: counts each, traces it, and chooses the thread that answers
//! it.
//!
//! There are three ways to answer an operation:
//! * The thread that took the request answers at once, if small reads and writes of the database
//!   are sufficient.
//! * A blocking thread answers, if the operation may wait for the disk.
//! * A blocking thread answers, if the operation may wait for the network. Each [`WaitClass`] may
//!   occupy a limited number of threads. The operation ends early if the caller is being killed.
//!
//! The reply moves to the thread that answers. A reply that is dropped unanswered sends `EIO`, so
//! no caller hangs, whatever happens to its operation.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use fuser::Request;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::interrupt;
use super::reply::{self, Reply};
use super::trace::{Operand, Trace};
use crate::fs::error::{Error, Result};
use crate::fs::{Fs, Operation};

/// Operations of one class share a limit on how many of them wait at the same time. Further ones
/// queue without a thread.
///
/// All limits together must stay well below the number of tokio's blocking threads (512), because
/// the work that the operations wait for needs such threads too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitClass {
    /// Everything else.
    General,
    /// Writes may wait until the spool has room. They must not keep the general operations from
    /// running: closing and deleting files is what makes room.
    Write,
}

impl WaitClass {
    /// All classes, in the order of their discriminants, with their limits.
    const LIMITS: [(Self, usize); 2] = [(Self::General, 256), (Self::Write, 128)];

    fn of(operation: Operation) -> Self {
        match operation {
            Operation::Write | Operation::Fallocate => Self::Write,
            _ => Self::General,
        }
    }
}

/// Runs operations of one mount.
pub(super) struct Dispatcher {
    fs: Arc<Fs>,
    runtime: Handle,
    /// The free waiting slots of each class.
    slots: [Arc<Semaphore>; WaitClass::LIMITS.len()],
}

impl Dispatcher {
    pub(super) fn new(fs: Arc<Fs>, runtime: Handle) -> Self {
        let slots = WaitClass::LIMITS.map(|(_, limit)| Arc::new(Semaphore::new(limit)));
        Self { fs, runtime, slots }
    }

    /// Takes a request: counts it, and opens its span.
    pub(super) fn begin(&self, operation: Operation, operand: Operand<'_>) -> Call<'_> {
        self.fs.requests().count(operation);
        Call { dispatcher: self, operation, trace: Trace::begin(operation, operand) }
    }
}

/// A request that has been taken and not answered yet.
#[must_use]
pub(super) struct Call<'a> {
    dispatcher: &'a Dispatcher,
    operation: Operation,
    trace: Trace,
}

impl<'a> Call<'a> {
    /// Adds arguments to the line in the log, as ` key=value`.
    pub(super) fn with(mut self, arguments: fmt::Arguments<'_>) -> Self {
        self.trace.add(arguments);
        self
    }

    /// Answers on this thread.
    pub(super) fn run<T>(self, work: impl FnOnce(&Fs) -> Result<T>, reply: impl Reply<T>) {
        let outcome = self.trace.span().in_scope(|| work(&self.dispatcher.fs));
        reply::send(self.operation, self.trace, outcome, reply);
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
        let (fs, operation, trace) = (self.dispatcher.fs.clone(), self.operation, self.trace);
        drop(self.dispatcher.runtime.spawn_blocking(move || {
            let outcome = trace.span().in_scope(|| work(&fs));
            reply::send(operation, trace, outcome, reply);
        }));
    }

    /// Answers on a blocking thread that may wait, when its class has a free slot for it. Answers
    /// `EINTR` if the caller is being killed.
    pub(super) fn wait<T: 'static>(
        self,
        req: &Request,
        work: impl AsyncFnOnce(Arc<Fs>) -> Result<T> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        let Self { dispatcher, operation, trace } = self;
        let (fs, runtime, pid) = (dispatcher.fs.clone(), dispatcher.runtime.clone(), req.pid());
        let class = WaitClass::of(operation);
        let slots = dispatcher.slots[class as usize].clone();
        drop(dispatcher.runtime.spawn(async move {
            let slot = match slot(class, slots, pid).await {
                Ok(slot) => slot,
                Err(error) => return reply::send(operation, trace, Err(error), reply),
            };
            let blocking = runtime.clone();
            drop(blocking.spawn_blocking(move || {
                let outcome =
                    runtime.block_on(unless_killed(pid, work(fs)).instrument(trace.span().clone()));
                reply::send(operation, trace, outcome, reply);
                drop(slot);
            }));
        }));
    }

    /// Tries to answer on this thread; [`Attempt::or_wait`] says how to go on if that is
    /// impossible.
    pub(super) fn attempt<T>(self, work: impl FnOnce(&Fs) -> Result<Option<T>>) -> Attempt<'a, T> {
        let outcome = self.trace.span().in_scope(|| work(&self.dispatcher.fs));
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
        req: &Request,
        work: impl AsyncFnOnce(Arc<Fs>) -> Result<T> + Send + 'static,
        reply: impl Reply<T>,
    ) {
        match self.outcome.transpose() {
            Some(outcome) => self.call.run(|_| outcome, reply),
            None => self.call.wait(req, work, reply),
        }
    }
}

/// Waits for a slot of a class. Only the filesystem can note that the bytes of a write are missing.
/// So a write comes there even if its caller is being killed, without a slot.
async fn slot(
    class: WaitClass,
    slots: Arc<Semaphore>,
    pid: u32,
) -> Result<Option<OwnedSemaphorePermit>> {
    match unless_killed(pid, async { Ok(slots.acquire_owned().await.ok()) }).await {
        Err(_) if class == WaitClass::Write => Ok(None),
        outcome => outcome,
    }
}

/// Fails with `EINTR` if the thread `pid` is being killed before the work is done. The work begins
/// in any case.
async fn unless_killed<T>(pid: u32, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = interrupt::killed(pid) => Err(Error::plain(libc::EINTR)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tokio's default for `max_blocking_threads`, which the program does not change.
    const BLOCKING_THREADS: usize = 512;

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
        let slot = |class| slot(class, Arc::new(Semaphore::new(0)), caller.0.id());
        assert!(matches!(slot(WaitClass::Write).await, Ok(None)));
        let other = slot(WaitClass::General).await;
        assert!(other.is_err_and(|error| error.errno().0 == libc::EINTR));
        let mut has_begun = false;
        let work = async {
            has_begun = true;
            std::future::pending::<Result<()>>().await
        };
        assert!(unless_killed(caller.0.id(), work).await.is_err());
        assert!(has_begun);
    }

    #[test]
    fn waiting_operations_leave_blocking_threads_for_what_they_wait_for() {
        let all: usize = WaitClass::LIMITS.iter().map(|(_, limit)| limit).sum();
        assert!(all <= BLOCKING_THREADS * 3 / 4);
        for (at, (class, _)) in WaitClass::LIMITS.into_iter().enumerate() {
            assert_eq!(class as usize, at);
        }
    }
}
