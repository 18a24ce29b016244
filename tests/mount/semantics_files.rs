//! Files and their attributes through a real mount. Each test quotes a sentence of docs/SEMANTICS.md.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use gphotosfs_emulator::{Call, Edit};
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, SeekFrom, StatxFlags, XattrFlags,
};
use rustix::io::Errno;

use crate::support::ledger::close;
use crate::support::{World, camera, camera_jpeg, wait_for};

/// An album with a photo that Google has, and one that is only here.
fn world() -> World {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 9000);
    world.sh("mkdir mnt/A && cp photo/1.jpg mnt/A/ && sync mnt/A");
    world
}

/// > Inode numbers and link counts are the same before, during and after the upload, after the
/// > kernel has forgotten the file, and in the next mount.
#[test]
fn inode_numbers_last() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 5000);
    let path = world.mnt.join("A/1.jpg");
    let look = || fs::metadata(&path).map(|meta| (meta.ino(), meta.nlink())).unwrap();
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/ && ln mnt/A/1.jpg mnt/A/2.jpg");
    let (before, dir) = (look(), fs::metadata(world.mnt.join("A")).unwrap().ino());
    assert_eq!(before.1, 2);
    world.sync();
    assert_eq!(look(), before);
    world.umount();
    world.mount(&[]);
    assert_eq!(look(), before);
    assert_eq!(fs::metadata(world.mnt.join("A")).unwrap().ino(), dir);
}

/// > `user.gphotos.description` of an item can be written, up to 999 characters. Of a file that is
/// > still on its way it is `EBUSY`. Without a network the write fails with the network's error,
/// > and changes nothing.
#[test]
fn descriptions_are_written_to_google() {
    let mut world = world();
    let path = world.mnt.join("A/1.jpg");
    const NAME: &str = "user.gphotos.description";
    xattr::set(&path, NAME, "Crème 🏖".as_bytes()).unwrap();
    assert_eq!(world.emulator.dump().items[0].description, "Crème 🏖");
    let errno = |value: &[u8]| xattr::set(&path, NAME, value).unwrap_err().raw_os_error();
    assert_eq!(errno("ä".repeat(1000).as_bytes()), Some(libc::E2BIG));
    assert_eq!(errno(b"\xff"), Some(libc::EILSEQ));
    assert_eq!(world.emulator.stats().requests(Call::MediaItemsPatch), 1);
    world.stop_emulator();
    // Until the mount has noticed, a request may be sent into a connection that has ended: that is another error.
    let noticed = xattr::get(&path, "user.gphotos.verify").unwrap_err();
    assert_eq!(noticed.raw_os_error(), Some(libc::EHOSTUNREACH));
    assert_eq!(errno(b"offline"), Some(libc::EHOSTUNREACH));
    assert_eq!(xattr::get(&path, NAME).unwrap().unwrap(), "Crème 🏖".as_bytes());
    let half = world.mnt.join("A/.half");
    fs::write(&half, b"x").unwrap();
    assert_eq!(xattr::set(&half, NAME, b"x").unwrap_err().raw_os_error(), Some(libc::EBUSY));
    world.start_emulator();
}

