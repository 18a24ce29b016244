//! Claims: files whose bytes stay here until a listing proves that Google has the item.
//!
//! Google answers `batchCreate` with the id of an item that it has had before, which may lie in its
//! bin. So neither that answer nor older knowledge is proof. A listing of the album is, if it began
//! after the creation was answered (for a duplicate: after the file was closed) and shows the id.
//! The view `claims` of the schema has the rule.

use std::time::SystemTime;

use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Store;
use super::error::Result;
use super::states::UploadState;
use super::tables::{files, members, uploads, views};
use super::time::{from_millis, to_millis};
use super::tx::Tx;
use super::values::word;
use super::versions::{merge, retire_replaced, revert_if_same};
use crate::media::{DirId, FileId, MediaId, MediaItem};

/// What a claim rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// Google says that it has made the item.
    New,
    /// Google has answered with the id of an item that it had before.
    Known,
    /// The file has the bytes of an item. Nothing was sent.
    Duplicate,
    /// The item has arrived, but no listing has shown it.
    Unseen,
}

impl ClaimKind {
    const ALL: [Self; 4] = [Self::New, Self::Known, Self::Duplicate, Self::Unseen];

    fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known => "known",
            Self::Duplicate => "duplicate",
            Self::Unseen => "unseen",
        }
    }
}

impl FromSql for ClaimKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        word(value, Self::ALL, Self::as_str)
    }
}

/// A file whose bytes may leave the spool once its item is proved to be there.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The file.
    pub file: FileId,
    /// Its version. `None` if it has arrived.
    pub seq: Option<i64>,
    /// What it rests on.
    pub kind: ClaimKind,
    /// The file that has the item.
    pub item_of: FileId,
    /// The item.
    pub media: MediaId,
    /// How often a read has not shown the item.
    pub attempts: u32,
    /// How often Google lost such an item before.
    pub lost: u32,
    /// When the file was closed, or Google answered.
    pub since: SystemTime,
    /// It may be tried now. If not, it has been tried just before.
    pub is_due: bool,
    /// A listing should have shown the arrived item, and has not.
    pub is_missed: bool,
    /// Somebody may read the bytes.
    pub is_wanted: bool,
    /// Google's filename differs from ours: Google had the bytes before us (reference §11.2).
    pub foreign: bool,
    /// No read has ever shown the item: another program may have uploaded it (reference §11.2c).
    pub never_shown: bool,
}

impl Claim {
    /// No listing has been made for this arrived item.
    pub fn is_untried(&self) -> bool {
        self.kind == ClaimKind::Unseen && self.attempts == 0
    }
}

/// The claims that a listing of one album can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlbumClaims {
    /// The album's directory.
    pub dir: DirId,
    /// How many items the album has, as far as is known.
    pub items: u64,
    /// New items that no read has looked for.
    pub new: u64,
    /// New items that a listing has not shown.
    pub missed: u64,
    /// Ids that Google had before, and duplicates.
    pub known: u64,
    /// Arrived items that no listing was made for.
    pub unseen: u64,
    /// The time has come to list the album for arrived items.
    pub is_overdue: bool,
    /// When the oldest of the claims that are due came.
    pub oldest: SystemTime,
    /// When the newest of them came.
    pub newest: SystemTime,
}

/// The result of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// The file is the item. Nothing is left to do for it.
    Arrived,
    /// The edit has changed nothing: the file is the item of its old version again.
    Unchanged(FileId),
    /// Another file is the item, and has taken over the names.
    Merged(FileId),
}

const COLUMNS: &str = "file, seq, kind, item_of, media, attempts, lost, claimed_at, \
     coalesce(retry_at <= ?1, kind <> 'unseen') AS is_due, is_missed, is_wanted, \
     (SELECT f.filename IS NOT NULL AND NOT EXISTS (SELECT 1 FROM entries e \
         WHERE e.file = f.id AND CAST(e.name AS TEXT) = f.filename) \
      FROM files f WHERE f.id = claims.file) AS is_foreign, \
     item_of = file AND (SELECT NOT f.confirmed FROM files f WHERE f.id = claims.file) AS never_shown";

