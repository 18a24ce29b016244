//! What is going: takes files as they are closed and sees them become items, each exactly once.
//!
//! [`Pipeline`] is the half that the kernel's requests meet: it spools, seals and waits. It never touches
//! the network. The other half is one task, [`worker`], which reads off the tables what there is to do. The
//! database is the queue, so nothing here grows with it, and recovery is to look at the tables.
//!
//! Lock order: a file's lock, then `writers` or the database, which are held for a lookup only.

pub mod accept;
mod batch;
mod commit;
pub mod crash;
mod level;
mod pace;
mod replay;
pub mod room;
pub mod spool;
mod state;
mod transfer;
mod trouble;
mod worker;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::media::{ContentHash, DirId, EntryName, FileId};
use crate::store::{
    self, Backlog, Child, FileInfo, Pending, Reopened, SealedFacts, Store, Unlinked, UploadState,
};

pub use crate::store::Scope;
pub use commit::{CommitError, Refusal};
use pace::Pace;
pub use pace::{Gone, Rate};
pub use room::{Need, NoRoom, SpoolFile};
pub use spool::Spool;
pub use trouble::{Trouble, TroubleKind};

/// A file that has failed so often through its own fault is refused.
const ATTEMPTS_MAX: u32 = 5;
/// How many of the last failures are kept for the status.
const FAILURES_MAX: usize = 20;
/// Files share this many locks.
const FILE_LOCKS: usize = 64;
/// How long [`Pipeline::shutdown`] lets calls that are under way answer.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(3);

/// Makes bytes, which have this hash, available to readers once Google has them for certain: link or copy them, or take
/// them away. The spool file is deleted afterwards if it is still there. Blocking; the path may be missing after a crash.
pub type Keep = Arc<dyn Fn(FileId, ContentHash, &Path) + Send + Sync>;

/// What the pipeline needs to be told.
#[derive(Clone)]
pub struct Config {
    /// Most files that are uploaded at the same time; at least 1. How many there are follows from whether the
    /// batches are full and the line is.
    pub uploads: usize,
    /// Where the bytes lie until Google has them.
    pub spool_dir: PathBuf,
    /// How many bytes may lie there.
    pub spool_max: u64,
    /// How long to wait for company before a batch that is not full is sent, counted from the last
    /// file that joined it. Nothing is waited for while somebody waits for the batch.
    pub linger: Duration,
    /// The first wait after a failure; doubles with each further one, with full jitter.
    pub retry_base: Duration,
    /// The longest wait between two attempts.
    pub retry_max: Duration,
    /// Given the bytes of files that have arrived.
    pub keep: Keep,
}

impl Config {
    /// With defaults that are right for Google.
    pub fn new(spool_dir: PathBuf, keep: Keep) -> Self {
        Self {
            uploads: 32,
            spool_dir,
            spool_max: u64::MAX,
            linger: Duration::from_secs(2),
            retry_base: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            keep,
        }
    }
}

impl Config {
    /// With every wait divided by `pace`, which is at least 1: for a service that is made for tests.
    pub fn paced(self, pace: u32) -> Self {
        Self {
            linger: self.linger / pace,
            retry_base: self.retry_base / pace,
            retry_max: self.retry_max / pace,
            ..self
        }
    }
}

/// What sealing has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// It is durable, and will be uploaded when the last writer has gone.
    Queued,
    /// It is durable, and stays here: it is empty, or has the name of a half-written file.
    Scratch,
    /// It has arrived at Google already.
    Arrived,
}

