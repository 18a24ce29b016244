//! Full disks: a writer learns of them, and no closed file is lost.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use gphotosfs_emulator::{Edit, synthetic_content};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::disk::{Disk, PACE, slow};
use crate::support::ledger::{Ledger, close};
use crate::support::wait::let_pass;
use crate::support::{World, camera_jpeg, jpeg, wait_for};

/// What has failed must have failed for lack of space; cp would leave such a file, and so does this.
fn out_of_space(world: &World, error: &io::Error) {
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}\n{}", world.log());
}

/// Fills the disk of the state directory before, between and during copies.
fn fill_the_state(rounds: u32, quality: &str, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::new();
    world.emulator.faults(slow);
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=24m");
    let mnt = &world.mnt;
    let saver = quality == "saver";
    let mut ledger = if saver { Ledger::with_copies() } else { Ledger::default() };
    // Detached: its log is on the full disk, too.
    world.mount_with(&[PACE], &["--quality", quality]);
    world.sh("mkdir mnt/A");
    let (mut refused, mut taken) = (0, 0);
    for round in 0..rounds {
        let leave = [0, 4096, 100_000, 300_000, 600_000, 1_200_000][round as usize % 6];
        // Half of the time in the middle of writing.
        let early = rng.random_bool(0.5);
        if early {
            disk.fill(leave);
        }
        for at in 0..6 {
            if !early && at == 2 {
                disk.fill(leave);
            }
            let seed = round * 10 + at;
            let bytes = match saver {
                true => camera_jpeg(seed, (700 + at * 50, 600)),
                false => jpeg(seed, 50_000 + at as usize * 30_000),
            };
            match ledger.write(mnt, &format!("A/{round}-{at}.jpg"), &bytes) {
                Ok(()) => taken += 1,
                Err(error) => {
                    out_of_space(&world, &error);
                    refused += 1;
                    ledger.refused();
                }
            }
        }
        let arrived = ledger.paths().first().cloned();
        if let Some(path) = arrived.filter(|_| round % 2 == 1)
            && let Err(error) = ledger.edit(mnt, &path, round)
        {
            out_of_space(&world, &error);
            refused += 1;
            ledger.refused();
        }
        // Let the uploads run into it as well.
        let_pass(Duration::from_millis(rng.random_range(0..300)));
        assert!(fs::metadata(mnt.join(".gphotos/status.json")).is_ok(), "{}", world.log());
        disk.free();
        ledger.settle_refused(mnt).unwrap();
        if round % 4 == 3 {
            ledger.audit(&world);
        }
    }
    ledger.write(mnt, "A/last.jpg", &jpeg(99_999, 100_000)).unwrap();
    ledger.audit(&world);
    assert!(refused > 0 && taken > 0, "{refused} refused, {taken} taken");
    eprintln!(
        "disk full, {rounds} rounds (seed {seed}): {taken} files taken, {refused} refused with ENOSPC; lost 0, wrong 0"
    );
    world.umount();
}

#[test]
fn a_full_disk_fails_the_write_and_loses_nothing() {
    fill_the_state(12, "original", rand::random());
}

#[test]
#[ignore = "takes minutes"]
fn a_disk_that_fills_up_repeatedly_loses_nothing() {
    fill_the_state(150, "original", rand::random());
}

#[test]
#[ignore = "takes minutes"]
fn a_disk_that_fills_up_while_smaller_copies_are_made_loses_nothing() {
    fill_the_state(60, "saver", rand::random());
}

#[test]
fn a_disk_without_room_for_another_file_leaves_no_name_behind() {
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=24m,nr_inodes=40");
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    let mut ledger = Ledger::default();
    let ballast: Vec<_> = (0..100)
        .map(|at| disk.dir.join(format!("ballast-{at}")))
        .take_while(|path| fs::write(path, "").is_ok())
        .collect();
    let error = ledger.write(&world.mnt, "A/1.jpg", &jpeg(1, 5000)).unwrap_err();
    out_of_space(&world, &error);
    assert_eq!(world.names("A"), [""; 0]);
    ledger.refused();
    ballast.iter().for_each(|path| fs::remove_file(path).unwrap());
    ledger.settle_refused(&world.mnt).unwrap();
    ledger.write(&world.mnt, "A/1.jpg", &jpeg(1, 5000)).unwrap();
    ledger.audit(&world);
    world.umount();
}

