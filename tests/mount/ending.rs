//! No signal that can be caught leaves a dead mount, and a mount hides nothing that it needs itself.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::terminal::Terminal;
use crate::support::{World, wait_for};

/// docs/MOUNTING.md has the table.
#[test]
fn each_ending_signal_unmounts_and_loses_nothing() {
    let world = World::new();
    world.mount(&[]);
    world.sh("mkdir mnt/A");
    world.umount();
    let signals = [
        (Signal::TERM, Some(0)),
        (Signal::INT, Some(0)),
        (Signal::HUP, Some(1)),
        (Signal::QUIT, Some(1)),
        (Signal::USR1, Some(1)),
        (Signal::USR2, Some(1)),
        (Signal::ALARM, Some(1)),
        (Signal::VTALARM, Some(1)),
        (Signal::PROF, Some(1)),
        (Signal::IO, Some(1)),
        (Signal::POWER, Some(1)),
        (Signal::STKFLT, Some(1)),
        (Signal::XCPU, Some(1)),
    ];
    for (number, (signal, code)) in signals.into_iter().enumerate() {
        let mut served = world.serve(&[]);
        assert!(served.is_ready(), "{}", world.log());
        let name = format!("{number}.jpg");
        world.photo(&name, number as u32, 5000);
        world.sh(&format!("cp {name} mnt/A/"));
        // A reader holds a file open, and the photo is still in the queue.
        let reader = fs::File::open(world.mnt.join("A").join(&name)).unwrap();
        kill_process(Pid::from_raw(served.pid() as i32).unwrap(), signal).unwrap();
        assert_eq!(served.ended_with(), code, "{signal:?}: {}", world.log());
        drop(reader);
        // A dead mount would be ENOTCONN.
        assert_eq!(fs::read_dir(&world.mnt).unwrap().count(), 0, "{signal:?}");
    }
    world.mount(&[]);
    world.sync();
    assert_eq!(world.remote("A").len(), signals.len());
}

#[test]
fn a_mount_whose_terminal_is_closed_unmounts() {
    let world = World::new();
    let mut mount = world.program();
    mount.args(["mount", "-f"]).arg(&world.mnt);
    let terminal = Terminal::start(&mount);
    let status = world.mnt.join(".gphotos/status.json");
    wait_for("the mount", || status.exists());
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp a.jpg mnt/A/");
    terminal.close();
    // A dead mount would be an error.
    wait_for("the plain directory", || fs::read_dir(&world.mnt).is_ok_and(|it| it.count() == 0));
    // The old process holds the profile until it has ended.
    wait_for("the next mount", || world.told(&["mount", world.mnt.to_str().unwrap()]).0);
    world.sync();
    assert_eq!(world.remote("A"), ["a.jpg"]);
}

#[test]
fn a_mount_that_nohup_protects_outlives_its_terminal() {
    let world = World::new();
    let program = format!("{:?}", world.program());
    world.sh(&format!(
        "(trap '' HUP; exec env {program} mount -f mnt) >served.log 2>&1 & echo $! >pid"
    ));
    let pid: i32 =
        fs::read_to_string(world.dir.path().join("pid")).unwrap().trim().parse().unwrap();
    let status = world.mnt.join(".gphotos/status.json");
    wait_for("the mount", || status.exists());
    kill_process(Pid::from_raw(pid).unwrap(), Signal::HUP).unwrap();
    world.sh("mkdir mnt/A");
    world.umount();
}

#[test]
fn a_mount_does_not_hide_what_it_needs() {
    let world = World::new();
    for place in [
        "config",
        "state/gphotosfs",
        "cache/gphotosfs/default",
        "state/gphotosfs/default/spool",
        ".",
    ] {
        let place = world.dir.path().join(place);
        fs::create_dir_all(&place).unwrap();
        let place = place.to_str().unwrap();
        let (done, said) = world.told(&["mount", "-o", "nonempty", place]);
        assert!(!done && said.contains("it would hide files of the profile itself"), "{said}");
    }
    // The cache may be on another disk.
    let content = world.dir.path().join("cache/gphotosfs/default/content");
    fs::create_dir_all(world.dir.path().join("disk/cache")).unwrap();
    std::os::unix::fs::symlink(world.dir.path().join("disk/cache"), content).unwrap();
    let disk = world.dir.path().join("disk");
    let (done, said) = world.told(&["mount", "-o", "nonempty", disk.to_str().unwrap()]);
    assert!(!done && said.contains("it would hide files of the profile itself"), "{said}");
    assert_eq!(world.run(&["status"]).status.code(), Some(0), "nothing was meant to be mounted");
    world.mount(&[]);
}

#[test]
fn a_cache_that_is_deleted_while_mounted_is_made_again() {
    let world = World::mounted();
    world.seed("A", 3);
    world.sh("cat mnt/A/IMG_000000.jpg >/dev/null");
    world.sh("rm -r cache/gphotosfs/default && cat mnt/A/*.jpg | wc -c >size");
    assert_eq!(fs::read_to_string(world.dir.path().join("size")).unwrap().trim(), "15000");
    world.photo("a.jpg", 7, 5000);
    world.sh("cp a.jpg mnt/A/ && sync mnt/A && cmp a.jpg mnt/A/a.jpg");
    world.umount();
}
