//! Authorisation codes that have been given and not exchanged (reference §3.4).

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::account::Account;

/// How long an authorisation code is good for.
const CODE_LIFE_MS: i64 = 10 * 60_000;
/// Codes waiting to be exchanged, at most.
const CODES_MAX: usize = 1000;

/// Codes that have been given and not exchanged.
#[derive(Default)]
pub(crate) struct Codes {
    /// Each with the time at which it expires, in milliseconds of the Unix epoch.
    waiting: Mutex<HashMap<String, (Code, i64)>>,
}

/// The consent behind an authorisation code, and the data to check its exchange.
pub(crate) struct Code {
    pub(crate) account: Account,
    pub(crate) scopes: Vec<String>,
    /// The program must repeat it in the exchange.
    pub(crate) redirect_uri: String,
    /// Empty without PKCE.
    pub(crate) code_challenge: String,
    pub(crate) code_challenge_method: String,
}

impl Codes {
    /// Remembers a code, unless too many are waiting.
    pub(crate) fn put(&self, text: String, code: Code, now_ms: i64) {
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, (_, expires_ms)| *expires_ms > now_ms);
        if waiting.len() < CODES_MAX {
            waiting.insert(text, (code, now_ms + CODE_LIFE_MS));
        }
    }

    /// Takes a code out, whether or not the exchange then succeeds: it is for one use. `None` if it
    /// was never given or has expired.
    pub(crate) fn take(&self, text: &str, now_ms: i64) -> Option<Code> {
        let (code, expires_ms) = self.waiting.lock().remove(text)?;
        (expires_ms > now_ms).then_some(code)
    }
}
