//! Items that Google lists, reconciled with those known and desired here.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension, params};

use super::database::Store;
use super::error::{Error, Result};
use super::listing::Pass;
use super::lookups::child;
use super::naming::add_entry;
use super::states::Observed;
use super::tables::{albums, entries, files, members};
use super::time::GRACE;
use super::time::{before, from_millis, to_millis};
use super::tree::AlbumState;
use super::tx::Tx;
use crate::media::{DirId, EntryName, FileId, MediaItem};

/// An item from a listing, with the names it may get, best first.
#[derive(Clone, Debug)]
pub struct ListedItem {
    /// Google's description.
    pub item: MediaItem,
    /// Safe names; the last one cannot clash.
    pub names: Vec<EntryName>,
}

/// The result of one page of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageKept {
    /// The listing has shown something new.
    pub news: bool,
    /// The page had an item that no page of the same listing had before.
    pub is_fresh: bool,
}

impl Store {
    /// Reconciles one page of an album's listing.
    pub fn items_listed(&self, dir: DirId, page: &[ListedItem], listing: i64) -> Result<PageKept> {
        self.write(|tx| {
            let mut kept = PageKept::default();
            for listed in page {
                let file = files::upsert_item(tx, &listed.item)?;
                let item = item_listed(tx, dir, file, &listed.names, listing)?;
                kept.news |= item.news;
                kept.is_fresh |= item.is_fresh;
            }
            Ok(kept)
        })
    }

    /// Ends a complete pass through an album's items. Items that it did not show leave the album,
    /// if that is certain. Returns whether another pass must confirm some.
    pub fn items_complete(&self, dir: DirId, pass: &Pass) -> Result<bool> {
        let listing = pass.listing;
        let trusted_since = to_millis(before(pass.began, GRACE));
        self.write(|tx| {
            let shown: i64 = tx
                .prepare_cached("SELECT count(*) FROM members WHERE dir = ?1 AND seen >= ?2")?
                .query_row(params![dir, listing], |row| row.get(0))?;
            let sure = pass.one_page || is_confirmed(tx, dir, shown, pass.began)?;
            // Only an item that a listing has shown can be missing. Items added here may not show
            // yet, and items that Google had before us may never show (reference §11.2c).
            let missing: Vec<(FileId, bool)> = tx
                .prepare_cached(
                    "SELECT m.file, m.missed FROM members m JOIN files f ON f.id = m.file \
                     WHERE m.dir = ?1 AND m.desired AND m.observed = 'present' AND m.seen < ?2 AND f.confirmed \
                     AND (m.seen > 0 OR m.since < ?3)",
                )?
                .query_map(params![dir, listing, trusted_since], |row| Ok((row.get("file")?, row.get("missed")?)))?
                .collect::<rusqlite::Result<_>>()?;
            let (mut gone, mut needs_confirmation) = (false, false);
            for (file, missed) in missing {
                if !sure && !missed {
                    needs_confirmation = true;
                    members::set_missed(tx, dir, file)?;
                    continue;
                }
                gone = true;
                entries::remove_of_file_in_dir(tx, dir, file)?;
                members::delete(tx, dir, file)?;
            }
            members::delete_gone(tx, dir, trusted_since)?;
            // If one item goes and another slips, the count agrees nevertheless. Only a count from
            // before shows that a first listing is incomplete.
            let is_first: bool = tx
                .prepare_cached("SELECT listed_at IS NULL AND described_at > 0 AND count_hint > 0 FROM albums WHERE dir = ?1")?
                .query_row([dir], |row| row.get(0))?;
            needs_confirmation |= is_first && !sure;
            if needs_confirmation && !pass.last {
                // The listing is complete, but due again.
                albums::set_due(tx, dir)?;
            } else {
                listing_holds(tx, dir, shown, pass, !pass.news && !gone)?;
            }
            Ok(needs_confirmation)
        })
    }

    /// The albums in which the file has a name but which no listing has shown it in, or the last
    /// complete listing has not. With the time since when it is desired or observed there.
    pub fn unlisted(&self, file: FileId) -> Result<Vec<(DirId, SystemTime)>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT dir, since FROM members \
                     WHERE file = ?1 AND desired AND (seen = 0 OR missed) ORDER BY dir",
                )?
                .query_map([file], |row| Ok((row.get("dir")?, from_millis(row.get("since")?))))?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Keeps Google's facts about items.
    pub fn items_seen(&self, items: &[MediaItem]) -> Result<Vec<FileId>> {
        self.write(|tx| items.iter().map(|item| files::upsert_item(tx, item)).collect())
    }
}

