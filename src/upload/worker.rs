//! The one task that moves files along.
//!
//! It looks at the tables, starts what may be started, and sleeps until something ends, somebody wakes it, or
//! a wait is over. Under way at a time: up to [`Config::uploads`](super::Config) transfers, one call that
//! changes the library, and one that looks whether items are there.

mod creating;
mod looking;
mod members;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::config::SHUTDOWN_TIMEOUT;
use super::draft::Rejection;
use super::level::Level;
use super::shared::{Shared, chain};
use super::state::{Sealed, Uploaded};
use super::transfer::{self, Outcome};
use super::trouble::{Backoff, Trouble, TroubleKind};
use crate::api::{self, RAW_UPLOAD_MAX};
use crate::media::{DirId, FileId};
use crate::store::{self, MemberCall};

/// Tokens older than this are not relied on (reference §13): 24 hours less a margin.
const TOKEN_LIFE: Duration = Duration::from_secs(20 * 3600);
/// No more files than this wait for their `batchCreate`: their tokens would age for nothing.
const TOKENS_MAX: usize = 1000;
/// A first attempt that takes longer no longer holds up the later files of its album.
const HOLD_UP_MAX: Duration = Duration::from_secs(600);
/// Files failing in a row with 5xx after which it is taken for Google's own trouble.
const UNWELL_IN_A_ROW: u32 = 3;
/// The longest sleep: clocks are set and tables are changed by others, too.
const NAP_MAX: Duration = Duration::from_secs(60);

/// Runs until [`Shared::stop`].
pub(super) async fn run(shared: Arc<Shared>) {
    // Even if this task dies of a bug of ours, nobody waits for it in vain.
    let _ended = (shared.stop.clone().drop_guard(), shared.stopped.clone().drop_guard());
    let mut worker = Worker::new(shared);
    while !worker.shared.stop.is_cancelled() {
        let nap = match worker.start_work().await {
            Ok(nap) => nap,
            Err(error) => {
                worker.database_failed(&error);
                Duration::ZERO
            }
        };
        worker.wait(nap).await;
    }
    worker.stop().await;
}

/// A transfer under way.
struct Transfer {
    seq: i64,
    size: u64,
    attempts: u32,
    big: bool,
    since: Instant,
}

/// A call that changes the library, and what came of it.
enum Change {
    Created(creating::Answer),
    Members(members::Answer),
}

struct Worker {
    shared: Arc<Shared>,
    transfers: JoinSet<(FileId, Outcome)>,
    in_flight: HashMap<FileId, Transfer>,
    level: Level,
    /// At most one.
    change: JoinSet<Change>,
    /// At most one.
    look: JoinSet<looking::Answer>,
    /// Batches that failed as a whole, on the way to finding out by which file.
    split: VecDeque<Uploaded>,
    /// Likewise, for memberships.
    split_members: VecDeque<(members::Kind, MemberCall)>,
    /// An album that was full while items were about to leave it: they do so before others come.
    full: Option<DirId>,
    /// How often the same call has failed in a row.
    call_failures: u32,
    /// Which kind of change was made last, so that none starves.
    created_last: bool,
    /// Items may have to be added or removed. Only then is it worth going through the memberships, which
    /// are as many as the files that wait.
    members_stirred: bool,
    /// Files may have the bytes of items that are there. As above.
    twins_stirred: bool,
    /// Something to look at has been waiting since then.
    look_waits_since: Option<Instant>,
    /// Holds up everything.
    trouble: Option<Trouble>,
    /// Holds up changes of the library only.
    write_trouble: Option<Trouble>,
    /// Holds up additions and removals only.
    edit_trouble: Option<Trouble>,
    unwell_in_a_row: u32,
    /// The database has failed.
    held_up_until: Option<Instant>,
}

