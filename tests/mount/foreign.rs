//! Changes that the user makes in Google's app, or another program in the same library, during a mount. The mount shows
//! them within `--refresh`, or at once after `gphotosfs refresh`. Open files stay open.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use gphotosfs_emulator::{Call, Edit, ListingFault, Omission};

use crate::support::{World, jpeg, wait_for};

/// A mount that refreshes each second.
fn watching() -> World {
    let world = World::new();
    world.mount(&["--refresh", "1s"]);
    world
}

/// A mount that refreshes on demand only.
fn believing() -> World {
    let world = World::new();
    world.mount(&["--refresh", "1day"]);
    world
}

fn remove(world: &World, album: &str, item: &str) {
    world.edit(Edit::RemoveFromAlbum { album: album.into(), item: item.into() });
}

fn retitle(world: &World, album: &str, title: &str) {
    world.edit(Edit::RenameAlbum { album: album.into(), title: title.into() });
}

fn refresh(world: &World, path: &str) {
    let outcome = world.run(&["refresh", world.mnt.join(path).to_str().unwrap()]);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
}

/// > A reader of an album sees items that were added or removed in Google's own app once
/// > `--refresh` has passed.
#[test]
fn changes_of_an_album_at_google_show_within_the_refresh_time() {
    let world = watching();
    world.seed("Trip", 3);
    assert_eq!(world.names("Trip").len(), 3);
    remove(&world, "Trip", "IMG_000001.jpg");
    wait_for("the item to go", || world.names("Trip") == ["IMG_000000.jpg", "IMG_000002.jpg"]);
    assert!(!world.mnt.join("Trip/IMG_000001.jpg").exists());
    let (album, filename) = (Some("Trip".to_owned()), "new.jpg".to_owned());
    world.edit(Edit::AddItem { album, filename, content: jpeg(1, 5000), foreign: false });
    wait_for("the item to come", || world.names("Trip").contains(&"new.jpg".to_owned()));
    assert_eq!(fs::metadata(world.mnt.join("Trip/new.jpg")).unwrap().len(), 5000);
}

/// > The same holds for albums that are made, renamed and deleted there.
#[test]
fn albums_made_renamed_and_deleted_by_the_user_are_seen_within_the_refresh_time() {
    let world = watching();
    world.seed("Trip", 1);
    assert_eq!(world.names(""), ["Trip"]);
    world.seed("Other", 1);
    wait_for("the new album", || world.names("") == ["Other", "Trip"]);
    retitle(&world, "Trip", "2019/Trip");
    wait_for("the new title", || world.names("") == ["2019", "Other"]);
    // Linux answers with ESTALE while it cannot lock the directory that the album was in, which it
    // does not wait for when it meets a directory at a second place (d_splice_alias).
    wait_for("the album there", || std::fs::read_dir(world.mnt.join("2019/Trip")).is_ok());
    assert_eq!(world.names("2019/Trip"), ["IMG_000000.jpg"]);
    assert!(!world.mnt.join("Trip").exists());
    world.edit(Edit::DeleteAlbum { album: "Other".into() });
    wait_for("the album to go", || world.names("") == ["2019"]);
    assert!(!world.mnt.join("Other").exists());
}

/// > An album that was deleted there stays here while a file in it is on its way, temporary or empty,
/// > and while an item of another album is on its way into it.
#[test]
fn an_album_deleted_outside_stays_for_what_is_only_here() {
    let world = believing();
    world.edit(Edit::CreateAlbum { title: "Trip".into() });
    world.photo("1.jpg", 1, 5000);
    world.sh("cp 1.jpg mnt/Trip/1.jpg.part");
    world.edit(Edit::DeleteAlbum { album: "Trip".into() });
    refresh(&world, "");
    world.sh("cmp 1.jpg mnt/Trip/1.jpg.part && rm mnt/Trip/1.jpg.part");
    refresh(&world, "");
    assert_eq!(world.names(""), [""; 0]);
}

