//! Operations that wait: what they keep from running, and for how long.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use gphotosfs_emulator::{Call, Failure, Injection};

use crate::support::{World, wait_for};

/// > The kernel locks a directory while it is synced: programs that change it wait, and cannot be
/// > killed. So in an outage, `fsync` of a directory (`sync ALBUM`) ends after a minute without
/// > progress, with `EHOSTUNREACH`, `ETIMEDOUT`, or with `EDQUOT` if the day's quota is used up. The
/// > queue stays, and `gphotosfs sync` goes on waiting.
#[test]
fn a_sync_of_an_album_ends_in_an_outage_and_gphotosfs_sync_goes_on() {
    let mut world = World::mounted();
    world.photo("1.jpg", 1, 20_000);
    world.photo("2.jpg", 2, 20_000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/ && sync mnt/A");
    world.stop_emulator();
    world.sh("cp 2.jpg mnt/A/");
    let mut ours = world.program().arg("sync").arg(world.mnt.join("A")).spawn().unwrap();
    let outcome = world.sh_outcome("sync mnt/A");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("No route to host"), "{said}");
    world.sh("timeout 10 cp 2.jpg mnt/A/3.jpg && timeout 10 rm mnt/A/3.jpg");
    assert!(ours.try_wait().unwrap().is_none(), "gphotosfs sync waits");
    world.start_emulator();
    assert!(ours.wait().unwrap().success());
    assert_eq!(world.remote("A"), ["1.jpg", "2.jpg"]);
    world.umount();
}

/// The number of a mount's threads.
fn threads(world: &World) -> u64 {
    let status = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    let process = fs::read_to_string(format!("/proc/{}/status", status["pid"])).unwrap();
    let line = process.lines().find_map(|it| it.strip_prefix("Threads:")).unwrap();
    line.trim().parse().unwrap()
}

/// > Reads that stall, listings, writes, closes and syncs wait in places of their own: none of them
/// > keeps another kind from running.
#[test]
fn stalled_readers_keep_nobody_from_copying_and_listing() {
    const READERS: u64 = 300;
    const THREADS_MAX: u64 = 120;
    let world = World::mounted();
    world.seed("Trip", READERS);
    world.photo("1.jpg", 1, 20_000);
    world.sh("ls -l mnt/Trip > list && mkdir mnt/A");
    world.emulator.faults(|faults| {
        let stall = Injection { rate: 1.0, ..Injection::new(Failure::Stall) };
        faults.on(Call::Download).failures.push(stall);
    });
    let opens = || {
        let status = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        status["fuse"]["open"].as_u64().unwrap_or(0)
    };
    let before = opens();
    let read = |at| {
        let path = world.mnt.join(format!("Trip/IMG_{at:06}.jpg"));
        Command::new("cat").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut readers: Vec<_> = (0..READERS).map(read).collect();
    wait_for("all readers to wait", || opens() >= before + READERS);
    // Each thread has a stack.
    let threads = threads(&world);
    assert!(threads <= THREADS_MAX, "{threads}");
    world.sh_within(20, "cp 1.jpg mnt/A/ && cp 1.jpg mnt/A/2.jpg && mv mnt/A/2.jpg mnt/A/3.jpg");
    world.sh_within(20, "ls -l mnt mnt/A mnt/Trip > list && mkdir mnt/B && touch mnt/A/1.jpg");
    world.sh_within(20, "sync mnt/A && cmp 1.jpg mnt/A/1.jpg");
    for reader in &mut readers {
        reader.kill().unwrap();
    }
    for mut reader in readers {
        reader.wait().unwrap();
    }
    world.umount();
}

/// > A mount whose log nobody reads (a full pipe at stderr) works on. Lines for which there is no
/// > room are left out, and their number is logged.
#[test]
fn a_log_that_nobody_reads_stops_no_operation() {
    let world = World::new();
    let mut mount = world
        .program()
        .args(["mount", "-f", "-vv"])
        .arg(&world.mnt)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the mount", || world.mnt.join(".gphotos").exists());
    world.photo("1.jpg", 1, 20_000);
    // Each name is a line of the log at least, and a pipe holds 64 KiB.
    world.sh_within(
        60,
        "mkdir mnt/A && cp 1.jpg mnt/A/ && for at in {1..2000}; do test ! -e mnt/A/no$at.jpg; done",
    );
    let mut stderr = mount.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).unwrap();
        log
    });
    world.sh("cmp 1.jpg mnt/A/1.jpg");
    world.umount();
    assert!(mount.wait().unwrap().success());
    let log = log.join().unwrap();
    assert!(log.contains("lines were left out here: nobody read them"), "{log}");
}
