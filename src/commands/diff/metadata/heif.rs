//! HEIF and AVIF: their dimensions, and their metadata. These are items of a file, whose places a
//! table of its own lists.

use std::io::{Read, Seek};
use std::ops::Range;

use super::{exif, xmp};
use crate::commands::diff::facts::{Dimensions, Facts};
use crate::formats::boxes::{boxes, content, find};
use crate::formats::source::{Source, u16_be, u32_be, u64_be};

/// A block of EXIF is read up to so many bytes.
const EXIF_BYTES_MAX: u64 = 1 << 20;
/// A file has so many items, and an item so many pieces, at most.
const ITEMS_MAX: u32 = 4096;
const PIECES_MAX: u16 = 64;

/// Adds the dimensions of a HEIF or AVIF file: of all its pictures, and of the crop. It may have
/// tiles and a thumbnail, so only a single pair is firm.
pub fn dimensions<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let whole = 0..source.len();
    let Some(meta) = find(source, whole, &[b"meta"]) else { return };
    // A version and flags stand before the boxes in `meta`.
    let within = meta.start.saturating_add(4)..meta.end;
    let Some(properties) = find(source, within, &[b"iprp", b"ipco"]) else { return };
    let mut any = Vec::new();
    let mut cropped = false;
    for (kind, bounds) in boxes(source, properties) {
        let of_interest = [*b"ispe", *b"clap"].contains(&kind);
        let Some(bytes) = of_interest.then(|| content(source, bounds)).flatten() else { continue };
        let at = |at| u32_be(&bytes, at);
        if &kind == b"ispe" {
            any.extend(at(4).zip(at(8)));
        } else {
            cropped = true;
            let side = |over, under| at(over)?.checked_div(at(under)?);
            any.extend(side(0, 4).zip(side(8, 12)));
        }
    }
    any.sort_unstable();
    any.dedup();
    let firm = any.len() == 1 && !cropped;
    facts.dimensions = Dimensions { any, firm };
}

/// Adds the EXIF and XMP of all pictures in a file, and their lengths.
pub fn metadata<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(meta) = find(source, 0..source.len(), &[b"meta"]) else { return };
    // A version and flags stand before the boxes in `meta`.
    let within = meta.start.saturating_add(4)..meta.end;
    let items = items(source, within.clone()).unwrap_or_default();
    let data = find(source, within.clone(), &[b"idat"]);
    let table = find(source, within, &[b"iloc"]).and_then(|it| content(source, it));
    let places = table.and_then(|it| places(&it)).unwrap_or_default();
    for (item, kind) in items {
        let of_item = places.iter().filter(|it| it.item == item);
        let ranges = of_item.filter_map(|it| it.range(data.as_ref()));
        // Programs write metadata in one piece.
        for range in ranges {
            facts.add_header(range.end - range.start);
            let length = range.end - range.start;
            if &kind == b"Exif" {
                let block = source.up_to(range.start, length.min(EXIF_BYTES_MAX));
                if let Some(block) = block.as_deref().and_then(tiff_block) {
                    exif::of_block(block.to_vec(), facts);
                }
            } else if let Some(packet) = source.up_to(range.start, length.min(xmp::BYTES_MAX)) {
                xmp::add(&packet, facts);
            }
        }
    }
}

/// The numbers and types of the items that are metadata.
fn items<R: Read + Seek>(source: &mut Source<R>, meta: Range<u64>) -> Option<Vec<(u32, [u8; 4])>> {
    let info = find(source, meta, &[b"iinf"])?;
    let version = *source.exactly(info.start, 1)?.first()?;
    // Version, flags, and the number of items.
    let start = info.start + if version == 0 { 6 } else { 8 };
    let mut found = Vec::new();
    for (kind, bounds) in boxes(source, start..info.end) {
        if &kind != b"infe" {
            continue;
        }
        let Some(head) = source.up_to(bounds.start, 16) else { continue };
        let item = match head.first() {
            Some(2) => u16_be(&head, 4).map(u32::from).zip(head.get(8..12)),
            Some(3) => u32_be(&head, 4).zip(head.get(10..14)),
            _ => None,
        };
        if let Some((item, kind @ (b"Exif" | b"mime"))) = item {
            found.push((item, kind.try_into().ok()?));
        }
    }
    Some(found)
}

/// A piece of an item.
struct Place {
    item: u32,
    /// Whether the offset is one in the box `idat`, and not in the file.
    is_in_data: bool,
    /// `None` if it is in a way that this does not read.
    offset: Option<u64>,
    length: u64,
}

impl Place {
    fn range(&self, data: Option<&Range<u64>>) -> Option<Range<u64>> {
        let base = if self.is_in_data { data?.start } else { 0 };
        let start = base.checked_add(self.offset?)?;
        Some(start..start.checked_add(self.length)?)
    }
}

/// The pieces of all items, from the content of the box `iloc`.
fn places(table: &[u8]) -> Option<Vec<Place>> {
    let mut fields = Fields { table, at: 4 };
    let version = *table.first()?;
    let sizes = fields.number(2)?;
    let size = |shift: u32| usize::try_from((sizes >> shift) & 15).unwrap_or(0);
    let (offset_size, length_size, base_size) = (size(12), size(8), size(4));
    let index_size = if version > 0 { size(0) } else { 0 };
    let wide = if version < 2 { 2 } else { 4 };
    let count = u32::try_from(fields.number(wide)?).ok()?.min(ITEMS_MAX);
    let mut found = Vec::new();
    for _ in 0..count {
        let item = u32::try_from(fields.number(wide)?).ok()?;
        let method = if version > 0 { fields.number(2)? & 15 } else { 0 };
        let other_file = fields.number(2)? != 0;
        let base = fields.number(base_size)?;
        let pieces = u16::try_from(fields.number(2)?).ok()?;
        for _ in 0..pieces.min(PIECES_MAX) {
            fields.number(index_size)?;
            let offset = base.checked_add(fields.number(offset_size)?);
            let offset = offset.filter(|_| method < 2 && !other_file);
            let length = fields.number(length_size)?;
            found.push(Place { item, is_in_data: method == 1, offset, length });
        }
        if pieces > PIECES_MAX {
            break;
        }
    }
    Some(found)
}

/// The fields of a table one after the other.
struct Fields<'a> {
    table: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    /// A field of so many bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let at = self.at;
        self.at += bytes;
        match bytes {
            0 => Some(0),
            2 => u16_be(self.table, at).map(u64::from),
            4 => u32_be(self.table, at).map(u64::from),
            8 => u64_be(self.table, at),
            _ => None,
        }
    }
}

/// The TIFF block of an item of EXIF. The number in front says where it begins, but some programs
/// write 0 before `Exif\0\0`, too.
fn tiff_block(item: &[u8]) -> Option<&[u8]> {
    let start = 4_usize.checked_add(usize::try_from(u32_be(item, 0)?).ok()?)?;
    let block = item.get(start..)?;
    Some(block.strip_prefix(b"Exif\0\0").unwrap_or(block))
}
