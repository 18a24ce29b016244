//! Listings. Each has a number, and `seen` keeps the last listing that has shown an item or album.
//! A late page of an earlier listing changes nothing, because `seen` only grows.
//!
//! A listing that lacks something proves nothing. It may end early, lag behind changes, or be no
//! snapshot: items slip from page to page. An item or album is gone only if something independent
//! agrees: Google's count, another pass, or Google's answer about its id. For the time of `GRACE`,
//! a change made here counts for more than a listing.

use std::time::SystemTime;

use super::database::Store;
use super::error::Result;
use super::tables::{albums, meta, views};
use super::time::{from_millis, to_millis};
use crate::media::DirId;

/// A complete pass through the pages of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The number of the listing.
    pub listing: i64,
    /// When it began.
    pub began: SystemTime,
    /// The listing has shown something new.
    pub news: bool,
    /// No other pass follows at once to confirm this one.
    pub last: bool,
}

pub(super) const ALBUMS_LISTED_AT: &str = "albums_listed_at";
const ALBUMS_PAGES: &str = "albums_pages";

impl Store {
    /// The next number for a listing of albums, or of one album's items.
    pub fn next_listing(&self) -> Result<i64> {
        self.write(|tx| meta::next_number(tx, "listing"))
    }

    /// When the albums were last listed completely; `None` if never.
    pub fn albums_listed_at(&self) -> Result<Option<SystemTime>> {
        Ok(self.meta(ALBUMS_LISTED_AT)?.and_then(|text| text.parse().ok()).map(from_millis))
    }

    /// Keeps the time of the last complete list of albums, and the number of its pages.
    pub fn set_albums_listed(&self, at: SystemTime, pages: u32) -> Result<()> {
        self.set_meta(ALBUMS_PAGES, &pages.to_string())?;
        self.set_meta(ALBUMS_LISTED_AT, &to_millis(at).to_string())
    }

    /// How many pages the last complete list of albums had.
    pub fn albums_pages(&self) -> Result<u32> {
        Ok(self.meta(ALBUMS_PAGES)?.and_then(|text| text.parse().ok()).unwrap_or(1))
    }

    /// Invalidates the listings of `dir`, if it is an album, and of the albums below it that have
    /// been listed or have items. The next access lists them again. Returns these albums. For the root, the
    /// views are invalidated, too.
    pub fn invalidate_listings(&self, dir: DirId) -> Result<Vec<DirId>> {
        self.write(|tx| {
            let found: Vec<DirId> = tx
                .prepare_cached(
                    "WITH RECURSIVE below (dir) AS (SELECT ?1 UNION \
                         SELECT d.id FROM below JOIN dirs d ON d.parent = below.dir) \
                     SELECT a.dir FROM below JOIN albums a ON a.dir = below.dir \
                     WHERE a.remote IS NOT NULL AND (a.dir = ?1 OR a.listed_at IS NOT NULL \
                         OR EXISTS (SELECT 1 FROM members WHERE dir = a.dir)) \
                     ORDER BY a.dir",
                )?
                .query_map([dir], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for album in &found {
                albums::invalidate_listing(tx, *album)?;
            }
            if dir == DirId::ROOT {
                views::set_all_due(tx)?;
            }
            Ok(found)
        })
    }
}
