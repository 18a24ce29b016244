//! Two machines with one account: `mkdir` asks Google for the title.

use std::time::SystemTime;

use gphotosfs_emulator::SCOPES;

use super::*;
use crate::support::core::Core;

/// The same account on another machine.
struct Other {
    core: Core,
    _dir: tempfile::TempDir,
}

impl Other {
    fn of(world: &World) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let profile = world.emulator.profile(dir.path(), &SCOPES);
        let core = Core::start(&profile, &world.emulator.url, &[]).unwrap();
        Self { core, _dir: dir }
    }
}

/// Makes the last list of the albums so old.
fn age_list(core: &Core, age: Duration) {
    let pages = core.store.albums_pages().unwrap();
    core.store.set_albums_listed(SystemTime::now() - age, pages).unwrap();
}

/// Titles at Google.
fn titles(world: &World) -> Vec<String> {
    world.emulator.dump().albums.into_iter().map(|album| album.title).collect()
}

/// > `mkdir` asks Google for the title first. If another machine has just made an album of this
/// > title, `mkdir` succeeds, and the directory is that album. A list of the albums answers that is
/// > younger than five seconds for each of its pages (50 albums), and 30 seconds at most. If two
/// > machines make albums of one title within that time, there are two.
#[test]
fn an_album_that_another_machine_has_just_made_is_not_made_twice() {
    let world = World::new(&[]);
    let other = Other::of(&world);
    assert_eq!(world.names(ROOT), [""; 0]);
    let theirs = other.core.mkdir(ROOT, "20190428").unwrap();
    other.core.copy_in(theirs, "a.jpg", &content(1, 5000)).unwrap();
    other.core.sync(theirs).unwrap();
    age_list(&world, Duration::from_secs(60));

    // As `cp -r` does it: it has seen that there is no such directory.
    assert_eq!(world.lookup_now(ROOT, "20190428"), None);
    let ours = world.mkdir(ROOT, "20190428").unwrap();
    assert_eq!(titles(&world), ["20190428"]);
    assert_eq!(world.names(ours), ["a.jpg"]);
    assert_eq!(world.mkdir(ROOT, "20190428"), Err(Errno(libc::EEXIST)));
    world.copy_in(ours, "b.jpg", &content(2, 5000)).unwrap();
    world.sync(ours).unwrap();
    assert_eq!(world.emulator.dump().album("20190428").unwrap().items.len(), 2);
    // And below another album.
    other.core.mkdir(theirs, "Evening").unwrap();
    age_list(&world, Duration::from_secs(60));
    world.mkdir(ours, "Evening").unwrap();
    assert_eq!(titles(&world), ["20190428", "20190428/Evening"]);
    other.core.stop();
}

#[test]
fn many_albums_are_made_after_few_lists() {
    let world = World::new(&[]);
    world.names(ROOT);
    age_list(&world, Duration::from_secs(60));
    let cost = world.cost(|| {
        for n in 0..100 {
            world.mkdir(ROOT, &format!("Day {n}")).unwrap();
        }
    });
    let asked = |call| cost.iter().find(|(it, _)| *it == call).map_or(0, |(_, count)| *count);
    assert_eq!(asked(Call::AlbumsCreate), 100);
    // A slow machine may need another list after five seconds.
    assert!((1..10).contains(&asked(Call::AlbumsList)), "{cost:?}");

    // Concurrent ones share a list that begins after all of them.
    age_list(&world, Duration::from_secs(60));
    let cost = world.cost(|| {
        let names: Vec<String> = (0..20).map(|n| format!("At once {n}")).collect();
        let all = names.iter().map(|name| world.fs.mkdir(ROOT, name.as_bytes()));
        world.wait(futures_util::future::join_all(all)).into_iter().for_each(|made| {
            made.unwrap();
        });
    });
    assert_eq!(cost, [(Call::AlbumsList, 2), (Call::AlbumsCreate, 20)], "two pages, once");
}

#[test]
fn without_the_list_no_album_is_made_and_nothing_is_left_of_it() {
    let world = World::new(&[]);
    world.names(ROOT);
    age_list(&world, Duration::from_secs(60));
    let denied = Injection { next: 1, ..Injection::new(Failure::PermissionDenied) };
    world.emulator.faults(|faults| faults.on(Call::AlbumsList).failures.push(denied));
    world.mkdir(ROOT, "New").unwrap_err();
    assert!(titles(&world).is_empty());
    let cost = world.cost(|| {
        world.mkdir(ROOT, "New").unwrap();
    });
    assert_eq!(cost, [(Call::AlbumsList, 1), (Call::AlbumsCreate, 1)]);
}