/// Why a file could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Google would not take it. The bytes go to the failed files when the last writer has gone.
    #[error("{0}")]
    Unsupported(String),
    /// It is larger than Google takes. The bytes go to the failed files when the last writer has gone.
    #[error("the file has {size} bytes, Google Photos takes {max}")]
    TooLarge {
        /// In bytes.
        size: u64,
        /// In bytes.
        max: u64,
    },
    /// The disk that holds spool and database is full.
    #[error("no space is left for the spool")]
    NoSpace(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An earlier write had failed, so this is not what the writer meant. The bytes go to the failed files when the
    /// last writer has gone.
    #[error("not all of it could be written: {0}")]
    Incomplete(io::Error),
    /// The spool file cannot be read or synced.
    #[error("the spool file failed")]
    Io(#[source] io::Error),
    /// The journal cannot be written.
    #[error(transparent)]
    Store(store::Error),
}

impl From<io::Error> for SealError {
    fn from(err: io::Error) -> Self {
        let full = matches!(err.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full { Self::NoSpace(err.into()) } else { Self::Io(err) }
    }
}

impl From<store::Error> for SealError {
    fn from(err: store::Error) -> Self {
        if err.is_disk_full() { Self::NoSpace(err.into()) } else { Self::Store(err) }
    }
}

impl SealError {
    /// Whether this version of the file can never go to Google, as opposed to trouble that may pass.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::TooLarge { .. } | Self::Incomplete(_))
    }
}

/// Why something else could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spool directory failed.
    #[error("the spool failed")]
    Spool(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The file was refused for good: it can be copied, but not written.
    #[error("the file was refused by Google and cannot be written")]
    Refused,
}

/// Why a refused file could not be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// It would be refused again, or disk or database failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The name is not there, or cannot be given there.
    #[error(transparent)]
    Tree(#[from] store::TreeError),
}

/// Why waiting came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// Everything else has arrived, but these names were refused.
    #[error("{}", were_refused(*.count))]
    Failed {
        /// How many.
        count: u64,
    },
    /// The queue is held up: what is left stays in it, and goes on by itself when that is over.
    #[error("it is safe here and stays queued, but uploads are held up ({}): {}", .0.kind.as_str(), .0.text)]
    HeldUp(Trouble),
    /// The pipeline stops: what is left goes on with the next mount.
    #[error("the program is shutting down")]
    ShuttingDown,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

fn were_refused(count: u64) -> String {
    match count {
        1 => "a file was refused; it is under .gphotos/failed".to_owned(),
        _ => format!("{count} files were refused; they are under .gphotos/failed"),
    }
}

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
    /// When all of it will have gone, at that rate; `None` if nothing moves or something holds it up.
    pub time_left: Option<Duration>,
    /// What keeps the whole queue from moving, if something does.
    pub trouble: Option<Trouble>,
    /// The last failures, oldest first.
    pub failures: Vec<Failure>,
}

/// Something that went wrong with one file.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When.
    pub at: SystemTime,
    /// The file, as a path below the mount.
    pub path: String,
    /// What, with its causes.
    pub text: String,
}

/// The upload pipeline of one profile. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    shared: Arc<Shared>,
}

/// What both halves use.
struct Shared {
    config: Config,
    store: Store,
    client: api::Client,
    spool: Spool,
    /// Files that are open for writing, or could not be settled when the last writer went.
    writers: Mutex<HashMap<FileId, Writer>>,
    /// Held while a file is sealed, unsealed, split or let go of.
    file_locks: [Mutex<()>; FILE_LOCKS],
    /// Uploads under way.
    sending: Mutex<HashMap<FileId, Sending>>,
    /// What has gone, without the uploads under way. Taken after `sending`.
    gone: Mutex<Gone>,
    pace: Mutex<Pace>,
    trouble: Mutex<Option<Trouble>>,
    /// The login turned out not to be allowed to change what is in albums.
    edits_refused: AtomicBool,
    failures: Mutex<VecDeque<Failure>>,
    /// There may be something to do.
    wake: Notify,
    /// Names were added or taken away.
    members_stirred: AtomicBool,
    /// Counted up whenever something has arrived, failed or changed its place.
    progress: watch::Sender<u64>,
    /// Somebody has logged in, or begun to wait: a [`Trouble`] that waits for a person may be over.
    try_now: AtomicBool,
    /// How many callers wait for the queue.
    waiters: AtomicUsize,
    stop: CancellationToken,
    stopped: CancellationToken,
}

