//! Asks about arrived items that no list of their albums has shown, for a caller that waits.

use super::errors::Error;
use super::pipeline::Pipeline;
use super::rejecting::IN_BIN;
use crate::api::BATCH_MAX;
use crate::media::DirId;
use crate::store::Store;

/// How many items one call asks about. The others wait for the worker.
const ASKED_MAX: usize = 500;

impl Pipeline {
    /// Asks Google by their ids about items at or below `dir` that have arrived and that no list of
    /// their albums has shown, after these were listed. Those that it does not know any more go to
    /// the failed files, because their bytes are still here. The others stay: a list may lag.
    ///
    /// # Errors
    /// If a request or the database fails.
    pub async fn ask_for_unseen(&self, dir: DirId) -> Result<(), Error> {
        let shared = self.shared.clone();
        let read = move |store: &Store| store.unseen_claims(dir, ASKED_MAX);
        let claims = shared.store.run(read).await?;
        for batch in claims.chunks(BATCH_MAX) {
            let ids: Vec<_> = batch.iter().map(|claim| claim.media.clone()).collect();
            let found = shared.client.get_items(&ids).await?;
            let answered = batch.iter().zip(found);
            let unknown: Vec<_> = answered
                .filter(|(_, it)| matches!(it, Err(status) if status.says_unknown()))
                .map(|(claim, _)| claim.clone())
                .collect();
            let shared = shared.clone();
            let reject = move |_: &Store| {
                unknown.iter().try_for_each(|claim| shared.reject_unseen(claim, IN_BIN))
            };
            self.shared.store.run(reject).await?;
        }
        // The lists may have shown others: the worker releases their bytes.
        self.wake();
        Ok(())
    }
}
