//! Pages and page tokens (reference §7.2), with the faults that make listings awkward.
//!
//! A token holds a cursor into an index, so a page costs the same wherever it lies. There is no
//! snapshot: a change between two pages may be missed or repeated, as on the real service.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::call::Call;
use crate::choices;
use crate::error::ApiError;
use crate::faults::{Faults, Omission};
use crate::server::Server;

/// Where a page begins: a key of the index that is listed.
pub(crate) type Cursor = (i64, u64);

/// The content of a page token.
#[derive(Clone, Serialize, Deserialize)]
struct Token {
    call: Call,
    /// Of the other parameters and the user, which must stay the same.
    query: String,
    cursor: Cursor,
    /// The empty page in front of this one has been given.
    blank: bool,
    /// Pages given before this one.
    given: u32,
    /// A fault: the omissions of this pass.
    omissions: Vec<Omission>,
    expires_ms: i64,
}

/// A request for one page.
pub(crate) struct PageRequest {
    token: Token,
    size: usize,
}

/// The limits of a listing's `pageSize`.
pub(crate) struct PageSize {
    pub(crate) default: usize,
    pub(crate) max: usize,
    /// Whether a larger one is lowered; otherwise it is refused.
    pub(crate) lowers: bool,
}

impl PageRequest {
    /// Checks size and token of a request whose other parameters are `query`; without a token the
    /// page begins at `first`.
    pub(crate) fn new(
        server: &Server,
        call: Call,
        query: &str,
        size: i64,
        limits: PageSize,
        token: &str,
        first: Cursor,
    ) -> Result<PageRequest, ApiError> {
        let size = match usize::try_from(size) {
            Ok(0) => limits.default,
            Ok(size) if size <= limits.max || limits.lowers => size.min(limits.max),
            Ok(_) => {
                return Err(ApiError::violation(choices::page_size_too_large(limits.max)));
            }
            Err(_) => return Err(ApiError::violation("Page size must not be negative.")),
        };
        let query = format!("{:x}", Sha256::digest(query));
        let lifetime_ms = choices::PAGE_TOKEN_HOURS * 3_600_000;
        let now_ms = server.now_ms();
        let expires_ms = now_ms + lifetime_ms;
        let (blank, given, omissions) = (false, 0, Vec::new());
        let fresh = Token { call, query, cursor: first, blank, given, omissions, expires_ms };
        if token.is_empty() {
            return Ok(PageRequest { token: fresh, size });
        }
        let token: Token = server
            .signer
            .verify("page", token)
            .ok_or_else(|| ApiError::violation(choices::PAGE_TOKEN))?;
        if token.call != call || token.query != fresh.query {
            return Err(ApiError::violation(choices::PAGE_TOKEN));
        }
        if token.expires_ms < now_ms {
            return Err(ApiError::invalid(choices::PAGE_TOKEN));
        }
        Ok(PageRequest { token: Token { expires_ms: fresh.expires_ms, ..token }, size })
    }

    /// Begins a pass, if this is its first page; `album` is the id and title of a searched one.
    pub(crate) fn begin(&mut self, server: &Server, album: Option<(&str, &str)>) {
        if self.token.given == 0 {
            self.token.omissions = server.switches.new_pass(self.token.call, album);
        }
    }

    /// A fault: the omissions of this pass.
    pub(crate) fn omissions(&self) -> &[Omission] {
        &self.token.omissions
    }

    /// Whether the listing is to end after that many pages, though there is more.
    fn ends_after(&self, pages: u32) -> bool {
        self.token
            .omissions
            .iter()
            .any(|omission| matches!(omission, Omission::EndsAfter(n) if *n <= pages))
    }

    /// Where to start reading the index.
    pub(crate) fn cursor(&self) -> Cursor {
        self.token.cursor
    }

    /// Takes the page from the visible entries at the cursor. `end` is a cursor behind all entries.
    /// Also returns the token of the next page, empty if this is the last.
    pub(crate) fn take<T>(
        self,
        server: &Server,
        faults: &Faults,
        mut entries: impl Iterator<Item = (Cursor, T)>,
        end: Cursor,
    ) -> (Vec<T>, String) {
        let next = |cursor, blank| {
            if self.ends_after(self.token.given + 1) {
                return String::new();
            }
            let given = self.token.given + 1;
            let token = Token { cursor, blank, given, ..self.token.clone() };
            server.signer.sign("page", &token, choices::PAGE_TOKEN_BYTES)
        };
        if self.ends_after(0) {
            return (Vec::new(), String::new());
        }
        if faults.empty_pages && !self.token.blank {
            return (Vec::new(), next(self.token.cursor, true));
        }
        let size = if faults.short_pages { self.size.div_ceil(2) } else { self.size };
        let page: Vec<(Cursor, T)> = entries.by_ref().take(size).collect();
        let last = page.last().map(|(cursor, _)| *cursor);
        let token = match (entries.next(), last) {
            // A page of one entry that begins with the last one would never come to an end.
            (Some(_), Some(last)) if faults.overlapping_pages && size > 1 => next(last, false),
            (Some((cursor, _)), _) => next(cursor, false),
            (None, Some(_)) if faults.trailing_page => next(end, true),
            (None, _) => String::new(),
        };
        (page.into_iter().map(|(_, entry)| entry).collect(), token)
    }
}