/// Whether Google's count from before the listing agrees with it, and no change made here can
/// account for that.
fn is_confirmed(tx: &Tx<'_>, dir: DirId, shown: i64, began: SystemTime) -> Result<bool> {
    Ok(tx
        .prepare_cached(
            "SELECT described_at BETWEEN 1 AND ?2 AND count_hint = ?3 + count_offset AND NOT EXISTS \
                 (SELECT 1 FROM members m WHERE m.dir = albums.dir AND m.since > albums.described_at - ?4) \
             FROM albums WHERE dir = ?1",
        )?
        .query_row(params![dir, to_millis(began), shown, GRACE.as_millis() as i64], |row| row.get(0))
        .optional()?
        .unwrap_or(false))
}

/// Keeps that the album's items are known as of `pass`. If the count caused this listing in vain,
/// or another pass did not bear it out, its offset is accepted from now on. Any other count must
/// agree later.
fn listing_holds(
    tx: &Tx<'_>,
    dir: DirId,
    shown: i64,
    pass: &Pass,
    useless_relists: bool,
) -> Result<()> {
    albums::set_listing_complete(
        tx,
        dir,
        to_millis(pass.began),
        shown,
        useless_relists,
        pass.last,
    )?;
    Ok(())
}

fn item_listed(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    names: &[EntryName],
    listing: i64,
) -> Result<PageKept> {
    let known: Option<(bool, Observed, i64, i64)> = tx
        .prepare_cached(
            "SELECT desired, observed, since, seen FROM members WHERE dir = ?1 AND file = ?2",
        )?
        .query_row(params![dir, file], |row| {
            Ok((row.get("desired")?, row.get("observed")?, row.get("since")?, row.get("seen")?))
        })
        .optional()?;
    let is_fresh = known.is_none_or(|(.., seen)| seen < listing);
    let kept = |news| Ok(PageKept { news, is_fresh });
    let wanted = match known {
        None => false,
        Some((true, ..)) => true,
        // The item was just removed and the listing lags, or its removal is pending.
        Some((false, observed, since, _))
            if observed != Observed::Absent || since > to_millis(before(tx.now, GRACE)) =>
        {
            members::set_seen(tx, dir, file, listing)?;
            return kept(false);
        }
        // Somebody has added it again.
        Some((false, ..)) => false,
    };
    // No time: it is no change of ours that Google's lists and counts may lag behind.
    members::set_listed(tx, dir, file, listing)?;
    if wanted {
        return kept(false);
    }
    for name in names {
        if child(tx, dir, name)?.is_none() {
            add_entry(tx, dir, name, file)?;
            return kept(true);
        }
    }
    let name = last_resort(file)?;
    let free = child(tx, dir, &name)?.is_none();
    if free {
        add_entry(tx, dir, &name, file)?;
    }
    kept(free)
}

/// The name of an item if all others are taken.
pub(super) fn last_resort(file: FileId) -> Result<EntryName> {
    EntryName::new(format!("item {}", file.0)).map_err(|_| Error::Corrupt("file number"))
}

impl AlbumState {
    /// Whether the last complete listing still holds: it is younger than `age`, and Google's count
    /// can be explained. After useless relists, a count mismatch is followed more and more rarely.
    pub fn is_fresh(&self, age: Duration, refresh: Duration, now: SystemTime) -> bool {
        let patience = if self.count_mismatch && self.useless_relists == 0 {
            Duration::ZERO
        } else if self.count_mismatch {
            age.min(
                refresh.saturating_mul(1_u32.checked_shl(self.useless_relists).unwrap_or(u32::MAX)),
            )
        } else {
            age
        };
        self.listed_at.is_some_and(|at| now.duration_since(at).is_ok_and(|since| since < patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Invalidation;
    use crate::store::tests::{album, item, name, names, pass, told};

    #[test]
    fn items_appear_and_those_missing_from_the_next_listing_go() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a"), item("b")], 1).unwrap();
        assert!(!store.items_complete(trip, &pass(1)).unwrap());
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        store.items_listed(trip, &[item("b")], 2).unwrap();
        store.track_invalidations().unwrap();
        store.items_complete(trip, &pass(2)).unwrap();
        assert!(store.pending_invalidations().contains(&Invalidation::Entry(trip, name("a.jpg"))));
        assert_eq!(names(&store, trip), ["b.jpg"]);
    }

    /// A pass through more than one page that shows these items.
    fn listed(store: &Store, dir: DirId, items: &[&str], pass: Pass) -> bool {
        let items: Vec<ListedItem> = items.iter().map(|id| item(id)).collect();
        store.items_listed(dir, &items, pass.listing).unwrap();
        store.items_complete(dir, &Pass { one_page: false, ..pass }).unwrap()
    }

    #[test]
    fn what_one_pass_of_many_pages_missed_goes_only_when_the_next_one_misses_it_too() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        listed(&store, trip, &["a", "b", "c"], pass(1));
        assert!(listed(&store, trip, &["a", "c"], pass(2)));
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg", "c.jpg"]);
        let state = store.dir(trip).unwrap().unwrap().album.unwrap();
        assert_eq!(state.listed_at, Some(SystemTime::UNIX_EPOCH), "due again");
        // It had slipped; now another does.
        assert!(listed(&store, trip, &["a", "b"], pass(3)));
        assert!(!listed(&store, trip, &["a", "b"], pass(4)));
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
    }

    #[test]
    fn a_number_told_before_confirms_that_an_item_is_gone() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = told(&store, "Trip", 3, now);
        let later = |listing, times| Pass { began: now + GRACE * times, ..pass(listing) };
        listed(&store, trip, &["a", "b", "c"], later(1, 1));
        told(&store, "Trip", 2, now + GRACE);
        assert!(!listed(&store, trip, &["a", "c"], later(2, 2)));
        assert_eq!(names(&store, trip), ["a.jpg", "c.jpg"]);
        // One told meanwhile confirms nothing.
        told(&store, "Trip", 1, now + GRACE * 4);
        assert!(listed(&store, trip, &["a"], later(3, 3)));
        assert_eq!(names(&store, trip), ["a.jpg", "c.jpg"]);
    }

