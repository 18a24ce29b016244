//! Writes the tables of albums and their former titles.

use std::time::SystemTime;

use rusqlite::params;

use super::tombstones::AlbumTombstone;
use crate::media::{AlbumId, DirId};
use crate::store::error::Result;
use crate::store::time::GRACE;
use crate::store::time::{before, to_millis};
use crate::store::tx::Tx;

/// The last complete pass did not show the albums that no listing since `listing` has shown.
pub(in crate::store) fn set_missed(tx: &Tx<'_>, listing: i64) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET missed = 1 WHERE seen < ?1 AND remote IS NOT NULL")?
        .execute([listing])?;
    Ok(())
}

/// Adds an album that was gone.
pub(in crate::store) fn insert_returned(
    tx: &Tx<'_>,
    album: &AlbumId,
    was: &AlbumTombstone,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO albums (dir, remote, title, desired_title, hidden) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![was.dir, album, was.title, was.desired_title, was.hidden])?;
    Ok(())
}

/// Forgets an album.
pub(in crate::store) fn delete(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("DELETE FROM albums WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// The album stands where its title says.
pub(in crate::store) fn clear_conflict_name(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET conflict_name = 0 WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// Shows an album again that `rmdir` has hidden.
pub(in crate::store) fn unhide(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET hidden = 0 WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// Shows a hidden album again, at the place that its title stands for.
pub(in crate::store) fn unhide_without_conflict(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET hidden = 0, conflict_name = 0 WHERE dir = ?1")?
        .execute([dir])?;
    Ok(())
}

/// Adds an album whose id at Google is not known yet.
pub(in crate::store) fn insert(tx: &Tx<'_>, dir: DirId, title: &str) -> Result<()> {
    tx.prepare_cached("INSERT INTO albums (dir, title) VALUES (?1, ?2)")?
        .execute(params![dir, title])?;
    Ok(())
}

/// Google has made the album: it is known to be empty.
pub(in crate::store) fn set_created(
    tx: &Tx<'_>,
    dir: DirId,
    remote: &AlbumId,
    title: &str,
    at: i64,
) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET remote = ?2, title = ?3, hidden = 0, count_hint = 0, \
         listed_at = ?4, described_at = ?4, made_at = ?4, seen = coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'listing'), 0) \
         WHERE dir = ?1")?.execute(params![dir, remote, title, at])?;
    Ok(())
}

/// Forgets an album that Google has certainly not made.
pub(in crate::store) fn delete_not_created(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("DELETE FROM albums WHERE dir = ?1 AND remote IS NULL")?.execute([dir])?;
    Ok(())
}

/// Hides an album, as `rmdir` does: Google cannot delete it.
pub(in crate::store) fn hide(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET hidden = 1 WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// A listing has shown the album, under a title that is out of date.
pub(in crate::store) fn set_seen(tx: &Tx<'_>, dir: DirId, count: u64, listing: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE albums SET count_hint = ?2, seen = max(seen, ?3), missed = 0 WHERE dir = ?1",
    )?
    .execute(params![dir, count, listing])?;
    Ok(())
}

/// A listing has shown the album.
pub(in crate::store) fn set_listed(
    tx: &Tx<'_>,
    dir: DirId,
    remote: &AlbumId,
    title: &str,
    count: u64,
    listing: i64,
    conflict_name: Option<bool>,
) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET remote = ?2, desired_title = CASE WHEN title = ?3 THEN desired_title END, title = ?3, \
         count_hint = ?4, seen = max(seen, ?5), missed = 0, conflict_name = coalesce(?6, conflict_name) WHERE dir = ?1")?.execute(params![dir, remote, title, count, listing, conflict_name])?;
    Ok(())
}

/// Notes whether Google's count of the items can be explained by listings and by changes of ours
/// since `recent`.
pub(in crate::store) fn check_count(tx: &Tx<'_>, dir: DirId, now: i64, recent: i64) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET described_at = ?2, count_mismatch = listed_at IS NOT NULL AND NOT (SELECT \
         count_hint BETWEEN coalesce(sum(observed = 'present' AND since <= ?3), 0) + count_offset \
         AND coalesce(sum(observed <> 'absent' OR (NOT desired AND since > ?3)), 0) + count_offset \
         FROM members m WHERE m.dir = albums.dir) WHERE dir = ?1")?.execute(params![dir, now, recent])?;
    Ok(())
}

