//! CR3, Canon's RAW format in the boxes of a movie.

use std::io::{Read, Seek};

use super::{exif, movie};
use crate::commands::diff::facts::{Dimensions, Facts};
use crate::formats::boxes::{boxes, content, find};
use crate::formats::source::Source;

/// Canon's box in `moov` of a CR3, with the blocks of EXIF.
const CANON_UUID: [u8; 16] = *b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";

/// Adds the EXIF of a CR3, and the dimensions of its pictures.
pub fn raw<R: Read + Seek>(source: &mut Source<R>, facts: &mut Facts) {
    let whole = 0..source.len();
    let Some(moov) = find(source, whole, &[b"moov"]) else { return };
    for (kind, bounds) in boxes(source, moov.clone()) {
        let is_canon =
            &kind == b"uuid" && source.up_to(bounds.start, 16).is_some_and(|it| it == CANON_UUID);
        if !is_canon {
            continue;
        }
        for (kind, bounds) in boxes(source, bounds.start + 16..bounds.end) {
            if [*b"CMT1", *b"CMT2"].contains(&kind)
                && let Some(block) = content(source, bounds)
            {
                exif::of_block(block, facts);
            }
        }
    }
    let any = movie::tracks(source, moov).into_iter().flat_map(|it| it.pictures).collect();
    facts.dimensions = Dimensions { any, firm: false };
}
