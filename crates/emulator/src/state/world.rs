//! All libraries and all consents.
//!
//! All of it is in memory. Every change is one [`Change`], which [`World::record`] writes to the
//! journal, if there is one, and applies; a restart applies the journal's changes again.

use std::collections::{BTreeMap, HashSet};
use std::io;

use super::change::Change;
use super::consent::Consent;
use super::item::Item;
use super::journal::Journal;
use super::library::Library;
use super::pick::PickSession;
use super::whole::{Origin, Whole};
use crate::account::Account;

/// Refresh tokens a client may have of one user; one more and the oldest dies silently (reference §3.6).
const CONSENTS_MAX: usize = 100;

/// All users' libraries, all consents and all sessions of the Picker API.
#[derive(Default)]
pub(crate) struct World {
    libraries: BTreeMap<Account, Library>,
    consents: BTreeMap<String, Consent>,
    pick_sessions: BTreeMap<String, PickSession>,
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

    pub(crate) fn library(&mut self, account: &Account) -> &mut Library {
        self.libraries.entry(account.clone()).or_insert_with(|| Library::new(account.clone()))
    }

    /// The accounts of a user that have a library, one for each application.
    pub(crate) fn accounts_of(&self, user: &str) -> Vec<Account> {
        self.libraries.keys().filter(|account| account.user == user).cloned().collect()
    }

    /// Everything that a user has, whichever application has brought it.
    pub(crate) fn whole(&self, user: &str) -> Whole<'_> {
        let of_user = self.libraries.iter().filter(|(account, _)| account.user == user);
        Whole::of(of_user.map(|(account, library)| (account.client, library)).collect())
    }

    /// A user's item, unless it is gone or in the bin.
    pub(crate) fn owned_item(&self, user: &str, origin: Origin) -> Option<&Item> {
        let account = Account { user: user.to_owned(), client: origin.client };
        let item = self.libraries.get(&account)?.item(origin.item)?;
        (!item.lost && !item.binned).then_some(item)
    }

    /// A session of the Picker API that is neither deleted nor swept.
    pub(crate) fn pick_session(&self, id: &str) -> Option<&PickSession> {
        self.pick_sessions.get(id)
    }

    /// All of them.
    pub(crate) fn pick_sessions(&self) -> impl Iterator<Item = &PickSession> {
        self.pick_sessions.values()
    }

    /// The item of these bytes that another application of the same user has made.
    pub(crate) fn item_of_another_client(&self, account: &Account, sha256: &str) -> Option<&Item> {
        let of_user = self.libraries.iter().filter(|(it, _)| it.user == account.user);
        let mut others = of_user.filter(|(it, _)| it.client != account.client);
        others.find_map(|(_, library)| library.item_by_sha256(sha256).filter(|item| !item.foreign))
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
            Change::Item { account, item } => self.library(&account).put_item(*item),
            Change::ItemGone { account, item } => self.library(&account).remove_item(item),
            Change::Album { account, album } => self.library(&account).put_album(*album),
            Change::AlbumGone { account, album } => self.library(&account).remove_album(album),
            Change::Entries { account, album, at, entries } => {
                self.library(&account).insert_entries(album, at, entries);
            }
            Change::EntriesGone { account, album, items } => {
                self.library(&account).remove_entries(album, items);
            }
            Change::Order { account, album, items } => {
                self.library(&account).reorder_entries(album, items);
            }
            Change::Next { account, item, album } => {
                self.library(&account).skip_numbers(item, album)
            }
            Change::Consent(consent) => {
                let account = consent.account.clone();
                self.consents.insert(consent.refresh_token.clone(), consent);
                self.drop_oldest_consent(&account);
            }
            Change::ConsentGone { refresh_token } => {
                self.consents.remove(&refresh_token);
            }
            Change::PickSession(session) => {
                self.pick_sessions.insert(session.id.clone(), session);
            }
            Change::PickSessionGone { id } => {
                self.pick_sessions.remove(&id);
            }
        }
    }

    fn drop_oldest_consent(&mut self, account: &Account) {
        let of_account = || self.consents.values().filter(|consent| consent.account == *account);
        if of_account().count() > CONSENTS_MAX
            && let Some(oldest) = of_account().min_by_key(|consent| consent.granted_ms)
        {
            let refresh_token = oldest.refresh_token.clone();
            self.consents.remove(&refresh_token);
        }
    }

    /// The changes that make this world out of an empty one.
    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (account, library) in &self.libraries {
            let account = || account.clone();
            for item in library.items() {
                changes.push(Change::Item { account: account(), item: Box::new(item.clone()) });
            }
            for album in library.albums(0) {
                changes.push(Change::Album { account: account(), album: Box::new(album.clone()) });
                let (album, entries) = (album.seq, album.entries.clone());
                changes.push(Change::Entries { account: account(), album, at: 0, entries });
            }
            let (item, album) = library.next_numbers();
            changes.push(Change::Next { account: account(), item, album });
        }
        changes.extend(self.consents.values().cloned().map(Change::Consent));
        changes.extend(self.pick_sessions.values().cloned().map(Change::PickSession));
        changes
    }
}
