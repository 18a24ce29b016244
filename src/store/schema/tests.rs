use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::store::Store;
use crate::store::connections::open_to_read;
use crate::store::database::FILE_NAME;
use crate::store::tests::{album, item, names};

/// A version after the present one: with a column, a table and a view more.
fn next(step: &str) -> Schema {
    let last = "sent_sha1   BLOB                    -- likewise\n";
    assert!(PRESENT.tables.contains(last));
    let tables = PRESENT.tables.replace(last, &format!("{}, rating INTEGER\n", last.trim_end()));
    let tables = tables.replace("-- likewise, ", ", ")
        + "CREATE TABLE notes (file INTEGER PRIMARY KEY REFERENCES files(id), text TEXT) STRICT;\
           CREATE VIEW rated AS SELECT * FROM files WHERE rating IS NOT NULL;";
    let steps = [PRESENT.steps, &[Box::leak(step.to_owned().into_boxed_str())]].concat();
    Schema {
        tables: Box::leak(tables.into_boxed_str()),
        steps: Box::leak(steps.into_boxed_slice()),
    }
}

/// The step to that version.
const STEP: &str = "ALTER TABLE files ADD COLUMN rating INTEGER; \
     CREATE TABLE notes (file INTEGER PRIMARY KEY REFERENCES files(id), text TEXT) STRICT; \
     UPDATE dirs SET name = name; UPDATE files SET rating = 5;";

fn open(schema: &Schema, dir: &Path) -> Result<Store> {
    Store::open_as(schema, dir, Clock::default())
}

/// A database of the present version with an item in it.
fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let trip = album(&store, "Trip");
    store.items_listed(trip, &[item("a")], 1).unwrap();
    dir
}

/// The database in `dir` is of the present version, and has the item.
fn assert_untouched(dir: &Path) {
    let store = Store::open_read_only(dir).unwrap().expect("a database");
    assert!(is_whole(&store));
    drop(store);
    let store = Store::open(dir).unwrap();
    assert!(is_whole(&store));
}

fn is_whole(store: &Store) -> bool {
    let trip = store.child(crate::media::DirId(1), &crate::store::tests::name("Trip")).unwrap();
    let Some(crate::store::Child::Dir(trip)) = trip else { return false };
    names(store, trip) == ["a.jpg"]
}

/// Everything that the database defines, in words without spaces and comments.
pub(super) fn definitions(connection: &Connection) -> BTreeMap<String, String> {
    let sql = "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema";
    let mut found = connection.prepare(sql).unwrap();
    let found = found.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    found
        .map(|row: rusqlite::Result<(String, String)>| row.map(|(of, sql)| (of, words(&sql))))
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

fn words(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let words = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    [" (", "( ", " )", ") ", " ,", ", "].iter().fold(words, |it, of| it.replace(of, of.trim()))
}

/// The definitions of a new database.
pub(super) fn definitions_of(schema: &Schema) -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().unwrap();
    drop(open(schema, dir.path()).unwrap());
    definitions(&open_to_read(&dir.path().join(FILE_NAME)).unwrap())
}

