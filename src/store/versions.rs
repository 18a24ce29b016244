//! One file becoming two and two becoming one: versions of an edited file, equal bytes, refusals.
//!
//! An edited file keeps its number, and with it inode and names. What it was before becomes a file of
//! its own without names, still wanted in its albums, until the new version has taken its place.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::failed::{add_failed, forget_unfinished};
use super::files::touched;
use super::tree::{add_wish, drop_wish};
use super::tx::Tx;
use super::{Result, Store, UploadState};
use crate::media::{ContentHash, DirId, EntryName, FileId};

/// The columns of a file that belong to Google's item.
const ITEM_COLUMNS: &str = "sha256, sha1, media, confirmed, filename, mime, description, product_url, created_at, \
     width, height, make, model, video, adopted, rendition";
/// Where `confirmed` stands behind `id` and [`ITEM_COLUMNS`]: it cannot be null.
const CONFIRMED: usize = 4;

impl Store {
    /// Splits a file that Google has, or is being asked to make, in two: it stays open for writing under
    /// its number; what it was becomes a new file, which is returned.
    ///
    /// `base` is the hash of the content that the writer starts from, `size` its length.
    ///
    /// # Errors
    /// If the database fails.
    pub fn fork_version(
        &self,
        file: FileId,
        base: Option<ContentHash>,
        size: u64,
    ) -> Result<FileId> {
        self.write_durable(|tx| {
            tx.execute(
                "INSERT INTO files (size, mtime_ns) SELECT size, mtime_ns FROM files WHERE id = ?1",
                [file],
            )?;
            let old = FileId(tx.last_insert_rowid());
            move_item(tx, file, old)?;
            tx.execute(
                "UPDATE files SET size = ?2, mime = (SELECT mime FROM files WHERE id = ?3), \
                 description = (SELECT description FROM files WHERE id = ?3) WHERE id = ?1",
                params![file, size, old],
            )?;
            // What is or may be at Google stays with the item; what is only wanted, with the names.
            tx.execute(
                "INSERT INTO members (dir, file, desired, observed, since, seen) \
                 SELECT dir, ?2, desired, observed, since, seen FROM members \
                 WHERE file = ?1 AND (observed <> 'absent' OR NOT desired)",
                params![file, old],
            )?;
            tx.execute(
                "DELETE FROM members WHERE file = ?1 AND NOT EXISTS \
                 (SELECT 1 FROM entries e WHERE e.file = ?1 AND e.dir = members.dir)",
                [file],
            )?;
            tx.execute("UPDATE members SET observed = 'absent', seen = 0 WHERE file = ?1", [file])?;
            tx.execute("UPDATE uploads SET file = ?2 WHERE file = ?1", params![file, old])?;
            // Another file's old version, whose names this one has got by having the same bytes.
            tx.execute("UPDATE uploads SET replaces = ?2 WHERE replaces = ?1", params![file, old])?;
            tx.execute(
                "INSERT INTO uploads (file, state, base, replaces) VALUES (?1, ?2, ?3, ?4)",
                params![file, UploadState::Open, base, old],
            )?;
            Ok(old)
        })
    }

    /// The version whose place a file will take.
    ///
    /// # Errors
    /// If the database fails.
    pub fn replaced_by(&self, file: FileId) -> Result<Option<FileId>> {
        self.read(|db| replaced_by(db, file))
    }

