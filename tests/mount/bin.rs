//! Photos that the user has put into Google's bin, and copies into an album once more. What Google does then is not
//! known: it may answer the known id or make a new item, and may answer for an id in the bin or not.

use std::fs;

use gphotosfs_emulator::{Call, Edit, Moment};

use crate::support::{World, jpeg, sha256, wait_for};

const PACE: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "50");
/// A list counts for less than an answer about an id for three seconds.
const FAST: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "200");
const IN_BIN: &str =
    "Google has this photo in its bin: restore it there, or empty the bin, then retry";
/// Copies under the same names, under others, and into another album, by the photo in each.
const COPIES: [(&str, u32); 6] = [
    ("A/0.jpg", 0),
    ("A/1.jpg", 1),
    ("A/two.jpg", 2),
    ("A/three.jpg", 3),
    ("B/4.jpg", 4),
    ("B/five.jpg", 5),
];

fn photo(at: u32) -> Vec<u8> {
    jpeg(at, 5000)
}

fn mount(world: &World) {
    world.mount_with(&[FAST], &["--refresh", "1day"]);
}

/// Photos that have arrived, and lie in the bin by now.
fn binned(resolve: bool, new_items: bool) -> World {
    let world = World::new();
    world.emulator.faults(|faults| {
        faults.binned_items_resolve = resolve;
        faults.binned_bytes_make_new_items = new_items;
    });
    mount(&world);
    for at in 0..6 {
        world.photo(&format!("photo/{at}.jpg"), at, 5000);
    }
    world.sh("mkdir mnt/A mnt/B && cp photo/* mnt/A/ && sync mnt");
    for at in 0..6 {
        world.edit(Edit::MoveToBin { item: format!("{at}.jpg") });
    }
    world
}

fn copy(world: &World) {
    for (path, at) in COPIES {
        world.sh(&format!("cp photo/{at}.jpg mnt/{path}"));
    }
}

fn refresh(world: &World) {
    let (done, said) = world.told(&["refresh", world.mnt.to_str().unwrap()]);
    assert!(done, "{said}");
}

/// Nothing is left in the cache.
fn evict(world: &World) {
    world.umount();
    fs::remove_dir_all(world.dir.path().join("cache")).unwrap();
    mount(world);
}

/// The copies that can be read where they were put, and those among the failed files.
fn found(world: &World) -> (Vec<&'static str>, Vec<&'static str>) {
    let has = |path: String, at| fs::read(world.mnt.join(path)).is_ok_and(|it| it == photo(at));
    let failed = COPIES.iter().filter(|it| has(format!(".gphotos/failed/{}", it.0), it.1));
    let read = COPIES.iter().filter(|it| has(it.0.to_owned(), it.1));
    (read.map(|it| it.0).collect(), failed.map(|it| it.0).collect())
}

/// Everything has arrived where it was put, and can be read without the cache.
fn assert_arrived(world: &World) {
    let dump = world.emulator.dump();
    for (path, at) in COPIES {
        let album = dump.album(&path[..1]).unwrap();
        let hash = sha256(&photo(at));
        let mut items = album.items.iter().map(|id| dump.item(id).unwrap());
        assert!(items.any(|it| it.sha256.as_ref() == Some(&hash)), "{path}\n{}", world.log());
    }
    evict(world);
    assert_eq!(found(world), (COPIES.map(|it| it.0).to_vec(), vec![]), "{}", world.log());
}

fn assert_failed(world: &World) {
    evict(world);
    let (_, failed) = found(world);
    assert_eq!(failed, COPIES.map(|it| it.0), "{}", world.log());
    let (done, _) = world.told(&["sync", world.mnt.to_str().unwrap()]);
    assert!(!done);
    for (path, _) in COPIES {
        let reason =
            format!("getfattr --only-values -n user.gphotos.error mnt/.gphotos/failed/{path}");
        assert_eq!(world.sh(&reason), IN_BIN, "{path}");
    }
}

