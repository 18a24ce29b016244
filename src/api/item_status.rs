//! Results of single items of a batch. Pure.

use super::messages;
use super::refusal::quote;

/// The refusal of one item, inside an answer that is a success as a whole: a bare
/// `google.rpc.Status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct ItemStatus {
    /// The gRPC status code, not the HTTP one.
    pub code: i32,
    /// The service's message, shortened.
    pub message: String,
}

/// The meaning of a refusal of one item (reference §7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemVerdict {
    /// The call contains the same bytes twice. The item exists, but its id is unknown. Repeat it in
    /// a call of its own.
    Duplicate,
    /// Try this item again later.
    Transient,
    /// A duplicate or a broken file: Google does not say which. Try it once more alone, then give
    /// up.
    Doubtful,
    /// Will never work; the message says why.
    Refused,
    /// The item does not exist (batchGet).
    NotFound,
}

impl ItemStatus {
    pub(super) fn new(code: i32, message: &str) -> Self {
        Self { code, message: quote(message) }
    }

    /// Whether the service says that it has no item of this id (reference §7.5).
    pub fn says_unknown(&self) -> bool {
        self.code == 5 || (self.code == 3 && messages::Text::InvalidItem.is_in(&self.message))
    }

    /// The meaning for the item.
    pub fn verdict(&self) -> ItemVerdict {
        match self.code {
            6 => ItemVerdict::Duplicate,
            // 0 and 2: Google gives neither item nor reason, so the file may be good.
            0 | 1 | 2 | 4 | 8 | 10 | 13 | 14 => ItemVerdict::Transient,
            3 if messages::gives_no_reason(&self.message) => ItemVerdict::Doubtful,
            5 => ItemVerdict::NotFound,
            _ => ItemVerdict::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_item_codes_have_their_verdicts() {
        use ItemVerdict::*;
        for (code, text, verdict) in [
            (3, "NOT_IMAGE: There was an error while trying to create this media item.", Refused),
            (3, "BAD_IMAGE: There was an error", Refused),
            (3, "Failed: There was an error while trying to create this media item.", Doubtful),
            (6, "EXISTS: There was", Duplicate),
            (13, "Internal error", Transient),
            (5, "", NotFound),
            (7, "", Refused),
        ] {
            assert_eq!(ItemStatus::new(code, text).verdict(), verdict, "{code} {text}");
        }
    }
}
