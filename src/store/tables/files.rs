//! Writes the table of files.

use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};

use crate::media::{ContentHash, FileId, MediaId, MediaItem};
use crate::store::error::Result;
use crate::store::prepared::{Made, Prepared};
use crate::store::states::UploadState;
use crate::store::time::to_millis;
use crate::store::tx::Tx;

/// The columns of a file that belong to Google's item.
const ITEM_COLUMNS: &str = "sha256, sha1, media, confirmed, filename, mime, description, product_url, created_at, \
     width, height, make, model, video, adopted, rendition, quality, whole, sent_size, sent_sha256, sent_sha1";
/// Forgets the copy that was made of the bytes.
const NO_COPY: &str =
    "quality = NULL, whole = NULL, sent_size = NULL, sent_sha256 = NULL, sent_sha1 = NULL";
/// Where `confirmed` stands behind `id` and [`ITEM_COLUMNS`]: it cannot be null.
const CONFIRMED: usize = 4;

/// The item of the file does not exist any more.
pub(in crate::store) fn clear_item(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE files SET media = NULL, confirmed = 0, filename = NULL WHERE id = ?1",
    )?
    .execute([file])?;
    Ok(())
}

/// A listing had shown the item of `into` as another file, which gives way.
pub(in crate::store) fn merge_listed(tx: &Tx<'_>, file: FileId, into: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE files SET media = NULL, merged_into = ?2 WHERE id = ?1")?
        .execute(params![file, into])?;
    Ok(())
}

/// Deletes a file.
pub(in crate::store) fn delete(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached("DELETE FROM files WHERE id = ?1")?.execute([file])?;
    Ok(())
}

/// Sets the times that are given.
pub(in crate::store) fn set_times(
    tx: &Tx<'_>,
    file: FileId,
    atime_ns: Option<i64>,
    mtime_ns: Option<i64>,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE files SET atime_ns = coalesce(?2, atime_ns, mtime_ns), \
         mtime_ns = coalesce(?3, mtime_ns) WHERE id = ?1",
    )?
    .execute(params![file, atime_ns, mtime_ns])?;
    Ok(())
}

/// Keeps the size of a picked item's rendition.
pub(in crate::store) fn set_picked_size(tx: &Tx<'_>, picked: &MediaId, size: u64) -> Result<()> {
    tx.prepare_cached("UPDATE files SET rendition = ?2 WHERE picked = ?1 AND rendition IS NOT ?2")?
        .execute(params![picked, size])?;
    Ok(())
}

/// Keeps the size of the rendition that Google serves.
pub(in crate::store) fn set_rendition_size(tx: &Tx<'_>, media: &MediaId, size: u64) -> Result<()> {
    tx.prepare_cached("UPDATE files SET rendition = ?2 WHERE media = ?1 AND rendition IS NOT ?2")?
        .execute(params![media, size])?;
    Ok(())
}

/// Takes a local file for the item, if it is committed and its bytes are not known.
pub(in crate::store) fn adopt(
    tx: &Tx<'_>,
    file: FileId,
    sha256: ContentHash,
    size: u64,
    mtime_ns: i64,
) -> Result<usize> {
    Ok(tx
        .prepare_cached(
            "UPDATE files SET adopted = ?2, size = ?3, mtime_ns = ?4 WHERE id = ?1 \
         AND media IS NOT NULL AND sha256 IS NULL \
         AND NOT EXISTS (SELECT 1 FROM uploads WHERE file = files.id)",
        )?
        .execute(params![file, sha256, size, mtime_ns])?)
}

/// Takes an adoption back.
pub(in crate::store) fn disown(tx: &Tx<'_>, file: FileId) -> Result<usize> {
    Ok(tx
        .prepare_cached(
            "UPDATE files SET adopted = NULL, size = NULL WHERE id = ?1 AND adopted IS NOT NULL",
        )?
        .execute([file])?)
}

/// Sets the size.
pub(in crate::store) fn set_size(tx: &Tx<'_>, file: FileId, size: u64) -> Result<()> {
    tx.prepare_cached("UPDATE files SET size = ?2 WHERE id = ?1")?.execute(params![file, size])?;
    Ok(())
}