/// The listing is complete, but due again.
pub(in crate::store) fn set_due(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET listed_at = 0 WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// A complete listing leaves the album with so many items. A count that led to it in vain is taken
/// as it is, unless some of them are in doubt.
pub(in crate::store) fn set_listing_complete(
    tx: &Tx<'_>,
    dir: DirId,
    began: i64,
    items: i64,
    useless: bool,
    is_in_doubt: bool,
) -> Result<()> {
    let learns = "NOT ?5 AND ((count_mismatch AND ?4) OR (listed_at IS NULL AND count_hint = 0))";
    tx.prepare_cached(&format!("UPDATE albums SET \
         count_offset = CASE WHEN count_hint = ?3 THEN 0 WHEN {learns} THEN count_hint - ?3 ELSE count_offset END, \
         offset_count = CASE WHEN count_hint = ?3 OR ({learns}) THEN count_hint ELSE offset_count END, \
         useless_relists = CASE WHEN count_mismatch AND ?4 THEN useless_relists + 1 ELSE 0 END, \
         count_mismatch = 0, listed_at = ?2 WHERE dir = ?1"))?.execute(params![dir, began, items, useless, is_in_doubt])?;
    Ok(())
}

/// Google has taken the title.
pub(in crate::store) fn set_title(tx: &Tx<'_>, dir: DirId, title: &str) -> Result<()> {
    tx.prepare_cached(
        "UPDATE albums SET title = ?2, desired_title = nullif(desired_title, ?2) WHERE dir = ?1",
    )?
    .execute(params![dir, title])?;
    Ok(())
}

/// Google will not take the title. The kept one is void, so that the next listing brings a change
/// of it.
pub(in crate::store) fn refuse_title(tx: &Tx<'_>, dir: DirId, title: &str) -> Result<usize> {
    Ok(tx.prepare_cached("UPDATE albums SET desired_title = NULL, title = '' WHERE dir = ?1 AND desired_title = ?2")?.execute(params![dir, title])?)
}

/// Forgets the former titles of an album.
pub(in crate::store) fn forget_former_titles(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("DELETE FROM former_titles WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// Notes the title that Google shall give the album.
pub(in crate::store) fn set_desired_title(tx: &Tx<'_>, dir: DirId, title: &str) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET desired_title = nullif(?2, title) WHERE dir = ?1")?
        .execute(params![dir, title])?;
    Ok(())
}

/// Forgets former titles that no list shows any more.
pub(in crate::store) fn expire_former_titles(tx: &Tx<'_>, before: i64) -> Result<()> {
    tx.prepare_cached("DELETE FROM former_titles WHERE left_at <= ?1")?.execute([before])?;
    Ok(())
}

/// Keeps the present title as a former one, if `title` is another.
pub(in crate::store) fn insert_former_title(
    tx: &Tx<'_>,
    dir: DirId,
    title: &str,
    at: i64,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO former_titles (dir, title, left_at) \
         SELECT dir, title, ?3 FROM albums WHERE dir = ?1 AND title <> ?2",
    )?
    .execute(params![dir, title, at])?;
    Ok(())
}

/// The listing of the album is due again, if there was one.
pub(in crate::store) fn invalidate_listing(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("UPDATE albums SET listed_at = 0 WHERE dir = ?1 AND listed_at IS NOT NULL")?
        .execute([dir])?;
    Ok(())
}

/// Google has `title` for an album now, as we wanted: for a while its lists may show the one from
/// before.
pub(in crate::store) fn keep_former_title(
    tx: &Tx<'_>,
    album: DirId,
    title: &str,
    now: SystemTime,
) -> Result<()> {
    expire_former_titles(tx, to_millis(before(now, GRACE)))?;
    insert_former_title(tx, album, title, to_millis(now))?;
    Ok(())
}

/// Whether a list that shows this title for the album may only lag behind a change of ours.
pub(in crate::store) fn is_former_title(
    tx: &Tx<'_>,
    album: DirId,
    title: &str,
    now: SystemTime,
) -> Result<bool> {
    Ok(tx
        .prepare_cached(
            "SELECT 1 FROM former_titles WHERE dir = ?1 AND title = ?2 AND left_at > ?3",
        )?
        .exists(params![album, title, to_millis(before(now, GRACE))])?)
}
