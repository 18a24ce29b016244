//! Names as exports have them.

use proptest::prelude::*;

use super::*;

/// The file of each document, by name.
fn paired(files: &[&str], documents: &[(&str, Option<&str>)]) -> Vec<Option<String>> {
    let documents: Vec<_> =
        documents.iter().map(|&(stem, title)| Document { stem, title }).collect();
    let found = pairs(files, &documents).into_iter();
    found.map(|it| it.map(|at| files[at].to_owned())).collect()
}

/// Documents with the files that they must get, each without and with its title.
fn are_paired(expected: &[(&str, &str, &str)]) {
    let files: Vec<_> = expected.iter().map(|it| it.1).collect();
    let wanted: Vec<_> = expected.iter().map(|it| Some(it.1.to_owned())).collect();
    for with_title in [false, true] {
        let documents: Vec<_> =
            expected.iter().map(|it| (it.0, with_title.then_some(it.2))).collect();
        assert_eq!(paired(&files, &documents), wanted, "{with_title}");
    }
}

const LONG: &str = "a very long name of a photo that was taken by me on a hill";

#[test]
fn documents_of_all_years_find_their_files() {
    are_paired(&[
        ("IMG_1.jpg.supplemental-metadata", "IMG_1.jpg", "IMG_1.jpg"),
        ("IMG_2.jpg", "IMG_2.jpg", "IMG_2.jpg"),
        ("IMG_3.jpg.suppl", "IMG_3.jpg", "IMG_3.jpg"),
        ("IMG_10.jpg.", "IMG_10.jpg", "IMG_10.jpg"),
    ]);
    // A title may have no extension.
    let bare = |title| paired(&["bare.jpg"], &[("bare.supplemental-metadata", title)]);
    assert_eq!(bare(Some("bare")), [Some("bare.jpg".to_owned())]);
    assert_eq!(bare(None), [None]);
}

#[test]
fn numbers_move_behind_the_extension() {
    are_paired(&[
        ("IMG_1.jpg.supplemental-metadata", "IMG_1.jpg", "IMG_1.jpg"),
        ("IMG_1.jpg.supplemental-metadata(1)", "IMG_1(1).jpg", "IMG_1.jpg"),
        ("IMG_1.jpg.supplemental-metadata(12)", "IMG_1(12).jpg", "IMG_1.jpg"),
        ("IMG_2.jpg(1)", "IMG_2(1).jpg", "IMG_2.jpg"),
        // This one has its number from the user.
        ("IMG_3(1).jpg.supplemental-metadata", "IMG_3(1).jpg", "IMG_3(1).jpg"),
    ]);
}

#[test]
fn truncated_names_find_each_other() {
    let file = format!("{}.jpg", &LONG[..47]);
    are_paired(&[(&LONG[..46], &file, &format!("{LONG}.jpg"))]);
    // The document's name is cut within its middle part.
    let name = "a name of thirty-six letters or more.jpg";
    let document = format!("{name}.suppl");
    assert_eq!(document.len(), 46);
    are_paired(&[(&document, name, name)]);
    // Letters of several bytes.
    let accents = "é".repeat(46);
    are_paired(&[(&accents, &format!("{accents}é.jpg"), &format!("{accents}éé.jpg"))]);
}

#[test]
fn titles_decide_between_names_that_are_alike() {
    let stem = &LONG[..46];
    let (a, b) = (format!("{stem}A.jpg"), format!("{stem}B.jpg"));
    let (title_a, title_b) = (format!("{stem}A and more.jpg"), format!("{stem}B and more.jpg"));
    let second = format!("{stem}(1)");
    let documents = [(stem, Some(title_b.as_str())), (second.as_str(), Some(title_a.as_str()))];
    assert_eq!(paired(&[&a, &b], &documents), [Some(b.clone()), Some(a.clone())]);
}

