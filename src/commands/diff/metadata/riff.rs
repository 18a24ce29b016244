//! AVI, ASF and MPEG: their dimensions and dates.

use std::io::{Read, Seek};

use crate::commands::diff::facts::{Dimensions, Facts, Taken, Zone};
use crate::formats::asf;
use crate::formats::riff::{HEADER_BYTES_MAX, chunks};
use crate::formats::source::{Source, u16_be, u32_le, u64_le};

/// A header has so many parts at most.
const PARTS_MAX: usize = 256;
/// The tenths of a microsecond from 1601, where the times of ASF begin, to 1970 in seconds.
const ASF_EPOCH: i64 = 11_644_473_600;
/// The types of the objects in an ASF header.
const ASF_FILE: &[u8] = b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\0\xc0\x0c\x20\x53\x65";
const ASF_STREAM: &[u8] = b"\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\0\xc0\x0c\x20\x53\x65";

/// Adds the dimensions of an AVI, and the date that some cameras write.
pub fn avi<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(head) = source.start(HEADER_BYTES_MAX) else { return };
    let mut any = Vec::new();
    for (kind, content) in chunks(&head) {
        match kind {
            b"avih" => any.extend(pair(u32_le(content, 32), u32_le(content, 36))),
            b"IDIT" | b"ICRD" => facts.taken.extend(date(content)),
            _ => {}
        }
    }
    let firm = any.len() == 1;
    facts.dimensions = Dimensions { any, firm };
}

/// `Sun Apr 28 09:00:05 2019`, or `2019:04:28 09:00:05`.
fn date(content: &[u8]) -> Option<Taken> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim_matches(['\0', ' ', '\n', '\r']);
    if let Some(taken) = super::exif::taken(text, None).into_iter().next() {
        return Some(taken);
    }
    let (_, rest) = text.split_once(' ')?;
    let time = jiff::civil::DateTime::strptime("%b %d %H:%M:%S %Y", rest.trim()).ok()?;
    let seconds = jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?.as_second();
    Some(Taken { seconds, zone: Zone::Local })
}

/// Adds the dimensions and the creation date of an ASF or WMV file.
pub fn asf<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(head) = source.start(HEADER_BYTES_MAX) else { return };
    let mut any = Vec::new();
    let mut at = 30;
    for _ in 0..PARTS_MAX {
        let Some(object) = head.get(at..) else { break };
        let Some(length) = u64_le(object, 16).and_then(|it| usize::try_from(it).ok()) else {
            break;
        };
        match object.get(..16) {
            Some(kind) if kind == ASF_FILE => {
                let ticks = u64_le(object, 48).and_then(|it| i64::try_from(it / 10_000_000).ok());
                let seconds = ticks.map(|it| it - ASF_EPOCH).filter(|&it| it > 0);
                facts.taken.extend(seconds.map(|seconds| Taken { seconds, zone: Zone::Local }));
            }
            Some(kind) if kind == ASF_STREAM && object.get(24..40) == Some(asf::VIDEO) => {
                any.extend(pair(u32_le(object, 78), u32_le(object, 82)));
            }
            _ => {}
        }
        if length < 24 {
            break;
        }
        at = at.saturating_add(length);
    }
    let firm = any.len() == 1;
    facts.dimensions = Dimensions { any, firm };
}

/// Adds the dimensions of an MPEG stream, from its first sequence header. Its pixels need not be
/// square, so they are not firm.
pub fn mpeg<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let Some(head) = source.start(HEADER_BYTES_MAX) else { return };
    let any = sequence_header(&head).into_iter().collect();
    facts.dimensions = Dimensions { any, firm: false };
}

/// The dimensions in the first sequence header of a stream of MPEG-1 or MPEG-2.
pub fn sequence_header(stream: &[u8]) -> Option<(u32, u32)> {
    let at = stream.windows(4).position(|it| it == [0, 0, 1, 0xb3])?;
    let bytes = stream.get(at + 4..)?;
    let (first, second) = (u16_be(bytes, 0)?, u16_be(bytes, 1)?);
    pair(Some(u32::from(first >> 4)), Some(u32::from(second & 0xfff)))
}

fn pair(width: Option<u32>, height: Option<u32>) -> Option<(u32, u32)> {
    width.zip(height).filter(|&(x, y)| x > 0 && y > 0)
}
