//! Rejects versions: for good, or after too many failures of their own.

use std::time::SystemTime;

use super::draft::Rejection;
use super::drafts::LockedDraft;
use super::shared::Shared;
use crate::media::FileId;
use crate::store;

/// A file that has failed so often through its own fault is rejected.
pub(super) const ATTEMPTS_MAX: u32 = 5;

impl Shared {
    /// Rejects a file for good: its names move to the failed files.
    pub(super) fn reject(
        &self,
        draft: &LockedDraft,
        rejection: Rejection,
        reason: &str,
    ) -> store::Result<()> {
        let path = self.path_of(draft.file());
        self.store.fail(draft.file(), reason)?;
        draft.set_rejected(rejection);
        tracing::warn!(%path, reason, "a file was refused; its bytes are under .gphotos/failed");
        self.remember(path, reason.to_owned());
        // The names may stand for an older version now, in albums that it was not in.
        self.mark_dirty();
        self.moved_on();
        Ok(())
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

    /// Counts a failure that is the file's own, and logs it; one too many rejects the version,
    /// unless it is `forgivable`. Blocking.
    pub(super) fn attempt_failed(
        &self,
        (file, seq, attempts): (FileId, i64, u32),
        text: &str,
        forgivable: bool,
        retry_at: SystemTime,
    ) -> store::Result<()> {
        let attempts = attempts + 1;
        if !forgivable && attempts >= ATTEMPTS_MAX {
            return self.reject_version((file, seq), Rejection::Other, text);
        }
        let path = self.path_of(file);
        tracing::warn!(%path, attempts, "will be tried again: {text}");
        self.remember(path, text.to_owned());
        self.store.attempt_failed(file, seq, text, retry_at)
    }
}
