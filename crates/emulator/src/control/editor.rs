//! Makes [`Edit`]s.

use sha2::{Digest, Sha256};

use super::edit::{Edit, EditError, MadeUpItem};
use crate::account::Account;
use crate::media::sniff;
use crate::media::synthetic::SYNTHETIC_BYTES_MIN;
use crate::private;
use crate::server::Server;
use crate::state::{Album, Change, Content, Entry, Facts, Item, ItemSeq, Library, World};

/// Makes an edit in an account's library. Returns the id of what was made or changed. Blocks.
pub(crate) fn apply(server: &Server, account: Account, edit: Edit) -> Result<String, EditError> {
    let mut world = server.world.lock();
    let mut editor = Editor { server, world: &mut world, account, now_ms: server.now_ms() };
    match edit {
        Edit::CreateAlbum { title } => {
            let now_ms = editor.now_ms;
            let album = editor.library().new_album(title, now_ms);
            editor.put_album(album)
        }
        Edit::RenameAlbum { album, title } => {
            let mut album = editor.album(&album)?.clone();
            album.title = title;
            editor.put_album(album)
        }
        Edit::DeleteAlbum { album } => editor.delete_album(&album),
        Edit::AddToAlbum { album, item } => editor.add_to_album(&album, &item),
        Edit::RemoveFromAlbum { album, item } => editor.remove_from_album(&album, &item),
        Edit::ReorderAlbum { album, items } => editor.reorder_album(&album, &items),
        Edit::DeleteItem { item } => editor.delete_item(&item),
        Edit::MoveToBin { item } => editor.set_binned(&item, true),
        Edit::RestoreFromBin { item } => editor.set_binned(&item, false),
        Edit::EmptyBin => editor.empty_bin(),
        Edit::SetFilename { item, filename } => {
            let item = Item { filename, ..editor.item(&item)?.clone() };
            editor.put_item(item)
        }
        Edit::MismatchMetadata { item, mismatched } => {
            let item = Item { mismatched, ..editor.item(&item)?.clone() };
            editor.put_item(item)
        }
        Edit::SetFacts { item, captured_s, width, height, camera_make, camera_model } => {
            let item = editor.item(&item)?.clone();
            let known = item.facts.clone();
            let facts = Facts { captured_s, width, height, camera_make, camera_model, ..known };
            editor.put_item(Item { facts, ..item })
        }
        Edit::Archive { item, archived } => {
            let item = Item { archived, ..editor.item(&item)?.clone() };
            editor.put_item(item)
        }
        Edit::Favorite { item, favorite } => {
            let item = Item { favorite, ..editor.item(&item)?.clone() };
            editor.put_item(item)
        }
        Edit::AddItem { album, filename, content, foreign } => {
            editor.add_item(album.as_deref(), filename, &content, foreign)
        }
        Edit::AddMadeUp { album, items } => editor.add_made_up(album.as_deref(), items),
        Edit::Seed { album, count, size, prefix } => {
            editor.seed(album.as_deref(), count, size, &prefix)
        }
    }
}

/// The library while an edit is made.
pub(super) struct Editor<'a> {
    server: &'a Server,
    pub(super) world: &'a mut World,
    pub(super) account: Account,
    now_ms: i64,
}

