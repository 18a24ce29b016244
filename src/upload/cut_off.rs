//! Whether a photo or video breaks off, as far as its structure shows. Cameras write such files too,
//! so this alone condemns none.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use super::jpeg;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_END: &[u8] = b"IEND\xaeB`\x82";
/// The kinds of box that movies and pictures begin with.
const FIRST_BOXES: [&[u8; 4]; 11] = [
    b"ftyp", b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip", b"junk", b"uuid", b"udta",
    b"PICT",
];
/// The size and the kind of a box or chunk.
const HEADER_BYTES: u64 = 8;

/// Whether the bytes are none, or those of a JPEG, PNG or MP4, HEIC and the like that breaks off.
///
/// # Errors
/// If they cannot be read.
pub(super) fn is_cut_off(mut bytes: impl Read + Seek) -> io::Result<bool> {
    let length = bytes.seek(SeekFrom::End(0))?;
    bytes.rewind()?;
    let mut bytes = BufReader::new(bytes);
    let head = bytes.fill_buf()?;
    if head.is_empty() {
        return Ok(true);
    }
    if head.starts_with(PNG) {
        return lacks_end(bytes, length);
    }
    if head.get(4..8).is_some_and(|kind| FIRST_BOXES.iter().any(|it| *it == kind)) {
        return boxes_break_off(bytes, length);
    }
    jpeg::is_broken(bytes)
}

/// Programs may leave bytes behind the last chunk of a PNG, as phones do.
fn lacks_end(mut bytes: BufReader<impl Read + Seek>, length: u64) -> io::Result<bool> {
    let mut at = PNG.len() as u64;
    while at + HEADER_BYTES <= length {
        bytes.seek(SeekFrom::Start(at))?;
        let mut header = [0; HEADER_BYTES as usize];
        bytes.read_exact(&mut header)?;
        let [a, b, c, d, kind @ ..] = header;
        // With the checksum behind it.
        let end = at + HEADER_BYTES + u64::from(u32::from_be_bytes([a, b, c, d])) + 4;
        if kind == PNG_END[..4] {
            return Ok(end > length);
        }
        at = end;
    }
    Ok(true)
}

/// Whether a box is longer than the file, or the index of a video or picture is missing, which may
/// come last.
fn boxes_break_off(mut bytes: BufReader<impl Read + Seek>, length: u64) -> io::Result<bool> {
    let (mut at, mut has_index) = (0, false);
    while at < length {
        bytes.seek(SeekFrom::Start(at))?;
        let (size, kind) = match read_header(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(true),
            header => header?,
        };
        has_index |= [*b"moov", *b"meta", *b"moof"].contains(&kind);
        at = match size {
            // It reaches to the end.
            0 => length,
            // Bytes that are no box: other programs ignore them.
            1..HEADER_BYTES => break,
            _ => at.saturating_add(size),
        };
    }
    Ok(at > length || !has_index)
}

fn read_header(bytes: &mut impl Read) -> io::Result<(u64, [u8; 4])> {
    let (mut size, mut kind, mut large) = ([0; 4], [0; 4], [0; 8]);
    bytes.read_exact(&mut size)?;
    bytes.read_exact(&mut kind)?;
    Ok(match u32::from_be_bytes(size) {
        1 => {
            bytes.read_exact(&mut large)?;
            (u64::from_be_bytes(large), kind)
        }
        size => (u64::from(size), kind),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;
    use std::path::Path;

    use super::*;

    fn cut_off(bytes: &[u8]) -> bool {
        is_cut_off(Cursor::new(bytes)).unwrap()
    }

    fn fixtures() -> Vec<(String, Vec<u8>)> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media");
        let files = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
    }

    #[test]
    fn whole_files_of_all_kinds_do_not_break_off() {
        for (name, bytes) in fixtures() {
            assert!(!cut_off(&bytes), "{name}");
        }
    }

    #[test]
    fn halves_break_off() {
        let mut kinds = 0;
        for (name, bytes) in fixtures() {
            let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
            if ["jpg", "png", "mp4", "mov", "heic", "avif"].contains(&kind) {
                kinds += 1;
                for length in [bytes.len() / 2, bytes.len() * 9 / 10, bytes.len() - 1] {
                    assert!(cut_off(&bytes[..length]), "{name}: {length} of {}", bytes.len());
                }
            }
        }
        assert!(kinds >= 4, "{kinds}");
    }

    #[test]
    fn bytes_behind_the_end_are_no_fault() {
        let chunk = |kind: &[u8]| [&[0, 0, 0, 0][..], kind, &[0; 4]].concat();
        let png = [PNG, &chunk(b"IDAT"), &[0, 0, 0, 0], PNG_END].concat();
        assert!(!cut_off(&png) && !cut_off(&[&png[..], b"more"].concat()));
        assert!(cut_off(&png[..png.len() - 1]) && cut_off(PNG));
    }

    #[test]
    fn a_video_without_an_index_or_with_a_box_beyond_its_end_breaks_off() {
        let part = |size: u32, kind: &[u8]| [&size.to_be_bytes()[..], kind].concat();
        let start = part(8, b"ftyp");
        assert!(!cut_off(
            &[&start[..], &part(8, b"moov"), &part(0, b"mdat"), b"to the end"].concat()
        ));
        assert!(!cut_off(&[&start[..], &part(8, b"moov"), &part(0, b"\0\0\0\0")].concat()));
        assert!(cut_off(&[&start[..], &part(8, b"mdat")].concat()), "no index");
        assert!(cut_off(&[&start[..], &part(8, b"moov"), &part(9, b"mdat")].concat()));
        assert!(cut_off(&[&start[..], &part(8, b"moov"), &part(1, b"mdat"), b"abc"].concat()));
        let endless = [&part(1, b"mdat")[..], &u64::MAX.to_be_bytes()].concat();
        assert!(cut_off(&[&start[..], &part(8, b"moov"), &endless].concat()));
        assert!(cut_off(b""), "nothing");
    }
}
