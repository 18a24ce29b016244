//! Reading after the database was lost, was written by another version, or was replaced by an older copy. The cache may
//! belong to another database, in which the same numbers are other files.

use std::fs;

use gphotosfs_emulator::{Call, Edit};

use crate::support::World;

const STATE: &str = "state/gphotosfs/default";

fn seed(world: &World, title: &str, seeds: std::ops::Range<u32>) {
    world.edit(Edit::CreateAlbum { title: title.into() });
    for seed in seeds {
        let (album, filename) = (Some(title.to_owned()), format!("{seed}.jpg"));
        let content = crate::support::jpeg(seed, 5000);
        world.edit(Edit::AddItem { album, filename, content, foreign: false });
    }
}

/// The names and bytes of an album, read after a listing.
fn contents(world: &World, album: &str) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = fs::read(world.mnt.join(album).join(&name)).unwrap();
        (name, bytes)
    };
    world.names(album).into_iter().map(read).collect()
}

fn state(world: &World, path: &str) -> String {
    let mut value = [0; 64];
    let path = world.mnt.join(path);
    let len = rustix::fs::getxattr(path, "user.gphotos.state", &mut value[..]).unwrap();
    String::from_utf8(value[..len].to_vec()).unwrap()
}

#[test]
fn a_new_database_finds_downloaded_files_again_for_the_right_items() {
    let world = World::new();
    seed(&world, "Trip", 0..3);
    seed(&world, "Web", 3..6);
    world.photo("own.jpg", 9, 5000);
    world.mount(&[]);
    let trip = contents(&world, "Trip");
    world.sh("cp own.jpg mnt/Web/ && sync mnt/Web");
    let web = contents(&world, "Web");
    assert_eq!(state(&world, "Web/own.jpg"), "committed");
    world.umount();
    world.sh(&format!("mkdir aside && mv {STATE}/gphotosfs.db* aside/"));
    world.mount(&["--sizes", "lazy"]);
    // In another order, so that the numbers are others.
    world.names("Web");
    world.names("Trip");
    assert_eq!(state(&world, "Web/own.jpg"), "rendition");
    // Their sizes are requested here, so that only bytes are counted.
    world.sh("ls -l mnt/Web mnt/Trip");
    world.emulator.reset_stats();
    let own = |(name, bytes): &(String, Vec<u8>)| (name == "own.jpg").then(|| bytes.clone());
    for (name, bytes) in contents(&world, "Trip") {
        assert!(trip.contains(&(name.clone(), bytes)), "Trip/{name}");
    }
    let again = contents(&world, "Web");
    assert!(again.iter().all(|it| own(it).is_some() || web.contains(it)));
    // Nobody knows any more that it was this file.
    assert!(again.iter().find_map(own).is_some_and(|bytes| trip.iter().all(|it| it.1 != bytes)));
    assert_eq!(world.emulator.stats().requests(Call::Download), 1, "of own.jpg alone");
}

#[test]
fn an_older_database_that_is_put_back_finds_nothing_of_files_that_it_does_not_know() {
    let world = World::new();
    seed(&world, "Trip", 0..1);
    seed(&world, "Web", 3..6);
    world.photo("own.jpg", 9, 5000);
    world.mount(&[]);
    let trip = contents(&world, "Trip");
    world.umount();
    world.sh(&format!("mkdir aside && cp {STATE}/gphotosfs.db* aside/"));
    world.mount(&[]);
    world.sh("cp own.jpg mnt/Trip/ && sync mnt/Trip");
    world.umount();
    world.sh(&format!("rm {STATE}/gphotosfs.db* && cp aside/* {STATE}/"));
    world.mount(&[]);
    for at in 3..6 {
        // The first of them has the number that the copied file had.
        let name = format!("Web/{at}.jpg");
        let item = fs::read(world.mnt.join(&name)).unwrap();
        assert!(item != fs::read(world.dir.path().join("own.jpg")).unwrap(), "{name}");
        assert_eq!(item.len(), 5000);
        assert_eq!(state(&world, &name), "rendition");
    }
    // An edit begins with the right bytes, and the other attributes are still there.
    world.sh("printf x >> mnt/Web/3.jpg && sync mnt/Web");
    assert!(fs::read(world.mnt.join("Trip/0.jpg")).unwrap() == trip[0].1);
}

#[test]
fn an_edit_that_an_older_database_knows_nothing_of_is_kept_with_the_reason() {
    let mut world = World::new();
    seed(&world, "Trip", 0..1);
    let own = fs::read(world.photo("own.jpg", 9, 5000)).unwrap();
    let edit = fs::read(world.photo("edit.jpg", 10, 5000)).unwrap();
    world.mount(&[]);
    world.sh("cp own.jpg mnt/Trip/ && sync mnt/Trip");
    world.umount();
    world.sh(&format!("mkdir aside && cp {STATE}/gphotosfs.db* aside/"));
    world.stop_emulator();
    world.mount(&[]);
    world.sh("cat edit.jpg > mnt/Trip/own.jpg");
    world.kill();
    world.sh("fusermount3 -u mnt");
    world.sh(&format!("rm {STATE}/gphotosfs.db* && cp aside/* {STATE}/"));
    world.start_emulator();
    world.mount(&[]);
    assert!(fs::read(world.mnt.join(".gphotos/failed/Trip/own.jpg")).unwrap() == edit);
    assert!(fs::read(world.mnt.join("Trip/own.jpg")).unwrap() == own, "the old version is back");
    let failed = String::from_utf8(world.run(&["failed"]).stdout).unwrap();
    assert!(failed.contains("older copy"), "{failed}");
    world.sh("mv mnt/.gphotos/failed/Trip/own.jpg mnt/Trip/edited.jpg && sync mnt/Trip");
    assert_eq!(world.remote("Trip"), ["0.jpg", "own.jpg", "edited.jpg"]);
}

#[test]
fn a_database_of_a_later_version_is_refused_and_what_is_queued_stays() {
    let mut world = World::new();
    seed(&world, "Trip", 0..1);
    let own = fs::read(world.photo("own.jpg", 9, 5000)).unwrap();
    world.mount(&[]);
    world.names("Trip");
    world.stop_emulator();
    world.sh("cp own.jpg mnt/Trip/");
    world.kill();
    world.sh("fusermount3 -u mnt");
    world.start_emulator();
    let database = world.dir.path().join(STATE).join("gphotosfs.db");
    let other = rusqlite::Connection::open(&database).unwrap();
    other
        .execute_batch("ALTER TABLE albums DROP COLUMN made_at; PRAGMA user_version = 99")
        .unwrap();
    drop(other);
    let mnt = world.mnt.to_str().unwrap();
    for args in [&["mount", mnt][..], &["sync"], &["status"], &["failed"], &["retry"]] {
        let (done, said) = world.told(args);
        assert!(!done && said.contains("made by a newer gphotosfs"), "{args:?}: {said}");
        assert!(said.contains("-> install that version again"), "{args:?}: {said}");
    }
    let found = String::from_utf8(world.run(&["doctor"]).stdout).unwrap();
    assert!(
        found.contains("FAIL  version") && found.contains("made by a newer gphotosfs"),
        "{found}"
    );
    // That version is nowhere to be had.
    world.sh(&format!("mkdir aside && mv {STATE}/gphotosfs.db* aside/"));
    world.mount(&[]);
    assert_eq!(world.names("Trip"), ["0.jpg"]);
    let orphans: Vec<_> = fs::read_dir(world.dir.path().join(STATE).join("spool/orphans"))
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(orphans == [own]);
}
