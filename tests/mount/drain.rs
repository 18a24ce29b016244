//! Stops and interruptions: the queue survives them, and the uploads continue without help.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use gphotosfs_emulator::{Call, Failure, Faults, Injection, Moment};

use crate::support::wait::let_pass;
use crate::support::{World, login, wait_for};

/// Puts `count` photos beside the mount.
fn photos(world: &World, count: u32) {
    for at in 0..count {
        world.photo(&format!("photo/{at}.jpg"), at, 20_000);
    }
}

/// A video of `megabytes`, each different, in the mount's album `A`.
fn copy_video(world: &World, megabytes: u32) {
    let mut file = fs::File::create(world.dir.path().join("v.mp4")).unwrap();
    file.write_all(b"\0\0\0\x18ftypisom\0\0\x02\0isommp42").unwrap();
    for at in 0..megabytes {
        file.write_all(&at.to_be_bytes().repeat(250_000)).unwrap();
    }
    world.sh("mkdir mnt/A && cp v.mp4 mnt/A/");
}

fn pid(world: &World) -> i32 {
    let status = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    status["pid"].as_i64().unwrap() as i32
}

/// Processor time that a process has used, in seconds.
fn processor_time(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[test]
fn sync_without_a_mount_sends_what_a_mount_has_left() {
    let mut world = World::mounted();
    photos(&world, 5);
    world.sh("mkdir mnt/A");
    world.stop_emulator();
    world.sh("cp photo/* mnt/A/");
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    world.start_emulator();
    let outcome = world.run(&["sync"]);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    assert_eq!(world.remote("A").len(), 5);
    assert!(world.run(&["sync"]).status.success(), "nothing is left to do");
    world.mount(&[]);
    world.emulator.reset_stats();
    world.sh("for f in photo/*; do cmp $f mnt/A/${f#photo/}; done");
    assert_eq!(world.emulator.stats().requests(Call::Download), 0, "kept as by a mount");
}

#[test]
fn sync_without_a_mount_reports_rejected_files_and_keeps_mounts_away() {
    let world = World::mounted();
    photos(&world, 1);
    world.sh("mkdir mnt/A");
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    world.sh("cp photo/* mnt/A/");
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    world.emulator.faults(|faults| faults.photo_bytes_max = 1000);
    // The mount's own attempt must not be taken for that of sync.
    world.emulator.reset_stats();
    let sync = world.program().arg("sync").stderr(std::process::Stdio::piped()).spawn().unwrap();
    wait_for("the upload to begin", || world.emulator.stats().requests(Call::UploadRaw) > 0);
    let outcome = world.program().arg("mount").arg(&world.mnt).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(said.contains("in use by another gphotosfs process"), "{said}");
    // The message does not suggest a sync, because one is running.
    for command in ["sync", "refresh", "retry"] {
        let (done, said) = world.told(&[command]);
        assert!(!done && said.contains("in use by another gphotosfs process"), "{said}");
        assert!(said.contains("-> 'gphotosfs sync' is running, or a mount"), "{said}");
    }
    assert_eq!(world.told(&["failed"]), (true, String::new()), "looking takes nobody's place");
    let said = |command| String::from_utf8(world.run(&[command]).stdout).unwrap();
    let status = said("status");
    assert!(status.contains("not mounted; 'gphotosfs sync' is running"), "{status}");
    let doctor = said("doctor");
    assert!(doctor.contains("1 to go") && !doctor.contains("mount, or run"), "{doctor}");
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    let outcome = sync.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("gphotosfs failed"), "{said}");
}

#[test]
fn umount_now_leaves_a_large_upload_in_the_middle_and_the_next_mount_goes_on_there() {
    const MEGABYTES: u32 = 60;
    let world = World::mounted();
    world.emulator.faults(|faults| faults.on(Call::UploadChunk).bytes_per_s = Some(10_000_000));
    copy_video(&world, MEGABYTES);
    wait_for("a third to be sent", || world.emulator.stats().upload_bytes > 20_000_000);
    let begun = Instant::now();
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    world.emulator.faults(|faults| faults.on(Call::UploadChunk).bytes_per_s = None);
    world.mount(&[]);
    world.sync();
    assert_eq!(world.remote("A"), ["v.mp4"]);
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::UploadStart), 1, "{stats:?}");
    assert!(stats.upload_bytes < 75_000_000, "{stats:?}");
    world.sh("cmp v.mp4 mnt/A/v.mp4");
}

