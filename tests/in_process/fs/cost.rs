//! The requests that operations cost.

use super::*;

#[test]
fn listing_costs_one_request_for_each_hundred_items_and_the_second_time_none() {
    for (items, pages) in [(1, 1), (101, 2), (250, 3)] {
        let world = World::new();
        world.seed("Trip", items);
        let trip = world.dir("Trip");
        let cost = world.cost(|| assert_eq!(world.list(trip).len() as u64, items));
        assert_eq!(cost, [(Call::MediaItemsSearch, pages)], "{items} items");
        let cost = world.cost(|| assert_eq!(world.list(trip).len() as u64, items));
        assert_eq!(cost, [], "{items} items again");
    }
}

#[test]
fn looking_a_name_up_costs_the_album_list_once_and_a_listing_for_each_album_once() {
    let world = World::new();
    world.seed("Trip", 3);
    let cost = world.cost(|| {
        let _ = world.lookup(ROOT, "Trip").unwrap();
    });
    assert_eq!(cost, [(Call::AlbumsList, 1)]);
    let trip = world.dir("Trip");
    let cost = world.cost(|| {
        let _ = world.lookup(trip, "IMG_000001.jpg").unwrap();
    });
    // To be looked up is to be shown with a size.
    assert_eq!(cost, [(Call::MediaItemsSearch, 1), (Call::Download, 1)]);
    world.list(trip);
    let cost = world.cost(|| assert_eq!(world.lookup(trip, "no.jpg"), Err(errno(libc::ENOENT))));
    assert_eq!(cost, []);
}

#[test]
fn sizes_cost_one_media_request_each_and_are_kept() {
    let mut world = World::new();
    world.seed("Trip", 20);
    let listed = world.list(world.dir("Trip"));
    let cost = world.cost(|| assert_eq!(world.stat_all(&listed), 20 * 5000));
    assert_eq!(cost, [(Call::Download, 20)]);
    world.restart();
    let cost = world.cost(|| assert_eq!(world.stat_all(&listed), 20 * 5000));
    assert_eq!(cost, []);
}

#[test]
fn looking_a_few_files_up_costs_their_sizes_and_no_others() {
    let mut world = World::new();
    world.seed("Trip", 600);
    let trip = world.dir("Trip");
    let names = world.names(trip);
    world.restart();
    let cost = world.cost(|| {
        for name in names.iter().step_by(60) {
            world.lookup(trip, name).unwrap();
        }
    });
    let asked = |call| cost.iter().find(|(it, _)| *it == call).map_or(0, |(_, count)| *count);
    assert_eq!((asked(Call::Download), asked(Call::MediaItemsBatchGet)), (10, 10), "{cost:?}");
}

#[test]
fn reading_files_one_by_one_costs_their_sizes_and_bytes_and_few_others() {
    let world = World::new();
    world.edit(Edit::Seed { album: None, count: 600, size: 5000, prefix: "IMG_".into() });
    let all = world.dir(".gphotos/library/all");
    let names = world.names(all);
    let cost = world.cost(|| {
        for name in &names[..60] {
            let file = world.lookup(all, name).unwrap();
            assert_eq!(world.try_read(file).unwrap().len(), 5000);
        }
    });
    // Somebody has listed them: the first look-up may have been that of `ls -l`.
    let (first, rest) = cost.split_first().unwrap();
    assert!(first.0 == Call::Download && (120..=150).contains(&first.1), "{cost:?}");
    assert_eq!(rest, []);
}

fn look_up_all(world: &World, dir: Ino, names: &[String]) {
    for name in names {
        world.lookup(dir, name).unwrap();
    }
}

#[test]
fn looking_all_files_up_asks_for_many_sizes_at_a_time() {
    let world = World::new();
    world.seed("Trip", 600);
    let trip = world.dir("Trip");
    let names = world.names(trip);
    world.emulator().faults(|faults| faults.on(Call::Download).latency_ms = 100);
    let mut took = Duration::ZERO;
    let cost = world.cost(|| {
        took = timed(|| look_up_all(&world, trip, &names)).1;
    });
    assert_eq!(cost, [(Call::Download, 600)]);
    assert!(took < Duration::from_secs(20), "one after the other: {took:?}");
}

#[test]
fn sizes_of_an_album_cost_an_address_for_each_fifty() {
    let mut world = World::new();
    world.seed("Trip", 1500);
    let trip = world.dir("Trip");
    world.names(trip);
    world.restart();
    let names = world.names(trip);
    let cost = world.cost(|| look_up_all(&world, trip, &names));
    let (addresses, sizes) = (cost[0], cost[1]);
    // 30 if each brought fifty that nobody else had asked for; how near it comes is a matter of time. An address that is
    // asked for although it has just come makes it more than 60.
    assert!(addresses.0 == Call::MediaItemsBatchGet && addresses.1 <= 60, "{cost:?}");
    assert_eq!(sizes, (Call::Download, 1500));
}

#[test]
fn reading_an_item_costs_one_media_request_and_the_second_time_none() {
    let world = World::new();
    world.seed("Trip", 2);
    let listed = world.list(world.dir("Trip"));
    let cost = world.cost(|| assert_eq!(world.try_read(listed[0].ino).unwrap().len(), 5000));
    assert_eq!(cost, [(Call::Download, 1)]);
    let cost = world.cost(|| assert_eq!(world.try_read(listed[0].ino).unwrap().len(), 5000));
    assert_eq!(cost, []);
}

