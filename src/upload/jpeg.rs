//! Whether a JPEG is broken, as far as its structure shows. Pure.
//!
//! If Google refuses a picture for its content and no other file succeeds, this is the second
//! opinion. A decoder skips bytes between segments that belong to none, and so does this.

use std::io::{self, BufRead, ErrorKind, Read};

use crate::formats::jpeg::{EOI, SOI, SOS, after_fill, is_bare, is_frame, segment_length};

const START: [u8; 3] = [0xff, SOI, 0xff];

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
    let mut marker = after_fill(bytes)?;
    loop {
        match marker {
            EOI => return Ok(true),
            SOS if has_frame => break,
            // Markers without a segment.
            0 | SOI => {}
            marker if is_bare(marker) => {}
            _ => {
                has_frame |= is_frame(marker);
                skip_segment(bytes)?;
            }
        }
        marker = next_marker(bytes)?;
    }
    // Within a scan, only markers follow 0xff without a 0 in between.
    while next_marker(bytes)? != EOI {}
    Ok(false)
}

fn next_marker(bytes: &mut impl BufRead) -> io::Result<u8> {
    if bytes.skip_until(0xff)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    after_fill(bytes)
}

fn skip_segment(bytes: &mut impl BufRead) -> io::Result<()> {
    let length = segment_length(bytes)?.unwrap_or(0);
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
        [&[0xff, 0xd8][..], &segment(0xc0, &[8; 15]), &segment(SOS, &[1; 10]), &[7, 0xff, EOI]]
            .concat()
    }

    fn whole() -> Vec<Vec<u8>> {
        vec![
            vec![0xff, 0xd8],
            segment(0xe1, &[b"Exif\0\0".to_vec(), thumbnail()].concat()),
            segment(0xdb, &[1; 65]),
            segment(0xc2, &[8; 15]),
            segment(SOS, &[1; 10]),
            vec![7, 0xff, 0, 9, 0xff, 0xd0, 5],
            segment(SOS, &[1; 10]),
            vec![8, 8],
            vec![0xff, EOI],
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
