//! RAW files and TIFF. Most are TIFF inside, some with a number of their own in front.
//!
//! Their first directory describes a thumbnail, so they have no dimensions to compare. Google may
//! give out another format, so their size is no contradiction either.

use std::io::{Read, Seek};
use std::ops::Range;
use std::path::Path;

use super::{exif, pictures, tiff};
use crate::commands::diff::facts::{Facts, Taken, Zone};
use crate::formats::source::{Source, u16_le, u32_be, u32_le};

/// Where the EXIF of such a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The file is TIFF.
    Tiff,
    /// The file is TIFF with another number in its header.
    AlmostTiff,
    /// Fujifilm: in a JPEG within.
    Fuji,
    /// Minolta: in a block of the header.
    Minolta,
    /// Canon's first format: in records of its own.
    CanonHeap,
}

/// A JPEG within a RAW file has its EXIF within so many bytes.
const JPEG_BYTES_MAX: u64 = 1 << 20;
/// Heaps lie within each other, and each has so many records, at most.
const HEAP_DEPTH_MAX: u32 = 4;
const HEAP_RECORDS_MAX: u16 = 64;
/// The header of a Minolta file has so many blocks at most.
const BLOCKS_MAX: usize = 16;

/// The kind by the first bytes.
pub fn kind(head: &[u8]) -> Option<Kind> {
    Some(match head {
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Kind::Tiff,
        [b'I', b'I', b'U', 0, ..]
        | [b'I', b'I', b'R', b'O' | b'S', ..]
        | [b'M', b'M', b'O', b'R', ..] => Kind::AlmostTiff,
        _ if head.starts_with(b"FUJIFILMCCD-RAW") => Kind::Fuji,
        _ if head.starts_with(b"\0MRM") => Kind::Minolta,
        [b'I', b'I', _, _, _, _, b'H', b'E', b'A', b'P', b'C', b'C', b'D', b'R', ..] => {
            Kind::CanonHeap
        }
        _ => return None,
    })
}

/// Adds the EXIF, and the dimensions if it is a plain TIFF.
pub fn add<R: Read + Seek>(kind: Kind, source: &mut Source<R>, name: &Path, facts: &mut Facts) {
    // Most makers write a fixed number of bits for each pixel.
    facts.is_of_fixed_size = true;
    match kind {
        Kind::Tiff => {
            exif::of_tiff(source, 0, facts);
            let data = tiff::picture_data(source);
            facts.is_of_fixed_size = !data.is_compressed();
            let extension = name.extension().and_then(|it| it.to_str()).unwrap_or_default();
            if ["tif", "tiff"].iter().any(|it| extension.eq_ignore_ascii_case(it)) {
                pictures::dimensions(source, facts);
                facts.dimensions.firm = false;
                // The metadata lie anywhere between the pictures.
                facts.header = source.len().checked_sub(data.bytes);
                return;
            }
        }
        Kind::AlmostTiff => exif::of_tiff(source, 0, facts),
        Kind::Fuji => {
            let jpeg = source.exactly(84, 8).and_then(|it| u32_be(&it, 0));
            if let Some(at) = jpeg {
                jpeg_within(source, at.into(), facts);
            }
        }
        Kind::Minolta => {
            if let Some(at) = minolta(source) {
                exif::of_tiff(source, at, facts);
            }
        }
        Kind::CanonHeap => {
            facts.is_of_fixed_size = false;
            if let Some(start) = source.start(6).and_then(|it| u32_le(&it, 2)) {
                let heap = u64::from(start)..source.len();
                heap_records(source, heap, HEAP_DEPTH_MAX, facts);
            }
        }
    }
    facts.header = Some(u64::MAX);
}

/// Adds the EXIF of a JPEG at an offset.
pub fn jpeg_within<R: Read + Seek>(source: &mut Source<R>, at: u64, facts: &mut Facts) {
    if let Some(block) = source.up_to(at, JPEG_BYTES_MAX) {
        pictures::jpeg_segments(&mut Source::new(std::io::Cursor::new(block)), facts);
    }
}

/// Adds the facts in a heap of Canon's: its values, and behind them a directory. The last four
/// bytes say where that begins.
fn heap_records<R: Read + Seek>(
    source: &mut Source<R>,
    heap: Range<u64>,
    depth: u32,
    facts: &mut Facts,
) -> Option<()> {
    let last = source.exactly(heap.end.checked_sub(4)?, 4)?;
    let at = heap.start.checked_add(u32_le(&last, 0)?.into())?;
    let count = u16_le(&source.exactly(at, 2)?, 0)?.min(HEAP_RECORDS_MAX);
    let directory = source.exactly(at.checked_add(2)?, 10 * u64::from(count))?;
    for record in directory.chunks_exact(10) {
        let (kind, length) = (u16_le(record, 0)?, u32_le(record, 2)?);
        let start = heap.start.checked_add(u32_le(record, 6)?.into())?;
        let within = start..start.checked_add(length.into())?;
        match kind & 0x3fff {
            // Make and model, each with a zero behind it.
            0x080a => {
                let texts = source.up_to(within.start, u64::from(length.min(256)))?;
                let texts = String::from_utf8_lossy(&texts);
                facts.add_model(texts.split('\0').nth(1));
            }
            // The seconds since 1970, as the camera's clock shows it.
            0x180e => {
                let seconds = i64::from(u32_le(&source.exactly(within.start, 4)?, 0)?);
                facts.taken.push(Taken { seconds, zone: Zone::Local });
            }
            0x2800..0x3800 if depth > 0 && within.end < heap.end => {
                heap_records(source, within, depth - 1, facts);
            }
            _ => {}
        }
    }
    Some(())
}

/// Where the TIFF block of a Minolta file begins.
fn minolta<R: Read + Seek>(source: &mut Source<R>) -> Option<u64> {
    let mut at = 8_u64;
    for _ in 0..BLOCKS_MAX {
        let block = source.exactly(at, 8)?;
        if block.starts_with(b"\0TTW") {
            return Some(at + 8);
        }
        at = at.checked_add(8)?.checked_add(u32_be(&block, 4)?.into())?;
    }
    None
}
