//! The bytes of a download. The service never gives back quite the uploaded bytes (reference §9):
//! photos lose their location, videos are transcoded.

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::gps::strip_gps;
use crate::private;

/// A PNG of one grey pixel: cover of an empty album, thumbnail of a video.
pub(crate) const PLACEHOLDER: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b,
    0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0x00, 0x00, 0x00,
    0x82, 0x00, 0x81, 0x77, 0xcd, 0x72, 0xb6, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];

/// Behind each video: a `free` box, which players skip. Makes a transcoded video's bytes differ.
const TRANSCODED_TAIL: &[u8] = b"\0\0\0\x1afreetranscoded by emul.";

/// Stands behind the bytes of an item that is given out as encoded anew.
pub(crate) const ENCODED_ANEW_TAIL: &[u8] = b"encoded anew!";

/// Behind the start marker of a photo whose location was removed: a comment segment.
const STRIPPED_COMMENT: &[u8] = b"\xff\xfe\x00\x11software:Google";

/// Bytes at the start of a JPEG in which EXIF is looked for: a segment has at most 64 KiB.
const JPEG_HEAD_BYTES: u64 = 256 * 1024;

/// A photo made small enough for a box of pixels, without its metadata (reference §9). 0 is no
/// bound. `None` if it cannot be decoded here.
pub(crate) fn scaled(path: &Path, width: u32, height: u32) -> Option<Vec<u8>> {
    let bound = |pixels| if pixels == 0 { u32::MAX } else { pixels };
    let photo = image::ImageReader::open(path).ok()?.with_guessed_format().ok()?.decode().ok()?;
    let small = photo.thumbnail(bound(width).min(photo.width()), bound(height).min(photo.height()));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode_image(&small.into_rgb8()).ok()?;
    Some(jpeg)
}

/// A piece of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Memory(Bytes),
    File { path: PathBuf, range: Range<u64> },
    Synthetic { seed: u64, size: u64, range: Range<u64> },
}

impl Segment {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Segment::Memory(bytes) => bytes.len() as u64,
            Segment::File { range, .. } | Segment::Synthetic { range, .. } => {
                range.end - range.start
            }
        }
    }

    /// The part of this segment at `part`, which lies within it.
    fn slice(&self, part: Range<u64>) -> Segment {
        let within = |range: &Range<u64>| range.start + part.start..range.start + part.end;
        match self {
            Segment::Memory(bytes) => {
                Segment::Memory(bytes.slice(part.start as usize..part.end as usize))
            }
            Segment::File { path, range } => {
                Segment::File { path: path.clone(), range: within(range) }
            }
            Segment::Synthetic { seed, size, range } => {
                Segment::Synthetic { seed: *seed, size: *size, range: within(range) }
            }
        }
    }
}

/// The part of a download at `wanted`.
pub(crate) fn slice(segments: &[Segment], wanted: Range<u64>) -> Vec<Segment> {
    let mut start = 0;
    let mut out = Vec::new();
    for segment in segments {
        let end = start + segment.len();
        let (from, to) = (wanted.start.max(start), wanted.end.min(end));
        if from < to {
            out.push(segment.slice(from - start..to - start));
        }
        start = end;
    }
    out
}

/// `=d` of a stored photo.
pub(crate) fn photo(path: &Path, size: u64, mime: &str) -> io::Result<Vec<Segment>> {
    let file = |from| Segment::File { path: path.to_owned(), range: from..size };
    if mime != "image/jpeg" {
        return Ok(vec![file(0)]);
    }
    let mut head = Vec::new();
    private::open(path)?.take(JPEG_HEAD_BYTES).read_to_end(&mut head)?;
    if !strip_gps(&mut head) {
        return Ok(vec![file(0)]);
    }
    let read = head.len() as u64;
    let head = Bytes::from(head);
    Ok(vec![
        Segment::Memory(head.slice(..2)),
        Segment::Memory(Bytes::from_static(STRIPPED_COMMENT)),
        Segment::Memory(head.slice(2..)),
        file(read),
    ])
}

/// A download whose header was written anew: so many bytes longer or shorter.
pub(crate) fn with_header_grown(mut segments: Vec<Segment>, growth: i64) -> Vec<Segment> {
    let size: u64 = segments.iter().map(Segment::len).sum();
    if growth < 0 {
        return slice(&segments, 0..size.saturating_sub(growth.unsigned_abs()));
    }
    let more = vec![0; usize::try_from(growth).unwrap_or(0)];
    segments.push(Segment::Memory(more.into()));
    segments
}

/// `=dv` of a stored video.
pub(crate) fn video(path: &Path, size: u64) -> Vec<Segment> {
    vec![
        Segment::File { path: path.to_owned(), range: 0..size },
        Segment::Memory(Bytes::from_static(TRANSCODED_TAIL)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_download_can_be_cut_out() {
        let segments = [
            Segment::Memory(Bytes::from_static(b"abc")),
            Segment::Synthetic { seed: 1, size: 100, range: 0..100 },
            Segment::Memory(Bytes::from_static(b"xyz")),
        ];
        assert_eq!(
            slice(&segments, 2..5),
            [
                Segment::Memory(Bytes::from_static(b"c")),
                Segment::Synthetic { seed: 1, size: 100, range: 0..2 },
            ]
        );
        assert_eq!(slice(&segments, 104..106), [Segment::Memory(Bytes::from_static(b"yz"))]);
    }
}
