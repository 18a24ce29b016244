//! Writes that fail, or do so in part.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::*;

/// While this value lives, no file becomes longer than a limit: what is written behind it fails, as
/// on a full disk.
struct FullDisk {
    before: Rlimit,
}

impl FullDisk {
    fn new(world: &World, longest: u64) -> Self {
        // The default action of the signal ends the process.
        let _runtime = world.runtime.enter();
        drop(signal(SignalKind::from_raw(libc::SIGXFSZ)).unwrap());
        let before = getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: Some(longest), ..before }).unwrap();
        Self { before }
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        setrlimit(Resource::Fsize, self.before).unwrap();
    }
}

fn append(world: &World, fh: Fh, bytes: &[u8]) -> Outcome {
    errno(world.wait(world.fs.write(fh, Offset::End, bytes))).map(drop)
}

#[test]
fn an_append_that_is_repeated_after_a_part_of_it_is_in_the_file_once() {
    const LONGEST: u64 = 100_000_000;
    let world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let (file, fh) = world.create(trip, "a.jpg").unwrap();
    world.write(fh, 0, &photo(1)).unwrap();
    let longer = AttrChange { size: Some(LONGEST - 10), ..AttrChange::default() };
    world.wait(world.fs.setattr(file, Some(fh), longer)).unwrap();
    let full = FullDisk::new(&world, LONGEST);
    assert_eq!(append(&world, fh, &photo(2)), Err(Errno(libc::EFBIG)));
    assert_eq!(size(&world, file), LONGEST - 10, "nothing is appended");
    drop(full);
    append(&world, fh, &photo(2)).unwrap();
    world.flush(fh).unwrap();
    assert_eq!(size(&world, file), LONGEST - 10 + photo(2).len() as u64);
    let reader = world.open(file, READ).unwrap();
    let end = world.wait(world.fs.read(reader, LONGEST - 10, 1 << 20)).unwrap();
    assert!(end == photo(2));
}

/// The close of a copied descriptor has sealed the beginning of a photo, and the disk is full when
/// the rest comes.
#[test]
fn a_version_that_could_not_be_written_on_is_not_uploaded() {
    let world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let (_, fh) = world.create(trip, "a.jpg").unwrap();
    let (beginning, rest) = (photo(1)[..1000].to_vec(), photo(1)[1000..].to_vec());
    world.write(fh, 0, &beginning).unwrap();
    world.flush(fh).unwrap();
    let full = FullDisk::new(&world, 0);
    let failed = world.write(fh, 1000, &rest).unwrap_err();
    drop(full);
    assert_eq!(world.flush(fh), Err(failed));
    world.write(fh, 1000, &rest).unwrap();
    world.flush(fh).unwrap();
    let full = FullDisk::new(&world, 0);
    append(&world, fh, b"more").unwrap_err();
    drop(full);
    world.release(fh).unwrap_err();
    assert_eq!(world.sync(trip), Err(Errno(libc::EIO)));
    assert_eq!(world.names(world.at(".gphotos/failed/Trip").unwrap()), ["a.jpg"]);
    assert!(world.emulator.dump().items.is_empty());
}

#[test]
fn a_version_whose_spool_file_could_not_be_opened_is_sealed_by_close() {
    let world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let (file, fh) = world.create(trip, "a.jpg").unwrap();
    world.write(fh, 0, &photo(1)).unwrap();
    world.flush(fh).unwrap();
    let spooled = world.pipeline.spool().path(file_id(file));
    let aside = spooled.with_extension("aside");
    std::fs::rename(&spooled, &aside).unwrap();
    let longer = AttrChange { size: Some(5000), ..AttrChange::default() };
    world.wait(world.fs.setattr(file, Some(fh), longer)).unwrap_err();
    std::fs::rename(&aside, &spooled).unwrap();
    world.flush(fh).unwrap();
    let state = world.fs.getxattr_now(file, b"user.gphotos.state").unwrap().unwrap();
    assert_eq!(state, b"sealed");
}

/// A temporary file in `dir` that lacks the end of a photo.
fn incomplete(world: &World, dir: Ino, name: &str) -> Ino {
    let (file, fh) = world.create(dir, name).unwrap();
    world.write(fh, 0, &photo(2)[..1000]).unwrap();
    let full = FullDisk::new(world, 0);
    world.write(fh, 1000, &photo(2)[1000..]).unwrap_err();
    drop(full);
    world.flush(fh).unwrap();
    world.release(fh).unwrap();
    file
}

