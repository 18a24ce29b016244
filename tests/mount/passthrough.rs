//! Reads return the same bytes with and without passthrough (`src/fuse/modes.rs`).
//!
//! Passthrough needs Linux 6.9 and root. Without them the mount falls back, and these tests see the fallback;
//! `tests/root/passthrough.rs` shows that the kernel reads without the process.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::{Mode, OFlags};

use crate::support::passthrough::{all_of, read_write, same, world};
use crate::support::{jpeg, sha256, wait_for};

/// Mounts in which passthrough is used where it can be, and in which it is not.
const READ_ONLY: [&[&str]; 2] = [&["--read-only"], &["--read-only", "--passthrough=off"]];

#[test]
fn a_read_only_mount_reads_the_same_either_way() {
    let (world, path) = world();
    for options in READ_ONLY {
        world.umount();
        world.mount(options);
        let wanted = jpeg(1, 300_000);
        same(&fs::read(&path).unwrap(), &wanted, "read");
        world.sh("cmp 1.jpg mnt/A/1.jpg; dd if=mnt/A/1.jpg bs=777 status=none | cmp - 1.jpg");
        world.sh("python3 - mnt/A/1.jpg 1.jpg <<'PYTHON'
import mmap, sys
files = [open(name, 'rb') for name in sys.argv[1:]]
for access in mmap.ACCESS_READ, mmap.ACCESS_COPY:
    a, b = (mmap.mmap(f.fileno(), 0, access=access) for f in files)
    assert a[:] == b[:]
PYTHON");
        // Whichever comes first, the others are not refused.
        let flags = [0, libc::O_DIRECT, 0, libc::O_NOATIME, libc::O_DIRECT];
        for first in 0..2 {
            let open = |flags: &i32| {
                OpenOptions::new().read(true).custom_flags(*flags).open(&path).unwrap()
            };
            for file in flags[first..].iter().map(open).collect::<Vec<_>>() {
                let mut part = vec![0; 1001];
                file.read_exact_at(&mut part, 77_777).unwrap();
                same(&part, &wanted[77_777..78_778], "a part");
            }
        }
        let refused = OpenOptions::new().write(true).open(&path).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    }
}

#[test]
fn an_open_file_is_read_to_its_end_after_its_eviction() {
    let (world, path) = world();
    world.photo("2.jpg", 2, 350_000);
    world.sh("cp 2.jpg mnt/A/ && sync mnt/A");
    for options in READ_ONLY {
        world.umount();
        world.mount(&[options, &["--cache-size=400k"]].concat());
        // Each is more than half of the cache.
        same(&fs::read(&path).unwrap(), &jpeg(1, 300_000), "fetched");
        let mut reader = File::open(&path).unwrap();
        let mut bytes = vec![0; 1000];
        reader.read_exact(&mut bytes).unwrap();
        let cached = || {
            let found = world.sh("find cache -type f -size +250k");
            // Another file may be evicted meanwhile.
            let sizes =
                found.lines().filter_map(|line| fs::metadata(world.dir.path().join(line)).ok());
            sizes.map(|it| it.len()).max()
        };
        // The cache names a file when it has been synced. The one named last counts as used last.
        wait_for("the cache to keep the first one alone", || {
            cached().is_some_and(|size| size < 310_000)
        });
        same(&fs::read(world.mnt.join("A/2.jpg")).unwrap(), &jpeg(2, 350_000), "the other");
        wait_for("the cache to give the first one up", || cached() > Some(310_000));
        reader.read_to_end(&mut bytes).unwrap();
        same(&bytes, &jpeg(1, 300_000), "read on");
        same(&fs::read(&path).unwrap(), &jpeg(1, 300_000), "opened beside it");
    }
}

/// Descriptors of one file that are served in different ways would be refused or show old bytes: whatever is open
/// agrees, in whichever order it was opened.
#[test]
fn descriptors_of_all_kinds_agree() {
    let (world, path) = world();
    let kinds = [
        ("read", OFlags::RDONLY),
        ("write", OFlags::WRONLY),
        ("both", OFlags::RDWR),
        ("direct", OFlags::RDONLY | OFlags::DIRECT),
    ];
    let mut wanted = jpeg(1, 300_000);
    for order in 0..24usize {
        // The `order`th permutation.
        let (mut left, mut code) = (kinds.to_vec(), order);
        let mut opened = Vec::new();
        while !left.is_empty() {
            let (kind, how) = left.remove(code % left.len());
            code /= left.len() + 1;
            let file = rustix::fs::open(&path, how, Mode::empty());
            let file = file.unwrap_or_else(|err| panic!("{order}: {kind}: {err}"));
            opened.push((kind, File::from(file)));
        }
        let of_kind = |wanted: &str| &opened.iter().find(|(kind, _)| *kind == wanted).unwrap().1;
        for (at, writer) in ["write", "both", "write"].into_iter().enumerate() {
            let text = format!("{order} {at}");
            let place = 5000 + 4000 * at + order * 10;
            wanted[place..place + text.len()].copy_from_slice(text.as_bytes());
            of_kind(writer).write_all_at(text.as_bytes(), place as u64).unwrap();
            for (kind, file) in opened.iter().filter(|(kind, _)| *kind != "write") {
                same(&all_of(file), &wanted, &format!("{order}: {kind} after {writer}"));
            }
        }
        // Closed in another order than opened; now and then Google has the file in between.
        opened.rotate_left(order % 4);
        drop(opened);
        if order % 6 == 0 {
            world.sh("sync mnt/A");
        }
    }
    same(&fs::read(&path).unwrap(), &wanted, "in the end");
}

/// > Written bytes can be read at once through every other descriptor and mapping of the file, also
/// > one that was opened while Google had an earlier version.
#[test]
fn readers_see_what_is_written() {
    let (world, path) = world();
    let before = File::open(&path).unwrap();
    let mut wanted = jpeg(1, 300_000);
    same(&all_of(&before), &wanted, "before");
    read_write(&path).write_all_at(b"edited", 5000).unwrap();
    wanted[5000..5006].copy_from_slice(b"edited");
    same(&all_of(&before), &wanted, "opened before the edit");
    same(&fs::read(&path).unwrap(), &wanted, "opened after it");
    world.sh("sync mnt/A");
    same(&all_of(&before), &wanted, "committed again");
    let shorter = jpeg(2, 100_000);
    fs::write(&path, &shorter).unwrap();
    same(&all_of(&before), &shorter, "rewritten");
    world.sh("sync mnt/A");
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    same(&all_of(&before), &[&shorter[..], b"more"].concat(), "longer");
    drop(before);
    same(&fs::read(&path).unwrap(), &[&shorter[..], b"more"].concat(), "in the end");
    // A writer that does not go through the page cache, a mapping in it, and the reverse.
    world.sh("python3 - mnt/A/1.jpg <<'PYTHON'
import mmap, os, sys
for first in 'both', 'writer':
    opened = {}
    for kind in sorted(['both', 'writer'], key=lambda kind: kind != first):
        opened[kind] = os.open(sys.argv[1], {'both': os.O_RDWR, 'writer': os.O_WRONLY}[kind])
    mapped = mmap.mmap(opened['both'], 0)
    for at in 5000, 50000:
        os.pwrite(opened['writer'], b'written', at)
        assert mapped[at:at + 7] == b'written', (first, at)
        mapped[at + 2:at + 4] = b'AP'
        mapped.flush()
        assert os.pread(opened['both'], 7, at) == b'wrAPten', (first, at)
    mapped.close()
    for fd in opened.values(): os.close(fd)
PYTHON
         sync mnt/A");
    let mut wanted = [&shorter[..], b"more"].concat();
    for at in [5000, 50_000] {
        wanted[at..at + 7].copy_from_slice(b"wrAPten");
    }
    same(&fs::read(&path).unwrap(), &wanted, "after mappings");
    let hash = sha256(&wanted);
    let arrived = |hash: &str| {
        world.emulator.dump().items.iter().any(|item| item.sha256.as_deref() == Some(hash))
    };
    assert!(arrived(&hash), "Google has the last version");
}
