//! The transitions of a [`Draft`](super::draft::Draft) that change the journal: a version is begun,
//! sealed, unsealed, rejected, settled when its last writer goes, and removed.
//!
//! To *seal* a version is to bring its bytes and its row to the disk when it is closed; a later
//! write *unseals* it. Each of them locks the draft first, so they never overlap for one file. The
//! row changes first, then the draft.

use std::fs::File;
use std::time::Instant;

use super::classify::{Names, classify, fate};
use super::cut_off::is_cut_off;
use super::draft::{OpenVersion, Phase, Rejection};
use super::drafts::{LockedDraft, Writer};
use super::errors::{Error, SealError};
use super::pipeline::Pipeline;
use super::shared::Shared;
use crate::crash;
use crate::error_chain::chain;
use crate::media::{Death, DirId, EntryName, FileId};
use crate::store::{self, Fate, Reopened, SealedFacts, UploadState};

/// Why half a file is under `.gphotos/failed`.
const KILLED: &str = "the program that wrote it was killed before it had closed the file";

/// What sealing has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealOutcome {
    /// It is durable, and will be uploaded when the last writer has gone.
    Queued,
    /// It is durable, and stays here: it is empty, or its name says so.
    Temporary,
    /// Google has it already.
    Arrived,
    /// Nothing has been written since it was sealed.
    Unchanged,
}

/// On whose behalf a version is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealCause {
    /// A descriptor is being closed: close reports now whether Google takes the file.
    Close,
    /// fsync(2). Programs sync files that are not complete: nothing is rejected yet.
    Sync,
    /// A descriptor has gone, and its close has been answered.
    Release,
}

impl Pipeline {
    /// A writer has just created the file and its spool file: nobody has to unseal it.
    pub fn begin_new(&self, file: FileId) -> OpenVersion {
        self.shared.drafts.lock(file).set_writing()
    }

    /// A file that Google has is about to be written: its old version becomes a file of its own,
    /// and the file an upload that begins with `content` (`None`: empty). Does nothing if it is an
    /// upload already.
    ///
    /// # Errors
    /// If spool or database fail; [`Error::Rejected`].
    pub fn begin_edit(&self, file: FileId, content: Option<&File>) -> Result<(), Error> {
        let shared = &self.shared;
        let draft = shared.drafts.lock(file);
        match shared.store.upload_state(file)? {
            Some(UploadState::Failed) => return Err(Error::Rejected),
            Some(_) => return Ok(()),
            None => {}
        }
        match content {
            None => {
                shared.spool.create(file)?;
                shared.store.fork_version(file, None, 0)?;
            }
            Some(content) => {
                // Aside until the journal knows of the edit: a copy that a crash leaves there
                // belongs to nobody.
                let (hash, size) = shared.spool.fill(file, content)?;
                shared.store.fork_version(file, Some(hash), size)?;
                shared.spool.adopt_version(file, file)?;
            }
        }
        draft.set_writing();
        Ok(())
    }

    /// Makes an earlier sealing void, because the file is about to be written. Cheap if it is being
    /// written.
    ///
    /// # Errors
    /// If spool or database fail; [`Error::Rejected`].
    pub fn unseal(&self, file: FileId) -> Result<(), Error> {
        let shared = &self.shared;
        let draft = shared.drafts.lock(file);
        let was_closing = draft.take_closing();
        if matches!(draft.phase(), Phase::Writing) {
            return Ok(());
        }
        shared.spool.unshare(file)?;
        // The row forgets the missing bytes when it is opened.
        let lacks = shared.store.write_error(file)?;
        match shared.store.reopen(file)? {
            Reopened::Open => {}
            Reopened::NotStaged => {
                // Google may have seen half a file, sent when a copied descriptor was closed.
                let back = was_closing && shared.store.reopen_failed(file)?;
                if !back {
                    return Err(Error::Rejected);
                }
            }
            Reopened::InFlight => {
                // Google may have the version before this write at any moment: it must keep its
                // bytes.
                shared.spool.keep_version(file)?;
                let size = std::fs::metadata(shared.spool.path(file))?.len();
                let old = shared.store.fork_version(file, None, size)?;
                shared.spool.adopt_version(file, old)?;
            }
        }
        if let Some(error) = lacks {
            draft.take_over(error);
        }
        draft.set_writing();
        Ok(())
    }

