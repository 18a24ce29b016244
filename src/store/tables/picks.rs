//! Writes the tables of picks.

use rusqlite::params;

use crate::media::{EntryName, FileId, PickId, PickerSessionId};
use crate::store::error::Result;
use crate::store::tx::Tx;

/// Makes a pick, unless there is one of this name.
pub(in crate::store) fn insert(tx: &Tx<'_>, name: &EntryName) -> Result<PickId> {
    tx.prepare_cached("INSERT OR IGNORE INTO picks (name, names_changed_ns) VALUES (?1, ?2)")?
        .execute(params![name, tx.now_nanos()])?;
    Ok(tx
        .prepare_cached("SELECT id FROM picks WHERE name = ?1")?
        .query_row([name], |row| row.get(0))?)
}

/// A name in the pick has come or gone.
pub(in crate::store) fn set_changed(tx: &Tx<'_>, pick: PickId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE picks SET names_changed_ns = max(names_changed_ns + 1, ?2) WHERE id = ?1",
    )?
    .execute(params![pick, tx.now_nanos()])?;
    Ok(())
}

/// Takes everything out of a pick, and gives its sessions up.
pub(in crate::store) fn clear(tx: &Tx<'_>, pick: PickId) -> Result<()> {
    tx.prepare_cached("DELETE FROM pick_entries WHERE pick = ?1")?.execute([pick])?;
    tx.prepare_cached("UPDATE picker_sessions SET pick = NULL, listed = 1 WHERE pick = ?1")?
        .execute([pick])?;
    Ok(())
}

/// Deletes an empty pick.
pub(in crate::store) fn delete(tx: &Tx<'_>, pick: PickId) -> Result<()> {
    tx.prepare_cached("DELETE FROM picks WHERE id = ?1")?.execute([pick])?;
    Ok(())
}

/// Adds a session, to a pick or for a command that waits for the user.
pub(in crate::store) fn put_session(
    tx: &Tx<'_>,
    pick: Option<PickId>,
    remote: &PickerSessionId,
    expires_at: i64,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO picker_sessions (remote, pick, expires_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (remote) DO UPDATE SET pick = ?2, expires_at = ?3, listed = 0",
    )?
    .execute(params![remote, pick, expires_at])?;
    Ok(())
}

/// Nobody waits for the user in a session any more, or in all of these sessions.
pub(in crate::store) fn give_up(tx: &Tx<'_>, remote: Option<&PickerSessionId>) -> Result<()> {
    tx.prepare_cached(
        "UPDATE picker_sessions SET listed = 1 WHERE pick IS NULL AND remote = coalesce(?1, remote)",
    )?
    .execute([remote])?;
    Ok(())
}

/// All items of a session are in its pick.
pub(in crate::store) fn set_listed(tx: &Tx<'_>, remote: &PickerSessionId) -> Result<()> {
    tx.prepare_cached("UPDATE picker_sessions SET listed = 1 WHERE remote = ?1")?
        .execute([remote])?;
    Ok(())
}

/// A session has ended at Google.
pub(in crate::store) fn delete_session(tx: &Tx<'_>, remote: &PickerSessionId) -> Result<()> {
    tx.prepare_cached("DELETE FROM picker_sessions WHERE remote = ?1")?.execute([remote])?;
    Ok(())
}

/// Deletes the sessions that have ended by themselves.
pub(in crate::store) fn delete_expired(tx: &Tx<'_>) -> Result<()> {
    tx.prepare_cached("DELETE FROM picker_sessions WHERE expires_at <= ?1")?
        .execute([tx.now_millis()])?;
    Ok(())
}

/// Another session has shown an item of the pick.
pub(in crate::store) fn set_session(
    tx: &Tx<'_>,
    (pick, file): (PickId, FileId),
    session: i64,
) -> Result<()> {
    tx.prepare_cached("UPDATE pick_entries SET session = ?3 WHERE pick = ?1 AND file = ?2")?
        .execute(params![pick, file, session])?;
    Ok(())
}

/// Gives an item a name in a pick.
pub(in crate::store) fn insert_entry(
    tx: &Tx<'_>,
    (pick, file): (PickId, FileId),
    name: &EntryName,
    session: i64,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO pick_entries (pick, file, name, session) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![pick, file, name, session])?;
    Ok(())
}
