//! Each operation on a file in each state of an upload: its result, the names meanwhile, and the final state here, at
//! Google and in the next mount.
//!
//! A test does all operations, each to a photo of its own in the same album. Meanwhile Google holds back the answer that
//! would take the photos to their next state.

mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gphotosfs_emulator::{Call, ListingFault, Moment, Omission};
use rustix::fs::{CWD, RenameFlags};

use crate::support::{World, jpeg, sha256, wait_for};

/// An operation on a file `A/x`. There are `A/y` and `B/y` as well, which Google has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Read,
    Move,
    MoveAcross,
    MoveOnto,
    MoveOntoAcross,
    /// Onto a name that is taken, and must not be.
    MoveIfFree,
    Exchange,
    ExchangeAcross,
    Link,
    LinkAcross,
    Remove,
    Overwrite,
    Append,
    Edit,
    Describe,
    SetTime,
}

const OPS: [Op; 16] = [
    Op::Read,
    Op::Move,
    Op::MoveAcross,
    Op::MoveOnto,
    Op::MoveOntoAcross,
    Op::MoveIfFree,
    Op::Exchange,
    Op::ExchangeAcross,
    Op::Link,
    Op::LinkAcross,
    Op::Remove,
    Op::Overwrite,
    Op::Append,
    Op::Edit,
    Op::Describe,
    Op::SetTime,
];

const CREATE: Call = Call::MediaItemsBatchCreate;
const DESCRIPTION: &str = "user.gphotos.description";
const TAIL: &[u8] = b"a tail";
const PATCH: &[u8] = b"PATCH";
/// Within a comment of the picture.
const PATCH_AT: u64 = 100;

fn y(op: Op) -> Vec<u8> {
    jpeg(100 + op as u32, 5000)
}

fn y_across(op: Op) -> Vec<u8> {
    jpeg(200 + op as u32, 5000)
}

fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890)
}

/// A world with the files for the operations, and the bytes that each name must have.
struct Lives {
    world: World,
    /// Contents by path.
    files: BTreeMap<String, Vec<u8>>,
    /// The name of `x`.
    suffix: &'static str,
    /// The errno of writing a description.
    undescribed: Option<i32>,
    /// Items that the user has put back into the album, by hash, wherever they were moved here.
    put_back: Vec<String>,
}

impl Lives {
    fn new() -> Self {
        Self::of(World::mounted())
    }

