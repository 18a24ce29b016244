//! State of listings that need not outlive the process: failures, and pending checks of albums.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;

use super::listing_handle::ListingTarget;
use crate::api::Unending;
use crate::media::{Caller, DirId};

/// After a failure, a listing that nobody waits for is not started again for this time.
const PAUSE: Duration = Duration::from_secs(30);

/// A list that does not end is not requested again for so long, for each page that it took: three
/// requests a minute, whatever a server sends.
const PAUSE_PER_PAGE: Duration = Duration::from_secs(20);

/// A day has its own quota.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);

/// How many failures are remembered.
const FAILURES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The failure of a listing.
struct Failure {
    at: Instant,
    pause: Duration,
    /// Callers that wait for the listing get this until the pause is over.
    unending: Option<Unending>,
}

/// See the module.
pub(super) struct Memory {
    // Each is held for one access, and no two at the same time.
    failed: Mutex<LruCache<ListingTarget, Failure>>,
    // Albums that were accessed while a request asks whether they have changed, and by whom.
    to_check: Mutex<HashMap<DirId, Caller>>,
    // The albums that were requested one by one, and since when.
    asked: Mutex<(Option<SystemTime>, HashSet<DirId>)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            failed: Mutex::new(LruCache::new(FAILURES_MAX)),
            to_check: Mutex::default(),
            asked: Mutex::default(),
        }
    }
}

impl Memory {
    /// Has an album's items listed if the running request finds that they have changed.
    pub(super) fn check_after(&self, dir: DirId) {
        let caller = Caller::current();
        let mut to_check = self.to_check.lock();
        let by = to_check.entry(dir).or_insert(caller);
        if caller.is_owner() {
            *by = caller;
        }
    }

    /// Whether an album may be requested by itself. In each `period`, at most `max` albums may,
    /// which is the number of pages of the list of all albums. For more albums the list is cheaper.
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
        self.failed.lock().peek(&target).is_some_and(|it| it.at.elapsed() < it.pause)
    }

    /// Why a listing is not started although somebody waits for it: the last one did not end.
    pub(super) fn unending_just_now(&self, target: ListingTarget) -> Option<Unending> {
        let failed = self.failed.lock();
        failed.peek(&target).filter(|it| it.at.elapsed() < it.pause)?.unending
    }

    /// Records that a listing has failed.
    pub(super) fn failed(&self, target: ListingTarget) {
        self.remember(target, PAUSE, None);
    }

    /// Records that a listing did not end within so many pages.
    pub(super) fn did_not_end(&self, target: ListingTarget, why: Unending, pages: u64) {
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        let pause = PAUSE_PER_PAGE.saturating_mul(pages).clamp(PAUSE, PAUSE_MAX);
        self.remember(target, pause, Some(why));
    }

    fn remember(&self, target: ListingTarget, pause: Duration, unending: Option<Unending>) {
        self.failed.lock().put(target, Failure { at: Instant::now(), pause, unending });
    }

    /// Takes the albums that were accessed while `target` was being listed, and by whom.
    pub(super) fn take_to_check(&self, target: ListingTarget) -> Vec<(DirId, Caller)> {
        match target {
            ListingTarget::Albums => self.to_check.lock().drain().collect(),
            ListingTarget::View(_) | ListingTarget::Known(_) => Vec::new(),
            ListingTarget::Album(dir) | ListingTarget::Items(dir) => {
                self.to_check.lock().remove_entry(&dir).into_iter().collect()
            }
        }
    }

    /// Forgets all failures.
    pub(super) fn clear_failures(&self) {
        self.failed.lock().clear();
    }
}
