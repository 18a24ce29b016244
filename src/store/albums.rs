//! Albums: listed by Google, and created, renamed and hidden here.

use std::time::SystemTime;

use rusqlite::{OptionalExtension, Row, params};

use super::database::Store;
use super::error::Result;
use super::lookups::child;
use super::places::{
    dir_named, has_shown_child, move_dir, new_dir, place_for, show_or_hide, vacate,
};
use super::tables::tombstones::AlbumTombstone;
use super::tables::{albums, dirs, tombstones};
use super::time::GRACE;
use super::time::{before, to_millis};
use super::tx::Tx;
use super::types::{Child, TreeError};
use crate::media::{Album, AlbumId, DirId, EntryName};

/// An album from a listing, with the names that its place in the tree may get.
#[derive(Clone, Debug)]
pub struct ListedAlbum {
    /// Google's description.
    pub album: Album,
    /// One list for each component of the title, best name first; every list but the last has one.
    pub path: Vec<Vec<EntryName>>,
}

/// What `mkdir` finds in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlbumIntent {
    /// The album must be created at Google. No request for it was sent before.
    Fresh(DirId),
    /// An earlier creation may have taken effect: list before creating.
    OutcomeUnknown(DirId),
    /// `rmdir` had hidden the album. It is shown again.
    Unhidden(DirId),
}

impl Store {
    /// Adds an album that was requested alone to the tree, or updates it. Google has described it
    /// at `now`. Returns its directory.
    pub fn album_listed(
        &self,
        listed: &ListedAlbum,
        listing: i64,
        now: SystemTime,
    ) -> Result<DirId> {
        self.write(|tx| album_listed(tx, listed, listing, now))
    }

    /// As [`Store::album_listed`], for one page of a listing. Returns whether the page had an album
    /// that no page had before.
    pub fn albums_listed(
        &self,
        page: &[ListedAlbum],
        listing: i64,
        now: SystemTime,
    ) -> Result<bool> {
        self.write(|tx| {
            let before = albums_in(tx, listing)?;
            for listed in page {
                album_listed(tx, listed, listing, now)?;
            }
            Ok(albums_in(tx, listing)? > before)
        })
    }

