//! Exports of which a part is missing: descriptions without photos, and photos without descriptions.

use serde_json::{Value, json};

use super::{Case, parsed};
use crate::support::takeout::Item;
use crate::support::{camera, photo};

/// The first photo of a title, and later ones, by their seconds.
const FIRST: i64 = 1_556_442_005;

/// A photo that was taken so many seconds after the first one.
fn taken(after: i64) -> Vec<u8> {
    let text = format!("2019:04:28 09:00:{:02}", 5 + after);
    camera::photo(after as u32, &text, false)
}

/// An album `Trip` of two parts, of which the second is not here.
struct Halved(Case);

impl Halved {
    fn new() -> Self {
        let mut case = Case::of(2);
        case.takeout.album(0, "Trip", "Trip", "metadata");
        Self(case)
    }

    /// Adds a photo to the missing part, with its description in the other one.
    fn described(&mut self, title: &str, number: u32, after: i64) {
        self.item(1, title, number, after);
    }

    fn item(&mut self, part: usize, title: &str, number: u32, after: i64) {
        let content = taken(after);
        let item = Item { number, taken: FIRST + after, ..Item::of("Trip", title, &content) };
        self.0.takeout.item((part, 0), &item);
    }

    #[track_caller]
    fn diff(&self, status: i32) -> Value {
        let zips = self.0.takeout.zips(self.0.user.home.path());
        let options = ["--json", "--album", "Trip"];
        parsed(self.0.diff_with(&zips[..1], &options).exits(status))
    }
}

/// Files and items that are the same, likely the same, only here and only there.
fn groups(said: &Value) -> [&Value; 4] {
    let same = &said["same"];
    [&same["likely"], &same["unknown"], &said["only_here"], &said["only_in_album"]]
}

#[test]
fn of_two_items_of_one_title_the_one_of_the_local_files_time_gets_the_name() {
    for (local, other) in [(0, "IMG_0001(1).jpg"), (1, "IMG_0001 (2).jpg")] {
        let mut case = Halved::new();
        case.described("IMG_0001.jpg", 0, 0);
        case.described("IMG_0001.jpg", 1, 1);
        case.0.local("IMG_0001.jpg", &taken(local));
        let said = case.diff(1);
        let expected = [&json!(["IMG_0001.jpg"]), &json!([]), &json!([]), &json!([other])];
        assert_eq!(groups(&said), expected, "{said}");
    }
}

#[test]
fn of_three_items_of_one_title_each_finds_its_file_here() {
    let mut case = Halved::new();
    for number in 0..3 {
        case.described("IMG_0001.jpg", number, number.into());
    }
    // As the user has named them.
    for (name, after) in [("IMG_0001.jpg", 2), ("IMG_0001(1).jpg", 0), ("IMG_0001(2).jpg", 1)] {
        case.0.local(name, &taken(after));
    }
    let said = case.diff(0);
    assert_eq!(said["same"]["likely"].as_array().unwrap().len(), 3, "{said}");
    // Without a file here, they have the names that Google would give their files.
    let mut case = Halved::new();
    for number in 0..3 {
        case.described("IMG_0001.jpg", number, number.into());
    }
    let names = ["IMG_0001(1).jpg", "IMG_0001(2).jpg", "IMG_0001.jpg"];
    assert_eq!(case.diff(1)["only_in_album"], json!(names));
}

#[test]
fn an_item_that_is_here_does_not_take_the_name_of_one_that_is_missing() {
    let mut case = Halved::new();
    case.item(0, "IMG_0001.jpg", 0, 0);
    case.described("IMG_0001.jpg", 1, 1);
    case.0.local("IMG_0001.jpg", &taken(1));
    let said = case.diff(1);
    let expected = [&json!(["IMG_0001.jpg"]), &json!([]), &json!([]), &json!(["IMG_0001 (2).jpg"])];
    assert_eq!(groups(&said), expected, "{said}");
    assert_eq!(said["different"], json!([]));
}

