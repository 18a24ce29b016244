//! What the tests of the store share, and those of opening it.

use std::time::SystemTime;

use super::*;
use crate::media::Clock;
use crate::media::DirId;
use crate::media::EntryName;
use crate::media::{Album, AlbumId, MediaId};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

/// Makes the album `title` (nested where it has slashes) as if Google had listed it.
pub(crate) fn album(store: &Store, title: &str) -> DirId {
    told(store, title, 0, SystemTime::now())
}

/// Google tells of the album, which has so many items.
pub(crate) fn told(store: &Store, title: &str, items_count: u64, now: SystemTime) -> DirId {
    let path = title.split('/').map(|part| vec![name(part)]).collect();
    let album = Album {
        id: AlbumId::new(format!("id of {title}")),
        title: title.to_owned(),
        items_count,
        product_url: String::new(),
        is_writeable: true,
    };
    store.album_listed(&ListedAlbum { album, path }, 1, now).unwrap()
}

/// A complete pass that has shown something new.
pub(crate) fn pass(listing: i64) -> Pass {
    let began = SystemTime::now();
    Pass { listing, began, news: true, last: false }
}

/// An item as a listing shows it.
pub(crate) fn item(id: &str) -> ListedItem {
    let item = crate::media::MediaItem {
        id: MediaId::new(id),
        filename: format!("{id}.jpg"),
        mime_type: "image/jpeg".into(),
        description: String::new(),
        product_url: String::new(),
        base_url: None,
        creation_time: None,
        width: 0,
        height: 0,
        camera_make: String::new(),
        camera_model: String::new(),
        video: None,
    };
    ListedItem { item, names: vec![name(&format!("{id}.jpg")), name(&format!("{id} {id}.jpg"))] }
}

pub(crate) fn names(store: &Store, dir: DirId) -> Vec<String> {
    store.entries(dir, 0, 100).unwrap().iter().map(|entry| entry.name.to_string()).collect()
}

#[test]
fn one_may_look_beside_a_writer_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Store::open_read_only(dir.path()).unwrap().is_none());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let store = Store::open(dir.path()).unwrap();
    store.set_meta("key", "value").unwrap();
    let beside = Store::open_read_only(dir.path()).unwrap().unwrap();
    assert_eq!(beside.meta("key").unwrap().as_deref(), Some("value"));
    assert!(beside.set_meta("key", "other").is_err());
    drop((store, beside));
    assert!(Store::open_read_only(dir.path()).unwrap().unwrap().meta("key").unwrap().is_some());
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().set_meta("key", "value").unwrap();
    assert_eq!(Store::open(dir.path()).unwrap().meta("key").unwrap().as_deref(), Some("value"));
}

#[test]
fn each_change_of_names_has_a_later_time_although_the_clock_stands_still_or_goes_back() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let (dir, seconds) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(1_000_000)));
    let shared = seconds.clone();
    let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(shared.load(Ordering::SeqCst));
    let store = Store::open_with_clock(dir.path(), Clock(Arc::new(clock))).unwrap();
    let trip = album(&store, "Trip");
    let changed = || store.dir(trip).unwrap().unwrap().names_changed_ns;
    let first = changed();
    assert_eq!(first, 1_000_000_000_000_000, "the time comes from the clock of the store");
    store.create_file(trip, &name("a"), 0).unwrap().unwrap();
    assert_eq!(changed(), first + 1);
    seconds.store(5, Ordering::SeqCst);
    store.create_file(trip, &name("b"), 0).unwrap().unwrap();
    assert_eq!(changed(), first + 2);
}

#[test]
fn a_read_beside_another_process_sees_one_state() {
    let dir = tempfile::tempdir().unwrap();
    let other = Store::open(dir.path()).unwrap();
    other.set_meta("key", "before").unwrap();
    let store = Store::open_read_only(dir.path()).unwrap().unwrap();
    let seen = store.read(|db| {
        let value = || -> rusqlite::Result<String> {
            db.query_row("SELECT value FROM meta WHERE key = 'key'", [], |row| row.get(0))
        };
        let first = value()?;
        other.set_meta("key", "after")?;
        Ok([first, value()?])
    });
    assert_eq!(seen.unwrap(), ["before", "before"]);
}
