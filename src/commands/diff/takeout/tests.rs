//! Damaged and hostile exports: no panic, no hang, and nothing that is here is called missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::formats::damage::{damaged, fixtures};

type Entry = (String, Vec<u8>);

/// The photos of the album, which are here as well.
const PHOTOS: [&str; 6] =
    ["exif.jpg", "exif.heic", "clip.mp4", "located.jpg", "located-edited.jpg", "plain.png"];

const FOLDER: &str = "Takeout/Google Photos/Trip";

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

/// An export with an album, its folder of the year, and documents of each kind.
fn entries() -> Vec<Entry> {
    let mut all = vec![(format!("{FOLDER}/metadata.json"), br#"{"title":"Trip"}"#.to_vec())];
    for name in PHOTOS {
        all.push((format!("{FOLDER}/{name}"), fixture(name)));
        let text = format!(
            r#"{{"title":"{name}","photoTakenTime":{{"timestamp":"1556442005"}},"url":"https://x/{name}"}}"#
        );
        for folder in [FOLDER, "Takeout/Google Photos/Photos from 2019"] {
            let paper = format!("{folder}/{name}.supplemental-metadata.json");
            all.push((paper, text.clone().into_bytes()));
        }
    }
    all.push((
        format!("{FOLDER}/gone.jpg.json"),
        br#"{"title":"gone.jpg","photoTakenTime":{}}"#.into(),
    ));
    all
}

fn zipped(entries: &[Entry], random: &mut StdRng) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        let methods = [CompressionMethod::Stored, CompressionMethod::Deflated];
        let method = *methods.choose(random).unwrap();
        let options = SimpleFileOptions::default().compression_method(method);
        // The writer refuses a second file of one name.
        if zip.start_file(name, options).is_ok() {
            std::io::Write::write_all(&mut zip, content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// Another name in the same folder.
fn renamed(path: &str, random: &mut StdRng) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap();
    let (stem, extension) = naming::split(name);
    let name = match random.random_range(0..8) {
        0 => "..".to_owned(),
        1 => format!("{stem}({}){extension}", random.random_range(0..3)),
        2 => format!("{}{extension}", "x".repeat(random.random_range(1..300))),
        3 => format!("{stem}-edited{extension}"),
        4 => format!("\u{1b}[2J\u{202e}{stem}\0{extension}"),
        5 => format!("{}{extension}", stem.get(..3).unwrap_or("é")),
        6 => format!("IMG_1{extension}"),
        _ => format!("{stem}{extension}{extension}"),
    };
    format!("{folder}/{name}")
}

/// Opens an export, lists its albums, and compares with each of its folders. Returns what is
/// missing from the album, if it was compared.
fn go_through(parts: &[PathBuf], local: &Path) -> Option<Vec<String>> {
    let mut export = Export::open(parts).ok()?;
    report::albums_text(&export);
    report::albums_json(&export, parts).unwrap();
    let folders: Vec<_> = export.folders.iter().map(|it| it.path.clone()).collect();
    let mut missing = None;
    for path in folders {
        let Ok(chosen) = export.choose(&path) else { continue };
        let here = local::read(local, &Hashes::default()).unwrap();
        let sides = (local, &here.files);
        let Ok(mut album) = album::read(&mut export, &chosen, sides) else { continue };
        let result = comparison(local, here, &mut album);
        report::text(&result, &album, true);
        report::json((local, parts, &path), &result, &album).unwrap();
        if path == "Google Photos/Trip" {
            missing = Some(result.only_here.iter().map(ToString::to_string).collect());
        }
    }
    missing
}

fn survive(span: Duration, seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let local = dir.path().join("photo");
    fs::create_dir(&local).unwrap();
    PHOTOS.iter().for_each(|it| fs::write(local.join(it), fixture(it)).unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let (end, mut compared) = (Instant::now() + span, 0);
    while Instant::now() < end {
        let mut entries = entries();
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..entries.len());
            let (name, content) = &mut entries[at];
            match name.ends_with(".json") {
                true if random.random() => *content = damaged(content, &mut random),
                _ => *name = renamed(name, &mut random),
            }
        }
        // Of two files with one name, the writer keeps only one.
        let mut names: Vec<_> = entries.iter().map(|it| &it.0).collect();
        names.sort();
        names.dedup();
        let mut is_whole = names.len() == entries.len();
        let cut = random.random_range(0..=entries.len());
        let parts: Vec<_> = [&entries[..cut], &entries[cut..]]
            .into_iter()
            .enumerate()
            .map(|(at, part)| {
                let path = dir.path().join(format!("{at}.zip"));
                let mut bytes = zipped(part, &mut random);
                if random.random_range(0..3) == 0 {
                    bytes = damaged(&bytes, &mut random);
                    is_whole = false;
                }
                fs::write(&path, bytes).unwrap();
                path
            })
            .collect();
        let begun = Instant::now();
        let missing = go_through(&parts, &local);
        assert!(begun.elapsed() < Duration::from_secs(10), "{seed}");
        if is_whole && let Some(missing) = missing {
            assert_eq!(
                missing,
                [""; 0],
                "{seed} {:?}",
                entries.iter().map(|it| &it.0).collect::<Vec<_>>()
            );
            compared += 1;
        }
    }
    assert!(compared > 0, "{seed}");
}

#[test]
fn damaged_exports_are_survived() {
    survive(Duration::from_secs(3), 1);
}

#[test]
#[ignore = "takes ten minutes"]
fn damaged_exports_are_survived_for_long() {
    let seed = rand::random();
    println!("seed {seed}");
    survive(Duration::from_secs(600), seed);
}
