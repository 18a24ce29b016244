//! The process dies at each named point and at random instants; each closed file arrives once.
//!
//! Needs the feature `crash-points`: `cargo test --features crash-points --test crash`.

#![allow(clippy::unwrap_used)] // In a test, a step that fails is the finding.

#[path = "../support/mod.rs"]
mod support;

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use gphotosfs::crash;
use gphotosfs_emulator::{Call, Faults, Moment};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::encoder::{Encoder, film};
use support::ledger::Ledger;
use support::{World, camera_jpeg, jpeg, wait_for};

/// Waits made for Google's sake are shorter by this.
const PACE: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "10");
/// More than is uploaded in one piece.
const BIG: usize = (8 << 20) + 100_000;

/// The size of photos that can be made smaller.
const CAMERA: (u32, u32) = (900, 700);

/// A service that takes its time, so that there are instants to hit.
fn unhurried(faults: &mut Faults) {
    faults.every_call.latency_ms = 15;
    faults.on(Call::MediaItemsBatchCreate).latency_ms = 60;
    for call in [Call::UploadRaw, Call::UploadChunk] {
        faults.on(call).bytes_per_s = Some(60_000_000);
    }
}

/// What is uploaded of photos.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Quality {
    Original,
    /// Smaller copies, by every mount.
    Saver,
    /// Smaller copies, by some of the mounts.
    Either,
}

impl Quality {
    fn ledger(self) -> Ledger {
        if self == Self::Original { Ledger::default() } else { Ledger::with_copies() }
    }

    /// For the environment of a mount; `coin` decides if nothing else does.
    fn of_mount(self, coin: bool) -> (&'static str, &'static str) {
        let saver = self == Self::Saver || self == Self::Either && coin;
        ("GPHOTOSFS_QUALITY", if saver { "saver" } else { "original" })
    }

    /// The photo of a number. With copies, some of which can be made smaller.
    fn photo(self, number: u32, at: u32) -> Vec<u8> {
        if self != Self::Original && at.is_multiple_of(4) {
            return camera_jpeg(number, CAMERA);
        }
        jpeg(number, 4000 + at as usize * 3000)
    }
}

/// A world with a round of photos that has arrived.
fn prepared(quality: Quality) -> (World, Ledger) {
    let world = World::new();
    world.emulator.faults(unhurried);
    let mut ledger = quality.ledger();
    let mut served = world.serve(&[PACE, quality.of_mount(true)]);
    assert!(served.is_ready(), "{}", world.log());
    world.sh("mkdir mnt/A mnt/B");
    for at in 0..6 {
        ledger.write(&world.mnt, &format!("A/0-{at}.jpg"), &quality.photo(at, at)).unwrap();
    }
    world.sync();
    world.sh("umount mnt");
    served.ended();
    (world, ledger)
}

/// Everything that users do to albums: to files of the last round, which have arrived or not, and to
/// new ones. Ends with an error when the mount dies.
fn work(world: &World, ledger: &mut Ledger, quality: Quality, round: u32) -> io::Result<()> {
    let mnt = &world.mnt;
    let photo = |at: u32| quality.photo(round * 100 + at, at);
    let old = |at: u32| format!("A/{}-{at}.jpg", round - 1);
    let new = |dir: &str, at: u32| format!("{dir}/{round}-{at}.jpg");
    for at in 0..6 {
        ledger.write(mnt, &new("A", at), &photo(at))?;
    }
    // Duplicates: in the same album, and in another one.
    ledger.write(mnt, &new("A", 6), &photo(1))?;
    ledger.write(mnt, &new("B", 2), &photo(2))?;
    if ledger.holds(&old(0)) {
        ledger.edit(mnt, &old(0), round)?;
    }
    if ledger.holds(&old(1)) {
        ledger.remove(mnt, &old(1))?;
    }
    if ledger.holds(&old(2)) {
        ledger.rename(mnt, &old(2), &format!("B/{round}-moved.jpg"))?;
    }
    if ledger.holds(&old(3)) {
        ledger.write(mnt, &old(3), &photo(7))?;
    }
    if ledger.holds(&old(4)) {
        ledger.link(mnt, &old(4), &format!("B/{round}-linked.jpg"))?;
    }
    // Files that are on their way.
    ledger.edit(mnt, &new("A", 0), round + 1)?;
    ledger.rename(mnt, &new("A", 3), &new("A", 33))?;
    ledger.remove(mnt, &new("A", 5))?;
    ledger.write(mnt, &new("A", 8), &jpeg(round * 100 + 8, BIG))?;
    for at in 9..12 {
        ledger.write(mnt, &new("B", at), &photo(at))?;
    }
    Ok(())
}

