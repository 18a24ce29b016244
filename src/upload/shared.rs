//! The state that both halves of the pipeline use.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::blocked::Blocked;
use super::config::Config;
use super::drafts::Drafts;
use super::errors::Error;
use super::just_closed::{JustClosed, Waiting};
use super::rate::{SentTotals, UploadRate};
use super::shrinkers::Shrinkers;
use super::spool::Spool;
use super::videos::Videos;
use crate::api;
use crate::error_chain::{chain, ends};
use crate::media::FileId;
use crate::store::{FileInfo, Store};

/// The status shows this many of the last failures.
const FAILURES_MAX: usize = 20;

/// Something that went wrong with one file.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When.
    pub at: SystemTime,
    /// The file, as a path below the mount.
    pub path: String,
    /// The error with its causes.
    pub text: String,
}

/// The state that both halves use.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) client: api::Client,
    pub(super) spool: Spool,
    pub(super) shrinkers: Shrinkers,
    pub(super) videos: Videos,
    /// Files that are open, and uploads under way.
    pub(super) drafts: Drafts,
    /// Files whose uploads do not begin yet.
    pub(super) just_closed: JustClosed,
    /// The totals that went to Google. [`Drafts`] counts the bytes.
    sent: Mutex<SentTotals>,
    pub(super) rate: Mutex<UploadRate>,
    /// All outages, the one that blocks most first.
    pub(super) outages: Mutex<Vec<Blocked>>,
    /// Google has said that the login may not add items to albums or remove them.
    pub(super) edits_refused: AtomicBool,
    pub(super) failures: Mutex<VecDeque<Failure>>,
    /// There may be something to do.
    pub(super) wake: Notify,
    /// How many smaller copies are being made.
    pub(super) preparing: AtomicUsize,
    /// Names were added or taken away.
    pub(super) members_dirty: AtomicBool,
    /// Counted up whenever something has arrived, failed or changed its place.
    pub(super) progress: watch::Sender<u64>,
    /// Somebody has logged in, or begun to wait: a [`Blocked`] that waits for a person may be over.
    pub(super) try_now: AtomicBool,
    /// The connection is metered, and uploads wait for another one.
    pub(super) metered: AtomicBool,
    /// The network has changed, or the machine has slept.
    pub(super) network_changed: AtomicBool,
    /// How many callers wait for the queue.
    pub(super) waiters: AtomicUsize,
    /// How many of them wait for room in the spool.
    pub(super) blocked_writes: AtomicUsize,
    pub(super) stop: CancellationToken,
    pub(super) stopped: CancellationToken,
}

impl Shared {
    pub(super) fn new(config: Config, store: Store, client: api::Client) -> Result<Self, Error> {
        let spool = Spool::new(config.spool_dir.clone(), config.spool_max)?;
        Ok(Self {
            config,
            store,
            client,
            spool,
            shrinkers: Shrinkers::default(),
            videos: Videos::default(),
            drafts: Drafts::default(),
            just_closed: JustClosed::default(),
            sent: Mutex::default(),
            rate: Mutex::default(),
            outages: Mutex::default(),
            edits_refused: AtomicBool::new(false),
            failures: Mutex::default(),
            wake: Notify::new(),
            preparing: AtomicUsize::new(0),
            members_dirty: AtomicBool::new(true),
            progress: watch::Sender::new(0),
            try_now: AtomicBool::new(false),
            metered: AtomicBool::new(false),
            network_changed: AtomicBool::new(false),
            waiters: AtomicUsize::new(0),
            blocked_writes: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            stopped: CancellationToken::new(),
        })
    }

    /// Adds the bytes of a spool file that is this item to the content cache. Blocking.
    pub(super) fn add_to_cache(&self, file: FileId, item: &FileInfo) {
        let spool = self.spool.path(file);
        if let Some(hash) = item.known()
            && spool.exists()
        {
            (self.config.add_to_cache)(item.id, hash, &spool);
        }
    }

    /// Whether the login may not add items to albums or remove them: Google has said so, or the
    /// scope is missing.
    pub(super) fn lacks_edit(&self) -> bool {
        self.edits_refused.load(Ordering::Relaxed)
            || self.client.login().lacks(api::Scope::EditAppCreated)
    }

    /// The outage that blocks most, if there is one.
    pub(super) fn blocked(&self) -> Option<Blocked> {
        self.outages.lock().first().cloned()
    }

    /// Whether a writer waits for room in the spool.
    pub(super) fn lacks_room(&self) -> bool {
        self.blocked_writes.load(Ordering::Relaxed) > 0
    }

    /// The totals that went to Google by now, with the uploads under way.
    pub(super) fn sent(&self) -> SentTotals {
        let sent = self.drafts.sent();
        SentTotals { bytes: sent.uploaded + sent.under_way, ..*self.sent.lock() }
    }

    /// Whether a caller waits for the queue.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) > 0
    }

    /// Files whose uploads do not begin yet.
    pub(super) fn just_closed(&self) -> Waiting {
        if self.is_waited_for() {
            return Waiting::default();
        }
        // As many as may be uploaded at a time: a copy of more files keeps the line busy.
        self.just_closed.waiting(self.config.uploads, Instant::now())
    }

    /// How many files and bytes have gone to Google. Bytes of an upload that is under way may have to
    /// be sent again.
    pub(super) fn arrived(&self) -> (u64, u64) {
        (self.sent.lock().operations, self.drafts.sent().uploaded)
    }

    /// Counts files that have arrived, or memberships that have changed.
    pub(super) fn count_operations(&self, operations: usize) {
        self.sent.lock().operations += operations as u64;
    }

    /// Counts bytes that need not be sent, because Google has them.
    pub(super) fn count_deduplicated(&self, bytes: u64) {
        self.sent.lock().deduplicated += bytes;
    }

    /// Has the worker compare the memberships: desired and observed ones may differ.
    pub(super) fn mark_dirty(&self) {
        self.members_dirty.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Wakes callers that wait for progress.
    pub(super) fn moved_on(&self) {
        self.progress.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// One log line for a failure that is tried again.
    pub(super) fn note_failure(&self, file: FileId, err: &(dyn std::error::Error + 'static)) {
        let path = self.path_of(file);
        tracing::warn!(%path, "{}", chain(err));
        self.remember(path, ends(err));
    }

    /// Keeps a failure for the status: once, even if a file fails alike again and again.
    pub(super) fn remember(&self, path: String, text: String) {
        let mut failures = self.failures.lock();
        failures.retain(|it| it.path != path || it.text != text);
        if failures.len() == FAILURES_MAX {
            failures.pop_front();
        }
        failures.push_back(Failure { at: SystemTime::now(), path, text });
    }

    /// A file's path below the mount, for people.
    pub(super) fn path_of(&self, file: FileId) -> String {
        self.named_path(file).unwrap_or_else(|| format!("(file {} without a name)", file.0))
    }

    /// As [`Shared::path_of`]. `None` if the user has removed the file: then it is no error that it
    /// does not arrive.
    pub(super) fn named_path(&self, file: FileId) -> Option<String> {
        self.store.file_path(file).ok().flatten()
    }
}

/// Counts a caller that waits for the queue, for as long as it waits.
pub(super) struct Waiter<'a>(&'a Shared);

impl<'a> Waiter<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        shared.waiters.fetch_add(1, Ordering::Relaxed);
        shared.wake.notify_one();
        Self(shared)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}
