//! How the client behaves: deadlines and pauses.

use std::time::Duration;

use crate::media::UploadLimit;

/// How the client behaves; the defaults are right for Google.
#[derive(Debug, Clone)]
pub struct Config {
    /// Deadlines of requests.
    pub deadlines: Deadlines,
    /// Upper limit of the wait before a read is repeated for the first time. It doubles from there.
    pub retry_base: Duration,
    /// How long writes pause after a short-term 429 without `Retry-After`. It doubles from there.
    /// Google asks for at least 30 s.
    pub write_pause: Duration,
    /// The limit of all uploads when the client begins.
    pub upload_limit: UploadLimit,
}

/// Deadlines of the parts of a request.
#[derive(Debug, Clone)]
pub struct Deadlines {
    /// To find the address, and to connect by TCP and TLS. Two name servers that do not answer
    /// take half of it.
    pub connect: Duration,
    /// To receive the whole answer to a read.
    pub read: Duration,
    /// To receive the whole answer to a write, or the answer to an upload after its last byte.
    /// Long, because Google goes on working after the client has hung up (reference §10.2).
    pub write: Duration,
    /// To move the next byte of an upload or download.
    pub stall: Duration,
    /// The client repeats a read only within this time after the first attempt.
    pub retries: Duration,
    /// Replaces `retries` after a short-term 429, also for a write that a caller waits for.
    pub throttled: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deadlines: Deadlines::default(),
            retry_base: Duration::from_secs(1),
            write_pause: Duration::from_secs(30),
            upload_limit: UploadLimit::default(),
        }
    }
}

impl Config {
    /// Divides every wait by `pace`, which is at least 1. Only for services made for tests.
    pub fn paced(self, pace: u32) -> Self {
        let (retry_base, write_pause) = (self.retry_base / pace, self.write_pause / pace);
        Self { retry_base, write_pause, ..self }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            read: Duration::from_secs(60),
            write: Duration::from_secs(300),
            stall: Duration::from_secs(60),
            retries: Duration::from_secs(30),
            throttled: Duration::from_secs(120),
        }
    }
}