/// > `user.gphotos.quality` of a directory takes `original` or `saver`, and can be removed. It counts
/// > for photos that are uploaded from then on into the directory and those below it. The file itself
/// > keeps its size and bytes here; `user.gphotos.sent_size` and `sent_sha256` are those that Google
/// > has.
#[test]
fn the_quality_of_a_directory_counts_for_uploads() {
    let world = World::mounted();
    world.sh("mkdir mnt/A mnt/A/B mnt/C");
    let quality = |args: &[&str]| {
        let (dir, value) = args.split_last().unwrap();
        let dir = world.mnt.join(dir);
        let output = world.run(&[&["quality"], value, &[dir.to_str().unwrap()]].concat());
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(quality(&["saver", "A"]), (true, "saver\n".to_owned()));
    assert_eq!(quality(&["A/B"]), (true, "saver\n".to_owned()));
    assert_eq!(quality(&["C"]), (true, "original\n".to_owned()));
    assert!(!quality(&["worst", "C"]).0);
    let photo = camera_jpeg(1, (1000, 800));
    fs::write(world.dir.path().join("1.jpg"), &photo).unwrap();
    world.sh("cp -p 1.jpg mnt/A/B && sync mnt/A && cmp 1.jpg mnt/A/B/1.jpg");
    world.sh("test -z \"$(rsync -rtin 1.jpg mnt/A/B/)\"");
    let [item] = &world.emulator.dump().items[..] else { panic!("one item") };
    assert!(item.size * 100 <= photo.len() as u64 * 85);
    let path = world.mnt.join("A/B/1.jpg");
    let value = |name| xattr::get(&path, format!("user.gphotos.{name}")).unwrap().unwrap();
    assert_eq!(value("sent_size"), item.size.to_string().into_bytes());
    assert_eq!(value("sent_sha256"), item.sha256.clone().unwrap().into_bytes());
    assert_eq!(quality(&["inherit", "A"]), (true, "original\n".to_owned()));
    fs::write(world.mnt.join("A/B/2.jpg"), camera_jpeg(2, (1000, 800))).unwrap();
    world.sync();
    let sizes = world.emulator.dump().items.iter().map(|it| it.size).max();
    assert_eq!(sizes, Some(camera_jpeg(2, (1000, 800)).len() as u64));
}

/// > `user.gphotos.adopted` of an item whose bytes were not written here takes `SHA256 SIZE
/// > MTIME_NS` of the local file that the item stands for. The item then has this size and time, as
/// > if it had been copied in, and equal bytes are not sent again. Of a file that was written here
/// > it is `EEXIST`, of one that is on its way `EBUSY`. It can be removed.
#[test]
fn adopted_files_are_taken_for_the_local_ones() {
    const NAME: &str = "user.gphotos.adopted";
    let world = world();
    let local = camera::photo(7, "2019:04:28 09:00:00", true);
    fs::write(world.dir.path().join("local.jpg"), &local).unwrap();
    let refresh = || drop(world.run(&["refresh", world.mnt.join("A").to_str().unwrap()]));
    let add = |filename: &str, content: &[u8]| {
        let (album, filename) = (Some("A".to_owned()), filename.to_owned());
        world.edit(Edit::AddItem { album, filename, content: content.to_vec(), foreign: false });
        refresh();
    };
    add("item.jpg", &local);
    let path = world.mnt.join("A/item.jpg");
    let size = || fs::metadata(&path).unwrap().len();
    // Google has taken the place out of it.
    let rendition = size();
    assert_ne!(rendition, local.len() as u64);
    let hash = world.sh("sha256sum local.jpg").split(' ').next().unwrap().to_owned();
    let value = format!("{hash} {} -1500000000", local.len());
    let set = |path: &Path, value: &str| {
        xattr::set(path, NAME, value.as_bytes()).map_err(|err| err.raw_os_error().unwrap())
    };
    set(&path, &value).unwrap();
    assert_eq!(xattr::get(&path, NAME).unwrap().unwrap(), hash.as_bytes());
    assert_eq!(xattr::get(&path, "user.gphotos.sha256").unwrap(), None);
    wait_for("the kernel to be told", || size() == local.len() as u64);
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (-2, 500_000_000));
    world.sh("cp local.jpg mnt/A/again.jpg && sync mnt/A");
    world.sh("test mnt/A/again.jpg -ef mnt/A/item.jpg");
    assert_eq!(world.emulator.dump().items.len(), 2);

    assert_eq!(set(&world.mnt.join("A/1.jpg"), &value), Err(libc::EEXIST));
    fs::write(world.mnt.join("A/.half"), "x").unwrap();
    assert_eq!(set(&world.mnt.join("A/.half"), &value), Err(libc::EBUSY));
    for wrong in ["", "x", &hash, &format!("{hash} 0 0"), &format!("{value} 1")] {
        assert_eq!(set(&path, wrong), Err(libc::EINVAL), "{wrong}");
    }
    let remove = |name| xattr::remove(&path, name).map_err(|err| err.raw_os_error().unwrap());
    assert_eq!(remove(NAME), Ok(()));
    assert_eq!(remove(NAME), Err(libc::ENODATA));
    assert_eq!(remove("user.gphotos.id"), Err(libc::EPERM));

    // A read returns the whole rendition.
    add("other.jpg", &camera::photo(8, "2019:04:28 09:00:00", true));
    let path = world.mnt.join("A/other.jpg");
    let size = || fs::metadata(&path).unwrap().len();
    let rendition = size();
    set(&path, &format!("{} 100 0", "a".repeat(64))).unwrap();
    wait_for("the kernel to be told", || size() == 100);
    assert_eq!(fs::read(&path).unwrap().len() as u64, rendition);
    wait_for("the file to be closed", || size() == 100);
}

