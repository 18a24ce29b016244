//! Metadata of a video: those of the original, byte for byte, in the place of the encoder's.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

use super::reason::Whole;
use crate::formats::boxes::{box_at, boxes};
use crate::formats::source::Source;

/// The boxes of `moov` that hold metadata, at the top and in tracks.
const METADATA: [[u8; 4]; 2] = [*b"udta", *b"meta"];
/// The boxes at the top of a file that a copy has, or need not have.
const PLAIN: [[u8; 4]; 7] = [*b"ftyp", *b"moov", *b"mdat", *b"free", *b"skip", *b"wide", *b"uuid"];
/// A larger `moov` is left alone.
const BYTES_MAX: u64 = 64 << 20;
/// The header of a box of less than 4 GiB.
const HEADER: u64 = 8;

/// A box with its header.
type Whereabouts = ([u8; 4], Range<u64>, Range<u64>);

/// The boxes in a range, each as a whole and its content. `None` if a part of it is no box.
fn parts(source: &mut Source<&File>, within: Range<u64>) -> Option<Vec<Whereabouts>> {
    let mut at = within.start;
    let mut found = Vec::new();
    for (kind, content) in boxes(source, within.clone()) {
        found.push((kind, at..content.end, content.clone()));
        at = content.end;
    }
    // QuickTime may end a list with four bytes of nothing.
    (within.end - at <= 4).then_some(found)
}

/// The metadata of a file.
///
/// # Errors
/// If a copy could not keep all of them: why.
fn metadata(file: &File) -> Result<Vec<Vec<u8>>, Whole> {
    let mut source = Source::new(file);
    let all = 0..source.len();
    let top = parts(&mut source, all).ok_or(Whole::Trailing)?;
    if top.iter().any(|it| !PLAIN.contains(&it.0)) {
        return Err(Whole::Extended);
    }
    let mut kept = Vec::new();
    let mut left = BYTES_MAX;
    let mut keep = |source: &mut Source<&File>, it: &Range<u64>| {
        let length = it.end - it.start;
        left = left.checked_sub(length).ok_or(Whole::Extended)?;
        kept.push(source.exactly(it.start, length).ok_or(Whole::Damaged)?);
        Ok(())
    };
    let moov = top.iter().find(|it| it.0 == *b"moov").ok_or(Whole::Damaged)?;
    for (kind, whole, content) in parts(&mut source, moov.2.clone()).ok_or(Whole::Damaged)? {
        if METADATA.contains(&kind) {
            keep(&mut source, &whole)?;
        } else if kind == *b"trak" {
            let within = parts(&mut source, content).ok_or(Whole::Damaged)?;
            // They describe a track that the copy does not have.
            if within.iter().any(|it| METADATA.contains(&it.0) || it.0 == *b"uuid") {
                return Err(Whole::Extended);
            }
        }
    }
    // XMP, as Adobe and others put it beside the film.
    if top.iter().any(|it| it.0 == *b"uuid") {
        return Err(Whole::Extended);
    }
    Ok(kept)
}

/// Whether a copy of a video can keep its metadata.
///
/// # Errors
/// If not: why.
pub fn check(original: &File) -> Result<(), Whole> {
    metadata(original).map(drop)
}

/// Gives a copy the metadata of its original.
///
/// # Errors
/// If a file cannot be read or written. The inner error says why the video is left whole.
pub fn transplant(original: &File, mut copy: &File) -> io::Result<Result<(), Whole>> {
    let kept = match metadata(original) {
        Ok(kept) => kept,
        Err(whole) => return Ok(Err(whole)),
    };
    let Some((from, mut moov)) = rest(copy) else { return Ok(Err(Whole::Unsure)) };
    moov.extend(kept.into_iter().flatten());
    let Ok(length) = u32::try_from(moov.len() as u64 + HEADER) else {
        return Ok(Err(Whole::Unsure));
    };
    copy.seek(SeekFrom::Start(from))?;
    copy.write_all(&length.to_be_bytes())?;
    copy.write_all(b"moov")?;
    copy.write_all(&moov)?;
    let end = copy.stream_position()?;
    copy.set_len(end)?;
    Ok(Ok(()))
}

/// The `moov` of a copy: where it begins, and its boxes without metadata. It must be the last box, so
/// that no offset into the file depends on its length.
fn rest(copy: &File) -> Option<(u64, Vec<u8>)> {
    let mut source = Source::new(copy);
    let all = 0..source.len();
    let top = parts(&mut source, all)?;
    let (kind, whole, content) = top.last()?.clone();
    if kind != *b"moov" || whole.end != source.len() || whole.end - whole.start > BYTES_MAX {
        return None;
    }
    // A box of 64 bits would need another header.
    box_at(&mut source, whole.start, whole.end).filter(|it| it.1.start == whole.start + HEADER)?;
    let mut kept = Vec::new();
    for (kind, whole, _) in parts(&mut source, content)? {
        if !METADATA.contains(&kind) {
            kept.extend(source.exactly(whole.start, whole.end - whole.start)?);
        }
    }
    Some((whole.start, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes(), &kind[..], content].concat()
    }

    fn file(boxes: &[Vec<u8>]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&boxes.concat()).unwrap();
        file
    }

    fn bytes(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_copy_has_the_original_s_metadata_and_its_own_tracks() {
        let track = boxed(b"trak", &boxed(b"tkhd", b"of the original"));
        let (place, keys) = (boxed(b"udta", b"\0\0\0\x08\xa9xyz"), boxed(b"meta", b"keys"));
        let moov = boxed(b"moov", &[place.clone(), track, keys.clone()].concat());
        let original = file(&[boxed(b"ftyp", b"mp42"), moov, boxed(b"mdat", b"large")]);
        let track = boxed(b"trak", &boxed(b"tkhd", b"of the copy"));
        let head =
            [boxed(b"ftyp", b"isom"), boxed(b"free", b""), boxed(b"mdat", b"small")].concat();
        let own = boxed(b"moov", &[track.clone(), boxed(b"udta", b"Lavf")].concat());
        let copy = file(&[head.clone(), own]);
        transplant(&original, &copy).unwrap().unwrap();
        let moov = boxed(b"moov", &[track, place, keys].concat());
        assert_eq!(bytes(&copy), [head, moov].concat());
    }

    #[test]
    fn metadata_elsewhere_leave_a_video_whole() {
        let moov = |within: &[u8]| boxed(b"moov", within);
        for (boxes, expected) in [
            (vec![moov(b""), boxed(b"uuid", b"XMP")], Whole::Extended),
            (vec![moov(b""), boxed(b"meta", b"")], Whole::Extended),
            (vec![moov(b""), boxed(b"moof", b"")], Whole::Extended),
            (vec![moov(b""), b"SEFT at the end".to_vec()], Whole::Trailing),
            (vec![moov(&boxed(b"trak", &boxed(b"udta", b"name")))], Whole::Extended),
            (vec![moov(&boxed(b"trak", &boxed(b"uuid", b"sphere")))], Whole::Extended),
            (vec![boxed(b"mdat", b"")], Whole::Damaged),
            (Vec::new(), Whole::Damaged),
        ] {
            assert_eq!(check(&file(&boxes)), Err(expected));
        }
        let plain = file(&[moov(b"")]);
        for copy in [vec![moov(b""), boxed(b"mdat", b"")], vec![b"no boxes at all".to_vec()]] {
            assert_eq!(transplant(&plain, &file(&copy)).unwrap(), Err(Whole::Unsure));
        }
    }
}
