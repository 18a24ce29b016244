//! The upload pipeline against the emulator: nothing lost, nothing twice, in order, with few requests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gphotosfs::api::{self, Client, Deadlines};
use gphotosfs::media::{DirId, EntryName, FileId};
use gphotosfs::store::{Backlog, Child, ListedAlbum, Store, SyncScope, UploadState};
use gphotosfs::upload::{
    self, BlockedReason, DrainError, Pipeline, SealCause, SealError, SealOutcome, Writer,
};
use gphotosfs_emulator::{
    Call, Config, Dump, Edit, Emulator, Failure, Grant, Injection, ItemFailure,
};
use parking_lot::Mutex;

use crate::support::{self, Account, sha256};

/// No test needs longer, or it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that the pipeline has let go of.
type Kept = Arc<Mutex<HashMap<FileId, Vec<u8>>>>;

/// An emulator, a store and a pipeline that can be stopped and started.
struct World {
    emulator: Emulator,
    client: Client,
    store: Store,
    pipeline: Pipeline,
    /// Of files that are open for writing.
    writers: Mutex<HashMap<FileId, Writer>>,
    kept: Kept,
    dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(Emulator::start(Config::default()).await.unwrap())
    }

    fn with(emulator: Emulator) -> Self {
        let grant = emulator.grant();
        Self::granted(emulator, &grant)
    }

    fn granted(emulator: Emulator, grant: &Grant) -> Self {
        let account = Account::granted(emulator, grant);
        let client = account.client(api());
        let Account { emulator, dir, .. } = account;
        let store = Store::open(dir.path()).unwrap();
        let kept = Kept::default();
        let pipeline = pipeline_of(&store, &client, dir.path(), &kept);
        Self { emulator, client, store, pipeline, writers: Mutex::default(), kept, dir }
    }

    /// Stops the pipeline, as at the end of the process, and starts it again on what is on the disk.
    async fn restart(&mut self) {
        self.pipeline.shutdown().await;
        self.store = Store::open(self.dir.path()).unwrap();
        self.pipeline = pipeline_of(&self.store, &self.client, self.dir.path(), &self.kept);
    }

    /// Stops the pipeline and copies the database.
    async fn save_database(&self) -> tempfile::TempDir {
        self.pipeline.shutdown().await;
        let aside = tempfile::tempdir().unwrap();
        copy_database(self.dir.path(), aside.path());
        aside
    }

    /// Stops the pipeline and starts it on a database that was copied before.
    async fn put_back(self, aside: &tempfile::TempDir) -> Self {
        let Self { emulator, client, store, pipeline, kept, dir, .. } = self;
        pipeline.shutdown().await;
        // Whoever closes a database last tidies up, whatever lies there by then.
        drop((store, pipeline));
        for file in files_in(dir.path()).iter().filter(|file| is_database(file)) {
            std::fs::remove_file(file).unwrap();
        }
        copy_database(aside.path(), dir.path());
        let store = Store::open(dir.path()).unwrap();
        let pipeline = pipeline_of(&store, &client, dir.path(), &kept);
        Self { emulator, client, store, pipeline, writers: Mutex::default(), kept, dir }
    }

    async fn album(&self, title: &str) -> DirId {
        let album = self.client.create_album(title).await.unwrap();
        let listed = ListedAlbum { album, path: vec![vec![name(title)]] };
        self.store.album_listed(&listed, 1, std::time::SystemTime::now()).unwrap()
    }

    /// What `cp` does up to the close.
    fn open(&self, dir: DirId, file_name: &str, bytes: &[u8]) -> FileId {
        let file = self.store.create_file(dir, &name(file_name), 0).unwrap().unwrap();
        let spool = self.pipeline.spool().create(file).unwrap();
        self.open_writer(file);
        spool.write_at(bytes, 0).unwrap();
        file
    }

    fn open_writer(&self, file: FileId) {
        self.writers.lock().insert(file, self.pipeline.drafts().open_writer(file));
    }

    fn close(&self, file: FileId) -> Result<SealOutcome, SealError> {
        let sealed = self.pipeline.seal(file, SealCause::Close);
        if let Some(writer) = self.writers.lock().remove(&file) {
            self.pipeline.release(&writer);
        }
        sealed
    }

    fn write(&self, dir: DirId, file_name: &str, bytes: &[u8]) -> FileId {
        let file = self.open(dir, file_name, bytes);
        self.close(file).unwrap();
        file
    }

    /// Opens a file again and gives it other bytes, up to the close.
    fn rewrite(&self, file: FileId, bytes: &[u8]) {
        if self.store.upload_state(file).unwrap().is_none() {
            self.pipeline.begin_edit(file, None).unwrap();
        }
        self.open_writer(file);
        self.pipeline.unseal(file).unwrap();
        let spool = self.pipeline.spool().open(file).unwrap();
        spool.set_len(0).unwrap();
        spool.write_at(bytes, 0).unwrap();
    }

    fn remove(&self, dir: DirId, file_name: &str) {
        self.store.unlink(dir, &name(file_name)).unwrap().unwrap();
        self.pipeline.wake();
    }

    async fn drain(&self) -> Result<(), DrainError> {
        tokio::time::timeout(PATIENCE, self.pipeline.drain(SyncScope::All))
            .await
            .unwrap_or_else(|_| panic!("still pending: {:#?}", self.pipeline.queue()))
    }

    /// Looks again and again: for states in between, which nobody announces.
    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !reached(self) {
            assert!(tokio::time::Instant::now() < deadline, "{:#?}", self.pipeline.queue());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn in_state(&self, state: UploadState) -> impl Fn(&Self) -> bool + use<> {
        move |world| {
            let backlog = world.store.backlog().unwrap();
            (match state {
                UploadState::Sealed => backlog.sealed,
                UploadState::Uploaded => backlog.uploaded,
                UploadState::Creating => backlog.creating,
                UploadState::Confirming => backlog.confirming,
                _ => 0,
            }) > 0
        }
    }

    /// The contents of an album at Google, in album order.
    fn remote(&self, title: &str) -> Vec<String> {
        hashes(&self.emulator.dump(), title)
    }

    fn names(&self, dir: DirId) -> Vec<String> {
        self.store.entries(dir, 0, 1000).unwrap().iter().map(|it| it.name.to_string()).collect()
    }

    fn failed(&self, dir: DirId) -> Vec<(String, FileId)> {
        let entries = self.store.failed_entries(dir, 0, 1000).unwrap();
        entries
            .into_iter()
            .filter_map(|entry| match entry.child {
                Child::File(file) => Some((entry.name.to_string(), file)),
                Child::Dir(_) => None,
            })
            .collect()
    }

    /// Whether the emulator had nothing to complain about, and nothing is left in the spool.
    fn assert_clean(&self) {
        let stats = self.emulator.stats();
        assert_eq!(stats.violations, [] as [String; 0]);
        assert!(stats.writes_peak <= 1, "{} library-changing calls at once", stats.writes_peak);
        assert_eq!(files_in(&self.dir.path().join("spool")), [] as [PathBuf; 0]);
    }
}

