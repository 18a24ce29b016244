//! Recognises sound in the containers of videos. Google takes none of it. Pure.

/// The types of streams in an ASF header.
const ASF_SOUND: &[u8] = b"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\0\x80\x5f\x5c\x44\x2b";
const ASF_VIDEO: &[u8] = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\0\x80\x5f\x5c\x44\x2b";
/// The number of the element `Tracks` of Matroska.
const TRACKS: &[u8] = b"\x16\x54\xae\x6b";

/// Whether a file in a video's container has only sound: its first bytes list its tracks, or its
/// name says so.
pub fn is_sound(head: &[u8], extension: &str) -> bool {
    let (contained, named): (_, &[&str]) = match head {
        [0x30, 0x26, 0xb2, 0x75, ..] => (asf(head), &["wma"]),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => (matroska(head), &["mka"]),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => (movie(head), &["m4a", "m4b", "m4p", "m4r"]),
        _ => return false,
    };
    contained.unwrap_or_else(|| named.contains(&extension))
}

/// `None` if the header is not whole.
fn asf(head: &[u8]) -> Option<bool> {
    let length = u64::from_le_bytes(head.get(16..24)?.try_into().ok()?);
    let header = head.get(..usize::try_from(length).ok()?)?;
    Some(contains(header, ASF_SOUND) && !contains(header, ASF_VIDEO))
}

/// `None` if the list of tracks is not whole.
fn matroska(head: &[u8]) -> Option<bool> {
    let at = head.windows(4).position(|it| it == TRACKS)? + 4;
    let first = *head.get(at)?;
    let bytes =
        usize::try_from(first.leading_zeros()).ok()?.checked_add(1).filter(|&it| it <= 8)?;
    let number = head.get(at..at + bytes)?;
    // The first byte has a mark in front of its part of the number.
    let start = usize::from(first) & (0xff_usize >> bytes);
    let length = number[1..]
        .iter()
        .try_fold(start, |sum, &it| sum.checked_mul(256)?.checked_add(usize::from(it)))?;
    let start = at + bytes;
    let tracks = head.get(start..start.checked_add(length)?)?;
    // The names of codings begin so.
    Some(contains(tracks, b"A_") && !contains(tracks, b"V_"))
}

/// `None` if the box with the tracks is not whole.
fn movie(head: &[u8]) -> Option<bool> {
    let mut at = 0_usize;
    loop {
        let size = u32::from_be_bytes(head.get(at..at.checked_add(4)?)?.try_into().ok()?);
        let end = at.checked_add(usize::try_from(size).ok()?.max(8))?;
        if head.get(at + 4..at + 8)? == b"moov" {
            let moov = head.get(at..end)?;
            return Some(contains(moov, b"soun") && !contains(moov, b"vide"));
        }
        at = end;
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|it| it == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asf_with(streams: &[&[u8]]) -> Vec<u8> {
        let mut head = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c".to_vec();
        let streams = streams.concat();
        head.extend((24 + streams.len() as u64).to_le_bytes());
        head.extend(streams);
        head
    }

    #[test]
    fn tracks_tell_sound_from_video() {
        assert!(is_sound(&asf_with(&[ASF_SOUND]), "wmv"));
        assert!(!is_sound(&asf_with(&[ASF_SOUND, ASF_VIDEO]), "wma"));
        let matroska = |codings: &[u8]| {
            let length = [0x80 | codings.len() as u8];
            [&b"\x1a\x45\xdf\xa3"[..], TRACKS, &length, codings].concat()
        };
        assert!(is_sound(&matroska(b"..A_OPUS"), "mkv"));
        assert!(!is_sound(&matroska(b"V_VP9..A_OPUS"), "mka"));
        let movie = |handlers: &[u8]| {
            let size = (8 + handlers.len() as u32).to_be_bytes();
            [&b"\0\0\0\x10ftypisom\0\0\0\0"[..], &size, b"moov", handlers].concat()
        };
        assert!(is_sound(&movie(b"..soun"), "mp4"));
        assert!(!is_sound(&movie(b"..vide..soun"), "m4a"));
    }

    #[test]
    fn names_tell_where_the_beginning_does_not() {
        let movie = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\xff\xffmdat";
        assert!(is_sound(movie, "m4a"));
        assert!(!is_sound(movie, "mp4"));
        assert!(!is_sound(b"\xff\xd8\xff", "m4a"));
    }
}
