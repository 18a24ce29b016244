//! The filesystem without a mount, against the emulator: the requests that operations cost, and their results when the
//! service is slow, wrong or unreachable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gphotosfs::api::LoginError;
use gphotosfs::commands::mount::Parts;
use gphotosfs::fs::error::Errno;
use gphotosfs::fs::{AttrChange, Fs, Ino, Listed, Node, Offset, Open, Rename};
use gphotosfs::profile::Profile;
use gphotosfs_emulator::{Call, Config, Edit, Emulator, Failure, Injection};
use tokio::runtime::Runtime;

use crate::support::account::requests;
use crate::support::{Account, jpeg, photo as content, program, wait_for};

const ROOT: Ino = Ino(1);
const READ: Open = Open { read: true, write: false, truncate: false };
const REWRITE: Open = Open { read: false, write: true, truncate: true };

/// An operation without a network ends within this time.
const OFFLINE_DEADLINE: Duration = Duration::from_secs(20);

/// An emulator, a profile that is logged in, and the program's parts.
struct World {
    runtime: Runtime,
    emulator: Option<Emulator>,
    url: String,
    profile: Profile,
    dir: tempfile::TempDir,
    options: Vec<&'static str>,
    parts: Option<Parts>,
}

impl World {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&'static str]) -> Self {
        Self::granted(&["appendonly", "readonly.appcreateddata", "edit.appcreateddata"], options)
    }

    fn granted(scopes: &[&str], options: &[&'static str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let emulator = runtime.block_on(Emulator::start(Config::default())).unwrap();
        let grant = emulator.grant_scopes(scopes);
        let Account { emulator, profile, dir } = Account::granted(emulator, &grant);
        let url = emulator.url();
        let (emulator, options) = (Some(emulator), options.to_vec());
        let mut world = Self { runtime, emulator, url, profile, dir, options, parts: None };
        world.start();
        world
    }

    fn start(&mut self) {
        let handle = self.runtime.handle();
        let mut parts = program::start(&self.profile, &self.url, &self.options, handle).unwrap();
        // As a kernel that takes note of everything.
        for changes in std::mem::take(&mut parts.changes) {
            std::thread::spawn(move || while changes.next().is_some() {});
        }
        self.parts = Some(parts);
    }

    /// Ends the program and starts it again.
    fn restart(&mut self) {
        let parts = self.parts.take().unwrap();
        self.runtime.block_on(parts.engine.pipeline.shutdown());
        drop(parts);
        self.start();
    }

    fn fs(&self) -> Arc<Fs> {
        self.parts.as_ref().unwrap().fs.clone()
    }

    fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().unwrap()
    }

    fn go_offline(&mut self) {
        self.runtime.block_on(self.emulator.take().unwrap().stop());
    }

    fn edit(&self, edit: Edit) {
        self.runtime.block_on(self.emulator().edit(edit)).unwrap();
    }

    fn seed(&self, album: &str, count: u64) {
        self.edit(Edit::CreateAlbum { title: album.into() });
        self.edit(Edit::Seed {
            album: Some(album.into()),
            count,
            size: 5000,
            prefix: "IMG_".into(),
        });
    }

    /// What `work` costs: all requests of each kind but those for a login.
    fn cost(&self, work: impl FnOnce()) -> Vec<(Call, u64)> {
        self.emulator().reset_stats();
        work();
        requests(self.emulator()).collect()
    }

    fn lookup(&self, parent: Ino, name: &str) -> Result<Ino, Errno> {
        let found = self.runtime.block_on(self.fs().lookup(parent, name.as_bytes()));
        found.map(|attr| attr.ino).map_err(|error| error.errno())
    }

    fn dir(&self, path: &str) -> Ino {
        path.split('/').fold(ROOT, |at, name| self.lookup(at, name).unwrap())
    }

    /// The entries of a directory but `.` and `..`, as a kernel takes them.
    fn try_list(&self, dir: Ino) -> Result<Vec<Listed>, Errno> {
        let fs = self.fs();
        fs.opendir(dir).map_err(|error| error.errno())?;
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let offset = all.last().map_or(0, |entry| entry.next);
            let page = self.runtime.block_on(fs.readdir(dir, offset));
            let page = page.map_err(|error| error.errno())?;
            if page.is_empty() {
                return Ok(all.split_off(2));
            }
            all.extend(page);
        }
    }

    fn list(&self, dir: Ino) -> Vec<Listed> {
        self.try_list(dir).unwrap()
    }

    fn names(&self, dir: Ino) -> Vec<String> {
        self.list(dir).into_iter().map(|it| String::from_utf8(it.name).unwrap()).collect()
    }

    fn size(&self, file: Ino) -> u64 {
        self.runtime.block_on(self.fs().getattr(file)).unwrap().size
    }

    fn stat_all(&self, listed: &[Listed]) -> u64 {
        listed.iter().map(|entry| self.size(entry.ino)).sum()
    }

    fn try_read(&self, file: Ino) -> Result<Vec<u8>, Errno> {
        let fs = self.fs();
        let opened = self.runtime.block_on(fs.open(file, READ)).map_err(|error| error.errno())?;
        let bytes = self.runtime.block_on(fs.read(opened.fh, 0, 1 << 20));
        fs.release(opened.fh).unwrap();
        bytes.map_err(|error| error.errno())
    }

    /// Has a file downloaded, and waits until it is kept.
    fn download(&self, file: Ino) {
        let engine = &self.parts.as_ref().unwrap().engine;
        let file = Node::of(file).and_then(Node::file).unwrap();
        let info = engine.store.file(file).unwrap().unwrap();
        self.runtime.block_on(engine.content.whole(&info)).unwrap();
    }

    fn write(&self, file: Ino, how: Open, bytes: &[u8]) {
        let fs = self.fs();
        let opened = self.runtime.block_on(fs.open(file, how)).unwrap();
        self.runtime.block_on(fs.write(opened.fh, Offset::At(0), bytes)).unwrap();
        self.runtime.block_on(fs.flush(opened.fh)).unwrap();
        fs.release(opened.fh).unwrap();
    }

    fn create(&self, dir: Ino, name: &str, bytes: &[u8]) -> Ino {
        let fs = self.fs();
        let (attr, opened) = fs.create(dir, name.as_bytes()).unwrap();
        self.runtime.block_on(fs.write(opened.fh, Offset::At(0), bytes)).unwrap();
        self.runtime.block_on(fs.flush(opened.fh)).unwrap();
        fs.release(opened.fh).unwrap();
        attr.ino
    }

    fn mkdir(&self, name: &str) -> Result<Ino, Errno> {
        let made = self.runtime.block_on(self.fs().mkdir(ROOT, name.as_bytes()));
        made.map(|attr| attr.ino).map_err(|error| error.errno())
    }

    fn sync(&self, ino: Ino) {
        self.try_sync(ino).unwrap();
    }

    fn try_sync(&self, ino: Ino) -> Result<(), Errno> {
        let fs = self.fs();
        let patience = Duration::from_secs(60);
        let synced = async { tokio::time::timeout(patience, fs.sync(ino)).await };
        self.runtime.block_on(synced).unwrap().map_err(|error| error.errno())
    }

    fn refresh(&self, dir: Ino) {
        self.runtime.block_on(self.fs().getxattr(dir, b"user.gphotos.listed")).unwrap();
    }

    /// Lets something that has been begun get under way.
    fn pause(&self, millis: u64) {
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(millis)).await });
    }

    /// Begins an operation, and gives it up after a moment, as on Ctrl-C.
    fn interrupted<T>(&self, work: impl Future<Output = T>) {
        let moment = Duration::from_millis(300);
        let outcome = self.runtime.block_on(async { tokio::time::timeout(moment, work).await });
        assert!(outcome.is_err(), "it ended before it could be interrupted");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            self.runtime.block_on(parts.engine.pipeline.shutdown());
        }
    }
}