#[test]
fn a_mount_that_is_asked_to_end_does_so_within_seconds_and_loses_nothing() {
    for signal in ["TERM", "INT"] {
        let world = World::mounted();
        photos(&world, 30);
        world.emulator.faults(|faults| {
            faults.every_call.latency_ms = 300;
            faults.on(Call::MediaItemsBatchCreate).latency_ms = 1500;
        });
        world.sh("mkdir mnt/A && cp photo/* mnt/A/");
        let creating = || world.emulator.stats().peak(Call::MediaItemsBatchCreate) > 0;
        wait_for("a batch to be under way", creating);
        let pid = pid(&world);
        let begun = Instant::now();
        world.sh(&format!("kill -{signal} {pid} && timeout 20 tail --pid={pid} -f /dev/null"));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(world.sh("ls mnt"), "", "unmounted");
        world.emulator.faults(|faults| *faults = Faults::default());
        world.mount(&[]);
        world.sync();
        assert_eq!(world.remote("A").len(), 30, "{signal}");
        assert_eq!(world.emulator.dump().items.len(), 30, "{signal}");
    }
}

#[test]
fn umount_waits_for_the_uploads_and_says_how_far_they_are() {
    // Long enough for a line of progress: `umount` prints one every ten seconds.
    let world = World::new();
    world.mount(&["--uploads", "7"]);
    photos(&world, 20);
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).latency_ms = 4000);
    world.sh("mkdir mnt/A && cp photo/* mnt/A/");
    let outcome = world.program().arg("umount").arg(&world.mnt).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && said.contains("/20 done"), "{said}");
    assert_eq!(world.remote("A").len(), 20);
}

#[test]
fn a_mount_without_a_network_takes_files_and_sends_them_when_there_is_one() {
    let mut world = World::mounted();
    photos(&world, 10);
    world.sh("mkdir mnt/A && cp photo/0.jpg mnt/A/ && sync mnt/A");
    world.umount();
    world.stop_emulator();
    world.mount(&[]);
    assert_eq!(world.names("A"), ["0.jpg"], "the library is kept");
    world.sh("cmp photo/0.jpg mnt/A/0.jpg && cp photo/* mnt/A/");
    let (pid, lines) = (pid(&world), world.log().lines().count());
    let before = processor_time(pid);
    let_pass(Duration::from_secs(8));
    let used = processor_time(pid) - before;
    assert!(used < 0.4, "{used} seconds of work while waiting");
    let said = world.log();
    let lines = said.lines().count() - lines;
    assert!(lines <= 4, "{lines} lines while waiting:\n{said}");
    world.start_emulator();
    wait_for("all to arrive", || world.remote("A").len() == 10);
    assert!(world.log().lines().count() <= said.lines().count() + 4, "{}", world.log());
}

#[test]
fn a_network_that_goes_away_is_waited_for() {
    let mut world = World::mounted();
    photos(&world, 40);
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).latency_ms = 200);
    world.sh("mkdir mnt/A && cp photo/* mnt/A/");
    wait_for("a few to be sent", || world.emulator.stats().requests(Call::UploadRaw) > 5);
    world.stop_emulator();
    wait_for("the mount to notice", || world.log().contains("uploads wait"));
    world.photo("late.jpg", 99, 9000);
    world.sh("cp late.jpg mnt/A/");
    world.start_emulator();
    world.sync();
    let mut remote = world.remote("A");
    assert_eq!(remote.pop().as_deref(), Some("late.jpg"), "{}", world.log());
    assert_eq!((remote.len(), world.emulator.dump().items.len()), (40, 41));
}

