//! What holds of the tables after every step: each change that is left to make at Google is picked by a queue of the worker,
//! or waits for an event that comes. Otherwise `gphotosfs sync` would wait for ever.

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::support::core::ROOT;
use crate::support::photo;
use crate::world::World;

/// The queues, each with the rows that it picks now or when their time has come. An album that Google has not answered about
/// is such an event, too.
const QUEUES: &str = "WITH
    passed AS (SELECT c.file FROM claims c WHERE c.is_wanted AND NOT c.is_shown AND c.dir IS NOT NULL),
    loose AS (SELECT file FROM claims WHERE NOT is_shown
        AND (is_missed OR (kind = 'new' AND (dir IS NULL OR NOT is_wanted)))),
    proved AS (SELECT file FROM claims GROUP BY file
        HAVING max(kind IN ('known', 'unseen') AND NOT is_wanted) OR min(dir IS NOT NULL AND is_shown)),
    claimed AS (SELECT file FROM passed UNION SELECT file FROM loose UNION SELECT file FROM proved),
    ahead AS (SELECT f.id AS file FROM files f JOIN uploads u ON u.file = f.id
        JOIN files t ON t.known = f.sha256 AND t.id <> f.id JOIN pending_uploads v ON v.file = t.id
        WHERE v.state <> 'sealed' OR v.seq < u.seq) ";

/// Rows that break a rule, and the rule.
const RULES: [(&str, &str); 6] = [
    (
        "no queue picks the upload",
        "SELECT q.file, q.state FROM pending_uploads q WHERE NOT CASE q.state
            WHEN 'creating' THEN q.call IS NOT NULL AND q.dir IS NOT NULL
            WHEN 'uploaded' THEN q.target IS NOT NULL
            WHEN 'confirming' THEN q.file IN claimed
            ELSE q.target IS NOT NULL AND (NOT q.is_duplicate OR q.file IN claimed OR q.file IN ahead
                OR q.file IN (SELECT file FROM pending_additions)
                OR q.target IN (SELECT dir FROM albums WHERE remote IS NULL)) END",
    ),
    (
        "nobody wants the upload, and it stays",
        "SELECT q.file, q.state FROM upload_queue q WHERE q.state IN ('sealed', 'uploaded') AND NOT q.is_wanted
            AND q.file NOT IN (SELECT file FROM orphan_files UNION SELECT file FROM needless_uploads)",
    ),
    ("an album has a file that Google has to get", "SELECT file, dir FROM unfounded_members"),
    (
        "the item is of other bytes",
        "SELECT u.file, u.state FROM uploads u JOIN files f ON f.id = u.file
            WHERE u.state IN ('open', 'scratch', 'sealed', 'uploaded') AND f.media IS NOT NULL AND u.made IS NOT f.media",
    ),
    (
        "no queue picks the membership",
        "SELECT m.file, m.pending FROM pending_memberships m JOIN files t ON t.id = m.file
            WHERE NOT EXISTS (SELECT 1 FROM pending_additions a WHERE a.dir = m.dir AND a.file = m.file)
            AND NOT EXISTS (SELECT 1 FROM pending_removals r WHERE r.dir = m.dir AND r.file = m.file)
            AND NOT (m.pending = 'removal' AND (
                EXISTS (SELECT 1 FROM uploads c WHERE c.made = t.media AND c.file IN claimed)
                OR EXISTS (SELECT 1 FROM pending_uploads q JOIN files f ON f.id = q.file
                    WHERE f.known = t.known AND f.id <> t.id AND q.state = 'sealed')))",
    ),
    (
        "a refused file is in an album",
        "SELECT u.file, m.dir FROM uploads u JOIN members m ON m.file = u.file WHERE u.state = 'failed'",
    ),
];

/// Looks at the tables as they are now, while the worker goes on.
pub fn check(world: &World) {
    let path = world.profile.state_dir().unwrap().join("gphotosfs.db");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    for (rule, sql) in RULES {
        let mut query = database.prepare(&format!("{QUEUES}{sql}")).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let rows: Vec<(i64, Value)> = rows.collect::<rusqlite::Result<_>>().unwrap();
        assert!(rows.is_empty(), "{rule}: {rows:?}");
    }
}

/// A database in which albums have files that Google has to get, as an earlier version could leave it, is mended.
#[test]
fn a_database_with_uploads_that_no_queue_picks_recovers() {
    let mut world = World::new(0);
    let albums = ["one", "two"].map(|title| world.mkdir(ROOT, title).unwrap());
    world.outage(true);
    let (file, fh) = world.create(albums[0], "a.jpg").unwrap();
    world.write(fh, 0, &photo(1, 400)).unwrap();
    world.flush(fh).unwrap();
    world.release(fh).unwrap();
    world.link(file, albums[1], "b.jpg").unwrap();
    world.stop();
    let path = world.profile.state_dir().unwrap().join("gphotosfs.db");
    let older = "UPDATE members SET observed = 'present'";
    assert_eq!(Connection::open(path).unwrap().execute(older, []).unwrap(), 2);
    world.crash();
    check(&world);
    world.outage(false);
    world.drain();
    check(&world);
    let dump = world.emulator.dump();
    for title in ["one", "two"] {
        assert_eq!(dump.album(title).unwrap().items.len(), 1, "{title}");
    }
}
