//! Follows the pages of one listing (reference §7.2). Pure.
//!
//! Only a page without a token is the last. Pages may be short or empty, and they may overlap.
//! Google may refuse a token in the middle; then the pager starts again, once. A circle of pages is
//! an error.

use super::error::Error;
use crate::media::PageToken;

/// So many consecutive pages without new items are an error too: a circle whose tokens differ.
/// Google has been seen to send eighty empty pages.
const EMPTY_PAGES_MAX: u32 = 200;

/// How many items the pages of an album have on average, at least. Full ones have a hundred.
const FRESH_PER_PAGE_MIN: u64 = 10;

/// Why a listing would not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unending {
    /// A circle.
    #[error("Google returned the same page again and again")]
    Repeats,
    /// More than there can be.
    #[error("Google lists more than there can be")]
    TooLong,
}

/// The position in a listing.
#[derive(Debug, Default)]
pub struct Pager {
    token: Option<PageToken>,
    pages: u32,
    empty_pages: u32,
    has_restarted: bool,
    /// Things that no earlier page had.
    fresh: u64,
    /// How many of them there can be, if that is known.
    fresh_max: Option<u64>,
    /// For Brent's algorithm, which detects circles: a token that is replaced at doubling
    /// distances.
    remembered: Option<PageToken>,
    remember_at: u32,
}

impl Pager {
    /// For a list that can have so many things. Pages may be short, but not all of them.
    pub fn up_to(fresh_max: u64) -> Self {
        Self { fresh_max: Some(fresh_max), ..Self::default() }
    }

    /// The token of the page to request; `None` for the first.
    pub fn token(&self) -> Option<&PageToken> {
        self.token.as_ref()
    }

    /// Pages received so far.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Records a received page and the token of the `next`. Returns `false` if it was the last.
    ///
    /// # Errors
    /// If the pages form a circle.
    pub fn advance(&mut self, next: Option<PageToken>) -> Result<bool, Unending> {
        self.pages += 1;
        if next.is_some() && (next == self.token || next == self.remembered) {
            return Err(Unending::Repeats);
        }
        if self.pages >= self.remember_at {
            self.remembered = next.clone();
            self.remember_at = self.pages.saturating_mul(2);
        }
        self.token = next;
        Ok(self.token.is_some())
    }

    /// Records that the page is in the store, with so many things that no earlier page had.
    ///
    /// # Errors
    /// If the pages form a circle, or have more than there can be.
    pub fn page_stored(&mut self, fresh: u64) -> Result<(), Unending> {
        self.empty_pages = if fresh > 0 { 0 } else { self.empty_pages + 1 };
        if self.token.is_some() && self.empty_pages >= EMPTY_PAGES_MAX {
            return Err(Unending::Repeats);
        }
        self.fresh += fresh;
        if let Some(max) = self.fresh_max {
            let pages_max = max / FRESH_PER_PAGE_MIN + u64::from(EMPTY_PAGES_MAX);
            if self.fresh > max || u64::from(self.pages) > pages_max {
                return Err(Unending::TooLong);
            }
        }
        Ok(())
    }

    /// Records that Google refused a page. Starts again if an outdated token may be the reason.
    ///
    /// # Errors
    /// The error, if starting again would not help.
    pub fn refused(&mut self, error: Error) -> Result<(), Error> {
        if self.token.is_none() || self.has_restarted || !error.is_invalid_request() {
            return Err(error);
        }
        tracing::info!(%error, "Google refused a page token: listing from the start again");
        *self = Self { has_restarted: true, fresh_max: self.fresh_max, ..Self::default() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    fn token(text: impl Into<String>) -> Option<PageToken> {
        Some(PageToken::new(text.into()))
    }

    fn refusal(status: u16) -> api::Error {
        let (call, message) = ("mediaItems.search", "Invalid page token.");
        let refusal = api::Refusal::by_api(call, api::Class::Read, status, message);
        api::Error::Refused(Box::new(refusal))
    }

    #[test]
    fn only_a_page_without_a_token_is_the_last() {
        let mut pager = Pager::default();
        for page in 0..300 {
            assert!(pager.advance(token(page.to_string())).unwrap());
        }
        assert!(!pager.advance(None).unwrap());
        assert_eq!(pager.pages(), 301);
    }

    #[test]
    fn circles_of_any_length_are_detected() {
        for (lead, length) in [(0, 1), (0, 2), (3, 1), (3, 7), (50, 64), (7, 200)] {
            let mut pager = Pager::default();
            let circle = (0..).map(|at| if at < lead { at } else { lead + (at - lead) % length });
            let mut advances = circle.map(|at| pager.advance(token(at.to_string())));
            let advanced = advances.by_ref().take_while(Result::is_ok).count();
            assert!(advanced <= 4 * (lead + length) + 2, "{lead} {length}: {advanced}");
        }
    }

    #[test]
    fn many_empty_pages_are_no_error_but_their_number_is_limited() {
        let mut pager = Pager::default();
        let mut advance = |page: u32, fresh| {
            pager.advance(token(page.to_string()))?;
            pager.page_stored(fresh)
        };
        assert!((0..100).all(|page| advance(page, 0).is_ok()));
        advance(100, 1).unwrap();
        assert!((101..300).all(|page| advance(page, 0).is_ok()));
        assert!(advance(300, 0).is_err());
    }

    #[test]
    fn an_album_has_as_many_items_as_it_can_have() {
        let walk = |items_max: u64, each: u64| {
            let mut pager = Pager::up_to(items_max);
            let mut pages = 0..;
            loop {
                let page: u32 = pages.next().unwrap();
                pager.advance(token(page.to_string())).unwrap();
                if let Err(error) = pager.page_stored(each) {
                    assert_eq!(error, Unending::TooLong);
                    return page + 1;
                }
            }
        };
        assert_eq!(walk(20_000, 100), 201);
        assert_eq!(walk(1000, 100), 11);
        assert_eq!(walk(1000, 1), 301, "pages that are nearly empty");
    }

    #[test]
    fn a_refused_token_restarts_the_listing_once() {
        let mut pager = Pager::default();
        assert!(pager.refused(refusal(400)).is_err(), "there was no token to refuse");
        pager.advance(token("a")).unwrap();
        assert!(pager.refused(refusal(403)).is_err());
        pager.refused(refusal(400)).unwrap();
        assert_eq!((pager.token(), pager.pages()), (None, 0));
        pager.advance(token("a")).unwrap();
        assert!(pager.refused(refusal(400)).is_err());
    }
}
