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
