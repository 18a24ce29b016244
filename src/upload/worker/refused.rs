//! Creations that failed: which file is at fault, and what follows (reference §7.6).

use std::io::BufReader;
use std::time::SystemTime;

use super::context::Worker;
use super::creating::ALBUM_GONE;
use crate::api::{self, FailureKind, ItemStatus, ItemVerdict, Scope};
use crate::error_chain::chain;
use crate::media::{FileId, MediaItem};
use crate::store::{CreateCall, CreateItem, CreateOutcome, FileFailure};
use crate::upload::blocked::BlockedReason;
use crate::upload::evidence::{Symptom, Trial, Verdict};
use crate::upload::jpeg;
use crate::upload::state::Creating;

/// A call that failed so often without a usable answer is split: one of its files may make Google
/// fail.
const UNANSWERED_MAX: u32 = 3;
/// A file that has failed so often beside others that were made gets a call of its own.
const NEIGHBOURS_FAILURES_MAX: u32 = 3;

/// A call in which items failed.
struct Circumstances {
    /// It had one item.
    alone: bool,
    some_made: bool,
    /// No other file is on its way.
    only: bool,
    /// The bytes of its one item show that the picture is broken.
    broken: bool,
}

impl Circumstances {
    fn trial(&self, item: &CreateItem) -> Trial {
        let Self { only, broken, .. } = *self;
        let alone = self.alone && item.isolate;
        Trial { alone, only, broken, past: item.past, now: SystemTime::now() }
    }
}

impl Worker {
    pub(super) async fn create_answered(
        &mut self,
        creating: Creating,
        results: Vec<Result<MediaItem, ItemStatus>>,
    ) {
        let some_made = results.iter().any(Result::is_ok);
        let only = !some_made && self.is_only_upload(creating.call()).await;
        let alone = creating.call().items.len() == 1;
        let broken = match (&creating.call().items[..], &results[..]) {
            ([item], [Err(status)]) if status.verdict() == ItemVerdict::Content => {
                self.is_broken(item.file).await
            }
            _ => false,
        };
        let circumstances = Circumstances { alone, some_made, only, broken };
        let mut outage = None;
        let mut made = Vec::new();
        let mut outcomes = Vec::with_capacity(results.len());
        for (item, result) in creating.call().items.iter().zip(results) {
            outcomes.push(match result {
                Ok(media) => {
                    made.push(item.file);
                    CreateOutcome::Made(media)
                }
                Err(status) => self.read_status(item, &status, &circumstances, &mut outage),
            });
        }
        for file in made {
            self.creations_evidence.succeeded(file);
        }
        if some_made || outage.is_none() {
            self.changed();
        }
        if let Some((reason, text)) = outage {
            self.block_creations(reason, text, &mut outcomes);
        }
        self.settle(creating, outcomes).await;
    }

    /// What follows from the refusal of one item. An outage that it shows goes into `outage`.
    fn read_status(
        &mut self,
        item: &CreateItem,
        status: &ItemStatus,
        circumstances: &Circumstances,
        outage: &mut Option<(BlockedReason, String)>,
    ) -> CreateOutcome {
        let text = status.to_string();
        let waits =
            CreateOutcome::Retry { isolate: false, error: None, retry_at: None, maybe_made: false };
        let verdict = status.verdict();
        // Refusals for which no file is to blame, if all have them.
        let of_all = match verdict {
            ItemVerdict::StorageFull => Some((BlockedReason::StorageFull, text.clone())),
            ItemVerdict::LoginRefused => Some((BlockedReason::Login, text.clone())),
            ItemVerdict::Forbidden => {
                let text = format!("{text}: {}", Scope::AppendOnly.is_missing());
                Some((BlockedReason::Login, text))
            }
            _ => None,
        };
        let symptom = match verdict {
            ItemVerdict::Duplicate if !item.isolate => {
                return CreateOutcome::Retry {
                    isolate: true,
                    error: Some(FileFailure { text, own: false }),
                    retry_at: Some(self.retry_at(item.past.attempts + 1)),
                    maybe_made: false,
                };
            }
            ItemVerdict::Transient => Symptom::Failing,
            ItemVerdict::Content => Symptom::Content,
            ItemVerdict::Duplicate
            | ItemVerdict::StorageFull
            | ItemVerdict::LoginRefused
            | ItemVerdict::Forbidden
            | ItemVerdict::NotFound
            | ItemVerdict::Unclear => Symptom::Unclear,
        };
        let beside = circumstances.some_made;
        let compared = self.creations_evidence.failed(item.file, symptom, beside);
        if let Some(of_all) = of_all
            && !compared.is_of_one_file(item.past)
        {
            outage.get_or_insert(of_all);
            return waits;
        }
        let trial = circumstances.trial(item);
        match compared.verdict(&trial) {
            Verdict::Outage if outage.is_none() => {
                *outage = Some((BlockedReason::ServerError, text.clone()));
                self.creation_failed(item, Verdict::Outage, symptom, text)
            }
            Verdict::Outage => waits,
            verdict => self.creation_failed(item, verdict, symptom, text),
        }
    }

