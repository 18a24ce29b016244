//! How items are confirmed: by a pass through their album, or by their ids.
//!
//! Only a pass proves that the album has the items, and so lets bytes go. It costs a request for
//! each hundred items of the album, whether one file waits for it or all of them. So a pass is due
//! when enough files wait for it, which makes it as cheap for each file as asking for fifty ids, or
//! when nothing more comes and it is cheap. New items in a large album are asked for by their ids:
//! they count as arrived, and their bytes stay here until the next pass.

use std::time::SystemTime;

use super::input::{Rows, State, Wake};
use crate::api::{BATCH_MAX, ITEMS_PER_PAGE};
use crate::media::DirId;
use crate::store::{AlbumClaims, Claim};

/// While more is coming, a cheap pass waits for it at most this many batch windows.
const WINDOWS_MAX: u32 = 10;
/// The same for a pass that is not cheap: five minutes.
const WINDOWS_MAX_COSTLY: u32 = 150;
/// This many pages are cheap, however few files wait.
const PAGES_CHEAP: u64 = 2;

/// A request for items.
#[derive(Clone, Debug)]
pub(in crate::upload) enum Confirmation {
    /// Ask for these by their ids; never empty.
    Items(Vec<Claim>),
    /// Ask for the new items of this album by their ids.
    New(DirId),
    /// Go through the album.
    Pass(DirId),
    /// The same, at the end of a copy whose files have paid for it ([`State::made`]).
    LastPass(DirId),
}

/// The next confirmation, if one is due by now.
pub(super) fn next(
    state: &State<'_>,
    rows: &Rows,
    idle: bool,
    wake: &mut Wake,
) -> Option<Confirmation> {
    if !rows.loose.is_empty() {
        return Some(Confirmation::Items(rows.loose.clone()));
    }
    let mut earliest = None;
    for album in &rows.claims {
        match due(album, state, idle || is_quiet(album.dir, state, rows)) {
            Due::Now(confirmation) => return Some(confirmation),
            Due::At(at) => earliest = Some(earliest.map_or(at, |other: SystemTime| other.min(at))),
            Due::Nothing => {}
        }
    }
    if let Some(at) = earliest {
        wake.at(at);
    }
    None
}

enum Due {
    Now(Confirmation),
    At(SystemTime),
    Nothing,
}

/// Whether nothing is on its way into the album, as far as the rows say.
fn is_quiet(dir: DirId, state: &State<'_>, rows: &Rows) -> bool {
    state.changing.is_none()
        && !state.create_parts
        && rows.unanswered.is_none()
        && rows.sealed.is_empty()
        && rows.ready.iter().all(|file| file.dir != dir)
        && rows.coming.iter().all(|file| file.dir != dir)
}

fn due(album: &AlbumClaims, state: &State<'_>, quiet: bool) -> Due {
    let pages = album.items.div_ceil(ITEMS_PER_PAGE as u64).max(1);
    let by_listing = album.new + album.known;
    let waiting = by_listing + album.unseen;
    let batches = waiting / BATCH_MAX as u64;
    let pass = || Due::Now(Confirmation::Pass(album.dir));
    if album.is_overdue || (by_listing > 0 && pages <= batches) {
        return pass();
    }
    if quiet && state.lacks_room && waiting > 0 {
        return pass();
    }
    if by_listing + album.missed == 0 {
        return Due::Nothing;
    }
    let made = state.made.get(&album.dir).map_or(0, |made| made.div_ceil(ITEMS_PER_PAGE as u64));
    let is_cheap = pages <= batches + if quiet { PAGES_CHEAP } else { 1 };
    let choice = if by_listing == 0 {
        Confirmation::New(album.dir)
    } else if is_cheap {
        Confirmation::Pass(album.dir)
    } else if quiet && pages <= PAGES_CHEAP + made {
        Confirmation::LastPass(album.dir)
    } else if album.known > 0 {
        Confirmation::Pass(album.dir)
    } else {
        Confirmation::New(album.dir)
    };
    let is_cheap = is_cheap || !matches!(choice, Confirmation::Pass(_));
    let at_last =
        album.oldest + state.batch_window * if is_cheap { WINDOWS_MAX } else { WINDOWS_MAX_COSTLY };
    let at = match (quiet, is_cheap && state.impatient) {
        (true, true) => state.now,
        // Duplicates come one by one.
        (true, false) => at_last.min(album.newest + state.batch_window),
        (false, _) => at_last,
    };
    // A clock that was set back does not make it wait for that long.
    if at <= state.now || album.newest > state.now { Due::Now(choice) } else { Due::At(at) }
}
