//! Files of chunks that tell their lengths: PNG, RIFF (WebP and AVI) and ASF.

use std::io::{Read, Seek};

use crate::formats::source::{Source, u32_be, u32_le, u64_le};

/// The beginning of a PNG.
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_END: &[u8] = b"IEND\xaeB`\x82";
/// The length, the kind and the checksum of a chunk of a PNG.
const PNG_CHUNK_BYTES: u64 = 12;
/// The id and the length of an object of an ASF file.
const ASF_OBJECT_BYTES: u64 = 24;
/// The id of the object with the data.
const ASF_DATA: &[u8] = b"\x36\x26\xb2\x75\x8e\x66\xcf\x11";

/// The last chunk of a PNG is missing, or not whole. Programs may leave bytes behind it.
pub fn png<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let length = source.len();
    let last = source.up_to(length.saturating_sub(8), 8)?;
    if last == PNG_END {
        return Some(false);
    }
    let mut at = PNG.len() as u64;
    while at.saturating_add(8) <= length {
        let header = source.exactly(at, 8)?;
        let end = at.saturating_add(PNG_CHUNK_BYTES + u64::from(u32_be(&header, 0)?));
        if header.ends_with(b"IEND") {
            return Some(end > length);
        }
        at = end;
    }
    Some(true)
}

/// The file is shorter than its length in the header. A recorder that cannot seek leaves none there.
/// Some programs count the first eight bytes, and some not the one that makes the length even.
pub fn riff<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let length = source.len();
    let Some(header) = source.exactly(0, 12) else { return Some(true) };
    match u32_le(&header, 4)? {
        0 | u32::MAX => None,
        told => Some(u64::from(told) > length),
    }
}

/// The data are longer than the file. A live recording leaves their length 0. An index may follow.
pub fn asf<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let (length, mut at) = (source.len(), 0_u64);
    while at < length {
        let header = source.exactly(at, ASF_OBJECT_BYTES)?;
        let size = u64_le(&header, 16)?;
        if size < ASF_OBJECT_BYTES {
            return None;
        }
        at = at.saturating_add(size);
        if header.starts_with(ASF_DATA) {
            break;
        }
    }
    Some(at > length)
}