/// > Sidecars and the system's files do not keep such an album. They go to `.gphotos/failed`, because
/// > they are only here.
#[test]
fn sidecars_of_an_album_deleted_outside_are_kept_in_failed() {
    let world = believing();
    world.photo("1.jpg", 1, 5000);
    world.edit(Edit::CreateAlbum { title: "Trip".into() });
    world.sh("mkdir mnt/Other && cp 1.jpg mnt/Trip/ && sync mnt/Trip");
    world.sh("echo xmp > mnt/Trip/1.xmp && echo ini > mnt/Trip/desktop.ini");
    world.sh("echo both > mnt/Trip/both.xmp && ln mnt/Trip/both.xmp mnt/Other/both.xmp");
    world.edit(Edit::DeleteAlbum { album: "Trip".into() });
    refresh(&world, "");
    assert_eq!(world.names(""), ["Other", "Refused by Google"]);
    assert_eq!(world.names(".gphotos/failed/Trip"), ["1.xmp", "desktop.ini"]);
    assert_eq!(world.sh("cat mnt/.gphotos/failed/Trip/1.xmp mnt/Other/both.xmp"), "xmp\nboth\n");
    // The folder is copied again.
    world.sh("mkdir mnt/Trip && cp 1.jpg mnt/Trip/ && mv mnt/.gphotos/failed/Trip/* mnt/Trip/");
    world.sync();
    assert_eq!(world.names("Trip"), ["1.jpg", "1.xmp", "desktop.ini"]);
    assert!(world.names(".gphotos/failed").is_empty());
}

/// For so many passes, listings of a kind leave something out.
fn lie(world: &World, call: Call, passes: u32, omission: Omission) {
    let fault = ListingFault { call, album: None, passes, omission };
    world.emulator.faults(|faults| faults.listing_faults.push(fault.clone()));
}

/// Names with the inode numbers behind them.
fn inodes(world: &World, dir: &str) -> Vec<(String, u64)> {
    let inode = |name: String| {
        let path = world.mnt.join(dir).join(&name);
        let inode = fs::metadata(path).unwrap().ino();
        (name, inode)
    };
    world.names(dir).into_iter().map(inode).collect()
}

/// > An item that a listing of its album lacks stays, unless Google's count agrees, or Google does not
/// > know the item any more.
#[test]
fn a_list_that_ends_early_takes_no_name() {
    let world = believing();
    world.seed("Trip", 250);
    assert_eq!(world.names("Trip").len(), 250);
    world.sh("cd mnt/Trip && mv IMG_000240.jpg mine.jpg && ln mine.jpg second.jpg");
    let names = inodes(&world, "Trip");
    for pages in [1, 0] {
        lie(&world, Call::MediaItemsSearch, 2, Omission::EndsAfter(pages));
        refresh(&world, "Trip");
        assert_eq!(inodes(&world, "Trip"), names, "{pages} pages");
    }
    refresh(&world, "Trip");
    assert_eq!(inodes(&world, "Trip"), names);
    // One is gone, and one is only in no album any more, which only the count shows.
    lie(&world, Call::MediaItemsSearch, 2, Omission::EndsAfter(1));
    world.edit(Edit::MoveToBin { item: "IMG_000200.jpg".into() });
    remove(&world, "Trip", "IMG_000201.jpg");
    refresh(&world, "Trip");
    assert_eq!(world.names("Trip").len(), 250);
    assert!(!world.mnt.join("Trip/IMG_000200.jpg").exists());
    refresh(&world, "Trip");
    assert_eq!(world.names("Trip").len(), 249);
    assert!(!world.mnt.join("Trip/IMG_000201.jpg").exists());
}

/// > An album that Google's list lacks stays, unless Google answers that it does not exist.
#[test]
fn an_album_that_the_list_forgets_stays() {
    let world = believing();
    for at in 0..3 {
        world.photo(&format!("20190428/{at}.jpg"), at, 5000);
    }
    // It was made long ago.
    world.edit(Edit::CreateAlbum { title: "20190428".into() });
    let night = "cp -ru 20190428 mnt/ && sync mnt/20190428";
    world.sh(night);
    let names = inodes(&world, "20190428");
    lie(&world, Call::AlbumsList, 1, Omission::Forgets("20190428".into()));
    refresh(&world, "");
    assert_eq!(inodes(&world, "20190428"), names);
    world.sh(night);
    let albums = world.emulator.dump().albums;
    assert_eq!(albums.iter().map(|it| &it.title).collect::<Vec<_>>(), ["20190428"]);
    refresh(&world, "");
    assert_eq!(inodes(&world, "20190428"), names);
}

