//! Bytes that are uploaded once more, because Google does not have, or does not show, the item that
//! it has answered with.
//!
//! A file that is to be uploaded is in no album at Google, unless Google has an item of it: a
//! membership that says otherwise would have nothing to do for the file, which would wait for ever.

use super::claims::Claim;
use super::claims::is_current;
use super::database::Store;
use super::error::Result;
use super::memberships::is_withheld;
use super::naming::set_observed;
use super::states::{Observed, UploadState};
use super::tables::{files, members, meta, uploads, views};
use super::tx::Tx;
use super::versions::{fail, forget_hash};
use crate::media::{ContentHash, DirId, FileId, MediaId};

impl Store {
    /// The item that Google said it made does not exist. The bytes are uploaded again.
    pub fn item_lost(&self, claim: &Claim, error: &str) -> Result<()> {
        self.write_durable(|tx| {
            if !is_current(tx, claim)? {
                return Ok(());
            }
            files::clear_item(tx, claim.file)?;
            upload_again(tx, claim.file, &claim.media, true, error)?;
            upload_claimants_again(tx, &claim.media, error)
        })
    }

    /// Google does not know an arrived item any more that no listing has shown. Its bytes are still
    /// here: the file is refused. Uploads that were answered with the same id are made again.
    pub fn fail_unseen(&self, claim: &Claim, reason: &str) -> Result<()> {
        self.write_durable(|tx| {
            fail(tx, claim.file, reason)?;
            files::clear_item(tx, claim.file)?;
            views::delete_of_file(tx, claim.file)?;
            uploads::keep_made(tx, claim.file, &claim.media)?;
            upload_claimants_again(tx, &claim.media, reason)
        })
    }

    /// Google does not show the item that a file is a duplicate of: its bytes are not known any
    /// more, and the file is uploaded itself.
    pub fn not_a_duplicate(&self, claim: &Claim) -> Result<()> {
        self.write_durable(|tx| {
            if !is_current(tx, claim)? {
                return Ok(());
            }
            forget_hash(tx, claim.item_of)?;
            members::delete_claimed(tx, claim.file, &claim.media)?;
            let sha256: Option<ContentHash> = tx
                .prepare_cached("SELECT sha256 FROM files WHERE id = ?1")?
                .query_row([claim.file], |row| row.get(0))?;
            sha256.map_or(Ok(()), |sha256| uploads::upload_after_all(tx, sha256))
        })
    }

    /// Google has refused to add a withheld item to the album: its bytes are uploaded into it.
    pub fn upload_into(&self, dir: DirId, file: FileId) -> Result<()> {
        self.write_durable(|tx| {
            if is_withheld(tx, file)? {
                set_observed(tx, dir, file, Observed::Absent)?;
                let seq = Some(meta::next_number(tx, "seq")?);
                uploads::requeue(tx, file, UploadState::Sealed, None, seq)?;
            }
            Ok(())
        })
    }

    /// Such an upload ends as soon as no album lacks the item: what Google says of the item decides
    /// again. Returns how many there were.
    pub fn settle_needless_uploads(&self) -> Result<usize> {
        if self.read(|db| Ok(needless(db)?.is_empty()))? {
            return Ok(0);
        }
        self.write(|tx| {
            let needless = needless(tx)?;
            for (file, media) in &needless {
                uploads::set_confirming(tx, *file, Some(media))?;
            }
            Ok(needless.len())
        })
    }

    /// Mends memberships that an earlier version has left: files of which Google has no item are in
    /// no album. Returns how many there were.
    pub fn mend_memberships(&self) -> Result<usize> {
        self.write_durable(members::set_unfounded_absent)
    }
}

fn needless(db: &rusqlite::Connection) -> Result<Vec<(FileId, MediaId)>> {
    Ok(db
        .prepare_cached("SELECT file, made FROM needless_uploads")?
        .query_map([], |row| Ok((row.get("file")?, row.get("made")?)))?
        .collect::<rusqlite::Result<_>>()?)
}

/// Files that Google answered with the id of an item that does not exist are uploaded again.
fn upload_claimants_again(tx: &Tx<'_>, media: &MediaId, error: &str) -> Result<()> {
    let claimants: Vec<FileId> = tx
        .prepare_cached("SELECT file FROM uploads WHERE made = ?1 AND state = ?2")?
        .query_map(rusqlite::params![media, UploadState::Confirming], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    claimants.into_iter().try_for_each(|file| upload_again(tx, file, media, false, error))
}

/// Brings a file back into the queue whose item `media` does not exist: no album has it.
fn upload_again(
    tx: &Tx<'_>,
    file: FileId,
    media: &MediaId,
    counted: bool,
    error: &str,
) -> Result<()> {
    members::set_all_absent(tx, file)?;
    members::delete_undesired(tx, file)?;
    uploads::set_lost(tx, file, media, counted, error)
}

#[cfg(test)]
mod tests;
