//! Picks: the items that the user has picked from all of Google Photos, by the names of the picks.
//!
//! Picked items are files of their own, with the Picker API's ids. They are in no album and in no
//! view, and nothing is uploaded for them.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Store;
use super::error::Result;
use super::items::{ListedItem, last_resort};
use super::lookups;
use super::tables::{files, picks};
use super::time::{from_millis, to_millis};
use super::tx::Tx;
use super::types::DirEntry;
use crate::media::{EntryName, FileId, PickId, PickerSessionId};

/// A pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Itself.
    pub id: PickId,
    /// Its name.
    pub name: EntryName,
    /// When a name in it last came or went, in nanoseconds since 1970.
    pub names_changed_ns: i64,
}

/// A pick with its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickSummary {
    /// The pick.
    pub pick: Pick,
    /// How many items it has.
    pub items: u64,
    /// How many of them have no name at Google.
    pub nameless: u64,
    /// How many of them are videos that Google has not processed yet.
    pub processing: u64,
    /// When its sessions end, the first one first. Sessions that have ended are not among them.
    pub sessions_end: Vec<SystemTime>,
    /// Whether a session has not been listed to its end.
    pub is_partial: bool,
}

/// A session of a pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickSession {
    /// Its id at Google.
    pub remote: PickerSessionId,
    /// When it ends by itself.
    pub expires_at: SystemTime,
}

fn session(row: &Row<'_>) -> rusqlite::Result<PickSession> {
    let expires_at = from_millis(row.get("expires_at")?);
    Ok(PickSession { remote: row.get("remote")?, expires_at })
}

fn pick(row: &Row<'_>) -> rusqlite::Result<Pick> {
    let names_changed_ns = row.get("names_changed_ns")?;
    Ok(Pick { id: row.get("id")?, name: row.get("name")?, names_changed_ns })
}

