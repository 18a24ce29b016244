//! The one task that moves files along.
//!
//! It reads a bounded part of the queue, asks the [`planner`] what to do, starts that, and sleeps
//! until something ends, a caller wakes it, or a wait is over. In flight at a time: some uploads, one
//! call that changes the library, and one confirmation of items.

mod album_gone;
mod album_waits;
mod claims;
mod clock_steps;
mod confirming;
mod context;
mod creating;
mod members;
mod network;
mod passing;
mod refused;
mod release;
mod rows;
mod unseen;
mod uploading;
mod withheld;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::config::SHUTDOWN_TIMEOUT;
use super::planner::{self, Change};
use super::shared::Shared;
use super::state::{Creating, Uploaded};
use crate::store;
use context::{Changed, Worker};

/// Runs until [`Shared::stop`].
pub(super) async fn run(shared: Arc<Shared>) {
    // If this task panics, its waiters are released all the same.
    let _ended = (shared.stop.clone().drop_guard(), shared.stopped.clone().drop_guard());
    let mut worker = Worker::new(shared);
    while !worker.shared.stop.is_cancelled() {
        let sleep = match worker.start_work().await {
            Ok(sleep) => sleep,
            Err(error) => {
                worker.database_failed(&error);
                Duration::ZERO
            }
        };
        worker.wait(sleep).await;
    }
    worker.stop().await;
}

impl Worker {
    /// Starts the next actions. Returns for how long there will be nothing more to start.
    async fn start_work(&mut self) -> store::Result<Duration> {
        if let Some(left) =
            self.database_retry_at.map(|at| at.saturating_duration_since(Instant::now()))
        {
            if !left.is_zero() {
                return Ok(left);
            }
            self.database_retry_at = None;
        }
        let now = SystemTime::now();
        if self.clock.was_set_back(now, Instant::now().into_std()) {
            tracing::warn!("the clock was set back: everything that waits is tried now");
            self.blockers.clock_set_back(now);
            self.album_waits.end_all();
            self.shared.store.run(|store| store.retry_now()).await?;
            self.mark_dirty();
        }
        self.look_at_network(now).await?;
        if self.shared.try_now.swap(false, Ordering::Relaxed) && self.blockers.retry_now(now) {
            self.shared.store.run(|store| store.retry_now()).await?;
            // Listings may have proved claims since they were read.
            self.claims.mark_dirty();
        }
        if self.shared.members_dirty.swap(false, Ordering::Relaxed) {
            self.mark_dirty();
        }
        if self.album_waits.take_due(now) {
            self.members_dirty = true;
        }
        let unsettled = !self.shared.drafts.unsettled().is_empty();
        if unsettled {
            self.settle_left_over().await?;
        }
        let claims_rest = self.read_claims(now).await?;
        self.end_void_films().await?;
        let rows = self.read_rows(now).await?;
        let plan = planner::plan(&self.state(now), &rows);
        let mut wake_at = plan.wake_at.min(now + claims_rest);
        if let Some(at) = self.album_waits.next() {
            wake_at = wake_at.min(at);
        }
        let mut started_all = self.start_uploads(plan.uploads);
        started_all &= self.start_preparing(rows.unprepared);
        if let Some(change) = plan.change
            && !self.start_change(change).await?
        {
            self.shared.moved_on();
            started_all = false;
        }
        if let Some(confirmation) = plan.confirm
            && !self.start_confirming(confirmation).await?
        {
            self.claims.mark_dirty();
            started_all = false;
        }
        if !started_all {
            wake_at = wake_at.min(now + self.shared.config.batch_window);
        }
        if unsettled {
            wake_at = wake_at.min(now + self.shared.config.retry_max);
        }
        Ok(wake_at.duration_since(now).unwrap_or_default())
    }

    async fn settle_left_over(&self) -> store::Result<()> {
        let shared = self.shared.clone();
        let settle = move |_: &store::Store| {
            shared.settle_left_over();
            Ok(())
        };
        self.shared.store.run(settle).await
    }

    /// Starts a call. Returns whether it did: the rows may have changed meanwhile.
    async fn start_change(&mut self, change: Change) -> store::Result<bool> {
        self.last_change = Some(change.kind());
        let batch = match change {
            Change::Repeat(call) => return Ok(self.start_creating(Creating::repeated(call)).await),
            Change::CreatePart => self.create_parts.pop_front(),
            Change::Create { dir, files } => Some(Uploaded::new(dir, &files)),
            Change::EditPart(edit) => {
                let place = self.member_parts.iter().position(|(it, _)| *it == edit);
                let part = place.and_then(|place| self.member_parts.remove(place));
                return self.start_members(part).await;
            }
            Change::Edit(edit, call) => return self.start_members(Some((edit, call))).await,
        };
        let Some(batch) = batch else { return Ok(false) };
        match batch.creating(&self.shared.store).await? {
            Some(creating) => Ok(self.start_creating(creating).await),
            None => Ok(false),
        }
    }

    /// Sleeps until there may be something to start. Records the outcome of an action that has ended.
    async fn wait(&mut self, sleep: Duration) {
        let shared = self.shared.clone();
        tokio::select! {
            Some(ended) = self.transfers.join_next() => self.upload_ended(ended).await,
            Some(Ok(change)) = self.change.join_next() => self.change_ended(change).await,
            Some(Ok(answer)) = self.confirm.join_next() => self.confirm_ended(answer).await,
            // The file that a caller waits for may have been removed.
            () = shared.wake.notified() => {}
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(sleep) => return,
        }
        let (now, sent) = (Instant::now().into_std(), shared.sent());
        shared.rate.lock().sample(now, sent);
        shared.moved_on();
    }

    async fn change_ended(&mut self, change: Changed) {
        self.mark_dirty();
        match change {
            Changed::Created(answer) => self.create_ended(answer).await,
            Changed::Members(answer) => self.members_ended(answer).await,
        }
    }

    /// Lets a change in flight answer, within limits. All other requests may be cut off at any time.
    async fn stop(mut self) {
        self.transfers.abort_all();
        self.confirm.abort_all();
        let ended = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.change.join_next()).await;
        if let Ok(Some(Ok(change))) = ended {
            self.change_ended(change).await;
        }
    }
}
