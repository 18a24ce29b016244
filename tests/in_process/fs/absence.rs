//! Listings that show less than there is. A mount believes them only if something else agrees.

use gphotosfs_emulator::{ListingFault, Omission};

use super::*;

/// For so many passes, listings of a kind leave something out.
fn lie(world: &World, call: Call, passes: u32, omission: Omission) {
    world.emulator.faults(|faults| {
        faults.listing_faults.push(ListingFault { call, album: None, passes, omission });
    });
}

/// A mount of an album of so many items, all listed, one of them under another name and under a
/// second one.
fn listed(items: u64) -> (World, Ino, Vec<(String, u64)>) {
    let world = World::new(&[]);
    world.seed("Trip", items);
    let trip = world.at("Trip").unwrap();
    world.list(trip).unwrap();
    let last = format!("IMG_{:06}.jpg", items - 1);
    let file = world.lookup(trip, &last).unwrap();
    let rename = world.fs.rename((trip, last.as_bytes()), (trip, b"mine.jpg"), Rename::NoReplace);
    world.wait(rename).unwrap();
    world.fs.link(file, trip, b"second.jpg").unwrap();
    let names = entries(&world, trip);
    assert_eq!(names.len() as u64, items + 1);
    (world, trip, names)
}

/// The names in a directory, with their inode numbers.
fn entries(world: &World, dir: Ino) -> Vec<(String, u64)> {
    let listed = world.list(dir).unwrap();
    let mut names: Vec<_> =
        listed.into_iter().map(|it| (String::from_utf8(it.name).unwrap(), it.ino.0)).collect();
    names.sort();
    names
}

#[test]
fn a_list_that_ends_early_takes_nothing_however_often() {
    for pages in [0, 1, 2] {
        let (world, trip, names) = listed(250);
        lie(&world, Call::MediaItemsSearch, 4, Omission::EndsAfter(pages));
        let missing = 250 - 100 * u64::from(pages);
        let cost = world.cost(|| world.refresh(trip).unwrap());
        // Two passes, and the missing by their ids, fifty to a request.
        let mut expected = vec![
            (Call::AlbumsList, 1),
            (Call::MediaItemsSearch, 2 * u64::from(pages.max(1))),
            (Call::MediaItemsBatchGet, missing.div_ceil(50)),
        ];
        expected.sort();
        assert_eq!(cost, expected, "{pages} pages");
        assert_eq!(entries(&world, trip), names);
        world.refresh(trip).unwrap();
        assert_eq!(entries(&world, trip), names);
        let cost = world.cost(|| world.refresh(trip).unwrap());
        assert_eq!(cost, [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 3)], "whole again");
        assert_eq!(entries(&world, trip), names);
    }
}

#[test]
fn of_a_list_that_ends_early_only_deleted_items_go_and_come_back_whole() {
    let (world, trip, names) = listed(250);
    lie(&world, Call::MediaItemsSearch, 2, Omission::EndsAfter(1));
    let deleted = [names[0].0.clone(), "IMG_000249.jpg".to_owned(), "IMG_000200.jpg".to_owned()];
    for item in &deleted {
        world.edit(Edit::MoveToBin { item: item.clone() });
    }
    world.refresh(trip).unwrap();
    let left: Vec<_> = names
        .iter()
        .filter(|(name, _)| {
            !["mine.jpg", "second.jpg", "IMG_000000.jpg", "IMG_000200.jpg"].contains(&&**name)
        })
        .cloned()
        .collect();
    assert_eq!(entries(&world, trip), left);
    for item in deleted {
        world.edit(Edit::RestoreFromBin { item });
    }
    world.refresh(trip).unwrap();
    assert_eq!(entries(&world, trip), names);
}

#[test]
fn items_that_are_many_too_many_to_ask_about_stay() {
    let (world, trip, names) = listed(800);
    lie(&world, Call::MediaItemsSearch, 2, Omission::EndsAfter(1));
    let cost = world.cost(|| world.refresh(trip).unwrap());
    let expected =
        [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 2), (Call::MediaItemsBatchGet, 10)];
    assert_eq!(cost, expected);
    assert_eq!(entries(&world, trip), names);
}

#[test]
fn a_first_list_that_ends_early_is_made_again() {
    let world = World::new(&[]);
    world.seed("Trip", 250);
    let trip = world.at("Trip").unwrap();
    lie(&world, Call::MediaItemsSearch, 1, Omission::EndsAfter(1));
    world.refresh(trip).unwrap();
    assert_eq!(world.list(trip).unwrap().len(), 250);
}

