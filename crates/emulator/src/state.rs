//! What the service knows: for each user a library of albums and items, and the grants.
//!
//! All of it is in memory. Every change is one [`Change`], which [`World::record`] writes to the
//! journal, if there is one, and applies; a restart applies the journal's changes again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::faults::Faults;
use crate::persist::Journal;

/// The Cloud project of the one OAuth client there is.
pub(crate) const PROJECT: &str = "gphotosfs-emulator";

/// Length of an album id (reference §2.3).
pub(crate) const ALBUM_ID_CHARS: usize = 76;
/// Length of a media item id (reference §2.3).
pub(crate) const ITEM_ID_CHARS: usize = 98;

/// Number of an item within its library, in order of creation.
pub(crate) type ItemSeq = u64;
/// Number of an album within its library, in order of creation.
pub(crate) type AlbumSeq = u64;

/// One photo or video.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) seq: ItemSeq,
    pub(crate) id: String,
    pub(crate) content: Content,
    pub(crate) size: u64,
    /// Empty if it has none, as happens in old libraries.
    pub(crate) filename: String,
    pub(crate) description: String,
    pub(crate) facts: Facts,
    /// When the bytes became an item, in milliseconds of the Unix epoch.
    pub(crate) created_ms: i64,
    /// Came by another application; ours has no rights to it (reference §11.2b).
    pub(crate) foreign: bool,
    /// A foreign item whose bytes our application uploaded too.
    pub(crate) matched: bool,
    /// A fault: the item was reported as created and is not to be seen.
    pub(crate) lost: bool,
    pub(crate) archived: bool,
    pub(crate) favorite: bool,
}

/// Where an item's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// Received bytes, kept under their SHA-256 in lower-case hexadecimal.
    Stored(String),
    /// Made up from a seed on each download, so that large libraries cost no disk.
    Synthetic(u64),
}

/// What can be read from an item's bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) mime: String,
    pub(crate) video: bool,
    /// Zero if unknown.
    pub(crate) width: u64,
    pub(crate) height: u64,
    /// When it was taken, in seconds of the Unix epoch.
    pub(crate) captured_s: Option<i64>,
    pub(crate) camera_make: String,
    pub(crate) camera_model: String,
    pub(crate) focal_length: f64,
    pub(crate) aperture: f64,
    pub(crate) iso: u32,
    pub(crate) exposure_s: f64,
}

impl Item {
    /// `creationTime` in seconds: when it was taken, else when it was uploaded (reference §11.9).
    pub(crate) fn creation_time_s(&self) -> i64 {
        self.facts.captured_s.unwrap_or(self.created_ms.div_euclid(1000))
    }

    /// Key of the library's order by time.
    fn order(&self) -> (i64, ItemSeq) {
        (self.creation_time_s(), self.seq)
    }

    /// Whether get finds it.
    pub(crate) fn resolves(&self, faults: &Faults) -> bool {
        let ours = !self.foreign || (self.matched && faults.matched_items_visible);
        ours && (!self.lost || faults.lost_items_resolve)
    }

    /// Whether listings show it.
    pub(crate) fn listed(&self, faults: &Faults) -> bool {
        !self.lost && self.resolves(faults)
    }
}

/// One album.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Album {
    pub(crate) seq: AlbumSeq,
    pub(crate) id: String,
    pub(crate) title: String,
    /// The cover the application chose; otherwise the first item is.
    pub(crate) cover: Option<ItemSeq>,
    /// Enrichment ids with the item each one follows.
    pub(crate) enrichments: Vec<(String, Option<ItemSeq>)>,
    /// In album order. Changed only by [`Change::Entries`] and its kin.
    #[serde(skip)]
    pub(crate) entries: Vec<Entry>,
    #[serde(skip)]
    members: HashSet<ItemSeq>,
}

impl Album {
    /// An empty album.
    pub(crate) fn new(seq: AlbumSeq, id: String, title: String) -> Album {
        Album {
            seq,
            id,
            title,
            cover: None,
            enrichments: Vec::new(),
            entries: Vec::new(),
            members: HashSet::new(),
        }
    }

    pub(crate) fn contains(&self, item: ItemSeq) -> bool {
        self.members.contains(&item)
    }
}

/// An item's place in an album.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) item: ItemSeq,
    /// In milliseconds of the Unix epoch.
    pub(crate) added_ms: i64,
}

