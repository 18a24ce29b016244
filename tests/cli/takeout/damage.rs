//! Exports that are damaged, hostile, or none.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{Case, parsed};
use crate::support::photo;
use crate::support::takeout::Item;

/// A case with an album of these files, that are here as well.
fn trip(files: u64) -> Case {
    let mut case = Case::of(1);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    for at in 0..files {
        let (title, content) = (format!("{at}.jpg"), photo(at, 3000));
        case.takeout.item((0, 0), &Item::of("Trip", &title, &content));
        case.local(&title, &content);
    }
    case
}

impl Case {
    /// Changes the bytes of the only zip, and compares with it.
    fn diff_changed(&self, change: impl FnOnce(&mut Vec<u8>), options: &[&str]) -> super::Run {
        let zips = self.takeout.zips(self.user.home.path());
        let mut bytes = fs::read(&zips[0]).unwrap();
        change(&mut bytes);
        fs::write(&zips[0], bytes).unwrap();
        self.diff_with(&zips, options)
    }
}

/// Where some bytes stand in others.
fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|it| it == part).unwrap()
}

#[test]
fn damaged_files_are_named_and_the_others_compared() {
    let case = trip(4);
    let spoil = |bytes: &mut Vec<u8>| {
        let at = find(bytes, b"Takeout/Google Photos/Trip/2.jpg") + 1000;
        bytes[at] ^= 1;
    };
    let run = case.diff_changed(spoil, &["--json", "--album", "Trip"]);
    let said = parsed(run.exits(2));
    let why = "its bytes are damaged, in takeout-20261101T120000Z-001.zip";
    let damaged = json!([{"name": "2.jpg", "here": true, "in_album": true, "why": why}]);
    assert_eq!((&said["damaged"], &said["same"]["identical"]), (&damaged, &json!(3)));
    let text = case.diff_changed(spoil, &["--album", "Trip"]);
    let stdout = text.stdout();
    let sums: Vec<_> = stdout.lines().take(2).collect();
    let damaged = "1 damaged in the export";
    let expected = ["4 local = 3 in the album", "4 in the album = 3 here"];
    assert_eq!(sums, expected.map(|it| format!("{it} + {damaged}")));
}

#[test]
fn a_damaged_description_is_named() {
    let case = trip(1);
    // The text is still JSON, so only the checksum shows it.
    let cut = |bytes: &mut Vec<u8>| {
        let at = find(bytes, b"\"title\":\"Trip\"") + 9;
        bytes[at] = b'x';
    };
    let run = case.diff_changed(cut, &[]);
    run.exits(2);
    let line = "\n  Google Photos/Trip/metadata.json: it is damaged, or no JSON of an export";
    assert!(run.stdout().contains(line), "{}", run.stdout());
    let run = case.diff_changed(cut, &["--album", "Trip"]);
    run.exits(2);
    assert!(run.stdout().contains("\n  metadata.json: "), "{}", run.stdout());
    // It is no file of the album.
    assert!(run.stdout().contains("\n1 in the album = 1 here\n"), "{}", run.stdout());
}