    /// Puts the old version of a file back in its place, if it has been an edit that came to nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub fn revert_edit(&self, file: FileId) -> Result<bool> {
        self.write_durable(|tx| match replaced_by(tx, file)? {
            Some(old) if is_committed(tx, old)? => {
                restore_version(tx, file, old)?;
                Ok(true)
            }
            _ => Ok(false),
        })
    }

    /// Google has no room in an album for a file: whether there will be, since items are about to leave it, if only when
    /// their successors have arrived. The version whose place the file takes is one of them now, although its successor
    /// is not there yet.
    ///
    /// # Errors
    /// If the database fails.
    pub fn reserve_slot(&self, dir: DirId, file: FileId) -> Result<bool> {
        self.write_durable(|tx| {
            if let Some(old) = replaced_by(tx, file)? {
                drop_wish(tx, dir, old)?;
            }
            let is_edited = tx
                .prepare_cached(
                    "SELECT 1 FROM uploads u JOIN members m ON m.file = u.replaces \
                     WHERE u.replaces IS NOT NULL AND m.dir = ?1 AND m.observed <> 'absent'",
                )?
                .exists([dir])?;
            Ok(is_edited || super::memberships::has_pending_removals(tx, dir)?)
        })
    }

    /// Refuses a file for good: its names move to the failed ones, and to its old version if it had one.
    ///
    /// # Errors
    /// If the database fails.
    pub fn fail(&self, file: FileId, reason: &str) -> Result<()> {
        self.write_durable(|tx| fail(tx, file, reason))
    }

    /// Puts what was being written by a writer that is gone under the failed names, until a file is closed under the name,
    /// or another is cut off there.
    ///
    /// # Errors
    /// If the database fails.
    pub fn fail_unfinished(&self, file: FileId, size: u64, reason: &str) -> Result<()> {
        self.write_durable(|tx| {
            forget_unfinished(tx, file)?;
            tx.execute("UPDATE files SET size = ?2 WHERE id = ?1", params![file, size])?;
            fail(tx, file, reason)?;
            tx.execute("UPDATE failed SET unfinished = 1 WHERE file = ?1", [file])?;
            Ok(())
        })
    }

    /// Forgets the bytes of an item that Google does not have any more: equal ones are uploaded again.
    ///
    /// # Errors
    /// If the database fails.
    pub fn forget_hash(&self, file: FileId) -> Result<()> {
        self.write(|tx| forget_hash(tx, file))
    }
}

pub(super) fn forget_hash(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.execute(
        "UPDATE files SET sha256 = NULL, sha1 = NULL, adopted = NULL WHERE id = ?1",
        [file],
    )?;
    Ok(())
}