/// > Reading `user.gphotos.verify` of an item asks Google for it anew, past every cache, and gives
/// > the findings as JSON, for `gphotosfs verify`. A file that is not at Google lacks it
/// > (`ENODATA`).
#[test]
fn items_can_be_asked_for_anew() {
    const NAME: &str = "user.gphotos.verify";
    let world = world();
    let path = world.mnt.join("A/1.jpg");
    let read = |path: &Path| {
        let mut value = vec![0; 4096];
        let len = rustix::fs::getxattr(path, NAME, &mut value)?;
        Ok::<_, Errno>(serde_json::from_slice::<serde_json::Value>(&value[..len]).unwrap())
    };
    let before = world.emulator.stats().requests(Call::Download);
    let seen = read(&path).unwrap();
    assert_eq!(world.emulator.stats().requests(Call::Download), before + 1);
    let hash = world.sh("sha256sum photo/1.jpg").split(' ').next().unwrap().to_owned();
    assert_eq!(seen["google"]["photo"]["sha256"], hash);
    assert_eq!(seen["google"]["photo"], seen["kept"]);
    fs::write(world.mnt.join("A/.half"), "x").unwrap();
    assert_eq!(read(&world.mnt.join("A/.half")), Err(Errno::NODATA));
    world.edit(Edit::DeleteItem { item: "1.jpg".into() });
    assert!(read(&path).unwrap()["google"]["missing"].is_string());
}

/// > Setting or removing another `user.gphotos.` attribute is `EPERM`, any other attribute
/// > `EOPNOTSUPP`. `XATTR_CREATE` of an existing one is `EEXIST`, `XATTR_REPLACE` of a missing one
/// > `ENODATA`.
#[test]
fn other_attributes_are_refused() {
    let world = world();
    let path = world.mnt.join("A/1.jpg");
    let set = |name: &str, flags| rustix::fs::setxattr(&path, name, b"x", flags);
    assert_eq!(set("user.gphotos.id", XattrFlags::empty()), Err(Errno::PERM));
    assert_eq!(set("user.mine", XattrFlags::empty()), Err(Errno::OPNOTSUPP));
    let description = "user.gphotos.description";
    assert_eq!(set(description, XattrFlags::REPLACE), Err(Errno::NODATA));
    set(description, XattrFlags::CREATE).unwrap();
    assert_eq!(set(description, XattrFlags::CREATE), Err(Errno::EXIST));
    set(description, XattrFlags::REPLACE).unwrap();
}

