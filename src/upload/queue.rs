//! What is on its way, for people.

use std::time::{Duration, Instant};

use super::blocked::Blocked;
use super::errors::Error;
use super::pipeline::Pipeline;
use super::rate::{self, Rate, SentTotals};
use super::shared::Failure;
use crate::store::Backlog;

/// What is on its way, for people.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Counts by state.
    pub backlog: Backlog,
    /// Of the sealed files, those that a program still has open for writing.
    pub held: u64,
    /// Of the sealed files, those whose bytes are on their way just now.
    pub uploading: u64,
    /// Of the bytes to be uploaded, those that are still here.
    pub bytes_left: u64,
    /// What has gone since the program began.
    pub sent: SentTotals,
    /// How fast it goes.
    pub rate: Rate,
    /// When all of it will have gone, at that rate; `None` if nothing moves or something holds it
    /// up.
    pub time_left: Option<Duration>,
    /// What keeps the whole queue from moving, if something does.
    pub blocked: Option<Blocked>,
    /// The last failures, oldest first.
    pub failures: Vec<Failure>,
}

impl Pipeline {
    /// What is on its way.
    ///
    /// # Errors
    /// If the database fails.
    pub fn queue(&self) -> Result<Queue, Error> {
        let shared = &self.shared;
        let backlog = shared.store.backlog()?;
        let uploads = shared.drafts.sent();
        let bytes_left = backlog.sealed_bytes.saturating_sub(uploads.under_way);
        let (held, held_bytes) = shared.store.sealed_among(&shared.drafts.written())?;
        let blocked = shared.blocked.lock().clone();
        let sent = shared.sent();
        let rate = shared.rate.lock().sample(Instant::now(), sent);
        // A file that waits for its writer will go, but nobody knows when.
        let going = (bytes_left.saturating_sub(held_bytes), backlog.left().saturating_sub(held));
        let time_left = rate::time_left(going.0, going.1, rate);
        Ok(Queue {
            backlog,
            held,
            uploading: uploads.uploads,
            bytes_left,
            sent,
            rate,
            time_left: time_left.filter(|_| blocked.is_none()),
            blocked,
            failures: shared.failures.lock().iter().cloned().collect(),
        })
    }
}
