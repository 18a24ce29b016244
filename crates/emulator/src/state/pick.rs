//! A session of the Picker API (picker reference §2, §3).

use serde::{Deserialize, Serialize};

use super::whole::Origin;
use crate::account::Account;

/// A session of the Picker API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PickSession {
    /// A UUID.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) account: Account,
    /// In milliseconds of the Unix epoch.
    pub(crate) created_ms: i64,
    pub(crate) expires_ms: i64,
    pub(crate) items_max: usize,
    /// The user's choice in the order of the ticks, once the user is done.
    pub(crate) picked: Option<Vec<Origin>>,
}

impl PickSession {
    /// Whether the user can still choose.
    pub(crate) fn awaits_user(&self, now_ms: i64) -> bool {
        self.picked.is_none() && now_ms < self.expires_ms
    }
}
