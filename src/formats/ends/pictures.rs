//! Pictures without a length in front: GIF and BMP.

use std::io::{self, BufRead, ErrorKind, Read, Seek};

use crate::formats::source::{Source, u16_le, u32_le};

/// A GIF ends with this byte.
const TRAILER: u8 = 0x3b;
/// So many zeros may follow the end of a JPEG or GIF.
const PADDING: u64 = 512;

/// The last bytes of a file, without zeros behind them.
pub fn last_bytes<R: Read + Seek>(source: &mut Source<R>) -> Option<Vec<u8>> {
    let mut last = source.up_to(source.len().saturating_sub(PADDING), PADDING)?;
    let end = last.iter().rposition(|&it| it != 0).map_or(0, |at| at + 1);
    last.truncate(end);
    Some(last)
}

/// A block of a GIF is not whole. Some programs leave out the trailer behind the last one.
pub fn gif<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    if last_bytes(source)?.last() == Some(&TRAILER) {
        return Some(false);
    }
    match walk(&mut source.rewound()) {
        Ok(()) => Some(false),
        Err(error) => (error.kind() == ErrorKind::UnexpectedEof).then_some(true),
    }
}

/// Goes from block to block, up to the trailer or the end.
fn walk(bytes: &mut impl BufRead) -> io::Result<()> {
    let mut screen = [0; 13];
    bytes.read_exact(&mut screen)?;
    skip_colours(bytes, screen[10])?;
    loop {
        if bytes.fill_buf()?.is_empty() {
            return Ok(());
        }
        match byte(bytes)? {
            0x21 => drop(byte(bytes)?),
            0x2c => {
                let mut image = [0; 9];
                bytes.read_exact(&mut image)?;
                skip_colours(bytes, image[8])?;
                // The width of the codes.
                byte(bytes)?;
            }
            // Zeros may stand between blocks.
            0 => continue,
            // The trailer, or bytes that are no block.
            _ => return Ok(()),
        }
        loop {
            match byte(bytes)? {
                0 => break,
                length => skip(bytes, length.into())?,
            }
        }
    }
}

fn skip_colours(bytes: &mut impl BufRead, flags: u8) -> io::Result<()> {
    if flags & 0x80 == 0 { Ok(()) } else { skip(bytes, 3 << ((flags & 7) + 1)) }
}

fn skip(bytes: &mut impl BufRead, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut bytes.by_ref().take(length), &mut io::sink())?;
    if skipped == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn byte(bytes: &mut impl BufRead) -> io::Result<u8> {
    let mut one = [0];
    bytes.read_exact(&mut one)?;
    Ok(one[0])
}

/// The rows of a picture without compression do not fit into the file.
pub fn bitmap<R: Read + Seek>(source: &mut Source<R>) -> Option<bool> {
    let length = source.len();
    let header = source.exactly(0, 34)?;
    let is_plain = u32_le(&header, 14)? >= 40 && matches!(u32_le(&header, 30)?, 0 | 3);
    if !is_plain {
        return None;
    }
    let pixels = u64::from(u32_le(&header, 10)?);
    let width = u64::from(u32_le(&header, 18)?);
    // Rows from the top down have a negative height.
    let height = u64::from(u32_le(&header, 22)?.cast_signed().unsigned_abs());
    let row = width.checked_mul(u16_le(&header, 28)?.into())?.div_ceil(32).checked_mul(4)?;
    // The last row may lack the bytes that fill it up.
    Some(row.checked_mul(height)?.checked_add(pixels)? > length + 3)
}
