//! The JSON files of an export: one beside each photo, and one in each album. Pure.

use serde::Deserialize;
use serde_json::Value;

/// A larger JSON file describes no photo and no album. Its text may name many people.
pub const BYTES_MAX: u64 = 1 << 20;

/// What a JSON file describes. Their names are in the user's language, so only the content decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// The album of its folder, by its title. An untitled album has an empty one.
    Album(String),
    /// A photo or video.
    Item(Sidecar),
    /// Anything else.
    Other,
}

/// The facts about a photo or video.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// Its full name. The names of files in an export are truncated.
    pub title: String,
    /// The capture time, in seconds since 1970.
    pub taken: Option<i64>,
    /// Its address, which no other item has.
    pub url: Option<String>,
    /// Whether it is in the bin, and so in no album.
    pub is_binned: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    title: Option<String>,
    photo_taken_time: Option<Time>,
    creation_time: Option<Time>,
    google_photos_origin: Option<serde::de::IgnoredAny>,
    url: Option<String>,
    trashed: Option<Value>,
}

#[derive(Deserialize)]
struct Time {
    timestamp: Option<Value>,
}

impl Time {
    fn seconds(&self) -> Option<i64> {
        match self.timestamp.as_ref()? {
            Value::String(text) => text.parse().ok(),
            number => number.as_i64(),
        }
    }
}

impl Document {
    /// Parses a JSON file. `None` if it is damaged.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // Editors on Windows put a mark in front of UTF-8.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let whole: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(text);
        whole.ok()?;
        let Ok(wire) = serde_json::from_slice::<Wire>(text) else { return Some(Self::Other) };
        let is_item = wire.photo_taken_time.is_some()
            || wire.creation_time.is_some()
            || wire.google_photos_origin.is_some();
        Some(match (is_item, wire.title) {
            (true, title) => Self::Item(Sidecar {
                title: title.unwrap_or_default(),
                taken: wire.photo_taken_time.and_then(|it| it.seconds()),
                url: wire.url.filter(|it| !it.is_empty()),
                is_binned: wire.trashed == Some(Value::Bool(true)),
            }),
            (false, Some(title)) => Self::Album(title),
            (false, None) => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_says_what_a_document_describes() {
        let of = |text: &str| Document::parse(text.as_bytes());
        let sidecar = |title: &str, taken, url: Option<&str>| {
            let url = url.map(Into::into);
            Some(Document::Item(Sidecar { title: title.into(), taken, url, is_binned: false }))
        };
        for (text, expected) in [
            (
                r#"{"title":"a.jpg","photoTakenTime":{"timestamp":"1556442005"},"url":"https://x/1","people":[{}]}"#,
                sidecar("a.jpg", Some(1_556_442_005), Some("https://x/1")),
            ),
            (r#"{"title":"a","photoTakenTime":{"timestamp":-7}}"#, sidecar("a", Some(-7), None)),
            (r#"{"googlePhotosOrigin":{"webUpload":{}},"url":""}"#, sidecar("", None, None)),
            ("\u{feff}{\"title\":\"Trip\"}", Some(Document::Album("Trip".into()))),
            (r#"{"title":"Trip","date":{"timestamp":"1"}}"#, Some(Document::Album("Trip".into()))),
            (r#"{"title":"","access":"protected"}"#, Some(Document::Album(String::new()))),
            (r#"{"userGeneratedMemoryTitles":[]}"#, Some(Document::Other)),
            (r#"{"title":7}"#, Some(Document::Other)),
            ("[1, 2]", Some(Document::Other)),
            (r#"{"title":"a","title":"b"}"#, Some(Document::Other)),
            (r#"{"title":"a.jpg","photoTa"#, None),
            ("", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        let Some(Document::Item(binned)) = of(r#"{"photoTakenTime":{},"trashed":true}"#) else {
            panic!()
        };
        assert!(binned.is_binned);
        assert_eq!(of(&"[".repeat(1 << 20)), None);
    }
}
