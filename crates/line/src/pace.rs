//! The clock of one direction: when the next bytes have passed.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A rate that all who use it share.
pub(crate) struct Pace {
    bytes_per_s: u64,
    free_at: Mutex<Instant>,
}

impl Pace {
    /// `bytes_per_s` is 0 for a line without a limit.
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s, free_at: Mutex::new(Instant::now()) }
    }

    /// When bytes that join the queue now have passed.
    pub(crate) fn book(&self, bytes: usize) -> Instant {
        let now = Instant::now();
        if self.bytes_per_s == 0 {
            return now;
        }
        let mut free_at = self.free_at.lock();
        let passed = Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64);
        *free_at = (*free_at).max(now) + passed;
        *free_at
    }
}
