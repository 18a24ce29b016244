//! Copying out with common programs: a copy has all bytes, or the program reports an error.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use gphotosfs_emulator::{Call, Edit};

use crate::support::{World, jpeg, wait_for};

/// Ways to copy the file `$1/$2` to `$3`. Some ask for the size when they have opened it, and copy that much.
const WAYS: [(&str, &str); 6] = [
    ("cp", "cp $1/$2 $3"),
    ("cat", "cat $1/$2 > $3"),
    ("dd", "dd if=$1/$2 of=$3 bs=64k status=none"),
    ("rsync", "rsync -a $1/$2 $3"),
    ("tar", "tar cf $3.tar -C $1 $2 && tar xOf $3.tar > $3"),
    (
        "mmap",
        "python3 -c 'if 1:
            import mmap, sys
            with open(sys.argv[1], \"rb\") as file, open(sys.argv[2], \"wb\") as copy:
                copy.write(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))' $1/$2 $3",
    ),
];

fn copy(world: &World, way: &str, dir: &str, name: &str, to: &str) -> bool {
    world.sh_outcome(&format!("set -- {dir} {name} {to}\n{way}")).status.success()
}

fn read(world: &World, path: &str) -> Vec<u8> {
    fs::read(world.dir.path().join(path)).unwrap()
}

fn size(world: &World, path: &str) -> u64 {
    fs::metadata(world.mnt.join(path)).unwrap().size()
}

/// Items that were not sent from here, one for each way.
fn add_items(world: &World) -> Vec<Vec<u8>> {
    world.edit(Edit::CreateAlbum { title: "Web".into() });
    let items: Vec<_> = (1..).take(WAYS.len()).map(|at| jpeg(at, 200_000)).collect();
    for (at, content) in items.iter().enumerate() {
        let (album, filename) = (Some("Web".to_owned()), format!("{at}.jpg"));
        world.edit(Edit::AddItem { album, filename, content: content.clone(), foreign: false });
    }
    items
}

/// > Without a network, opening an item of unknown size is `EHOSTUNREACH`.
#[test]
fn items_of_unknown_size_cannot_be_copied_without_a_network() {
    let mut world = World::new();
    add_items(&world);
    world.mount(&[]);
    world.sh("ls mnt/Web");
    world.stop_emulator();
    for (at, (name, way)) in WAYS.iter().enumerate() {
        assert!(!copy(&world, way, "mnt/Web", &format!("{at}.jpg"), "copy"), "{name}");
        let opened = fs::File::open(world.mnt.join(format!("Web/{at}.jpg")));
        assert_eq!(opened.unwrap_err().raw_os_error(), Some(libc::EHOSTUNREACH), "{name}");
    }
    // Nothing of the old content is asked for.
    world.sh(": > mnt/Web/0.jpg");
    world.start_emulator();
    world.umount();
}

/// > A program that opens a file for reading gets its length from the download, whatever was
/// > reported before.
#[test]
fn a_read_is_as_long_as_the_download_whatever_size_was_reported() {
    for told in [200_013, 199_987, 0] {
        let world = World::new();
        let items = add_items(&world);
        world.emulator.faults(|faults| faults.head_bytes = Some(told));
        world.mount(&[]);
        world.sh("ls -l mnt/Web");
        assert_eq!(size(&world, "Web/0.jpg"), told);
        world.emulator.reset_stats();
        for (at, (name, way)) in WAYS.iter().enumerate() {
            assert!(copy(&world, way, "mnt/Web", &format!("{at}.jpg"), "copy"), "{name} {told}");
            assert!(read(&world, "copy") == items[at], "{name} {told}");
            assert_eq!(size(&world, &format!("Web/{at}.jpg")), items[at].len() as u64, "{name}");
        }
        assert_eq!(world.emulator.stats().requests(Call::Download), WAYS.len() as u64);
        world.umount();
    }
}

#[test]
fn a_video_that_google_encodes_again_is_copied_whole() {
    let (world, videos) = evicted();
    let anew = |video: &[u8]| [&transcoded(video)[..], b"encoded anew!"].concat();
    for encoded_anew in [true, false] {
        world.emulator.faults(|faults| faults.encoded_anew = encoded_anew);
        for (at, (name, way)) in WAYS.iter().enumerate() {
            let file = format!("{at}.mp4");
            assert!(copy(&world, way, "mnt/V", &file, "copy"), "{name}");
            let expected = if encoded_anew { anew(&videos[at]) } else { transcoded(&videos[at]) };
            let copy = read(&world, "copy");
            assert!(copy == expected, "{name} {encoded_anew}: {} bytes", copy.len());
        }
        // How long they were is known, and nothing of them is here.
        world.umount();
        world.sh("rm -r cache");
        world.mount(&["--cache-size", "3M"]);
    }
    world.umount();
}

/// > If the length of Google's rendition changes while a file is open, reading it is `EIO` until
/// > its last close.
#[test]
fn a_file_that_changes_while_open_is_neither_truncated_nor_padded() {
    const LARGE: u64 = 40 << 20;
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "Web".into() });
    let (album, prefix) = (Some("Web".to_owned()), "IMG_".to_owned());
    world.edit(Edit::Seed { album, count: 2, size: LARGE, prefix });
    world.mount(&[]);
    world.sh("ls -l mnt/Web");
    // The download has not reached the later offsets when the bytes change.
    world.emulator.faults(|faults| faults.on(Call::Download).bytes_per_s = Some(2_000_000));
    let mut bytes = vec![0; 1000];
    for (name, before, after) in [("IMG_000000.jpg", true, false), ("IMG_000001.jpg", false, true)]
    {
        let path = world.mnt.join("Web").join(name);
        world.emulator.faults(|faults| faults.encoded_anew = before);
        let file = fs::File::open(&path).unwrap();
        file.read_exact_at(&mut bytes, 0).unwrap();
        world.emulator.faults(|faults| faults.encoded_anew = after);
        for offset in [LARGE / 2, LARGE - 500, LARGE / 4] {
            let outcome = file.read_at(&mut bytes, offset);
            let errno = outcome.err().and_then(|error| error.raw_os_error());
            assert_eq!(errno, Some(libc::EIO), "{name} {offset}");
        }
        let again = fs::File::open(&path);
        assert_eq!(again.unwrap_err().raw_os_error(), Some(libc::EIO));
        drop(file);
        wait_for("the file to be closed", || fs::File::open(&path).is_ok());
    }
    world.umount();
}