/// > Reading `user.gphotos.unlisted` of a file gives the directories in which Google has not shown
/// > it yet, for `gphotosfs diff`: a line for each, with its inode number and since when the file
/// > should be there; `ENODATA` if there are none.
#[test]
fn directories_that_google_has_not_listed_yet_are_returned() {
    let world = world();
    world.sh("mkdir mnt/B && ln mnt/A/1.jpg mnt/B/ && sync mnt/B");
    let path = world.mnt.join("A/1.jpg");
    let refresh = |dir: &Path| world.run(&["refresh", dir.to_str().unwrap()]).status.success();
    let dirs = ["A", "B"].map(|name| world.mnt.join(name));
    // The list for its upload has shown it in the first.
    for left in [&dirs[1..], &[]] {
        let told = xattr::get(&path, "user.gphotos.unlisted").unwrap().unwrap_or_default();
        let told = String::from_utf8(told).unwrap();
        let told: Vec<_> = told.lines().map(|line| line.split_once(' ').unwrap()).collect();
        let numbers: Vec<_> =
            left.iter().map(|it| it.metadata().unwrap().ino().to_string()).collect();
        assert_eq!(told.iter().map(|it| it.0).collect::<Vec<_>>(), numbers);
        assert!(told.iter().all(|it| it.1.parse::<jiff::Timestamp>().is_ok()), "{told:?}");
        if let [next, ..] = left {
            assert!(refresh(next));
        }
    }
}

/// > Reading `user.gphotos.children.N` of a directory gives the facts about its entries, for
/// > `gphotosfs diff`: a line of JSON for each entry with a number above N, as many as fit into
/// > 64 KiB. It asks Google for nothing. `user.gphotos.size.N` is the size of the entry with that
/// > number, and may ask for that one.
#[test]
fn directories_describe_their_entries_without_a_request() {
    let world = World::new();
    world.emulator.seed("A", 700);
    world.mount(&[]);
    world.sh("mkdir mnt/A/sub && ls mnt/A > /dev/null");
    let before = world.emulator.stats();
    let (mut last, mut names, mut values) = (0, Vec::new(), 0);
    loop {
        let attribute = format!("user.gphotos.children.{last}");
        let value = xattr::get(world.mnt.join("A"), attribute).unwrap().unwrap();
        assert!(value.len() <= 65536);
        let lines: Vec<serde_json::Value> = value
            .split(|it| *it == b'\n')
            .filter_map(|it| serde_json::from_slice(it).ok())
            .collect();
        let Some(line) = lines.last() else { break };
        last = line["entry"].as_i64().unwrap();
        names.extend(lines.iter().map(|it| it["name"].as_str().unwrap().to_owned()));
        values += 1;
        let files = lines.iter().filter(|it| it["is_dir"] == false);
        assert!(files.clone().all(|it| it["state"] == "rendition" && it["id"].is_string()));
    }
    assert!(values > 1);
    names.sort();
    assert_eq!(names, world.names("A"));
    let after = world.emulator.stats();
    assert_eq!(after.api_requests_today, before.api_requests_today);
    assert_eq!(after.media_requests_today, before.media_requests_today);
    let size = xattr::get(world.mnt.join("A"), format!("user.gphotos.size.{last}")).unwrap();
    assert_eq!(size.as_deref(), Some(&b"5000"[..]));
    let asked = world.emulator.stats().media_requests_today;
    assert_eq!(asked, before.media_requests_today + 1);
}

/// > `getxattr` with an empty buffer returns the size needed, and `ERANGE` if the buffer is too
/// > small.
#[test]
fn attribute_sizes_are_returned() {
    let world = world();
    let path = world.mnt.join("A/1.jpg");
    let state = "user.gphotos.state";
    assert_eq!(rustix::fs::getxattr_query(&path, state), Ok("committed".len()));
    assert_eq!(rustix::fs::getxattr(&path, state, &mut [0u8; 3][..]), Err(Errno::RANGE));
}

