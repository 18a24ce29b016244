//! The depth of the core: all that a mount has but the kernel, in this process.

use std::ops::Deref;
use std::sync::Arc;

use clap::Parser;
use gphotosfs::app::engine::Engine;
use gphotosfs::cli::{Cli, Command};
use gphotosfs::commands::mount::assemble;
use gphotosfs::fs::error::{self, Errno};
use gphotosfs::fs::{Fh, Fs, Ino, Listed, Node, Offset, Open, Rename};
use gphotosfs::media::{EntryName, FileId};
use gphotosfs::profile::Profile;
use gphotosfs::settings::{Apis, MountSettings};
use gphotosfs::store::Store;
use gphotosfs::upload::Pipeline;
use gphotosfs_emulator::{Call, Config, Edit, SCOPES};
use tokio::runtime::{Builder, Runtime};

use super::google::Google;
use super::wait::DEADLINE;

/// The root directory.
pub const ROOT: Ino = Ino(1);
/// Opens a file for reading.
pub const READ: Open = Open { read: true, write: false, truncate: false };
/// Opens a file for writing and empties it.
pub const REWRITE: Open = Open { read: false, write: true, truncate: true };

/// Results of the filesystem.
pub type Outcome<T = ()> = Result<T, Errno>;

/// The settings of `gphotosfs mount` with these options.
pub fn settings(url: &str, options: &[&str]) -> MountSettings {
    let words = ["gphotosfs", "mount", "/nowhere"].iter().chain(options);
    let cli = Cli::try_parse_from(words).unwrap();
    let Command::Mount(mount) = cli.command else { panic!() };
    mount.settings(Apis { library: url.parse().unwrap(), picker: cli.picker_url })
}

/// One run of the program. If it is dropped, its tasks end where they stand, as in a process that
/// is killed.
pub struct Core {
    pub runtime: Runtime,
    pub fs: Arc<Fs>,
    pub store: Store,
    pub pipeline: Pipeline,
    /// The rest, if the program itself has put the parts together.
    engine: Option<Engine>,
}

impl Core {
    /// The parts of `gphotosfs mount` with these options.
    ///
    /// # Errors
    /// The message of the program, if it would not mount.
    pub fn start(profile: &Profile, url: &str, options: &[&str]) -> Result<Self, String> {
        let settings = settings(url, options);
        let (runtime, mountpoint) = (runtime(), settings.mountpoint.clone());
        let parts = assemble(profile, &settings, (&mountpoint, &mountpoint), runtime.handle())
            .map_err(|error| error.to_string())?;
        // As a kernel that invalidates its caches at once.
        for changes in parts.changes {
            std::thread::spawn(move || while changes.next().is_some() {});
        }
        let (store, pipeline) = (parts.engine.store.clone(), parts.engine.pipeline.clone());
        Ok(Self { runtime, fs: parts.fs, store, pipeline, engine: Some(parts.engine) })
    }

    /// Parts that a test has put together.
    pub fn of(runtime: Runtime, fs: Arc<Fs>, store: Store, pipeline: Pipeline) -> Self {
        Self { runtime, fs, store, pipeline, engine: None }
    }

