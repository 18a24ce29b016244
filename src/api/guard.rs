//! Decides whether requests may be sent with a login.

use futures_util::future::BoxFuture;

use super::auth::Fingerprint;
use super::error::Error;

/// Decides whether requests may be sent with a login.
pub(super) trait Guard: Send + Sync {
    /// Fails if no request may be sent with this login, or none yet.
    fn check<'a>(&'a self, login: &'a Fingerprint) -> BoxFuture<'a, Result<(), Error>>;
}
