//! The markers of a JPEG (ITU-T T.81, annex B). Any number of fill bytes may stand before each.

use std::io::{self, BufRead, Read, Seek};
use std::ops::Range;

use super::source::{Source, u16_be};

/// The start of the picture.
pub const SOI: u8 = 0xd8;
/// The end of the picture.
pub const EOI: u8 = 0xd9;
/// The start of a scan.
pub const SOS: u8 = 0xda;
/// A segment of EXIF or XMP.
pub const APP1: u8 = 0xe1;
/// The segment of JFIF.
pub const APP0: u8 = 0xe0;

const APP14: u8 = 0xee;
const APP15: u8 = 0xef;
const COM: u8 = 0xfe;

/// So many segments stand in front of the picture's data at most.
const SEGMENTS_MAX: usize = 1024;
/// So many bytes are read to find a marker behind fill bytes.
const FILL_BYTES: u64 = 64;

/// Whether only the marker itself belongs to it: TEM and restarts.
pub fn is_bare(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd7)
}

/// Start of frame: the size of the picture, and how it is coded.
pub fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Whether the segment is one of an application, or a comment.
pub fn is_added(marker: u8) -> bool {
    marker == COM || (APP0..=APP15).contains(&marker)
}

/// Whether the segment is about the picture, and no part of it. Adobe's segment specifies the
/// coding of colours, so it belongs to the picture.
pub fn is_about(marker: u8) -> bool {
    is_added(marker) && marker != APP14
}

/// The marker behind its first 0xff.
///
/// # Errors
/// If it cannot be read.
pub fn after_fill(file: &mut impl BufRead) -> io::Result<u8> {
    loop {
        let mut next = [0];
        file.read_exact(&mut next)?;
        if next[0] != 0xff {
            return Ok(next[0]);
        }
    }
}

/// The length of the content of a segment. `None` if it is shorter than itself.
///
/// # Errors
/// If it cannot be read.
pub fn segment_length(file: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = [0; 2];
    file.read_exact(&mut length)?;
    Ok(u64::from(u16::from_be_bytes(length)).checked_sub(2))
}

/// The segments up to the first scan, or to the first bytes that are none: their markers, and where
/// their contents are.
pub fn segments<R: Read + Seek>(source: &mut Source<R>) -> Vec<(u8, Range<u64>)> {
    let mut found = Vec::new();
    let mut at = 2;
    while found.len() < SEGMENTS_MAX
        && let Some((marker, behind)) = marker_at(source, at)
        && !matches!(marker, EOI | SOS)
    {
        if is_bare(marker) {
            at = behind;
            continue;
        }
        let length = source.exactly(behind, 2).and_then(|it| u16_be(&it, 0));
        let Some(length) = length.filter(|&it| it >= 2) else { break };
        at = behind + u64::from(length);
        found.push((marker, behind + 2..at));
    }
    found
}

/// The marker at an offset, and the offset behind it.
fn marker_at<R: Read + Seek>(source: &mut Source<R>, mut at: u64) -> Option<(u8, u64)> {
    if source.exactly(at, 1)? != [0xff] {
        return None;
    }
    loop {
        let bytes = source.up_to(at, FILL_BYTES).filter(|it| !it.is_empty())?;
        if let Some(fill) = bytes.iter().position(|&it| it != 0xff) {
            return Some((*bytes.get(fill)?, at + fill as u64 + 1));
        }
        at += bytes.len() as u64;
    }
}

/// The dimensions of the picture.
pub fn dimensions<R: Read + Seek>(source: &mut Source<R>) -> Option<(u32, u32)> {
    let (_, frame) = segments(source).into_iter().find(|it| is_frame(it.0))?;
    // The depth of the colours stands in front.
    let bytes = source.exactly(frame.start, 5)?;
    Some((u16_be(&bytes, 3)?.into(), u16_be(&bytes, 1)?.into()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn fill_bytes_may_stand_in_front_of_each_marker() {
        for fill in [0, 1, 3, 63, 64, 65, 200] {
            let fill = vec![0xff; fill];
            let jpeg = [
                &b"\xff\xd8"[..],
                &fill,
                b"\xff\xe0\0\x03a",
                &fill,
                b"\xff\x01\xff\xc2\0\x0b\x08\0\x40\0\x60\x01\0\0\0",
                &fill,
                b"\xff\xda\0\x02\xff\xe1",
            ]
            .concat();
            let read = |bytes: &[u8]| {
                let mut source = Source::new(Cursor::new(bytes.to_vec()));
                let markers: Vec<_> = segments(&mut source).iter().map(|it| it.0).collect();
                (markers, dimensions(&mut source))
            };
            assert_eq!(read(&jpeg), (vec![APP0, 0xc2], Some((96, 64))));
            for end in 0..jpeg.len() {
                let _ = read(&jpeg[..end]);
            }
        }
    }
}
