//! The requests for sizes that are in flight, and the last failures.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::Error;
use super::negative_cache::{NegativeCache, Pauses};
use super::prefetch::Walks;
use crate::api::{Advice, SourceError};

/// How many sizes are requested at a time.
pub(super) const AT_A_TIME: usize = 16;

/// Items share so many locks. A caller that waits for the same item then finds its size stored.
pub(super) const ITEM_TURNS: usize = 64;

/// The service may be down, or an item may have no size, such as a video that Google is still
/// processing.
const PAUSES: Pauses = Pauses {
    service: Duration::from_secs(30),
    item: Duration::from_secs(300),
    item_max: Duration::from_secs(3600),
};

/// The requests for sizes that are in flight, and the last failures.
pub(super) struct SizeRequests {
    pub(super) turns: Semaphore,
    pub(super) items: [tokio::sync::Mutex<()>; ITEM_TURNS],
    /// Held by the one task that prefetches sizes.
    pub(super) prefetching: tokio::sync::Mutex<()>,
    // Held only to read or change the value.
    pub(super) walks: parking_lot::Mutex<Walks>,
    pub(super) failures: NegativeCache,
}

impl Default for SizeRequests {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_A_TIME),
            items: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            prefetching: tokio::sync::Mutex::default(),
            walks: parking_lot::Mutex::default(),
            failures: NegativeCache::new(PAUSES, is_of_service),
        }
    }
}

impl SizeRequests {
    pub(super) fn clear_failures(&self) {
        self.failures.clear();
    }
}

/// Whether the failure concerns all items.
fn is_of_service(error: &Error) -> bool {
    match error {
        Error::TooSlow | Error::Limited => true,
        Error::Source(SourceError::Api(error)) => !matches!(error.advice(), Advice::GiveUp),
        _ => false,
    }
}
