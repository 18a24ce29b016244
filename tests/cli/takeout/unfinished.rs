//! Parts that are still being downloaded.

use std::fs;

use serde_json::json;

use super::{Case, parsed};
use crate::support::photo;
use crate::support::takeout::Item;

#[test]
fn a_download_that_has_not_ended_is_named() {
    for ending in ["crdownload", "part", "partial", "download", "opdownload"] {
        let mut case = Case::of(2);
        case.takeout.album(0, "Trip", "Trip", "metadata");
        for at in 0..2 {
            let (title, content) = (format!("{at}.jpg"), photo(at, 300));
            case.takeout.item((at as usize, at as usize), &Item::of("Trip", &title, &content));
            case.local(&title, &content);
        }
        let downloads = case.user.dir("downloads");
        let zips = case.takeout.zips(downloads.as_ref());
        let half = format!("takeout-20261101T120000Z-002.zip.{ending}");
        fs::rename(&zips[1], zips[1].with_file_name(&half)).unwrap();
        let warning = format!("gphotosfs: a download that has not ended is left out: {half}; ");
        for parts in [vec![downloads.clone().into()], vec![zips[0].clone()]] {
            let run = case.diff_with(&parts, &["--json", "--album", "Trip"]);
            run.exits(1)
                .says(&warning)
                .says("\n  -> wait until it has, then run this command again");
            assert_eq!(parsed(&run)["only_here"], json!(["1.jpg"]));
            case.diff_with(&parts, &[]).exits(0).says(&warning);
        }
        fs::remove_file(&zips[0]).unwrap();
        case.diff_with(&[downloads.into()], &[])
            .exits(2)
            .says(&warning)
            .says("no photos of Google");
    }
}

#[test]
fn the_download_of_another_export_is_no_part() {
    let mut case = Case::of(1);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    case.takeout.item((0, 0), &Item::of("Trip", "a.jpg", &photo(1, 300)));
    let zips = case.takeout.zips(case.user.home.path());
    for name in ["takeout-20251101T120000Z-002.zip.crdownload", "film.mkv.part"] {
        fs::write(case.path(name), "x").unwrap();
    }
    assert_eq!(case.diff_with(&zips, &[]).exits(0).stderr(), "");
}
