//! `batchCreate`: sends the calls, and records their answers (reference §7.6).

use tokio::time::Instant;

use super::context::{Changed, CreateAnswer, Worker};
use crate::api::{self, Advice, BATCH_MAX, FailureKind, ItemStatus, ItemVerdict};
use crate::error_chain::chain;
use crate::media::MediaItem;
use crate::store::{CreateCall, CreateItem, CreateOutcome, MergedFiles};
use crate::upload::crash;
use crate::upload::draft::Rejection;
use crate::upload::rejecting::ATTEMPTS_MAX;
use crate::upload::state::Creating;

/// A call that failed so often without a usable answer is split: one of its files may make Google
/// fail.
const UNANSWERED_MAX: u32 = 3;

impl Worker {
    /// Sends a `batchCreate`, unless its album is gone. Returns whether it did.
    pub(super) async fn start_creating(&mut self, creating: Creating) -> bool {
        let Some(album) = creating.call().album.clone() else {
            self.settle_all(creating, |_| CreateOutcome::Refused(ALBUM_GONE.to_owned())).await;
            return false;
        };
        let client = self.shared.client.clone();
        self.change_since = Instant::now();
        self.change.spawn(async move {
            crash::point(crash::CREATE_BEFORE_CALL);
            let outcome = client.create_items(Some(&album), &creating.items()).await;
            crash::point(crash::CREATE_AFTER_CALL);
            Changed::Created(CreateAnswer { creating, outcome })
        });
        true
    }

    pub(super) async fn create_ended(&mut self, answer: CreateAnswer) {
        let CreateAnswer { creating, outcome } = answer;
        match outcome {
            Ok(results) => {
                self.changed();
                tracing::debug!(call = creating.call().call, items = results.len(), "created");
                let outcomes = creating.call().items.iter().zip(results);
                let outcomes =
                    outcomes.map(|(item, result)| self.read_result(item, result)).collect();
                self.settle(creating, outcomes).await;
            }
            Err(error) if matches!(error.advice(), Advice::GiveUp) => {
                self.changed();
                self.create_refused(creating, &error).await;
            }
            Err(error) => self.create_unanswered(creating, &error).await,
        }
    }

    fn read_result(
        &self,
        item: &CreateItem,
        result: Result<MediaItem, ItemStatus>,
    ) -> CreateOutcome {
        let status = match result {
            Ok(made) => return CreateOutcome::Made(made),
            Err(status) => status,
        };
        let again = |isolate| CreateOutcome::Retry {
            isolate,
            error: Some(status.to_string()),
            retry_at: Some(self.retry_at(item.attempts + 1)),
            maybe_made: false,
        };
        match status.verdict() {
            ItemVerdict::Transient
            | ItemVerdict::StorageFull
            | ItemVerdict::LoginRefused
            | ItemVerdict::Forbidden
            | ItemVerdict::NotFound => again(false),
            ItemVerdict::Duplicate if item.attempts + 1 < ATTEMPTS_MAX => again(true),
            // Google gives broken files and some duplicates the same status. The second one is final.
            ItemVerdict::Content | ItemVerdict::Unclear if item.attempts == 0 => again(true),
            _ => CreateOutcome::Refused(status.to_string()),
        }
    }

    /// Google refuses the batch: the worker splits it until the file at fault is alone.
    async fn create_refused(&mut self, creating: Creating, error: &api::Error) {
        let kind = error.kind();
        if matches!(kind, FailureKind::AlbumMissing | FailureKind::AlbumReadOnly) {
            let gone = kind == FailureKind::AlbumMissing;
            let reason = if gone { ALBUM_GONE.to_owned() } else { chain(error) };
            self.settle_all(creating, |_| CreateOutcome::Refused(reason.clone())).await;
        } else if creating.call().items.len() > 1 {
            self.split(creating, false).await;
        } else {
            if kind == FailureKind::AlbumFull && self.reserve_slot(creating.call()).await {
                return self.wait_for_room(creating).await;
            }
            let text = chain(error);
            let token = kind == FailureKind::InvalidToken;
            if kind == FailureKind::AlbumFull {
                self.note_album_full(creating.call()).await;
            }
            self.settle_all(creating, |item| {
                if token && item.attempts + 1 < ATTEMPTS_MAX {
                    CreateOutcome::TokenLost(text.clone())
                } else {
                    CreateOutcome::Refused(text.clone())
                }
            })
            .await;
        }
    }