/// > Attributes outside `user.` are not supported: reading one is `EOPNOTSUPP`, so `ls -l` asks
/// > once, not for each file.
#[test]
fn attributes_of_the_system_are_not_supported() {
    let world = world();
    let file = world.mnt.join("A/1.jpg");
    let get = |path: &Path, name: &str| rustix::fs::getxattr(path, name, &mut [0u8; 64][..]);
    for path in [&world.mnt, &world.mnt.join("A"), &file, &world.mnt.join(".gphotos/status.json")] {
        for name in ["security.selinux", "system.posix_acl_access", "system.posix_acl_default"] {
            assert_eq!(get(path, name), Err(Errno::OPNOTSUPP), "{name} of {}", path.display());
        }
    }
    assert_eq!(get(&file, "user.mine"), Err(Errno::NODATA));
}

/// > `O_EXCL`, `O_APPEND`, `O_TRUNC` and `O_DIRECT` work as elsewhere. `O_TMPFILE` is `EOPNOTSUPP`,
/// > and programs then make a file with a name.
#[test]
fn open_flags() {
    let world = world();
    let (path, wanted) =
        (world.mnt.join("A/1.jpg"), fs::read(world.dir.path().join("photo/1.jpg")).unwrap());
    let taken = OpenOptions::new().write(true).create_new(true).open(&path).unwrap_err();
    assert_eq!(taken.raw_os_error(), Some(libc::EEXIST));
    let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path).unwrap();
    let mut got = Vec::new();
    (&direct).read_to_end(&mut got).unwrap();
    assert!(got == wanted);
    let mut append = OpenOptions::new().append(true).open(&path).unwrap();
    append.write_all(b"one").unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two").unwrap();
    append.write_all(b"three").unwrap();
    drop(append);
    assert!(fs::read(&path).unwrap() == [&wanted[..], b"onetwothree"].concat());
    let unnamed =
        rustix::fs::openat(CWD, world.mnt.join("A"), OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR);
    assert_eq!(unnamed.unwrap_err(), Errno::OPNOTSUPP);
    fs::write(&path, &wanted).unwrap();
    world.sync();
}

