//! Lists the views by date: all items, and Google's searches by date, page by page into the store.
//!
//! To find the periods that have items, it requests the latest items, then the latest ones before
//! the period of the oldest of those, and so on. This takes at most a request for each period, and
//! never more than the list of all items.

use std::time::{Duration, SystemTime};

use jiff::civil::Date;

use super::error::Error;
use super::freshness::ITEMS_AGE_MAX;
use super::listing::listed_items;
use super::listing_handle::{Extent, ListingDriver, ListingHandle, ListingTarget};
use super::names;
use super::state::Library;
use crate::api::{API_REQUESTS_PER_DAY, DateFilter, Pager, Unending};
use crate::media::{EntryName, MediaItem, PageToken, Period, Span, View};
use crate::store::{self, NotViewed, PageKept, Pass, Store};

/// Google accepts the years 1 to 9999.
const FIRST_DAY: Date = Date::constant(1, 1, 1);
const LAST_DAY: Date = Date::constant(9999, 12, 31);

/// The first year from which there may be photos: each period since then may have some.
const FIRST_PHOTO_YEAR: i16 = 1826;

/// How many requests a view may take for items of earlier periods and for empty pages.
const MORE_REQUESTS: u32 = 300;

/// Most items that the list of one day may have: as many as an album, a photo a second for five
/// hours and a half.
const ITEMS_A_DAY_MAX: u64 = 20_000;

/// How many known items one transaction adds to a view.
const CHUNK: u32 = 1000;

impl Library {
    /// As [`Library::refresh_if_due`], for a view. A view is due at an age of `--refresh` for each
    /// request that its listing takes, and after a day at the latest. So its size does not matter
    /// for the number of requests in an hour.
    ///
    /// # Errors
    /// If the database fails.
    pub fn refresh_view_if_due(&self, view: View) -> Result<Vec<ListingHandle>, store::Error> {
        let state = self.store.view(view)?;
        let mut awaited = Vec::new();
        if state.behind {
            awaited.push(self.start(ListingTarget::Known(view), Extent::All));
        }
        let Some(listed_at) = state.listed_at else {
            let is_listed = |store: &Store| Ok(store.view(view)?.listed_at.is_some());
            awaited.extend(self.start_first(ListingTarget::View(view), is_listed)?);
            return Ok(awaited);
        };
        let refresh = self.config.refresh;
        let age_max = refresh.saturating_mul(state.requests.max(1));
        let age = self.now().duration_since(listed_at).unwrap_or(Duration::MAX);
        if age >= age_max.min(ITEMS_AGE_MAX.max(refresh)) {
            self.relist(ListingTarget::View(view));
        }
        Ok(awaited)
    }

    /// Adds to a view the known items that have arrived since its last access.
    pub(super) async fn show_known(&self, view: View) -> Result<(), Error> {
        let show = move |store: &Store| {
            while store.show_arrived(view, names_of, CHUNK)? {}
            // More is missing only if the process ended between a listing and its catch-up.
            if store.view(view)?.behind { catch_up(store, view) } else { Ok(()) }
        };
        Ok(self.store.run(show).await?)
    }

    /// Lists a view again, now.
    ///
    /// # Errors
    /// If the listing fails.
    pub async fn refresh_view(&self, view: View) -> Result<(), Error> {
        self.memory.clear_failures();
        self.relist_now(ListingTarget::View(view)).await
    }

    /// Lists a view. Returns `false` if the listing was given up before its end. If a pass misses
    /// items, a second one follows at once. Items that it misses, too, go if Google does not know
    /// them, or else with the next listing that misses them.
    pub(super) async fn list_view(
        &self,
        view: View,
        driver: &mut ListingDriver,
    ) -> Result<bool, Error> {
        for last in [false, true] {
            let listed = match view {
                View::By(span) => self.list_periods(span, last, driver).await?,
                View::All | View::Of(_) => self.list_viewed(view, last, driver).await?,
            };
            let Some((pass, requests)) = listed else { return Ok(false) };
            let needs_confirmation = self
                .store
                .run(move |store| {
                    let needs_confirmation = store.view_complete(view, &pass, requests)?;
                    catch_up(store, view)?;
                    Ok(needs_confirmation)
                })
                .await?;
            if !needs_confirmation {
                return Ok(true);
            }
            driver.all_stored();
        }
        match self.ask_for_missing_in_view(view).await {
            Err(error) if error.is_share_used_up() => {
                self.store.run(move |store| store.set_view_due(view)).await?;
                return Err(error);
            }
            Err(error) => {
                tracing::info!(%error, "cannot ask about items that a view lacks: they stay")
            }
            Ok(()) => {}
        }
        Ok(true)
    }