    /// Waits made for Google's sake are short.
    fn paced() -> Self {
        let world = World::new();
        world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "50")], &[]);
        Self::of(world)
    }

    fn of(world: World) -> Self {
        let mut lives = Self {
            world,
            files: BTreeMap::new(),
            suffix: ".jpg",
            undescribed: Some(libc::EBUSY),
            put_back: Vec::new(),
        };
        lives.world.sh("mkdir mnt/A mnt/B mnt/Other");
        for op in OPS {
            lives.put(format!("A/y-{op:?}.jpg"), y(op));
            lives.put(format!("B/y-{op:?}.jpg"), y_across(op));
        }
        lives.world.sync();
        lives
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.mnt.join(name)
    }

    fn put(&mut self, name: String, bytes: Vec<u8>) {
        fs::write(self.path(&name), &bytes).unwrap();
        self.files.insert(name, bytes);
    }

    fn x(&self, op: Op) -> String {
        format!("A/x-{op:?}{}", self.suffix)
    }

    /// Writes all `x`.
    fn put_all(&mut self) {
        for op in OPS {
            self.put(self.x(op), jpeg(op as u32, 6000));
        }
    }

    fn queue(&self, what: &str) -> u64 {
        let status = fs::read(self.path(".gphotos/status.json")).unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        status["queue"][what].as_u64().unwrap()
    }

    fn wait_for_all(&self, state: &str) {
        wait_for(state, || self.queue(state) == OPS.len() as u64);
    }

    /// Does an operation and notes its expected result.
    fn apply(&mut self, op: Op) {
        let x = self.x(op);
        let [y, z] = ["y", "z"].map(|name| format!("A/{name}-{op:?}.jpg"));
        let [there, z_there] = ["y", "z"].map(|name| format!("B/{name}-{op:?}.jpg"));
        let bytes = self.files[&x].clone();
        let rename = |from: &str, to: &str, flags| -> io::Result<()> {
            Ok(rustix::fs::renameat_with(CWD, self.path(from), CWD, self.path(to), flags)?)
        };
        let (plain, free) = (RenameFlags::empty(), RenameFlags::NOREPLACE);
        let writer = || OpenOptions::new().write(true).open(self.path(&x));
        let (outcome, wanted) = match op {
            Op::Read => (fs::read(self.path(&x)).map(|read| assert_eq!(read, bytes)), None),
            Op::Move => (rename(&x, &z, free), None),
            Op::MoveAcross => (rename(&x, &z_there, plain), None),
            Op::MoveOnto => (rename(&x, &y, plain), None),
            Op::MoveOntoAcross => (rename(&x, &there, plain), None),
            Op::MoveIfFree => (rename(&x, &y, free), Some(libc::EEXIST)),
            Op::Exchange => (rename(&x, &y, RenameFlags::EXCHANGE), None),
            Op::ExchangeAcross => (rename(&x, &there, RenameFlags::EXCHANGE), None),
            Op::Link => (fs::hard_link(self.path(&x), self.path(&z)), None),
            Op::LinkAcross => (fs::hard_link(self.path(&x), self.path(&z_there)), None),
            Op::Remove => (fs::remove_file(self.path(&x)), None),
            Op::Overwrite => (fs::write(self.path(&x), jpeg(300, 4000)), None),
            Op::Append => (
                OpenOptions::new()
                    .append(true)
                    .open(self.path(&x))
                    .and_then(|mut file| file.write_all(TAIL)),
                None,
            ),
            Op::Edit => (writer().and_then(|file| file.write_all_at(PATCH, PATCH_AT)), None),
            Op::Describe => (xattr::set(self.path(&x), DESCRIPTION, b"text"), self.undescribed),
            Op::SetTime => {
                (File::open(self.path(&x)).and_then(|file| file.set_modified(time())), None)
            }
        };
        let errno = outcome.err().map(|error| error.raw_os_error().unwrap());
        assert_eq!(errno, wanted, "{op:?}");
        let files = &mut self.files;
        let mut moved = |to: &str| {
            files.remove(&x);
            files.insert(to.to_owned(), bytes.clone());
        };
        match op {
            Op::Read | Op::MoveIfFree | Op::Describe | Op::SetTime => {}
            Op::Move => moved(&z),
            Op::MoveAcross => moved(&z_there),
            Op::MoveOnto => moved(&y),
            Op::MoveOntoAcross => moved(&there),
            Op::Exchange | Op::ExchangeAcross => {
                let other = if op == Op::Exchange { &y } else { &there };
                let theirs = files.insert(other.clone(), bytes).unwrap();
                files.insert(x, theirs);
            }
            Op::Link => drop(files.insert(z, bytes)),
            Op::LinkAcross => drop(files.insert(z_there, bytes)),
            Op::Remove => drop(files.remove(&x)),
            Op::Overwrite => drop(files.insert(x, jpeg(300, 4000))),
            Op::Append => drop(files.insert(x, [&bytes, TAIL].concat())),
            Op::Edit => drop(files.insert(x, patched(bytes))),
        }
    }

    fn apply_all(&mut self) {
        OPS.into_iter().for_each(|op| self.apply(op));
    }

    fn names(&self) -> BTreeSet<String> {
        let names = |dir: &str| -> Vec<String> {
            self.world.names(dir).into_iter().map(|name| format!("{dir}/{name}")).collect()
        };
        ["A", "B"].into_iter().flat_map(names).collect()
    }

    /// What is here now; an item that is being made may be shown under a name of its own, too, before the
    /// answer to its making has come.
    fn check_meanwhile(&self) {
        let names = self.names();
        for (name, bytes) in &self.files {
            assert!(names.contains(name), "{name} is not in {names:?}");
            assert_eq!(&fs::read(self.path(name)).unwrap(), bytes, "{name}");
        }
    }

    fn refresh(&self) {
        for album in ["A", "B"] {
            let outcome = self.world.run(&["refresh", self.path(album).to_str().unwrap()]);
            assert!(outcome.status.success(), "{outcome:?}");
        }
    }

    /// Google's lists are empty meanwhile.
    fn refresh_from_short_lists(&self) {
        let lies = [Call::AlbumsList, Call::MediaItemsSearch].map(|call| {
            let omission = Omission::EndsAfter(0);
            ListingFault { call, album: None, passes: u32::MAX, omission }
        });
        self.world.emulator.faults(|faults| faults.listing_faults = lies.to_vec());
        self.refresh();
        self.world.emulator.faults(|faults| faults.listing_faults.clear());
    }

    fn check_here(&self) {
        assert_eq!(self.names(), self.files.keys().cloned().collect());
        self.check_meanwhile();
        let set = self.files.contains_key(&self.x(Op::SetTime)).then(|| self.x(Op::SetTime));
        let modified = set.map(|name| fs::metadata(self.path(&name)).unwrap().modified().unwrap());
        assert_eq!(modified, Some(time()));
    }

    fn check_google(&self) {
        let dump = self.world.emulator.dump();
        for title in ["A", "B"] {
            let album = dump.album(title).unwrap();
            let mut there: Vec<String> = album
                .items
                .iter()
                .map(|id| dump.item(id).unwrap().sha256.clone().unwrap())
                .collect();
            there.sort();
            let wanted: BTreeSet<String> = self
                .files
                .iter()
                .filter(|(name, bytes)| {
                    name.starts_with(&format!("{title}/")) && self.is_item(bytes)
                })
                .map(|(_, bytes)| sha256(bytes))
                .collect();
            if title == "A" {
                there.retain(|hash| wanted.contains(hash) || !self.put_back.contains(hash));
            }
            assert_eq!(there, wanted.into_iter().collect::<Vec<_>>(), "{title}");
        }
    }

    /// Whether Google has such a file: it has a name that is not for half-written files, anywhere, or had one.
    fn is_item(&self, bytes: &Vec<u8>) -> bool {
        let has_been = OPS.into_iter().any(|op| *bytes == y(op) || *bytes == y_across(op));
        has_been || self.files.iter().any(|(name, it)| it == bytes && name.ends_with(".jpg"))
    }

    /// All operations, in the state that the files are in now; `go_on` lets Google answer.
    fn run(mut self, go_on: impl FnOnce(&World)) {
        self.apply_all();
        self.check_meanwhile();
        self.refresh();
        self.check_meanwhile();
        go_on(&self.world);
        self.finish();
    }

    fn finish(self) {
        self.world.sync();
        self.check_here();
        self.check_google();
        self.refresh();
        self.check_here();
        self.refresh_from_short_lists();
        self.check_here();
        self.world.umount();
        self.world.mount(&[]);
        self.check_here();
        self.refresh();
        self.check_here();
        self.check_google();
        assert_eq!(self.world.names(".gphotos/failed"), Vec::<String>::new());
        assert_eq!(self.world.emulator.stats().violations, Vec::<String>::new());
    }
}

