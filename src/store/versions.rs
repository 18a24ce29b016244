//! Versions of an edited file, merges of duplicates, and refusals.
//!
//! An edited file keeps its number, and so its inode and names. The old version becomes a file of
//! its own without names. It stays in its albums until the new version has replaced it.

use rusqlite::{OptionalExtension, params};

use super::database::Store;
use super::error::Result;
use super::lookups::{has_pending_removals, is_committed, names_of, replaced_by};
use super::naming::{add_failed, clear_desired, set_desired, touched};
use super::states::UploadState;
use super::tables::{entries, failed, files, members, uploads, views};
use super::tx::Tx;
use super::write_error::WriteError;
use crate::media::{ContentHash, DirId, FileId, MediaId};

impl Store {
    /// Forks a file that Google has or is being asked to make. The file is open for writing under
    /// its number. The old version becomes a new file, which is returned.
    ///
    /// `base` is the hash of the content that the writer starts from, `size` its size.
    pub fn fork_version(
        &self,
        file: FileId,
        base: Option<ContentHash>,
        size: u64,
    ) -> Result<FileId> {
        self.write_durable(|tx| {
            files::insert_version(tx, file)?;
            let old = FileId(tx.last_insert_rowid());
            files::move_item(tx, file, old)?;
            views::move_item(tx, file, old)?;
            files::set_edit(tx, file, size, old)?;
            // Memberships that are or may be at Google stay with the item, desired ones with the
            // names.
            members::copy_observed(tx, file, old)?;
            members::delete_unnamed(tx, file)?;
            members::forget_observed(tx, file)?;
            uploads::move_to(tx, file, old)?;
            // The file may be the old version of another one, if it has got its names as a
            // duplicate.
            uploads::replace_instead(tx, file, old)?;
            uploads::insert_edit(tx, file, base, old)?;
            Ok(old)
        })
    }

    /// The old version that a file will replace.
    pub fn replaced_by(&self, file: FileId) -> Result<Option<FileId>> {
        self.read(|db| replaced_by(db, file))
    }

    /// Reverts an edit to the old version, if that is committed. Returns whether it did.
    pub fn revert_edit(&self, file: FileId) -> Result<bool> {
        self.write_durable(|tx| match replaced_by(tx, file)? {
            Some(old) if is_committed(tx, old)? => {
                restore_version(tx, file, old)?;
                Ok(true)
            }
            _ => Ok(false),
        })
    }

    /// Reserves a slot for a file in a full album. Returns whether pending removals or edits will
    /// free one. The old version that the file replaces is removed first, although its successor
    /// has not arrived.
    pub fn reserve_slot(&self, dir: DirId, file: FileId) -> Result<bool> {
        self.write_durable(|tx| {
            if let Some(old) = replaced_by(tx, file)? {
                clear_desired(tx, dir, old)?;
            }
            let is_edited = tx
                .prepare_cached(
                    "SELECT 1 FROM uploads u JOIN members m ON m.file = u.replaces \
                     WHERE u.replaces IS NOT NULL AND m.dir = ?1 AND m.observed <> 'absent'",
                )?
                .exists([dir])?;
            Ok(is_edited || has_pending_removals(tx, dir)?)
        })
    }

    /// Refuses a file for good. Its names become failed ones. If it had an old version, that one
    /// gets the names back.
    /// `lacks` are the bytes of failed writes, by which it is known again if it is retried.
    pub fn fail(&self, file: FileId, reason: &str, lacks: Option<&WriteError>) -> Result<()> {
        self.write_durable(|tx| {
            fail(tx, file, reason)?;
            match lacks {
                Some(_) => uploads::set_write_error(tx, file, lacks),
                None => Ok(()),
            }
        })
    }

    /// Puts the file of a dead writer under the failed names. It stays there until a file is closed
    /// or cut off under the same name.
    pub fn fail_unfinished(&self, file: FileId, size: u64, reason: &str) -> Result<()> {
        self.write_durable(|tx| {
            failed::delete_unfinished(tx, file)?;
            files::set_size(tx, file, size)?;
            fail(tx, file, reason)?;
            failed::set_unfinished(tx, file)?;
            Ok(())
        })
    }
}

/// Forgets the bytes of an item that Google does not have any more. Equal bytes are then uploaded
/// again.
pub(super) fn forget_hash(tx: &Tx<'_>, file: FileId) -> Result<()> {
    files::forget_bytes(tx, file)?;
    Ok(())
}

/// Reverts an edit that has the bytes of `item_of`, if that is its old version. Returns whether it
/// is.
pub(super) fn revert_if_same(tx: &Tx<'_>, file: FileId, item_of: FileId) -> Result<bool> {
    let same = replaced_by(tx, file)? == Some(item_of);
    if same {
        restore_version(tx, file, item_of)?;
    }
    Ok(same)
}

/// The reverse of [`Store::fork_version`]. The file keeps its own time of modification.
fn restore_version(tx: &Tx<'_>, file: FileId, old: FileId) -> Result<()> {
    files::move_item(tx, old, file)?;
    views::move_item(tx, old, file)?;
    files::copy_size(tx, file, old)?;
    // Files with the same bytes may have given their names to the old version.
    entries::give_all(tx, file, old)?;
    // The item belongs where the file has a name, and nowhere else.
    members::restore(tx, file, old)?;
    members::delete_of_file(tx, old)?;
    uploads::delete(tx, file)?;
    // If no listing has shown the item yet, the file keeps its bytes here.
    uploads::move_to(tx, old, file)?;
    uploads::replace_instead(tx, old, file)?;
    files::set_merged(tx, old, file)?;
    Ok(())
}

