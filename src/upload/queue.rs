//! What is on its way, for people.

use std::time::{Duration, Instant};

use super::errors::Error;
use super::pace::{self, Gone, Rate};
use super::pipeline::Pipeline;
use super::shared::Failure;
use super::trouble::Trouble;
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
    pub gone: Gone,
    /// How fast it goes.
    pub rate: Rate,
    /// When all of it will have gone, at that rate; `None` if nothing moves or something holds it
    /// up.
    pub time_left: Option<Duration>,
    /// What keeps the whole queue from moving, if something does.
    pub trouble: Option<Trouble>,
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
        let sent = shared.drafts.sent();
        let bytes_left = backlog.sealed_bytes.saturating_sub(sent.under_way);
        let (held, held_bytes) = shared.store.sealed_among(&shared.drafts.written())?;
        let trouble = shared.trouble.lock().clone();
        let gone = shared.gone();
        let rate = shared.pace.lock().look(Instant::now(), gone);
        // A file that waits for its writer will go, but nobody knows when.
        let going = (bytes_left.saturating_sub(held_bytes), backlog.left().saturating_sub(held));
        let time_left = pace::time_left(going.0, going.1, rate);
        Ok(Queue {
            backlog,
            held,
            uploading: sent.uploads,
            bytes_left,
            gone,
            rate,
            time_left: time_left.filter(|_| trouble.is_none()),
            trouble,
            failures: shared.failures.lock().iter().cloned().collect(),
        })
    }
}
