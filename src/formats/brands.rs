//! The types of the ISO base media family: by the brands at the beginning, or by the boxes behind.

use std::io::{Read, Seek};

use super::boxes::{self, Bounds, box_at};
use super::source::{Source, u32_be};

const MOVIE: &str = "video/mp4";
const QUICKTIME: &str = "video/quicktime";
const PICTURE: &str = "image/heif";

/// The boxes that a file without `ftyp` begins with: a movie of before there were brands, or a
/// part of one.
const FIRST: [&[u8; 4]; 15] = [
    b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip", b"junk", b"uuid", b"udta", b"PICT",
    b"prfl", b"meta", b"moof", b"styp", b"sidx",
];
/// A file has so many boxes before the one that tells its type at most.
const BOXES_MAX: usize = 1024;

/// The type of a file, as far as its first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The type.
    Is(&'static str),
    /// Sound, or pictures that Google does not take.
    Refused,
    /// Only the boxes tell. If they are those of a picture, it is of this type.
    Unknown(&'static str),
}

/// The type by the first bytes. `None` for a file of another kind.
pub fn family(head: &[u8]) -> Option<Family> {
    match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(by_brands(head)),
        [_, _, _, _, kind @ ..] if FIRST.iter().any(|it| kind.starts_with(*it)) => {
            let is_part = [b"moof", b"styp", b"sidx"].iter().any(|it| kind.starts_with(*it));
            Some(Family::Is(if is_part { MOVIE } else { QUICKTIME }))
        }
        _ => None,
    }
}

/// The type of a file of this kind, by all of the file if its first bytes do not show it.
pub fn mime<R: Read + Seek>(head: &[u8], source: &mut Source<R>) -> Option<&'static str> {
    match family(head)? {
        Family::Refused => None,
        Family::Unknown(picture) => by_boxes(source, picture),
        Family::Is(mime) => {
            let is_branded = head.get(4..8) == Some(b"ftyp");
            // The words of the first box may stand in any file. Then its length is no length.
            (is_branded || begins_with_box(head, source)).then_some(mime)
        }
    }
}

fn begins_with_box<R: Read + Seek>(head: &[u8], source: &mut Source<R>) -> bool {
    let end = source.len();
    let is_usual = matches!(head.get(4..8), Some(b"moov" | b"mdat" | b"wide" | b"pnot"));
    is_usual || head.first() == Some(&0) || u32_be(head, 0).is_some_and(|it| u64::from(it) <= end)
}

/// The major brand decides, or else the compatible ones. A general brand says nothing beside one of
/// pictures. Guessing would allow the size of a video.
fn by_brands(head: &[u8]) -> Family {
    let length = u32_be(head, 0).and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
    let brands = head.get(8..length.clamp(12, head.len().max(12))).unwrap_or_default();
    let Some(major) = brands.get(..4) else { return Family::Unknown(PICTURE) };
    if is_refused(major) {
        return Family::Refused;
    }
    let known: Vec<_> =
        brands.get(8..).unwrap_or_default().chunks_exact(4).filter_map(of_brand).collect();
    let coding = known.iter().copied().find(is_coding);
    let picture = coding.or_else(|| known.iter().copied().find(is_picture));
    match of_brand(major) {
        // The brands of the pictures within say more.
        Some(PICTURE) => Family::Is(coding.unwrap_or(PICTURE)),
        Some(MOVIE) => picture.map_or(Family::Is(MOVIE), Family::Unknown),
        Some(mime) => Family::Is(mime),
        None => match picture.or(known.first().copied()) {
            Some(mime) => Family::Is(mime),
            None => Family::Unknown(PICTURE),
        },
    }
}

/// Sound, and pictures that Google does not take.
fn is_refused(major: &[u8]) -> bool {
    matches!(
        major,
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " | b"jp2 " | b"jpx " | b"jpm " | b"jxl "
    )
}

/// Whether the type names a coding, unlike `image/heif`.
fn is_coding(mime: &&'static str) -> bool {
    matches!(*mime, "image/avif" | "image/heic")
}

fn is_picture(mime: &&'static str) -> bool {
    mime.starts_with("image/")
}

