//! The chunks of AVI files. Pure.

use super::source::u32_le;

/// The headers of these files lie within so many bytes.
pub const HEADER_BYTES_MAX: u64 = 256 * 1024;
/// The first chunk stands behind the file's type.
const FIRST: usize = 12;
/// A file has so many chunks in its header at most.
const CHUNKS_MAX: usize = 256;

/// The chunks of a file, those within lists included, and their contents. Of a list, the content is
/// its type.
pub fn chunks(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut at = FIRST;
    let mut found = Vec::new();
    while found.len() < CHUNKS_MAX
        && let Some(kind) = bytes.get(at..at.saturating_add(4))
        && let Some(length) = u32_le(bytes, at + 4)
    {
        let start = at + 8;
        if kind == b"LIST" {
            found.push((kind, bytes.get(start..start + 4).unwrap_or_default()));
            at = start + 4;
            continue;
        }
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let Some(content) = bytes.get(start..end) else { break };
        found.push((kind, content));
        at = end + end % 2;
    }
    found
}
