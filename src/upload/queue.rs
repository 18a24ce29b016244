//! The queue, for people.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::blocked::Blocked;
use super::draft::DraftFacts;
use super::errors::Error;
use super::pipeline::Pipeline;
use super::rate::{self, Rate, SentTotals};
use super::shared::{Failure, Shared};
use crate::media::local_clock;
use crate::store::{Backlog, FailingUpload, Saved};

/// The queue, for people.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Counts by state.
    pub backlog: Backlog,
    /// Of the sealed files, those that a program still has open for writing.
    pub held: u64,
    /// Of the sealed files, those of which a smaller copy is being made.
    pub shrinking: u64,
    /// What smaller copies have saved.
    pub saved: Saved,
    /// Of the sealed files, those whose bytes are on their way just now.
    pub uploading: u64,
    /// Of the bytes to be uploaded, those that are still here.
    pub bytes_left: u64,
    /// The totals since the program began.
    pub sent: SentTotals,
    /// How fast it goes.
    pub rate: Rate,
    /// When all of it will have gone, at that rate; `None` if nothing moves or something holds it
    /// up.
    pub time_left: Option<Duration>,
    /// The first of the outages that keep the queue from moving, if there is one.
    pub blocked: Option<Blocked>,
    /// All outages, the one that blocks most first.
    pub outages: Vec<Blocked>,
    /// Files that are being written or uploaded, as far as their rows do not say it.
    pub drafts: Vec<DraftFacts>,
    /// The last failures, oldest first.
    pub failures: Vec<Failure>,
    /// Files that fail again and again, those that began first.
    pub failing: Vec<FailingFile>,
}

/// A file that fails again and again.
#[derive(Clone, Debug)]
pub struct FailingFile {
    /// Its path below the mount.
    pub path: String,
    /// The last failure, with its causes.
    pub error: String,
    /// When it first failed.
    pub since: SystemTime,
    /// How often it has failed.
    pub attempts: u32,
    /// When it is tried again; `None` if that is now.
    pub until: Option<SystemTime>,
}

/// The status names so many files that fail again and again.
const FAILING_MAX: usize = 20;

impl Pipeline {
    /// The queue at this moment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn queue(&self) -> Result<Queue, Error> {
        let shared = &self.shared;
        let backlog = shared.store.backlog()?;
        let uploads = shared.drafts.sent();
        let shrinking = shared.preparing.load(Ordering::Relaxed) as u64;
        let bytes_left = backlog.sealed_bytes.saturating_sub(uploads.under_way);
        let (held, held_bytes) = shared.store.sealed_among(&shared.drafts.written())?;
        let outages = shared.outages.lock().clone();
        let sent = shared.sent();
        let (rate, fastest) = {
            let mut rate = shared.rate.lock();
            (rate.sample(Instant::now(), sent), rate.fastest())
        };
        // A file that waits for its writer will go, but nobody knows when.
        let failing = shared.store.failing_uploads(FAILING_MAX)?;
        let idle_bytes = held_bytes + failing.iter().map(|it| it.bytes).sum::<u64>();
        let idle = held + failing.len() as u64;
        // Nor does a file move that fails again and again.
        let going = (bytes_left.saturating_sub(idle_bytes), backlog.left().saturating_sub(idle));
        let limit = (&shared.client.upload_limit(), local_clock());
        let time_left = rate::time_left(going.0, going.1, rate, limit, fastest);
        Ok(Queue {
            backlog,
            held,
            shrinking,
            saved: shared.store.saved()?,
            uploading: uploads.uploads,
            bytes_left,
            sent,
            rate,
            time_left: time_left.filter(|_| outages.is_empty()),
            blocked: outages.first().cloned(),
            outages,
            drafts: shared.drafts.facts(),
            failures: shared.failures.lock().iter().cloned().collect(),
            failing: failing.into_iter().map(|it| shared.failing_file(it)).collect(),
        })
    }
}

impl Shared {
    fn failing_file(&self, upload: FailingUpload) -> FailingFile {
        let FailingUpload { file, past, error, retry_at, .. } = upload;
        FailingFile {
            path: self.path_of(file),
            error,
            since: past.since.unwrap_or(SystemTime::UNIX_EPOCH),
            attempts: past.attempts,
            until: retry_at.filter(|at| *at > SystemTime::now()),
        }
    }
}
