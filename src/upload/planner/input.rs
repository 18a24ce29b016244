//! The planner's input, the actions that it may choose, and what permits them.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::api::RAW_UPLOAD_MAX;
use crate::media::{DirId, FileId};
use crate::store::{AlbumClaims, Claim, Coming, CreateCall, MemberCall, Ready, Startable};
use crate::upload::blocked::{Blocked, BlockedReason};
use crate::upload::blockers::Blockers;

/// A probe without an answer for so long, such as a large upload, does not keep off the next one.
pub(super) const PROBE_MAX: Duration = Duration::from_secs(60);

/// The facts that the worker knows without asking the database.
pub(in crate::upload) struct State<'a> {
    pub(in crate::upload) now: SystemTime,
    pub(in crate::upload) blockers: &'a Blockers,
    /// The uploads in flight.
    pub(in crate::upload) uploads: Vec<Upload>,
    /// How many smaller copies are being made.
    pub(in crate::upload) preparing: usize,
    /// The age of the change in flight.
    pub(in crate::upload) changing: Option<Duration>,
    /// The age of the confirmation in flight.
    pub(in crate::upload) confirming: Option<Duration>,
    /// Most uploads at a time.
    pub(in crate::upload) limit: usize,
    /// How long a call that is not full waits for more, from the last file that joined.
    pub(in crate::upload) batch_window: Duration,
    /// Nothing has been created for a while: a copy begins.
    pub(in crate::upload) opening: bool,
    /// A caller waits: calls are sent as soon as nothing is about to join.
    pub(in crate::upload) impatient: bool,
    /// The longest time from a file's close to its upload.
    pub(in crate::upload) upload_delay: Duration,
    /// The kind of the last change, so that no kind starves.
    pub(in crate::upload) last_change: Option<ChangeKind>,
    /// A batch failed as a whole, and parts of it are waiting.
    pub(in crate::upload) create_parts: bool,
    /// Likewise, for each waiting part of additions and removals.
    pub(in crate::upload) edit_parts: Vec<Edit>,
    /// An album that was full while removals were pending: these come before further additions.
    pub(in crate::upload) full: Option<DirId>,
    /// How many items were made in each album since the last pass at the end of a copy. They pay for
    /// the next one: it costs a request for each hundred of them.
    pub(in crate::upload) made: &'a HashMap<DirId, u64>,
    /// A writer waits for room in the spool.
    pub(in crate::upload) lacks_room: bool,
}

/// An upload in flight.
#[derive(Clone, Copy, Debug)]
pub(in crate::upload) struct Upload {
    pub(in crate::upload) file: FileId,
    pub(in crate::upload) large: bool,
    pub(in crate::upload) age: Duration,
}

/// A bounded part of the queue.
#[derive(Debug, Default)]
pub(in crate::upload) struct Rows {
    /// Files to upload, in the order of closing: none in flight, none that may be written.
    pub(in crate::upload) sealed: Vec<Startable>,
    /// Files of which a smaller copy is to be made first, likewise.
    pub(in crate::upload) unprepared: Vec<Startable>,
    /// How many files wait for their `batchCreate`.
    pub(in crate::upload) uploaded: usize,
    /// A `batchCreate` whose answer was lost.
    pub(in crate::upload) unanswered: Option<CreateCall>,
    /// Files to create, in the order of closing.
    pub(in crate::upload) ready: Vec<Ready>,
    /// Files that later ones of the same album wait for, in the order of closing.
    pub(in crate::upload) coming: Vec<Coming>,
    pub(in crate::upload) additions: Option<MemberCall>,
    pub(in crate::upload) removals: Option<MemberCall>,
    /// Claims that a listing must prove, album by album.
    pub(in crate::upload) claims: Vec<AlbumClaims>,
    /// Claims that no listing can prove.
    pub(in crate::upload) loose: Vec<Claim>,
    /// When the next of the files begins to be uploaded that were closed just now.
    pub(in crate::upload) next_closed: Option<SystemTime>,
    /// When the next file may be tried again.
    pub(in crate::upload) next_retry: Option<SystemTime>,
}

/// A call that changes the library.
#[derive(Clone, Debug)]
pub(in crate::upload) enum Change {
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

/// A change of an album's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upload) enum Edit {
    Add,
    Remove,
}

/// The kind of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upload) enum ChangeKind {
    Create,
    Edit(Edit),
}

impl Change {
    pub(in crate::upload) fn kind(&self) -> ChangeKind {
        match self {
            Self::Repeat(_) | Self::CreatePart | Self::Create { .. } => ChangeKind::Create,
            Self::EditPart(edit) | Self::Edit(edit, _) => ChangeKind::Edit(*edit),
        }
    }
}

impl ChangeKind {
    pub(super) const ADD: Self = Self::Edit(Edit::Add);
    pub(super) const REMOVE: Self = Self::Edit(Edit::Remove);

    /// All kinds, in the order in which they take turns after `last`.
    pub(super) fn turns_after(last: Option<Self>) -> [Self; 3] {
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
pub(in crate::upload) struct Room {
    pub(in crate::upload) all: usize,
    /// Of these, so many large ones.
    pub(in crate::upload) large: usize,
}

impl Room {
    /// Takes a place for a file of this size. Returns whether there was one.
    pub(in crate::upload) fn take(&mut self, size: u64) -> bool {
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
pub(in crate::upload) fn is_large(size: u64) -> bool {
    size > RAW_UPLOAD_MAX
}

impl State<'_> {
    /// How many uploads may begin.
    pub(in crate::upload) fn upload_room(&self) -> Room {
        if self.blockers.metered.is_some() {
            return Room::default();
        }
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
    pub(in crate::upload) fn may_change(&self) -> bool {
        self.changing.is_none()
            && self.gate(self.blockers.everything.as_ref()) != Gate::Shut
            && self.is_over(self.blockers.changes.as_ref())
    }

    /// Whether an addition or a removal may begin.
    pub(in crate::upload) fn may_edit(&self) -> bool {
        self.may_change() && self.is_over(self.blockers.memberships.as_ref())
    }

    /// Whether a confirmation may begin.
    pub(in crate::upload) fn may_confirm(&self) -> bool {
        self.confirming.is_none() && self.gate(self.blockers.everything.as_ref()) != Gate::Shut
    }

    pub(super) fn blocked_by_full_account(&self) -> Option<&Blocked> {
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

    pub(super) fn is_idle(&self) -> bool {
        self.uploads.is_empty() && self.preparing == 0 && self.changing.is_none()
    }
}

/// The earliest of some times.
pub(super) struct Wake(pub(super) SystemTime);

impl Wake {
    pub(super) fn at(&mut self, at: SystemTime) {
        self.0 = self.0.min(at);
    }
}
