//! Videos of the ISO base media family, and those that a library reads.

use std::io::{Read, Seek};
use std::ops::Range;

use nom_exif::{MediaKind, MediaParser, MediaSource, TrackInfoTag};

use super::exif::times;
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

/// Adds the creation time in the header of an MP4 or QuickTime file, and the dimensions of its
/// tracks.
pub fn add<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let whole = 0..source.len();
    let Some(moov) = find(source, whole, &[b"moov"]) else { return };
    if let Some(header) = find(source, moov.clone(), &[b"mvhd"])
        && let Some(bytes) = content(source, header)
    {
        facts.taken.extend(created(&bytes));
    }
    let mut any: Vec<_> = tracks(source, moov).into_iter().flat_map(|it| it.pictures).collect();
    any.sort_unstable();
    any.dedup();
    let firm = any.len() == 1;
    facts.dimensions = Dimensions { any, firm };
}

/// The creation time of a movie's header. The format says UTC, but many cameras write local time,
/// and those that know no time write zero.
fn created(header: &[u8]) -> Option<Taken> {
    let since = match header.first()? {
        0 => i64::from(u32_be(header, 4)?),
        _ => i64::try_from(u64_be(header, 4)?).ok()?,
    };
    let seconds = since.checked_sub(EPOCH).filter(|&it| it > 0)?;
    Some(Taken { seconds, zone: Zone::Local })
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

/// Adds the facts that the library finds in a video: Apple's creation date, and the camera.
pub fn by_library<R: Read + Seek>(
    parser: &mut MediaParser,
    source: &mut Source<R>,
    facts: &mut Facts,
) {
    let Ok(media) = MediaSource::seekable(source.rewound()) else { return };
    if media.kind() != MediaKind::Track {
        return;
    }
    let Ok(track) = parser.parse_track(media) else { return };
    let found = track.get(TrackInfoTag::CreateDate).map(times).unwrap_or_default();
    facts.taken.extend(found.into_iter().filter(|it| it.seconds > 0));
    facts.add_model(track.get(TrackInfoTag::Model).and_then(|it| it.as_str()));
}
