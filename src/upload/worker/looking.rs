//! Looking whether items are there: new ones, before their bytes are let go, and old ones, before a
//! file with the same bytes becomes a name of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::{Earliest, Worker};
use crate::api::{self, BATCH_MAX, ItemStatus};
use crate::media::{MediaId, MediaItem};
use crate::store::{self, Duplicate};
use crate::upload::crash;
use crate::upload::draft::Rejection;
use crate::upload::shared::{Shared, chain};
use crate::upload::state::Confirming;

/// How often an item that Google says it made is looked for before it counts as lost.
const LOOKS_MAX: u32 = 6;
/// Looking waits for company at most this many lingers.
const LOOK_LINGERS: u32 = 10;

/// Who wants to know.
#[derive(Clone)]
enum Asker {
    New(Confirming),
    Same(Duplicate),
}

/// What was looked for, and what was found.
pub(super) struct Answer {
    asked: Vec<(MediaId, Vec<Asker>)>,
    found: Result<Vec<Result<MediaItem, ItemStatus>>, api::Error>,
}

impl Worker {
    /// Looks for items, if it is worth a request by now.
    pub(super) async fn start_look(
        &mut self,
        now: SystemTime,
        next: &mut Earliest,
    ) -> store::Result<()> {
        let twins = self.twins_stirred;
        let (new, same) = self
            .shared
            .store
            .run(move |store| {
                let same = if twins { store.duplicates(BATCH_MAX)? } else { Vec::new() };
                Ok((store.unconfirmed(now, BATCH_MAX)?, same))
            })
            .await?;
        self.twins_stirred = !same.is_empty();
        let new = new.into_iter().map(|it| (it.media.clone(), Asker::New(Confirming(it))));
        let same = same.into_iter().map(|it| (it.media.clone(), Asker::Same(it)));
        // One item may be asked for twice, but not in one request.
        let mut asked: Vec<(MediaId, Vec<Asker>)> = Vec::new();
        let mut places = HashMap::new();
        for (media, asker) in new.chain(same) {
            let place = *places.entry(media.clone()).or_insert(asked.len());
            match asked.get_mut(place) {
                Some((_, askers)) => askers.push(asker),
                None => asked.push((media, vec![asker])),
            }
        }
        asked.truncate(BATCH_MAX);
        if asked.is_empty() {
            self.look_waits_since = None;
            return Ok(());
        }
        let since = *self.look_waits_since.get_or_insert_with(Instant::now);
        let patience = self.shared.config.linger * LOOK_LINGERS;
        // While more is being created, company comes by itself.
        let idle = self.in_flight.is_empty() && self.change.is_empty();
        let due = asked.len() == BATCH_MAX
            || since.elapsed() >= patience
            || (idle && (self.is_impatient() || since.elapsed() >= self.shared.config.linger));
        if !due {
            let wait = if idle { self.shared.config.linger } else { patience };
            next.consider(now + wait.saturating_sub(since.elapsed()));
            return Ok(());
        }
        self.look_waits_since = None;
        let client = self.shared.client.clone();
        self.look.spawn(async move {
            let ids: Vec<MediaId> = asked.iter().map(|(media, _)| media.clone()).collect();
            let found = client.get_items(&ids).await;
            Answer { asked, found }
        });
        Ok(())
    }

    pub(super) async fn look_ended(&mut self, answer: Answer) {
        self.stir();
        let found = match answer.found {
            Ok(found) => found,
            Err(error) => {
                // A refusal of the call is nobody's fault in particular; it is repeated with growing waits.
                match self.read_trouble(&error, self.trouble.as_ref()) {
                    Some(trouble) => self.set_trouble(trouble),
                    None => self.looks_failed(answer.asked, &chain(&error)).await,
                }
                return;
            }
        };
        self.reached();
        let mut missing = Vec::new();
        for ((media, askers), found) in answer.asked.into_iter().zip(found) {
            match found {
                Err(status) => missing.push((status, askers)),
                Ok(item) => {
                    for asker in askers {
                        self.item_seen(&media, &item, asker).await;
                    }
                }
            }
        }
        for (status, askers) in missing {
            for asker in askers {
                self.item_missing(asker, &status.to_string()).await;
            }
        }
    }

    async fn looks_failed(&mut self, asked: Vec<(MediaId, Vec<Asker>)>, text: &str) {
        for asker in asked.into_iter().flat_map(|(_, askers)| askers) {
            self.item_missing(asker, text).await;
        }
    }

    async fn item_seen(&mut self, media: &MediaId, item: &MediaItem, asker: Asker) {
        match asker {
            Asker::Same(duplicate) => {
                let merged = self.store(move |store| store.is_duplicate(&duplicate)).await;
                if let Some(settled) = merged {
                    self.shared.count_gone(settled.merged.len());
                    self.apply(settled).await;
                }
            }
            Asker::New(confirming) => {
                let (shared, media, item) = (self.shared.clone(), media.clone(), item.clone());
                self.store(move |_| let_go(&shared, confirming, &media, &item)).await;
            }
        }
    }

    async fn item_missing(&mut self, asker: Asker, text: &str) {
        let store = self.shared.store.clone();
        let confirming = match asker {
            // Bytes that Google does not have any more are uploaded again.
            Asker::Same(duplicate) => {
                self.store(move |store| store.forget_hash(duplicate.item_of)).await;
                return;
            }
            Asker::New(confirming) => confirming,
        };
        let (file, looks) = (confirming.0.file, confirming.0.attempts + 1);
        let path = self.shared.path_of(file);
        let outcome = if looks < LOOKS_MAX {
            let retry_at = self.retry_at(looks);
            confirming.not_seen(&store, text.to_owned(), retry_at).await
        } else if confirming.0.foreign {
            tracing::warn!(
                %path,
                "Google had these bytes before and does not show us the item; the local copy is kept"
            );
            self.shared.count_gone(1);
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

/// Gives the bytes of an item that has been seen to the readers. Blocking.
fn let_go(
    shared: &Arc<Shared>,
    confirming: Confirming,
    media: &MediaId,
    item: &MediaItem,
) -> store::Result<()> {
    let file = confirming.0.file;
    // Without the lock a writer might make a new version of just these bytes.
    let draft = shared.drafts.lock(file);
    if !shared.store.is_unconfirmed(file, media)? {
        return Ok(());
    }
    crash::point(crash::CONFIRM_AFTER_LOOK);
    if let Some(item) = shared.store.file(file)? {
        shared.move_to_cache(file, &item);
    }
    crash::point(crash::CONFIRM_AFTER_KEEP);
    confirming.seen(&shared.store, item)?;
    shared.count_gone(1);
    crash::point(crash::CONFIRM_AFTER_JOURNAL);
    shared.spool.discard(file);
    draft.set_committed();
    Ok(())
}