fn photo(seed: u32) -> Vec<u8> {
    jpeg(seed, 3000)
}

fn errno(number: i32) -> Errno {
    Errno(number)
}

/// Runs something, and says how long it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    (work(), begun.elapsed())
}

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

#[test]
fn an_album_retitled_outside_keeps_its_number_and_what_is_in_it() {
    let world = World::new();
    world.seed("A", 3);
    let album = world.dir("A");
    let listed = world.list(album);
    world.edit(Edit::RenameAlbum { album: "A".into(), title: "A/B".into() });
    world.refresh(ROOT);
    assert_eq!(world.dir("A/B"), album);
    assert_eq!(world.list(album), listed);
}

#[test]
fn a_size_that_comes_late_is_not_taken_for_that_of_a_new_version() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    let file = world.list(trip)[0].ino;
    world.emulator().reset_stats();
    world.emulator().faults(|faults| faults.on(Call::Download).latency_ms = 600);
    let fs = world.fs();
    let asking = world.runtime.spawn(async move { fs.getattr(file).await.unwrap() });
    wait_for("the size to be asked for", || world.emulator().stats().requests(Call::Download) > 0);
    world.write(file, REWRITE, &photo(7));
    world.runtime.block_on(asking).unwrap();
    assert_eq!(world.size(file), photo(7).len() as u64);
    world.sync(trip);
    assert_eq!(world.size(file), photo(7).len() as u64);
}

