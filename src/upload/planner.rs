//! Decides what the worker does next. Pure: no clock, no I/O, no randomness.
//!
//! The worker describes itself in a [`State`], reads those [`Rows`] that the state permits it to act
//! on, asks [`plan`], and carries the [`Plan`] out. The rules are:
//!
//! - At most one call that changes the library is in flight. It concerns one album and at most 50
//!   items, equal bytes never share a call, and an isolated file is alone in its call.
//! - Creations, additions and removals take turns, so that a long copy does not delay `rm`.
//! - Nothing starts while a blocker forbids it. When its time has come, one action probes it.

mod batch;
mod confirm;
mod members;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

pub(super) use batch::halves;
pub(super) use confirm::{Claim, Confirmation};

use super::blocked::{Blocked, BlockedReason};
use super::blockers::Blockers;
use crate::api::{BATCH_MAX, RAW_UPLOAD_MAX};
use crate::media::{DirId, FileId};
use crate::store::{Coming, CreateCall, Duplicate, MemberCall, Ready, Startable, Unconfirmed};

/// No more files than this wait for their `batchCreate`: their tokens would age for nothing.
pub(super) const TOKENS_MAX: usize = 1000;
/// A first attempt that takes longer no longer delays the later files of its album.
const HOLD_UP_MAX: Duration = Duration::from_secs(600);
/// A probe without an answer for so long, such as a large upload, does not keep off the next one.
const PROBE_MAX: Duration = Duration::from_secs(60);
/// The longest sleep: clocks are set, and other code changes tables, too.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What the worker knows without asking the database.
pub(super) struct State<'a> {
    pub(super) now: SystemTime,
    pub(super) blockers: &'a Blockers,
    /// The uploads in flight.
    pub(super) uploads: Vec<Upload>,
    /// The age of the change in flight.
    pub(super) changing: Option<Duration>,
    /// The age of the confirmation in flight.
    pub(super) confirming: Option<Duration>,
    /// Most uploads at a time.
    pub(super) limit: usize,
    /// How long a call that is not full waits for more, from the last file that joined.
    pub(super) batch_window: Duration,
    /// A caller waits: calls are sent as soon as nothing is about to join.
    pub(super) impatient: bool,
    /// The kind of the last change, so that no kind starves.
    pub(super) last_change: Option<ChangeKind>,
    /// A batch failed as a whole, and parts of it are waiting.
    pub(super) create_parts: bool,
    /// Likewise, for each waiting part of additions and removals.
    pub(super) edit_parts: Vec<Edit>,
    /// An album that was full while removals were pending: these come before further additions.
    pub(super) full: Option<DirId>,
    /// Since when a confirmation has been waiting for more.
    pub(super) confirm_since: Option<SystemTime>,
}

/// An upload in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upload {
    pub(super) file: FileId,
    pub(super) large: bool,
    pub(super) age: Duration,
}

/// A bounded part of the queue.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Files to upload, in the order of closing: none in flight, none that may be written.
    pub(super) sealed: Vec<Startable>,
    /// How many files wait for their `batchCreate`.
    pub(super) uploaded: usize,
    /// A `batchCreate` whose answer was lost.
    pub(super) unanswered: Option<CreateCall>,
    /// Files to create, in the order of closing.
    pub(super) ready: Vec<Ready>,
    /// Files that later ones of the same album wait for, in the order of closing.
    pub(super) coming: Vec<Coming>,
    pub(super) additions: Option<MemberCall>,
    pub(super) removals: Option<MemberCall>,
    /// Items to confirm before their bytes are released.
    pub(super) unconfirmed: Vec<Unconfirmed>,
    /// Files with the bytes of items, which are confirmed before the files are merged.
    pub(super) duplicates: Vec<Duplicate>,
    /// When the next file may be tried again.
    pub(super) next_retry: Option<SystemTime>,
}

