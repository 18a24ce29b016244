//! The requests that operations cost.

use super::*;

#[test]
fn listing_costs_one_request_for_each_hundred_items_and_the_second_time_none() {
    for (items, pages) in [(1, 1), (101, 2), (250, 3)] {
        let world = World::new(&[]);
        world.seed("Trip", items);
        let trip = world.at("Trip").unwrap();
        let cost = world.cost(|| assert_eq!(world.list(trip).unwrap().len() as u64, items));
        assert_eq!(cost, [(Call::MediaItemsSearch, pages)], "{items} items");
        let cost = world.cost(|| assert_eq!(world.list(trip).unwrap().len() as u64, items));
        assert_eq!(cost, [], "{items} items again");
    }
}

#[test]
fn lookups_cost_the_album_list_once_and_one_listing_per_album() {
    let world = World::new(&[]);
    world.seed("Trip", 3);
    let cost = world.cost(|| {
        let _ = world.lookup(ROOT, "Trip").unwrap();
    });
    assert_eq!(cost, [(Call::AlbumsList, 1)]);
    let trip = world.at("Trip").unwrap();
    let cost = world.cost(|| {
        let _ = world.lookup(trip, "IMG_000001.jpg").unwrap();
    });
    // To be looked up is to be shown with a size.
    assert_eq!(cost, [(Call::MediaItemsSearch, 1), (Call::Download, 1)]);
    world.list(trip).unwrap();
    let cost = world.cost(|| assert_eq!(world.lookup(trip, "no.jpg"), Err(Errno(libc::ENOENT))));
    assert_eq!(cost, []);
}

#[test]
fn sizes_cost_one_media_request_each_and_are_kept() {
    let mut world = World::new(&[]);
    world.seed("Trip", 20);
    let listed = world.list(world.at("Trip").unwrap()).unwrap();
    let cost = world.cost(|| assert_eq!(stat_all(&world, &listed), 20 * 5000));
    assert_eq!(cost, [(Call::Download, 20)]);
    world.restart();
    let cost = world.cost(|| assert_eq!(stat_all(&world, &listed), 20 * 5000));
    assert_eq!(cost, []);
}

#[test]
fn lookups_of_a_few_files_cost_only_their_sizes() {
    let mut world = World::new(&[]);
    world.seed("Trip", 600);
    let trip = world.at("Trip").unwrap();
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
    let world = World::new(&[]);
    world.edit(Edit::Seed { album: None, count: 600, size: 5000, prefix: "IMG_".into() });
    let all = world.at(".gphotos/library/all").unwrap();
    let names = world.names(all);
    let cost = world.cost(|| {
        for name in &names[..60] {
            let file = world.lookup(all, name).unwrap();
            assert_eq!(world.read(file).unwrap().len(), 5000);
        }
    });
    assert_eq!(cost, [(Call::Download, 120)]);
}

#[test]
fn a_look_at_one_file_of_a_directory_just_listed_costs_only_its_size() {
    let world = World::new(&[]);
    world.seed("Trip", 60);
    let trip = world.at("Trip").unwrap();
    let names = world.names(trip);
    let cost = world.cost(|| assert!(world.lookup(trip, &names[20]).is_ok()));
    assert_eq!(cost, [(Call::Download, 1)]);
}

fn look_up_all(world: &World, dir: Ino, names: &[String]) {
    for name in names {
        world.lookup(dir, name).unwrap();
    }
}

#[test]
fn lookups_of_all_files_fetch_many_sizes_at_a_time() {
    let world = World::new(&[]);
    world.seed("Trip", 600);
    let trip = world.at("Trip").unwrap();
    let names = world.names(trip);
    world.emulator.faults(|faults| faults.on(Call::Download).latency_ms = 100);
    let mut took = Duration::ZERO;
    let cost = world.cost(|| {
        took = timed(|| look_up_all(&world, trip, &names)).1;
    });
    assert_eq!(cost, [(Call::Download, 600)]);
    assert!(took < Duration::from_secs(20), "one after the other: {took:?}");
}

