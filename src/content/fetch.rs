//! A file that is only partly in the cache: its pieces, its streams and its waiters.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::error::Error;
use super::part::{Part, read_at};
use super::plan::{Flow, Number, Plan, Step};
use crate::api::Download;
use crate::media::{Caller, FileId, ItemId};
use crate::store;

/// Streams go on for so long after the last reader has closed the file, because it is often opened
/// again at once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a stream that is far enough ahead keeps its connection.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A partly downloaded file.
pub(super) struct Fetch {
    pub(super) file: FileId,
    pub(super) item: ItemId,
    // Held to read or change the state, never while a file is read or written.
    state: watch::Sender<State>,
    // Held for reading while bytes are written to the file, and for writing while pieces are
    // dropped. A dropped piece must not be one that is just being written. Taken before `state`.
    filling: RwLock<()>,
}

pub(super) struct State {
    plan: Plan,
    into: Arc<Part>,
    /// Counts how often pieces were dropped. A read that spans such a time may contain a hole.
    epoch: u64,
    /// The server's ETag of the bytes.
    tag: Option<String>,
    readers: usize,
    /// Whether the owner of the mount has waited for any of the bytes.
    is_owners: bool,
    /// Waiters whose stream has failed.
    failed: Vec<(Number, Arc<Error>)>,
    /// The final result. Afterwards nothing changes.
    ended: Option<Result<(), Arc<Error>>>,
}

impl Fetch {
    /// `expected` is the length of the whole in bytes, if known.
    pub(super) fn new(file: FileId, item: ItemId, expected: Option<u64>, into: Part) -> Self {
        let state = State {
            plan: Plan::new(expected),
            into: Arc::new(into),
            epoch: 0,
            tag: None,
            readers: 0,
            is_owners: false,
            failed: Vec::new(),
            ended: None,
        };
        Self { file, item, state: watch::Sender::new(state), filling: RwLock::new(()) }
    }

    /// Whether more pieces can be added.
    pub(super) fn is_good(&self) -> bool {
        !matches!(self.state.borrow().ended, Some(Err(_)))
    }

    pub(super) fn is_read(&self) -> bool {
        self.state.borrow().readers > 0
    }

    /// Whether it has no readers and no usable pieces, so that it can be dropped.
    pub(super) fn is_void(&self) -> bool {
        let state = self.state.borrow();
        let empty = state.plan.bytes() == 0 && !state.plan.is_streaming();
        state.readers == 0 && (empty || matches!(state.ended, Some(Err(_))))
    }