fn patched(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = PATCH_AT as usize;
    bytes[at..at + PATCH.len()].copy_from_slice(PATCH);
    bytes
}

#[test]
fn temporary() {
    let mut lives = Lives { suffix: ".part", ..Lives::new() };
    lives.put_all();
    lives.wait_for_all("scratch");
    lives.run(|_| {});
}

#[test]
fn sealed_and_uploading() {
    let mut lives = Lives::new();
    lives.world.emulator.hold(Call::UploadRaw, Moment::Request);
    lives.put_all();
    wait_for("an upload", || lives.queue("uploading") > 0);
    lives.run(|world| world.emulator.let_go(Call::UploadRaw, Moment::Request));
}

#[test]
fn uploaded() {
    let mut lives = Lives::new();
    hold_another_up(&lives);
    lives.put_all();
    lives.wait_for_all("uploaded");
    lives.run(|world| world.emulator.let_go(CREATE, Moment::Request));
}

/// Has a call under way that makes another photo, so that all others are made by the next.
fn hold_another_up(lives: &Lives) {
    let emulator = &lives.world.emulator;
    emulator.reset_stats();
    emulator.hold(CREATE, Moment::Request);
    fs::write(lives.path("Other/other.jpg"), jpeg(400, 4000)).unwrap();
    wait_for("the call", || emulator.stats().requests(CREATE) == 1);
}

