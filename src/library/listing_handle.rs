//! Those who look, and the listing they look at: it goes as far as somebody wants, and no further.
//!
//! A reader wants the page that it takes and the one behind it, so that the next page is fetched while this one is
//! taken. Whoever has to know all of a directory wants all pages. When nobody wants more the listing pauses and keeps
//! its place; when nobody has wanted more for a long time it is given up, and begins again with the next look.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::error::Error;
use crate::media::{DirId, View};
use crate::store;

/// For how long a listing in which nobody reads on keeps its place: page tokens and base URLs grow old, and what
/// changes meanwhile is missed.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// How many listings may pause at a time; a further one is given up at once.
const PAUSED_MAX: usize = 64;

/// More pages than any listing has.
const ALL: u64 = u64::MAX;

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListingTarget {
    /// All albums, and so the directories.
    Albums,
    /// One album: its title, and how many items it has.
    Album(DirId),
    /// The items of one album.
    Items(DirId),
    /// What a view shows.
    View(View),
    /// What a view lacks of what is known here: nobody else is asked.
    Known(View),
}

/// How far a listing is.
#[derive(Clone, Debug, Default)]
pub struct ListingProgress {
    /// Pages that are in the store.
    pub pages: u64,
    /// Who reads on behind such a cookie is given the latest page, or waits for the next.
    pub latest: Range<i64>,
    /// Set when the listing has ended.
    pub ended: Option<ListingEnd>,
}

/// How a listing has ended.
#[derive(Clone, Debug)]
pub enum ListingEnd {
    /// Everything is in the store.
    Complete,
    /// Nobody has read on for long: whoever does begins another.
    GivenUp,
    /// It has failed.
    Failed(Arc<Error>),
}

/// Follows a running listing.
#[derive(Clone, Debug)]
pub struct ListingHandle {
    progress: watch::Receiver<ListingProgress>,
    /// Pages that were in the store at the look that this handle comes from.
    seen: u64,
    wanted: Arc<watch::Sender<u64>>,
}

impl ListingHandle {
    /// Somebody has read up to `cookie` and is given what is kept behind it; `found` says whether that is anything.
    pub fn read(&self, cookie: i64, found: bool) {
        if !found {
            return self.read_on();
        }
        let progress = self.progress.borrow();
        if progress.latest.contains(&cookie) {
            want(&self.wanted, progress.pages + 1);
        }
    }

    /// Somebody has read everything, and waits for the next page; the one behind it is wanted, too. One that has come
    /// since the look is the next.
    pub fn read_on(&self) {
        want(&self.wanted, self.seen + 2);
    }

    /// Waits until there is more than at the look that this handle comes from.
    ///
    /// # Errors
    /// If the listing fails.
    pub async fn progressed(&mut self) -> Result<(), Error> {
        // Without a sender it has ended: the next look tells how.
        let _ = self.progress.changed().await;
        match &self.progress.borrow().ended {
            Some(ListingEnd::Failed(error)) => Err(Error::Shared(error.clone())),
            _ => Ok(()),
        }
    }

    /// Has everything listed, and waits until it is; `false` if the listing was given up just before.
    ///
    /// # Errors
    /// If the listing fails.
    pub async fn complete(mut self) -> Result<bool, Error> {
        want(&self.wanted, ALL);
        match self.progress.wait_for(|progress| progress.ended.is_some()).await {
            Ok(progress) => match &progress.ended {
                Some(ListingEnd::Failed(error)) => Err(Error::Shared(error.clone())),
                Some(ListingEnd::GivenUp) => Ok(false),
                _ => Ok(true),
            },
            Err(_) => Err(store::Error::ShuttingDown.into()),
        }
    }

    /// Has everything listed, and waits for nothing.
    pub(super) fn finish(&self) {
        want(&self.wanted, ALL);
    }

    /// The same, as of now.
    fn fresh(&self) -> Self {
        let mut handle = self.clone();
        handle.seen = handle.progress.borrow_and_update().pages;
        handle
    }
}

fn want(wanted: &watch::Sender<u64>, pages: u64) {
    wanted.send_if_modified(|wanted| {
        let more = pages > *wanted;
        *wanted = pages.max(*wanted);
        more
    });
}

/// Waits until one of the listings has got further than when it was looked at.
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

/// The listings that are running or pausing now, one for each target.
pub(super) struct Listings {
    // Held for a look-up or a change of it, and while a listing is given up.
    running: Mutex<HashMap<ListingTarget, ListingHandle>>,
    pauses: Semaphore,
    pause_max: Duration,
}

impl Default for Listings {
    fn default() -> Self {
        Self::new(PAUSED_MAX, PAUSE_MAX)
    }
}