/// The next actions.
pub(super) struct Plan {
    /// Upload these.
    pub(super) uploads: Vec<Startable>,
    /// Change the library.
    pub(super) change: Option<Change>,
    /// Ask for these items; never empty.
    pub(super) confirm: Option<Vec<Confirmation>>,
    /// The next [`State::confirm_since`].
    pub(super) confirm_since: Option<SystemTime>,
    /// Plan again then at the latest.
    pub(super) wake_at: SystemTime,
}

/// A call that changes the library.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Repeat a `batchCreate` whose answer was lost.
    Repeat(CreateCall),
    /// Create the next part of a batch that failed as a whole.
    CreatePart,
    /// Create these, in order.
    Create { dir: DirId, files: Vec<Ready> },
    /// Edit the next part of a call of this kind that failed as a whole.
    EditPart(Edit),
    /// Add these items to an album, or remove them.
    Edit(Edit, MemberCall),
}

/// What is done to an album's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Add,
    Remove,
}

/// The kind of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Create,
    Edit(Edit),
}

impl Change {
    pub(super) fn kind(&self) -> ChangeKind {
        match self {
            Self::Repeat(_) | Self::CreatePart | Self::Create { .. } => ChangeKind::Create,
            Self::EditPart(edit) | Self::Edit(edit, _) => ChangeKind::Edit(*edit),
        }
    }
}

impl ChangeKind {
    const ADD: Self = Self::Edit(Edit::Add);
    const REMOVE: Self = Self::Edit(Edit::Remove);

    /// All kinds, in the order in which they take turns after `last`.
    fn turns_after(last: Option<Self>) -> [Self; 3] {
        match last {
            Some(Self::Create) => [Self::ADD, Self::REMOVE, Self::Create],
            Some(Self::Edit(Edit::Add)) => [Self::REMOVE, Self::Create, Self::ADD],
            Some(Self::Edit(Edit::Remove)) | None => [Self::Create, Self::ADD, Self::REMOVE],
        }
    }
}

/// Whether a blocker lets actions begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// One action finds out whether the outage is over.
    Probe,
    Shut,
}

/// How many more uploads may begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) all: usize,
    /// Of these, so many large ones.
    pub(super) large: usize,
}

impl Room {
    /// Takes a place for a file of this size. Returns whether there was one.
    pub(super) fn take(&mut self, size: u64) -> bool {
        let large = is_large(size);
        if self.all == 0 || (large && self.large == 0) {
            return false;
        }
        self.all -= 1;
        self.large -= usize::from(large);
        true
    }
}

/// Whether a file of this size is sent in a resumable session.
pub(super) fn is_large(size: u64) -> bool {
    size > RAW_UPLOAD_MAX
}

impl State<'_> {
    /// How many uploads may begin.
    pub(super) fn upload_room(&self) -> Room {
        let everything = self.gate(self.blockers.everything.as_ref());
        let most = match (everything, self.gate(self.blocked_by_full_account())) {
            (Gate::Shut, _) | (_, Gate::Shut) => 0,
            (Gate::Probe, _) | (_, Gate::Probe) => 1,
            (Gate::Open, Gate::Open) => self.limit.saturating_sub(self.uploads.len()),
        };
        // One place is kept for files that are sent in one go: large ones must not starve them.
        let places = self.limit.saturating_sub(1).max(1);
        let large = self.uploads.iter().filter(|upload| upload.large).count();
        Room { all: most, large: places.saturating_sub(large) }
    }

    /// Whether a change of the library may begin.
    pub(super) fn may_change(&self) -> bool {
        self.changing.is_none()
            && self.gate(self.blockers.everything.as_ref()) != Gate::Shut
            && self.is_over(self.blockers.changes.as_ref())
    }

    /// Whether an addition or a removal may begin.
    pub(super) fn may_edit(&self) -> bool {
        self.may_change() && self.is_over(self.blockers.memberships.as_ref())
    }

    /// Whether a confirmation may begin.
    pub(super) fn may_confirm(&self) -> bool {
        self.confirming.is_none() && self.gate(self.blockers.everything.as_ref()) != Gate::Shut
    }

    fn blocked_by_full_account(&self) -> Option<&Blocked> {
        self.blockers.changes.as_ref().filter(|it| it.reason == BlockedReason::StorageFull)
    }

    fn is_over(&self, blocked: Option<&Blocked>) -> bool {
        blocked.is_none_or(|blocked| blocked.until <= self.now)
    }

    fn gate(&self, blocked: Option<&Blocked>) -> Gate {
        let Some(blocked) = blocked else { return Gate::Open };
        let uploads = self.uploads.iter().map(|upload| upload.age);
        let mut ages = uploads.chain(self.changing).chain(self.confirming);
        let is_probe = |age: Duration| age < PROBE_MAX && self.now - age >= blocked.last_seen;
        if !self.is_over(Some(blocked)) || ages.any(is_probe) { Gate::Shut } else { Gate::Probe }
    }

    fn is_idle(&self) -> bool {
        self.uploads.is_empty() && self.changing.is_none()
    }
}

