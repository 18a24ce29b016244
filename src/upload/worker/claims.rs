//! The worker's copy of the claims.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::store::{AlbumClaims, Claim};

/// Reading the claims takes at most this part of the time: there may be twenty thousand, and each
/// upload adds one.
const SHARE: u32 = 10;
/// Listings made for other reasons prove claims, too: the worker looks this often.
pub(super) const READ_EVERY: Duration = Duration::from_secs(60);

/// The claims as they were read last.
#[derive(Default)]
pub(super) struct Claims {
    pub(super) albums: Vec<AlbumClaims>,
    pub(super) loose: Vec<Claim>,
    /// Those that listings have proved: their bytes are to be released.
    pub(super) proved: VecDeque<Claim>,
    is_fresh: bool,
    read_at: Option<Instant>,
    took: Duration,
    /// When the next of them may be tried again.
    retry: Option<SystemTime>,
}

impl Claims {
    /// They were read just now. That has begun at `began`, and the next may be tried again at `retry`.
    pub(super) fn read(
        albums: Vec<AlbumClaims>,
        loose: Vec<Claim>,
        proved: Vec<Claim>,
        began: Instant,
        retry: Option<SystemTime>,
    ) -> Self {
        let (read_at, took) = (Some(Instant::now()), began.elapsed());
        // There may be more, or some that these are names of.
        let (is_fresh, proved) = (proved.is_empty(), proved.into());
        Self { albums, loose, proved, is_fresh, read_at, took, retry }
    }

    /// They may have changed since they were read.
    pub(super) fn mark_dirty(&mut self) {
        self.is_fresh = false;
    }

    /// How long they need not be read. `None` if that is due.
    pub(super) fn rest(&self, now: SystemTime) -> Option<Duration> {
        let since = self.read_at?.elapsed();
        let is_retry_due = self.retry.is_some_and(|at| at <= now);
        let wait = if self.is_fresh && !is_retry_due { READ_EVERY } else { self.took * SHARE };
        wait.checked_sub(since).filter(|left| !left.is_zero())
    }
}
