//! Properties of a file, to compare copies. Reads the file through a small buffer: several may be
//! compared at the same time, and a video has gigabytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::formats::jpeg;
use crate::formats::source::Source;
use crate::media::ContentHash;

/// Larger files are only hashed: photos cannot be so large.
const TAKEN_APART_MAX: u64 = 200_000_000;

/// The buffer for reading a file.
const BUFFER_BYTES: usize = 256 * 1024;

/// Properties of a file, to compare copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The length in bytes.
    pub size: u64,
    /// The hash of all bytes.
    pub sha256: ContentHash,
    /// The hash of the compressed picture without its metadata, for formats that can be parsed
    /// (JPEG and PNG).
    pub picture: Option<ContentHash>,
    /// Width and height in pixels, if it is a picture.
    pub dimensions: Option<(u32, u32)>,
}

impl Fingerprint {
    /// Reads and hashes a file. Blocking.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(file: &File) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let size = io::copy(&mut from_start(file)?, &mut hasher)?;
        let sha256 = finish(hasher);
        if size > TAKEN_APART_MAX {
            return Ok(Self { size, sha256, picture: None, dimensions: None });
        }
        let dimensions = dimensions(file)?;
        Ok(Self { size, sha256, dimensions, picture: picture(&mut from_start(file)?)? })
    }
}

fn from_start(mut file: &File) -> io::Result<BufReader<&File>> {
    file.rewind()?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, file))
}

/// Width and height of a picture.
fn dimensions(file: &File) -> io::Result<Option<(u32, u32)>> {
    let mut reader = from_start(file)?;
    if reader.fill_buf()?.starts_with(&[0xff, jpeg::SOI]) {
        return Ok(jpeg::dimensions(&mut Source::new(file)));
    }
    let size = imagesize::reader_size(reader).ok();
    Ok(size.and_then(|it| Some((it.width.try_into().ok()?, it.height.try_into().ok()?))))
}

fn finish(hasher: Sha256) -> ContentHash {
    ContentHash(hasher.finalize().into())
}

/// The hash of the picture alone; `None` for an unsupported format, or if the end is missing.
fn picture(file: &mut impl BufRead) -> io::Result<Option<ContentHash>> {
    let hashed = match file.fill_buf()?.first() {
        Some(0xff) => jpeg_picture(file),
        Some(0x89) => png_picture(file),
        _ => return Ok(None),
    };
    match hashed {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        hashed => hashed,
    }
}

fn jpeg_picture(file: &mut impl BufRead) -> io::Result<Option<ContentHash>> {
    let mut hasher = Sha256::new();
    if bytes(file)? != [0xff, jpeg::SOI] {
        return Ok(None);
    }
    let mut next = None;
    loop {
        let found = match next.take() {
            Some(found) => found,
            None => match bytes(file)? {
                [0xff] => jpeg::after_fill(file)?,
                _ => return Ok(None),
            },
        };
        if jpeg::is_about(found) {
            let Some(length) = jpeg::segment_length(file)? else { return Ok(None) };
            pass(file, length, |_| ())?;
            continue;
        }
        hasher.update([0xff, found]);
        if found == jpeg::EOI {
            return Ok(Some(finish(hasher)));
        }
        if jpeg::is_bare(found) {
            continue;
        }
        let Some(length) = jpeg::segment_length(file)? else { return Ok(None) };
        hasher.update(length.to_be_bytes());
        pass(file, length, |part| hasher.update(part))?;
        if found == jpeg::SOS {
            next = Some(scan(file, &mut hasher)?);
        }
    }
}

/// Hashes the coded data of a scan. Returns the marker behind it.
fn scan(file: &mut impl BufRead, hasher: &mut Sha256) -> io::Result<u8> {
    loop {
        let data = file.fill_buf()?;
        if data.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(at) = data.iter().position(|byte| *byte == 0xff) else {
            let length = data.len();
            hasher.update(data);
            file.consume(length);
            continue;
        };
        hasher.update(&data[..at]);
        file.consume(at + 1);
        match jpeg::after_fill(file)? {
            // A stuffed byte, or a restart within the scan.
            found @ (0 | 0xd0..=0xd7) => hasher.update([0xff, found]),
            found => return Ok(found),
        }
    }
}

/// The signature of a PNG.
const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The chunks that are about the picture.
const ABOUT: [&[u8; 4]; 5] = [b"eXIf", b"iTXt", b"tEXt", b"tIME", b"zTXt"];

