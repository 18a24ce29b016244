//! Exports whose files may mislead: of several exports, in the bin, without descriptions.

use std::fs;

use serde_json::json;

use super::{Case, parsed};
use crate::support::photo;
use crate::support::takeout::{Item, Takeout};

#[test]
fn zips_of_several_exports_are_refused_with_the_choice() {
    let mut case = Case::of(1);
    let (a, b) = (photo(1, 300), photo(2, 300));
    case.takeout.album(0, "Trip", "Trip", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip", "A.jpg", &a));
    let mut older = Takeout { parts: case.takeout.parts.clone() };
    // It was removed from the album since.
    older.item((0, 0), &Item::of("Trip", "B.jpg", &b));
    case.local("A.jpg", &a);
    case.local("B.jpg", &b);
    let downloads = case.path("downloads");
    fs::create_dir(&downloads).unwrap();
    let old = older.zips(&downloads).remove(0);
    let old_name = downloads.join("takeout-20250901T120000Z-001.zip");
    fs::rename(old, &old_name).unwrap();
    let new = case.takeout.zips(&downloads).remove(0);
    for parts in [vec![downloads.clone()], vec![old_name.clone(), new.clone()]] {
        for options in [&["--album", "Trip", "--json"][..], &[]] {
            let run = case.diff_with(&parts, options);
            run.exits(2).says(&format!(
                "the zips are of 2 exports, made at 20250901T120000Z, 20261101T120000Z\n  -> name the zips of one \
                 export only; the latest is {}\n",
                new.display()
            ));
            assert_eq!(run.stdout(), "");
        }
    }
    let said = parsed(case.diff_with(&[new], &["--album", "Trip", "--json"]).exits(1));
    assert_eq!(said["only_here"], json!(["B.jpg"]));
}

#[test]
fn a_photo_in_the_bin_is_not_in_the_album() {
    let mut case = Case::of(1);
    let (a, b) = (photo(1, 300), photo(2, 300));
    case.takeout.album(0, "Trip", "Trip", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip", "B.jpg", &b));
    let item = Item::of("Trip", "A.jpg", &a);
    case.takeout.add(0, &format!("Trip/{}", item.file()), a.clone());
    let text = item.text().replacen('{', "{\"trashed\": true,", 1);
    case.takeout.add(0, &format!("Trip/{}", item.paper()), text);
    case.local("A.jpg", &a);
    case.local("B.jpg", &b);
    let said = case.json("Trip", 1);
    assert_eq!((&said["only_here"], &said["binned"]), (&json!(["A.jpg"]), &json!(["A.jpg"])));
    assert_eq!(said["files_in_album"], 1);
    let text = case.diff(&["--album", "Trip"]);
    assert!(text.stdout().contains("\nIn the bin at Google, so not in the album:\n  A.jpg\n"));
}

/// Neither is waited for, and an archive of the other kind says what to do.
#[test]
fn pipes_and_tar_archives_are_no_zips() {
    let case = Case::of(1);
    let pipe = case.path("pipe.zip");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    case.diff_with(&[pipe], &["--album", "Trip"])
        .exits(2)
        .says("is not a zip, and not even a file");
    let archive = case.path("takeout-20261101T120000Z-001.tgz");
    fs::write(&archive, photo(1, 300)).unwrap();
    let run = case.diff_with(&[archive], &["--album", "Trip"]);
    run.exits(2).says("001.tgz is not a zip\n  -> extract all archives into one directory");
}

/// A photo of the user's may have the name of a copy. If descriptions are missing, nobody knows.
#[test]
fn what_may_be_a_copy_or_a_photo_is_a_difference() {
    let mut case = Case::of(2);
    let a = photo(1, 300);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    // The descriptions are in the second part.
    case.takeout.item((0, 1), &Item::of("Trip", "A.jpg", &a));
    case.takeout.item((0, 1), &Item::of("Trip", "A.MP4", &photo(2, 300)));
    case.takeout.item((0, 1), &Item::of("Trip", "A-edited.jpg", &photo(3, 300)));
    case.takeout.add(0, "Trip/A.MP", photo(4, 300));
    case.local("A.jpg", &a);
    let zips = case.takeout.zips(case.user.home.path());
    let options = ["--json", "--album", "Trip"];
    let said = parsed(case.diff_with(&zips[..1], &options).exits(1));
    let of = |name: &str| json!({"name": name, "of": "A.jpg"});
    assert_eq!(said["maybe_copies"], json!([of("A-edited.jpg"), of("A.MP4")]), "{said}");
    assert_eq!((&said["copies"], &said["files_in_album"]), (&json!([of("A.MP")]), &json!(3)));
    let text = case.diff_with(&zips[..1], &["--album", "Trip"]);
    let sum = "1 local = 1 in the album\n3 in the album = 1 here + 2 copies or items\n";
    assert!(text.stdout().starts_with(sum), "{}", text.stdout());
    // With them, they are items.
    let said = parsed(case.diff_with(&zips, &options).exits(1));
    assert_eq!(said["only_in_album"], json!(["A-edited.jpg", "A.MP4"]));
    assert_eq!(said["maybe_copies"], json!([]));
}