/// The claims of each album. Those of other kinds than `unseen` that are not due are left out.
const ALBUMS: &str = "SELECT c.dir, \
     count(*) FILTER (WHERE is_due AND kind = 'new' AND attempts = 0) AS new, \
     count(*) FILTER (WHERE is_due AND kind = 'new' AND attempts > 0) AS missed, \
     count(*) FILTER (WHERE is_due AND kind IN ('known', 'duplicate')) AS known, \
     count(*) FILTER (WHERE kind = 'unseen' AND attempts = 0) AS unseen, \
     max(kind = 'unseen' AND retry_at IS NOT NULL AND is_due) AS is_overdue, \
     coalesce(min(claimed_at) FILTER (WHERE is_due AND kind <> 'unseen'), 0) AS oldest, \
     coalesce(max(claimed_at) FILTER (WHERE is_due AND kind <> 'unseen'), 0) AS newest, \
     max(a.count_hint, (SELECT count(*) FROM members n WHERE n.dir = c.dir AND n.observed = 'present')) AS items \
     FROM (SELECT *, coalesce(retry_at, 0) <= ?1 AS is_due FROM claims \
         WHERE is_wanted AND NOT is_shown AND dir IS NOT NULL) c \
     JOIN albums a ON a.dir = c.dir WHERE a.remote IS NOT NULL GROUP BY c.dir ORDER BY oldest, c.dir";

/// Claims that no listing can prove, because no album is known to have the item, or nobody wants it;
/// and arrived items that a listing should have shown.
const LOOSE: &str = "AND NOT is_shown AND (is_missed OR (kind = 'new' AND coalesce(retry_at, 0) <= ?1 \
     AND (dir IS NULL OR NOT is_wanted))) GROUP BY file";

/// Claims that are settled. Nobody can miss the bytes of a file that nobody wants, unless Google has
/// answered another file with its item: that one is a name of it, and is settled first.
const PROVED: &str = "GROUP BY file \
     HAVING max(kind IN ('known', 'unseen') AND NOT is_wanted AND NOT EXISTS (SELECT 1 FROM uploads v \
         WHERE v.made = claims.media AND v.state = 'confirming' AND v.file <> claims.file)) \
     OR min(dir IS NOT NULL AND is_shown)";

fn claim(row: &Row<'_>) -> rusqlite::Result<Claim> {
    Ok(Claim {
        file: row.get("file")?,
        seq: row.get("seq")?,
        kind: row.get("kind")?,
        item_of: row.get("item_of")?,
        media: row.get("media")?,
        attempts: row.get("attempts")?,
        lost: row.get("lost")?,
        since: from_millis(row.get("claimed_at")?),
        is_due: row.get("is_due")?,
        is_missed: row.get("is_missed")?,
        is_wanted: row.get("is_wanted")?,
        foreign: row.get("is_foreign")?,
        never_shown: row.get("never_shown")?,
    })
}

