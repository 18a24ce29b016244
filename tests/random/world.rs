//! The filesystem without a mount, against an emulator, through restarts and crashes.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gphotosfs::api::{BaseUrls, Budget, Client, Login};
use gphotosfs::content::{self, Content};
use gphotosfs::fs::{self, Attr, AttrChange, Fh, Fs, Ino, Node, SetXattrMode};
use gphotosfs::library::{self, Library};
use gphotosfs::media::FileId;
use gphotosfs::profile::Profile;
use gphotosfs::settings::Thumbnails;
use gphotosfs::store::Store;
use gphotosfs::store::SyncScope;
use gphotosfs::upload::{self, DrainError, Pipeline};
use gphotosfs_emulator::{Call, CallFaults, Config, Failure, Faults, Injection, SCOPES};

use crate::queues;
use crate::support::account::brisk;
use crate::support::core::{self, Core, Outcome, ROOT, errno, file_id};
use crate::support::{sha256, wait_within};

/// How long the worker may take to try again what an answer has blocked.
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);

/// How often the queues are checked meanwhile.
const CHECKED_EVERY: Duration = Duration::from_secs(2);

/// One account, the service, and the process that mounts it.
pub struct World(core::World);

impl World {
    /// An account without albums. Every call takes up to `latency_ms`, so that more can happen meanwhile.
    pub fn new(latency_ms: u64) -> Self {
        let every_call = CallFaults { latency_ms, ..CallFaults::default() };
        let faults = Faults { every_call, ..Faults::default() };
        Self(core::World::with(Config { faults, ..Config::default() }, &SCOPES, begin))
    }

    pub fn attr(&self, ino: Ino) -> Outcome<Attr> {
        errno(self.wait(self.fs.getattr(ino)))
    }

    pub fn set_mtime(&self, file: Ino, mtime: SystemTime) -> Outcome {
        let change = AttrChange { mtime: Some(mtime), ..AttrChange::default() };
        errno(self.wait(self.fs.setattr(file, None, change))).map(drop)
    }

    pub fn set_xattr(&self, file: Ino, name: &str, value: &str) -> Outcome {
        let set = self.fs.setxattr(file, name.as_bytes(), value.as_bytes(), SetXattrMode::Any);
        errno(self.wait(set))
    }

    pub fn xattr(&self, file: Ino, name: &str) -> Outcome<Vec<u8>> {
        errno(self.fs.getxattr_now(file, name.as_bytes())).map(Option::unwrap_or_default)
    }

    /// The names in a directory, without a look at Google.
    pub fn names_now(&self, dir: Ino) -> Vec<String> {
        let Some(Node::Dir(dir)) = Node::of(dir) else { panic!("{dir:?}") };
        let entries = self.store.entries(dir, 0, 10_000).unwrap();
        entries.iter().map(|entry| entry.name.to_string()).collect()
    }

    pub fn resize(&self, file: Ino, fh: Fh, size: usize) -> Outcome {
        let change = AttrChange { size: Some(size as u64), ..AttrChange::default() };
        errno(self.wait(self.fs.setattr(file, Some(fh), change))).map(drop)
    }

    /// The file that has taken over the names of this one, or itself.
    pub fn survivor(&self, file: Ino) -> Ino {
        let info = self.store.file(file_id(file)).unwrap();
        info.map_or(file, |info| Node::File(info.id).ino())
    }

    /// The hash of a file's bytes here, or of its item at Google, without a request;
    /// `None` if Google does not have the item any more.
    pub fn identity(&self, file: Ino) -> Option<String> {
        let info = loop {
            let info = self.store.file(file_id(file)).unwrap().unwrap();
            if info.upload.is_none() {
                break info;
            }
            match std::fs::read(self.pipeline.spool().path(info.id)) {
                Ok(bytes) => return Some(sha256(&bytes)),
                // It has just arrived.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("{error}"),
            }
        };
        let dump = self.emulator.dump();
        dump.item(info.media.unwrap().as_str())?.sha256.clone()
    }

    /// Waits until all has arrived. Rejected names are no failure of the drain. An answer about the
    /// login or a full account ends a drain, because a person might have to act, until the worker
    /// has tried again.
    pub fn drain(&self) {
        let drained = || {
            self.wait(async {
                let mut drain = std::pin::pin!(self.pipeline.drain(SyncScope::All));
                loop {
                    match tokio::time::timeout(CHECKED_EVERY, &mut drain).await {
                        Ok(drained) => break drained,
                        // Says what a drain that does not end waits for.
                        Err(_) => queues::check(self),
                    }
                }
            })
        };
        wait_within(DRAIN_DEADLINE, || match drained() {
            Ok(()) | Err(DrainError::Failed { .. }) => Ok(()),
            Err(DrainError::Blocked(blocked)) => Err(format!("draining: {}", blocked.text)),
            Err(error) => panic!("draining: {error}"),
        });
    }

    /// The bytes of everything under `failed`.
    pub fn failed(&self) -> Vec<Vec<u8>> {
        let names = self.store.failed_names().unwrap();
        let bytes = |file| std::fs::read(self.pipeline.spool().path(file));
        // A file that a full album has rejected is an item: its bytes are not in the spool.
        names.into_iter().filter_map(|name| bytes(name.file).ok()).collect()
    }