impl Store {
    /// Up to `limit` picks after the pick `after`, in the order in which they were made.
    pub fn picks(&self, after: i64, limit: u32) -> Result<Vec<Pick>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT * FROM picks WHERE id > ?1 ORDER BY id LIMIT ?2")?
                .query_map(params![after, limit], pick)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// A pick. `None` if it was forgotten.
    pub fn pick(&self, id: PickId) -> Result<Option<Pick>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT * FROM picks WHERE id = ?1")?
                .query_row([id], pick)
                .optional()?)
        })
    }

    /// The pick of this name.
    pub fn pick_named(&self, name: &EntryName) -> Result<Option<PickId>> {
        self.read(|db| named(db, name))
    }

    /// The file called `name` in a pick.
    pub fn pick_child(&self, pick: PickId, name: &EntryName) -> Result<Option<FileId>> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT file FROM pick_entries WHERE pick = ?1 AND name = ?2")?
                .query_row(params![pick, name], |row| row.get(0))
                .optional()?)
        })
    }

    /// Up to `limit` items of a pick behind `cookie` (0: from the beginning), in cookie order.
    pub fn pick_entries(&self, pick: PickId, cookie: i64, limit: u32) -> Result<Vec<DirEntry>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT id, name, file FROM pick_entries \
                     WHERE pick = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                )?
                .query_map(params![pick, cookie, limit], lookups::listed_file)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// All picks with their counts, by their names.
    pub fn pick_summaries(&self) -> Result<Vec<PickSummary>> {
        self.read(|db| {
            let picks: Vec<Pick> = db
                .prepare_cached("SELECT * FROM picks ORDER BY name")?
                .query_map([], pick)?
                .collect::<rusqlite::Result<_>>()?;
            picks.into_iter().map(|pick| summary(db, pick)).collect()
        })
    }

    /// Keeps that a command waits for the user in a session.
    pub fn session_begun(&self, remote: &PickerSessionId, expires_at: SystemTime) -> Result<()> {
        self.write_durable(|tx| picks::put_session(tx, None, remote, to_millis(expires_at)))
    }

    /// A command has stopped to wait in a session; `None`: all commands have. If they are not
    /// deleted at Google now, later commands do that.
    pub fn sessions_given_up(&self, remote: Option<&PickerSessionId>) -> Result<()> {
        self.write(|tx| picks::give_up(tx, remote))
    }

    /// Adds a session to the pick of this name, which is made if there is none. With `anew`, the
    /// pick loses what it had. Removes all traces of sessions that have ended by themselves.
    pub fn add_to_pick(
        &self,
        name: &EntryName,
        remote: &PickerSessionId,
        expires_at: SystemTime,
        anew: bool,
    ) -> Result<()> {
        self.write_durable(|tx| {
            picks::delete_expired(tx)?;
            let pick = picks::insert(tx, name)?;
            if anew {
                picks::clear(tx, pick)?;
                files::delete_unpicked(tx)?;
                picks::set_changed(tx, pick)?;
            }
            picks::put_session(tx, Some(pick), remote, to_millis(expires_at))
        })
    }

    /// Keeps one page of a session's items. An item that the pick has already keeps its name.
    /// Returns how many are new.
    pub fn picked_listed(&self, remote: &PickerSessionId, page: &[ListedItem]) -> Result<u64> {
        self.write(|tx| {
            let found: Option<(i64, Option<PickId>)> = tx
                .prepare_cached("SELECT id, pick FROM picker_sessions WHERE remote = ?1")?
                .query_row([remote], |row| Ok((row.get("id")?, row.get("pick")?)))
                .optional()?;
            // Somebody has forgotten the pick meanwhile.
            let Some((session, Some(pick))) = found else { return Ok(0) };
            let mut fresh = 0;
            for listed in page {
                let file = files::upsert_picked(tx, &listed.item)?;
                let is_known = tx
                    .prepare_cached("SELECT 1 FROM pick_entries WHERE pick = ?1 AND file = ?2")?
                    .exists(params![pick, file])?;
                if is_known {
                    picks::set_session(tx, (pick, file), session)?;
                } else {
                    let name = free_name(tx, pick, file, &listed.names)?;
                    picks::insert_entry(tx, (pick, file), &name, session)?;
                    fresh += 1;
                }
            }
            if fresh > 0 {
                picks::set_changed(tx, pick)?;
            }
            Ok(fresh)
        })
    }

    /// Keeps that a session was listed to its end.
    pub fn session_listed(&self, remote: &PickerSessionId) -> Result<()> {
        self.write_durable(|tx| picks::set_listed(tx, remote))
    }

    /// Keeps that a session has ended at Google.
    pub fn session_ended(&self, remote: &PickerSessionId) -> Result<()> {
        self.write(|tx| picks::delete_session(tx, remote))
    }

    /// The sessions that an earlier command has not listed to their ends.
    pub fn unlisted_sessions(&self, name: &EntryName) -> Result<Vec<PickSession>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT s.remote, s.expires_at FROM picker_sessions s JOIN picks p ON p.id = s.pick \
                     WHERE p.name = ?1 AND NOT s.listed ORDER BY s.id",
                )?
                .query_map([name], session)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The sessions that no pick needs, and that are to be deleted at Google.
    pub fn needless_sessions(&self) -> Result<Vec<PickSession>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT remote, expires_at FROM picker_sessions WHERE pick IS NULL AND listed ORDER BY id",
                )?
                .query_map([], session)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The session through which a picked item can be read the longest. `None` if all have ended.
    pub fn session_of(&self, file: FileId) -> Result<Option<PickSession>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT s.remote, s.expires_at FROM pick_entries e JOIN picker_sessions s ON s.id = e.session \
                     WHERE e.file = ?1 ORDER BY s.expires_at DESC LIMIT 1",
                )?
                .query_row([file], session)
                .optional()?)
        })
    }

    /// Forgets a pick. Its sessions are to be deleted at Google then. Returns whether there was one.
    pub fn forget_pick(&self, name: &EntryName) -> Result<bool> {
        self.write_durable(|tx| {
            let Some(pick) = named(tx, name)? else { return Ok(false) };
            picks::clear(tx, pick)?;
            picks::delete(tx, pick)?;
            files::delete_unpicked(tx)?;
            Ok(true)
        })
    }
}

