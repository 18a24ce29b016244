//! Random copies of photos that another program may have uploaded before, under each reading of what Google lets this
//! client see of them. Nothing is lost, no item is there twice, and no photo is sent without end.

use std::collections::BTreeSet;

use gphotosfs::fs::{Ino, Rename};
use gphotosfs_emulator::{Call, Edit};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::queues;
use crate::support::core::ROOT;
use crate::support::{photo, sha256};
use crate::world::World;

const TITLES: [&str; 2] = ["one", "two"];
const NAMES: [&str; 3] = ["a.jpg", "b.jpg", "c.jpg"];
const PHOTOS: u8 = 3;

#[derive(Clone, Debug)]
enum Op {
    /// Another program uploads a photo, perhaps under the name that it gets here.
    ByPhone(u8, usize),
    Put(Spot, u8),
    Remove(Spot),
    Rename(Spot, Spot),
    Link(Spot, Spot),
    Refresh(usize),
    Drain,
    Crash,
    Restart,
}

#[derive(Clone, Copy, Debug)]
struct Spot {
    album: usize,
    name: usize,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    visible: bool,
    counted: bool,
}

fn spot() -> impl Strategy<Value = Spot> {
    (0..TITLES.len(), 0..NAMES.len()).prop_map(|(album, name)| Spot { album, name })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..PHOTOS, 0..NAMES.len()).prop_map(|(photo, name)| Op::ByPhone(photo, name)),
        6 => (spot(), 0..PHOTOS).prop_map(|(spot, photo)| Op::Put(spot, photo)),
        1 => spot().prop_map(Op::Remove),
        1 => (spot(), spot()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => (spot(), spot()).prop_map(|(from, to)| Op::Link(from, to)),
        1 => (0..TITLES.len()).prop_map(Op::Refresh),
        2 => Just(Op::Drain),
        1 => Just(Op::Crash),
        1 => Just(Op::Restart),
    ]
}

fn bytes(photo_of: u8) -> Vec<u8> {
    photo(photo_of.into(), 400)
}

struct Run {
    world: World,
    albums: [Ino; 2],
    /// How often something was asked for that may send bytes.
    asked: u64,
    /// That of `asked` which may still be on its way.
    under_way: u64,
    /// A name was given to a file in a further album.
    spread: bool,
}

impl Run {
    fn new(reading: Reading) -> Self {
        let world = World::new(0);
        world.emulator.faults(|faults| {
            faults.matched_items_visible = reading.visible;
            faults.matched_items_counted = reading.counted;
        });
        let albums = TITLES.map(|title| world.mkdir(ROOT, title).unwrap());
        Self { world, albums, asked: 0, under_way: 0, spread: false }
    }

    fn apply(&mut self, op: &Op) {
        let Self { world, albums, asked, under_way, spread } = self;
        let before = *asked;
        let place = |spot: &Spot| (albums[spot.album], NAMES[spot.name]);
        let found = |spot: &Spot| world.lookup_now(albums[spot.album], NAMES[spot.name]);
        match op {
            Op::ByPhone(photo, name) => {
                let (filename, content) = (NAMES[*name].to_owned(), bytes(*photo));
                world.edit(Edit::AddItem { album: None, filename, content, foreign: true });
            }
            Op::Put(spot, photo) => {
                if found(spot).is_none() {
                    let (dir, name) = place(spot);
                    let (_, fh) = world.create(dir, name).unwrap();
                    world.write(fh, 0, &bytes(*photo)).unwrap();
                    world.flush(fh).unwrap();
                    world.release(fh).unwrap();
                    *asked += 1;
                }
            }
            Op::Remove(spot) => {
                let (dir, name) = place(spot);
                let _ = world.unlink(dir, name);
            }
            Op::Rename(from, to) => {
                if found(from).is_some() {
                    world.rename(place(from), place(to), Rename::Replace).unwrap();
                    *asked += 1;
                    *spread |= from.album != to.album;
                }
            }
            Op::Link(from, to) => {
                if let (Some(file), None) = (found(from), found(to)) {
                    let (dir, name) = place(to);
                    world.link(file, dir, name).unwrap();
                    *asked += 1;
                    *spread |= from.album != to.album;
                }
            }
            Op::Refresh(album) => world.refresh(albums[*album]).unwrap(),
            Op::Drain => {
                world.drain();
                *under_way = 0;
            }
            Op::Crash => {
                world.drain();
                *under_way = 0;
                world.crash();
            }
            Op::Restart => {
                world.restart();
                // An upload that is cut off is made once more.
                *asked += *under_way;
                return queues::check(world);
            }
        }
        *under_way += *asked - before;
        queues::check(world);
    }

