//! What Google takes: types and sizes.
//!
//! Pure. The types and limits are those of reference §8; content decides, and the extension only
//! where content cannot.

mod brands;
mod sound;

use crate::media::{EntryName, MediaKind};

/// [`sniff`] looks at this many bytes from the beginning.
pub const HEAD_BYTES: usize = 4096;

const BITMAP: &str = "image/bmp";
const QUICKTIME: &str = "video/quicktime";

/// Google's limit for photos: 200 MB.
pub const PHOTO_BYTES_MAX: u64 = 200_000_000;
/// Google's limit for videos: 20 GB.
const VIDEO_BYTES_MAX: u64 = 20_000_000_000;

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
    match mime_of_content(head).map(MediaKind::of_mime) {
        Some(MediaKind::Photo) => PHOTO_BYTES_MAX,
        _ => VIDEO_BYTES_MAX,
    }
}

/// Finds the type from the first [`HEAD_BYTES`], or from the name if they do not show it.
///
/// # Errors
/// Why Google would not take it, for the user.
pub fn sniff(head: &[u8], name: &EntryName) -> Result<Accepted, String> {
    let extension = extension(name);
    if let Some(mime) = mime_of_content(head) {
        if sound::is_sound(head, &extension) {
            return Err("a sound file is neither a photo nor a video".to_owned());
        }
        // Most RAW formats are TIFF inside; the extension has the better word for them.
        let mime = match raw_mime(&extension) {
            Some(raw) if mime == "image/tiff" => raw,
            _ => mime,
        };
        return Ok(Accepted { mime, kind: MediaKind::of_mime(mime) });
    }
    if let Some(other) = infer::get(head).filter(|it| it.mime_type() != BITMAP) {
        return Err(format!("Google Photos does not take files of type {}", other.mime_type()));
    }
    let by_name = raw_mime(&extension).or_else(|| camcorder_mime(&extension));
    match by_name {
        Some(mime) if !is_text(head) => Ok(Accepted { mime, kind: MediaKind::of_mime(mime) }),
        _ if is_text(head) => Err("a text file is neither a photo nor a video".to_owned()),
        _ => Err("neither a photo nor a video that Google Photos takes".to_owned()),
    }
}

fn extension(name: &EntryName) -> String {
    let text = name.to_text();
    text.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

fn mime_of_content(head: &[u8]) -> Option<&'static str> {
    match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => return brands::mime(head),
        [_, _, _, _, atom @ ..] if begins_with(atom, &[b"moov", b"mdat", b"wide", b"pnot"]) => {
            return Some(QUICKTIME);
        }
        // These words may stand in any file, so such a box must be smaller than 16 MiB.
        [0, _, _, _, atom @ ..]
            if begins_with(atom, &[b"free", b"skip", b"junk", b"uuid", b"udta", b"PICT"]) =>
        {
            return Some(QUICKTIME);
        }
        [b'B', b'M', ..] => return is_bitmap(head).then_some(BITMAP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => return Some("image/gif"),
        [b'I', b'I', b'R', b'O' | b'S', ..] | [b'M', b'M', b'O', b'R', ..] => {
            return Some("image/x-olympus-orf");
        }
        [b'I', b'I', b'U', 0, ..] => return Some("image/x-panasonic-rw2"),
        [0, 0, 1, 0xba | 0xb3, ..] => return Some("video/mpeg"),
        _ if head.starts_with(b"FUJIFILMCCD-RAW") => return Some("image/x-fuji-raf"),
        _ if head.starts_with(b"FOVb") => return Some("image/x-sigma-x3f"),
        _ if head.starts_with(b"\0MRM") => return Some("image/x-minolta-mrw"),
        _ if head.starts_with(b"II\x1a\0\0\0HEAPCCDR") => return Some("image/x-canon-crw"),
        // Plain transport streams have packets of 188 bytes, those of camcorders a time stamp
        // before each.
        _ if is_transport_stream(head, 0, 188) || is_transport_stream(head, 4, 192) => {
            return Some("video/mp2t");
        }
        _ => {}
    }
    // The library knows the other types; Google takes these of them.
    let found = infer::get(head)?.mime_type();
    [
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/tiff",
        "image/x-canon-cr2",
        "image/vnd.microsoft.icon",
        "video/x-matroska",
        "video/x-msvideo",
        "video/x-ms-wmv",
    ]
    .into_iter()
    .find(|accepted| *accepted == found)
}

fn begins_with(atom: &[u8], kinds: &[&[u8]]) -> bool {
    kinds.iter().any(|it| atom.starts_with(it))
}

/// Texts may begin with `BM` as well, so the reserved bytes must be zero, or the length of the
/// second header one that exists.
fn is_bitmap(head: &[u8]) -> bool {
    let zero = matches!(head, [_, _, _, _, _, _, 0, 0, 0, 0, ..]);
    let length = head.get(14..18).and_then(|it| it.try_into().ok()).map(u32::from_le_bytes);
    zero || length.is_some_and(|it| [12, 16, 40, 52, 56, 64, 108, 124].contains(&it))
}

