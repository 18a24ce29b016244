//! One change of the state.

use serde::{Deserialize, Serialize};

use super::album::{Album, AlbumSeq, Entry};
use super::consent::Consent;
use super::item::{Item, ItemSeq};
use super::pick::PickSession;
use crate::account::Account;

/// One change of the world, as it stands in the journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    /// A new item, or one that has changed.
    Item {
        #[serde(flatten)]
        account: Account,
        item: Box<Item>,
    },
    /// An item is gone, from all albums too.
    ItemGone {
        #[serde(flatten)]
        account: Account,
        item: ItemSeq,
    },
    /// A new album, or one whose head has changed.
    Album {
        #[serde(flatten)]
        account: Account,
        album: Box<Album>,
    },
    /// An album is gone; its items stay.
    AlbumGone {
        #[serde(flatten)]
        account: Account,
        album: AlbumSeq,
    },
    /// Items enter an album at an index.
    Entries {
        #[serde(flatten)]
        account: Account,
        album: AlbumSeq,
        at: usize,
        entries: Vec<Entry>,
    },
    /// Items leave an album.
    EntriesGone {
        #[serde(flatten)]
        account: Account,
        album: AlbumSeq,
        items: Vec<ItemSeq>,
    },
    /// An album in another order.
    Order {
        #[serde(flatten)]
        account: Account,
        album: AlbumSeq,
        items: Vec<ItemSeq>,
    },
    /// Numbers that are used up, so that ids are never given twice.
    Next {
        #[serde(flatten)]
        account: Account,
        item: ItemSeq,
        album: AlbumSeq,
    },
    /// A consent given or changed.
    Consent(Consent),
    /// A consent revoked.
    ConsentGone { refresh_token: String },
    /// A session of the Picker API, made or changed.
    PickSession(PickSession),
    /// A session of the Picker API is deleted.
    PickSessionGone { id: String },
}