/// An upload under way.
#[derive(Clone, Default)]
struct Sending {
    /// Bytes handed to the network.
    sent: Arc<AtomicU64>,
    /// The version is void: its bytes may change.
    cancel: CancellationToken,
}

#[derive(Default)]
struct Writer {
    /// Descriptors. With none, the disk was too full to settle the file: the worker tries again.
    count: u32,
    /// Of its writes, how many wait for room in the spool.
    held: u32,
    /// The row says open, so a write need not ask.
    unsealed: bool,
    /// Nothing more is going to be written, as far as can be told: the upload need not wait.
    closing: bool,
    /// Of what was written, if Google has refused it meanwhile.
    refusal: Refusal,
    /// The error number of a write that has failed.
    spoiled: Option<i32>,
    /// A close has been told that Google does not take the file, and nothing has been written since. It goes to the failed
    /// files only with its last writer.
    refused: bool,
}

impl Pipeline {
    /// Replays the journal and starts the worker. Blocking.
    ///
    /// # Errors
    /// If spool or database fail.
    pub fn start(
        config: Config,
        store: Store,
        client: api::Client,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, Error> {
        let spool = Spool::new(config.spool_dir.clone(), config.spool_max)?;
        let shared = Arc::new(Shared {
            config,
            store,
            client,
            spool,
            writers: Mutex::default(),
            file_locks: std::array::from_fn(|_| Mutex::default()),
            sending: Mutex::default(),
            gone: Mutex::default(),
            pace: Mutex::default(),
            trouble: Mutex::default(),
            edits_refused: AtomicBool::new(false),
            failures: Mutex::default(),
            wake: Notify::new(),
            members_stirred: AtomicBool::new(true),
            progress: watch::Sender::new(0),
            try_now: AtomicBool::new(false),
            waiters: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            stopped: CancellationToken::new(),
        });
        replay::replay(&shared)?;
        shared.spool.count()?;
        runtime.spawn(worker::run(shared.clone()));
        Ok(Self { shared })
    }

    /// The bytes of files that have not arrived yet. A caller that sets a spooled file's time of
    /// modification sets it there as well ([`Spool::set_mtime`]): sealing keeps what it finds.
    pub fn spool(&self) -> &Spool {
        &self.shared.spool
    }

    /// Somebody has opened the file for writing. Nothing of it is uploaded until [`Pipeline::released`].
    pub fn opened(&self, file: FileId) {
        let mut writers = self.shared.writers.lock();
        let writer = writers.entry(file).or_default();
        writer.count += 1;
        writer.closing = false;
    }

    /// A writer has gone. With the last one the upload may begin.
    pub fn released(&self, file: FileId) {
        let shared = &self.shared;
        let _lock = shared.lock(file);
        {
            let mut writers = shared.writers.lock();
            let Some(writer) = writers.get_mut(&file) else { return };
            writer.count -= 1;
            if writer.count > 0 {
                return;
            }
        }
        // Pages written through a mapping may come after the last flush, and a refusal is final only now: an
        // earlier flush may have been that of a copied descriptor in the middle of writing.
        if let Err(err) = shared.settle_closed(file) {
            shared.note_failure(file, &err);
        }
        shared.wake.notify_one();
    }

    /// A write has failed: what lies in the spool is not what the writer meant, and is not uploaded.
    pub fn spoiled(&self, file: FileId, error: &io::Error) {
        if let Some(writer) = self.shared.writers.lock().get_mut(&file) {
            writer.spoiled = Some(error.raw_os_error().unwrap_or(libc::EIO));
        }
    }

    /// The file has been emptied: whatever had failed before is void.
    pub fn emptied(&self, file: FileId) {
        if let Some(writer) = self.shared.writers.lock().get_mut(&file) {
            writer.spoiled = None;
        }
    }

    /// A file that Google has is about to be written: what it was becomes a version of its own, and the
    /// file an upload that begins with `content` (`None`: empty). Does nothing if it is an upload already.
    ///
    /// # Errors
    /// If spool or database fail; [`Error::Refused`].
    pub fn begin_edit(&self, file: FileId, content: Option<&File>) -> Result<(), Error> {
        let shared = &self.shared;
        let _lock = shared.lock(file);
        match shared.store.upload_state(file)? {
            Some(UploadState::Failed) => return Err(Error::Refused),
            Some(_) => return Ok(()),
            None => {}
        }
        let Some(content) = content else {
            shared.spool.create(file)?;
            shared.store.split(file, None, 0)?;
            return Ok(());
        };
        // Aside until the journal knows of the edit: what a crash leaves there is nobody's.
        let (hash, size) = shared.spool.fill(file, content)?;
        shared.store.split(file, Some(hash), size)?;
        Ok(shared.spool.adopt_version(file, file)?)
    }

    /// To be called before each write: voids an earlier sealing. Cheap if there was none.
    ///
    /// # Errors
    /// If spool or database fail; [`Error::Refused`].
    pub fn unseal(&self, file: FileId) -> Result<(), Error> {
        let shared = &self.shared;
        if shared.writers.lock().get(&file).is_some_and(|writer| writer.unsealed) {
            return Ok(());
        }
        let _lock = shared.lock(file);
        let was_closing = shared
            .writers
            .lock()
            .get_mut(&file)
            .is_some_and(|writer| std::mem::take(&mut writer.closing));
        match shared.store.reopen(file)? {
            Reopened::Open => {}
            Reopened::NotStaged => {
                // What Google saw may have been half a file, sent when a copied descriptor was closed.
                let back = was_closing && shared.store.failed_reopened(file)?;
                if !back {
                    return Err(Error::Refused);
                }
            }
            Reopened::InFlight => {
                // Google may have the version before this write at any moment: it must keep its bytes.
                shared.spool.keep_version(file)?;
                let size = std::fs::metadata(shared.spool.path(file))?.len();
                let old = shared.store.split(file, None, size)?;
                shared.spool.adopt_version(file, old)?;
            }
        }
        if let Some(sending) = shared.sending.lock().get(&file) {
            sending.cancel.cancel();
        }
        if let Some(writer) = shared.writers.lock().get_mut(&file) {
            writer.unsealed = true;
            writer.refused = false;
        }
        Ok(())
    }

    /// For each `flush`: when this returns, bytes and intent are on disk. May be repeated.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&self, file: FileId) -> Result<Sealed, SealError> {
        let _lock = self.shared.lock(file);
        self.shared.seal(file)
    }

