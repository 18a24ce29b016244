//! Confirms items: new ones, before their bytes are released, and old ones, before a file with the
//! same bytes becomes a name of them.

use std::sync::Arc;

use tokio::time::Instant;

use super::context::{ConfirmAnswer, Worker};
use crate::error_chain::chain;
use crate::media::{MediaId, MediaItem};
use crate::store;
use crate::upload::crash;
use crate::upload::draft::Rejection;
use crate::upload::planner::{Claim, Confirmation};
use crate::upload::shared::Shared;
use crate::upload::state::Confirming;

/// After so many attempts to confirm it, an item that Google says it made counts as lost.
const CONFIRM_ATTEMPTS_MAX: u32 = 6;

impl Worker {
    /// Asks for items.
    pub(super) fn start_confirming(&mut self, asked: Vec<Confirmation>) {
        let client = self.shared.client.clone();
        self.confirm_since = Instant::now();
        self.confirm.spawn(async move {
            let ids: Vec<MediaId> = asked.iter().map(|it| it.media.clone()).collect();
            let found = client.get_items(&ids).await;
            ConfirmAnswer { asked, found }
        });
    }

    pub(super) async fn confirm_ended(&mut self, answer: ConfirmAnswer) {
        self.mark_dirty();
        let found = match answer.found {
            Ok(found) => found,
            Err(error) => {
                // No single item is at fault if Google refuses the call: it is repeated with backoff.
                match self.read_blocked(&error, self.blockers.everything.as_ref()) {
                    Some(blocked) => self.block(blocked),
                    None => self.confirm_failed(answer.asked, &chain(&error)).await,
                }
                return;
            }
        };
        self.answered();
        let mut missing = Vec::new();
        for (Confirmation { media, claims }, found) in answer.asked.into_iter().zip(found) {
            match found {
                Err(status) => missing.push((status, claims)),
                Ok(item) => {
                    for claim in claims {
                        self.item_seen(&media, &item, claim).await;
                    }
                }
            }
        }
        for (status, claims) in missing {
            for claim in claims {
                self.item_missing(claim, &status.to_string()).await;
            }
        }
    }

    async fn confirm_failed(&mut self, asked: Vec<Confirmation>, text: &str) {
        for claim in asked.into_iter().flat_map(|it| it.claims) {
            self.item_missing(claim, text).await;
        }
    }

    async fn item_seen(&mut self, media: &MediaId, item: &MediaItem, claim: Claim) {
        match claim {
            Claim::Duplicate(duplicate) => {
                let merged = self.store(move |store| store.is_duplicate(&duplicate)).await;
                if let Some(settled) = merged {
                    self.shared.count_operations(settled.merged.len());
                    self.apply(settled).await;
                }
            }
            Claim::New(new) => {
                let confirming = Confirming(new);
                let (shared, media, item) = (self.shared.clone(), media.clone(), item.clone());
                self.store(move |_| release_bytes(&shared, confirming, &media, &item)).await;
            }
        }
    }

    async fn item_missing(&mut self, claim: Claim, text: &str) {
        let store = self.shared.store.clone();
        let confirming = match claim {
            // Google has lost the item: the duplicate's bytes are uploaded after all.
            Claim::Duplicate(duplicate) => {
                self.store(move |store| store.forget_hash(duplicate.item_of)).await;
                return;
            }
            Claim::New(new) => Confirming(new),
        };
        let (file, attempts) = (confirming.0.file, confirming.0.attempts + 1);
        let path = self.shared.path_of(file);
        let outcome = if attempts < CONFIRM_ATTEMPTS_MAX {
            let retry_at = self.retry_at(attempts);
            confirming.not_seen(&store, text.to_owned(), retry_at).await
        } else if confirming.0.foreign {
            tracing::warn!(
                %path,
                "Google had these bytes before and does not show the item; the local copy stays"
            );
            self.shared.count_operations(1);
            confirming.unseen(&store).await
        } else if confirming.0.lost == 0 {
            let text = format!("the item that Google made of it is not there ({text})");
            tracing::warn!(%path, "will be uploaded again: {text}");
            self.shared.remember(path, text.clone());
            confirming.lost(&store, text).await
        } else {
            let reason = format!("Google has made items of it twice, but shows none ({text})");
            let version = (file, confirming.0.seq);
            return self.reject(version, Rejection::Other, reason).await;
        };
        if let Err(error) = outcome {
            self.database_failed(&error);
        }
    }
}

/// Adds the bytes of a confirmed item to the cache, records that it has arrived, and removes them
/// from the spool. If the database fails, they are in the spool still, where a writer looks for
/// them. Blocking.
fn release_bytes(
    shared: &Arc<Shared>,
    confirming: Confirming,
    media: &MediaId,
    item: &MediaItem,
) -> store::Result<()> {
    let file = confirming.0.file;
    // Without the lock a writer could begin a new version of these bytes meanwhile.
    let draft = shared.drafts.lock(file);
    if !shared.store.is_unconfirmed(file, media)? {
        return Ok(());
    }
    crash::point(crash::CONFIRM_AFTER_LOOK);
    if let Some(item) = shared.store.file(file)? {
        shared.add_to_cache(file, &item);
    }
    crash::point(crash::CONFIRM_AFTER_KEEP);
    confirming.seen(&shared.store, item)?;
    shared.count_operations(1);
    crash::point(crash::CONFIRM_AFTER_JOURNAL);
    shared.spool.discard(file);
    draft.set_committed();
    Ok(())
}
