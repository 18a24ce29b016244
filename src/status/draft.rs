//! The files that are being written or uploaded, in `status.json`.

use serde::{Deserialize, Serialize};

/// A file that is being written or uploaded. These facts end with the mount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// The file's row number in the database.
    pub file: i64,
    /// How far it is.
    pub phase: Phase,
    /// Descriptors that may write.
    pub writers: usize,
    /// Writes that wait for room in the spool.
    pub blocked_writes: u32,
    /// The error number of a write that failed.
    pub write_error: Option<i32>,
    /// Bytes handed to the network, if an upload is under way.
    pub bytes_sent: Option<u64>,
    /// The last writer has gone, but disk or database failed: the mount settles the file later.
    pub unsettled: bool,
}

/// How far a draft is: the words of `upload::Phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A program writes the file.
    Writing,
    /// The version is closed, and the journal says how far it is.
    Sealed,
    /// Google does not take this version, or a write failed.
    Rejected,
    /// The bytes are being uploaded.
    InFlight,
    /// Google has the bytes.
    Committed,
    /// A mount of another version has a word of its own for it.
    #[serde(other)]
    Unknown,
}

impl Phase {
    /// The word in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Sealed => "sealed",
            Self::Rejected => "rejected",
            Self::InFlight => "in-flight",
            Self::Committed => "committed",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_keep_their_words() {
        for (phase, word) in [
            (Phase::Writing, "writing"),
            (Phase::Sealed, "sealed"),
            (Phase::Rejected, "rejected"),
            (Phase::InFlight, "in-flight"),
            (Phase::Committed, "committed"),
        ] {
            assert_eq!(serde_json::to_value(phase).unwrap(), word);
            assert_eq!(phase.as_str(), word);
        }
        assert_eq!(serde_json::from_str::<Phase>("\"new\"").unwrap(), Phase::Unknown);
    }
}
