//! A mount whose connection to the kernel somebody aborts.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::World;

/// Aborts the connection of the world's mount.
pub fn abort(world: &World) {
    let device = rustix::fs::minor(world.mnt.metadata().unwrap().dev());
    // In a namespace of its own, because the machine may not have it mounted.
    world.sh(&format!(
        "unshare --mount sh -euc 'mount -t fusectl none /sys/fs/fuse/connections
         echo 1 >/sys/fs/fuse/connections/{device}/abort'"
    ));
}

#[test]
fn an_aborted_connection_is_an_error_and_leaves_no_dead_mount() {
    let world = World::new();
    let mut served = world.serve(&[]);
    assert!(served.is_ready(), "{}", world.log());
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp a.jpg mnt/A/");
    abort(&world);
    assert_eq!(served.ended_with(), Some(1), "{}", world.log());
    let log = world.log();
    assert!(log.contains("aborted"), "{log}");
    assert_eq!(fs::read_dir(&world.mnt).unwrap().count(), 0, "the plain directory is back");
    world.mount(&[]);
    world.sync();
    assert_eq!(world.remote("A"), ["a.jpg"]);
    world.umount();
}