/// Removes the old version from its albums, because the new one has arrived or has lost its names.
pub(super) fn retire_replaced(tx: &Tx<'_>, file: FileId) -> Result<()> {
    let Some(old) = replaced_by(tx, file)? else { return Ok(()) };
    let dirs: Vec<DirId> = tx
        .prepare_cached("SELECT dir FROM members WHERE file = ?1 AND desired")?
        .query_map([old], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for dir in dirs {
        clear_desired(tx, dir, old)?;
    }
    uploads::clear_replaced(tx, file)?;
    Ok(())
}

pub(super) fn fail(tx: &Tx<'_>, file: FileId, reason: &str) -> Result<()> {
    let mut old = replaced_by(tx, file)?;
    if let Some(item_of) = old
        && is_made_again(tx, file, item_of)?
    {
        // Google shows that one no more than the file.
        retire_replaced(tx, file)?;
        old = None;
    } else if let Some(item) = made_of(tx, file)? {
        members::delete_claimed(tx, file, &item)?;
    }
    for (dir, name) in names_of(tx, file)? {
        add_failed(tx, dir, &name, file, reason)?;
        match old {
            Some(old) => {
                entries::set_file(tx, dir, &name, old)?;
                set_desired(tx, dir, old)?;
            }
            None => {
                entries::delete(tx, dir, &name)?;
            }
        }
    }
    members::delete_of_file(tx, file)?;
    uploads::set_failed(tx, file, reason)?;
    Ok(())
}

/// The item with whose id Google has answered, and which it had before.
fn made_of(tx: &Tx<'_>, file: FileId) -> Result<Option<MediaId>> {
    Ok(tx
        .prepare_cached("SELECT made FROM uploads WHERE file = ?1 AND state = ?2")?
        .query_row(params![file, UploadState::Confirming], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Whether Google has answered the file with the id that its old version has.
fn is_made_again(tx: &Tx<'_>, file: FileId, old: FileId) -> Result<bool> {
    Ok(tx
        .prepare_cached(
            "SELECT 1 FROM uploads u JOIN files o ON o.media = u.made WHERE u.file = ?1 AND o.id = ?2",
        )?
        .exists([file, old])?)
}

/// Gives all names and memberships of `file` to `into`. As with hard links, the last writer's time
/// of modification is that of all names, so that `rsync -t` finds the time that it has set.
pub(super) fn merge(tx: &Tx<'_>, file: FileId, into: FileId) -> Result<()> {
    entries::give_all(tx, into, file)?;
    // The memberships of one are those of the other: they are one item.
    members::merge(tx, file, into)?;
    members::delete_of_file(tx, file)?;
    uploads::delete(tx, file)?;
    uploads::replace_instead(tx, file, into)?;
    // Adopted bytes do not prove themselves. But if the file's bytes differ from them, Google has
    // said that these are the item's.
    files::refute_adoption(tx, file, into)?;
    files::take_bytes(tx, file, into)?;
    touched(tx, into)?;
    files::set_merged_duplicate(tx, file, into)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{album, item, name};
    use crate::store::{Adoption, Child, FileInfo};

    fn hash(of: u8) -> ContentHash {
        ContentHash([of; 32])
    }

    /// An item for which a local file was taken, after a file of ours has turned out to be the same
    /// item.
    fn merged(adopted: u8, arrived: u8) -> FileInfo {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        let Some(Child::File(known)) = store.child(trip, &name("a.jpg")).unwrap() else {
            panic!("not listed")
        };
        let local = Adoption { sha256: hash(adopted), size: 1, mtime_ns: 0 };
        assert!(store.adopt(known, &local).unwrap());
        let ours = store.create_file(trip, &name("b.jpg"), 0).unwrap().unwrap();
        let sql = "UPDATE files SET sha256 = ?2 WHERE id = ?1";
        store.write(|tx| Ok(tx.execute(sql, params![ours, hash(arrived)])?)).unwrap();
        store.write(|tx| merge(tx, ours, known)).unwrap();
        store.file(known).unwrap().unwrap()
    }

    #[test]
    fn an_edit_makes_way_for_others_also_before_it_has_arrived() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        store.items_listed(trip, &[item("a")], 1).unwrap();
        let Some(Child::File(edited)) = store.child(trip, &name("a.jpg")).unwrap() else {
            panic!("not listed")
        };
        let other = store.create_file(trip, &name("b.jpg"), 0).unwrap().unwrap();
        assert!(!store.reserve_slot(trip, other).unwrap());
        store.fork_version(edited, None, 0).unwrap();
        assert!(store.reserve_slot(trip, other).unwrap());
        assert!(!store.reserve_slot(album(&store, "Other"), other).unwrap());
    }

    #[test]
    fn an_assumption_does_not_prove_itself() {
        let info = merged(1, 1);
        assert_eq!((info.sha256, info.adopted), (None, Some(hash(1))));
    }

    #[test]
    fn an_item_has_the_hash_of_the_bytes_that_became_it_last() {
        let store = Store::in_memory().unwrap();
        let trip = album(&store, "Trip");
        let [old, new] = [1, 2].map(|of| {
            let file = store.create_file(trip, &name(&format!("{of}.jpg")), 0).unwrap().unwrap();
            let sql = "UPDATE files SET sha256 = ?2, size = ?3 WHERE id = ?1";
            store.write(|tx| Ok(tx.execute(sql, params![file, hash(of), of])?)).unwrap();
            file
        });
        store.write(|tx| merge(tx, new, old)).unwrap();
        let info = store.file(new).unwrap().unwrap();
        assert_eq!((info.id, info.sha256, info.size), (old, Some(hash(2)), Some(2)));
    }

    #[test]
    fn what_google_has_said_counts_for_more_than_an_assumption() {
        let info = merged(1, 2);
        assert_eq!((info.sha256, info.adopted), (Some(hash(2)), None));
    }
}
