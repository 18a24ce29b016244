//! Types by the first bytes of a file. Where these are few or may be words, so must the header behind
//! them be plausible. Pure.

use crate::formats::source::{u16_le, u32_le};
use crate::formats::transport;

/// TIFF, and the RAW formats that are TIFF inside.
pub const TIFF: &str = "image/tiff";
/// The type of [`EBML`] documents that Google takes.
pub const MATROSKA: &str = "video/x-matroska";
/// The first bytes of Matroska, and of its relatives.
pub const EBML: &[u8] = b"\x1a\x45\xdf\xa3";
/// The first bytes of a JPEG.
pub const JPEG: &[u8] = b"\xff\xd8\xff";

const ASF: &[u8] = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9";
const PNG: &[u8] = b"\x89PNG";
const BITMAP: &str = "image/bmp";
const GIF: &str = "image/gif";

/// The type of a file that begins so, if Google takes it.
pub fn mime(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        head if head.starts_with(JPEG) => "image/jpeg",
        [b'I', b'I', 42, 0, _, _, _, _, b'C', b'R', ..] => "image/x-canon-cr2",
        // Offsets have 32 bits, or 64.
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => TIFF,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] => "video/x-msvideo",
        [0, 0, 1, 0, ..] => "image/vnd.microsoft.icon",
        [b'B', b'M', ..] => return is_bitmap(head).then_some(BITMAP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => return is_gif(head).then_some(GIF),
        [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => "image/x-olympus-orf",
        [b'I', b'I', b'U', 0, ..] => "image/x-panasonic-rw2",
        [0, 0, 1, 0xba | 0xb3, ..] => "video/mpeg",
        _ if head.starts_with(PNG) => "image/png",
        _ if head.starts_with(ASF) => "video/x-ms-wmv",
        _ if head.starts_with(b"FUJIFILMCCD-RAW") => "image/x-fuji-raf",
        _ if head.starts_with(b"FOVb") => "image/x-sigma-x3f",
        _ if head.starts_with(b"\0MRM") => "image/x-minolta-mrw",
        _ if head.starts_with(b"II\x1a\0\0\0HEAPCCDR") => "image/x-canon-crw",
        _ if transport::is_transport_stream(head) => "video/mp2t",
        _ => return None,
    })
}

/// Whether Google takes files of this type, so that no message says the contrary.
pub fn is_taken(mime: &str) -> bool {
    [BITMAP, GIF, TIFF, MATROSKA, "video/quicktime", "image/heif"].contains(&mime)
}

/// The reserved bytes are zero, or the length of the second header is one that exists. The picture
/// has pixels.
fn is_bitmap(head: &[u8]) -> bool {
    let zero = matches!(head, [_, _, _, _, _, _, 0, 0, 0, 0, ..]);
    let length = u32_le(head, 14);
    let is_known = length.is_some_and(|it| [12, 16, 40, 52, 56, 64, 108, 124].contains(&it));
    let (width, height) = match length {
        // A header that breaks off contradicts nothing.
        None => return zero,
        Some(12) => (u16_le(head, 18).map(u32::from), u16_le(head, 20).map(u32::from)),
        Some(13..=1024) => (u32_le(head, 18), u32_le(head, 22)),
        Some(_) => return false,
    };
    (zero || is_known) && width != Some(0) && height != Some(0)
}

/// Behind the screen's description and its colours, a block of a known kind begins. Some programs
/// write zeros in front.
fn is_gif(head: &[u8]) -> bool {
    let colours = match head.get(10) {
        Some(&flags) if flags & 0x80 != 0 => 3 << ((flags & 7) + 1),
        _ => 0,
    };
    head.get(13 + colours).is_none_or(|it| [0, 0x21, 0x2c, 0x3b].contains(it))
}
