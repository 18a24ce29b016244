//! Pages of listings.

use super::error::Error;
use super::wire;
use crate::media::PageToken;

/// One page of a listing. May be short or even empty and still have a successor (reference §7.2);
/// neighbouring pages may overlap.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The next one; only its absence ends the listing.
    pub next: Option<PageToken>,
}

/// A page that names itself as its successor would never end (reference §7.2), and to end there
/// would pass off a part of the list as the whole.
pub(super) fn next_page(
    call: &'static str,
    this: Option<&PageToken>,
    next: String,
) -> Result<Option<PageToken>, Error> {
    let next = wire::page_token(next);
    match next {
        Some(_) if next.as_ref() == this => {
            Err(Error::Garbled { call, why: "the page follows itself".into() })
        }
        next => Ok(next),
    }
}
