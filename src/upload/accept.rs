//! What Google takes: types and sizes.
//!
//! The types and limits are those of reference §8; content decides, and the extension only where
//! content cannot. Google judges for itself, so a doubtful file is taken.

mod matroska;
mod signatures;
mod sound;

use std::io::{Cursor, Read, Seek};

use crate::formats::brands::{self, Family};
use crate::formats::source::Source;
use crate::media::{EntryName, MediaKind};

/// The first bytes of a file that tell its type, for most types.
pub const HEAD_BYTES: usize = 4096;

/// Google's limit for photos: 200 MB.
pub const PHOTO_BYTES_MAX: u64 = 200_000_000;
/// Google's limit for videos: 20 GB.
const VIDEO_BYTES_MAX: u64 = 20_000_000_000;

/// A file of streams, as Word and Excel wrote them once. The library takes each for one of Word.
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// A type that Google takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// For the upload's content type.
    pub mime: &'static str,
    /// Decides the size limit.
    pub kind: MediaKind,
}

impl Accepted {
    /// The most bytes Google takes of this kind.
    pub fn bytes_max(self) -> u64 {
        match self.kind {
            MediaKind::Photo => PHOTO_BYTES_MAX,
            MediaKind::Video => VIDEO_BYTES_MAX,
        }
    }
}

/// The most bytes Google takes of a file that begins so. For a beginning that may be a video's this
/// is the limit for videos.
pub fn bytes_max(head: &[u8]) -> u64 {
    match mime_of_content(head, &mut Source::beginning(Cursor::new(head))).map(MediaKind::of_mime) {
        Some(MediaKind::Photo) => PHOTO_BYTES_MAX,
        _ => VIDEO_BYTES_MAX,
    }
}

/// Whether a file that begins so would be refused, whatever follows.
pub fn is_refused(head: &[u8], name: &EntryName) -> bool {
    let is_open = matches!(brands::family(head), Some(Family::Unknown(_))) && !is_text(head);
    !is_open && sniff(head, &mut Source::beginning(Cursor::new(head)), name).is_err()
}

/// Finds the type from the first [`HEAD_BYTES`], from the structure behind them if they do not show
/// it, or else from the name.
///
/// # Errors
/// Why Google would not take it, for the user.
pub fn sniff<R: Read + Seek>(
    head: &[u8],
    source: &mut Source<R>,
    name: &EntryName,
) -> Result<Accepted, String> {
    let extension = extension(name);
    let is_text = is_text(head);
    if !is_text && let Some(mime) = mime_of_content(head, source) {
        if sound::is_sound(mime, source, &extension) {
            return Err("a sound file is neither a photo nor a video".to_owned());
        }
        // Most RAW formats are TIFF inside; the extension has the better word for them.
        let mime = match raw_mime(&extension) {
            Some(raw) if mime == signatures::TIFF => raw,
            _ => mime,
        };
        return Ok(Accepted { mime, kind: MediaKind::of_mime(mime) });
    }
    // The words of a text are neither a picture nor a video, whatever they begin with.
    let is_possible = |other: &str| !is_text || other.starts_with("application/");
    if head.starts_with(COMPOUND) {
        return Err(
            "Google Photos does not take documents of Microsoft's older programs".to_owned()
        );
    }
    if let Some(other) = infer::get(head).map(|it| it.mime_type())
        && !signatures::is_taken(other)
        && is_possible(other)
    {
        return Err(format!("Google Photos does not take files of type {other}"));
    }
    if is_text {
        return Err("a text file is neither a photo nor a video".to_owned());
    }
    match raw_mime(&extension).or_else(|| camcorder_mime(&extension)) {
        Some(mime) => Ok(Accepted { mime, kind: MediaKind::of_mime(mime) }),
        None => Err("neither a photo nor a video that Google Photos takes".to_owned()),
    }
}

fn extension(name: &EntryName) -> String {
    let text = name.to_text();
    text.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

fn mime_of_content<R: Read + Seek>(head: &[u8], source: &mut Source<R>) -> Option<&'static str> {
    if brands::family(head).is_some() {
        return brands::mime(head, source);
    }
    if head.starts_with(signatures::EBML) {
        return matroska::is_matroska(source).then_some(signatures::MATROSKA);
    }
    signatures::mime(head)
}

fn raw_mime(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "dng" => "image/x-adobe-dng",
        "cr2" => "image/x-canon-cr2",
        "cr3" => "image/x-canon-cr3",
        "crw" => "image/x-canon-crw",
        "nef" | "nrw" => "image/x-nikon-nef",
        "arw" | "srf" | "sr2" => "image/x-sony-arw",
        "orf" => "image/x-olympus-orf",
        "rw2" | "raw" | "rwl" => "image/x-panasonic-rw2",
        "raf" => "image/x-fuji-raf",
        "pef" => "image/x-pentax-pef",
        "srw" => "image/x-samsung-srw",
        "x3f" => "image/x-sigma-x3f",
        "mrw" => "image/x-minolta-mrw",
        "3fr" | "mef" | "mos" | "erf" | "kdc" | "dcr" | "iiq" => "image/x-raw",
        _ => return None,
    })
}

fn camcorder_mime(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "mts" | "m2ts" | "m2t" | "tod" => "video/mp2t",
        "mod" | "mmv" | "mpg" => "video/mpeg",
        _ => return None,
    })
}

/// Whether the beginning is text, in any encoding with one byte for a Latin letter. A text is no
/// photo, whatever its extension and its first words. No text begins as a JPEG does, so a broken
/// JPEG is none: Google says what is wrong with it.
fn is_text(head: &[u8]) -> bool {
    let is_control = |byte: u8| (byte < b' ' || byte == 0x7f) && !b"\t\n\r\x0c\x1b".contains(&byte);
    let is_jpeg = head.starts_with(signatures::JPEG);
    !head.is_empty() && !is_jpeg && !head.iter().any(|&byte| is_control(byte))
}

#[cfg(test)]
mod tests;
