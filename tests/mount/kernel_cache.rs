//! The answers that the kernel gives from its caches, and their invalidation.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use gphotosfs_emulator::Edit;

use crate::support::{World, wait_for};

type Requests = BTreeMap<String, i64>;

/// The kernel's requests so far.
fn so_far(world: &World) -> Requests {
    let text = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_slice(&text).unwrap();
    serde_json::from_value(status["fuse"].clone()).unwrap()
}

/// The kernel's requests during `work`.
fn cost(world: &World, work: impl FnOnce()) -> Requests {
    let before = so_far(world);
    let looked = so_far(world);
    work();
    let after = so_far(world);
    let at = |requests: &Requests, name: &str| requests.get(name).copied().unwrap_or(0);
    after
        .iter()
        .map(|(name, count)| {
            // To look costs something, too.
            let looking = at(&looked, name) - at(&before, name);
            (name.clone(), count - at(&looked, name) - looking)
        })
        // A close is counted a little later.
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Repeats it until all invalidations have reached the kernel, which then asks for no more than `named`.
fn settles(world: &World, script: &str, named: &[&str]) {
    wait_for(&format!("`{script}` to cost nothing but {named:?}"), || {
        let cost = cost(world, || drop(world.sh(script)));
        // However many names there are.
        let settled = cost.keys().all(|name| named.contains(&name.as_str()))
            && cost.values().all(|count| *count <= 4);
        if !settled {
            println!("`{script}` costs {cost:?}");
        }
        settled
    });
}

/// `ls` asks once for two attributes that we do not have, and then believes that no file has them.
const LISTING: &[&str] = &["opendir", "releasedir", "getxattr"];

/// An album of items that were not uploaded from here.
fn seeded(count: u64) -> World {
    let world = World::new();
    world.seed("Web", count);
    world
}

#[test]
fn a_second_ls_of_an_album_does_not_reach_us() {
    let world = seeded(200);
    world.mount(&[]);
    let listed = world.sh("ls -l mnt/Web");
    assert_eq!(listed.lines().filter(|line| line.contains(" 5000 ")).count(), 200);
    settles(&world, "ls -l mnt/Web", LISTING);
    assert_eq!(world.sh("ls -l mnt/Web"), listed);
    settles(&world, "ls -la mnt/Web mnt", LISTING);
    settles(&world, "find mnt -type f -size +1k", &[LISTING, &["statfs"]].concat());
    settles(&world, "stat mnt/Web mnt/Web/IMG_000001.jpg", &[]);
}

#[test]
fn attributes_come_with_the_names() {
    let world = seeded(450);
    world.mount(&[]);
    let listed = world.sh("ls -l mnt/Web");
    world.umount();
    world.mount(&[]);
    let cost = cost(&world, || assert_eq!(world.sh("ls -l mnt/Web"), listed));
    let asked = |name: &str| cost.get(name).copied().unwrap_or(0);
    // The album, and at the most what stood in front of what `ls` had read when it began to ask.
    assert!(asked("lookup") + asked("getattr") <= 4, "{cost:?}");
    assert!(asked("readdirplus") >= 3, "{cost:?}");
}

#[test]
fn additions_and_removals_at_google_show_although_everything_is_cached() {
    let world = seeded(120);
    world.mount(&[]);
    settles(&world, "ls -l mnt/Web", LISTING);
    let before = fs::metadata(world.mnt.join("Web")).unwrap();
    for at in 0..60 {
        let item = format!("IMG_{at:06}.jpg");
        world.edit(Edit::RemoveFromAlbum { album: "Web".into(), item });
    }
    let (album, filename) = (Some("Web".to_owned()), "new.jpg".to_owned());
    let content = crate::support::jpeg(1, 4000);
    world.edit(Edit::AddItem { album, filename, content, foreign: false });
    assert_eq!(world.names("Web").len(), 120, "nobody has looked");
    let outcome = world.run(&["refresh", world.mnt.join("Web").to_str().unwrap()]);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    wait_for("the kernel to be told", || world.names("Web").len() == 61);
    let there = |at: u32| world.mnt.join(format!("Web/IMG_{at:06}.jpg")).exists();
    wait_for("the names that went", || (0..60).all(|at| !there(at)));
    assert!((60..120).all(there));
    let now = fs::metadata(world.mnt.join("Web")).unwrap();
    let time = |meta: &fs::Metadata| (meta.mtime(), meta.mtime_nsec());
    assert!(time(&now) > time(&before), "the directory's time tells of it");
    settles(&world, "ls -l mnt/Web", LISTING);
}

#[test]
fn an_album_that_others_rename_is_found_at_its_new_place() {
    let world = seeded(3);
    world.mount(&[]);
    settles(&world, "ls -lR mnt", LISTING);
    let inode = fs::metadata(world.mnt.join("Web")).unwrap().ino();
    world.edit(Edit::RenameAlbum { album: "Web".into(), title: "Deep/Net".into() });
    let outcome = world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    wait_for("the old name to go", || !world.mnt.join("Web").exists());
    wait_for("the new one to come", || world.names("") == ["Deep"]);
    assert_eq!(fs::metadata(world.mnt.join("Deep/Net")).unwrap().ino(), inode);
    assert_eq!(world.names("Deep/Net").len(), 3);
}

#[test]
fn a_directory_that_only_serves_lookups_is_refreshed() {
    let world = seeded(3);
    world.mount(&["--refresh", "2s"]);
    settles(&world, "stat mnt/Web/IMG_000001.jpg", &[]);
    world.edit(Edit::RemoveFromAlbum { album: "Web".into(), item: "IMG_000001.jpg".into() });
    // Nobody lists the directory.
    wait_for("the name to go", || !world.mnt.join("Web/IMG_000001.jpg").exists());
}

#[test]
fn local_writes_show_at_once_and_then_stay_cached() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 5000);
    world.photo("photo/b.jpg", 1, 5000);
    world.photo("photo/long.jpg", 2, 9000);
    world.sh("mkdir mnt/A mnt/B && cp photo/a.jpg mnt/A/ && sync mnt/A");
    settles(&world, "ls -l mnt/A", LISTING);
    let names = |script: &str| {
        world.sh(script);
        world.names("A")
    };
    assert_eq!(names("touch mnt/A/new.jpg"), ["a.jpg", "new.jpg"]);
    assert_eq!(names("mv mnt/A/new.jpg mnt/A/other.jpg"), ["a.jpg", "other.jpg"]);
    assert_eq!(names("rm mnt/A/other.jpg"), ["a.jpg"]);
    assert_eq!(names("ln mnt/A/a.jpg mnt/B/b.jpg"), ["a.jpg"]);
    let links = |path: &str| fs::metadata(world.mnt.join(path)).unwrap().nlink();
    assert_eq!((links("A/a.jpg"), links("B/b.jpg")), (2, 2));
    settles(&world, "ls -l mnt/A mnt/B", LISTING);
    world.sh("rm mnt/A/a.jpg");
    assert_eq!(links("B/b.jpg"), 1);
    assert_eq!(names("ln mnt/B/b.jpg mnt/A/a.jpg"), ["a.jpg"]);
    settles(&world, "stat mnt/A/a.jpg", &[]);
    world.sh("cat photo/long.jpg > mnt/B/b.jpg");
    assert_eq!(fs::metadata(world.mnt.join("A/a.jpg")).unwrap().len(), 9000, "by another name");
    world.sh("cmp photo/long.jpg mnt/A/a.jpg && touch -d 2001-01-01 mnt/A/a.jpg");
    assert_eq!(world.sh("stat -c %Y mnt/B/b.jpg"), world.sh("date -d 2001-01-01 +%s"));
    // The pipeline makes names of one item of them, without the kernel's doing.
    world.sh("cp photo/long.jpg mnt/A/twin.jpg && sync mnt/A");
    wait_for("three names of one item", || links("A/twin.jpg") == 3 && links("B/b.jpg") == 3);
    settles(&world, "ls -l mnt/A mnt/B", LISTING);
    assert_eq!(world.names("A"), ["a.jpg", "twin.jpg"]);
}

#[test]
fn a_directory_that_is_read_by_parts_is_kept_only_as_a_whole() {
    let world = seeded(250);
    world.mount(&[]);
    world.sh("ls -U mnt/Web | head -3 > part");
    settles(&world, "ls -U mnt/Web", LISTING);
    let mut names = world.names("Web");
    names.dedup();
    assert_eq!(names.len(), 250);
    world.sh("rm mnt/Web/IMG_000000.jpg mnt/Web/IMG_000249.jpg");
    assert_eq!(world.names("Web").len(), 248);
}
