//! One change of the state.

use serde::{Deserialize, Serialize};

use super::album::{Album, AlbumSeq, Entry};
use super::consent::Consent;
use super::item::{Item, ItemSeq};

/// One change of the world, as it stands in the journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    /// A new item, or one that has changed.
    Item { user: String, item: Box<Item> },
    /// An item is gone, from all albums too.
    ItemGone { user: String, item: ItemSeq },
    /// A new album, or one whose head has changed.
    Album { user: String, album: Box<Album> },
    /// An album is gone; its items stay.
    AlbumGone { user: String, album: AlbumSeq },
    /// Items enter an album at an index.
    Entries { user: String, album: AlbumSeq, at: usize, entries: Vec<Entry> },
    /// Items leave an album.
    EntriesGone { user: String, album: AlbumSeq, items: Vec<ItemSeq> },
    /// An album in another order.
    Order { user: String, album: AlbumSeq, items: Vec<ItemSeq> },
    /// Numbers that are used up, so that ids are never given twice.
    Next { user: String, item: ItemSeq, album: AlbumSeq },
    /// A consent given or changed.
    Consent(Consent),
    /// A consent revoked.
    ConsentGone { refresh_token: String },
}