/// One user's library, as seen by the one project.
#[derive(Default)]
pub(crate) struct Library {
    user: String,
    items: HashMap<ItemSeq, Item>,
    item_ids: HashMap<String, ItemSeq>,
    by_sha256: HashMap<String, ItemSeq>,
    by_time: BTreeMap<(i64, ItemSeq), ()>,
    albums: BTreeMap<AlbumSeq, Album>,
    album_ids: HashMap<String, AlbumSeq>,
    next_item: ItemSeq,
    next_album: AlbumSeq,
    bytes: u64,
}

impl Library {
    pub(crate) fn item(&self, seq: ItemSeq) -> Option<&Item> {
        self.items.get(&seq)
    }

    pub(crate) fn item_by_id(&self, id: &str) -> Option<&Item> {
        self.items.get(self.item_ids.get(id)?)
    }

    pub(crate) fn item_by_sha256(&self, sha256: &str) -> Option<&Item> {
        self.items.get(self.by_sha256.get(sha256)?)
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

    /// Number and id for the next album.
    pub(crate) fn new_album_id(&self) -> (AlbumSeq, String) {
        let seq = self.next_album;
        (seq, self.id("album", seq, ALBUM_ID_CHARS))
    }

    /// Number and id for the next item, or the `ahead`-th after it.
    pub(crate) fn new_item_id(&self, ahead: u64) -> (ItemSeq, String) {
        let seq = self.next_item + ahead;
        (seq, self.id("item", seq, ITEM_ID_CHARS))
    }

    /// Ids of one user and project share a prefix and are the same on every run.
    pub(crate) fn id(&self, kind: &str, seq: u64, chars: usize) -> String {
        let account = Sha256::digest(format!("{PROJECT}\0{}", self.user));
        let mut id = format!("ABdUxB{}", &URL_SAFE_NO_PAD.encode(account)[..10]);
        let mut block = Sha256::digest(format!("{PROJECT}\0{}\0{kind}\0{seq}", self.user));
        while id.len() < chars {
            id += &URL_SAFE_NO_PAD.encode(block);
            block = Sha256::digest(block);
        }
        id.truncate(chars);
        id
    }

    fn put_item(&mut self, item: Item) {
        self.remove_item_indexes(item.seq);
        self.next_item = self.next_item.max(item.seq + 1);
        self.item_ids.insert(item.id.clone(), item.seq);
        self.by_time.insert(item.order(), ());
        // A lost item does not stand in the way of the same bytes coming again.
        if let (Content::Stored(sha256), false) = (&item.content, item.lost) {
            self.by_sha256.insert(sha256.clone(), item.seq);
        }
        self.bytes += item.size;
        self.items.insert(item.seq, item);
    }

    fn remove_item_indexes(&mut self, seq: ItemSeq) {
        let Some(item) = self.items.remove(&seq) else { return };
        self.by_time.remove(&item.order());
        self.item_ids.remove(&item.id);
        if let Content::Stored(sha256) = &item.content
            && self.by_sha256.get(sha256) == Some(&seq)
        {
            self.by_sha256.remove(sha256);
        }
        self.bytes -= item.size;
    }

    fn remove_item(&mut self, seq: ItemSeq) {
        self.remove_item_indexes(seq);
        for album in self.albums.values_mut() {
            if album.members.remove(&seq) {
                album.entries.retain(|entry| entry.item != seq);
                album.cover = album.cover.filter(|cover| *cover != seq);
            }
        }
    }
}

/// A user's consent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consent {
    pub(crate) refresh_token: String,
    pub(crate) user: String,
    /// Full scope names.
    pub(crate) scopes: Vec<String>,
    /// In milliseconds of the Unix epoch.
    pub(crate) granted_ms: i64,
    /// When the refresh token dies by itself, if it does.
    pub(crate) expires_ms: Option<i64>,
    /// Access tokens carry this number; raising it ends those already given.
    pub(crate) generation: u64,
}

/// Refresh tokens an account may have; one more and the oldest dies silently (reference §3.6).
const CONSENTS_PER_USER_MAX: usize = 100;

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

/// All users' libraries and all consents.
#[derive(Default)]
pub(crate) struct World {
    libraries: BTreeMap<String, Library>,
    consents: BTreeMap<String, Consent>,
    journal: Option<Journal>,
}

impl World {
    /// The world as `journal` tells it; without one, an empty world that is forgotten at the end.
    pub(crate) fn load(journal: Option<Journal>) -> io::Result<World> {
        let mut world = World::default();
        if let Some(mut journal) = journal {
            for change in journal.take_changes() {
                world.apply(change);
            }
            journal.rewrite(world.changes())?;
            world.journal = Some(journal);
        }
        Ok(world)
    }

