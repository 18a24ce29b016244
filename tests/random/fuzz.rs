//! Random hostile and damaged input: names from Google, and damage to the spool, the database and the login files. Nothing
//! panics and nothing escapes from its directory. Undamaged files are neither lost nor delayed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gphotosfs::api::{ClientSecret, Login};
use gphotosfs::commands::mount::Parts;
use gphotosfs::fs::{Ino, Offset};
use gphotosfs::profile::Profile;
use gphotosfs_emulator::{Call, Config, Edit, Emulator, Failure, Injection};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngSeed, TestRunner};
use tokio::runtime::{Builder, Runtime};

use crate::support::{login, photo, program, sha256};

const ROOT: Ino = Ino(1);
/// Nothing takes longer, or it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything below a directory, by path: its number, and whether it is a directory itself.
type Tree = BTreeMap<Vec<Vec<u8>>, (Ino, bool)>;

/// An account at an emulator.
struct World {
    service: Runtime,
    emulator: Emulator,
}

/// One run of the program on the profile in a directory.
struct Life {
    runtime: Runtime,
    parts: Parts,
}

impl World {
    fn new() -> Self {
        let service = runtime();
        let emulator = service.block_on(Emulator::start(Config::default())).unwrap();
        Self { service, emulator }
    }

    fn edit(&self, edit: Edit) -> String {
        self.service.block_on(self.emulator.edit(edit)).unwrap()
    }

    fn log_in(&self, dir: &Path) {
        let profile = Profile::under(dir);
        login::write_grant(profile.config_dir().unwrap(), &self.emulator, &self.emulator.grant());
    }

    /// Starts the program, or says what it says.
    fn start(&self, dir: &Path) -> Result<Life, String> {
        let runtime = runtime();
        let options = ["--unstable-pace", "1000", "--sizes", "lazy"];
        let (profile, url) = (Profile::under(dir), self.emulator.url());
        let parts = program::start(&profile, &url, &options, runtime.handle())?;
        Ok(Life { parts, runtime })
    }
}

impl Life {
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.unwrap() })
    }

    fn create(&self, album: Ino, name: &str, bytes: &[u8]) {
        let fs = &self.parts.fs;
        let (_, opened) = fs.create(album, name.as_bytes()).unwrap();
        self.wait(fs.write(opened.fh, Offset::At(0), bytes)).unwrap();
        // What is no photo is refused, and kept.
        let _ = self.wait(fs.flush(opened.fh));
        let _ = fs.release(opened.fh);
    }

    /// All that is in a directory, by name, once it has been listed.
    fn list(&self, dir: Ino) -> Result<BTreeMap<Vec<u8>, (Ino, bool)>, String> {
        let fs = &self.parts.fs;
        let mut all = BTreeMap::new();
        let mut offset = 0;
        fs.opendir(dir).map_err(|error| error.to_string())?;
        loop {
            let page = self.wait(fs.readdir(dir, offset)).map_err(|error| error.to_string())?;
            let Some(last) = page.last() else { return Ok(all) };
            offset = last.next;
            for entry in page.into_iter().filter(|it| it.name != b"." && it.name != b"..") {
                let before = all.insert(entry.name.clone(), (entry.ino, entry.is_dir));
                assert_eq!(before, None, "{:?} is listed twice", entry.name.escape_ascii());
            }
        }
    }

    /// Everything below a directory, by path.
    fn walk(&self) -> Result<Tree, String> {
        let mut all = BTreeMap::new();
        let mut todo = vec![(Vec::new(), ROOT)];
        while let Some((path, dir)) = todo.pop() {
            for (name, (ino, is_dir)) in self.list(dir)? {
                let path = [&path[..], &[name]].concat();
                if is_dir {
                    todo.push((path.clone(), ino));
                }
                all.insert(path, (ino, is_dir));
            }
        }
        Ok(all)
    }

    /// Waits for the uploads; says why if they cannot all arrive. What a damaged database holds up is held up long.
    fn drain(&self) -> Result<(), String> {
        let patience = PATIENCE / 10;
        let drained = async { tokio::time::timeout(patience, self.parts.fs.sync(ROOT)).await };
        match self.runtime.block_on(drained) {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("it takes too long".to_owned()),
        }
    }

    fn end(self) {
        self.wait(self.parts.engine.stop());
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Runs a property; the same cases every time in the short form.
fn check<T: std::fmt::Debug>(cases: u32, strategy: impl Strategy<Value = T>, property: impl Fn(T)) {
    let rng_seed = if cases > 100 { RngSeed::Random } else { RngSeed::Fixed(20190428) };
    let config = Cases { cases, rng_seed, failure_persistence: None, ..Cases::default() };
    let run = |value| {
        let before = panics();
        property(value);
        assert_eq!(panics(), before, "a task has panicked");
        Ok(())
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, run) {
        panic!("{error}");
    }
}

/// How often a thread of this process that has no name of a test has panicked.
fn panics() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name().is_some_and(|name| name.starts_with("tokio")) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
    PANICS.load(Ordering::SeqCst)
}

