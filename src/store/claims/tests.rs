use std::sync::Arc;

use super::*;
use crate::media::{Clock, ContentHash, DirId, Qualities, UploadToken};
use crate::store::tests::{album, item, name, names, told};
use crate::store::{Choice, CreateOutcome, Fate, Hashed, SealedFacts};

/// Closes a file with these bytes in the album.
pub(in crate::store) fn closed(
    store: &Store,
    dir: DirId,
    file_name: &str,
    bytes: u8,
) -> (FileId, i64) {
    let file = store.create_file(dir, &name(file_name), 0).unwrap().unwrap();
    let fate = Fate::Upload("image/jpeg");
    let facts =
        SealedFacts { size: 1, mtime_ns: 0, ctime_ns: 0, fate, write_error: None, cut_off: false };
    store.seal(file, &facts).unwrap();
    let sealed = store.startable(SystemTime::now(), 10, Qualities::default(), |it| {
        if it.file == file { Choice::Take } else { Choice::Skip }
    });
    let sealed = sealed.unwrap();
    let seq = sealed[0].seq;
    store.hashed(file, seq, ContentHash([bytes; 32]), [bytes; 20]).unwrap();
    (file, seq)
}

/// Google answers the creation of a file with this item.
pub(in crate::store) fn created(store: &Store, dir: DirId, (file, seq): (FileId, i64), id: &str) {
    let token = UploadToken::new(format!("token of {seq}"));
    store.uploaded(file, seq, &token, SystemTime::now()).unwrap();
    let call = store.begin_create(dir, &[(file, seq)]).unwrap();
    let outcome = (token, CreateOutcome::Made(item(id).item));
    store.record_create_outcomes(call.call, &[outcome]).unwrap();
}

/// A listing begins, and shows the item.
pub(in crate::store) fn listed(store: &Store, dir: DirId, id: &str) {
    let listing = store.next_listing().unwrap();
    store.claims_shown(dir, &[item(id).item], listing).unwrap();
}

pub(in crate::store) fn proved(store: &Store) -> Vec<Option<Proved>> {
    let claims = store.proved_claims(10).unwrap();
    claims.iter().map(|claim| store.settle_claim(claim).unwrap()).collect()
}

#[test]
fn only_a_listing_that_begins_after_the_answer_proves_an_item() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    let file = closed(&store, trip, "a.jpg", 1);
    let before = store.next_listing().unwrap();
    created(&store, trip, file, "a");
    store.claims_shown(trip, &[item("a").item], before).unwrap();
    assert_eq!(proved(&store), []);
    listed(&store, trip, "a");
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
    assert_eq!(store.upload_state(file.0).unwrap(), None);
}

#[test]
fn a_listing_for_readers_proves_items_as_well() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    let file = closed(&store, trip, "a.jpg", 1);
    created(&store, trip, file, "a");
    let listing = store.next_listing().unwrap();
    store.items_listed(trip, &[item("a")], listing).unwrap();
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
}

#[test]
fn a_known_id_makes_a_file_a_name_of_the_item_when_a_listing_has_shown_it() {
    let store = Store::in_memory().unwrap();
    let (trip, other) = (album(&store, "Trip"), album(&store, "Other"));
    store.items_listed(trip, &[item("a")], 1).unwrap();
    let file = closed(&store, other, "b.jpg", 1);
    created(&store, other, file, "a");
    assert_eq!(proved(&store), []);
    // Nobody sees the item twice meanwhile, and nobody takes it out of the album.
    let listing = store.next_listing().unwrap();
    assert_eq!(names(&store, other), ["b.jpg"]);
    assert!(store.removals(50).unwrap().is_none());
    store.items_listed(other, &[item("a")], listing).unwrap();
    let [Some(Proved::Merged(item_of))] = proved(&store)[..] else { panic!("not proved") };
    assert_eq!(names(&store, other), ["b.jpg"]);
    assert_eq!(store.file(file.0).unwrap().unwrap().id, item_of);
}

#[test]
fn a_known_item_that_is_refused_is_not_taken_out_of_the_album() {
    // The order of events decides which items were known before, although the clock stands still.
    let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
    let store = Store::open_with_clock(dir.path(), Clock(Arc::new(move || now))).unwrap();
    let (trip, other) = (album(&store, "Trip"), album(&store, "Other"));
    store.items_listed(trip, &[item("a")], 1).unwrap();
    let file = closed(&store, other, "b.jpg", 1);
    created(&store, other, file, "a");
    store.fail(file.0, "it is in the bin", None).unwrap();
    // Another client may have put it there.
    assert!(store.removals(50).unwrap().is_none());
    assert_eq!(names(&store, trip), ["a.jpg"]);
}

