//! One file that is being written, or whose bytes are on their way to Google.
//!
//! OWNERSHIP. The journal row (`uploads.state`) is the durable truth about the bytes. A [`Draft`]
//! owns the facts that end with the process: the writers, the phase, a write error, an upload under
//! way. A transition changes the row first and the draft then, under
//! [`Drafts::lock`](super::drafts::Drafts::lock).
//!
//! ```text
//!              seal           begin_upload
//!   Writing ─────────► Sealed ◄──────────────► InFlight
//!    ▲ │  ▲             │  │     end_upload        │
//!    │ │  │             │  └─ Google has it ─► Committed
//!    │ │  └── unseal ───┴──────────────────────┴──┘
//!    │ └─ seal, Google does not take it ─► Rejected ─ last writer gone ─► `.gphotos/failed`
//!    └──────────── unseal ────────────────────┘
//! ```
//!
//! The mutex of a draft is held for a look only. A transition that takes the disk's time sets
//! `locked` and releases the mutex; other transitions wait for it, and no write is granted
//! meanwhile.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use tokio_util::sync::CancellationToken;

use crate::media::{Death, FileId};
use crate::store::WriteError;

/// How far a draft is.
#[derive(Clone, Debug, Default)]
pub enum Phase {
    /// The row says `open`: writes go into the spool without asking.
    Writing,
    /// Nothing is being written, and the row says how far the bytes are. A write must unseal first.
    #[default]
    Sealed,
    /// Google does not take this version, or a write failed. It goes to the failed files with its
    /// last writer.
    Rejected(Rejection),
    /// The bytes are being uploaded.
    InFlight(InFlight),
    /// Google has the bytes. A write begins a new version.
    Committed,
}

/// Why a version was rejected, as far as a program can tell the cases apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rejection {
    /// There are only words.
    #[default]
    Other,
    /// Google takes no file of this size.
    TooLarge,
    /// The album has as many items as it can.
    AlbumFull,
}

/// An upload under way.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    /// Bytes handed to the network.
    pub(super) sent: Arc<AtomicU64>,
    /// Its turn has come: until then nothing is sent.
    pub(super) begun: Arc<AtomicBool>,
    /// Cancelled when a writer supersedes the version.
    pub(super) cancel: CancellationToken,
}

impl InFlight {
    fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The facts of a draft at one moment, for people.
#[derive(Clone, Debug)]
pub struct DraftFacts {
    /// The file.
    pub file: FileId,
    /// How far it is.
    pub phase: Phase,
    /// Descriptors that may write.
    pub writers: usize,
    /// Writes that wait for room in the spool.
    pub blocked_writes: u32,
    /// The error number of a write that failed.
    pub write_error: Option<i32>,
    /// Bytes of an upload under way that were handed to the network.
    pub bytes_sent: Option<u64>,
    /// The last writer has gone, but disk or database failed.
    pub is_unsettled: bool,
}

/// A descriptor that may write, among those of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WriterId(pub(super) u64);

/// Whether a writer has been closed since it last wrote. A copy of its descriptor may be open
/// still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Active,
    Closed,
}

/// Names a version that is being written. Each one has a name of its own, in all drafts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenVersion(pub(super) u64);

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Draft {
    file: FileId,
    state: Mutex<State>,
    unlocked: Condvar,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// The version that was begun last.
    version: OpenVersion,
    /// The bytes that are missing because writes failed.
    write_error: Option<WriteError>,
    /// Whether a writer that is open has changed the bytes.
    changed: bool,
    writers: BTreeMap<WriterId, Activity>,
    /// How many writes wait for room in the spool.
    blocked: u32,
    /// The last close of the version that is being written came from the end of its writer.
    abandoned: Option<Death>,
    /// `--commit close`: as far as can be told nobody writes any more, so the upload need not wait
    /// for the last writer to go.
    closing: bool,
    /// The last writer has gone, but disk or database failed: the worker settles the file later.
    unsettled: bool,
    /// Whether somebody has the file open, to read or to write.
    open: u32,
    /// A transition is under way.
    locked: bool,
    /// Transitions under way or waiting.
    transitions: u32,
}

impl State {
    fn may_be_written(&self) -> bool {
        // If a write has failed since the version was sealed, the last writer rejects the version.
        let is_closing = self.closing && self.write_error.is_none();
        !is_closing && (self.unsettled || !self.writers.is_empty())
    }

    /// Returns whether it was a writer of the file.
    fn remove_writer(&mut self, writer: WriterId) -> bool {
        let removed = self.writers.remove(&writer).is_some();
        self.changed &= !self.writers.is_empty();
        removed
    }

    fn supersede(&mut self) {
        if let Phase::InFlight(upload) = &self.phase {
            upload.cancel.cancel();
        }
    }
}

impl Draft {
    pub(super) fn new(file: FileId) -> Self {
        Self { file, state: Mutex::default(), unlocked: Condvar::new() }
    }