/// Mounts once more, waits until everything has arrived, and compares.
fn recover(world: &World, ledger: &mut Ledger, quality: Quality) {
    let mut served = world.serve(&[PACE, quality.of_mount(false)]);
    assert!(served.is_ready(), "{}", world.log());
    ledger.settle(&world.mnt).unwrap();
    ledger.audit(world);
    // Processes that other tests start have our files open for an instant.
    wait_for("the mount to be let go", || {
        Command::new("umount").arg(&world.mnt).status().unwrap().success()
    });
    served.ended();
}

fn dies_at(point: &str, nth: u32, quality: Quality) {
    let (world, mut ledger) = prepared(quality);
    let crash = format!("{point}:{nth}");
    let mut served = world.serve(&[PACE, quality.of_mount(true), ("GPHOTOSFS_CRASH_AT", &crash)]);
    assert!(served.is_ready(), "{point}: {}", world.log());
    let worked = work(&world, &mut ledger, quality, 1);
    // The rest happens behind the copy.
    served.ended();
    eprintln!("{point}:{nth} came {}", if worked.is_ok() { "after" } else { "during" });
    recover(&world, &mut ledger, quality);
}

#[test]
fn nothing_is_lost_or_duplicated_at_any_crash_point() {
    for point in crash::ALL {
        // Closing comes there often: the first time there would be little to lose.
        dies_at(point, if point.starts_with("seal") { 9 } else { 1 }, Quality::Original);
    }
}

/// As above, with smaller copies: at the points at which the copy and the photo might be taken for each other.
#[test]
fn nothing_is_lost_or_duplicated_at_a_crash_point_with_smaller_copies() {
    for point in [crash::UPLOAD_AFTER_BYTES, crash::CREATE_AFTER_CALL] {
        dies_at(point, 1, Quality::Either);
    }
}

/// Each photo and each video arrives once, as its smaller copy. The encoder makes another copy each time: one that
/// Google may have must be sent again.
#[test]
fn each_file_arrives_once_at_any_crash_point_of_its_smaller_copy() {
    // The photo has passed the point, and the video comes to it; or the other way round.
    for point in crash::OF_COPIES {
        dies_with_copies(point, 2);
    }
}

#[test]
#[ignore = "takes minutes"]
fn each_file_arrives_once_at_any_crash_point_of_its_smaller_copy_repeatedly() {
    for nth in [1, 2, 1, 2] {
        crash::OF_COPIES.iter().for_each(|point| dies_with_copies(point, nth));
    }
}