#[test]
fn a_download_of_the_old_version_does_not_become_the_new_one() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    let file = world.list(trip)[0].ino;
    // The length comes at once, and the bytes later.
    world.emulator().faults(|faults| faults.on(Call::Download).bytes_per_s = Some(8000));
    let fs = world.fs();
    let opened = world.runtime.block_on(fs.open(file, READ)).unwrap();
    let reader = fs.clone();
    let reading =
        world.runtime.spawn(async move { reader.read(opened.fh, 0, 9000).await.unwrap() });
    world.pause(200);
    world.write(file, REWRITE, &photo(7));
    assert_eq!(world.runtime.block_on(reading).unwrap().len(), 5000);
    fs.release(opened.fh).unwrap();
    assert_eq!(world.size(file), photo(7).len() as u64);
    let cached: Vec<_> =
        std::fs::read_dir(Profile::under(world.dir.path()).cache_dir().unwrap().join("content"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
    assert!(!cached.contains(&5000), "{cached:?}");
    world.sync(trip);
    assert_eq!(world.try_read(file).unwrap(), photo(7));
}

#[test]
fn a_download_that_fails_when_nobody_reads_any_more_leaves_nothing_behind() {
    let mut world = World::new();
    world.seed("Trip", 1);
    let file = world.list(world.dir("Trip"))[0].ino;
    world.restart();
    world.emulator().faults(|faults| {
        faults.on(Call::MediaItemsBatchGet).latency_ms = 600;
        let failure = Injection::new(Failure::NotFound);
        faults.on(Call::Download).failures.push(Injection { rate: 1.0, ..failure });
    });
    let fs = world.fs();
    world.interrupted(fs.open(file, READ));
    let cache = Profile::under(world.dir.path()).cache_dir().unwrap().join("content");
    wait_for("the unfinished file to go", || std::fs::read_dir(&cache).unwrap().count() == 0);
}

#[test]
fn an_interrupted_truncation_does_not_keep_the_file_open() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    let file = world.list(trip)[0].ino;
    world.emulator().faults(|faults| faults.on(Call::Download).latency_ms = 5000);
    let fs = world.fs();
    world.interrupted(fs.setattr(
        file,
        None,
        AttrChange { size: Some(100), ..AttrChange::default() },
    ));
    world.write(file, REWRITE, &photo(3));
    world.sync(trip);
    assert_eq!(world.try_read(file).unwrap(), photo(3));
}

#[test]
fn an_interrupted_mkdir_that_is_repeated_makes_one_album() {
    let world = World::new();
    world.names(ROOT);
    world.emulator().faults(|faults| faults.on(Call::AlbumsCreate).latency_ms = 4000);
    let fs = world.fs();
    world.interrupted(fs.mkdir(ROOT, b"Trip"));
    assert_eq!(world.mkdir("Trip"), Err(errno(libc::EEXIST)));
    assert_eq!(world.emulator().dump().albums.len(), 1);
}

