//! The filesystem without a mount, against an emulator, through restarts and crashes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gphotosfs::api::{self, BaseUrls, Budget, Client, Deadlines, Login};
use gphotosfs::content::{self, Content};
use gphotosfs::fs::error::Errno;
use gphotosfs::fs::{
    self, Attr, AttrChange, Fh, Fs, Ino, Node, Offset, Open, Rename, SetXattrMode,
};
use gphotosfs::library::{self, Library};
use gphotosfs::media::{DirId, FileId};
use gphotosfs::profile::Profile;
use gphotosfs::store::{Store, SyncScope};
use gphotosfs::upload::{self, DrainError, Pipeline};
use gphotosfs_emulator::{Call, CallFaults, Config, Edit, Emulator, Failure, Faults, Injection};
use tokio::runtime::{Builder, Runtime};

use crate::support::{Account, sha256};

/// Nothing takes longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers of the filesystem.
pub type Outcome<T = ()> = Result<T, Errno>;

/// One account, the service, and the process that mounts it.
pub struct World {
    // Ends before what it needs.
    life: Option<Life>,
    pub emulator: Emulator,
    service: Runtime,
    dir: tempfile::TempDir,
}

/// One run of the program.
struct Life {
    runtime: Runtime,
    fs: Arc<Fs>,
    library: Library,
    pipeline: Pipeline,
    store: Store,
}

impl World {
    /// An account without albums. Every call takes up to `latency_ms`, so that more can happen meanwhile.
    pub fn new(latency_ms: u64) -> Self {
        let service = runtime();
        let every_call = CallFaults { latency_ms, ..CallFaults::default() };
        let faults = Faults { every_call, ..Faults::default() };
        let config = Config { faults, ..Config::default() };
        let Account { emulator, dir, .. } = service.block_on(Account::with(config));
        let life = Some(Life::begin(&emulator, dir.path()));
        Self { life, emulator, service, dir }
    }

    fn life(&self) -> &Life {
        self.life.as_ref().unwrap()
    }

    /// The process dies: its tasks end where they stand, and what was in memory is gone.
    pub fn crash(&mut self) {
        self.life = None;
        self.life = Some(Life::begin(&self.emulator, self.dir.path()));
    }

    /// The process ends in good order and begins anew.
    pub fn restart(&mut self) {
        let life = self.life();
        life.wait(life.pipeline.shutdown());
        self.crash();
    }

    pub fn mkdir(&self, title: &str) -> Ino {
        let life = self.life();
        life.wait(life.fs.mkdir(Node::Dir(DirId::ROOT).ino(), title.as_bytes())).unwrap().ino
    }

    pub fn try_mkdir(&self, parent: Ino, name: &str) -> Outcome<Ino> {
        let life = self.life();
        errno(life.wait(life.fs.mkdir(parent, name.as_bytes()))).map(|attr| attr.ino)
    }

    pub fn rmdir(&self, parent: Ino, name: &str) -> Outcome {
        let life = self.life();
        errno(life.wait(life.fs.rmdir(parent, name.as_bytes())))
    }

    /// Looks a name up, asking Google if need be.
    pub fn find(&self, parent: Ino, name: &str) -> Outcome<Ino> {
        let life = self.life();
        errno(life.wait(life.fs.lookup(parent, name.as_bytes()))).map(|attr| attr.ino)
    }

    pub fn attr(&self, ino: Ino) -> Outcome<Attr> {
        let life = self.life();
        errno(life.wait(life.fs.getattr(ino)))
    }

    /// Lists a directory as the kernel does.
    pub fn list(&self, dir: Ino) -> Outcome<Vec<(String, Ino)>> {
        let life = self.life();
        errno(life.fs.opendir(dir))?;
        let mut all: Vec<(String, Ino)> = Vec::new();
        let mut offset = 0;
        loop {
            let page = errno(life.wait(life.fs.readdir(dir, offset)))?;
            let Some(last) = page.last() else { break };
            offset = last.next;
            all.extend(page.into_iter().map(|it| (String::from_utf8(it.name).unwrap(), it.ino)));
        }
        all.retain(|(name, _)| name != "." && name != "..");
        Ok(all)
    }

    pub fn set_mtime(&self, file: Ino, mtime: SystemTime) -> Outcome {
        let life = self.life();
        let change = AttrChange { mtime: Some(mtime), ..AttrChange::default() };
        errno(life.wait(life.fs.setattr(file, None, change))).map(drop)
    }

    pub fn set_xattr(&self, file: Ino, name: &str, value: &str) -> Outcome {
        let life = self.life();
        let set = life.fs.setxattr(file, name.as_bytes(), value.as_bytes(), SetXattrMode::Any);
        errno(life.wait(set))
    }