    /// What follows for a file whose creation has failed.
    fn creation_failed(
        &self,
        item: &CreateItem,
        verdict: Verdict,
        symptom: Symptom,
        text: String,
    ) -> CreateOutcome {
        // Alone, a file that makes Google fail cannot be confused with its neighbours.
        let isolate = symptom != Symptom::Failing || item.past.own >= NEIGHBOURS_FAILURES_MAX;
        let (own, retry_at) = match verdict {
            Verdict::Refused | Verdict::GivenUp => return CreateOutcome::Refused(text),
            Verdict::Own => (true, self.own_retry_at(item.past.own + 1)),
            Verdict::Unknown => (false, self.retry_at(item.past.attempts + 1)),
            Verdict::Outage => {
                // Only a refusal that names the content counts while all fail alike.
                let counts = symptom == Symptom::Content;
                let error = counts.then_some(FileFailure { text, own: false });
                return CreateOutcome::Retry { isolate, error, retry_at: None, maybe_made: false };
            }
        };
        CreateOutcome::Retry {
            isolate,
            error: Some(FileFailure { text, own }),
            retry_at: Some(retry_at),
            maybe_made: false,
        }
    }

    /// Blocks creations. Those that have failed leave the next attempt to others.
    fn block_creations(
        &mut self,
        reason: BlockedReason,
        text: String,
        outcomes: &mut [CreateOutcome],
    ) {
        let before = match reason {
            BlockedReason::Login => &self.blockers.everything,
            _ => &self.blockers.changes,
        };
        let blocked = self.outage(reason, text, before.as_ref());
        let until = blocked.until;
        self.block_changes(blocked);
        let later = until + self.backoff().limit(2);
        for outcome in outcomes {
            if let CreateOutcome::Retry { retry_at, .. } = outcome {
                *retry_at = Some(retry_at.map_or(later, |at| at.max(later)));
            }
        }
    }

    /// Whether a file's bytes show that the picture is broken. A file that cannot be read shows
    /// nothing.
    async fn is_broken(&self, file: FileId) -> bool {
        let shared = self.shared.clone();
        let read = tokio::task::spawn_blocking(move || {
            shared.spool.read(file).and_then(|bytes| jpeg::is_broken(BufReader::new(bytes)))
        });
        matches!(read.await, Ok(Ok(true)))
    }

    async fn is_only_upload(&mut self, call: &CreateCall) -> bool {
        let [item] = &call.items[..] else { return false };
        let file = item.file;
        self.store(move |store| store.is_only_upload(file)).await.unwrap_or(false)
    }

