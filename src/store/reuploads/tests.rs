use std::time::SystemTime;

use super::*;
use crate::media::{FileId, Qualities, UploadToken};
use crate::store::claims::tests::{closed, created, proved};
use crate::store::tests::{album, item, name, names};
use crate::store::{Choice, ClaimKind, Proved, Reopened};

/// The file's bytes have reached Google again. Returns the album to create it in.
fn uploaded_again(store: &Store, file: FileId) -> Option<DirId> {
    let now = SystemTime::now();
    let quality = Qualities::default();
    let sealed = store.startable(now, 10, quality, |_| Choice::Take).unwrap();
    let seq = sealed.iter().find(|it| it.file == file).expect("it is sealed").seq;
    assert!(store.uploaded(file, seq, &UploadToken::new("new"), now).unwrap());
    let (ready, _) = store.ready(now, 10, 10).unwrap();
    ready.iter().find(|it| it.file == file).map(|it| it.dir)
}

/// An arrived item in the first album that no list has shown, and another file that Google has
/// answered with its id in the second one.
fn answered_twice(store: &Store, one: DirId, two: DirId) -> [FileId; 2] {
    let first = closed(store, one, "a.jpg", 1);
    created(store, one, first, "a");
    let claim = store.new_claims(SystemTime::now(), one, 10).unwrap().remove(0);
    store.unseen(&claim, &item("a").item, SystemTime::now()).unwrap();
    let second = closed(store, two, "b.jpg", 1);
    created(store, two, second, "a");
    [first.0, second.0]
}

#[test]
fn a_file_that_was_answered_with_an_item_that_is_gone_is_sent_into_its_album() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let [first, second] = answered_twice(&store, one, two);
    let claim = store.unseen_claims(one, 10).unwrap().remove(0);
    assert_eq!(claim.file, first);
    store.fail_unseen(&claim, "it is in the bin").unwrap();
    assert_eq!(store.mend_memberships().unwrap(), 0);
    assert_eq!(uploaded_again(&store, second), Some(two));
}

#[test]
fn memberships_of_an_earlier_version_do_not_stop_the_queue() {
    let store = Store::in_memory().unwrap();
    let trip = album(&store, "Trip");
    let (file, _) = closed(&store, trip, "a.jpg", 1);
    let sql = "UPDATE members SET observed = 'present'";
    store.write(|tx| Ok(tx.execute(sql, [])?)).unwrap();
    assert_eq!(store.mend_memberships().unwrap(), 1);
    assert_eq!(store.mend_memberships().unwrap(), 0);
    // Were there others, they would be picked nevertheless.
    store.write(|tx| Ok(tx.execute(sql, [])?)).unwrap();
    assert_eq!(uploaded_again(&store, file), Some(trip));
    let (ready, _) = store.ready(SystemTime::now(), 10, 10).unwrap();
    let call = store.begin_create(trip, &[(file, ready[0].seq)]).unwrap();
    assert_eq!(call.items.len(), 1);
}

/// Google counts the file's item in the first album and does not show it, and has refused to add it
/// to the second one.
fn sent_into(store: &Store, one: DirId, two: DirId) -> FileId {
    let file = closed(store, one, "a.jpg", 1);
    created(store, one, file, "a");
    let now = SystemTime::now();
    let claim = store.new_claims(now, one, 10).unwrap().remove(0);
    store.had_before(&claim, 5).unwrap();
    let claim = store.claims_of_album(now, one, 10).unwrap().remove(0);
    assert_eq!(claim.kind, ClaimKind::Known);
    assert!(store.withheld(&claim, "it is another program's").unwrap());
    store.link(file.0, two, &name("b.jpg")).unwrap().unwrap();
    let call = store.additions(50, &[]).unwrap().unwrap();
    store.begin_members(&call).unwrap();
    store.upload_into(two, file.0).unwrap();
    file.0
}

#[test]
fn a_hidden_item_that_another_files_call_has_put_into_the_album_needs_no_upload() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let file = sent_into(&store, one, two);
    assert_eq!(store.settle_needless_uploads().unwrap(), 0);
    let other = closed(&store, two, "c.jpg", 1);
    created(&store, two, other, "a");
    assert_eq!(store.settle_needless_uploads().unwrap(), 1);
    assert_eq!(store.upload_state(file).unwrap(), Some(UploadState::Confirming));
    // The first file keeps the bytes, so the other one is a name of it.
    assert_eq!(proved(&store), [Some(Proved::Merged(file))]);
    assert_eq!(names(&store, two), ["b.jpg", "c.jpg"]);
}

#[test]
fn bytes_that_are_about_to_be_sent_again_stand_for_another_file_of_the_same_item() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let file = sent_into(&store, one, two);
    let other = closed(&store, one, "c.jpg", 1);
    created(&store, one, other, "a");
    assert_eq!(proved(&store), [Some(Proved::Merged(file))]);
    assert_eq!(uploaded_again(&store, file), Some(two));
}

#[test]
fn a_hidden_item_that_nobody_wants_any_more_is_not_sent_again() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let file = sent_into(&store, one, two);
    for (dir, at) in [(one, "a.jpg"), (two, "b.jpg")] {
        store.unlink(dir, &name(at)).unwrap().unwrap();
    }
    // The same bytes do not wait for a file that nobody sends.
    let (other, _) = closed(&store, two, "c.jpg", 1);
    assert_eq!(uploaded_again(&store, other), Some(two));
    assert_eq!(store.settle_needless_uploads().unwrap(), 1);
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
    assert_eq!(store.upload_state(file).unwrap(), None);
    assert_eq!(store.removals(50).unwrap().unwrap().dir, one);
}

#[test]
fn a_write_leaves_the_hidden_item_to_the_version_before() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let file = sent_into(&store, one, two);
    assert_eq!(store.reopen(file).unwrap(), Reopened::InFlight);
    let old = store.fork_version(file, None, 1).unwrap();
    assert_eq!(store.file(file).unwrap().unwrap().media, None);
    assert_eq!(store.settle_needless_uploads().unwrap(), 1);
    assert_eq!(store.upload_state(old).unwrap(), Some(UploadState::Confirming));
}

#[test]
fn a_new_item_goes_into_the_albums_of_the_hidden_one_that_is_gone() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let file = sent_into(&store, one, two);
    let sealed = store.startable(SystemTime::now(), 10, Qualities::default(), |_| Choice::Take);
    created(&store, two, (file, sealed.unwrap()[0].seq), "b");
    let listing = store.next_listing().unwrap();
    store.claims_shown(two, &[item("b").item], listing).unwrap();
    assert_eq!(proved(&store), [Some(Proved::Arrived)]);
    assert_eq!(store.additions(50, &[]).unwrap().unwrap().dir, one);
}

/// An album has refused the item to a duplicate, so the bytes of its file count as unknown.
#[test]
fn a_listing_proves_an_item_whose_bytes_are_not_known_any_more() {
    let store = Store::in_memory().unwrap();
    let (one, two) = (album(&store, "One"), album(&store, "Two"));
    let [first, second] = answered_twice(&store, one, two);
    store.write(|tx| forget_hash(tx, first)).unwrap();
    let claims = store.claims_of_album(SystemTime::now(), two, 10).unwrap();
    assert!(claims.iter().any(|it| it.file == second), "{claims:?}");
    let listing = store.next_listing().unwrap();
    store.claims_shown(two, &[item("a").item], listing).unwrap();
    assert_eq!(proved(&store), [Some(Proved::Merged(first))]);
}