    /// For each close and sync: when this returns, bytes and intent are on disk. May be repeated.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&self, file: FileId, cause: SealCause) -> Result<SealOutcome, SealError> {
        let shared = &self.shared;
        let draft = shared.drafts.lock(file);
        let due = match (draft.phase(), cause) {
            (Phase::Writing, SealCause::Release) if draft.abandoned().is_some() => false,
            (Phase::Writing, _) | (Phase::Rejected(_), SealCause::Sync) => true,
            (Phase::Rejected(_), SealCause::Release) => false,
            // A rejected file stays open until its last writer has gone, and is rejected again: an
            // earlier close may have been that of a copied descriptor only, whose program did not
            // look at the answer.
            (_, SealCause::Close) if shared.is_open(&draft)? => true,
            _ => shared.lacks_later_write(&draft)?,
        };
        if !due {
            return Ok(SealOutcome::Unchanged);
        }
        match (shared.seal(&draft), cause) {
            // The bytes are on the disk; the name must be, too.
            (Err(SealError::Unsupported(_) | SealError::TooLarge { .. }), SealCause::Sync) => {
                shared.store.make_durable()?;
                Ok(SealOutcome::Unchanged)
            }
            (Err(error), SealCause::Close | SealCause::Release) if error.is_rejection() => {
                draft.set_rejected(rejection_of(&error));
                Err(error)
            }
            (outcome, _) => outcome,
        }
    }

    /// A writer has gone. With the last one the upload may begin.
    pub fn release(&self, writer: &Writer) {
        let shared = &self.shared;
        let Some(file) = writer.file() else { return };
        let draft = shared.drafts.lock(file);
        if !writer.take(&draft) {
            return;
        }
        // The worker looks at this once the draft is settled.
        shared.just_closed.closed(file, shared.config.upload_delay, Instant::now());
        // Pages written through a mapping may come after the last flush, and a rejection is final
        // only now: an earlier flush may have been that of a copied descriptor in the middle of
        // writing.
        if let Err(err) = shared.settle(&draft) {
            shared.note_failure(file, &err);
        }
        shared.wake.notify_one();
    }

    /// Whether a temporary file may get this name: it would be uploaded from then on.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn check_name(&self, file: FileId, dir: DirId, name: &EntryName) -> Result<(), SealError> {
        let shared = &self.shared;
        if shared.store.upload_state(file)? != Some(UploadState::Temporary)
            || self.stays_here(dir, name)?
        {
            return Ok(());
        }
        shared.check_complete(file)?;
        let stat = shared.spool.stat(file)?;
        if stat.size > 0 {
            classify(&stat, name)?;
        }
        Ok(())
    }

    /// The file has got another name: a real one makes an upload of a temporary file, and the
    /// reverse.
    ///
    /// # Errors
    /// See [`SealError`]; then the name has moved to the failed ones.
    pub fn renamed(&self, file: FileId) -> Result<(), SealError> {
        let shared = &self.shared;
        let draft = shared.drafts.lock(file);
        let outcome = match shared.store.upload_state(file)? {
            Some(UploadState::Temporary) => shared.seal_named(&draft),
            Some(UploadState::Sealed | UploadState::Uploaded) => {
                let local = matches!(shared.names(file)?, Names::Local(_));
                // An upload that was asked for may be an item already, whatever it is called now.
                if local && shared.store.reopen(file)? == Reopened::Open {
                    draft.set_writing();
                    shared.seal_named(&draft).inspect_err(|_| draft.set_unsettled(true))
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        };
        self.wake();
        outcome
    }
}

fn rejection_of(error: &SealError) -> Rejection {
    match error {
        SealError::TooLarge { .. } => Rejection::TooLarge,
        _ => Rejection::Other,
    }
}

impl Shared {
    fn is_open(&self, draft: &LockedDraft) -> store::Result<bool> {
        Ok(self.store.upload_state(draft.file())? == Some(UploadState::Open))
    }

    /// Whether a write has failed since the version was sealed, so that it is not what its writer
    /// meant.
    fn lacks_later_write(&self, draft: &LockedDraft) -> store::Result<bool> {
        Ok(draft.write_error().is_some()
            && matches!(
                self.store.upload_state(draft.file())?,
                Some(UploadState::Sealed | UploadState::Temporary)
            ))
    }

    pub(super) fn seal(&self, draft: &LockedDraft) -> Result<SealOutcome, SealError> {
        let outcome = match self.store.upload_state(draft.file())? {
            Some(UploadState::Failed) => {
                return Err(SealError::Unsupported("it was refused before".into()));
            }
            Some(UploadState::Uploaded | UploadState::Creating | UploadState::Confirming) => {
                SealOutcome::Queued
            }
            None | Some(UploadState::Unseen) => SealOutcome::Arrived,
            Some(state) => self.seal_bytes(draft, state)?,
        };
        draft.set_sealed();
        Ok(outcome)
    }

    /// Brings bytes and row to the disk. `state` is the row's.
    fn seal_bytes(
        &self,
        draft: &LockedDraft,
        state: UploadState,
    ) -> Result<SealOutcome, SealError> {
        let file = draft.file();
        let stat = self.spool.sync(file)?;
        crash::point(crash::SEAL_AFTER_SYNC);
        let names = self.names(file)?;
        let write_error = draft.write_error();
        if let Names::Real(_) = names {
            if let Some(error) = &write_error {
                return Err(SealError::Incomplete(error.into()));
            }
            if state == UploadState::Temporary {
                self.check_complete(file)?;
            }
        }
        let fate = match names {
            Names::Real(name) => fate(&stat, &name)?,
            Names::Local(reason) => Fate::StaysHere(reason),
        };
        let is_upload = matches!(fate, Fate::Upload(_));
        let unchanged = state == UploadState::Sealed
            && is_upload
            && self.store.file(file)?.is_some_and(|known| known.size == Some(stat.size));
        if !unchanged {
            // A later name may be a real one, and the draft may be gone by then.
            let before = match state {
                UploadState::Open => None,
                _ => self.store.write_error(file)?,
            };
            let write_error = match write_error {
                Some(error) => Some(error.after(before)),
                None => before,
            };
            let cut_off = match fate {
                Fate::Upload(mime) => is_cut_off(&stat.bytes, Some(mime)),
                Fate::StaysHere(_) => false,
            };
            self.store.seal(file, &SealedFacts { write_error, cut_off, ..stat.facts(fate) })?;
            crash::point(crash::SEAL_AFTER_JOURNAL);
            if let Fate::StaysHere(reason) = fate
                && reason.is_kept()
            {
                self.spool.room().add_kept(stat.size);
            }
            draft.supersede();
        }
        Ok(if is_upload { SealOutcome::Queued } else { SealOutcome::Temporary })
    }

    pub(super) fn names(&self, file: FileId) -> store::Result<Names> {
        Names::of(&self.store, &self.config.names, file)
    }

    /// An error if a write of a file that stayed here has failed.
    fn check_complete(&self, file: FileId) -> Result<(), SealError> {
        match self.store.write_error(file)? {
            Some(error) => Err(SealError::Incomplete((&error).into())),
            None => Ok(()),
        }
    }

    /// A closed file has got other names: it is sealed, or rejected, under these.
    pub(super) fn seal_named(&self, draft: &LockedDraft) -> Result<(), SealError> {
        let outcome = self.seal(draft);
        if let Err(err) = &outcome
            && err.is_rejection()
        {
            self.reject(draft, rejection_of(err), &err.to_string())?;
        }
        outcome.map(|_| ())
    }

    /// The last writer has gone: a nameless file is removed, an unsealed one sealed or rejected. If
    /// that fails, the worker tries again.
    fn settle(&self, draft: &LockedDraft) -> Result<(), SealError> {
        draft.set_unsettled(true);
        // Before its bytes are synced: a file without a name goes even if the disk fails.
        if self.remove_if_orphan(draft)? {
            return Ok(());
        }
        let set_aside = match draft.abandoned() {
            Some(death) => self.set_aside_abandoned(draft, death)?,
            None => false,
        };
        if !set_aside && (self.is_open(draft)? || self.lacks_later_write(draft)?) {
            match self.seal(draft) {
                Ok(_) => {}
                Err(err) if err.is_rejection() => {
                    // Only sealing keeps the size, and it has not come to that.
                    self.store.set_size(draft.file(), self.spool.stat(draft.file())?.size)?;
                    self.reject(draft, rejection_of(&err), &err.to_string())?;
                }
                Err(err) => return Err(err),
            }
        }
        draft.set_settled();
        self.remove_if_orphan(draft)?;
        Ok(())
    }

    /// Sets a version aside whose writer was killed before it closed it. If it is not known whether it
    /// was, the bytes decide. Returns `false` if the version is settled as any other: also if its name
    /// keeps it here, if it is new and empty, or if a write has failed.
    fn set_aside_abandoned(&self, draft: &LockedDraft, death: Death) -> Result<bool, SealError> {
        let file = draft.file();
        if draft.write_error().is_some()
            || !self.is_open(draft)?
            || !matches!(self.names(file)?, Names::Real(_))
            || death == Death::Possible && !is_cut_off(self.spool.read(file)?, None)
        {
            return Ok(false);
        }
        Ok(self.set_aside_unfinished(draft, self.spool.stat(file)?.size, KILLED)?)
    }

    /// Settles files whose last writers have gone without it, as far as that can be done now.
    /// Blocking.
    pub(super) fn settle_left_over(&self) {
        for file in self.drafts.unsettled() {
            let draft = self.drafts.lock(file);
            if draft.has_writers() || !draft.is_unsettled() {
                continue;
            }
            if let Err(err) = self.settle(&draft) {
                // The log has had a line about it, when the file was closed.
                tracing::debug!("file {} is still not settled: {}", file.0, chain(&err));
            }
        }
    }

    /// Removes a file that nobody names any more and that Google never had: row and bytes. This is
    /// the only place that does so. A file that is open goes with its last close. Returns whether
    /// it was removed.
    pub(super) fn remove_if_orphan(&self, draft: &LockedDraft) -> store::Result<bool> {
        if draft.is_open() || !self.store.forget_file(draft.file())? {
            return Ok(false);
        }
        draft.set_unsettled(false);
        self.spool.discard(draft.file());
        // A version that it was to replace leaves its albums now.
        self.mark_dirty();
        self.moved_on();
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