    /// Google refuses the batch: the worker splits it until the file at fault is alone.
    pub(super) async fn create_refused(
        &mut self,
        creating: Creating,
        album_gone: bool,
        error: &api::Error,
    ) {
        let kind = error.kind();
        if kind == FailureKind::AlbumMissing && !album_gone {
            return self.created_in_doubt(creating, &chain(error)).await;
        }
        self.album_waits.ended(creating.call().dir);
        if matches!(kind, FailureKind::AlbumMissing | FailureKind::AlbumReadOnly) {
            self.changed();
            let gone = kind == FailureKind::AlbumMissing;
            let reason = if gone { ALBUM_GONE.to_owned() } else { chain(error) };
            return self.settle_all(creating, |_| CreateOutcome::Refused(reason.clone())).await;
        }
        if creating.call().items.len() > 1 {
            // Other tokens may be good.
            if self.creations_evidence.is_outage() && kind != FailureKind::InvalidToken {
                return self.creations_fail_alike(creating, chain(error)).await;
            }
            return self.split(creating, false).await;
        }
        if kind == FailureKind::InvalidToken && is_first_failure(creating.call()) {
            // A token may be too old.
            self.changed();
            let error = FileFailure { text: chain(error), own: false };
            let outcome = CreateOutcome::TokenLost { error, retry_at: None };
            return self.settle_all(creating, |_| outcome.clone()).await;
        }
        if kind == FailureKind::AlbumFull {
            self.changed();
            if self.reserve_slot(creating.call()).await {
                return self.wait_for_room(creating).await;
            }
            self.note_album_full(creating.call()).await;
            let text = chain(error);
            return self.settle_all(creating, |_| CreateOutcome::Refused(text.clone())).await;
        }
        let only = self.is_only_upload(creating.call()).await;
        let circumstances = Circumstances { alone: true, some_made: false, only, broken: false };
        let symptom = Symptom::of(kind);
        let mut outcomes = Vec::new();
        let mut is_outage = false;
        for item in &creating.call().items {
            let compared = self.creations_evidence.failed(item.file, symptom, false);
            let verdict = compared.verdict(&circumstances.trial(item));
            is_outage |= verdict == Verdict::Outage;
            let outcome = self.creation_failed(item, verdict, symptom, chain(error));
            outcomes.push(match outcome {
                CreateOutcome::Retry { retry_at, error: failure, .. }
                    if kind == FailureKind::InvalidToken =>
                {
                    let (text, own) = (chain(error), failure.is_some_and(|it| it.own));
                    CreateOutcome::TokenLost { error: FileFailure { text, own }, retry_at }
                }
                outcome => outcome,
            });
        }
        if is_outage {
            self.block_creations(BlockedReason::ServerError, chain(error), &mut outcomes);
        } else {
            self.changed();
        }
        self.settle(creating, outcomes).await;
    }

    /// All files fail alike: to split the batch would find nothing.
    async fn creations_fail_alike(&mut self, creating: Creating, text: String) {
        // The first one is the next probe: what spoils the batch may be another one.
        let waits = |at| CreateOutcome::Retry {
            isolate: at == 0,
            error: None,
            retry_at: None,
            maybe_made: false,
        };
        let outcomes = (0..creating.call().items.len()).map(waits).collect();
        let blocked = self.outage(BlockedReason::ServerError, text, self.blockers.changes.as_ref());
        self.block_changes(blocked);
        self.settle(creating, outcomes).await;
    }

    /// The answer is lost: the worker repeats the call later, or splits it.
    pub(super) async fn create_unanswered(&mut self, creating: Creating, error: &api::Error) {
        let Some(blocked) = self.read_blocked(error, self.blockers.changes.as_ref()) else {
            return;
        };
        let kind = error.kind();
        // One of the files may make Google fail.
        let may_be_a_file = blocked.reason == BlockedReason::ServerError
            && !matches!(kind, FailureKind::Aborted | FailureKind::LoginBusy);
        self.call_failures = if may_be_a_file { self.call_failures + 1 } else { 0 };
        let is_repeated = self.call_failures >= UNANSWERED_MAX;
        if is_repeated {
            self.call_failures = 0;
        }
        if let ([item], true) = (&creating.call().items[..], may_be_a_file) {
            let symptom = Symptom::of(kind);
            let compared = self.creations_evidence.failed(item.file, symptom, false);
            let (alone, only) = (item.isolate, false);
            let circumstances = Circumstances { alone, some_made: false, only, broken: false };
            let verdict = compared.verdict(&circumstances.trial(item));
            if is_repeated || !matches!(verdict, Verdict::Unknown | Verdict::Outage) {
                // Otherwise the call stays the first to be repeated, and keeps off the other files.
                let outcome = self.unanswered_alone(item, verdict, chain(error));
                return self.settle(creating, vec![outcome]).await;
            }
        } else if is_repeated {
            return self.split(creating, true).await;
        }
        let until = blocked.until;
        self.block_changes(blocked);
        let store = self.shared.store.clone();
        if let Err(error) = creating.unanswered(&store, until).await {
            self.database_failed(&error);
        }
    }

    /// What follows for a file after a call for it alone that Google has not answered.
    fn unanswered_alone(&self, item: &CreateItem, verdict: Verdict, text: String) -> CreateOutcome {
        let (own, retry_at) = match verdict {
            Verdict::Refused | Verdict::GivenUp => return CreateOutcome::Refused(text),
            Verdict::Own => (true, self.own_retry_at(item.past.own + 1)),
            Verdict::Unknown | Verdict::Outage => (false, self.retry_at(item.past.attempts + 1)),
        };
        CreateOutcome::Retry {
            isolate: true,
            error: Some(FileFailure { text, own }),
            retry_at: Some(retry_at),
            maybe_made: true,
        }
    }
}

fn is_first_failure(call: &CreateCall) -> bool {
    call.items.iter().all(|item| item.past.attempts == 0)
}
