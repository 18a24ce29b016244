//! The JSON of `.gphotos/status.json` and `gphotosfs status --json`. A mount writes it, and the other
//! subcommands read it. Fields may be added without a new version.

mod draft;
mod metrics;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::media::local_time;
use crate::settings::{Commit, Sizes};

pub use draft::{Draft, Phase};

/// The layout of `status.json`.
pub const VERSION: u32 = 1;

/// The state of a profile at one moment. Only a running mount knows the fields that may be `None`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Of this layout.
    pub version: u32,
    /// Which account.
    pub profile: String,
    /// The mount's process.
    pub pid: Option<u32>,
    /// Where it is mounted.
    pub mountpoint: Option<PathBuf>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Without a mount: another process has the profile, such as `sync`.
    #[serde(default)]
    pub busy: bool,
    /// The API's base URL.
    pub api_url: String,
    /// How it is mounted.
    pub mount: Option<MountFacts>,
    /// Whether Google accepts the login.
    pub login: Login,
    /// Files on their way, by state.
    pub queue: Queue,
    /// How fast they go.
    pub progress: Option<Progress>,
    /// The reason why no upload can go on, if there is one.
    #[serde(rename = "trouble")]
    pub blocked: Option<BlockedUploads>,
    /// All reasons why an upload or another change cannot go on, the one that blocks most first.
    #[serde(default)]
    pub outages: Vec<BlockedUploads>,
    /// Files that are being written or uploaded, with the facts that end with the mount.
    #[serde(default)]
    pub drafts: Vec<Draft>,
    /// How far `gphotosfs refresh` is, if albums are listed again just now.
    pub refresh: Option<Refresh>,
    /// The day's allowance.
    pub quota: Quota,
    /// The bytes of files on their way.
    pub spool: Option<Spool>,
    /// The content cache.
    pub cache: Option<Cache>,
    /// How often the kernel has sent each kind of request.
    #[serde(default)]
    pub fuse: BTreeMap<String, u64>,
    /// The last few errors, oldest first.
    #[serde(default)]
    pub errors: Vec<Problem>,
}

/// How it is mounted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MountFacts {
    /// When close(2) of a written file returns.
    pub commit: Commit,
    /// How sizes are learnt.
    pub sizes: Sizes,
    /// Nothing can be changed.
    pub read_only: bool,
    /// Files that programs have open.
    pub open_files: usize,
    /// The release of the kernel.
    pub kernel: String,
}

/// Whether Google accepts the login.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Login {
    /// Whether it works.
    pub state: LoginState,
    /// The next step; empty if all is well.
    #[serde(default)]
    pub message: String,
    /// The OAuth client. The API tells no name of the account.
    pub client_id: Option<String>,
    /// When the user has logged in.
    pub granted_at: Option<Timestamp>,
    /// When Google will end it by itself, if it said so.
    pub ends_at: Option<Timestamp>,
    /// The short names of the scopes that were not granted.
    #[serde(default)]
    pub missing_scopes: Vec<String>,
}

/// Whether a login works, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginState {
    /// Google accepts it.
    Ok,
    /// There is none that can be used.
    #[default]
    Missing,
    /// Google has ended it.
    Dead,
    /// Google cannot be asked.
    Offline,
    /// A mount of another version has a word of its own for it.
    #[serde(other)]
    Unknown,
}

impl LoginState {
    /// The word in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Dead => "dead",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}

/// Files on their way, by state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // The states are those of `upload/state.rs`.
pub struct Queue {
    pub open: u64,
    #[serde(rename = "scratch")]
    pub temporary: u64,
    pub sealed: u64,
    /// Of those, the ones that a program still has open for writing.
    #[serde(default)]
    pub held: u64,
    /// Of those, the ones whose bytes are under way.
    pub uploading: u64,
    pub uploaded: u64,
    pub creating: u64,
    pub confirming: u64,
    pub failed: u64,
    /// Items of the library to be put into an album.
    pub additions: u64,
    /// Items to be taken out of an album.
    pub removals: u64,
    /// Bytes that Google does not have yet.
    pub bytes_left: u64,
}

/// How fast files go; rates are those of the last minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Files that have arrived, and memberships that were changed, since the mount began.
    pub files_done: u64,
    /// Bytes handed to the network since then.
    pub bytes_sent: u64,
    /// Bytes.
    pub bytes_per_second: u64,
    /// Files.
    pub files_per_minute: f64,
    /// Until all has arrived; `null` if nothing moves.
    pub seconds_left: Option<u64>,
}

