//! The progress of running refreshes, for `status.json`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// The sum of all running refreshes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshing {
    /// Albums to list again.
    pub albums: u64,
    /// How many of them have been listed.
    pub listed: u64,
}

/// All running refreshes.
#[derive(Default)]
pub(super) struct Refreshes {
    // Held for one access.
    sum: Mutex<Refreshing>,
}

impl Refreshes {
    /// The sum; `None` if no album is being listed again.
    pub(super) fn now(&self) -> Option<Refreshing> {
        Some(*self.sum.lock()).filter(|sum| sum.albums > 0)
    }

    /// Begins a refresh of this many albums. It lasts until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>, albums: usize) -> Refresh {
        let albums = albums as u64;
        self.sum.lock().albums += albums;
        Refresh { all: self.clone(), albums, listed: AtomicU64::new(0) }
    }
}

/// A running refresh.
pub(super) struct Refresh {
    all: Arc<Refreshes>,
    albums: u64,
    listed: AtomicU64,
}

impl Refresh {
    /// Counts an album that has been listed.
    pub(super) fn listed(&self) {
        self.listed.fetch_add(1, Ordering::Relaxed);
        self.all.sum.lock().listed += 1;
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        let mut sum = self.all.sum.lock();
        sum.albums -= self.albums;
        sum.listed -= self.listed.load(Ordering::Relaxed);
    }
}