/// > `flock` and `fcntl` locks hold between the programs of this machine.
#[test]
fn locks_hold() {
    let world = world();
    let open =
        || OpenOptions::new().read(true).write(true).open(world.mnt.join("A/1.jpg")).unwrap();
    let (one, two) = (open(), open());
    rustix::fs::flock(&one, FlockOperation::LockExclusive).unwrap();
    let refused = rustix::fs::flock(&two, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(refused, Err(Errno::WOULDBLOCK));
    rustix::fs::flock(&one, FlockOperation::Unlock).unwrap();
    rustix::fs::fcntl_lock(&one, FlockOperation::NonBlockingLockExclusive).unwrap();
    let other =
        "import fcntl, sys; fcntl.lockf(open('mnt/A/1.jpg', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)";
    let other = world.sh_outcome(&format!("python3 -c \"{other}\""));
    assert!(String::from_utf8_lossy(&other.stderr).contains("BlockingIOError"), "{other:?}");
}

/// > `fallocate` makes room and, without `FALLOC_FL_KEEP_SIZE`, length. `SEEK_HOLE`, `SEEK_DATA`
/// > and `copy_file_range` work on files being written and on items.
#[test]
fn ranges() {
    let world = world();
    let item = File::open(world.mnt.join("A/1.jpg")).unwrap();
    let len = item.metadata().unwrap().len();
    assert_eq!(rustix::fs::seek(&item, SeekFrom::Hole(0)).unwrap(), len);
    assert_eq!(rustix::fs::seek(&item, SeekFrom::Data(10)).unwrap(), 10);
    assert_eq!(rustix::fs::seek(&item, SeekFrom::Data(len)), Err(Errno::NXIO));
    let path = world.mnt.join("A/.new");
    let new = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    rustix::fs::fallocate(&new, FallocateFlags::KEEP_SIZE, 0, 50_000).unwrap();
    assert_eq!(new.metadata().unwrap().len(), 0);
    rustix::fs::fallocate(&new, FallocateFlags::empty(), 0, 20_000).unwrap();
    assert_eq!(new.metadata().unwrap().len(), 20_000);
    let (mut from, mut to) = (0, 1000);
    let mut left = len as usize;
    while left > 0 {
        left -=
            rustix::fs::copy_file_range(&item, Some(&mut from), &new, Some(&mut to), left).unwrap();
    }
    let mut got = vec![0; len as usize];
    new.read_exact_at(&mut got, 1000).unwrap();
    assert!(got == fs::read(world.dir.path().join("photo/1.jpg")).unwrap());
}

/// > Modes and owners are accepted and ignored; every file belongs to the mounting user.
#[test]
fn modes_are_ignored() {
    let world = world();
    world.sh("chmod 600 mnt/A/1.jpg && chown $(id -u) mnt/A/1.jpg && test \"$(stat -c '%a %u' mnt/A/1.jpg)\" = \"644 $(id -u)\"");
}

/// > Times before 1970 are kept, to the nanosecond.
#[test]
fn times_are_kept() {
    let world = world();
    world.sh("touch -d '1969-12-31T23:59:58.123456789Z' mnt/A/1.jpg");
    let look =
        || fs::metadata(world.mnt.join("A/1.jpg")).map(|it| (it.mtime(), it.mtime_nsec())).unwrap();
    assert_eq!(look(), (-2, 123_456_789));
    world.umount();
    world.mount(&[]);
    assert_eq!(look(), (-2, 123_456_789));
}

/// Times of access, modification and change, as they are now rather than as the kernel remembers them.
fn times(path: &Path) -> [(i64, u32); 3] {
    let all = StatxFlags::BASIC_STATS;
    let now = rustix::fs::statx(CWD, path, AtFlags::STATX_FORCE_SYNC, all).unwrap();
    [now.stx_atime, now.stx_mtime, now.stx_ctime].map(|it| (it.tv_sec, it.tv_nsec))
}

/// > A write changes mtime and ctime at once. A change of names, mode, times or description changes
/// > only ctime. Atime changes only when a program sets it, because reading does not change it.
/// > Closing changes nothing, nor does the upload or the next mount.
#[test]
fn times_show_each_kind_of_change() {
    let world = world();
    let path = world.mnt.join("A/1.jpg");
    let before = times(&path);
    world.sh("cmp photo/1.jpg mnt/A/1.jpg");
    assert_eq!(times(&path), before, "reading");
    world.sh("touch -a -d '2001-02-03T04:05:06.7Z' mnt/A/1.jpg");
    let [atime, mtime, mut ctime] = times(&path);
    assert_eq!((atime, mtime), ((981_173_106, 700_000_000), before[1]));
    assert!(ctime > before[2]);
    for script in [
        "chmod 600 mnt/A/1.jpg",
        "ln mnt/A/1.jpg mnt/A/2.jpg",
        "rm mnt/A/2.jpg",
        "mv mnt/A/1.jpg mnt/A/3.jpg && mv mnt/A/3.jpg mnt/A/1.jpg",
        "python3 -c \"import os; os.setxattr('mnt/A/1.jpg', 'user.gphotos.description', b'x')\"",
    ] {
        world.sh(script);
        let after = times(&path);
        assert_eq!(after[..2], [atime, mtime], "{script}");
        assert!(after[2] > ctime, "{script}");
        ctime = after[2];
    }
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    // The clock of the disk below is a coarse one.
    wait_for("a write to be told by mtime and ctime", || {
        file.write_all(b"more").unwrap();
        let after = times(&path);
        after[0] == atime && after[1] > mtime && after[2] > ctime
    });
    let after = times(&path);
    drop(file);
    let new = world.mnt.join("A/.new");
    let made = File::create(&new).unwrap();
    let empty = times(&new);
    drop(made);
    assert_eq!((times(&path), times(&new)), (after, empty), "closing");
    world.sync();
    assert_eq!(times(&path), after, "uploading");
    world.umount();
    world.mount(&[]);
    assert_eq!((times(&path), times(&new)), (after, empty), "mounting again");
}

/// > `df` shows the room on this machine for files that have not arrived at Google yet, because copying
/// > fails without it. Google tells gphotosfs nothing of the account's storage. The number of files has
/// > no limit.
#[test]
fn df_shows_the_room_for_writing() {
    let world = world();
    let space = || rustix::fs::statvfs(&world.mnt).unwrap();
    let all = space();
    assert_eq!((all.f_bsize, all.f_frsize, all.f_namemax), (4096, 4096, 255));
    assert_eq!((all.f_files, all.f_ffree), (0, 0), "as filesystems say that do not count them");
    assert!(all.f_bavail > 0 && all.f_bavail == all.f_bfree && all.f_bfree <= all.f_blocks);
    let bytes = vec![1; 32 << 20];
    fs::write(world.mnt.join("A/.part"), &bytes).unwrap();
    let taken = space();
    // Others use the disk below as well.
    let (more, size) = (taken.f_blocks - taken.f_bfree, 32 << 20 >> 12);
    assert!(more >= size && more < size + 100, "{more} blocks are used by {size}");
    fs::remove_file(world.mnt.join("A/.part")).unwrap();
    // The kernel releases the last descriptor after close has returned.
    wait_for("the room to be free again", || {
        let after = space();
        after.f_blocks - after.f_bfree < 100
    });
}

/// > `mknod` of a regular file makes an empty one.
#[test]
fn regular_nodes() {
    let world = world();
    let node = world.mnt.join("A/.node");
    let mknod = || {
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, &node, rustix::fs::FileType::RegularFile, mode, 0)
    };
    mknod().unwrap();
    assert_eq!(mknod(), Err(Errno::EXIST));
    assert_eq!(fs::metadata(&node).unwrap().len(), 0);
    fs::write(&node, b"half a photo").unwrap();
    world.umount();
    world.mount(&[]);
    assert_eq!(fs::read(&node).unwrap(), b"half a photo");
}

