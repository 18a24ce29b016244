//! The JSON of `.gphotos/status.json` and `gphotosfs status --json`. A mount writes it, and the
//! other subcommands read it. Fields may be added without a new version.

mod draft;
mod metrics;
mod saved;
mod unmounted;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::media::local_time;
use crate::settings::{Commit, Sidecars, Sizes};

pub use draft::{Draft, Phase};
pub use saved::Saved;
pub use unmounted::{Contents, Unmounted};

/// The layout of `status.json`.
pub const VERSION: u32 = 1;

/// The state of a profile at one moment. A field may be `None` if only a running mount knows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// The version of the layout.
    pub version: u32,
    /// The account.
    pub profile: String,
    /// The mount's process.
    pub pid: Option<u32>,
    /// The mountpoint.
    pub mountpoint: Option<PathBuf>,
    /// When the mount began.
    pub since: Option<Timestamp>,
    /// Without a mount: whether another process, such as `sync`, uses the profile.
    #[serde(default)]
    pub busy: bool,
    /// Without a mount: where the profile was mounted, if the mount's process has died and its mount is
    /// still there.
    #[serde(default)]
    pub dead_mountpoint: Option<PathBuf>,
    /// Without a mount: where the profile is meant to be mounted, or where files lie under its
    /// mountpoint.
    #[serde(default)]
    pub unmounted: Option<Unmounted>,
    /// The API's base URL.
    pub api_url: String,
    /// The mount's settings.
    pub mount: Option<MountFacts>,
    /// Whether Google accepts the login.
    pub login: Login,
    /// The albums of the account, as far as they are known here.
    #[serde(default)]
    pub library: Library,
    /// Files whose bytes look cut off.
    #[serde(default)]
    pub cut_off: CutOff,
    /// The queue, by state.
    pub queue: Queue,
    /// What smaller copies have saved.
    #[serde(default)]
    pub saved: Saved,
    /// Whether videos can be made smaller; `null` if that was not asked for.
    #[serde(default)]
    pub can_shrink_videos: Option<bool>,
    /// What Google has stored of this profile's uploads.
    #[serde(default)]
    pub stored: Stored,
    /// The speed of the uploads.
    pub progress: Option<Progress>,
    /// The user's limit of the uploads.
    #[serde(default)]
    pub limit_up: Option<LimitUp>,
    /// The reason, if all uploads are blocked.
    #[serde(rename = "trouble")]
    pub blocked: Option<BlockedUploads>,
    /// All reasons why uploads or other changes are blocked. The first one blocks most.
    #[serde(default)]
    pub outages: Vec<BlockedUploads>,
    /// Files that are being written or uploaded, with the facts that end with the mount.
    #[serde(default)]
    pub drafts: Vec<Draft>,
    /// Files that fail again and again, and wait for their next attempt.
    #[serde(default)]
    pub failing: Vec<FailingFile>,
    /// The progress of `gphotosfs refresh`, if one is running.
    pub refresh: Option<Refresh>,
    /// What the user has picked from all of Google Photos.
    #[serde(default)]
    pub picks: Vec<Pick>,
    /// The day's quota.
    pub quota: Quota,
    /// The spool.
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

/// The mount's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MountFacts {
    /// When close(2) of a written file returns.
    pub commit: Commit,
    /// When to request sizes.
    pub sizes: Sizes,
    /// What becomes of sidecars.
    #[serde(default)]
    pub sidecars: Sidecars,
    /// Names of files that are not complete, beside those that are known.
    #[serde(default)]
    pub temporary_names: Vec<String>,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// Files that programs have open.
    pub open_files: usize,
    /// The release of the kernel.
    pub kernel: String,
}

