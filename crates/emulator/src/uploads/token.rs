//! Upload tokens (reference §8.1).

use serde::{Deserialize, Serialize};

use crate::server::Server;

/// The content of an upload token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct UploadToken {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    /// The name given with the bytes, if any.
    pub(crate) name: String,
    pub(crate) expires_ms: i64,
    /// Makes each token a new one.
    nonce: u64,
}

impl UploadToken {
    /// A token for received bytes, valid as long as the switches say.
    pub(crate) fn new(server: &Server, sha256: String, size: u64, name: &str) -> UploadToken {
        let life_ms = server.switches.get().upload_token_life_s.saturating_mul(1000);
        UploadToken {
            sha256,
            size,
            name: name.to_owned(),
            expires_ms: server.now_ms().saturating_add_unsigned(life_ms),
            nonce: rand::random(),
        }
    }

    /// The signer's name for upload tokens.
    pub(crate) const KIND: &str = "upload";
    /// How Google's upload tokens begin.
    pub(crate) const PREFIX: &str = "CAIS";

    /// The signed part of a token.
    pub(crate) fn strip(token: &str) -> &str {
        token.strip_prefix(Self::PREFIX).unwrap_or("")
    }
}