#[test]
fn a_photo_cannot_be_exchanged_for_an_incomplete_file() {
    let world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let whole = world.copy_in(trip, "a.jpg", &photo(1)).unwrap();
    world.sync(trip).unwrap();
    let half = incomplete(&world, trip, ".b.part");
    for (from, to) in [("a.jpg", ".b.part"), (".b.part", "a.jpg")] {
        world.rename((trip, from), (trip, to), Rename::Exchange).unwrap_err();
        let found = ["a.jpg", ".b.part"].map(|name| world.lookup(trip, name));
        assert_eq!(found, [Ok(whole), Ok(half)]);
    }
    world.sync(trip).unwrap();
}

/// A copy fails on a full disk, and another one is cut off by a kill.
#[test]
fn retry_sends_no_photo_that_is_known_to_be_incomplete() {
    let mut world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let (_, fh) = world.create(trip, "a.jpg").unwrap();
    world.write(fh, 0, &photo(1)[..1000]).unwrap();
    let full = FullDisk::new(&world, 0);
    let said = world.write(fh, 1000, &photo(1)[1000..]).unwrap_err();
    drop(full);
    assert_eq!(world.flush(fh), Err(said));
    world.release(fh).unwrap();
    let (_, cut_off) = world.create(trip, "b.jpg").unwrap();
    world.write(cut_off, 0, &photo(2)[..1000]).unwrap();
    world.restart();
    let failed = world.at(".gphotos/failed/Trip").unwrap();
    assert_eq!(world.names(failed), ["a.jpg", "b.jpg"]);
    world.stop();
    let retry = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        gphotosfs::commands::failed::retry(&paths, &world.profile).map_err(|it| it.to_string())
    };
    for paths in [&[][..], &["Trip/a.jpg"]] {
        let said = retry(paths).unwrap_err();
        assert!(said.starts_with("1 of 1 file could not be put back"), "{said}");
    }
    world.crash();
    assert_eq!(world.names(failed), ["a.jpg", "b.jpg"]);
    world.rename((failed, "a.jpg"), (trip, "a.jpg"), Rename::NoReplace).unwrap_err();
    world.rename((failed, "a.jpg"), (trip, "a.part"), Rename::NoReplace).unwrap();
    world.rename((trip, "a.part"), (trip, "a.jpg"), Rename::NoReplace).unwrap_err();
    // The rest can be added.
    let file = world.lookup(trip, "a.part").unwrap();
    let fh = world.open(file, Open { write: true, ..Open::default() }).unwrap();
    world.write(fh, 1000, &photo(1)[1000..]).unwrap();
    world.flush(fh).unwrap();
    world.release(fh).unwrap();
    world.rename((trip, "a.part"), (trip, "a.jpg"), Rename::NoReplace).unwrap();
    // Whether the other one is complete, only its owner can say.
    world.rename((failed, "b.jpg"), (trip, "b.jpg"), Rename::NoReplace).unwrap();
    assert_eq!(world.names(trip), ["a.jpg", "b.jpg"]);
}

#[test]
fn a_rename_that_could_not_succeed_leaves_no_refused_bytes() {
    let world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let (text, fh) = world.create(trip, "a.part").unwrap();
    world.finish(fh, b"a text").unwrap();
    let (_, fh) = world.create(trip, "b.jpg").unwrap();
    world.finish(fh, &photo(1)).unwrap();
    let rename = |to, how| world.rename((trip, "a.part"), to, how).unwrap_err();
    assert_eq!(rename((trip, "b.jpg"), Rename::NoReplace), Errno(libc::EEXIST));
    assert_eq!(rename((trip, "c.jpg"), Rename::Exchange), Errno(libc::ENOENT));
    rename((ROOT, "a.jpg"), Rename::Replace);
    world.fs.link(text, ROOT, b"a.jpg").unwrap_err();
    assert_eq!(world.names(world.at(".gphotos/failed").unwrap()), [""; 0]);
    assert_eq!(rename((trip, "c.jpg"), Rename::NoReplace), Errno(libc::EMEDIUMTYPE));
    assert_eq!(world.names(world.at(".gphotos/failed/Trip").unwrap()), ["c.jpg"]);
}
