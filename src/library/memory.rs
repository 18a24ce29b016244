//! What is remembered of listings while the program runs: failures, and which albums to look at.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;

use super::listing_handle::ListingTarget;
use crate::media::DirId;

/// A listing that failed is not begun again before this time unless somebody needs it.
const PAUSE: Duration = Duration::from_secs(30);

/// How many failures are remembered.
const FAILURES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What is remembered of listings while the program runs.
pub(super) struct Memory {
    // Each held for a look-up or an insert, and never two.
    failed: Mutex<LruCache<ListingTarget, Instant>>,
    // Albums that were looked at while it is being asked whether they have changed.
    looked_at: Mutex<HashSet<DirId>>,
    // Since when which albums were asked for one by one.
    asked: Mutex<(Option<SystemTime>, HashSet<DirId>)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            failed: Mutex::new(LruCache::new(FAILURES_MAX)),
            looked_at: Mutex::default(),
            asked: Mutex::default(),
        }
    }
}

impl Memory {
    /// The items of an album are to be looked at once it is known whether they have changed.
    pub(super) fn check_after(&self, dir: DirId) {
        self.looked_at.lock().insert(dir);
    }

    /// Whether an album may be asked for by itself: as many as the list of all has pages, in the time
    /// for which an answer holds. Whoever looks at more albums than that gets the list.
    pub(super) fn may_ask(&self, dir: DirId, max: u32, period: Duration, now: SystemTime) -> bool {
        let (since, asked) = &mut *self.asked.lock();
        if !since.is_some_and(|at| now.duration_since(at).is_ok_and(|age| age < period)) {
            *since = Some(now);
            asked.clear();
        }
        let room = asked.len() < usize::try_from(max).unwrap_or(usize::MAX);
        if room {
            asked.insert(dir);
        }
        room
    }

    pub(super) fn failed_just_now(&self, target: ListingTarget) -> bool {
        self.failed.lock().peek(&target).is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// A listing has failed.
    pub(super) fn failed(&self, target: ListingTarget) {
        self.failed.lock().put(target, Instant::now());
    }

    /// Takes the albums that were looked at while `target` was being listed.
    pub(super) fn take_looked_at(&self, target: ListingTarget) -> Vec<DirId> {
        match target {
            ListingTarget::Albums => self.looked_at.lock().drain().collect(),
            ListingTarget::View(_) | ListingTarget::Known(_) => Vec::new(),
            ListingTarget::Album(dir) | ListingTarget::Items(dir) => {
                self.looked_at.lock().remove(&dir).then_some(dir).into_iter().collect()
            }
        }
    }

    /// No failure counts any more.
    pub(super) fn clear_failures(&self) {
        self.failed.lock().clear();
    }
}
