//! The notices that a person has seen, kept across starts. A file and not the database: a mount whose
//! database cannot be used must not announce that every half minute either.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::profile::write_private;

/// The file in the profile's state directory.
pub(super) const FILE: &str = "notices.json";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// The login whose end was announced, by the time when it was granted.
    pub(super) login_ended: Option<Timestamp>,
    /// The end of a login that was announced beforehand.
    pub(super) login_ends: Option<Timestamp>,
    /// The end of the quota's last exhaustion.
    pub(super) quota_until: Option<Timestamp>,
    /// The account was full at the last look.
    pub(super) is_storage_full: bool,
    /// The connection was metered at the last look, and that was announced.
    pub(super) is_metered: bool,
    /// The row number of the last refused file.
    pub(super) refused_up_to: i64,
    /// The copy that is under way.
    pub(super) copy: Option<Copy>,
    /// The last failure of the mount. It goes when a mount succeeds.
    pub(super) mount_failure: Option<Failure>,
}

/// A copy, from the first file until the queue is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copy {
    /// When its first file was closed.
    pub(super) since: Timestamp,
    /// When there was last something to send.
    pub(super) busy_at: Timestamp,
    /// How many files have arrived.
    pub(super) arrived: u64,
    /// How many files there were among the refused ones when it began.
    pub(super) failed_before: u64,
}

/// A failure of the mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// The reason.
    pub(super) why: String,
    /// When it was announced.
    pub(super) at: Timestamp,
}

impl Memory {
    /// Reads the file. A missing or damaged one is an empty memory: then a person sees a notice twice.
    pub(super) fn load(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Replaces the file.
    pub(super) async fn save(&self, path: &Path) {
        let (memory, path) = (self.clone(), PathBuf::from(path));
        // A panic there is in the log.
        let _ = tokio::task::spawn_blocking(move || memory.save_now(&path)).await;
    }

    /// As [`Memory::save`]. Blocking.
    pub(super) fn save_now(&self, path: &Path) {
        let text = serde_json::to_vec(self).map_err(io::Error::from);
        if let Err(error) = text.and_then(|text| write_private(path, &text)) {
            tracing::debug!(%error, ?path, "cannot note which notices were shown");
        }
    }
}
