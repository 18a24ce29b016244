//! Movies, and pictures such as HEIC: the boxes at the top.

use std::io::{Read, Seek};

use crate::formats::source::{Source, u32_be, u64_be};

/// The boxes that movies and pictures begin with.
const FIRST: [&[u8; 4]; 11] = [
    b"ftyp", b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip", b"junk", b"uuid", b"udta",
    b"PICT",
];
/// The size and the kind of a box.
const HEADER_BYTES: u64 = 8;
/// The boxes that hold a movie or a picture, or make room for it. One of another kind that is longer
/// than the file may be bytes that a program has left behind the end.
const PARTS: [&[u8; 4]; 7] = [b"meta", b"moof", b"idat", b"styp", b"sidx", b"mfra", b"emsg"];
/// So many boxes are looked at. A video in fragments has some for each second.
const BOXES_MAX: usize = 100_000;

/// Whether a file begins with such a box.
pub fn is_first(head: &[u8]) -> bool {
    head.get(4..8).is_some_and(|kind| FIRST.iter().any(|it| *it == kind))
}

/// Whether a box is longer than the file, or the index of a video or picture is missing, which may
/// come last.
pub fn break_off<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let length = source.len();
    let (mut at, mut has_index) = (0, false);
    for _ in 0..BOXES_MAX {
        if at >= length {
            return Some(at > length || !has_index);
        }
        let Some(header) = source.exactly(at, HEADER_BYTES) else {
            // Fewer bytes than the header of a box, or too many boxes.
            return (length - at < HEADER_BYTES).then_some(!has_index);
        };
        let kind = header.get(4..)?;
        // Bytes that are no box: other programs ignore them.
        if !kind.iter().all(|&it| it == 0xa9 || (b' '..=b'~').contains(&it)) {
            return Some(!has_index);
        }
        has_index |= matches!(kind, b"moov" | b"meta" | b"moof");
        let size = match u32_be(&header, 0)? {
            // It reaches to the end.
            0 => return Some(!has_index),
            1 => match source.exactly(at + HEADER_BYTES, 8) {
                Some(large) => u64_be(&large, 0)?,
                None => return Some(true),
            },
            size => u64::from(size),
        };
        let end = at.saturating_add(size);
        let is_part = FIRST.iter().chain(&PARTS).any(|it| kind == *it);
        if size < HEADER_BYTES || end > length && !is_part {
            return Some(!has_index);
        }
        at = end;
    }
    None
}
