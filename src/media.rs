//! Plain values that several layers share. No I/O, except that [`local_time`] and
//! [`local_clock`] read the time zone.

mod caller;
mod clock;
pub mod name_pattern;
mod quality;
mod upload_limit;
mod view;

use std::fmt;

use jiff::Timestamp;

pub use caller::{Caller, Death, JointCaller};
pub use clock::Clock;
pub use quality::{Qualities, Quality, QualityError, Saver, VideoQuality};
pub use upload_limit::{UploadLimit, UploadLimitError};
pub use view::{Period, Span, View};

/// Formats a time for people, in their own zone.
pub fn local_time(at: Timestamp) -> String {
    at.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time of the day by the clock on the user's wall.
pub fn local_clock() -> jiff::civil::Time {
    Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system()).time()
}

/// Defines a newtype around an opaque string of Google.
macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a string from the service.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The string, unchanged.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id! {
    /// An album's id at Google: opaque, persistent, bound to project and user.
    AlbumId
}
opaque_id! {
    /// A picker session's id at Google.
    PickerSessionId
}
opaque_id! {
    /// A media item's id at Google: opaque, persistent, bound to project and user.
    MediaId
}
opaque_id! {
    /// What a finished byte upload answers; turned into an item by `batchCreate` within one day.
    UploadToken
}
opaque_id! {
    /// The cursor of a paged listing. Valid for hours, and only with the same other parameters.
    PageToken
}

/// An item's id, with the API that it belongs to. The two APIs need not have the same id for an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ItemId {
    /// Of the Library API.
    Library(MediaId),
    /// Of the Picker API.
    Picked(MediaId),
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(id) | Self::Picked(id) => id.fmt(f),
        }
    }
}

/// Defines a newtype around a row number of our database: never reused.
macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    };
}

row_id! {
    /// A directory of the tree: an album, or a parent of albums.
    DirId
}
row_id! {
    /// A file: bytes under any number of names. Its inode number
    /// follows from it. It is the same before, during and after its upload.
    FileId
}

row_id! {
    /// A pick: the items that the user has picked under one name.
    PickId
}

impl DirId {
    /// The root of the mount.
    pub const ROOT: Self = Self(1);
}

/// The name of a directory entry: 1 to 255 bytes, no `/`, no NUL, neither `.` nor `..`.
///
/// Not necessarily UTF-8: local file names are bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryName(Vec<u8>);

impl EntryName {
    /// Linux's `NAME_MAX`.
    pub const MAX_BYTES: usize = 255;

    /// Takes a name as the kernel gives it.
    ///
    /// # Errors
    /// If it is no file name.
    pub fn new(name: impl Into<Vec<u8>>) -> Result<Self, BadName> {
        let name = name.into();
        match name.as_slice() {
            b"" | b"." | b".." => Err(BadName::Reserved),
            long if long.len() > Self::MAX_BYTES => Err(BadName::TooLong),
            bytes if bytes.contains(&b'/') || bytes.contains(&0) => Err(BadName::Reserved),
            _ => Ok(Self(name)),
        }
    }

    /// The bytes, as the kernel wants them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// For a message, or for the service, which knows only Unicode.
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Why something cannot be an [`EntryName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Longer than [`EntryName::MAX_BYTES`].
    #[error("the name is longer than 255 bytes")]
    TooLong,
    /// Empty, `.`, `..`, or with `/` or NUL in it.
    #[error("not a file name")]
    Reserved,
}

/// The SHA-256 of a file's bytes.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Parses 64 hexadecimal digits, the printed form.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = &'static str;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        Self::from_hex(&hex).ok_or("not a SHA-256 in hexadecimal")
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// Photo or video: decides the size limit, the download suffix and the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Up to 200 MB; downloaded with `=d`.
    Photo,
    /// Up to 20 GB; downloaded with `=dv` once processed.
    Video,
}

impl MediaKind {
    /// Chosen by the MIME type's prefix, as Google's own rule for download suffixes has it.
    pub fn of_mime(mime: &str) -> Self {
        if mime.starts_with("video/") { Self::Video } else { Self::Photo }
    }
}

/// Whether Google can already play a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoStatus {
    /// Being transcoded: listed, but not downloadable yet.
    Processing,
    /// Downloadable.
    Ready,
    /// Will never be downloadable.
    Failed,
    /// Not given, or a value that this version does not know.
    Unspecified,
}

/// An album as the service describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Album {
    /// The service's id.
    pub id: AlbumId,
    /// At most 500 characters, need not be unique, may hold anything; empty if untitled.
    pub title: String,
    /// Number of items, 0 if not given. A hint that may lag; never the truth.
    pub items_count: u64,
    /// Where a signed-in person sees it.
    pub product_url: String,
    /// Whether this program may put items into it.
    pub is_writeable: bool,
}

/// A media item as the service describes it. Sizes and hashes are not part of the API.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaItem {
    /// The service's id.
    pub id: MediaId,
    /// The name given at creation; may be empty, hold `/` or control characters.
    pub filename: String,
    /// E.g. `image/jpeg`, `video/mp4`; empty if not given.
    pub mime_type: String,
    /// The user's text, empty if none.
    pub description: String,
    /// Where a signed-in person sees it.
    pub product_url: String,
    /// Prefix of the download URL, good for 60 minutes; not every answer carries it.
    pub base_url: Option<String>,
    /// When the picture was taken, else when it was uploaded. Absent if missing or malformed.
    pub creation_time: Option<std::time::SystemTime>,
    /// In pixels, 0 if not given.
    pub width: u32,
    /// In pixels, 0 if not given.
    pub height: u32,
    /// Empty if not given.
    pub camera_make: String,
    /// Empty if not given.
    pub camera_model: String,
    /// Set exactly for videos.
    pub video: Option<VideoStatus>,
}

impl MediaItem {
    /// Photo or video.
    pub fn kind(&self) -> MediaKind {
        if self.video.is_some() { MediaKind::Video } else { MediaKind::Photo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_prints_as_lower_case_hex() {
        let mut bytes = [0; 32];
        bytes[0] = 0xab;
        assert!(ContentHash(bytes).to_string().starts_with("ab00"));
        assert_eq!(ContentHash(bytes).to_string().len(), 64);
        assert_eq!(
            ContentHash::from_hex(&ContentHash(bytes).to_string()),
            Some(ContentHash(bytes))
        );
        assert_eq!(ContentHash::from_hex(&"+1".repeat(32)), None);
    }
}
