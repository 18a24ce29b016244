use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::media::{ContentHash, ItemId, MediaId};

/// The original of a file. Its rendition is below.
fn original(file: i64) -> Key {
    Key::Original(ContentHash([file as u8; 32]))
}

fn media(file: i64) -> ItemId {
    ItemId::Library(MediaId::new(format!("item {file}")))
}

fn rendition(file: i64) -> Key {
    Key::of_item(&media(file))
}

fn add(cache: &Cache, dir: &Path, file: i64, len: usize) {
    let from = dir.join("incoming");
    fs::write(&from, vec![7; len]).unwrap();
    cache.add(FileId(file), original(file), &from).unwrap();
    // The spool deletes its file as well.
    fs::remove_file(&from).unwrap();
}

/// All names in a directory, sorted.
fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|it| it.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// How many files the cache has in its directory.
fn cached(dir: &Path) -> usize {
    names_in(dir).iter().filter(|name| *name != MARKER.name).count()
}

/// Pieces of a file, `len` bytes in all.
fn part(cache: &Cache, file: i64, len: u64) -> Arc<Fetch> {
    let new = |part| Fetch::new(FileId(file), media(file), None, part);
    let fetch = cache.part(FileId(file), new, |fetch| fetch).unwrap();
    fetch.receive(len);
    cache.count(&fetch);
    fetch
}

#[test]
fn least_recently_used_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path().join("cache"), 30).unwrap();
    for file in 1..=3 {
        add(&cache, dir.path(), file, 10);
    }
    assert!(cache.get(original(1)).is_some());
    add(&cache, dir.path(), 4, 10);
    assert!(cache.get(original(2)).is_none());
    assert!(cache.get(original(1)).is_some() && cache.get(original(3)).is_some());
    assert_eq!(cache.usage(), (30, 30));
}

#[test]
fn the_order_of_use_outlives_a_restart_without_access_times() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let cache = Cache::open(path.clone(), 30).unwrap();
    for file in 1..=3 {
        add(&cache, dir.path(), file, 10);
    }
    assert!(cache.get(original(1)).is_some());
    // As if the disk were mounted with noatime.
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    for file in 1..=3 {
        let file = File::open(cache.path(original(file))).unwrap();
        file.set_times(fs::FileTimes::new().set_accessed(long_ago)).unwrap();
    }
    drop(cache);
    let cache = Cache::open(path, 20).unwrap();
    assert!(cache.get(original(2)).is_none());
    assert!(cache.get(original(1)).is_some() && cache.get(original(3)).is_some());
}

#[test]
fn reopening_finds_whole_files_and_deletes_unfinished_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let cache = Cache::open(path.clone(), 100).unwrap();
    add(&cache, dir.path(), 1, 10);
    // As after a kill: nothing is dropped.
    std::mem::forget(part(&cache, 2, 10));
    std::mem::forget(cache);
    let cache = Cache::open(path.clone(), 100).unwrap();
    assert!(cache.get(original(1)).is_some() && cache.get(original(2)).is_none());
    assert_eq!(cached(&path), 1);
}

#[test]
fn a_file_deleted_behind_our_back_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path().join("cache"), 100).unwrap();
    add(&cache, dir.path(), 1, 10);
    fs::remove_file(cache.path(original(1))).unwrap();
    assert!(cache.get(original(1)).is_none());
    assert_eq!(cache.usage().0, 0);
}

#[test]
fn a_directory_deleted_behind_our_back_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("profile/cache");
    let cache = Cache::open(path.clone(), 100).unwrap();
    add(&cache, dir.path(), 1, 10);
    fs::remove_dir_all(dir.path().join("profile")).unwrap();
    drop(part(&cache, 2, 10));
    assert!(cache.get(original(1)).is_none());
    add(&cache, dir.path(), 3, 10);
    assert!(cache.get(original(3)).is_some());
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    drop(cache);
    assert!(Cache::open(path, 100).unwrap().get(original(3)).is_some(), "it has its mark");
}

