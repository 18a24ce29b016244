//! Writes the table of memberships.

use rusqlite::params;

use crate::media::{DirId, FileId, MediaId};
use crate::store::error::Result;
use crate::store::states::{Observed, UploadState};
use crate::store::tx::Tx;

/// Forgets all members of an album.
pub(in crate::store) fn delete_of_dir(tx: &Tx<'_>, dir: DirId) -> Result<()> {
    tx.prepare_cached("DELETE FROM members WHERE dir = ?1")?.execute([dir])?;
    Ok(())
}

/// Google is about to be asked to create the item in the album, if this version of the file still
/// belongs there. Returns how many rows that is true for.
pub(in crate::store) fn set_asked(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    seq: i64,
) -> Result<usize> {
    Ok(tx
        .prepare_cached(
            "UPDATE members SET observed = 'unknown' WHERE dir = ?1 AND file = ?2 \
         AND (observed = 'unknown' OR desired) \
         AND EXISTS (SELECT 1 FROM uploads WHERE file = ?2 AND seq = ?3 AND state = ?4)",
        )?
        .execute(params![dir, file, seq, UploadState::Uploaded])?)
}

/// The file's item is in no album.
pub(in crate::store) fn set_all_absent(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE members SET observed = 'absent' WHERE file = ?1")?.execute([file])?;
    Ok(())
}

/// The file's item is in no album but this one.
pub(in crate::store) fn set_others_absent(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE members SET observed = 'absent', seen = 0, missed = 0 WHERE file = ?2 AND dir <> ?1",
    )?
    .execute(params![dir, file])?;
    Ok(())
}

/// Files of which Google has no item are in no album. Returns how many rows said otherwise.
pub(in crate::store) fn set_unfounded_absent(tx: &Tx<'_>) -> Result<usize> {
    Ok(tx
        .prepare_cached(
            "UPDATE members SET observed = 'absent', seen = 0, missed = 0 \
             WHERE (dir, file) IN (SELECT dir, file FROM unfounded_members)",
        )?
        .execute([])?)
}

/// Forgets the albums where the file does not belong.
pub(in crate::store) fn delete_undesired(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM members WHERE file = ?1 AND NOT desired")?.execute([file])?;
    Ok(())
}

/// Listings that have shown `from` in an album have shown this file there.
pub(in crate::store) fn take_seen(tx: &Tx<'_>, file: FileId, from: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE members SET seen = max(seen, coalesce((SELECT seen FROM members n WHERE n.file = ?2 AND n.dir = members.dir), 0)) \
         WHERE file = ?1")?.execute(params![file, from])?;
    Ok(())
}

/// The claim of `file` to the item has come to nothing. Where only that claim has put the item into
/// an album here, nothing is known of it: another client may have put it there at Google.
pub(in crate::store) fn delete_claimed(tx: &Tx<'_>, file: FileId, item: &MediaId) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM members WHERE file = (SELECT id FROM files WHERE media = ?2) AND file <> ?1 AND NOT desired \
         AND dir IN (SELECT dir FROM members WHERE file = ?1) \
         AND NOT EXISTS (SELECT 1 FROM uploads c JOIN members w ON w.file = c.file \
             WHERE c.made = ?2 AND c.state = ?3 AND c.file <> ?1 AND w.dir = members.dir)",
    )?
    .execute(params![file, item, UploadState::Confirming])?;
    Ok(())
}

/// Forgets all memberships of a file.
pub(in crate::store) fn delete_of_file(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM members WHERE file = ?1")?.execute([file])?;
    Ok(())
}

/// The last complete pass did not show the item.
pub(in crate::store) fn set_missed(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE members SET missed = 1 WHERE dir = ?1 AND file = ?2")?
        .execute(params![dir, file])?;
    Ok(())
}

/// A complete pass did not show these arrived items, which the album had before it began.
pub(in crate::store) fn set_unseen_missed(
    tx: &Tx<'_>,
    dir: DirId,
    listing: i64,
    before: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE members SET missed = 1 WHERE dir = ?1 AND file IN \
         (SELECT file FROM unseen_members WHERE dir = ?1 AND seen < ?2 AND since < ?3)",
    )?
    .execute(params![dir, listing, before])?;
    Ok(())
}

