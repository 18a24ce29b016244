//! The dimensions of pictures that have them in their headers.

use std::io::{Read, Seek};

use super::source::{Source, u16_be, u16_le, u32_le};
use super::xmp;
use crate::commands::diff::facts::{Dimensions, Facts};

/// So many segments of metadata stand in front of a JPEG's picture at most.
const SEGMENTS_MAX: usize = 256;
/// An icon has so many pictures at most.
const ICON_PICTURES_MAX: u16 = 64;

/// Adds the dimensions of a JPEG, PNG, GIF or WebP file: those of the picture itself, because EXIF
/// may still have those before an edit.
pub fn dimensions<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Ok(size) = imagesize::reader_size(source.rewound()) else { return };
    if let (Ok(width), Ok(height)) = (u32::try_from(size.width), u32::try_from(size.height)) {
        facts.dimensions = Dimensions::firm(width, height);
    }
}

/// Adds the length of a JPEG's header, and the facts in its XMP.
pub fn jpeg_header<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let (mut at, mut length) = (2_u64, 0);
    for _ in 0..SEGMENTS_MAX {
        let Some(segment) = source.exactly(at, 4) else { break };
        let (&[0xff, marker @ (0xe0..=0xef | 0xfe), ..], Some(size)) =
            (segment.as_slice(), u16_be(&segment, 2))
        else {
            break;
        };
        let size = u64::from(size);
        if marker == 0xe1
            && let Some(content) = source.up_to(at + 4, size)
            && content.starts_with(b"http://ns.adobe.com/xap/")
        {
            xmp::add(&content, facts);
        }
        // The JFIF segment in front of all is no metadata.
        length += if marker == 0xe0 { 0 } else { size };
        at += 2 + size;
    }
    facts.header = facts.header.max(Some(length).filter(|&it| it > 0));
}

/// Adds the dimensions of a bitmap. The height is negative if its first row is the uppermost.
pub fn bitmap(head: &[u8], facts: &mut Facts) {
    let found = match u32_le(head, 14) {
        Some(12) => u16_le(head, 18).map(u32::from).zip(u16_le(head, 20).map(u32::from)),
        Some(16..) => {
            let side = |at| u32_le(head, at).map(|it| it.cast_signed().unsigned_abs());
            side(18).zip(side(22))
        }
        _ => None,
    };
    if let Some((width, height)) = found {
        facts.dimensions = Dimensions::firm(width, height);
    }
}

/// Adds the dimensions of the pictures in an icon. A side of 256 pixels is written as 0.
pub fn icon<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let bytes = 6 + 16 * u64::from(ICON_PICTURES_MAX);
    let Some(directory) = source.start(bytes) else { return };
    let count = u16_le(&directory, 4).unwrap_or(0).min(ICON_PICTURES_MAX);
    let side = |at: usize| match directory.get(at) {
        Some(0) => Some(256),
        other => other.map(|&it| u32::from(it)),
    };
    let pictures = (0..usize::from(count)).map(|it| 6 + 16 * it);
    let any = pictures.filter_map(|at| side(at).zip(side(at + 1))).collect();
    facts.dimensions = Dimensions { any, firm: false };
}
