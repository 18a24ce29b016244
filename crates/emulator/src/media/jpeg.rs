//! The segments of a JPEG in front of its picture (ITU-T T.81, annex B).

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

/// A marker, and the bounds of its segment's content.
pub(crate) type Segment = (u8, Range<u64>);

/// The segments up to the first scan, or to the first bytes that are no segment. Any number of fill
/// bytes may stand in front of a marker.
pub(crate) fn segments(file: &mut (impl Read + Seek)) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    match collect(file, &mut found) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(found),
    }
}

fn collect(file: &mut (impl Read + Seek), found: &mut Vec<Segment>) -> io::Result<()> {
    file.seek(SeekFrom::Start(2))?;
    while bytes(file)? == [0xff] {
        let mut marker = 0xff;
        while marker == 0xff {
            [marker] = bytes(file)?;
        }
        match marker {
            // The end of the picture, or its data.
            0xd9 | 0xda => break,
            // Markers without a segment.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = u64::from(u16::from_be_bytes(bytes(file)?));
                let start = file.stream_position()?;
                let Some(length) = length.checked_sub(2) else { break };
                found.push((marker, start..start + length));
                file.seek(SeekFrom::Start(start + length))?;
            }
        }
    }
    Ok(())
}

/// Width and height in the first frame header.
pub(crate) fn dimensions(file: &mut (impl Read + Seek)) -> io::Result<Option<(u64, u64)>> {
    let is_frame = |marker| matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
    let frame = segments(file)?.into_iter().find(|it| is_frame(it.0));
    let Some((_, content)) = frame.filter(|it| it.1.end - it.1.start >= 6) else { return Ok(None) };
    file.seek(SeekFrom::Start(content.start + 1))?;
    let (height, width) = (u16::from_be_bytes(bytes(file)?), u16::from_be_bytes(bytes(file)?));
    Ok(Some((width.into(), height.into())))
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn fill_bytes_may_stand_in_front_of_each_marker() {
        let jpeg =
            b"\xff\xd8\xff\xff\xff\xe0\0\x03a\xff\xff\xc2\0\x0b\x08\0\x40\0\x60\x01\0\0\0\xff\xda";
        let found = segments(&mut Cursor::new(jpeg)).unwrap();
        assert_eq!(found, [(0xe0, 8..9), (0xc2, 14..23)]);
        assert_eq!(dimensions(&mut Cursor::new(jpeg)).unwrap(), Some((96, 64)));
        for length in 0..19 {
            assert_eq!(dimensions(&mut Cursor::new(&jpeg[..length])).ok().flatten(), None);
        }
    }
}
