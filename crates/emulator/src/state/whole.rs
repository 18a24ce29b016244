//! Everything that a user has, whichever application has brought it: what the user sees in the app
//! and in the picker, and no application sees by the Library API.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::album::Album;
use super::item::{Content, Item, ItemSeq};
use super::library::Library;
use crate::account::OauthClient;

/// The application that has brought an item, and the item's number in its library. It stays the same
/// when another application uploads the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) client: OauthClient,
    pub(crate) item: ItemSeq,
}

/// An item of a [`Whole`].
#[derive(Clone, Copy)]
pub(crate) struct Owned<'a> {
    pub(crate) origin: Origin,
    pub(crate) item: &'a Item,
}

/// Everything that a user has.
pub(crate) struct Whole<'a> {
    libraries: Vec<(OauthClient, &'a Library)>,
    /// Newest first.
    items: Vec<Owned<'a>>,
    by_sha256: HashMap<&'a str, Origin>,
}

impl<'a> Whole<'a> {
    /// Everything in a user's libraries, without the bin.
    pub(super) fn of(libraries: Vec<(OauthClient, &'a Library)>) -> Whole<'a> {
        let mut all: Vec<Owned<'a>> = Vec::new();
        for (client, library) in &libraries {
            let items = library.items().into_iter().filter(|item| !item.lost && !item.binned);
            let origin = |item: &Item| Origin { client: *client, item: item.seq };
            all.extend(items.map(|item| Owned { origin: origin(item), item }));
        }
        // The same bytes are one photo: that of the application which brought it first.
        all.sort_by_key(|it| (it.item.foreign, it.item.created_ms, it.origin));
        let mut by_sha256 = HashMap::new();
        all.retain(|it| match &it.item.content {
            Content::Stored(sha256) => {
                *by_sha256.entry(sha256.as_str()).or_insert(it.origin) == it.origin
            }
            Content::Synthetic(_) => true,
        });
        all.sort_by_key(|it| std::cmp::Reverse((it.item.creation_time_s(), it.origin)));
        Whole { libraries, items: all, by_sha256 }
    }

    /// All items, newest first.
    pub(crate) fn items(&self) -> &[Owned<'a>] {
        &self.items
    }

    /// The item that has come from there, if the user still has it.
    fn item(&self, origin: Origin) -> Option<&'a Item> {
        let (_, library) = self.libraries.iter().find(|(client, _)| *client == origin.client)?;
        library.item(origin.item).filter(|item| !item.lost && !item.binned)
    }

    /// All albums, whichever application has made them.
    pub(crate) fn albums(&self) -> impl Iterator<Item = (OauthClient, &'a Album)> {
        let of = |(client, library): &(OauthClient, &'a Library)| {
            let (client, library) = (*client, *library);
            library.albums(0).map(move |album| (client, album))
        };
        self.libraries.iter().flat_map(of)
    }

    /// The items of an album.
    pub(crate) fn members(
        &self,
        client: OauthClient,
        album: &'a Album,
    ) -> impl Iterator<Item = Origin> {
        album.entries.iter().filter_map(move |entry| {
            let origin = Origin { client, item: entry.item };
            match &self.item(origin)?.content {
                Content::Stored(sha256) => self.by_sha256.get(sha256.as_str()).copied(),
                Content::Synthetic(_) => Some(origin),
            }
        })
    }
}