    pub(super) fn file(&self) -> FileId {
        self.file
    }

    // Looks. None of them waits for a transition.

    pub(super) fn phase(&self) -> Phase {
        self.state.lock().phase.clone()
    }

    /// The version whose bytes may be written now. `None` also during a transition.
    pub(super) fn takes_writes(&self) -> Option<OpenVersion> {
        let state = self.state.lock();
        (matches!(state.phase, Phase::Writing) && !state.locked).then_some(state.version)
    }

    pub(super) fn has_writers(&self) -> bool {
        !self.state.lock().writers.is_empty()
    }

    /// Whether a writer has not been closed since it last wrote.
    pub(super) fn has_active_writers(&self) -> bool {
        self.state.lock().writers.values().any(|it| *it == Activity::Active)
    }

    /// Whether somebody may go on writing: then the version is not uploaded yet.
    pub(super) fn may_be_written(&self) -> bool {
        self.state.lock().may_be_written()
    }

    /// Whether somebody has the file open, to read or to write.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state.lock();
        state.open > 0 || !state.writers.is_empty()
    }

    /// Whether closing it would make an upload: it has writers, and none of their writes waits for
    /// room.
    pub(super) fn may_be_closed(&self) -> bool {
        let state = self.state.lock();
        !state.writers.is_empty() && state.blocked == 0
    }

    /// Whether it was rejected and is not settled, and every writer has been closed since it last
    /// wrote.
    pub(super) fn is_closed_rejected(&self) -> bool {
        let state = self.state.lock();
        matches!(state.phase, Phase::Rejected(_))
            && (state.unsettled || !state.writers.is_empty())
            && state.writers.values().all(|it| *it == Activity::Closed)
    }

    /// Whether its writer ended before it closed it. A later close by another one, with a copy of the
    /// descriptor, voids that.
    pub(super) fn abandoned(&self) -> Option<Death> {
        self.state.lock().abandoned
    }

    pub(super) fn is_unsettled(&self) -> bool {
        self.state.lock().unsettled
    }

    pub(super) fn write_error(&self) -> Option<WriteError> {
        self.state.lock().write_error.clone()
    }

    pub(super) fn rejection(&self) -> Option<Rejection> {
        match self.state.lock().phase {
            Phase::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Bytes of an upload under way that were handed to the network, and whether it has begun.
    pub(super) fn bytes_sent(&self) -> Option<(u64, bool)> {
        match &self.state.lock().phase {
            Phase::InFlight(upload) => {
                Some((upload.bytes_sent(), upload.begun.load(Ordering::Relaxed)))
            }
            _ => None,
        }
    }

    /// `None` if the draft says no more than the file's row, as that of a file that is only read.
    pub(super) fn facts(&self) -> Option<DraftFacts> {
        let state = self.state.lock();
        let is_settled = matches!(state.phase, Phase::Sealed | Phase::Committed)
            && state.writers.is_empty()
            && state.write_error.is_none()
            && !state.unsettled;
        (!is_settled).then(|| DraftFacts {
            file: self.file,
            phase: state.phase.clone(),
            writers: state.writers.len(),
            blocked_writes: state.blocked,
            write_error: state.write_error.as_ref().map(|it| it.errno),
            bytes_sent: match &state.phase {
                Phase::InFlight(upload) => Some(upload.bytes_sent()),
                _ => None,
            },
            is_unsettled: state.unsettled,
        })
    }

    /// Whether nothing would be lost with the draft.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.open == 0
            && state.writers.is_empty()
            && !state.unsettled
            && state.transitions == 0
            && !matches!(state.phase, Phase::InFlight(_))
    }

    // Descriptors.

    pub(super) fn opened(&self) {
        self.state.lock().open += 1;
    }

    pub(super) fn closed(&self) {
        let mut state = self.state.lock();
        state.open = state.open.saturating_sub(1);
    }

    pub(super) fn add_writer(&self, writer: WriterId) {
        let mut state = self.state.lock();
        state.writers.insert(writer, Activity::Active);
        state.closing = false;
    }

    pub(super) fn remove_writer(&self, writer: WriterId) {
        self.state.lock().remove_writer(writer);
    }

    /// A writer has gone. Returns whether it was the last one: the file is to be settled.
    pub(super) fn writer_gone(&self, writer: WriterId) -> bool {
        let mut state = self.state.lock();
        let was_last = state.remove_writer(writer) && state.writers.is_empty();
        state.unsettled |= was_last;
        was_last
    }

    /// A writer is about to write.
    pub(super) fn writer_writes(&self, writer: WriterId) {
        if let Some(activity) = self.state.lock().writers.get_mut(&writer) {
            *activity = Activity::Active;
        }
    }

    /// A writer, or a copy of its descriptor, has been closed.
    pub(super) fn writer_closed(&self, writer: WriterId) {
        if let Some(activity) = self.state.lock().writers.get_mut(&writer) {
            *activity = Activity::Closed;
        }
    }

    /// A writer, or a copy of its descriptor, has been closed because its program has ended. Bytes
    /// that an earlier close has sealed stay sealed.
    pub(super) fn writer_died(&self, writer: WriterId, death: Death) {
        self.writer_closed(writer);
        let mut state = self.state.lock();
        state.abandoned = matches!(state.phase, Phase::Writing).then_some(death);
    }

    /// `--commit close`: the upload need not wait until the last writer has gone.
    pub(super) fn begin_closing(&self) {
        self.state.lock().closing = true;
    }

    // Writes.

    /// A write failed: the spool lacks bytes that its writer meant to be there. If no writer that
    /// is open has changed the closed version, that version stays as it is.
    pub(super) fn write_failed(&self, error: WriteError) {
        let mut state = self.state.lock();
        if state.changed || matches!(state.phase, Phase::Writing | Phase::Rejected(_)) {
            state.write_error = Some(error.after(state.write_error.take()));
        }
    }

    /// A write had failed before: in the row, or in another draft, from which a writer comes.
    pub(super) fn take_over(&self, error: WriteError) {
        let mut state = self.state.lock();
        state.changed = true;
        state.write_error = Some(error.after(state.write_error.take()));
    }

    /// This range was written.
    pub(super) fn wrote(&self, range: &Range<u64>) {
        let mut state = self.state.lock();
        state.changed = true;
        state.write_error = state.write_error.take().and_then(|error| error.filled(range));
    }

    /// The file was cut off, or extended, to this length.
    pub(super) fn truncated(&self, len: u64) {
        let mut state = self.state.lock();
        state.changed = true;
        state.write_error = state.write_error.take().and_then(|error| error.cut(len));
    }

    pub(super) fn write_blocked(&self) {
        self.state.lock().blocked += 1;
    }

    pub(super) fn write_unblocked(&self) {
        let mut state = self.state.lock();
        state.blocked = state.blocked.saturating_sub(1);
    }

    // Uploads.

    /// `None` while somebody may go on writing.
    pub(super) fn begin_upload(&self) -> Option<InFlight> {
        let mut state = self.state.lock();
        if state.may_be_written() || matches!(state.phase, Phase::Writing) {
            return None;
        }
        let upload = InFlight::default();
        state.phase = Phase::InFlight(upload.clone());
        Some(upload)
    }

    /// Returns the bytes that were sent; `None` if a writer has superseded the version.
    pub(super) fn end_upload(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let Phase::InFlight(upload) = &state.phase else { return None };
        let sent = upload.bytes_sent();
        state.phase = Phase::Sealed;
        Some(sent)
    }

    // Transitions: see [`LockedDraft`](super::drafts::LockedDraft).

    /// To be called before [`Draft::lock`], so that the table keeps the draft.
    pub(super) fn begin_transition(&self) {
        self.state.lock().transitions += 1;
    }

    /// Waits until no other transition is under way.
    pub(super) fn lock(&self) {
        let mut state = self.state.lock();
        while state.locked {
            self.unlocked.wait(&mut state);
        }
        state.locked = true;
    }

    pub(super) fn unlock(&self) {
        let mut state = self.state.lock();
        state.locked = false;
        state.transitions -= 1;
        self.unlocked.notify_one();
    }

    /// There is a new version: an upload of the old one that is under way is void.
    pub(super) fn supersede(&self) {
        let mut state = self.state.lock();
        state.supersede();
        state.phase = Phase::Sealed;
    }

    /// The row says `open`. An upload under way is void.
    pub(super) fn set_writing(&self, version: OpenVersion) {
        let mut state = self.state.lock();
        state.supersede();
        state.phase = Phase::Writing;
        state.abandoned = None;
        state.version = version;
    }

    /// The row says that nothing is being written. An upload under way goes on.
    pub(super) fn set_sealed(&self) {
        let mut state = self.state.lock();
        state.abandoned = None;
        if !matches!(state.phase, Phase::InFlight(_)) {
            state.phase = Phase::Sealed;
        }
    }

    /// Google does not take this version.
    pub(super) fn set_rejected(&self, rejection: Rejection) {
        let mut state = self.state.lock();
        state.supersede();
        state.phase = Phase::Rejected(rejection);
    }

    /// The row is gone: Google has the bytes.
    pub(super) fn set_committed(&self) {
        let mut state = self.state.lock();
        state.supersede();
        state.phase = Phase::Committed;
    }

    /// The last writer has gone, and the row has all facts about the version.
    pub(super) fn set_settled(&self) {
        let mut state = self.state.lock();
        state.unsettled = false;
        state.write_error = None;
    }

    pub(super) fn set_unsettled(&self, unsettled: bool) {
        self.state.lock().unsettled = unsettled;
    }

    /// Takes back that nobody writes any more. Returns whether that had been said.
    pub(super) fn take_closing(&self) -> bool {
        std::mem::take(&mut self.state.lock().closing)
    }
}
