//! The queries behind a busy mount find their rows by an index, however large the library is.

use super::copies::SAVED;
use super::creating::{COMING, READY};
use super::journal::STARTABLE;
use super::tables::tombstones::NAMES_OF_ITEM;
use super::views::{LATEST_KNOWN, NOT_VIEWED};
use super::*;
use rusqlite::Connection;

/// The steps of SQLite's plan for a query.
fn plan(store: &Store, sql: &str) -> Vec<String> {
    let steps = |db: &Connection| -> Result<Vec<String>> {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let values = vec![1; statement.parameter_count()];
        let steps = statement
            .query_map(rusqlite::params_from_iter(values), |row| row.get("detail"))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(steps)
    };
    store.read(steps).unwrap()
}

/// Queries that run for each file, call or page.
const HOT: [&str; 23] = [
    STARTABLE,
    READY,
    COMING,
    NOT_VIEWED,
    LATEST_KNOWN,
    NAMES_OF_ITEM,
    "SELECT file FROM expected_members WHERE dir = ?1",
    "SELECT file FROM unseen_members WHERE dir = ?1",
    "SELECT dir FROM unseen_members WHERE file = ?1",
    "SELECT dir, album FROM pending_additions ORDER BY since LIMIT 1",
    "SELECT dir, album FROM pending_removals ORDER BY since LIMIT 1",
    "SELECT file, seq, item_of, media FROM arrived_duplicates ORDER BY seq LIMIT ?1",
    "SELECT item_of FROM sealed_duplicates WHERE file = ?1",
    "SELECT file, made FROM needless_uploads",
    "SELECT 1 FROM arrived_files WHERE id = ?1",
    "SELECT 1 FROM upload_queue WHERE file = ?1 AND is_duplicate",
    "SELECT 1 FROM pending_memberships",
    "SELECT 1 FROM orphan_files WHERE file = ?1",
    "SELECT 1 FROM committed_files WHERE id = ?1",
    "SELECT id, name FROM shown_dirs WHERE parent = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    "SELECT id FROM shown_dirs WHERE parent = ?1 AND name = ?2",
    "SELECT id, name, file FROM shown_view_entries WHERE view = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    "SELECT id, media FROM library_items WHERE id = ?1",
];

#[test]
fn hot_queries_scan_no_table() {
    let store = Store::in_memory().unwrap();
    for sql in HOT {
        let plan = plan(&store, sql);
        let scans = plan.iter().filter(|step| step.starts_with("SCAN")).count();
        assert_eq!(scans, 0, "{sql}: {plan:#?}");
    }
}

/// Each look at the status asks for it.
#[test]
fn the_sums_of_smaller_copies_read_no_files() {
    let store = Store::in_memory().unwrap();
    let plan = plan(&store, SAVED);
    assert!(plan.iter().all(|step| !step.contains("files")), "{plan:#?}");
}

#[test]
fn queued_uploads_are_read_in_the_order_of_closing() {
    let store = Store::in_memory().unwrap();
    for sql in [STARTABLE, READY, COMING] {
        let plan = plan(&store, sql);
        assert!(plan[0].contains("uploads_by_state (state=?)"), "{sql}: {plan:#?}");
        let outer: Vec<&String> = plan.iter().filter(|it| it.contains("TEMP B-TREE")).collect();
        // The few albums of one file are sorted to find its target, but never the queue itself.
        assert!(outer.iter().all(|it| !it.contains("ORDER BY") || sql != STARTABLE), "{plan:#?}");
    }
}

#[test]
fn pending_memberships_come_from_their_index() {
    let store = Store::in_memory().unwrap();
    for view in ["pending_additions", "pending_removals", "pending_memberships"] {
        let plan = plan(&store, &format!("SELECT * FROM {view}"));
        assert!(plan[0].contains("members_pending"), "{view}: {plan:#?}");
    }
}
