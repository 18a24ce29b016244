use std::io::Cursor;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::chunks::PNG;
use super::*;
use crate::formats::damage::{contents, damaged};

/// JPEGs are read elsewhere.
fn cut_off(bytes: &[u8], is_plain: bool) -> bool {
    break_off(&bytes[..bytes.len().min(64)], &mut Source::new(Cursor::new(bytes)), is_plain)
}

fn is_raw(name: &str) -> bool {
    name.starts_with("maker.")
}

#[test]
fn whole_files_of_all_kinds_do_not_break_off() {
    for (name, bytes) in contents() {
        assert!(!cut_off(&bytes, !is_raw(&name)), "{name}");
    }
}

#[test]
fn halves_of_most_kinds_break_off() {
    let mut kinds = std::collections::BTreeMap::new();
    for (name, bytes) in contents() {
        let kind = name.rsplit_once('.').map_or("", |it| it.1).to_owned();
        let whole = bytes.len();
        let halves = [whole / 2, whole * 9 / 10];
        if halves.iter().all(|&it| cut_off(&bytes[..it], true)) {
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    for kind in
        ["png", "mp4", "mov", "heic", "avif", "gif", "bmp", "webp", "avi", "mkv", "tif", "wmv"]
    {
        assert!(kinds.contains_key(kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn readers_of_damaged_files_end() {
    let mut random = StdRng::seed_from_u64(16);
    for bytes in contents().values() {
        for _ in 0..20 {
            let bytes = damaged(bytes, &mut random);
            let _ = (cut_off(&bytes, true), cut_off(&bytes, false));
        }
    }
}

#[test]
fn bytes_behind_the_end_are_no_fault() {
    for (name, bytes) in contents() {
        for more in
            [&[0; 100][..], b"\x07\x01\x02trailer of a phone", b"text text text text text text"]
        {
            assert!(!cut_off(&[&bytes[..], more].concat(), !is_raw(&name)), "{name}: {more:?}");
        }
    }
    let chunk = |kind: &[u8]| [&[0, 0, 0, 0][..], kind, &[0; 4]].concat();
    let png = [PNG, &chunk(b"IDAT"), &[0, 0, 0, 0], b"IEND\xaeB`\x82"].concat();
    assert!(!cut_off(&png, true) && !cut_off(&[&png[..], b"more"].concat(), true));
    assert!(cut_off(&png[..png.len() - 1], true) && cut_off(PNG, true));
}

#[test]
fn a_video_without_an_index_or_with_a_box_beyond_its_end_breaks_off() {
    let part = |size: u32, kind: &[u8]| [&size.to_be_bytes()[..], kind].concat();
    let start = part(8, b"ftyp");
    let cut_off = |parts: &[&[u8]]| cut_off(&parts.concat(), true);
    assert!(!cut_off(&[&start, &part(8, b"moov"), &part(0, b"mdat"), b"to the end"]));
    assert!(!cut_off(&[&start, &part(8, b"moov"), &part(0, b"\0\0\0\0")]));
    assert!(!cut_off(&[&start, &part(8, b"moov"), &part(8, b"mdat"), b"abc"]));
    assert!(cut_off(&[&start, &part(8, b"mdat")]), "no index");
    assert!(cut_off(&[&start, &part(8, b"moov"), &part(9, b"mdat")]));
    assert!(cut_off(&[&start, &part(8, b"moov"), &part(1, b"mdat"), b"abc"]));
    let endless = [&part(1, b"mdat")[..], &u64::MAX.to_be_bytes()].concat();
    assert!(cut_off(&[&start, &part(8, b"moov"), &endless]));
}

#[test]
fn recordings_without_a_length_are_not_judged() {
    for told in [0, u32::MAX] {
        assert!(!cut_off(&[&b"RIFF"[..], &told.to_le_bytes(), b"AVI LIST"].concat(), true));
    }
    let avi = [&b"RIFF"[..], &24_u32.to_le_bytes(), b"AVI LIST 24 bytes in all"].concat();
    assert!(!cut_off(&avi[..24], true), "it counts all bytes");
    assert!(cut_off(&avi[..23], true));
    let header = b"\x1a\x45\xdf\xa3\x80";
    let live = [&header[..], b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff", b"clusters"];
    assert!(!cut_off(&live.concat(), true));
    let known = [&header[..], b"\x18\x53\x80\x67\x88", b"clusters"].concat();
    assert!(!cut_off(&known, true) && cut_off(&known[..known.len() - 1], true));
}

#[test]
fn a_gif_may_lack_its_trailer_but_no_part_of_a_block() {
    let gif = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    assert!(!cut_off(gif, true) && !cut_off(&[&gif[..], b"\0\0"].concat(), true));
    assert!(!cut_off(&gif[..gif.len() - 1], true), "no trailer");
    assert!(cut_off(&gif[..gif.len() - 2], true) && cut_off(&gif[..20], true));
}