fn png_picture(file: &mut impl BufRead) -> io::Result<Option<ContentHash>> {
    let mut hasher = Sha256::new();
    if bytes(file)? != PNG {
        return Ok(None);
    }
    loop {
        let (length, kind): ([u8; 4], [u8; 4]) = (bytes(file)?, bytes(file)?);
        // With its checksum.
        let rest = u64::from(u32::from_be_bytes(length)) + 4;
        if ABOUT.contains(&&kind) {
            pass(file, rest, |_| ())?;
            continue;
        }
        hasher.update(length);
        hasher.update(kind);
        pass(file, rest, |part| hasher.update(part))?;
        if &kind == b"IEND" {
            return Ok(Some(finish(hasher)));
        }
    }
}

/// Reads so many bytes.
fn bytes<const N: usize>(file: &mut impl BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Passes so many bytes on.
fn pass(file: &mut impl BufRead, length: u64, mut to: impl FnMut(&[u8])) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let data = file.fill_buf()?;
        if data.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let part = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        to(&data[..part]);
        file.consume(part);
        left -= part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use img_parts::ImageEXIF;
    use img_parts::jpeg::Jpeg;
    use img_parts::png::Png;

    use super::*;

    /// A start marker, metadata, a table, and the picture up to its end.
    fn jpeg(about: &[u8], table: u8) -> Vec<u8> {
        let table = [0xff, 0xdb, 0, 3, table];
        let scan = [0xff, 0xda, 0, 2, 1, 2, 0xff, 0, 0xff, 0xd3, 3, 0xff, 0xd9];
        [&b"\xff\xd8"[..], about, &table, &scan].concat()
    }

    /// Through a buffer of every size, so that each boundary is met.
    fn picture(bytes: &[u8]) -> Option<ContentHash> {
        let through =
            |capacity| super::picture(&mut BufReader::with_capacity(capacity, bytes)).unwrap();
        let first = through(1);
        assert!((2..40).all(|capacity| through(capacity) == first));
        first
    }

    #[test]
    fn metadata_does_not_belong_to_the_picture() {
        let plain = picture(&jpeg(b"", 7));
        assert!(plain.is_some());
        assert_eq!(picture(&jpeg(b"\xff\xe1\0\x06Exif\xff\xfe\0\x04ab", 7)), plain);
        assert_ne!(picture(&jpeg(b"", 8)), plain);
        assert_ne!(picture(&jpeg(b"\xff\xee\0\x07Adobe", 7)), plain);
        // Another picture behind the end, as phones add a film.
        assert_eq!(picture(&[jpeg(b"", 7), b"\0\0\0\x18ftyp".to_vec()].concat()), plain);
        assert_eq!(picture(b"RIFF"), None);
    }

    #[test]
    fn a_picture_without_its_end_has_no_hash() {
        let whole = jpeg(b"\xff\xe1\0\x06Exif", 7);
        for end in 0..whole.len() {
            assert_eq!(picture(&whole[..end]), None, "{end}");
        }
        // A length that is shorter than itself.
        assert_eq!(picture(b"\xff\xd8\xff\xdb\0\x01"), None);
    }

    /// Pictures of a real encoder, with and without metadata that another program has added.
    #[test]
    fn metadata_of_another_program_is_left_out() {
        let picture_of = |format| {
            let picture =
                image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8, y as u8, 7]));
            let mut bytes = io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        };
        let exif = Some(bytes::Bytes::from_static(b"MM\0*\0\0\0\x08\0\0"));
        let plain = picture_of(image::ImageFormat::Jpeg);
        let mut with = Jpeg::from_bytes(plain.clone().into()).unwrap();
        with.set_exif(exif.clone());
        let with = with.encoder().bytes();
        assert!(with.len() > plain.len() && picture(&plain).is_some());
        assert_eq!(picture(&with), picture(&plain));
        let plain = picture_of(image::ImageFormat::Png);
        let mut with = Png::from_bytes(plain.clone().into()).unwrap();
        with.set_exif(exif);
        let with = with.encoder().bytes();
        assert!(with.len() > plain.len() && picture(&plain).is_some());
        assert_eq!(picture(&with), picture(&plain));
    }

    #[test]
    fn a_file_is_read_from_its_start() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&jpeg(b"", 7)).unwrap();
        let found = Fingerprint::of(&file).unwrap();
        assert_eq!(found.size, jpeg(b"", 7).len() as u64);
        assert_eq!(found.sha256, ContentHash(Sha256::digest(jpeg(b"", 7)).into()));
        assert_eq!(found.picture, picture(&jpeg(b"", 7)));
    }
}
