//! Counts the bytes that Google stores since this database began. Google itself reports no such
//! number, and items outlive their names here.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension};

use super::database::Store;
use super::error::Result;
use super::tables::meta;
use super::time::from_millis;
use super::tx::Tx;
use crate::media::FileId;

const BYTES: &str = "stored_bytes";
const JPEG_BYTES: &str = "stored_jpeg_bytes";
const SINCE: &str = "stored_since";

/// What Google has stored of this database's uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Since when the bytes are counted. `None`: there are none yet.
    pub since: Option<SystemTime>,
    /// All bytes.
    pub bytes: u64,
    /// Those of JPEGs that went as they are, because nobody asked for smaller copies.
    pub jpeg_bytes: u64,
}

impl Store {
    /// What Google has stored.
    pub fn stored(&self) -> Result<Stored> {
        self.read(|db| {
            let since = number(db, SINCE)?.map(from_millis);
            let [bytes, jpeg_bytes] = [number(db, BYTES)?, number(db, JPEG_BYTES)?]
                .map(|it| it.and_then(|it| it.try_into().ok()).unwrap_or(0));
            Ok(Stored { since, bytes, jpeg_bytes })
        })
    }
}

fn number(db: &Connection, key: &str) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

/// Counts the bytes of a file of which Google has just made an item.
pub(super) fn count(tx: &Tx<'_>, file: FileId) -> Result<()> {
    let (bytes, is_jpeg): (i64, bool) = tx
        .prepare_cached(
            "SELECT coalesce(sent_size, size, 0), mime IS 'image/jpeg' AND quality IS NULL \
             FROM files WHERE id = ?1",
        )?
        .query_row([file], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if number(tx, SINCE)?.is_none() {
        meta::set(tx, SINCE, &tx.now_millis().to_string())?;
    }
    meta::add(tx, BYTES, bytes)?;
    if is_jpeg {
        meta::add(tx, JPEG_BYTES, bytes)?;
    }
    Ok(())
}
