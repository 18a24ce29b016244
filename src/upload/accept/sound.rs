//! Recognises sound in the containers of videos. Google takes none of it.

use std::io::{Read, Seek};

use super::matroska;
use crate::formats::boxes::{boxes, find, handler};
use crate::formats::source::{Source, u64_le};
use crate::formats::{asf, riff, transport};

/// The handlers of tracks without pictures: sound, texts, time codes, and data about the others.
const WITHOUT_PICTURES: [&[u8; 4]; 14] = [
    b"soun", b"text", b"sbtl", b"subt", b"subp", b"clcp", b"tmcd", b"meta", b"hint", b"odsm",
    b"sdsm", b"crsm", b"ocsm", b"mp7s",
];
/// An ASF header is read up to so many bytes.
const ASF_HEADER_MAX: u64 = 1 << 20;
/// A stream of pictures begins within so many bytes of a program stream.
const PROGRAM_STREAM_BYTES: u64 = 1 << 20;

/// Whether a file in a video's container has only sound: its tracks say so, or its name if they
/// cannot be read.
pub fn is_sound<R: Read + Seek>(mime: &str, source: &mut Source<R>, extension: &str) -> bool {
    let (contained, named): (_, &[&str]) = match mime {
        "video/x-ms-wmv" => (asf(source), &["wma"]),
        "video/x-matroska" => (matroska::is_sound(source), &["mka"]),
        "video/x-msvideo" => (avi(source), &[]),
        "video/mpeg" => (program_stream(source), &[]),
        "video/mp2t" => (transport_stream(source), &[]),
        _ if mime.starts_with("video/") => (movie(source), &["m4a", "m4b", "m4p", "m4r"]),
        _ => return false,
    };
    contained.unwrap_or_else(|| named.contains(&extension))
}

/// `None` if the header is not whole.
fn asf<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let length = u64_le(&source.exactly(16, 8)?, 0)?;
    let header = source.exactly(0, Some(length).filter(|&it| it <= ASF_HEADER_MAX)?)?;
    let contains = |wanted: &[u8]| header.windows(wanted.len()).any(|it| it == wanted);
    Some(contains(asf::SOUND) && !contains(asf::VIDEO))
}

/// `None` if the header does not end where the data begin.
fn avi<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let head = source.start(riff::HEADER_BYTES_MAX)?;
    let chunks = riff::chunks(&head);
    let data = chunks.iter().position(|it| *it == (b"LIST", b"movi"))?;
    let streams = chunks.get(..data)?.iter().filter(|it| it.0 == b"strh");
    let kinds: Vec<_> = streams.filter_map(|it| it.1.get(..4)).collect();
    let is_soundless = |kind: &&[u8]| !matches!(*kind, b"auds" | b"mids" | b"txts");
    Some(kinds.contains(&&b"auds"[..]) && !kinds.iter().any(is_soundless))
}

/// `None` if a track cannot be read.
fn movie<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let whole = 0..source.len();
    let moov = find(source, whole, &[b"moov"])?;
    let parts = boxes(source, moov.clone());
    let read = parts.last().map_or(moov.start, |it| it.1.end);
    // Fewer bytes than the header of a box may follow.
    if moov.end - read >= 8 {
        return None;
    }
    let mut handlers = Vec::new();
    for (_, track) in parts.into_iter().filter(|it| it.0 == *b"trak") {
        let media = find(source, track, &[b"mdia"])?;
        handlers.push(handler(source, media)?);
    }
    let has_sound = handlers.contains(b"soun");
    Some(has_sound && handlers.iter().all(|it| WITHOUT_PICTURES.contains(&it)))
}

/// A stream of sound, and none of pictures, by the codes in front of their pieces. `None` if the
/// bytes are not there.
fn program_stream<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let head = source.start(PROGRAM_STREAM_BYTES)?;
    let codes = head.windows(4).filter(|it| it[..3] == [0, 0, 1]).map(|it| it[3]);
    let (mut has_sound, mut has_pictures) = (false, false);
    for code in codes {
        has_sound |= matches!(code, 0xbd | 0xc0..=0xdf);
        // A stream of pictures, one of a newer kind, and the header of pictures.
        has_pictures |= matches!(code, 0xe0..=0xef | 0xfd | 0xb3);
    }
    Some(has_sound && !has_pictures)
}

