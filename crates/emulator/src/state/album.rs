//! One album and its order (reference §5.1).

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::item::ItemSeq;

/// Length of an album id (reference §2.3).
pub(crate) const ALBUM_ID_CHARS: usize = 76;

/// Number of an album within its library, in order of creation.
pub(crate) type AlbumSeq = u64;

/// One album.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Album {
    pub(crate) seq: AlbumSeq,
    pub(crate) id: String,
    pub(crate) title: String,
    /// In milliseconds of the Unix epoch.
    #[serde(default)]
    pub(crate) created_ms: i64,
    /// The cover the application chose; otherwise the first item is.
    pub(crate) cover: Option<ItemSeq>,
    /// Enrichment ids with the item each one follows.
    pub(crate) enrichments: Vec<(String, Option<ItemSeq>)>,
    /// In album order. Changed only by `Change::Entries` and its kin.
    #[serde(skip)]
    pub(crate) entries: Vec<Entry>,
    #[serde(skip)]
    members: HashSet<ItemSeq>,
}

impl Album {
    /// An empty album.
    pub(crate) fn new(seq: AlbumSeq, id: String, title: String, created_ms: i64) -> Album {
        Album {
            seq,
            id,
            title,
            created_ms,
            cover: None,
            enrichments: Vec::new(),
            entries: Vec::new(),
            members: HashSet::new(),
        }
    }

    pub(crate) fn contains(&self, item: ItemSeq) -> bool {
        self.members.contains(&item)
    }

    /// Takes over the items of `old`, an earlier version of this album's head.
    pub(super) fn take_items_of(&mut self, old: Album) {
        self.entries = old.entries;
        self.members = old.members;
    }

    /// Puts items in at an index.
    pub(super) fn insert(&mut self, at: usize, entries: Vec<Entry>) {
        self.members.extend(entries.iter().map(|entry| entry.item));
        let at = at.min(self.entries.len());
        self.entries.splice(at..at, entries);
    }

    /// Takes items out.
    pub(super) fn remove(&mut self, items: &HashSet<ItemSeq>) {
        let members_before = self.members.len();
        self.members.retain(|item| !items.contains(item));
        if self.members.len() < members_before {
            self.entries.retain(|entry| !items.contains(&entry.item));
            self.cover = self.cover.filter(|cover| !items.contains(cover));
        }
    }

    /// Sorts the album; items that are not named go to the end.
    pub(super) fn reorder(&mut self, items: Vec<ItemSeq>) {
        let places: HashMap<ItemSeq, usize> =
            items.into_iter().enumerate().map(|(place, item)| (item, place)).collect();
        self.entries.sort_by_key(|entry| places.get(&entry.item).copied().unwrap_or(usize::MAX));
    }
}

/// An item's place in an album.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) item: ItemSeq,
    /// In milliseconds of the Unix epoch.
    pub(crate) added_ms: i64,
}
