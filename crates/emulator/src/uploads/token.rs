//! Upload tokens (reference §8.1).

use serde::{Deserialize, Serialize};

use crate::choices;
use crate::server::Server;

/// The signer's name for upload tokens.
const KIND: &str = "upload";
/// How Google's upload tokens begin.
const PREFIX: &str = "CAIS";

/// The content of an upload token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct UploadToken {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    /// The name given with the bytes, if any.
    pub(crate) name: String,
    pub(crate) expires_ms: i64,
    /// A fault: a line break follows the prefix.
    #[serde(default)]
    line_break: bool,
    /// Makes each token a new one.
    nonce: u64,
}

impl UploadToken {
    /// A token for received bytes, valid as long as the switches say.
    pub(crate) fn new(server: &Server, sha256: String, size: u64, name: &str) -> UploadToken {
        let faults = server.switches.get();
        let life_ms = faults.upload_token_life_s.saturating_mul(1000);
        UploadToken {
            sha256,
            size,
            name: name.to_owned(),
            expires_ms: server.now_ms().saturating_add_unsigned(life_ms),
            line_break: faults.line_break_in_upload_tokens,
            nonce: rand::random(),
        }
    }

    /// The token as the client gets it.
    pub(crate) fn seal(&self, server: &Server) -> String {
        let signed = server.signer.sign(KIND, self, choices::UPLOAD_TOKEN_BYTES);
        format!("{PREFIX}{}{signed}", if self.line_break { "\n" } else { "" })
    }

    /// The content of a token, if it comes back just as it was given.
    pub(crate) fn open(server: &Server, text: &str) -> Option<UploadToken> {
        let rest = text.strip_prefix(PREFIX)?;
        let signed = rest.strip_prefix('\n');
        let token: UploadToken = server.signer.verify(KIND, signed.unwrap_or(rest))?;
        (token.line_break == signed.is_some()).then_some(token)
    }
}
