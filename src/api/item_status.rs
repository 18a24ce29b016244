//! Results of single items of a batch. Pure.

use super::messages::Text;
use super::quote::quote;

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
    /// Google cannot make an item of these bytes. Google sends the same for some duplicates: try it
    /// once more alone.
    Content,
    /// The account's storage is full.
    StorageFull,
    /// Google does not accept the login.
    LoginRefused,
    /// The login may not make the item, or nobody may.
    Forbidden,
    /// The item does not exist (batchGet).
    NotFound,
    /// Refused, and the reason may lie in the item or in the service.
    Unclear,
}

impl ItemStatus {
    pub(super) fn new(code: i32, message: &str) -> Self {
        Self { code, message: quote(message) }
    }

    /// Whether the service says that it has no item of this id (reference §7.5).
    pub fn says_unknown(&self) -> bool {
        self.code == 5 || (self.code == 3 && Text::InvalidItem.is_in(&self.message))
    }

    /// The meaning for the item.
    pub fn verdict(&self) -> ItemVerdict {
        match self.code {
            _ if Text::StorageFull.is_in(&self.message) => ItemVerdict::StorageFull,
            6 => ItemVerdict::Duplicate,
            // 0 and 2: Google gives neither item nor reason, so the file may be good.
            0 | 1 | 2 | 4 | 8 | 10 | 13 | 14 => ItemVerdict::Transient,
            3 if Text::Content.is_in(&self.message) => ItemVerdict::Content,
            5 => ItemVerdict::NotFound,
            7 => ItemVerdict::Forbidden,
            16 => ItemVerdict::LoginRefused,
            _ => ItemVerdict::Unclear,
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
            (3, "NOT_IMAGE: There was an error while trying to create this media item.", Content),
            (3, "BAD_IMAGE: There was an error", Content),
            (3, "Failed: There was an error while trying to create this media item.", Content),
            (3, "Quota exceeded.", Unclear),
            (3, "The remaining storage in the user's account is not enough.", StorageFull),
            (8, "The remaining storage in the user's account is not enough.", StorageFull),
            (16, "", LoginRefused),
            (6, "EXISTS: There was", Duplicate),
            (13, "Internal error", Transient),
            (5, "", NotFound),
            (7, "", Forbidden),
            (9, "", Unclear),
        ] {
            assert_eq!(ItemStatus::new(code, text).verdict(), verdict, "{code} {text}");
        }
    }
}
