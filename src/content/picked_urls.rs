//! The known addresses of picked items.

use tokio::sync::Mutex;

use crate::api::{KnownUrls, Pager};
use crate::media::{MediaId, PickerSessionId};

/// The addresses, and the listing that brings them.
#[derive(Default)]
pub(super) struct PickedUrls {
    pub(super) known: KnownUrls,
    /// Where the last listing stopped. Held while a session is listed, so that one listing serves
    /// all who wait.
    pub(super) listing: Mutex<Option<Cursor>>,
}

/// A position in the list of a session. A program that reads one file after the other in the order
/// of the list goes on from there.
pub(super) struct Cursor {
    pub(super) session: PickerSessionId,
    pub(super) pager: Pager,
}

impl PickedUrls {
    /// Drops an address that Google has refused, and all that are as old.
    pub(super) fn forget(&self, picked: &MediaId) {
        self.known.forget(picked);
    }
}