/// Settings with which failures come soon.
fn api() -> api::Config {
    api::Config {
        deadlines: Deadlines {
            connect: Duration::from_secs(2),
            read: Duration::from_secs(10),
            write: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            retries: Duration::from_millis(100),
            throttled: Duration::from_millis(100),
        },
        retry_base: Duration::from_millis(2),
        write_pause: Duration::from_millis(1),
    }
}

fn pipeline_of(store: &Store, client: &Client, dir: &Path, kept: &Kept) -> Pipeline {
    let kept = kept.clone();
    let keep = Arc::new(move |file, _, path: &Path| {
        kept.lock().insert(file, std::fs::read(path).unwrap());
    });
    let config = upload::Config {
        uploads: 4,
        retry_base: Duration::from_millis(5),
        retry_max: Duration::from_millis(50),
        ..upload::Config::new(dir.join("spool"), keep)
    };
    Pipeline::start(config, store.clone(), client.clone(), &tokio::runtime::Handle::current())
        .unwrap()
}

fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

fn photo(seed: u64) -> Vec<u8> {
    support::photo(seed, 3000)
}

fn photos(seeds: impl IntoIterator<Item = u64>) -> Vec<String> {
    seeds.into_iter().map(|seed| sha256(&photo(seed))).collect()
}