fn is_transport_stream(head: &[u8], first: usize, packet: usize) -> bool {
    (0..3).all(|at| head.get(first + at * packet) == Some(&0x47))
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

/// Whether the beginning is text. A text is no photo, whatever its extension.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The end of the head may cut a character in two.
        Err(err) if err.error_len().is_none() => {
            std::str::from_utf8(&head[..err.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EntryName {
        EntryName::new(text).unwrap()
    }

    #[test]
    fn content_tells_the_type_whatever_the_name() {
        let mut transport = vec![0; 1024];
        for at in 0..5 {
            transport[at * 188] = 0x47;
        }
        let mut camcorder = vec![0; 1024];
        for at in 0..5 {
            camcorder[4 + at * 192] = 0x47;
        }
        for (head, mime) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
            (b"GIF89a\x01\0\x01\0", "image/gif"),
            (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0", "image/bmp"),
            (b"II*\0\x08\0\0\0\0\0\0\0", "image/tiff"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\x01\0\x01\0\x10\x10", "image/vnd.microsoft.icon"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "image/avif"),
            (b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf", "image/avif"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "image/x-canon-cr3"),
            (b"\0\0\0\x18ftypisom\0\0\0\x01isommp42", "video/mp4"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
            (b"\0\0\0\x08wide\0\0\x01\0mdat", "video/quicktime"),
            (b"\0\0\0\x08free\0\0\x01\0mdat", "video/quicktime"),
            (b"\0\0\x10\0skip", "video/quicktime"),
            (b"\0\0\0\x08junk\0\0\x01\0mdat", "video/quicktime"),
            (b"\0\0\0\x18uuid", "video/quicktime"),
            (b"\0\0\0\x20udta", "video/quicktime"),
            (b"\0\0\x08\0PICT", "video/quicktime"),
            (b"\0\0\0\x14pnot", "video/quicktime"),
            (b"BM\x36\0\0\0\x07\0\x09\0\x36\0\0\0\x28\0\0\0", "image/bmp"),
            (b"\0\0\0\x18ftypMiHE\0\0\0\0mif1heic", "image/heic"),
            (b"\0\0\0\x18ftyp1234\0\0\0\0xxxxavif", "image/avif"),
            (b"\0\0\0\x18ftyp1234\0\0\0\0xxxxmif1", "image/heif"),
            (b"\0\0\0\x10ftyp1234\0\0\0\0\0\0\x01\0meta", "image/heif"),
            (b"\0\0\0\x14ftyp1234\0\0\0\0mp42", "video/mp4"),
            (b"\0\0\0\x14ftyp1234\0\0\0\0qt  ", "video/quicktime"),
            (b"\0\0\0\x10ftyp1234\0\0\0\0\0\0\x01\0moov", "video/mp4"),
            (b"\0\0\0\x14ftyp3gp5\0\0\0\x013gp5", "video/3gpp"),
            (b"\0\0\0\x14ftyp3g2a\0\0\0\x013g2a", "video/3gpp2"),
            (b"RIFF\x10\0\0\0AVI LIST", "video/x-msvideo"),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa", "video/x-ms-wmv"),
            (b"\0\0\x01\xba\x44\0", "video/mpeg"),
            (&transport, "video/mp2t"),
            (&camcorder, "video/mp2t"),
        ] {
            assert_eq!(sniff(head, &name("x")).unwrap().mime, mime);
        }
    }

    #[test]
    fn name_decides_where_content_does_not() {
        assert_eq!(
            sniff(b"II*\0\x08\0\0\0\0\0\0\0", &name("a.NEF")).unwrap().mime,
            "image/x-nikon-nef"
        );
        assert_eq!(sniff(&[7; 64], &name("a.mmv")).unwrap().kind, MediaKind::Video);
        assert!(sniff(&[7; 64], &name("a.jpg")).is_err());
    }

    #[test]
    fn what_google_does_not_take_is_rejected_with_a_reason() {
        for (head, file) in [
            (&b"hello, world\n"[..], "notes.txt"),
            (b"just text", "fake.mts"),
            (b"BM is a text that begins like a bitmap", "a.bmp"),
            (b"%PDF-1.7\n%\xe2\xe3", "a.pdf"),
            (b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom", "song.m4a"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "song.m4a"),
            (b"\0\0\0\x14ftyp1234\0\0\0\x005678", "odd.bin"),
            (b"Be a free man", "words.mov"),
            (b"PK\x03\x04\x14\0", "a.zip"),
        ] {
            let why = sniff(head, &name(file)).unwrap_err();
            // It must not name a type that Google takes.
            assert!(!why.is_empty() && !why.contains("image/"), "{file}: {why}");
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        for length in 0..40 {
            for byte in [0, 0x47, 0xff, b'f'] {
                let _ = sniff(&vec![byte; length], &name("a.jpg"));
            }
            let mut head = b"\xff\xff\xff\xffftypmif1".to_vec();
            head.resize(length.max(8), 0);
            let _ = sniff(&head, &name("a.jpg"));
        }
    }
}
