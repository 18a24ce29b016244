//! Google's English error texts: the only file that reads them.
//!
//! Many refusals differ only in their sentence (reference §10.2).

/// The subject of one of Google's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// A daily quota, not one for a minute.
    DailyQuota,
    /// The account's storage is full.
    StorageFull,
    /// The login lacks a scope.
    ScopeMissing,
    /// The API is not enabled in the client's Google Cloud project.
    ApiDisabled,
    /// The album does not exist.
    AlbumMissing,
    /// This program may not change the album.
    AlbumReadOnly,
    /// The album has no room. The literal text is unknown (reference §6.5).
    AlbumFull,
    /// An id names no item of ours.
    InvalidItem,
    /// An upload token is unknown or too old.
    InvalidToken,
    /// The checksum of the bytes does not match.
    Checksum,
    /// Google cannot make an item of these bytes (reference §7.6).
    Content,
}

impl Text {
    /// Whether this message is about the subject.
    pub(super) fn is_in(self, message: &str) -> bool {
        let message = message.to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|it| message.contains(it));
        match self {
            Self::DailyQuota => says(&["per day", "perday"]),
            Self::StorageFull => says(&["remaining storage"]),
            Self::ScopeMissing => says(&["insufficient authentication scopes"]),
            Self::ApiDisabled => says(&["has not been used in project"]),
            Self::AlbumMissing => says(&["does not match any albums", "invalid album id"]),
            Self::AlbumReadOnly => says(&["no permission to add media items"]),
            Self::AlbumFull => {
                says(&["album"])
                    && says(&[
                        "20000",
                        "20,000",
                        "limit",
                        "maximum",
                        "more than",
                        "too many",
                        "is full",
                    ])
            }
            Self::InvalidItem => says(&["invalid media item id"]),
            Self::InvalidToken => says(&["valid upload token"]),
            Self::Checksum => says(&["checksum"]),
            Self::Content => {
                says(&["not_image", "bad_image", "error while trying to create this media item"])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_recognised_in_any_case() {
        let minute = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user'";
        for (text, message, expected) in [
            (Text::DailyQuota, "limit 'All requests per day' of service", true),
            (Text::DailyQuota, minute, false),
            (Text::AlbumMissing, "Invalid album ID.", true),
            (Text::AlbumMissing, "The provided ID does not match any albums.", true),
            (Text::AlbumFull, "The album has too many items", true),
            (Text::AlbumFull, minute, false),
            (Text::InvalidItem, "Request contains an invalid media item id.", true),
            (Text::Content, "BAD_IMAGE: There was an error", true),
            (Text::Content, "Quota exceeded for quota metric 'Write requests'.", false),
            (Text::InvalidToken, "Request must contain a valid upload token.", true),
        ] {
            assert_eq!(text.is_in(message), expected, "{text:?} {message}");
        }
    }
}