/// > `fsync` of a file that does not look like a photo yet makes it durable and refuses nothing:
/// > close does that.
#[test]
fn a_part_may_be_synced() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 9000);
    world.sh("mkdir mnt/A");
    let bytes = fs::read(world.dir.path().join("1.jpg")).unwrap();
    let mut file = File::create(world.mnt.join("A/1.jpg")).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    file.sync_all().unwrap();
    file.write_all(&bytes).unwrap();
    drop(file);
    world.sync();
    assert_eq!(world.remote("A"), ["1.jpg"]);
}

/// > A file with a temporary name stays here until it has another name.
#[test]
fn half_written_files_stay_here() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 5000);
    let names = ["1.jpg.part", ".1.jpg", "1.jpg~", "1.tmp", "1.jpg.filepart", "1.jpg.crdownload"];
    let all = names.map(|name| format!("cp 1.jpg mnt/A/{name}")).join(" && ");
    world.sh(&format!("mkdir mnt/A && {all} && sync mnt/A && cmp 1.jpg mnt/A/1.jpg~"));
    assert_eq!(world.remote("A"), [""; 0]);
    for name in names {
        world.sh(&format!("mv mnt/A/{name} mnt/A/1.jpg && sync mnt/A && cmp 1.jpg mnt/A/1.jpg"));
        assert_eq!(world.remote("A"), ["1.jpg"], "{name}");
    }
}