#[test]
fn photos_that_could_not_be_closed_go_on_when_there_is_room_again() {
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=8m");
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    let names: Vec<_> = (0..12).map(|at| format!("{at:02}.jpg")).collect();
    let open = names.iter().zip(0..).map(|(name, at)| {
        let file = fs::File::create(world.mnt.join("A").join(name)).unwrap();
        file.write_all_at(&jpeg(at, 50_000), 0).unwrap();
        (format!("A/{name}"), file)
    });
    let open: Vec<_> = open.collect();
    let status = || fs::read_to_string(world.mnt.join(".gphotos/status.json")).unwrap();
    let mut refused = Vec::new();
    for (path, file) in open {
        disk.fill(0);
        if let Err(error) = close(file) {
            out_of_space(&world, &error);
            refused.push(path);
        }
    }
    assert!(!refused.is_empty(), "the database had room in what it had set aside");
    // Not before the kernel has released the last descriptor, which fails as well.
    wait_for("what is left over", || refused.iter().any(|path| status().contains(path)));
    disk.free();
    wait_for("all photos to arrive", || world.remote("A").len() == names.len());
    world.sync();
    world.umount();
}

#[test]
fn a_photo_cut_short_by_a_full_disk_is_refused_and_kept() {
    let world = World::new();
    // The database has room, the bytes have not.
    let _spool = Disk::tmpfs(world.dir.path().join("state/gphotosfs/default/spool"), "size=400k");
    world.mount_with(&[PACE], &[]);
    world.photo("long.jpg", 1, 600_000);
    world.photo("short.jpg", 2, 200_000);
    let outcome = world.sh_outcome("mkdir mnt/A && cp long.jpg mnt/A/");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(!outcome.status.success() && said.contains("No space left"), "{said}");
    let failed = world.mnt.join(".gphotos/failed/A/long.jpg");
    wait_for("the photo to be kept among the failed", || failed.is_file());
    let why =
        world.sh("getfattr --only-values -n user.gphotos.error mnt/.gphotos/failed/A/long.jpg");
    assert!(why.contains("not all of it could be written"), "{why}");
    assert!(!world.sh_outcome("sync mnt").status.success(), "sync tells of it");
    world.sh("rm mnt/.gphotos/failed/A/long.jpg && cp short.jpg mnt/A/ && sync mnt");
    assert_eq!(world.remote("A"), ["short.jpg"]);
    assert_eq!(world.emulator.dump().items.len(), 1);
    world.umount();
}

#[test]
fn a_mount_on_a_full_disk_says_why_it_fails() {
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("state/gphotosfs"), "size=8m");
    disk.fill(0);
    let outcome = world.program().arg("mount").arg(&world.mnt).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("full") || said.contains("No space left"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    disk.free();
    world.mount(&[]);
    world.umount();
}

#[test]
fn a_full_cache_disk_holds_up_no_upload_and_no_reader() {
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("cache/gphotosfs"), "size=1m");
    let mut ledger = Ledger::default();
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    for at in 0..30 {
        ledger.write(&world.mnt, &format!("A/{at}.jpg"), &jpeg(at, 200_000)).unwrap();
    }
    // Reads all of them: those for which there was no room are downloaded.
    ledger.audit(&world);
    disk.fill(0);
    for at in 30..40 {
        ledger.write(&world.mnt, &format!("A/{at}.jpg"), &jpeg(at, 200_000)).unwrap();
    }
    world.sync();
    disk.free();
    ledger.audit(&world);
    world.umount();
}

#[test]
fn reads_succeed_although_the_full_disk_cannot_cache_them() {
    const LARGE: u64 = 40_000_000;
    let world = World::new();
    let disk = Disk::tmpfs(world.dir.path().join("cache/gphotosfs"), "size=10m");
    let album = || Some("A".to_owned());
    world.edit(Edit::CreateAlbum { title: "A".into() });
    world.edit(Edit::Seed { album: album(), count: 2, size: LARGE, prefix: "large".into() });
    let (filename, small) = ("small.jpg".to_owned(), jpeg(1, 3_000_000));
    world.edit(Edit::AddItem { album: album(), filename, content: small.clone(), foreign: false });
    world.mount(&[]);
    world.sh("ls -l mnt/A");
    let large = |number: u64| {
        let bytes = fs::read(world.mnt.join(format!("A/large{number:06}.jpg"))).unwrap();
        bytes == synthetic_content(number + 1, LARGE, 0..LARGE)
    };
    assert!(large(0) && large(1), "{}", world.log());
    disk.fill(0);
    assert!(fs::read(world.mnt.join("A/small.jpg")).unwrap() == small, "{}", world.log());
    assert!(large(0), "{}", world.log());
    disk.free();
    world.umount();
}