/// > `fsync` of a closed file, and of a directory, waits until Google has it. That of a file and
/// > `gphotosfs sync` wait for the end of an outage and for the next day's quota. A sync ends with
/// > `EACCES` if the login has ended, with `ENOSPC` if the Google account is full, and with `EPERM`
/// > if the login lacks the permission to edit and everything that is left needs it. The queue
/// > stays.
#[test]
fn syncs_end_when_only_a_person_can_help_and_succeed_when_one_has() {
    let world = World::mounted();
    photos(&world, 3);
    world.sh("mkdir mnt/A && cp photo/0.jpg mnt/A/ && sync mnt/A");
    world.emulator.faults(|faults| faults.storage_bytes = Some(0));
    world.sh("cp photo/1.jpg mnt/A/");
    let said = |outcome: std::process::Output| {
        assert!(!outcome.status.success());
        String::from_utf8(outcome.stderr).unwrap()
    };
    let full = said(world.sh_outcome("sync mnt/A"));
    assert!(full.contains("No space left on device"), "{full}");
    let full = said(world.run(&["sync", world.mnt.to_str().unwrap()]));
    assert!(full.contains("free space in the Google account"), "{full}");
    let full = said(world.run(&["umount", world.mnt.to_str().unwrap()]));
    assert!(full.contains("umount --now"), "{full}");
    // A waiting program has the blocked uploads retried.
    world.emulator.faults(|faults| faults.storage_bytes = None);
    world.sh("sync mnt/A");
    assert_eq!(world.remote("A").len(), 2);
    world.emulator.revoke_grants();
    world.emulator.expire_access_tokens();
    world.sh("cp photo/2.jpg mnt/A/");
    let dead = said(world.sh_outcome("sync mnt/A"));
    assert!(dead.contains("Permission denied"), "{dead}");
    let dead = said(world.run(&["sync"]));
    assert!(dead.contains("gphotosfs login"), "{dead}");
    world.login();
    world.sh("sync mnt/A");
    assert_eq!(world.remote("A").len(), 3);
    assert!(world.log().contains("uploads wait"), "{}", world.log());
    // Somebody logs in and grants less, while a removal is queued.
    world.emulator.faults(|faults| {
        let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::AlbumsBatchRemove).failures.push(always);
    });
    world.sh("rm mnt/A/0.jpg");
    wait_for("the removal to begin", || {
        world.emulator.stats().requests(Call::AlbumsBatchRemove) > 0
    });
    let grant = world.emulator.grant_scopes(&["appendonly", "readonly.appcreateddata"]);
    let config = world.dir.path().join("config/gphotosfs/default");
    login::write_grant(&config, &world.emulator, &grant);
    world.emulator.expire_access_tokens();
    world.emulator.faults(|faults| faults.on(Call::AlbumsBatchRemove).failures.clear());
    let narrow = said(world.sh_outcome("sync mnt/A"));
    assert!(narrow.contains("Operation not permitted"), "{narrow}");
    for command in ["sync", "umount"] {
        let narrow = said(world.run(&[command, world.mnt.to_str().unwrap()]));
        assert!(narrow.contains("tick all boxes"), "{narrow}");
    }
    // The rest goes on, and does not hear of it.
    world.sh("mkdir mnt/B && cp photo/1.jpg mnt/B/ && sync mnt/B");
    assert_eq!(world.remote("B"), ["1.jpg"]);
    world.login();
    world.sh("sync mnt/A");
    assert_eq!(world.remote("A").len(), 2);
}

#[test]
fn the_log_does_not_grow_without_bounds() {
    let world = World::new();
    let dir = world.dir.path().join("state/gphotosfs/default");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("log"), vec![b'\n'; 9 << 20]).unwrap();
    world.mount(&[]);
    world.sh("mkdir mnt/A && echo text > mnt/A/text.jpg || true");
    wait_for("a line in a new file", || world.log().contains("text.jpg"));
    assert!(world.log().len() < 100_000);
    assert_eq!(fs::metadata(dir.join("log.1")).unwrap().len(), 9 << 20);
}