    fn finish(self, reading: Reading) {
        let Self { world, albums, asked, spread, .. } = self;
        world.drain();
        for album in albums {
            world.refresh(album).unwrap();
        }
        world.drain();
        let dump = world.emulator.dump();
        let hashes: BTreeSet<_> = dump.items.iter().map(|item| item.sha256.clone()).collect();
        assert_eq!(hashes.len(), dump.items.len(), "the same bytes are several items");
        for (album, title) in albums.into_iter().zip(TITLES) {
            let there = &dump.album(title).unwrap().items;
            for name in world.names_now(album) {
                let file = world.lookup_now(album, &name).unwrap();
                let hash = sha256(&world.read(file).unwrap());
                let has = |id: &&String| dump.item(id).unwrap().sha256.as_ref() == Some(&hash);
                let item = there.iter().find(has);
                let item = item.unwrap_or_else(|| panic!("{title} lacks {name}"));
                if dump.item(item).unwrap().foreign && !reading.visible {
                    assert!(world.is_spooled(file), "{title}/{name} is only in the cache");
                    assert!(reading.counted, "nothing says that {title} has {name}");
                }
            }
        }
        let refusals = world.refusals();
        // Google shows the item, and its bytes have gone from here: it takes no further album (reference §11.2b).
        let (of_albums, refusals): (Vec<_>, Vec<_>) =
            refusals.into_iter().partition(|it| it.contains("into a further album"));
        assert!(of_albums.is_empty() || (reading.visible && spread), "{of_albums:?}");
        assert!(refusals.is_empty() || !(reading.visible || reading.counted), "{refusals:?}");
        assert!(refusals.iter().all(|it| it.contains("does not show the item")), "{refusals:?}");
        let sent = world.emulator.stats().requests(Call::UploadRaw);
        assert!(sent <= 2 * asked, "{sent} uploads for {asked} operations");
        assert_eq!(world.emulator.stats().violations, [] as [String; 0]);
    }
}

fn check(cases: u32, rng_seed: RngSeed) {
    let config = Config { cases, rng_seed, failure_persistence: None, ..Config::default() };
    let reading =
        (any::<bool>(), any::<bool>()).prop_map(|(visible, counted)| Reading { visible, counted });
    let sequences = (reading, prop::collection::vec(op(), 1..30));
    let outcome = TestRunner::new(config).run(&sequences, |(reading, ops)| {
        run(reading, &ops);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn run(reading: Reading, ops: &[Op]) {
    let mut run = Run::new(reading);
    ops.iter().for_each(|op| run.apply(op));
    run.finish(reading);
}

#[test]
fn bytes_of_another_program_are_neither_lost_nor_doubled() {
    check(40, RngSeed::Fixed(20190428));
}

#[test]
#[ignore = "takes minutes"]
fn bytes_of_another_program_are_neither_lost_nor_doubled_for_long() {
    check(1000, RngSeed::Random);
}

/// A photo of the phone gets two names in one album, and one in another.
#[test]
fn a_photo_of_the_phone_arrives_under_three_names_in_two_albums() {
    let s = |album, name| Spot { album, name };
    let reading = Reading { visible: false, counted: true };
    for late in [false, true] {
        let mut ops = vec![Op::Put(s(1, 1), 1), Op::Link(s(1, 1), s(0, 0)), Op::Put(s(1, 2), 1)];
        ops.insert(if late { 3 } else { 0 }, Op::ByPhone(1, 1));
        run(reading, &ops);
    }
}

/// Google answers two files of the same bytes with one item that it counts and does not show, while the first of them is sent
/// once more into another album: both arrive, and the drain ends.
#[test]
fn a_hidden_item_is_put_into_an_album_while_its_bytes_are_sent_there() {
    let s = |album, name| Spot { album, name };
    let ops = [
        Op::Put(s(1, 1), 1),
        Op::Put(s(0, 2), 2),
        Op::Link(s(1, 1), s(0, 0)),
        Op::Put(s(1, 2), 1),
        Op::ByPhone(1, 1),
        Op::Restart,
        Op::ByPhone(1, 2),
        Op::ByPhone(0, 0),
        Op::Crash,
    ];
    for _ in 0..4 {
        run(Reading { visible: false, counted: true }, &ops);
    }
}

/// Google shows the phone's item, but does not let this program put it into a further album.
#[test]
fn a_visible_photo_of_the_phone_takes_no_further_album() {
    let s = |album, name| Spot { album, name };
    let ops =
        [Op::ByPhone(1, 0), Op::Put(s(1, 0), 1), Op::Drain, Op::Link(s(1, 0), s(0, 0)), Op::Drain];
    run(Reading { visible: true, counted: false }, &ops);
}

/// A copy of a photo that Google hides arrives, although the first name of the photo goes meanwhile.
#[test]
fn a_copy_of_a_hidden_photo_arrives_although_its_first_name_goes() {
    let s = |album, name| Spot { album, name };
    let ops = [
        Op::ByPhone(1, 0),
        Op::Put(s(0, 0), 1),
        Op::Drain,
        Op::Put(s(1, 2), 1),
        Op::Remove(s(0, 0)),
    ];
    // About one in three came in the order that matters.
    for _ in 0..6 {
        run(Reading { visible: false, counted: true }, &ops);
    }
}
