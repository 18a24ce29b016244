//! The metadata that Apple's cameras write into a QuickTime file: a list of keys, and one of their
//! values.

use std::io::{Read, Seek};
use std::ops::Range;

use super::exif;
use crate::commands::diff::facts::Facts;
use crate::formats::boxes::{boxes, content, find};
use crate::formats::source::{Source, u32_be};

const CREATED: &str = "com.apple.quicktime.creationdate";
const MODEL: &str = "com.apple.quicktime.model";

/// The type of a value that is a text.
const UTF_8: u32 = 1;

/// Adds the creation time, which has its zone, and the camera. Returns whether the time is there.
pub fn add<R: Read + Seek>(source: &mut Source<R>, moov: Range<u64>, facts: &mut Facts) -> bool {
    let values = values(source, moov).unwrap_or_default();
    let of = |key| values.iter().find(|it| it.0 == key).map(|it| it.1.as_str());
    let taken = of(CREATED).map(exif::zoned).unwrap_or_default();
    let is_there = !taken.is_empty();
    facts.taken.extend(taken);
    facts.add_model(of(MODEL).map(str::to_owned));
    is_there
}

/// The keys that are of interest, and their values.
fn values<R: Read + Seek>(
    source: &mut Source<R>,
    moov: Range<u64>,
) -> Option<Vec<(&'static str, String)>> {
    let meta = find(source, moov, &[b"meta"])?;
    let within = boxes_of(source, meta);
    let list = find(source, within.clone(), &[b"keys"])?;
    let keys = keys(&content(source, list)?)?;
    let values = find(source, within, &[b"ilst"])?;
    let mut found = Vec::new();
    for (number, value) in boxes(source, values) {
        // The type of a box is the number of its key, from one on.
        let at = usize::try_from(u32::from_be_bytes(number)).ok().and_then(|it| it.checked_sub(1));
        let key = at.and_then(|it| keys.get(it));
        if let Some(key) = [CREATED, MODEL].into_iter().find(|it| key.is_some_and(|key| key == it))
        {
            found.extend(text(source, value).map(|text| (key, text)));
        }
    }
    Some(found)
}

/// The boxes within `meta`. In MP4, a version and flags stand before them.
fn boxes_of<R: Read + Seek>(source: &mut Source<R>, meta: Range<u64>) -> Range<u64> {
    let is_quicktime = source.exactly(meta.start, 8).is_some_and(|it| it.ends_with(b"hdlr"));
    let skipped = if is_quicktime { 0 } else { 4 };
    meta.start.saturating_add(skipped).min(meta.end)..meta.end
}

/// The names in a list of keys. Behind its version and their number, each has its length, which
/// counts the eight bytes in front of the name.
fn keys(list: &[u8]) -> Option<Vec<String>> {
    let mut rest = list.get(8..)?;
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let length = usize::try_from(u32_be(rest, 0)?).ok()?;
        keys.push(String::from_utf8_lossy(rest.get(8..length)?).into_owned());
        rest = rest.get(length..)?;
    }
    Some(keys)
}

/// A value that is a text. Its type and its language stand before it.
fn text<R: Read + Seek>(source: &mut Source<R>, value: Range<u64>) -> Option<String> {
    let data = find(source, value, &[b"data"])?;
    let bytes = content(source, data)?;
    let text = bytes.get(8..).filter(|_| u32_be(&bytes, 0) == Some(UTF_8))?;
    Some(String::from_utf8_lossy(text).into_owned())
}