#[test]
fn an_album_that_the_list_forgets_stays_and_is_not_made_twice() {
    let (world, trip, names) = listed(3);
    lie(&world, Call::AlbumsList, 2, Omission::Forgets("Trip".into()));
    for _ in 0..2 {
        let cost = world.cost(|| world.refresh(ROOT).unwrap());
        let expected = [(Call::AlbumsList, 1), (Call::AlbumsGet, 1), (Call::MediaItemsSearch, 1)];
        assert_eq!(cost, expected);
        assert_eq!(world.at("Trip").unwrap(), trip);
        assert_eq!(entries(&world, trip), names);
        assert_eq!(world.mkdir(ROOT, "Trip").unwrap_err(), Errno(libc::EEXIST));
    }
    let cost = world.cost(|| world.refresh(ROOT).unwrap());
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 1)]);
    // Neither the list nor an answer that is no answer about the album takes it.
    for no_answer in
        [Failure::HtmlPage { http: 404 }, Failure::Empty { http: 404 }, Failure::Unavailable]
    {
        lie(&world, Call::AlbumsList, 1, Omission::EndsAfter(0));
        world.emulator.faults(|faults| faults.fail_next(Call::AlbumsGet, 1, no_answer));
        world.refresh(ROOT).unwrap();
        assert_eq!(entries(&world, trip), names);
    }
}

#[test]
fn a_list_of_albums_that_ends_early_costs_few_questions() {
    let world = World::new(&[]);
    for at in 0..120 {
        world.edit(Edit::CreateAlbum { title: format!("album {at}") });
    }
    assert_eq!(world.names(ROOT).len(), 120);
    lie(&world, Call::AlbumsList, 1, Omission::EndsAfter(1));
    let cost = world.cost(|| world.refresh(ROOT).unwrap());
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::AlbumsGet, 5)]);
    assert_eq!(world.names(ROOT).len(), 120);
    for at in 0..30 {
        world.edit(Edit::DeleteAlbum { album: format!("album {at}") });
    }
    let cost = world.cost(|| world.refresh(ROOT).unwrap());
    assert_eq!(cost, [(Call::AlbumsList, 2), (Call::AlbumsGet, 30)]);
    assert_eq!(world.names(ROOT).len(), 90);
}

#[test]
fn an_album_that_google_does_not_tell_about_keeps_no_other_one() {
    for (no_answer, left) in [(Failure::PermissionDenied, 1), (Failure::RequestsPerDay, 3)] {
        let world = World::new(&[]);
        for at in 0..3 {
            world.edit(Edit::CreateAlbum { title: format!("album {at}") });
        }
        assert_eq!(world.names(ROOT).len(), 3);
        for at in 0..3 {
            world.edit(Edit::DeleteAlbum { album: format!("album {at}") });
        }
        world.emulator.faults(|faults| faults.fail_next(Call::AlbumsGet, 1, no_answer));
        world.refresh(ROOT).unwrap();
        assert_eq!(world.names(ROOT).len(), left);
    }
}

#[test]
fn an_album_that_google_denied_comes_back_whole() {
    let (world, trip, names) = listed(3);
    lie(&world, Call::AlbumsList, 1, Omission::Forgets("Trip".into()));
    world.emulator.faults(|faults| faults.fail_next(Call::AlbumsGet, 1, Failure::NotFound));
    world.refresh(ROOT).unwrap();
    assert_eq!(world.names(ROOT), [""; 0]);
    assert_eq!(world.fs.create(trip, b"new.jpg").unwrap_err().errno(), Errno(libc::ENOENT));
    let cost = world.cost(|| world.refresh(ROOT).unwrap());
    assert_eq!(cost, [(Call::AlbumsList, 1)]);
    assert_eq!(world.at("Trip").unwrap(), trip);
    let cost = world.cost(|| assert_eq!(entries(&world, trip), names));
    assert_eq!(cost, [(Call::MediaItemsSearch, 1)]);
}

#[test]
fn mkdir_finds_an_album_that_google_denied_and_its_list_still_lacks() {
    let (world, trip, names) = listed(3);
    lie(&world, Call::AlbumsList, 3, Omission::Forgets("Trip".into()));
    world.emulator.faults(|faults| faults.fail_next(Call::AlbumsGet, 1, Failure::NotFound));
    world.refresh(ROOT).unwrap();
    assert_eq!(world.names(ROOT), [""; 0]);
    assert_eq!(world.mkdir(ROOT, "Trip").unwrap(), trip);
    assert_eq!(world.emulator.dump().albums.len(), 1);
    assert_eq!(entries(&world, trip), names);
}

#[test]
fn an_item_that_only_the_count_shows_to_be_gone_goes_with_it() {
    let (world, trip, names) = listed(150);
    // Whether a binned item can be got by its id is unknown.
    world.emulator.faults(|faults| faults.binned_items_resolve = true);
    world.edit(Edit::MoveToBin { item: "IMG_000100.jpg".into() });
    world.edit(Edit::RemoveFromAlbum { album: "Trip".into(), item: "IMG_000101.jpg".into() });
    let cost = world.cost(|| world.refresh(trip).unwrap());
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 2)]);
    let gone = |name: &str| ["IMG_000100.jpg", "IMG_000101.jpg"].contains(&name);
    let left: Vec<_> = names.into_iter().filter(|(name, _)| !gone(name)).collect();
    assert_eq!(entries(&world, trip), left);
}

