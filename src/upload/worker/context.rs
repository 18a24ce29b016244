//! The worker itself: its state, and what all its parts use.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::album_waits::AlbumWaits;
use super::claims::Claims;
use super::clock_steps::ClockSteps;
use super::passing::{Missing, PassError};

use crate::api::{self, ItemStatus};
use crate::error_chain::chain;
use crate::media::{DirId, FileId, MediaItem};
use crate::store::{self, Claim, MemberCall, PastFailures};
use crate::upload::blocked::{Backoff, Blocked, BlockedReason};
use crate::upload::blockers::Blockers;
use crate::upload::draft::Rejection;
use crate::upload::evidence::Evidence;
use crate::upload::just_closed;
use crate::upload::outcome::Outcome;
use crate::upload::planner::{ChangeKind, Edit, State, Upload};
use crate::upload::shared::Shared;
use crate::upload::state::{Creating, Uploaded};

/// The first wait before all bytes of a large file are sent again is so much longer.
const COSTLY_FACTOR: u32 = 30;

/// For so many of the longest waits between attempts, Google's answers may lag: `store::GRACE`.
const GRACE_WAITS: u32 = 10;

/// A copy after so long without a creation is another one.
const OPENING_AFTER: Duration = Duration::from_secs(20);

/// A call and its answer.
pub(super) struct CreateAnswer {
    pub(super) creating: Creating,
    pub(super) album_gone: bool,
    pub(super) outcome: Result<Vec<Result<MediaItem, ItemStatus>>, api::Error>,
}

/// A call and its answer.
pub(super) struct MembersAnswer {
    pub(super) edit: Edit,
    pub(super) call: MemberCall,
    pub(super) album_gone: bool,
    pub(super) outcome: Result<(), api::Error>,
}

/// The claims concerned, and the answer.
pub(super) struct ConfirmAnswer {
    pub(super) claims: Vec<Claim>,
    pub(super) found: Found,
}

/// The result of a confirmation.
pub(super) enum Found {
    /// Of items asked for by their ids.
    Items(Result<Vec<Result<MediaItem, ItemStatus>>, api::Error>),
    /// Of a pass through the album.
    Pass(Result<Missing, PassError>),
}

/// An upload in flight.
pub(super) struct Transfer {
    pub(super) seq: i64,
    pub(super) size: u64,
    pub(super) past: PastFailures,
    pub(super) large: bool,
    pub(super) since: Instant,
    /// Its turn has come.
    pub(super) begun: Arc<AtomicBool>,
    /// Ends it. The version is planned again.
    pub(super) cancel: CancellationToken,
    /// A smaller copy is being made. Nothing is sent yet.
    pub(super) preparing: bool,
    /// A smaller copy of a video is being made. Ends that.
    pub(super) film: Option<CancellationToken>,
}