/// Keeps a description that Google has accepted.
pub(in crate::store) fn set_description(
    tx: &Tx<'_>,
    file: FileId,
    description: &str,
) -> Result<()> {
    tx.prepare_cached("UPDATE files SET description = ?2 WHERE id = ?1")?
        .execute(params![file, description])?;
    Ok(())
}

/// Sets the time of the last change of names or attributes.
pub(in crate::store) fn set_ctime(tx: &Tx<'_>, file: FileId, ctime_ns: i64) -> Result<()> {
    tx.prepare_cached("UPDATE files SET ctime_ns = ?2 WHERE id = ?1")?
        .execute(params![file, ctime_ns])?;
    Ok(())
}

/// Keeps what sealing found out; the bytes are not hashed yet.
pub(in crate::store) fn set_sealed(
    tx: &Tx<'_>,
    file: FileId,
    mime: Option<&str>,
    size: u64,
    (mtime_ns, ctime_ns): (i64, i64),
    cut_off: bool,
) -> Result<()> {
    tx.prepare_cached(&format!(
        "UPDATE files SET size = ?2, mtime_ns = ?3, mime = coalesce(?4, mime), sha256 = NULL, sha1 = NULL, {NO_COPY}, \
         ctime_ns = max(coalesce(ctime_ns, ?5), ?5), cut_off = ?6 WHERE id = ?1"
    ))?
    .execute(params![file, size, mtime_ns, mime, ctime_ns, cut_off])?;
    Ok(())
}

/// Keeps the hashes of the bytes.
pub(in crate::store) fn set_hashes(
    tx: &Tx<'_>,
    file: FileId,
    sha256: ContentHash,
    sha1: [u8; 20],
) -> Result<()> {
    tx.prepare_cached("UPDATE files SET sha256 = ?2, sha1 = ?3 WHERE id = ?1")?
        .execute(params![file, sha256, sha1])?;
    Ok(())
}

/// The bytes are not known any more.
pub(in crate::store) fn clear_hashes(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(&format!(
        "UPDATE files SET sha256 = NULL, sha1 = NULL, {NO_COPY} WHERE id = ?1"
    ))?
    .execute([file])?;
    Ok(())
}

/// Keeps the size and the type.
pub(in crate::store) fn set_size_and_mime(
    tx: &Tx<'_>,
    file: FileId,
    size: u64,
    mime: Option<&str>,
) -> Result<()> {
    tx.prepare_cached("UPDATE files SET size = ?2, mime = coalesce(?3, mime) WHERE id = ?1")?
        .execute(params![file, size, mime])?;
    Ok(())
}

/// Adds an empty file.
pub(in crate::store) fn insert(tx: &Tx<'_>, mtime_ns: i64, withheld: u16) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO files (size, mtime_ns, ctime_ns, atime_ns, withheld) VALUES (0, ?1, ?1, ?1, ?2)",
    )?
    .execute(params![mtime_ns, withheld])?;
    Ok(())
}

/// Sets the permission bits that the mode keeps from the group and from others.
pub(in crate::store) fn set_withheld(tx: &Tx<'_>, file: FileId, bits: u16) -> Result<()> {
    tx.prepare_cached("UPDATE files SET withheld = ?2 WHERE id = ?1 AND withheld <> ?2")?
        .execute(params![file, bits])?;
    Ok(())
}

/// Adds a file with the size, time and mode of another.
pub(in crate::store) fn insert_version(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO files (size, mtime_ns, withheld, cut_off) SELECT size, mtime_ns, withheld, cut_off \
         FROM files WHERE id = ?1",
    )?
    .execute([file])?;
    Ok(())
}

/// The file is being edited: it keeps type and description of its old version.
pub(in crate::store) fn set_edit(tx: &Tx<'_>, file: FileId, size: u64, old: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE files SET size = ?2, cut_off = 0, mime = (SELECT mime FROM files WHERE id = ?3), \
         description = (SELECT description FROM files WHERE id = ?3) WHERE id = ?1",
    )?
    .execute(params![file, size, old])?;
    Ok(())
}

/// The bytes of the item are not known any more.
pub(in crate::store) fn forget_bytes(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(&format!(
        "UPDATE files SET sha256 = NULL, sha1 = NULL, adopted = NULL, {NO_COPY} WHERE id = ?1"
    ))?
    .execute([file])?;
    Ok(())
}