/// An album of three pages and a photo that has arrived in it, which no list shows for an hour. The
/// others have been there for longer.
fn unseen() -> (World, Ino) {
    let world = World::new(&[]);
    world.seed("Large", 300);
    let large = world.at("Large").unwrap();
    assert_eq!(world.list(large).unwrap().len(), 300);
    world.emulator.advance_clock(Duration::from_secs(3600));
    world.emulator.faults(|faults| faults.album_delay_ms = 3_600_000);
    world.copy_in(large, "new.jpg", &photo(1)).unwrap();
    world.sync(large).unwrap();
    assert_eq!(world.store.backlog().unwrap().unseen, 1);
    (world, large)
}

#[test]
fn an_arrived_item_that_its_list_lacks_stays_as_long_as_google_knows_it() {
    let (world, large) = unseen();
    for _ in 0..2 {
        let cost = world.cost(|| world.refresh(large).unwrap());
        let expected =
            [(Call::AlbumsList, 1), (Call::MediaItemsSearch, 3), (Call::MediaItemsBatchGet, 1)];
        assert_eq!(cost, expected);
        assert!(world.lookup_now(large, "new.jpg").is_some());
    }
    assert_eq!(world.store.backlog().unwrap().unseen, 1);
    // Its bytes go when a list shows it.
    world.emulator.faults(|faults| faults.album_delay_ms = 0);
    world.refresh(large).unwrap();
    wait_for("the bytes to be released", || {
        world.pipeline.wake();
        world.store.backlog().unwrap().unseen == 0
    });
}

#[test]
fn an_arrived_item_that_google_does_not_know_any_more_is_among_the_failed_files() {
    let (world, large) = unseen();
    world.edit(Edit::MoveToBin { item: "new.jpg".into() });
    world.refresh(large).unwrap();
    assert!(world.lookup_now(large, "new.jpg").is_none());
    let failed = world.at(".gphotos/failed/Large/new.jpg").unwrap();
    assert_eq!(world.read(failed).unwrap(), photo(1));
    let why = world.fs.getxattr_now(failed, b"user.gphotos.error").unwrap().unwrap();
    assert!(why.starts_with(b"Google has this photo in its bin"), "{why:?}");
    assert_eq!(world.sync(large), Err(Errno(libc::EIO)));
    // An answer that is none says nothing of the item.
    let (world, large) = unseen();
    for failure in [Failure::HtmlPage { http: 404 }, Failure::PermissionDenied] {
        world.emulator.faults(|faults| faults.fail_next(Call::MediaItemsBatchGet, 1, failure));
        let _ = world.refresh(large);
        assert!(world.lookup_now(large, "new.jpg").is_some());
    }
    assert_eq!(world.names(world.at(".gphotos/failed").unwrap()), [""; 0]);
}

#[test]
fn an_item_goes_with_the_count_although_its_bytes_are_still_here() {
    let (world, large) = unseen();
    world.emulator.faults(|faults| faults.album_delay_ms = 0);
    // The worker may not have released its bytes yet.
    world.refresh(large).unwrap();
    world.edit(Edit::RemoveFromAlbum { album: "Large".into(), item: "new.jpg".into() });
    world.refresh(large).unwrap();
    assert!(world.lookup_now(large, "new.jpg").is_none());
    assert_eq!(world.names(world.at(".gphotos/failed").unwrap()), [""; 0]);
}

/// > If a hidden album was deleted at Google, `mkdir` makes a new one.
#[test]
fn a_hidden_album_that_was_deleted_at_google_is_made_anew() {
    let world = World::new(&[]);
    world.edit(Edit::CreateAlbum { title: "Trip".into() });
    world.at("Trip").unwrap();
    world.rmdir(ROOT, "Trip").unwrap();
    // It comes back as long as it is there.
    let cost = world.cost(|| assert!(world.mkdir(ROOT, "Trip").is_ok()));
    assert_eq!(cost, [(Call::AlbumsGet, 1)]);
    world.rmdir(ROOT, "Trip").unwrap();
    world.edit(Edit::DeleteAlbum { album: "Trip".into() });
    let trip = world.mkdir(ROOT, "Trip").unwrap();
    assert_eq!(world.emulator.dump().albums.len(), 1);
    world.copy_in(trip, "a.jpg", &photo(1)).unwrap();
    world.sync(trip).unwrap();
    // If Google cannot be asked, it comes back.
    world.unlink(trip, "a.jpg").unwrap();
    world.rmdir(ROOT, "Trip").unwrap();
    world.emulator.faults(|faults| faults.fail_next(Call::AlbumsGet, 1, Failure::PermissionDenied));
    assert_eq!(world.mkdir(ROOT, "Trip").unwrap(), trip);
}
