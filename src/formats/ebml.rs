//! The elements of Matroska and WebM.
//!
//! An element may reach beyond the one around it: in a file that is cut, or in a live recording,
//! whose lengths are not known. The caller refuses it or takes the part that is there.

use std::io::{Read, Seek};
use std::ops::Range;

use super::source::Source;

/// The element with all others behind the header. Numbers have the marks of their lengths.
pub const SEGMENT: u64 = 0x1853_8067;
/// The list of tracks in a segment.
pub const TRACKS: u64 = 0x1654_ae6b;
/// A track in the list.
pub const TRACK: u64 = 0xae;

/// An element has so many elements within it at most.
const ELEMENTS_MAX: usize = 1024;
/// The longest number of an element and its length.
const START_BYTES_MAX: u64 = 12;
/// A number has so many bytes at most.
const NUMBER_BYTES_MAX: usize = 8;

/// An element: its number, and where its content is.
pub type Element = (u64, Range<u64>);

/// The elements in a range, up to the first that is damaged. The last one may reach beyond.
pub fn elements<R: Read + Seek>(source: &mut Source<R>, within: Range<u64>) -> Vec<Element> {
    let mut found = Vec::new();
    let mut at = within.start;
    while found.len() < ELEMENTS_MAX
        && let Some((number, content)) = element(source, at, within.end)
    {
        at = content.end;
        found.push((number, content));
    }
    found
}

/// The content of the first element with a number. It may reach beyond the range.
pub fn find<R: Read + Seek>(
    source: &mut Source<R>,
    within: Range<u64>,
    number: u64,
) -> Option<Range<u64>> {
    let mut at = within.start;
    for _ in 0..ELEMENTS_MAX {
        let (found, content) = element(source, at, within.end)?;
        if found == number {
            return Some(content);
        }
        at = content.end;
    }
    None
}

/// The element at an offset. One of unknown length goes to the end of the element around it.
fn element<R: Read + Seek>(source: &mut Source<R>, at: u64, end: u64) -> Option<Element> {
    let bytes = source.up_to(at, START_BYTES_MAX.min(end.checked_sub(at)?))?;
    let (number, behind) = variable(&bytes, false)?;
    let (length, more) = variable(bytes.get(behind..)?, true)?;
    let start = at.checked_add(u64::try_from(behind + more).ok()?)?;
    let unknown = (1_u64 << (7 * more)) - 1;
    let content = if length == unknown { start..end } else { start..start.checked_add(length)? };
    Some((number, content))
}

/// A number whose first byte says by its zeros how many bytes it has, and these. The mark behind the
/// zeros belongs to the numbers of elements, and not to lengths.
fn variable(bytes: &[u8], is_length: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let zeros = usize::try_from(first.leading_zeros()).ok()?;
    let count = Some(zeros + 1).filter(|&it| it <= NUMBER_BYTES_MAX)?;
    let rest = bytes.get(1..count)?;
    let start = if is_length { u64::from(first) & (0xff_u64 >> count) } else { first.into() };
    Some((rest.iter().fold(start, |sum, &it| (sum << 8) | u64::from(it)), count))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn found(bytes: &[u8]) -> Vec<Element> {
        let mut source = Source::new(Cursor::new(bytes));
        elements(&mut source, 0..bytes.len() as u64)
    }

    #[test]
    fn elements_have_lengths_of_any_width() {
        let bytes =
            b"\xae\x82ab\x42\x82\x40\x01c\x1a\x45\xdf\xa3\x10\0\0\0\xec\x01\0\0\0\0\0\0\x01d";
        let expected = [(0xae, 2..4), (0x4282, 8..9), (0x1a45_dfa3, 17..17), (0xec, 26..27)];
        assert_eq!(found(bytes), expected);
    }

    #[test]
    fn the_last_element_may_be_cut_and_of_unknown_length() {
        assert_eq!(found(b"\xae\x80\xae\x84ab"), [(0xae, 2..2), (0xae, 4..8)]);
        assert_eq!(found(b"\xae\xffabc"), [(0xae, 2..5)]);
        assert_eq!(found(b"\xae\x01\xff\xff\xff\xff\xff\xff\xffabc"), [(0xae, 9..12)]);
    }

    #[test]
    fn damaged_numbers_end_the_list() {
        for rest in [&b""[..], b"\xae", b"\xae\x40", b"\0\0\0\0\0\0\0\0\0\0\0\0", b"\xae\0"] {
            assert_eq!(found(&[b"\xec\x80", rest].concat()), [(0xec, 2..2)], "{rest:?}");
        }
        let huge = b"\xec\x01\xff\xff\xff\xff\xff\xff\xfe";
        assert_eq!(found(huge), [(0xec, 9..9 + (1 << 56) - 2)]);
    }
}
