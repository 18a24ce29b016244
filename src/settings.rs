//! The settings of a mount and of commands that upload: plain values, independent of their source.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

pub use crate::media::name_pattern::NamePattern;
use crate::media::{Quality, UploadLimit, VideoQuality};

/// The addresses of Google's two APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apis {
    /// The base URL of the Library API.
    pub library: Url,
    /// The base URL of the Picker API.
    pub picker: Url,
}

/// The settings of every command that uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// Limit of the content cache, in bytes.
    pub cache_size: u64,
    /// The maximum of byte uploads at the same time, 1 to 32.
    pub uploads: u8,
    /// Names of files that are not complete, beside those that are known.
    pub temporary_names: Vec<NamePattern>,
    /// An upload begins so long after the last close, unless somebody waits.
    pub upload_delay: Duration,
    /// In which quality photos are uploaded, unless their directory says otherwise.
    pub quality: Quality,
    /// How many bytes of uploads a second may go.
    pub limit_up: UploadLimit,
    /// In which quality videos are uploaded.
    pub quality_video: VideoQuality,
    /// What uploads do while the connection is metered.
    pub metered: Metered,
    /// The addresses of the APIs.
    pub apis: Apis,
    /// For tests: divides every wait for Google.
    pub unstable_pace: u32,
}

/// When close(2) of a written file returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commit {
    /// Once the file is safe on this disk. The upload follows.
    Background,
    /// Once Google has made an item of it. It fails if the upload fails.
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

/// When to request the size of an item that was not uploaded from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizes {
    /// Once, when its directory is listed.
    Exact,
    /// At its first open. Until then the reported size is 0, which saves requests.
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

/// Which process reads files whose bytes are on this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passthrough {
    /// The kernel by itself, for files that cannot be written. This needs Linux 6.9 and root.
    Auto,
    /// This program, at each request of the kernel.
    Off,
}

/// Whether the mount puts thumbnails into the desktop's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thumbnails {
    /// Those of a directory, when a file manager opens it or begins to read its photos.
    Auto,
    /// Also those of each directory that a program lists.
    On,
    /// None.
    Off,
}

/// Whether to show notifications on the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// If the user has a session with a desktop.
    Auto,
    /// Never.
    Off,
}

/// What uploads do while the connection is metered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metered {
    /// They wait for another one.
    #[default]
    Pause,
    /// They go on.
    Use,
}

/// What becomes of the sidecars of photos and videos: files of metadata and edits beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sidecars {
    /// They stay on this machine.
    #[default]
    Keep,
    /// They are classified by their content as any file, and refused if they are no photo or video.
    Refuse,
}

/// The settings of a mount, merged from flags, `-o`, environment and file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSettings {
    /// The mountpoint, as given.
    pub mountpoint: PathBuf,
    /// Stay in the foreground.
    pub foreground: bool,
    /// This process is the child of a mount that detaches.
    pub detached: bool,
    /// When close(2) returns.
    pub commit: Commit,
    /// When to request sizes.
    pub sizes: Sizes,
    /// How old the album list may become.
    pub refresh: Duration,
    /// Refuse every change.
    pub read_only: bool,
    /// Mount even if the directory is not empty.
    pub nonempty: bool,
    /// Move the files that lie in the directory into the mount.
    pub import: bool,
    /// Let other users of this machine use the mount.
    pub allow_other: bool,
    /// Forbid running programs from the mount.
    pub no_exec: bool,
    /// The permission bits that no file and no directory has.
    pub umask: u16,
    /// The user to whom everything seems to belong, instead of the one who mounts.
    pub uid: Option<u32>,
    /// Likewise the group.
    pub gid: Option<u32>,
    /// Limit of the spool, in bytes.
    pub spool_size: u64,
    /// What becomes of sidecars.
    pub sidecars: Sidecars,
    /// Which process reads cached files.
    pub passthrough: Passthrough,
    /// Whether the mount puts thumbnails into the desktop's cache.
    pub thumbnails: Thumbnails,
    /// Whether to show notifications.
    pub notify: Notify,
    /// The settings of uploads.
    pub upload: UploadSettings,
}
