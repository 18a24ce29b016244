//! The boxes of the ISO base media family: HEIF, AVIF, CR3, MP4 and QuickTime.

use std::io::{Read, Seek};
use std::ops::Range;

use super::source::{Source, u32_be, u64_be};
use crate::commands::diff::facts::{Dimensions, Facts};

/// A box has so many boxes within it at most.
const BOXES_MAX: usize = 1024;
/// The most bytes of the properties of a HEIF file, or of a track's header.
const BOX_BYTES_MAX: u64 = 1 << 20;

/// A box: its type, and where its content is.
pub type Bounds = ([u8; 4], Range<u64>);

/// The kinds of files that begin with `ftyp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Heif,
    CanonRaw3,
    Movie,
}

/// The family by the brands in the first bytes.
pub fn family(head: &[u8]) -> Family {
    let length = u32_be(head, 0).map_or(0, |it| usize::try_from(it).unwrap_or(usize::MAX));
    let brands = head.get(8..length.clamp(8, head.len().max(8))).unwrap_or_default();
    // The second four bytes are the version.
    let mut brands = brands.chunks_exact(4).enumerate().filter(|(at, _)| *at != 1);
    let major = brands.next().map_or(&b""[..], |it| it.1);
    const HEIF: [&[u8]; 12] = [
        b"mif1", b"msf1", b"miaf", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"avif",
        b"avis", b"mif2",
    ];
    match major {
        b"crx " => Family::CanonRaw3,
        _ if HEIF.contains(&major) => Family::Heif,
        b"qt  " => Family::Movie,
        _ if brands.any(|(_, brand)| HEIF.contains(&brand)) => Family::Heif,
        _ => Family::Movie,
    }
}

/// Whether the type of the first box begins a QuickTime file without `ftyp`.
pub fn begins_movie(atom: &[u8]) -> bool {
    const FIRST: [&[u8]; 10] =
        [b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip", b"junk", b"uuid", b"udta", b"PICT"];
    FIRST.iter().any(|it| atom.starts_with(it))
}

/// The boxes in a range of the file, up to the first that is damaged.
pub fn boxes<R: Read + Seek>(source: &mut Source<R>, within: Range<u64>) -> Vec<Bounds> {
    let mut found = Vec::new();
    let mut at = within.start;
    while found.len() < BOXES_MAX
        && let Some((kind, content)) = box_at(source, at, within.end)
    {
        at = content.end;
        found.push((kind, content));
    }
    found
}

fn box_at<R: Read + Seek>(source: &mut Source<R>, at: u64, end: u64) -> Option<Bounds> {
    let header = source.exactly(at, 8).filter(|_| at + 8 <= end)?;
    let kind: [u8; 4] = header.get(4..8)?.try_into().ok()?;
    let (size, start) = match u32_be(&header, 0)? {
        0 => (end.checked_sub(at)?, 8),
        1 => (u64_be(&source.exactly(at.checked_add(8)?, 8)?, 0)?, 16),
        size => (u64::from(size), 8),
    };
    let content = at.checked_add(start)?..at.checked_add(size)?;
    (size >= start && content.end <= end).then_some((kind, content))
}

/// The content of the first box on a path of types.
pub fn find<R: Read + Seek>(
    source: &mut Source<R>,
    within: Range<u64>,
    path: &[&[u8; 4]],
) -> Option<Range<u64>> {
    path.iter().try_fold(within, |within, kind| {
        let found = boxes(source, within).into_iter().find(|it| it.0 == **kind);
        found.map(|it| it.1)
    })
}

/// The bytes of a box, if it is not too large.
pub fn content<R: Read + Seek>(source: &mut Source<R>, of: Range<u64>) -> Option<Vec<u8>> {
    let length = of.end.checked_sub(of.start).filter(|&it| it <= BOX_BYTES_MAX)?;
    source.exactly(of.start, length)
}

/// Adds the dimensions of a HEIF or AVIF file: of all its pictures, and of the crop. It may have
/// tiles and a thumbnail, so only a single pair is firm.
pub fn heif_dimensions<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let whole = 0..source.len();
    let Some(meta) = find(source, whole, &[b"meta"]) else { return };
    // A version and flags stand before the boxes in `meta`.
    let within = meta.start.saturating_add(4)..meta.end;
    let Some(properties) = find(source, within, &[b"iprp", b"ipco"]) else { return };
    let mut any = Vec::new();
    let mut cropped = false;
    for (kind, bounds) in boxes(source, properties) {
        let of_interest = [*b"ispe", *b"clap"].contains(&kind);
        let Some(bytes) = of_interest.then(|| content(source, bounds)).flatten() else { continue };
        let at = |at| u32_be(&bytes, at);
        if &kind == b"ispe" {
            any.extend(at(4).zip(at(8)));
        } else {
            cropped = true;
            let side = |over, under| at(over)?.checked_div(at(under)?);
            any.extend(side(0, 4).zip(side(8, 12)));
        }
    }
    any.sort_unstable();
    any.dedup();
    let firm = any.len() == 1 && !cropped;
    facts.dimensions = Dimensions { any, firm };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_tell_pictures_from_movies() {
        for (head, expected) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], Family::Heif),
            (b"\0\0\0\x18ftypMiHE\0\0\0\0mif1heic", Family::Heif),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", Family::CanonRaw3),
            (b"\0\0\0\x18ftypisom\0\0\0\x01isommp42", Family::Movie),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Family::Movie),
            (b"\xff\xff\xff\xffftyp", Family::Movie),
        ] {
            assert_eq!(family(head), expected, "{head:?}");
        }
    }
}