fn dies_with_copies(point: &str, nth: u32) {
    let world = World::new();
    let encoder = Encoder::new(world.dir.path());
    let path = encoder.path();
    let env = [
        PACE,
        ("GPHOTOSFS_QUALITY", "saver"),
        ("GPHOTOSFS_QUALITY_VIDEO", "1080p"),
        ("PATH", &path),
    ];
    let crash = format!("{point}:{nth}");
    let mut served = world.serve(&[&env[..], &[("GPHOTOSFS_CRASH_AT", &crash)]].concat());
    assert!(served.is_ready(), "{point}: {}", world.log());
    let mut ledger = Ledger::default();
    world.sh("mkdir mnt/A");
    let files = [("A/1.jpg".to_owned(), camera_jpeg(1, CAMERA)), ("A/1.mp4".to_owned(), film(1))];
    for (path, bytes) in &files {
        // The process may die while the last of them is closed.
        let _ = ledger.write(&world.mnt, path, bytes);
    }
    served.ended();
    let mut served = world.serve(&env);
    assert!(served.is_ready(), "{point}: {}", world.log());
    ledger.settle(&world.mnt).unwrap();
    world.sh("sync mnt/A");
    let dump = world.emulator.dump();
    let [album] = &dump.albums[..] else { panic!("{point}: {:?}", dump.albums) };
    let arrived = ledger.paths().len();
    assert_eq!((album.items.len(), dump.items.len()), (arrived, arrived), "{point}");
    for (path, bytes) in files.iter().filter(|it| ledger.holds(&it.0)) {
        assert!(std::fs::read(world.mnt.join(path)).unwrap() == *bytes, "{point}: {path}");
        let sent = xattr::get(world.mnt.join(path), "user.gphotos.sent_sha256").unwrap();
        let item = dump.items.iter().find(|it| format!("A/{}", it.filename) == *path).unwrap();
        assert_eq!(item.sha256.as_deref().map(str::as_bytes), sent.as_deref(), "{point}: {path}");
        assert!(item.size * 100 <= bytes.len() as u64 * 85, "{point}: {item:?}");
    }
    let spool = world.dir.path().join("state/gphotosfs/default/spool");
    let left: Vec<_> = std::fs::read_dir(spool).unwrap().collect();
    assert!(left.is_empty(), "{point}: {left:?}");
    world.sh("umount mnt");
    served.ended();
}

/// The cache has the bytes of the item, but the journal does not know that it was confirmed. A full
/// disk under the database leaves the same behind.
#[test]
fn a_file_whose_confirmation_was_cut_off_can_be_written() {
    let world = World::new();
    let mut served = world.serve(&[PACE, ("GPHOTOSFS_CRASH_AT", crash::CONFIRM_AFTER_KEEP)]);
    assert!(served.is_ready(), "{}", world.log());
    let mut ledger = Ledger::default();
    world.sh("mkdir mnt/A");
    for at in 0..2 {
        ledger.write(&world.mnt, &format!("A/{at}.jpg"), &jpeg(at, 5000)).unwrap();
    }
    served.ended();
    world.emulator.hold(Call::MediaItemsSearch, Moment::Request);
    let mut served = world.serve(&[PACE]);
    assert!(served.is_ready(), "{}", world.log());
    for path in ledger.paths() {
        ledger.edit(&world.mnt, &path, 7).unwrap();
    }
    // What the cache has is the item, and not what was written since.
    world.emulator.let_go(Call::MediaItemsSearch, Moment::Request);
    ledger.audit(&world);
    let mut originals = 0;
    for entry in
        std::fs::read_dir(world.dir.path().join("cache/gphotosfs/default/content")).unwrap()
    {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !name.contains('.') {
            assert_eq!(name, support::sha256(&std::fs::read(entry.path()).unwrap()));
            originals += 1;
        }
    }
    assert!(originals >= 2, "{originals}");
    world.sh("umount mnt");
    served.ended();
}

#[test]
fn a_file_renamed_just_before_a_crash_arrives() {
    let give_name = |from: &str, how: fn(&std::path::Path, &std::path::Path) -> io::Result<()>| {
        let world = World::new();
        // It is sealed when it is closed, and again under its name.
        let mut served = world.serve(&[PACE, ("GPHOTOSFS_CRASH_AT", "seal-after-sync:2")]);
        assert!(served.is_ready(), "{}", world.log());
        world.photo("1.jpg", 1, 5000);
        world.sh(&format!("mkdir mnt/A mnt/A/.tmp && cp 1.jpg mnt/A/{from}"));
        how(&world.mnt.join("A").join(from), &world.mnt.join("A/1.jpg")).unwrap_err();
        served.ended();
        let mut served = world.serve(&[PACE]);
        assert!(served.is_ready(), "{}", world.log());
        world.sh("cmp 1.jpg mnt/A/1.jpg && sync mnt");
        assert_eq!(world.remote("A").len(), 1, "{from}");
        world.sh("umount mnt");
        served.ended();
    };
    for from in [".1.jpg", ".tmp/1.jpg"] {
        give_name(from, |from, to| std::fs::rename(from, to));
        give_name(from, |from, to| std::fs::hard_link(from, to));
    }
}