#[test]
fn a_step_leads_to_the_tables_of_a_new_database_and_loses_nothing() {
    let (dir, next) = (made(), next(STEP));
    let path = dir.path().join(FILE_NAME);
    let times = |connection: &Connection| -> Vec<i64> {
        let mut times = connection.prepare("SELECT names_changed_ns FROM dirs").unwrap();
        times.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    let before = times(&open_to_read(&path).unwrap());
    let store = open(&next, dir.path()).unwrap();
    assert!(is_whole(&store));
    let migrated = open_to_read(&path).unwrap();
    let (migrated_to, wanted) = (definitions(&migrated), definitions_of(&next));
    for (of, sql) in &wanted {
        assert_eq!(migrated_to.get(of), Some(sql), "{of}");
    }
    assert_eq!(migrated_to.len(), wanted.len());
    assert_eq!(version_of(&migrated).unwrap(), Some(next.version()));
    assert_eq!(times(&migrated), before, "triggers rest meanwhile");
    let rated = "SELECT count(*) FROM rated";
    assert_eq!(migrated.query_row(rated, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    // As before, SQLite holds references between rows.
    let dangling = "INSERT INTO notes (file) VALUES (999)";
    assert!(store.connection.lock().execute_batch(dangling).is_err());
}

#[test]
fn a_program_beside_a_mount_leaves_an_earlier_database_alone() {
    let (dir, next) = (made(), next(STEP));
    let refused = Store::open_beside_as(&next, dir.path());
    assert!(matches!(refused, Err(Error::Older { .. })), "{:?}", refused.err());
    assert_untouched(dir.path());
    assert!(is_whole(&Store::open_beside(dir.path()).unwrap()));
}

#[test]
fn the_database_before_a_migration_is_kept_once_for_its_owner_and_for_a_month() {
    let (dir, next) = (made(), next(STEP));
    let copy = dir.path().join("gphotosfs.db.old");
    fs::write(&copy, "an earlier copy").unwrap();
    drop(open(&next, dir.path()).unwrap());
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let back = tempfile::tempdir().unwrap();
    fs::copy(&copy, back.path().join(FILE_NAME)).unwrap();
    assert_untouched(back.path());
    let files: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    let in_days = |days: u64| {
        let then = SystemTime::now() + Duration::from_secs(days * 24 * 60 * 60);
        drop(Store::open_as(&next, dir.path(), Clock(Arc::new(move || then))).unwrap());
        copy.exists()
    };
    assert!(in_days(29));
    assert!(!in_days(31));
}

#[test]
fn a_step_that_fails_leaves_the_old_database() {
    for (step, what) in [
        ("UPDATE files SET mtime_ns = 7; INSERT INTO nowhere VALUES (1);", "an error"),
        (
            "UPDATE files SET merged_into = 7; INSERT INTO entries (dir, name, file) VALUES (1, x'61', 999);",
            "a loose row",
        ),
        (
            "PRAGMA max_page_count = 1; CREATE TABLE large (x); INSERT INTO large VALUES (zeroblob(100000));",
            "a full disk",
        ),
    ] {
        let (dir, next) = (made(), next(&format!("{STEP}{step}")));
        let error = open(&next, dir.path()).err();
        let error = error.unwrap_or_else(|| panic!("{what}: no error"));
        assert_eq!(error.is_disk_full(), what == "a full disk", "{what}: {error:?}");
        assert_untouched(dir.path());
    }
}

#[test]
fn without_a_copy_nothing_is_changed() {
    let (dir, next) = (made(), next(STEP));
    // There is no room for it: its name is taken by a directory.
    fs::create_dir(dir.path().join("gphotosfs.db.old")).unwrap();
    assert!(matches!(open(&next, dir.path()), Err(Error::Copy(_))));
    assert_untouched(dir.path());
    assert!(!dir.path().join("gphotosfs.db.old-new").exists());
}

#[test]
fn databases_of_other_versions_are_refused_and_stay() {
    let (dir, next) = (made(), next(STEP));
    let (found, known) = (next.version(), PRESENT.version());
    drop(open(&next, dir.path()).unwrap());
    let is_newer = |error| matches!(error, Some(Error::Newer { found: f, known: k }) if (f, k) == (found, known));
    assert!(is_newer(Store::open(dir.path()).err()));
    assert!(is_newer(Store::open_read_only(dir.path()).err()));
    assert!(is_whole(&open(&next, dir.path()).unwrap()));
}

#[test]
fn one_that_only_reads_an_earlier_database_leaves_it_as_it_is() {
    let (dir, next) = (made(), next(STEP));
    // A mount of the earlier version still runs, and has not written all of its log back.
    let mount = Store::open(dir.path()).unwrap();
    let reader = Store::open_read_only_as(&next, dir.path()).unwrap().unwrap();
    assert!(is_whole(&reader));
    assert_eq!(reader.earlier_version(), Some(PRESENT.version()));
    assert_eq!(mount.earlier_version(), None);
    let rated = "SELECT count(*) FROM rated";
    let count = |sql| reader.connection.lock().query_row(sql, [], |row| row.get::<_, i64>(0));
    assert_eq!(count(rated).unwrap(), 1, "its tables are the later ones");
    assert!(reader.connection.lock().execute("DELETE FROM rated", []).is_err(), "it only reads");
    drop((reader, mount));
    assert_untouched(dir.path());
}

#[test]
fn databases_from_before_the_first_release_are_refused() {
    for number in [1, 1 << 30 | 5] {
        let dir = made();
        let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        connection.pragma_update(None, "application_id", 0).unwrap();
        connection.pragma_update(None, "user_version", number).unwrap();
        drop(connection);
        assert!(matches!(Store::open(dir.path()), Err(Error::Unreleased)));
        assert!(matches!(Store::open_read_only(dir.path()), Err(Error::Unreleased)));
    }
}

/// The process dies at each point of a migration. Then either version finds the whole database.
#[cfg(feature = "crash-points")]
#[test]
#[expect(clippy::disallowed_methods, reason = "no setting of the program")]
fn a_migration_that_dies_leaves_the_old_database_or_the_new_one() {
    const DIR: &str = "GPHOTOSFS_TEST_MIGRATE";
    if let Some(dir) = std::env::var_os(DIR) {
        let _ = open(&next(STEP), Path::new(&dir));
        return;
    }
    for point in crash::OF_MIGRATIONS {
        let dir = made();
        let this = std::thread::current().name().unwrap().to_owned();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &this]).env(DIR, dir.path()).env("GPHOTOSFS_CRASH_AT", point);
        let ended = child.output().unwrap().status;
        assert!(
            std::os::unix::process::ExitStatusExt::signal(&ended).is_some(),
            "{point}: {ended}"
        );
        let next = next(STEP);
        if point == crash::MIGRATE_AFTER_COMMIT {
            assert!(matches!(Store::open(dir.path()), Err(Error::Newer { .. })), "{point}");
        } else {
            assert_untouched(dir.path());
        }
        assert!(is_whole(&open(&next, dir.path()).unwrap()), "{point}");
        assert!(dir.path().join("gphotosfs.db.old").exists(), "{point}");
    }
}

/// A mended view reaches the databases that have the older one.
#[test]
fn views_and_triggers_are_those_of_the_program_also_without_a_new_version() {
    let dir = made();
    let path = dir.path().join(FILE_NAME);
    let older = "DROP VIEW upload_queue; CREATE VIEW upload_queue AS SELECT * FROM uploads; \
         DROP TRIGGER name_came; CREATE VIEW of_another_program AS SELECT 1;";
    Connection::open(&path).unwrap().execute_batch(older).unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert!(definitions(&open_to_read(&path).unwrap()) == definitions_of(&PRESENT));
    assert_untouched(dir.path());
    assert!(!dir.path().join("gphotosfs.db.old").exists());
}

#[test]
fn version_2_adds_up_what_copies_have_saved_before() {
    let dir = frozen::thawed(1);
    let path = dir.path().join(FILE_NAME);
    let connection = Connection::open(&path).unwrap();
    // Triggers ask for the time of the program.
    TxClock::register(Clock::default(), &connection).unwrap();
    connection
        .execute_batch(
            "INSERT INTO files (media, whole, size, sent_size, quality, mtime_ns) VALUES
                ('1', NULL, 1000, 400, 'saver:16mp,q90', 0), ('2', NULL, 100, 40, 'saver:16mp,q90', 0),
                ('3', 'lean', 50, NULL, 'saver:16mp,q90', 0), (NULL, 'lean', 7, NULL, 'saver:16mp,q90', 0)",
        )
        .unwrap();
    drop(connection);
    let saved = Store::open(dir.path()).unwrap().saved().unwrap();
    assert_eq!((saved.files, saved.bytes, saved.sent), (3, 1150, 490));
    assert_eq!(saved.whole, [("lean".to_owned(), 1)]);
}