    /// Writes the items of a view to the store. Returns as [`Library::pass`] does.
    async fn list_viewed(
        &self,
        view: View,
        last: bool,
        driver: &mut ListingDriver,
    ) -> Result<Option<(Pass, u32)>, Error> {
        let fetch = |token: Option<PageToken>| async move {
            match view {
                View::Of(period) => self.client.search_items(dates(period), token.as_ref()).await,
                _ => self.client.list_items(token.as_ref()).await,
            }
        };
        let store_page = |items: Vec<MediaItem>, listing| {
            self.base_urls.remember(&items);
            async move {
                let write = move |store: &Store| {
                    let latest = store.last_view_cookie(view)?..i64::MAX;
                    let count = items.len() as u64;
                    let is_fresh = store.view_listed(view, &listed_items(items), listing)?;
                    Ok((PageKept { fresh: if is_fresh { count } else { 0 }, news: false }, latest))
                };
                self.store.run(write).await
            }
        };
        self.pass(self.now(), last, driver, pager(view), fetch, store_page).await
    }

    /// Writes an item of each period to the store. Returns as [`Library::pass`] does.
    async fn list_periods(
        &self,
        span: Span,
        last: bool,
        driver: &mut ListingDriver,
    ) -> Result<Option<(Pass, u32)>, Error> {
        let began = self.now();
        let listing = self.store.run(|store| store.next_listing()).await?;
        let (mut requests, mut until) = (0, LAST_DAY);
        loop {
            let (items, is_end, asked) = self.latest_until(until).await?;
            requests += asked;
            if requests > requests_max(span, began) {
                return Err(Unending::TooLong.into());
            }
            self.base_urls.remember(&items);
            let oldest = items.iter().filter_map(|item| item.creation_time).min();
            self.store.run(move |store| store.items_seen(&items)).await?;
            // Readers at any cookie may get some of these.
            driver.page_stored(0..i64::MAX);
            match oldest.and_then(|oldest| day_before(span, oldest, until)) {
                Some(before) if !is_end => until = before,
                _ => {
                    let pass = Pass { listing, began, news: false, last };
                    return Ok(Some((pass, requests)));
                }
            }
            if !driver.more().await {
                return Ok(None);
            }
        }
    }

    /// The latest items created up to a day, whether there are no earlier ones, and the number of
    /// requests: a page may be empty without being the last (reference §7.2).
    async fn latest_until(&self, last: Date) -> Result<(Vec<MediaItem>, bool, u32), Error> {
        let mut pager = Pager::default();
        loop {
            let filter = DateFilter::Range(FIRST_DAY, last);
            match self.client.search_items(filter, pager.token()).await {
                Ok(page) => {
                    let is_end = !pager.advance(page.next)?;
                    pager.page_stored(page.items.len() as u64)?;
                    if is_end || !page.items.is_empty() {
                        return Ok((page.items, is_end, pager.pages()));
                    }
                }
                Err(error) => pager.refused(error)?,
            }
        }
    }
}

/// The list of all items ends at the day's requests at the latest: a library may have any size.
fn pager(view: View) -> Pager {
    let days = match view {
        View::Of(period) => match period.span() {
            Span::Day => 1,
            Span::Month => 31,
            Span::Year => 366,
        },
        View::All | View::By(_) => return Pager::default(),
    };
    Pager::up_to(days * ITEMS_A_DAY_MAX)
}

/// The day before the period in which an item was created. It is always before `last`, because
/// Google may use the local time of the item.
fn day_before(span: Span, created: SystemTime, last: Date) -> Option<Date> {
    let first = Period::at(span, created)?.first_day();
    first.min(last).yesterday().ok().filter(|day| *day >= FIRST_DAY)
}

/// How many requests the listing of the periods with items may take: one for each that may have
/// some, and at most half of a day's.
fn requests_max(span: Span, now: SystemTime) -> u32 {
    let year = Period::at(Span::Year, now).map_or(FIRST_PHOTO_YEAR, |it| it.first_day().year());
    let years = u32::try_from(year - FIRST_PHOTO_YEAR + 1).unwrap_or_default();
    let periods = match span {
        Span::Year => years,
        Span::Month => years * 12,
        Span::Day => years * 366,
    };
    let of_a_day = u32::try_from(API_REQUESTS_PER_DAY / 2).unwrap_or(u32::MAX);
    (periods + MORE_REQUESTS).min(of_a_day)
}

fn dates(period: Period) -> DateFilter {
    let first = period.first_day();
    match period.span() {
        Span::Year => DateFilter::Year(first.year()),
        Span::Month => DateFilter::Month(first.year(), first.month()),
        Span::Day => DateFilter::Day(first),
    }
}

/// Adds to a view all known items that belong there.
fn catch_up(store: &Store, view: View) -> store::Result<()> {
    let mut last = None;
    loop {
        let missing = store.not_viewed(view, last.as_ref(), CHUNK)?;
        let items: Vec<_> = missing.iter().map(|it| (it.file, names_of(it))).collect();
        let Some(end) = missing.into_iter().next_back() else {
            return store.view_caught_up(view);
        };
        store.show_in_view(view, &items)?;
        last = Some(end);
    }
}

fn names_of(item: &NotViewed) -> Vec<EntryName> {
    names::for_item(&item.filename, &item.mime, &item.media)
}
