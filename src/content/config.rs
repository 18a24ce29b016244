//! Where the cache is, and how long downloads may take.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

/// Streams of all files that are under way at the same time; further ones wait for their turn.
pub(super) const STREAMS_IN_ALL_MAX: usize = 64;

/// A connection on which nothing has come for so long is given up, and another one tried.
const STALL: Duration = Duration::from_secs(20);

/// When nothing has come for so long, readers are told so. However long a download takes in all, they wait while
/// bytes come.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The first pause when a request was one too many for the minute, unless Google says how long (reference §10.3).
const LIMITED: Duration = Duration::from_secs(30);

/// Nobody waits longer for Google to take requests again.
const LIMITED_MAX: Duration = Duration::from_secs(300);

/// Where the cache is and how large it may become.
#[derive(Clone, Debug)]
pub struct Config {
    /// A directory of its own; what is in it may be deleted while nothing is mounted.
    pub dir: PathBuf,
    /// Bytes; the least recently used files go when it is passed.
    pub limit: u64,
    /// How long is waited for bytes that do not come.
    pub waits: Waits,
}

/// Waits that a test may shorten.
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
    /// With every wait divided by `pace`, which is at least 1: for a service that is made for tests.
    pub fn paced(self, pace: u32) -> Self {
        Self {
            stall: self.stall / pace,
            timeout: self.timeout / pace,
            limited: self.limited / pace,
            limited_max: self.limited_max / pace,
        }
    }

    /// Until when whoever asks for media now waits for Google to take requests again.
    pub(super) fn limit_passes(self) -> Instant {
        Instant::now() + self.limited_max
    }
}