    /// Albums with a conflict name: another entry had the name of their title.
    pub fn conflict_named_albums(&self) -> Result<Vec<(DirId, AlbumId, String)>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT dir, remote, title FROM albums \
                     WHERE conflict_name AND desired_title IS NULL AND remote IS NOT NULL ORDER BY dir",
                )?
                .query_map([], |row| Ok((row.get("dir")?, row.get("remote")?, row.get("title")?)))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Gives such an album the name of its title, if that is free now. `path` is as in
    /// [`ListedAlbum`].
    pub fn restore_album_name(
        &self,
        dir: DirId,
        album: &AlbumId,
        path: &[Vec<EntryName>],
    ) -> Result<()> {
        self.write(|tx| {
            let (parent, name) = place_for(tx, path, album, Some(dir))?;
            if is_first_choice(path, &name) {
                let old = vacate(tx, dir)?;
                move_dir(tx, dir, old, (parent, &name))?;
                albums::clear_conflict_name(tx, dir)?;
            }
            Ok(())
        })
    }

    /// Journals that an album of this title will be created, before Google is asked.
    ///
    /// # Errors
    /// [`TreeError::Exists`].
    pub fn album_intended(
        &self,
        parent: DirId,
        name: &EntryName,
        title: &str,
    ) -> Result<Result<AlbumIntent, TreeError>> {
        self.write_durable(|tx| {
            if child(tx, parent, name)?.is_some() {
                return Ok(Err(TreeError::Exists));
            }
            let known: Option<(DirId, bool)> = tx
                .prepare_cached(
                    "SELECT d.id, a.remote IS NOT NULL AS is_made FROM dirs d JOIN albums a ON a.dir = d.id \
                     WHERE d.parent = ?1 AND d.name = ?2",
                )?
                .query_row(params![parent, name], |row| Ok((row.get("id")?, row.get("is_made")?)))
                .optional()?;
            Ok(Ok(match known {
                Some((dir, true)) => {
                    albums::unhide(tx, dir)?;
                    show_or_hide(tx, dir)?;
                    AlbumIntent::Unhidden(dir)
                }
                Some((dir, false)) => AlbumIntent::OutcomeUnknown(dir),
                None => match hidden_titled(tx, title)? {
                    Some(dir) => {
                        albums::unhide_without_conflict(tx, dir)?;
                        let old = vacate(tx, dir)?;
                        move_dir(tx, dir, old, (parent, name))?;
                        AlbumIntent::Unhidden(dir)
                    }
                    None => {
                        let dir = dir_named(tx, parent, name)?;
                        albums::insert(tx, dir, title)?;
                        AlbumIntent::Fresh(dir)
                    }
                },
            }))
        })
    }

    /// Google has created the album. It is shown, and known to be empty.
    pub fn album_created(&self, dir: DirId, album: &Album) -> Result<()> {
        self.write_durable(|tx| {
            albums::set_created(tx, dir, &album.id, &album.title, tx.now_millis())?;
            show_or_hide(tx, dir)
        })
    }

    /// Google has certainly not created the album.
    pub fn album_not_created(&self, dir: DirId) -> Result<()> {
        self.write(|tx| {
            albums::delete_not_created(tx, dir)?;
            Ok(())
        })
    }

    /// Creates a local directory for temporary files. Google has no album for it.
    ///
    /// # Errors
    /// [`TreeError::Exists`].
    pub fn make_local_dir(
        &self,
        parent: DirId,
        name: &EntryName,
    ) -> Result<Result<DirId, TreeError>> {
        self.write_durable(|tx| {
            if child(tx, parent, name)?.is_some() {
                return Ok(Err(TreeError::Exists));
            }
            let dir = new_dir(tx, parent, name)?;
            dirs::set_local(tx, dir)?;
            show_or_hide(tx, dir)?;
            Ok(Ok(dir))
        })
    }

    /// Removes an empty directory. An album is hidden, a local directory goes.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn remove_dir(&self, parent: DirId, name: &EntryName) -> Result<Result<(), TreeError>> {
        self.write_durable_asked(&[(parent, name)], |tx| {
            let dir = match child(tx, parent, name)? {
                None => return Ok(Err(TreeError::Missing)),
                Some(Child::File(_)) => return Ok(Err(TreeError::NotDir)),
                Some(Child::Dir(dir)) => dir,
            };
            let occupied =
                tx.prepare_cached("SELECT 1 FROM entries WHERE dir = ?1")?.exists([dir])?
                    || has_shown_child(tx, dir)?;
            if occupied {
                return Ok(Err(TreeError::NotEmpty));
            }
            put_away(tx, dir)?;
            show_or_hide(tx, dir)?;
            Ok(Ok(()))
        })
    }
}

/// Stops showing an empty directory for itself. Its row stays for processes that have it open.
pub(super) fn put_away(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    albums::hide(tx, dir)?;
    dirs::clear_local(tx, dir)?;
    Ok(())
}

fn album_listed(tx: &Tx<'_>, listed: &ListedAlbum, listing: i64, now: SystemTime) -> Result<DirId> {
    let dir = album_known(tx, listed, listing, now)?;
    check_count(tx, dir, now)?;
    Ok(dir)
}