/// The emulator's rendition of a video.
fn transcoded(original: &[u8]) -> Vec<u8> {
    [original, b"\0\0\0\x1afreetranscoded by emul."].concat()
}

/// A folder of videos, copied into an album, so many that all but the last have left the cache.
fn evicted() -> (World, Vec<Vec<u8>>) {
    let world = World::new();
    world.mount(&["--cache-size", "3M"]);
    let videos: Vec<_> = (0..=WAYS.len())
        .map(|at| {
            [&b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"[..], &jpeg(at as u32, 2_000_000)].concat()
        })
        .collect();
    fs::create_dir(world.dir.path().join("V")).unwrap();
    for (at, video) in videos.iter().enumerate() {
        fs::write(world.dir.path().join(format!("V/{at}.mp4")), video).unwrap();
    }
    world.sh("mkdir mnt/V && for video in V/*; do cp -p $video mnt/V/ && sync mnt/V; done");
    let state = |at: usize| {
        xattr::get(world.mnt.join(format!("V/{at}.mp4")), "user.gphotos.state").unwrap().unwrap()
    };
    wait_for("the cache to be full", || (0..WAYS.len()).all(|at| state(at) == b"rendition"));
    (world, videos)
}

/// > An uploaded file keeps its original size after the cache has evicted it. While it is open, it
/// > is as long as the bytes that are read. So copies are whole, and `rsync -rt` of the folder has
/// > nothing to do.
#[test]
fn a_rendition_is_copied_whole_and_keeps_the_original_size() {
    let (world, videos) = evicted();
    for round in 0..2 {
        for (at, (name, way)) in WAYS.iter().enumerate() {
            let file = format!("{at}.mp4");
            let original = videos[at].len() as u64;
            wait_for("the file to be closed", || size(&world, &format!("V/{file}")) == original);
            assert!(copy(&world, way, "mnt/V", &file, "copy"), "{name}");
            let copy = read(&world, "copy");
            assert!(copy == transcoded(&videos[at]), "{name} {round}: {} bytes", copy.len());
        }
        wait_for("the files to be closed", || {
            world.sh("rsync -rt --itemize-changes --omit-dir-times V/ mnt/V/").is_empty()
        });
        // The second time how long it is is known, and nothing of it is here.
        world.umount();
        world.sh("rm -r cache");
        world.mount(&["--cache-size", "3M"]);
    }
    // A second descriptor makes no difference to the first.
    let opened = fs::File::open(world.mnt.join("V/0.mp4")).unwrap();
    let long = transcoded(&videos[0]).len() as u64;
    drop(fs::File::open(world.mnt.join("V/0.mp4")).unwrap());
    assert_eq!((opened.metadata().unwrap().len(), size(&world, "V/0.mp4")), (long, long));
    drop(opened);
    wait_for("the file to be closed", || size(&world, "V/0.mp4") == videos[0].len() as u64);
    world.umount();
}

/// > Writing to an evicted file begins with Google's rendition, and the file then has the
/// > rendition's length.
#[test]
fn an_edit_begins_with_what_google_gives_out() {
    let (world, videos) = evicted();
    world.sh("python3 - mnt/V/0.mp4 <<'PYTHON'
import os, sys
with open(sys.argv[1], 'r+b', buffering=0) as file:
    end = file.seek(0, 2)
    assert os.fstat(file.fileno()).st_size == end
    file.write(b'more')
PYTHON
        printf more >> mnt/V/1.mp4; sync mnt/V");
    for (at, video) in videos.iter().enumerate().take(2) {
        let edited = [&transcoded(video)[..], b"more"].concat();
        assert_eq!(size(&world, &format!("V/{at}.mp4")), edited.len() as u64);
        let sent =
            world.emulator.dump().items.into_iter().find(|item| {
                item.filename == format!("{at}.mp4") && item.size == edited.len() as u64
            });
        assert!(sent.is_some(), "{at}");
    }
    world.umount();
}

/// > `rsync` without `--inplace` leaves out a refused file, goes on, and ends with 23. With
/// > `--inplace` it ends at the first refused file with 11, because the close fails; leave such
/// > files out with `--exclude`.
#[test]
fn rsync_goes_on_after_a_refused_file_unless_inplace() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 20_000);
    world.photo("photo/3.jpg", 3, 20_000);
    world.sh("echo text > photo/2.txt && mkdir mnt/A mnt/B");
    let status = |script: &str| world.sh_outcome(script).status.code().unwrap();
    assert_eq!(status("rsync -rt photo/ mnt/A/"), 23);
    world.sh("cmp photo/1.jpg mnt/A/1.jpg && cmp photo/3.jpg mnt/A/3.jpg");
    assert_eq!(status("rsync -rt --inplace photo/ mnt/B/"), 11);
    assert_eq!(status("rsync -rt --inplace --exclude='*.txt' photo/ mnt/B/"), 0);
    world.sh("cmp photo/1.jpg mnt/B/1.jpg && cmp photo/3.jpg mnt/B/3.jpg");
}
