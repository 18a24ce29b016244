//! Changes that do not come through the API: edits by the user in the app, uploads by another
//! application, and large made-up libraries.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// One edit. Albums are named by title or id, items by filename or id; the first match counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields' meaning is the same throughout")]
pub enum Edit {
    /// An album made earlier by the application.
    CreateAlbum { title: String },
    /// The user gives an album another title.
    RenameAlbum { album: String, title: String },
    /// The user deletes an album; its items stay.
    DeleteAlbum { album: String },
    /// The user adds an item to an album.
    AddToAlbum { album: String, item: String },
    /// The user takes an item out of an album.
    RemoveFromAlbum { album: String, item: String },
    /// The user sorts an album; items not named go to the end.
    ReorderAlbum { album: String, items: Vec<String> },
    /// The user deletes an item for good.
    DeleteItem { item: String },
    /// The user moves an item to the bin: it leaves all listings, counts and albums.
    MoveToBin { item: String },
    /// The user restores an item from the bin, into the albums that it was in.
    RestoreFromBin { item: String },
    /// The user empties the bin: Google forgets the items and their bytes.
    EmptyBin,
    /// An item gets another name, which may be empty. No client can do this; libraries just
    /// contain such items.
    SetFilename { item: String, filename: String },
    /// The metadata of a photo says `video` and that of a video says `photo`, or no longer. The MIME
    /// type and the bytes stay the same.
    MismatchMetadata { item: String, mismatched: bool },
    /// The service has read these facts in an item's bytes, or the user has changed them. The
    /// emulator's own readers do not know every format.
    SetFacts {
        item: String,
        /// Seconds of the Unix epoch. Without them the time of the upload is shown.
        #[serde(default)]
        captured_s: Option<i64>,
        #[serde(default)]
        width: u64,
        #[serde(default)]
        height: u64,
        #[serde(default)]
        camera_make: String,
        #[serde(default)]
        camera_model: String,
    },
    /// The user archives an item, or brings it back.
    Archive { item: String, archived: bool },
    /// The user marks an item as a favourite, or no longer.
    Favorite { item: String, favorite: bool },
    /// An item made earlier by the application, or (`foreign`) by another one.
    AddItem {
        #[serde(default)]
        album: Option<String>,
        filename: String,
        /// The bytes in base64.
        #[serde(with = "base64_bytes")]
        content: Vec<u8>,
        #[serde(default)]
        foreign: bool,
    },
    /// Made-up photos and videos with these properties, whose bytes are computed at download.
    AddMadeUp {
        #[serde(default)]
        album: Option<String>,
        items: Vec<MadeUpItem>,
    },
    /// `count` made-up photos of `size` bytes, whose bytes are computed at download.
    Seed {
        #[serde(default)]
        album: Option<String>,
        count: u64,
        #[serde(default = "default_seed_size")]
        size: u64,
        /// Names are this, a number of six digits, and `.jpg`.
        #[serde(default = "default_seed_prefix")]
        prefix: String,
    },
}

/// The properties of a made-up photo or video.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MadeUpItem {
    /// May be empty.
    pub filename: String,
    /// As in the API; a video by how it begins.
    pub mime_type: String,
    /// Bytes.
    pub size: u64,
    /// Seconds of the Unix epoch. Without them the time of this edit is shown.
    pub captured_s: Option<i64>,
    /// Zero if unknown.
    pub width: u64,
    /// Zero if unknown.
    pub height: u64,
    /// Empty if unknown.
    pub camera_make: String,
    /// Empty if unknown.
    pub camera_model: String,
}

impl Default for MadeUpItem {
    fn default() -> MadeUpItem {
        MadeUpItem {
            filename: String::new(),
            mime_type: "image/jpeg".to_owned(),
            size: default_seed_size(),
            captured_s: None,
            width: 0,
            height: 0,
            camera_make: String::new(),
            camera_model: String::new(),
        }
    }
}

fn default_seed_size() -> u64 {
    100_000
}

fn default_seed_prefix() -> String {
    "IMG_".to_owned()
}

mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// No album of that title or id.
    #[error("there is no album {0:?}")]
    NoAlbum(String),
    /// No item of that name or id.
    #[error("there is no item {0:?}")]
    NoItem(String),
    /// The state directory cannot be written.
    #[error("cannot write the state")]
    Io(#[from] std::io::Error),
}

impl From<EditError> for ApiError {
    fn from(error: EditError) -> ApiError {
        match error {
            EditError::NoAlbum(_) | EditError::NoItem(_) => ApiError::not_found(error.to_string()),
            EditError::Io(error) => {
                tracing::error!(%error, "cannot write the emulator's state");
                ApiError::internal()
            }
        }
    }
}
