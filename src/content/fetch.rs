//! A file that is not whole here: its pieces, the streams that bring more, and whoever reads it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::part::Part;
use super::plan::{Flow, Number, Plan, Step};
use super::{Content, Error, read_at};
use crate::api::Download;
use crate::media::{FileId, MediaId};

/// How long streams go on after the last reader has closed the file: it is often opened again at once.
const LINGER: Duration = Duration::from_secs(2);

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

struct State {
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
    fn read_here(&self, range: Range<u64>) -> Option<io::Result<Vec<u8>>> {
        let look = || {
            let state = self.state.borrow();
            let good = !matches!(state.ended, Some(Err(_)));
            let here = good && state.plan.is_here(&range);
            here.then(|| (state.into.clone(), state.plan.clip(&range), state.epoch))
        };
        let (into, clipped, epoch) = look()?;
        let len = usize::try_from(clipped.end - clipped.start).unwrap_or(usize::MAX);
        let bytes = read_at(into.file(), clipped.start, len);
        (self.state.borrow().epoch == epoch).then_some(bytes)
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
                new = Some(state.plan.came(stream, bytes.len() as u64));
            }
            new.is_some()
        });
        Ok(new)
    }

    /// The server has sent all there is.
    pub(super) fn ends_here(&self, stream: Number) {
        self.state.send_modify(|state| state.plan.ends_here(stream));
    }

    pub(super) fn flow(&self, stream: Number) -> Flow {
        self.state.borrow().plan.flow(stream)
    }

    /// Waits until a stream has to go on. Says whether it should.
    pub(super) async fn resumed(&self, stream: Number) -> bool {
        let mut follower = self.state.subscribe();
        let resumed = follower.wait_for(|state| state.plan.flow(stream) != Flow::Pause);
        matches!(tokio::time::timeout(PAUSE_MAX, resumed).await, Ok(Ok(_)))
    }

    /// Waits until a stream is of no use to anybody.
    pub(super) async fn unwanted(&self, stream: Number) {
        let mut follower = self.state.subscribe();
        let needless =
            |state: &State| state.plan.at(stream).is_none() || matches!(state.ended, Some(Err(_)));
        loop {
            let alone = follower.wait_for(|state| needless(state) || state.readers == 0);
            if alone.await.is_err() {
                return;
            }
            let again = follower.wait_for(|state| needless(state) || state.readers > 0);
            match tokio::time::timeout(LINGER, again).await {
                Ok(Ok(state)) if !needless(&state) => {}
                _ => return,
            }
        }
    }

    /// A stream has ended.
    pub(super) fn over(&self, stream: Number, outcome: Result<(), Arc<Error>>) {
        self.state.send_modify(|state| {
            let served = state.plan.over(stream);
            if let Err(error) = outcome {
                state.failed.extend(served.into_iter().map(|want| (want, error.clone())));
                if matches!(*error, Error::Changed) && state.ended.is_none() {
                    state.ended = Some(Err(error));
                }
            }
        });
    }

    /// Nothing will change any more.
    pub(super) fn end(&self, outcome: Result<(), Arc<Error>>) {
        self.state.send_modify(|state| state.ended = Some(outcome));
    }

    /// Gives up what is not near to anybody who reads. Says whether there was anything. Blocking.
    pub(super) fn shrink(&self) -> bool {
        let _filling = self.filling.write();
        let mut gone = Vec::new();
        let mut into = None;
        self.state.send_if_modified(|state| {
            gone = state.plan.shrink();
            into = Some(state.into.clone());
            state.epoch += u64::from(!gone.is_empty());
            !gone.is_empty()
        });
        if let Some(into) = into {
            gone.iter().for_each(|range| into.punch(range));
        }
        !gone.is_empty()
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
            let want = state.plan.want(0..len);
            let Step::Begin(stream) = state.plan.step(want) else { panic!("not begun") };
            state.plan.came(stream, len);
            state.plan.over(stream);
            state.plan.cancel(want);
        });
    }
}

/// Somebody's interest in a file that is not whole here. When the last one is dropped, streams end.
pub struct Reading {
    content: Content,
    fetch: Arc<Fetch>,
}

impl Reading {
    pub(super) fn new(content: Content, fetch: Arc<Fetch>) -> Self {
        fetch.state.send_modify(|state| state.readers += 1);
        Self { content, fetch }
    }

