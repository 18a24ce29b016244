//! How far the refreshes are that are under way, for those who wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// All refreshes that are under way, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshing {
    /// Albums that they list again.
    pub albums: u64,
    /// Of those, the ones that have been.
    pub listed: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Refreshes {
    // Held to look or to count.
    sum: Mutex<Refreshing>,
}

impl Refreshes {
    /// What there is to tell; `None` if no album is being listed again.
    pub(super) fn now(&self) -> Option<Refreshing> {
        Some(*self.sum.lock()).filter(|sum| sum.albums > 0)
    }

    /// A refresh goes on to the items of so many albums. It is under way until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>, albums: usize) -> Refresh {
        let albums = albums as u64;
        self.sum.lock().albums += albums;
        Refresh { all: self.clone(), albums, listed: AtomicU64::new(0) }
    }
}

/// One of them.
pub(super) struct Refresh {
    all: Arc<Refreshes>,
    albums: u64,
    listed: AtomicU64,
}

impl Refresh {
    /// One more album has been listed.
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
