//! Pages of listings.

use super::error::Error;
use super::wire;
use crate::media::PageToken;

/// One page of a listing. A short or empty page may have a successor (reference §7.2). Neighbouring
/// pages may overlap.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The entries of this page.
    pub items: Vec<T>,
    /// The token of the next page. The listing ends only where it is absent.
    pub next: Option<PageToken>,
}

/// The token of the next page. A page that names itself as its successor would never end (reference
/// §7.2). To stop there would pass off a part of the list as the whole, so it is an error.
pub(super) fn next_page(
    call: &'static str,
    this: Option<&PageToken>,
    next: String,
) -> Result<Option<PageToken>, Error> {
    let next =
        wire::page_token(next).map_err(|why| Error::Garbled { call, why: why.to_owned() })?;
    match next {
        Some(_) if next.as_ref() == this => {
            Err(Error::Garbled { call, why: "the page follows itself".into() })
        }
        next => Ok(next),
    }
}
