//! Results when the service is slow, wrong or unreachable.

use super::*;

/// An operation without a network ends within this time.
const OFFLINE_DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn without_a_network_listings_are_told_from_what_is_kept_and_the_rest_fails_in_time() {
    let mut world = World::new();
    world.seed("Trip", 3);
    world.seed("Unseen", 3);
    let trip = world.dir("Trip");
    let listed = world.list(trip);
    assert_eq!(world.stat_all(&listed[..1]), 5000);
    world.download(listed[0].ino);
    world.restart();
    world.go_offline();
    assert_eq!(world.list(trip), listed);
    assert_eq!(world.try_read(listed[0].ino).unwrap().len(), 5000);
    let unseen = world.dir("Unseen");
    for (what, outcome) in [
        ("read", timed(|| world.try_read(listed[1].ino).map(drop))),
        ("readdir", timed(|| world.try_list(unseen).map(drop))),
        ("lookup", timed(|| world.lookup(unseen, "x").map(drop))),
        ("mkdir", timed(|| world.mkdir("New").map(drop))),
    ] {
        assert_eq!(outcome.0, Err(errno(libc::EHOSTUNREACH)), "{what}");
        assert!(outcome.1 < OFFLINE_DEADLINE, "{what} took {:?}", outcome.1);
    }
    // Writing goes on.
    let made = world.create(trip, "new.jpg", &photo(1));
    assert_eq!(world.try_read(made).unwrap(), photo(1));
}

#[test]
fn without_a_network_unknown_sizes_do_not_hold_up_a_listing() {
    let mut world = World::new();
    world.seed("Trip", 40);
    let listed = world.list(world.dir("Trip"));
    world.go_offline();
    let (sum, took) = timed(|| world.stat_all(&listed));
    assert_eq!(sum, 0);
    assert!(took < OFFLINE_DEADLINE, "{took:?}");
}

#[test]
fn a_service_that_does_not_answer_holds_up_a_listing_once_not_for_each_item() {
    let world = World::new();
    world.seed("Trip", 40);
    let listed = world.list(world.dir("Trip"));
    world.emulator().faults(|faults| {
        faults
            .on(Call::Download)
            .failures
            .push(Injection { rate: 1.0, ..Injection::new(Failure::Stall) });
    });
    let (sum, took) = timed(|| world.stat_all(&listed));
    assert_eq!(sum, 0);
    assert!(took < OFFLINE_DEADLINE, "{took:?}");
}

#[test]
fn a_file_that_cannot_be_spooled_leaves_no_name() {
    let world = World::new();
    let trip = world.mkdir("Trip").unwrap();
    let spool = Profile::under(world.dir.path()).state_dir().unwrap().join("spool");
    std::fs::remove_dir_all(&spool).unwrap();
    assert!(world.fs().create(trip, b"a.jpg").is_err());
    assert_eq!(world.names(trip), [""; 0]);
    std::fs::create_dir(&spool).unwrap();
    world.create(trip, "a.jpg", &photo(1));
}

#[test]
fn a_listing_that_breaks_off_fails_and_is_whole_the_next_time() {
    let world = World::new();
    world.seed("Trip", 450);
    let trip = world.dir("Trip");
    world.emulator().faults(|faults| {
        let failure = Injection::new(Failure::PermissionDenied);
        faults.on(Call::MediaItemsSearch).failures.push(Injection {
            skip: 2,
            rate: 1.0,
            ..failure
        });
    });
    assert_eq!(world.try_list(trip).unwrap_err(), errno(libc::EACCES));
    world.emulator().faults(|faults| faults.calls.clear());
    assert_eq!(world.list(trip).len(), 450);
}

#[test]
fn odd_pages_give_each_item_once() {
    let world = World::new();
    world.seed("Trip", 250);
    world.emulator().faults(|faults| {
        faults.short_pages = true;
        faults.empty_pages = true;
        faults.overlapping_pages = true;
        faults.trailing_page = true;
    });
    let mut names = world.names(world.dir("Trip"));
    let listed = names.len();
    names.sort();
    names.dedup();
    assert_eq!((listed, names.len()), (250, 250));
}
