//! Connects a running listing with its readers, which decide how many pages it requests.
//!
//! A reader wants the page that it is reading and the one after it, so that the next page is
//! requested while this one is read. A caller that needs the whole directory wants all pages. If no
//! reader wants more, the listing pauses and keeps its position. After a long pause it is given up,
//! and the next access starts it from the first page.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::error::Error;
use crate::media::{DirId, JointCaller, View};
use crate::store;

/// How long a listing may pause. Page tokens and base URLs expire, and a paused listing misses
/// changes.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// How many listings may pause at the same time. Further ones are given up at once.
const PAUSED_MAX: usize = 64;

/// Exceeds the number of pages of any listing.
const ALL: u64 = u64::MAX;

/// The object of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListingTarget {
    /// All albums, which are the directories.
    Albums,
    /// One album: its title, and its number of items.
    Album(DirId),
    /// The items of one album.
    Items(DirId),
    /// The items of a view.
    View(View),
    /// Known items that a view does not show yet. This takes no request.
    Known(View),
}

/// The progress of a listing.
#[derive(Clone, Debug, Default)]
pub struct ListingProgress {
    /// Pages that are in the store.
    pub pages: u64,
    /// A reader at one of these cookies is reading the latest page, or waits for the next one.
    pub latest: Range<i64>,
    /// How the listing has ended, if it has.
    pub ended: Option<ListingEnd>,
}

/// How a listing has ended.
#[derive(Clone, Debug)]
pub enum ListingEnd {
    /// All pages are in the store.
    Complete,
    /// It paused too long, or its caller has no share of today's requests. The next reader starts
    /// another one.
    GivenUp,
    /// It has failed.
    Failed(Arc<Error>),
}

/// A reader's side of a running listing.
#[derive(Clone, Debug)]
pub struct ListingHandle {
    progress: watch::Receiver<ListingProgress>,
    /// Pages that were in the store when this handle was given out.
    seen: u64,
    wanted: Arc<watch::Sender<u64>>,
    callers: JointCaller,
}

impl ListingHandle {
    /// Records that a reader has read up to `cookie`, and whether the store had entries after it
    /// (`found`).
    pub fn read(&self, cookie: i64, found: bool) {
        if !found {
            return self.read_on();
        }
        let progress = self.progress.borrow();
        if progress.latest.contains(&cookie) {
            self.want(progress.pages + 1);
        }
    }

    /// Records that a reader has read all entries. It wants the next page and the one after it. A
    /// page that has come since this handle was given out is the next one.
    pub fn read_on(&self) {
        self.want(self.seen + 2);
    }

    /// Waits until there are more pages than when this handle was given out.
    ///
    /// # Errors
    /// If the listing fails.
    pub async fn progressed(&mut self) -> Result<(), Error> {
        // If the sender is gone, the listing has ended, and the next access shows how.
        let _ = self.progress.changed().await;
        match &self.progress.borrow().ended {
            Some(ListingEnd::Failed(error)) => Err(Error::Shared(error.clone())),
            _ => Ok(()),
        }
    }

    /// Requests all pages, and waits for them. Returns `false` if the listing was given up just
    /// before.
    ///
    /// # Errors
    /// If the listing fails.
    pub async fn complete(mut self) -> Result<bool, Error> {
        self.finish();
        match self.progress.wait_for(|progress| progress.ended.is_some()).await {
            Ok(progress) => match &progress.ended {
                Some(ListingEnd::Failed(error)) => Err(Error::Shared(error.clone())),
                Some(ListingEnd::GivenUp) => Ok(false),
                _ => Ok(true),
            },
            Err(_) => Err(store::Error::ShuttingDown.into()),
        }
    }

    /// Requests all pages, without waiting for them.
    pub(super) fn finish(&self) {
        self.want(ALL);
    }

    fn want(&self, pages: u64) {
        // First: the request for a page that the owner wants is the owner's.
        self.callers.join();
        self.wanted.send_if_modified(|wanted| {
            let more = pages > *wanted;
            *wanted = pages.max(*wanted);
            more
        });
    }

    /// A handle of a listing that has failed before it could begin.
    pub(super) fn failed(error: Error) -> Self {
        let ended = Some(ListingEnd::Failed(Arc::new(error)));
        let (_, progress) = watch::channel(ListingProgress { ended, ..ListingProgress::default() });
        let callers = JointCaller::current();
        Self { progress, seen: 0, wanted: Arc::new(watch::channel(0).0), callers }
    }

    /// A handle of the same listing, given out now.
    fn fresh(&self) -> Self {
        let mut handle = self.clone();
        handle.seen = handle.progress.borrow_and_update().pages;
        handle
    }
}

/// Waits until one of the listings has more pages than when its handle was given out.
///
/// # Errors
/// If that listing fails.
pub async fn any_progress(listings: Vec<ListingHandle>) -> Result<(), Error> {
    let mut waiting = JoinSet::new();
    for mut listing in listings {
        waiting.spawn(async move { listing.progressed().await });
    }
    match waiting.join_next().await {
        Some(Ok(outcome)) => outcome,
        _ => Ok(()),
    }
}

