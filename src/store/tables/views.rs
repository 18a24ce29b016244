//! Writes the tables of the views by date.

use rusqlite::params;

use crate::media::{EntryName, FileId, Period, Span, View};
use crate::store::error::Result;
use crate::store::time::from_millis;
use crate::store::tx::Tx;

/// A listing has shown the item.
pub(in crate::store) fn set_seen(
    tx: &Tx<'_>,
    view: View,
    file: FileId,
    listing: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE view_entries SET seen = max(seen, ?3) WHERE view = ?1 AND file = ?2",
    )?
    .execute(params![view, file, listing])?;
    Ok(())
}

/// Hides the items that no listing since has shown.
pub(in crate::store) fn hide_missing(tx: &Tx<'_>, view: View, certain: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE view_entries SET name = NULL \
         WHERE view = ?1 AND seen > 0 AND seen < ?2 AND name IS NOT NULL",
    )?
    .execute(params![view, certain])?;
    Ok(())
}

/// Hides an item.
pub(in crate::store) fn hide(tx: &Tx<'_>, view: View, file: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE view_entries SET name = NULL WHERE view = ?1 AND file = ?2")?
        .execute(params![view, file])?;
    Ok(())
}

/// Items that the list of all items has lost go from the other views, unless a listing has shown
/// them there.
pub(in crate::store) fn delete_lost(tx: &Tx<'_>, all: View) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM view_entries WHERE seen = 0 AND view <> ?1 AND file IN \
         (SELECT file FROM view_entries WHERE view = ?1 AND name IS NULL)",
    )?
    .execute([all])?;
    Ok(())
}

/// The next listing must show what is only known here.
pub(in crate::store) fn expect_known(tx: &Tx<'_>, all: View, listing: i64) -> Result<()> {
    tx.prepare_cached("UPDATE view_entries SET seen = ?2 WHERE view = ?1 AND seen = 0")?
        .execute(params![all, listing])?;
    Ok(())
}

/// A listing is complete.
pub(in crate::store) fn set_listed(
    tx: &Tx<'_>,
    view: View,
    at: i64,
    listing: i64,
    requests: u32,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO views (view, listed_at, listing, requests, behind) VALUES (?1, ?2, ?3, ?4, 1) \
         ON CONFLICT (view) DO UPDATE SET listed_at = excluded.listed_at, \
         listing = excluded.listing, requests = excluded.requests, behind = 1",
    )?
    .execute(params![view, at, listing, requests])?;
    Ok(())
}

/// All known items have been gone through since the last listing.
pub(in crate::store) fn set_caught_up(tx: &Tx<'_>, view: View) -> Result<()> {
    tx.prepare_cached("UPDATE views SET behind = 0 WHERE view = ?1")?.execute([view])?;
    Ok(())
}

/// The view has shown the item that has arrived.
pub(in crate::store) fn delete_arrival(tx: &Tx<'_>, view: View, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM view_arrivals WHERE view = ?1 AND file = ?2")?
        .execute(params![view, file])?;
    Ok(())
}

/// Somebody has looked into the view.
pub(in crate::store) fn insert(tx: &Tx<'_>, view: View) -> Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO views (view) VALUES (?1)")?.execute([view])?;
    Ok(())
}

/// Gives an item a name in a view.
pub(in crate::store) fn show(
    tx: &Tx<'_>,
    view: View,
    file: FileId,
    name: &EntryName,
    listing: i64,
) -> Result<()> {
    tx.prepare_cached("INSERT INTO view_entries (view, file, name, seen) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (file, view) DO UPDATE SET name = excluded.name, seen = max(seen, excluded.seen)")?.execute(params![view, file, name, listing])?;
    Ok(())
}

/// An item has arrived in the period of a view that somebody has looked into.
pub(in crate::store) fn insert_arrival(tx: &Tx<'_>, view: View, file: FileId) -> Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO view_arrivals (view, file) SELECT view, ?2 FROM views WHERE view = ?1")?.execute(params![view, file])?;
    Ok(())
}

/// The item of a file does not exist any more.
pub(in crate::store) fn delete_of_file(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM view_entries WHERE file = ?1")?.execute([file])?;
    tx.prepare_cached("DELETE FROM view_arrivals WHERE file = ?1")?.execute([file])?;
    Ok(())
}

/// An item has become another file: its names in the views go with it.
pub(in crate::store) fn move_item(tx: &Tx<'_>, from: FileId, to: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE OR REPLACE view_entries SET file = ?2 WHERE file = ?1")?
        .execute(params![from, to])?;
    tx.prepare_cached("UPDATE OR REPLACE view_arrivals SET file = ?2 WHERE file = ?1")?
        .execute(params![from, to])?;
    Ok(())
}

/// An item has arrived: the views that were looked into before, and that its time of creation
/// belongs to, lack it.
pub(in crate::store) fn arrived(tx: &Tx<'_>, file: FileId) -> Result<()> {
    let created: Option<i64> = tx
        .prepare_cached("SELECT created_at FROM files WHERE id = ?1")?
        .query_row([file], |row| row.get(0))?;
    let created = created.map(from_millis);
    let periods = Span::ALL.map(|span| Period::at(span, created?).map(View::Of));
    for view in periods.into_iter().flatten().chain([View::All]) {
        insert_arrival(tx, view, file)?;
    }
    Ok(())
}

/// The listing of a view is due again.
pub(in crate::store) fn set_due(tx: &Tx<'_>, view: View) -> Result<()> {
    tx.prepare_cached("UPDATE views SET listed_at = 0 WHERE view = ?1")?.execute([view])?;
    Ok(())
}

/// All listings of views are due again.
pub(in crate::store) fn set_all_due(tx: &Tx<'_>) -> Result<()> {
    tx.prepare_cached("UPDATE views SET listed_at = 0 WHERE listed_at IS NOT NULL")?.execute([])?;
    Ok(())
}