/// Whether Google accepts the login.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Login {
    /// Whether the login works.
    pub state: LoginState,
    /// The next step. Empty if the login works.
    #[serde(default)]
    pub message: String,
    /// The OAuth client. The API does not return the account's name.
    pub client_id: Option<String>,
    /// The OAuth client that the profile belongs to.
    #[serde(default)]
    pub bound: Option<Bound>,
    /// When the user logged in.
    pub granted_at: Option<Timestamp>,
    /// When Google will end the login, if it has announced that.
    pub ends_at: Option<Timestamp>,
    /// The short names of the scopes that were not granted.
    #[serde(default)]
    pub missing_scopes: Vec<String>,
}

/// The albums of the account. Google does not tell its name, but its owner knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// How many there are.
    pub albums: u64,
    /// Titles of the latest ones.
    pub titles: Vec<String>,
}

/// Files that Google has, or will have, and whose bytes look cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// How many names they have.
    pub files: u64,
    /// The paths of the latest ones below the mountpoint.
    pub paths: Vec<String>,
}

/// The OAuth client that a profile belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The client's id.
    pub client_id: String,
    /// When the profile was first used with it.
    pub since: Timestamp,
}

/// The last known state of the login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginState {
    /// Google accepts it.
    Ok,
    /// There is no usable login.
    #[default]
    Missing,
    /// Google has ended it.
    Dead,
    /// It is of another account or OAuth client than the profile's.
    Foreign,
    /// Google cannot be reached.
    Offline,
    /// A word of another version.
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
            Self::Foreign => "foreign",
            Self::Offline => "offline",
            Self::Unknown => "unknown",
        }
    }
}

/// The number of files in the queue, by state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // The states are those of `upload/state.rs`.
pub struct Queue {
    pub open: u64,
    #[serde(rename = "scratch")]
    pub temporary: u64,
    /// Those of them that are empty.
    #[serde(default)]
    pub empty: u64,
    /// Sidecars, and files that systems and programs leave: they belong to this machine.
    #[serde(default)]
    pub kept: u64,
    pub sealed: u64,
    /// The sealed files that a program still has open for writing.
    #[serde(default)]
    pub held: u64,
    /// The sealed files of which a smaller copy is being made.
    #[serde(default)]
    pub shrinking: u64,
    /// The sealed files whose bytes are being sent.
    pub uploading: u64,
    pub uploaded: u64,
    pub creating: u64,
    pub confirming: u64,
    /// They have arrived, but no list of Google's shows them yet: their bytes stay here.
    #[serde(default)]
    pub unseen: u64,
    pub failed: u64,
    /// Items of the library to add to an album.
    pub additions: u64,
    /// Items to remove from an album.
    pub removals: u64,
    /// Bytes that Google does not have yet.
    pub bytes_left: u64,
}

/// What Google has stored of this profile's uploads. Google reports no such number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Since when the bytes are counted.
    pub since: Option<Timestamp>,
    /// All bytes.
    pub bytes: u64,
    /// The bytes of JPEGs that went as they are, without a look whether they could be smaller.
    pub jpeg_bytes: u64,
}

/// The speed of the uploads. Rates are those of the last minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Files uploaded, and memberships changed, since the mount began.
    pub files_done: u64,
    /// Bytes sent since then.
    pub bytes_sent: u64,
    /// The rate of bytes.
    pub bytes_per_second: u64,
    /// The rate of files.
    pub files_per_minute: f64,
    /// The time until the queue is empty. `None` if nothing moves.
    pub seconds_left: Option<u64>,
}

/// The user's limit of the bytes of all uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUp {
    /// The limit as `gphotosfs limit` takes it, with its schedule.
    pub setting: String,
    /// How many bytes may go at this time of the day. `None` is without a limit.
    pub bytes_per_second: Option<u64>,
}

/// The reason why all uploads are blocked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockedUploads {
    /// The kind of reason.
    #[serde(default)]
    pub kind: BlockedBy,
    /// The reason in words.
    pub text: String,
    /// When it began.
    pub since: Timestamp,
    /// When the next attempt is.
    pub until: Timestamp,
}