    /// The parts below the filesystem.
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("the program has put the parts together")
    }

    /// Ends in good order, as after an unmount.
    pub fn stop(self) {
        match &self.engine {
            Some(engine) => self.wait(engine.stop()),
            None => self.wait(self.pipeline.shutdown()),
        }
    }

    /// Does something with a deadline.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let within = async { tokio::time::timeout(DEADLINE, work).await };
        self.runtime.block_on(within).expect("it ends in time")
    }

    /// Begins something, and gives it up when an event has come about, as on Ctrl-C.
    pub fn interrupt<T>(&self, work: impl Future<Output = T>, event: impl Future<Output = ()>) {
        self.wait(async {
            tokio::select! {
                _ = work => panic!("it ended before it could be interrupted"),
                () = event => {}
            }
        });
    }

    fn outcome<T>(&self, work: impl Future<Output = error::Result<T>>) -> Outcome<T> {
        errno(self.wait(work))
    }

    /// Looks a name up, and asks Google if need be.
    pub fn lookup(&self, parent: Ino, name: &str) -> Outcome<Ino> {
        self.outcome(self.fs.lookup(parent, name.as_bytes())).map(|attr| attr.ino)
    }

    /// Looks a name up in the store alone.
    pub fn lookup_now(&self, parent: Ino, name: &str) -> Option<Ino> {
        match self.fs.lookup_now(parent, name.as_bytes()) {
            Ok(Some(attr)) => Some(attr.ino),
            // The length of an item may take a request, but its name is there.
            Ok(None) => {
                let Some(Node::Dir(dir)) = Node::of(parent) else { return None };
                let child = self.store.child(dir, &EntryName::new(name).unwrap()).unwrap();
                child.map(|it| Node::from(it).ino())
            }
            Err(error) if error.errno() == Errno(libc::ENOENT) => None,
            Err(error) => panic!("looking up {name}: {error}"),
        }
    }

    /// The node at a path below the root.
    pub fn at(&self, path: &str) -> Outcome<Ino> {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        parts.try_fold(ROOT, |dir, name| self.lookup(dir, name))
    }

    /// The entries of a directory but `.` and `..`, read as the kernel does.
    pub fn list(&self, dir: Ino) -> Outcome<Vec<Listed>> {
        errno(self.fs.opendir(dir))?;
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let offset = all.last().map_or(0, |entry| entry.next);
            let page = self.outcome(self.fs.readdir(dir, offset))?;
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        all.retain(|entry| entry.name != b"." && entry.name != b"..");
        Ok(all)
    }

    /// The names in a directory but `.` and `..`.
    pub fn names(&self, dir: Ino) -> Vec<String> {
        let listed = self.list(dir).unwrap();
        listed.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
    }

    pub fn mkdir(&self, parent: Ino, name: &str) -> Outcome<Ino> {
        self.outcome(self.fs.mkdir(parent, name.as_bytes())).map(|attr| attr.ino)
    }

    pub fn rmdir(&self, parent: Ino, name: &str) -> Outcome {
        self.outcome(self.fs.rmdir(parent, name.as_bytes()))
    }

    pub fn create(&self, dir: Ino, name: &str) -> Outcome<(Ino, Fh)> {
        let (attr, opened) = errno(self.fs.create(dir, name.as_bytes()))?;
        Ok((attr.ino, opened.fh))
    }

    pub fn open(&self, file: Ino, how: Open) -> Outcome<Fh> {
        self.outcome(self.fs.open(file, how)).map(|opened| opened.fh)
    }

    pub fn write(&self, fh: Fh, at: u64, bytes: &[u8]) -> Outcome {
        self.outcome(self.fs.write(fh, Offset::At(at), bytes)).map(drop)
    }

    pub fn flush(&self, fh: Fh) -> Outcome {
        self.outcome(self.fs.flush(fh, || false))
    }

    pub fn release(&self, fh: Fh) -> Outcome {
        errno(self.fs.release(fh))
    }

    /// Writes to an open file and closes it, as `cp` does.
    pub fn finish(&self, fh: Fh, bytes: &[u8]) -> Outcome {
        let written = self.write(fh, 0, bytes);
        let closed = self.flush(fh);
        self.release(fh)?;
        written.and(closed)
    }

    /// Copies a file in.
    pub fn copy_in(&self, dir: Ino, name: &str, bytes: &[u8]) -> Outcome<Ino> {
        let (file, fh) = self.create(dir, name)?;
        self.finish(fh, bytes).map(|()| file)
    }

    /// Reads up to the first megabyte of a file.
    pub fn read(&self, file: Ino) -> Outcome<Vec<u8>> {
        let fh = self.open(file, READ)?;
        let bytes = self.outcome(self.fs.read(fh, 0, 1 << 20));
        self.release(fh)?;
        bytes
    }

    pub fn unlink(&self, dir: Ino, name: &str) -> Outcome {
        errno(self.fs.unlink(dir, name.as_bytes()))
    }

    pub fn link(&self, file: Ino, dir: Ino, name: &str) -> Outcome {
        errno(self.fs.link(file, dir, name.as_bytes())).map(drop)
    }

    pub fn rename(&self, from: (Ino, &str), to: (Ino, &str), how: Rename) -> Outcome {
        let (from, to) = ((from.0, from.1.as_bytes()), (to.0, to.1.as_bytes()));
        self.outcome(self.fs.rename(from, to, how))
    }

    /// Waits until everything below has arrived at Google.
    pub fn sync(&self, ino: Ino) -> Outcome {
        self.outcome(self.fs.sync(ino))
    }

    /// Lists a directory again, as `gphotosfs refresh` does.
    pub fn refresh(&self, dir: Ino) -> Outcome {
        self.outcome(self.fs.getxattr(dir, b"user.gphotos.listed")).map(drop)
    }
}

