//! Which items are asked for: new ones, before their bytes are released, and old ones, before a
//! file with the same bytes becomes a name of them.

use std::collections::HashMap;
use std::time::SystemTime;

use super::input::{Rows, State, Wake};
use crate::api::BATCH_MAX;
use crate::media::MediaId;
use crate::store::{Duplicate, Unconfirmed};

/// A confirmation waits for more at most this many batch windows.
const WINDOWS_MAX: u32 = 10;

/// An item, and the rows that depend on it.
#[derive(Clone, Debug)]
pub(in crate::upload) struct Confirmation {
    pub(in crate::upload) media: MediaId,
    pub(in crate::upload) claims: Vec<Claim>,
}

/// A row that depends on an item.
#[derive(Clone, Debug)]
pub(in crate::upload) enum Claim {
    /// Google says that it has made the item of this file.
    New(Unconfirmed),
    /// The file has the bytes of the item.
    Duplicate(Duplicate),
}

/// The items to ask for, if that is worth a request by now, and since when some have been waiting.
pub(super) fn next(
    state: &State<'_>,
    rows: &Rows,
    idle: bool,
    wake: &mut Wake,
) -> (Option<Vec<Confirmation>>, Option<SystemTime>) {
    let wanted = wanted(rows);
    if wanted.is_empty() {
        return (None, None);
    }
    let since = state.confirm_since.unwrap_or(state.now).min(state.now);
    // While more is being created, more items to confirm come by themselves.
    let window = match (idle, state.impatient) {
        (true, true) => return (Some(wanted), None),
        (true, false) => state.batch_window,
        (false, _) => state.batch_window * WINDOWS_MAX,
    };
    if wanted.len() == BATCH_MAX || since + window <= state.now {
        return (Some(wanted), None);
    }
    wake.at(since + window);
    (None, Some(since))
}

/// Each item once: Google refuses a request that names one twice.
fn wanted(rows: &Rows) -> Vec<Confirmation> {
    let new = rows.unconfirmed.iter().map(|it| (&it.media, Claim::New(it.clone())));
    let old = rows.duplicates.iter().map(|it| (&it.media, Claim::Duplicate(it.clone())));
    let mut wanted: Vec<Confirmation> = Vec::new();
    let mut places = HashMap::new();
    for (media, claim) in new.chain(old) {
        let place = *places.entry(media).or_insert(wanted.len());
        match wanted.get_mut(place) {
            Some(confirmation) => confirmation.claims.push(claim),
            None => wanted.push(Confirmation { media: media.clone(), claims: vec![claim] }),
        }
    }
    wanted.truncate(BATCH_MAX);
    wanted
}