/// The answer to a call that changes the library.
pub(super) enum Changed {
    Created(CreateAnswer),
    Members(MembersAnswer),
}

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) transfers: JoinSet<(FileId, Outcome)>,
    pub(super) uploads: HashMap<FileId, Transfer>,
    /// At most one.
    pub(super) change: JoinSet<Changed>,
    pub(super) change_since: Instant,
    /// When a batch was last created.
    pub(super) created_at: Option<Instant>,
    /// At most one.
    pub(super) confirm: JoinSet<ConfirmAnswer>,
    pub(super) confirm_since: Instant,
    /// Parts of batches that failed as a whole: splitting finds the file at fault.
    pub(super) create_parts: VecDeque<Uploaded>,
    /// Likewise, for memberships.
    pub(super) member_parts: VecDeque<(Edit, MemberCall)>,
    /// See [`State::full`].
    pub(super) full: Option<DirId>,
    /// How often the same call has failed in a row.
    pub(super) call_failures: u32,
    /// See [`State::last_change`].
    pub(super) last_change: Option<ChangeKind>,
    /// Items may have to be added or removed. Otherwise the worker does not read the memberships,
    /// which are as many as the files that wait.
    pub(super) members_dirty: bool,
    /// The claims, read from time to time: reading them takes long if they are many.
    pub(super) claims: Claims,
    /// See [`State::made`].
    pub(super) made: HashMap<DirId, u64>,
    pub(super) blockers: Blockers,
    pub(super) server_errors_in_a_row: u32,
    /// Successes and failures of uploads.
    pub(super) uploads_evidence: Evidence,
    /// Of creations.
    pub(super) creations_evidence: Evidence,
    /// Of additions to albums and removals.
    pub(super) members_evidence: Evidence,
    pub(super) album_waits: AlbumWaits,
    pub(super) clock: ClockSteps,
    /// The database has failed, and is tried again then.
    pub(super) database_retry_at: Option<Instant>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            transfers: JoinSet::new(),
            uploads: HashMap::new(),
            change: JoinSet::new(),
            change_since: Instant::now(),
            created_at: None,
            confirm: JoinSet::new(),
            confirm_since: Instant::now(),
            create_parts: VecDeque::new(),
            member_parts: VecDeque::new(),
            full: None,
            call_failures: 0,
            last_change: None,
            members_dirty: true,
            claims: Claims::default(),
            made: HashMap::new(),
            blockers: Blockers::default(),
            server_errors_in_a_row: 0,
            uploads_evidence: Evidence::default(),
            creations_evidence: Evidence::default(),
            members_evidence: Evidence::default(),
            album_waits: AlbumWaits::default(),
            clock: ClockSteps::new(SystemTime::now(), Instant::now().into_std()),
            database_retry_at: None,
        }
    }

    /// How many smaller copies are being made.
    pub(super) fn preparing(&self) -> usize {
        self.uploads.values().filter(|it| it.preparing).count()
    }

    /// Describes the worker to the planner.
    pub(super) fn state(&self, now: SystemTime) -> State<'_> {
        let upload = |(file, transfer): (&FileId, &Transfer)| Upload {
            file: *file,
            large: transfer.large,
            age: transfer.since.elapsed(),
        };
        State {
            now,
            blockers: &self.blockers,
            uploads: self.uploads.iter().filter(|it| !it.1.preparing).map(upload).collect(),
            preparing: self.preparing(),
            changing: (!self.change.is_empty()).then(|| self.change_since.elapsed()),
            confirming: (!self.confirm.is_empty()).then(|| self.confirm_since.elapsed()),
            limit: self.shared.config.uploads.max(1),
            batch_window: self.shared.config.batch_window,
            impatient: self.shared.is_waited_for(),
            opening: self.created_at.is_none_or(|at| at.elapsed() >= OPENING_AFTER),
            upload_delay: just_closed::longest(self.shared.config.upload_delay),
            last_change: self.last_change,
            create_parts: !self.create_parts.is_empty(),
            edit_parts: self.member_parts.iter().map(|(edit, _)| *edit).collect(),
            full: self.full,
            made: &self.made,
            lacks_room: self.shared.lacks_room(),
        }
    }

    /// The memberships may have changed since they were last read.
    pub(super) fn mark_dirty(&mut self) {
        self.members_dirty = true;
        self.claims.mark_dirty();
    }

    /// Works with the database. A failure makes the whole queue wait.
    pub(super) async fn store<T: Send + 'static>(
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

    pub(super) async fn reject(
        &mut self,
        version: (FileId, i64),
        rejection: Rejection,
        reason: String,
    ) {
        let shared = self.shared.clone();
        self.store(move |_| shared.reject_version(version, rejection, &reason)).await;
    }

    /// Google has answered: an outage is over.
    pub(super) fn answered(&mut self) {
        self.server_errors_in_a_row = 0;
        self.blockers.answered();
        self.publish_blockers();
    }

    /// Google has answered a change of the library.
    pub(super) fn changed(&mut self) {
        self.call_failures = 0;
        self.server_errors_in_a_row = 0;
        self.blockers.changed();
        self.publish_blockers();
    }

    /// Items were added or removed, or there are none to be.
    pub(super) fn may_edit(&mut self) {
        if self.blockers.memberships.is_some() {
            self.blockers.edited();
            self.publish_blockers();
        }
    }

    pub(super) fn read_blocked(
        &self,
        error: &api::Error,
        before: Option<&Blocked>,
    ) -> Option<Blocked> {
        let pause = self.shared.client.write_pause_left();
        let (now, jitter) = (SystemTime::now(), rand::random());
        Blocked::read(error, before, self.backoff(), pause, now, jitter)
    }

    /// An outage of this reason that shows in the failures of files.
    pub(super) fn outage(
        &self,
        reason: BlockedReason,
        text: String,
        before: Option<&Blocked>,
    ) -> Blocked {
        let (now, jitter) = (SystemTime::now(), rand::random());
        Blocked::of_files(reason, text, before, self.backoff(), now, jitter)
    }

    pub(super) fn block(&mut self, blocked: Blocked) {
        self.blockers.block(blocked);
        self.publish_blockers();
    }

    pub(super) fn block_changes(&mut self, blocked: Blocked) {
        self.blockers.block_changes(blocked);
        self.publish_blockers();
    }

    pub(super) fn publish_blockers(&self) {
        let edits_refused = self.blockers.is_edit_forbidden();
        self.shared.edits_refused.store(edits_refused, Ordering::Relaxed);
        *self.shared.outages.lock() = self.blockers.iter().cloned().collect();
        self.shared.moved_on();
    }

    /// Without the database the worker can only wait: it could not record what it asks of Google.
    pub(super) fn database_failed(&mut self, error: &store::Error) {
        let text = chain(error);
        tracing::error!("uploads wait, because the database failed: {text}");
        self.shared.remember("(database)".to_owned(), text);
        self.database_retry_at = Some(Instant::now() + self.shared.config.retry_max);
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff { base: self.shared.config.retry_base, max: self.shared.config.retry_max }
    }

    /// For this time, Google's lists and front ends may not know of a change.
    pub(super) fn grace(&self) -> Duration {
        self.backoff().max * GRACE_WAITS
    }

    pub(super) fn retry_at(&self, attempts: u32) -> SystemTime {
        SystemTime::now() + self.backoff().wait(attempts, rand::random())
    }

    /// When Google is asked again about an item that it has not shown so often. Items that wait about
    /// as long are asked about together: in one request for fifty, or in one listing of their album.
    pub(super) fn look_again_at(&self, attempts: u32) -> SystemTime {
        let half = self.backoff().limit(attempts) / 2;
        common_time(SystemTime::now() + half, half)
    }

    /// When a file is tried again that has failed so often while others succeeded.
    pub(super) fn own_retry_at(&self, failures: u32) -> SystemTime {
        self.own_retry_after(failures, self.shared.config.retry_base, rand::random())
    }

    /// The same, if each attempt sends many bytes again. At least half of the longest wait, so that
    /// chance does not cost bytes.
    pub(super) fn costly_retry_at(&self, failures: u32) -> SystemTime {
        let base = self.shared.config.retry_base * COSTLY_FACTOR;
        self.own_retry_after(failures, base, rand::random_range(0.5..1.0))
    }

    fn own_retry_after(&self, failures: u32, base: Duration, jitter: f64) -> SystemTime {
        let backoff = Backoff { base, max: self.shared.config.own_retry_max };
        SystemTime::now() + backoff.wait(failures, jitter)
    }
}

/// The end of a wait, or up to half of it later, at a time that items which wait about as long share.
pub(super) fn common_end(wait: Duration) -> SystemTime {
    common_time(SystemTime::now() + wait, wait / 2)
}

/// The first common time from the earliest one on. All times within a `window` have the same.
fn common_time(earliest: SystemTime, window: Duration) -> SystemTime {
    let since = earliest.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match since.as_nanos().checked_rem(window.as_nanos()) {
        None | Some(0) => earliest,
        Some(over) => earliest + window - Duration::from_nanos(u64::try_from(over).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_wait_about_as_long_have_one_time() {
        let window = Duration::from_secs(30);
        let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_774_000_000_123);
        let all: Vec<_> = (0..3000).map(|it| start + Duration::from_millis(it * 10)).collect();
        let mut times: Vec<_> = all.iter().map(|it| common_time(*it, window)).collect();
        assert!(all.iter().zip(&times).all(|(from, at)| (*from..*from + window).contains(at)));
        times.dedup();
        assert!(times.len() <= 2, "{times:?}");
        assert_eq!(common_time(start, Duration::ZERO), start);
    }
}