/// > `--temporary-names` adds names.
#[test]
fn a_user_names_more_half_written_files() {
    let world = World::new();
    world.photo("1.jpg", 1, 5000);
    world.mount(&["--temporary-names", "*.wip,export-*"]);
    world.sh(
        "mkdir mnt/A && cp 1.jpg mnt/A/1.jpg.WIP && printf 'a text' > mnt/A/export-1 && sync mnt/A",
    );
    assert_eq!(world.remote("A"), [""; 0]);
    world.sh("mkdir local && cp 1.jpg local/1.jpg.WIP");
    let (local, album) = (world.dir.path().join("local"), world.mnt.join("A"));
    let said = world.run(&["diff", local.to_str().unwrap(), album.to_str().unwrap(), "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["scratch"].as_array().unwrap().len(), 2, "{said}");
    world.umount();
    world.mount(&["--temporary-names", "*.wip"]);
    world.sh("test -e mnt/A/1.jpg.WIP && mv mnt/A/1.jpg.WIP mnt/A/1.jpg && sync mnt/A");
    assert_eq!(world.remote("A"), ["1.jpg"]);
}

/// > A file that was opened and written, and has the same bytes in the end, is not sent. A changed
/// > file is sent as a new item, which takes the old one's place in the album.
#[test]
fn edits_that_change_nothing_are_not_sent() {
    let world = world();
    world.emulator.reset_stats();
    world.sh("cat photo/1.jpg > mnt/A/1.jpg && sync mnt/A");
    world.sh("dd if=photo/1.jpg of=mnt/A/1.jpg bs=1000 conv=notrunc status=none && sync mnt/A");
    world.sh("(printf more; truncate -s -4 mnt/A/1.jpg) >> mnt/A/1.jpg && touch mnt/A/1.jpg && sync mnt/A");
    let stats = world.emulator.stats();
    // Each time a list shows that Google still has the item.
    let listed = stats.requests(Call::MediaItemsSearch);
    let all: u64 = stats.requests.values().sum();
    assert_eq!((listed, all, stats.upload_bytes), (3, 3, 0), "{stats:?}");
    world.sh("printf more >> mnt/A/1.jpg && sync mnt/A && (cat photo/1.jpg; printf more) | cmp - mnt/A/1.jpg");
    assert_eq!((world.remote("A").len(), world.emulator.dump().items.len()), (1, 2));
}

/// > A refused file is refused at every close of a descriptor that may write, copies of descriptors
/// > included, until it is written to again.
#[test]
fn every_close_of_a_rejected_file_fails() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 9000);
    world.sh("mkdir mnt/A");
    let path = world.mnt.join("A/1.jpg");
    let close = |file| close(file).map_err(|error| error.raw_os_error().unwrap());
    let mut file = File::create(&path).unwrap();
    file.write_all(b"a text").unwrap();
    for _ in 0..2 {
        assert_eq!(close(file.try_clone().unwrap()), Err(libc::EMEDIUMTYPE));
    }
    let other = OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(close(other), Err(libc::EMEDIUMTYPE));
    file.set_len(0).unwrap();
    file.write_all_at(&fs::read(world.dir.path().join("1.jpg")).unwrap(), 0).unwrap();
    assert_eq!(close(file.try_clone().unwrap()), Ok(()));
    assert_eq!(close(file), Ok(()));
    world.sync();
    assert_eq!(world.remote("A"), ["1.jpg"]);
}

/// > A file that was removed while it is open can be read and written until its last close, and has
/// > no links.
#[test]
fn removed_files_stay_open() {
    let world = world();
    for name in ["A/1.jpg", "A/.new", "A/2.jpg"] {
        let path = world.mnt.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(file.metadata().unwrap().nlink(), 0, "{name}");
        file.write_all_at(b"more", 10).unwrap();
        let mut got = [0; 4];
        file.read_exact_at(&mut got, 10).unwrap();
        assert_eq!(&got, b"more", "{name}");
    }
    world.sync();
    assert_eq!(world.remote("A"), Vec::<String>::new());
    assert_eq!(world.names("A"), Vec::<String>::new());
    assert_eq!(world.names(".gphotos/failed"), Vec::<String>::new());
}