#[test]
fn a_refused_claim_takes_nothing_from_another_one() {
    let store = Store::in_memory().unwrap();
    let (trip, other) = (album(&store, "Trip"), album(&store, "Other"));
    store.items_listed(trip, &[item("a")], 1).unwrap();
    let [first, second] = ["b.jpg", "c.jpg"].map(|file_name| {
        let file = closed(&store, other, file_name, 1);
        created(&store, other, file, "a");
        file
    });
    listed(&store, other, "a");
    store.fail(first.0, "it is in the bin", None).unwrap();
    assert!(matches!(proved(&store)[..], [Some(Proved::Merged(_))]), "{second:?}");
    assert_eq!(names(&store, other), ["c.jpg"]);
}

#[test]
fn a_claim_that_begins_anew_is_not_settled_by_an_earlier_listing() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    let file = closed(&store, trip, "a.jpg", 1);
    created(&store, trip, file, "a");
    listed(&store, trip, "a");
    let claims = store.proved_claims(10).unwrap();
    store.write(|tx| uploads::expect_proof(tx, file.0)).unwrap();
    assert_eq!(store.settle_claim(&claims[0]).unwrap(), None);
    listed(&store, trip, "a");
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
}

#[test]
fn one_claim_is_found_without_going_through_the_others() {
    let store = Store::in_memory().unwrap();
    let plan: Vec<String> = store
        .read(|db| {
            Ok(db
                .prepare(&format!("EXPLAIN QUERY PLAN {}", still_proved()))?
                .query_map([1], |row| row.get("detail"))?
                .collect::<rusqlite::Result<_>>()?)
        })
        .unwrap();
    let scans = plan.iter().any(|step| step.starts_with("SCAN") && !step.contains(" c"));
    assert!(!scans, "{plan:#?}");
}

#[test]
fn a_duplicate_of_bytes_that_another_upload_keeps_needs_no_listing() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    let first = closed(&store, trip, "a.jpg", 1);
    created(&store, trip, first, "a");
    let [claim] = &store.new_claims(SystemTime::now(), trip, 10).unwrap()[..] else {
        panic!("no claim")
    };
    store.unseen(claim, &item("a").item, SystemTime::now()).unwrap();
    let second = closed(&store, trip, "b.jpg", 1);
    let hashed = store.hashed(second.0, second.1, ContentHash([1; 32]), [1; 20]).unwrap();
    assert_eq!(hashed, Hashed::Duplicate);
    assert_eq!(proved(&store), [Some(Proved::Merged(first.0))]);
    assert_eq!(names(&store, trip), ["a.jpg", "b.jpg"]);
    assert_eq!(store.backlog().unwrap().unseen, 1);
    listed(&store, trip, "a");
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
}

#[test]
fn an_unseen_item_stays_although_a_listing_lacks_it() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    let file = closed(&store, trip, "a.jpg", 1);
    created(&store, trip, file, "a");
    let claim = store.new_claims(SystemTime::now(), trip, 10).unwrap().remove(0);
    store.unseen(&claim, &item("a").item, SystemTime::now() + crate::store::GRACE * 9).unwrap();
    let later = SystemTime::now() + crate::store::GRACE * 2;
    let pass = crate::store::Pass {
        listing: store.next_listing().unwrap(),
        began: later,
        news: false,
        last: true,
    };
    store.items_complete(trip, &pass).unwrap();
    assert_eq!(names(&store, trip), ["a.jpg"]);
}

/// An item that has arrived in the album, and that no listing has shown.
fn unseen(store: &Store, dir: DirId, bytes: u8) -> FileId {
    let file = closed(store, dir, &format!("{bytes}.jpg"), bytes);
    let id = format!("id{bytes}");
    created(store, dir, file, &id);
    let claim = store.new_claims(SystemTime::now(), dir, 10).unwrap().remove(0);
    store.unseen(&claim, &item(&id).item, SystemTime::now()).unwrap();
    file.0
}

#[test]
fn an_item_goes_on_the_same_evidence_while_its_bytes_are_here() {
    let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
    let trip = told(&store, "Trip", 1, now);
    let file = unseen(&store, trip, 1);
    let listing = store.next_listing().unwrap();
    store.items_listed(trip, &[item("id1")], listing).unwrap();
    // The worker has not let its bytes go yet.
    let later = now + crate::store::GRACE * 3;
    told(&store, "Trip", 0, later);
    let (listing, began) = (store.next_listing().unwrap(), later);
    let pass = crate::store::Pass { listing, began, news: false, last: true };
    assert!(!store.items_complete(trip, &pass).unwrap());
    assert_eq!(names(&store, trip), [""; 0]);
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
    assert_eq!(store.upload_state(file).unwrap(), None);
}

