//! What has become of an item, decided from what was sent and what Google gives back. Pure.

use serde::Serialize;

use crate::content::{Fingerprint, Returned};
use crate::media::ContentHash;

/// What has become of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The bytes that were sent.
    Identical,
    /// The same picture; what is said about it has changed, as Google removes the place.
    MetadataStripped,
    /// A video, of which Google gives back only its own version.
    Transcoded,
    /// A picture of the same dimensions, compressed anew.
    Recompressed,
    /// A picture of other dimensions.
    Resized,
    /// Other bytes, and it cannot be said in what: the original is not here, or it is a picture of its own.
    Changed,
    /// Google does not have it.
    Missing,
    /// What was sent is not known here.
    Unknown,
    /// Google could not be asked.
    Unchecked,
}

impl Verdict {
    /// All of them, best first.
    pub const ALL: [Self; 9] = [
        Self::Identical,
        Self::MetadataStripped,
        Self::Transcoded,
        Self::Recompressed,
        Self::Resized,
        Self::Changed,
        Self::Missing,
        Self::Unknown,
        Self::Unchecked,
    ];

    /// Whether it is not even as good as Google gives things back.
    pub fn is_bad(self) -> bool {
        self > Self::Transcoded
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::MetadataStripped => "without some metadata",
            Self::Transcoded => "videos in Google's version",
            Self::Recompressed => "recompressed",
            Self::Resized => "resized",
            Self::Changed => "not identical",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Unchecked => "not checked",
        }
    }
}

/// Compares what was `sent`, by hash and as far as it is here still, with what came back; and says what else there is
/// to say.
pub fn classify(
    sent: Option<ContentHash>,
    original: Option<&Fingerprint>,
    google: &Returned,
) -> (Verdict, String) {
    let back = match google {
        Returned::Missing(why) => return (Verdict::Missing, why.clone()),
        Returned::Video(size) => return (Verdict::Transcoded, format!("{size} bytes")),
        Returned::Photo(back) => back,
    };
    let Some(sent) = original.map(|it| it.sha256).or(sent) else {
        return (Verdict::Unknown, "it was not sent from here; try --against LOCAL_DIR".into());
    };
    if sent == back.sha256 {
        return (Verdict::Identical, String::new());
    }
    let Some(original) = original else {
        return (Verdict::Changed, "the original is not here; try --against LOCAL_DIR".into());
    };
    let bytes = format!("{} bytes here, {} at Google", original.size, back.size);
    let dimensions = original.dimensions.zip(back.dimensions);
    match (original.picture.zip(back.picture), dimensions) {
        (Some((a, b)), _) if a == b => (Verdict::MetadataStripped, bytes),
        (_, Some((a, b))) if a != b => {
            let size = |(width, height)| format!("{width}x{height}");
            (Verdict::Resized, format!("{} here, {} at Google", size(a), size(b)))
        }
        (Some(_), Some(_)) => (Verdict::Recompressed, bytes),
        _ => (Verdict::Changed, format!("{bytes}; this format cannot be taken apart")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(sha256: u8, picture: Option<u8>, width: u32) -> Fingerprint {
        let hash = |of| ContentHash([of; 32]);
        let dimensions = Some((width, 30));
        Fingerprint { size: 1, sha256: hash(sha256), picture: picture.map(hash), dimensions }
    }

    #[test]
    fn the_less_is_left_the_worse_it_is() {
        let back = |sha256, picture, width| Returned::Photo(print(sha256, picture, width));
        let original = print(1, Some(5), 40);
        for (google, verdict) in [
            (back(1, Some(5), 40), Verdict::Identical),
            (back(2, Some(5), 40), Verdict::MetadataStripped),
            (back(2, Some(6), 40), Verdict::Recompressed),
            (back(2, Some(6), 20), Verdict::Resized),
            (back(2, None, 40), Verdict::Changed),
            (Returned::Video(7), Verdict::Transcoded),
            (Returned::Missing("gone".into()), Verdict::Missing),
        ] {
            assert_eq!(classify(None, Some(&original), &google).0, verdict, "{google:?}");
        }
    }

    #[test]
    fn without_the_original_its_hash_must_do() {
        let back = |sha256| Returned::Photo(print(sha256, Some(5), 40));
        let sent = Some(ContentHash([1; 32]));
        assert_eq!(classify(sent, None, &back(1)).0, Verdict::Identical);
        assert_eq!(classify(sent, None, &back(2)).0, Verdict::Changed);
        assert_eq!(classify(None, None, &back(1)).0, Verdict::Unknown);
    }
}
