//! The settings of the pipeline.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::local_names::NameRules;
use crate::media::{ContentHash, FileId, Qualities};

/// At the end of the program, calls under way have this long to answer.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Adds the bytes of an item, which have this hash, to the content cache. The spool file stays: the
/// caller deletes it when the database knows that the item has arrived. Until then both may be names
/// of one file on the disk ([`Spool::unshare`](super::spool::Spool::unshare)). Blocking.
pub type AddToCache = Arc<dyn Fn(FileId, ContentHash, &Path) + Send + Sync>;

/// The settings of the pipeline.
#[derive(Clone)]
pub struct Config {
    /// Upper bound of files that are uploaded at the same time; at least 1. Most
    /// of them wait for their turns on a line that few fill.
    pub uploads: usize,
    /// The directory of the spool files.
    pub spool_dir: PathBuf,
    /// How many bytes the spool may use.
    pub spool_max: u64,
    /// Which names keep a file here.
    pub names: NameRules,
    /// The batch window: a batch that is not full waits this long for more files, counted from the
    /// last file that joined it. A batch that somebody waits for does not wait.
    pub batch_window: Duration,
    /// An upload begins so long after the last close: the program may open the file again. Not if
    /// somebody waits for the queue, or many files are closed one after another.
    pub upload_delay: Duration,
    /// The first wait after a failure. It doubles with each further one, with full jitter.
    pub retry_base: Duration,
    /// The longest wait between two attempts.
    pub retry_max: Duration,
    /// The same for a file that fails while others succeed.
    pub own_retry_max: Duration,
    /// Adds the bytes of files that have arrived to the content cache.
    pub add_to_cache: AddToCache,
    /// In which quality files are uploaded whose directory says nothing.
    pub quality: Qualities,
    /// How many files are made smaller at a time.
    pub shrinkers: usize,
}

impl Config {
    /// With defaults that are right for Google.
    pub fn new(spool_dir: PathBuf, add_to_cache: AddToCache) -> Self {
        Self {
            uploads: 32,
            spool_dir,
            spool_max: u64::MAX,
            names: NameRules::default(),
            batch_window: Duration::from_secs(2),
            upload_delay: Duration::from_secs(1),
            retry_base: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            own_retry_max: Duration::from_secs(3600),
            add_to_cache,
            quality: Qualities::default(),
            shrinkers: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Config {
    /// With every wait divided by `pace`, which is at least 1. Only for tests against an emulator.
    pub fn paced(self, pace: u32) -> Self {
        Self {
            batch_window: self.batch_window / pace,
            upload_delay: self.upload_delay / pace,
            retry_base: self.retry_base / pace,
            retry_max: self.retry_max / pace,
            own_retry_max: self.own_retry_max / pace,
            ..self
        }
    }
}
