//! One user's albums and items, with the indexes that listings need.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::album::{ALBUM_ID_CHARS, Album, AlbumSeq, Entry};
use super::item::{Content, ITEM_ID_CHARS, Item, ItemSeq};
use crate::account::Account;

/// One user's library, as one application sees it.
#[derive(Default)]
pub(crate) struct Library {
    account: Account,
    items: HashMap<ItemSeq, Item>,
    item_ids: HashMap<String, ItemSeq>,
    /// More than one item only if all but one were in the bin.
    by_sha256: HashMap<String, BTreeSet<ItemSeq>>,
    binned: BTreeSet<ItemSeq>,
    by_time: BTreeMap<(i64, ItemSeq), ()>,
    albums: BTreeMap<AlbumSeq, Album>,
    album_ids: HashMap<String, AlbumSeq>,
    next_item: ItemSeq,
    next_album: AlbumSeq,
    bytes: u64,
}

impl Library {
    pub(super) fn new(account: Account) -> Library {
        Library { account, next_item: 1, next_album: 1, ..Library::default() }
    }

    pub(crate) fn item(&self, seq: ItemSeq) -> Option<&Item> {
        self.items.get(&seq)
    }

    pub(crate) fn item_by_id(&self, id: &str) -> Option<&Item> {
        self.items.get(self.item_ids.get(id)?)
    }

    /// The item of these bytes; if there are several, one that is not in the bin.
    pub(crate) fn item_by_sha256(&self, sha256: &str) -> Option<&Item> {
        let items = self.by_sha256.get(sha256)?.iter().filter_map(|seq| self.items.get(seq));
        items.min_by_key(|item| (item.binned, item.seq))
    }

    /// The items in the bin.
    pub(crate) fn binned(&self) -> impl Iterator<Item = &Item> {
        self.binned.iter().filter_map(|seq| self.items.get(seq))
    }

    /// The items of an album that are not in the bin.
    pub(crate) fn entries<'a>(&'a self, album: &'a Album) -> impl Iterator<Item = &'a Entry> {
        album.entries.iter().filter(|entry| !self.binned.contains(&entry.item))
    }

    /// How many items of an album are not in the bin.
    pub(crate) fn count(&self, album: &Album) -> usize {
        let binned = self.binned.iter().filter(|item| album.contains(**item)).count();
        album.entries.len() - binned
    }

    /// The item on an album's cover: the chosen one, or the first.
    pub(crate) fn cover(&self, album: &Album) -> Option<&Item> {
        let chosen = album.cover.filter(|cover| !self.binned.contains(cover));
        let cover = chosen.or_else(|| self.entries(album).next().map(|entry| entry.item));
        self.item(cover?)
    }

    /// All items in order of creation.
    pub(crate) fn items(&self) -> Vec<&Item> {
        let mut items: Vec<&Item> = self.items.values().collect();
        items.sort_unstable_by_key(|item| item.seq);
        items
    }

