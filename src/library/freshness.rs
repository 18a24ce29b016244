//! Starts the listings that are due when somebody accesses a directory.
//!
//! Functions here fail only if the database does.

use std::time::{Duration, SystemTime};

use super::listing_handle::{ListingHandle, ListingTarget};
use super::state::Library;
use crate::media::{Caller, DirId};
use crate::store::{self, Store};

/// At this age an album's items are listed again even if Google reports no change in their number.
pub(super) const ITEMS_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Bounds the cost of the list of albums while only single albums are accessed: it takes at most
/// one request for so many requests for single albums.
const LIST_SHARE: u32 = 20;

impl Library {
    /// Starts the listings of `dir` that are due, in the background. Every access to a directory
    /// calls this.
    ///
    /// Returns the running listings without which the directory's entries are not known: those that
    /// have never been completed. The list is empty if the database can answer.
    pub fn refresh_if_due(&self, dir: DirId) -> Result<Vec<ListingHandle>, store::Error> {
        let now = self.now();
        let mut awaited = Vec::new();
        let listed_at = self.store.albums_listed_at()?;
        if listed_at.is_none() {
            let is_listed = |store: &Store| Ok(store.albums_listed_at()?.is_some());
            awaited.extend(self.start_first(ListingTarget::Albums, is_listed)?);
        }
        let age = listed_at.and_then(|at| now.duration_since(at).ok()).unwrap_or(Duration::MAX);
        match self.store.dir(dir)?.and_then(|dir| dir.album) {
            Some(album) if album.remote.is_some() => {
                if album.listed_at.is_none() {
                    let is_listed = |store: &Store| {
                        let album = store.dir(dir)?.and_then(|dir| dir.album);
                        Ok(album.is_none_or(|album| album.listed_at.is_some()))
                    };
                    awaited.extend(self.start_first(ListingTarget::Items(dir), is_listed)?);
                } else if !self.is_recent(album.described_at, now) {
                    self.check_for_changes(dir, album.missed, age, now)?;
                } else if !album.is_fresh(ITEMS_AGE_MAX, self.config.refresh, now) {
                    self.relist(ListingTarget::Items(dir));
                }
            }
            _ if listed_at.is_some() && age >= self.config.refresh => {
                self.relist(ListingTarget::Albums)
            }
            _ => {}
        }
        Ok(awaited)
    }

    /// Asks Google whether an album has changed, by a request for this album or by the list of all
    /// albums. The list also shows new albums; it is taken if it costs no more, or has grown old.
    /// It says nothing about an album that it `missed`.
    fn check_for_changes(
        &self,
        dir: DirId,
        missed: bool,
        list_age: Duration,
        now: SystemTime,
    ) -> Result<(), store::Error> {
        // What another user accesses without a share must not look checked to the owner.
        if !self.has_share() {
            return Ok(());
        }
        let pages = self.store.albums_pages()?;
        let list_age_max = self.config.refresh.saturating_mul(pages.saturating_mul(LIST_SHARE));
        self.memory.check_after(dir);
        if let Some(albums) = self.listings.get(ListingTarget::Albums) {
            albums.finish();
            return Ok(());
        }
        let is_list_cheaper = pages <= 1
            || list_age >= list_age_max
            || !self.memory.may_ask(dir, pages, self.config.refresh, now);
        if is_list_cheaper && !missed {
            self.relist(ListingTarget::Albums);
        } else {
            self.relist(ListingTarget::Album(dir));
        }
        Ok(())
    }

    /// How long the kernel may cache the names of a directory: until its next refresh is due. If
    /// that is now, the refresh starts, and the names are valid for as long as its result will be.
    /// Only the owner's refresh is certain to come about.
    pub fn names_ttl(&self, dir: DirId) -> Result<Duration, store::Error> {
        let (refresh, now) = (self.config.refresh, self.now());
        let described_at = match self.store.dir(dir)?.and_then(|dir| dir.album) {
            Some(album) if album.remote.is_some() => {
                album.is_fresh(ITEMS_AGE_MAX, refresh, now).then_some(album.described_at)
            }
            _ => self.store.albums_listed_at()?,
        };
        let age = described_at.and_then(|at| now.duration_since(at).ok());
        match age.and_then(|age| refresh.checked_sub(age)).filter(|left| !left.is_zero()) {
            Some(left) => Ok(left),
            None => {
                self.refresh_if_due(dir)?;
                Ok(if Caller::current().is_owner() { refresh } else { Duration::ZERO })
            }
        }
    }

    fn is_recent(&self, at: SystemTime, now: SystemTime) -> bool {
        now.duration_since(at).is_ok_and(|age| age < self.config.refresh)
    }
}
