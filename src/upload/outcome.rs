//! How work on a sealed file ended.

use crate::{api, store};

/// How a transfer ended.
pub(super) enum Outcome {
    /// Google has the bytes and has answered with an upload token.
    Succeeded,
    /// A smaller copy of the file is in the spool, or a reason is known that it has none.
    Prepared,
    /// A later write has made the version void. Google has said nothing, so this ends no outage.
    Superseded,
    /// Another file has the same bytes: nothing is uploaded, but an album may lack the item.
    Duplicate,
    /// The resumable session has expired: the next attempt begins a new one.
    SessionGone,
    /// The server still waits for bytes of this session from a connection that has broken.
    Busy(api::Error),
    /// Google refused the upload, or could not be reached.
    Refused(api::Error),
    /// The local disk failed.
    Disk(std::io::Error),
    /// The spool does not hold the bytes that were closed, for this reason.
    Damaged(String),
    /// The database failed.
    Store(store::Error),
}

impl From<store::Error> for Outcome {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for Outcome {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<api::Error> for Outcome {
    fn from(error: api::Error) -> Self {
        Self::Refused(error)
    }
}