/// The listings that are running or paused, at most one for each target.
pub(super) struct Listings {
    // Held for one access, and while a listing is given up.
    running: Mutex<HashMap<ListingTarget, ListingHandle>>,
    pauses: Semaphore,
    pause_max: Duration,
}

impl Default for Listings {
    fn default() -> Self {
        Self::new(PAUSED_MAX, PAUSE_MAX)
    }
}

/// How far a caller that starts or joins a listing wants it to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// To the first page. Its readers extend it.
    FirstPage,
    /// To the end.
    All,
}

impl Listings {
    fn new(paused_max: usize, pause_max: Duration) -> Self {
        Self { running: Mutex::default(), pauses: Semaphore::new(paused_max), pause_max }
    }

    /// The listing of `target`.
    pub(super) fn get(&self, target: ListingTarget) -> Option<ListingHandle> {
        self.running.lock().get(&target).map(ListingHandle::fresh)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<ListingHandle> {
        self.running.lock().values().map(ListingHandle::fresh).collect()
    }

    /// Joins the listing of `target`. If there is none, begins one, and returns its driver too.
    pub(super) fn join(
        self: &Arc<Self>,
        target: ListingTarget,
        extent: Extent,
    ) -> (ListingHandle, Option<ListingDriver>) {
        let pages = match extent {
            Extent::FirstPage => 1,
            Extent::All => ALL,
        };
        let mut running = self.running.lock();
        if let Some(handle) = running.get(&target) {
            handle.want(pages);
            return (handle.fresh(), None);
        }
        let (progress, follows) = watch::channel(ListingProgress::default());
        let (wants, wanted) = watch::channel(pages);
        let callers = JointCaller::current();
        let handle = ListingHandle {
            progress: follows,
            seen: 0,
            wanted: Arc::new(wants),
            callers: callers.clone(),
        };
        running.insert(target, handle.clone());
        (handle, Some(ListingDriver { listings: self.clone(), target, progress, wanted, callers }))
    }

    /// Supersedes the running listing of `target`, because it may have missed changes.
    ///
    /// Returns a listing that will run to its end, so that the caller can wait for it. Any other
    /// one goes on only while its handles exist.
    pub(super) fn supersede(&self, target: ListingTarget) -> Option<ListingHandle> {
        let mut running = self.running.lock();
        if running.get(&target).is_some_and(|it| *it.wanted.borrow() == ALL) {
            return running.get(&target).cloned();
        }
        // The last handle drops the sender of `wanted`, which ends the listing.
        running.remove(&target);
        None
    }
}

/// The running side of a listing. It reports pages to the readers, and waits until they want more.
pub(super) struct ListingDriver {
    listings: Arc<Listings>,
    target: ListingTarget,
    progress: watch::Sender<ListingProgress>,
    wanted: watch::Receiver<u64>,
    callers: JointCaller,
}

impl ListingDriver {
    /// The users for whom the listing runs.
    pub(super) fn callers(&self) -> JointCaller {
        self.callers.clone()
    }

    /// How many pages are in the store.
    pub(super) fn pages(&self) -> u64 {
        self.progress.borrow().pages
    }

    /// Records that a page is in the store. Its readers are at the cookies `latest`.
    pub(super) fn page_stored(&self, latest: Range<i64>) {
        self.progress.send_modify(|progress| {
            progress.pages += 1;
            progress.latest = latest;
        });
    }

    /// Records that all entries have been stored once. Readers need not wait for the second pass.
    pub(super) fn all_stored(&self) {
        self.page_stored(0..0);
    }

    /// Whether a reader already wants the page after the next one.
    pub(super) fn is_page_after_next_wanted(&self) -> bool {
        *self.wanted.borrow() > self.progress.borrow().pages + 1
    }

    /// Waits until a reader wants another page. Returns `false` if the listing has been given up.
    pub(super) async fn more(&mut self) -> bool {
        let pages = self.progress.borrow().pages;
        if self.wanted.has_changed().is_err() {
            return self.give_up();
        }
        if *self.wanted.borrow() > pages {
            return true;
        }
        if let Ok(_pause) = self.listings.pauses.try_acquire() {
            let wanted = self.wanted.wait_for(|wanted| *wanted > pages);
            let waited =
                tokio::time::timeout(self.listings.pause_max, wanted).await.map(|it| it.is_ok());
            match waited {
                Ok(true) => return true,
                // It was superseded, and its last handle is gone.
                Ok(false) => return self.give_up(),
                Err(_) => {}
            }
        }
        // With the lock held, nobody can join between the last check of `wanted` and the end.
        let listings = self.listings.clone();
        let mut running = listings.running.lock();
        if *self.wanted.borrow() > pages {
            return true;
        }
        self.leave(&mut running);
        self.give_up()
    }

    /// Removes the listing from the table, unless another has taken its place.
    fn leave(&self, running: &mut HashMap<ListingTarget, ListingHandle>) {
        let own = self.progress.subscribe();
        if running.get(&self.target).is_some_and(|it| it.progress.same_channel(&own)) {
            running.remove(&self.target);
        }
    }

