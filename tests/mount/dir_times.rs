//! Times that programs set on directories.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use gphotosfs_emulator::Edit;
use rustix::fs::{AtFlags, CWD, StatxFlags};

use crate::support::{World, wait_for};

fn mtime(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

/// The time of the last change of attributes, as the filesystem says and not the kernel's cache.
fn ctime(path: &Path) -> (i64, u32) {
    let now = rustix::fs::statx(CWD, path, AtFlags::STATX_FORCE_SYNC, StatxFlags::CTIME).unwrap();
    (now.stx_ctime.tv_sec, now.stx_ctime.tv_nsec)
}

/// > A time that a program sets on a directory is kept until a name in it comes or goes. So a second
/// > `rsync -rt` has nothing to do, also after the uploads and the next mount.
#[test]
fn times_of_directories_are_kept() {
    let world = World::mounted();
    for (at, name) in ["photo/1.jpg", "photo/2.jpg", "photo/sub/3.jpg"].iter().enumerate() {
        world.photo(name, at as u32, 20_000);
    }
    // With the bytes of another one it becomes a name of the same item.
    world.sh(
        "cp -p photo/1.jpg photo/same.jpg && touch -d '2019-04-28T10:00:00.5Z' photo photo/sub",
    );
    let again = "test -z \"$(rsync -rti photo mnt/ | tee changes)\" || { cat changes; exit 1; }";
    world.sh("rsync -rt photo mnt/");
    world.sh(again);
    world.sync();
    world.sh(again);
    world.umount();
    world.mount(&[]);
    world.sh(again);
    world.sh("ls mnt/photo > list");
    world.sh(again);

    let dir = world.mnt.join("photo");
    let set = mtime(&dir);
    assert_eq!(set, mtime(&world.dir.path().join("photo")));
    let before = ctime(&dir);
    world.sh("touch -d '2001-02-03T04:05:06.7Z' mnt/photo");
    assert!(ctime(&dir) > before);
    world.sh("rm mnt/photo/2.jpg");
    assert!(mtime(&dir) > set + Duration::from_secs(3600), "a name has gone");
    world.umount();
}

/// A listing in the kernel's cache is dropped although the directory has the time again that it had
/// when it was listed.
#[test]
fn a_time_that_is_set_back_hides_no_new_name() {
    let world = World::new();
    world.mount(&["--refresh", "1s"]);
    world.photo("1.jpg", 1, 20_000);
    let set_back = "touch -d '2001-02-03T04:05:06.7Z' mnt/A";
    world.sh(&format!("mkdir mnt/A && cp 1.jpg mnt/A/ && sync mnt/A && {set_back}"));
    for _ in 0..3 {
        world.sh("ls mnt/A > list");
    }
    world.edit(Edit::Seed { album: Some("A".into()), count: 1, size: 9000, prefix: "P_".into() });
    wait_for("the new photo", || {
        // A lookup refreshes the album and lists nothing.
        let _ = fs::metadata(world.mnt.join("A/P_000000.jpg"));
        world.sh(set_back);
        world.names("A").len() == 2
    });
    world.umount();
}
