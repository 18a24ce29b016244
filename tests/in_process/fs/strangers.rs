//! Other users of the machine: the lists that they cause have a share of the day's requests, and the
//! owner's view does not depend on it.

use std::thread;

use gphotosfs::media::Caller;

use super::*;
use crate::support::core::Core;

/// A tenth of the day's API requests.
const SHARE: u64 = 1000;

const STRANGER: Caller = Caller::Other(1001);

const NO_SHARE: Outcome<usize> = Err(Errno(libc::EDQUOT));

/// Everything is due at each access.
const ALWAYS_DUE: [&str; 2] = ["--refresh", "1ms"];

/// A world in which other users have had all of their share but `left` requests.
fn with_share_left(left: u64, options: &[&'static str], seed: impl FnOnce(&World)) -> World {
    let mut world = World::new(options);
    seed(&world);
    // The count is stored after a request.
    world.names(ROOT);
    world.stop();
    let database = world.profile.state_dir().unwrap().join("gphotosfs.db");
    let database = rusqlite::Connection::open(database).unwrap();
    let sql = "UPDATE meta SET value = json_set(value, '$.others_api', ?1) WHERE key = 'budget'";
    assert_eq!(database.execute(sql, [SHARE - left]).unwrap(), 1);
    drop(database);
    world.crash();
    world
}

fn api_requests(world: &World) -> u64 {
    world.emulator.stats().api_requests_today
}

/// How many entries another user sees in a directory.
fn list(core: &Core, dir: Ino) -> Outcome<usize> {
    STRANGER.run(|| core.list(dir)).map(|listed| listed.len())
}

#[test]
fn lists_of_other_users_have_a_share_of_the_day() {
    let world = World::new(&ALWAYS_DUE);
    for at in 0..SHARE + 50 {
        world.edit(Edit::CreateAlbum { title: format!("A{at:04}") });
    }
    let before = api_requests(&world);
    let dirs: Vec<Ino> =
        STRANGER.run(|| world.list(ROOT).unwrap()).iter().map(|it| it.ino).collect();
    let mut listed = 0;
    // `ls -R` in a loop.
    for dir in dirs.iter().chain(&dirs) {
        match list(&world, *dir) {
            Ok(_) => listed += 1,
            refused => assert_eq!(refused, NO_SHARE),
        }
        STRANGER.run(|| assert!(world.lookup(*dir, "nothing").is_err()));
    }
    let spent = api_requests(&world) - before;
    println!("{listed} lists, {spent} requests");
    assert!(spent <= SHARE, "{spent} requests");
    assert!(spent > SHARE * 9 / 10, "{spent} requests, so other users can read");
    world.list(*dirs.last().unwrap()).unwrap();
    assert!(api_requests(&world) - before > spent);
}

#[test]
fn a_first_list_without_a_share_is_refused_and_the_owner_gets_it_at_once() {
    let world = with_share_left(0, &[], |world| world.seed("A", 3));
    let album = world.at("A").unwrap();
    let day = ".gphotos/library/by-day";
    let views: Vec<Ino> = [day, ".gphotos/library/all", ".gphotos/library/by-year/2019"]
        .map(|path| world.at(path).unwrap())
        .into();
    let before = api_requests(&world);
    for dir in views.iter().chain([&album]) {
        assert_eq!(list(&world, *dir), NO_SHARE);
        let found = STRANGER.run(|| world.lookup(album, "IMG_000000.jpg"));
        assert_eq!(found, Err(Errno(libc::EDQUOT)));
        assert_eq!(api_requests(&world), before);
    }
    // None of the refusals counts as a failure.
    assert_eq!(world.names(album).len(), 3);
    views.iter().for_each(|view| drop(world.list(*view).unwrap()));
    // What is known, others may see.
    assert_eq!(list(&world, album), Ok(3));
}

#[test]
fn another_users_refused_list_marks_nothing_as_fresh() {
    let mut world = with_share_left(0, &ALWAYS_DUE, |world| world.seed("A", 3));
    let album = world.at("A").unwrap();
    let (view, root) = (world.at(".gphotos/library/all").unwrap(), ROOT);
    for dir in [album, view, root] {
        world.list(dir).unwrap();
    }
    // Ends the lists that the owner has caused.
    world.restart();
    world.edit(Edit::Seed { album: Some("A".into()), count: 1, size: 5000, prefix: "NEW_".into() });
    world.edit(Edit::CreateAlbum { title: "B".into() });
    let before = api_requests(&world);
    STRANGER.run(|| {
        for _ in 0..3 {
            assert_eq!(world.names(album).len(), 3);
            assert_eq!(world.names(root), ["A"]);
            world.list(view).unwrap();
            let found = world.fs.lookup_now(ROOT, b"A").unwrap().unwrap();
            assert_eq!(found.ttl, Duration::ZERO, "the owner's next look-up must come here");
        }
    });
    assert_eq!(api_requests(&world), before);
    // The owner's first access finds each of them due.
    wait_for("the owner to see the new item", || world.names(album).len() == 4);
    wait_for("the owner to see the new album", || world.names(root).len() == 2);
    wait_for("the owner to see it in the view", || world.names(view).len() == 4);
}

#[test]
fn a_list_that_the_owner_joins_is_the_owners() {
    // Three pages, and a share for two.
    let world = with_share_left(2, &[], |world| world.seed("A", 250));
    let album = world.at("A").unwrap();
    let first_page = world.emulator.barrier(Call::MediaItemsSearch, 1, Moment::Request);
    thread::scope(|scope| {
        let core = world.core();
        let stranger = scope.spawn(move || list(core, album));
        world.wait(first_page.arrived());
        world.fs.opendir(album).unwrap();
        first_page.release();
        assert_eq!(world.names(album).len(), 250);
        // The stranger reads on as long as the owner does, or has had the share.
        let seen = stranger.join().unwrap();
        assert!(seen == Ok(250) || seen == NO_SHARE, "{seen:?}");
    });
}

#[test]
fn a_list_that_is_refused_halfway_begins_anew_for_the_owner() {
    let world = with_share_left(2, &[], |world| world.seed("A", 250));
    let album = world.at("A").unwrap();
    let before = api_requests(&world);
    assert_eq!(list(&world, album), NO_SHARE);
    assert_eq!(api_requests(&world) - before, 2);
    // The pages that came can be read.
    let first = STRANGER.run(|| world.lookup(album, "IMG_000249.jpg"));
    let last = STRANGER.run(|| world.lookup(album, "IMG_000000.jpg"));
    assert!(first.is_ok() ^ last.is_ok(), "{first:?} {last:?}");
    assert_eq!(world.names(album).len(), 250);
}

#[test]
fn a_download_address_costs_a_request_of_the_share() {
    let mut world = with_share_left(0, &[], |world| world.seed("A", 3));
    let album = world.at("A").unwrap();
    let file = world.lookup(album, "IMG_000000.jpg").unwrap();
    // The addresses that came with the list are gone with the process.
    world.restart();
    let before = api_requests(&world);
    let read = || STRANGER.run(|| world.read(file)).map(|bytes| bytes.len());
    assert_eq!(read(), Err(Errno(libc::EDQUOT)));
    assert_eq!(api_requests(&world), before);
    assert_eq!(world.read(file).unwrap().len(), 5000);
    assert_eq!(read(), Ok(5000));
}
