//! How the client behaves: deadlines and pauses.

use std::time::Duration;

/// How the client behaves; the defaults are right for Google.
#[derive(Debug, Clone)]
pub struct Config {
    /// Limits of time.
    pub deadlines: Deadlines,
    /// Upper limit of the wait before the first repetition of a read; doubles from there.
    pub retry_base: Duration,
    /// The writers' pause after a short-term 429 without `Retry-After`; doubles from there. Google
    /// asks for at least 30 s.
    pub write_pause: Duration,
}

/// How long we wait for what.
#[derive(Debug, Clone)]
pub struct Deadlines {
    /// A TCP and TLS connection.
    pub connect: Duration,
    /// The whole answer to a call that only looks.
    pub read: Duration,
    /// The whole answer to a call that changes something, or to the last byte of an upload. Long,
    /// because Google goes on working on what we have given up (reference §10.2).
    pub write: Duration,
    /// The next byte of a transfer, up or down.
    pub stall: Duration,
    /// No repetition of a read begins later than this after the first attempt.
    pub retries: Duration,
    /// Instead of `retries`, where a short-term 429 is waited out, and also of what a caller wants changed at once.
    pub throttled: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deadlines: Deadlines::default(),
            retry_base: Duration::from_secs(1),
            write_pause: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// With every wait divided by `pace`, which is at least 1: for a service that is made for tests.
    pub fn paced(self, pace: u32) -> Self {
        let (retry_base, write_pause) = (self.retry_base / pace, self.write_pause / pace);
        Self { retry_base, write_pause, ..self }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(60),
            write: Duration::from_secs(300),
            stall: Duration::from_secs(60),
            retries: Duration::from_secs(30),
            throttled: Duration::from_secs(120),
        }
    }
}
