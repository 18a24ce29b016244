//! `batchCreate`: sends the calls, and records their answers (reference §7.6).

use tokio::time::Instant;

use super::context::{Changed, CreateAnswer, Worker};
use crate::api::Advice;
use crate::crash;
use crate::store::{CreateCall, CreateItem, CreateOutcome, FileFailure};
use crate::upload::draft::Rejection;
use crate::upload::state::Creating;

impl Worker {
    /// Sends a `batchCreate`, unless its album is gone. Returns whether it did.
    pub(super) async fn start_creating(&mut self, creating: Creating) -> bool {
        let Some(album) = creating.call().album.clone() else {
            self.settle_all(creating, |_| CreateOutcome::Refused(ALBUM_GONE.to_owned())).await;
            return false;
        };
        let client = self.shared.client.clone();
        let gone = self.album_gone(creating.call().dir, album.clone());
        self.change_since = Instant::now();
        self.created_at = Some(self.change_since);
        self.change.spawn(async move {
            crash::point(crash::CREATE_BEFORE_CALL);
            let outcome = client.create_items(Some(&album), &creating.items()).await;
            crash::point(crash::CREATE_AFTER_CALL);
            let album_gone = gone.judge(&outcome).await;
            Changed::Created(CreateAnswer { creating, album_gone, outcome })
        });
        true
    }

    pub(super) async fn create_ended(&mut self, answer: CreateAnswer) {
        let CreateAnswer { creating, album_gone, outcome } = answer;
        match outcome {
            Ok(results) => {
                tracing::debug!(call = creating.call().call, items = results.len(), "created");
                self.album_waits.ended(creating.call().dir);
                self.create_answered(creating, results).await;
            }
            Err(error) if matches!(error.advice(), Advice::GiveUp) => {
                self.create_refused(creating, album_gone, &error).await;
            }
            Err(error) => self.create_unanswered(creating, &error).await,
        }
    }

    /// Whether pending removals will free a slot of the album for this file.
    pub(super) async fn reserve_slot(&mut self, call: &CreateCall) -> bool {
        let (dir, file) = (call.dir, call.items.first().map(|item| item.file));
        let reserved =
            self.store(move |store| file.map_or(Ok(false), |it| store.reserve_slot(dir, it)));
        reserved.await.unwrap_or(false)
    }

    /// Rejects these versions, so that their writers learn that the album is full.
    pub(super) async fn note_album_full(&mut self, call: &CreateCall) {
        let versions: Vec<_> = call.items.iter().map(|item| (item.file, item.seq)).collect();
        let shared = self.shared.clone();
        self.store(move |_| {
            let mut versions = versions.into_iter();
            versions.try_for_each(|it| shared.note_rejection(it, Rejection::AlbumFull))
        })
        .await;
    }

    /// The album is full until its pending removals are made: they come next.
    pub(super) async fn wait_for_room(&mut self, creating: Creating) {
        let retry_at = Some(self.retry_at(1));
        self.settle_all(creating, |_| CreateOutcome::Retry {
            isolate: false,
            error: None,
            retry_at,
            maybe_made: false,
        })
        .await;
        self.mark_dirty();
    }

    pub(super) async fn split(&mut self, creating: Creating, maybe_made: bool) {
        let halves = creating.halves();
        self.settle_all(creating, |_| CreateOutcome::Retry {
            isolate: false,
            error: None,
            retry_at: None,
            maybe_made,
        })
        .await;
        for half in halves.into_iter().rev() {
            self.create_parts.push_front(half);
        }
    }

    pub(super) async fn settle_all(
        &mut self,
        creating: Creating,
        outcome: impl Fn(&CreateItem) -> CreateOutcome,
    ) {
        let outcomes = creating.call().items.iter().map(outcome).collect();
        self.settle(creating, outcomes).await;
    }

    pub(super) async fn settle(&mut self, creating: Creating, outcomes: Vec<CreateOutcome>) {
        let shared = self.shared.clone();
        let made = outcomes.iter().filter(|it| matches!(it, CreateOutcome::Made(_))).count();
        *self.made.entry(creating.call().dir).or_default() += made as u64;
        for (item, outcome) in creating.call().items.iter().zip(&outcomes) {
            let (text, is_refused) = match outcome {
                CreateOutcome::Made(_) | CreateOutcome::Retry { error: None, .. } => continue,
                CreateOutcome::Retry { error: Some(FileFailure { text, .. }), .. }
                | CreateOutcome::TokenLost { error: FileFailure { text, .. }, .. } => (text, false),
                CreateOutcome::Refused(reason) => (reason, true),
            };
            let Some(path) = shared.named_path(item.file) else {
                tracing::debug!(file = item.file.0, "a removed file was not made an item: {text}");
                continue;
            };
            if is_refused {
                let reason = text;
                tracing::warn!(
                    %path,
                    reason,
                    "Google refused a file; its bytes are under .gphotos/failed"
                );
            } else {
                tracing::warn!(%path, "will be tried again: {text}");
            }
            shared.remember(path, text.clone());
        }
        if let Err(error) = creating.settled(&shared.store, outcomes).await {
            self.database_failed(&error);
        }
        crash::point(crash::CREATE_AFTER_SETTLE);
    }
}

pub(super) const ALBUM_GONE: &str =
    "the album does not exist any more at Google; was it deleted there?";
