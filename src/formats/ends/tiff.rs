//! TIFF, and the RAW files of cameras that are TIFF inside: where their directories and pixels lie.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use crate::formats::source::{Source, u16_be, u16_le, u32_be, u32_le};

/// A file has so many directories at most.
const DIRECTORIES_MAX: usize = 64;
/// An entry of a directory.
const ENTRY_BYTES: u64 = 12;
/// So many values of an entry are read at most.
const VALUES_MAX: u32 = 1 << 20;

const STRIP_OFFSETS: u16 = 0x0111;
const STRIP_LENGTHS: u16 = 0x0117;
const TILE_OFFSETS: u16 = 0x0144;
const TILE_LENGTHS: u16 = 0x0145;
const DIRECTORIES_WITHIN: u16 = 0x014a;

/// The numbers of a file, in its order of bytes.
struct Numbers<'a, R> {
    source: &'a mut Source<R>,
    is_little: bool,
}

/// An entry of a directory.
struct Entry {
    tag: u16,
    /// Bytes of a value: 2 or 4.
    width: u32,
    count: u32,
    /// Where the values are.
    at: u64,
}

/// Whether a directory, or strips or tiles of a picture, lie beyond the end. `is_plain`: lengths
/// count, too.
pub fn breaks_off<R: Read + Seek>(source: &mut Source<R>, is_plain: bool) -> Option<bool> {
    let length = source.len();
    let is_little = source.exactly(0, 1)? == b"I";
    let mut file = Numbers { source, is_little };
    let mut left = vec![u64::from(file.long(4)?)];
    let mut seen = BTreeSet::new();
    while let Some(at) = left.pop().filter(|_| seen.len() < DIRECTORIES_MAX) {
        if at == 0 || !seen.insert(at) {
            continue;
        }
        if at >= length {
            return Some(true);
        }
        let Some((entries, next)) = file.directory(at) else { return Some(true) };
        left.push(next);
        let values = |file: &mut Numbers<'_, R>, tag| match entries.iter().find(|it| it.tag == tag)
        {
            Some(entry) => file.values(entry),
            None => Some(Vec::new()),
        };
        left.extend(values(&mut file, DIRECTORIES_WITHIN).unwrap_or_default());
        for (offsets, lengths) in [(STRIP_OFFSETS, STRIP_LENGTHS), (TILE_OFFSETS, TILE_LENGTHS)] {
            let Some(offsets) = values(&mut file, offsets) else { return Some(true) };
            let lengths = values(&mut file, lengths).filter(|_| is_plain).unwrap_or_default();
            let lengths = lengths.into_iter().chain(std::iter::repeat(0));
            if offsets.iter().zip(lengths).any(|(at, bytes)| at.saturating_add(bytes) > length) {
                return Some(true);
            }
        }
    }
    Some(false)
}

impl<R: Read + Seek> Numbers<'_, R> {
    fn short(&self, bytes: &[u8], at: usize) -> Option<u16> {
        if self.is_little { u16_le(bytes, at) } else { u16_be(bytes, at) }
    }

    fn long_in(&self, bytes: &[u8], at: usize) -> Option<u32> {
        if self.is_little { u32_le(bytes, at) } else { u32_be(bytes, at) }
    }

    fn long(&mut self, at: u64) -> Option<u32> {
        let bytes = self.source.exactly(at, 4)?;
        self.long_in(&bytes, 0)
    }

    /// The entries of a directory, and where the next one is. `None` if it is not whole.
    fn directory(&mut self, at: u64) -> Option<(Vec<Entry>, u64)> {
        let count = self.source.exactly(at, 2)?;
        let bytes = u64::from(self.short(&count, 0)?) * ENTRY_BYTES;
        let read = self.source.exactly(at + 2, bytes)?;
        let mut entries = Vec::new();
        for (index, entry) in read.chunks_exact(ENTRY_BYTES as usize).enumerate() {
            let width = match self.short(entry, 2)? {
                3 => 2,
                4 | 13 => 4,
                _ => continue,
            };
            let count = self.long_in(entry, 4)?;
            // Values of up to four bytes stand in the entry itself.
            let is_within = u64::from(count) * u64::from(width) <= 4;
            let within = at + 2 + index as u64 * ENTRY_BYTES + 8;
            let at = if is_within { within } else { self.long_in(entry, 8)?.into() };
            entries.push(Entry { tag: self.short(entry, 0)?, width, count, at });
        }
        // Some programs leave out the offset behind the last directory.
        let next = self.long(at + 2 + bytes).unwrap_or(0);
        Some((entries, next.into()))
    }

    /// The values of an entry. `None` if they are not all there.
    fn values(&mut self, entry: &Entry) -> Option<Vec<u64>> {
        let count = entry.count.min(VALUES_MAX);
        let bytes = self.source.exactly(entry.at, u64::from(count) * u64::from(entry.width))?;
        let values = bytes.chunks_exact(entry.width as usize);
        values
            .map(|it| match entry.width {
                2 => self.short(it, 0).map(u64::from),
                _ => self.long_in(it, 0).map(u64::from),
            })
            .collect()
    }
}
