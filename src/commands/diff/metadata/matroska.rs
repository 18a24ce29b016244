//! The dimensions of Matroska and WebM: elements within elements.

use std::io::{Read, Seek};
use std::ops::Range;

use crate::commands::diff::facts::{Dimensions, Facts};
use crate::formats::source::Source;

/// The description of the tracks lies within so many bytes.
const BYTES_MAX: u64 = 1 << 20;
/// An element has so many elements within it at most.
const ELEMENTS_MAX: usize = 1024;

const SEGMENT: u64 = 0x1853_8067;
const TRACKS: u64 = 0x1654_ae6b;
const TRACK: u64 = 0xae;
const VIDEO: u64 = 0xe0;
const WIDTH: u64 = 0xb0;
const HEIGHT: u64 = 0xba;

/// Adds the dimensions of all tracks with pictures. Readers take the first one, or the last.
pub fn dimensions<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(head) = source.start(BYTES_MAX) else { return };
    let mut any = Vec::new();
    for video in all(&head, 0..head.len(), &[SEGMENT, TRACKS, TRACK, VIDEO]) {
        let side = |kind| {
            let found = children(&head, video.clone()).into_iter().find(|it| it.0 == kind)?;
            number(head.get(found.1)?)
        };
        any.extend(side(WIDTH).zip(side(HEIGHT)));
    }
    any.sort_unstable();
    any.dedup();
    let firm = any.len() == 1;
    facts.dimensions = Dimensions { any, firm };
}

/// The contents of all elements on a path of kinds.
fn all(bytes: &[u8], within: Range<usize>, path: &[u64]) -> Vec<Range<usize>> {
    let Some((first, rest)) = path.split_first() else { return vec![within] };
    let found = children(bytes, within).into_iter().filter(|it| it.0 == *first);
    found.flat_map(|it| all(bytes, it.1, rest)).collect()
}

/// The kinds and contents of the elements in a range, up to the first that is damaged.
fn children(bytes: &[u8], within: Range<usize>) -> Vec<(u64, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = within.start;
    while found.len() < ELEMENTS_MAX
        && at < within.end
        && let Some((kind, content)) = element(bytes, at)
    {
        // The last one may be cut off, and that of a live stream has no length.
        let end = content.end.min(within.end);
        if content.start > end {
            break;
        }
        at = end;
        found.push((kind, content.start..end));
    }
    found
}

fn element(bytes: &[u8], at: usize) -> Option<(u64, Range<usize>)> {
    let (kind, kind_bytes) = field(bytes, at)?;
    let (length, length_bytes) = field(bytes, at + kind_bytes)?;
    let start = at + kind_bytes + length_bytes;
    // Without the bit that says how long the field is. All other bits are set if it is not known.
    let mask = (1_u64 << (7 * length_bytes)) - 1;
    let end = match length & mask {
        unknown if unknown == mask => usize::MAX,
        length => start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)),
    };
    Some((kind, start..end))
}

/// A number whose first bits say how many bytes it has, and that number of bytes.
fn field(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let length = usize::try_from(bytes.get(at)?.leading_zeros()).ok()? + 1;
    let field = bytes.get(at..at.checked_add(length)?).filter(|_| length <= 8)?;
    Some((field.iter().fold(0, |sum, &it| sum << 8 | u64::from(it)), length))
}

/// The sides of a picture have up to four bytes here.
fn number(bytes: &[u8]) -> Option<u32> {
    let sum = bytes.iter().fold(0, |sum, &it| sum << 8 | u32::from(it));
    (bytes.len() <= 4 && sum > 0).then_some(sum)
}