pub(super) fn replaced_by(db: &Connection, file: FileId) -> Result<Option<FileId>> {
    Ok(db
        .prepare_cached("SELECT replaces FROM uploads WHERE file = ?1")?
        .query_row([file], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Whether Google has a file and nothing is under way for it.
pub(super) fn is_committed(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM committed_files WHERE id = ?1")?.exists([file])?)
}

/// Moves what is Google's from one file to another. The column `media` is unique, hence two steps.
fn move_item(tx: &Tx<'_>, from: FileId, to: FileId) -> Result<()> {
    let mut values: Vec<Value> = tx.query_row(
        &format!("SELECT id, {ITEM_COLUMNS} FROM files WHERE id = ?1"),
        [from],
        |row| (0..row.as_ref().column_count()).map(|at| row.get(at)).collect(),
    )?;
    let update = format!(
        "UPDATE files SET ({ITEM_COLUMNS}) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) WHERE id = ?1"
    );
    let nothing = values.iter().enumerate().map(|(at, value)| match at {
        0 => value.clone(),
        CONFIRMED => Value::Integer(0),
        _ => Value::Null,
    });
    tx.execute(&update, params_from_iter(nothing.collect::<Vec<_>>()))?;
    values[0] = Value::Integer(to.0);
    tx.execute(&update, params_from_iter(values))?;
    super::views::move_item(tx, from, to)
}

/// Puts the old version back if the new one has the bytes that its writer began with, or those of the
/// old version, and Google has that for certain.
pub(super) fn revert_if_same(tx: &Tx<'_>, file: FileId, sha256: ContentHash) -> Result<bool> {
    let Some(old) = replaced_by(tx, file)? else { return Ok(false) };
    let same = tx
        .prepare_cached(
            "SELECT 1 FROM uploads u JOIN files o ON o.id = u.replaces \
             WHERE u.file = ?1 AND (u.base = ?2 OR o.known = ?2)",
        )?
        .exists(params![file, sha256])?;
    if !same || !is_committed(tx, old)? {
        return Ok(false);
    }
    restore_version(tx, file, old)?;
    Ok(true)
}

/// The reverse of [`Store::fork_version`]. The file keeps its own time of modification.
fn restore_version(tx: &Tx<'_>, file: FileId, old: FileId) -> Result<()> {
    move_item(tx, old, file)?;
    tx.execute(
        "UPDATE files SET size = (SELECT size FROM files WHERE id = ?2) WHERE id = ?1",
        params![file, old],
    )?;
    // Files with the same bytes may have given their names to the old version.
    tx.execute("UPDATE entries SET file = ?1 WHERE file = ?2", params![file, old])?;
    // Where the file has a name the item is wanted, elsewhere no longer.
    tx.execute(
        "INSERT INTO members (dir, file, desired, observed, since, seen) SELECT dir, ?1, \
             EXISTS (SELECT 1 FROM entries e WHERE e.file = ?1 AND e.dir = members.dir), observed, since, seen \
         FROM members WHERE file = ?2 \
         ON CONFLICT (dir, file) DO UPDATE SET observed = excluded.observed, seen = excluded.seen",
        params![file, old],
    )?;
    tx.execute("DELETE FROM members WHERE file = ?1", [old])?;
    tx.execute("DELETE FROM uploads WHERE file = ?1", [file])?;
    tx.execute("UPDATE uploads SET replaces = ?1 WHERE replaces = ?2", params![file, old])?;
    tx.execute("UPDATE files SET merged_into = ?2 WHERE id = ?1", params![old, file])?;
    Ok(())
}

/// A new version has arrived, or nobody wants it any more: the old one shall leave its albums.
pub(super) fn retire_replaced(tx: &Tx<'_>, file: FileId) -> Result<()> {
    let Some(old) = replaced_by(tx, file)? else { return Ok(()) };
    let dirs: Vec<DirId> = tx
        .prepare_cached("SELECT dir FROM members WHERE file = ?1 AND desired")?
        .query_map([old], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for dir in dirs {
        drop_wish(tx, dir, old)?;
    }
    tx.prepare_cached("UPDATE uploads SET replaces = NULL WHERE file = ?1")?.execute([file])?;
    Ok(())
}

pub(super) fn fail(tx: &Tx<'_>, file: FileId, reason: &str) -> Result<()> {
    let old = replaced_by(tx, file)?;
    let names: Vec<(DirId, EntryName)> = tx
        .prepare_cached("SELECT dir, name FROM entries WHERE file = ?1 ORDER BY id")?
        .query_map([file], |row| Ok((row.get("dir")?, row.get("name")?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (dir, name) in names {
        add_failed(tx, dir, &name, file, reason)?;
        match old {
            Some(old) => {
                tx.prepare_cached("UPDATE entries SET file = ?3 WHERE dir = ?1 AND name = ?2")?
                    .execute(params![dir, name, old])?;
                add_wish(tx, dir, old)?;
            }
            None => {
                tx.prepare_cached("DELETE FROM entries WHERE dir = ?1 AND name = ?2")?
                    .execute(params![dir, name])?;
            }
        }
    }
    tx.prepare_cached("DELETE FROM members WHERE file = ?1")?.execute([file])?;
    tx.prepare_cached(
        "UPDATE uploads SET state = ?2, seq = NULL, token = NULL, token_at = NULL, session = NULL, \
         dir = NULL, call = NULL, first_call = NULL, retry_at = NULL, replaces = NULL, error = ?3 WHERE file = ?1",
    )?
    .execute(params![file, UploadState::Failed, reason])?;
    Ok(())
}

/// Gives all names of `file` to `into`, which is wanted where `file` was. As with hard links, the last
/// writer's time of modification is that of all names: then `rsync -t` finds what it has set.
pub(super) fn merge(tx: &Tx<'_>, file: FileId, into: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE entries SET file = ?2 WHERE file = ?1")?
        .execute(params![file, into])?;
    // What Google has been told of the one is true of the other: they are one item.
    tx.execute(
        "INSERT INTO members (dir, file, desired, observed, since, seen) \
         SELECT dir, ?2, desired, observed, since, seen FROM members WHERE file = ?1 \
         ON CONFLICT (dir, file) DO UPDATE SET desired = max(desired, excluded.desired), \
         observed = CASE WHEN 'present' IN (observed, excluded.observed) THEN 'present' \
             WHEN 'unknown' IN (observed, excluded.observed) THEN 'unknown' ELSE 'absent' END",
        params![file, into],
    )?;
    tx.execute("DELETE FROM members WHERE file = ?1", [file])?;
    tx.execute("DELETE FROM uploads WHERE file = ?1", [file])?;
    tx.execute("UPDATE uploads SET replaces = ?2 WHERE replaces = ?1", params![file, into])?;
    // Bytes that were taken for those of the item are not proven to be by meeting themselves; but whoever comes
    // with others has been told by Google that they are.
    tx.execute(
        "UPDATE files SET adopted = NULL WHERE id = ?2 \
         AND adopted <> (SELECT sha256 FROM files WHERE id = ?1)",
        params![file, into],
    )?;
    tx.execute(
        "UPDATE files SET sha256 = CASE WHEN adopted IS NULL \
         THEN coalesce((SELECT sha256 FROM files WHERE id = ?1), sha256) END, \
         sha1 = coalesce((SELECT sha1 FROM files WHERE id = ?1), sha1), \
         size = coalesce((SELECT size FROM files WHERE id = ?1), size), \
         mtime_ns = (SELECT mtime_ns FROM files WHERE id = ?1), \
         atime_ns = (SELECT atime_ns FROM files WHERE id = ?1) WHERE id = ?2",
        params![file, into],
    )?;
    touched(tx, into)?;
    tx.execute(
        "UPDATE files SET merged_into = ?2, sha256 = NULL WHERE id = ?1",
        params![file, into],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{album, item, name};
    use crate::store::{Adoption, Child, FileInfo};

    fn hash(of: u8) -> ContentHash {
        ContentHash([of; 32])
    }

    /// An item for which a local file was taken, after a file of ours has turned out to be the same item.
    fn merged(adopted: u8, arrived: u8) -> FileInfo {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        let Some(Child::File(known)) = store.child(trip, &name("a.jpg")).unwrap() else {
            panic!("not listed")
        };
        let local = Adoption { sha256: hash(adopted), size: 1, mtime_ns: 0 };
        assert!(store.adopt(known, &local).unwrap());
        let ours = store.create_file(trip, &name("b.jpg"), 0).unwrap().unwrap();
        let sql = "UPDATE files SET sha256 = ?2 WHERE id = ?1";
        store.write(|tx| Ok(tx.execute(sql, params![ours, hash(arrived)])?)).unwrap();
        store.write(|tx| merge(tx, ours, known)).unwrap();
        store.file(known).unwrap().unwrap()
    }

    #[test]
    fn an_edit_makes_way_for_others_also_before_it_has_arrived() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        let Some(Child::File(edited)) = store.child(trip, &name("a.jpg")).unwrap() else {
            panic!("not listed")
        };
        let other = store.create_file(trip, &name("b.jpg"), 0).unwrap().unwrap();
        assert!(!store.reserve_slot(trip, other).unwrap());
        store.fork_version(edited, None, 0).unwrap();
        assert!(store.reserve_slot(trip, other).unwrap());
        assert!(!store.reserve_slot(album(&store, "Other"), other).unwrap());
    }

    #[test]
    fn an_assumption_does_not_prove_itself() {
        let info = merged(1, 1);
        assert_eq!((info.sha256, info.adopted), (None, Some(hash(1))));
    }

    #[test]
    fn an_item_has_the_hash_of_the_bytes_that_became_it_last() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        let [old, new] = [1, 2].map(|of| {
            let file = store.create_file(trip, &name(&format!("{of}.jpg")), 0).unwrap().unwrap();
            let sql = "UPDATE files SET sha256 = ?2, size = ?3 WHERE id = ?1";
            store.write(|tx| Ok(tx.execute(sql, params![file, hash(of), of])?)).unwrap();
            file
        });
        store.write(|tx| merge(tx, new, old)).unwrap();
        let info = store.file(new).unwrap().unwrap();
        assert_eq!((info.id, info.sha256, info.size), (old, Some(hash(2)), Some(2)));
    }

    #[test]
    fn what_google_has_said_counts_for_more_than_an_assumption() {
        let info = merged(1, 2);
        assert_eq!((info.sha256, info.adopted), (Some(hash(2)), None));
    }
}