/// Keeps whether lists should have shown the arrived item, where none has.
pub(in crate::store) fn set_missed_where_unseen(
    tx: &Tx<'_>,
    file: FileId,
    missed: bool,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE members SET missed = ?2 WHERE file = ?1 AND dir IN \
         (SELECT dir FROM unseen_members WHERE file = ?1)",
    )?
    .execute(params![file, missed])?;
    Ok(())
}

/// Forgets one membership.
pub(in crate::store) fn delete(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM members WHERE dir = ?1 AND file = ?2")?
        .execute(params![dir, file])?;
    Ok(())
}

/// Forgets the items that left the album before a time that every listing knows of.
pub(in crate::store) fn delete_gone(tx: &Tx<'_>, dir: DirId, before: i64) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM members WHERE dir = ?1 AND NOT desired AND observed = 'absent' AND since < ?2",
    )?
    .execute(params![dir, before])?;
    Ok(())
}

/// A listing has shown the item.
pub(in crate::store) fn set_seen(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    listing: i64,
) -> Result<()> {
    tx.prepare_cached("UPDATE members SET seen = max(seen, ?3) WHERE dir = ?1 AND file = ?2")?
        .execute(params![dir, file, listing])?;
    Ok(())
}

/// A listing has shown the item, which belongs there from now on. It is no change of ours that
/// listings may lag behind: it has no time.
pub(in crate::store) fn set_listed(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    listing: i64,
) -> Result<()> {
    tx.prepare_cached("INSERT INTO members (dir, file, desired, observed, since, seen) VALUES (?1, ?2, TRUE, 'present', 0, ?3) \
         ON CONFLICT (dir, file) DO UPDATE SET desired = TRUE, observed = 'present', seen = max(seen, excluded.seen), missed = 0")?.execute(params![dir, file, listing])?;
    Ok(())
}

/// Google is about to be asked to change this membership. A new row belongs to no name yet.
pub(in crate::store) fn begin_change(tx: &Tx<'_>, dir: DirId, file: FileId, at: i64) -> Result<()> {
    tx.prepare_cached("INSERT INTO members (dir, file, desired, observed, since) VALUES (?1, ?2, FALSE, 'unknown', ?3) \
         ON CONFLICT (dir, file) DO UPDATE SET observed = 'unknown'")?.execute(params![dir, file, at])?;
    Ok(())
}

/// Google has answered that it has put the item into the album, for another file: no name asks for
/// it yet.
pub(in crate::store) fn set_claimed(tx: &Tx<'_>, dir: DirId, file: FileId, at: i64) -> Result<()> {
    tx.prepare_cached("INSERT INTO members (dir, file, desired, observed, since) VALUES (?1, ?2, FALSE, 'present', ?3) \
         ON CONFLICT (dir, file) DO UPDATE SET observed = 'present', since = excluded.since, seen = 0 WHERE observed <> 'present'")?.execute(params![dir, file, at])?;
    Ok(())
}

/// A listing has shown an item that a claim is about.
pub(in crate::store) fn set_shown(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    listing: i64,
    at: i64,
) -> Result<()> {
    tx.prepare_cached("INSERT INTO members (dir, file, desired, observed, since, seen) VALUES (?1, ?2, FALSE, 'present', ?4, ?3) \
         ON CONFLICT (dir, file) DO UPDATE SET seen = max(seen, excluded.seen), missed = 0")?.execute(params![dir, file, listing, at])?;
    Ok(())
}

/// Keeps what Google says of a membership. Earlier listings do not count, those of an item that was
/// not there and those that missed it.
pub(in crate::store) fn set_observed(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    observed: Observed,
    at: i64,
) -> Result<()> {
    tx.prepare_cached("UPDATE members SET observed = ?3, since = ?4, missed = 0, seen = CASE observed WHEN 'present' THEN seen ELSE 0 END \
         WHERE dir = ?1 AND file = ?2")?.execute(params![dir, file, observed, at])?;
    Ok(())
}

