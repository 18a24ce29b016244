//! Signed tokens: access tokens, upload tokens, page tokens and base URLs are opaque strings that
//! carry their own content. So the server need not remember or persist any of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

const TAG_BYTES: usize = 16;

/// Signs and checks with one key, kept in the state directory if there is one.
pub(crate) struct Signer {
    key: [u8; 32],
}

impl Signer {
    pub(crate) fn new(key: [u8; 32]) -> Signer {
        Signer { key }
    }

    fn tag(&self, kind: &str, payload: &[u8]) -> [u8; TAG_BYTES] {
        let digest = Sha256::new()
            .chain_update(self.key)
            .chain_update(kind)
            .chain_update([0])
            .chain_update(payload)
            .finalize();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&digest[..TAG_BYTES]);
        tag
    }

    /// Seals `value` for use as `kind`. Padded to at least `bytes_min` before encoding, because some
    /// of Google's tokens are long and clients must cope with that.
    pub(crate) fn sign(&self, kind: &str, value: &impl Serialize, bytes_min: usize) -> String {
        let mut payload = serde_json::to_vec(value).expect("signed values are plain structs");
        // Trailing blanks are no part of a JSON value.
        payload.resize(payload.len().max(bytes_min), b' ');
        let mut signed = self.tag(kind, &payload).to_vec();
        signed.extend(payload);
        URL_SAFE_NO_PAD.encode(signed)
    }

    /// The value, if `text` was signed with this key as `kind`.
    pub(crate) fn verify<T: DeserializeOwned>(&self, kind: &str, text: &str) -> Option<T> {
        let signed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, payload) = signed.split_at_checked(TAG_BYTES)?;
        if tag != self.tag(kind, payload) {
            return None;
        }
        serde_json::from_slice(payload).ok()
    }
}