/// `None` unless there is one program, and its tables are found.
fn transport_stream<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let head = source.start(transport::BYTES_MAX)?;
    let programs = transport::programs(&transport::packets(&head));
    let [streams] = programs.as_slice() else { return None };
    // MPEG, AAC, AC-3 and DTS. Other kinds may be pictures.
    let is_sound = |kind| matches!(kind, 0x03 | 0x04 | 0x0f | 0x11 | 0x81..=0x87);
    (!streams.is_empty()).then(|| streams.iter().all(|it| is_sound(it.0)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(mime: &str, bytes: &[u8], extension: &str) -> bool {
        is_sound(mime, &mut Source::new(Cursor::new(bytes)), extension)
    }

    fn asf_with(streams: &[&[u8]]) -> Vec<u8> {
        let mut head = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c".to_vec();
        let streams = streams.concat();
        head.extend((24 + streams.len() as u64).to_le_bytes());
        head.extend(streams);
        head
    }

    fn atom(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (8 + content.len() as u32).to_be_bytes();
        [&size, &kind[..], content].concat()
    }

    fn movie_with(handlers: &[&[u8; 4]], data: usize) -> Vec<u8> {
        let track = |kind: &&[u8; 4]| {
            let handler = atom(b"hdlr", &[&[0; 8][..], &kind[..], &[0; 12]].concat());
            atom(b"trak", &atom(b"mdia", &handler))
        };
        let tracks: Vec<_> = handlers.iter().map(track).collect();
        [
            atom(b"ftyp", b"isom\0\0\0\0"),
            atom(b"mdat", &vec![7; data]),
            atom(b"moov", &tracks.concat()),
        ]
        .concat()
    }

    #[test]
    fn tracks_tell_sound_from_video() {
        let (wmv, mp4) = ("video/x-ms-wmv", "video/mp4");
        assert!(of(wmv, &asf_with(&[asf::SOUND]), "wmv"));
        assert!(!of(wmv, &asf_with(&[asf::SOUND, asf::VIDEO]), "wma"));
        // The tracks stand behind the data as a rule.
        for data in [0, 100_000] {
            assert!(of(mp4, &movie_with(&[b"soun"], data), "mp4"));
            assert!(of(mp4, &movie_with(&[b"soun", b"text"], data), "mp4"));
            assert!(!of(mp4, &movie_with(&[b"soun", b"vide"], data), "m4a"));
            assert!(!of(mp4, &movie_with(&[b"soun", b"new!"], data), "mp4"));
            assert!(!of(mp4, &movie_with(&[b"tmcd"], data), "mp4"));
        }
    }

    #[test]
    fn a_movie_that_cannot_be_read_is_no_sound() {
        let movie = movie_with(&[b"soun", b"vide"], 0);
        for end in 0..movie.len() {
            assert!(!of("video/mp4", &movie[..end], "mp4"), "{end}");
            let mut source = Source::beginning(Cursor::new(&movie[..end]));
            assert!(!is_sound("video/mp4", &mut source, "mp4"), "the beginning, {end}");
        }
    }

    #[test]
    fn names_tell_where_the_tracks_do_not() {
        let movie = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\xff\xffmdat";
        assert!(of("video/mp4", movie, "m4a"));
        assert!(!of("video/mp4", movie, "mp4"));
        assert!(!of("image/jpeg", b"\xff\xd8\xff", "m4a"));
    }

    #[test]
    fn program_streams_have_codes_for_pictures_and_sound() {
        let stream = |codes: &[u8]| {
            let of = |code: &u8| [&[0, 0, 1, *code][..], &[7; 3000]].concat();
            codes.iter().map(of).collect::<Vec<_>>().concat()
        };
        assert!(of("video/mpeg", &stream(&[0xba, 0xbb, 0xc0]), "mpg"));
        assert!(of("video/mpeg", &stream(&[0xba, 0xbd]), "mpg"));
        assert!(!of("video/mpeg", &stream(&[0xba, 0xc0, 0xe0]), "mpg"));
        assert!(!of("video/mpeg", &stream(&[0xba, 0xc0, 0xfd]), "mpg"));
        assert!(!of("video/mpeg", &stream(&[0xba]), "mpg"));
    }
}