/// > An item or album that comes back has the names that it had here, and the same inode numbers and
/// > times, for up to 400 days and 100,000 names.
#[test]
fn what_comes_back_is_as_it_was() {
    let world = believing();
    world.photo("1.jpg", 1, 5000);
    world.photo("2.jpg", 2, 5000);
    world.sh("mkdir mnt/Trip && touch -d 2019-04-28 1.jpg && cp -p 1.jpg 2.jpg mnt/Trip/ && sync mnt/Trip");
    world.sh("cd mnt/Trip && mv 1.jpg mine.jpg && ln mine.jpg second.jpg");
    refresh(&world, "Trip");
    let before = inodes(&world, "Trip");
    let time = || fs::metadata(world.mnt.join("Trip/mine.jpg")).unwrap().mtime();
    let mtime = time();
    world.edit(Edit::MoveToBin { item: "1.jpg".into() });
    refresh(&world, "Trip");
    assert_eq!(world.names("Trip"), ["2.jpg"]);
    world.edit(Edit::RestoreFromBin { item: "1.jpg".into() });
    refresh(&world, "Trip");
    assert_eq!((inodes(&world, "Trip"), time()), (before, mtime));
    // The bytes are known as before: nothing is sent again.
    world.emulator.reset_stats();
    world.sh("cp -p 1.jpg mnt/Trip/third.jpg && sync mnt/Trip");
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 0);
}

#[test]
fn a_refresh_shows_at_once_what_would_be_believed_for_long() {
    let world = believing();
    world.seed("Trip", 150);
    world.seed("Old", 1);
    world.seed("A", 1);
    world.seed("B", 2);
    assert_eq!(world.names("Trip").len(), 150);
    assert_eq!((world.names("A").len(), world.names("B").len()), (1, 2));
    remove(&world, "Trip", "IMG_000007.jpg");
    world.edit(Edit::DeleteAlbum { album: "Old".into() });
    // Swapped, by way of a third title.
    retitle(&world, "A", "X");
    retitle(&world, "B", "A");
    retitle(&world, "X", "B");
    assert_eq!(world.names("Trip").len(), 150);
    assert_eq!(world.names(""), ["A", "B", "Old", "Trip"]);
    refresh(&world, "Trip");
    assert_eq!(world.names("Trip").len(), 149);
    assert_eq!(world.names(""), ["A", "B", "Trip"]);
    assert_eq!((world.names("A").len(), world.names("B").len()), (2, 1));
}

/// > `gphotosfs refresh` of a directory shows at once the changes in it, and in every album below
/// > it that has been read before. It costs the list of albums and each page of those albums, a
/// > page for a hundred items. What those lists lack costs more.
#[test]
fn a_refresh_of_the_mount_shows_at_once_what_has_changed_in_the_albums() {
    let world = believing();
    world.seed("Web", 5);
    world.seed("2019/Trip", 150);
    assert_eq!((world.names("Web").len(), world.names("2019/Trip").len()), (5, 150));
    let first = |album: &str| world.names(album)[0].clone();
    for album in ["Web", "2019/Trip"] {
        remove(&world, album, &first(album));
    }
    world.emulator.reset_stats();
    refresh(&world, "");
    let requests = world.emulator.stats().requests;
    assert_eq!((requests[&Call::AlbumsList], requests[&Call::MediaItemsSearch]), (1, 1 + 2));
    assert_eq!((world.names("Web").len(), world.names("2019/Trip").len()), (4, 149));
    remove(&world, "2019/Trip", &first("2019/Trip"));
    refresh(&world, "2019");
    assert_eq!(world.names("2019/Trip").len(), 148);
}

#[test]
fn albums_of_one_title_have_distinct_names_and_the_last_one_takes_over_the_name() {
    let world = believing();
    world.seed("Trip", 1);
    assert_eq!(world.names(""), ["Trip"]);
    world.seed("Trip", 0);
    refresh(&world, "");
    let names = world.names("");
    assert_eq!(names.len(), 2);
    assert!(names[0] == "Trip" && names[1].starts_with("Trip "), "{names:?}");
    assert_eq!(world.names("Trip"), ["IMG_000000.jpg"]);
    // The first match is the older one.
    world.edit(Edit::DeleteAlbum { album: "Trip".into() });
    refresh(&world, "");
    assert_eq!(world.names(""), ["Trip"]);
    assert_eq!(world.names("Trip"), Vec::<String>::new());
}

