//! Rejects versions: for good, or after too many failures of their own.

use std::time::{Duration, SystemTime};

use super::draft::Rejection;
use super::drafts::LockedDraft;
use super::errors::SealError;
use super::pipeline::Pipeline;
use super::room_wait::NoRoom;
use super::shared::Shared;
use crate::media::{DirId, EntryName, FileId};
use crate::store::{self, Claim};

/// A file that this disk has failed to read so often is rejected.
pub(super) const ATTEMPTS_MAX: u32 = 5;
/// Why a photo is under `.gphotos/failed` if Google answers with its id, and does not show it.
pub(super) const IN_BIN: &str =
    "Google has this photo in its bin: restore it there, or empty the bin, then retry";
/// Who looks for failed files waits at most this long for those that were closed just now.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// What is known of a file before it is rejected.
enum Before {
    /// It has no name any more: its removal is no error.
    Removed,
    /// Its bytes were refused under all of its names before. Its path.
    Known(String),
    /// Its path.
    New(String),
}

impl Pipeline {
    /// A file that stays here may not get a name, because it would be rejected under it. The file
    /// stays as it is. The bytes and the reason go to the failed files, under that name: programs
    /// delete a file that they cannot rename.
    ///
    /// # Errors
    /// [`SealError::NoSpace`] if the refused files use up their share; spool or database fail.
    pub fn refuse_name(
        &self,
        file: FileId,
        to: (DirId, &EntryName),
        reason: &str,
    ) -> Result<(), SealError> {
        let shared = &self.shared;
        let _draft = shared.drafts.lock(file);
        if shared.is_refused_already(file, to.0, to.1)? {
            return Ok(());
        }
        shared.count_set_aside()?;
        if shared.spool.room().is_refused_full() {
            return Err(SealError::NoSpace(NoRoom::RefusedFull.into()));
        }
        let link = |copy| shared.spool.link(file, copy);
        shared.store.refuse_name(file, to, reason, link)??;
        shared.count_set_aside()?;
        let path = format!("{}/{}", shared.store.dir_path(to.0)?, to.1);
        tracing::warn!(%path, reason, "a name was refused; the bytes are under .gphotos/failed");
        shared.remember(path, reason.to_owned());
        shared.moved_on();
        Ok(())
    }

    /// Waits until rejected files whose writers have closed them are under the failed files. The
    /// kernel answers close before it says that the descriptor is gone. May be dropped at any time.
    pub async fn wait_for_rejected(&self) {
        let mut progress = self.shared.progress.subscribe();
        let settled = async {
            while self.has_closed_rejected() {
                if progress.changed().await.is_err() {
                    break;
                }
            }
        };
        // A copy of a descriptor may be open for as long as its program likes.
        let _ = tokio::time::timeout(SETTLE_TIMEOUT, settled).await;
    }

    /// Whether a rejected file has been closed by its writers, and is not under the failed files
    /// yet.
    pub fn has_closed_rejected(&self) -> bool {
        self.shared.drafts.any_closed_rejected()
    }
}

impl Shared {
    /// Rejects a file for good: its names move to the failed files.
    pub(super) fn reject(
        &self,
        draft: &LockedDraft,
        rejection: Rejection,
        reason: &str,
    ) -> store::Result<()> {
        let file = draft.file();
        let before = self.before_rejection(file)?;
        self.store.fail(file, reason, draft.write_error().as_ref())?;
        draft.set_rejected(rejection);
        self.rejected(draft, before, reason)
    }

    /// Rejects an arrived item that Google does not know any more, unless a listing has shown it
    /// meanwhile: its bytes are still here. Blocking.
    pub(super) fn reject_unseen(&self, claim: &Claim, reason: &str) -> store::Result<()> {
        let draft = self.drafts.lock(claim.file);
        if !self.store.is_still_unseen(claim)? {
            return Ok(());
        }
        self.reject_claim(&draft, claim, reason)
    }

    /// Rejects a file with whose bytes Google has answered an item that it does not show, unless the
    /// claim is void by now. Blocking.
    pub(super) fn reject_withheld(&self, claim: &Claim, reason: &str) -> store::Result<()> {
        let draft = self.drafts.lock(claim.file);
        if !self.store.is_claim_current(claim)? {
            return Ok(());
        }
        self.reject_claim(&draft, claim, reason)
    }

    /// Rejects a file whose item Google does not show. If Google answers with its id again, the item
    /// is not a new one.
    fn reject_claim(&self, draft: &LockedDraft, claim: &Claim, reason: &str) -> store::Result<()> {
        let before = self.before_rejection(claim.file)?;
        self.store.fail_unseen(claim, reason)?;
        draft.set_rejected(Rejection::Other);
        self.rejected(draft, before, reason)
    }