fn of_brand(brand: &[u8]) -> Option<&'static str> {
    Some(match brand {
        b"avif" | b"avis" | b"avio" => "image/avif",
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            "image/heic"
        }
        b"mif1" | b"mif2" | b"msf1" | b"miaf" => PICTURE,
        b"crx " => "image/x-canon-cr3",
        b"qt  " | b"mqt " => QUICKTIME,
        b"M4V " | b"M4VH" | b"M4VP" => "video/x-m4v",
        [b'3', b'g', b'2', _] => "video/3gpp2",
        [b'3', b'g', _, _] => "video/3gpp",
        b"isom" | b"avc1" | b"hvc1" | b"dash" | b"MSNV" | b"NDAS" | b"XAVC" | b"mmp4" | b"f4v "
        | b"F4V " | b"F4P " | b"vfj1" | b"dvr1" | b"pana" | b"caep" | b"niko" => MOVIE,
        [b'i', b's', b'o', _] | [b'm', b'p', b'4' | b'7', _] => MOVIE,
        _ => return None,
    })
}

/// A movie has its tracks or a fragment of them, a picture the list of its items. Boxes of any
/// kind may stand in front.
fn by_boxes<R: Read + Seek>(source: &mut Source<R>, picture: &'static str) -> Option<&'static str> {
    let (mut at, end) = (0, source.len());
    let mut items = None;
    for _ in 0..BOXES_MAX {
        let Some((kind, content)) = box_at(source, at, end) else { break };
        at = content.end;
        match &kind {
            b"moov" | b"moof" => return Some(MOVIE),
            b"meta" if has_pictures(source, (kind, content)) => items = Some(picture),
            _ => {}
        }
    }
    items
}

/// Movies have a list of items as well, with their metadata. Its handler tells the difference.
fn has_pictures<R: Read + Seek>(source: &mut Source<R>, (_, content): Bounds) -> bool {
    // A version and flags stand before the boxes in `meta`.
    let within = content.start.saturating_add(4)..content.end;
    boxes::handler(source, within).is_none_or(|it| it == *b"pict")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn mime_of(bytes: &[u8]) -> Option<&'static str> {
        mime(bytes, &mut Source::new(Cursor::new(bytes)))
    }

    fn of(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (8 + content.len() as u32).to_be_bytes();
        [&size, &kind[..], content].concat()
    }

    #[test]
    fn boxes_tell_the_type_of_unknown_brands_whatever_stands_in_front() {
        let front = [b"free", b"skip", b"wide", b"uuid", b"mdat"].map(|it| of(it, &[7; 5000]));
        let meta = |kind: &[u8; 4]| {
            let handler = of(b"hdlr", &[&[0; 8][..], kind, &[0; 12]].concat());
            of(b"meta", &[&[0; 4][..], &handler].concat())
        };
        let file =
            |brands: &[u8], last: &[u8]| [of(b"ftyp", brands), front.concat(), last.to_vec()];
        for (brands, last, expected) in [
            (&b"1234\0\0\0\0"[..], of(b"moov", b""), Some("video/mp4")),
            (b"1234\0\0\0\0", of(b"moof", b""), Some("video/mp4")),
            (b"1234\0\0\0\0", meta(b"pict"), Some("image/heif")),
            (b"1234\0\0\0\0", [meta(b"mdta"), of(b"moov", b"")].concat(), Some("video/mp4")),
            (b"1234\0\0\0\0", meta(b"mdta"), None),
            (b"1234\0\0\0\0", of(b"free", b""), None),
            (b"isom\0\0\0\0mif1heic", meta(b"pict"), Some("image/heic")),
            (
                b"isom\0\0\0\0mif1heic",
                [meta(b"pict"), of(b"moov", b"")].concat(),
                Some("video/mp4"),
            ),
        ] {
            assert_eq!(mime_of(&file(brands, &last).concat()), expected, "{brands:?} {last:?}");
        }
        // The size in front of the content has 64 bits.
        let large = [&b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14"[..], b"abcd"].concat();
        let file = [of(b"ftyp", b"1234\0\0\0\0"), large, of(b"moov", b"")].concat();
        assert_eq!(mime_of(&file), Some("video/mp4"));
    }

    #[test]
    fn a_first_box_must_fit_into_the_file() {
        let large = of(b"free", &vec![0; 17 << 20]);
        assert_eq!(mime_of(&[large.clone(), of(b"moov", b"")].concat()), Some("video/quicktime"));
        assert_eq!(mime_of(&large[..1000]), None);
        for kind in [b"prfl", b"meta"] {
            assert_eq!(mime_of(&of(kind, b"1234")), Some("video/quicktime"));
        }
        for kind in [b"moof", b"styp", b"sidx"] {
            assert_eq!(mime_of(&of(kind, b"1234")), Some("video/mp4"));
        }
    }
}