    pub fn xattr(&self, file: Ino, name: &str) -> Outcome<Vec<u8>> {
        errno(self.life().fs.getxattr_now(file, name.as_bytes())).map(Option::unwrap_or_default)
    }

    pub fn lookup(&self, album: Ino, name: &str) -> Option<Ino> {
        match self.life().fs.lookup_now(album, name.as_bytes()) {
            Ok(found) => found.map(|attr| attr.ino),
            Err(error) if error.errno() == Errno(libc::ENOENT) => None,
            Err(error) => panic!("looking up {name}: {error}"),
        }
    }

    /// The names in a directory.
    pub fn names(&self, dir: Ino) -> Vec<String> {
        let Some(Node::Dir(dir)) = Node::of(dir) else { panic!("{dir:?}") };
        let entries = self.life().store.entries(dir, 0, 10_000).unwrap();
        entries.iter().map(|entry| entry.name.to_string()).collect()
    }

    pub fn create(&self, album: Ino, name: &str) -> Outcome<(Ino, Fh)> {
        let (attr, opened) = errno(self.life().fs.create(album, name.as_bytes()))?;
        Ok((attr.ino, opened.fh))
    }

    pub fn open(&self, file: Ino, how: Open) -> Outcome<Fh> {
        let life = self.life();
        Ok(errno(life.wait(life.fs.open(file, how)))?.fh)
    }

    pub fn write(&self, fh: Fh, at: usize, bytes: &[u8]) -> Outcome {
        let life = self.life();
        errno(life.wait(life.fs.write(fh, Offset::At(at as u64), bytes))).map(drop)
    }

    pub fn resize(&self, file: Ino, fh: Fh, size: usize) -> Outcome {
        let life = self.life();
        let change = AttrChange { size: Some(size as u64), ..AttrChange::default() };
        errno(life.wait(life.fs.setattr(file, Some(fh), change))).map(drop)
    }

    pub fn flush(&self, fh: Fh) -> Outcome {
        let life = self.life();
        errno(life.wait(life.fs.flush(fh)))
    }

    /// Its error is seen by nobody.
    pub fn release(&self, fh: Fh) {
        let _ = self.life().fs.release(fh);
    }

    pub fn unlink(&self, album: Ino, name: &str) -> Outcome {
        errno(self.life().fs.unlink(album, name.as_bytes()))
    }

    pub fn link(&self, file: Ino, album: Ino, name: &str) -> Outcome {
        errno(self.life().fs.link(file, album, name.as_bytes())).map(drop)
    }

    pub fn rename(&self, from: (Ino, &str), to: (Ino, &str), how: Rename) -> Outcome {
        let life = self.life();
        let (from, to) = ((from.0, from.1.as_bytes()), (to.0, to.1.as_bytes()));
        errno(life.wait(life.fs.rename(from, to, how)))
    }

    /// The file that has taken over the names of this one, or itself.
    pub fn survivor(&self, file: Ino) -> Ino {
        let info = self.life().store.file(file_id(file)).unwrap();
        info.map_or(file, |info| Node::File(info.id).ino())
    }

    /// Reads a file from end to end.
    pub fn read(&self, file: Ino) -> Outcome<Vec<u8>> {
        let life = self.life();
        let fh = self.open(file, Open { read: true, ..Open::default() })?;
        let outcome = errno(life.wait(life.fs.read(fh, 0, 1 << 20)));
        self.release(fh);
        outcome
    }

    /// What a file is, without asking anybody: the hash of its bytes here, or of its item at Google;
    /// `None` if Google does not have the item any more.
    pub fn identity(&self, file: Ino) -> Option<String> {
        let info = loop {
            let info = self.life().store.file(file_id(file)).unwrap().unwrap();
            if info.upload.is_none() {
                break info;
            }
            match std::fs::read(self.life().pipeline.spool().path(info.id)) {
                Ok(bytes) => return Some(sha256(&bytes)),
                // It has just arrived.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("{error}"),
            }
        };
        let dump = self.emulator.dump();
        dump.item(info.media.unwrap().as_str())?.sha256.clone()
    }

    /// Lists the albums and one album's items again; fails if Google cannot be asked.
    pub fn refresh(&self, album: Ino) -> Result<(), library::Error> {
        let Some(Node::Dir(dir)) = Node::of(album) else { panic!("{album:?}") };
        let life = self.life();
        life.wait(life.library.refresh(dir))
    }

    /// Waits until all has arrived; names that were refused do not count as a failure of waiting.
    pub fn drain(&self) {
        let life = self.life();
        let drained =
            async { tokio::time::timeout(PATIENCE, life.pipeline.drain(SyncScope::All)).await };
        match life.runtime.block_on(drained) {
            Ok(Ok(()) | Err(DrainError::Failed { .. })) => {}
            Ok(Err(error)) => panic!("draining: {error}"),
            Err(_) => panic!("still pending: {:#?}", life.pipeline.queue()),
        }
    }

