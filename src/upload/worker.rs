//! The one task that moves files along.
//!
//! It reads a bounded part of the queue, asks the [`planner`] what to do, starts that, and sleeps
//! until something ends, a caller wakes it, or a wait is over. In flight at a time: some uploads, one
//! call that changes the library, and one request that confirms items.

mod confirming;
mod creating;
mod members;
mod rows;
mod uploading;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::blocked::{Backoff, Blocked};
use super::blockers::Blockers;
use super::concurrency::ConcurrencyLimit;
use super::config::SHUTDOWN_TIMEOUT;
use super::draft::Rejection;
use super::planner::{self, Change, ChangeKind, Edit, State, Upload};
use super::shared::{Shared, chain};
use super::state::{Creating, Uploaded};
use super::transfer::Outcome;
use crate::api;
use crate::media::{DirId, FileId};
use crate::store::{self, MemberCall};
use uploading::Transfer;

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

/// The answer to a call that changes the library.
enum Changed {
    Created(creating::Answer),
    Members(members::Answer),
}

struct Worker {
    shared: Arc<Shared>,
    transfers: JoinSet<(FileId, Outcome)>,
    uploads: HashMap<FileId, Transfer>,
    limit: ConcurrencyLimit,
    /// At most one.
    change: JoinSet<Changed>,
    change_since: Instant,
    /// At most one.
    confirm: JoinSet<confirming::Answer>,
    confirm_since: Instant,
    /// Parts of batches that failed as a whole: splitting finds the file at fault.
    create_parts: VecDeque<Uploaded>,
    /// Likewise, for memberships.
    member_parts: VecDeque<(Edit, MemberCall)>,
    /// See [`State::full`].
    full: Option<DirId>,
    /// How often the same call has failed in a row.
    call_failures: u32,
    /// See [`State::last_change`].
    last_change: Option<ChangeKind>,
    /// Items may have to be added or removed. Otherwise the worker does not read the memberships,
    /// which are as many as the files that wait.
    members_dirty: bool,
    /// Files may have the bytes of items that are there. As above.
    duplicates_dirty: bool,
    /// See [`State::confirm_since`].
    confirmations_wait_since: Option<SystemTime>,
    blockers: Blockers,
    server_errors_in_a_row: u32,
    /// The database has failed, and is tried again then.
    database_retry_at: Option<Instant>,
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            limit: ConcurrencyLimit::new(shared.config.uploads),
            shared,
            transfers: JoinSet::new(),
            uploads: HashMap::new(),
            change: JoinSet::new(),
            change_since: Instant::now(),
            confirm: JoinSet::new(),
            confirm_since: Instant::now(),
            create_parts: VecDeque::new(),
            member_parts: VecDeque::new(),
            full: None,
            call_failures: 0,
            last_change: None,
            members_dirty: true,
            duplicates_dirty: true,
            confirmations_wait_since: None,
            blockers: Blockers::default(),
            server_errors_in_a_row: 0,
            database_retry_at: None,
        }
    }

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
        if self.shared.try_now.swap(false, Ordering::Relaxed) && self.blockers.retry_now(now) {
            self.shared.store.run(|store| store.retry_now()).await?;
        }
        if self.shared.members_dirty.swap(false, Ordering::Relaxed) {
            self.mark_dirty();
        }
        let unsettled = !self.shared.drafts.unsettled().is_empty();
        if unsettled {
            self.settle_left_over().await?;
        }
        let rows = self.read_rows(now).await?;
        let plan = planner::plan(&self.state(now), &rows);
        let mut wake_at = plan.wake_at;
        self.start_uploads(plan.uploads);
        if let Some(change) = plan.change
            && !self.start_change(change, rows.ready.len()).await?
        {
            self.shared.moved_on();
            wake_at = wake_at.min(now + self.shared.config.batch_window);
        }
        self.confirmations_wait_since = plan.confirm_since;
        if let Some(wanted) = plan.confirm {
            self.start_confirming(wanted);
        }
        if unsettled {
            wake_at = wake_at.min(now + self.shared.config.retry_max);
        }
        Ok(wake_at.duration_since(now).unwrap_or_default())
    }

    /// Describes the worker to the planner.
    fn state(&self, now: SystemTime) -> State<'_> {
        let upload = |(file, transfer): (&FileId, &Transfer)| Upload {
            file: *file,
            large: transfer.large,
            age: transfer.since.elapsed(),
        };
        State {
            now,
            blockers: &self.blockers,
            uploads: self.uploads.iter().map(upload).collect(),
            changing: (!self.change.is_empty()).then(|| self.change_since.elapsed()),
            confirming: (!self.confirm.is_empty()).then(|| self.confirm_since.elapsed()),
            limit: self.limit.current(),
            batch_window: self.shared.config.batch_window,
            impatient: self.shared.waiters.load(Ordering::Relaxed) > 0,
            last_change: self.last_change,
            create_parts: !self.create_parts.is_empty(),
            edit_parts: self.member_parts.iter().map(|(edit, _)| *edit).collect(),
            full: self.full,
            confirm_since: self.confirmations_wait_since,
        }
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
    async fn start_change(&mut self, change: Change, ready: usize) -> store::Result<bool> {
        self.last_change = Some(change.kind());
        let batch = match change {
            Change::Repeat(call) => return Ok(self.start_creating(Creating::repeated(call)).await),
            Change::CreatePart => self.create_parts.pop_front(),
            Change::Create { dir, files } => {
                let now = std::time::Instant::now();
                self.limit.batch_begins(ready, self.uploads.len(), now);
                Some(Uploaded::new(dir, &files))
            }
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
        shared.rate.lock().sample(Instant::now().into_std(), shared.sent());
        shared.moved_on();
    }

    /// The memberships may have changed since they were last read.
    fn mark_dirty(&mut self) {
        self.members_dirty = true;
        self.duplicates_dirty = true;
    }

    async fn change_ended(&mut self, change: Changed) {
        self.mark_dirty();
        match change {
            Changed::Created(answer) => self.create_ended(answer).await,
            Changed::Members(answer) => self.members_ended(answer).await,
        }
    }

    /// Works with the database. A failure makes the whole queue wait.
    async fn store<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&store::Store) -> store::Result<T> + Send + 'static,
    ) -> Option<T> {
        match self.shared.store.run(work).await {
            Ok(value) => Some(value),
            Err(error) => {
                self.database_failed(&error);
                None
            }
        }
    }

    async fn reject(&mut self, version: (FileId, i64), rejection: Rejection, reason: String) {
        let shared = self.shared.clone();
        self.store(move |_| shared.reject_version(version, rejection, &reason)).await;
    }

    /// Google has answered: an outage is over.
    fn answered(&mut self) {
        self.server_errors_in_a_row = 0;
        self.blockers.answered();
        self.publish_blockers();
    }

    /// Google has answered a change of the library.
    fn changed(&mut self) {
        self.call_failures = 0;
        self.server_errors_in_a_row = 0;
        self.blockers.changed();
        self.publish_blockers();
    }

    /// Items were added or removed, or there are none to be.
    fn may_edit(&mut self) {
        if self.blockers.memberships.is_some() {
            self.blockers.edited();
            self.publish_blockers();
        }
    }

    fn read_blocked(&self, error: &api::Error, before: Option<&Blocked>) -> Option<Blocked> {
        let pause = self.shared.client.write_pause_left();
        let (now, jitter) = (SystemTime::now(), rand::random());
        Blocked::read(error, chain(error), before, self.backoff(), pause, now, jitter)
    }

    fn block(&mut self, blocked: Blocked) {
        self.blockers.block(blocked);
        self.publish_blockers();
    }

    fn block_changes(&mut self, blocked: Blocked) {
        self.blockers.block_changes(blocked);
        self.publish_blockers();
    }

    fn publish_blockers(&self) {
        let edits_refused = self.blockers.memberships.is_some();
        self.shared.edits_refused.store(edits_refused, Ordering::Relaxed);
        *self.shared.blocked.lock() = self.blockers.iter().next().cloned();
        self.shared.moved_on();
    }

    /// Without the database the worker can only wait: it could not record what it asks of Google.
    fn database_failed(&mut self, error: &store::Error) {
        let text = chain(error);
        tracing::error!("uploads wait, because the database failed: {text}");
        self.shared.remember("(database)".to_owned(), text);
        self.database_retry_at = Some(Instant::now() + self.shared.config.retry_max);
    }

    fn backoff(&self) -> Backoff {
        Backoff { base: self.shared.config.retry_base, max: self.shared.config.retry_max }
    }

    fn retry_at(&self, attempts: u32) -> SystemTime {
        SystemTime::now() + self.backoff().wait(attempts, rand::random())
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
