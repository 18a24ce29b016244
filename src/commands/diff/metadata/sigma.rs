//! X3F, Sigma's RAW format: a header, and sections, which a directory at the end lists.

use std::io::{Read, Seek};

use super::raw;
use crate::commands::diff::facts::{Dimensions, Facts, Taken, Zone};
use crate::formats::source::{Source, u32_le};

/// The directory has so many sections at most.
const SECTIONS_MAX: u32 = 64;
/// The section of the properties takes so many bytes at most, and has so many of them.
const PROPERTIES_BYTES_MAX: u64 = 256 * 1024;
const PROPERTIES_MAX: usize = 1024;
/// The text of a property is read up to so many units of UTF-16.
const TEXT_MAX: usize = 256;
/// A section has so many bytes in front of its JPEG.
const IMAGE_HEADER_BYTES: u64 = 28;

/// Adds the dimensions, the capture time and the camera.
pub fn raw<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    facts.header = Some(u64::MAX);
    facts.dimensions = Dimensions { any: size(source).into_iter().collect(), firm: false };
    // A file without sections has no more facts.
    let _ = sections(source, facts);
}

/// The columns and rows in the header, which has another layout from version 4 on.
fn size<R: Read + Seek>(source: &mut Source<R>) -> Option<(u32, u32)> {
    let head = source.start(48)?;
    let at = if u32_le(&head, 4)? >> 16 < 4 { 28 } else { 40 };
    let (columns, rows) = (u32_le(&head, at)?, u32_le(&head, at + 4)?);
    (columns > 0 && rows > 0).then_some((columns, rows))
}

/// The last four bytes say where the directory begins.
fn sections<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) -> Option<()> {
    let last = source.exactly(source.len().checked_sub(4)?, 4)?;
    let at = u64::from(u32_le(&last, 0)?);
    let head = source.exactly(at, 12)?;
    if !head.starts_with(b"SECd") {
        return None;
    }
    let count = u32_le(&head, 8)?.min(SECTIONS_MAX);
    let directory = source.exactly(at + 12, 12 * u64::from(count))?;
    for entry in directory.chunks_exact(12) {
        let (start, length) = (u64::from(u32_le(entry, 0)?), u64::from(u32_le(entry, 4)?));
        match &entry[8..] {
            b"PROP" => {
                let section = source.up_to(start, length.min(PROPERTIES_BYTES_MAX));
                section.and_then(|it| properties(&it, facts));
            }
            // Newer cameras have EXIF in the JPEG within.
            b"IMA2" => raw::jpeg_within(source, start + IMAGE_HEADER_BYTES, facts),
            _ => {}
        }
    }
    Some(())
}

/// Pairs of a name and a value: first where their texts begin, and then the texts.
fn properties(section: &[u8], facts: &mut Facts) -> Option<()> {
    let is_utf_16 = u32_le(section, 12)? == 0;
    if !section.starts_with(b"SECp") || !is_utf_16 {
        return None;
    }
    let count = usize::try_from(u32_le(section, 8)?).ok()?;
    let (pairs, texts) = section.get(24..)?.split_at_checked(count.checked_mul(8)?)?;
    for pair in pairs.chunks_exact(8).take(PROPERTIES_MAX) {
        let (name, value) = (text(texts, u32_le(pair, 0)?)?, text(texts, u32_le(pair, 4)?)?);
        match name.as_str() {
            "CAMMODEL" => facts.add_model(Some(value)),
            // The seconds since 1970, as the camera's clock shows it.
            "TIME" => {
                let seconds = value.parse().ok().filter(|&it| it > 0);
                facts.taken.extend(seconds.map(|seconds| Taken { seconds, zone: Zone::Local }));
            }
            _ => {}
        }
    }
    Some(())
}

/// The text that begins at so many units and ends with a zero.
fn text(texts: &[u8], at: u32) -> Option<String> {
    let start = usize::try_from(at).ok()?.checked_mul(2)?;
    let units = texts.get(start..)?.chunks_exact(2).map(|it| u16::from_le_bytes([it[0], it[1]]));
    let units: Vec<_> = units.take(TEXT_MAX).take_while(|&it| it != 0).collect();
    Some(String::from_utf16_lossy(&units))
}