#[test]
fn a_smaller_copy_gets_the_name_before_another_photo_of_its_title() {
    let mut case = Case::of(1);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    let day = |after| format!("2019:04:28 09:00:{:02}", 5 + after);
    let small = camera::sized_photo(1, &day(1), (300, 200));
    let photos = [taken(0), small];
    for (number, content) in (0..).zip(&photos) {
        let taken = FIRST + i64::from(number);
        let item = Item { number, taken, ..Item::of("Trip", "IMG_0001.jpg", content) };
        case.takeout.item((0, 0), &item);
    }
    case.local("IMG_0001.jpg", &camera::sized_photo(1, &day(1), (600, 400)));
    let said = case.json("Trip", 1);
    assert_eq!(said["stored_smaller"][0]["name"], "IMG_0001.jpg", "{said}");
    assert_eq!(said["only_in_album"], json!(["IMG_0001 (2).jpg"]));
}

#[test]
fn a_missing_item_is_called_by_its_title_and_never_by_its_description() {
    let mut case = Halved::new();
    let long = "a very long name of a photo that was taken by me on a hill.jpg";
    for number in 0..2 {
        case.described(long, number, number.into());
        case.described("métadonnées.jpg", number, number.into());
        // Without a title, the name is that of the description, without its end.
        let untitled = Item { number, ..Item::of("Trip", "IMG_7.jpg", b"") };
        let text = json!({"title": "", "photoTakenTime": {"timestamp": "1556442005"}});
        case.0.takeout.add(0, &format!("Trip/{}", untitled.paper()), text.to_string());
    }
    let said = case.diff(1);
    let names = [
        "IMG_7(1).jpg",
        "IMG_7.jpg",
        "a very long name of a photo that was taken by me on a hill(1).jpg",
        long,
        "métadonnées(1).jpg",
        "métadonnées.jpg",
    ];
    assert_eq!((&said["only_in_album"], &said["missing"]), (&json!(names), &json!(names)));
}

/// Their descriptions may be in the part that is missing, so they may be items as well.
#[test]
fn copies_of_a_missing_photo_may_be_items() {
    let mut case = Halved::new();
    case.described("IMG_1.HEIC", 0, 0);
    case.described("IMG_2.jpg", 1, 1);
    for copy in ["IMG_1.MP4", "IMG_1-edited.HEIC", "IMG_2-bearbeitet(1).jpg"] {
        case.0.takeout.add(0, &format!("Trip/{copy}"), photo(copy.len() as u64, 300));
    }
    let said = case.diff(1);
    assert_eq!(said["only_in_album"], json!(["IMG_1.HEIC", "IMG_2.jpg"]), "{said}");
    let of = |name: &str, of: &str| json!({"name": name, "of": of});
    let copies = [
        of("IMG_1-edited.HEIC", "IMG_1.HEIC"),
        of("IMG_1.MP4", "IMG_1.HEIC"),
        of("IMG_2-bearbeitet.jpg", "IMG_2.jpg"),
    ];
    assert_eq!((&said["maybe_copies"], &said["copies"]), (&json!(copies), &json!([])));
    let zips = case.0.takeout.zips(case.0.user.home.path());
    let listed = parsed(&case.0.diff_with(&zips[..1], &["--json"]));
    assert_eq!(
        (&listed["albums"][0]["items"], &listed["albums"][0]["missing"]),
        (&json!(2), &json!(2))
    );
}

#[test]
fn photos_that_are_not_beside_their_descriptions_are_noticed() {
    let mut case = Halved::new();
    case.described("IMG_1.jpg", 0, 0);
    case.0.local("IMG_1.jpg", &taken(0));
    let zips = case.0.takeout.zips(case.0.user.home.path());
    let run = case.0.diff_with(&zips[..1], &["--album", "Trip"]);
    run.exits(0).says(
        "a part of the export seems to be missing: 1 photo is not beside its description; a photo there that these \
         parts describe is compared by name and capture time, and any other one counts as not at Google",
    );
    // Of a whole export, nothing is said.
    let run = case.0.diff_with(&zips, &["--album", "Trip"]);
    assert_eq!(run.exits(0).stderr(), "");
}