/// Takes the size of another file, and whether that looks cut off.
pub(in crate::store) fn copy_size(tx: &Tx<'_>, file: FileId, from: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE files SET (size, cut_off) = (SELECT size, cut_off FROM files WHERE id = ?2) WHERE id = ?1",
    )?
    .execute(params![file, from])?;
    Ok(())
}

/// Another file has taken over the names.
pub(in crate::store) fn set_merged(tx: &Tx<'_>, file: FileId, into: FileId) -> Result<()> {
    tx.prepare_cached("UPDATE files SET merged_into = ?2 WHERE id = ?1")?
        .execute(params![file, into])?;
    Ok(())
}

/// Forgets an adoption that the bytes of `file`, the same item, do not bear out.
pub(in crate::store) fn refute_adoption(tx: &Tx<'_>, file: FileId, into: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE files SET adopted = NULL WHERE id = ?2 \
         AND adopted <> (SELECT sha256 FROM files WHERE id = ?1)",
    )?
    .execute(params![file, into])?;
    Ok(())
}

/// Takes the facts of the last writer's bytes. An adoption is not proven by meeting itself.
pub(in crate::store) fn take_bytes(tx: &Tx<'_>, file: FileId, into: FileId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE files SET sha256 = CASE WHEN adopted IS NULL \
         THEN coalesce((SELECT sha256 FROM files WHERE id = ?1), sha256) END, \
         sha1 = coalesce((SELECT sha1 FROM files WHERE id = ?1), sha1), \
         size = coalesce((SELECT size FROM files WHERE id = ?1), size), \
         (quality, whole, sent_size, sent_sha256, sent_sha1) = (SELECT o.quality, o.whole, o.sent_size, o.sent_sha256, o.sent_sha1 \
         FROM files f JOIN files o ON o.id = CASE WHEN f.sha256 IS files.sha256 OR f.sha256 IS NULL THEN files.id ELSE f.id END WHERE f.id = ?1), \
         mtime_ns = (SELECT mtime_ns FROM files WHERE id = ?1), \
         atime_ns = (SELECT atime_ns FROM files WHERE id = ?1) WHERE id = ?2",
    )?
    .execute(params![file, into])?;
    Ok(())
}

/// Keeps the outcome of looking at the bytes for a quality: a smaller copy, or why there is none.
pub(in crate::store) fn set_copy(tx: &Tx<'_>, file: FileId, copy: &Prepared) -> Result<()> {
    let (sent, whole) = match &copy.made {
        Made::Smaller(sent) => (Some(sent), None),
        Made::Whole(reason) => (None, Some(reason)),
    };
    tx.prepare_cached(
        "UPDATE files SET quality = ?2, whole = ?3, sent_size = ?4, sent_sha256 = ?5, sent_sha1 = ?6 WHERE id = ?1",
    )?
    .execute(params![
        file,
        copy.quality,
        whole,
        sent.map(|it| it.size),
        sent.map(|it| it.sha256),
        sent.map(|it| it.sha1),
    ])?;
    Ok(())
}

/// Forgets the copy that was made of the bytes: they go as they are.
pub(in crate::store) fn forget_copy(tx: &Tx<'_>, file: FileId) -> Result<()> {
    tx.prepare_cached(&format!("UPDATE files SET {NO_COPY} WHERE id = ?1"))?.execute([file])?;
    Ok(())
}

/// Another file has taken over the names, and its bytes are known from there.
pub(in crate::store) fn set_merged_duplicate(
    tx: &Tx<'_>,
    file: FileId,
    into: FileId,
) -> Result<()> {
    tx.prepare_cached(&format!(
        "UPDATE files SET merged_into = ?2, sha256 = NULL, {NO_COPY} WHERE id = ?1"
    ))?
    .execute(params![file, into])?;
    Ok(())
}

