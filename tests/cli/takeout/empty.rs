//! Empty files on either side.

use serde_json::json;

use super::Case;
use crate::support::photo;
use crate::support::takeout::Item;

fn trip(items: &[(&str, &[u8])]) -> Case {
    let mut case = Case::of(1);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    for (title, content) in items {
        case.takeout.item((0, 0), &Item::of("Trip", title, content));
    }
    case
}

#[test]
fn empty_files_are_counted_apart_on_either_side() {
    let case = trip(&[("b.jpg", b""), ("c.jpg", b""), ("same.jpg", b"")]);
    for name in ["a.jpg", "d.jpg", "same.jpg"] {
        case.local(name, b"");
    }
    let run = case.diff(&["--album", "Trip"]);
    run.exits(1);
    let expected = "3 local = 0 in the album + 3 empty\n3 in the album = 0 here + 3 empty\n\n\
                    Empty in the export, so no photo:\n  b.jpg: it is empty\n  c.jpg: it is empty\n  \
                    same.jpg: it is empty\n\n\
                    Stays here until it has another name or content:\n  a.jpg: it is empty\n  \
                    d.jpg: it is empty\n";
    assert_eq!(run.stdout(), expected);
    let said = case.json("Trip", 1);
    for none in ["renamed", "twins_here", "twins_in_album", "only_in_album", "missing", "different"]
    {
        assert_eq!(said[none], json!([]), "{none}");
    }
    assert_eq!((&said["same"]["identical"], &said["differ"]), (&json!(0), &json!(true)));
    let empty = said["scratch"].as_array().unwrap();
    let names: Vec<_> = empty.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["b.jpg", "c.jpg", "same.jpg"]);
}

#[test]
fn an_empty_file_takes_the_place_of_no_photo() {
    let (six, seven) = (photo(6, 300), photo(7, 300));
    let case = trip(&[("IMG_0006.jpg", b""), ("IMG_0007.jpg", &seven)]);
    case.local("IMG_0006.jpg", &six);
    case.local("IMG_0007.jpg", b"");
    let run = case.diff(&["--album", "Trip"]);
    run.exits(1);
    for part in [
        "2 local = 0 in the album + 1 with other content + 1 empty\n",
        "2 in the album = 0 here + 1 with other content + 1 only in the album\n",
        "Only in the album:\n  IMG_0007.jpg\n",
        "Same name, other content:\n  IMG_0006.jpg: other size: 300 B here, 0 B there\n",
        "another name or content:\n  IMG_0007.jpg: it is empty\n",
    ] {
        assert!(run.stdout().contains(part), "no {part:?} in:\n{}", run.stdout());
    }
    let said = case.json("Trip", 1);
    assert_eq!((&said["only_here"], &said["renamed"]), (&json!(["IMG_0007.jpg"]), &json!([])));
}

#[test]
fn an_empty_copy_by_google_is_not_counted_for_an_empty_file_here() {
    let mut case = trip(&[("a.jpg", &photo(1, 300))]);
    case.takeout.add(0, "Trip/a-edited.jpg", "");
    case.local("a.jpg", &photo(1, 300));
    case.local("b.jpg", b"");
    let said = case.json("Trip", 1);
    assert_eq!(said["copies"], json!([{"name": "a-edited.jpg", "of": "a.jpg"}]), "{said}");
    assert_eq!((&said["files_in_album"], &said["scratch"]), (&json!(1), &json!([])));
}
