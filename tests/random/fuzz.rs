//! Random hostile and damaged input: names from Google, and damage to the spool, the database and the login files. Nothing
//! panics and nothing escapes from its directory. Undamaged files are neither lost nor delayed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gphotosfs::api::{ClientSecret, Login};
use gphotosfs::fs::{Ino, Kind};
use gphotosfs::profile::Profile;
use gphotosfs_emulator::{Call, Config, Edit, Failure, Injection, SCOPES};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngSeed, TestRunner};

use crate::support::core::{Core, Outcome, ROOT};
use crate::support::{Google, photo, sha256};

/// A drain takes longer only if a damaged database holds it up.
const DRAIN: Duration = Duration::from_secs(3);

/// Everything below a directory, by path: its number, and whether it is a directory itself.
type Tree = BTreeMap<Vec<Vec<u8>>, (Ino, bool)>;

/// Starts the program on the profile in a directory. Fails with its message.
fn start(google: &Google, dir: &Path) -> Result<Core, String> {
    let options = ["--unstable-pace", "1000", "--sizes", "lazy"];
    Core::start(&Profile::under(dir), &google.url, &options)
}

/// Everything below the root, by path.
fn walk(core: &Core) -> Outcome<Tree> {
    let mut all = BTreeMap::new();
    let mut todo = vec![(Vec::new(), ROOT)];
    while let Some((path, dir)) = todo.pop() {
        for entry in core.list(dir)? {
            let path = [&path[..], &[entry.name]].concat();
            if entry.kind == Kind::Dir {
                todo.push((path.clone(), entry.ino));
            }
            let before = all.insert(path.clone(), (entry.ino, entry.kind == Kind::Dir));
            assert_eq!(before, None, "{path:?} is listed twice");
        }
    }
    Ok(all)
}

/// Waits for the uploads; says why if they cannot all arrive.
fn drain(core: &Core) -> Result<(), String> {
    let drained = async { tokio::time::timeout(DRAIN, core.fs.sync(ROOT)).await };
    match core.runtime.block_on(drained) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("it takes too long".to_owned()),
    }
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
        let (google, dir) = (Google::start(Config::default()), tempfile::tempdir().unwrap());
        google.profile(dir.path(), &SCOPES);
        let mut content = 0;
        for title in &titles {
            google.edit(Edit::CreateAlbum { title: title.clone() });
        }
        let first = google.edit(Edit::CreateAlbum { title: "a".into() });
        for filename in &filenames {
            content += 1;
            let item = google.edit(Edit::AddItem {
                album: Some(first.clone()),
                filename: "x.jpg".into(),
                content: photo(content, 400),
                foreign: false,
            });
            google.edit(Edit::SetFilename { item, filename: filename.clone() });
        }
        let core = start(&google, dir.path()).unwrap();
        let all = walk(&core).unwrap();
        for (path, (ino, _)) in &all {
            let mut at = ROOT;
            for name in path {
                assert!((1..=255).contains(&name.len()), "{name:?}");
                assert!(!name.contains(&b'/') && !name.iter().any(u8::is_ascii_control));
                assert!(name != b"." && name != b".." && std::str::from_utf8(name).is_ok());
                at = core.wait(core.fs.lookup(at, name)).unwrap().ino;
            }
            assert_eq!(at, *ino, "{path:?} leads elsewhere");
        }
        assert!(all.keys().all(|path| path[0] != b".gphotos"));
        let files = all.values().filter(|(_, is_dir)| !is_dir).count();
        assert_eq!(files, filenames.len(), "each item has one name: {all:?}");
        let dirs = all.values().filter(|(_, is_dir)| *is_dir).count();
        assert!(dirs > titles.len(), "each album has its directory: {all:?}");
        core.stop();
        let core = start(&google, dir.path()).unwrap();
        assert_eq!(walk(&core).unwrap(), all, "after a restart");
        core.stop();
    });
}

/// Damage to the spool, by a disk or by a person with good intentions.
#[derive(Clone, Debug)]
enum SpoolDamage {
    Remove(u8),
    Cut(u8),
    Extend(u8),
    /// A file that nobody has put there, of this name.
    Stray(String),
    StrayDir,
}