    /// Whether the spool has the bytes of this file.
    pub fn is_spooled(&self, file: Ino) -> bool {
        let info = self.store.file(file_id(file)).unwrap();
        info.is_some_and(|info| {
            info.upload.is_some() && self.pipeline.spool().path(info.id).exists()
        })
    }

    /// The rejected names with the reasons.
    pub fn refusals(&self) -> Vec<String> {
        let names = self.store.failed_names().unwrap();
        names.iter().map(|it| format!("{}/{}: {}", it.dir_path, it.name, it.reason)).collect()
    }

    /// The files in the spool that belong to no upload.
    pub fn stray_spool_files(&self) -> Vec<String> {
        let mut stray = Vec::new();
        for entry in std::fs::read_dir(self.pipeline.spool().dir()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let file = name.parse().ok().map(FileId);
            if file.is_none_or(|file| self.store.upload_state(file).unwrap().is_none()) {
                stray.push(name);
            }
        }
        stray
    }

    /// Where the title stands in the tree.
    pub fn album(&self, title: &str) -> Option<Ino> {
        self.lookup_now(ROOT, title)
    }

    /// Lets the pipeline run for a while.
    pub fn pause(&self, time: Duration) {
        self.wait(async { tokio::time::sleep(time).await });
    }

    /// Cuts all calls off, or lets them through again.
    pub fn outage(&self, begins: bool) {
        self.emulator.faults(|faults| {
            let cut = Injection { rate: 1.0, ..Injection::new(Failure::Drop) };
            for call in CALLS {
                let failures = &mut faults.on(call).failures;
                failures.retain(|failure| *failure != cut);
                failures.extend(begins.then(|| cut.clone()));
            }
        });
    }

    /// Whether no list lacks anything now.
    pub fn lists_are_whole(&self) -> bool {
        let mut whole = false;
        self.emulator.faults(|faults| whole = faults.listing_faults.is_empty());
        whole
    }

    /// Ends all faults.
    pub fn end_faults(&self) {
        self.emulator.faults(|faults| {
            faults.item_failures.clear();
            faults.listing_faults.clear();
            faults.calls.values_mut().for_each(|call| call.failures.clear());
        });
    }
}

impl Deref for World {
    type Target = core::World;

    fn deref(&self) -> &core::World {
        &self.0
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut core::World {
        &mut self.0
    }
}

/// All calls of the program.
const CALLS: [Call; 9] = [
    Call::AlbumsList,
    Call::AlbumsBatchAdd,
    Call::AlbumsBatchRemove,
    Call::MediaItemsSearch,
    Call::MediaItemsBatchGet,
    Call::MediaItemsBatchCreate,
    Call::UploadRaw,
    Call::Download,
    Call::OauthToken,
];

/// Begins a run of the program that gives up soon.
fn begin(profile: &Profile, url: &str) -> Core {
    let runtime = core::runtime();
    let handle = runtime.handle().clone();
    let _entered = handle.enter();
    let state_dir = profile.state_dir().unwrap();
    let store = Store::open(state_dir).unwrap();
    let login = Arc::new(Login::load(profile, &url.parse().unwrap()).unwrap());
    // A day's allowance for each run.
    let budget = Arc::new(Budget::new(jiff::Timestamp::now()));
    let client = Client::new(brisk(), login, budget).unwrap();
    let base_urls = Arc::new(BaseUrls::start(client.clone(), &handle));
    let library = Library::new(
        library::Config {
            refresh: Duration::from_secs(3600),
            clock: gphotosfs::media::Clock::default(),
        },
        store.clone(),
        client.clone(),
        handle.clone(),
        base_urls.clone(),
    );
    let content = content::Config {
        dir: profile.cache_dir().unwrap().join("content"),
        limit: 1 << 30,
        waits: content::Waits::default(),
    };
    let content =
        Content::new(content, store.clone(), client.clone(), base_urls, handle.clone()).unwrap();
    let keep = content.clone();
    let config = upload::Config {
        uploads: 3,
        batch_window: Duration::from_millis(5),
        upload_delay: Duration::from_millis(2),
        retry_base: Duration::from_millis(2),
        retry_max: Duration::from_millis(20),
        own_retry_max: Duration::from_millis(20),
        ..upload::Config::new(
            state_dir.join("spool"),
            Arc::new(move |file, hash, path| keep.add_to_cache(file, hash, path)),
        )
    };
    let pipeline = Pipeline::start(config, store.clone(), client.clone(), &handle).unwrap();
    let config = fs::Config {
        read_only: false,
        commit_at_close: false,
        keep_sidecars: true,
        temporary_names: Vec::new(),
        exact_sizes: false,
        shared: false,
        umask: 0o022,
        thumbnails: Thumbnails::Off,
        named: "/nowhere".into(),
        profile: "model".into(),
        mountpoint: "/nowhere".into(),
        api_url: url.to_owned(),
    };
    let fs = Fs::new(config, store.clone(), library, pipeline.clone(), content, client);
    Core::of(runtime, fs, store, pipeline)
}