    /// The bytes of everything under `failed`.
    pub fn failed(&self) -> Vec<Vec<u8>> {
        let life = self.life();
        let names = life.store.failed_names().unwrap();
        let bytes = |file| std::fs::read(life.pipeline.spool().path(file));
        // What an album has refused to hold is an item; its bytes are not in the spool.
        names.into_iter().filter_map(|name| bytes(name.file).ok()).collect()
    }

    /// Which names were refused, and why.
    pub fn refusals(&self) -> Vec<String> {
        let names = self.life().store.failed_names().unwrap();
        names.iter().map(|it| format!("{}/{}: {}", it.dir_path, it.name, it.reason)).collect()
    }

    /// What lies in the spool, but for what is known to belong there: files that stay here.
    pub fn stray_spool_files(&self) -> Vec<String> {
        let life = self.life();
        let mut stray = Vec::new();
        for entry in std::fs::read_dir(life.pipeline.spool().dir()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let file = name.parse().ok().map(FileId);
            if file.is_none_or(|file| life.store.upload_state(file).unwrap().is_none()) {
                stray.push(name);
            }
        }
        stray
    }

    /// Where the title stands in the tree.
    pub fn album(&self, title: &str) -> Option<Ino> {
        self.lookup(Node::Dir(DirId::ROOT).ino(), title)
    }

    /// Waits for something in the service.
    pub fn wait(&self, event: impl Future<Output = ()>) {
        let within = async { tokio::time::timeout(PATIENCE, event).await };
        self.service.block_on(within).expect("it happens in time");
    }

    /// Lets things take their course.
    pub fn pause(&self, time: Duration) {
        self.life().wait(async { tokio::time::sleep(time).await });
    }

    /// Somebody else changes the library.
    pub fn edit(&self, edit: Edit) -> String {
        self.service.block_on(self.emulator.edit(edit)).unwrap()
    }

    /// No call gets through any more, or all do again.
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

    /// Whatever was going wrong goes wrong no more.
    pub fn end_faults(&self) {
        self.emulator.faults(|faults| {
            faults.item_failures.clear();
            faults.calls.values_mut().for_each(|call| call.failures.clear());
        });
    }
}

/// All that the program asks of the service.
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

impl Life {
    fn begin(emulator: &Emulator, dir: &Path) -> Self {
        let runtime = runtime();
        let handle = runtime.handle().clone();
        let _entered = handle.enter();
        let profile = Profile::under(dir);
        let state_dir = profile.state_dir().unwrap();
        let store = Store::open(state_dir).unwrap();
        let api = api::Config {
            deadlines: Deadlines {
                connect: Duration::from_secs(2),
                read: Duration::from_secs(10),
                write: Duration::from_secs(10),
                stall: Duration::from_secs(10),
                retries: Duration::from_millis(50),
                throttled: Duration::from_millis(50),
            },
            retry_base: Duration::from_millis(2),
            write_pause: Duration::from_millis(1),
        };
        let login = Arc::new(Login::load(&profile, &emulator.url().parse().unwrap()).unwrap());
        // A day's allowance for each life.
        let budget = Arc::new(Budget::new(jiff::Timestamp::now()));
        let client = Client::new(api, login, budget).unwrap();
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
            Content::new(content, store.clone(), client.clone(), base_urls, handle.clone())
                .unwrap();
        let keep = content.clone();
        let config = upload::Config {
            uploads: 3,
            batch_window: Duration::from_millis(5),
            retry_base: Duration::from_millis(2),
            retry_max: Duration::from_millis(20),
            ..upload::Config::new(
                state_dir.join("spool"),
                Arc::new(move |file, hash, path| keep.keep(file, hash, path)),
            )
        };
        let pipeline = Pipeline::start(config, store.clone(), client.clone(), &handle).unwrap();
        let config = fs::Config {
            read_only: false,
            commit_at_close: false,
            exact_sizes: false,
            shared: false,
            profile: "model".into(),
            mountpoint: "/nowhere".into(),
            api_url: emulator.url(),
        };
        let fs = Fs::new(config, store.clone(), library.clone(), pipeline.clone(), content, client);
        Self { runtime, fs, library, pipeline, store }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn errno<T>(outcome: fs::error::Result<T>) -> Outcome<T> {
    outcome.map_err(|error| error.errno())
}

fn file_id(file: Ino) -> FileId {
    match Node::of(file) {
        Some(Node::File(file)) => file,
        other => panic!("not a file: {other:?}"),
    }
}