#[test]
fn zips_that_are_not_whole_say_so_before_anything_is_compared() {
    let case = trip(4);
    let damaged = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let run = case.diff_changed(change, &["--album", "Trip"]);
        run.exits(2).says(expected);
        assert_eq!(
            (run.stderr().lines().count(), run.stdout()),
            (2, String::new()),
            "{}",
            run.stderr()
        );
    };
    let cut = "takeout-20261101T120000Z-001.zip is damaged: it has no end: it was cut off, or is one of several \
               pieces\n  -> download this part of the export again, or join the pieces with: zip -s 0 ";
    damaged(&|bytes| bytes.truncate(bytes.len() / 2), cut);
    damaged(&|bytes| bytes.truncate(bytes.len() - 1), cut);
    damaged(&|bytes| bytes.clear(), "is not a zip");
    damaged(&|bytes| *bytes = photo(1, 3000), "is not a zip");
    let piece = "is a piece of a split zip\n  -> join the pieces with: zip -s 0 ";
    damaged(&|bytes| drop(bytes.splice(..0, *b"PK\x07\x08")), piece);
    let end = |bytes: &[u8]| bytes.windows(4).rposition(|it| it == b"PK\x05\x06").unwrap();
    let of_a_later_disk = |bytes: &mut Vec<u8>| {
        let at = end(bytes);
        bytes[at + 4] = 2;
    };
    damaged(&of_a_later_disk, piece);
    let list = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(4).rposition(|it| it == b"PK\x01\x02").unwrap();
        bytes[at] = b'x';
    };
    damaged(&list, "its list of files is damaged");
    // The same bytes of the zip belong to many files: each has the size of the whole.
    let overlap = |bytes: &mut Vec<u8>| {
        let length = u32::try_from(bytes.len()).unwrap();
        let entries: Vec<_> = bytes
            .windows(4)
            .enumerate()
            .filter(|it| it.1 == b"PK\x01\x02")
            .map(|it| it.0)
            .collect();
        for at in entries {
            bytes[at + 20..at + 24].copy_from_slice(&(length / 2).to_le_bytes());
        }
    };
    damaged(&overlap, "claims more files than fit into it");
    case.diff_with(&[case.path("none.zip")], &[]).exits(2).says("\n  -> check the file's name");
    case.diff_with(&[case.path("photo")], &["--album", "Trip"])
        .exits(2)
        .says("photo, but no descriptions of them (JSON files)")
        .says("\n  -> name the other parts of the export, too");
    fs::create_dir(case.path("none")).unwrap();
    case.diff_with(&[case.path("none")], &["--album", "Trip"])
        .exits(2)
        .says("no photos of Google Photos are in ")
        .says("\n  -> name the zips of a Google Takeout export");
    let zips = case.takeout.zips(case.user.home.path());
    case.diff_with(&zips, &["--copy"])
        .exits(2)
        .says("--copy needs the directory of an album on a mount");
}

#[test]
fn sizes_that_cannot_be_true_are_not_read() {
    let case = trip(2);
    let bomb = |bytes: &mut Vec<u8>| {
        let last = bytes.windows(10).rposition(|it| it == b"Trip/1.jpg").unwrap();
        let at = bytes[..last].windows(4).rposition(|it| it == b"PK\x01\x02").unwrap();
        bytes[at + 24..at + 28].copy_from_slice(&0xff00_0000_u32.to_le_bytes());
    };
    let said = parsed(case.diff_changed(bomb, &["--json", "--album", "Trip"]).exits(2));
    let why = said["damaged"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("its size as the zip has it cannot be true"), "{said}");
}

#[test]
fn a_description_may_not_be_long() {
    let mut case = trip(1);
    let text = json!({"title": "Long", "description": "x".repeat(2 << 20)}).to_string();
    case.takeout.add(0, "Long/metadata.json", text);
    case.takeout.add(0, "Long/a.jpg", photo(1, 300));
    let run = case.diff(&[]);
    run.exits(2);
    assert!(
        run.stdout()
            .contains("Google Photos/Long/metadata.json: it is damaged, or no JSON of an export"),
        "{}",
        run.stdout()
    );
}

#[test]
fn names_reach_neither_the_disk_nor_the_terminal() {
    let mut case = Case::of(1);
    case.takeout.album(0, "Trip", "Trip\u{1b}[2J", "metadata");
    let content = photo(1, 300);
    for title in
        ["../../escaped.jpg", "/etc/escaped.jpg", "a\n\u{1b}[2Jb.jpg", "..", "\u{202e}gpj.exe"]
    {
        case.takeout.item((0, 0), &Item::of("Trip", title, &photo(title.len() as u64, 300)));
    }
    for path in ["../../../escaped", "/escaped/abs.jpg", "Takeout/Google Photos/Trip/../x\u{7}.jpg"]
    {
        case.takeout.parts[0].push((path.to_owned(), content.clone()));
    }
    let zips = case.takeout.zips(&case.path(""));
    let listed = || {
        let all = walkdir::WalkDir::new(case.path("")).into_iter();
        all.map(|it| it.unwrap().into_path())
            .filter(|it| !it.to_string_lossy().contains("/.c"))
            .collect::<Vec<_>>()
    };
    let before = listed();
    for options in [
        &[][..],
        &["--json"],
        &["--album", "Trip\u{1b}[2J"],
        &["--json", "--album", "Trip\u{1b}[2J"],
    ] {
        let run = case.diff_with(&zips, options);
        assert!(run.output.status.code() < Some(2), "{}", run.stderr());
        for text in [run.stdout(), run.stderr()] {
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
        }
    }
    assert_eq!(listed(), before);
    assert!(!std::path::Path::new("/escaped").exists());
}