fn album_known(tx: &Tx<'_>, listed: &ListedAlbum, listing: i64, now: SystemTime) -> Result<DirId> {
    let album = &listed.album;
    let known: Option<Known> = tx
        .prepare_cached(&format!("{KNOWN} WHERE remote = ?1"))?
        .query_row([&album.id], known_album)
        .optional()?;
    let was = if known.is_none() { tombstones::take_album(tx, &album.id)? } else { None };
    let was_hidden = was.as_ref().is_some_and(|was| was.hidden);
    let returned = match was {
        Some(was) => album_returned(tx, &album.id, was)?,
        None => None,
    };
    let is_back = returned.is_some();
    // An unknown album with this title is the result of a creation whose answer was lost.
    let known = match known.or(returned) {
        Some(known) => Some(known),
        None => tx
            .prepare_cached(&format!("{KNOWN} WHERE remote IS NULL AND title = ?1"))?
            .query_row([&album.title], known_album)
            .optional()?,
    };
    let mut conflict_name = None;
    let dir = match known {
        // Google's lists may still show the former title after a rename made here.
        Some(known)
            if known.title != album.title
                && albums::is_former_title(tx, known.dir, &album.title, now)? =>
        {
            albums::set_seen(tx, known.dir, album.items_count, listing)?;
            return Ok(known.dir);
        }
        Some(known) => {
            // If Google has our title, the directory is in its place. Otherwise the title given at
            // Google wins.
            if known.desired_title.as_ref() == Some(&album.title) {
                albums::keep_former_title(tx, known.dir, &album.title, now)?;
            } else if known.title != album.title || (is_back && known.desired_title.is_none()) {
                let old = vacate(tx, known.dir)?;
                let (parent, name) = place_for(tx, &listed.path, &album.id, Some(known.dir))?;
                move_dir(tx, known.dir, old, (parent, &name))?;
                conflict_name = Some(!is_first_choice(&listed.path, &name));
            }
            known.dir
        }
        None => {
            let (parent, name) = place_for(tx, &listed.path, &album.id, None)?;
            let dir = new_dir(tx, parent, &name)?;
            albums::insert(tx, dir, &album.title)?;
            if was_hidden {
                albums::hide(tx, dir)?;
            }
            conflict_name = Some(!is_first_choice(&listed.path, &name));
            dir
        }
    };
    albums::set_listed(
        tx,
        dir,
        &album.id,
        &album.title,
        album.items_count,
        listing,
        conflict_name,
    )?;
    show_or_hide(tx, dir)?;
    Ok(dir)
}

/// An album that was gone is back in its directory, unless that has become another one's.
fn album_returned(tx: &Tx<'_>, album: &AlbumId, was: AlbumTombstone) -> Result<Option<Known>> {
    let is_taken = tx
        .prepare_cached(
            "SELECT 1 FROM albums WHERE dir = ?1 UNION ALL SELECT 1 FROM dirs WHERE id = ?1 AND local",
        )?
        .exists([was.dir])?;
    if is_taken {
        return Ok(None);
    }
    albums::insert_returned(tx, album, &was)?;
    let AlbumTombstone { dir, title, desired_title, .. } = was;
    Ok(Some(Known { dir, title, desired_title }))
}

/// How many albums this listing has shown so far.
fn albums_in(tx: &Tx<'_>, listing: i64) -> Result<u32> {
    Ok(tx
        .prepare_cached("SELECT count(*) FROM albums WHERE seen = ?1")?
        .query_row([listing], |row| row.get(0))?)
}

/// A hidden album of that title whose place another entry has taken.
fn hidden_titled(tx: &Tx<'_>, title: &str) -> Result<Option<DirId>> {
    Ok(tx
        .prepare_cached(
            "SELECT dir FROM albums WHERE hidden AND remote IS NOT NULL AND coalesce(desired_title, title) = ?1 \
             ORDER BY dir LIMIT 1",
        )?
        .query_row([title], |row| row.get(0))
        .optional()?)
}

/// The present and the desired title of an album.
struct Known {
    dir: DirId,
    title: String,
    desired_title: Option<String>,
}

const KNOWN: &str = "SELECT dir, title, desired_title FROM albums";

fn known_album(row: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known {
        dir: row.get("dir")?,
        title: row.get("title")?,
        desired_title: row.get("desired_title")?,
    })
}