fn being_created(moment: Moment) {
    let mut lives = Lives::new();
    hold_another_up(&lives);
    lives.put_all();
    lives.wait_for_all("uploaded");
    let emulator = &lives.world.emulator;
    if moment == Moment::Answer {
        emulator.hold(CREATE, Moment::Answer);
        emulator.let_go(CREATE, Moment::Request);
    }
    emulator.let_pass(CREATE, moment, 1);
    lives.wait_for_all("creating");
    if moment == Moment::Answer {
        wait_for("Google to have made them", || {
            lives.world.emulator.dump().album("A").unwrap().items.len() == 2 * OPS.len()
        });
    }
    lives.run(|world| world.emulator.let_go(CREATE, moment));
}

#[test]
fn creating() {
    being_created(Moment::Request);
}

/// > A file may be moved, also onto another, exchanged, linked, removed and written to at any stage
/// > of its upload, with the same result. `RENAME_NOREPLACE` onto an existing name is `EEXIST`.
#[test]
fn created_without_an_answer() {
    being_created(Moment::Answer);
}

#[test]
fn confirming() {
    let mut lives = Lives::new();
    lives.world.emulator.reset_stats();
    let listing = lives.world.emulator.barrier(Call::MediaItemsSearch, 1, Moment::Request);
    lives.put_all();
    wait_for("the list for the uploads", || {
        lives.world.emulator.stats().requests(Call::MediaItemsSearch) > 0
    });
    lives.wait_for_all("confirming");
    lives.undescribed = None;
    lives.run(|_| drop(listing));
}

#[test]
fn committed() {
    let mut lives = Lives::new();
    lives.put_all();
    lives.world.sync();
    lives.undescribed = None;
    lives.run(|_| {});
}

#[test]
fn being_edited() {
    let mut lives = Lives::new();
    lives.put_all();
    lives.world.sync();
    let mut writers = Vec::new();
    for op in OPS {
        let x = lives.x(op);
        let writer = OpenOptions::new().write(true).open(lives.path(&x)).unwrap();
        let head = lives.files[&x][..50].to_vec();
        writer.write_all_at(&head, 0).unwrap();
        writer.write_all_at(b"EDITED", 200).unwrap();
        let bytes = lives.files.get_mut(&x).unwrap();
        bytes[200..206].copy_from_slice(b"EDITED");
        writers.push(writer);
    }
    lives.run(|_| drop(writers));
}

#[test]
fn edited_and_uploading() {
    let mut lives = Lives::new();
    lives.put_all();
    lives.world.sync();
    lives.world.emulator.hold(Call::UploadRaw, Moment::Request);
    for op in OPS {
        let x = lives.x(op);
        let writer = OpenOptions::new().write(true).open(lives.path(&x)).unwrap();
        writer.write_all_at(b"EDITED", 200).unwrap();
        lives.files.get_mut(&x).unwrap()[200..206].copy_from_slice(b"EDITED");
    }
    wait_for("an upload", || lives.queue("uploading") > 0);
    lives.run(|world| world.emulator.let_go(Call::UploadRaw, Moment::Request));
}
