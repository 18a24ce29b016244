//! Location and limit of the cache, and timeouts of downloads.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

/// Running streams of all files. Further ones wait for their turn. Each has up to a megabyte in
/// buffers.
pub(super) const STREAMS_IN_ALL_MAX: usize = 32;

/// Those of them that other users may cause. Their further ones wait, and the owner's do not.
pub(super) const STREAMS_OF_OTHERS_MAX: usize = 16;

/// A stream gives up a connection that brings no bytes for so long, and tries another.
const STALL: Duration = Duration::from_secs(20);

/// Readers get an error when no bytes arrive for so long. As long as bytes arrive, they wait,
/// however long the whole download takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The first pause of downloads after a 429, unless Google sends a `Retry-After` (reference §10.3).
const LIMITED: Duration = Duration::from_secs(30);

/// A reader waits at most so long for the end of such a pause.
const LIMITED_MAX: Duration = Duration::from_secs(300);

/// Location and limit of the cache.
#[derive(Clone, Debug)]
pub struct Config {
    /// A directory of its own. Its files may be deleted while nothing is mounted.
    pub dir: PathBuf,
    /// In bytes. Above it, the cache deletes the least recently used files.
    pub limit: u64,
    /// Timeouts of downloads.
    pub waits: Waits,
}

/// Timeouts that a test may shorten.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    pub(super) stall: Duration,
    pub(super) timeout: Duration,
    pub(super) limited: Duration,
    limited_max: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        let (stall, timeout) = (STALL, TIMEOUT);
        Self { stall, timeout, limited: LIMITED, limited_max: LIMITED_MAX }
    }
}

impl Waits {
    /// Divides every wait by `pace`, which is at least 1. Only for services made for tests.
    pub fn paced(self, pace: u32) -> Self {
        Self {
            stall: self.stall / pace,
            timeout: self.timeout / pace,
            limited: self.limited / pace,
            limited_max: self.limited_max / pace,
        }
    }

    /// When a request that starts now stops waiting for the end of a pause.
    pub(super) fn limit_passes(self) -> Instant {
        Instant::now() + self.limited_max
    }
}
