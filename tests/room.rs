//! A spool that is full: who waits, who is refused, and what `df` says.

#![allow(clippy::unwrap_used)] // What fails here fails the test.

mod support;

use std::time::{Duration, Instant};

use gphotosfs::emulator::Call;
use support::{World, wait_for};

/// A mount whose spool takes 4 MB, the album `A`, and `count` photos of 1 MB to be copied.
fn world(count: u32) -> World {
    let world = World::new();
    world.mount(&["--spool-size", "4M"]);
    for at in 0..count {
        world.photo(&format!("photo/{at:02}.jpg"), at, 1_000_000);
    }
    world.sh("mkdir mnt/A");
    world
}

/// Bytes of disk that the spool takes.
fn spooled(world: &World) -> u64 {
    world.sh("du -s -B1 state/gphotosfs/default/spool | cut -f1").trim().parse().unwrap()
}

#[test]
fn a_copy_larger_than_the_spool_waits_for_room_and_arrives() {
    let world = world(16);
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).latency_ms = 300);
    let peak = std::thread::scope(|scope| {
        let copy = scope.spawn(|| world.sh("cp photo/* mnt/A/"));
        let mut peak = 0;
        wait_for("the copy to end", || {
            peak = peak.max(spooled(&world));
            copy.is_finished()
        });
        copy.join().unwrap();
        peak
    });
    assert!((2_000_000..4_200_000).contains(&peak), "{peak} bytes in the spool");
    world.sync();
    assert_eq!(world.remote("A").len(), 16);
    world.sh("for f in photo/*; do cmp $f mnt/A/${f#photo/}; done");
    wait_for("the spool to be empty", || spooled(&world) < 100_000);
}

#[test]
fn a_file_larger_than_the_spool_is_refused_and_leaves_no_half_a_photo() {
    let world = world(1);
    world.photo("large.jpg", 9, 6_000_000);
    let outcome = world.sh_outcome("cp large.jpg mnt/A/");
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(said.contains("No space left on device"), "{said}");
    assert!(world.log().contains("--spool-size"), "{}", world.log());
    world.sh("rm -f mnt/A/large.jpg mnt/.gphotos/failed/A/large.jpg");
    world.sh("cp photo/00.jpg mnt/A/ && sync mnt/A");
    assert_eq!(world.remote("A"), ["00.jpg"]);
}

#[test]
fn waiting_for_room_ends_when_uploads_are_held_up_for_long() {
    let world = world(8);
    world.emulator.faults(|faults| faults.storage_bytes = Some(0));
    let begun = Instant::now();
    let outcome = world.sh_outcome("cp photo/* mnt/A/");
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(said.contains("No space left on device"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(world.log().contains("the spool is full, and uploads are held up"), "{}", world.log());
}

#[test]
fn a_writer_that_waits_can_be_interrupted_and_goes_on_when_the_network_is_back() {
    let mut world = world(8);
    world.stop_emulator();
    let begun = Instant::now();
    let outcome = world.sh_outcome("timeout -s INT 3 cp photo/* mnt/A/");
    assert_eq!(outcome.status.code(), Some(124), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    world.sh("for f in mnt/A/*; do cmp -s $f photo/${f#mnt/A/} || rm $f; done");
    let kept = world.names("A").len();
    assert!((2..5).contains(&kept), "{kept} whole files fit");
    let script = "for f in photo/*; do cp -n $f mnt/A/; done";
    let dir = world.dir.path().to_owned();
    let copy = std::process::Command::new("sh").args(["-c", script]).current_dir(dir).spawn();
    let mut copy = copy.unwrap();
    wait_for("the copy to wait", || world.names("A").len() > kept);
    assert!(copy.try_wait().unwrap().is_none());
    world.start_emulator();
    assert!(copy.wait().unwrap().success());
    world.sync();
    assert_eq!(world.remote("A").len(), 8);
}

#[test]
fn df_shows_the_room_in_the_spool_also_after_a_restart() {
    let mut world = world(3);
    let available = |world: &World| -> u64 {
        world.sh("df -B1 --output=avail mnt | tail -1").trim().parse().unwrap()
    };
    let empty = available(&world);
    assert!((3_900_000..=4_000_000).contains(&empty), "{empty}");
    world.stop_emulator();
    world.sh("cp photo/* mnt/A/");
    let full = available(&world);
    assert!((900_000..=1_000_000).contains(&full), "{full}");
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    world.mount(&["--spool-size", "4M"]);
    assert_eq!(available(&world), full);
    // Writing in place needs no room; taking away makes some.
    world.sh(
        "dd if=photo/00.jpg of=mnt/A/00.jpg bs=64K conv=notrunc status=none && rm mnt/A/01.jpg",
    );
    assert!(available(&world) > full + 900_000);
    world.start_emulator();
    world.sync();
    wait_for("all room to be free again", || available(&world) >= empty - 10_000);
}
