//! Changes that do not come through the API: what the user does in the app, what another application
//! uploads, and large made-up libraries.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::rendition::SYNTHETIC_BYTES_MIN;
use crate::server::{DEFAULT_USER, Server};
use crate::sniff;
use crate::state::{Album, Change, Content, Entry, Facts, Item, ItemSeq, Library};

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
    /// The user deletes an item.
    DeleteItem { item: String },
    /// An item gets another name, which may be empty. No client can do this; libraries just
    /// contain such items.
    SetFilename { item: String, filename: String },
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

fn album<'a>(library: &'a Library, wanted: &str) -> Result<&'a Album, EditError> {
    library
        .album_by_id(wanted)
        .or_else(|| library.albums(0).find(|album| album.title == wanted))
        .ok_or_else(|| EditError::NoAlbum(wanted.to_owned()))
}

fn item<'a>(library: &'a Library, wanted: &str) -> Result<&'a Item, EditError> {
    library
        .item_by_id(wanted)
        .or_else(|| library.items().into_iter().find(|item| item.filename == wanted))
        .ok_or_else(|| EditError::NoItem(wanted.to_owned()))
}

/// Makes an edit in the default user's library. Returns the id of what was made or changed. Blocks.
pub(crate) fn apply(server: &Server, edit: Edit) -> Result<String, EditError> {
    let user = DEFAULT_USER.to_owned();
    let now_ms = server.now_ms();
    let mut world = server.world.lock();
    let library = world.library(&user);
    let (id, change) = match edit {
        Edit::CreateAlbum { title } => {
            let album = crate::albums::new_album(library, title);
            (album.id.clone(), Change::Album { user, album: Box::new(album) })
        }
        Edit::RenameAlbum { album: name, title } => {
            let mut album = album(library, &name)?.clone();
            album.title = title;
            (album.id.clone(), Change::Album { user, album: Box::new(album) })
        }
        Edit::DeleteAlbum { album: name } => {
            let album = album(library, &name)?;
            (album.id.clone(), Change::AlbumGone { user, album: album.seq })
        }
        Edit::AddToAlbum { album: name, item: item_name } => {
            let (album, item) = (album(library, &name)?, item(library, &item_name)?);
            let at = album.entries.len();
            let entry = Entry { item: item.seq, added_ms: now_ms };
            let entries = if album.contains(item.seq) { vec![] } else { vec![entry] };
            (item.id.clone(), Change::Entries { user, album: album.seq, at, entries })
        }
        Edit::RemoveFromAlbum { album: name, item: item_name } => {
            let album = album(library, &name)?;
            // Of several items with this name the one in the album is meant.
            let members = album.entries.iter().filter_map(|entry| library.item(entry.item));
            let item = members
                .into_iter()
                .find(|item| item.filename == item_name || item.id == item_name)
                .ok_or(EditError::NoItem(item_name))?;
            let items = vec![item.seq];
            (item.id.clone(), Change::EntriesGone { user, album: album.seq, items })
        }
        Edit::ReorderAlbum { album: name, items } => {
            let album = album(library, &name)?;
            let items = items
                .iter()
                .map(|name| item(library, name).map(|item| item.seq))
                .collect::<Result<Vec<ItemSeq>, _>>()?;
            (album.id.clone(), Change::Order { user, album: album.seq, items })
        }
        Edit::DeleteItem { item: name } => {
            let item = item(library, &name)?;
            (item.id.clone(), Change::ItemGone { user, item: item.seq })
        }
        Edit::SetFilename { item: name, filename } => {
            let item = Item { filename, ..item(library, &name)?.clone() };
            (item.id.clone(), Change::Item { user, item: Box::new(item) })
        }
        Edit::Archive { item: name, archived } => {
            let item = Item { archived, ..item(library, &name)?.clone() };
            (item.id.clone(), Change::Item { user, item: Box::new(item) })
        }
        Edit::Favorite { item: name, favorite } => {
            let item = Item { favorite, ..item(library, &name)?.clone() };
            (item.id.clone(), Change::Item { user, item: Box::new(item) })
        }
        Edit::AddItem { album: name, filename, content, foreign } => {
            let place = name.map(|name| album(library, &name).map(|a| a.seq)).transpose()?;
            let (seq, id) = library.new_item_id(0);
            let sha256 = format!("{:x}", Sha256::digest(&content));
            let path = server.dir.blob(&sha256);
            std::fs::write(&path, &content)?;
            let facts = sniff::examine(&path)?.unwrap_or_else(|_| unknown_photo());
            let size = content.len() as u64;
            let new = Item {
                foreign,
                ..new_item(seq, id.clone(), Content::Stored(sha256), size, filename, facts, now_ms)
            };
            world.record(Change::Item { user: user.clone(), item: Box::new(new) })?;
            let Some(album) = place else { return Ok(id) };
            (id, entries_at_end(world.library(&user), &user, album, vec![seq], now_ms))
        }
        Edit::Seed { album: name, count, size, prefix } => {
            let place = name.map(|name| album(library, &name).map(|a| a.seq)).transpose()?;
            let mut seeded = Vec::new();
            for n in 0..count {
                let (seq, id) = world.library(&user).new_item_id(0);
                let filename = format!("{prefix}{n:06}.jpg");
                // A minute apart, so that the order by time is the order of the names.
                let captured_s = Some(1_600_000_000 + seq as i64 * 60);
                let facts = Facts { width: 2, height: 2, captured_s, ..unknown_photo() };
                let size = size.max(SYNTHETIC_BYTES_MIN);
                let content = Content::Synthetic(seq);
                let item = new_item(seq, id, content, size, filename, facts, now_ms);
                world.record(Change::Item { user: user.clone(), item: Box::new(item) })?;
                seeded.push(seq);
            }
            let Some(album) = place else { return Ok(String::new()) };
            (String::new(), entries_at_end(world.library(&user), &user, album, seeded, now_ms))
        }
    };
    world.record(change)?;
    Ok(id)
}

fn entries_at_end(
    library: &Library,
    user: &str,
    album: u64,
    items: Vec<ItemSeq>,
    added_ms: i64,
) -> Change {
    let at = library.album(album).map_or(0, |album| album.entries.len());
    let entries = items.into_iter().map(|item| Entry { item, added_ms }).collect();
    Change::Entries { user: user.to_owned(), album, at, entries }
}

fn unknown_photo() -> Facts {
    Facts { mime: "image/jpeg".to_owned(), ..Facts::default() }
}

fn new_item(
    seq: ItemSeq,
    id: String,
    content: Content,
    size: u64,
    filename: String,
    facts: Facts,
    created_ms: i64,
) -> Item {
    Item {
        seq,
        id,
        content,
        size,
        filename,
        description: String::new(),
        facts,
        created_ms,
        foreign: false,
        matched: false,
        lost: false,
        archived: false,
        favorite: false,
    }
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
