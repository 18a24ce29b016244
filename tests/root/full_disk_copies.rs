//! Full disks while smaller copies are made: the original goes, and nothing is lost.

use std::fs;

use crate::disk::Disk;
use crate::support::encoder::{Encoder, film};
use crate::support::ledger::Ledger;
use crate::support::{World, camera_jpeg, wait_for};

/// Uploads begin when somebody waits for them.
const FOR_HOURS: [&str; 2] = ["--upload-delay", "10h"];

/// The files of the spool, without those of the test.
fn spooled(disk: &Disk) -> Vec<String> {
    let names = fs::read_dir(&disk.dir).unwrap().map(|it| it.unwrap().file_name());
    names.map(|it| it.into_string().unwrap()).filter(|it| it != "ballast").collect()
}

fn whole(world: &World, path: &str) -> Option<String> {
    let value = xattr::get(world.mnt.join(path), "user.gphotos.whole").unwrap();
    value.map(|it| String::from_utf8(it).unwrap())
}

fn spool(world: &World, size: &str) -> Disk {
    Disk::tmpfs(world.dir.path().join("state/gphotosfs/default/spool"), size)
}

#[test]
fn a_photo_without_room_for_its_copy_goes_as_it_is() {
    let world = World::new();
    let disk = spool(&world, "size=8m");
    world.mount(&[&FOR_HOURS[..], &["--quality", "saver"]].concat());
    world.sh("mkdir mnt/A");
    let mut ledger = Ledger::with_copies();
    for at in 0..2 {
        let photo = camera_jpeg(at, (900, 700));
        ledger.write(&world.mnt, &format!("A/{at}.jpg"), &photo).unwrap();
    }
    // The database is on another disk, and half of a copy fits.
    disk.fill(64 << 10);
    ledger.audit(&world);
    for at in 0..2 {
        assert_eq!(whole(&world, &format!("A/{at}.jpg")).as_deref(), Some("no-room"));
    }
    assert_eq!(spooled(&disk), [""; 0]);
    disk.free();
    ledger.write(&world.mnt, "A/later.jpg", &camera_jpeg(9, (900, 700))).unwrap();
    ledger.audit(&world);
    assert_eq!(whole(&world, "A/later.jpg"), None, "it has a copy");
    assert_eq!(spooled(&disk), [""; 0]);
    world.umount();
}

#[test]
fn a_video_whose_copy_fills_the_disk_goes_as_it_is() {
    let mut world = World::new();
    let encoder = Encoder::new(world.dir.path());
    world.env.push(("PATH", encoder.path()));
    encoder.does(
        "until [ -e go ]; do sleep 0.05; done\n\
         head -c 2000000 /dev/zero > \"$last\" || exit 1; echo frame=4",
    );
    let disk = spool(&world, "size=32m");
    world.mount(&["--quality-video", "1080p"]);
    world.sh("mkdir mnt/A");
    let write = |name: &str, seed: u8| {
        fs::write(world.mnt.join("A").join(name), film(seed)).unwrap();
    };
    write("full.mp4", 1);
    wait_for("the encoder", || encoder.begun().len() == 1);
    disk.fill(1 << 20);
    fs::write(world.dir.path().join("encoder/go"), "").unwrap();
    world.sync();
    assert_eq!(whole(&world, "A/full.mp4").as_deref(), Some("no-room"), "{}", world.log());
    assert_eq!(spooled(&disk), [""; 0]);
    disk.free();
    encoder.works();
    write("later.mp4", 2);
    world.sync();
    assert_eq!(whole(&world, "A/later.mp4"), None, "{}", world.log());
    let dump = world.emulator.dump();
    let sizes: Vec<_> = dump.items.iter().map(|it| (it.filename.as_str(), it.size)).collect();
    let length = film(1).len() as u64;
    assert!(
        matches!(sizes[..], [("full.mp4", one), ("later.mp4", other)] if one == length && other < length)
    );
    assert_eq!(spooled(&disk), [""; 0]);
    world.umount();
}
