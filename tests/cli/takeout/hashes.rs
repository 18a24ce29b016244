//! Photos of an export that are here under other names: their bytes decide before their names.

use serde_json::{Value, json};

use super::Case;
use crate::support::photo;
use crate::support::takeout::Item;

/// The album `Trip`, by titles and contents; and the local folder.
#[track_caller]
fn diff(album: &[(&str, u64)], local: &[(&str, u64)], status: i32) -> Value {
    let mut case = Case::of(1);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    for (at, &(title, seed)) in album.iter().enumerate() {
        let number = album[..at].iter().filter(|it| it.0 == title).count() as u32;
        let content = photo(seed, 300);
        let item = Item { number, taken: seed as i64, ..Item::of("Trip", title, &content) };
        case.takeout.item((0, 0), &item);
    }
    for &(name, seed) in local {
        case.local(name, &photo(seed, 300));
    }
    case.json("Trip", status)
}

#[track_caller]
fn only_here(said: &Value, names: &[&str]) {
    assert_eq!(said["only_here"], json!(names), "{said}");
    for none in ["only_in_album", "different", "stored_smaller"] {
        assert_eq!(said[none], json!([]), "{said}");
    }
}

#[test]
fn a_photo_that_is_there_under_the_name_of_another_is_there() {
    let said = diff(&[("A.jpg", 1)], &[("A.jpg", 0), ("B.jpg", 1)], 1);
    only_here(&said, &["A.jpg"]);
    let renamed = json!([{"here": "B.jpg", "album": "A.jpg", "sure": "identical"}]);
    assert_eq!(said["renamed"], renamed);
}

#[test]
fn the_number_of_a_second_item_hides_no_photo() {
    let local = [("A.jpg", 0), ("A(1).jpg", 1), ("A(2).jpg", 2)];
    let said = diff(&[("A.jpg", 0), ("A.jpg", 2)], &local, 1);
    only_here(&said, &["A(1).jpg"]);
    assert_eq!(
        (&said["same"]["identical"], &said["renamed"][0]["here"]),
        (&json!(1), &json!("A(2).jpg"))
    );
}

#[test]
fn of_names_that_are_shifted_exactly_the_missing_photo_is_named() {
    let names: Vec<_> = (0..6).map(|at| format!("I{at}.jpg")).collect();
    let local: Vec<_> = names.iter().zip(0..).map(|(name, at)| (name.as_str(), at)).collect();
    let album: Vec<_> = names[..5].iter().zip(1..).map(|(name, at)| (name.as_str(), at)).collect();
    only_here(&diff(&album, &local, 1), &["I0.jpg"]);
}

#[test]
fn copies_of_a_photo_that_has_the_name_of_another_are_twins() {
    let said = diff(&[("A.jpg", 0)], &[("A.jpg", 5), ("Acopy.jpg", 0), ("A2.jpg", 0)], 1);
    only_here(&said, &["A.jpg"]);
    assert_eq!(said["twins_here"], json!([{"name": "Acopy.jpg", "of": "A2.jpg"}]));
}

#[test]
fn two_photos_with_each_others_names_are_no_difference() {
    let said = diff(&[("A.jpg", 0), ("B.jpg", 1)], &[("A.jpg", 1), ("B.jpg", 0)], 0);
    only_here(&said, &[]);
}
