//! The requests that listings cost over a simulated day.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use gphotosfs::app::engine::{Engine, SpoolRules};
use gphotosfs::library::{self, Library};
use gphotosfs::media::Clock;
use gphotosfs::media::{DirId, EntryName, View};
use gphotosfs::store::Child;
use gphotosfs_emulator::{
    Call, Config, Edit, Failure, Injection, ListingFault, Moment, Omission, SCOPES,
};
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Runtime;

use crate::support::account::requests;
use crate::support::{Google, core, small_photo, wait_for};

const REFRESH: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A library whose clock is turned by hand.
struct World {
    runtime: Runtime,
    emulator: Google,
    engine: Engine,
    library: Library,
    elapsed: Arc<AtomicU64>,
    database: PathBuf,
    _dir: tempfile::TempDir,
}

impl World {
    /// `albums` albums, and one of `items` items.
    fn new(albums: u32, items: u64) -> Self {
        let runtime = Runtime::new().unwrap();
        let (emulator, dir) = (Google::start(Config::default()), tempfile::tempdir().unwrap());
        let profile = emulator.profile(dir.path(), &SCOPES);
        let settings = core::settings(&emulator.url(), &[]);
        let engine =
            Engine::start(&profile, &settings.upload, SpoolRules::default(), runtime.handle())
                .unwrap();
        let (began, elapsed) = (SystemTime::now(), Arc::new(AtomicU64::new(0)));
        let seconds = elapsed.clone();
        let clock =
            Clock(Arc::new(move || began + Duration::from_secs(seconds.load(Ordering::SeqCst))));
        let library = Library::new(
            library::Config { refresh: REFRESH, clock },
            engine.store.clone(),
            engine.client.clone(),
            runtime.handle().clone(),
            engine.base_urls.clone(),
        );
        let database = profile.state_dir().unwrap().join("gphotosfs.db");
        let world = Self { runtime, emulator, engine, library, elapsed, database, _dir: dir };
        for at in 1..albums {
            world.edit(Edit::CreateAlbum { title: format!("Other {at}") });
        }
        world.emulator.seed("Big", items);
        world
    }

    fn edit(&self, edit: Edit) {
        self.emulator.edit(edit);
    }

    /// Refreshes a directory if it is due, and waits for the end of the listings.
    fn look(&self, dir: DirId) {
        self.library.refresh_if_due(dir).unwrap();
        self.settle();
    }

    /// Lets listings come to their end.
    fn settle(&self) {
        loop {
            let running = self.library.running();
            if running.is_empty() {
                break;
            }
            for listing in running {
                self.runtime.block_on(listing.complete()).unwrap();
            }
        }
    }

    fn album(&self, title: &str) -> DirId {
        self.look(DirId::ROOT);
        let name = EntryName::new(title).unwrap();
        match self.engine.store.child(DirId::ROOT, &name).unwrap() {
            Some(Child::Dir(dir)) => dir,
            other => panic!("{title}: {other:?}"),
        }
    }

