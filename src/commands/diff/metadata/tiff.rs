//! The directories of a TIFF: how many bytes its pictures take, and whether they are compressed.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use crate::formats::source::{Source, u16_be, u16_le, u32_be, u32_le};

/// A file has so many directories, and a directory so many entries, at most.
const DIRECTORIES_MAX: usize = 64;
const ENTRIES_MAX: u16 = 512;
/// A picture has so many strips or tiles at most.
const STRIPS_MAX: u64 = 1 << 18;

const COMPRESSION: u16 = 0x0103;
/// The lengths of the strips and of the tiles.
const LENGTHS: [u16; 2] = [0x0117, 0x0145];
const SUB_DIRECTORIES: u16 = 0x014a;

/// The compressions whose output is as long as the picture needs. Others, also those of several
/// makers, write a fixed number of bits for each pixel.
const VARIABLE: [u32; 20] = [
    2, 3, 4, 5, 6, 7, 8, 32_770, 32_772, 32_773, 32_946, 34_712, 34_713, 34_892, 34_925, 50_000,
    50_001, 52_546, 65_000, 65_535,
];

/// The pictures in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureData {
    /// The bytes of all.
    pub bytes: u64,
    /// The bytes of those whose length depends on their content.
    compressed: u64,
}

impl PictureData {
    /// Whether most of it is compressed, so that its length depends on its content.
    pub fn is_compressed(&self) -> bool {
        self.compressed > self.bytes / 2
    }
}

/// The pictures in all directories, as far as they can be read.
pub fn picture_data<R: Read + Seek>(source: &mut Source<R>) -> PictureData {
    let mut data = PictureData::default();
    let Some(head) = source.start(8) else { return data };
    let is_big_endian = head.starts_with(b"MM");
    let mut file = Directories { source, is_big_endian };
    let mut left: VecDeque<_> = file.number(&head, 4).into_iter().collect();
    for _ in 0..DIRECTORIES_MAX {
        let Some(at) = left.pop_front() else { break };
        if let Some(found) = file.directory(at.into(), &mut left) {
            data.bytes = data.bytes.saturating_add(found.bytes);
            data.compressed = data.compressed.saturating_add(found.compressed);
        }
    }
    data
}

struct Directories<'a, R> {
    source: &'a mut Source<R>,
    is_big_endian: bool,
}

impl<R: Read + Seek> Directories<'_, R> {
    fn short(&self, bytes: &[u8], at: usize) -> Option<u16> {
        if self.is_big_endian { u16_be(bytes, at) } else { u16_le(bytes, at) }
    }

    fn number(&self, bytes: &[u8], at: usize) -> Option<u32> {
        if self.is_big_endian { u32_be(bytes, at) } else { u32_le(bytes, at) }
    }

    /// The pictures of one directory. Adds the directories that it names.
    fn directory(&mut self, at: u64, more: &mut VecDeque<u32>) -> Option<PictureData> {
        let count = self.source.exactly(at, 2)?;
        let count = self.short(&count, 0)?.min(ENTRIES_MAX);
        let length = 12 * u64::from(count);
        let entries = self.source.exactly(at.checked_add(2)?, length)?;
        let (mut bytes, mut is_variable) = (0_u64, false);
        for entry in entries.chunks_exact(12) {
            match self.short(entry, 0)? {
                COMPRESSION => {
                    let found = self.values(entry).unwrap_or_default();
                    is_variable = found.first().is_some_and(|it| VARIABLE.contains(it));
                }
                tag if LENGTHS.contains(&tag) => {
                    let lengths = self.values(entry).unwrap_or_default();
                    bytes += lengths.into_iter().map(u64::from).sum::<u64>();
                }
                SUB_DIRECTORIES => more.extend(self.values(entry).unwrap_or_default()),
                _ => {}
            }
        }
        let next = self.source.exactly(at + 2 + length, 4);
        more.extend(next.and_then(|it| self.number(&it, 0)).filter(|&it| it > 0));
        Some(PictureData { bytes, compressed: if is_variable { bytes } else { 0 } })
    }

    /// The values of an entry with numbers of 16 or 32 bits.
    fn values(&mut self, entry: &[u8]) -> Option<Vec<u32>> {
        let is_short = match self.short(entry, 2)? {
            3 => true,
            4 | 13 => false,
            _ => return None,
        };
        let count = u64::from(self.number(entry, 4)?).min(STRIPS_MAX);
        let length = count * if is_short { 2 } else { 4 };
        let bytes = match length {
            0..=4 => entry.get(8..)?.to_vec(),
            _ => self.source.exactly(self.number(entry, 8)?.into(), length)?,
        };
        let count = usize::try_from(count).ok()?;
        let value = |at| match is_short {
            true => self.short(&bytes, 2 * at).map(u32::from),
            false => self.number(&bytes, 4 * at),
        };
        (0..count).map(value).collect()
    }
}
