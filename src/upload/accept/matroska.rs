//! Matroska: the type of a document, and whether its tracks are sound. Only whole elements count.

use std::io::{Read, Seek};
use std::ops::Range;

use crate::formats::ebml::{self, SEGMENT, TRACK, TRACKS};
use crate::formats::source::Source;

const HEADER: u64 = 0x1a45_dfa3;
const DOCUMENT_TYPE: u64 = 0x4282;
const TRACK_TYPE: u64 = 0x83;

/// The types of tracks.
const SOUND: [u8; 1] = [2];
/// Subtitles, buttons, control and metadata.
const WITHOUT_PICTURES: [[u8; 1]; 4] = [[0x11], [0x12], [0x20], [0x21]];

/// Whether the document is of the type `matroska`. WebM is another one of the same structure.
pub fn is_matroska<R: Read + Seek>(source: &mut Source<R>) -> bool {
    let whole = 0..source.len();
    let header = find(source, whole, HEADER);
    let kind = header.and_then(|it| find(source, it, DOCUMENT_TYPE));
    let text = kind.and_then(|it| source.exactly(it.start, (it.end - it.start).min(16)));
    text.is_some_and(|it| it.strip_prefix(b"matroska").is_some_and(|it| it.iter().all(|&b| b == 0)))
}

/// Whether the tracks are sound. `None` if they are not found whole.
pub fn is_sound<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let whole = 0..source.len();
    let segment = find(source, whole, SEGMENT)?;
    let tracks = find(source, segment, TRACKS)?;
    let parts = ebml::elements(source, tracks.clone());
    if parts.last().map_or(tracks.start, |it| it.1.end) != tracks.end {
        return None;
    }
    let mut types = Vec::new();
    for (_, track) in parts.into_iter().filter(|it| it.0 == TRACK) {
        let kind = find(source, track, TRACK_TYPE)?;
        types.push(source.exactly(kind.start, 1)?);
    }
    let is_known = |it: &Vec<u8>| *it == SOUND || WITHOUT_PICTURES.iter().any(|other| it == other);
    Some(types.iter().any(|it| *it == SOUND) && types.iter().all(is_known))
}

/// The content of the first element with a number, if it is whole.
fn find<R: Read + Seek>(
    source: &mut Source<R>,
    within: Range<u64>,
    number: u64,
) -> Option<Range<u64>> {
    ebml::find(source, within.clone(), number).filter(|it| it.end <= within.end)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(number: u64, content: &[u8]) -> Vec<u8> {
        let bytes = number.to_be_bytes();
        let skipped = bytes.iter().take_while(|&&it| it == 0).count();
        let length = (content.len() as u32 | 0x1000_0000).to_be_bytes();
        [&bytes[skipped..], &length, content].concat()
    }

    fn header(kind: &[u8]) -> Vec<u8> {
        of(HEADER, &[of(0x4286, &[1]), of(DOCUMENT_TYPE, kind)].concat())
    }

    /// As programs write it: a table of contents that names the tracks stands in front of them.
    fn file(types: &[u8]) -> Vec<u8> {
        let seek = of(0x114d_9b74, &of(0x4dbb, &of(0x53ab, b"\x16\x54\xae\x6b")));
        let track = |kind: &u8| of(TRACK, &[of(0xd7, &[1]), of(TRACK_TYPE, &[*kind])].concat());
        let tracks = of(TRACKS, &types.iter().map(track).collect::<Vec<_>>().concat());
        let segment = [seek, of(0xec, &[0; 5000]), tracks, of(0x1f43_b675, b"A_V_")].concat();
        [header(b"matroska"), of(SEGMENT, &segment)].concat()
    }

    fn sound(bytes: &[u8]) -> Option<bool> {
        is_sound(&mut Source::new(Cursor::new(bytes)))
    }

    #[test]
    fn tracks_tell_sound_from_video() {
        for (types, expected) in [
            (&[2][..], true),
            (&[2, 2, 0x11], true),
            (&[1, 2], false),
            (&[2, 1], false),
            (&[2, 3], false),
            (&[0x11], false),
            (&[], false),
        ] {
            assert_eq!(sound(&file(types)), Some(expected), "{types:?}");
        }
        let whole = file(&[2, 1]);
        for end in 0..whole.len() {
            assert_ne!(sound(&whole[..end]), Some(true), "{end}");
        }
    }

    #[test]
    fn a_live_recording_has_unknown_lengths() {
        let tracks = of(TRACKS, &of(TRACK, &of(TRACK_TYPE, &[2])));
        let segment = [&b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"[..], &tracks].concat();
        assert_eq!(sound(&[header(b"matroska"), segment].concat()), Some(true));
    }

    #[test]
    fn a_document_has_a_type() {
        let is = |bytes: &[u8]| is_matroska(&mut Source::beginning(Cursor::new(bytes)));
        assert!(is(&header(b"matroska")));
        assert!(is(&header(b"matroska\0\0")));
        assert!(!is(&header(b"webm")));
        assert!(!is(b"\x1a\x45\xdf\xa3"));
    }
}