fn named(db: &Connection, name: &EntryName) -> Result<Option<PickId>> {
    Ok(db
        .prepare_cached("SELECT id FROM picks WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

fn summary(db: &Connection, pick: Pick) -> Result<PickSummary> {
    let (items, nameless, processing) = db
        .prepare_cached(
            "SELECT count(*), count(*) FILTER (WHERE f.filename = ''), \
             count(*) FILTER (WHERE f.video IN ('processing', 'unspecified')) \
             FROM pick_entries e JOIN files f ON f.id = e.file WHERE e.pick = ?1",
        )?
        .query_row([pick.id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let sessions: Vec<(i64, bool)> = db
        .prepare_cached(
            "SELECT expires_at, listed FROM picker_sessions WHERE pick = ?1 ORDER BY expires_at",
        )?
        .query_map([pick.id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let is_partial = sessions.iter().any(|(_, listed)| !listed);
    let sessions_end = sessions.into_iter().map(|(at, _)| from_millis(at)).collect();
    Ok(PickSummary { pick, items, nameless, processing, sessions_end, is_partial })
}

/// The first of `names` that is free in a pick.
fn free_name(tx: &Tx<'_>, pick: PickId, file: FileId, names: &[EntryName]) -> Result<EntryName> {
    let mut taken =
        tx.prepare_cached("SELECT 1 FROM pick_entries WHERE pick = ?1 AND name = ?2")?;
    for name in names {
        if !taken.exists(params![pick, name])? {
            return Ok(name.clone());
        }
    }
    last_resort(file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::{ItemId, View};
    use crate::store::ListingScope;
    use crate::store::tests::{item, name};

    fn remote(id: &str) -> PickerSessionId {
        PickerSessionId::new(id)
    }

    fn later(seconds: u64) -> SystemTime {
        SystemTime::now() + Duration::from_secs(seconds)
    }

    /// A pick with the items of each session.
    fn picked(store: &Store, pick: &str, sessions: &[(&str, &[&str])]) -> PickId {
        for (at, (id, items)) in sessions.iter().enumerate() {
            store.add_to_pick(&name(pick), &remote(id), later(100 + at as u64), false).unwrap();
            let page: Vec<_> = items.iter().map(|it| item(it)).collect();
            store.picked_listed(&remote(id), &page).unwrap();
            store.session_listed(&remote(id)).unwrap();
        }
        store.pick_named(&name(pick)).unwrap().unwrap()
    }

    fn names(store: &Store, pick: PickId) -> Vec<String> {
        let entries = store.pick_entries(pick, 0, 100).unwrap();
        entries.iter().map(|it| it.name.to_string()).collect()
    }

    #[test]
    fn sessions_add_up_and_an_item_is_in_a_pick_once() {
        let store = Store::in_memory().unwrap();
        let pick = picked(&store, "Trip", &[("1", &["a", "b"]), ("2", &["b", "c"])]);
        assert_eq!(names(&store, pick), ["a.jpg", "b.jpg", "c.jpg"]);
        let b = store.pick_child(pick, &name("b.jpg")).unwrap().unwrap();
        assert_eq!(store.session_of(b).unwrap().unwrap().remote, remote("2"));
        let [summary] = &store.pick_summaries().unwrap()[..] else { panic!() };
        assert_eq!((summary.items, summary.sessions_end.len()), (3, 2));
        assert!(!summary.is_partial && store.needless_sessions().unwrap().is_empty());
    }

    #[test]
    fn items_of_one_name_are_told_apart() {
        let store = Store::in_memory().unwrap();
        let named = |id: &str, names: &[&str]| ListedItem {
            names: names.iter().map(|it| name(it)).collect(),
            ..item(id)
        };
        store.add_to_pick(&name("Trip"), &remote("1"), later(9), false).unwrap();
        let page =
            [named("a", &["x.jpg"]), named("b", &["x.jpg", "x b.jpg"]), named("c", &["x.jpg"])];
        assert_eq!(store.picked_listed(&remote("1"), &page).unwrap(), 3);
        let pick = store.pick_named(&name("Trip")).unwrap().unwrap();
        let found = names(&store, pick);
        assert_eq!(found[..2], ["x.jpg", "x b.jpg"]);
        assert!(found[2].starts_with("item "), "{found:?}");
        assert!(store.pick_summaries().unwrap()[0].is_partial);
    }

    #[test]
    fn a_pick_that_begins_anew_gives_up_its_sessions_and_its_items() {
        let store = Store::in_memory().unwrap();
        let pick = picked(&store, "Trip", &[("1", &["a", "b"])]);
        let a = store.pick_child(pick, &name("a.jpg")).unwrap().unwrap();
        picked(&store, "Other", &[("2", &["b"])]);
        let b = store.pick_child(pick, &name("b.jpg")).unwrap().unwrap();
        store.add_to_pick(&name("Trip"), &remote("3"), later(9), true).unwrap();
        assert_eq!(names(&store, pick), [""; 0]);
        assert_eq!(store.needless_sessions().unwrap()[0].remote, remote("1"));
        assert!(store.file(a).unwrap().is_none() && store.file(b).unwrap().is_some());
        assert!(store.forget_pick(&name("Other")).unwrap());
        assert!(!store.forget_pick(&name("Other")).unwrap());
        assert!(store.file(b).unwrap().is_none());
        assert_eq!(store.needless_sessions().unwrap().len(), 2);
        store.session_ended(&remote("1")).unwrap();
        assert_eq!(store.needless_sessions().unwrap()[0].remote, remote("2"));
        assert_eq!(store.picked_listed(&remote("2"), &[item("z")]).unwrap(), 0);
    }

    #[test]
    fn a_session_is_needless_once_nobody_waits_in_it() {
        let store = Store::in_memory().unwrap();
        let needless = || store.needless_sessions().unwrap().len();
        for id in ["1", "2", "3"] {
            store.session_begun(&remote(id), later(9)).unwrap();
        }
        assert_eq!(needless(), 0);
        store.sessions_given_up(Some(&remote("2"))).unwrap();
        assert_eq!(needless(), 1);
        store.add_to_pick(&name("Trip"), &remote("1"), later(9), false).unwrap();
        assert_eq!(store.unlisted_sessions(&name("Trip")).unwrap()[0].remote, remote("1"));
        store.sessions_given_up(None).unwrap();
        assert_eq!((needless(), store.pick_summaries().unwrap()[0].is_partial), (2, true));
        // Also one that was not listed to its end.
        store.forget_pick(&name("Trip")).unwrap();
        assert_eq!(needless(), 3);
    }

    #[test]
    fn names_outlive_the_sessions() {
        let store = Store::in_memory().unwrap();
        store.add_to_pick(&name("Trip"), &remote("1"), SystemTime::UNIX_EPOCH, false).unwrap();
        store.picked_listed(&remote("1"), &[item("a")]).unwrap();
        let pick = picked(&store, "Trip", &[("2", &["b"])]);
        assert_eq!(names(&store, pick), ["a.jpg", "b.jpg"]);
        let of = |text: &str| {
            let file = store.pick_child(pick, &name(text)).unwrap().unwrap();
            store.session_of(file).unwrap()
        };
        assert_eq!(of("a.jpg"), None);
        assert_eq!(of("b.jpg").unwrap().remote, remote("2"));
    }

    #[test]
    fn picked_items_are_in_no_album_and_no_view_also_with_the_id_of_a_library_item() {
        let store = Store::in_memory().unwrap();
        store.view_listed(View::All, &[item("a")], 1).unwrap();
        let pick = picked(&store, "Trip", &[("1", &["a", "b"])]);
        assert!(store.not_viewed(View::All, None, 9).unwrap().is_empty());
        let library = store.view_child(View::All, &name("a.jpg")).unwrap().unwrap();
        let own = store.pick_child(pick, &name("a.jpg")).unwrap().unwrap();
        assert_ne!(library, own);
        let id = item("a").item.id;
        store.set_rendition_size(&ItemId::Picked(id.clone()), 7).unwrap();
        let info = store.file(own).unwrap().unwrap();
        assert_eq!((info.size, info.item()), (Some(7), Some(ItemId::Picked(id))));
        assert_eq!(store.file(library).unwrap().unwrap().size, None);
        let scope = ListingScope::Pick(pick);
        let unknown = store.unsized_after(scope, own, 9).unwrap();
        assert_eq!(unknown.len(), 1, "b");
        assert_eq!(store.known_items(9).unwrap().len(), 1, "picks are no proof of the account");
    }
}
