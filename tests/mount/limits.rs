//! Google's limits: the mount refuses what exceeds them before it sends anything. Each test quotes a sentence of
//! docs/SEMANTICS.md.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use gphotosfs_emulator::Edit;
use rustix::fs::{FallocateFlags, RenameFlags};

use crate::support::{World, jpeg, ledger, wait_for};

fn errno<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

/// > If a write, `truncate` or `fallocate` would make a file longer than 20 GB, or a file that
/// > begins as a photo longer than 200 MB, it is `EFBIG` at once. A file that lacks such a write
/// > goes to `.gphotos/failed` at its close.
#[test]
fn files_that_are_too_long_fail_at_once() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    for (name, head, max) in [
        ("photo.jpg", jpeg(1, 5000), 200_000_000),
        ("video.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec(), 20_000_000_000),
        ("unknown", vec![0; 5000], 20_000_000_000),
    ] {
        let path = world.mnt.join("A").join(name);
        let file = File::create(&path).unwrap();
        file.write_all_at(&head, 0).unwrap();
        file.set_len(max).unwrap();
        assert_eq!(errno(file.set_len(max + 1)), Some(libc::EFBIG), "{name}");
        let allocate = rustix::fs::fallocate(&file, FallocateFlags::empty(), max, 1);
        assert_eq!(allocate, Err(rustix::io::Errno::FBIG), "{name}");
        assert_eq!(errno(file.write_all_at(b"x", max)), Some(libc::EFBIG), "{name}");
        assert_eq!(file.metadata().unwrap().len(), max);
        file.write_all_at(b"x", max - 1).unwrap();
        // A part of it is not what its writer meant.
        drop(file);
        wait_for("the file to leave the album", || world.names("A").is_empty());
        let failed = world.mnt.join(".gphotos/failed/A").join(name);
        let reason = xattr::get(&failed, "user.gphotos.error").unwrap().unwrap();
        assert!(String::from_utf8_lossy(&reason).contains("too large"), "{reason:?}");
        fs::remove_file(failed).unwrap();
    }
    // Only the end of the file makes this a photo, so close has to fail.
    let file = File::create(world.mnt.join("A/late.jpg")).unwrap();
    file.set_len(200_000_001).unwrap();
    file.write_all_at(&jpeg(1, 5000), 0).unwrap();
    let copied = rustix::io::dup(&file).unwrap();
    assert_eq!(close(copied.into()), Some(libc::EFBIG));
}

/// The errno of close(2).
fn close(file: File) -> Option<i32> {
    ledger::close(file).err().and_then(|error| error.raw_os_error())
}

/// > In an album that holds 20,000 items, `open`, `ln` and `mv` of a further one fail with
/// > `EMLINK`. A file that replaces another one is accepted, however it is written.
#[test]
fn full_albums_fail_at_once() {
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "Full".into() });
    let (album, prefix) = (Some("Full".to_owned()), "IMG_".to_owned());
    world.edit(Edit::Seed { album, count: 20_000, size: 100, prefix });
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "20")], &["--sizes", "lazy"]);
    for at in 0..5 {
        world.photo(&format!("photo/{at}.jpg"), at, 4000);
    }
    world.sh("mkdir mnt/B && cp photo/*.jpg mnt/B/ && sync mnt/B && ls mnt/Full > /dev/null");
    let [full, other] = ["Full", "B"].map(|dir| world.mnt.join(dir));
    let photo = |at: u32| jpeg(100 + at, 4000);

    let new = full.join("new.jpg");
    assert_eq!(errno(fs::write(&new, photo(0))), Some(libc::EMLINK));
    assert_eq!(errno(fs::hard_link(other.join("0.jpg"), &new)), Some(libc::EMLINK));
    assert_eq!(errno(fs::rename(other.join("0.jpg"), &new)), Some(libc::EMLINK));
    fs::write(full.join("new.part"), photo(0)).unwrap();
    assert_eq!(errno(fs::rename(full.join("new.part"), &new)), Some(libc::EMLINK));
    assert!(world.log().contains("as many items as Google allows"), "{}", world.log());

    fs::rename(full.join("new.part"), full.join("IMG_000000.jpg")).unwrap();
    fs::write(full.join("IMG_000001.jpg"), photo(1)).unwrap();
    fs::rename(other.join("1.jpg"), full.join("IMG_000002.jpg")).unwrap();
    let swap = RenameFlags::EXCHANGE;
    let cwd = rustix::fs::CWD;
    rustix::fs::renameat_with(cwd, other.join("2.jpg"), cwd, full.join("IMG_000003.jpg"), swap)
        .unwrap();
    fs::rename(full.join("IMG_000004.jpg"), full.join("renamed.jpg")).unwrap();
    fs::hard_link(full.join("IMG_000005.jpg"), full.join("twice.jpg")).unwrap();
    fs::remove_file(full.join("IMG_000006.jpg")).unwrap();
    fs::write(&new, photo(2)).unwrap();
    fs::remove_file(full.join("IMG_000007.jpg")).unwrap();
    fs::hard_link(other.join("3.jpg"), full.join("linked.jpg")).unwrap();
    assert_eq!(errno(fs::write(full.join("more.jpg"), photo(3))), Some(libc::EMLINK));

    world.sync();
    assert_eq!(world.names(".gphotos/failed"), Vec::<String>::new());
    let there: std::collections::BTreeSet<_> = world.remote("Full").into_iter().collect();
    assert_eq!(there.len(), 20_000);
    for name in ["IMG_000000.jpg", "IMG_000001.jpg", "1.jpg", "2.jpg", "new.jpg", "3.jpg"] {
        assert!(there.contains(name), "{name}");
    }
    for name in ["IMG_000002.jpg", "IMG_000003.jpg", "IMG_000006.jpg", "IMG_000007.jpg"] {
        assert!(!there.contains(name), "{name}");
    }
}