impl Store {
    /// The albums that a listing could prove claims of, the one that has waited longest first.
    pub fn claimed_albums(&self, now: SystemTime) -> Result<Vec<AlbumClaims>> {
        self.read(|db| {
            Ok(db
                .prepare_cached(ALBUMS)?
                .query_map([to_millis(now)], |row| {
                    Ok(AlbumClaims {
                        dir: row.get("dir")?,
                        items: row.get("items")?,
                        new: row.get("new")?,
                        missed: row.get("missed")?,
                        known: row.get("known")?,
                        unseen: row.get("unseen")?,
                        is_overdue: row.get("is_overdue")?,
                        oldest: from_millis(row.get("oldest")?),
                        newest: from_millis(row.get("newest")?),
                    })
                })?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    fn claims_where(
        &self,
        rule: &str,
        now: SystemTime,
        dir: Option<DirId>,
        limit: usize,
    ) -> Result<Vec<Claim>> {
        self.read(|db| {
            // An edit that changed nothing becomes its old version, which has to arrive first.
            let sql = format!(
                "SELECT {COLUMNS} FROM claims WHERE (?2 IS NULL OR dir = ?2) {rule} \
                 ORDER BY kind <> 'unseen', file LIMIT ?3"
            );
            let values = params![to_millis(now), dir, limit];
            Ok(db
                .prepare_cached(&sql)?
                .query_map(values, claim)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The claims that a listing of the album would prove.
    pub fn claims_of_album(&self, now: SystemTime, dir: DirId, limit: usize) -> Result<Vec<Claim>> {
        self.claims_where("AND is_wanted AND NOT is_shown GROUP BY file", now, Some(dir), limit)
    }

    /// Of the album, the claims of new items that may be asked for by their ids now.
    pub fn new_claims(&self, now: SystemTime, dir: DirId, limit: usize) -> Result<Vec<Claim>> {
        let rule = "AND is_wanted AND NOT is_shown AND kind = 'new' \
             AND coalesce(retry_at, 0) <= ?1 GROUP BY file";
        self.claims_where(rule, now, Some(dir), limit)
    }

    /// Claims of new items that no album is known to have, or that nobody wants, and of arrived items
    /// that a listing should have shown. They are asked for by their ids.
    pub fn loose_claims(&self, now: SystemTime, limit: usize) -> Result<Vec<Claim>> {
        self.claims_where(LOOSE, now, None, limit)
    }

    /// Up to `limit` claims of arrived items in albums at or below `dir` that no listing has shown.
    /// They come in no order, so that each has its turn.
    pub fn unseen_claims(&self, dir: DirId, limit: usize) -> Result<Vec<Claim>> {
        self.read(|db| {
            let sql = format!(
                "WITH RECURSIVE below (id) AS (SELECT ?2 UNION \
                     SELECT d.id FROM below JOIN dirs d ON d.parent = below.id) \
                 SELECT {COLUMNS} FROM claims WHERE file IN (SELECT u.file FROM unseen_members u \
                     JOIN below ON below.id = u.dir ORDER BY random() LIMIT ?3) GROUP BY file"
            );
            Ok(db
                .prepare_cached(&sql)?
                .query_map(params![0, dir, limit], claim)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Claims that listings have proved.
    pub fn proved_claims(&self, limit: usize) -> Result<Vec<Claim>> {
        self.claims_where(PROVED, SystemTime::UNIX_EPOCH, None, limit)
    }

    /// Whether listing an album may make room in the spool.
    pub fn has_untried_claims(&self) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT 1 FROM uploads WHERE state = ?1 AND attempts = 0 AND retry_at IS NOT NULL")?
                .exists([UploadState::Unseen])?)
        })
    }

    /// A listing of the album has shown these items.
    pub fn claims_shown(&self, dir: DirId, items: &[MediaItem], listing: i64) -> Result<()> {
        self.write(|tx| {
            for item in items {
                let file = files::upsert_item(tx, item)?;
                members::set_shown(tx, dir, file, listing, tx.now_millis())?;
            }
            Ok(())
        })
    }

    /// Whether the file still waits for this proof.
    pub fn is_claim_current(&self, claim: &Claim) -> Result<bool> {
        self.read(|db| is_current(db, claim))
    }

    /// Settles a proved claim. The file has arrived, and replaces the version before it. `None` if
    /// the claim is void, because the file was written or has arrived meanwhile, or needs another
    /// listing.
    pub fn settle_claim(&self, claim: &Claim) -> Result<Option<Proved>> {
        if claim.item_of == claim.file {
            return self.write(|tx| settle(tx, claim));
        }
        self.write_durable(|tx| settle(tx, claim))
    }

    /// A read of the item by its id has shown it, and no album is wanted to have it: the file has
    /// arrived. Returns whether the claim was current.
    pub fn settle_by_id(&self, claim: &Claim, item: &MediaItem) -> Result<bool> {
        self.write_durable(|tx| {
            let current = is_current(tx, claim)?;
            if current {
                files::upsert_item(tx, item)?;
                arrived(tx, claim.file)?;
            }
            Ok(current)
        })
    }

    /// The file counts as arrived, but its bytes stay here until a listing shows the item, which is
    /// Google's answer to a read by the id. At `retry_at` the album is listed for it.
    pub fn unseen(&self, claim: &Claim, item: &MediaItem, retry_at: SystemTime) -> Result<()> {
        self.write_durable(|tx| {
            if !is_current(tx, claim)? {
                return Ok(());
            }
            retire_replaced(tx, claim.file)?;
            files::upsert_item(tx, item)?;
            views::arrived(tx, claim.file)?;
            uploads::set_unseen(tx, claim.file, claim.attempts, Some(to_millis(retry_at)))
        })
    }

    /// Google had the bytes from another program, counts the item in the album, and shows it to this
    /// client in no way. The file counts as arrived, and its bytes stay here. No listing is made for
    /// it. Returns whether the claim was current.
    pub fn withheld(&self, claim: &Claim, reason: &str) -> Result<bool> {
        self.write_durable(|tx| {
            if !is_current(tx, claim)? {
                return Ok(false);
            }
            retire_replaced(tx, claim.file)?;
            uploads::set_withheld(tx, claim.file, reason)?;
            Ok(true)
        })
    }

    /// Google had the item before the call: only a listing of the album, or its count, says whether
    /// it is there. The claim has failed `attempts` times.
    pub fn had_before(&self, claim: &Claim, attempts: u32) -> Result<()> {
        self.write(|tx| {
            if !is_current(tx, claim)? {
                return Ok(());
            }
            uploads::set_had_before(tx, claim.file, &claim.media, attempts)
        })
    }

    /// How many items Google may count in an album beyond those that its list shows: items that it
    /// was asked to make there and that no read has shown, and others that it is known to hide.
    pub fn unshown_items(&self, dir: DirId) -> Result<u64> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "WITH unshown AS (SELECT count(*) AS items, \
                         count(*) FILTER (WHERE u.state = 'unseen') AS withheld \
                         FROM members m JOIN files f ON f.id = m.file JOIN uploads u ON u.file = m.file \
                         WHERE m.dir = ?1 AND m.observed = 'present' AND f.media IS NOT NULL AND NOT f.confirmed) \
                     SELECT items + max(0, coalesce((SELECT count_offset FROM albums WHERE dir = ?1), 0) - withheld) \
                     FROM unshown",
                )?
                .query_row([dir], |row| row.get(0))?)
        })
    }

    /// A listing made for an arrived item has not shown it. The next one is made at `retry_at`. If
    /// the listing was complete, the item is `missed`: it is asked for by its id.
    pub fn still_unseen(
        &self,
        claim: &Claim,
        retry_at: Option<SystemTime>,
        missed: bool,
    ) -> Result<()> {
        self.write(|tx| {
            if !is_current(tx, claim)? {
                return Ok(());
            }
            members::set_missed_where_unseen(tx, claim.file, missed)?;
            uploads::set_unseen(tx, claim.file, claim.attempts + 1, retry_at.map(to_millis))
        })
    }

    /// Google knows an arrived item that a listing should have shown: the listing may lag.
    pub fn unseen_is_known(&self, claim: &Claim, item: &MediaItem) -> Result<()> {
        self.write(|tx| {
            if !is_current(tx, claim)? {
                return Ok(());
            }
            files::upsert_item(tx, item)?;
            members::set_missed_where_unseen(tx, claim.file, false)
        })
    }

    /// Whether no listing has shown the arrived item yet.
    pub fn is_still_unseen(&self, claim: &Claim) -> Result<bool> {
        self.read(|db| {
            let mut unseen = db.prepare_cached("SELECT 1 FROM unseen_members WHERE file = ?1")?;
            Ok(is_current(db, claim)? && unseen.exists([claim.file])?)
        })
    }
}

pub(super) fn is_current(db: &Connection, claim: &Claim) -> Result<bool> {
    let state = match claim.kind {
        ClaimKind::New | ClaimKind::Known => UploadState::Confirming,
        ClaimKind::Duplicate => UploadState::Sealed,
        ClaimKind::Unseen => UploadState::Unseen,
    };
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM uploads u JOIN files f ON f.id = u.file \
             WHERE u.file = ?1 AND u.seq IS ?2 AND u.state = ?3 \
             AND (u.state = 'sealed' OR ?4 = CASE WHEN u.state = 'confirming' THEN coalesce(u.made, f.media) ELSE f.media END)",
        )?
        .exists(params![claim.file, claim.seq, state, claim.media])?)
}

fn settle(tx: &Tx<'_>, claim: &Claim) -> Result<Option<Proved>> {
    if !is_current(tx, claim)? || !tx.prepare_cached(&still_proved())?.exists([claim.file])? {
        return Ok(None);
    }
    // If the item's file was opened for writing since, the forked version has it.
    let Some(item_of) = file_of(tx, &claim.media)? else { return Ok(None) };
    if item_of == claim.file {
        return arrived(tx, claim.file).map(Some);
    }
    if claim.kind == ClaimKind::Duplicate && revert_if_same(tx, claim.file, item_of)? {
        return Ok(Some(Proved::Unchanged(item_of)));
    }
    retire_replaced(tx, claim.file)?;
    merge(tx, claim.file, item_of)?;
    Ok(Some(Proved::Merged(item_of)))
}

/// The claim may have become another one since it was read, with another time or in another album.
fn still_proved() -> String {
    format!("SELECT file FROM claims WHERE file = ?1 {PROVED}")
}

fn file_of(tx: &Tx<'_>, media: &MediaId) -> Result<Option<FileId>> {
    Ok(tx
        .prepare_cached("SELECT id FROM files WHERE media = ?1")?
        .query_row([media], |row| row.get(0))
        .optional()?)
}

/// Nothing is left to do for the file. If nobody wants it, no read may have shown its item.
fn arrived(tx: &Tx<'_>, file: FileId) -> Result<Proved> {
    retire_replaced(tx, file)?;
    uploads::delete(tx, file)?;
    views::arrived(tx, file)?;
    Ok(Proved::Arrived)
}

#[cfg(test)]
pub(super) mod tests;
