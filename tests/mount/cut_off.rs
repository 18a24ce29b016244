//! Files that look cut off, although their program closed them.

use std::fs;

use crate::support::World;

/// The first half of a fixture, or all of it but a few bytes of its end.
fn write_part(world: &World, fixture: &str, name: &str, part: f64) {
    let bytes = fs::read(format!("tests/fixtures/media/{fixture}")).unwrap();
    let length = (bytes.len() as f64 * part) as usize;
    fs::write(world.dir.path().join(name), &bytes[..length]).unwrap();
}

/// > A photo or video that looks cut off, as a JPEG without its end or a video without its index, is
/// > sent as it is: cameras write such files. `status`, `sync`, `diff` and `user.gphotos.cut_off` say
/// > so, until a whole one takes its place.
#[test]
fn files_that_look_cut_off_are_sent_and_named() {
    let world = World::mounted();
    fs::create_dir(world.dir.path().join("local")).unwrap();
    for (fixture, name) in [
        ("camera-1.jpg", "a.jpg"),
        ("clip.mp4", "b.mp4"),
        ("moving.gif", "c.gif"),
        ("exif.heic", "d.heic"),
    ] {
        write_part(&world, fixture, &format!("local/{name}"), 0.9);
        write_part(&world, fixture, &format!("whole-{name}"), 1.0);
    }
    // Google takes a JPEG if there is an end marker somewhere, as in a thumbnail.
    let jpeg = world.dir.path().join("local/a.jpg");
    let half = fs::read(&jpeg).unwrap();
    fs::write(&jpeg, [&half[..2], b"\xff\xe1\0\x04\xff\xd9", &half[2..]].concat()).unwrap();
    write_part(&world, "camera-2.jpg", "local/whole.jpg", 1.0);
    world.sh("mkdir mnt/A && cp local/* mnt/A/");
    let album = world.mnt.join("A");
    let (done, said) = world.told(&["sync", album.to_str().unwrap()]);
    assert!(done, "{said}");
    for name in ["a.jpg", "b.mp4", "c.gif", "d.heic"] {
        assert!(said.contains(&format!("A/{name} looks cut off")), "{name}: {said}");
        let attribute = xattr::get(album.join(name), "user.gphotos.cut_off").unwrap();
        assert_eq!(attribute.as_deref(), Some(&b"yes"[..]), "{name}");
    }
    assert!(!said.contains("whole.jpg"), "{said}");
    assert_eq!(world.remote("A").len(), 5, "all of them are sent");
    let status = || String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(status().contains("4 files look cut off: A/"), "{}", status());
    let local = world.dir.path().join("local");
    let diff = world.run(&["diff", local.to_str().unwrap(), album.to_str().unwrap()]);
    let diff = String::from_utf8(diff.stdout).unwrap();
    assert!(diff.contains("Looks cut off (the copy in the album):\n  a.jpg\n"), "{diff}");

    // It outlives the mount, and goes with the half.
    world.umount();
    assert!(status().contains("4 files look cut off"), "{}", status());
    world.mount(&[]);
    world.sh(
        "cp whole-a.jpg mnt/A/a.jpg && cp whole-b.mp4 mnt/A/b.mp4 && rm mnt/A/c.gif && sync mnt/A",
    );
    assert!(status().contains("1 file looks cut off: A/d.heic"), "{}", status());
    assert_eq!(xattr::get(album.join("a.jpg"), "user.gphotos.cut_off").unwrap(), None);
}

/// > A program may close a file, and write it through memory afterwards. Then a file that is no photo
/// > yet is judged when the memory is given back, and not at the close.
#[test]
fn a_file_that_is_written_through_memory_is_judged_at_the_end() {
    let world = World::new();
    world.photo("1.jpg", 1, 50_000);
    for (album, commit) in [("A", "background"), ("B", "close")] {
        world.mount(&["--commit", commit]);
        world.sh(&format!(
            "mkdir mnt/{album} && python3 - <<'END'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
photo = open('1.jpg', 'rb').read()
for name, data in (('1.jpg', photo), ('2.jpg', b'a text' * 1000)):
    file = os.open(f'mnt/{album}/{{name}}', os.O_RDWR | os.O_CREAT)
    os.ftruncate(file, len(data))
    at = libc.mmap(None, len(data), 3, 1, file, 0)
    os.close(file)
    ctypes.memmove(at, data, len(data))
    assert libc.munmap(at, len(data)) == 0
END
! sync mnt/{album}
cmp 1.jpg mnt/{album}/1.jpg
test -e mnt/.gphotos/failed/{album}/2.jpg
! test -e mnt/{album}/2.jpg"
        ));
        assert_eq!(world.remote(album), ["1.jpg"]);
        world.umount();
    }
}
