//! OAuth for a desktop application (reference §3): consent, tokens, revocation.

pub(crate) mod client;
pub(crate) mod consent;
pub(crate) mod endpoints;
mod request;
pub(crate) mod tokens;
