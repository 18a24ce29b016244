//! The header of an MP4 or QuickTime file (reference §8).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::state::Facts;

/// Seconds from the epoch of QuickTime files, 1904, to that of Unix.
const QUICKTIME_EPOCH_S: i64 = 2_082_844_800;

/// Takes the creation time from an MP4's `moov`/`mvhd` box, and the dimensions from the first track that has any.
pub(crate) fn read_movie_header(file: &mut File, facts: &mut Facts) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let Some((moov, moov_end)) = find_box(file, 0, end, *b"moov")? else { return Ok(()) };
    let Some((mvhd, _)) = find_box(file, moov, moov_end, *b"mvhd")? else { return Ok(()) };
    file.seek(SeekFrom::Start(mvhd))?;
    let mut start = [0; 12];
    file.read_exact(&mut start)?;
    let created = match start {
        [0, _, _, _, a, b, c, d, ..] => u64::from(u32::from_be_bytes([a, b, c, d])),
        [_, _, _, _, rest @ ..] => u64::from_be_bytes(rest),
    };
    if created > 0 && created < u64::from(u32::MAX) {
        facts.captured_s = Some(created as i64 - QUICKTIME_EPOCH_S);
    }
    let mut next = moov;
    while let Some((track, track_end)) = find_box(file, next, moov_end, *b"trak")? {
        next = track_end;
        let Some((_, end)) = find_box(file, track, track_end, *b"tkhd")? else { continue };
        // The last two fields, each with 16 bits behind the point.
        file.seek(SeekFrom::Start(end - 8))?;
        let mut size = [0; 8];
        file.read_exact(&mut size)?;
        let [a, b, _, _, c, d, _, _] = size;
        (facts.width, facts.height) =
            (u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into());
        if facts.width > 0 {
            break;
        }
    }
    Ok(())
}

/// Bounds of the content of the first box of a kind between two offsets.
pub(crate) fn find_box(
    file: &mut File,
    mut at: u64,
    end: u64,
    kind: [u8; 4],
) -> io::Result<Option<(u64, u64)>> {
    while at + 8 <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 8];
        file.read_exact(&mut header)?;
        let [a, b, c, d, name @ ..] = header;
        let (mut size, mut header_bytes) = (u64::from(u32::from_be_bytes([a, b, c, d])), 8);
        if size == 1 {
            let mut large = [0; 8];
            file.read_exact(&mut large)?;
            (size, header_bytes) = (u64::from_be_bytes(large), 16);
        } else if size == 0 {
            size = end - at;
        }
        if size < header_bytes || size > end - at {
            return Ok(None);
        }
        if name == kind {
            return Ok(Some((at + header_bytes, at + size)));
        }
        at += size;
    }
    Ok(None)
}