    /// Downloaded bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.state.borrow().plan.bytes()
    }

    /// The length of the whole in bytes, once it is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.state.borrow().plan.total()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.state.borrow().plan.is_whole()
    }

    /// The file that holds the bytes.
    pub(super) fn part(&self) -> Arc<Part> {
        self.state.borrow().into.clone()
    }

    /// Reads a downloaded range; `None` if a part of it is missing.
    pub(super) fn read_here(&self, range: Range<u64>) -> Option<io::Result<Vec<u8>>> {
        let snapshot = || {
            let state = self.state.borrow();
            let good = !matches!(state.ended, Some(Err(_)));
            let here = good && state.plan.is_here(&range);
            here.then(|| (state.into.clone(), state.plan.clip(&range), state.epoch))
        };
        let (into, clipped, epoch) = snapshot()?;
        let len = usize::try_from(clipped.end - clipped.start).unwrap_or(usize::MAX);
        let bytes = read_at(into.file(), clipped.start, len);
        (self.state.borrow().epoch == epoch).then_some(bytes)
    }

    /// Counts a new reader.
    pub(super) fn add_reader(&self) {
        self.state.send_modify(|state| state.readers += 1);
    }

    /// Counts a reader less.
    pub(super) fn remove_reader(&self) {
        self.state.send_modify(|state| state.readers -= 1);
    }

    /// Records that a reader has read a range, so that streams may run further ahead.
    pub(super) fn read_on(&self, range: &Range<u64>) {
        self.state.send_if_modified(|state| state.plan.read_on(range));
    }

    /// Reports every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Waits until the length is known.
    pub(super) async fn total_known(&self) {
        // wait_for returns a read lock, which must not outlast this function.
        drop(self.changes().wait_for(|state| state.plan.total().is_some()).await);
    }

    /// Waits for the final result, and returns the whole file. `None` if pieces were dropped
    /// meanwhile.
    pub(super) async fn ended(&self) -> Result<Option<Arc<Part>>, Error> {
        let mut changes = self.changes();
        let ended = changes.wait_for(|it| it.ended.is_some() || !it.plan.is_whole()).await;
        let state = ended.map_err(|_| store::Error::ShuttingDown)?;
        match &state.ended {
            Some(Ok(())) => Ok(Some(state.into.clone())),
            Some(Err(error)) => Err(Error::Shared(error.clone())),
            None => Ok(None),
        }
    }

    /// Adds a waiter for a range, until [`Fetch::cancel`].
    pub(super) fn add_waiter(&self, range: Range<u64>) -> Number {
        let mut number = 0;
        let by_owner = Caller::current().is_owner();
        self.state.send_if_modified(|state| {
            number = state.plan.add_waiter(range);
            let is_new = by_owner && !state.is_owners;
            state.is_owners |= by_owner;
            is_new
        });
        number
    }

    /// Whether the owner of the mount wants bytes of the file, or has wanted some.
    pub(super) fn is_owners(&self) -> bool {
        self.state.borrow().is_owners
    }

    /// Waits until the owner of the mount wants bytes of the file.
    pub(super) async fn wanted_by_owner(&self) {
        // If the file is gone, nobody waits for this.
        drop(self.changes().wait_for(|state| state.is_owners).await);
    }

    pub(super) fn cancel(&self, waiter: Number) {
        self.state.send_if_modified(|state| {
            state.plan.cancel(waiter);
            state.failed.retain(|(failed, _)| *failed != waiter);
            false
        });
    }

    pub(super) fn is_here(&self, range: &Range<u64>) -> bool {
        self.state.borrow().plan.is_here(range)
    }

    /// Returns the stream to start for a waiter, if any.
    pub(super) fn step(&self, waiter: Number) -> Result<Option<Number>, Error> {
        let mut outcome = Ok(None);
        self.state.send_if_modified(|state| {
            let of_this = |(failed, _): &&(Number, Arc<Error>)| *failed == waiter;
            if let Some(Err(error)) = &state.ended {
                outcome = Err(Error::Shared(error.clone()));
            } else if let Some((_, error)) = state.failed.iter().find(of_this) {
                outcome = Err(Error::Shared(error.clone()));
            } else {
                match state.plan.step(waiter) {
                    // Another stream may have ended to make room for this one.
                    Step::Begin(stream) => outcome = Ok(Some(stream)),
                    Step::Wait { resumes } => return resumes,
                    Step::There => return false,
                }
                return true;
            }
            false
        });
        outcome
    }

    /// The offset at which a stream continues; `None` if it is no longer needed.
    pub(super) fn at(&self, stream: Number) -> Option<u64> {
        self.state.borrow().plan.at(stream)
    }

    /// Records the answer to a stream's request. Returns the length of the whole if that is new.
    ///
    /// # Errors
    /// [`Error::Changed`] if the answer is about another version than earlier ones.
    pub(super) fn answered(
        &self,
        stream: Number,
        download: &Download,
    ) -> Result<Option<u64>, Error> {
        let mut outcome = Ok(None);
        self.state.send_modify(|state| {
            let other = matches!((&state.tag, &download.tag), (Some(a), Some(b)) if a != b);
            let before = state.plan.total();
            let (at, ranged) = (download.starts_at, download.ranged);
            if other || !state.plan.answered(stream, at, ranged, download.len) {
                outcome = Err(Error::Changed);
                return;
            }
            if state.tag.is_none() {
                state.tag.clone_from(&download.tag);
            }
            outcome = Ok(state.plan.total().filter(|_| before.is_none()));
        });
        outcome
    }

    /// Writes bytes that a stream has received for the offset `at`. Returns how many are new.
    /// `None` if they must be written again, because another file has replaced this one. Blocking.
    pub(super) fn fill(&self, stream: Number, bytes: &[u8], at: u64) -> io::Result<Option<u64>> {
        let _filling = self.filling.read();
        let into = self.part();
        let range = at..at + bytes.len() as u64;
        if !self.state.borrow().plan.is_here(&range) {
            into.write_at(bytes, at)?;
        }
        let mut new = None;
        self.state.send_if_modified(|state| {
            if Arc::ptr_eq(&state.into, &into) {
                new = Some(state.plan.received(stream, bytes.len() as u64));
            }
            new.is_some()
        });
        Ok(new)
    }

    /// Records that the server has sent everything.
    pub(super) fn reached_end(&self, stream: Number) {
        self.state.send_modify(|state| state.plan.reached_end(stream));
    }

    pub(super) fn flow(&self, stream: Number) -> Flow {
        self.state.borrow().plan.flow(stream)
    }

    /// Waits until a paused stream is needed again. Returns `false` if that takes too long.
    pub(super) async fn resumed(&self, stream: Number) -> bool {
        let mut changes = self.state.subscribe();
        let resumed = changes.wait_for(|state| state.plan.flow(stream) != Flow::Pause);
        matches!(tokio::time::timeout(PAUSE_MAX, resumed).await, Ok(Ok(_)))
    }

    /// Waits until no reader needs a stream.
    pub(super) async fn unwanted(&self, stream: Number) {
        let mut changes = self.state.subscribe();
        let needless =
            |state: &State| state.plan.at(stream).is_none() || matches!(state.ended, Some(Err(_)));
        loop {
            let unread = changes.wait_for(|state| needless(state) || state.readers == 0);
            if unread.await.is_err() {
                return;
            }
            let again = changes.wait_for(|state| needless(state) || state.readers > 0);
            match tokio::time::timeout(IDLE_TIMEOUT, again).await {
                Ok(Ok(state)) if !needless(&state) => {}
                _ => return,
            }
        }
    }

    /// Records the end of a stream.
    pub(super) fn stream_ended(&self, stream: Number, outcome: Result<(), Arc<Error>>) {
        self.state.send_modify(|state| {
            let served = state.plan.stream_ended(stream);
            if let Err(error) = outcome {
                // The owner's waiters begin another stream, which has no share.
                if error.is_share_used_up() && state.is_owners {
                    return;
                }
                state.failed.extend(served.into_iter().map(|waiter| (waiter, error.clone())));
                if matches!(*error, Error::Changed) && state.ended.is_none() {
                    state.ended = Some(Err(error));
                }
            }
        });
    }

    /// Sets the final result.
    pub(super) fn finish(&self, outcome: Result<(), Arc<Error>>) {
        self.state.send_modify(|state| state.ended = Some(outcome));
    }

    /// Drops pieces that are not near any reader. Returns whether there were any. Blocking.
    pub(super) fn shrink(&self) -> bool {
        let _filling = self.filling.write();
        let mut dropped = Vec::new();
        let mut into = None;
        self.state.send_if_modified(|state| {
            dropped = state.plan.shrink();
            into = Some(state.into.clone());
            state.epoch += u64::from(!dropped.is_empty());
            !dropped.is_empty()
        });
        if let Some(into) = into {
            dropped.iter().for_each(|range| into.punch(range));
        }
        !dropped.is_empty()
    }

    /// Drops all pieces and frees their space. Blocking.
    pub(super) fn drop_all(&self) {
        let _filling = self.filling.write();
        let mut into = None;
        self.state.send_modify(|state| {
            state.plan.clear();
            state.epoch += 1;
            into = Some(state.into.clone());
        });
        if let Some(into) = into {
            into.empty();
        }
    }

    /// Continues in another file, without the downloaded pieces.
    pub(super) fn move_to(&self, into: Part) {
        self.state.send_modify(|state| {
            state.plan.clear();
            state.epoch += 1;
            state.into = Arc::new(into);
        });
    }
}

#[cfg(test)]
impl Fetch {
    /// Receives bytes from the beginning.
    pub(super) fn receive(&self, len: u64) {
        self.state.send_modify(|state| {
            let waiter = state.plan.add_waiter(0..len);
            let Step::Begin(stream) = state.plan.step(waiter) else { panic!("not begun") };
            state.plan.received(stream, len);
            state.plan.stream_ended(stream);
            state.plan.cancel(waiter);
        });
    }
}
