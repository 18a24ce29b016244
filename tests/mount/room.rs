//! A full spool: the writers that wait, the writers that fail, and the room that `df` shows.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use gphotosfs_emulator::Call;
use rustix::fs::FallocateFlags;

use crate::support::ledger::close;
use crate::support::wait::let_pass;
use crate::support::{World, jpeg, sha256, wait_for};

/// A mount whose spool takes 4 MB, the album `A`, and `count` photos of 1 MB to be copied.
fn world(count: u32) -> World {
    let world = World::new();
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "20")], &["--spool-size", "4M"]);
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

/// > Until then, these bytes take the room of photos in the spool, because they may be the only copy.
/// > When a writer waits for that room, such a list is made at once.
#[test]
fn arrived_bytes_make_room_for_a_writer() {
    let world = World::new();
    world.emulator.seed("A", 300);
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "20")], &["--spool-size", "4M"]);
    world.sh("ls mnt/A");
    for at in 0..8 {
        world.photo("photo.jpg", at, 1_000_000);
        world.sh(&format!("cp photo.jpg mnt/A/{at}.jpg && sync mnt/A"));
        assert!(spooled(&world) < 4_200_000, "{} bytes in the spool", spooled(&world));
        if at == 2 {
            // They have arrived, and their bytes are still here.
            assert!(spooled(&world) > 3_000_000, "{} bytes in the spool", spooled(&world));
        }
    }
    assert_eq!(world.remote("A").len(), 308);
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
fn waiting_for_room_ends_when_uploads_are_blocked_for_long() {
    let world = world(8);
    world.emulator.faults(|faults| faults.storage_bytes = Some(0));
    let begun = Instant::now();
    let outcome = world.sh_outcome("cp photo/* mnt/A/");
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(said.contains("No space left on device"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(world.log().contains("the spool is full, and uploads are waiting"), "{}", world.log());
}

#[test]
fn a_writer_that_waits_can_be_interrupted_and_goes_on_when_the_network_is_back() {
    let mut world = world(8);
    world.stop_emulator();
    let begun = Instant::now();
    let outcome = world.sh_outcome("timeout -s INT 3 cp photo/* mnt/A/");
    assert_eq!(outcome.status.code(), Some(124), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let failed = world.mnt.join(".gphotos/failed/A");
    wait_for("half a photo to be refused", || failed.exists());
    assert_eq!(world.names(".gphotos/failed/A").len(), 1);
    world.sh("rm mnt/.gphotos/failed/A/* && for f in mnt/A/*; do cmp $f photo/${f#mnt/A/}; done");
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

/// > If a writer is killed while it waits for room in the spool, the bytes it has written are left
/// > in `.gphotos/failed`, not half a photo in the album.
#[test]
fn a_writer_that_is_killed_while_it_waits_leaves_no_half_a_photo() {
    let mut world = world(0);
    world.stop_emulator();
    world.photo("long.jpg", 1, 1_200_000);
    let large = File::create(world.mnt.join("A/.large.part")).unwrap();
    large.write_all_at(&vec![7; 3_000_000], 0).unwrap();
    let writes = || {
        let status = std::fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        status["fuse"]["write"].as_u64().unwrap()
    };
    let before = writes();
    let mut copy = std::process::Command::new("dd")
        .args(["if=long.jpg", "of=mnt/A/long.jpg", "bs=600000"])
        .current_dir(world.dir.path())
        .spawn()
        .unwrap();
    wait_for("the second half to wait", || writes() == before + 2);
    copy.kill().unwrap();
    copy.wait().unwrap();
    let failed = world.mnt.join(".gphotos/failed/A/long.jpg");
    wait_for("the first half to be refused", || failed.exists());
    let reason = xattr::get(&failed, "user.gphotos.error").unwrap().unwrap();
    let reason = String::from_utf8_lossy(&reason);
    assert!(reason.contains("not all of it could be written"), "{reason}");
    assert_eq!(world.names("A"), [".large.part"]);
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

#[test]
fn a_failed_fallocate_spoils_no_photo() {
    let world = world(0);
    let photo = File::create(world.mnt.join("A/x.jpg")).unwrap();
    let refused = rustix::fs::fallocate(&photo, FallocateFlags::empty(), 0, 6_000_000);
    assert_eq!(refused, Err(rustix::io::Errno::NOSPC));
    photo.write_all_at(&jpeg(1, 1_000_000), 0).unwrap();
    close(photo).unwrap();
    world.sync();
    assert_eq!(world.remote("A"), ["x.jpg"]);
}

#[test]
fn the_holes_of_a_file_are_not_filled_past_the_limit() {
    let world = world(0);
    let file = File::create(world.mnt.join("A/.x.part")).unwrap();
    file.write_all_at(&vec![7; 2_000_000], 4_000_000).unwrap();
    let filled = file.write_all_at(&vec![7; 4_000_000], 0);
    assert_eq!(filled.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert!(spooled(&world) < 4_200_000, "{} bytes in the spool", spooled(&world));
}

#[test]
fn a_full_spool_takes_what_needs_no_room() {
    let mut world = world(0);
    world.stop_emulator();
    let file = File::create(world.mnt.join("A/.x.part")).unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at(&vec![7; 3_990_000], 0).unwrap();
    let begun = Instant::now();
    file.write_all_at(&vec![8; 1_000_000], 2_000_000).unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, punch, 500 << 20, 1 << 20).unwrap();
    rustix::fs::fallocate(&file, punch, 0, 1 << 20).unwrap();
    file.write_all_at(&vec![9; 1_000_000], 0).unwrap();
    file.set_len(2 << 30).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn many_writers_that_wait_hold_up_nobody_else() {
    let mut world = world(5);
    world.stop_emulator();
    world.sh("cp photo/00.jpg photo/01.jpg photo/02.jpg mnt/A/");
    let mnt = &world.mnt;
    let copies: Vec<_> = (0..300)
        .map(|at| {
            let path = mnt.join(format!("A/{at:03}-.jpg"));
            std::thread::spawn(move || {
                let file = File::create(path)?;
                file.write_all_at(&jpeg(100 + at, 100_000), 0)?;
                close(file)
            })
        })
        .collect();
    wait_for("the writers to wait", || world.names("A").len() == 303);
    wait_for("some to have had room", || copies.iter().any(std::thread::JoinHandle::is_finished));
    // truncate(2) takes its turn as everything does that may have to wait.
    world.sh("timeout 60 truncate -s 0 mnt/A/00.jpg && timeout 60 rm mnt/A/00.jpg");
    assert!(!copies.iter().all(std::thread::JoinHandle::is_finished), "the writers still wait");
    world.start_emulator();
    for copy in copies {
        copy.join().unwrap().unwrap();
    }
    world.sync();
    assert_eq!(world.remote("A").len(), 302);
}

#[test]
fn writers_that_wait_for_each_other_fail() {
    let world = world(0);
    let halves: Vec<_> = (0..2)
        .map(|at| {
            let file = File::create(world.mnt.join(format!("A/.{at}.part"))).unwrap();
            file.write_all_at(&vec![at; 1_900_000], 0).unwrap();
            file
        })
        .collect();
    let begun = Instant::now();
    let waiting: Vec<_> = halves
        .into_iter()
        .map(|file| std::thread::spawn(move || file.write_all_at(&[7; 1_000_000], 1_900_000)))
        .collect();
    for write in waiting {
        let error = write.join().unwrap().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_writer_waits_for_one_that_has_not_closed_yet() {
    let world = world(1);
    let large = File::create(world.mnt.join("A/large.jpg")).unwrap();
    large.write_all_at(&jpeg(7, 3_500_000), 0).unwrap();
    let mnt = world.mnt.clone();
    let waiting =
        std::thread::spawn(move || std::fs::write(mnt.join("A/late.jpg"), jpeg(8, 1_000_000)));
    wait_for("the writer to come", || world.names("A").contains(&"late.jpg".to_owned()));
    let_pass(Duration::from_secs(3));
    assert!(!waiting.is_finished());
    close(large).unwrap();
    waiting.join().unwrap().unwrap();
    world.sync();
    assert_eq!(world.remote("A"), ["large.jpg", "late.jpg"]);
}

/// > A file that lacks the bytes of a failed write cannot become a photo. Closing it under a real
/// > name fails, and so does renaming it to one. Later writes may fill the range, or `truncate` may
/// > cut it off, so `wget -c`, `curl -C -` and `rsync --append` go on after a full disk. Of several
/// > such ranges, everything from the first to the last must be filled.
#[test]
fn a_copy_that_a_full_disk_has_cut_short_can_be_continued() {
    let world = world(0);
    let continued = [
        "dd if=$photo of=$part bs=100000 oflag=seek_bytes seek=$(stat -c %s $part || echo 0) \
            iflag=skip_bytes skip=$(stat -c %s $part || echo 0)",
        "rsync --append $photo $part",
        "curl -s -C - -o $part file://$PWD/$photo",
    ];
    for (at, copy) in continued.iter().enumerate() {
        world.photo(&format!("{at}.jpg"), at as u32, 1_200_000);
        let copy = format!("photo={at}.jpg; part=mnt/A/.{at}.part; {copy}");
        // Nothing on its way to Google would make room.
        world.sh("head -c 3000000 /dev/zero > mnt/A/.large.part");
        let outcome = world.sh_outcome(&copy);
        assert!(!outcome.status.success(), "{copy}: {outcome:?}");
        let rename = format!("mv mnt/A/.{at}.part mnt/A/{at}.jpg");
        let outcome = world.sh_outcome(&rename);
        assert!(!outcome.status.success(), "a part of a photo: {outcome:?}\n{}", world.log());
        if at == 0 {
            world.kill();
            world.sh("fusermount3 -uz mnt");
            world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "20")], &["--spool-size", "4M"]);
        }
        world.sh("rm mnt/A/.large.part");
        world.sh(&copy);
        world.sh(&format!("{rename} && sync mnt/A && cmp {at}.jpg mnt/A/{at}.jpg"));
    }
    let dump = world.emulator.dump();
    let mut arrived: Vec<_> = dump.items.iter().filter_map(|item| item.sha256.clone()).collect();
    let mut sent: Vec<_> = (0..3).map(|at| sha256(&jpeg(at, 1_200_000))).collect();
    arrived.sort();
    sent.sort();
    assert_eq!(arrived, sent);
}

/// > Refused files do not take the room of photos: they have a tenth of `--spool-size` in addition. When
/// > they use that up, a write to a further one is `ENOSPC`, and the log says why; the file that reaches
/// > the limit is still kept whole.
#[test]
fn refused_files_leave_the_room_for_photos() {
    let world = world(3);
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).latency_ms = 300);
    // It is nearly as large as the spool.
    world.sh("head -c 3800000 /dev/zero | tr '\\0' x > notes.txt && ! cp notes.txt mnt/A/");
    world.sh("cmp notes.txt mnt/.gphotos/failed/A/notes.txt");
    world.sh("cp photo/* mnt/A/ && sync mnt/A || true");
    assert_eq!(world.remote("A").len(), 3);
    world.sh("head -c 100000 notes.txt > other.txt");
    let outcome = world.sh_outcome("cp other.txt mnt/A/");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(said.contains("No space left on device"), "{said}");
    assert!(world.log().contains("gphotosfs failed"), "{}", world.log());
    let outcome = world.sh_outcome("rsync -a other.txt mnt/A/more.txt");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("No space left"), "{outcome:?}");
    world.umount();
    world.mount(&["--spool-size", "4M"]);
    world.sh("rm mnt/.gphotos/failed/A/notes.txt && ! cp other.txt mnt/A/");
    world.sh(
        "cmp other.txt mnt/.gphotos/failed/A/other.txt || test -e mnt/.gphotos/failed/A/other*\\)*",
    );
}

/// > Files of less than 512 bytes, and files that Google refuses after their close, are kept beyond that
/// > tenth. They take no room of photos either, only that of the disk.
#[test]
fn small_files_and_those_that_google_refuses_are_kept_beyond_the_share() {
    let world = world(3);
    let available =
        || -> u64 { world.sh("df -B1 --output=avail mnt | tail -1").trim().parse().unwrap() };
    let empty = available();
    world.sh("head -c 500000 /dev/zero | tr '\\0' x > notes.txt && ! cp notes.txt mnt/A/");
    world.sh("head -c 511 notes.txt > small.txt; for at in 1 2 3; do ! cp small.txt mnt/A/$at.txt || exit; done");
    world.sh("for at in 1 2 3; do cmp small.txt mnt/.gphotos/failed/A/$at.txt; done");
    world.emulator.faults(|faults| faults.photo_bytes_max = 1000);
    world.sh("cp photo/* mnt/A/ && ! sync mnt/A && test -z \"$(ls mnt/A)\"");
    world.sh("for file in photo/*; do cmp $file mnt/.gphotos/failed/A/${file#photo/}; done");
    wait_for("the room of photos to be whole again", || available() == empty);
    world.sh("head -c 512 notes.txt > other.txt");
    let outcome = world.sh_outcome("cp other.txt mnt/A/");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("No space left"), "{outcome:?}");
}

/// > Sidecars and the system's files have another tenth. Those beyond it use the room of photos, so
/// > copying them fails only if the spool is full.
#[test]
fn sidecars_beyond_their_share_use_the_room_of_photos() {
    let world = world(3);
    let available =
        || -> u64 { world.sh("df -B1 --output=avail mnt | tail -1").trim().parse().unwrap() };
    let empty = available();
    world.sh("head -c 900000 /dev/zero | tr '\\0' x > a.xmp && cp a.xmp mnt/A/");
    world.sh("cp a.xmp mnt/A/b.xmp && rsync -a a.xmp mnt/A/c.xmp && cmp a.xmp mnt/A/c.xmp");
    let used = empty - available();
    assert!((2_250_000..2_350_000).contains(&used), "{used}");
    world.sh("cp photo/* mnt/A/ && sync mnt/A || true");
    assert_eq!(world.remote("A").len(), 3);
    let outcome = world.sh_outcome("for at in 1 2 3; do cp a.xmp mnt/A/more$at.xmp || exit; done");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("No space left"), "{outcome:?}");
}