fn hashes(dump: &Dump, title: &str) -> Vec<String> {
    let album = dump.album(title).unwrap();
    album.items.iter().map(|id| dump.item(id).unwrap().sha256.clone().unwrap()).collect()
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn is_database(file: &Path) -> bool {
    file.file_name().unwrap().to_str().unwrap().starts_with("gphotosfs.db")
}

fn copy_database(from: &Path, to: &Path) {
    for file in files_in(from).iter().filter(|file| is_database(file)) {
        std::fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

// The ordinary case.

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_arrives_once_in_order_with_few_requests() {
    let world = World::new().await;
    let titles = ["one", "two", "three"];
    let mut dirs = Vec::new();
    for title in titles {
        dirs.push(world.album(title).await);
    }
    world.emulator.reset_stats();
    let mut files = Vec::new();
    for seed in 0..120 {
        let (dir, file_name) = (dirs[seed as usize / 40], format!("img {seed}.jpg"));
        files.push(world.write(dir, &file_name, &photo(seed)));
    }
    world.pipeline.drain(SyncScope::File(files[0])).await.unwrap();
    assert_eq!(world.store.upload_state(files[0]).unwrap(), None);
    world.pipeline.drain(SyncScope::Dir(dirs[0])).await.unwrap();
    assert!(files[..40].iter().all(|file| world.store.upload_state(*file).unwrap().is_none()));
    world.pipeline.drain(SyncScope::Dir(DirId::ROOT)).await.unwrap();
    assert_eq!(world.store.backlog().unwrap(), Backlog::default());
    world.drain().await.unwrap();
    for (at, title) in titles.iter().enumerate() {
        let first = at as u64 * 40;
        assert_eq!(world.remote(title), photos(first..first + 40));
    }
    let stats = world.emulator.stats();
    assert_eq!(world.emulator.dump().items.len(), 120);
    assert!(stats.api_requests_today * 100 <= 120 * 105, "{:?}", stats.requests);
    assert!(stats.peak(Call::UploadRaw) > 1, "uploads run in parallel");
    for (seed, file) in files.iter().enumerate() {
        assert_eq!(world.kept.lock().get(file), Some(&photo(seed as u64)));
        let info = world.store.file(*file).unwrap().unwrap();
        assert!(info.confirmed && info.upload.is_none());
        assert_eq!(info.filename.unwrap(), format!("img {seed}.jpg"));
    }
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bytes_are_one_item_with_two_names() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    // Files that are hashed at the very same moment are all uploaded; what follows one on its way waits.
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).latency_ms = 300);
    world.write(one, "a.jpg", &photo(1));
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) > 0).await;
    world.write(one, "b.jpg", &photo(1));
    world.write(two, "c.jpg", &photo(1));
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    assert_eq!(world.remote("two"), photos([1]));
    assert_eq!(world.names(one), ["a.jpg", "b.jpg"]);
    let child = |dir, text| world.store.child(dir, &name(text)).unwrap();
    assert_eq!(child(one, "a.jpg"), child(one, "b.jpg"));
    assert_eq!(child(one, "a.jpg"), child(two, "c.jpg"));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 1);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_copy_twice_costs_no_upload() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let files: Vec<_> = (0..5).map(|n| world.write(dir, &format!("{n}.jpg"), &photo(n))).collect();
    world.drain().await.unwrap();
    world.emulator.reset_stats();
    world.kept.lock().clear();
    for (seed, file) in files.iter().enumerate() {
        world.rewrite(*file, &photo(seed as u64));
        world.close(*file).unwrap();
    }
    world.drain().await.unwrap();
    let kept = |world: &World| world.kept.lock().len() == files.len();
    world.until(kept).await;
    for (seed, file) in files.iter().enumerate() {
        assert_eq!(world.kept.lock().get(file), Some(&photo(seed as u64)));
    }
    assert_eq!(world.emulator.stats().api_requests_today, 0);
    assert_eq!(world.remote("one"), photos(0..5));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_need_not_be_sent_is_not_left_to_be_sent() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    world.write(one, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    // Whether the item is still there is asked first, and this is not answered.
    world.emulator.faults(|faults| {
        let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::MediaItemsBatchGet).failures.push(always);
    });
    world.write(two, "a.jpg", &photo(1));
    world.until(|world| world.pipeline.queue().unwrap().sent.deduplicated == 3000).await;
    let queue = world.pipeline.queue().unwrap();
    assert_eq!((queue.backlog.sealed, queue.bytes_left, queue.sent.bytes), (1, 0, 3000));

    let open = world.open(two, "b.jpg", &photo(2));
    world.pipeline.seal(open, SealCause::Close).unwrap();
    let queue = world.pipeline.queue().unwrap();
    assert_eq!((queue.backlog.sealed, queue.held, queue.bytes_left), (2, 1, 3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_the_user_has_deleted_at_google_are_uploaded_again() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.write(dir, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.emulator.edit(Edit::DeleteItem { item: "a.jpg".into() }).await.unwrap();
    world.write(dir, "b.jpg", &photo(1));
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 2);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_into_another_album_adds_the_item_there() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let file = world.write(one, "a.jpg", &photo(1));
    world.store.link(file, two, &name("b.jpg")).unwrap().unwrap();
    world.pipeline.renamed(file).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    assert_eq!(world.remote("two"), photos([1]));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 1);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_while_the_item_is_added_for_a_copy_leaves_the_copy_alone() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let original = world.write(one, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.emulator.faults(|faults| faults.on(Call::AlbumsBatchAdd).latency_ms = 200);
    world.write(two, "b.jpg", &photo(1));
    world.until(|world| world.emulator.stats().requests(Call::AlbumsBatchAdd) == 1).await;
    world.rewrite(original, &photo(2));
    world.close(original).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.remote("two"), photos([1]));
    assert_ne!(world.store.child(two, &name("b.jpg")).unwrap(), Some(Child::File(original)));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_taken_back_leaves_copies_that_were_made_meanwhile_in_their_albums() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let edited = world.write(one, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.rewrite(edited, &photo(2));
    world.write(two, "b.jpg", &photo(1));
    world.drain().await.unwrap();
    std::fs::write(world.pipeline.spool().path(edited), photo(1)).unwrap();
    world.close(edited).unwrap();
    world.drain().await.unwrap();
    assert_eq!((world.remote("one"), world.remote("two")), (photos([1]), photos([1])));
    let child = |dir, text| world.store.child(dir, &name(text)).unwrap();
    assert_eq!(child(one, "a.jpg"), child(two, "b.jpg"));
    world.remove(two, "b.jpg");
    world.drain().await.unwrap();
    assert_eq!((world.remote("one"), world.remote("two")), (photos([1]), photos([])));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_cut_off_does_not_take_on_an_edit_of_a_copy() {
    let mut world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let edited = world.write(one, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.rewrite(edited, &photo(2));
    world.write(two, "b.jpg", &photo(1));
    world.drain().await.unwrap();
    let Some(Child::File(copy)) = world.store.child(two, &name("b.jpg")).unwrap() else {
        panic!("no copy")
    };
    world.rewrite(copy, &photo(3));
    world.close(copy).unwrap();
    world.restart().await;
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!((world.remote("one"), world.remote("two")), (photos([1]), photos([3])));
    assert_ne!(world.store.child(one, &name("a.jpg")).unwrap(), Some(Child::File(copy)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_edited_file_that_is_moved_away_leaves_nothing_in_the_album() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let file = world.write(one, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.rewrite(file, b"");
    assert_eq!(world.close(file).unwrap(), SealOutcome::Temporary);
    let (from, to) = ((one, &name("a.jpg")), (two, &name("a.jpg")));
    world.store.rename_file(from, to, false).unwrap().unwrap();
    world.pipeline.renamed(file).unwrap();
    world.drain().await.unwrap();
    assert_eq!((world.remote("one"), world.remote("two")), (photos([]), photos([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_edit_that_was_moved_gives_its_new_album_the_old_version() {
    let world = World::new().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    let file = world.write(one, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.rewrite(file, b"only some words\n");
    let (from, to) = ((one, &name("a.jpg")), (two, &name("a.jpg")));
    world.store.rename_file(from, to, false).unwrap().unwrap();
    world.pipeline.renamed(file).unwrap();
    world.drain().await.unwrap();
    assert!(matches!(world.close(file), Err(SealError::Unsupported(_))));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!((world.remote("one"), world.remote("two")), (photos([]), photos([1])));
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_share_calls() {
    let world = World::new().await;
    let dir = world.album("one").await;
    for seed in 0..60 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    world.drain().await.unwrap();
    for seed in 0..60 {
        world.remove(dir, &format!("{seed}.jpg"));
    }
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [] as [String; 0]);
    assert_eq!(world.emulator.dump().items.len(), 60);
    assert_eq!(world.emulator.stats().requests(Call::AlbumsBatchRemove), 2);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_go_on_where_they_broke_off() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    let size = 9 << 20;
    let content = support::photo(7, size);
    world.emulator.faults(|faults| {
        let cut = Injection { next: 1, at_byte: Some(5 << 20), ..Injection::new(Failure::Stall) };
        faults.on(Call::UploadChunk).failures.push(cut);
    });
    let file = world.write(dir, "big.jpg", &content);
    world.until(|world| world.emulator.stats().upload_bytes >= 5 << 20).await;
    world.restart().await;
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [sha256(&content)]);
    assert_eq!(world.emulator.stats().requests(Call::UploadStart), 1);
    assert_eq!(world.kept.lock().get(&file), Some(&content));
    world.assert_clean();
}

// Names and half-written files.

#[tokio::test(flavor = "multi_thread")]
async fn half_written_and_empty_files_stay_here_until_they_are_whole() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let temp = world.open(dir, ".a.jpg.Xy12Zw", &photo(1));
    assert_eq!(world.close(temp).unwrap(), SealOutcome::Temporary);
    let empty = world.open(dir, "b.jpg", b"");
    assert_eq!(world.close(empty).unwrap(), SealOutcome::Temporary);
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [] as [String; 0]);
    world.pipeline.check_name(temp, dir, &name("a.jpg")).unwrap();
    world
        .store
        .rename_file((dir, &name(".a.jpg.Xy12Zw")), (dir, &name("a.jpg")), false)
        .unwrap()
        .unwrap();
    world.pipeline.renamed(temp).unwrap();
    world.rewrite(empty, &photo(2));
    world.close(empty).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1, 2]));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_photo_is_refused_at_close_and_kept() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let file = world.open(dir, "notes.txt", b"some words\n");
    assert!(matches!(world.close(file), Err(SealError::Unsupported(_))));
    assert_eq!(world.names(dir), [] as [String; 0]);
    assert_eq!(world.failed(dir), [("notes.txt".into(), file)]);
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), b"some words\n");
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 0);
}

// What others do meanwhile.

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_replaces_the_item_in_its_album() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let file = world.write(dir, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.rewrite(file, &photo(2));
    world.close(file).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.emulator.dump().items.len(), 2, "the old item stays in the library");
    assert_eq!(world.store.child(dir, &name("a.jpg")).unwrap(), Some(Child::File(file)));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_during_the_upload_makes_only_the_new_version() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).latency_ms = 200);
    let file = world.write(dir, "a.jpg", &photo(1));
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) == 1).await;
    world.rewrite(file, &photo(2));
    world.close(file).unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.emulator.dump().items.len(), 1);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_during_the_creation_ends_with_the_new_version_alone() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchCreate).latency_ms = 200);
    let file = world.write(dir, "a.jpg", &photo(1));
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    world.until(|world| world.emulator.stats().requests(Call::MediaItemsBatchCreate) == 1).await;
    world.rewrite(file, &photo(2));
    world.close(file).unwrap();
    draining.await.unwrap().unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([2]));
    assert_eq!(world.names(dir), ["a.jpg"]);
    assert_eq!(world.kept.lock().get(&file), Some(&photo(2)));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_removed_during_its_creation_leaves_the_album() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchCreate).latency_ms = 200);
    world.write(dir, "a.jpg", &photo(1));
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    world.until(|world| world.emulator.stats().requests(Call::MediaItemsBatchCreate) == 1).await;
    world.remove(dir, "a.jpg");
    draining.await.unwrap().unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), [] as [String; 0]);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_what_was_waited_for_is_removed() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::UploadRaw).failures.push(always);
    });
    let file = world.write(dir, "a.jpg", &photo(1));
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) > 0).await;
    assert!(world.store.unlink(dir, &name("a.jpg")).unwrap().unwrap().orphan);
    assert!(world.store.forget_file(file).unwrap());
    world.pipeline.spool().remove(file).unwrap();
    world.pipeline.wake();
    tokio::time::timeout(PATIENCE, draining).await.unwrap().unwrap().unwrap();
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_for_an_album_that_was_deleted_are_kept_with_the_reason() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.edit(Edit::DeleteAlbum { album: "one".into() }).await.unwrap();
    let file = world.write(dir, "a.jpg", &photo(1));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.failed(dir), [("a.jpg".into(), file)]);
    let reason = world.store.file(file).unwrap().unwrap().error.unwrap();
    assert!(reason.contains("does not exist"), "{reason}");
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), photo(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_google_had_before_us_do_not_block_the_queue() {
    for visible in [false, true] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| faults.matched_items_visible = visible);
        let edit = Edit::AddItem {
            album: None,
            filename: "phone.jpg".into(),
            content: photo(1),
            foreign: true,
        };
        world.emulator.edit(edit).await.unwrap();
        let file = world.write(dir, "a.jpg", &photo(1));
        world.write(dir, "b.jpg", &photo(2));
        world.drain().await.unwrap();
        assert_eq!(world.remote("one"), photos([1, 2]));
        let state = world.store.upload_state(file).unwrap();
        if visible {
            assert_eq!(state, None);
            world.assert_clean();
        } else {
            assert_eq!(state, Some(UploadState::Unseen));
            assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), photo(1));
        }
    }
}

