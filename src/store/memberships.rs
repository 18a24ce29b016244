//! Pending additions to albums and removals from them: memberships whose desired and observed state
//! differ.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

use super::database::Store;
use super::error::Result;
use super::lookups::{has_pending_removals, resolve_merged};
use super::naming::{add_failed, set_observed};
use super::states::Observed;
use super::tables::{entries, files, members, uploads};
use super::time::from_millis;
use super::tx::Tx;
use super::versions::forget_hash;
use crate::media::{AlbumId, DirId, EntryName, FileId, MediaId};

/// A membership to be added or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The file whose name asks for it. For a removal the same as `item_of`.
    pub file: FileId,
    /// The version of that file, if it is being uploaded itself.
    pub seq: Option<i64>,
    /// The file that has the item: the same file, or another one with the same bytes.
    pub item_of: FileId,
    /// The item.
    pub media: MediaId,
    /// When the membership became pending.
    pub since: SystemTime,
}

/// Memberships of one album.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberCall {
    /// The album's directory.
    pub dir: DirId,
    /// Google's id for it.
    pub album: AlbumId,
    /// The memberships, each item once.
    pub members: Vec<Membership>,
}

/// Items to add to albums, and items to remove from them: views of the schema.
const ADDITIONS: &str = "pending_additions";
const REMOVALS: &str = "pending_removals";

impl Store {
    /// The album with the oldest pending addition, and up to `limit` of its additions. Leaves out
    /// albums that are `waiting`.
    pub fn additions(&self, limit: usize, waiting: &[DirId]) -> Result<Option<MemberCall>> {
        self.read(|db| members_of_one_album(db, ADDITIONS, limit, waiting))
    }

    /// The album with the oldest pending removal, and up to `limit` of its removals.
    pub fn removals(&self, limit: usize) -> Result<Option<MemberCall>> {
        self.read(|db| members_of_one_album(db, REMOVALS, limit, &[]))
    }

    /// Whether removals from an album are pending.
    pub fn has_pending_removals(&self, dir: DirId) -> Result<bool> {
        self.read(|db| has_pending_removals(db, dir))
    }

    /// Journals, before Google is asked, that these memberships are about to change.
    pub fn begin_members(&self, call: &MemberCall) -> Result<()> {
        self.write_durable(|tx| {
            for member in &call.members {
                let Some(item_of) = file_of(tx, &member.media)? else { continue };
                // If the item is added for a duplicate, this row may be new. No name asks for it
                // yet, so that after a crash the item either gets a name or is removed again.
                members::begin_change(tx, call.dir, item_of, tx.now_millis())?;
            }
            Ok(())
        })
    }

    /// Google has added the items. Duplicates become names of them when a listing has shown them.
    pub fn added(&self, call: &MemberCall) -> Result<()> {
        self.write_durable(|tx| {
            for member in &call.members {
                let Some(item_of) = file_of(tx, &member.media)? else { continue };
                set_observed(tx, call.dir, item_of, Observed::Present)?;
                if member.file != item_of {
                    uploads::expect_proof(tx, member.file)?;
                }
            }
            Ok(())
        })
    }

    /// Google has removed the items.
    pub fn removed(&self, call: &MemberCall) -> Result<()> {
        self.set_all_observed(call, Observed::Absent)
    }

    /// Google has not removed the items.
    pub fn not_removed(&self, call: &MemberCall) -> Result<()> {
        self.set_all_observed(call, Observed::Present)
    }

    fn set_all_observed(&self, call: &MemberCall, observed: Observed) -> Result<()> {
        self.write_durable(|tx| {
            for member in &call.members {
                if let Some(item_of) = file_of(tx, &member.media)? {
                    set_observed(tx, call.dir, item_of, observed)?;
                }
            }
            Ok(())
        })
    }

    /// Uploads duplicates that cannot be added to further albums, as if their bytes were not known.
    /// Returns how many there were.
    pub fn upload_duplicates_separately(&self) -> Result<usize> {
        self.write(|tx| {
            // Once they have become the same item, its row has their facts.
            files::forget_pending_duplicates(tx)
        })
    }