#[test]
fn replaced_characters_are_no_other_title() {
    assert!(is_title_of("a:b?.jpg", "a_b_.jpg"));
    assert!(is_title_of("20190428/img_1.jpg", "20190428_img_1.jpg"));
    assert!(!is_title_of("aXb_.jpg", "a_b_.jpg"));
    assert!(!is_title_of("a_b_.jpg", "a:b?.jpg"));
    assert!(!is_title_of("IMG_10.jpg", "IMG_1.jpg"));
}

#[test]
fn a_document_of_an_album_or_of_a_missing_file_gets_none() {
    let files = ["IMG_1.jpg", "IMG_10.jpg"];
    for stem in ["metadata", "métadonnées", "IMG", "IMG_1", "IMG_2.jpg.supplemental-metadata", ""]
    {
        assert_eq!(paired(&files, &[(stem, None)]), [None], "{stem}");
    }
    // A short name is never cut, whatever its title.
    assert_eq!(paired(&files, &[("IMG", Some("IMG_1.jpg"))]), [None]);
}

#[test]
fn copies_are_found_by_their_structure_in_any_language() {
    let files = [
        "IMG_1.jpg",
        "IMG_1-edited.jpg",
        "IMG_1(1).jpg",
        "IMG_1-bearbeitet(1).jpg",
        "IMG_2.HEIC",
        "IMG_2.MP4",
        "PXL_3.MP.jpg",
        "PXL_3.MP",
        "PXL_3.MP~2",
        "IMG_1-modifié.jpg",
        "IMG_1-2.jpg",
        "lost.jpg",
        "lost-edited.jpg",
        "film.mp4",
        "film-edited.mp4",
        "cut.mp4",
        "cut-edited.mp4",
    ];
    let documents = ["IMG_1.jpg", "IMG_1(1).jpg", "IMG_2.HEIC", "PXL_3.MP.jpg", "cut.mp4"];
    let has_document: Vec<_> = files.iter().map(|it| documents.contains(it)).collect();
    let found: Vec<_> = besides(&files, &has_document, &[])
        .into_iter()
        .zip(files)
        .filter_map(|(it, name)| it.map(|it| (name, files[it.of], it.suffix)))
        .collect();
    let expected = [
        ("IMG_1-edited.jpg", "IMG_1.jpg", "-edited.jpg"),
        ("IMG_1-bearbeitet(1).jpg", "IMG_1(1).jpg", "-bearbeitet.jpg"),
        ("IMG_2.MP4", "IMG_2.HEIC", ".MP4"),
        ("PXL_3.MP", "PXL_3.MP.jpg", ""),
        ("PXL_3.MP~2", "PXL_3.MP.jpg", "~2"),
        ("IMG_1-modifié.jpg", "IMG_1.jpg", "-modifié.jpg"),
        ("lost-edited.jpg", "lost.jpg", "-edited.jpg"),
        ("cut-edited.mp4", "cut.mp4", "-edited.mp4"),
    ];
    let expected: Vec<_> = expected.iter().map(|it| (it.0, it.1, it.2.to_owned())).collect();
    assert_eq!(found, expected);
}

proptest! {
    /// Whatever the names, each file gets one document at most.
    #[test]
    fn pairs_are_pairs(
        files in prop::collection::vec("[ab(1).\u{e9}-]{0,6}", 0..8),
        stems in prop::collection::vec("[ab(1).\u{e9}-]{0,50}", 0..8),
    ) {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let documents: Vec<_> =
            stems.iter().map(|it| Document { stem: it, title: Some(it) }).collect();
        let mut found: Vec<_> = pairs(&files, &documents).into_iter().flatten().collect();
        let count = found.len();
        found.sort_unstable();
        found.dedup();
        prop_assert_eq!(found.len(), count);
        let none = vec![false; files.len()];
        let copies = besides(&files, &none, &[]);
        let is_other = |(at, it): (usize, &Option<Beside>)| it.as_ref().is_none_or(|it| it.of != at);
        prop_assert!(copies.iter().enumerate().all(is_other));
    }
}