// Troubles.

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_picture_does_not_hold_up_the_others() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.write(dir, "1.jpg", &photo(1));
    let broken = world.write(dir, "2.jpg", b"\xff\xd8\xff\xe0 but nothing behind it");
    world.write(dir, "3.jpg", &photo(3));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.remote("one"), photos([1, 3]));
    assert_eq!(world.failed(dir), [("2.jpg".into(), broken)]);
    assert_eq!(world.names(dir), ["1.jpg", "3.jpg"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_fail_for_now_are_tried_again() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        faults.item_failures.push(ItemFailure { code: 13, skip: 2, next: 3, rate: 0.0 });
        faults.item_failures.push(ItemFailure { code: 3, skip: 12, next: 1, rate: 0.0 });
    });
    for seed in 0..20 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    world.drain().await.unwrap();
    let (mut there, mut all) = (world.remote("one"), photos(0..20));
    there.sort_unstable();
    all.sort_unstable();
    assert_eq!(there, all);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_nothing_twice() {
    for failure in [Failure::Drop, Failure::Garbage, Failure::Unavailable, Failure::Html] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            faults.fail_next_after_effect(Call::MediaItemsBatchCreate, 2, failure);
        });
        for seed in 0..10 {
            world.write(dir, &format!("{seed}.jpg"), &photo(seed));
        }
        world.drain().await.unwrap();
        assert_eq!(world.remote("one"), photos(0..10), "{failure:?}");
        assert_eq!(world.emulator.dump().items.len(), 10);
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_removal_is_settled() {
    let world = World::new().await;
    let dir = world.album("one").await;
    for seed in 0..4 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    world.drain().await.unwrap();
    world.emulator.faults(|faults| {
        faults.fail_next_after_effect(Call::AlbumsBatchRemove, 1, Failure::Drop);
    });
    for seed in 0..3 {
        world.remove(dir, &format!("{seed}.jpg"));
    }
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_google_may_have_made_leaves_the_album_when_it_is_removed_or_rewritten() {
    for rewrite in [false, true] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            let lost =
                Injection { rate: 1.0, after_effect: true, ..Injection::new(Failure::Unavailable) };
            faults.on(Call::MediaItemsBatchCreate).failures.push(lost);
        });
        let file = world.write(dir, "a.jpg", &photo(1));
        let set_aside = |world: &World| world.store.file(file).unwrap().unwrap().error.is_some();
        let draining = tokio::spawn({
            let pipeline = world.pipeline.clone();
            async move { pipeline.drain(SyncScope::All).await }
        });
        world.until(set_aside).await;
        if rewrite {
            world.rewrite(file, &photo(2));
            world.close(file).unwrap();
        } else {
            world.remove(dir, "a.jpg");
        }
        world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchCreate).failures.clear());
        draining.await.unwrap().unwrap();
        world.drain().await.unwrap();
        assert_eq!(world.remote("one"), photos(rewrite.then_some(2)));
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_settles_no_membership() {
    for call in [Call::AlbumsBatchRemove, Call::AlbumsBatchAdd] {
        let world = World::new().await;
        let (one, two) = (world.album("one").await, world.album("two").await);
        let file = world.write(one, "a.jpg", &photo(1));
        world.drain().await.unwrap();
        world.emulator.faults(|faults| faults.fail_next(call, 1, Failure::Garbage));
        world.store.link(file, two, &name("b.jpg")).unwrap().unwrap();
        world.remove(one, "a.jpg");
        world.drain().await.unwrap();
        assert_eq!((world.remote("one"), world.remote("two")), (photos([]), photos([1])));
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_outages_only_delay() {
    for failure in [
        Failure::ConcurrentWrite,
        Failure::WritesPerMinute,
        Failure::Aborted,
        Failure::Internal,
        Failure::Unavailable,
        Failure::Drop,
    ] {
        let world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            faults.fail_next(Call::MediaItemsBatchCreate, 4, failure);
            faults.fail_next(Call::UploadRaw, 6, failure);
            // A limit on reading is taken at its word: half a minute.
            if !matches!(failure, Failure::ConcurrentWrite | Failure::WritesPerMinute) {
                faults.fail_next(Call::MediaItemsBatchGet, 1, failure);
            }
        });
        for seed in 0..10 {
            world.write(dir, &format!("{seed}.jpg"), &photo(seed));
        }
        world.drain().await.unwrap();
        let (mut there, mut all) = (world.remote("one"), photos(0..10));
        there.sort_unstable();
        all.sort_unstable();
        assert_eq!(there, all, "{failure:?}");
        assert!(world.pipeline.queue().unwrap().blocked.is_none());
        world.assert_clean();
    }
}