#[test]
fn an_open_that_truncates_but_may_not_write_is_sealed_all_the_same() {
    let world = World::new();
    let trip = world.mkdir("Trip").unwrap();
    let file = world.create(trip, "a.jpg", &photo(1));
    world.sync(trip);
    let fs = world.fs();
    let opened =
        fs.open_now(file, Open { read: true, write: false, truncate: true }).unwrap().unwrap();
    world.runtime.block_on(fs.flush(opened.fh)).unwrap();
    fs.release(opened.fh).unwrap();
    assert_eq!(fs.getxattr_now(file, b"user.gphotos.state").unwrap().unwrap(), b"scratch");
}

#[test]
fn a_sync_tells_of_a_refused_close_before_the_kernel_has_let_go_of_the_file() {
    let world = World::new();
    let (trip, other) = (world.mkdir("Trip").unwrap(), world.mkdir("Other").unwrap());
    let fs = world.fs();
    let (attr, opened) = fs.create(trip, b"a.jpg").unwrap();
    let write = |bytes: &[u8]| {
        world.runtime.block_on(fs.write(opened.fh, Offset::At(0), bytes)).unwrap();
    };
    let flush = || world.runtime.block_on(fs.flush(opened.fh)).map_err(|error| error.errno());
    write(b"half");
    world.runtime.block_on(fs.fsync(attr.ino, opened.fh)).unwrap();
    assert_eq!(world.try_sync(trip), Ok(()), "no close has been refused yet");
    assert_eq!(flush(), Err(errno(libc::EMEDIUMTYPE)));
    for place in [trip, ROOT, attr.ino] {
        assert_eq!(world.try_sync(place), Err(errno(libc::EIO)));
    }
    assert_eq!(world.try_sync(other), Ok(()));
    // A copy of the descriptor had been closed only.
    write(&photo(1));
    assert_eq!(world.try_sync(trip), Ok(()));
    assert_eq!(flush(), Ok(()));
    fs.release(opened.fh).unwrap();
    assert_eq!(world.try_sync(trip), Ok(()));
    assert_eq!(world.emulator().dump().items.len(), 1);
}

