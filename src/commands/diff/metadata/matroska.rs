//! The dimensions of Matroska and WebM, and when they were made.

use std::io::{Read, Seek};
use std::ops::Range;

use crate::commands::diff::facts::{Dimensions, Facts, Taken, Zone};
use crate::formats::ebml::{SEGMENT, TRACK, TRACKS, elements, find};
use crate::formats::source::Source;

/// The facts about a segment, and the time in them.
const INFO: u64 = 0x1549_a966;
const DATE: u64 = 0x4461;
/// The seconds from 1970 to 2001, where the times of these files begin.
const EPOCH: i64 = 978_307_200;

const VIDEO: u64 = 0xe0;
const WIDTH: u64 = 0xb0;
const HEIGHT: u64 = 0xba;

/// Adds the time, and the dimensions of all tracks with pictures. Readers take the first one, or the
/// last.
pub fn add<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let whole = 0..source.len();
    let Some(segment) = part(source, whole, SEGMENT) else { return };
    facts.taken.extend(date(source, segment.clone()).into_iter().flatten());
    let Some(tracks) = part(source, segment, TRACKS) else { return };
    let mut any = Vec::new();
    for (number, content) in elements(source, tracks.clone()) {
        if number == TRACK {
            any.extend(pair(source, content.start..content.end.min(tracks.end)));
        }
    }
    any.sort_unstable();
    any.dedup();
    let firm = any.len() == 1;
    facts.dimensions = Dimensions { any, firm };
}

/// The time, in nanoseconds. The format says UTC, but it may be local time.
fn date<R: Read + Seek>(source: &mut Source<R>, segment: Range<u64>) -> Option<[Taken; 2]> {
    let info = part(source, segment, INFO)?;
    let at = part(source, info, DATE)?;
    let bytes = source.exactly(at.start, at.end - at.start)?;
    let since = i64::from_be_bytes(bytes.try_into().ok()?).div_euclid(1_000_000_000);
    let seconds = since.checked_add(EPOCH).filter(|&it| it > 0)?;
    Some([Zone::Local, Zone::Utc].map(|zone| Taken { seconds, zone }))
}

/// The dimensions of a track, if it has pictures.
fn pair<R: Read + Seek>(source: &mut Source<R>, track: Range<u64>) -> Option<(u32, u32)> {
    let video = part(source, track, VIDEO)?;
    let mut side = |number| {
        let content = part(source, video.clone(), number)?;
        // Numbers take up to eight bytes.
        let length = Some(content.end - content.start).filter(|&it| it <= 8)?;
        let bytes = source.exactly(content.start, length)?;
        let side = bytes.iter().fold(0, |sum, &it| sum << 8 | u64::from(it));
        u32::try_from(side).ok().filter(|&it| it > 0)
    };
    side(WIDTH).zip(side(HEIGHT))
}

/// The content of the first element with a number, as far as it is there: the file may be cut.
fn part<R: Read + Seek>(
    source: &mut Source<R>,
    within: Range<u64>,
    number: u64,
) -> Option<Range<u64>> {
    let content = find(source, within.clone(), number)?;
    Some(content.start..content.end.min(within.end))
}