    /// Whether removing this name would cause a removal at Google: it is the last name there of an
    /// item that is or may be in the album.
    pub fn causes_removal(&self, dir: DirId, name: &EntryName) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached(
                    "SELECT 1 FROM entries e JOIN members m ON m.dir = e.dir \
                     AND (m.file = e.file OR m.file = (SELECT replaces FROM uploads WHERE file = e.file)) \
                     WHERE e.dir = ?1 AND e.name = ?2 AND m.observed <> 'absent' \
                     AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.file = e.file AND o.dir = e.dir AND o.id <> e.id)",
                )?
                .exists(params![dir, name])?)
        })
    }

    /// Whether giving a file a name in this directory would cause an addition at Google. `instead`
    /// is a name that the file loses.
    pub fn causes_addition(
        &self,
        file: FileId,
        dir: DirId,
        instead: Option<(DirId, &EntryName)>,
    ) -> Result<bool> {
        let (old_dir, old_name) = instead.unzip();
        self.read(|db| {
            let file = resolve_merged(db, file)?;
            Ok(db
                .prepare_cached(
                    "SELECT 1 FROM files f JOIN dirs d ON d.id = ?2 WHERE f.id = ?1 AND NOT d.local \
                     AND NOT EXISTS (SELECT 1 FROM members WHERE file = ?1 AND dir = ?2 AND (desired OR observed = 'present')) \
                     AND (f.media IS NOT NULL OR EXISTS (SELECT 1 FROM entries e JOIN dirs o ON o.id = e.dir \
                         WHERE e.file = ?1 AND e.dir <> ?2 AND NOT o.local AND NOT (e.dir IS ?3 AND e.name IS ?4)))",
                )?
                .exists(params![file, dir, old_dir, old_name])?)
        })
    }

    /// Whether an item is, or may be, in albums.
    pub fn is_in_albums(&self, file: FileId) -> Result<bool> {
        self.read(|db| {
            Ok(db
                .prepare_cached("SELECT 1 FROM members WHERE file = ?1 AND observed <> 'absent'")?
                .exists([file])?)
        })
    }

    /// Google refuses to add this item to the album. If a duplicate asked for it, that file is
    /// uploaded itself. Otherwise its names there fail.
    pub fn addition_refused(&self, dir: DirId, member: &Membership, reason: &str) -> Result<()> {
        self.write_durable(|tx| {
            let Some(item_of) = file_of(tx, &member.media)? else { return Ok(()) };
            set_observed(tx, dir, item_of, Observed::Absent)?;
            if item_of != member.file {
                forget_hash(tx, item_of)?;
                return Ok(());
            }
            let names = entries::take_of_file_in_dir(tx, dir, member.file)?;
            members::delete(tx, dir, member.file)?;
            for name in &names {
                add_failed(tx, dir, name, member.file, reason)?;
            }
            Ok(())
        })
    }

    /// Whether no read has ever shown the file's item, which Google says it has. Google refuses to
    /// add such an item to an album or to remove it, but makes it in another one from its bytes.
    pub fn is_withheld(&self, file: FileId) -> Result<bool> {
        self.read(|db| is_withheld(db, file))
    }
}

pub(super) fn is_withheld(db: &Connection, file: FileId) -> Result<bool> {
    Ok(db
        .prepare_cached(
            "SELECT 1 FROM files WHERE id = ?1 AND media IS NOT NULL AND NOT confirmed \
             AND NOT EXISTS (SELECT 1 FROM unfinished_uploads WHERE file = ?1)",
        )?
        .exists([file])?)
}

/// The file that has an item. If it was opened for writing since the request, that is the forked
/// version.
fn file_of(tx: &Tx<'_>, media: &MediaId) -> Result<Option<FileId>> {
    Ok(tx
        .prepare_cached("SELECT id FROM files WHERE media = ?1")?
        .query_row([media], |row| row.get(0))
        .optional()?)
}

/// The album of the oldest row of a view of pending memberships, with its items, each once. Leaves
/// out albums that are `waiting`.
fn members_of_one_album(
    db: &Connection,
    view: &str,
    limit: usize,
    waiting: &[DirId],
) -> Result<Option<MemberCall>> {
    let mut albums = db.prepare_cached(&albums_by_age(view))?;
    let mut albums = albums
        .query_map([], |row| Ok::<(DirId, AlbumId), _>((row.get("dir")?, row.get("album")?)))?;
    let is_next = |it: &rusqlite::Result<(DirId, AlbumId)>| {
        it.as_ref().map_or(true, |(dir, _)| !waiting.contains(dir))
    };
    let Some((dir, album)) = albums.find(is_next).transpose()? else { return Ok(None) };
    let members = db
        .prepare_cached(&format!(
            "SELECT file, seq, item_of, media, min(since) AS since FROM {view} WHERE dir = ?1 \
             GROUP BY item_of ORDER BY min(since), file LIMIT ?2"
        ))?
        .query_map(params![dir, limit], |row| {
            Ok(Membership {
                file: row.get("file")?,
                seq: row.get("seq")?,
                item_of: row.get("item_of")?,
                media: row.get("media")?,
                since: from_millis(row.get("since")?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(MemberCall { dir, album, members }))
}

fn albums_by_age(view: &str) -> String {
    format!("SELECT dir, album FROM {view} ORDER BY since")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Child;
    use crate::store::tests::{album, item, name};

    #[test]
    fn what_albums_lack_is_found_without_going_through_the_library() {
        let store = Store::in_memory().unwrap();
        for view in [ADDITIONS, REMOVALS] {
            let plan: Vec<String> = store
                .read(|db| {
                    Ok(db
                        .prepare(&format!("EXPLAIN QUERY PLAN {}", albums_by_age(view)))?
                        .query_map([], |row| row.get("detail"))?
                        .collect::<rusqlite::Result<_>>()?)
                })
                .unwrap();
            let scans: Vec<&String> = plan.iter().filter(|step| step.starts_with("SCAN")).collect();
            assert!(
                scans.is_empty() && plan[0].contains("members_pending"),
                "the index of pending memberships leads to all rows: {plan:#?}"
            );
        }
    }

    #[test]
    fn an_item_that_was_added_while_its_file_was_opened_for_writing_is_accounted_for() {
        let store = Store::in_memory().unwrap();
        let (one, two) = (album(&store, "One"), album(&store, "Two"));
        store.items_listed(one, &[item("a")], 1).unwrap();
        let Some(Child::File(file)) = store.child(one, &name("a.jpg")).unwrap() else {
            panic!("not listed")
        };
        store.link(file, two, &name("b.jpg")).unwrap().unwrap();
        let call = store.additions(50, &[]).unwrap().unwrap();
        let old = store.fork_version(file, None, 0).unwrap();
        store.begin_members(&call).unwrap();
        store.added(&call).unwrap();
        let surplus = store.removals(50).unwrap().unwrap();
        assert_eq!((surplus.dir, surplus.members[0].file), (two, old));
    }
}
