//! Uploads of bytes: starts them, and records what came of each.

use std::sync::atomic::Ordering;
use std::time::{Instant as StdInstant, SystemTime};

use tokio::task::JoinError;
use tokio::time::Instant;

use super::context::{Transfer, Worker};
use crate::api::{self, FailureKind};
use crate::error_chain::chain;
use crate::media::FileId;
use crate::store::{self, Startable};
use crate::upload::blocked::BlockedReason;
use crate::upload::draft::Rejection;
use crate::upload::evidence::{Symptom, Trial, Verdict};
use crate::upload::outcome::Outcome;
use crate::upload::planner::is_large;
use crate::upload::preparing;
use crate::upload::state::Sealed;
use crate::upload::transfer;

/// After so many failures in a row, none of which is a file's own, the worker takes it for an outage.
const SERVER_ERRORS_MAX: u32 = 3;

/// The server notices within seconds that a connection has broken. So much of the longest wait.
const BUSY_PART: u32 = 12;

impl Worker {
    /// Returns whether all were started. If not, another may have to be chosen: during an outage
    /// only one is started at a time, to find out whether Google answers.
    pub(super) fn start_uploads(&mut self, files: Vec<Startable>) -> bool {
        if self.uploads.is_empty() && !files.is_empty() {
            let sent = self.shared.sent();
            self.shared.rate.lock().begin(StdInstant::now(), sent);
        }
        let mut started_all = true;
        for file in files {
            // A writer may have come meanwhile.
            let Some(upload) = self.shared.drafts.begin_upload(file.file) else {
                started_all = false;
                continue;
            };
            let id = file.file;
            let transfer = Transfer {
                seq: file.seq,
                size: file.sent_size(),
                past: file.past,
                large: is_large(file.sent_size()),
                since: Instant::now(),
                begun: upload.begun.clone(),
                cancel: upload.cancel.clone(),
                preparing: false,
                film: None,
            };
            self.uploads.insert(id, transfer);
            let work = transfer::transfer(self.shared.clone(), Sealed(file), upload);
            self.transfers.spawn(async move { (id, work.await) });
        }
        started_all
    }

    /// Has smaller copies made of files. Returns whether all were started.
    pub(super) fn start_preparing(&mut self, files: Vec<Startable>) -> bool {
        let mut started_all = true;
        for file in files {
            let Some(upload) = self.shared.drafts.begin_upload(file.file) else {
                started_all = false;
                continue;
            };
            let (id, size, past) = (file.file, file.size, file.past);
            let transfer = Transfer {
                seq: file.seq,
                size,
                past,
                large: false,
                since: Instant::now(),
                begun: upload.begun.clone(),
                cancel: upload.cancel.clone(),
                preparing: true,
                film: file.wants_film().then(|| upload.cancel.clone()),
            };
            self.uploads.insert(id, transfer);
            let work = preparing::prepare(self.shared.clone(), Sealed(file), upload);
            self.transfers.spawn(async move { (id, work.await) });
        }
        self.publish_preparing();
        started_all
    }

    /// Ends encoders of videos that are not to become smaller any more: they were deleted, or their
    /// albums keep originals now. They would keep other videos waiting for hours.
    pub(super) async fn end_void_films(&self) -> store::Result<()> {
        let quality = self.shared.config.quality;
        let films = self.uploads.iter().filter_map(|(&file, it)| Some((file, it.film.clone()?)));
        let films: Vec<_> = films.collect();
        for (file, film) in films {
            let is_wanted = move |store: &store::Store| store.is_copy_wanted(file, quality);
            if !self.shared.store.run(is_wanted).await? {
                film.cancel();
            }
        }
        Ok(())
    }

    fn publish_preparing(&self) {
        self.shared.preparing.store(self.preparing(), Ordering::Relaxed);
    }