/// Until where a listing is to go for those who begin or join it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The first page; readers say themselves what more they want.
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

    /// All there are.
    pub(super) fn all(&self) -> Vec<ListingHandle> {
        self.running.lock().values().map(ListingHandle::fresh).collect()
    }

    /// Joins the listing of `target`; if there is none, its driver is returned for who is to run it.
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
            want(&handle.wanted, pages);
            return (handle.fresh(), None);
        }
        let (progress, follows) = watch::channel(ListingProgress::default());
        let (wants, wanted) = watch::channel(pages);
        let handle = ListingHandle { progress: follows, seen: 0, wanted: Arc::new(wants) };
        running.insert(target, handle.clone());
        (handle, Some(ListingDriver { listings: self.clone(), target, progress, wanted }))
    }

    /// Another listing of `target` is to begin, since what this one has seen is older than what is asked for. One
    /// that runs to its end is returned: it is to be waited for. Any other goes on only as long as somebody follows
    /// it who has done so before.
    pub(super) fn supersede(&self, target: ListingTarget) -> Option<ListingHandle> {
        let mut running = self.running.lock();
        if running.get(&target).is_some_and(|it| *it.wanted.borrow() == ALL) {
            return running.get(&target).cloned();
        }
        // With its last handle goes the sender of what is wanted.
        running.remove(&target);
        None
    }
}

/// Held by whoever runs a listing: says when to go on, and tells the handles.
pub(super) struct ListingDriver {
    listings: Arc<Listings>,
    target: ListingTarget,
    progress: watch::Sender<ListingProgress>,
    wanted: watch::Receiver<u64>,
}

impl ListingDriver {
    /// A page is in the store; see [`ListingProgress::latest`].
    pub(super) fn page_stored(&self, latest: Range<i64>) {
        self.progress.send_modify(|progress| {
            progress.pages += 1;
            progress.latest = latest;
        });
    }

    /// Everything is in the store, once: whoever waits can go on, though the listing does.
    pub(super) fn all_stored(&self) {
        self.page_stored(0..0);
    }

    /// Whether the page behind the one that comes next is wanted already.
    pub(super) fn is_page_after_next_wanted(&self) -> bool {
        *self.wanted.borrow() > self.progress.borrow().pages + 1
    }

    /// Waits until somebody wants another page; `false` if the listing has been given up.
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
                // Nobody follows it any more: it is superseded.
                Ok(false) => return self.give_up(),
                Err(_) => {}
            }
        }
        // Nobody may join between the last look at what is wanted and the end.
        let listings = self.listings.clone();
        let mut running = listings.running.lock();
        if *self.wanted.borrow() > pages {
            return true;
        }
        self.leave(&mut running);
        self.give_up()
    }

    /// Takes the listing out of the list, unless another is there by now.
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

    /// The listing has ended otherwise than by being given up.
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

    /// Whether the listing goes on by itself.
    async fn goes_on(driver: &mut ListingDriver) -> bool {
        let soon = Duration::from_millis(1);
        tokio::time::timeout(soon, driver.more()).await.is_ok_and(|more| more)
    }

    #[tokio::test]
    async fn a_listing_is_a_page_ahead_of_who_reads_furthest() {
        let listings = Arc::new(Listings::new(1, LONG));
        let (handle, mut driver) = begun(&listings);
        assert!(!driver.is_page_after_next_wanted());
        handle.read(0, false);
        assert!(
            driver.is_page_after_next_wanted(),
            "so that it is asked for while the first is kept"
        );
        driver.page_stored(0..i64::MAX);
        assert!(!driver.is_page_after_next_wanted());
        assert!(goes_on(&mut driver).await, "the page behind the one that is waited for");
        driver.page_stored(100..i64::MAX);
        handle.read(50, true);
        assert!(!goes_on(&mut driver).await, "the first page has not been taken yet");
        let (other, none) = listings.join(TRIP, Extent::FirstPage);
        assert!(none.is_none());
        other.read(100, true);
        assert!(goes_on(&mut driver).await);
        driver.page_stored(200..i64::MAX);
        handle.read(60, true);
        assert!(!goes_on(&mut driver).await, "one behind the other changes nothing");
        handle.finish();
        for _ in 0..10 {
            driver.page_stored(200..i64::MAX);
            assert!(goes_on(&mut driver).await);
        }
    }

    #[tokio::test]
    async fn a_page_that_comes_behind_a_look_is_the_one_that_was_waited_for() {
        let listings = Arc::new(Listings::new(1, LONG));
        let (handle, mut driver) = begun(&listings);
        driver.page_stored(0..i64::MAX);
        handle.read(0, false);
        assert!(goes_on(&mut driver).await, "the page behind it");
        driver.page_stored(100..i64::MAX);
        assert!(!goes_on(&mut driver).await);
    }

    #[tokio::test]
    async fn who_waits_learns_of_pages_and_of_the_end() {
        let listings = Arc::new(Listings::new(1, LONG));
        let (mut handle, driver) = begun(&listings);
        driver.page_stored(0..i64::MAX);
        handle.progressed().await.unwrap();
        let mut late = listings.get(TRIP).unwrap();
        let soon = Duration::from_millis(1);
        assert!(tokio::time::timeout(soon, late.progressed()).await.is_err(), "it has seen that");
        driver.ended(Err(Error::PagesRepeat));
        late.progressed().await.unwrap_err();
        handle.complete().await.unwrap_err();
        assert!(listings.get(TRIP).is_none());
    }

    #[tokio::test]
    async fn a_listing_that_nobody_reads_is_given_up_and_another_can_begin() {
        // After its time, and at once if too many pause already.
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
