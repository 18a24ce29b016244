//! The readers against exiftool, and against damaged files.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;

use super::*;
use crate::commands::diff::clocks;
use crate::commands::diff::facts::Level;
use crate::commands::diff::facts::{Dimensions, Taken, Zone};
use crate::commands::diff::levels::Levels;
use crate::formats::damage::{contents, damaged, fixtures};

/// The facts that exiftool has read in a fixture; scripts/fixtures.sh writes them.
#[derive(Deserialize)]
struct Read {
    width: u32,
    height: u32,
    model: String,
    local: Option<i64>,
    utc: Option<i64>,
}

fn facts_of(name: &str, content: Vec<u8>) -> Facts {
    let mut facts = Facts { size: Some(content.len() as u64), ..Facts::default() };
    read(Cursor::new(content), Path::new(name), &mut facts);
    facts
}

/// Formats without a reader here, and RAW files, whose dimensions are no evidence.
const NO_DIMENSIONS: &[&str] = &["crw", "raf", "mrw"];
const RAW: &[&str] = &["dng", "nef", "arw", "cr2", "pef", "srw", "iiq", "nrw", "rw2", "orf"];

#[test]
fn facts_agree_with_exiftool() {
    let text = std::fs::read_to_string(fixtures().join("facts.json")).unwrap();
    let table: BTreeMap<String, Read> = serde_json::from_str(&text).unwrap();
    let contents = contents();
    assert_eq!(table.len(), contents.len());
    assert!(table.len() >= 60);
    let mut lacking = Vec::new();
    for (name, content) in contents {
        let read = &table[&name];
        let here = facts_of(&name, content);
        let extension = name.rsplit_once('.').unwrap().1;
        for seconds in [read.local, read.utc].into_iter().flatten() {
            let there = Facts {
                taken: vec![Taken { seconds, zone: Zone::Utc }],
                dimensions: Dimensions::firm(read.width, read.height),
                models: vec![read.model.clone()],
                ..Facts::default()
            };
            let levels = Levels::of(&here, &there);
            let expected = match clocks::is_unset(seconds) {
                true => Level::Unknown,
                false => Level::Same,
            };
            if levels.time != expected {
                lacking.push(format!("{name}: time {seconds} {:?}", here.taken));
            }
            if levels.camera != Level::Same && !read.model.is_empty() {
                lacking.push(format!("{name}: camera {} {:?}", read.model, here.models));
            }
        }
        let there = Dimensions::firm(read.width, read.height);
        let found = Levels::of(&here, &Facts { dimensions: there, ..Facts::default() }).dimensions;
        // exiftool leaves out the dimensions of small transport streams.
        let none = read.width == 0 || NO_DIMENSIONS.contains(&extension);
        let expected = match none || RAW.contains(&extension) {
            true => Level::Unknown,
            false => Level::Same,
        };
        if found != expected {
            lacking.push(format!("{name}: {}x{} {:?}", read.width, read.height, here.dimensions));
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}

/// scripts/fixtures.sh says how large the pictures are.
#[test]
fn dimensions_of_transport_streams_are_those_that_were_made() {
    let contents = contents();
    for (name, expected) in [
        ("clip.mts", (96, 64)),
        ("clip.m2t", (96, 64)),
        ("interlaced.mts", (320, 180)),
        ("old.m2t", (320, 180)),
    ] {
        let found = facts_of(name, contents[name].clone()).dimensions;
        // The pixels need not be square, so another answer of Google's is no contradiction.
        assert_eq!(found, Dimensions { any: vec![expected], firm: false }, "{name}");
        let cut = contents[name][..500].to_vec();
        assert_eq!(facts_of(name, cut).dimensions, Dimensions::default(), "{name}");
    }
}

/// Uncompressed pictures; the RAW files are made of one.
const OF_FIXED_SIZE: &[&str] = &[
    "arw", "bmp", "cr2", "dng", "ico", "iiq", "mrw", "nef", "nrw", "orf", "pef", "raf", "rw2",
    "srw",
];

#[test]
fn sizes_follow_from_the_dimensions_where_nothing_is_compressed() {
    for (name, content) in contents() {
        let extension = name.rsplit_once('.').unwrap().1;
        let expected = OF_FIXED_SIZE.contains(&extension)
            || name.starts_with("scan-")
            || name.starts_with("padded-");
        // Incompressible pictures may be longer than their pixels.
        if extension != "png" {
            assert_eq!(facts_of(&name, content).is_of_fixed_size, expected, "{name}");
        }
    }
    let mut png = contents()["deep.png"].clone();
    assert!(!facts_of("deep.png", png[..1000].to_vec()).is_of_fixed_size);
    png.resize(48 * 32 * 8, 0);
    assert!(facts_of("deep.png", png.clone()).is_of_fixed_size, "as long as its pixels");
    // The same file, as if its picture were much larger.
    png[16..24].copy_from_slice(&[0, 0, 0x10, 0, 0, 0, 0x10, 0]);
    assert!(facts_of("deep.png", png).is_of_fixed_size, "too short for many colours");
}

/// Some cameras fill the last block of a file.
#[test]
fn sizes_of_files_that_are_filled_up_say_little() {
    for name in ["exif.jpg", "exif.png", "still.gif", "lossy.webp"] {
        let content = contents()[name].clone();
        assert!(!facts_of(name, content.clone()).is_of_fixed_size, "{name}");
        for fill in [0, 0xff] {
            let mut filled = content.clone();
            filled.resize(content.len().next_multiple_of(512) + 512, fill);
            assert!(facts_of(name, filled).is_of_fixed_size, "{name}");
        }
        let behind = [&content[..], b"another picture, or something else"].concat();
        assert!(!facts_of(name, behind).is_of_fixed_size, "{name}");
    }
}

#[test]
fn metadata_of_every_container_are_measured() {
    for (name, content) in contents().into_iter().filter(|it| it.0.starts_with("xmp.")) {
        let facts = facts_of(&name, content);
        assert!(facts.header >= Some(300) && facts.header < facts.size, "{name} {facts:?}");
        assert_eq!(facts.place, None, "{name}");
    }
}

/// Each picture of a collection has its own EXIF, and each track its own size.
#[test]
fn facts_of_all_parts_of_a_file_may_agree() {
    let facts = facts_of("collection.heic", contents()["collection.heic"].clone());
    assert_eq!(facts.models, ["Testmaker T1", "Othermaker O2"]);
    let seconds: Vec<_> = facts.taken.iter().map(|it| it.seconds).collect();
    assert!(seconds.contains(&1_556_442_005) && seconds.contains(&1_577_934_245), "{seconds:?}");
    assert!([(64, 48), (96, 64)].iter().all(|it| facts.dimensions.any.contains(it)));
    assert!(!facts.dimensions.firm);
    let facts = facts_of("two-tracks.mkv", contents()["two-tracks.mkv"].clone());
    assert_eq!(facts.dimensions, Dimensions { any: vec![(64, 48), (96, 64)], firm: false });
}

#[test]
fn a_directory_beyond_the_end_of_an_x3f_leaves_its_dimensions() {
    let mut content = contents()["maker.x3f"].clone();
    let end = content.len() - 4;
    content[end..].fill(0xff);
    let facts = facts_of("maker.x3f", content);
    assert_eq!(facts.dimensions.any, [(96, 64)]);
    assert_eq!((facts.models, facts.taken), (Vec::new(), Vec::new()));
}

/// Reads damaged fixtures for a while. No reader may panic, hang or read without a bound.
fn read_damaged(span: Duration, seed: u64) {
    let contents = contents();
    let mut random = StdRng::seed_from_u64(seed);
    let end = Instant::now() + span;
    while Instant::now() < end {
        for (name, content) in &contents {
            let begun = Instant::now();
            facts_of(name, damaged(content, &mut random));
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} {seed}");
        }
    }
}

#[test]
fn damaged_files_are_survived() {
    read_damaged(Duration::from_secs(3), 1);
}

#[test]
#[ignore = "takes ten minutes"]
fn damaged_files_are_survived_for_long() {
    let seed = rand::random();
    println!("seed {seed}");
    read_damaged(Duration::from_secs(600), seed);
}
