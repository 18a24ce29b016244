//! Recognises pictures and videos by their bytes: type, size in pixels, EXIF. The service does so
//! only in batchCreate (reference §7.6, §8).

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use exif::{Context, In, Tag, Value};
use jiff::civil;

use super::jpeg;
use super::movie::{find_box, read_movie_header};
use crate::private;
use crate::state::Facts;

/// Why bytes are no media item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing the service knows.
    NotImage,
    /// An image by its first bytes, and broken after that.
    BadImage,
}

/// Where an image's end marker must lie; further in front of the end it is searched for.
const TAIL_BYTES: u64 = 64;

/// The directories of raw files lie within so many bytes.
const RAW_BYTES: u64 = 8 << 20;

/// Reads the facts out of a received file.
pub(crate) fn examine(path: &Path) -> io::Result<Result<Facts, Refusal>> {
    let mut file = private::open(path)?;
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(8192).read_to_end(&mut head)?;
    let Some((mime, video)) = media_type(&head, &mut file)? else {
        return Ok(Err(Refusal::NotImage));
    };
    let mut facts = Facts { mime: mime.to_owned(), video, ..Facts::default() };
    if video {
        // Best effort: a video without readable metadata is still a video.
        let _ = read_movie_header(&mut file, &mut facts);
        return Ok(Ok(facts));
    }
    let dimensions = dimensions(&mut file, mime)?;
    let whole = match mime {
        "image/jpeg" => dimensions.is_some() && contains_mark(&mut file, &[0xff, 0xd9])?,
        "image/png" => dimensions.is_some() && contains_mark(&mut file, b"IEND")?,
        "image/gif" | "image/webp" | "image/bmp" => dimensions.is_some(),
        // Too many raw formats to tell a broken file from an unusual one.
        _ => true,
    };
    if !whole {
        return Ok(Err(Refusal::BadImage));
    }
    if let Some(size) = dimensions {
        (facts.width, facts.height) = size;
    }
    let reader = exif::Reader::new();
    let found = match raw_block(&mut file, mime)? {
        Some(block) => reader.read_raw(block),
        None => reader.read_from_container(&mut BufReader::new(rewound(&mut file)?)),
    };
    if let Ok(exif) = found {
        read_exif(&exif, &mut facts);
    }
    Ok(Ok(facts))
}

/// Width and height of a picture.
fn dimensions(file: &mut File, mime: &str) -> io::Result<Option<(u64, u64)>> {
    let mut reader = BufReader::new(rewound(file)?);
    if mime == "image/jpeg" {
        return jpeg::dimensions(&mut reader);
    }
    let size = imagesize::reader_size(reader).ok();
    Ok(size.map(|it| (it.width as u64, it.height as u64)))
}

/// The EXIF block of raw formats that hide it from a reader of TIFF and JPEG.
fn raw_block(file: &mut File, mime: &str) -> io::Result<Option<Vec<u8>>> {
    let hidden = [
        "image/x-panasonic-rw2",
        "image/x-olympus-orf",
        "image/x-fuji-raf",
        "image/x-minolta-mrw",
        "image/x-canon-cr3",
    ];
    if !hidden.contains(&mime) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    rewound(file)?.take(RAW_BYTES).read_to_end(&mut bytes)?;
    Ok(match mime {
        // TIFF, but for its number 42.
        "image/x-panasonic-rw2" | "image/x-olympus-orf" if bytes.len() > 4 => {
            let number = if bytes[0] == b'M' { [0, 42] } else { [42, 0] };
            bytes[2..4].copy_from_slice(&number);
            Some(bytes)
        }
        // The block's name and its length stand in front of it.
        "image/x-minolta-mrw" => behind(&bytes, b"\0TTW", 4),
        // The directory that would be EXIF's own in another file.
        "image/x-canon-cr3" => behind(&bytes, b"CMT2", 0),
        // A JPEG lies within.
        "image/x-fuji-raf" => behind(&bytes, b"Exif\0\0", 0),
        _ => None,
    })
}

/// The bytes behind a mark and so many more.
fn behind(bytes: &[u8], mark: &[u8], skipped: usize) -> Option<Vec<u8>> {
    let at = bytes.windows(mark.len()).position(|it| it == mark)?;
    bytes.get(at + mark.len() + skipped..).map(<[u8]>::to_vec)
}

fn rewound(file: &mut File) -> io::Result<&mut File> {
    file.rewind()?;
    Ok(file)
}

/// MIME type of a supported file, and whether it is a video (table in reference §8).
fn media_type(head: &[u8], file: &mut File) -> io::Result<Option<(&'static str, bool)>> {
    if let [_, _, _, _, b'f', b't', b'y', b'p', ..] = head {
        return match branded(head) {
            Branded::Is(mime, video) => Ok(Some((mime, video))),
            Branded::Refused => Ok(None),
            Branded::Unknown => by_boxes(file),
        };
    }
    Ok(by_signature(head))
}

