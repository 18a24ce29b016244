//! Items that Google lists, reconciled with those known and desired here.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension, params};

use super::absence::bury_item;
use super::database::Store;
use super::error::{Error, Result};
use super::listing::Pass;
use super::lookups::child;
use super::naming::add_entry;
use super::states::Observed;
use super::tables::{albums, files, members, tombstones};
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
    /// How many things it had that no page of the same listing had before.
    pub fresh: u64,
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
                kept.fresh += item.fresh;
            }
            Ok(kept)
        })
    }

    /// Ends a complete pass through an album's items. Items that it did not show leave the album if
    /// Google's count agrees. Returns whether some are in doubt: another pass must follow, and then
    /// Google's answers about their ids.
    pub fn items_complete(&self, dir: DirId, pass: &Pass) -> Result<bool> {
        let listing = pass.listing;
        let trusted_since = to_millis(before(pass.began, GRACE));
        self.write(|tx| {
            let shown: i64 = tx
                .prepare_cached("SELECT count(*) FROM members WHERE dir = ?1 AND seen >= ?2")?
                .query_row(params![dir, listing], |row| row.get(0))?;
            let count = count_evidence(tx, dir, shown, pass.began)?;
            // Only an item that a listing has shown can be missing. Items added here may not show
            // yet, and items that Google had before us may never show (reference §11.2c).
            let missing: Vec<(FileId, bool)> = tx
                .prepare_cached(
                    "SELECT file, missed FROM expected_members \
                     WHERE dir = ?1 AND seen < ?2 AND (seen > 0 OR since < ?3)",
                )?
                .query_map(params![dir, listing, trusted_since], |row| Ok((row.get("file")?, row.get("missed")?)))?
                .collect::<rusqlite::Result<_>>()?;
            let (mut gone, mut in_doubt) = (false, 0);
            for (file, missed) in missing {
                let is_certain = match count {
                    CountEvidence::Certain => true,
                    CountEvidence::Agrees => missed,
                    CountEvidence::Against => false,
                };
                if is_certain {
                    gone = true;
                    bury_item(tx, dir, file)?;
                } else {
                    in_doubt += 1;
                    members::set_missed(tx, dir, file)?;
                }
            }
            members::set_unseen_missed(tx, dir, listing, trusted_since)?;
            members::delete_gone(tx, dir, trusted_since)?;
            // An item that no listing has shown cannot be missed. Only the count shows that a first
            // listing is incomplete.
            let is_first_short: bool = tx
                .prepare_cached("SELECT listed_at IS NULL AND described_at > 0 AND count_hint > ?2 FROM albums WHERE dir = ?1")?
                .query_row(params![dir, shown], |row| row.get(0))?;
            let needs_confirmation = in_doubt > 0 || is_first_short;
            if needs_confirmation && !pass.last {
                // The listing is complete, but due again.
                albums::set_due(tx, dir)?;
            } else {
                tombstones::delete_removals(tx, dir)?;
                albums::set_listing_complete(
                    tx,
                    dir,
                    to_millis(pass.began),
                    shown + in_doubt,
                    !pass.news && !gone,
                    in_doubt > 0,
                )?;
            }
            Ok(needs_confirmation)
        })
    }

    /// The next access to an album lists its items again.
    pub fn set_items_due(&self, dir: DirId) -> Result<()> {
        self.write(|tx| albums::set_due(tx, dir))
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

/// The evidence of Google's count about a complete pass.
///
/// A count that is greater than what lists show may include items that are hidden from us, or the
/// lists end early. If the difference is the same at another count, it is the former. A count that
/// was smaller than what a list has shown is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountEvidence {
    /// It is the number of items that the pass has shown, and no change made here can account for
    /// that.
    Certain,
    /// It is that number, but may include a recent change or not, or it is that number and the items
    /// that are hidden from us. Two passes that miss the same item are certain then.
    Agrees,
    /// It is another number, or none is known from before the pass.
    Against,
}

