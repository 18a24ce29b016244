//! A file that is not whole here: its pieces, the streams that bring more, and whoever reads it.

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
use crate::media::{FileId, MediaId};
use crate::store;

/// How long streams go on after the last reader has closed the file: it is often opened again at once.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a stream that is far enough ahead keeps its connection.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Fetch {
    pub(super) file: FileId,
    pub(super) media: MediaId,
    // Held for a look or a change, never while a file is read or written.
    state: watch::Sender<State>,
    // Held for reading while bytes are put into the file, for writing while some are given up: they must not
    // be those that are just coming back. Taken before `state`.
    filling: RwLock<()>,
}

pub(super) struct State {
    plan: Plan,
    into: Arc<Part>,
    /// Counts the times that pieces were given up: what was read across such a time may be a hole.
    epoch: u64,
    /// What the server calls this version of the bytes.
    tag: Option<String>,
    readers: usize,
    /// Wants whose stream has failed.
    failed: Vec<(Number, Arc<Error>)>,
    /// Set when nothing will change any more.
    ended: Option<Result<(), Arc<Error>>>,
}

impl Fetch {
    /// `expected` is the length of the whole in bytes, as far as it is known.
    pub(super) fn new(file: FileId, media: MediaId, expected: Option<u64>, into: Part) -> Self {
        let state = State {
            plan: Plan::new(expected),
            into: Arc::new(into),
            epoch: 0,
            tag: None,
            readers: 0,
            failed: Vec::new(),
            ended: None,
        };
        Self { file, media, state: watch::Sender::new(state), filling: RwLock::new(()) }
    }

    /// Whether the pieces that are here can be added to.
    pub(super) fn is_good(&self) -> bool {
        !matches!(self.state.borrow().ended, Some(Err(_)))
    }

    pub(super) fn is_read(&self) -> bool {
        self.state.borrow().readers > 0
    }

    /// Whether there is nothing to keep it for.
    pub(super) fn is_void(&self) -> bool {
        let state = self.state.borrow();
        let empty = state.plan.bytes() == 0 && !state.plan.is_streaming();
        state.readers == 0 && (empty || matches!(state.ended, Some(Err(_))))
    }

    /// Bytes that are here.
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

    /// Where the bytes are put.
    pub(super) fn part(&self) -> Arc<Part> {
        self.state.borrow().into.clone()
    }

    /// Reads what is here; `None` if some of it must be waited for.
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

    /// Somebody begins to read.
    pub(super) fn add_reader(&self) {
        self.state.send_modify(|state| state.readers += 1);
    }

    /// Somebody has stopped reading.
    pub(super) fn remove_reader(&self) {
        self.state.send_modify(|state| state.readers -= 1);
    }

    /// Somebody has read a range that is here, so streams may go on.
    pub(super) fn read_on(&self, range: &Range<u64>) {
        self.state.send_if_modified(|state| state.plan.read_on(range));
    }

    /// Sees every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Waits until the length is known.
    pub(super) async fn total_known(&self) {
        // What is waited for comes with a lock, which must not outlast the waiting.
        drop(self.changes().wait_for(|state| state.plan.total().is_some()).await);
    }

    /// Waits until nothing will change any more, and says where the whole file is. `None` if it is
    /// not whole any more.
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

    /// Somebody waits for a range, until [`Fetch::cancel`].
    pub(super) fn add_waiter(&self, range: Range<u64>) -> Number {
        let mut number = 0;
        self.state.send_if_modified(|state| {
            number = state.plan.add_waiter(range);
            false
        });
        number
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

    /// Says which stream is to be begun for a want, if one is.
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
                    // Another one may have to end for it.
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

    /// Where a stream is to go on; `None` if it is not needed any more.
    pub(super) fn at(&self, stream: Number) -> Option<u64> {
        self.state.borrow().plan.at(stream)
    }

    /// A stream's request has been answered. Says the length of the whole if that is new.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is not what earlier requests were about.
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

    /// A stream has brought bytes for the offset `at`. Says how many of them are new; `None` if they have to be brought
    /// again, because another file has taken the place of this one. Blocking.
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

    /// The server has sent all there is.
    pub(super) fn reached_end(&self, stream: Number) {
        self.state.send_modify(|state| state.plan.reached_end(stream));
    }

    pub(super) fn flow(&self, stream: Number) -> Flow {
        self.state.borrow().plan.flow(stream)
    }

    /// Waits until a stream has to go on. Says whether it should.
    pub(super) async fn resumed(&self, stream: Number) -> bool {
        let mut changes = self.state.subscribe();
        let resumed = changes.wait_for(|state| state.plan.flow(stream) != Flow::Pause);
        matches!(tokio::time::timeout(PAUSE_MAX, resumed).await, Ok(Ok(_)))
    }

    /// Waits until a stream is of no use to anybody.
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

    /// A stream has ended.
    pub(super) fn stream_ended(&self, stream: Number, outcome: Result<(), Arc<Error>>) {
        self.state.send_modify(|state| {
            let served = state.plan.stream_ended(stream);
            if let Err(error) = outcome {
                state.failed.extend(served.into_iter().map(|waiter| (waiter, error.clone())));
                if matches!(*error, Error::Changed) && state.ended.is_none() {
                    state.ended = Some(Err(error));
                }
            }
        });
    }

    /// Nothing will change any more.
    pub(super) fn finish(&self, outcome: Result<(), Arc<Error>>) {
        self.state.send_modify(|state| state.ended = Some(outcome));
    }

    /// Gives up what is not near to anybody who reads. Says whether there was anything. Blocking.
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

    /// Goes on in another file, without what is here.
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
    /// Has bytes come from the front on.
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
