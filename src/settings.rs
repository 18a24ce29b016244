//! The settings of a mount and of commands that upload: plain values, wherever they came from.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

/// The settings of every command that uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// Limit of the content cache, in bytes.
    pub cache_size: u64,
    /// Most byte uploads at the same time, 1 to 32.
    pub uploads: u8,
    /// Base URL of the API.
    pub api_url: Url,
    /// Divides every wait for Google, for tests.
    pub unstable_pace: u32,
}

/// When close(2) of a written file returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commit {
    /// Once the file is safe on this disk; it is uploaded behind it
    Background,
    /// Once Google has made an item of it, or with the errno of what went wrong
    Close,
}

impl Commit {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Close => "close",
        }
    }
}

/// How the sizes of files that were not uploaded from here are learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizes {
    /// Ask for each once, when its directory is listed
    Exact,
    /// Report 0 until the first open, which saves requests
    Lazy,
}

impl Sizes {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Lazy => "lazy",
        }
    }
}

/// Whether the kernel itself reads files whose bytes are on this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passthrough {
    /// The kernel, without asking, where that is possible: where nothing can be written, since Linux 6.9, as root
    Auto,
    /// This program, whenever the kernel asks
    Off,
}

/// The settings of a mount, merged from flags, `-o`, environment and file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSettings {
    /// Where to mount, as given.
    pub mountpoint: PathBuf,
    /// Do not detach.
    pub foreground: bool,
    /// This process is the child of a mount that detaches.
    pub detached: bool,
    /// When close(2) returns.
    pub commit: Commit,
    /// How sizes are learnt.
    pub sizes: Sizes,
    /// How old the album list may become.
    pub refresh: Duration,
    /// Refuse every change.
    pub read_only: bool,
    /// Mount over what is in the directory.
    pub nonempty: bool,
    /// Let other users of this machine in.
    pub allow_other: bool,
    /// Forbid running programs from the mount.
    pub no_exec: bool,
    /// Limit of the spool, in bytes.
    pub spool_size: u64,
    /// Whether the kernel itself reads cached files.
    pub passthrough: Passthrough,
    /// The settings of uploads.
    pub upload: UploadSettings,
}