fn count_evidence(tx: &Tx<'_>, dir: DirId, shown: i64, began: SystemTime) -> Result<CountEvidence> {
    let found = tx
        .prepare_cached(
            "SELECT described_at BETWEEN 1 AND ?2 AND count_offset >= 0 AND count_hint = ?3 AS is_same, \
             described_at BETWEEN 1 AND ?2 AND count_offset > 0 AND count_hint = ?3 + count_offset \
                 AND count_hint <> offset_count AS agrees, \
             EXISTS (SELECT 1 FROM members m WHERE m.dir = albums.dir AND m.since > albums.described_at - ?4) AS is_recent \
             FROM albums WHERE dir = ?1",
        )?
        .query_row(params![dir, to_millis(began), shown, GRACE.as_millis() as i64], |row| {
            Ok((row.get("is_same")?, row.get("agrees")?, row.get("is_recent")?))
        })
        .optional()?;
    Ok(match found {
        Some((true, _, false)) => CountEvidence::Certain,
        Some((true, _, true) | (false, true, _)) => CountEvidence::Agrees,
        _ => CountEvidence::Against,
    })
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
    let kept = |news| Ok(PageKept { news, fresh: is_fresh.into() });
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
    if known.is_none() && item_returned(tx, dir, file)? {
        return kept(true);
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

/// Gives an item that was gone its names back, or repeats its pending removal. Returns whether
/// there was any of that.
fn item_returned(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<bool> {
    let names = tombstones::take_item(tx, dir, file)?;
    let is_removal = names.contains(&None);
    let mut returned = false;
    for name in names.into_iter().flatten() {
        if child(tx, dir, &name)?.is_none() {
            add_entry(tx, dir, &name, file)?;
            returned = true;
        }
    }
    if is_removal && !returned {
        members::set_undesired(tx, dir, file, tx.now_millis())?;
        returned = true;
    }
    Ok(returned)
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
    use crate::store::tests::{album, item, name, names, pass, told};
    use crate::store::{Child, Invalidation};

    #[test]
    fn items_appear_and_go_when_the_count_agrees() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = told(&store, "Trip", 2, now);
        let later = |listing| Pass { began: now + GRACE, ..pass(listing) };
        assert!(!listed(&store, trip, &["a", "b"], later(1)));
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        told(&store, "Trip", 1, now);
        store.track_invalidations().unwrap();
        assert!(!listed(&store, trip, &["b"], later(2)));
        assert!(store.pending_invalidations().contains(&Invalidation::Entry(trip, name("a.jpg"))));
        assert_eq!(names(&store, trip), ["b.jpg"]);
    }

    /// A pass that shows these items.
    fn listed(store: &Store, dir: DirId, items: &[&str], pass: Pass) -> bool {
        let items: Vec<ListedItem> = items.iter().map(|id| item(id)).collect();
        store.items_listed(dir, &items, pass.listing).unwrap();
        store.items_complete(dir, &pass).unwrap()
    }

    #[test]
    fn items_that_two_passes_miss_stay_unless_google_does_not_know_them() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = told(&store, "Trip", 3, now);
        let later = |listing| Pass { began: now + GRACE, ..pass(listing) };
        listed(&store, trip, &["a", "b", "c"], later(1));
        assert!(listed(&store, trip, &["a", "c"], later(2)));
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg", "c.jpg"]);
        let state = || store.dir(trip).unwrap().unwrap().album.unwrap();
        assert_eq!(state().listed_at, Some(SystemTime::UNIX_EPOCH), "due again");
        // It had slipped; now the list ends early, twice.
        assert!(listed(&store, trip, &["b"], later(3)));
        assert!(listed(&store, trip, &["b"], Pass { last: true, news: false, ..later(4) }));
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg", "c.jpg"]);
        assert_eq!(state().listed_at, Some(crate::store::from_millis(to_millis(now + GRACE))));
        let missing = store.missing_items(trip, 9).unwrap();
        assert_eq!(missing.len(), 2);
        let unknown = missing.iter().find(|it| it.1 == crate::media::MediaId::new("c")).unwrap().0;
        store.items_gone(trip, &[unknown]).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        // The count did not mislead: the list did.
        told(&store, "Trip", 2, now);
        assert!(!state().count_mismatch);
        assert!(!listed(&store, trip, &["a", "b"], later(5)));
        assert_eq!(store.missing_items(trip, 9).unwrap(), []);
        store.items_gone(trip, &store.items_seen(&[item("a").item]).unwrap()).unwrap();
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"], "a list has shown it meanwhile");
    }

    #[test]
    fn two_passes_and_a_count_agree_although_the_count_may_not_know_of_our_own_changes() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = told(&store, "Trip", 2, now);
        let later = |listing| Pass { began: now + GRACE, ..pass(listing) };
        listed(&store, trip, &["a", "b"], later(1));
        store.unlink(trip, &name("a.jpg")).unwrap().unwrap();
        store.removed(&store.removals(50).unwrap().unwrap()).unwrap();
        told(&store, "Trip", 0, now);
        assert!(listed(&store, trip, &[], later(2)));
        assert_eq!(names(&store, trip), ["b.jpg"]);
        assert!(!listed(&store, trip, &[], Pass { last: true, ..later(3) }));
        assert_eq!(names(&store, trip), [""; 0]);
    }

    #[test]
    fn an_item_that_comes_back_has_its_names_times_and_number() {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = told(&store, "Trip", 1, now);
        let later = |listing| Pass { began: now + GRACE, ..pass(listing) };
        listed(&store, trip, &["a"], later(1));
        let Some(Child::File(file)) = store.child(trip, &name("a.jpg")).unwrap() else {
            panic!("not listed")
        };
        store.link(file, trip, &name("second.jpg")).unwrap().unwrap();
        store
            .rename_file((trip, &name("a.jpg")), (trip, &name("first.jpg")), false)
            .unwrap()
            .unwrap();
        store.set_times(file, None, Some(7_000_000_000)).unwrap();
        told(&store, "Trip", 0, now);
        assert!(!listed(&store, trip, &[], later(2)));
        assert_eq!(names(&store, trip), [""; 0]);
        // Another file has got one of its names.
        store.create_file(trip, &name("first.jpg"), 0).unwrap().unwrap();
        listed(&store, trip, &["a"], later(3));
        assert_eq!(names(&store, trip), ["first.jpg", "second.jpg"]);
        assert_eq!(store.child(trip, &name("second.jpg")).unwrap(), Some(Child::File(file)));
        assert_eq!(store.file(file).unwrap().unwrap().mtime_ns, 7_000_000_000);
        // Its names come back once: the user has removed it since.
        store.unlink(trip, &name("second.jpg")).unwrap().unwrap();
        store.removed(&store.removals(50).unwrap().unwrap()).unwrap();
        listed(&store, trip, &["a"], later(4));
        assert_eq!(names(&store, trip), ["first.jpg"]);
    }

    #[test]
    fn a_removal_from_an_album_that_was_gone_ends_with_its_first_complete_list() {
        for (first, removals) in [(&["a", "b"][..], 1), (&["a"], 0)] {
            let store = Store::in_memory().unwrap();
            let trip = album(&store, "Trip");
            listed(&store, trip, &["a", "b"], pass(1));
            store.unlink(trip, &name("b.jpg")).unwrap().unwrap();
            let missing = store.albums_complete(store.next_listing().unwrap() + 1, 9).unwrap();
            store.album_gone(trip, &missing[0].1).unwrap();
            assert_eq!(album(&store, "Trip"), trip);
            listed(&store, trip, first, Pass { last: true, ..pass(8) });
            // Another machine has put it back, if it was not there before.
            listed(&store, trip, &["a", "b"], pass(9));
            let sent = store.removals(50).unwrap().map_or(0, |call| call.members.len());
            assert_eq!(sent, removals, "{first:?}");
        }
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
        let again = |listing| Pass { listing, last: true, news: false, ..later };
        let is_due = || {
            told(&store, "Trip", 3, now + GRACE * 2);
            store.dir(trip).unwrap().unwrap().album.unwrap().count_mismatch
        };
        listed(&store, trip, &["a", "c"], again(2));
        assert!(is_due(), "both may have ended early");
        // From then on the third is taken for one that is hidden from us.
        listed(&store, trip, &["a", "c"], again(3));
        assert!(!is_due());
    }

    /// An album of which lists show these items, whatever the count, until that is taken for granted.
    fn short(count: u64, items: &[&str]) -> (Store, DirId, SystemTime) {
        let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
        let trip = told(&store, "Trip", count, now);
        let again = |listing| Pass {
            began: now + GRACE,
            last: listing > 1,
            news: listing < 3,
            ..pass(listing)
        };
        for listing in 1..4 {
            listed(&store, trip, items, again(listing));
            told(&store, "Trip", count, now);
        }
        assert!(!store.dir(trip).unwrap().unwrap().album.unwrap().count_mismatch);
        (store, trip, now)
    }

    #[test]
    fn a_difference_learnt_from_short_lists_confirms_nothing() {
        let (store, trip, now) = short(4, &["a", "b"]);
        // Other items come first now, and the list still ends after two.
        for listing in 4..8 {
            let later = Pass { began: now + GRACE, last: listing % 2 == 1, ..pass(listing) };
            assert!(listed(&store, trip, &["c", "d"], later), "{listing}");
            assert_eq!(names(&store, trip), ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]);
        }
        // The same with another count: then the difference is another one.
        told(&store, "Trip", 5, now);
        assert!(listed(&store, trip, &["c", "d"], Pass { began: now + GRACE, ..pass(8) }));
        assert_eq!(names(&store, trip).len(), 4);
    }

    #[test]
    fn a_count_with_items_that_are_hidden_from_us_confirms_what_two_passes_miss() {
        let (store, trip, now) = short(5, &["a", "b"]);
        told(&store, "Trip", 4, now);
        let later = |listing, last| Pass { began: now + GRACE, last, ..pass(listing) };
        assert!(listed(&store, trip, &["a"], later(4, false)));
        assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        assert!(!listed(&store, trip, &["a"], later(5, true)));
        assert_eq!(names(&store, trip), ["a.jpg"]);
    }

    #[test]
    fn a_count_that_lists_have_shown_to_be_too_small_confirms_nothing() {
        let (store, trip, now) = short(0, &["a", "b"]);
        for listing in 4..8 {
            let later = Pass { began: now + GRACE, last: listing % 2 == 1, ..pass(listing) };
            assert!(listed(&store, trip, &[], later), "{listing}");
            assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
        }
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
        assert_eq!(store.items_listed(trip, &[item("a")], 1).unwrap().fresh, 0);
        assert_eq!(store.items_listed(trip, &[item("a"), item("a")], 2).unwrap().fresh, 1);
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
        let call = store.additions(50, &[]).unwrap().unwrap();
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