#[test]
fn an_unseen_item_that_a_listing_lacks_is_asked_for_by_its_id() {
    let (store, now) = (Store::in_memory().unwrap(), SystemTime::now());
    let trip = told(&store, "Trip", 0, now);
    let file = unseen(&store, trip, 1);
    let asked = || store.loose_claims(now, 10).unwrap();
    let pass = |began| {
        let listing = store.next_listing().unwrap();
        let pass = crate::store::Pass { listing, began, news: false, last: true };
        assert!(!store.items_complete(trip, &pass).unwrap());
    };
    pass(now);
    assert_eq!(asked().len(), 0, "the listing may lag");
    told(&store, "Trip", 0, now + crate::store::GRACE * 2);
    pass(now + crate::store::GRACE * 2);
    let claim = asked().remove(0);
    assert!(claim.is_missed);
    assert_eq!(names(&store, trip), ["1.jpg"], "the count does not decide");
    store.unseen_is_known(&claim, &item("id1").item).unwrap();
    assert_eq!(asked().len(), 0);
    store.still_unseen(&claim, None, true).unwrap();
    let claim = asked().remove(0);
    store.fail_unseen(&claim, "it is in the bin").unwrap();
    assert_eq!(names(&store, trip), [""; 0]);
    assert_eq!(store.failed_names().unwrap()[0].file, file);
    assert_eq!(store.upload_state(file).unwrap(), Some(UploadState::Failed));
    assert_eq!(store.file(file).unwrap().unwrap().media, None);
    assert!(store.additions(9, &[]).unwrap().is_none() && store.removals(9).unwrap().is_none());
}

#[test]
fn an_item_that_a_listing_has_shown_is_not_refused() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    unseen(&store, trip, 1);
    let claim = store.unseen_claims(DirId::ROOT, 10).unwrap().remove(0);
    assert!(store.is_still_unseen(&claim).unwrap());
    listed(&store, trip, "id1");
    assert!(!store.is_still_unseen(&claim).unwrap());
    assert_eq!(store.unseen_claims(DirId::ROOT, 10).unwrap().len(), 0);
}

#[test]
fn a_file_whose_item_is_unknown_and_that_is_retried_is_known_by_the_same_id() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    let file = unseen(&store, trip, 1);
    let claim = store.unseen_claims(trip, 10).unwrap().remove(0);
    store.fail_unseen(&claim, "it is in the bin").unwrap();
    let fate = Fate::Upload("image/jpeg");
    let facts =
        SealedFacts { size: 1, mtime_ns: 0, ctime_ns: 0, fate, write_error: None, cut_off: false };
    let one = name("1.jpg");
    store.retry_failed((trip, &one), (trip, &one), false, &facts).unwrap().unwrap();
    let seq =
        store.startable(SystemTime::now(), 10, Qualities::default(), |_| Choice::Take).unwrap()[0]
            .seq;
    store.hashed(file, seq, ContentHash([1; 32]), [1; 20]).unwrap();
    created(&store, trip, (file, seq), "id1");
    let claims = store.claims_of_album(SystemTime::now(), trip, 10).unwrap();
    assert_eq!((claims.len(), claims[0].kind), (1, ClaimKind::Known));
    listed(&store, trip, "id1");
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
    assert_eq!(names(&store, trip), ["1.jpg"]);
}

#[test]
fn an_unseen_item_keeps_the_time_of_its_next_listing_when_everything_is_tried_again() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    unseen(&store, trip, 1);
    let is_overdue = || store.claimed_albums(SystemTime::now()).unwrap()[0].is_overdue;
    assert!(is_overdue());
    store.retry_now().unwrap();
    assert!(is_overdue());
}

#[test]
fn a_hidden_item_whose_name_goes_waits_for_a_file_that_google_has_answered_with_it() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let hidden = closed(&store, one, "a.jpg", 1);
    created(&store, one, hidden, "a");
    let now = SystemTime::now();
    let claim = store.new_claims(now, one, 10).unwrap().remove(0);
    store.had_before(&claim, 5).unwrap();
    let claim = store.claims_of_album(now, one, 10).unwrap().remove(0);
    assert!(store.withheld(&claim, "it is another program's").unwrap());
    created(&store, two, closed(&store, two, "b.jpg", 1), "a");
    store.unlink(one, &name("a.jpg")).unwrap().unwrap();
    assert_eq!(proved(&store), [Some(Proved::Merged(hidden.0))]);
    assert_eq!(names(&store, two), ["b.jpg"]);
    assert_eq!(proved(&store), []);
}
