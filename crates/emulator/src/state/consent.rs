//! A user's consent (reference §3).

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::call::{Call, full_scope};

/// A user's consent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consent {
    pub(crate) refresh_token: String,
    #[serde(flatten)]
    pub(crate) account: Account,
    /// Full scope names.
    pub(crate) scopes: Vec<String>,
    /// In milliseconds of the Unix epoch.
    pub(crate) granted_ms: i64,
    /// When the refresh token dies by itself, if it does.
    pub(crate) expires_ms: Option<i64>,
    /// Access tokens carry this number; raising it ends those already given.
    pub(crate) generation: u64,
}

impl Consent {
    /// Whether it holds a scope that the call needs.
    pub(crate) fn opens(&self, call: Call) -> bool {
        let holds = |scope: &&str| self.scopes.contains(&full_scope(scope));
        call.scopes().is_empty() || call.scopes().iter().any(holds)
    }
}