#[test]
fn mkdir_costs_one_request_once_the_albums_are_known() {
    let world = World::new();
    let cost = world.cost(|| {
        let _ = world.mkdir("A").unwrap();
    });
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::AlbumsCreate, 1)]);
    let cost = world.cost(|| {
        let _ = world.mkdir("B").unwrap();
    });
    assert_eq!(cost, [(Call::AlbumsCreate, 1)]);
    assert_eq!(world.mkdir("B"), Err(errno(libc::EEXIST)));
}

/// Reads a directory from `offset` until `enough` entries have come; returns where to go on.
fn read_some(world: &World, dir: Ino, mut offset: u64, enough: usize) -> u64 {
    let mut count = 0;
    world.fs().opendir(dir).unwrap();
    while count < enough {
        let page = world.runtime.block_on(world.fs().readdir(dir, offset)).unwrap();
        count += page.len();
        offset = page.last().unwrap().next;
    }
    offset
}

#[test]
fn who_stops_reading_costs_a_page_ahead_and_who_goes_on_costs_each_page_once() {
    let world = World::new();
    world.seed("Big", 2000);
    world.seed("Other", 1000);
    let (big, other) = (world.dir("Big"), world.dir("Other"));
    let mut stopped = 0;
    let cost = world.cost(|| {
        stopped = read_some(&world, big, 0, 10);
        // Time enough for the other listing to go further, if it did.
        assert_eq!(world.list(other).len(), 1000);
    });
    assert_eq!(cost, [(Call::MediaItemsSearch, 2 + 10)]);
    let cost = world.cost(|| {
        stopped = read_some(&world, big, stopped, 500);
        // Somebody else reads from the beginning meanwhile.
        assert_eq!(world.list(big).len(), 2000);
        read_some(&world, big, stopped, 1000);
    });
    assert_eq!(cost, [(Call::MediaItemsSearch, 18)]);
}

#[test]
fn whether_a_name_exists_is_asked_page_by_page() {
    let world = World::new();
    world.seed("Big", 2000);
    let big = world.dir("Big");
    let cost = world.cost(|| {
        world.runtime.block_on(world.fs().lookup(big, b"IMG_000350.jpg")).unwrap();
    });
    let pages = cost.iter().find(|(call, _)| *call == Call::MediaItemsSearch).unwrap().1;
    assert!((4..=5).contains(&pages), "{pages}");
    let cost = world.cost(|| assert_eq!(world.lookup(big, "no.jpg"), Err(errno(libc::ENOENT))));
    let rest = cost.iter().find(|(call, _)| *call == Call::MediaItemsSearch).unwrap().1;
    assert_eq!(pages + rest, 20);
}

#[test]
fn a_refresh_does_not_go_on_with_a_listing_that_somebody_has_left() {
    let world = World::new();
    world.seed("Big", 500);
    let big = world.dir("Big");
    read_some(&world, big, 0, 10);
    wait_for("the page ahead to be asked for", || {
        world.emulator().stats().requests(Call::MediaItemsSearch) == 2
    });
    world.edit(Edit::RemoveFromAlbum { album: "Big".into(), item: "IMG_000001.jpg".into() });
    let cost = world.cost(|| world.refresh(big));
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 5)]);
    let names = world.names(big);
    assert!(!names.contains(&"IMG_000001.jpg".to_owned()) && names.len() == 499, "{}", names.len());
}

#[test]
fn a_second_start_of_the_program_lists_from_what_is_kept() {
    let mut world = World::new();
    world.seed("Trip", 150);
    let before = world.list(world.dir("Trip"));
    world.restart();
    let cost = world.cost(|| assert_eq!(world.list(world.dir("Trip")), before));
    assert_eq!(cost, []);
}

#[test]
fn a_refresh_costs_the_album_list_and_the_listing_of_one_album() {
    let world = World::new();
    world.seed("Trip", 150);
    let trip = world.dir("Trip");
    assert_eq!(world.list(trip).len(), 150);
    world.edit(Edit::RemoveFromAlbum { album: "Trip".into(), item: "IMG_000001.jpg".into() });
    let cost = world.cost(|| world.refresh(trip));
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 2)]);
    assert_eq!(world.list(trip).len(), 149);
}

#[test]
fn items_without_a_size_are_not_asked_for_again_at_each_look() {
    let world = World::new();
    world.seed("Trip", 5);
    let listed = world.list(world.dir("Trip"));
    world.emulator().faults(|faults| {
        faults
            .on(Call::Download)
            .failures
            .push(Injection { rate: 1.0, ..Injection::new(Failure::NotFound) });
    });
    world.stat_all(&listed);
    let cost = world.cost(|| {
        let _ = world.stat_all(&listed);
    });
    assert_eq!(cost, []);
}

#[test]
fn an_album_list_that_fails_is_not_asked_for_at_each_look() {
    let world = World::with(&["--refresh", "0s"]);
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    world.list(trip);
    world.emulator().faults(|faults| {
        let failure = Injection::new(Failure::PermissionDenied);
        faults.on(Call::AlbumsList).failures.push(Injection { rate: 1.0, ..failure });
    });
    let cost = world.cost(|| {
        for _ in 0..20 {
            world.list(trip);
            // Each look sees how the one before has ended.
            world.pause(50);
        }
    });
    let asked: u64 = cost.iter().map(|(_, count)| count).sum();
    assert!(asked <= 2, "{cost:?}");
}
