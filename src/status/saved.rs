//! What smaller copies have saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The files that Google has, and that were uploaded while smaller copies were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// How many there are.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes that went to Google.
    pub sent_bytes: u64,
    /// How many of them went whole, for each reason: a word of docs/QUALITY.md.
    pub whole: BTreeMap<String, u64>,
    /// The bytes of these.
    #[serde(default)]
    pub whole_bytes: u64,
}

impl Saved {
    /// How many files went as smaller copies.
    pub fn smaller(&self) -> u64 {
        self.files.saturating_sub(self.whole.values().sum())
    }

    /// The share of its bytes that a file has kept in its smaller copy. `None`: there are no copies.
    pub fn share(&self) -> Option<f64> {
        let [bytes, sent] =
            [self.bytes, self.sent_bytes].map(|it| it.saturating_sub(self.whole_bytes));
        (bytes > 0).then(|| sent as f64 / bytes as f64)
    }
}