impl Editor<'_> {
    pub(super) fn library(&mut self) -> &Library {
        self.world.library(&self.account)
    }

    fn album(&mut self, wanted: &str) -> Result<&Album, EditError> {
        let library = self.library();
        library
            .album_by_id(wanted)
            .or_else(|| library.albums(0).find(|album| album.title == wanted))
            .ok_or_else(|| EditError::NoAlbum(wanted.to_owned()))
    }

    fn item(&mut self, wanted: &str) -> Result<&Item, EditError> {
        self.find_item(wanted, |item| !item.binned)
    }

    /// An item by its id, or by its name: then one that `preferred` picks, if there is one.
    pub(super) fn find_item(
        &mut self,
        wanted: &str,
        preferred: impl Fn(&Item) -> bool,
    ) -> Result<&Item, EditError> {
        let library = self.library();
        let by_name = || {
            let mut items = library.items();
            items.retain(|item| item.filename == wanted);
            items.into_iter().min_by_key(|item| !preferred(item))
        };
        library
            .item_by_id(wanted)
            .or_else(by_name)
            .ok_or_else(|| EditError::NoItem(wanted.to_owned()))
    }

    fn put_album(&mut self, album: Album) -> Result<String, EditError> {
        let id = album.id.clone();
        let album = Box::new(album);
        self.world.record(Change::Album { account: self.account.clone(), album })?;
        Ok(id)
    }

    fn put_item(&mut self, item: Item) -> Result<String, EditError> {
        let id = item.id.clone();
        let item = Box::new(item);
        self.world.record(Change::Item { account: self.account.clone(), item })?;
        Ok(id)
    }

    fn delete_album(&mut self, album: &str) -> Result<String, EditError> {
        let album = self.album(album)?;
        let (album, id) = (album.seq, album.id.clone());
        self.world.record(Change::AlbumGone { account: self.account.clone(), album })?;
        Ok(id)
    }

    fn add_to_album(&mut self, album: &str, item: &str) -> Result<String, EditError> {
        let album = self.album(album)?.clone();
        let item = self.item(item)?;
        let (item, id) = (item.seq, item.id.clone());
        if !album.contains(item) {
            self.append(album.seq, [item])?;
        }
        Ok(id)
    }

    fn remove_from_album(&mut self, album: &str, item: &str) -> Result<String, EditError> {
        let album = self.album(album)?.clone();
        // Of several items with this name the one in the album is meant.
        let library = self.library();
        let mut members = album.entries.iter().filter_map(|entry| library.item(entry.item));
        let item = members
            .find(|it| it.filename == item || it.id == item)
            .ok_or_else(|| EditError::NoItem(item.to_owned()))?;
        let (items, id) = (vec![item.seq], item.id.clone());
        let account = self.account.clone();
        self.world.record(Change::EntriesGone { account, album: album.seq, items })?;
        Ok(id)
    }

    fn reorder_album(&mut self, album: &str, items: &[String]) -> Result<String, EditError> {
        let items = items
            .iter()
            .map(|name| self.item(name).map(|item| item.seq))
            .collect::<Result<Vec<ItemSeq>, _>>()?;
        let album = self.album(album)?;
        let (album, id) = (album.seq, album.id.clone());
        self.world.record(Change::Order { account: self.account.clone(), album, items })?;
        Ok(id)
    }

    fn add_item(
        &mut self,
        album: Option<&str>,
        filename: String,
        content: &[u8],
        foreign: bool,
    ) -> Result<String, EditError> {
        let album = album.map(|name| self.album(name).map(|album| album.seq)).transpose()?;
        let sha256 = format!("{:x}", Sha256::digest(content));
        // Google keeps equal bytes once in an account, also if another application uploads them
        // (reference §11.2). The application's own edits may make an older library, without that rule.
        let known = self.library().item_by_sha256(&sha256);
        let known = known.filter(|item| foreign && !item.binned).cloned();
        let item = match known {
            Some(known) => known,
            None => {
                let path = self.server.dir.blob(&sha256);
                private::write(&path, content)?;
                let facts = sniff::examine(&path)?.unwrap_or_else(|_| unknown_photo());
                let size = content.len() as u64;
                let item = self.new_item(Content::Stored(sha256), size, filename, facts);
                Item { foreign, ..item }
            }
        };
        let (seq, id) = (item.seq, item.id.clone());
        self.put_item(item)?;
        if let Some(album) = album
            && !self.library().album(album).is_some_and(|album| album.contains(seq))
        {
            self.append(album, [seq])?;
        }
        Ok(id)
    }

    fn add_made_up(
        &mut self,
        album: Option<&str>,
        items: Vec<MadeUpItem>,
    ) -> Result<String, EditError> {
        let album = album.map(|name| self.album(name).map(|album| album.seq)).transpose()?;
        let mut added = Vec::with_capacity(items.len());
        for made_up in items {
            let facts = Facts {
                video: made_up.mime_type.starts_with("video/"),
                mime: made_up.mime_type,
                captured_s: made_up.captured_s,
                width: made_up.width,
                height: made_up.height,
                camera_make: made_up.camera_make,
                camera_model: made_up.camera_model,
                ..Facts::default()
            };
            let (seq, _) = self.library().new_item_id();
            let size = made_up.size.max(SYNTHETIC_BYTES_MIN);
            let item = self.new_item(Content::Synthetic(seq), size, made_up.filename, facts);
            self.put_item(item)?;
            added.push(seq);
        }
        if let Some(album) = album {
            self.append(album, added)?;
        }
        Ok(String::new())
    }

    fn seed(
        &mut self,
        album: Option<&str>,
        count: u64,
        size: u64,
        prefix: &str,
    ) -> Result<String, EditError> {
        let album = album.map(|name| self.album(name).map(|album| album.seq)).transpose()?;
        let size = size.max(SYNTHETIC_BYTES_MIN);
        let mut seeded = Vec::new();
        for n in 0..count {
            let filename = format!("{prefix}{n:06}.jpg");
            let (seq, _) = self.library().new_item_id();
            // A minute apart, so that the order by time is the order of the names.
            let captured_s = Some(1_600_000_000 + seq as i64 * 60);
            let facts = Facts { width: 2, height: 2, captured_s, ..unknown_photo() };
            let item = self.new_item(Content::Synthetic(seq), size, filename, facts);
            self.put_item(item)?;
            seeded.push(seq);
        }
        if let Some(album) = album {
            self.append(album, seeded)?;
        }
        Ok(String::new())
    }

    /// Puts items at the end of an album.
    fn append(
        &mut self,
        album: u64,
        items: impl IntoIterator<Item = ItemSeq>,
    ) -> Result<(), EditError> {
        let at = self.library().album(album).map_or(0, |album| album.entries.len());
        let added_ms = self.now_ms;
        let entries = items.into_iter().map(|item| Entry { item, added_ms }).collect();
        let account = self.account.clone();
        self.world.record(Change::Entries { account, album, at, entries })?;
        Ok(())
    }

    /// An item with the next free id; not yet part of the library.
    fn new_item(&mut self, content: Content, size: u64, filename: String, facts: Facts) -> Item {
        let (seq, id) = self.library().new_item_id();
        Item {
            seq,
            id,
            content,
            size,
            filename,
            description: String::new(),
            facts,
            created_ms: self.now_ms,
            foreign: false,
            matched: false,
            lost: false,
            binned: false,
            mismatched: false,
            archived: false,
            favorite: false,
        }
    }
}

fn unknown_photo() -> Facts {
    Facts { mime: "image/jpeg".to_owned(), ..Facts::default() }
}