    /// Items from `cursor` on, newest first or oldest first.
    pub(crate) fn items_by_time(
        &self,
        cursor: (i64, u64),
        newest_first: bool,
    ) -> Box<dyn Iterator<Item = ((i64, u64), &Item)> + '_> {
        let item = |(key, ()): (&(i64, u64), &())| Some((*key, self.items.get(&key.1)?));
        if newest_first {
            Box::new(self.by_time.range(..=cursor).rev().filter_map(item))
        } else {
            Box::new(self.by_time.range(cursor..).filter_map(item))
        }
    }

    pub(crate) fn album(&self, seq: AlbumSeq) -> Option<&Album> {
        self.albums.get(&seq)
    }

    pub(crate) fn album_by_id(&self, id: &str) -> Option<&Album> {
        self.albums.get(self.album_ids.get(id)?)
    }

    /// Albums from `first` on, in order of creation.
    pub(crate) fn albums(&self, first: AlbumSeq) -> impl Iterator<Item = &Album> {
        self.albums.range(first..).map(|(_, album)| album)
    }

    /// Bytes all items take up.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// An empty album with the next free id; not yet part of the library.
    pub(crate) fn new_album(&self, title: String, now_ms: i64) -> Album {
        let seq = self.next_album;
        Album::new(seq, self.id("album", seq, ALBUM_ID_CHARS), title, now_ms)
    }

    /// Number and id for the next item.
    pub(crate) fn new_item_id(&self) -> (ItemSeq, String) {
        let seq = self.next_item;
        (seq, self.id("item", seq, ITEM_ID_CHARS))
    }

    /// Ids of one user and project share a prefix and are the same on every run.
    pub(crate) fn id(&self, kind: &str, seq: u64, chars: usize) -> String {
        let project = self.account.client.project();
        let account = Sha256::digest(format!("{project}\0{}", self.account.user));
        let mut id = format!("ABdUxB{}", &URL_SAFE_NO_PAD.encode(account)[..10]);
        let mut block = Sha256::digest(format!("{project}\0{}\0{kind}\0{seq}", self.account.user));
        while id.len() < chars {
            id += &URL_SAFE_NO_PAD.encode(block);
            block = Sha256::digest(block);
        }
        id.truncate(chars);
        id
    }

    pub(super) fn put_item(&mut self, item: Item) {
        self.remove_item_indexes(item.seq);
        self.next_item = self.next_item.max(item.seq + 1);
        self.item_ids.insert(item.id.clone(), item.seq);
        self.by_time.insert(item.order(), ());
        // A lost item does not stand in the way of the same bytes coming again.
        if let (Content::Stored(sha256), false) = (&item.content, item.lost) {
            self.by_sha256.entry(sha256.clone()).or_default().insert(item.seq);
        }
        if item.binned {
            self.binned.insert(item.seq);
        }
        self.bytes += item.size;
        self.items.insert(item.seq, item);
    }

    fn remove_item_indexes(&mut self, seq: ItemSeq) {
        let Some(item) = self.items.remove(&seq) else { return };
        self.by_time.remove(&item.order());
        self.item_ids.remove(&item.id);
        if let Content::Stored(sha256) = &item.content
            && let Some(items) = self.by_sha256.get_mut(sha256)
        {
            items.remove(&seq);
            if items.is_empty() {
                self.by_sha256.remove(sha256);
            }
        }
        self.binned.remove(&seq);
        self.bytes -= item.size;
    }

    pub(super) fn remove_item(&mut self, seq: ItemSeq) {
        self.remove_item_indexes(seq);
        let gone = HashSet::from([seq]);
        for album in self.albums.values_mut() {
            album.remove(&gone);
        }
    }

    /// Adds an album, or changes the head of one.
    pub(super) fn put_album(&mut self, mut album: Album) {
        self.next_album = self.next_album.max(album.seq + 1);
        self.album_ids.insert(album.id.clone(), album.seq);
        if let Some(old) = self.albums.remove(&album.seq) {
            album.take_items_of(old);
        }
        self.albums.insert(album.seq, album);
    }

    pub(super) fn remove_album(&mut self, seq: AlbumSeq) {
        if let Some(album) = self.albums.remove(&seq) {
            self.album_ids.remove(&album.id);
        }
    }

    pub(super) fn insert_entries(&mut self, album: AlbumSeq, at: usize, entries: Vec<Entry>) {
        if let Some(album) = self.albums.get_mut(&album) {
            album.insert(at, entries);
        }
    }

    pub(super) fn remove_entries(&mut self, album: AlbumSeq, items: Vec<ItemSeq>) {
        if let Some(album) = self.albums.get_mut(&album) {
            album.remove(&items.into_iter().collect());
        }
    }

    pub(super) fn reorder_entries(&mut self, album: AlbumSeq, items: Vec<ItemSeq>) {
        if let Some(album) = self.albums.get_mut(&album) {
            album.reorder(items);
        }
    }

    /// The next free numbers of an item and an album.
    pub(super) fn next_numbers(&self) -> (ItemSeq, AlbumSeq) {
        (self.next_item, self.next_album)
    }

    /// Marks numbers as used up.
    pub(super) fn skip_numbers(&mut self, item: ItemSeq, album: AlbumSeq) {
        self.next_item = self.next_item.max(item);
        self.next_album = self.next_album.max(album);
    }

    /// The SHA-256 of all received bytes that some item consists of.
    pub(super) fn contents(&self) -> impl Iterator<Item = &String> {
        self.by_sha256.keys()
    }
}