/// The reason why no upload can go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockedUploads {
    /// Which kind of reason.
    #[serde(default)]
    pub kind: BlockedBy,
    /// For people.
    pub text: String,
    /// When it began.
    pub since: Timestamp,
    /// When they are tried again.
    pub until: Timestamp,
}

/// The kind of reason that keeps uploads waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockedBy {
    /// Google cannot be reached.
    Offline,
    /// Google answers with errors of its own.
    #[serde(rename = "google-unwell")]
    ServerError,
    /// A short-term limit was hit.
    Throttled,
    /// The day's requests are used up.
    Quota,
    /// The login is missing, dead or too narrow.
    Login,
    /// The account's storage is full.
    StorageFull,
    /// The login may not change what is in albums. Files go on.
    Permission,
    /// A mount of another version has a word of its own for it, or none.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Progress of `gphotosfs refresh`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// How many.
    pub albums: u64,
    /// Of those, the ones that have been.
    pub listed: u64,
}

/// The day's allowance.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// The day in Google's time zone.
    pub day: String,
    /// Calls of the API so far.
    pub api_requests: u64,
    /// How many there may be.
    pub api_limit: u64,
    /// Downloads so far.
    pub media_requests: u64,
    /// How many there may be.
    pub media_limit: u64,
    /// When both begin again at 0.
    pub resets_at: Timestamp,
    /// Until when nothing is sent, if Google said so.
    pub blocked_until: Option<Timestamp>,
    /// Until when nothing is downloaded, if Google said so.
    pub media_blocked_until: Option<Timestamp>,
}

/// The bytes of files on their way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spool {
    /// Their size on the disk.
    pub bytes: u64,
    /// How many more there may be before writers wait.
    pub room: u64,
}

/// The content cache, in bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Cache {
    pub bytes: u64,
    pub limit: u64,
}

/// An error of one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Problem {
    pub at: Timestamp,
    pub path: String,
    pub error: String,
}

impl Status {
    /// The reason if no upload can go on.
    pub fn blocked_reason(&self) -> Option<String> {
        if self.login.state != LoginState::Ok {
            let message = &self.login.message;
            return Some(if message.is_empty() {
                format!("login is {}", self.login.state.as_str())
            } else {
                message.clone()
            });
        }
        if let Some(until) = self.quota.blocked_until {
            return Some(format!("Google's quota is used up until {}", local_time(until)));
        }
        self.blocked.as_ref().map(|it| it.text.clone())
    }
}

impl Queue {
    /// The number of operations that are still to be sent to Google.
    pub fn left(&self) -> u64 {
        self.sealed
            + self.uploaded
            + self.creating
            + self.confirming
            + self.additions
            + self.removals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_keep_their_words() {
        let login = [LoginState::Ok, LoginState::Missing, LoginState::Dead, LoginState::Offline];
        let words = ["ok", "missing", "dead", "offline"];
        assert_eq!(serde_json::to_value(login).unwrap(), serde_json::json!(words));
        assert_eq!(login.map(LoginState::as_str), words);
        let kinds = [
            (BlockedBy::Offline, "offline"),
            (BlockedBy::ServerError, "google-unwell"),
            (BlockedBy::Throttled, "throttled"),
            (BlockedBy::Quota, "quota"),
            (BlockedBy::Login, "login"),
            (BlockedBy::StorageFull, "storage-full"),
            (BlockedBy::Permission, "permission"),
        ];
        for (kind, word) in kinds {
            assert_eq!(serde_json::to_value(kind).unwrap(), word);
        }
        for (commit, word) in [(Commit::Background, "background"), (Commit::Close, "close")] {
            assert_eq!(serde_json::to_value(commit).unwrap(), word);
            assert_eq!(commit.as_str(), word);
        }
        for (sizes, word) in [(Sizes::Exact, "exact"), (Sizes::Lazy, "lazy")] {
            assert_eq!(serde_json::to_value(sizes).unwrap(), word);
            assert_eq!(sizes.as_str(), word);
        }
    }

    #[test]
    fn words_of_another_version_are_read() {
        assert_eq!(serde_json::from_str::<LoginState>("\"new\"").unwrap(), LoginState::Unknown);
        assert_eq!(serde_json::from_str::<BlockedBy>("\"new\"").unwrap(), BlockedBy::Unknown);
    }
}
