//! A mount that other mount namespaces have a copy of, as containers and `unshare --mount` do.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::World;

/// A process in a mount namespace of its own, with a copy of every mount.
struct Namespace(Child);

impl Namespace {
    fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", "echo ready && exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_copy_of_the_mount_in_another_namespace_does_not_hold_umount_up() {
    let world = World::mounted();
    let _other = Namespace::new();
    world.photo("1.jpg", 1, 20_000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/");
    let (done, said) = world.told(&["umount", world.mnt.to_str().unwrap()]);
    assert!(done && said.is_empty(), "{said}");
    assert_eq!(world.remote("A"), ["1.jpg"]);
    // The profile is free, and the new mount works.
    world.mount(&[]);
    world.sh("cmp 1.jpg mnt/A/1.jpg");
    world.umount();
}

/// All commands say who has the mount, and `umount` ends it.
fn is_held_and_can_be_ended(world: &World, words: &str) {
    let mnt = world.mnt.to_str().unwrap();
    let way_out = format!("'gphotosfs umount {mnt}' ends its process");
    for args in [&["status"][..], &["sync"], &["mount", mnt], &["refresh"]] {
        let (done, said) = world.told(args);
        assert!(!done && said.contains(&way_out), "{args:?}: {said}");
    }
    let outcome = world.run(&["doctor"]);
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert!(!outcome.status.success() && said.contains(words) && said.contains(&way_out), "{said}");
    let (done, said) = world.told(&["umount", mnt]);
    assert!(done && said.contains(words), "{said}");
    world.mount(&[]);
    world.sh("cmp 1.jpg mnt/A/1.jpg");
    world.umount();
}

#[test]
fn a_mount_that_only_another_namespace_has_is_named_and_can_be_ended() {
    let world = World::new();
    world.photo("1.jpg", 1, 20_000);
    let program = format!("{:?}", world.program());
    world.sh(&format!(
        "unshare --mount --propagation private sh -euc '{program} mount mnt; mkdir mnt/A; cp 1.jpg mnt/A/'"
    ));
    is_held_and_can_be_ended(&world, "in another mount namespace");
}

#[test]
fn a_lazy_unmount_is_named_and_can_be_ended() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 20_000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/ && sync mnt/A");
    let file = std::fs::File::open(world.mnt.join("A/1.jpg")).unwrap();
    world.sh("umount -l mnt");
    is_held_and_can_be_ended(&world, "was unmounted lazily");
    drop(file);
}

#[test]
fn a_bind_mount_keeps_the_profile_until_umount_ends_it() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 20_000);
    world.sh("mkdir mnt/A copy && cp 1.jpg mnt/A/ && mount --bind mnt copy && umount mnt");
    is_held_and_can_be_ended(&world, "a copy of the mount is elsewhere");
    world.sh("umount -l copy");
}
