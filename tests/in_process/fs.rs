//! The filesystem without a mount, against the emulator: the requests that operations cost, and their results when the
//! service is slow, wrong or unreachable.

mod cost;
mod outages;
mod races;
mod results;

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