    /// A close has been told why the file could not be sealed. Who waits for the queue meanwhile is told likewise of what
    /// Google does not take.
    pub fn close_failed(&self, file: FileId, why: &SealError) {
        if let Some(writer) = self.shared.writers.lock().get_mut(&file) {
            writer.refused = why.is_refusal();
        }
    }

    /// Whether what gets this name stays here: it is one for half-written files, or in a directory of such a name.
    ///
    /// # Errors
    /// If the database fails.
    pub fn stays_here(&self, dir: DirId, name: &EntryName) -> store::Result<bool> {
        stays_here(&self.shared.store, dir, name)
    }

    /// Whether a half-written file may get this name: it would be uploaded from then on.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn check_name(&self, file: FileId, dir: DirId, name: &EntryName) -> Result<(), SealError> {
        let shared = &self.shared;
        if shared.store.upload_state(file)? != Some(UploadState::Scratch)
            || self.stays_here(dir, name)?
        {
            return Ok(());
        }
        let found = shared.spool.look(file)?;
        if found.size > 0 {
            judge(&found, name)?;
        }
        Ok(())
    }

    /// The file has got another name: a real one makes an upload of a half-written file, and the reverse.
    ///
    /// # Errors
    /// See [`SealError`]; then the name has moved to the failed ones.
    pub fn renamed(&self, file: FileId) -> Result<(), SealError> {
        let shared = &self.shared;
        let _lock = shared.lock(file);
        match shared.store.upload_state(file)? {
            Some(UploadState::Scratch) => {}
            Some(UploadState::Sealed | UploadState::Uploaded) => {
                let names = shared.store.names_in_albums(file)?;
                if !names.iter().all(accept::is_scratch_name) {
                    self.wake();
                    return Ok(());
                }
                if shared.store.reopen(file)? != Reopened::Open {
                    // It may be an item already, whatever it is called now.
                    self.wake();
                    return Ok(());
                }
            }
            _ => {
                self.wake();
                return Ok(());
            }
        }
        let outcome = shared.seal_named(file);
        self.wake();
        outcome
    }

    /// Moves a refused file's name out of the failed ones, into an album: it is tried again.
    ///
    /// # Errors
    /// [`RetryError::Seal`] if Google would refuse it again; see there for others.
    pub fn retry(
        &self,
        from: (DirId, &EntryName),
        to: (DirId, &EntryName),
        replace: bool,
    ) -> Result<Option<Unlinked>, RetryError> {
        let outcome = retry(&self.shared.store, &self.shared.spool, from, to, replace);
        self.wake();
        outcome
    }

    /// Names were added or taken away: there may be something to do.
    pub fn wake(&self) {
        self.shared.stir();
    }

    /// Whether Google would refuse to put items into albums and to take them out, as far as is known.
    pub fn lacks_edit(&self) -> bool {
        self.shared.lacks_edit()
    }

    /// Somebody may have helped: what waits for a person is tried again at once.
    pub fn try_now(&self) {
        self.shared.try_now.store(true, Ordering::Relaxed);
        self.shared.wake.notify_one();
    }

    /// Waits until everything in `scope` that is closed has arrived. May be dropped at any time. An outage and
    /// a quota that is used up are waited for, because they end by themselves.
    ///
    /// # Errors
    /// [`DrainError::Failed`] if something in `scope` was refused, now or earlier; [`DrainError::HeldUp`] if nothing
    /// goes on before somebody logs in again or makes room at Google: that is tried once more first.
    pub async fn drain(&self, scope: Scope) -> Result<(), DrainError> {
        let shared = &self.shared;
        let _waiter = Waiter::new(shared);
        let mut progress = shared.progress.subscribe();
        let asked = SystemTime::now();
        self.try_now();
        loop {
            progress.borrow_and_update();
            let pending = shared.store.run(move |store| store.pending(scope)).await?;
            if pending == Pending::Nothing {
                break;
            }
            let trouble = shared.trouble.lock().clone();
            if let Some(trouble) = trouble
                && trouble.leaves_to_a_person(pending)
                && trouble.met >= asked
            {
                return Err(DrainError::HeldUp(trouble));
            }
            tokio::select! {
                _ = progress.changed() => {}
                () = shared.stop.cancelled() => return Err(DrainError::ShuttingDown),
            }
        }
        let refused = shared.refused();
        // In this order: one that goes from the first to the second meanwhile is counted twice, not never.
        let failed = move |store: &Store| {
            Ok(store.open_count(scope, &refused)? + store.failed_count(scope)?)
        };
        match shared.store.run(failed).await? {
            0 => Ok(()),
            count => Err(DrainError::Failed { count }),
        }
    }

    /// What is on its way.
    ///
    /// # Errors
    /// If the database fails.
    pub fn queue(&self) -> Result<Queue, Error> {
        let shared = &self.shared;
        let backlog = shared.store.backlog()?;
        let sent = shared.sent();
        let uploading = shared.sending.lock().len() as u64;
        let bytes_left = backlog.sealed_bytes.saturating_sub(sent);
        let (held, held_bytes) = shared.store.sealed_among(&shared.written())?;
        let trouble = shared.trouble.lock().clone();
        let gone = shared.gone();
        let rate = shared.pace.lock().look(Instant::now(), gone);
        // What waits for its writer will go, but nobody knows when.
        let going = (bytes_left.saturating_sub(held_bytes), backlog.left().saturating_sub(held));
        let time_left = pace::time_left(going.0, going.1, rate);
        Ok(Queue {
            backlog,
            held,
            uploading,
            bytes_left,
            gone,
            rate,
            time_left: time_left.filter(|_| trouble.is_none()),
            trouble,
            failures: shared.failures.lock().iter().cloned().collect(),
        })
    }

    /// Stops within a few seconds. What is left goes on with the next start.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        let patience = SHUTDOWN_PATIENCE + Duration::from_secs(1);
        if tokio::time::timeout(patience, self.shared.stopped.cancelled()).await.is_err() {
            tracing::warn!(
                "the upload worker did not stop in time; it loses nothing by being cut off"
            );
        }
    }
}