    fn pass(&self, time: Duration) {
        self.elapsed.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    /// Requests of all kinds but those for a login.
    fn requests(&self) -> u64 {
        requests(&self.emulator).map(|(_, count)| count).sum()
    }

    /// The requests of a day in which a program reads an album every so often. Everything is new at first.
    fn day(&self, every: Duration) -> u64 {
        self.emulator.reset_stats();
        let dir = self.album("Big");
        for _ in 0..DAY.as_secs() / every.as_secs() {
            self.look(dir);
            self.pass(every);
        }
        self.requests()
    }

    fn count(&self, dir: DirId) -> usize {
        self.engine.store.entries(dir, 0, 10_000).unwrap().len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.runtime.block_on(self.engine.stop());
    }
}

#[test]
fn the_next_page_is_asked_for_while_this_one_is_kept() {
    let world = World::new(1, 300);
    let dir = world.album("Big");
    world.emulator.reset_stats();
    let pages = || world.emulator.stats().requests.get(&Call::MediaItemsSearch).copied();
    world.emulator.hold(Call::MediaItemsSearch, Moment::Answer);
    for listing in world.library.refresh_if_due(dir).unwrap() {
        world.runtime.spawn(listing.complete());
    }
    wait_for("the first page to be asked for", || pages() >= Some(1));
    let mut database = Connection::open(&world.database).unwrap();
    let busy = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    world.emulator.let_go(Call::MediaItemsSearch, Moment::Answer);
    wait_for("the second page to be asked for", || pages() >= Some(2));
    busy.rollback().unwrap();
    world.settle();
    assert_eq!((world.count(dir), pages()), (300, Some(3)));
}

#[test]
fn a_refresh_at_the_end_of_a_listing_begins_no_other() {
    const ALBUMS: u32 = 200;
    let world = World::new(ALBUMS, 1);
    world.look(DirId::ROOT);
    let albums = world.engine.store.entries(DirId::ROOT, 0, ALBUMS).unwrap();
    world.emulator.reset_stats();
    for entry in albums {
        let Child::Dir(dir) = entry.child else { panic!("{entry:?}") };
        // As a reader of the directory does, but without a pause.
        while !world.library.refresh_if_due(dir).unwrap().is_empty() {}
    }
    assert_eq!(world.requests(), u64::from(ALBUMS));
}

#[test]
fn a_day_of_looking_every_five_minutes() {
    // 1 list + 33 pages of items, then one question each five minutes: 288 in all, the first included.
    let world = World::new(1, 3282);
    assert_eq!(world.day(REFRESH), 33 + 288);
    // The next day the items are listed once more, for their age.
    assert!(world.day(REFRESH) <= 350);
}

#[test]
fn a_listing_of_a_large_album_yields_the_base_urls_of_its_items() {
    let world = World::new(1, 5000);
    let dir = world.album("Big");
    world.look(dir);
    let entries = world.engine.store.entries(dir, 0, 10_000).unwrap();
    let known = entries.iter().filter(|entry| {
        let Child::File(file) = entry.child else { return false };
        let media = world.engine.store.file(file).unwrap().unwrap().media;
        world.engine.base_urls.knows(&media.unwrap())
    });
    assert_eq!(known.count(), 5000);
}

#[test]
fn a_day_of_looking_in_a_library_of_many_albums() {
    // The list has ten pages: the one album is asked for instead, and the list only now and then.
    let world = World::new(500, 3282);
    let spent = world.day(REFRESH);
    assert!(spent <= 350, "{spent}");
}

#[test]
fn a_day_of_a_file_manager_that_looks_every_second() {
    let world = World::new(1, 3282);
    let spent = world.day(Duration::from_secs(1));
    assert!(spent <= 350, "{spent}");
}

#[test]
fn a_failed_album_list_is_not_requested_at_each_refresh() {
    let world = World::new(1, 1);
    let dir = world.album("Big");
    world.look(dir);
    world.emulator.faults(|faults| {
        let failure = Injection::new(Failure::PermissionDenied);
        faults.on(Call::AlbumsList).failures.push(Injection { rate: 1.0, ..failure });
    });
    world.pass(REFRESH);
    world.emulator.reset_stats();
    for _ in 0..20 {
        world.library.refresh_if_due(dir).unwrap();
        // Each look sees how the one before has ended.
        for listing in world.library.running() {
            let _ = world.runtime.block_on(listing.complete());
        }
    }
    let asked = world.requests();
    assert!((1..=2).contains(&asked), "{asked} requests");
}

#[test]
fn a_day_of_looking_at_a_view() {
    // 33 pages at first, and again after 33 times five minutes: as many as if there were one page.
    let world = World::new(1, 3282);
    world.emulator.reset_stats();
    for _ in 0..DAY.as_secs() / REFRESH.as_secs() {
        world.library.refresh_view_if_due(View::All).unwrap();
        world.settle();
        world.pass(REFRESH);
    }
    let spent = world.requests();
    assert!((33..=350).contains(&spent), "{spent}");
}

#[test]
fn a_refresh_of_all_albums_costs_the_list_and_not_each_album() {
    let world = World::new(120, 10);
    let dirs: Vec<DirId> = (1..120).map(|at| world.album(&format!("Other {at}"))).collect();
    dirs.iter().for_each(|dir| world.look(*dir));
    world.pass(REFRESH);
    world.emulator.reset_stats();
    dirs.iter().for_each(|dir| world.look(*dir));
    // The list has three pages: as many albums are asked for alone before it is worth it.
    assert_eq!(world.requests(), 3 + 3);
}

#[test]
fn changes_at_google_show_at_the_first_due_refresh() {
    for albums in [1, 60] {
        let world = World::new(albums, 250);
        let dir = world.album("Big");
        world.look(dir);
        world.edit(Edit::RemoveFromAlbum { album: "Big".into(), item: "IMG_000007.jpg".into() });
        world.look(dir);
        assert_eq!(world.count(dir), 250, "not due yet");
        world.pass(REFRESH);
        world.emulator.reset_stats();
        world.look(dir);
        assert_eq!(world.count(dir), 249);
        // One question, and three pages.
        assert_eq!(world.requests(), 1 + 3);
    }
}

#[test]
fn a_first_list_that_ends_early_twice_is_whole_at_the_next_due_refresh() {
    let world = World::new(1, 250);
    world.emulator.faults(|faults| {
        let (call, omission) = (Call::MediaItemsSearch, Omission::EndsAfter(1));
        faults.listing_faults.push(ListingFault { call, album: None, passes: 2, omission });
    });
    let dir = world.album("Big");
    world.look(dir);
    assert_eq!(world.count(dir), 100);
    world.pass(REFRESH);
    world.look(dir);
    assert_eq!(world.count(dir), 250);
}

#[test]
fn a_list_that_ends_early_all_day_costs_few_requests() {
    let world = World::new(1, 250);
    let dir = world.album("Big");
    world.look(dir);
    let forever = |call, omission| ListingFault { call, album: None, passes: u32::MAX, omission };
    world.emulator.faults(|faults| {
        faults.listing_faults.push(forever(Call::MediaItemsSearch, Omission::EndsAfter(1)));
    });
    world.pass(DAY);
    // The listing is a day old: two passes, and those that they lack. The count explains the rest.
    let spent = world.day(REFRESH) - DAY.as_secs() / REFRESH.as_secs();
    assert!((2 + 3..=2 * (2 + 3)).contains(&spent), "{spent}");
    assert_eq!(world.count(dir), 250);
    // An album that the list forgets is asked for whenever the list is made.
    world.emulator.faults(|faults| {
        faults.listing_faults = vec![forever(Call::AlbumsList, Omission::Forgets("Big".into()))];
    });
    let spent = world.day(REFRESH);
    assert!(spent <= 2 * DAY.as_secs() / REFRESH.as_secs() + 10, "{spent}");
    assert_eq!(world.count(dir), 250);
}

#[test]
fn a_change_that_leaves_the_count_alone_is_seen_when_the_listing_is_a_day_old() {
    let world = World::new(1, 150);
    let dir = world.album("Big");
    world.look(dir);
    world.edit(Edit::RemoveFromAlbum { album: "Big".into(), item: "IMG_000007.jpg".into() });
    let content = small_photo(7000);
    let (album, filename) = (Some("Big".to_owned()), "new.jpg".to_owned());
    world.edit(Edit::AddItem { album, filename, content, foreign: false });
    let new = EntryName::new("new.jpg").unwrap();
    world.pass(REFRESH);
    world.look(dir);
    assert_eq!(world.engine.store.child(dir, &new).unwrap(), None);
    world.pass(DAY);
    world.look(dir);
    assert!(world.engine.store.child(dir, &new).unwrap().is_some());
}

#[test]
fn a_refresh_costs_the_list_and_the_items_of_each_known_album_below() {
    let world = World::new(3, 150);
    for title in ["A/One", "A/Two"] {
        world.edit(Edit::CreateAlbum { title: title.into() });
        let (album, prefix) = (Some(title.to_owned()), title[2..].to_owned());
        world.edit(Edit::Seed { album, count: 10, size: 5000, prefix });
    }
    let (big, other, parent) = (world.album("Big"), world.album("Other 1"), world.album("A"));
    let one = match world.engine.store.child(parent, &EntryName::new("One").unwrap()).unwrap() {
        Some(Child::Dir(dir)) => dir,
        other => panic!("{other:?}"),
    };
    [big, other, one].iter().for_each(|dir| world.look(*dir));
    // One of them has the same number of items as before.
    world.edit(Edit::RemoveFromAlbum { album: "Big".into(), item: "IMG_000007.jpg".into() });
    world.edit(Edit::RemoveFromAlbum { album: "A/One".into(), item: "One000003.jpg".into() });
    let content = small_photo(7000);
    let (album, filename) = (Some("A/One".to_owned()), "new.jpg".to_owned());
    world.edit(Edit::AddItem { album, filename, content, foreign: false });
    let new = EntryName::new("new.jpg").unwrap();
    world.emulator.reset_stats();
    world.runtime.block_on(world.library.refresh(parent)).unwrap();
    assert!(world.engine.store.child(one, &new).unwrap().is_some());
    assert_eq!(world.count(one), 10);
    assert_eq!(world.requests(), 1 + 1);
    assert_eq!(world.count(big), 150, "it is elsewhere");
    world.emulator.reset_stats();
    world.runtime.block_on(world.library.refresh(DirId::ROOT)).unwrap();
    assert_eq!(world.count(big), 149);
    // Two pages of the large one, and one each of those beside it; of three nobody has seen anything.
    assert_eq!(world.requests(), 1 + 2 + 1 + 1);
}

#[test]
fn one_refresh_of_a_large_view_shows_additions_and_removals() {
    let world = World::new(1, 250);
    world.library.refresh_view_if_due(View::All).unwrap();
    world.settle();
    let seen = || world.engine.store.view_entries(View::All, 0, 10_000).unwrap().len();
    assert_eq!(seen(), 250);
    world.edit(Edit::DeleteItem { item: "IMG_000007.jpg".into() });
    world.emulator.reset_stats();
    world.runtime.block_on(world.library.refresh_view(View::All)).unwrap();
    assert_eq!(seen(), 249);
    // An item that the first pass misses may only have moved to another page: a second pass follows. Then Google says
    // whether it knows the item.
    assert_eq!(world.requests(), 3 + 3 + 1);
    world.emulator.reset_stats();
    world.runtime.block_on(world.library.refresh_view(View::All)).unwrap();
    assert_eq!(world.requests(), 3);
}
