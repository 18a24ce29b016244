//! The size of the picture in EXIF: the two fields that a resized copy must change.

use crate::formats::source::{u16_be, u16_le, u32_be, u32_le};

/// What stands in front of the TIFF structure in a segment with its marker and length.
const HEAD: &[u8] = b"Exif\0\0";
const HEAD_AT: usize = 4;

const EXIF_DIRECTORY: u16 = 0x8769;
const PIXEL_X_DIMENSION: u16 = 0xa002;
const PIXEL_Y_DIMENSION: u16 = 0xa003;

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// How long an entry of a directory is.
const ENTRY: usize = 12;

/// Puts the new size into the two fields, if `segment` is EXIF and they tell the present size.
/// Nothing else changes.
pub(super) fn set_size(segment: &mut [u8], was: (u32, u32), is: (u32, u32)) {
    let Some(tiff) = segment.get_mut(HEAD_AT..) else { return };
    let Some(tiff) = tiff.strip_prefix_mut(HEAD) else { return };
    let little = match tiff.get(..4) {
        Some(b"II*\0") => true,
        Some(b"MM\0*") => false,
        _ => return,
    };
    // A field that tells another size than the picture's is wrong already, and stays.
    for (tag, was, is) in [(PIXEL_X_DIMENSION, was.0, is.0), (PIXEL_Y_DIMENSION, was.1, is.1)] {
        let Some(Field { at, kind }) = field(tiff, little, tag) else { continue };
        match (kind, u16::try_from(is)) {
            (SHORT, Ok(is)) if short(tiff, little, at) == u16::try_from(was).ok() => {
                let bytes = if little { is.to_le_bytes() } else { is.to_be_bytes() };
                tiff[at..at + 2].copy_from_slice(&bytes);
            }
            (LONG, _) if long(tiff, little, at) == Some(was) => {
                let bytes = if little { is.to_le_bytes() } else { is.to_be_bytes() };
                tiff[at..at + 4].copy_from_slice(&bytes);
            }
            _ => {}
        }
    }
}

/// Where the single value of a field stands, and its type.
struct Field {
    at: usize,
    kind: u16,
}

fn field(tiff: &[u8], little: bool, tag: u16) -> Option<Field> {
    let first = usize::try_from(long(tiff, little, 4)?).ok()?;
    let link = entry(tiff, little, first, EXIF_DIRECTORY)?;
    let directory = usize::try_from(long(tiff, little, link.checked_add(8)?)?).ok()?;
    let entry = entry(tiff, little, directory, tag)?;
    let count = long(tiff, little, entry + 4)?;
    (count == 1).then_some(Field { at: entry + 8, kind: short(tiff, little, entry + 2)? })
}

/// Where an entry of a directory stands, wholly within the structure.
fn entry(tiff: &[u8], little: bool, directory: usize, tag: u16) -> Option<usize> {
    let count = usize::from(short(tiff, little, directory)?);
    let entries = (0..count).map_while(|it| {
        let at = directory.checked_add(2 + it * ENTRY)?;
        tiff.get(at..at.checked_add(ENTRY)?).map(|_| at)
    });
    let mut entries = entries.filter(|at| short(tiff, little, *at) == Some(tag));
    entries.next()
}

fn short(tiff: &[u8], little: bool, at: usize) -> Option<u16> {
    if little { u16_le(tiff, at) } else { u16_be(tiff, at) }
}

fn long(tiff: &[u8], little: bool, at: usize) -> Option<u32> {
    if little { u32_le(tiff, at) } else { u32_be(tiff, at) }
}

trait StripPrefixMut {
    fn strip_prefix_mut(&mut self, prefix: &[u8]) -> Option<&mut [u8]>;
}

impl StripPrefixMut for [u8] {
    fn strip_prefix_mut(&mut self, prefix: &[u8]) -> Option<&mut [u8]> {
        if self.starts_with(prefix) { self.get_mut(prefix.len()..) } else { None }
    }
}