fn by_signature(head: &[u8]) -> Option<(&'static str, bool)> {
    match head {
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => {
            let canon = head.get(8..10) == Some(b"CR");
            return Some((if canon { "image/x-canon-cr2" } else { "image/tiff" }, false));
        }
        _ if is_matroska(head) => return Some(("video/x-matroska", true)),
        _ => {}
    }
    if let Some(kind) = infer::get(head) {
        match kind.mime_type() {
            mime @ ("image/jpeg" | "image/png" | "image/gif" | "image/webp" | "image/bmp") => {
                return Some((mime, false));
            }
            "image/vnd.microsoft.icon" => return Some(("image/x-icon", false)),
            mime @ ("video/quicktime" | "video/x-msvideo" | "video/x-ms-wmv" | "video/mpeg") => {
                return Some((mime, true));
            }
            _ => {}
        }
    }
    if let Some(raw) = raw_type(head) {
        return Some((raw, false));
    }
    match head {
        // Files of before `ftyp`, and fragments of a movie.
        [_, _, _, _, kind @ ..] if FIRST_BOXES.iter().any(|it| kind.starts_with(*it)) => {
            Some(("video/quicktime", true))
        }
        // MPEG transport streams: a sync byte each 188 bytes, or 192 with time codes.
        [0x47, ..] if head.get(188) == Some(&0x47) => Some(("video/mp2t", true)),
        [_, _, _, _, 0x47, ..] if head.get(196) == Some(&0x47) => Some(("video/mp2t", true)),
        _ => None,
    }
}

/// The boxes with which a movie without `ftyp` begins.
const FIRST_BOXES: [&[u8; 4]; 15] = [
    b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip", b"junk", b"uuid", b"udta", b"PICT",
    b"prfl", b"meta", b"moof", b"styp", b"sidx",
];

/// The document's type stands in the header of an EBML file.
fn is_matroska(head: &[u8]) -> bool {
    head.starts_with(b"\x1a\x45\xdf\xa3")
        && head
            .windows(11)
            .take(256)
            .any(|it| it.starts_with(b"\x42\x82") && it[3..] == *b"matroska")
}

/// A file whose brands are all unknown: a movie has its tracks or its fragments, a picture the
/// list of its items.
fn by_boxes(file: &mut File) -> io::Result<Option<(&'static str, bool)>> {
    let end = file.seek(SeekFrom::End(0))?;
    for kind in [b"moov", b"moof"] {
        if find_box(file, 0, end, *kind)?.is_some() {
            return Ok(Some(("video/mp4", true)));
        }
    }
    Ok(find_box(file, 0, end, *b"meta")?.map(|_| ("image/heif", false)))
}

/// What the brands of a file say.
enum Branded {
    Is(&'static str, bool),
    Refused,
    Unknown,
}

/// The brands behind the version matter only if the first is none of the service's.
fn branded(head: &[u8]) -> Branded {
    let size = head.first_chunk().map_or(0, |it| u32::from_be_bytes(*it)) as usize;
    let brands = head.get(8..size.clamp(12, head.len().max(12))).unwrap_or_default();
    let of = |brand: &[u8]| {
        Some(match brand.get(..3)? {
            b"crx" => ("image/x-canon-cr3", false),
            b"hei" | b"hev" | b"mif" | b"msf" => ("image/heif", false),
            b"avi" => ("image/avif", false),
            b"M4V" => ("video/x-m4v", true),
            b"3gp" | b"3gg" | b"3ge" => ("video/3gpp", true),
            b"3g2" => ("video/3gpp2", true),
            b"qt " | b"mqt" => ("video/quicktime", true),
            b"iso" | b"mp4" | b"mp7" | b"avc" | b"MSN" | b"XAV" | b"f4v" => ("video/mp4", true),
            _ => return None,
        })
    };
    if let [b'M' | b'F', b'4', b'A' | b'B' | b'P', ..] | [b'j', b'p' | b'x', ..] = brands {
        return Branded::Refused;
    }
    let further = brands.get(8..).unwrap_or_default().chunks_exact(4);
    let found = of(brands).or_else(|| further.filter_map(of).min_by_key(|found| found.1));
    found.map_or(Branded::Unknown, |(mime, video)| Branded::Is(mime, video))
}

/// The raw formats that are not TIFF by their first bytes. The reference's "some RAW" names none;
/// all that a still camera of the last twenty years writes are taken.
fn raw_type(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [b'F', b'U', b'J', b'I', b'F', b'I', b'L', b'M', ..] => "image/x-fuji-raf",
        [b'I', b'I', b'U', 0, ..] => "image/x-panasonic-rw2",
        [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => "image/x-olympus-orf",
        [b'I', b'I', _, _, _, _, b'H', b'E', b'A', b'P', b'C', b'C', b'D', b'R', ..] => {
            "image/x-canon-crw"
        }
        [0, b'M', b'R', b'M', ..] => "image/x-minolta-mrw",
        [b'F', b'O', b'V', b'b', ..] => "image/x-sigma-x3f",
        _ => return None,
    })
}