/// Decides what begins now, and when to ask again.
pub(super) fn plan(state: &State<'_>, rows: &Rows) -> Plan {
    let mut wake = Wake(state.now + SLEEP_MAX);
    for at in state.blockers.iter().map(|it| it.until).chain(rows.next_retry) {
        if at > state.now {
            wake.at(at);
        }
    }
    let probing = state.blockers.everything.is_some();
    let full = state.blocked_by_full_account().is_some();
    let change = next_change(state, rows, &mut wake);
    // Small requests probe first: the answer to a large upload may take an hour.
    let wait = probing || (full && change.is_some());
    let mut uploads = if wait { Vec::new() } else { next_uploads(state, rows) };
    let (mut confirm, mut confirm_since) = (None, state.confirm_since);
    if state.may_confirm() && !(probing && change.is_some()) {
        let idle = state.is_idle() && change.is_none() && uploads.is_empty();
        (confirm, confirm_since) = confirm::next(state, rows, idle, &mut wake);
    }
    if probing && change.is_none() && confirm.is_none() {
        uploads = next_uploads(state, rows);
    }
    Plan { uploads, change, confirm, confirm_since, wake_at: wake.0 }
}

fn next_uploads(state: &State<'_>, rows: &Rows) -> Vec<Startable> {
    if rows.uploaded >= TOKENS_MAX {
        return Vec::new();
    }
    let mut room = state.upload_room();
    rows.sealed.iter().filter(|file| room.take(file.size)).cloned().collect()
}

fn next_change(state: &State<'_>, rows: &Rows, wake: &mut Wake) -> Option<Change> {
    if !state.may_change() {
        return None;
    }
    let mut turns = ChangeKind::turns_after(state.last_change).into_iter();
    turns.find_map(|kind| match kind {
        ChangeKind::Create => next_creation(state, rows, wake),
        ChangeKind::Edit(edit) => members::next(edit, state, rows, wake),
    })
}

fn next_creation(state: &State<'_>, rows: &Rows, wake: &mut Wake) -> Option<Change> {
    if let Some(call) = &rows.unanswered {
        return Some(Change::Repeat(call.clone()));
    }
    if state.create_parts {
        return Some(Change::CreatePart);
    }
    let is_waited_for = |file: &&Coming| {
        let upload = state.uploads.iter().find(|upload| upload.file == file.file);
        upload.is_none_or(|upload| upload.age < HOLD_UP_MAX)
    };
    let coming: Vec<Coming> = rows.coming.iter().filter(is_waited_for).copied().collect();
    let rules = batch::Rules {
        max: BATCH_MAX,
        batch_window: state.batch_window,
        impatient: state.impatient,
        now: state.now,
    };
    match batch::next(&rows.ready, &coming, &rules) {
        batch::Next::Now { dir, files } => Some(Change::Create { dir, files }),
        batch::Next::At(at) => {
            wake.at(at);
            None
        }
        batch::Next::Nothing => None,
    }
}

/// The earliest of some times.
struct Wake(SystemTime);

impl Wake {
    fn at(&mut self, at: SystemTime) {
        self.0 = self.0.min(at);
    }
}
