//! Recognises pictures and videos by their bytes: type, size in pixels, EXIF. The service does so
//! only in batchCreate (reference §7.6, §8).

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use exif::{In, Tag, Value};
use jiff::civil;

use super::movie::read_movie_header;
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

/// Reads the facts out of a received file.
pub(crate) fn examine(path: &Path) -> io::Result<Result<Facts, Refusal>> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(8192).read_to_end(&mut head)?;
    let Some((mime, video)) = media_type(&head) else { return Ok(Err(Refusal::NotImage)) };
    let mut facts = Facts { mime: mime.to_owned(), video, ..Facts::default() };
    if video {
        // Best effort: a video without readable metadata is still a video.
        let _ = read_movie_header(&mut file, &mut facts);
        return Ok(Ok(facts));
    }
    let dimensions = imagesize::reader_size(BufReader::new(rewound(&mut file)?)).ok();
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
        facts.width = size.width as u64;
        facts.height = size.height as u64;
    }
    let reader = exif::Reader::new();
    if let Ok(exif) = reader.read_from_container(&mut BufReader::new(rewound(&mut file)?)) {
        read_exif(&exif, &mut facts);
    }
    Ok(Ok(facts))
}

fn rewound(file: &mut File) -> io::Result<&mut File> {
    file.rewind()?;
    Ok(file)
}

/// MIME type of a supported file, and whether it is a video (table in reference §8).
fn media_type(head: &[u8]) -> Option<(&'static str, bool)> {
    if let Some(kind) = infer::get(head) {
        match kind.mime_type() {
            mime @ ("image/jpeg" | "image/png" | "image/gif" | "image/webp" | "image/bmp"
            | "image/tiff" | "image/avif" | "image/x-canon-cr2") => return Some((mime, false)),
            "image/heif" => return Some(("image/heif", false)),
            "image/vnd.microsoft.icon" => return Some(("image/x-icon", false)),
            mime @ ("video/mp4" | "video/x-m4v" | "video/x-matroska" | "video/quicktime"
            | "video/x-msvideo" | "video/x-ms-wmv" | "video/mpeg") => return Some((mime, true)),
            _ => {}
        }
    }
    match head {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => Some(match brand.get(..3)? {
            b"3gp" => ("video/3gpp", true),
            b"3g2" => ("video/3gpp2", true),
            b"hei" | b"hev" | b"mif" => ("image/heif", false),
            b"avi" => ("image/avif", false),
            b"qt " => ("video/quicktime", true),
            _ => ("video/mp4", true),
        }),
        // MPEG transport streams: a sync byte each 188 bytes, or 192 with time codes.
        [0x47, ..] if head.get(188) == Some(&0x47) => Some(("video/mp2t", true)),
        [_, _, _, _, 0x47, ..] if head.get(196) == Some(&0x47) => Some(("video/mp2t", true)),
        _ => None,
    }
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
    let field = |tag| exif.get_field(tag, In::PRIMARY).map(|field| &field.value);
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