/// A cancelled upload is no answer from Google, so it does not end an outage.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_write_supersedes_does_not_end_an_outage() {
    let world = World::new().await;
    let dir = world.album("one").await;
    let size = 9 << 20;
    world.emulator.faults(|faults| {
        let cut = Injection { next: 1, at_byte: Some(5 << 20), ..Injection::new(Failure::Stall) };
        faults.on(Call::UploadChunk).failures.push(cut);
        faults.fail_next(Call::UploadRaw, 1000, Failure::Unavailable);
    });
    let big = world.write(dir, "big.jpg", &support::photo(7, size));
    world.until(|world| world.emulator.stats().upload_bytes >= 5 << 20).await;
    for seed in 0..3 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    world.until(|world| world.pipeline.queue().unwrap().blocked.is_some()).await;
    let outage = world.pipeline.queue().unwrap().blocked.unwrap();
    assert_eq!(outage.reason, BlockedReason::ServerError);

    let attempts = world.emulator.stats().requests(Call::UploadRaw);
    world.rewrite(big, &photo(9));
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) >= attempts + 4).await;
    let still = world.pipeline.queue().unwrap().blocked.expect("Google has not answered");
    assert_eq!(still.since, outage.since);

    world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
    world.close(big).unwrap();
    world.drain().await.unwrap();
    assert!(world.pipeline.queue().unwrap().blocked.is_none());
    assert_eq!(world.emulator.dump().items.len(), 4);
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_upload_tokens_are_replaced() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.upload_tokens_refused = true);
    for seed in 0..3 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    let draining = tokio::spawn({
        let pipeline = world.pipeline.clone();
        async move { pipeline.drain(SyncScope::All).await }
    });
    world.until(|world| world.emulator.stats().requests(Call::UploadRaw) >= 4).await;
    world.emulator.faults(|faults| faults.upload_tokens_refused = false);
    draining.await.unwrap().unwrap();
    assert_eq!(world.emulator.dump().album("one").unwrap().items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_account_stops_the_queue_until_there_is_room() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.storage_bytes = Some(0));
    for seed in 0..3 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    // Whoever waits is told at once: only a person can make room.
    let held_up = world.drain().await;
    assert!(
        matches!(&held_up, Err(DrainError::Blocked(it)) if it.reason == BlockedReason::StorageFull),
        "{held_up:?}"
    );
    assert!(world.pipeline.queue().unwrap().blocked.is_some());
    world.emulator.faults(|faults| faults.storage_bytes = None);
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos(0..3));
    assert!(world.pipeline.queue().unwrap().blocked.is_none());
    world.assert_clean();
}

