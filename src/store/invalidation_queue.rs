//! The queue of invalidations in a temporary table of the connection that writes.

use std::time::{Duration, SystemTime};

use parking_lot::{Condvar, Mutex};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::error::{Error, Result};
use super::time::{from_millis, to_millis};
use super::tx::Tx;
use super::values::word;
use crate::media::{DirId, EntryName, FileId, View};

/// A change that makes a cache of the kernel stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// A directory's listing and times: names came or went.
    Dir(DirId),
    /// A directory's listing, if its time does not show that names came or went.
    Listing(DirId),
    /// A file's attributes.
    Attributes(FileId),
    /// A name that is gone, or names another file now.
    Entry(DirId, EntryName),
    /// A file's bytes, and with them its attributes.
    Bytes(FileId),
    /// A name in a view that is gone, or names another file now.
    ViewEntry(View, EntryName),
}

/// One shard for invalidations that never wait, and four for those that may wait for a lock of the
/// kernel. So a locked directory delays few others.
pub(super) const SHARDS: usize = 5;

/// How many invalidations are taken at a time.
pub(super) const BATCH: u32 = 256;

/// Attributes are invalidated again after this time. An answer on its way may bring the kernel old
/// attributes of a file that it did not know at the first invalidation. No answer takes that long.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// What a row of the queue invalidates; the triggers in `invalidations.sql` write the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Dir,
    Listing,
    Attributes,
    AttributesAgain,
    Entry,
    Bytes,
    ViewEntry,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Dir,
        Self::Listing,
        Self::Attributes,
        Self::AttributesAgain,
        Self::Entry,
        Self::Bytes,
        Self::ViewEntry,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Listing => "listing",
            Self::Attributes => "attributes",
            Self::AttributesAgain => "attributes_again",
            Self::Entry => "entry",
            Self::Bytes => "bytes",
            Self::ViewEntry => "view_entry",
        }
    }
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        word(value, Self::ALL, Self::as_str)
    }
}

/// Wakes the threads that send invalidations.
#[derive(Default)]
pub(super) struct Signal {
    pub(super) shards: [Shard; SHARDS],
}

#[derive(Default)]
pub(super) struct Shard {
    // Set if the queue of this shard has changed.
    pub(super) dirty: Mutex<bool>,
    pub(super) wake: Condvar,
    // Counts how often the queue of this shard was empty.
    pub(super) drained: watch::Sender<u64>,
}

impl Signal {
    pub(super) fn wake(&self, shards: &[usize]) {
        for shard in shards.iter().filter_map(|&shard| self.shards.get(shard)) {
            *shard.dirty.lock() = true;
            shard.wake.notify_one();
        }
    }
}

/// The end of the queue when a transaction began.
pub(super) struct Mark(i64);

pub(super) fn mark(tx: &Tx<'_>) -> Result<Mark> {
    Ok(Mark(
        tx.prepare_cached("SELECT coalesce(max(id), 0) FROM temp.invalidations")?
            .query_row([], |row| row.get(0))?,
    ))
}

/// The shards that got invalidations since `mark`. Those of the `known` names are dropped: the
/// kernel asked for the change.
pub(super) fn since(tx: &Tx<'_>, mark: &Mark, known: &[(DirId, &EntryName)]) -> Result<Vec<usize>> {
    for (dir, name) in known {
        tx.prepare_cached(
            "DELETE FROM temp.invalidations WHERE kind = ?2 AND number = ?3 AND name = ?4 AND id > ?1",
        )?
        .execute(params![mark.0, Kind::Entry, dir, name])?;
    }
    Ok(tx
        .prepare_cached("SELECT DISTINCT shard FROM temp.invalidations WHERE id > ?1")?
        .query_map([mark.0], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

/// Takes some invalidations that are due at `now`, and returns when the next one is due.
pub(super) fn take(
    connection: &mut Connection,
    shard: usize,
    now: SystemTime,
) -> Result<(Vec<Invalidation>, Option<SystemTime>)> {
    let tx = connection.transaction()?;
    let rows: Vec<(i64, Kind, i64, Vec<u8>)> = tx
        .prepare_cached(
            "SELECT id, kind, number, name FROM temp.invalidations WHERE shard = ?1 AND due <= ?2 \
             ORDER BY due, id LIMIT ?3",
        )?
        .query_map(params![shard, to_millis(now), BATCH], |row| {
            Ok((row.get("id")?, row.get("kind")?, row.get("number")?, row.get("name")?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut changes = Vec::with_capacity(rows.len());
    for (id, kind, number, name) in rows {
        tx.prepare_cached("DELETE FROM temp.invalidations WHERE id = ?1")?.execute([id])?;
        if kind == Kind::Attributes {
            tx.prepare_cached(
                "INSERT INTO temp.invalidations (kind, number, due) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET due = excluded.due",
            )?
            .execute(params![
                Kind::AttributesAgain,
                number,
                to_millis(now + REPEAT_AFTER)
            ])?;
        }
        changes.push(match kind {
            Kind::Dir => Invalidation::Dir(DirId(number)),
            Kind::Listing => Invalidation::Listing(DirId(number)),
            Kind::Attributes | Kind::AttributesAgain => Invalidation::Attributes(FileId(number)),
            Kind::Entry => {
                let name = EntryName::new(name).map_err(|_| Error::Corrupt("name"))?;
                Invalidation::Entry(DirId(number), name)
            }
            Kind::Bytes => Invalidation::Bytes(FileId(number)),
            Kind::ViewEntry => {
                let view = View::of_number(number).ok_or(Error::Corrupt("view"))?;
                let name = EntryName::new(name).map_err(|_| Error::Corrupt("name"))?;
                Invalidation::ViewEntry(view, name)
            }
        });
    }
    let due: Option<i64> = tx
        .prepare_cached("SELECT min(due) FROM temp.invalidations WHERE shard = ?1")?
        .query_row([shard], |row| row.get(0))?;
    tx.commit()?;
    Ok((changes, due.map(from_millis)))
}