/// Damage to the database.
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

/// The columns that get a damaged value.
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
    google: Google,
    dir: tempfile::TempDir,
    /// The hashes that must not be lost, by the number of the spool file.
    pending: BTreeMap<u64, String>,
}

fn died() -> Died {
    let (google, dir) = (Google::start(Config::default()), tempfile::tempdir().unwrap());
    let live = tempfile::tempdir().unwrap();
    google.profile(live.path(), &SCOPES);
    let core = start(&google, live.path()).unwrap();
    let album = core.mkdir(ROOT, "A").unwrap();
    let photo = |seed| photo(seed, 3000);
    for at in 0..3 {
        core.copy_in(album, &format!("old {at}.jpg"), &photo(at)).unwrap();
    }
    drain(&core).unwrap();
    let fault = Injection { rate: 1.0, ..Injection::new(Failure::Unavailable) };
    google.faults(|faults| faults.on(Call::UploadRaw).failures.push(fault));
    for at in 0..4 {
        core.copy_in(album, &format!("new {at}.jpg"), &photo(100 + at)).unwrap();
    }
    core.copy_in(album, ".half.jpg.part", &photo(200)).unwrap();
    // A file that is no photo is rejected and kept.
    core.copy_in(album, "text.jpg", b"only some words\n").unwrap_err();
    copy(live.path(), dir.path());
    drop(core);
    google.faults(|faults| faults.on(Call::UploadRaw).failures.clear());
    let spool = dir.path().join("state/spool");
    let pending = files(&spool).into_iter().map(|path| {
        let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        (number, sha256(&fs::read(path).unwrap()))
    });
    let pending: BTreeMap<u64, String> = pending.collect();
    assert_eq!(pending.len(), 6);
    Died { google, pending, dir }
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
        let dump = self.google.dump();
        let album = dump.album("A").unwrap();
        album.items.iter().map(|id| dump.item(id).unwrap().sha256.clone().unwrap()).collect()
    }

    /// Each pending file must be at Google or still on this disk, except the damaged ones in `but`.
    fn assert_nothing_lost(&self, dir: &Path, but: &BTreeSet<u64>) {
        // SQLite may remove its log just now. A photo that goes is lost all the same.
        let here = files(dir).into_iter().filter_map(|path| Some(sha256(&fs::read(path).ok()?)));
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
        let core = start(&died.google, dir.path()).unwrap();
        // Damaged files are rejected, and the drain reports them.
        let told = drain(&core);
        assert_ne!(told, Err("it takes too long".to_owned()));
        walk(&core).unwrap();
        let arrived = died.arrived();
        let failed = core.store.failed_names().unwrap();
        let failed: BTreeMap<u64, String> =
            failed.into_iter().map(|it| (it.file.0 as u64, it.reason)).collect();
        let (dump, known) = (died.google.dump(), &died.pending);
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
        core.stop();
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
        match start(&died.google, dir.path()) {
            Ok(core) => {
                let _ = walk(&core);
                let _ = drain(&core);
                core.stop();
            }
            Err(said) => {
                assert!(said.contains("database"), "{said}");
                died.assert_nothing_lost(dir.path(), &BTreeSet::new());
                told = said;
                // The remedy that the message names.
                for file in ["gphotosfs.db", "gphotosfs.db-wal", "gphotosfs.db-shm"] {
                    let _ = fs::remove_file(dir.path().join("state").join(file));
                }
                let core = start(&died.google, dir.path()).unwrap();
                assert!(walk(&core).unwrap().contains_key(&vec![b"A".to_vec()]));
                core.stop();
            }
        }
        let garbage = matches!(damages.last(), Some(DbDamage::Garbage));
        assert!(!garbage || told.contains("mount again"), "{told:?}");
        died.assert_nothing_lost(dir.path(), &BTreeSet::new());
    });
}

fn login_files_are_read_or_refused(cases: u32) {
    let (google, dir) = (Google::start(Config::default()), tempfile::tempdir().unwrap());
    let profile = google.profile(dir.path(), &SCOPES);
    let url = google.url().parse().unwrap();
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
            assert!(!said.is_empty() && !said.contains(&google.grant().refresh_token));
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