#[test]
#[ignore = "takes minutes"]
fn nothing_is_lost_or_duplicated_at_any_crash_point_repeatedly() {
    dies_repeatedly(&crash::ALL, Quality::Original);
}

#[test]
#[ignore = "takes minutes"]
fn nothing_is_lost_or_duplicated_at_any_crash_point_with_smaller_copies_repeatedly() {
    for quality in [Quality::Saver, Quality::Either] {
        dies_repeatedly(&[&crash::ALL[..], &crash::OF_COPIES].concat(), quality);
    }
}

fn dies_repeatedly(points: &[&str], quality: Quality) {
    for &point in points {
        // Large files, batches and changes of albums are few.
        let times: &[u32] = match point {
            crash::UPLOAD_AFTER_START | crash::UPLOAD_AFTER_SESSION => &[1],
            _ if point.starts_with("seal") => &[1, 2, 3, 5, 8, 13],
            _ if point.starts_with("upload") => &[1, 2, 3, 5, 8],
            _ if point.starts_with("confirm") => &[1, 2, 4, 6],
            _ => &[1, 2],
        };
        times.iter().for_each(|&nth| dies_at(point, nth, quality));
    }
}

/// Kills the process `kills` times at random instants, and compares after every tenth. `commit` says when close
/// returns.
fn dies_at_random_instants(kills: u32, commit: &str, quality: Quality, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (world, mut ledger) = prepared(quality);
    let begun = Instant::now();
    for round in 1..=kills {
        let of_mount = quality.of_mount(rng.random());
        let mut served = world.serve(&[PACE, ("GPHOTOSFS_COMMIT", commit), of_mount]);
        // From before the mount is there until after everything has arrived.
        let instant = Duration::from_millis(rng.random_range(50..2000));
        let killer = served.kill_after(instant);
        let mut session = || -> io::Result<()> {
            if served.is_ready() {
                ledger.settle(&world.mnt)?;
                work(&world, &mut ledger, quality, round)?;
            }
            Ok(())
        };
        // Fails with the mount; where it has stood is in the ledger.
        let _ = session();
        killer.join().unwrap();
        served.ended();
        if round % 10 == 0 || round == kills {
            recover(&world, &mut ledger, quality);
        }
    }
    eprintln!(
        "{kills} kills (commit {commit}, quality {quality:?}, seed {seed}) in {:.0?}: {} operations answered, {} files at the end; \
         lost 0, duplicate items 0, duplicate album entries 0, wrong bytes 0",
        begun.elapsed(),
        ledger.answered,
        ledger.paths().len(),
    );
}

#[test]
fn nothing_is_lost_or_duplicated_by_ten_random_kills() {
    dies_at_random_instants(10, "background", Quality::Original, rand::random());
}

#[test]
#[ignore = "takes minutes"]
fn nothing_is_lost_or_duplicated_by_two_hundred_random_kills() {
    dies_at_random_instants(200, "background", Quality::Original, rand::random());
}

#[test]
#[ignore = "takes minutes"]
fn nothing_is_lost_or_duplicated_by_fifty_random_kills_while_closes_wait_for_google() {
    dies_at_random_instants(50, "close", Quality::Original, rand::random());
}

#[test]
#[ignore = "takes minutes"]
fn nothing_is_lost_or_duplicated_by_a_hundred_random_kills_with_smaller_copies() {
    for quality in [Quality::Saver, Quality::Either] {
        dies_at_random_instants(100, "background", quality, rand::random());
    }
}