    /// Settles a version that its writer has not closed. No close has promised anything, but its bytes
    /// go to the failed files, and a version that Google has stays as it was. Returns `false` for an
    /// empty version that replaces none.
    pub(super) fn set_aside_unfinished(
        &self,
        draft: &LockedDraft,
        size: u64,
        reason: &str,
    ) -> store::Result<bool> {
        let file = draft.file();
        if size == 0 {
            let is_reverted = self.store.revert_edit(file)?;
            if is_reverted {
                self.spool.discard(file);
                draft.set_committed();
                self.moved_on();
            }
            return Ok(is_reverted);
        }
        let path = self.path_of(file);
        self.store.fail_unfinished(file, size, reason)?;
        draft.set_rejected(Rejection::Other);
        tracing::warn!(%path, "{reason}; what there is of it is under .gphotos/failed");
        self.remember(path, reason.to_owned());
        self.count_set_aside()?;
        self.mark_dirty();
        self.moved_on();
        Ok(true)
    }

    fn before_rejection(&self, file: FileId) -> store::Result<Before> {
        let names = self.store.names_of(file)?;
        if names.is_empty() {
            return Ok(Before::Removed);
        }
        let path = self.path_of(file);
        for (dir, name) in names {
            if !self.is_refused_already(file, dir, &name)? {
                return Ok(Before::New(path));
            }
        }
        Ok(Before::Known(path))
    }

    fn rejected(&self, draft: &LockedDraft, before: Before, reason: &str) -> store::Result<()> {
        match before {
            Before::Removed => {
                tracing::debug!(file = draft.file().0, reason, "a removed file will not be sent");
            }
            Before::Known(path) => {
                tracing::warn!(%path, reason, "a file was refused, as its bytes in .gphotos/failed were");
            }
            Before::New(path) => {
                tracing::warn!(%path, reason, "a file was refused; its bytes are under .gphotos/failed");
                self.remember(path, reason.to_owned());
            }
        }
        self.remove_if_orphan(draft)?;
        self.count_set_aside()?;
        // The names may stand for an older version now, in albums that it was not in.
        self.mark_dirty();
        self.moved_on();
        Ok(())
    }

    /// Whether the bytes of this file are under the failed files already, refused under this name.
    /// Reads the bytes only if something of their size was refused under it.
    fn is_refused_already(
        &self,
        file: FileId,
        dir: DirId,
        name: &EntryName,
    ) -> store::Result<bool> {
        let alike = self.store.refused_alike(dir, name, file)?;
        if alike.is_empty() {
            return Ok(false);
        }
        for &known in &alike {
            let size = self.store.file(known)?.and_then(|it| it.size);
            let found = std::fs::metadata(self.spool.path(known)).ok().map(|it| it.len());
            // Otherwise the only whole copy would be taken for a repetition, and deleted.
            if found.is_none() || found != size {
                self.store.forget_hashes(known)?;
            }
        }
        for known in alike.into_iter().chain([file]) {
            if self.store.file(known)?.is_some_and(|it| it.sha256.is_none()) {
                match self.spool.hashes(known) {
                    Ok((sha256, sha1)) => self.store.keep_hashes(known, sha256, sha1)?,
                    // Then it counts as another file, and both stay.
                    Err(error) => {
                        tracing::warn!(%error, file = known.0, "cannot read a spool file")
                    }
                }
            }
        }
        self.store.is_refused_already(dir, name, file)
    }

    /// Rejects a version for good, unless a writer has superseded it. Blocking.
    pub(super) fn reject_version(
        &self,
        (file, seq): (FileId, i64),
        rejection: Rejection,
        reason: &str,
    ) -> store::Result<()> {
        let draft = self.drafts.lock(file);
        if self.store.is_current_version(file, seq)? {
            self.reject(&draft, rejection, reason)?;
        }
        Ok(())
    }

    /// Notes why Google does not take a version, for its writers, unless one of them has superseded
    /// it. Blocking.
    pub(super) fn note_rejection(
        &self,
        (file, seq): (FileId, i64),
        rejection: Rejection,
    ) -> store::Result<()> {
        let draft = self.drafts.lock(file);
        if self.store.is_current_version(file, seq)? {
            draft.set_rejected(rejection);
        }
        Ok(())
    }

    /// Counts a failure of the local disk, and logs it; one too many rejects the version. Blocking.
    pub(super) fn read_failed(
        &self,
        (file, seq, attempts): (FileId, i64, u32),
        text: &str,
        retry_at: SystemTime,
    ) -> store::Result<()> {
        if attempts + 1 >= ATTEMPTS_MAX {
            return self.reject_version((file, seq), Rejection::Other, text);
        }
        self.attempt_failed((file, seq), text, false, retry_at)
    }

    /// Counts a failure, and logs it. `own` says whether other files succeeded meanwhile. Blocking.
    pub(super) fn attempt_failed(
        &self,
        (file, seq): (FileId, i64),
        text: &str,
        own: bool,
        retry_at: SystemTime,
    ) -> store::Result<()> {
        match self.named_path(file) {
            Some(path) => {
                tracing::warn!(%path, own, "will be tried again: {text}");
                self.remember(path, text.to_owned());
            }
            None => tracing::debug!(file = file.0, own, "a removed file cannot be sent: {text}"),
        }
        self.store.attempt_failed(file, seq, text, own, retry_at)
    }
}
