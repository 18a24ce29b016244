//! The lengths that programs are told, and the numbers of files: everyday programs must be able to
//! rely on both.

use std::fs;

use gphotosfs_emulator::{Call, Edit};

use crate::support::{World, jpeg, wait_for};

/// Ways to copy the file `$1/$2` to `$3`. All but the first rely on the length that the file had
/// before its open, or has after it.
const WAYS: [(&str, &str); 8] = [
    ("cat", "cat $1/$2 > $3"),
    ("busybox cp", "busybox cp $1/$2 $3"),
    ("rsync", "rsync -a $1/$2 $3"),
    ("tar", "tar cf $3.tar -C $1 $2 && tar xOf $3.tar > $3"),
    ("busybox tar", "busybox tar cf $3.tar -C $1 $2 && tar xOf $3.tar > $3"),
    (
        "cpio",
        "(cd $1 && echo $2 | busybox cpio -o -H newc) > $3.cpio
        rm -rf unpacked && mkdir unpacked
        (cd unpacked && busybox cpio -i) < $3.cpio && mv unpacked/$2 $3",
    ),
    ("copyfile", "python3 -c 'import shutil, sys; shutil.copyfile(*sys.argv[1:])' $1/$2 $3"),
    (
        "mmap",
        "python3 -c 'if 1:
            import mmap, sys
            with open(sys.argv[1], \"rb\") as file, open(sys.argv[2], \"wb\") as copy:
                copy.write(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))' $1/$2 $3",
    ),
];

/// The bytes of a copy.
fn copy(world: &World, way: &str, dir: &str, name: &str) -> Vec<u8> {
    world.sh(&format!("set -- {dir} {name} copy\nrm -f copy\n{way}"));
    fs::read(world.dir.path().join("copy")).unwrap()
}

/// An album of items that were made elsewhere.
fn web(world: &World, count: u32) -> Vec<Vec<u8>> {
    world.edit(Edit::CreateAlbum { title: "Web".into() });
    let items: Vec<_> = (0..count).map(|at| jpeg(at, 200_000)).collect();
    for (at, content) in items.iter().enumerate() {
        let (album, filename) = (Some("Web".to_owned()), format!("{at}.jpg"));
        world.edit(Edit::AddItem { album, filename, content: content.clone(), foreign: false });
    }
    items
}

/// > `/.gphotos/status.json` and `/.gphotos/metrics` are as long as `stat` says. A program that asks
/// > for the length, opens the file and reads finds one text; the next one finds the present text.
#[test]
fn control_files_are_as_long_as_they_say() {
    let world = World::mounted();
    for (name, way) in WAYS {
        let status = copy(&world, way, "mnt/.gphotos", "status.json");
        let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&status);
        assert!(parsed.is_ok_and(|it| it["pid"].is_number()), "{name}: {} bytes", status.len());
        let metrics = String::from_utf8(copy(&world, way, "mnt/.gphotos", "metrics")).unwrap();
        assert!(metrics.starts_with('#') && metrics.ends_with('\n'), "{name}: {metrics}");
    }
    let open_files = || -> serde_json::Value {
        let text = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()["mount"]["open_files"].clone()
    };
    world.photo("1.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/");
    wait_for("the copy to be closed", || open_files() == 0);
    let open = fs::File::open(world.mnt.join("A/1.jpg")).unwrap();
    assert_eq!(open_files(), 1);
    drop(open);
    world.umount();
}

/// > With `--sizes lazy`, the size of an item that was not uploaded from here is requested when a
/// > program looks at that file, and no size is requested ahead.
#[test]
fn lazy_sizes_are_requested_when_a_program_asks() {
    let world = World::new();
    let items = web(&world, WAYS.len() as u32 + 1);
    world.mount(&["--sizes", "lazy"]);
    let moved = WAYS.len();
    world.sh("ls mnt/Web");
    world.emulator.reset_stats();
    world.sh("ls mnt/Web && test $(stat -c %s mnt/Web/3.jpg) = 200000");
    world.sh("test $(stat -c %s mnt/Web/4.jpg) = 200000");
    assert_eq!(world.emulator.stats().requests(Call::Download), 2);
    for (at, (name, way)) in WAYS.iter().enumerate() {
        let bytes = copy(&world, way, "mnt/Web", &format!("{at}.jpg"));
        assert!(bytes == items[at], "{name}: {} bytes", bytes.len());
    }
    // It takes the photo out of the album.
    world.sh(&format!("busybox mv mnt/Web/{moved}.jpg copy"));
    assert!(fs::read(world.dir.path().join("copy")).unwrap() == items[moved]);
    world.umount();
}

/// > `touch` of an item that is not here, or opening it for writing, downloads nothing. The first
/// > write to a part of it does, and so does a program that asks for its length while it is open.
#[test]
fn touching_an_item_that_is_not_here_downloads_nothing() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 20_000);
    world.photo("photo/2.jpg", 2, 20_000);
    world.sh("mkdir mnt/A && cp photo/*.jpg mnt/A/ && sync mnt/A");
    world.umount();
    world.sh("rm -r cache");
    world.mount(&[]);
    world.emulator.reset_stats();
    world.sh("touch -d 2001-02-03 mnt/A/1.jpg && test $(stat -c %s mnt/A/1.jpg) = 20000");
    world.sh("test $(date -r mnt/A/1.jpg +%F) = 2001-02-03 && : >> mnt/A/1.jpg");
    world.sh("busybox touch mnt/A/1.jpg");
    assert_eq!(world.emulator.stats().requests(Call::Download), 0);
    world.sh("printf more >> mnt/A/2.jpg && tail -c 4 mnt/A/2.jpg | grep -qx more");
    assert_eq!(world.emulator.stats().requests(Call::Download), 1);
    world.umount();
}

/// > Inode numbers and offsets in directories fit into 32 bits, so that programs without support for
/// > larger ones work.
#[test]
fn numbers_of_files_fit_into_32_bits() {
    let world = World::mounted();
    web(&world, 3);
    world.photo("1.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/ && echo text > mnt/A/2.txt || true");
    let numbers = world.sh("find mnt mnt/.gphotos mnt/.gphotos/library/all -printf '%i\\n'");
    let numbers: Vec<u64> = numbers.lines().map(|it| it.parse().unwrap()).collect();
    assert!(numbers.len() > 12, "{numbers:?}");
    assert!(numbers.iter().all(|&it| it < 1 << 32), "{numbers:?}");
    let dir = rustix::fs::open(
        world.mnt.join("Web"),
        rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let offsets: Vec<i64> =
        rustix::fs::Dir::read_from(dir).unwrap().map(|it| it.unwrap().offset()).collect();
    assert!(offsets.len() == 5 && offsets.iter().all(|&it| it < 1 << 31), "{offsets:?}");
    world.umount();
}
