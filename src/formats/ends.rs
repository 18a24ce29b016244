//! Whether the bytes of a photo or video break off, as far as their structure shows.
//!
//! Each reader asks for the file's ends and the headers of its parts. Bytes behind the last part are
//! no fault, because phones and programs add some. A structure that says nothing counts as whole.

mod boxes;
mod chunks;
mod pictures;
mod tiff;

use std::io::{Read, Seek};

use super::ebml::{self, SEGMENT};
use super::source::Source;

const JPEG: &[u8] = b"\xff\xd8\xff";
/// The end of a JPEG.
const JPEG_END: [u8; 2] = [0xff, super::jpeg::EOI];
const EBML: &[u8] = b"\x1a\x45\xdf\xa3";
const ASF: &[u8] = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11";

/// Whether a file of any kind but JPEG breaks off. `is_plain`: the name does not say that a TIFF is
/// the RAW file of a camera, some of which count their bytes wrongly.
pub fn break_off<R: Read + Seek>(head: &[u8], source: &mut Source<R>, is_plain: bool) -> bool {
    let found = match head {
        _ if head.starts_with(chunks::PNG) => chunks::png(source),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => pictures::gif(source),
        [b'B', b'M', ..] => pictures::bitmap(source),
        [b'R', b'I', b'F', b'F', ..] => chunks::riff(source),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => tiff::breaks_off(source, is_plain),
        _ if head.starts_with(EBML) => matroska(source),
        _ if head.starts_with(ASF) => chunks::asf(source),
        _ if boxes::is_first(head) => boxes::break_off(source),
        _ => None,
    };
    found.unwrap_or(false)
}

/// Whether a JPEG ends with its end marker, so that nobody needs to read its picture. Otherwise more
/// data follow, such as the video of a motion photo, or it breaks off.
pub fn is_ended_jpeg<R: Read + Seek>(source: &mut Source<R>) -> bool {
    pictures::last_bytes(source).is_some_and(|it| it.ends_with(&JPEG_END))
}

/// Whether these are the first bytes of a JPEG.
pub fn is_jpeg(head: &[u8]) -> bool {
    head.starts_with(JPEG)
}

/// A segment of known length is longer than the file. That of a live recording is not known.
fn matroska<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let length = source.len();
    let segment = ebml::find(source, 0..length, SEGMENT);
    // The header in front of it is whole, or cut off.
    Some(segment.is_none_or(|it| it.end > length))
}

#[cfg(test)]
mod tests;