/// The kind of reason why uploads are blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockedBy {
    /// Google cannot be reached.
    Offline,
    /// Google answers with server errors.
    #[serde(rename = "google-unwell")]
    ServerError,
    /// Google limits requests for a short time.
    Throttled,
    /// The day's requests are used up.
    Quota,
    /// The login is missing or dead, or lacks the scope to upload.
    Login,
    /// The account's storage is full.
    StorageFull,
    /// The login may not add items to albums or remove them. New files are still uploaded.
    Permission,
    /// The connection is metered, and uploads over such ones are not permitted.
    Metered,
    /// A word of another version, or none.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A file that fails again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingFile {
    /// Its path below the mountpoint.
    pub path: String,
    /// The last failure.
    pub error: String,
    /// When it first failed.
    pub since: Timestamp,
    /// How often it has failed.
    pub attempts: u32,
    /// When the next attempt is. `None` if it is due.
    pub until: Option<Timestamp>,
}

/// What the user has picked from all of Google Photos under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// The name.
    pub name: String,
    /// How many items it has.
    pub items: u64,
    /// How many of them have no name at Google.
    pub nameless: u64,
    /// How many of them are videos that Google has not processed yet.
    pub processing: u64,
    /// When the last of its sessions ends. Until then, some of its items can be read.
    pub readable_until: Option<Timestamp>,
    /// Whether a session was not listed to its end.
    pub partial: bool,
}

/// `Trip: 3281 items, readable until 2026-12-07 10:00:00`
impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = if self.items == 1 { "item" } else { "items" };
        write!(f, "{}: {} {items}, ", self.name, self.items)?;
        match self.readable_until {
            Some(until) => write!(f, "readable until {}", local_time(until))?,
            None => f.write_str("names only: its sessions have ended")?,
        }
        if self.partial {
            f.write_str("; not listed to its end: 'gphotosfs pick' with its name goes on")?;
        }
        Ok(())
    }
}

/// Progress of `gphotosfs refresh`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// The number of albums to list again.
    pub albums: u64,
    /// How many of them have been listed.
    pub listed: u64,
}

/// The day's quota.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// The day in Google's time zone.
    pub day: String,
    /// API requests so far.
    pub api_requests: u64,
    /// The limit of API requests.
    pub api_limit: u64,
    /// Those of the API requests that other users of the machine have caused.
    #[serde(default)]
    pub others_api_requests: u64,
    /// The limit of those.
    #[serde(default)]
    pub others_api_limit: u64,
    /// Downloads so far.
    pub media_requests: u64,
    /// The limit of downloads.
    pub media_limit: u64,
    /// When both counts restart at 0.
    pub resets_at: Timestamp,
    /// The end of Google's refusal of API requests, if it refuses them.
    pub blocked_until: Option<Timestamp>,
    /// The end of Google's refusal of downloads, if it refuses them.
    pub media_blocked_until: Option<Timestamp>,
}

/// The spool.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spool {
    /// Its size on the disk.
    pub bytes: u64,
    /// How many more bytes fit before writers wait.
    pub room: u64,
    /// The bytes of refused files, which have a share of their own.
    #[serde(default)]
    pub refused: u64,
    /// The bytes of sidecars and the like, which have a share of their own.
    #[serde(default)]
    pub kept: u64,
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

impl Library {
    /// How many titles it has.
    pub const TITLES: u32 = 3;
}

impl CutOff {
    /// How many paths it has.
    pub const PATHS: u32 = 100;
}

impl Status {
    /// The reason, if all uploads are blocked.
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
    /// The number of operations that are left to send to Google.
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
        use LoginState::{Dead, Foreign, Missing, Offline, Ok};
        let login = [Ok, Missing, Dead, Foreign, Offline];
        let words = ["ok", "missing", "dead", "foreign", "offline"];
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
            (BlockedBy::Metered, "metered"),
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
