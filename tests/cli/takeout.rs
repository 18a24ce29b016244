//! `gphotosfs diff` against exports of Google Takeout: no network, no login, no mount.

mod damage;
mod doubtful;
mod empty;
mod hashes;
mod large;
mod missing;
mod unfinished;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::program::{Run, User};
use crate::support::takeout::{Item, Takeout};
use crate::support::{camera, photo, schema};

/// A user with a folder of photos and an export.
struct Case {
    user: User,
    takeout: Takeout,
}

impl Case {
    fn of(parts: usize) -> Self {
        let case = Self { user: User::new(), takeout: Takeout::of(parts) };
        case.user.dir("photo");
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.user.home.path().join(name)
    }

    fn local(&self, name: &str, content: &[u8]) {
        let path = self.path("photo").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Compares with these parts.
    fn diff_with(&self, parts: &[PathBuf], options: &[&str]) -> Run {
        let local = self.path("photo");
        let paths: Vec<_> =
            [&local].into_iter().chain(parts).map(|it| it.to_str().unwrap()).collect();
        self.user.run(&[&["diff"], &paths[..], options].concat())
    }

    fn diff(&self, options: &[&str]) -> Run {
        self.diff_with(&self.takeout.zips(self.user.home.path()), options)
    }

    /// The comparison with an album.
    #[track_caller]
    fn json(&self, album: &str, status: i32) -> Value {
        parsed(self.diff(&["--json", "--album", album]).exits(status))
    }
}

#[track_caller]
fn parsed(run: &Run) -> Value {
    schema::check("diff", &run.stdout())
}

/// How a folder and its album differ.
struct Folders {
    shared: u64,
    only_here: u64,
    only_there: u64,
}

impl Folders {
    /// Spreads the album over three zips, photos and JSON files apart, with the folder of the year.
    #[track_caller]
    fn are_told_apart(&self, sums: [&str; 2]) {
        let mut case = Case::of(3);
        case.takeout.album(2, "20190428", "20190428", "metadata");
        for at in 0..self.shared + self.only_there + self.only_here {
            let (title, content) = (format!("DSC_{at:04}.JPG"), photo(at, 300));
            if at < self.shared || at >= self.shared + self.only_there {
                case.local(&title, &content);
            }
            if at < self.shared + self.only_there {
                let part = at as usize;
                for folder in ["20190428", "Photos from 2019"] {
                    let item = Item::of(folder, &title, &content);
                    case.takeout.item((part % 3, part / 7 % 3), &item);
                }
            }
        }
        let names = |from: u64, count: u64| {
            (from..from + count).map(|at| format!("DSC_{at:04}.JPG")).collect::<Vec<_>>()
        };
        let said = case.json("20190428", 1);
        assert_eq!(said["source"], "takeout");
        assert_eq!(said["only_in_album"], json!(names(self.shared, self.only_there)));
        assert_eq!(said["only_here"], json!(names(self.shared + self.only_there, self.only_here)));
        assert_eq!(said["same"]["identical"], self.shared);
        for none in
            ["different", "renamed", "twins_here", "twins_in_album", "unreadable", "damaged"]
        {
            assert_eq!(said[none], json!([]), "{none}");
        }
        for none in ["stored_smaller", "missing", "undescribed", "copies"] {
            assert_eq!(said[none], json!([]), "{none}");
        }
        let text = case.diff(&["--album", "20190428"]);
        text.exits(1);
        assert_eq!(text.stdout().lines().take(2).collect::<Vec<_>>(), sums);
        assert_eq!(text.stderr(), "");
    }
}

#[test]
fn the_missing_file_of_an_album_in_three_zips_is_named() {
    Folders { shared: 3281, only_here: 1, only_there: 0 }.are_told_apart([
        "3282 local = 3281 in the album + 1 only here",
        "3281 in the album = 3281 here",
    ]);
}

#[test]
fn all_that_differs_from_an_album_in_three_zips_is_named() {
    Folders { shared: 5215, only_here: 6, only_there: 15 }.are_told_apart([
        "5221 local = 5215 in the album + 6 only here",
        "5230 in the album = 5215 here + 15 only in the album",
    ]);
}

#[test]
fn albums_are_recognised_in_any_language() {
    let mut case = Case::of(2);
    let (a, b) = (photo(1, 300), photo(2, 400));
    case.takeout.album(1, "Été", "Été", "métadonnées");
    case.takeout.item((0, 0), &Item::of("Été", "a.jpg", &a));
    case.takeout.item((0, 0), &Item::of("Été", "b.jpg", &b));
    case.takeout.add(0, "Été/b-modifié.jpg", photo(3, 200));
    case.takeout.item((0, 0), &Item::of("Photos de 2019", "a.jpg", &a));
    case.takeout.album(0, "Sans titre(9)", "", "métadonnées");
    case.takeout.paper(0, &Item::of("Sans titre(9)", "gone.jpg", b""));
    case.takeout.add(0, "print-subscriptions.json", "{}");
    // Other services of Google, whose files are no photos' business.
    case.takeout.parts[0].push(("Takeout/archive_browser.html".into(), b"<html>".to_vec()));
    case.takeout.parts[0].push(("Takeout/Drive/Trip/x.jpg".into(), a.clone()));
    case.takeout.parts[0].push(("Takeout/Drive/Trip/y.json".into(), b"[]".to_vec()));

    let said = parsed(case.diff(&["--json"]).exits(0));
    let row = |title: &str, folder: &str, counts: [u32; 4]| {
        let [items, files, missing, bytes] = counts;
        json!({"title": title, "folder": format!("Google Photos/{folder}"), "items": items,
            "files": files, "missing": missing, "bytes": bytes})
    };
    assert_eq!((&said["version"], &said["source"]), (&json!(1), &json!("takeout")));
    let albums =
        [row("Sans titre(9)", "Sans titre(9)", [1, 0, 1, 0]), row("Été", "Été", [2, 3, 0, 900])];
    assert_eq!(said["albums"], json!(albums));
    assert_eq!(said["folders"], json!([row("Photos de 2019", "Photos de 2019", [1, 1, 0, 300])]));
    let text = case.diff(&[]);
    text.exits(0);
    for line in [
        "2 albums, and 1 folder without an album's description\n",
        "\n  Été: 2 items, 3 files of 900 B\n",
        "\n  Sans titre(9): 1 item, 0 files of 0 B; 1 item in none of these parts\n",
        "\n  Photos de 2019: 1 item, 1 file of 300 B\n",
    ] {
        assert!(text.stdout().contains(line), "{line} in {}", text.stdout());
    }
    // The folder of a year can be compared as well.
    case.local("a.jpg", &a);
    case.diff(&["--album", "Photos de 2019"]).exits(0);
    case.diff(&["--album", "Summer"])
        .exits(2)
        .says("the export has no album 'Summer'\n  -> it has 'Sans titre(9)', 'Été'\n");
}

#[test]
fn full_names_come_from_the_descriptions() {
    let mut case = Case::of(2);
    let long = "a very long name of a photo that was taken by me on a hill.jpg";
    let titles =
        [long, "a:b?.jpg", "IMG_1.jpg", "IMG_1.jpg", "IMG_1.jpg", "20190428/img_7.jpg", "é.jpg"];
    let mut number = 0;
    for (at, title) in titles.into_iter().enumerate() {
        let content = photo(at as u64, 300);
        let item = Item { number, ..Item::of("Trip", title, &content) };
        case.takeout.item((at % 2, (at + 1) % 2), &item);
        number = if title == "IMG_1.jpg" { number + 1 } else { 0 };
    }
    case.takeout.album(0, "Trip", "Trip", "metadata");
    for (at, name) in
        [(0, long), (1, "a:b?.jpg"), (4, "IMG_1.jpg"), (2, "other.jpg"), (5, "img_7.jpg")]
    {
        case.local(name, &photo(at, 300));
    }
    case.local("é.jpg", &photo(6, 300));
    let said = case.json("Trip", 1);
    assert_eq!(said["same"]["identical"], 5, "{said}");
    // The third of its name has the bytes of the local file, and so the name. The first gets a
    // number, because its name in the export is taken, too.
    let renamed = json!([{"here": "other.jpg", "album": "IMG_1 (2).jpg", "sure": "identical"}]);
    assert_eq!(said["renamed"], renamed);
    assert_eq!(
        (&said["only_here"], &said["only_in_album"]),
        (&json!([]), &json!(["IMG_1(1).jpg"]))
    );
}

#[test]
fn copies_that_google_made_are_not_counted_unless_they_are_here() {
    let mut case = Case::of(1);
    let [still, edited, video, other] = [1, 2, 3, 4].map(|seed| photo(seed, 300));
    case.takeout.album(0, "Trip", "Trip", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip", "IMG_1.HEIC", &still));
    case.takeout.add(0, "Trip/IMG_1.MP4", video.clone());
    case.takeout.add(0, "Trip/IMG_1-bearbeitet.HEIC", edited.clone());
    case.takeout.item((0, 0), &Item::of("Trip", "PXL_2.MP.jpg", &other));
    case.takeout.add(0, "Trip/PXL_2.MP", photo(5, 300));
    case.local("IMG_1.HEIC", &still);
    case.local("PXL_2.MP.jpg", &other);
    let said = case.json("Trip", 0);
    assert_eq!((&said["files_in_album"], &said["same"]["identical"]), (&json!(2), &json!(2)));
    let copies = [
        json!({"name": "IMG_1-bearbeitet.HEIC", "of": "IMG_1.HEIC"}),
        json!({"name": "IMG_1.MP4", "of": "IMG_1.HEIC"}),
        json!({"name": "PXL_2.MP", "of": "PXL_2.MP.jpg"}),
    ];
    assert_eq!(said["copies"], json!(copies));
    // A live photo has both files here.
    case.local("IMG_1.MOV", &video);
    case.local("IMG_1-bearbeitet.HEIC", &photo(6, 300));
    let said = case.json("Trip", 1);
    let renamed = json!([{"here": "IMG_1.MOV", "album": "IMG_1.MP4", "sure": "identical"}]);
    assert_eq!(said["renamed"], renamed);
    assert_eq!(said["different"], json!(["IMG_1-bearbeitet.HEIC"]));
    assert_eq!(said["copies"], json!(copies[2..]));
}

#[test]
fn copies_in_storage_saver_quality_are_told_apart_from_other_content() {
    let mut case = Case::of(1);
    let taken = "2019:04:28 09:00:05";
    let large = |seed, taken| camera::sized_photo(seed, taken, (600, 400));
    let small = |seed, taken| camera::sized_photo(seed, taken, (300, 200));
    case.takeout.album(0, "Trip", "Trip", "metadata");
    for (name, here, there) in [
        ("reduced.jpg", large(1, taken), small(1, taken)),
        ("other-day.jpg", large(2, taken), small(2, "2019:05:28 09:00:06")),
        ("cropped.jpg", large(3, taken), camera::sized_photo(3, taken, (300, 210))),
        ("larger.jpg", small(4, taken), large(4, taken)),
    ] {
        case.local(name, &here);
        let seconds = if name == "other-day.jpg" { 1_559_034_006 } else { 1_556_442_005 };
        let item = Item { taken: seconds, ..Item::of("Trip", name, &there) };
        case.takeout.item((0, 0), &item);
    }
    let said = case.json("Trip", 1);
    assert_eq!(said["different"], json!(["cropped.jpg", "larger.jpg", "other-day.jpg"]), "{said}");
    let smaller = said["stored_smaller"].as_array().unwrap();
    assert_eq!(smaller.len(), 1);
    assert_eq!(smaller[0]["name"], "reduced.jpg");
    let dimensions = json!({"fact": "dimensions", "here": "600×400", "album": "300×200"});
    assert_eq!(smaller[0]["by"][0], dimensions);
    let text = case.diff(&["--album", "Trip"]);
    assert!(
        text.stdout()
            .starts_with("4 local = 0 in the album + 3 with other content + 1 stored smaller\n")
    );
    assert!(
        text.stdout().contains(
            "\n  reduced.jpg: other dimensions: 600×400 here, 300×200 there; other size: "
        )
    );
}

#[test]
fn items_whose_files_are_in_no_part_are_compared_by_name_and_time() {
    let mut case = Case::of(3);
    // Each of a second of its own: shots of one second cannot be told apart without their files.
    let [a, b, c] = [1, 2, 3]
        .map(|seed| camera::photo(seed, &format!("2019:04:28 09:00:0{}", 4 + seed), false));
    case.takeout.album(0, "Trip", "Trip", "metadata");
    // The second part is not here: it has the album's photos. The year's are in the third.
    for (after, (name, content)) in (0..).zip([("a.jpg", &a), ("b.jpg", &b), ("gone.jpg", &c)]) {
        let item = Item::of("Trip", name, content);
        case.takeout.item((1, 0), &Item { taken: item.taken + after, ..item });
    }
    let item = Item::of("Photos from 2019", "b.jpg", &b);
    case.takeout.item((2, 2), &Item { taken: item.taken + 1, ..item });
    case.takeout.add(0, "Trip/bare.jpg", photo(9, 300));
    case.local("a.jpg", &a);
    case.local("b.jpg", &b);
    let zips = case.takeout.zips(case.user.home.path());
    let parts = [zips[0].clone(), zips[2].clone()];
    let run = case.diff_with(&parts, &["--json", "--album", "Trip"]);
    run.exits(1)
        .says("a part of the export is missing, takeout-20261101T120000Z-002.zip for example");
    let said = parsed(&run);
    assert_eq!(
        (&said["same"]["identical"], &said["same"]["likely"]),
        (&json!(1), &json!(["a.jpg"]))
    );
    assert_eq!(said["only_in_album"], json!(["bare.jpg", "gone.jpg"]));
    assert_eq!(
        (&said["missing"], &said["undescribed"]),
        (&json!(["a.jpg", "gone.jpg"]), &json!(["bare.jpg"]))
    );
}

#[test]
fn directories_are_exports_as_well_and_may_hold_the_zips() {
    let mut case = Case::of(2);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    for at in 0..4 {
        let content = photo(at, 300);
        let title = format!("{at}.jpg");
        case.takeout.item((at as usize % 2, 1), &Item::of("Trip", &title, &content));
        case.local(&title, &content);
    }
    let zips = case.takeout.zips(&PathBuf::from(case.user.dir("downloads")));
    case.takeout.extract(&case.path("extracted"));
    let root = case.path("extracted/Takeout/Google Photos");
    for parts in [
        vec![case.path("downloads")],
        vec![case.path("extracted")],
        vec![root.clone()],
        vec![root.join("Trip")],
        // Each file twice, and the same zip twice.
        vec![case.path("extracted"), zips[0].clone(), case.path("downloads"), root],
    ] {
        let run = case.diff_with(&parts, &["--json", "--album", "Trip"]);
        assert_eq!(parsed(run.exits(0))["same"]["identical"], 4, "{parts:?}");
    }
}

#[test]
fn albums_below_an_album_are_its_directories_and_equal_titles_are_asked_about() {
    let mut case = Case::of(1);
    let (a, b, c) = (photo(1, 300), photo(2, 300), photo(3, 300));
    case.takeout.album(0, "Trip", "Trip", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip", "a.jpg", &a));
    case.takeout.album(0, "Trip_Alps", "Trip/Alps", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip_Alps", "b.jpg", &b));
    case.local("a.jpg", &a);
    case.local("Alps/b.jpg", &b);
    case.diff(&["--album", "Trip"]).exits(0);
    case.takeout.album(0, "Trip(1)", "Trip", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip(1)", "c.jpg", &c));
    case.diff(&["--album", "Trip"]).exits(2).says(
        "the export has 2 albums 'Trip'\n  -> say which by its folder: --album 'Google Photos/Trip' \
         (1 item) or 'Google Photos/Trip(1)' (1 item)\n",
    );
    assert!(case.diff(&[]).stdout().contains("\n  Trip (in Google Photos/Trip(1)): 1 item, "));
    case.diff(&["--album", "Google Photos/Trip"]).exits(0);
    let said = case.json("Google Photos/Trip(1)", 1);
    assert_eq!(said["only_in_album"], json!(["c.jpg"]));
}

#[test]
fn local_sidecars_are_no_difference() {
    let mut case = Case::of(1);
    let a = photo(1, 300);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip", "a.jpg", &a));
    case.local("a.jpg", &a);
    case.local("a.jpg.supplemental-metadata.json", b"{}");
    case.local("a.xmp", b"<x:xmpmeta/>");
    assert_eq!(case.json("Trip", 0)["kept"].as_array().unwrap().len(), 2);
}