/// Whether `mark` stands near the end of the file, or anywhere if data follows the picture, as in
/// motion photos.
fn contains_mark(file: &mut File, mark: &[u8]) -> io::Result<bool> {
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    if tail.windows(mark.len()).any(|window| window == mark) {
        return Ok(true);
    }
    file.rewind()?;
    let mut window = Vec::new();
    loop {
        let kept = window.len().min(mark.len() - 1);
        window.drain(..window.len() - kept);
        if Read::by_ref(file).take(1 << 20).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if window.windows(mark.len()).any(|bytes| bytes == mark) {
            return Ok(true);
        }
    }
}

fn read_exif(exif: &exif::Exif, facts: &mut Facts) {
    // A block may be EXIF's directory alone; then its tags stand in the first one.
    let field = |tag: Tag| {
        let first = Tag(Context::Tiff, tag.number());
        let found = exif.get_field(tag, In::PRIMARY).or_else(|| exif.get_field(first, In::PRIMARY));
        found.map(|field| &field.value)
    };
    let text = |tag| match field(tag) {
        Some(Value::Ascii(lines)) => lines
            .first()
            .map(|line| String::from_utf8_lossy(line).trim_end_matches(['\0', ' ']).to_owned())
            .unwrap_or_default(),
        _ => String::new(),
    };
    let rational = |tag| match field(tag) {
        Some(Value::Rational(values)) => {
            values.first().map(|value| value.to_f64()).filter(|value| value.is_finite())
        }
        _ => None,
    };
    facts.camera_make = text(Tag::Make);
    facts.camera_model = text(Tag::Model);
    facts.focal_length = rational(Tag::FocalLength).unwrap_or_default();
    facts.aperture = rational(Tag::FNumber).unwrap_or_default();
    facts.exposure_s = rational(Tag::ExposureTime).unwrap_or_default();
    facts.iso =
        field(Tag::PhotographicSensitivity).and_then(|value| value.get_uint(0)).unwrap_or(0);
    facts.captured_s = capture_time(&text(Tag::DateTimeOriginal), &text(Tag::OffsetTimeOriginal))
        .or_else(|| capture_time(&text(Tag::DateTime), &text(Tag::OffsetTime)));
}

/// An EXIF time in seconds of the Unix epoch; one without a zone is taken for UTC (reference §11.9).
fn capture_time(time: &str, offset: &str) -> Option<i64> {
    let time = civil::DateTime::strptime("%Y:%m:%d %H:%M:%S", time).ok()?;
    let local = jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?.as_second();
    Some(local - zone_offset_s(offset).unwrap_or(0))
}

/// `+02:00` in seconds.
fn zone_offset_s(text: &str) -> Option<i64> {
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    match text.as_bytes().first()? {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mime(bytes: &[u8]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bytes");
        std::fs::write(&path, bytes).unwrap();
        examine(&path).unwrap().ok().map(|facts| facts.mime)
    }

    #[test]
    fn a_jpeg_may_have_fill_bytes_between_its_segments() {
        let frame = b"\xff\xc0\0\x0b\x08\0\x40\0\x60\x01\x01\x11\0";
        let rest = b"\xff\xda\0\x02\x07\xff\xd9";
        for fill in 0..4 {
            let jpeg =
                [&b"\xff\xd8"[..], &[0xff; 4][..fill], frame, &[0xff; 4][..fill], rest].concat();
            assert_eq!(mime(&jpeg).as_deref(), Some("image/jpeg"), "{fill} fill bytes");
        }
    }

    #[test]
    fn a_tiff_is_one_whatever_follows_its_signature() {
        assert_eq!(mime(b"II*\0\x0a\0\0\0CX\0\0").as_deref(), Some("image/tiff"));
        assert_eq!(mime(b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10").as_deref(), Some("image/tiff"));
        assert_eq!(mime(b"II*\0\x10\0\0\0CR\x02\0").as_deref(), Some("image/x-canon-cr2"));
    }

    #[test]
    fn boxes_tell_a_movie_of_unknown_brands() {
        let file = |last: &[u8; 4]| {
            let boxes = [b"ftyp", b"free", b"uuid", last];
            boxes.map(|kind| [&b"\0\0\0\x10"[..], kind, b"12345678"].concat()).concat()
        };
        assert_eq!(mime(&file(b"moov")).as_deref(), Some("video/mp4"));
        assert_eq!(mime(&file(b"moof")).as_deref(), Some("video/mp4"));
        assert_eq!(mime(&file(b"meta")).as_deref(), Some("image/heif"));
        assert_eq!(mime(&file(b"skip")), None);
        assert_eq!(mime(b"\x01\0\0\x10free").as_deref(), Some("video/quicktime"));
    }
}