#[test]
fn sizes_of_an_album_cost_one_batch_get_per_fifty_items() {
    let mut world = World::new(&[]);
    world.seed("Trip", 1500);
    let trip = world.at("Trip").unwrap();
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
    let world = World::new(&[]);
    world.seed("Trip", 2);
    let listed = world.list(world.at("Trip").unwrap()).unwrap();
    let cost = world.cost(|| assert_eq!(world.read(listed[0].ino).unwrap().len(), 5000));
    assert_eq!(cost, [(Call::Download, 1)]);
    let cost = world.cost(|| assert_eq!(world.read(listed[0].ino).unwrap().len(), 5000));
    assert_eq!(cost, []);
}

#[test]
fn mkdir_costs_one_request_once_the_albums_are_known() {
    let world = World::new(&[]);
    let cost = world.cost(|| {
        let _ = world.mkdir(ROOT, "A").unwrap();
    });
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::AlbumsCreate, 1)]);
    let cost = world.cost(|| {
        let _ = world.mkdir(ROOT, "B").unwrap();
    });
    assert_eq!(cost, [(Call::AlbumsCreate, 1)]);
    assert_eq!(world.mkdir(ROOT, "B"), Err(Errno(libc::EEXIST)));
}

/// Reads a directory from `offset` until `enough` entries have come; returns where to go on.
fn read_some(world: &World, dir: Ino, mut offset: u64, enough: usize) -> u64 {
    let mut count = 0;
    world.fs.opendir(dir).unwrap();
    while count < enough {
        let page = world.wait(world.fs.readdir(dir, offset)).unwrap();
        count += page.len();
        offset = page.last().unwrap().next;
    }
    offset
}

#[test]
fn a_reader_that_stops_costs_one_page_ahead_and_one_that_continues_costs_each_page_once() {
    let world = World::new(&[]);
    world.seed("Big", 2000);
    world.seed("Other", 1000);
    let (big, other) = (world.at("Big").unwrap(), world.at("Other").unwrap());
    let mut stopped = 0;
    let cost = world.cost(|| {
        stopped = read_some(&world, big, 0, 10);
        // Time enough for the other listing to go further, if it did.
        assert_eq!(world.list(other).unwrap().len(), 1000);
    });
    assert_eq!(cost, [(Call::MediaItemsSearch, 2 + 10)]);
    let cost = world.cost(|| {
        stopped = read_some(&world, big, stopped, 500);
        // Somebody else reads from the beginning meanwhile.
        assert_eq!(world.list(big).unwrap().len(), 2000);
        read_some(&world, big, stopped, 1000);
    });
    assert_eq!(cost, [(Call::MediaItemsSearch, 18)]);
}

#[test]
fn a_lookup_lists_page_by_page_until_it_finds_the_name() {
    let world = World::new(&[]);
    world.seed("Big", 2000);
    let big = world.at("Big").unwrap();
    let cost = world.cost(|| {
        world.wait(world.fs.lookup(big, b"IMG_000350.jpg")).unwrap();
    });
    let pages = cost.iter().find(|(call, _)| *call == Call::MediaItemsSearch).unwrap().1;
    assert!((4..=5).contains(&pages), "{pages}");
    let cost = world.cost(|| assert_eq!(world.lookup(big, "no.jpg"), Err(Errno(libc::ENOENT))));
    let rest = cost.iter().find(|(call, _)| *call == Call::MediaItemsSearch).unwrap().1;
    assert_eq!(pages + rest, 20);
}

#[test]
fn a_refresh_does_not_continue_an_abandoned_listing() {
    let world = World::new(&[]);
    world.seed("Big", 500);
    let big = world.at("Big").unwrap();
    read_some(&world, big, 0, 10);
    wait_for("the page ahead to be asked for", || {
        world.emulator.stats().requests(Call::MediaItemsSearch) == 2
    });
    world.edit(Edit::RemoveFromAlbum { album: "Big".into(), item: "IMG_000001.jpg".into() });
    let cost = world.cost(|| world.refresh(big).unwrap());
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 5)]);
    let names = world.names(big);
    assert!(!names.contains(&"IMG_000001.jpg".to_owned()) && names.len() == 499, "{}", names.len());
}

