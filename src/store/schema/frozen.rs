//! A profile of each version, with a file in every state of its life, as that version left it. They
//! lie in `tests/fixtures/versions/N`.
//!
//! `UPDATE_FROZEN=1 cargo test --locked --lib frozen` makes the one of the present version anew. Do
//! this only until the version is released.

mod making;

use std::fmt::Write;
use std::sync::Once;

use rusqlite::types::Value;

use self::making::make;
use super::tests::{definitions, definitions_of};
use super::*;
use crate::store::Store;
use crate::store::connections::open_to_read;
use crate::store::database::FILE_NAME;

/// What is in a profile, table by table: the first version that had it, a word, and SQL that finds
/// it in the present tables. If a table changes, its query changes so that the answer of frozen
/// versions stays the same. `AS` keeps the name of a column.
const CONTENT: [(u32, &str, &str); 18] = [
    (
        1,
        "dir",
        "SELECT id, parent, name, shown, local, withheld, names_changed_ns, quality, mtime_ns FROM dirs ORDER BY id",
    ),
    (
        1,
        "album",
        "SELECT dir, remote, title, desired_title, conflict_name, hidden, count_hint, described_at, count_offset, \
        offset_count, count_mismatch, useless_relists, made_at, listed_at, seen, missed FROM albums ORDER BY dir",
    ),
    (1, "former title", "SELECT dir, title, left_at FROM former_titles ORDER BY dir, title"),
    (
        1,
        "file",
        "SELECT id, size, rendition, mtime_ns, ctime_ns, atime_ns, sha256, sha1, adopted, media, picked, confirmed, filename, \
        mime, description, product_url, created_at, width, height, make, model, video, listed_after, withheld, merged_into, cut_off, \
        quality, whole, sent_size, sent_sha256, sent_sha1 \
        FROM files ORDER BY id",
    ),
    (1, "entry", "SELECT id, dir, name, file FROM entries ORDER BY id"),
    (
        1,
        "member",
        "SELECT dir, file, desired, observed, since, seen, missed FROM members ORDER BY dir, file",
    ),
    (1, "tombstone", "SELECT id, album, media, name, at FROM tombstones ORDER BY id"),
    (
        1,
        "album tombstone",
        "SELECT id, remote, dir, title, desired_title, hidden, at FROM album_tombstones ORDER BY id",
    ),
    (
        1,
        "upload",
        "SELECT file, state, stays_here, seq, session, token, token_at, dir, call, first_call, attempts, \
        own_failures, failing_since, isolate, lost, made, claimed_at, listing_before, retry_at, error, write_errno, \
        missing_from, missing_to, base, replaces FROM uploads ORDER BY file",
    ),
    (1, "failed", "SELECT id, dir, name, file, reason, at, unfinished FROM failed ORDER BY id"),
    (1, "view", "SELECT view, listed_at, listing, requests, behind FROM views ORDER BY view"),
    (1, "view entry", "SELECT id, view, file, name, seen FROM view_entries ORDER BY id"),
    (1, "view arrival", "SELECT view, file FROM view_arrivals ORDER BY view, file"),
    (1, "pick", "SELECT id, name, names_changed_ns FROM picks ORDER BY id"),
    (
        1,
        "picker session",
        "SELECT id, remote, pick, expires_at, listed FROM picker_sessions ORDER BY id",
    ),
    (1, "pick entry", "SELECT id, pick, file, name, session FROM pick_entries ORDER BY id"),
    (1, "value", "SELECT key, value FROM meta ORDER BY key"),
    (2, "saved", "SELECT outcome, files, bytes, sent FROM saved ORDER BY outcome"),
];

fn versions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions")
}

/// The content of a database as a frozen version knew it.
fn content(connection: &Connection, version: u32) -> String {
    let mut text = String::new();
    for (_, word, sql) in CONTENT.iter().filter(|it| it.0 <= version) {
        let mut query = connection.prepare(sql).unwrap();
        let columns: Vec<_> = query.column_names().map(str::to_owned).collect();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            text += word;
            for (at, column) in columns.iter().enumerate() {
                match row.get_unwrap(at) {
                    Value::Null => {}
                    Value::Integer(number) => write!(text, " {column}={number}").unwrap(),
                    Value::Real(number) => write!(text, " {column}={number}").unwrap(),
                    Value::Text(it) => write!(text, " {column}={it:?}").unwrap(),
                    Value::Blob(it) => write!(text, " {column}={}", it.escape_ascii()).unwrap(),
                }
            }
            text.push('\n');
        }
    }
    text
}

