//! The metadata in local photos and videos: capture times, camera, dimensions and place.
//!
//! A library reads EXIF; the modules below read the other facts.
//! A file that nothing can read has no facts, so nothing contradicts.

mod apple;
mod canon;
mod exif;
mod h264;
mod heif;
mod matroska;
mod movie;
mod names;
mod pictures;
mod raw;
mod riff;
mod sigma;
mod tiff;
mod transport;
mod xmp;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::facts::Facts;
use super::sides::Files;
use crate::formats::source::Source;
use crate::formats::{self, brands};

/// Adds the metadata of these files below `root`.
pub fn add_facts(root: &Path, files: &mut Files<Facts>, wanted: &BTreeSet<PathBuf>) {
    files.par_iter_mut().for_each(|(name, facts)| {
        if wanted.contains(name)
            && let Ok(file) = File::open(root.join(name))
        {
            read(BufReader::new(file), name, facts);
        }
    });
}

/// The format of a file, as far as its metadata are found by it.
enum Format {
    Jpeg,
    Png,
    Gif,
    WebP,
    Bitmap,
    Icon,
    Heif,
    CanonRaw3,
    Movie,
    Matroska,
    Avi,
    Asf,
    Mpeg,
    Transport,
    Sigma,
    Raw(raw::Kind),
}

/// A picture with so many pixels to a byte has few colours, as an empty page or a black frame. A
/// JPEG of a single one has about eighty.
const PIXELS_PER_BYTE_MAX: u64 = 50;

/// A picture behind whose end are so many equal bytes is filled up.
const FILL_BYTES: u64 = 16;

/// Whether a file is filled up behind its content, so that others have the same round size.
fn is_filled_up<R: Read + Seek>(source: &mut Source<R>) -> bool {
    let last = source.len().checked_sub(FILL_BYTES).and_then(|at| source.exactly(at, FILL_BYTES));
    last.is_some_and(|it| it.iter().all(|byte| *byte == it[0]))
}

/// Adds the metadata of one file.
pub fn read(file: impl Read + Seek, name: &Path, facts: &mut Facts) {
    facts.taken.extend(names::taken(name));
    let mut source = Source::new(file);
    read_by_format(&mut source, name, facts);
    let pixels = facts.dimensions.any.iter().map(|&(x, y)| u64::from(x) * u64::from(y)).max();
    // Another page or frame of few colours has the same size.
    if pixels.is_some_and(|it| it / PIXELS_PER_BYTE_MAX > source.len()) {
        facts.is_of_fixed_size = true;
    }
}

fn read_by_format<R: Read + Seek>(source: &mut Source<R>, name: &Path, facts: &mut Facts) {
    let Some(head) = source.start(64) else { return };
    let Some(format) = format(&head, source) else { return };
    let has_end = matches!(format, Format::Jpeg | Format::Png | Format::Gif | Format::WebP);
    match format {
        Format::Jpeg => {
            pictures::jpeg_dimensions(source, facts);
            pictures::jpeg_segments(source, facts);
        }
        Format::Png => {
            pictures::dimensions(source, facts);
            exif::of_picture(source, facts);
            pictures::png_chunks(source, facts);
        }
        Format::Gif => {
            pictures::dimensions(source, facts);
            pictures::gif_blocks(source, facts);
        }
        Format::WebP => {
            pictures::dimensions(source, facts);
            exif::of_picture(source, facts);
            pictures::webp_chunks(source, facts);
        }
        Format::Bitmap => pictures::bitmap(&head, facts),
        Format::Icon => pictures::icon(source, facts),
        Format::Heif => {
            heif::dimensions(source, facts);
            heif::metadata(source, facts);
        }
        Format::CanonRaw3 => {
            facts.header = Some(u64::MAX);
            canon::raw(source, facts);
        }
        Format::Raw(kind) => {
            raw::add(kind, source, name, facts);
        }
        Format::Movie => {
            movie::add(source, facts);
        }
        Format::Matroska => {
            matroska::add(source, facts);
        }
        Format::Avi => riff::avi(source, facts),
        Format::Asf => riff::asf(source, facts),
        Format::Mpeg => riff::mpeg(source, facts),
        Format::Transport => transport::add(source, facts),
        Format::Sigma => sigma::raw(source, facts),
    }
    if has_end && is_filled_up(source) {
        facts.is_of_fixed_size = true;
    }
}

/// `None` if no metadata can be read.
fn format<R: Read + Seek>(head: &[u8], source: &mut Source<R>) -> Option<Format> {
    Some(match head {
        [0xff, 0xd8, ..] => Format::Jpeg,
        [0x89, b'P', b'N', b'G', ..] => Format::Png,
        [b'G', b'I', b'F', b'8', ..] => Format::Gif,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Format::WebP,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => Format::Avi,
        [b'B', b'M', ..] => Format::Bitmap,
        [0, 0, 1, 0, ..] => Format::Icon,
        [0, 0, 1, 0xba | 0xb3, ..] => Format::Mpeg,
        [0x30, 0x26, 0xb2, 0x75, ..] => Format::Asf,
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Format::Matroska,
        [b'F', b'O', b'V', b'b', ..] => Format::Sigma,
        _ if brands::family(head).is_some() => match brands::mime(head, source) {
            Some("image/x-canon-cr3") => Format::CanonRaw3,
            Some(mime) if mime.starts_with("image/") => Format::Heif,
            _ => Format::Movie,
        },
        _ => match raw::kind(head) {
            Some(kind) => Format::Raw(kind),
            None if formats::transport::may_be(head) => Format::Transport,
            None => return None,
        },
    })
}
