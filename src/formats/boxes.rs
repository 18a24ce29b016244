//! The boxes of the ISO base media family: HEIF, AVIF, CR3, MP4 and QuickTime.

use std::io::{Read, Seek};
use std::ops::Range;

use super::source::{Source, u32_be, u64_be};

/// A box has so many boxes within it at most.
const BOXES_MAX: usize = 1024;
/// The most bytes of the properties of a HEIF file, or of a track's header.
const BOX_BYTES_MAX: u64 = 1 << 20;

/// A box: its type, and where its content is.
pub type Bounds = ([u8; 4], Range<u64>);

/// The boxes in a range of the file, up to the first that is damaged.
pub fn boxes<R: Read + Seek>(source: &mut Source<R>, within: Range<u64>) -> Vec<Bounds> {
    let mut found = Vec::new();
    let mut at = within.start;
    while found.len() < BOXES_MAX
        && let Some((kind, content)) = whole_box(source, at, within.end)
    {
        at = content.end;
        found.push((kind, content));
    }
    found
}

/// The box that begins at an offset. It may reach beyond `end`.
pub fn box_at<R: Read + Seek>(source: &mut Source<R>, at: u64, end: u64) -> Option<Bounds> {
    let header = source.exactly(at, 8).filter(|_| at + 8 <= end)?;
    let kind: [u8; 4] = header.get(4..8)?.try_into().ok()?;
    let (size, start) = match u32_be(&header, 0)? {
        0 => (end.checked_sub(at)?, 8),
        1 => (u64_be(&source.exactly(at.checked_add(8)?, 8)?, 0)?, 16),
        size => (u64::from(size), 8),
    };
    let content = at.checked_add(start)?..at.checked_add(size)?;
    (size >= start).then_some((kind, content))
}

fn whole_box<R: Read + Seek>(source: &mut Source<R>, at: u64, end: u64) -> Option<Bounds> {
    box_at(source, at, end).filter(|(_, content)| content.end <= end)
}

/// The content of the first box on a path of types.
pub fn find<R: Read + Seek>(
    source: &mut Source<R>,
    within: Range<u64>,
    path: &[&[u8; 4]],
) -> Option<Range<u64>> {
    path.iter().try_fold(within, |within, kind| first(source, within, kind))
}

fn first<R: Read + Seek>(
    source: &mut Source<R>,
    within: Range<u64>,
    kind: &[u8; 4],
) -> Option<Range<u64>> {
    let mut at = within.start;
    for _ in 0..BOXES_MAX {
        let (found, content) = whole_box(source, at, within.end)?;
        if found == *kind {
            return Some(content);
        }
        at = content.end;
    }
    None
}

/// The bytes of a box, if it is not too large.
pub fn content<R: Read + Seek>(source: &mut Source<R>, of: Range<u64>) -> Option<Vec<u8>> {
    let length = of.end.checked_sub(of.start).filter(|&it| it <= BOX_BYTES_MAX)?;
    source.exactly(of.start, length)
}

/// The type of a handler: `vide` of a track with pictures, `pict` of the items of a HEIF file.
pub fn handler<R: Read + Seek>(source: &mut Source<R>, within: Range<u64>) -> Option<[u8; 4]> {
    let content = find(source, within, &[b"hdlr"])?;
    source.exactly(content.start.checked_add(8)?, 4)?.try_into().ok()
}
