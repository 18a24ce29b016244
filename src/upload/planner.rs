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
mod input;
mod members;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

pub(super) use batch::halves;
pub(super) use confirm::Confirmation;
pub(super) use input::{Change, ChangeKind, Edit, Room, Rows, State, Upload, is_large};

use crate::api::BATCH_MAX;
use crate::store::{Coming, Startable};
use input::Wake;

/// No more files than this wait for their `batchCreate`: their tokens would age for nothing.
pub(super) const TOKENS_MAX: usize = 1000;
/// A first attempt that takes longer no longer delays the later files of its album.
const ORDER_WAIT_MAX: Duration = Duration::from_secs(600);
/// The longest sleep: clocks are set, and other code changes tables, too.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The next actions.
pub(super) struct Plan {
    /// Upload these.
    pub(super) uploads: Vec<Startable>,
    /// Change the library.
    pub(super) change: Option<Change>,
    /// Confirm items.
    pub(super) confirm: Option<Confirmation>,
    /// Plan again then at the latest.
    pub(super) wake_at: SystemTime,
}

/// Decides what begins now, and when to ask again.
pub(super) fn plan(state: &State<'_>, rows: &Rows) -> Plan {
    let mut wake = Wake(state.now + SLEEP_MAX);
    for at in
        state.blockers.iter().map(|it| it.until).chain(rows.next_retry).chain(rows.next_closed)
    {
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
    let mut confirm = None;
    if state.may_confirm() && !(probing && change.is_some()) {
        let idle = state.is_idle()
            && change.is_none()
            && uploads.is_empty()
            && rows.unprepared.is_empty()
            && rows.next_closed.is_none();
        confirm = confirm::next(state, rows, idle, &mut wake);
    }
    if probing && change.is_none() && confirm.is_none() {
        uploads = next_uploads(state, rows);
    }
    Plan { uploads, change, confirm, wake_at: wake.0 }
}

fn next_uploads(state: &State<'_>, rows: &Rows) -> Vec<Startable> {
    if rows.uploaded >= TOKENS_MAX {
        return Vec::new();
    }
    let mut room = state.upload_room();
    rows.sealed.iter().filter(|file| room.take(file.sent_size())).cloned().collect()
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
        upload.is_none_or(|upload| upload.age < ORDER_WAIT_MAX)
    };
    let coming: Vec<Coming> = rows.coming.iter().filter(is_waited_for).copied().collect();
    let rules = batch::Rules {
        max: BATCH_MAX,
        batch_window: state.batch_window,
        opening: state.opening,
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
