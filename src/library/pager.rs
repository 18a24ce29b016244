//! The way through the pages of one listing (reference §7.2). Pure.
//!
//! Only the absence of a token ends it. Pages may be short, empty, overlap or repeat; a token may be refused in the
//! middle, and then the way begins again, once; and a way that leads in a circle ends with an error.

use super::error::Error;
use crate::api;
use crate::media::PageToken;

/// So many pages in a row without anything new are a circle, too, that tokens do not show. Google has been seen to
/// give eighty empty ones.
const EMPTY_PAGES_MAX: u32 = 200;

/// Where a listing is.
#[derive(Debug, Default)]
pub(super) struct Pager {
    token: Option<PageToken>,
    pages: u32,
    empty_pages: u32,
    has_restarted: bool,
    /// Brent's way to notice a circle: one token is remembered, and from time to time a later one instead.
    remembered: Option<PageToken>,
    remember_at: u32,
}

impl Pager {
    /// The token of the page to ask for; `None` for the first.
    pub(super) fn token(&self) -> Option<&PageToken> {
        self.token.as_ref()
    }

    /// Pages since the beginning.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// A page has come, with the token of the `next`. `false` if it was the last.
    ///
    /// # Errors
    /// If the pages lead in a circle.
    pub(super) fn advance(&mut self, next: Option<PageToken>) -> Result<bool, Error> {
        self.pages += 1;
        if next.is_some() && (next == self.token || next == self.remembered) {
            return Err(Error::PagesRepeat);
        }
        if self.pages >= self.remember_at {
            self.remembered = next.clone();
            self.remember_at = self.pages.saturating_mul(2);
        }
        self.token = next;
        Ok(self.token.is_some())
    }

    /// The page is known by now: `is_fresh` says whether it had what no page had before.
    ///
    /// # Errors
    /// If the pages lead in a circle.
    pub(super) fn page_stored(&mut self, is_fresh: bool) -> Result<(), Error> {
        self.empty_pages = if is_fresh { 0 } else { self.empty_pages + 1 };
        if self.token.is_some() && self.empty_pages >= EMPTY_PAGES_MAX {
            return Err(Error::PagesRepeat);
        }
        Ok(())
    }

    /// A page was refused. If that can be for its token, which may be too old, the way begins again.
    ///
    /// # Errors
    /// The error, if beginning again would not help.
    pub(super) fn refused(&mut self, error: api::Error) -> Result<(), Error> {
        if self.token.is_none() || self.has_restarted || !error.is_invalid_request() {
            return Err(error.into());
        }
        tracing::info!(%error, "a page token was refused: the listing begins again");
        *self = Self { has_restarted: true, ..Self::default() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: impl Into<String>) -> Option<PageToken> {
        Some(PageToken::new(text.into()))
    }

    fn refusal(status: u16) -> api::Error {
        api::Error::Refused(Box::new(api::Refusal {
            call: "mediaItems.search",
            class: api::Class::Read,
            status,
            reason: Some("INVALID_ARGUMENT".into()),
            message: "Invalid page token.".into(),
            own: true,
            retry_after: None,
        }))
    }

    #[test]
    fn only_the_absence_of_a_token_is_the_end() {
        let mut pager = Pager::default();
        for page in 0..300 {
            assert!(pager.advance(token(page.to_string())).unwrap());
        }
        assert!(!pager.advance(None).unwrap());
        assert_eq!(pager.pages(), 301);
    }

    #[test]
    fn circles_of_any_length_are_noticed() {
        for (lead, length) in [(0, 1), (0, 2), (3, 1), (3, 7), (50, 64), (7, 200)] {
            let mut pager = Pager::default();
            let circle = (0..).map(|at| if at < lead { at } else { lead + (at - lead) % length });
            let mut advances = circle.map(|at| pager.advance(token(at.to_string())));
            let advanced = advances.by_ref().take_while(Result::is_ok).count();
            assert!(advanced <= 4 * (lead + length) + 2, "{lead} {length}: {advanced}");
        }
    }

    #[test]
    fn many_empty_pages_are_no_circle_but_they_cannot_go_on_for_ever() {
        let mut pager = Pager::default();
        let mut advance = |page: u32, is_fresh| {
            pager.advance(token(page.to_string()))?;
            pager.page_stored(is_fresh)
        };
        assert!((0..100).all(|page| advance(page, false).is_ok()));
        advance(100, true).unwrap();
        assert!((101..300).all(|page| advance(page, false).is_ok()));
        assert!(advance(300, false).is_err());
    }

    #[test]
    fn a_refused_token_is_forgiven_once() {
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