#[test]
fn a_directory_in_which_somebody_stands_stays_valid_when_its_album_is_renamed_or_deleted() {
    let world = believing();
    world.seed("Trip", 2);
    let dir = world.mnt.join("Trip");
    let ino = fs::metadata(&dir).unwrap().ino();
    let stands = File::open(&dir).unwrap();
    let here = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&stands));
    let count = || fs::read_dir(&here).unwrap().count();
    assert_eq!(count(), 2);
    retitle(&world, "Trip", "Journey");
    refresh(&world, "");
    assert_eq!(count(), 2);
    assert_eq!(fs::metadata(world.mnt.join("Journey")).unwrap().ino(), ino);
    // It can be worked in, too.
    fs::write(format!("{here}/new.jpg"), jpeg(1, 5000)).unwrap();
    stands.sync_all().unwrap();
    assert_eq!(world.remote("Journey").len(), 3);
    world.edit(Edit::DeleteAlbum { album: "Journey".into() });
    refresh(&world, "");
    assert_eq!(world.names(""), Vec::<String>::new());
    assert_eq!(stands.metadata().unwrap().ino(), ino);
    assert_eq!(count(), 0);
    assert!(fs::write(format!("{here}/late.jpg"), jpeg(2, 5000)).is_err());
}

#[test]
fn an_open_file_can_be_read_when_its_item_has_left_the_album() {
    let world = believing();
    world.seed("Trip", 2);
    let path = world.mnt.join("Trip/IMG_000000.jpg");
    let open = File::open(&path).unwrap();
    remove(&world, "Trip", "IMG_000000.jpg");
    refresh(&world, "Trip");
    assert!(!path.exists());
    let mut bytes = vec![0; 5000];
    open.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(open.metadata().unwrap().nlink(), 0);
}

#[test]
fn an_item_that_slips_to_a_page_that_was_fetched_keeps_its_name() {
    let world = believing();
    world.seed("Big", 450);
    assert_eq!(world.names("Big").len(), 450);
    world.emulator.reset_stats();
    world.emulator.faults(|faults| faults.on(Call::MediaItemsSearch).latency_ms = 300);
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| refresh(&world, "Big"));
        wait_for("two pages", || {
            world
                .emulator
                .stats()
                .requests
                .iter()
                .any(|it| *it.0 == Call::MediaItemsSearch && *it.1 >= 2)
        });
        // On a page that was fetched: the first item of some page to come is now the last of one that has been.
        remove(&world, "Big", "IMG_000007.jpg");
        listing.join().unwrap();
    });
    world.emulator.faults(|faults| faults.on(Call::MediaItemsSearch).latency_ms = 0);
    let names = world.names("Big");
    let missing: Vec<_> =
        (0..450).map(|at| format!("IMG_{at:06}.jpg")).filter(|it| !names.contains(it)).collect();
    assert!(missing.is_empty() || missing == ["IMG_000007.jpg"], "{missing:?}");
    refresh(&world, "Big");
    assert_eq!(world.names("Big").len(), 449);
    assert!(!world.names("Big").contains(&"IMG_000007.jpg".to_owned()));
}

#[test]
fn odd_pages_show_every_item_and_album_once() {
    for (name, switch) in [
        ("short", "short_pages"),
        ("empty", "empty_pages"),
        ("overlapping", "overlapping_pages"),
        ("trailing", "trailing_page"),
    ] {
        let world = believing();
        for at in 0..60 {
            world.edit(Edit::CreateAlbum { title: format!("album {at}") });
        }
        world.seed("Trip", 250);
        world
            .emulator
            .faults(|faults| *faults = faults.patched(&serde_json::json!({switch: true})).unwrap());
        assert_eq!(world.names("").len(), 61, "{name}");
        assert_eq!(world.names("Trip").len(), 250, "{name}");
        refresh(&world, "Trip");
        assert_eq!((world.names("").len(), world.names("Trip").len()), (61, 250), "{name}");
    }
}
