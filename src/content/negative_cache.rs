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

/// How many hosts are remembered. Google's base URLs have a handful.
const HOSTS_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();

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

/// The last failures of the service, of each host and of each item.
pub(super) struct NegativeCache {
    pauses: Pauses,
    /// Whether a failure concerns all items.
    is_of_service: fn(&Error) -> bool,
    // Held for a lookup or an insert.
    failures: Mutex<Failures>,
}

struct Failures {
    service: Option<Failure>,
    hosts: LruCache<String, Failure>,
    items: LruCache<FileId, Failure>,
}

struct Failure {
    error: Arc<Error>,
    until: Instant,
    in_a_row: u32,
}

impl NegativeCache {
    pub(super) fn new(pauses: Pauses, is_of_service: fn(&Error) -> bool) -> Self {
        let (hosts, items) = (LruCache::new(HOSTS_MAX), LruCache::new(REMEMBERED_MAX));
        let failures = Failures { service: None, hosts, items };
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

    /// Refuses a request to this host during its pause. After that, one caller tries for all.
    pub(super) fn check_host(&self, host: &str) -> Result<(), Error> {
        let now = Instant::now();
        match self.failures.lock().hosts.get_mut(host) {
            Some(failed) if now < failed.until => Err(Error::Host(failed.error.clone())),
            Some(failed) => {
                failed.until = now + PROBE;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Records that a host cannot be reached. That concerns neither items at other hosts, nor the
    /// items at this one when it is back.
    pub(super) fn host_failed(&self, host: &str, error: Error) -> Error {
        let error = Arc::new(error);
        let until = Instant::now() + self.pauses.service;
        let failed = Failure { error: error.clone(), until, in_a_row: 1 };
        self.failures.lock().hosts.put(host.to_owned(), failed);
        Error::Host(error)
    }

    /// Records that a host has answered.
    pub(super) fn host_answered(&self, host: &str) {
        self.failures.lock().hosts.pop(host);
    }

    /// Records that a request for this item failed.
    pub(super) fn failed(&self, file: FileId, error: &Arc<Error>) {
        if matches!(**error, Error::Host(_)) {
            return;
        }
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
        failures.hosts.clear();
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
    fn a_host_that_fails_blocks_neither_other_hosts_nor_its_items_for_longer() {
        let paused = cache(Duration::from_secs(600), Duration::from_secs(600));
        let error = Arc::new(paused.host_failed("a:443", Error::Stalled));
        paused.failed(FileId(1), &error);
        assert!(paused.check(FileId(1)).is_ok());
        assert!(matches!(paused.check_host("a:443"), Err(Error::Host(_))));
        assert!(paused.check_host("b:443").is_ok());
        paused.host_answered("a:443");
        assert!(paused.check_host("a:443").is_ok());
        let over = cache(Duration::ZERO, Duration::ZERO);
        over.host_failed("a:443", Error::Stalled);
        assert!(over.check_host("a:443").is_ok());
        assert!(over.check_host("a:443").is_err(), "one caller tries for all");
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