/// > A photo that lies in Google's bin and is copied in again arrives if Google makes a new item of
/// > it.
#[test]
fn a_photo_that_google_makes_anew_from_its_bin_arrives() {
    for resolve in [false, true] {
        let world = binned(resolve, true);
        copy(&world);
        world.sync();
        assert_arrived(&world);
    }
}

/// > If it stays in the bin, its copy goes to `.gphotos/failed`, and the reason says so. After it was
/// > restored, or the bin was emptied, `gphotosfs retry` succeeds.
#[test]
fn a_photo_that_stays_in_googles_bin_is_kept_in_failed() {
    for (resolve, restore) in [(false, true), (false, false), (true, true), (true, false)] {
        let world = binned(resolve, false);
        copy(&world);
        world.sh("! sync mnt/A && ! sync mnt/B");
        assert_failed(&world);
        let [photos, album] =
            ["photo", "mnt/A"].map(|it| world.dir.path().join(it).display().to_string());
        assert_eq!(world.run(&["diff", &photos, &album]).status.code(), Some(1));
        if restore {
            for at in 0..6 {
                world.edit(Edit::RestoreFromBin { item: format!("{at}.jpg") });
            }
        } else {
            world.edit(Edit::EmptyBin);
        }
        let (done, said) = world.told(&["retry"]);
        assert!(done, "{said}");
        world.sync();
        assert_arrived(&world);
    }
}

/// > If the restored photo has its old name in the album again by then, `retry` says `File exists`. Under
/// > another name the copy becomes a second name of the restored photo.
#[test]
fn a_copy_of_a_restored_photo_becomes_a_name_of_it() {
    let world = binned(false, false);
    refresh(&world);
    world.sh("! ls mnt/A/0.jpg");
    world.sh("cp photo/0.jpg mnt/A/ && ! sync mnt/A");
    world.edit(Edit::RestoreFromBin { item: "0.jpg".into() });
    refresh(&world);
    world.sh("ls mnt/A/0.jpg");
    let (done, said) = world.told(&["retry"]);
    assert!(!done && said.contains("File exists"), "{said}");
    world.sh("mv mnt/.gphotos/failed/A/0.jpg mnt/A/again.jpg && sync mnt");
    world.sh("cmp photo/0.jpg mnt/A/again.jpg && test mnt/A/again.jpg -ef mnt/A/0.jpg");
    assert_eq!(world.remote("A"), ["0.jpg"]);
    assert!(world.names(".gphotos/failed").is_empty());
}

/// > The bytes of a file stay here until a list of its album, made after the upload or the copy, has
/// > shown the item. In a large album such a list comes later than the upload: the file has arrived,
/// > and only its bytes stay.
#[test]
fn bytes_stay_here_until_a_later_list_shows_the_item() {
    let world = World::new();
    for (album, count) in [("Large", 300), ("Small", 1)] {
        world.emulator.seed(album, count);
    }
    world.mount_with(&[PACE], &["--refresh", "1day"]);
    world.photo("new.jpg", 1, 5000);
    world.sh("ls mnt/Large mnt/Small");
    let spooled =
        || fs::read_dir(world.dir.path().join("state/gphotosfs/default/spool")).unwrap().count();
    world.emulator.hold(Call::MediaItemsSearch, Moment::Request);
    world.sh("cp new.jpg mnt/Small/");
    wait_for("the list", || world.emulator.stats().requests(Call::MediaItemsSearch) == 5);
    assert_eq!(spooled(), 1);
    world.emulator.let_go(Call::MediaItemsSearch, Moment::Request);
    world.sync();
    assert_eq!(spooled(), 0);
    world.photo("new.jpg", 2, 5000);
    world.sh("cp new.jpg mnt/Large/ && sync mnt/Large");
    assert_eq!(spooled(), 1);
    let (_, said) = world.told(&["refresh", world.mnt.join("Large").to_str().unwrap()]);
    world.sync();
    wait_for("the bytes to be released", || spooled() == 0);
    world.sh("cmp new.jpg mnt/Large/new.jpg");
    assert!(said.is_empty(), "{said}");
}
