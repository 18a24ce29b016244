//! Names of parts, and paths in them.

use super::*;

#[test]
fn folders_are_the_same_wherever_a_part_was_extracted() {
    let trip = Some(("Google Photos/Trip".to_owned(), "a.jpg"));
    for path in [
        "Takeout/Google Photos/Trip/a.jpg",
        "/home/me/x/Takeout/Google Photos/Trip/a.jpg",
        "Google Photos/Trip/a.jpg",
        "./Google Photos//./Trip/a.jpg",
    ] {
        assert_eq!(split(path), trip, "{path}");
    }
    assert_eq!(split("Trip/a.jpg"), Some(("Trip".to_owned(), "a.jpg")));
    assert_eq!(split("../../a"), Some(("../..".to_owned(), "a")));
    for none in ["a.jpg", "/", "", &"x/".repeat(3000)] {
        assert_eq!(split(none), None, "{none}");
    }
}

#[test]
fn missing_parts_are_noticed() {
    let with = |names: &[&str], missing| {
        oddities(&names.iter().map(Path::new).collect::<Vec<_>>(), missing)
    };
    let of = |names: &[&str]| with(names, 0);
    let missing = format!(
        "a part of the export is missing, takeout-20261101T120000Z-002.zip for example; {OF_MISSING_PART}"
    );
    let zip = "takeout-20261101T120000Z-001.zip";
    for photos in [0, 7] {
        let found = with(&[zip, "x/takeout-20261101T120000Z-003.zip"], photos);
        assert_eq!(found, [missing.as_str()]);
    }
    // The last ones cannot be known by their names.
    for (photos, what) in [
        (1, "1 photo is not beside its description"),
        (7, "7 photos are not beside their descriptions"),
    ] {
        let expected =
            format!("a part of the export seems to be missing: {what}; {OF_MISSING_PART}");
        assert_eq!(with(&[zip], photos), [expected]);
    }
    assert_eq!(
        of(&["takeout-20261101T120000Z-1-001.zip", "takeout-20261101T120000Z-2-001.zip"]),
        [""; 0]
    );
    assert_eq!(of(&[zip, "photos.zip", "takeout-x.zip", "other-003.zip", "Takeout"]), [""; 0]);
    let many = of(&["takeout-20261101T120000Z-4294967295.zip"]);
    assert!(many[0].starts_with("9999 parts of the export are missing"), "{many:?}");
}