/// The file that is this item at Google, made if it is new, brought up to date if not.
pub(in crate::store) fn upsert_item(tx: &Tx<'_>, item: &MediaItem) -> Result<FileId> {
    let created = item.creation_time.map(to_millis);
    tx.prepare_cached(
        "INSERT INTO files (mtime_ns, media, confirmed, filename, mime, description, product_url, created_at, \
         width, height, make, model, video, listed_after) VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
         coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'call'), 0)) \
         ON CONFLICT (media) DO UPDATE SET confirmed = 1, filename = excluded.filename, mime = excluded.mime, \
         description = excluded.description, product_url = excluded.product_url, \
         created_at = excluded.created_at, width = excluded.width, height = excluded.height, \
         make = excluded.make, model = excluded.model, video = excluded.video",
    )?
    .execute(params![
        created.unwrap_or(0).saturating_mul(1_000_000),
        item.id,
        item.filename,
        item.mime_type,
        item.description,
        item.product_url,
        created,
        item.width,
        item.height,
        item.camera_make,
        item.camera_model,
        item.video,
    ])?;
    Ok(tx
        .prepare_cached("SELECT id FROM files WHERE media = ?1")?
        .query_row([&item.id], |row| row.get(0))?)
}

/// The file that is this picked item, made if it is new, brought up to date if not.
pub(in crate::store) fn upsert_picked(tx: &Tx<'_>, item: &MediaItem) -> Result<FileId> {
    let created = item.creation_time.map(to_millis);
    tx.prepare_cached(
        "INSERT INTO files (mtime_ns, picked, filename, mime, created_at, width, height, make, model, video) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
         ON CONFLICT (picked) DO UPDATE SET mtime_ns = excluded.mtime_ns, filename = excluded.filename, \
         mime = excluded.mime, created_at = excluded.created_at, width = excluded.width, height = excluded.height, \
         make = excluded.make, model = excluded.model, video = excluded.video",
    )?
    .execute(params![
        created.unwrap_or(0).saturating_mul(1_000_000),
        item.id,
        item.filename,
        item.mime_type,
        created,
        item.width,
        item.height,
        item.camera_make,
        item.camera_model,
        item.video,
    ])?;
    Ok(tx
        .prepare_cached("SELECT id FROM files WHERE picked = ?1")?
        .query_row([&item.id], |row| row.get(0))?)
}

/// Deletes the picked items that are in no pick any more.
pub(in crate::store) fn delete_unpicked(tx: &Tx<'_>) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM files WHERE picked IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM pick_entries WHERE file = files.id)",
    )?
    .execute([])?;
    Ok(())
}

/// Puts Google's facts on a file of ours, whose size and time of modification stay.
pub(in crate::store) fn set_item(
    tx: &Tx<'_>,
    file: FileId,
    item: &MediaItem,
    confirmed: bool,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE files SET media = ?2, confirmed = ?3, filename = ?4, mime = coalesce(nullif(?5, ''), mime), \
         description = ?6, product_url = ?7, created_at = ?8, width = ?9, height = ?10, make = ?11, model = ?12, \
         video = ?13 WHERE id = ?1",
    )?
    .execute(params![
        file,
        item.id,
        confirmed,
        item.filename,
        item.mime_type,
        item.description,
        item.product_url,
        item.creation_time.map(to_millis),
        item.width,
        item.height,
        item.camera_make,
        item.camera_model,
        item.video,
    ])?;
    Ok(())
}

/// Moves what is Google's from one file to another. The column `media` is unique, hence two steps.
pub(in crate::store) fn move_item(tx: &Tx<'_>, from: FileId, to: FileId) -> Result<()> {
    let mut values: Vec<Value> = tx.query_row(
        &format!("SELECT id, {ITEM_COLUMNS} FROM files WHERE id = ?1"),
        [from],
        |row| (0..row.as_ref().column_count()).map(|at| row.get(at)).collect(),
    )?;
    let update = format!(
        "UPDATE files SET ({ITEM_COLUMNS}) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22) WHERE id = ?1"
    );
    let nothing = values.iter().enumerate().map(|(at, value)| match at {
        0 => value.clone(),
        CONFIRMED => Value::Integer(0),
        _ => Value::Null,
    });
    tx.execute(&update, params_from_iter(nothing.collect::<Vec<_>>()))?;
    values[0] = Value::Integer(to.0);
    tx.execute(&update, params_from_iter(values))?;
    Ok(())
}

/// Forgets the bytes of sealed files that wait to be added as duplicates: they are uploaded
/// themselves.
pub(in crate::store) fn forget_pending_duplicates(tx: &Tx<'_>) -> Result<usize> {
    let sql = "UPDATE files SET sha256 = NULL \
         WHERE id IN (SELECT file FROM pending_additions WHERE state = ?1)";
    Ok(tx.prepare_cached(sql)?.execute([UploadState::Sealed])?)
}