impl Worker {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            level: Level::new(shared.config.uploads),
            shared,
            transfers: JoinSet::new(),
            in_flight: HashMap::new(),
            change: JoinSet::new(),
            look: JoinSet::new(),
            split: VecDeque::new(),
            split_members: VecDeque::new(),
            full: None,
            call_failures: 0,
            created_last: false,
            members_stirred: true,
            twins_stirred: true,
            look_waits_since: None,
            trouble: None,
            write_trouble: None,
            edit_trouble: None,
            unwell_in_a_row: 0,
            held_up_until: None,
        }
    }

    /// Starts what may be started; says how long there will be nothing more to start.
    async fn start_work(&mut self) -> store::Result<Duration> {
        if let Some(left) =
            self.held_up_until.map(|at| at.saturating_duration_since(Instant::now()))
        {
            if !left.is_zero() {
                return Ok(left);
            }
            self.held_up_until = None;
        }
        let now = SystemTime::now();
        if self.shared.try_now.swap(false, Ordering::Relaxed) {
            self.try_now(now).await?;
        }
        let mut next = Earliest(now + NAP_MAX);
        for trouble in self.troubles() {
            if trouble.until > now {
                next.consider(trouble.until);
            }
        }
        if self.shared.members_stirred.swap(false, Ordering::Relaxed) {
            self.stir();
        }
        if !self.shared.drafts.unsettled().is_empty() {
            let shared = self.shared.clone();
            self.shared
                .store
                .run(move |_| {
                    shared.settle_left_over();
                    Ok(())
                })
                .await?;
            next.consider(now + self.shared.config.retry_max);
        }
        if self.change.is_empty() {
            // A call under way may be about to use up such a token.
            self.shared.store.run(move |store| store.expire_tokens(now - TOKEN_LIFE)).await?;
        }
        self.start_transfers(now).await?;
        if self.change.is_empty() && self.may_change(now) {
            self.start_change(now, &mut next).await?;
        }
        if self.look.is_empty() && self.may_try(now) {
            self.start_look(now, &mut next).await?;
        }
        if let Some(at) = self.shared.store.run(move |store| store.next_retry(now)).await? {
            next.consider(at);
        }
        Ok(next.0.duration_since(now).unwrap_or_default())
    }

    /// Sleeps until there may be something to start, having taken note of what has ended.
    async fn wait(&mut self, nap: Duration) {
        let shared = self.shared.clone();
        tokio::select! {
            Some(ended) = self.transfers.join_next() => self.transfer_ended(ended).await,
            Some(Ok(change)) = self.change.join_next() => self.change_ended(change).await,
            Some(Ok(look)) = self.look.join_next() => self.look_ended(look).await,
            // What somebody waits for may have been removed.
            () = shared.wake.notified() => {}
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(nap) => return,
        }
        shared.pace.lock().look(Instant::now().into_std(), shared.gone());
        shared.moved_on();
    }

    async fn start_transfers(&mut self, now: SystemTime) -> store::Result<()> {
        let room = self.transfers_allowed(now).saturating_sub(self.in_flight.len());
        if room == 0 {
            return Ok(());
        }
        if self.shared.store.run(|store| store.uploaded_count()).await? >= TOKENS_MAX {
            return Ok(());
        }
        let busy: Vec<FileId> = self.in_flight.keys().copied().collect();
        // One place is kept for files that are sent in one go: large ones must not starve them.
        let places = self.level.now().saturating_sub(1).max(1);
        let mut big_room =
            places.saturating_sub(self.in_flight.values().filter(|it| it.big).count());
        let shared = self.shared.clone();
        let startable = self
            .shared
            .store
            .run(move |store| {
                store.startable(now, room, |file, size| {
                    let big = size > RAW_UPLOAD_MAX;
                    if busy.contains(&file)
                        || shared.drafts.is_being_written(file)
                        || (big && big_room == 0)
                    {
                        return false;
                    }
                    big_room -= usize::from(big);
                    true
                })
            })
            .await?;
        if self.in_flight.is_empty() && !startable.is_empty() {
            let gone = self.shared.gone();
            self.shared.pace.lock().begin(Instant::now().into_std(), gone);
        }
        for file in startable {
            // A writer may have come meanwhile.
            let Some(upload) = self.shared.drafts.begin_upload(file.file) else { continue };
            let (id, big) = (file.file, file.size > RAW_UPLOAD_MAX);
            let transfer = Transfer {
                seq: file.seq,
                size: file.size,
                attempts: file.attempts,
                big,
                since: Instant::now(),
            };
            self.in_flight.insert(id, transfer);
            let work = transfer::transfer(self.shared.clone(), Sealed(file), upload);
            self.transfers.spawn(async move { (id, work.await) });
        }
        Ok(())
    }

    /// How many transfers there may be: all, none, or one to find out whether a trouble is over.
    fn transfers_allowed(&self, now: SystemTime) -> usize {
        let full = self.write_trouble.as_ref().filter(|it| it.kind == TroubleKind::StorageFull);
        match self.trouble.as_ref().or(full) {
            None => self.level.now(),
            Some(trouble) => usize::from(trouble.until <= now),
        }
    }

    fn may_try(&self, now: SystemTime) -> bool {
        self.trouble.as_ref().is_none_or(|trouble| trouble.until <= now)
    }

    fn may_change(&self, now: SystemTime) -> bool {
        self.may_try(now) && self.write_trouble.as_ref().is_none_or(|trouble| trouble.until <= now)
    }

    async fn start_change(&mut self, now: SystemTime, next: &mut Earliest) -> store::Result<()> {
        // In turns, so that a long copy does not keep `rm` waiting, nor the reverse.
        let members_first = std::mem::replace(&mut self.created_last, false);
        if members_first && self.start_members(now, next).await? {
            return Ok(());
        }
        if self.start_create(now, next).await? {
            self.created_last = true;
        } else if !members_first {
            self.start_members(now, next).await?;
        }
        Ok(())
    }

    async fn transfer_ended(&mut self, ended: Result<(FileId, Outcome), tokio::task::JoinError>) {
        let Ok((file, outcome)) = ended else {
            // A bug of ours: without knowing whose transfer it was, all are looked at again.
            self.in_flight.clear();
            self.shared.drafts.end_uploads();
            return;
        };
        self.shared.drafts.end_upload(file, matches!(outcome, Outcome::Succeeded));
        let Some(transfer) = self.in_flight.remove(&file) else { return };
        let (text, forgivable) = match outcome {
            Outcome::Succeeded => {
                self.level.arrived(transfer.size);
                return self.reached();
            }
            // The file is looked at again when its writer has gone.
            Outcome::Superseded => return,
            Outcome::Duplicate => {
                self.shared.count_spared(transfer.size);
                return self.stir();
            }
            Outcome::Store(error) => {
                self.database_failed(&error);
                return;
            }
            Outcome::SessionGone => ("the upload session is gone".to_owned(), true),
            Outcome::Disk(error) => (chain(&error), false),
            Outcome::Damaged(reason) => {
                self.reject((file, transfer.seq), Rejection::Other, reason).await;
                return;
            }
            Outcome::Refused(error) if error.is_too_large() => {
                let reason = "Google says that the file is too large".to_owned();
                self.reject((file, transfer.seq), Rejection::TooLarge, reason).await;
                return;
            }
            Outcome::Refused(error) => match self.read_trouble(&error, self.trouble.as_ref()) {
                None => (chain(&error), false),
                Some(trouble) if trouble.kind == TroubleKind::Unwell => {
                    self.unwell_in_a_row += 1;
                    if self.unwell_in_a_row >= UNWELL_IN_A_ROW {
                        self.set_trouble(trouble);
                    }
                    (chain(&error), true)
                }
                Some(trouble) => return self.set_trouble(trouble),
            },
        };
        let retry_at = self.retry_at(transfer.attempts + 1);
        let shared = self.shared.clone();
        let Transfer { seq, attempts, .. } = transfer;
        self.store(move |_| {
            shared.attempt_failed((file, seq, attempts), &text, forgivable, retry_at)
        })
        .await;
    }

    /// Memberships may differ from what they were when they were last gone through.
    fn stir(&mut self) {
        self.members_stirred = true;
        self.twins_stirred = true;
    }

    async fn change_ended(&mut self, change: Change) {
        self.stir();
        match change {
            Change::Created(answer) => self.create_ended(answer).await,
            Change::Members(answer) => self.members_ended(answer).await,
        }
    }

    /// Somebody waits, and may have helped first: what waits for a person is looked at again at once.
    async fn try_now(&mut self, now: SystemTime) -> store::Result<()> {
        let troubles = [&mut self.trouble, &mut self.write_trouble, &mut self.edit_trouble];
        let troubles = troubles.into_iter().flatten();
        let patient = troubles.filter(|trouble| trouble.waits_for_a_person());
        if patient.map(|trouble| trouble.until = now).count() > 0 {
            self.shared.store.run(|store| store.retry_now()).await?;
        }
        Ok(())
    }

    /// A blocking piece of work with the database, whose failure holds everything up.
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

    /// Google has done something for us: whatever was the trouble, it is over.
    fn reached(&mut self) {
        self.unwell_in_a_row = 0;
        if let Some(trouble) = self.trouble.take() {
            over(&trouble);
        }
        self.show_trouble();
    }

    /// Google has changed the library for us.
    fn changed(&mut self) {
        self.call_failures = 0;
        if let Some(trouble) = self.write_trouble.take() {
            over(&trouble);
        }
        self.reached();
    }

    fn read_trouble(&self, error: &api::Error, before: Option<&Trouble>) -> Option<Trouble> {
        let pause = self.shared.client.write_pause_left();
        let (now, jitter) = (SystemTime::now(), rand::random());
        Trouble::read(error, chain(error), before, self.backoff(), pause, now, jitter)
    }

    fn set_trouble(&mut self, trouble: Trouble) {
        begins(&trouble, self.trouble.as_ref());
        self.trouble = Some(trouble);
        self.show_trouble();
    }

    /// Trouble with a change of the library. What would hit everything else, too, holds that up as well.
    fn set_write_trouble(&mut self, trouble: Trouble) {
        match trouble.kind {
            TroubleKind::Offline | TroubleKind::Quota | TroubleKind::Login => {
                self.set_trouble(trouble)
            }
            TroubleKind::Permission => {
                begins(&trouble, self.edit_trouble.as_ref());
                self.shared.edits_refused.store(true, Ordering::Relaxed);
                self.edit_trouble = Some(trouble);
                self.show_trouble();
            }
            TroubleKind::Unwell | TroubleKind::Throttled | TroubleKind::StorageFull => {
                begins(&trouble, self.write_trouble.as_ref());
                self.write_trouble = Some(trouble);
                self.show_trouble();
            }
        }
    }

    /// Items were added or removed, or there are none to be.
    fn may_edit(&mut self) {
        if let Some(trouble) = self.edit_trouble.take() {
            over(&trouble);
            self.shared.edits_refused.store(false, Ordering::Relaxed);
            self.show_trouble();
        }
    }

    fn show_trouble(&self) {
        *self.shared.trouble.lock() = self.troubles().next().cloned();
        self.shared.moved_on();
    }

    /// All there are, the one that holds up most first.
    fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        [&self.trouble, &self.write_trouble, &self.edit_trouble].into_iter().flatten()
    }

    /// Without its tables the queue can do nothing but try again later: what Google was asked meanwhile
    /// could not be kept.
    fn database_failed(&mut self, error: &store::Error) {
        let text = chain(error);
        tracing::error!("the upload queue is held up: {text}");
        self.shared.remember("(database)".to_owned(), text);
        self.held_up_until = Some(Instant::now() + self.shared.config.retry_max);
    }

    fn backoff(&self) -> Backoff {
        Backoff { base: self.shared.config.retry_base, max: self.shared.config.retry_max }
    }

    fn retry_at(&self, attempts: u32) -> SystemTime {
        SystemTime::now() + self.backoff().wait(attempts, rand::random())
    }

    fn is_impatient(&self) -> bool {
        self.shared.waiters.load(Ordering::Relaxed) > 0
    }

    /// Lets a change that is under way answer, within limits; everything else can be cut off at any time.
    async fn stop(mut self) {
        self.transfers.abort_all();
        self.look.abort_all();
        let ended = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.change.join_next()).await;
        if let Ok(Some(Ok(change))) = ended {
            self.change_ended(change).await;
        }
    }
}

/// One line when it starts, not one per attempt.
fn begins(trouble: &Trouble, before: Option<&Trouble>) {
    if before.is_none_or(|before| before.kind != trouble.kind) {
        let what = if trouble.kind == TroubleKind::Permission { "held up" } else { "uploads wait" };
        tracing::warn!(trouble = trouble.kind.as_str(), "{what}: {}", trouble.text);
    }
}

fn over(trouble: &Trouble) {
    tracing::info!(trouble = trouble.kind.as_str(), "uploads go on");
}

/// The earliest of some times.
struct Earliest(SystemTime);

impl Earliest {
    fn consider(&mut self, at: SystemTime) {
        self.0 = self.0.min(at);
    }
}
