//! Files that Google refused for good, under the names they had.

use rusqlite::{Connection, OptionalExtension, params};

use super::tree::{Unlinked, in_cookie_order, is_orphan};
use super::{Child, DirEntry, Result, Store, TreeError};
use crate::media::{DirId, EntryName};

/// The directories that have failed files in them or below them.
const WITH_FAILURES: &str = "WITH RECURSIVE above (id) AS (SELECT dir FROM failed UNION \
     SELECT d.parent FROM dirs d JOIN above ON d.id = above.id)";

impl Store {
    /// What `name` stands for in the mirror of `dir` below `failed`.
    ///
    /// # Errors
    /// If the database fails.
    pub fn failed_child(&self, dir: DirId, name: &EntryName) -> Result<Option<Child>> {
        self.read(|db| failed_child(db, dir, name))
    }

    /// Up to `limit` entries of the mirror of `dir` behind `cookie`.
    ///
    /// # Errors
    /// If the database fails.
    pub fn failed_entries(&self, dir: DirId, cookie: i64, limit: u32) -> Result<Vec<DirEntry>> {
        self.read(|db| {
            let dirs = format!(
                "{WITH_FAILURES} SELECT id, name FROM dirs WHERE parent = ?1 AND id <> 1 AND id > ?2 \
                 AND id IN above ORDER BY id LIMIT ?3"
            );
            let files =
                "SELECT id, name, file FROM failed WHERE dir = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            in_cookie_order(db, (&dirs, files), dir, cookie, limit)
        })
    }

    /// The user has no more use for a failed file.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::IsDir`]; or the database fails.
    pub fn failed_unlink(
        &self,
        dir: DirId,
        name: &EntryName,
    ) -> Result<Result<Unlinked, TreeError>> {
        self.write_durable(|tx| match failed_child(tx, dir, name)? {
            None => Ok(Err(TreeError::Missing)),
            Some(Child::Dir(_)) => Ok(Err(TreeError::IsDir)),
            Some(Child::File(file)) => {
                tx.execute("DELETE FROM failed WHERE dir = ?1 AND name = ?2", params![dir, name])?;
                Ok(Ok(Unlinked { file, orphan: is_orphan(tx, file)? }))
            }
        })
    }
}

fn failed_child(db: &Connection, dir: DirId, name: &EntryName) -> Result<Option<Child>> {
    let file = db
        .prepare_cached("SELECT file FROM failed WHERE dir = ?1 AND name = ?2")?
        .query_row(params![dir, name], |row| row.get(0).map(Child::File))
        .optional()?;
    if file.is_some() {
        return Ok(file);
    }
    Ok(db
        .prepare_cached(&format!(
            "{WITH_FAILURES} SELECT id FROM dirs WHERE parent = ?1 AND name = ?2 AND id <> 1 AND id IN above"
        ))?
        .query_row(params![dir, name], |row| row.get(0).map(Child::Dir))
        .optional()?)
}