/// [`Pipeline::retry`] for when no pipeline runs.
///
/// # Errors
/// See there.
pub fn retry(
    store: &Store,
    spool: &Spool,
    from: (DirId, &EntryName),
    to: (DirId, &EntryName),
    replace: bool,
) -> Result<Option<Unlinked>, RetryError> {
    let facts = match store.failed_child(from.0, from.1).map_err(SealError::from)? {
        Some(Child::File(file))
            if store.upload_state(file).map_err(SealError::from)? == Some(UploadState::Failed) =>
        {
            let found = spool.look(file).map_err(SealError::from)?;
            let scratch =
                found.size == 0 || stays_here(store, to.0, to.1).map_err(SealError::from)?;
            let mime = if scratch { None } else { Some(judge(&found, to.1)?.mime) };
            found.facts(mime)
        }
        // It has arrived, or is on its way by another name; or the store says what it is instead.
        _ => SealedFacts { size: 0, mtime_ns: 0, ctime_ns: 0, mime: None },
    };
    Ok(store.failed_again(from, to, replace, &facts).map_err(SealError::from)??)
}

/// See [`Pipeline::stays_here`].
fn stays_here(store: &Store, dir: DirId, name: &EntryName) -> store::Result<bool> {
    Ok(accept::is_scratch_name(name) || store.dir(dir)?.is_some_and(|it| it.local))
}