    fn give_up(&self) -> bool {
        self.progress.send_modify(|progress| progress.ended = Some(ListingEnd::GivenUp));
        false
    }

    /// Ends the listing because its callers have no share of today's requests. If the owner joins
    /// at this moment, the owner's next access starts another one.
    pub(super) fn refused(self) {
        self.leave(&mut self.listings.running.lock());
        self.give_up();
    }

    /// Ends the listing, complete or with an error.
    pub(super) fn ended(self, outcome: Result<(), Error>) {
        self.leave(&mut self.listings.running.lock());
        let ended = outcome
            .map_or_else(|error| ListingEnd::Failed(Arc::new(error)), |()| ListingEnd::Complete);
        self.progress.send_modify(|progress| progress.ended = Some(ended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: ListingTarget = ListingTarget::Items(DirId(7));
    const LONG: Duration = Duration::from_secs(60);

    fn begun(listings: &Arc<Listings>) -> (ListingHandle, ListingDriver) {
        let (handle, driver) = listings.join(TRIP, Extent::FirstPage);
        (handle, driver.unwrap())
    }

    /// Whether a reader wants another page.
    async fn goes_on(driver: &mut ListingDriver) -> bool {
        let soon = Duration::from_millis(1);
        tokio::time::timeout(soon, driver.more()).await.is_ok_and(|more| more)
    }

    #[tokio::test]
    async fn a_listing_is_a_page_ahead_of_its_furthest_reader() {
        let listings = Arc::new(Listings::new(1, LONG));
        let (handle, mut driver) = begun(&listings);
        assert!(!driver.is_page_after_next_wanted());
        handle.read(0, false);
        assert!(
            driver.is_page_after_next_wanted(),
            "so that it is requested while the first is stored"
        );
        driver.page_stored(0..i64::MAX);
        assert!(!driver.is_page_after_next_wanted());
        assert!(goes_on(&mut driver).await, "the page after the awaited one");
        driver.page_stored(100..i64::MAX);
        handle.read(50, true);
        assert!(!goes_on(&mut driver).await, "nobody has read the first page yet");
        let (other, none) = listings.join(TRIP, Extent::FirstPage);
        assert!(none.is_none());
        other.read(100, true);
        assert!(goes_on(&mut driver).await);
        driver.page_stored(200..i64::MAX);
        handle.read(60, true);
        assert!(!goes_on(&mut driver).await, "a slower reader changes nothing");
        handle.finish();
        for _ in 0..10 {
            driver.page_stored(200..i64::MAX);
            assert!(goes_on(&mut driver).await);
        }
    }

    #[tokio::test]
    async fn a_page_stored_after_a_handle_was_given_out_is_the_next_page() {
        let listings = Arc::new(Listings::new(1, LONG));
        let (handle, mut driver) = begun(&listings);
        driver.page_stored(0..i64::MAX);
        handle.read(0, false);
        assert!(goes_on(&mut driver).await, "the page after it");
        driver.page_stored(100..i64::MAX);
        assert!(!goes_on(&mut driver).await);
    }

    #[tokio::test]
    async fn waiting_readers_notice_pages_and_the_end() {
        let listings = Arc::new(Listings::new(1, LONG));
        let (mut handle, driver) = begun(&listings);
        driver.page_stored(0..i64::MAX);
        handle.progressed().await.unwrap();
        let mut late = listings.get(TRIP).unwrap();
        let soon = Duration::from_millis(1);
        assert!(
            tokio::time::timeout(soon, late.progressed()).await.is_err(),
            "it was given out after that page"
        );
        driver.ended(Err(crate::api::Unending::Repeats.into()));
        late.progressed().await.unwrap_err();
        handle.complete().await.unwrap_err();
        assert!(listings.get(TRIP).is_none());
    }

    #[tokio::test]
    async fn a_listing_that_nobody_reads_is_given_up_and_another_can_begin() {
        // After its maximum, and at once if too many are paused.
        for (paused_max, pause_max) in [(1, Duration::ZERO), (0, LONG)] {
            let listings = Arc::new(Listings::new(paused_max, pause_max));
            let (mut handle, mut driver) = begun(&listings);
            driver.page_stored(0..i64::MAX);
            assert!(!driver.more().await);
            assert!(listings.get(TRIP).is_none());
            handle.progressed().await.unwrap();
            assert!(!handle.complete().await.unwrap());
            begun(&listings);
        }
    }

    #[tokio::test]
    async fn an_outdated_listing_goes_on_for_its_followers_only() {
        let listings = Arc::new(Listings::new(1, LONG));
        let (handle, mut driver) = begun(&listings);
        assert!(listings.supersede(TRIP).is_none());
        let (_other, _pace) = begun(&listings);
        driver.page_stored(0..i64::MAX);
        handle.finish();
        assert!(driver.more().await);
        drop(handle);
        assert!(!driver.more().await);
        driver.ended(Ok(()));
        assert!(listings.get(TRIP).is_some(), "the other one stays");
    }
}
