//! The OAuth client that a profile belongs to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// The OAuth client that a profile belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The client's id.
    pub client_id: String,
    /// When the profile was first used with it.
    pub since: Timestamp,
    /// The last login that has shown the profile's library. It is not checked again.
    pub login: Fingerprint,
}