    /// Whether pending removals will free a slot of the album for this file.
    async fn reserve_slot(&mut self, call: &CreateCall) -> bool {
        let (dir, file) = (call.dir, call.items.first().map(|item| item.file));
        let reserved =
            self.store(move |store| file.map_or(Ok(false), |it| store.reserve_slot(dir, it)));
        reserved.await.unwrap_or(false)
    }

    /// Writers of these files are told that the album is full.
    async fn note_album_full(&mut self, call: &CreateCall) {
        let versions: Vec<_> = call.items.iter().map(|item| (item.file, item.seq)).collect();
        let shared = self.shared.clone();
        self.store(move |_| {
            let mut versions = versions.into_iter();
            versions.try_for_each(|it| shared.note_rejection(it, Rejection::AlbumFull))
        })
        .await;
    }

    /// The album is full until its pending removals are made: they come next.
    async fn wait_for_room(&mut self, creating: Creating) {
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

    /// The answer is lost: the worker repeats the call later, or splits it.
    async fn create_unanswered(&mut self, creating: Creating, error: &api::Error) {
        let Some(blocked) = self.read_blocked(error, self.blockers.changes.as_ref()) else {
            return;
        };
        let own = error.refusal().is_some_and(|refusal| refusal.status >= 500);
        self.call_failures = if own { self.call_failures + 1 } else { 0 };
        if self.call_failures >= UNANSWERED_MAX {
            self.call_failures = 0;
            if creating.call().items.len() > 1 {
                self.split(creating, true).await;
            } else {
                let text = chain(error);
                let retry_at =
                    creating.call().items.first().map(|it| self.retry_at(it.attempts + 1));
                self.settle_all(creating, |_| CreateOutcome::Retry {
                    isolate: true,
                    error: Some(text.clone()),
                    retry_at,
                    maybe_made: true,
                })
                .await;
            }
            return;
        }
        let until = blocked.until;
        self.block_changes(blocked);
        let store = self.shared.store.clone();
        if let Err(error) = creating.unanswered(&store, until).await {
            self.database_failed(&error);
        }
    }

    async fn split(&mut self, creating: Creating, maybe_made: bool) {
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

    async fn settle_all(
        &mut self,
        creating: Creating,
        outcome: impl Fn(&CreateItem) -> CreateOutcome,
    ) {
        let outcomes = creating.call().items.iter().map(outcome).collect();
        self.settle(creating, outcomes).await;
    }

    async fn settle(&mut self, creating: Creating, outcomes: Vec<CreateOutcome>) {
        let shared = self.shared.clone();
        for (item, outcome) in creating.call().items.iter().zip(&outcomes) {
            let path = || shared.path_of(item.file);
            match outcome {
                CreateOutcome::Made(_) | CreateOutcome::Retry { error: None, .. } => {}
                CreateOutcome::Retry { error: Some(text), .. } | CreateOutcome::TokenLost(text) => {
                    tracing::warn!(path = path(), "will be tried again: {text}");
                    shared.remember(path(), text.clone());
                }
                CreateOutcome::Refused(reason) => {
                    tracing::warn!(
                        path = path(),
                        reason,
                        "Google refused a file; its bytes are under .gphotos/failed"
                    );
                    shared.remember(path(), reason.clone());
                }
            }
        }
        match creating.settled(&shared.store, outcomes).await {
            Ok(settled) => {
                self.apply(settled).await;
                self.forget_orphans().await;
            }
            Err(error) => {
                self.database_failed(&error);
            }
        }
        crash::point(crash::CREATE_AFTER_SETTLE);
    }

    /// Removes files that have lost all their names during the call, if Google has not made them.
    async fn forget_orphans(&mut self) {
        let shared = self.shared.clone();
        self.store(move |store| {
            for orphan in store.orphans(BATCH_MAX)? {
                shared.remove_if_orphan(&shared.drafts.lock(orphan))?;
            }
            Ok(())
        })
        .await;
    }

    /// Adds the bytes of merged files to the cache, and removes them from the spool. The database
    /// knows of the merges: if the process dies before this, the next start does it.
    pub(super) async fn apply(&mut self, settled: MergedFiles) {
        let shared = self.shared.clone();
        self.store(move |store| {
            for (file, into) in settled.merged {
                let draft = shared.drafts.lock(file);
                if let Some(item) = store.file(into)?.filter(|item| item.upload.is_none()) {
                    shared.add_to_cache(file, &item);
                }
                shared.spool.discard(file);
                draft.set_committed();
            }
            Ok(())
        })
        .await;
    }
}

const ALBUM_GONE: &str = "the album does not exist any more at Google; was it deleted there?";
