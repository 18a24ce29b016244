//! The albums and items that have arrived, for tests to compare.

use serde::Serialize;

use crate::account::Account;
use crate::server::Server;
use crate::state::{Content, Entry};

/// All albums and items of an account.
#[derive(Clone, Debug, Serialize)]
pub struct Dump {
    /// In order of creation.
    pub albums: Vec<DumpedAlbum>,
    /// In order of creation, those included that the API does not show.
    pub items: Vec<DumpedItem>,
}

/// An album in a [`Dump`].
#[derive(Clone, Debug, Serialize)]
pub struct DumpedAlbum {
    /// As in the API.
    pub id: String,
    /// As in the API.
    pub title: String,
    /// Item ids in album order, without those in the bin.
    pub items: Vec<String>,
}

/// An item in a [`Dump`].
#[derive(Clone, Debug, Serialize)]
pub struct DumpedItem {
    /// As in the API.
    pub id: String,
    /// As in the API; empty if there is none.
    pub filename: String,
    /// As in the API.
    pub description: String,
    /// As in the API.
    pub mime_type: String,
    /// Of the received bytes, in lower-case hexadecimal; `None` if the bytes are made up.
    pub sha256: Option<String>,
    /// Bytes received.
    pub size: u64,
    /// It came by another application.
    pub foreign: bool,
    /// The fault of that name struck it.
    pub lost: bool,
    /// It is in the user's bin.
    pub binned: bool,
}

impl Dump {
    pub(crate) fn of(server: &Server, account: &Account) -> Dump {
        let mut world = server.world.lock();
        let library = world.library(account);
        let item_id = |entry: &Entry| Some(library.item(entry.item)?.id.clone());
        let albums = library.albums(0).map(|album| DumpedAlbum {
            id: album.id.clone(),
            title: album.title.clone(),
            items: library.entries(album).filter_map(item_id).collect(),
        });
        let items = library.items().into_iter().map(|item| DumpedItem {
            id: item.id.clone(),
            filename: item.filename.clone(),
            description: item.description.clone(),
            mime_type: item.facts.mime.clone(),
            sha256: match &item.content {
                Content::Stored(sha256) => Some(sha256.clone()),
                Content::Synthetic(_) => None,
            },
            size: item.size,
            foreign: item.foreign,
            lost: item.lost,
            binned: item.binned,
        });
        Dump { albums: albums.collect(), items: items.collect() }
    }

    /// The album with a title, the first of several.
    pub fn album(&self, title: &str) -> Option<&DumpedAlbum> {
        self.albums.iter().find(|album| album.title == title)
    }

    /// The item with an id.
    pub fn item(&self, id: &str) -> Option<&DumpedItem> {
        self.items.iter().find(|item| item.id == id)
    }
}