#[test]
fn a_file_that_cannot_be_opened_now_is_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path().join("cache"), 100).unwrap();
    add(&cache, dir.path(), 1, 10);
    let (path, aside) = (cache.path(original(1)), dir.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    // Opening it fails for root as well, but not because it is missing.
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(cache.get(original(1)).is_none());
    assert_eq!(cache.usage().0, 10);
    fs::rename(&aside, &path).unwrap();
    assert!(cache.get(original(1)).is_some());
}

#[test]
fn pieces_count_and_go_before_whole_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let cache = Cache::open(path.clone(), 30).unwrap();
    add(&cache, dir.path(), 1, 10);
    part(&cache, 2, 15);
    assert_eq!(cache.usage().0, 25);
    add(&cache, dir.path(), 3, 10);
    assert_eq!(cache.usage().0, 20);
    assert!(cache.get(original(1)).is_some() && cache.get(original(3)).is_some());
    assert_eq!(cached(&path), 2);
}

#[test]
fn originals_and_downloads_stay_distinct_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    let mut cache = Cache::open(path.clone(), 100).unwrap();
    add(&cache, dir.path(), 1, 10);
    cache.finish(&part(&cache, 2, 10)).unwrap();
    for _ in 0..2 {
        assert!(cache.get(original(1)).is_some() && cache.get(rendition(2)).is_some());
        assert!(!cache.has(rendition(1)) && !cache.has(original(2)));
        cache = Cache::open(path.clone(), 100).unwrap();
    }
    add(&cache, dir.path(), 2, 10);
    cache.remove(rendition(2));
    assert!(cache.has(original(2)));
    assert_eq!((cache.usage().0, cached(&path)), (20, 2));
}

#[test]
fn files_of_others_are_never_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    drop(Cache::open(path.clone(), 100).unwrap());
    // Among them names that look like those of the cache, but are no files.
    let key = Key::of_item(&media(7)).name();
    fs::create_dir(path.join(&key)).unwrap();
    fs::create_dir(path.join("lost+found")).unwrap();
    let theirs = dir.path().join("theirs");
    fs::write(&theirs, "x").unwrap();
    let link = original(7).name();
    std::os::unix::fs::symlink(&theirs, path.join(&link)).unwrap();
    let names = ["1201", "1152.google", "IMG_1.jpg", "2019.photos.part", "a.b.gphotosfs-part"];
    for name in names {
        fs::write(path.join(name), [7; 10]).unwrap();
    }
    fs::write(path.join("3.abc123.gphotosfs-part"), "").unwrap();
    assert_eq!(Cache::open(path.clone(), 0).unwrap().usage().0, 0);
    let left = names_in(&path);
    let mut expected: Vec<_> = names.map(str::to_owned).into();
    expected.extend([MARKER.name.to_owned(), key, "lost+found".into(), link]);
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn a_directory_of_others_is_no_cache() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pictures");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("IMG_1.jpg"), "x").unwrap();
    let refused = Cache::open(path.clone(), 100).err().unwrap().to_string();
    assert!(refused.contains("IMG_1.jpg"), "{refused}");
    assert_eq!(names_in(&path), ["IMG_1.jpg"]);
}

#[test]
fn a_file_larger_than_the_limit_is_not_cached() {
    let dir = tempfile::tempdir().unwrap();
    for limit in [0, 9] {
        let cache = Cache::open(dir.path().join("cache"), limit).unwrap();
        add(&cache, dir.path(), 1, 10);
        assert!(cache.get(original(1)).is_none());
        let kept = cached(&dir.path().join("cache"));
        assert_eq!((cache.usage().0, kept), (0, 0));
    }
}

#[test]
fn bytes_beside_the_files_count_until_they_go() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Arc::new(Cache::open(dir.path().join("cache"), 30).unwrap());
    for file in 1..=3 {
        add(&cache, dir.path(), file, 10);
    }
    let beside = cache.clone().beside();
    beside.add(5);
    beside.add(5);
    assert_eq!(cache.usage(), (30, 30));
    assert!(!cache.has(original(1)) && cache.has(original(2)), "the oldest has made room");
    beside.add(100);
    assert_eq!(cache.usage(), (110, 30));
    drop(beside);
    assert_eq!(cache.usage(), (0, 30));
}