/// Makes the frozen profile of the present version.
fn freeze() {
    let (home, made) = (versions().join(SCHEMA_VERSION.to_string()), tempfile::tempdir().unwrap());
    make(made.path());
    let state = home.join("state");
    let _ = fs::remove_dir_all(&state);
    fs::create_dir_all(state.join("spool")).unwrap();
    Store::copy(made.path(), &state).unwrap();
    for file in fs::read_dir(made.path().join("spool")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), state.join("spool").join(file.file_name())).unwrap();
    }
    let text = content(&open_to_read(&made.path().join(FILE_NAME)).unwrap(), SCHEMA_VERSION);
    fs::write(home.join("content.txt"), text).unwrap();
}

/// A copy of a frozen database, which may be changed.
#[expect(clippy::disallowed_methods, reason = "no setting of the program")]
pub(super) fn thawed(version: u32) -> tempfile::TempDir {
    static FREEZE: Once = Once::new();
    FREEZE.call_once(|| {
        if std::env::var_os("UPDATE_FROZEN").is_some() {
            freeze();
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let frozen = versions().join(version.to_string()).join("state").join(FILE_NAME);
    fs::copy(frozen, dir.path().join(FILE_NAME)).unwrap();
    dir
}

/// Without views and triggers: each mount makes those of its program.
#[test]
fn the_tables_are_those_of_the_newest_frozen_version() {
    let newest = thawed(SCHEMA_VERSION);
    let mut frozen = definitions(&open_to_read(&newest.path().join(FILE_NAME)).unwrap());
    let mut present = definitions_of(&PRESENT);
    for of in [&mut frozen, &mut present] {
        of.retain(|name, _| name.starts_with("table ") || name.starts_with("index "));
        assert!(of.len() > 10);
    }
    assert!(
        frozen == present,
        "schema.sql is not that of version {SCHEMA_VERSION} in tests/fixtures/versions: see CONTRIBUTING.md, \
         'change the tables'"
    );
    assert!(!versions().join((SCHEMA_VERSION + 1).to_string()).exists());
}

#[test]
fn each_frozen_version_opens_with_the_present_tables_and_nothing_lost() {
    for version in 1..=SCHEMA_VERSION {
        let dir = thawed(version);
        drop(Store::open(dir.path()).unwrap());
        let connection = open_to_read(&dir.path().join(FILE_NAME)).unwrap();
        assert!(definitions(&connection) == definitions_of(&PRESENT), "of version {version}");
        let frozen = fs::read_to_string(versions().join(format!("{version}/content.txt"))).unwrap();
        assert_eq!(content(&connection, version), frozen, "of version {version}");
        assert_eq!(dir.path().join("gphotosfs.db.old").exists(), version < SCHEMA_VERSION);
    }
}

/// The frozen profile has a row for everything that the tables can say.
#[test]
fn the_frozen_profile_has_every_state() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let connection = open_to_read(&dir.path().join(FILE_NAME)).unwrap();
    let text = content(&connection, SCHEMA_VERSION);
    let states =
        ["open", "scratch", "sealed", "uploaded", "creating", "confirming", "failed", "unseen"];
    let reasons = ["temporary", "empty", "junk", "sidecar"];
    let members = ["absent", "present", "unknown"];
    let of = |column: &'static str, words: &[&str]| -> Vec<String> {
        words.iter().map(|word| format!(" {column}={word:?}")).collect()
    };
    let wanted =
        [of("state", &states), of("stays_here", &reasons), of("observed", &members)].concat();
    let wanted = [wanted, vec![" cut_off=0".into(), " cut_off=1".into()]].concat();
    let missing: Vec<_> = wanted.iter().filter(|it| !text.contains(it.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
    let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence'";
    let mut tables = connection.prepare(tables).unwrap();
    for table in tables.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        let table = table.unwrap();
        let any =
            connection.prepare(&format!("SELECT 1 FROM {table}")).unwrap().exists([]).unwrap();
        assert!(any, "nothing in {table}");
        assert!(CONTENT.iter().any(|it| it.2.contains(&format!(" FROM {table} "))), "{table}");
    }
}
