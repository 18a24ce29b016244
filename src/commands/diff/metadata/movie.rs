//! Videos of the ISO base media family.

use std::io::{Read, Seek};
use std::ops::Range;

use super::apple;
use crate::commands::diff::facts::{Dimensions, Facts, Taken, Zone};
use crate::formats::boxes::{boxes, content, find, handler};
use crate::formats::source::{Source, u16_be, u32_be, u64_be};

/// The seconds from 1904, where the times of these files begin, to 1970.
const EPOCH: i64 = 2_082_844_800;

/// A track of a file.
pub struct Track {
    /// The dimensions in its header, and those of its samples.
    pub pictures: Vec<(u32, u32)>,
}

/// Adds the creation time of an MP4 or QuickTime file, the camera, and the dimensions of its tracks.
pub fn add<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let whole = 0..source.len();
    let Some(moov) = find(source, whole, &[b"moov"]) else { return };
    let header = find(source, moov.clone(), &[b"mvhd"]).and_then(|it| content(source, it));
    let created = header.and_then(|it| created(&it));
    let by_zone = |zone| created.map(|seconds| Taken { seconds, zone });
    facts.taken.extend(by_zone(Zone::Local));
    // Apple writes the time with its zone, so the header need not be in UTC as the format says.
    if !apple::add(source, moov.clone(), facts) {
        facts.taken.extend(by_zone(Zone::Utc));
    }
    let mut any: Vec<_> = tracks(source, moov).into_iter().flat_map(|it| it.pictures).collect();
    any.sort_unstable();
    any.dedup();
    let firm = any.len() == 1;
    facts.dimensions = Dimensions { any, firm };
}

/// The creation time of a movie's header. The format says UTC, but many cameras write local time,
/// and those that know no time write zero.
fn created(header: &[u8]) -> Option<i64> {
    let since = match header.first()? {
        0 => i64::from(u32_be(header, 4)?),
        _ => i64::try_from(u64_be(header, 4)?).ok()?,
    };
    since.checked_sub(EPOCH).filter(|&it| it > 0)
}

/// The tracks with pictures.
pub fn tracks<R: Read + Seek>(source: &mut Source<R>, moov: Range<u64>) -> Vec<Track> {
    let mut tracks = Vec::new();
    for (kind, track) in boxes(source, moov) {
        if &kind != b"trak" || !is_video(source, track.clone()) {
            continue;
        }
        let mut pictures = Vec::new();
        let header = find(source, track.clone(), &[b"tkhd"]);
        if let Some(bytes) = header.and_then(|it| content(source, it)) {
            // The last two fields, each with 16 bits behind the point.
            let side = |from_end: usize| u16_be(&bytes, bytes.len().checked_sub(from_end)?);
            pictures.extend(pair(side(8), side(4)));
        }
        let samples = find(source, track, &[b"mdia", b"minf", b"stbl", b"stsd"]);
        if let Some(bytes) = samples.and_then(|it| source.up_to(it.start, 64)) {
            pictures.extend(pair(u16_be(&bytes, 40), u16_be(&bytes, 42)));
        }
        tracks.push(Track { pictures });
    }
    tracks
}

fn is_video<R: Read + Seek>(source: &mut Source<R>, track: Range<u64>) -> bool {
    let media = find(source, track, &[b"mdia"]);
    media.and_then(|it| handler(source, it)) == Some(*b"vide")
}

fn pair(width: Option<u16>, height: Option<u16>) -> Option<(u32, u32)> {
    let (width, height) = width.zip(height)?;
    (width > 0 && height > 0).then(|| (width.into(), height.into()))
}