/// Starts a run of the program on a profile, with the service at an address.
type Begin = dyn Fn(&Profile, &str) -> Core;

/// A service with an account, and the process that would mount it.
pub struct World {
    // Ends before the service that it needs.
    core: Option<Core>,
    pub emulator: Google,
    pub profile: Profile,
    pub dir: tempfile::TempDir,
    begin: Box<Begin>,
}

impl World {
    /// An account without albums, and the program with these options.
    pub fn new(options: &[&'static str]) -> Self {
        Self::granted(&SCOPES, options)
    }

    /// An account whose login has these scopes only.
    pub fn granted(scopes: &[&str], options: &[&'static str]) -> Self {
        let options = options.to_vec();
        Self::with(Config::default(), scopes, move |profile, url| {
            Core::start(profile, url, &options).unwrap()
        })
    }

    /// An account at a service that is set up like this; `begin` starts each run of the program.
    pub fn with(
        config: Config,
        scopes: &[&str],
        begin: impl Fn(&Profile, &str) -> Core + 'static,
    ) -> Self {
        let emulator = Google::start(config);
        let dir = tempfile::tempdir().unwrap();
        let profile = emulator.profile(dir.path(), scopes);
        let core = Some(begin(&profile, &emulator.url));
        Self { core, emulator, profile, dir, begin: Box::new(begin) }
    }

    /// The present run.
    pub fn core(&self) -> &Core {
        self.core.as_ref().unwrap()
    }

    /// The process dies, and begins anew: its tasks end where they stand, and what was in memory is
    /// gone.
    pub fn crash(&mut self) {
        self.core = None;
        self.core = Some((self.begin)(&self.profile, &self.emulator.url));
    }

    /// The process ends in good order and begins anew.
    pub fn restart(&mut self) {
        self.stop();
        self.crash();
    }

    /// The process ends in good order.
    pub fn stop(&mut self) {
        self.core.take().unwrap().stop();
    }

    /// Makes an album of `count` photos of 5000 bytes each at Google, `IMG_000000.jpg` and so on.
    pub fn seed(&self, album: &str, count: u64) {
        self.emulator.seed(album, count);
    }

    /// The requests that `work` costs, of each kind but those for a login.
    pub fn cost(&self, work: impl FnOnce()) -> Vec<(Call, u64)> {
        self.emulator.cost(work)
    }

    /// Does at Google what the user does in the app, or what another client has done before.
    pub fn edit(&self, edit: Edit) -> String {
        self.emulator.edit(edit)
    }
}

impl Deref for World {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core()
    }
}

/// A runtime for one run of the program.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The error that the kernel gets.
pub fn errno<T>(outcome: error::Result<T>) -> Outcome<T> {
    outcome.map_err(|error| error.errno())
}

/// The file at an inode.
pub fn file_id(file: Ino) -> FileId {
    match Node::of(file) {
        Some(Node::File(file)) => file,
        other => panic!("not a file: {other:?}"),
    }
}