/// Names as no client should give, and some do.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(String::new()),
        Just(".gphotos".to_owned()),
        Just("a.jpg".to_owned()),
        Just("\0\n\u{1b}[2J".to_owned()),
        Just("ä".repeat(300)),
        Just("\u{202e}gpj.exe\u{feff}".to_owned()),
        "[ab]{1,2}",
        "\\PC{0,12}",
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn names_are_safe(cases: u32) {
    let names = || prop::collection::vec(hostile(), 0..8);
    check(cases, (names(), names()), |(titles, filenames)| {
        let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
        world.log_in(dir.path());
        let mut content = 0;
        for title in &titles {
            world.edit(Edit::CreateAlbum { title: title.clone() });
        }
        let first = world.edit(Edit::CreateAlbum { title: "a".into() });
        for filename in &filenames {
            content += 1;
            let item = world.edit(Edit::AddItem {
                album: Some(first.clone()),
                filename: "x.jpg".into(),
                content: photo(content, 400),
                foreign: false,
            });
            world.edit(Edit::SetFilename { item, filename: filename.clone() });
        }
        let life = world.start(dir.path()).unwrap();
        let all = life.walk().unwrap();
        for (path, (ino, _)) in &all {
            let mut at = ROOT;
            for name in path {
                assert!((1..=255).contains(&name.len()), "{name:?}");
                assert!(!name.contains(&b'/') && !name.iter().any(u8::is_ascii_control));
                assert!(name != b"." && name != b".." && std::str::from_utf8(name).is_ok());
                at = life.wait(life.parts.fs.lookup(at, name)).unwrap().ino;
            }
            assert_eq!(at, *ino, "{path:?} leads elsewhere");
        }
        assert!(all.keys().all(|path| path[0] != b".gphotos"));
        let files = all.values().filter(|(_, is_dir)| !is_dir).count();
        assert_eq!(files, filenames.len(), "each item has one name: {all:?}");
        let dirs = all.values().filter(|(_, is_dir)| *is_dir).count();
        assert!(dirs > titles.len(), "each album has its directory: {all:?}");
        life.end();
        let life = world.start(dir.path()).unwrap();
        assert_eq!(life.walk().unwrap(), all, "after a restart");
        life.end();
    });
}

/// What a disk, or somebody with good intentions, does to the spool.
#[derive(Clone, Debug)]
enum SpoolDamage {
    Remove(u8),
    Cut(u8),
    Extend(u8),
    /// A file that nobody has put there, of this name.
    Stray(String),
    StrayDir,
}

/// What they do to the database.
#[derive(Clone, Debug)]
enum DbDamage {
    /// So many bytes from there, in parts of 65536, are this.
    Bytes {
        log: bool,
        at: u16,
        len: u16,
        value: u8,
    },
    Cut {
        log: bool,
        at: u16,
    },
    Garbage,
    NoLog,
    /// A value that the program never writes.
    Value(usize, i64),
}

