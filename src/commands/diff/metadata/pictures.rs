//! Pictures with their metadata in segments, chunks or blocks: JPEG, PNG, WebP, GIF, BMP and ICO.

use std::io::{Read, Seek};

use super::{exif, xmp};
use crate::commands::diff::facts::{Dimensions, Facts};
use crate::formats::jpeg;
use crate::formats::source::{Source, u16_le, u32_be, u32_le};

/// A PNG or WebP has so many chunks at most.
const CHUNKS_MAX: usize = 16_384;
/// A GIF is read up to so many bytes.
const GIF_BYTES_MAX: u64 = 8 << 20;
/// An icon has so many pictures at most.
const ICON_PICTURES_MAX: u16 = 64;

/// Adds the dimensions of a PNG, GIF or WebP file: those of the picture itself, because EXIF may
/// still have those before an edit.
pub fn dimensions<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Ok(size) = imagesize::reader_size(source.rewound()) else { return };
    if let (Ok(width), Ok(height)) = (u32::try_from(size.width), u32::try_from(size.height)) {
        facts.dimensions = Dimensions::firm(width, height);
    }
}

/// Adds the dimensions of a JPEG.
pub fn jpeg_dimensions<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    if let Some((width, height)) = jpeg::dimensions(source) {
        facts.dimensions = Dimensions::firm(width, height);
    }
}

/// Adds the facts in a JPEG's segments: its EXIF and XMP, and the length of its metadata.
pub fn jpeg_segments<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let segments = jpeg::segments(source);
    for (marker, bounds) in segments.into_iter().take_while(|it| jpeg::is_added(it.0)) {
        let length = bounds.end - bounds.start;
        if marker == jpeg::APP1
            && let Some(content) = source.up_to(bounds.start, length)
        {
            if let Some(block) = content.strip_prefix(b"Exif\0\0") {
                exif::of_block(block.to_vec(), facts);
            } else if content.starts_with(b"http://ns.adobe.com/xap/") {
                xmp::add(&content, facts);
            }
        }
        // The JFIF segment in front of all is no metadata.
        facts.add_header(if marker == jpeg::APP0 { 0 } else { 2 + length });
    }
}

/// Adds the XMP of a PNG, and the length of its metadata.
pub fn png_chunks<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let plain = source.start(26).and_then(|it| plain_png_bytes(&it));
    facts.is_of_fixed_size = plain.is_some_and(|it| source.len() >= it);
    let mut at = 8_u64;
    for _ in 0..CHUNKS_MAX {
        let Some(chunk) = source.exactly(at, 8) else { break };
        let Some(length) = u32_be(&chunk, 0).map(u64::from) else { break };
        let kind = &chunk[4..];
        // A reader may ignore the chunks that begin with a small letter.
        if kind.first().is_some_and(u8::is_ascii_lowercase) {
            facts.add_header(12 + length);
        }
        if kind == b"iTXt"
            && let Some(text) = source.up_to(at + 8, length.min(xmp::BYTES_MAX))
            && text.starts_with(b"XML:com.adobe.xmp\0")
        {
            xmp::add(&text, facts);
        }
        at += 12 + length;
    }
}

/// How many bytes the rows of a PNG take without compression.
fn plain_png_bytes(head: &[u8]) -> Option<u64> {
    let (width, height) = (u64::from(u32_be(head, 16)?), u64::from(u32_be(head, 20)?));
    let channels = match head.get(25)? {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let bits = width.checked_mul(channels * u64::from(*head.get(24)?))?;
    height.checked_mul(1 + bits.div_ceil(8))
}

/// Adds the XMP of a WebP, and the length of its metadata.
pub fn webp_chunks<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let mut at = 12_u64;
    for _ in 0..CHUNKS_MAX {
        let Some(chunk) = source.exactly(at, 8) else { break };
        let Some(length) = u32_le(&chunk, 4).map(u64::from) else { break };
        let kind = &chunk[..4];
        if [b"EXIF", b"XMP ", b"ICCP"].iter().any(|it| kind == *it) {
            facts.add_header(8 + length);
        }
        if kind == b"XMP "
            && let Some(packet) = source.up_to(at + 8, length.min(xmp::BYTES_MAX))
        {
            xmp::add(&packet, facts);
        }
        at += 8 + length + length % 2;
    }
}

/// Adds the XMP of a GIF, and the length of its metadata.
pub fn gif_blocks<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(bytes) = source.start(GIF_BYTES_MAX) else { return };
    let colours = |flags: Option<&u8>| match flags {
        Some(flags) if flags & 0x80 != 0 => 6 << (flags & 7),
        _ => 0,
    };
    let mut at: usize = 13 + colours(bytes.get(10));
    loop {
        let start = at;
        match bytes.get(at..at.saturating_add(2)) {
            // An image: where it stands, its colours, and the width of its codes.
            Some([0x2c, _]) => at += 11 + colours(bytes.get(at + 9)),
            Some([0x21, _]) => at += 2,
            _ => return,
        }
        let Some(end) = end_of_blocks(&bytes, at) else { return };
        at = end;
        let block = &bytes[start..end];
        let is_packet = block.get(3..14) == Some(b"XMP DataXMP");
        // Of the applications' blocks, most are about the repetition of a film.
        if is_packet || block.starts_with(&[0x21, 0xfe]) {
            facts.add_header(u64::try_from(block.len()).unwrap_or(u64::MAX));
        }
        if is_packet {
            xmp::add(block, facts);
        }
    }
}

/// The end of a series of blocks, each with its length in front. An empty one ends it.
fn end_of_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            length => at += 1 + length,
        }
    }
}

/// Adds the dimensions of a bitmap. The height is negative if its first row is the uppermost.
pub fn bitmap(head: &[u8], facts: &mut Facts) {
    // Run lengths, JPEG or PNG. Other bitmaps are not compressed.
    let is_compressed =
        u32_le(head, 14) >= Some(40) && matches!(u32_le(head, 30), Some(1 | 2 | 4 | 5));
    facts.is_of_fixed_size = !is_compressed;
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
    facts.is_of_fixed_size = true;
}
