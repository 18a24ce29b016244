//! Photos lose their location in a download (reference §9): the GPS directory in their EXIF.

use std::io::Cursor;

use super::jpeg::segments;

/// Wipes the GPS directory of a JPEG's EXIF; false if there is none.
pub(crate) fn strip_gps(jpeg: &mut [u8]) -> bool {
    let Ok(found) = segments(&mut Cursor::new(&*jpeg)) else { return false };
    for (marker, content) in found {
        let end = (content.end as usize).min(jpeg.len());
        let Some(segment) = jpeg.get_mut(content.start as usize..end) else { return false };
        if marker == 0xe1 && segment.starts_with(b"Exif\0\0") {
            return wipe_gps_directory(&mut segment[6..]).unwrap_or(false);
        }
    }
    false
}

/// Tag in the first directory that points to the GPS directory.
const GPS_POINTER: u16 = 0x8825;

/// Zeroes the GPS directory of a TIFF block with all its values. `None` if the block is malformed.
fn wipe_gps_directory(tiff: &mut [u8]) -> Option<bool> {
    let little = tiff.get(..2)? == b"II";
    let u16_at = |tiff: &[u8], at: usize| {
        let bytes = tiff.get(at..at + 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |tiff: &[u8], at: usize| {
        let bytes = tiff.get(at..at + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    };
    let entries = |tiff: &[u8], directory: usize| {
        let count = usize::from(u16_at(tiff, directory)?);
        Some((0..count).map(move |n| directory + 2 + 12 * n).collect::<Vec<usize>>())
    };
    let first = u32_at(tiff, 4)?;
    let pointer = entries(tiff, first)?.into_iter().find(|e| u16_at(tiff, *e) == Some(GPS_POINTER));
    let Some(pointer) = pointer else { return Some(false) };
    let directory = u32_at(tiff, pointer + 8)?;
    let mut wiped = vec![];
    for entry in entries(tiff, directory)? {
        let unit = match u16_at(tiff, entry + 2)? {
            3 => 2,
            4 | 9 => 4,
            5 | 10 => 8,
            _ => 1,
        };
        let bytes = u32_at(tiff, entry + 4)?.checked_mul(unit)?;
        if bytes > 4 {
            let value = u32_at(tiff, entry + 8)?;
            wiped.push(value..value.checked_add(bytes)?);
        }
        wiped.push(entry..entry + 12);
    }
    wiped.push(directory..directory + 2);
    for range in wiped {
        tiff.get_mut(range)?.fill(0);
    }
    Some(true)
}
