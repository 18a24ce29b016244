//! Additions to albums and removals from them.

use std::time::{Duration, SystemTime};

use super::input::{Change, Edit, Rows, State, Wake};
use crate::api::BATCH_MAX;
use crate::store::MemberCall;

/// `rm *` is one call for fifty names, if the names come one soon after the other; so is a second
/// copy of photos that are in the library already.
const WINDOW: Duration = Duration::from_millis(500);
/// The same while a caller waits for the outcome.
const WINDOW_IMPATIENT: Duration = Duration::from_millis(100);
/// Nothing waits for more members longer than this many windows.
const WINDOWS_MAX: u32 = 10;
/// Nor longer than this for files whose uploads begin late.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// The next call of this kind, if one is due.
pub(super) fn next(edit: Edit, state: &State<'_>, rows: &Rows, wake: &mut Wake) -> Option<Change> {
    if !state.may_edit() {
        return None;
    }
    if state.edit_parts.contains(&edit) {
        return Some(Change::EditPart(edit));
    }
    let additions = rows.additions.as_ref().filter(|call| state.full != Some(call.dir));
    let call = match edit {
        Edit::Add => additions?.clone(),
        Edit::Remove => without(rows.removals.as_ref()?, additions)?,
    };
    let due = due(&call, state, rows);
    if due > state.now {
        wake.at(due);
        return None;
    }
    Some(Change::Edit(edit, call))
}

/// These removals, but for items that are to be added to the same album: a file with the same bytes
/// keeps those there.
fn without(removals: &MemberCall, additions: Option<&MemberCall>) -> Option<MemberCall> {
    let mut call = removals.clone();
    if let Some(additions) = additions.filter(|it| it.dir == call.dir) {
        call.members.retain(|member| additions.members.iter().all(|it| it.media != member.media));
    }
    Some(call).filter(|call| !call.members.is_empty())
}

/// Whether no file is about to be hashed.
fn is_last(state: &State<'_>, rows: &Rows) -> bool {
    state.uploads.is_empty() && rows.sealed.is_empty() && rows.next_closed.is_none()
}

/// When a call is to be sent that further members may still join.
fn due(call: &MemberCall, state: &State<'_>, rows: &Rows) -> SystemTime {
    let times = || call.members.iter().map(|member| member.since);
    let (Some(oldest), Some(newest)) = (times().min(), times().max()) else { return state.now };
    if call.members.len() >= BATCH_MAX {
        return state.now;
    }
    let window = if state.impatient { WINDOW_IMPATIENT } else { WINDOW };
    let window = window.min(state.batch_window);
    let at_last = oldest + window * WINDOWS_MAX;
    if is_last(state, rows) {
        return at_last.min(newest + window);
    }
    // Any file that is being hashed, or will be next, may turn out to be an item already, also one
    // that is to be removed. A member's time is that of its close: its upload has begun later.
    at_last + state.upload_delay.min(DELAY_MAX)
}