/// Counts a caller of [`Pipeline::drain`] for as long as it waits.
struct Waiter<'a>(&'a Shared);

impl<'a> Waiter<'a> {
    fn new(shared: &'a Shared) -> Self {
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

impl Shared {
    fn lock(&self, file: FileId) -> MutexGuard<'_, ()> {
        self.file_locks[file.0.unsigned_abs() as usize % FILE_LOCKS].lock()
    }

    /// Gives the bytes of a spool file that is this item to the readers. Blocking.
    fn hand_over(&self, file: FileId, item: &FileInfo) {
        if let Some(hash) = item.known()
            && self.spool.path(file).exists()
        {
            self.spool.hand_over(file, |path| (self.config.keep)(item.id, hash, path));
        }
    }

    /// Google has said so, or the login was given so little.
    fn lacks_edit(&self) -> bool {
        self.edits_refused.load(Ordering::Relaxed)
            || self.client.login().lacks(api::Scope::EditAppCreated)
    }

    /// Bytes of uploads under way that have been handed to the network.
    fn sent(&self) -> u64 {
        sent_of(&self.sending.lock())
    }

    /// What has gone by now, with the uploads under way.
    fn gone(&self) -> Gone {
        let sending = self.sending.lock();
        let gone = *self.gone.lock();
        Gone { bytes: gone.bytes + sent_of(&sending), ..gone }
    }

    /// So many files have arrived, or memberships been changed.
    fn count_gone(&self, things: usize) {
        self.gone.lock().things += things as u64;
    }

    fn is_open(&self, file: FileId) -> bool {
        self.writers.lock().contains_key(&file)
    }

    /// Whether somebody has the file open who may go on writing.
    fn is_written(&self, file: FileId) -> bool {
        self.writers.lock().get(&file).is_some_and(|writer| !writer.closing)
    }

    /// The files that somebody may go on writing.
    fn written(&self) -> Vec<FileId> {
        let writers = self.writers.lock();
        let written = writers.iter().filter(|(_, writer)| writer.count > 0 && !writer.closing);
        written.map(|(file, _)| *file).collect()
    }

    /// With the file's lock held.
    fn seal(&self, file: FileId) -> Result<Sealed, SealError> {
        let mut spoiled = None;
        if let Some(writer) = self.writers.lock().get_mut(&file) {
            // From here on a write has to ask again, and will wait for the lock.
            writer.unsealed = false;
            spoiled = writer.spoiled;
        }
        let state = match self.store.upload_state(file)? {
            None => return Ok(Sealed::Arrived),
            Some(UploadState::Failed) => {
                return Err(SealError::Unsupported("it was refused before".into()));
            }
            Some(UploadState::Uploaded | UploadState::Creating | UploadState::Confirming) => {
                return Ok(Sealed::Queued);
            }
            Some(UploadState::Unseen) => return Ok(Sealed::Arrived),
            Some(state) => state,
        };
        let found = self.spool.sync(file)?;
        crash::point(crash::SEAL_AFTER_SYNC);
        let names = self.store.names_in_albums(file)?;
        let real = names.iter().find(|name| !accept::is_scratch_name(name));
        if let (Some(_), Some(errno)) = (real, spoiled) {
            return Err(SealError::Incomplete(io::Error::from_raw_os_error(errno)));
        }
        let mime = match real {
            Some(name) if found.size > 0 => Some(judge(&found, name)?.mime),
            _ => None,
        };
        let sealed = if mime.is_some() { Sealed::Queued } else { Sealed::Scratch };
        let unchanged = state == UploadState::Sealed
            && mime.is_some()
            && self.store.file(file)?.is_some_and(|known| known.size == Some(found.size));
        if !unchanged {
            let facts = found.facts(mime);
            self.store.seal(file, &facts)?;
            crash::point(crash::SEAL_AFTER_JOURNAL);
        }
        Ok(sealed)
    }

    /// A closed file has got other names: it is sealed, or refused, under these. With the file's lock held.
    fn seal_named(&self, file: FileId) -> Result<(), SealError> {
        let outcome = self.seal(file);
        if let Err(err) = &outcome
            && err.is_refusal()
        {
            self.fail(file, &err.to_string())?;
        }
        outcome.map(|_| ())
    }

    /// The last writer has gone: an unsealed file is sealed or refused, a nameless one forgotten. If that fails,
    /// the worker tries again. With the file's lock held.
    fn settle_closed(&self, file: FileId) -> Result<(), SealError> {
        if self.store.upload_state(file)? == Some(UploadState::Open) {
            match self.seal(file) {
                Ok(_) => {}
                Err(err) if err.is_refusal() => {
                    // Only sealing keeps the size, and it has not come to that.
                    self.store.learn_size(file, self.spool.look(file)?.size)?;
                    self.fail(file, &err.to_string())?;
                }
                Err(err) => return Err(err),
            }
        }
        {
            let mut writers = self.writers.lock();
            // Somebody may have opened it again.
            if writers.get(&file).is_some_and(|writer| writer.count == 0) {
                writers.remove(&file);
            }
        }
        self.forget_if_orphan(file)?;
        Ok(())
    }

    /// Files that will be among the failed ones when their last writers have gone.
    fn refused(&self) -> Vec<FileId> {
        let writers = self.writers.lock();
        writers.iter().filter(|(_, writer)| writer.refused).map(|(file, _)| *file).collect()
    }

    /// Files that could not be settled when they were closed.
    fn left_over(&self) -> Vec<FileId> {
        let writers = self.writers.lock();
        writers.iter().filter(|(_, writer)| writer.count == 0).map(|(file, _)| *file).collect()
    }

    /// Settles what can be settled of them now. Blocking.
    fn settle_left_over(&self) {
        for file in self.left_over() {
            let _lock = self.lock(file);
            // Somebody may have opened it again.
            if self.writers.lock().get(&file).is_none_or(|writer| writer.count > 0) {
                continue;
            }
            if let Err(err) = self.settle_closed(file) {
                // It was told once, when the file was closed.
                tracing::debug!("file {} is still not settled: {}", file.0, chain(&err));
            }
        }
    }

    /// Deletes a file that has no name any more and that Google never had. With the file's lock held.
    fn forget_if_orphan(&self, file: FileId) -> Result<(), store::Error> {
        if !self.is_open(file) && self.store.forget_file(file)? {
            self.spool.discard(file);
            // A version that it was to replace leaves its albums now.
            self.stir();
            self.moved_on();
        }
        Ok(())
    }

    /// Refuses a file for good and tells everybody.
    fn fail(&self, file: FileId, reason: &str) -> Result<(), store::Error> {
        let path = self.path_of(file);
        self.store.fail(file, reason)?;
        tracing::warn!(%path, reason, "a file was refused; its bytes are under .gphotos/failed");
        self.remember(path, reason.to_owned());
        // The names may stand for an older version now, in albums that it was not in.
        self.stir();
        self.moved_on();
        Ok(())
    }

    /// Has the worker go through the memberships: some may differ from what Google has.
    fn stir(&self) {
        self.members_stirred.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Lets those who wait look again.
    fn moved_on(&self) {
        self.progress.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Counts a failure that is the file's own, and one log line; one too many refuses the file, unless it is
    /// `forgivable`. Blocking.
    fn attempt_failed(
        &self,
        (file, seq, attempts): (FileId, i64, u32),
        text: &str,
        forgivable: bool,
        retry_at: SystemTime,
    ) -> Result<(), store::Error> {
        let attempts = attempts + 1;
        if !forgivable && attempts >= ATTEMPTS_MAX {
            return self.fail(file, text);
        }
        let path = self.path_of(file);
        tracing::warn!(%path, attempts, "will be tried again: {text}");
        self.remember(path, text.to_owned());
        self.store.attempt_failed(file, seq, text, retry_at)
    }

    /// One log line for a failure that is tried again.
    fn note_failure(&self, file: FileId, err: &(dyn std::error::Error + 'static)) {
        let (path, text) = (self.path_of(file), chain(err));
        tracing::warn!(%path, "{text}");
        self.remember(path, text);
    }

    fn remember(&self, path: String, text: String) {
        let mut failures = self.failures.lock();
        if failures.len() == FAILURES_MAX {
            failures.pop_front();
        }
        failures.push_back(Failure { at: SystemTime::now(), path, text });
    }

    fn path_of(&self, file: FileId) -> String {
        let named = self.store.file_path(file).ok().flatten();
        named.unwrap_or_else(|| format!("(file {} without a name)", file.0))
    }
}

fn sent_of(sending: &HashMap<FileId, Sending>) -> u64 {
    sending.values().map(|it| it.sent.load(Ordering::Relaxed)).sum()
}

/// An error with all its causes on one line.
fn chain(err: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(err), |err| err.source());
    let mut parts: Vec<String> = causes.map(ToString::to_string).collect();
    // A transparent wrapper says the same as its cause.
    parts.dedup();
    parts.join(": ")
}

/// Whether a copy of a local file would be sent under this name, in these directories of an album: what is half-written
/// by its name or theirs, or empty, stays here.
///
/// # Errors
/// [`SealError::Unsupported`] and [`SealError::TooLarge`] if it would be refused.
pub fn would_send(copied: File, dirs: &[EntryName], name: &EntryName) -> Result<bool, SealError> {
    let found = spool::Look::at(copied)?;
    let scratch = accept::is_scratch_name(name) || dirs.iter().any(accept::is_scratch_name);
    let real = found.size > 0 && !scratch;
    if real {
        judge(&found, name)?;
    }
    Ok(real)
}

/// Whether Google takes such a file.
fn judge(found: &spool::Look, name: &EntryName) -> Result<accept::Accepted, SealError> {
    let accepted = accept::sniff(&found.head, name).map_err(SealError::Unsupported)?;
    if found.size > accepted.bytes_max() {
        return Err(SealError::TooLarge { size: found.size, max: accepted.bytes_max() });
    }
    Ok(accepted)
}
