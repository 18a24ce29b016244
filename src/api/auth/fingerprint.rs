//! Distinguishes logins without keeping their secrets.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How much of the hash is kept, in bytes.
const BYTES: usize = 16;

/// Distinguishes a login from all others of any client. It reveals nothing of the refresh token,
/// which is long and random.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(String);

impl Fingerprint {
    pub(super) fn of(client_id: &str, refresh_token: &str) -> Self {
        let hash =
            Sha256::new().chain_update(client_id).chain_update([0]).chain_update(refresh_token);
        Self(hash.finalize().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_differ_by_client_and_token() {
        let all =
            [("a", "b"), ("a", "c"), ("ab", ""), ("", "ab")].map(|it| Fingerprint::of(it.0, it.1));
        for (i, one) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|other| other != one), "{all:?}");
        }
        assert_eq!(Fingerprint::of("a", "b"), all[0]);
    }
}
