//! A negative cache: after a failed download, the next readers get its error at once, for a while.
//! Otherwise each of them would wait, and make requests that fail as well.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use super::error::Error;
use crate::api::Backoff;
use crate::media::FileId;

/// How many failed items are remembered.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// How long the first request after a pause may take. Meanwhile other readers still get the error
/// at once.
const PROBE: Duration = Duration::from_secs(10);

/// How long no request is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// After the service has failed.
    pub(super) service: Duration,
    /// After an item has failed for the first time. Doubles each time it fails again.
    pub(super) item: Duration,
    /// The longest pause of an item.
    pub(super) item_max: Duration,
}

/// The last failures of the service and of each item.
pub(super) struct NegativeCache {
    pauses: Pauses,
    /// Whether a failure concerns all items.
    is_of_service: fn(&Error) -> bool,
    // Held for a lookup or an insert.
    failures: Mutex<Failures>,
}

struct Failures {
    service: Option<Failure>,
    items: LruCache<FileId, Failure>,
}

struct Failure {
    error: Arc<Error>,
    until: Instant,
    in_a_row: u32,
}

impl NegativeCache {
    pub(super) fn new(pauses: Pauses, is_of_service: fn(&Error) -> bool) -> Self {
        let failures = Failures { service: None, items: LruCache::new(REMEMBERED_MAX) };
        Self { pauses, is_of_service, failures: Mutex::new(failures) }
    }

    /// The error of the last attempt, during its pause.
    pub(super) fn cached_error(&self, file: FileId) -> Option<Error> {
        let now = Instant::now();
        let failures = self.failures.lock();
        let failed = failures.service.iter().chain(failures.items.peek(&file));
        failed.into_iter().find(|it| now < it.until).map(|it| Error::Shared(it.error.clone()))
    }

    /// Refuses a request during a pause. After a pause of the service, one caller tries for all.
    pub(super) fn check(&self, file: FileId) -> Result<(), Error> {
        if let Some(error) = self.cached_error(file) {
            return Err(error);
        }
        if let Some(service) = &mut self.failures.lock().service {
            service.until = Instant::now() + PROBE;
        }
        Ok(())
    }

    /// Records that a request for this item failed.
    pub(super) fn failed(&self, file: FileId, error: &Arc<Error>) {
        let mut failures = self.failures.lock();
        if (self.is_of_service)(error) {
            let until = Instant::now() + self.pauses.service;
            failures.service = Some(Failure { error: error.clone(), until, in_a_row: 1 });
            return;
        }
        let in_a_row = failures.items.peek(&file).map_or(0, |failure| failure.in_a_row) + 1;
        let backoff = Backoff { base: self.pauses.item, max: self.pauses.item_max };
        let until = Instant::now() + backoff.limit(in_a_row);
        failures.items.put(file, Failure { error: error.clone(), until, in_a_row });
    }

    /// Records that a request for this item succeeded.
    pub(super) fn succeeded(&self, file: FileId) {
        let mut failures = self.failures.lock();
        failures.service = None;
        failures.items.pop(&file);
    }

    /// Clears all failures.
    pub(super) fn clear(&self) {
        let mut failures = self.failures.lock();
        failures.service = None;
        failures.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(service: Duration, item: Duration) -> NegativeCache {
        let pauses = Pauses { service, item, item_max: item * 4 };
        NegativeCache::new(pauses, |error| matches!(error, Error::Stalled))
    }

    #[test]
    fn a_failed_item_does_not_block_another() {
        let cache = cache(Duration::from_secs(600), Duration::from_secs(600));
        cache.failed(FileId(1), &Arc::new(Error::NoSize));
        assert!(cache.check(FileId(1)).is_err() && cache.check(FileId(2)).is_ok());
        cache.succeeded(FileId(1));
        assert!(cache.check(FileId(1)).is_ok());
        cache.failed(FileId(1), &Arc::new(Error::NoSize));
        cache.clear();
        assert!(cache.check(FileId(1)).is_ok());
    }

    #[test]
    fn after_a_pause_one_caller_tries_for_all() {
        let cache = cache(Duration::ZERO, Duration::ZERO);
        cache.failed(FileId(1), &Arc::new(Error::Stalled));
        assert!(cache.cached_error(FileId(1)).is_none() && cache.check(FileId(1)).is_ok());
        assert!(cache.check(FileId(1)).is_err() && cache.check(FileId(2)).is_err());
        cache.succeeded(FileId(1));
        assert!(cache.check(FileId(2)).is_ok());
    }

    #[test]
    fn pauses_of_an_item_double() {
        let cache = cache(Duration::ZERO, Duration::from_secs(100));
        let pause = || {
            cache.failed(FileId(1), &Arc::new(Error::NoSize));
            let failures = cache.failures.lock();
            (failures.items.peek(&FileId(1)).unwrap().until - Instant::now()).as_secs_f64().round()
        };
        assert_eq!([pause(), pause(), pause(), pause()], [100.0, 200.0, 400.0, 400.0]);
    }
}