/// Forgets a membership that is neither desired nor observed, and that no listing could contradict.
pub(in crate::store) fn delete_if_void(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM members WHERE dir = ?1 AND file = ?2 AND NOT desired AND observed = 'absent' \
         AND (SELECT media FROM files WHERE id = ?2) IS NULL",
    )?
    .execute(params![dir, file])?;
    Ok(())
}

/// The file belongs into the album. A local directory has no members.
pub(in crate::store) fn set_desired(tx: &Tx<'_>, dir: DirId, file: FileId, at: i64) -> Result<()> {
    tx.prepare_cached("INSERT INTO members (dir, file, desired, observed, since) \
         SELECT id, ?2, TRUE, 'absent', ?3 FROM dirs WHERE id = ?1 AND NOT local \
         ON CONFLICT (dir, file) DO UPDATE SET desired = TRUE, since = excluded.since WHERE NOT desired")?.execute(params![dir, file, at])?;
    Ok(())
}

/// Forgets a membership that Google never had. Returns how many rows that was.
pub(in crate::store) fn delete_absent(tx: &Tx<'_>, dir: DirId, file: FileId) -> Result<usize> {
    Ok(tx
        .prepare_cached("DELETE FROM members WHERE dir = ?1 AND file = ?2 AND observed = 'absent'")?
        .execute(params![dir, file])?)
}

/// The file does not belong into the album any more.
pub(in crate::store) fn set_undesired(
    tx: &Tx<'_>,
    dir: DirId,
    file: FileId,
    at: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE members SET desired = FALSE, since = ?3 WHERE dir = ?1 AND file = ?2",
    )?
    .execute(params![dir, file, at])?;
    Ok(())
}

/// Memberships that are or may be at Google belong to the old version.
pub(in crate::store) fn copy_observed(tx: &Tx<'_>, file: FileId, old: FileId) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO members (dir, file, desired, observed, since, seen) \
         SELECT dir, ?2, desired, observed, since, seen FROM members \
         WHERE file = ?1 AND (observed <> 'absent' OR NOT desired)",
    )?
    .execute(params![file, old])?;
    Ok(())
}

/// Forgets the albums in which the file has no name.
pub(in crate::store) fn delete_unnamed(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM members WHERE file = ?1 AND NOT EXISTS \
         (SELECT 1 FROM entries e WHERE e.file = ?1 AND e.dir = members.dir)",
    )?
    .execute([file])?;
    Ok(())
}

/// Google has nothing of this version, and no listing has shown it.
pub(in crate::store) fn forget_observed(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE members SET observed = 'absent', seen = 0 WHERE file = ?1")?
        .execute([file])?;
    Ok(())
}

/// The old version's memberships are the file's. Where it has no name it does not belong any more.
pub(in crate::store) fn restore(tx: &Tx<'_>, file: FileId, old: FileId) -> Result<()> {
    tx.prepare_cached("INSERT INTO members (dir, file, desired, observed, since, seen) SELECT dir, ?1, \
         EXISTS (SELECT 1 FROM entries e WHERE e.file = ?1 AND e.dir = members.dir), observed, since, seen \
         FROM members WHERE file = ?2 \
         ON CONFLICT (dir, file) DO UPDATE SET observed = excluded.observed, seen = excluded.seen")?.execute(params![file, old])?;
    Ok(())
}

/// Two files are one item: what Google has been told of the one is true of the other.
pub(in crate::store) fn merge(tx: &Tx<'_>, file: FileId, into: FileId) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO members (dir, file, desired, observed, since, seen) \
         SELECT dir, ?2, desired, observed, since, seen FROM members WHERE file = ?1 \
         ON CONFLICT (dir, file) DO UPDATE SET desired = max(desired, excluded.desired), \
         observed = CASE WHEN 'present' IN (observed, excluded.observed) THEN 'present' \
         WHEN 'unknown' IN (observed, excluded.observed) THEN 'unknown' ELSE 'absent' END",
    )?
    .execute(params![file, into])?;
    Ok(())
}