    /// Makes `change` durable against the end of the process, then true.
    pub(crate) fn record(&mut self, change: Change) -> io::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(&change)?;
        }
        self.apply(change);
        Ok(())
    }

    pub(crate) fn library(&mut self, user: &str) -> &mut Library {
        self.libraries.entry(user.to_owned()).or_insert_with(|| Library {
            user: user.to_owned(),
            next_item: 1,
            next_album: 1,
            ..Library::default()
        })
    }

    pub(crate) fn consent(&self, refresh_token: &str) -> Option<&Consent> {
        self.consents.get(refresh_token)
    }

    pub(crate) fn consents(&self) -> Vec<Consent> {
        self.consents.values().cloned().collect()
    }

    /// The SHA-256 of all bytes that some item consists of.
    pub(crate) fn contents(&self) -> HashSet<String> {
        self.libraries.values().flat_map(|library| library.by_sha256.keys().cloned()).collect()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Item { user, item } => self.library(&user).put_item(*item),
            Change::ItemGone { user, item } => self.library(&user).remove_item(item),
            Change::Album { user, mut album } => {
                let library = self.library(&user);
                library.next_album = library.next_album.max(album.seq + 1);
                library.album_ids.insert(album.id.clone(), album.seq);
                if let Some(old) = library.albums.remove(&album.seq) {
                    album.entries = old.entries;
                    album.members = old.members;
                }
                library.albums.insert(album.seq, *album);
            }
            Change::AlbumGone { user, album } => {
                let library = self.library(&user);
                if let Some(album) = library.albums.remove(&album) {
                    library.album_ids.remove(&album.id);
                }
            }
            Change::Entries { user, album, at, entries } => {
                if let Some(album) = self.library(&user).albums.get_mut(&album) {
                    album.members.extend(entries.iter().map(|entry| entry.item));
                    let at = at.min(album.entries.len());
                    album.entries.splice(at..at, entries);
                }
            }
            Change::EntriesGone { user, album, items } => {
                if let Some(album) = self.library(&user).albums.get_mut(&album) {
                    let gone: HashSet<ItemSeq> = items.into_iter().collect();
                    album.members.retain(|item| !gone.contains(item));
                    album.entries.retain(|entry| !gone.contains(&entry.item));
                    album.cover = album.cover.filter(|cover| !gone.contains(cover));
                }
            }
            Change::Order { user, album, items } => {
                if let Some(album) = self.library(&user).albums.get_mut(&album) {
                    let place: HashMap<ItemSeq, usize> =
                        items.into_iter().enumerate().map(|(place, item)| (item, place)).collect();
                    album
                        .entries
                        .sort_by_key(|e| place.get(&e.item).copied().unwrap_or(usize::MAX));
                }
            }
            Change::Next { user, item, album } => {
                let library = self.library(&user);
                library.next_item = library.next_item.max(item);
                library.next_album = library.next_album.max(album);
            }
            Change::Consent(consent) => {
                let user = consent.user.clone();
                self.consents.insert(consent.refresh_token.clone(), consent);
                self.drop_oldest_consent(&user);
            }
            Change::ConsentGone { refresh_token } => {
                self.consents.remove(&refresh_token);
            }
        }
    }

    fn drop_oldest_consent(&mut self, user: &str) {
        let of_user = || self.consents.values().filter(|consent| consent.user == user);
        if of_user().count() > CONSENTS_PER_USER_MAX
            && let Some(oldest) = of_user().min_by_key(|consent| consent.granted_ms)
        {
            let refresh_token = oldest.refresh_token.clone();
            self.consents.remove(&refresh_token);
        }
    }

    /// The changes that make this world out of an empty one.
    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (user, library) in &self.libraries {
            let user = || user.clone();
            for item in library.items() {
                changes.push(Change::Item { user: user(), item: Box::new(item.clone()) });
            }
            for album in library.albums.values() {
                changes.push(Change::Album { user: user(), album: Box::new(album.clone()) });
                changes.push(Change::Entries {
                    user: user(),
                    album: album.seq,
                    at: 0,
                    entries: album.entries.clone(),
                });
            }
            changes.push(Change::Next {
                user: user(),
                item: library.next_item,
                album: library.next_album,
            });
        }
        changes.extend(self.consents.values().cloned().map(Change::Consent));
        changes
    }
}
