//! Whether a JPEG is broken, as far as its structure shows. Pure.
//!
//! If Google refuses a picture for its content and no other file succeeds, this is the second
//! opinion. A decoder skips bytes between segments that belong to none, and so does this.

use std::io::{self, BufRead, ErrorKind, Read};

const START: [u8; 3] = [0xff, 0xd8, 0xff];
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// Whether these are the bytes of a JPEG that has no picture or breaks off in it. Reads them to
/// the end of the picture.
///
/// # Errors
/// If they cannot be read.
pub(super) fn is_broken(mut bytes: impl BufRead) -> io::Result<bool> {
    match read_broken(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(true),
        outcome => outcome,
    }
}

fn read_broken(bytes: &mut impl BufRead) -> io::Result<bool> {
    let mut start = [0; START.len()];
    match bytes.read_exact(&mut start) {
        Ok(()) if start == START => {}
        // Another format, or too short to be any.
        Ok(()) => return Ok(false),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    let mut has_frame = false;
    let mut marker = first_after_fill(bytes)?;
    loop {
        match marker {
            END => return Ok(true),
            SCAN if has_frame => break,
            // Markers without a segment.
            0 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                has_frame |= is_frame(marker);
                skip_segment(bytes)?;
            }
        }
        marker = next_marker(bytes)?;
    }
    // Within a scan, only markers follow 0xff without a 0 in between.
    while next_marker(bytes)? != END {}
    Ok(false)
}

/// Start of frame: the size of the picture, and how it is coded.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

fn next_marker(bytes: &mut impl BufRead) -> io::Result<u8> {
    if bytes.skip_until(0xff)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    first_after_fill(bytes)
}

fn first_after_fill(bytes: &mut impl BufRead) -> io::Result<u8> {
    loop {
        let mut next = [0];
        bytes.read_exact(&mut next)?;
        if next[0] != 0xff {
            return Ok(next[0]);
        }
    }
}

fn skip_segment(bytes: &mut impl BufRead) -> io::Result<()> {
    let mut length = [0; 2];
    bytes.read_exact(&mut length)?;
    let length = u64::from(u16::from_be_bytes(length)).saturating_sub(2);
    let skipped = io::copy(&mut bytes.by_ref().take(length), &mut io::sink())?;
    if skipped == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker][..], &length, content].concat()
    }

    /// A thumbnail in the EXIF segment is no picture of the file.
    fn thumbnail() -> Vec<u8> {
        [&[0xff, 0xd8][..], &segment(0xc0, &[8; 15]), &segment(SCAN, &[1; 10]), &[7, 0xff, END]]
            .concat()
    }

    fn whole() -> Vec<Vec<u8>> {
        vec![
            vec![0xff, 0xd8],
            segment(0xe1, &[b"Exif\0\0".to_vec(), thumbnail()].concat()),
            segment(0xdb, &[1; 65]),
            segment(0xc2, &[8; 15]),
            segment(SCAN, &[1; 10]),
            vec![7, 0xff, 0, 9, 0xff, 0xd0, 5],
            segment(SCAN, &[1; 10]),
            vec![8, 8],
            vec![0xff, END],
        ]
    }

    fn broken(bytes: &[u8]) -> bool {
        is_broken(bytes).unwrap()
    }

    #[test]
    fn a_whole_picture_is_not_broken() {
        assert!(!broken(&whole().concat()));
        let mut encoded = Vec::new();
        let pixels: Vec<u8> = (0..48 * 32 * 3u32).map(|it| (it * 31) as u8).collect();
        image::codecs::jpeg::JpegEncoder::new(&mut encoded)
            .encode(&pixels, 48, 32, image::ExtendedColorType::Rgb8)
            .unwrap();
        assert!(!broken(&encoded));
        let mut padded = whole();
        padded.insert(2, vec![0, 0, 0xff, 0xff]);
        padded.push(vec![0; 100]);
        assert!(!broken(&padded.concat()), "bytes that belong to no segment");
    }

    #[test]
    fn a_picture_that_breaks_off_is_broken() {
        let bytes = whole().concat();
        for length in 3..bytes.len() {
            assert!(broken(&bytes[..length]), "{length} of {}", bytes.len());
        }
        for from in 4..bytes.len() - 1 {
            let mut zeroed = bytes.clone();
            zeroed[from..].fill(0);
            assert!(broken(&zeroed), "zeros from {from} on");
        }
        assert!(broken(b"\xff\xd8\xff\xe0 but nothing behind it"));
    }

    #[test]
    fn a_file_without_frame_or_scan_has_no_picture() {
        for part in [3, 4] {
            let mut parts = whole();
            parts.remove(part);
            if part == 4 {
                parts.remove(5);
            }
            assert!(broken(&parts.concat()), "without part {part}");
        }
    }

    #[test]
    fn other_formats_are_not_judged() {
        for bytes in [&b""[..], b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0"] {
            assert!(!broken(bytes), "{bytes:?}");
        }
    }
}