/// A world whose login may upload and read, but not change what is in albums.
async fn without_the_right_to_edit() -> World {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let grant = emulator.grant_scopes(&["appendonly", "readonly.appcreateddata"]);
    World::granted(emulator, &grant)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_edit_only_removals_and_additions_wait() {
    let world = without_the_right_to_edit().await;
    let dir = world.album("one").await;
    world.write(dir, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.remove(dir, "a.jpg");
    let held_up = world.drain().await;
    let permission = |it: &upload::Blocked| {
        it.reason == BlockedReason::Permission && it.text.contains("gphotosfs login")
    };
    assert!(matches!(&held_up, Err(DrainError::Blocked(it)) if permission(it)), "{held_up:?}");
    // What can be done is done, and whoever waits for that is not held up.
    let file = world.write(dir, "b.jpg", &photo(2));
    world.pipeline.drain(SyncScope::File(file)).await.unwrap();
    assert_eq!(world.remote("one"), photos([1, 2]));
    assert!(world.pipeline.queue().unwrap().blocked.is_some_and(|it| permission(&it)));
    // Nothing is known to have been changed, so the name may come back.
    let again = world.write(dir, "a.jpg", &photo(1));
    world.pipeline.drain(SyncScope::File(again)).await.unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.names(dir), ["b.jpg", "a.jpg"]);
    world.until(|world| world.pipeline.queue().unwrap().blocked.is_none()).await;
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_edit_known_bytes_are_sent_again() {
    let world = without_the_right_to_edit().await;
    let (one, two) = (world.album("one").await, world.album("two").await);
    world.write(one, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    world.write(two, "b.jpg", &photo(1));
    world.drain().await.unwrap();
    // In the album that it is in already nothing need be sent.
    world.write(two, "c.jpg", &photo(1));
    world.drain().await.unwrap();
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::AlbumsBatchAdd), 0);
    assert_eq!(stats.requests(Call::UploadRaw), 2);
    assert_eq!(world.remote("two"), photos([1]));
    let child = |dir, text| world.store.child(dir, &name(text)).unwrap();
    assert_eq!(child(one, "a.jpg"), child(two, "b.jpg"));
    assert_eq!(child(one, "a.jpg"), child(two, "c.jpg"));
    let Some(Child::File(item)) = child(one, "a.jpg") else { panic!("no file") };
    assert!(world.store.file(item).unwrap().unwrap().sha256.is_some());
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_is_kept_until_it_is_made_again() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    for cut_off in [1000, 2000] {
        let file = world.open(dir, "a.jpg", &photo(1)[..cut_off]);
        world.restart().await;
        assert_eq!(world.failed(dir), [("a.jpg".into(), file)]);
        assert_eq!(world.store.file(file).unwrap().unwrap().size, Some(cut_off as u64));
        assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    }
    world.write(dir, "b.jpg", &photo(2));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    world.write(dir, "a.jpg", &photo(1));
    world.drain().await.unwrap();
    assert_eq!(world.failed(dir), []);
    assert_eq!(world.remote("one"), photos([2, 1]));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_before_its_first_byte_leaves_nothing_refused() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    world.open(dir, "a.jpg", &[]);
    world.restart().await;
    world.drain().await.unwrap();
    assert_eq!(world.failed(dir), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_item_is_uploaded_again_and_then_kept_as_failed() {
    let world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| faults.lost_items = 1000);
    let file = world.write(dir, "a.jpg", &photo(1));
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })));
    assert_eq!(world.emulator.stats().requests(Call::UploadRaw), 2);
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), photo(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_whole_service_is_waited_out() {
    let state = tempfile::tempdir().unwrap();
    let config = Config { state: Some(state.path().into()), ..Config::default() };
    let mut world = World::with(Emulator::start(config.clone()).await.unwrap());
    let dir = world.album("one").await;
    let address = world.emulator.url().trim_start_matches("http://").parse().unwrap();
    // The place of the emulator that stops is taken by one that nobody talks to.
    let spare = Emulator::start(Config::default()).await.unwrap();
    std::mem::replace(&mut world.emulator, spare).stop().await;
    for seed in 0..5 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    let offline = |world: &World| {
        let blocked = world.pipeline.queue().unwrap().blocked;
        blocked.is_some_and(|it| it.reason == BlockedReason::Offline)
    };
    world.until(offline).await;
    let back = Config { listen: address, ..config };
    world.emulator = Emulator::start(back).await.unwrap();
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos(0..5));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_and_a_bad_day_at_google_lose_and_double_nothing() {
    for seed in 1..=2 {
        let mut world = World::new().await;
        let (one, two) = (world.album("one").await, world.album("two").await);
        world.emulator.faults(|faults| {
            faults.seed = seed;
            faults.every_call.failures = vec![
                Injection { rate: 0.05, ..Injection::new(Failure::Unavailable) },
                Injection { rate: 0.03, after_effect: true, ..Injection::new(Failure::Drop) },
                Injection { rate: 0.02, after_effect: true, ..Injection::new(Failure::Garbage) },
                Injection { rate: 0.02, ..Injection::new(Failure::Aborted) },
            ];
            faults.item_failures.push(ItemFailure { code: 13, skip: 0, next: 0, rate: 0.05 });
        });
        for n in 0..150 {
            // Some bytes come twice, in the same album and in the other one.
            world.write(one, &format!("{n}.jpg"), &photo(n % 140));
            world.write(two, &format!("{n}.jpg"), &photo(n + 100));
            if n == 75 {
                world.restart().await;
            }
        }
        for n in 0..20 {
            world.remove(two, &format!("{n}.jpg"));
        }
        world.drain().await.unwrap();
        for (title, expected) in [("one", photos(0..140)), ("two", photos(120..250))] {
            let (mut there, mut expected) = (world.remote(title), expected);
            there.sort_unstable();
            expected.sort_unstable();
            assert_eq!(there, expected, "{title}, seed {seed}");
        }
        assert_eq!((world.names(one).len(), world.names(two).len()), (150, 130));
        let mut items: Vec<_> =
            world.emulator.dump().items.into_iter().map(|item| item.sha256.unwrap()).collect();
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), world.emulator.dump().items.len());
        world.assert_clean();
    }
}