    /// Reads what is here; `None` if some of it must be waited for.
    pub(super) fn read_now(&self, offset: u64, len: usize) -> Option<io::Result<Vec<u8>>> {
        let range = offset..offset.saturating_add(len as u64);
        let bytes = self.fetch.read_here(range.clone())?;
        self.fetch.state.send_if_modified(|state| state.plan.read_on(&range));
        Some(bytes)
    }

    pub(super) async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let range = offset..offset.saturating_add(len as u64);
        loop {
            self.reach(range.clone()).await?;
            let (fetch, range) = (self.fetch.clone(), range.clone());
            let read = tokio::task::spawn_blocking(move || fetch.read_here(range));
            // None: it has been given up since, for want of room.
            if let Some(bytes) = read.await.map_err(|_| crate::store::Error::ShuttingDown)? {
                return Ok(bytes?);
            }
        }
    }

    pub(super) async fn learn_length(&self, near: u64) -> Result<u64, Error> {
        // The answer that brings the byte tells it before, or else the end of the file does.
        for wanted in [near..near.saturating_add(1), 0..u64::MAX] {
            let mut follower = self.fetch.state.subscribe();
            // What is waited for comes with a lock, which must not outlast the waiting.
            let told = async {
                drop(follower.wait_for(|state| state.plan.total().is_some()).await);
            };
            tokio::select! {
                () = told => break,
                outcome = self.reach(wanted) => outcome?,
            }
        }
        let total = self.fetch.total().ok_or(Error::NoSize)?;
        self.content.learn_total(&self.fetch, total).await?;
        Ok(total)
    }

    /// Waits until the file is whole, and says where.
    pub(super) async fn complete(&self) -> Result<Arc<Part>, Error> {
        let mut follower = self.fetch.state.subscribe();
        loop {
            // Memory has no room for a whole file.
            if !self.fetch.part().is_on_disk() {
                return Err(io::Error::from(io::ErrorKind::StorageFull).into());
            }
            self.reach(0..u64::MAX).await?;
            let ended = follower.wait_for(|it| it.ended.is_some() || !it.plan.is_whole()).await;
            let state = ended.map_err(|_| crate::store::Error::ShuttingDown)?;
            match &state.ended {
                Some(Ok(())) => return Ok(state.into.clone()),
                Some(Err(error)) => return Err(Error::Shared(error.clone())),
                None => {}
            }
        }
    }

    /// Waits until a range is here, as far as the file has it, and sees to it that it comes.
    async fn reach(&self, range: Range<u64>) -> Result<(), Error> {
        let mut follower = self.fetch.state.subscribe();
        let want = Want::new(&self.fetch, range);
        loop {
            if let Some(stream) = want.step()? {
                self.content.begin_stream(&self.fetch, stream);
            } else if want.is_here() {
                return Ok(());
            }
            follower.changed().await.map_err(|_| crate::store::Error::ShuttingDown)?;
        }
    }
}

impl Clone for Reading {
    fn clone(&self) -> Self {
        Self::new(self.content.clone(), self.fetch.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.fetch.state.send_modify(|state| state.readers -= 1);
        self.content.tidy(&self.fetch);
    }
}

/// A range that is waited for; cancelled when dropped.
struct Want<'a> {
    fetch: &'a Fetch,
    number: Number,
    range: Range<u64>,
}

impl<'a> Want<'a> {
    fn new(fetch: &'a Fetch, range: Range<u64>) -> Self {
        let mut number = 0;
        fetch.state.send_if_modified(|state| {
            number = state.plan.want(range.clone());
            false
        });
        Self { fetch, number, range }
    }

    fn is_here(&self) -> bool {
        self.fetch.state.borrow().plan.is_here(&self.range)
    }

    /// Says which stream is to be begun, if one is.
    fn step(&self) -> Result<Option<Number>, Error> {
        let mut outcome = Ok(None);
        self.fetch.state.send_if_modified(|state| {
            let of_this = |(want, _): &&(Number, Arc<Error>)| *want == self.number;
            if let Some(Err(error)) = &state.ended {
                outcome = Err(Error::Shared(error.clone()));
            } else if let Some((_, error)) = state.failed.iter().find(of_this) {
                outcome = Err(Error::Shared(error.clone()));
            } else {
                match state.plan.step(self.number) {
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
}

impl Drop for Want<'_> {
    fn drop(&mut self) {
        self.fetch.state.send_if_modified(|state| {
            state.plan.cancel(self.number);
            state.failed.retain(|(want, _)| *want != self.number);
            false
        });
    }
}