/// What a row damaged by hand may have in it.
const COLUMNS: [(&str, &str); 14] = [
    ("uploads", "state"),
    ("uploads", "seq"),
    ("uploads", "dir"),
    ("uploads", "call"),
    ("uploads", "first_call"),
    ("uploads", "attempts"),
    ("uploads", "retry_at"),
    ("uploads", "token_at"),
    ("files", "size"),
    ("files", "mtime_ns"),
    ("files", "video"),
    ("albums", "count_hint"),
    ("albums", "described_at"),
    ("albums", "seen"),
];

/// A profile whose process has died: with photos that have arrived, and others that are on their way.
struct Died {
    world: World,
    dir: tempfile::TempDir,
    /// What must not be lost, by the number of its spool file.
    pending: BTreeMap<u64, String>,
}

fn died() -> Died {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    let live = tempfile::tempdir().unwrap();
    world.log_in(live.path());
    let life = world.start(live.path()).unwrap();
    let album = life.wait(life.parts.fs.mkdir(ROOT, b"A")).unwrap().ino;
    let photo = |seed| photo(seed, 3000);
    for at in 0..3 {
        life.create(album, &format!("old {at}.jpg"), &photo(at));
    }
    life.drain().unwrap();
    let fault = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.push(fault));
    for at in 0..4 {
        life.create(album, &format!("new {at}.jpg"), &photo(100 + at));
    }
    life.create(album, ".half.jpg.part", &photo(200));
    life.create(album, "text.jpg", b"only some words\n");
    copy(live.path(), dir.path());
    drop(life);
    world.emulator.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
    let spool = dir.path().join("state/spool");
    let pending = files(&spool).into_iter().map(|path| {
        let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        (number, sha256(&fs::read(path).unwrap()))
    });
    let pending: BTreeMap<u64, String> = pending.collect();
    assert_eq!(pending.len(), 6);
    Died { world, pending, dir }
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    walk.filter(|it| it.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

impl Died {
    /// The hashes of all that is at Google in the album.
    fn arrived(&self) -> BTreeSet<String> {
        let dump = self.world.emulator.dump();
        let album = dump.album("A").unwrap();
        album.items.iter().map(|id| dump.item(id).unwrap().sha256.clone().unwrap()).collect()
    }

    /// What was pending must be at Google or still on this disk; `but` for what was damaged itself.
    fn assert_nothing_lost(&self, dir: &Path, but: &BTreeSet<u64>) {
        let here = files(dir).into_iter().map(|path| sha256(&fs::read(path).unwrap()));
        let somewhere: BTreeSet<String> = here.chain(self.arrived()).collect();
        for (number, hash) in &self.pending {
            assert!(
                but.contains(number) || somewhere.contains(hash),
                "spool file {number} is lost"
            );
        }
    }
}

fn a_damaged_spool_harms_nothing_else(cases: u32) {
    let died = died();
    let nth = any::<u8>;
    let damage = prop_oneof![
        3 => nth().prop_map(SpoolDamage::Remove),
        3 => nth().prop_map(SpoolDamage::Cut),
        2 => nth().prop_map(SpoolDamage::Extend),
        2 => "[0-9]{1,20}|[0-9]{1,3}\\.old|[a-z.]{1,9}|\\PC{1,9}"
            .prop_filter("a file's name", |it| !it.contains('/') && it != "." && it != "..")
            .prop_map(SpoolDamage::Stray),
        1 => Just(SpoolDamage::StrayDir),
    ];
    check(cases, prop::collection::vec(damage, 1..4), |damages| {
        let dir = tempfile::tempdir().unwrap();
        copy(died.dir.path(), dir.path());
        let spool = dir.path().join("state/spool");
        let numbers: Vec<u64> = died.pending.keys().copied().collect();
        let mut damaged = BTreeSet::new();
        for damage in &damages {
            let mut hurt = |nth: &u8| {
                let number = numbers[usize::from(*nth) % numbers.len()];
                damaged.insert(number);
                spool.join(number.to_string())
            };
            match damage {
                SpoolDamage::Remove(nth) => drop(fs::remove_file(hurt(nth))),
                SpoolDamage::Cut(nth) => {
                    let (path, len) = (hurt(nth), u64::from(*nth));
                    let file = fs::OpenOptions::new().write(true).open(path);
                    let _ = file.map(|file| file.set_len(len).unwrap());
                }
                SpoolDamage::Extend(nth) => {
                    let path = hurt(nth);
                    if let Ok(bytes) = fs::read(&path) {
                        fs::write(path, [&bytes[..], b"more"].concat()).unwrap();
                    }
                }
                SpoolDamage::Stray(name) if spool.join(name).exists() => {}
                SpoolDamage::Stray(name) => fs::write(spool.join(name), b"stray").unwrap(),
                SpoolDamage::StrayDir => fs::create_dir_all(spool.join("777")).unwrap(),
            }
        }
        let life = died.world.start(dir.path()).unwrap();
        // What is damaged is refused, and that is told.
        let told = life.drain();
        assert_ne!(told, Err("it takes too long".to_owned()));
        life.walk().unwrap();
        let arrived = died.arrived();
        let failed = life.parts.engine.store.failed_names().unwrap();
        let failed: BTreeMap<u64, String> =
            failed.into_iter().map(|it| (it.file.0 as u64, it.reason)).collect();
        let (dump, known) = (died.world.emulator.dump(), &died.pending);
        for item in &dump.items {
            let hash = item.sha256.as_ref().unwrap();
            let right = item.size == 3000 || known.values().any(|it| it == hash);
            assert!(right, "part of a photo is at Google: {item:?}");
        }
        for (number, hash) in &died.pending {
            let is_new = number <= numbers.iter().rev().nth(2).unwrap();
            if damaged.contains(number) {
                let told = failed.get(number).is_some_and(|reason| !reason.is_empty());
                assert!(told || !is_new, "nobody is told of the damage to {number}: {failed:?}");
            } else if is_new {
                assert!(arrived.contains(hash), "{number} is held up: {failed:?}");
            }
        }
        life.end();
        died.assert_nothing_lost(dir.path(), &damaged);
    });
}

fn a_damaged_database_loses_no_bytes(cases: u32) {
    let died = died();
    let damage = prop_oneof![
        4 => (any::<bool>(), any::<u16>(), 1..200u16, any::<u8>())
            .prop_map(|(log, at, len, value)| DbDamage::Bytes { log, at, len, value }),
        1 => (any::<bool>(), any::<u16>()).prop_map(|(log, at)| DbDamage::Cut { log, at }),
        1 => Just(DbDamage::Garbage),
        1 => Just(DbDamage::NoLog),
        4 => (0..COLUMNS.len(), prop_oneof![any::<i64>(), -2..20i64])
            .prop_map(|(column, value)| DbDamage::Value(column, value)),
    ];
    check(cases, prop::collection::vec(damage, 1..4), |damages| {
        let dir = tempfile::tempdir().unwrap();
        copy(died.dir.path(), dir.path());
        let db = dir.path().join("state/gphotosfs.db");
        let file = |log| if log { db.with_extension("db-wal") } else { db.clone() };
        for damage in &damages {
            match damage {
                DbDamage::Bytes { log, at, len, value } => {
                    let Ok(mut bytes) = fs::read(file(*log)) else { continue };
                    let at = bytes.len() * usize::from(*at) / 65536;
                    let end = (at + usize::from(*len)).min(bytes.len());
                    bytes[at..end].fill(*value);
                    fs::write(file(*log), bytes).unwrap();
                }
                DbDamage::Cut { log, at } => {
                    let Ok(bytes) = fs::read(file(*log)) else { continue };
                    let end = bytes.len() * usize::from(*at) / 65536;
                    fs::write(file(*log), &bytes[..end]).unwrap();
                }
                DbDamage::Garbage => {
                    // With its log alone SQLite would bring everything back.
                    let _ = fs::remove_file(file(true));
                    fs::write(&db, b"this is no database".repeat(500)).unwrap();
                }
                DbDamage::NoLog => drop(fs::remove_file(file(true))),
                DbDamage::Value(column, value) => {
                    let (table, column) = COLUMNS[*column];
                    // It may be too damaged already.
                    let _ = rusqlite::Connection::open(&db).and_then(|db| {
                        // The tables' own checks would keep such a value out.
                        db.execute_batch("PRAGMA ignore_check_constraints = ON")?;
                        let rows = format!("SELECT max(rowid) FROM {table}");
                        db.execute(
                            &format!("UPDATE {table} SET {column} = ?1 WHERE rowid = ({rows})"),
                            [value],
                        )
                    });
                }
            }
        }
        let mut told = String::new();
        match died.world.start(dir.path()) {
            Ok(life) => {
                let _ = life.walk();
                let _ = life.drain();
                life.end();
            }
            Err(said) => {
                assert!(said.contains("database"), "{said}");
                died.assert_nothing_lost(dir.path(), &BTreeSet::new());
                told = said;
                // The remedy that is told for damage.
                for file in ["gphotosfs.db", "gphotosfs.db-wal", "gphotosfs.db-shm"] {
                    let _ = fs::remove_file(dir.path().join("state").join(file));
                }
                let life = died.world.start(dir.path()).unwrap();
                assert!(life.walk().unwrap().contains_key(&vec![b"A".to_vec()]));
                life.end();
            }
        }
        let garbage = matches!(damages.last(), Some(DbDamage::Garbage));
        assert!(!garbage || told.contains("mount again"), "{told:?}");
        died.assert_nothing_lost(dir.path(), &BTreeSet::new());
    });
}

fn login_files_are_read_or_refused(cases: u32) {
    let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
    world.log_in(dir.path());
    let profile = Profile::under(dir.path());
    let url = world.emulator.url().parse().unwrap();
    let config = profile.config_dir().unwrap().to_owned();
    let good: Vec<_> = ["client_secret.json", "token.json"]
        .map(|name| (config.join(name), fs::read(config.join(name)).unwrap()))
        .into();
    let change =
        (any::<bool>(), any::<u16>(), 0..40usize, prop::collection::vec(any::<u8>(), 0..40));
    check(cases, prop::collection::vec(change, 1..4), |changes| {
        for (path, bytes) in &good {
            fs::write(path, bytes).unwrap();
        }
        for (token, at, len, with) in changes {
            let (path, _) = &good[usize::from(token)];
            let mut bytes = fs::read(path).unwrap();
            let at = bytes.len() * usize::from(at) / 65536;
            bytes.splice(at..(at + len).min(bytes.len()), with);
            let _ = ClientSecret::parse(&String::from_utf8_lossy(&bytes));
            fs::write(path, bytes).unwrap();
        }
        if let Err(error) = Login::load(&profile, &url) {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains(&world.emulator.grant().refresh_token));
        }
    });
}

#[test]
fn names_from_google_are_safe() {
    names_are_safe(12);
}

#[test]
fn a_damaged_spool() {
    a_damaged_spool_harms_nothing_else(12);
}

#[test]
fn a_damaged_database() {
    a_damaged_database_loses_no_bytes(16);
}

#[test]
fn damaged_login_files() {
    login_files_are_read_or_refused(100);
}

#[test]
#[ignore = "takes minutes"]
fn hostile_names_and_damage_for_long() {
    names_are_safe(400);
    a_damaged_spool_harms_nothing_else(300);
    a_damaged_database_loses_no_bytes(500);
    login_files_are_read_or_refused(20_000);
}
