//! The library: its parts, configuration and clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::listing_handle::{ListingHandle, Listings};
use super::memory::Memory;
use super::refreshes::Refreshes;
use crate::api::{self, BaseUrls};
use crate::media::Clock;
use crate::store::Store;

/// The configuration of the library.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directories are refreshed at an access after this time.
    pub refresh: Duration,
    /// Measures the age of listings.
    pub clock: Clock,
}

/// The albums and items of an account. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) client: api::Client,
    pub(super) runtime: Handle,
    pub(super) base_urls: Arc<BaseUrls>,
    pub(super) listings: Arc<Listings>,
    pub(super) memory: Arc<Memory>,
    pub(super) refreshes: Arc<Refreshes>,
    /// Held while an album is created or renamed.
    pub(super) making: Arc<Semaphore>,
}

impl Library {
    /// Connects the parts. Sends no request.
    pub fn new(
        config: Config,
        store: Store,
        client: api::Client,
        runtime: Handle,
        base_urls: Arc<BaseUrls>,
    ) -> Self {
        let (listings, memory, refreshes) = (Arc::default(), Arc::default(), Arc::default());
        let making = Arc::new(Semaphore::new(1));
        Self { config, store, client, runtime, base_urls, listings, memory, refreshes, making }
    }

    /// The listings that are running or paused.
    pub fn running(&self) -> Vec<ListingHandle> {
        self.listings.all()
    }

    /// The current time of the configured clock.
    pub(super) fn now(&self) -> SystemTime {
        (self.config.clock.0)()
    }
}
