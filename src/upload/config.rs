//! The settings of the pipeline.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::media::{ContentHash, FileId};

/// How long the end of the program lets calls that are under way answer.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

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