    pub(super) async fn upload_ended(&mut self, ended: Result<(FileId, Outcome), JoinError>) {
        let Ok((file, outcome)) = ended else {
            // A panic: without knowing whose upload it was, the worker reads the rows of all again.
            self.uploads.clear();
            self.shared.drafts.end_uploads();
            self.publish_preparing();
            return;
        };
        self.shared.drafts.end_upload(file, matches!(outcome, Outcome::Succeeded));
        let Some(transfer) = self.uploads.remove(&file) else { return };
        self.publish_preparing();
        match outcome {
            Outcome::Succeeded => {
                self.uploads_evidence.succeeded(file);
                self.answered();
            }
            // The worker plans the file again when its writer has gone.
            Outcome::Superseded | Outcome::Prepared => {}
            Outcome::Duplicate => {
                self.shared.count_deduplicated(transfer.size);
                self.mark_dirty();
            }
            Outcome::Store(error) => self.database_failed(&error),
            Outcome::SessionGone => {
                let text = "the upload session is gone".to_owned();
                let failure = UploadFailure { file, transfer, error: None, text };
                self.upload_failed(failure).await;
            }
            Outcome::Disk(error) => {
                let retry_at = self.retry_at(transfer.past.attempts + 1);
                let (shared, text) = (self.shared.clone(), chain(&error));
                let attempt = (file, transfer.seq, transfer.past.attempts);
                self.store(move |_| shared.read_failed(attempt, &text, retry_at)).await;
            }
            Outcome::Damaged(reason) => {
                self.reject((file, transfer.seq), Rejection::Other, reason).await;
            }
            Outcome::Busy(error) => {
                let retry_at = SystemTime::now() + self.shared.config.retry_max / BUSY_PART;
                let (shared, text) = (self.shared.clone(), chain(&error));
                self.store(move |_| {
                    shared.attempt_failed((file, transfer.seq), &text, false, retry_at)
                })
                .await;
            }
            Outcome::Refused(error) => {
                match BlockedReason::of(error.kind()) {
                    None | Some(BlockedReason::ServerError) => {}
                    // It is about no file.
                    Some(_) => {
                        let before = self.blockers.everything.as_ref();
                        if let Some(blocked) = self.read_blocked(&error, before) {
                            self.block(blocked);
                        }
                        return;
                    }
                }
                let text = chain(&error);
                let failure = UploadFailure { file, transfer, error: Some(error), text };
                self.upload_failed(failure).await;
            }
        }
    }

    async fn upload_failed(&mut self, failure: UploadFailure) {
        let UploadFailure { file, transfer, error, text } = failure;
        let kind = error.as_ref().map(api::Error::kind);
        let symptom = kind.map_or(Symptom::Failing, Symptom::of);
        let compared = self.uploads_evidence.failed(file, symptom, false);
        let only = self.store(move |store| store.is_only_upload(file)).await.unwrap_or(false);
        let past = transfer.past;
        let trial = Trial { alone: true, only, broken: false, past, now: SystemTime::now() };
        let (own, retry_at) = match compared.verdict(&trial) {
            Verdict::Refused | Verdict::GivenUp => {
                let (rejection, reason) = match kind {
                    Some(FailureKind::TooLarge) => {
                        (Rejection::TooLarge, "Google says that the file is too large".to_owned())
                    }
                    _ => (Rejection::Other, text),
                };
                return self.reject((file, transfer.seq), rejection, reason).await;
            }
            Verdict::Own => (true, self.own_retry_at(past.own + 1)),
            Verdict::Unknown | Verdict::Outage => {
                self.server_errors_in_a_row += 1;
                if self.server_errors_in_a_row >= SERVER_ERRORS_MAX {
                    self.block_uploads(error.as_ref(), text.clone());
                }
                (false, self.retry_at(past.attempts + 1))
            }
        };
        // Once a session may be lost with an answer. If it is lost again, the file may be the cause.
        let is_lost_again = error.is_none() && past.attempts > 0;
        let retry_at = if is_lost_again { self.costly_retry_at(past.attempts) } else { retry_at };
        let shared = self.shared.clone();
        let version = (file, transfer.seq);
        self.store(move |_| shared.attempt_failed(version, &text, own, retry_at)).await;
    }

    /// Files fail alike, or one fails again and again and none succeeds.
    fn block_uploads(&mut self, error: Option<&api::Error>, text: String) {
        let before = self.blockers.everything.as_ref();
        let blocked = error.and_then(|error| self.read_blocked(error, before));
        let blocked =
            blocked.unwrap_or_else(|| self.outage(BlockedReason::ServerError, text, before));
        self.block(blocked);
    }
}

/// An upload that Google has not taken.
struct UploadFailure {
    file: FileId,
    transfer: Transfer,
    /// `None` if the session is gone, and with it the bytes that Google had.
    error: Option<api::Error>,
    text: String,
}