#[test]
fn zips_of_other_programs_are_read() {
    let case = trip(5);
    case.takeout.extract(&case.path("tree"));
    let zip = |options: &[&str], name: &str| {
        let path = case.path(name);
        let mut command = Command::new("zip");
        command.current_dir(case.path("tree")).args(options).arg(&path).args(["-r", "Takeout"]);
        assert!(command.output().unwrap().status.success());
        path
    };
    // Stored, deflated, with data descriptors, and in the form for large files.
    for options in [&["-0"][..], &["-9"], &["-fd"], &["-fz"]] {
        let name = format!("with{}.zip", options[0]);
        let run = case.diff_with(&[zip(options, &name)], &["--json", "--album", "Trip"]);
        assert_eq!(parsed(run.exits(0))["same"]["identical"], 5, "{options:?}");
    }
    case.diff_with(&[zip(&["-P", "secret"], "encrypted.zip")], &["--album", "Trip"])
        .exits(2)
        .says("is encrypted, so it cannot be compared\n  -> extract it with its password");
}

#[test]
fn all_bad_parts_are_named_at_once() {
    let mut case = Case::of(4);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    for at in 0..8 {
        let (title, content) = (format!("{at}.jpg"), photo(at, 3000));
        case.takeout.item((at as usize % 4, 0), &Item::of("Trip", &title, &content));
    }
    let zips = case.takeout.zips(case.user.home.path());
    let spoil = |at: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&zips[at]).unwrap();
        change(&mut bytes);
        fs::write(&zips[at], bytes).unwrap();
    };
    spoil(1, &|bytes| bytes.truncate(bytes.len() / 2));
    spoil(3, &|bytes| {
        let at = bytes.windows(4).rposition(|it| it == b"PK\x01\x02").unwrap();
        bytes[at] = b'x';
    });
    let none = case.path("none.zip");
    let named = [&zips[..], &[none]].concat();
    for (parts, count) in [(named, 3), (vec![case.path("")], 2)] {
        let run = case.diff_with(&parts, &["--album", "Trip"]);
        run.exits(2)
            .says("takeout-20261101T120000Z-002.zip is damaged: it has no end")
            .says("takeout-20261101T120000Z-004.zip is damaged: its list of files is damaged")
            .says(&format!(
                "{count} parts of the export cannot be used\n  -> mend all of them, then run this command again"
            ));
        assert_eq!(run.stderr().contains("none.zip: No such file"), count == 3, "{}", run.stderr());
    }
}

#[test]
fn the_pieces_of_a_split_zip_say_how_to_join_them() {
    let case = trip(40);
    case.takeout.extract(&case.path("tree"));
    let zip = |arguments: &[&str]| {
        let mut command = Command::new("zip");
        command.current_dir(case.path("tree")).args(arguments);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    zip(&["-q", "-s", "64k", "s p.zip", "-r", "Takeout"]);
    let tree = case.path("tree");
    let last = tree.join("s p.zip");
    let join = format!("zip -s 0 '{}' --out OUT.zip", last.display());
    for piece in ["s p.z01", "s p.zip"] {
        let run = case.diff_with(&[tree.join(piece)], &["--album", "Trip"]);
        run.exits(2).says(&format!("is a piece of a split zip\n  -> join the pieces with: {join}"));
    }
    // Cut by another program, a piece has no mark.
    let bytes = fs::read(tree.join("s p.z01")).unwrap();
    let whole = case.takeout.zips(case.user.home.path()).remove(0);
    fs::write(&whole, &bytes[4..]).unwrap();
    let run = case.diff_with(&[whole], &["--album", "Trip"]);
    run.exits(2).says("or join the pieces with: zip -s 0 ");
    // The printed command does what it says.
    zip(&["-q", "-s", "0", "s p.zip", "--out", "joined.zip"]);
    let run = case.diff_with(&[tree.join("joined.zip")], &["--json", "--album", "Trip"]);
    assert_eq!(parsed(run.exits(0))["same"]["identical"], 40);
}

#[test]
fn a_directory_that_is_no_export_is_told_what_was_looked_for() {
    let case = trip(1);
    fs::create_dir(case.path("empty")).unwrap();
    for options in [&[][..], &["--json"]] {
        case.diff_with(&[case.path("empty")], options)
            .exits(2)
            .says("empty is not on a gphotosfs mount of yours, and no export of Google Takeout: it has no zip, and no JSON")
            .says("\n  -> name an album's directory (after 'gphotosfs mount MOUNTPOINT'); or the zips of an export, or ");
    }
}