    #[test]
    fn a_number_that_may_not_know_of_our_own_changes_confirms_nothing() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = told(&store, "Trip", 3, now);
        let later = |listing| Pass { began: now + GRACE, ..pass(listing) };
        listed(&store, trip, &["a", "b", "c"], later(1));
        store.unlink(trip, &name("b.jpg")).unwrap().unwrap();
        store.removed(&store.removals(50).unwrap().unwrap()).unwrap();
        told(&store, "Trip", 2, now);
        // The listing lags behind the removal, and misses another item.
        assert!(listed(&store, trip, &["a", "b"], later(2)));
        assert_eq!(names(&store, trip), ["a.jpg", "c.jpg"]);
    }

    #[test]
    fn a_first_listing_that_is_not_what_google_has_told_is_made_again() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = album(&store, "Trip");
        told(&store, "Trip", 3, now);
        let later = Pass { began: now + GRACE, ..pass(1) };
        assert!(listed(&store, trip, &["a", "c"], later));
        let again = Pass { listing: 2, last: true, news: false, ..later };
        listed(&store, trip, &["a", "c"], again);
        // From then on the third is taken for one that is hidden from us.
        told(&store, "Trip", 3, now + GRACE * 2);
        assert!(!store.dir(trip).unwrap().unwrap().album.unwrap().count_mismatch);
    }

    #[test]
    fn a_late_page_of_an_older_listing_takes_nothing_from_what_a_newer_one_has_shown() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a"), item("b"), item("c")], 2).unwrap();
        store.unlink(trip, &name("c.jpg")).unwrap().unwrap();
        store.items_listed(trip, &[item("a"), item("c")], 1).unwrap();
        store.items_complete(trip, &pass(2)).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        let seen = "SELECT count(*) FROM members WHERE seen = 2";
        let seen: i64 = store.read(|db| Ok(db.query_row(seen, [], |row| row.get(0))?)).unwrap();
        assert_eq!(seen, 3);
    }

    #[test]
    fn an_item_listed_twice_has_one_entry() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a"), item("a")], 1).unwrap();
        assert!(!store.items_listed(trip, &[item("a")], 1).unwrap().is_fresh);
        assert!(store.items_listed(trip, &[item("a")], 2).unwrap().is_fresh);
        assert_eq!(names(&store, trip), ["a.jpg"]);
    }

    #[test]
    fn what_was_just_removed_does_not_come_back_with_a_lagging_listing() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        store.unlink(trip, &name("a.jpg")).unwrap().unwrap();
        store.items_listed(trip, &[item("a")], 2).unwrap();
        assert_eq!(names(&store, trip), Vec::<String>::new());
    }

    #[test]
    fn what_was_put_back_does_not_go_with_a_lagging_listing() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        store.items_complete(trip, &pass(1)).unwrap();
        let file = store.unlink(trip, &name("a.jpg")).unwrap().unwrap().file;
        store.removed(&store.removals(50).unwrap().unwrap()).unwrap();
        store.link(file, trip, &name("a.jpg")).unwrap().unwrap();
        let call = store.additions(50).unwrap().unwrap();
        store.added(&call).unwrap();
        store.items_complete(trip, &pass(2)).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg"]);
        let unlisted = || store.unlisted(file).unwrap().len();
        assert_eq!(unlisted(), 1);
        store.items_listed(trip, &[item("a")], 3).unwrap();
        assert_eq!(unlisted(), 0);
    }

    #[test]
    fn a_local_file_keeps_its_name_and_the_listed_one_gets_a_suffix() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.create_file(trip, &name("a.jpg"), 0).unwrap().unwrap();
        store.items_listed(trip, &[item("a")], 1).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg", "a a.jpg"]);
    }
}
