//! Lists again what is due when somebody looks at it.

use std::time::{Duration, SystemTime};

use super::listing_handle::{ListingHandle, ListingTarget};
use super::state::Library;
use crate::media::DirId;
use crate::store::{self, Store};

/// An album's items are listed again at this age even if Google reports no change in their number.
pub(super) const ITEMS_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// While only albums are looked into, the list of albums costs this share of what asking for them does.
const LIST_SHARE: u32 = 20;

impl Library {
    /// Called when somebody looks at a directory: starts what listings are due, in the background.
    ///
    /// Returns the listings whose outcome is not known yet and without which the directory cannot be
    /// told; none if there is something to answer from.
    ///
    /// # Errors
    /// If the database fails.
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
                    self.check_for_changes(dir, age, now)?;
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

    /// Has Google asked whether an album has changed: by itself, or by the list of all albums, which
    /// also tells of new albums below it, if that costs no more or has not been done for long.
    fn check_for_changes(
        &self,
        dir: DirId,
        list_age: Duration,
        now: SystemTime,
    ) -> Result<(), store::Error> {
        let pages = self.store.albums_pages()?;
        let list_age_max = self.config.refresh.saturating_mul(pages.saturating_mul(LIST_SHARE));
        self.memory.check_after(dir);
        if let Some(albums) = self.listings.get(ListingTarget::Albums) {
            albums.finish();
            return Ok(());
        }
        if pages <= 1
            || list_age >= list_age_max
            || !self.memory.may_ask(dir, pages, self.config.refresh, now)
        {
            self.relist(ListingTarget::Albums);
        } else {
            self.relist(ListingTarget::Album(dir));
        }
        Ok(())
    }

    /// For how long nobody need look whether the names in a directory are still at Google. If that is due, it is
    /// looked at now: then they are good for as long as an answer is.
    ///
    /// # Errors
    /// If the database fails.
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
            None => self.refresh_if_due(dir).map(|_| refresh),
        }
    }

    fn is_recent(&self, at: SystemTime, now: SystemTime) -> bool {
        now.duration_since(at).is_ok_and(|age| age < self.config.refresh)
    }
}
