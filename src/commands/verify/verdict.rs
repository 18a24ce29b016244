//! Classifies an item by comparing the uploaded bytes with the bytes that Google returns. Pure.

use serde::Serialize;

use crate::app::counted;
use crate::content::{Fingerprint, Returned};
use crate::media::ContentHash;

/// How the item at Google compares with the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same bytes.
    Identical,
    /// The same picture with other metadata: Google removes the GPS position.
    MetadataStripped,
    /// A video, of which Google returns only its own encoding.
    Transcoded,
    /// The smaller copy of the photo that was uploaded instead of it.
    Shrunk,
    /// A picture of the same dimensions, compressed again.
    Recompressed,
    /// A picture of other dimensions.
    Resized,
    /// Other bytes, without further detail: the original is not here, or its format is not
    /// understood.
    Changed,
    /// Google does not have it.
    Missing,
    /// Not uploaded from here, so the original is not known.
    Unknown,
    /// The item could not be read back.
    Unchecked,
}

impl Verdict {
    /// All verdicts, best first.
    pub const ALL: [Self; 10] = [
        Self::Identical,
        Self::MetadataStripped,
        Self::Transcoded,
        Self::Shrunk,
        Self::Recompressed,
        Self::Resized,
        Self::Changed,
        Self::Missing,
        Self::Unknown,
        Self::Unchecked,
    ];

    /// The verdict about a photo or video whose smaller copy compares like this.
    pub fn of_copy(self) -> Self {
        match self {
            Self::Identical | Self::MetadataStripped | Self::Transcoded => Self::Shrunk,
            other => other,
        }
    }

    /// Whether it is worse than the best that Google returns of what was uploaded.
    pub fn is_bad(self) -> bool {
        self > Self::Shrunk
    }

    /// The words for text output.
    pub fn words(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::MetadataStripped => "without some metadata",
            Self::Transcoded => "videos in Google's version",
            Self::Shrunk => "stored smaller",
            Self::Recompressed => "recompressed",
            Self::Resized => "resized",
            Self::Changed => "not identical",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Unchecked => "not checked",
        }
    }
}

/// Compares the returned bytes with the `sent` hash, and with the `original` if it is here. Also
/// returns a remark.
pub fn classify(
    sent: Option<ContentHash>,
    original: Option<&Fingerprint>,
    google: &Returned,
) -> (Verdict, String) {
    let back = match google {
        Returned::Missing(why) => return (Verdict::Missing, why.clone()),
        Returned::Video(size) => return (Verdict::Transcoded, counted(*size, "byte")),
        Returned::Photo(back) => back,
    };
    let Some(sent) = original.map(|it| it.sha256).or(sent) else {
        return (Verdict::Unknown, "not uploaded from here; try --against LOCAL_DIR".into());
    };
    if sent == back.sha256 {
        return (Verdict::Identical, String::new());
    }
    let Some(original) = original else {
        return (Verdict::Changed, "the original is not here; try --against LOCAL_DIR".into());
    };
    let bytes = format!("{} here, {} at Google", counted(original.size, "byte"), back.size);
    let dimensions = original.dimensions.zip(back.dimensions);
    match (original.picture.zip(back.picture), dimensions) {
        (Some((a, b)), _) if a == b => (Verdict::MetadataStripped, bytes),
        (_, Some((a, b))) if a != b => {
            let size = |(width, height)| format!("{width}x{height}");
            (Verdict::Resized, format!("{} here, {} at Google", size(a), size(b)))
        }
        (Some(_), Some(_)) => (Verdict::Recompressed, bytes),
        _ => (Verdict::Changed, format!("{bytes}; the pictures of this format cannot be compared")),
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
