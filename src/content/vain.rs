//! What was asked for in vain: for a while it is not asked for again, and whoever wants it is told at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use super::Error;
use crate::api::Backoff;
use crate::media::FileId;

/// How many items are remembered.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Whoever asks first after a pause may take so long; others are still told at once.
const PROBE: Duration = Duration::from_secs(10);

/// How long nothing is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    /// After the service has failed.
    pub(super) service: Duration,
    /// After an item has failed for the first time. Doubles each time it fails again.
    pub(super) item: Duration,
    /// But not longer than this.
    pub(super) item_max: Duration,
}

/// See the module.
pub(super) struct Vain {
    pauses: Pauses,
    /// Whether another item would fare no better.
    is_of_service: fn(&Error) -> bool,
    // Held for a look-up or an insert.
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

impl Vain {
    pub(super) fn new(pauses: Pauses, is_of_service: fn(&Error) -> bool) -> Self {
        let failures = Failures { service: None, items: LruCache::new(REMEMBERED_MAX) };
        Self { pauses, is_of_service, failures: Mutex::new(failures) }
    }

    /// Why there is no use in asking now, if there is none.
    pub(super) fn why_not(&self, file: FileId) -> Option<Error> {
        let now = Instant::now();
        let failures = self.failures.lock();
        let failed = failures.service.iter().chain(failures.items.peek(&file));
        failed.into_iter().find(|it| now < it.until).map(|it| Error::Shared(it.error.clone()))
    }

    /// As [`Vain::why_not`], for who is going to ask now: after a pause of the service one asks for all.
    pub(super) fn ask(&self, file: FileId) -> Result<(), Error> {
        if let Some(error) = self.why_not(file) {
            return Err(error);
        }
        if let Some(service) = &mut self.failures.lock().service {
            service.until = Instant::now() + PROBE;
        }
        Ok(())
    }

    /// Something has failed.
    pub(super) fn remember(&self, file: FileId, error: &Arc<Error>) {
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

    /// Something has worked.
    pub(super) fn worked(&self, file: FileId) {
        let mut failures = self.failures.lock();
        failures.service = None;
        failures.items.pop(&file);
    }

    /// Everything may be asked again.
    pub(super) fn forget(&self) {
        let mut failures = self.failures.lock();
        failures.service = None;
        failures.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vain(service: Duration, item: Duration) -> Vain {
        let pauses = Pauses { service, item, item_max: item * 4 };
        Vain::new(pauses, |error| matches!(error, Error::Stalled))
    }

    #[test]
    fn an_item_in_vain_says_nothing_about_another() {
        let vain = vain(Duration::from_secs(600), Duration::from_secs(600));
        vain.remember(FileId(1), &Arc::new(Error::NoSize));
        assert!(vain.ask(FileId(1)).is_err() && vain.ask(FileId(2)).is_ok());
        vain.worked(FileId(1));
        assert!(vain.ask(FileId(1)).is_ok());
        vain.remember(FileId(1), &Arc::new(Error::NoSize));
        vain.forget();
        assert!(vain.ask(FileId(1)).is_ok());
    }

    #[test]
    fn after_a_pause_one_asks_for_all() {
        let vain = vain(Duration::ZERO, Duration::ZERO);
        vain.remember(FileId(1), &Arc::new(Error::Stalled));
        assert!(vain.why_not(FileId(1)).is_none() && vain.ask(FileId(1)).is_ok());
        assert!(vain.ask(FileId(1)).is_err() && vain.ask(FileId(2)).is_err());
        vain.worked(FileId(1));
        assert!(vain.ask(FileId(2)).is_ok());
    }

    #[test]
    fn pauses_of_an_item_double() {
        let vain = vain(Duration::ZERO, Duration::from_secs(100));
        let pause = || {
            vain.remember(FileId(1), &Arc::new(Error::NoSize));
            let failures = vain.failures.lock();
            (failures.items.peek(&FileId(1)).unwrap().until - Instant::now()).as_secs_f64().round()
        };
        assert_eq!([pause(), pause(), pause(), pause()], [100.0, 200.0, 400.0, 400.0]);
    }
}