// Ends of the process.

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_any_state_loses_and_doubles_nothing() {
    for (state, call, after_effect) in [
        (UploadState::Sealed, Call::UploadRaw, false),
        (UploadState::Sealed, Call::UploadRaw, true),
        (UploadState::Creating, Call::MediaItemsBatchCreate, false),
        (UploadState::Creating, Call::MediaItemsBatchCreate, true),
        (UploadState::Confirming, Call::MediaItemsBatchGet, false),
    ] {
        let mut world = World::new().await;
        let dir = world.album("one").await;
        world.emulator.faults(|faults| {
            let always =
                Injection { rate: 1.0, after_effect, ..Injection::new(Failure::Unavailable) };
            faults.on(call).failures.push(always);
        });
        for seed in 0..10 {
            world.write(dir, &format!("{seed}.jpg"), &photo(seed));
        }
        // Somebody waits, so no call waits for more.
        let draining = tokio::spawn({
            let pipeline = world.pipeline.clone();
            async move { pipeline.drain(SyncScope::All).await }
        });
        let stuck = world.in_state(state);
        world
            .until(|world| stuck(world) && world.pipeline.queue().unwrap().blocked.is_some())
            .await;
        world.restart().await;
        assert!(matches!(draining.await.unwrap(), Err(DrainError::ShuttingDown)));
        world.emulator.faults(|faults| faults.on(call).failures.clear());
        world.drain().await.unwrap();
        let (mut there, mut all) = (world.remote("one"), photos(0..10));
        there.sort_unstable();
        all.sort_unstable();
        assert_eq!(there, all, "{state:?}");
        assert_eq!(world.emulator.dump().items.len(), 10);
        assert_eq!(world.names(dir).len(), 10);
        world.assert_clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_being_written_is_kept_with_the_reason() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    let file = world.open(dir, "half.jpg", &photo(1)[..1000]);
    let edited = world.write(dir, "edited.jpg", &photo(2));
    world.drain().await.unwrap();
    world.rewrite(edited, &photo(3)[..1000]);
    world.restart().await;
    assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 2 })));
    assert_eq!(world.names(dir), ["edited.jpg"], "the old version is back");
    assert_eq!(world.failed(dir), [("half.jpg".into(), file), ("edited.jpg".into(), edited)]);
    let reason = world.store.file(file).unwrap().unwrap().error.unwrap();
    assert!(reason.contains("being written"), "{reason}");
    assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), photo(1)[..1000]);
    assert_eq!(world.remote("one"), photos([2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn spool_files_that_nobody_knows_are_kept_apart() {
    let mut world = World::new().await;
    let spool = world.dir.path().join("spool");
    std::fs::write(spool.join("4711"), b"whose?").unwrap();
    world.restart().await;
    assert_eq!(std::fs::read(spool.join("orphans/4711")).unwrap(), b"whose?");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_spool_for_a_file_that_has_arrived_is_let_go_only_if_it_is_that_file() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    let [same, begun, nameless] =
        [1, 2, 3].map(|n| world.write(dir, &format!("{n}.jpg"), &photo(n)));
    world.drain().await.unwrap();
    world.remove(dir, "3.jpg");
    world.drain().await.unwrap();
    let spool = world.dir.path().join("spool");
    // The process has died before it deleted them, before an edit began with them, and after a later one had begun.
    std::fs::write(spool.join(same.0.to_string()), photo(1)).unwrap();
    std::fs::write(spool.join(format!("{}.old", begun.0)), &photo(2)[..1000]).unwrap();
    std::fs::write(spool.join(nameless.0.to_string()), photo(4)).unwrap();
    world.restart().await;
    world.drain().await.unwrap();
    assert_eq!(world.names(dir), ["1.jpg", "2.jpg"]);
    let orphans = spool.join("orphans");
    assert_eq!(files_in(&spool), std::slice::from_ref(&orphans));
    assert_eq!(std::fs::read(orphans.join(nameless.0.to_string())).unwrap(), photo(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_database_takes_for_another_version_is_not_let_go_with_it() {
    for (state, call) in [
        (UploadState::Sealed, Call::UploadRaw),
        (UploadState::Creating, Call::MediaItemsBatchCreate),
        (UploadState::Confirming, Call::MediaItemsBatchGet),
    ] {
        let mut world = World::new().await;
        let dir = world.album("one").await;
        let fail = |world: &World, call| {
            world.emulator.faults(|faults| {
                let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
                faults.on(call).failures.push(always);
            });
        };
        fail(&world, call);
        let file = world.write(dir, "a.jpg", &photo(1));
        let stuck = world.in_state(state);
        world
            .until(|world| stuck(world) && world.pipeline.queue().unwrap().blocked.is_some())
            .await;
        let aside = world.save_database().await;
        world.emulator.faults(|faults| faults.on(call).failures.clear());
        world.restart().await;
        world.drain().await.unwrap();
        fail(&world, Call::UploadRaw);
        world.rewrite(file, &photo(2));
        world.close(file).unwrap();
        world = world.put_back(&aside).await;
        world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
        assert!(matches!(world.drain().await, Err(DrainError::Failed { count: 1 })), "{state:?}");
        assert_eq!(world.failed(dir), [("a.jpg".into(), file)], "{state:?}");
        assert_eq!(std::fs::read(world.pipeline.spool().path(file)).unwrap(), photo(2));
        let reason = world.store.file(file).unwrap().unwrap().error.unwrap();
        assert!(reason.contains("older copy"), "{reason}");
        assert_eq!(world.remote("one"), photos([1]), "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_and_a_spool_that_are_put_back_together_go_on() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        let always = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
        faults.on(Call::MediaItemsBatchGet).failures.push(always);
    });
    let file = world.write(dir, "a.jpg", &photo(1));
    world.until(world.in_state(UploadState::Confirming)).await;
    let aside = world.save_database().await;
    // A copy has another time of change, at least.
    let path = world.pipeline.spool().path(file);
    let copy = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, copy).unwrap();
    world = world.put_back(&aside).await;
    world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchGet).failures.clear());
    world.drain().await.unwrap();
    assert_eq!(world.remote("one"), photos([1]));
    world.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_in_the_middle_of_everything_is_quick() {
    let mut world = World::new().await;
    let dir = world.album("one").await;
    world.emulator.faults(|faults| {
        faults
            .on(Call::UploadRaw)
            .failures
            .push(Injection { rate: 0.5, ..Injection::new(Failure::Stall) });
    });
    for seed in 0..10 {
        world.write(dir, &format!("{seed}.jpg"), &photo(seed));
    }
    let began = SystemTime::now();
    world.restart().await;
    assert!(began.elapsed().unwrap() < Duration::from_secs(5));
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
    world.drain().await.unwrap();
    assert_eq!(world.remote("one").len(), 10);
    world.assert_clean();
}