fn is_first_choice(path: &[Vec<EntryName>], name: &EntryName) -> bool {
    path.last().and_then(|names| names.first()) == Some(name)
}

/// Notes whether Google's count of the items can be explained by listings and by our own changes.
/// The count may include a recent change or not.
fn check_count(tx: &Tx<'_>, dir: DirId, now: SystemTime) -> Result<()> {
    let recent = to_millis(before(now, GRACE));
    // Members that came from a listing have no time: see `item_listed`.
    albums::check_count(tx, dir, to_millis(now), recent)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{album, item, name, names, pass};
    use crate::store::{Fate, Invalidation, LocalReason, Pass, SealedFacts, UploadState};

    #[test]
    fn two_albums_of_one_title_stay_apart() {
        let store = Store::in_memory().unwrap();
        let one = album(&store, "Trip");
        let listed = ListedAlbum {
            album: Album {
                id: AlbumId::new("other"),
                title: "Trip".into(),
                items_count: 0,
                product_url: String::new(),
                is_writeable: true,
            },
            path: vec![vec![name("Trip"), name("Trip {other}")]],
        };
        let two = store.album_listed(&listed, 1, SystemTime::now()).unwrap();
        assert_ne!(one, two);
        assert_eq!(names(&store, DirId::ROOT), ["Trip", "Trip {other}"]);
        // And again: nothing moves.
        let changed = store.dir(DirId::ROOT).unwrap().unwrap().names_changed_ns;
        assert_eq!(store.album_listed(&listed, 2, SystemTime::now()).unwrap(), two);
        assert_eq!(store.dir(DirId::ROOT).unwrap().unwrap().names_changed_ns, changed);
    }

    #[test]
    fn a_hidden_album_comes_back_with_mkdir_and_its_parent_with_it() {
        let store = Store::in_memory().unwrap();
        let day = album(&store, "2019/Day");
        let Some(Child::Dir(year)) = store.child(DirId::ROOT, &name("2019")).unwrap() else {
            panic!("no parent")
        };
        store.remove_dir(year, &name("Day")).unwrap().unwrap();
        assert_eq!(names(&store, DirId::ROOT), Vec::<String>::new());
        assert_eq!(
            store
                .album_listed(
                    &ListedAlbum {
                        album: Album {
                            id: AlbumId::new("id of 2019/Day"),
                            title: "2019/Day".into(),
                            items_count: 0,
                            product_url: String::new(),
                            is_writeable: true
                        },
                        path: vec![vec![name("2019")], vec![name("Day")]],
                    },
                    2,
                    SystemTime::now()
                )
                .unwrap(),
            day
        );
        assert_eq!(names(&store, DirId::ROOT), Vec::<String>::new(), "listing does not unhide");
        let intent = store.album_intended(year, &name("Day"), "2019/Day").unwrap();
        assert_eq!(intent, Ok(AlbumIntent::Unhidden(day)));
        assert_eq!(names(&store, DirId::ROOT), ["2019"]);
    }

    #[test]
    fn a_lost_creation_is_adopted_by_the_listing() {
        let store = Store::in_memory().unwrap();
        let Ok(AlbumIntent::Fresh(dir)) =
            store.album_intended(DirId::ROOT, &name("Trip"), "Trip").unwrap()
        else {
            panic!("not fresh")
        };
        assert_eq!(names(&store, DirId::ROOT), Vec::<String>::new());
        assert_eq!(
            store.album_intended(DirId::ROOT, &name("Trip"), "Trip").unwrap(),
            Ok(AlbumIntent::OutcomeUnknown(dir))
        );
        assert_eq!(album(&store, "Trip"), dir);
        assert_eq!(names(&store, DirId::ROOT), ["Trip"]);
    }

    #[test]
    fn a_title_changed_by_the_user_moves_the_directory() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "Old");
        let listed = ListedAlbum {
            album: Album {
                id: AlbumId::new("id of Old"),
                title: "A/New".into(),
                items_count: 3,
                product_url: String::new(),
                is_writeable: true,
            },
            path: vec![vec![name("A")], vec![name("New")]],
        };
        store.track_invalidations().unwrap();
        assert_eq!(store.album_listed(&listed, 2, SystemTime::now()).unwrap(), dir);
        assert!(
            store.pending_invalidations().contains(&Invalidation::Entry(DirId::ROOT, name("Old")))
        );
        assert_eq!(names(&store, DirId::ROOT), ["A"]);
        assert_eq!(store.dir_path(dir).unwrap(), "A/New");
    }

    /// The user gives the album that was `old` the title `new`, and Google lists it.
    fn retitled(store: &Store, old: &str, new: &str) -> DirId {
        let listed = ListedAlbum {
            album: Album {
                id: AlbumId::new(format!("id of {old}")),
                title: new.to_owned(),
                items_count: 0,
                product_url: String::new(),
                is_writeable: true,
            },
            path: new.split('/').map(|part| vec![name(part)]).collect(),
        };
        store.album_listed(&listed, 2, SystemTime::now()).unwrap()
    }

    #[test]
    fn an_album_may_move_below_its_own_old_place() {
        let store = Store::in_memory().unwrap();
        let dir = album(&store, "A");
        assert_eq!(retitled(&store, "A", "A/B/C"), dir);
        assert_eq!(store.dir_path(dir).unwrap(), "A/B/C");
        assert_eq!(names(&store, DirId::ROOT), ["A"]);
    }

    #[test]
    fn albums_that_swap_their_titles_swap_their_places() {
        let store = Store::in_memory().unwrap();
        let (a, b) = (album(&store, "A"), album(&store, "B"));
        let swapped = |old: &str, new: &str| {
            let id = AlbumId::new(format!("id of {old}"));
            let path = vec![vec![name(new), name(&format!("{new} {old}"))]];
            let (title, product_url) = (new.to_owned(), String::new());
            let album = Album { id, title, items_count: 0, product_url, is_writeable: true };
            store.album_listed(&ListedAlbum { album, path }, 2, SystemTime::now()).unwrap();
        };
        swapped("A", "B");
        swapped("B", "A");
        assert_eq!(
            (store.dir_path(a).unwrap(), store.dir_path(b).unwrap()),
            ("B A".into(), "A".into())
        );
        let conflict_name = store.conflict_named_albums().unwrap();
        assert_eq!(conflict_name, [(a, AlbumId::new("id of A"), "B".to_owned())]);
        store.track_invalidations().unwrap();
        store.restore_album_name(a, &conflict_name[0].1, &[vec![name("B"), name("B A")]]).unwrap();
        // The name that came, `B`, the kernel has not kept: nothing had it.
        let changes = store.pending_invalidations();
        assert!(changes.contains(&Invalidation::Entry(DirId::ROOT, name("B A"))));
        assert!(changes.contains(&Invalidation::Dir(DirId::ROOT)));
        assert_eq!(
            (store.dir_path(a).unwrap(), store.dir_path(b).unwrap()),
            ("B".into(), "A".into())
        );
        assert_eq!(store.conflict_named_albums().unwrap(), []);
    }

    #[test]
    fn albums_below_a_retitled_album_stay_where_their_titles_say() {
        let store = Store::in_memory().unwrap();
        let (year, day) = (album(&store, "2019"), album(&store, "2019/Day"));
        retitled(&store, "2019", "2020");
        assert_eq!(store.dir_path(year).unwrap(), "2020");
        assert_eq!(store.dir_path(day).unwrap(), "2019/Day");
        assert_eq!(names(&store, DirId::ROOT), ["2020", "2019"]);
    }

    #[test]
    fn an_album_with_one_of_its_own_name_in_it_may_be_retitled() {
        let store = Store::in_memory().unwrap();
        let (trip, inner) = (album(&store, "Trip"), album(&store, "Trip/Trip"));
        retitled(&store, "Trip", "Tour");
        assert_eq!(store.dir_path(trip).unwrap(), "Tour");
        assert_eq!(store.dir_path(inner).unwrap(), "Trip/Trip");
    }

    #[test]
    fn an_album_takes_the_place_of_a_mere_parent_with_all_that_is_in_it() {
        let store = Store::in_memory().unwrap();
        let (day, old) = (album(&store, "2019/Day"), album(&store, "2019/Old"));
        retitled(&store, "2019/Old", "2019");
        assert_eq!(store.dir_path(old).unwrap(), "2019");
        assert_eq!(store.dir_path(day).unwrap(), "2019/Day");
        assert_eq!(names(&store, DirId::ROOT), ["2019"]);
        assert_eq!(names(&store, old), ["Day"]);
    }

    /// Google lists the album again and tells a number of items: does that need looking into?
    fn has_count_mismatch(store: &Store, title: &str, items_count: u64, now: SystemTime) -> bool {
        let album = Album {
            id: AlbumId::new(format!("id of {title}")),
            title: title.to_owned(),
            items_count,
            product_url: String::new(),
            is_writeable: true,
        };
        let listed = ListedAlbum { album, path: vec![vec![name(title)]] };
        let dir = store.album_listed(&listed, 1, now).unwrap();
        store.dir(dir).unwrap().unwrap().album.unwrap().count_mismatch
    }

    #[test]
    fn a_count_that_own_changes_explain_is_not_followed() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let (trip, other) = (album(&store, "Trip"), album(&store, "Other"));
        store.items_listed(trip, &[item("a"), item("b")], 1).unwrap();
        store.items_listed(other, &[item("c")], 1).unwrap();
        assert!(!has_count_mismatch(&store, "Trip", 2, now));
        store.items_complete(trip, &pass(1)).unwrap();
        assert!(!has_count_mismatch(&store, "Trip", 2, now));
        assert!(has_count_mismatch(&store, "Trip", 1, now), "somebody has taken one out");
        let Some(Child::File(file)) = store.child(other, &name("c.jpg")).unwrap() else {
            panic!("not listed")
        };
        store.link(file, trip, &name("c.jpg")).unwrap().unwrap();
        let call = store.additions(50, &[]).unwrap().unwrap();
        store.begin_members(&call).unwrap();
        store.added(&call).unwrap();
        assert!(
            !has_count_mismatch(&store, "Trip", 2, now),
            "Google's count lags behind our addition"
        );
        assert!(!has_count_mismatch(&store, "Trip", 3, now));
        assert!(has_count_mismatch(&store, "Trip", 4, now), "somebody has added one, too");
        assert!(has_count_mismatch(&store, "Trip", 2, now + GRACE * 2), "it cannot lag for ever");
        assert!(!has_count_mismatch(&store, "Trip", 3, now + GRACE * 2));
    }

    #[test]
    fn a_count_that_misled_is_taken_as_it_is() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        has_count_mismatch(&store, "Trip", 3, now);
        store.items_complete(trip, &pass(1)).unwrap();
        assert!(has_count_mismatch(&store, "Trip", 3, now));
        store.items_listed(trip, &[item("a")], 2).unwrap();
        store.items_complete(trip, &Pass { news: false, ..pass(2) }).unwrap();
        assert!(!has_count_mismatch(&store, "Trip", 3, now), "two items are hidden from us");
        assert!(has_count_mismatch(&store, "Trip", 2, now));
    }

    #[test]
    fn an_album_made_just_now_stays_although_the_list_does_not_have_it_yet() {
        let store = Store::in_memory().unwrap();
        let intent = store.album_intended(DirId::ROOT, &name("New"), "New").unwrap();
        let Ok(AlbumIntent::Fresh(dir)) = intent else { panic!("not fresh") };
        let made = Album {
            id: AlbumId::new("id of New"),
            title: "New".into(),
            items_count: 0,
            product_url: String::new(),
            is_writeable: true,
        };
        store.album_created(dir, &made).unwrap();
        let listing = store.next_listing().unwrap();
        assert_eq!(store.albums_complete(listing, 9).unwrap(), []);
        assert_eq!(names(&store, DirId::ROOT), ["New"]);
    }

    #[test]
    fn a_late_page_of_an_older_listing_takes_nothing_from_what_a_newer_one_has_shown() {
        let store = Store::in_memory().unwrap();
        album(&store, "Trip");
        store.write(|tx| Ok(tx.execute("UPDATE albums SET seen = 2", [])?)).unwrap();
        album(&store, "Trip");
        assert_eq!(store.albums_complete(2, 9).unwrap(), []);
        assert_eq!(names(&store, DirId::ROOT), ["Trip"]);
    }

    /// The list of albums does not show this one, and Google does not know it.
    fn goes(store: &Store, title: &str) {
        let missing = store.albums_complete(store.next_listing().unwrap() + 1, 9).unwrap();
        let id = AlbumId::new(format!("id of {title}"));
        let (dir, album) = missing.iter().find(|it| it.1 == id).unwrap();
        store.album_gone(*dir, album).unwrap();
    }

    #[test]
    fn an_album_that_the_list_lacks_stays_until_google_does_not_know_it() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        let missing = vec![(trip, AlbumId::new("id of Trip"))];
        for listing in 2..5 {
            assert_eq!(store.albums_complete(listing, 9).unwrap(), missing);
            assert!(store.dir(trip).unwrap().unwrap().album.unwrap().missed);
            assert_eq!(names(&store, trip), ["a.jpg"]);
        }
        // A list that has begun since shows it.
        store.write(|tx| Ok(tx.execute("UPDATE albums SET seen = 5, missed = 0", [])?)).unwrap();
        store.album_gone(trip, &missing[0].1).unwrap();
        assert_eq!(names(&store, DirId::ROOT), ["Trip"]);
        assert_eq!(store.albums_complete(6, 9).unwrap(), missing);
        store.album_gone(trip, &missing[0].1).unwrap();
        assert_eq!(names(&store, DirId::ROOT), [""; 0]);
    }

    #[test]
    fn an_album_that_the_list_lacks_stays_while_an_item_is_on_its_way_into_it() {
        let store = Store::in_memory().unwrap();
        let (trip, other) = (album(&store, "Trip"), album(&store, "Other"));
        store.items_listed(other, &[item("a")], 1).unwrap();
        let Some(Child::File(file)) = store.child(other, &name("a.jpg")).unwrap() else {
            panic!("not listed")
        };
        store.link(file, trip, &name("a.jpg")).unwrap().unwrap();
        let is_missing = |listing| {
            let missing = store.albums_complete(listing, 9).unwrap();
            missing.contains(&(trip, AlbumId::new("id of Trip")))
        };
        assert!(!is_missing(2));
        store.album_gone(trip, &AlbumId::new("id of Trip")).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg"]);
        store.added(&store.additions(50, &[]).unwrap().unwrap()).unwrap();
        assert!(is_missing(3));
    }

    #[test]
    fn an_album_that_the_list_lacks_goes_although_sidecars_stay_here() {
        let store = Store::in_memory().unwrap();
        let (trip, other) = (album(&store, "Trip"), album(&store, "Other"));
        let stays = |file, reason| {
            let fate = Fate::StaysHere(reason);
            let facts = SealedFacts {
                size: 1,
                mtime_ns: 0,
                ctime_ns: 0,
                fate,
                write_error: None,
                cut_off: false,
            };
            store.seal(file, &facts).unwrap();
        };
        let [kept, both, part] = ["1.xmp", "2.xmp", "3.part"]
            .map(|it| store.create_file(trip, &name(it), 0).unwrap().unwrap());
        stays(kept, LocalReason::Sidecar);
        stays(both, LocalReason::Sidecar);
        stays(part, LocalReason::Temporary);
        store.link(both, other, &name("2.xmp")).unwrap().unwrap();
        let id = AlbumId::new("id of Trip");
        let is_missing =
            |listing| store.albums_complete(listing, 9).unwrap().contains(&(trip, id.clone()));
        assert!(!is_missing(2), "a file may not be complete yet");
        assert_eq!(store.album_gone(trip, &id).unwrap(), 0);
        store.unlink(trip, &name("3.part")).unwrap().unwrap();
        assert!(is_missing(3));
        assert_eq!(store.album_gone(trip, &id).unwrap(), 1);
        assert_eq!(names(&store, DirId::ROOT), ["Other"]);
        let failed = store.failed_names().unwrap();
        assert_eq!((failed.len(), failed[0].file), (1, kept));
        assert_eq!(names(&store, other), ["2.xmp"]);
        assert_eq!(store.upload_state(both).unwrap(), Some(UploadState::Temporary));
    }

    #[test]
    fn an_album_that_comes_back_has_its_number_and_the_names_in_it() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a"), item("b")], 1).unwrap();
        store
            .rename_file((trip, &name("a.jpg")), (trip, &name("mine.jpg")), false)
            .unwrap()
            .unwrap();
        // Its removal is not sent yet.
        store.unlink(trip, &name("b.jpg")).unwrap().unwrap();
        goes(&store, "Trip");
        assert_eq!(names(&store, DirId::ROOT), [""; 0]);
        assert_eq!(album(&store, "Trip"), trip);
        assert_eq!(names(&store, trip), [""; 0], "not listed yet");
        store.items_listed(trip, &[item("a"), item("b")], 9).unwrap();
        assert_eq!(names(&store, trip), ["mine.jpg"]);
        assert_eq!(store.removals(50).unwrap().unwrap().members.len(), 1);
    }

    #[test]
    fn an_album_that_comes_back_is_hidden_if_it_was_and_leaves_its_place_to_a_new_one() {
        for is_made_again in [false, true] {
            let store = Store::in_memory().unwrap();
            let trip = album(&store, "Trip");
            store.remove_dir(DirId::ROOT, &name("Trip")).unwrap().unwrap();
            goes(&store, "Trip");
            if is_made_again {
                let intent = store.album_intended(DirId::ROOT, &name("Trip"), "Trip").unwrap();
                let Ok(AlbumIntent::Fresh(dir)) = intent else { panic!("{intent:?}") };
                let made = Album {
                    id: AlbumId::new("new"),
                    title: "Trip".into(),
                    items_count: 0,
                    product_url: String::new(),
                    is_writeable: true,
                };
                store.album_created(dir, &made).unwrap();
                assert_eq!(dir, trip);
            }
            let listed = ListedAlbum {
                album: Album {
                    id: AlbumId::new("id of Trip"),
                    title: "Trip".into(),
                    items_count: 0,
                    product_url: String::new(),
                    is_writeable: true,
                },
                path: vec![vec![name("Trip"), name("Trip {id}")]],
            };
            let back = store.album_listed(&listed, 99, SystemTime::now()).unwrap();
            assert_eq!(back == trip, !is_made_again);
            let shown: &[&str] = if is_made_again { &["Trip"] } else { &[] };
            assert_eq!(names(&store, DirId::ROOT), shown);
            store.remove_dir(DirId::ROOT, &name("Trip")).unwrap().ok();
            let intent = store.album_intended(DirId::ROOT, &name("Trip {id}"), "Trip").unwrap();
            assert!(matches!(intent, Ok(AlbumIntent::Unhidden(_))), "{intent:?}");
        }
    }

    #[test]
    fn an_album_that_comes_back_under_another_title_stands_where_that_says() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        goes(&store, "Trip");
        assert_eq!(retitled(&store, "Trip", "2019/Tour"), trip);
        assert_eq!(store.dir_path(trip).unwrap(), "2019/Tour");
        assert_eq!(names(&store, DirId::ROOT), ["2019"]);
    }
}