#[test]
fn a_second_start_lists_from_the_database() {
    let mut world = World::new(&[]);
    world.seed("Trip", 150);
    let before = world.list(world.at("Trip").unwrap()).unwrap();
    world.restart();
    let cost = world.cost(|| assert_eq!(world.list(world.at("Trip").unwrap()).unwrap(), before));
    assert_eq!(cost, []);
}

#[test]
fn a_refresh_costs_the_album_list_and_the_listing_of_one_album() {
    let world = World::new(&[]);
    world.seed("Trip", 150);
    let trip = world.at("Trip").unwrap();
    assert_eq!(world.list(trip).unwrap().len(), 150);
    world.edit(Edit::RemoveFromAlbum { album: "Trip".into(), item: "IMG_000001.jpg".into() });
    let cost = world.cost(|| world.refresh(trip).unwrap());
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 2)]);
    assert_eq!(world.list(trip).unwrap().len(), 149);
}

#[test]
fn unknown_sizes_are_not_requested_at_each_stat() {
    let world = World::new(&[]);
    world.seed("Trip", 5);
    let listed = world.list(world.at("Trip").unwrap()).unwrap();
    world.emulator.faults(|faults| {
        faults
            .on(Call::Download)
            .failures
            .push(Injection { rate: 1.0, ..Injection::new(Failure::NotFound) });
    });
    stat_all(&world, &listed);
    let cost = world.cost(|| {
        let _ = stat_all(&world, &listed);
    });
    assert_eq!(cost, []);
}

/// Copies photos into an album and waits until they have arrived.
fn copy(world: &World, album: Ino, seeds: std::ops::Range<u32>) {
    for seed in seeds {
        let name = format!("{seed}.jpg");
        match world.lookup_now(album, &name) {
            Some(file) => rewrite(world, file, &photo(seed)),
            None => drop(world.copy_in(album, &name, &photo(seed)).unwrap()),
        }
    }
    world.sync(album).unwrap();
}

#[test]
fn a_long_copy_into_a_new_album_costs_few_requests_besides_the_uploads() {
    let world = World::new(&[]);
    let album = world.mkdir(ROOT, "New").unwrap();
    let cost = world.cost(|| copy(&world, album, 0..1000));
    println!("{cost:?}");
    let all: u64 = cost.iter().map(|it| it.1).sum();
    assert!(all * 100 <= 1000 * 105, "{cost:?}");
    assert_eq!(world.store.backlog().unwrap().unseen, 0);
}

/// Listing 3,000 items to release the bytes of one would cost thirty requests.
#[test]
fn a_photo_for_a_large_album_arrives_with_one_read_and_its_bytes_stay_here() {
    let world = World::new(&[]);
    world.seed("Large", 3000);
    let album = world.at("Large").unwrap();
    assert_eq!(world.list(album).unwrap().len(), 3000);
    let cost = world.cost(|| copy(&world, album, 0..1));
    let calls = [Call::MediaItemsBatchGet, Call::MediaItemsBatchCreate, Call::UploadRaw];
    assert_eq!(cost, calls.map(|call| (call, 1)));
    assert_eq!(world.store.backlog().unwrap().unseen, 1);
    assert_eq!(
        world
            .pipeline
            .spool()
            .path(file_id(world.lookup_now(album, "0.jpg").unwrap()))
            .metadata()
            .unwrap()
            .len(),
        3000
    );
    // The next list of the album proves it, whatever it was made for.
    world.refresh(album).unwrap();
    wait_for("the bytes to be released", || {
        world.pipeline.wake();
        world.store.backlog().unwrap().unseen == 0
    });
    // The same photo again is a duplicate of an item that is certain to be there only after a list.
    let again = world.cost(|| copy(&world, album, 0..1));
    assert_eq!(again.iter().map(|it| it.0).collect::<Vec<_>>(), [Call::MediaItemsSearch]);
}
