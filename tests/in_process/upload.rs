//! The upload pipeline against the emulator: nothing lost, nothing twice, in order, with few requests.

mod absences;
mod copies;
mod edits;
mod failures;
mod lasting;
mod permission;
mod refusals;
mod removals;
mod restarts;
mod withheld;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gphotosfs::api::Client;
use gphotosfs::media::{DirId, EntryName, FileId};
use gphotosfs::store::{AlbumIntent, Backlog, Child, ListedAlbum, Store, SyncScope, UploadState};
use gphotosfs::upload::{
    self, BlockedReason, DrainError, Pipeline, SealCause, SealError, SealOutcome, Writer,
};
use gphotosfs_emulator::{
    Call, Config, Dump, Edit, Emulator, Failure, Grant, Injection, ItemFailure, Moment,
};
use parking_lot::Mutex;

use crate::support::account::brisk;
use crate::support::wait::arrived;
use crate::support::{self, Account, DEADLINE, eventually, sha256, small_photo};

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
        let client = account.client(brisk());
        let Account { emulator, dir, .. } = account;
        let store = Store::open(dir.path()).unwrap();
        let kept = Kept::default();
        let pipeline = pipeline_of(&store, &client, dir.path(), &kept);
        Self { emulator, client, store, pipeline, writers: Mutex::default(), kept, dir }
    }

    /// Stops the pipeline, as at the end of the process, and starts it again from the disk.
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
        // The last connection tidies up when it closes, also if the files are others by then.
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

    /// Creates a file and writes to it, like `cp` before its close.
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
        tokio::time::timeout(DEADLINE, self.pipeline.drain(SyncScope::All))
            .await
            .unwrap_or_else(|_| panic!("still pending: {:#?}", self.pipeline.queue()))
    }

    /// Waits for a state in between, which nobody announces.
    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        eventually("a state of the queue", || reached(self)).await;
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

fn pipeline_of(store: &Store, client: &Client, dir: &Path, kept: &Kept) -> Pipeline {
    let kept = kept.clone();
    let keep = Arc::new(move |file, _, path: &Path| {
        kept.lock().insert(file, std::fs::read(path).unwrap());
    });
    let config = upload::Config {
        uploads: 4,
        upload_delay: Duration::from_millis(5),
        retry_base: Duration::from_millis(5),
        retry_max: Duration::from_millis(50),
        own_retry_max: Duration::from_millis(50),
        ..upload::Config::new(dir.join("spool"), keep)
    };
    Pipeline::start(config, store.clone(), client.clone(), &tokio::runtime::Handle::current())
        .unwrap()
}

fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

fn photos(seeds: impl IntoIterator<Item = u64>) -> Vec<String> {
    seeds.into_iter().map(|seed| sha256(&small_photo(seed))).collect()
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
