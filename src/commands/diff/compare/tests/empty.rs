//! Empty files: that two of them have the same bytes says nothing.

use super::*;

fn empty() -> Facts {
    Facts::of_bytes(0, hash(0))
}

#[test]
fn empty_files_of_both_sides_are_not_the_same_photo() {
    let here = [("a.jpg", empty()), ("c.jpg", empty())];
    for stage in [Stage::Committed, Stage::Temporary] {
        let there = [("b.jpg", empty(), stage.clone()), ("d.jpg", empty(), stage)];
        let found = check(
            &sides(&here, &there, &[]),
            "2 local = 0 in the album + 2 only here",
            "2 in the album = 0 here + 2 empty",
            true,
        );
        assert_eq!((found.renamed.len(), found.duplicates_in_album.len()), (0, 0));
    }
}

#[test]
fn an_empty_file_takes_no_item_from_the_file_of_its_name() {
    let here = [("IMG_6.jpg", known(6)), ("IMG_7.jpg", empty())];
    let there =
        [("IMG_6.jpg", empty(), Stage::Committed), ("IMG_7.jpg", known(7), Stage::Committed)];
    let found = check(
        &sides(&here, &there, &[]),
        "2 local = 0 in the album + 1 with other content + 1 only here",
        "2 in the album = 0 here + 1 with other content + 1 only in the album",
        true,
    );
    assert_eq!(found.different_by[0].to_string(), "IMG_6.jpg: other size: 6 B here, 0 B there");
    assert_eq!(
        (found.only_here, found.only_in_album),
        (vec![name("IMG_7.jpg")], vec![name("IMG_7.jpg")])
    );
}

#[test]
fn empty_files_of_one_name_are_empty_and_not_identical() {
    for stage in [Stage::Committed, Stage::Temporary] {
        let found = check(
            &sides(&[("a.jpg", empty())], &[("a.jpg", empty(), stage)], &[]),
            "1 local = 0 in the album + 1 empty",
            "1 in the album = 0 here + 1 empty",
            true,
        );
        assert_eq!(found.temporary[0].why, "it is empty");
    }
}

#[test]
fn an_empty_file_is_no_item_about_which_little_is_known() {
    // A pick tells neither sizes nor hashes.
    let there = |stage| [("a.jpg", taken(7, Facts::default()), stage)];
    check(
        &sides(&[("a.jpg", empty())], &there(Stage::Committed), &[]),
        "1 local = 0 in the album + 1 only here",
        "1 in the album = 0 here + 1 only in the album",
        true,
    );
    check(
        &sides(&[("a.jpg", empty())], &there(on_its_way()), &[]),
        "1 local = 0 in the album + 1 only here",
        "1 in the album = 0 here + 1 on the way",
        true,
    );
    let wanted = sizes_wanted(
        &[("a.jpg".into(), empty())].into(),
        &sides(&[], &there(Stage::Committed), &[]).there,
    );
    assert!(wanted.is_empty(), "{wanted:?}");
}
