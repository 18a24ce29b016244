//! All libraries and all consents.
//!
//! All of it is in memory. Every change is one [`Change`], which [`World::record`] writes to the
//! journal, if there is one, and applies; a restart applies the journal's changes again.

use std::collections::{BTreeMap, HashSet};
use std::io;

use super::change::Change;
use super::consent::Consent;
use super::journal::Journal;
use super::library::Library;

/// Refresh tokens an account may have; one more and the oldest dies silently (reference §3.6).
const CONSENTS_PER_USER_MAX: usize = 100;

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
        self.libraries.entry(user.to_owned()).or_insert_with(|| Library::new(user.to_owned()))
    }

    pub(crate) fn consent(&self, refresh_token: &str) -> Option<&Consent> {
        self.consents.get(refresh_token)
    }

    pub(crate) fn consents(&self) -> Vec<Consent> {
        self.consents.values().cloned().collect()
    }

    /// The SHA-256 of all bytes that some item consists of.
    pub(crate) fn contents(&self) -> HashSet<String> {
        self.libraries.values().flat_map(Library::contents).cloned().collect()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Item { user, item } => self.library(&user).put_item(*item),
            Change::ItemGone { user, item } => self.library(&user).remove_item(item),
            Change::Album { user, album } => self.library(&user).put_album(*album),
            Change::AlbumGone { user, album } => self.library(&user).remove_album(album),
            Change::Entries { user, album, at, entries } => {
                self.library(&user).insert_entries(album, at, entries);
            }
            Change::EntriesGone { user, album, items } => {
                self.library(&user).remove_entries(album, items);
            }
            Change::Order { user, album, items } => {
                self.library(&user).reorder_entries(album, items);
            }
            Change::Next { user, item, album } => self.library(&user).skip_numbers(item, album),
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
            for album in library.albums(0) {
                changes.push(Change::Album { user: user(), album: Box::new(album.clone()) });
                let (album, entries) = (album.seq, album.entries.clone());
                changes.push(Change::Entries { user: user(), album, at: 0, entries });
            }
            let (item, album) = library.next_numbers();
            changes.push(Change::Next { user: user(), item, album });
        }
        changes.extend(self.consents.values().cloned().map(Change::Consent));
        changes
    }
}
