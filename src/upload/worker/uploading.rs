//! Uploads of bytes: starts them, and records what came of each.

use std::time::Instant as StdInstant;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::context::{Transfer, Worker};
use crate::api::FailureKind;
use crate::error_chain::chain;
use crate::media::FileId;
use crate::store::Startable;
use crate::upload::blocked::BlockedReason;
use crate::upload::draft::Rejection;
use crate::upload::planner::is_large;
use crate::upload::state::Sealed;
use crate::upload::transfer::{self, Outcome};

/// After so many uploads in a row have failed with 5xx, the worker takes it for an outage.
const SERVER_ERRORS_MAX: u32 = 3;

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
                size: file.size,
                attempts: file.attempts,
                large: is_large(file.size),
                since: Instant::now(),
            };
            self.uploads.insert(id, transfer);
            let work = transfer::transfer(self.shared.clone(), Sealed(file), upload);
            self.transfers.spawn(async move { (id, work.await) });
        }
        started_all
    }

    pub(super) async fn upload_ended(&mut self, ended: Result<(FileId, Outcome), JoinError>) {
        let Ok((file, outcome)) = ended else {
            // A panic: without knowing whose upload it was, the worker reads the rows of all again.
            self.uploads.clear();
            self.shared.drafts.end_uploads();
            return;
        };
        self.shared.drafts.end_upload(file, matches!(outcome, Outcome::Succeeded));
        let Some(transfer) = self.uploads.remove(&file) else { return };
        let (text, forgivable) = match outcome {
            Outcome::Succeeded => {
                self.limit.arrived(transfer.size);
                return self.answered();
            }
            // The worker plans the file again when its writer has gone.
            Outcome::Superseded => return,
            Outcome::Duplicate => {
                self.shared.count_deduplicated(transfer.size);
                return self.mark_dirty();
            }
            Outcome::Store(error) => return self.database_failed(&error),
            Outcome::SessionGone => ("the upload session is gone".to_owned(), true),
            Outcome::Disk(error) => (chain(&error), false),
            Outcome::Damaged(reason) => {
                return self.reject((file, transfer.seq), Rejection::Other, reason).await;
            }
            Outcome::Refused(error) if error.kind() == FailureKind::TooLarge => {
                let reason = "Google says that the file is too large".to_owned();
                return self.reject((file, transfer.seq), Rejection::TooLarge, reason).await;
            }
            Outcome::Refused(error) => {
                match self.read_blocked(&error, self.blockers.everything.as_ref()) {
                    None => (chain(&error), false),
                    Some(blocked) if blocked.reason == BlockedReason::ServerError => {
                        self.server_errors_in_a_row += 1;
                        if self.server_errors_in_a_row >= SERVER_ERRORS_MAX {
                            self.block(blocked);
                        }
                        (chain(&error), true)
                    }
                    Some(blocked) => return self.block(blocked),
                }
            }
        };
        let retry_at = self.retry_at(transfer.attempts + 1);
        let shared = self.shared.clone();
        let Transfer { seq, attempts, .. } = transfer;
        self.store(move |_| {
            shared.attempt_failed((file, seq, attempts), &text, forgivable, retry_at)
        })
        .await;
    }
}
