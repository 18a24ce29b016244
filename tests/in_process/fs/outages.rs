//! Results when the service is slow, wrong or unreachable.

use super::*;

/// An operation without a network ends within this time.
const OFFLINE_DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn without_a_network_known_directories_are_listed_and_the_rest_fails_in_time() {
    let mut world = World::new(&[]);
    world.seed("Trip", 3);
    world.seed("Unseen", 3);
    let trip = world.at("Trip").unwrap();
    let listed = world.list(trip).unwrap();
    assert_eq!(stat_all(&world, &listed[..1]), 5000);
    download(&world, listed[0].ino);
    world.restart();
    world.emulator.go_away();
    assert_eq!(world.list(trip).unwrap(), listed);
    assert_eq!(world.read(listed[0].ino).unwrap().len(), 5000);
    let unseen = world.at("Unseen").unwrap();
    for (what, outcome) in [
        ("read", timed(|| world.read(listed[1].ino).map(drop))),
        ("readdir", timed(|| world.list(unseen).map(drop))),
        ("lookup", timed(|| world.lookup(unseen, "x").map(drop))),
        ("mkdir", timed(|| world.mkdir(ROOT, "New").map(drop))),
    ] {
        assert_eq!(outcome.0, Err(Errno(libc::EHOSTUNREACH)), "{what}");
        assert!(outcome.1 < OFFLINE_DEADLINE, "{what} took {:?}", outcome.1);
    }
    // Writing goes on.
    let made = world.copy_in(trip, "new.jpg", &photo(1)).unwrap();
    assert_eq!(world.read(made).unwrap(), photo(1));
}

#[test]
fn without_a_network_unknown_sizes_do_not_block_a_listing() {
    let mut world = World::new(&[]);
    world.seed("Trip", 40);
    let listed = world.list(world.at("Trip").unwrap()).unwrap();
    world.emulator.go_away();
    let (sum, took) = timed(|| stat_all(&world, &listed));
    assert_eq!(sum, 0);
    assert!(took < OFFLINE_DEADLINE, "{took:?}");
}

#[test]
fn an_unresponsive_service_delays_a_listing_once_and_not_per_item() {
    let world = World::new(&[]);
    world.seed("Trip", 40);
    let listed = world.list(world.at("Trip").unwrap()).unwrap();
    world.emulator.faults(|faults| {
        faults
            .on(Call::Download)
            .failures
            .push(Injection { rate: 1.0, ..Injection::new(Failure::Stall) });
    });
    let (sum, took) = timed(|| stat_all(&world, &listed));
    assert_eq!(sum, 0);
    assert!(took < OFFLINE_DEADLINE, "{took:?}");
}

#[test]
fn a_file_that_cannot_be_spooled_leaves_no_name() {
    let world = World::new(&[]);
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    let spool = world.profile.state_dir().unwrap().join("spool");
    std::fs::remove_dir_all(&spool).unwrap();
    assert!(world.fs.create(trip, b"a.jpg").is_err());
    assert_eq!(world.names(trip), [""; 0]);
    std::fs::create_dir(&spool).unwrap();
    world.copy_in(trip, "a.jpg", &photo(1)).unwrap();
}

#[test]
fn an_interrupted_listing_fails_and_the_next_one_is_complete() {
    let world = World::new(&[]);
    world.seed("Trip", 450);
    let trip = world.at("Trip").unwrap();
    world.emulator.faults(|faults| {
        let failure = Injection::new(Failure::PermissionDenied);
        faults.on(Call::MediaItemsSearch).failures.push(Injection {
            skip: 2,
            rate: 1.0,
            ..failure
        });
    });
    assert_eq!(world.list(trip).unwrap_err(), Errno(libc::EACCES));
    world.emulator.faults(|faults| faults.calls.clear());
    assert_eq!(world.list(trip).unwrap().len(), 450);
}

#[test]
fn short_empty_and_overlapping_pages_list_each_item_once() {
    let world = World::new(&[]);
    world.seed("Trip", 250);
    world.emulator.faults(|faults| {
        faults.short_pages = true;
        faults.empty_pages = true;
        faults.overlapping_pages = true;
        faults.trailing_page = true;
    });
    let mut names = world.names(world.at("Trip").unwrap());
    let listed = names.len();
    names.sort();
    names.dedup();
    assert_eq!((listed, names.len()), (250, 250));
}