/// Files that are likely the same are counted. Only with -v they are named.
#[test]
fn likely_files_are_counted_and_named_on_request() {
    let mut case = Halved::new();
    for at in 0..3 {
        let title = format!("IMG_{at}.jpg");
        case.described(&title, 0, at);
        case.0.local(&title, &taken(at));
    }
    let zips = case.0.takeout.zips(case.0.user.home.path());
    let run = case.0.diff_with(&zips[..1], &["--album", "Trip"]);
    let sum = "3 local = 3 in the album\n3 in the album = 3 here\n\
               (3 of them likely, not by hash: -v says by which facts)\n";
    assert!(run.exits(0).stdout().starts_with(sum), "{}", run.stdout());
    let line = "\n  IMG_1.jpg (likely: same time)\n";
    assert!(!run.stdout().contains(line), "{}", run.stdout());
    let run = case.0.diff_with(&zips[..1], &["-v", "--album", "Trip"]);
    assert!(run.exits(0).stdout().contains(line), "{}", run.stdout());
}

#[test]
fn descriptions_with_an_end_in_another_language_are_found() {
    let mut case = Case::of(1);
    case.takeout.album(0, "Trip", "Trip", "métadonnées");
    let contents = [taken(0), taken(1)];
    for (number, content) in (0..).zip(&contents) {
        let item = Item {
            number,
            taken: FIRST + i64::from(number),
            ..Item::of("Trip", "a:b.jpg", content)
        };
        case.takeout.add(0, &format!("Trip/{}", item.file()), content.clone());
        let number = if number > 0 { "(1)" } else { "" };
        let paper = format!("Trip/a_b.jpg.métadonnées-supplémentaires{number}.json");
        case.takeout.add(0, &paper, item.text());
    }
    case.local("a:b.jpg", &contents[1]);
    let said = case.json("Trip", 1);
    assert_eq!((&said["same"]["identical"], &said["missing"]), (&json!(1), &json!([])), "{said}");
    assert_eq!(said["only_in_album"], json!(["a_b.jpg"]));
}

#[test]
fn an_album_over_several_parts_is_told_by_its_own_numbers() {
    let mut case = Case::of(3);
    case.takeout.album(0, "Trip", "Trip", "metadata");
    let contents = [taken(0), taken(1), taken(2)];
    for (number, content) in (0..).zip(&contents) {
        let taken = FIRST + i64::from(number);
        let item = Item { number, taken, ..Item::of("Trip", "IMG_0001.jpg", content) };
        // The photos of the album are missing. Those of the year have other numbers.
        case.takeout.item((1, 0), &item);
        let year = Item { folder: "Photos from 2019", number: 2 - number, ..item };
        if number < 2 {
            case.takeout.add(2, &format!("Photos from 2019/{}", year.file()), content.clone());
            case.takeout.add(2, &format!("Photos from 2019/{}", year.paper()), item.text());
        }
    }
    case.local("IMG_0001.jpg", &contents[1]);
    case.local("IMG_0001(2).jpg", &contents[2]);
    let zips = case.takeout.zips(case.user.home.path());
    let parts = [zips[0].clone(), zips[2].clone()];
    let said = parsed(case.diff_with(&parts, &["--json", "--album", "Trip"]).exits(1));
    assert_eq!(said["same"]["identical"], 1, "{said}");
    let expected =
        [&json!(["IMG_0001(2).jpg"]), &json!([]), &json!([]), &json!(["IMG_0001 (2).jpg"])];
    assert_eq!(groups(&said), expected, "{said}");
}

#[test]
fn a_part_without_descriptions_is_told_where_they_are() {
    let mut case = Case::of(2);
    case.takeout.album(1, "Trip", "Trip", "metadata");
    case.takeout.item((0, 1), &Item::of("Trip", "a.jpg", &taken(0)));
    case.local("a.jpg", &taken(0));
    let zips = case.takeout.zips(case.user.home.path());
    for options in [&[][..], &["--album", "Trip"]] {
        case.diff_with(&zips[..1], options)
            .exits(2)
            .says("photos are in ")
            .says("-001.zip, but no descriptions of them (JSON files)")
            .says(
                "\n  -> name the other parts of the export, too: one of them has the descriptions",
            );
    }
    case.diff_with(&zips, &["--album", "Trip"]).exits(0);
    case.takeout.parts.truncate(1);
    case.takeout.extract(&case.path("extracted"));
    for part in ["extracted", "extracted/Takeout/Google Photos/Trip"] {
        let run = case.diff_with(&[case.path(part)], &[]);
        run.exits(2).says(", but no descriptions of them (JSON files)\n  -> name the other parts");
    }
}
