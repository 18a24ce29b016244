//! Smaller copies of photos: what goes to Google, and what stays.

use gphotosfs::fs::SetXattrMode;
use gphotosfs::store::Made;
use gphotosfs_emulator::DumpedItem;

use crate::support::{camera_jpeg, sha256};

use super::*;

const SIZE: (u32, u32) = (900, 700);

fn attribute(world: &World, ino: Ino, name: &str) -> Outcome<String> {
    let value = errno(world.fs.getxattr_now(ino, format!("user.gphotos.{name}").as_bytes()))?;
    Ok(String::from_utf8(value.unwrap()).unwrap())
}

fn choose(world: &World, dir: Ino, quality: &str) -> Outcome {
    let (name, mode) = (b"user.gphotos.quality", SetXattrMode::Any);
    errno(world.wait(world.fs.setxattr(dir, name, quality.as_bytes(), mode)))
}

fn items(world: &World) -> Vec<DumpedItem> {
    world.emulator.dump().items
}

fn spooled(world: &World) -> usize {
    let spool = world.profile.state_dir().unwrap().join("spool");
    std::fs::read_dir(spool).unwrap().count()
}

#[test]
fn a_smaller_copy_goes_to_google_and_the_photo_stays_as_it_was() {
    let world = World::new(&["--quality", "saver"]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let photo = camera_jpeg(1, SIZE);
    let file = world.copy_in(trip, "a.jpg", &photo).unwrap();
    world.sync(trip).unwrap();
    let [item] = &items(&world)[..] else { panic!("one item") };
    assert!(item.size * 100 <= photo.len() as u64 * 85, "{} of {}", item.size, photo.len());
    assert_eq!(item.filename, "a.jpg");
    assert_eq!(attribute(&world, file, "sent_size").unwrap(), item.size.to_string());
    assert_eq!(attribute(&world, file, "sent_sha256").ok(), item.sha256);
    assert_eq!(attribute(&world, file, "sha256").unwrap(), sha256(&photo));
    assert_eq!(attribute(&world, file, "quality").unwrap(), "saver:16mp,q90");
    assert_eq!(attribute(&world, file, "state").unwrap(), "committed");
    assert_eq!(size(&world, file), photo.len() as u64);
    assert!(world.read(file).unwrap() == photo, "the cache has the original");
    assert_eq!(spooled(&world), 0);
}

#[test]
fn a_photo_that_is_left_whole_says_why() {
    let world = World::new(&["--quality", "saver"]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let motion = [camera_jpeg(1, SIZE), b"a film".to_vec()].concat();
    let photos = [
        ("small.jpg", photo(1), "small"),
        ("motion.jpg", motion, "trailing-bytes"),
        ("picture.png", include_bytes!("../../fixtures/media/drawing-1.png").to_vec(), "format"),
    ];
    for (name, bytes, reason) in &photos {
        let file = world.copy_in(trip, name, bytes).unwrap();
        assert_eq!(world.sync(trip), Ok(()), "{name}");
        assert_eq!(attribute(&world, file, "whole").unwrap(), *reason, "{name}");
        assert_eq!(attribute(&world, file, "quality").unwrap(), "original", "{name}");
        assert_eq!(attribute(&world, file, "sent_sha256").unwrap(), sha256(bytes), "{name}");
    }
    let mut sizes: Vec<_> = items(&world).iter().map(|it| it.size).collect();
    sizes.sort_unstable();
    let mut expected: Vec<_> = photos.iter().map(|it| it.1.len() as u64).collect();
    expected.sort_unstable();
    assert_eq!(sizes, expected);
    let saved = world.store.saved().unwrap();
    assert_eq!((saved.files, saved.whole.len(), saved.sent), (3, 3, saved.bytes));
}

/// The option on, off and on: the file's own bytes say what is there.
#[test]
fn another_quality_uploads_nothing_twice() {
    let world = World::new(&[]);
    let [first, second, third] = ["A", "B", "C"].map(|it| world.mkdir(ROOT, it).unwrap());
    choose(&world, first, "saver").unwrap();
    choose(&world, third, "saver:12mp,q80").unwrap();
    let photo = camera_jpeg(1, SIZE);
    for dir in [first, second, third] {
        world.copy_in(dir, "a.jpg", &photo).unwrap();
        world.sync(dir).unwrap();
        // As cp does it a second time.
        let again = world.lookup(dir, "a.jpg").unwrap();
        rewrite(&world, again, &photo);
        world.sync(dir).unwrap();
    }
    let dump = world.emulator.dump();
    assert_eq!(dump.items.len(), 1);
    assert!(dump.items[0].size < photo.len() as u64);
    assert!(dump.albums.iter().all(|it| it.items.len() == 1));
}

#[test]
fn a_directory_has_a_quality_of_its_own_that_is_kept() {
    let mut world = World::new(&["--quality", "saver:8mp"]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let day = world.mkdir(trip, "Day").unwrap();
    assert_eq!(attribute(&world, day, "quality").unwrap(), "saver:8mp,q90");
    assert_eq!(choose(&world, trip, "huge"), Err(Errno(libc::EINVAL)));
    choose(&world, trip, "original").unwrap();
    assert_eq!(attribute(&world, day, "quality").unwrap(), "original");
    let photo = camera_jpeg(1, SIZE);
    world.copy_in(day, "a.jpg", &photo).unwrap();
    world.sync(day).unwrap();
    assert_eq!(items(&world)[0].size, photo.len() as u64);
    world.restart();
    assert_eq!(attribute(&world, day, "quality").unwrap(), "original");
    let name = b"user.gphotos.quality";
    errno(world.fs.removexattr(trip, name)).unwrap();
    assert_eq!(errno(world.fs.removexattr(trip, name)), Err(Errno(libc::ENODATA)));
    assert_eq!(attribute(&world, day, "quality").unwrap(), "saver:8mp,q90");
}

/// A photo in an album, whose smaller copy is made and not sent.
fn with_a_copy_that_waits() -> (World, Ino, Ino) {
    let world = World::new(&["--quality", "saver"]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    let file = world.copy_in(trip, "a.jpg", &camera_jpeg(1, SIZE)).unwrap();
    wait_for("the copy", || world.store.prepared(file_id(file)).unwrap().is_some());
    (world, trip, file)
}

#[test]
fn the_copy_that_waits_for_the_network_is_sent_after_a_restart() {
    let (mut world, trip, file) = with_a_copy_that_waits();
    let id = file_id(file);
    let Some(Made::Smaller(sent)) = world.store.prepared(id).unwrap().map(|it| it.made) else {
        panic!("left whole")
    };
    assert_eq!(spooled(&world), 2);
    world.crash();
    assert_eq!(spooled(&world), 2);
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    world.sync(trip).unwrap();
    let [item] = &items(&world)[..] else { panic!("one item") };
    assert_eq!(item.sha256.clone().unwrap(), sent.sha256.to_string());
    assert_eq!(spooled(&world), 0);
}

#[test]
fn a_copy_that_is_gone_from_the_spool_is_made_again() {
    let (mut world, trip, file) = with_a_copy_that_waits();
    let id = file_id(file);
    let spool = world.profile.state_dir().unwrap().join("spool");
    std::fs::remove_file(spool.join(format!("{}.sent", id.0))).unwrap();
    world.crash();
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    world.sync(trip).unwrap();
    let [item] = &items(&world)[..] else { panic!("one item") };
    assert_eq!(attribute(&world, file, "sent_sha256").ok(), item.sha256);
}

#[test]
fn a_photo_that_is_edited_has_a_copy_of_the_edit() {
    let world = World::new(&["--quality", "saver"]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let file = world.copy_in(trip, "a.jpg", &camera_jpeg(1, SIZE)).unwrap();
    world.sync(trip).unwrap();
    let before = attribute(&world, file, "sent_sha256").unwrap();
    rewrite(&world, file, &camera_jpeg(2, SIZE));
    world.sync(trip).unwrap();
    let after = attribute(&world, file, "sent_sha256").unwrap();
    assert_ne!(before, after);
    let dump = world.emulator.dump();
    assert_eq!(dump.albums[0].items.len(), 1);
    let shown = dump.items.iter().find(|it| it.id == dump.albums[0].items[0]).unwrap();
    assert_eq!(shown.sha256.as_deref(), Some(&after[..]));
}