#[test]
fn the_control_directory_can_be_neither_replaced_nor_removed() {
    let world = World::new();
    world.mkdir("Trip").unwrap();
    let fs = world.fs();
    let rename = fs.rename((ROOT, b"Trip"), (ROOT, b".gphotos"), Rename::Replace);
    assert_eq!(world.runtime.block_on(rename).unwrap_err().errno(), errno(libc::EPERM));
    let rmdir = fs.rmdir(ROOT, b".gphotos");
    assert_eq!(world.runtime.block_on(rmdir).unwrap_err().errno(), errno(libc::EPERM));
    let mkdir = fs.mkdir(ROOT, b".gphotos");
    assert_eq!(world.runtime.block_on(mkdir).unwrap_err().errno(), errno(libc::EEXIST));
    assert_eq!(world.names(ROOT), ["Trip"]);
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
fn in_an_album_deleted_outside_nothing_can_be_made() {
    let world = World::new();
    world.seed("Trip", 1);
    let trip = world.dir("Trip");
    world.list(trip);
    world.edit(Edit::DeleteAlbum { album: "Trip".into() });
    world.refresh(ROOT);
    assert_eq!(world.names(ROOT), [""; 0]);
    assert_eq!(world.lookup(trip, "IMG_000001.jpg"), Err(errno(libc::ENOENT)));
    assert_eq!(world.fs().create(trip, b"a.jpg").unwrap_err().errno(), errno(libc::ENOENT));
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

/// > If the login lacks the permission to edit (`edit.appcreateddata`), operations that add items
/// > to an album or remove them fail with `EACCES`, and the log says what to do: `rm`, `ln`, `mv`
/// > and edits. Files that are not at Google yet can be removed and moved, and names within an
/// > album can be changed.
#[test]
fn without_the_right_to_edit_albums_keep_what_they_have() {
    let world = World::granted(&["appendonly", "readonly.appcreateddata"], &[]);
    let (one, two) = (world.mkdir("One").unwrap(), world.mkdir("Two").unwrap());
    let photo = |seed| content(seed, 5000);
    let item = world.create(one, "a.jpg", &photo(1));
    world.create(one, "b.jpg", &photo(2));
    world.sync(ROOT);
    let fs = world.fs();
    let rename = |from: (Ino, &str), to: (Ino, &str)| {
        let (from, to) = ((from.0, from.1.as_bytes()), (to.0, to.1.as_bytes()));
        world.runtime.block_on(fs.rename(from, to, Rename::Replace)).map_err(|it| it.to_string())
    };
    let refused = |outcome: Result<(), String>| {
        let said = outcome.unwrap_err();
        assert!(
            said.starts_with("Permission denied") && said.contains("gphotosfs login"),
            "{said}"
        );
    };
    refused(fs.unlink(one, b"a.jpg").map_err(|it| it.to_string()));
    refused(fs.link(item, two, b"a.jpg").map(|_| ()).map_err(|it| it.to_string()));
    refused(rename((one, "a.jpg"), (two, "a.jpg")));
    refused(rename((one, "a.jpg"), (one, "b.jpg")));
    let opened = world.runtime.block_on(fs.open(item, REWRITE));
    refused(opened.map(|_| ()).map_err(|it| it.to_string()));
    let names = |dir| world.names(dir);
    assert_eq!((names(one), names(two)), (vec!["a.jpg".to_owned(), "b.jpg".to_owned()], vec![]));

    rename((one, "a.jpg"), (one, "c.jpg")).unwrap();
    fs.link(item, one, b"d.jpg").unwrap();
    fs.unlink(one, b"c.jpg").unwrap();
    world.create(one, ".new.jpg", &photo(3));
    rename((one, ".new.jpg"), (two, "e.jpg")).unwrap();
    world.create(one, ".old.jpg", &photo(4));
    fs.unlink(one, b".old.jpg").unwrap();
    world.sync(ROOT);
    assert_eq!(names(two), ["e.jpg"]);
}

#[test]
fn a_mount_that_is_told_so_knows_that_there_is_no_login_any_more() {
    let world = World::new();
    world.mkdir("One").unwrap();
    let fs = world.fs();
    let trouble = || world.parts.as_ref().unwrap().engine.client.login().trouble();
    assert!(trouble().is_none());
    std::fs::remove_file(world.dir.path().join("config/token.json")).unwrap();
    let told = world.runtime.block_on(fs.getxattr(ROOT, b"user.gphotos.login"));
    assert_eq!(told.unwrap_err().errno(), errno(libc::EACCES));
    assert!(matches!(trouble(), Some(LoginError::NotLoggedIn)), "{:?}", trouble());
    assert_eq!(world.mkdir("Two").unwrap_err(), errno(libc::EACCES));
}

/// > If the mount is killed, files that were being written are in `.gphotos/failed` afterwards,
/// > unless they were empty. A sync reports them until a file is closed under the same name, or
/// > they are removed.
#[test]
fn what_was_cut_off_is_kept_until_the_copy_is_made_again() {
    let mut world = World::new();
    let one = world.mkdir("One").unwrap();
    let photo = content(1, 5000);
    for (name, bytes) in [("a.jpg", &photo[..3000]), ("b.jpg", &photo[..2000]), ("c.jpg", &[])] {
        let (_, opened) = world.fs().create(one, name.as_bytes()).unwrap();
        world.runtime.block_on(world.fs().write(opened.fh, Offset::At(0), bytes)).unwrap();
    }
    world.restart();
    let failed = world.dir(".gphotos/failed/One");
    assert_eq!(
        (world.names(one), world.names(failed)),
        (vec!["c.jpg".to_owned()], vec!["a.jpg".to_owned(), "b.jpg".to_owned()])
    );
    let size = |name| {
        let cut_off = world.lookup(failed, name).unwrap();
        world.runtime.block_on(world.fs().getattr(cut_off)).unwrap().size
    };
    assert_eq!((size("a.jpg"), size("b.jpg")), (3000, 2000));
    world.create(one, "a.jpg", &photo);
    assert_eq!(world.try_sync(one).unwrap_err(), errno(libc::EIO));
    assert_eq!(world.names(failed), ["b.jpg"]);
    world.fs().unlink(failed, b"b.jpg").unwrap();
    world.sync(one);
}
