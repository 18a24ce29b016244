//! Writes the table of single values.

use rusqlite::params;

use crate::store::error::Result;
use crate::store::tx::Tx;

/// Forgets a value.
pub(in crate::store) fn delete(tx: &Tx<'_>, key: &str) -> Result<()> {
    tx.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Counts up a number that is kept in `meta`.
pub(in crate::store) fn next_number(tx: &Tx<'_>, key: &str) -> Result<i64> {
    Ok(tx
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, '1') \
             ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1 \
             RETURNING CAST(value AS INTEGER)",
        )?
        .query_row([key], |row| row.get(0))?)
}

/// Adds to a number that is kept in `meta`.
pub(in crate::store) fn add(tx: &Tx<'_>, key: &str, count: i64) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, CAST(?2 AS TEXT)) \
         ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + ?2",
    )?
    .execute(params![key, count])?;
    Ok(())
}

/// Sets a value.
pub(in crate::store) fn set(tx: &Tx<'_>, key: &str, value: &str) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, value])?;
    Ok(())
}
