//! `gphotosfs estimate`, without a mount.

use std::fs;

use serde_json::json;

use crate::backup::thawed;
use crate::support::{camera_jpeg, schema, small_photo};
use gphotosfs::store::SCHEMA_VERSION;

#[test]
fn an_estimate_says_what_would_be_sent_and_writes_crops() {
    let user = thawed(SCHEMA_VERSION);
    let dir = user.home.path().join("photo");
    fs::create_dir_all(dir.join("day")).unwrap();
    for at in 0..3 {
        fs::write(dir.join(format!("day/{at}.jpg")), camera_jpeg(at, (1000, 800))).unwrap();
    }
    fs::write(dir.join("small.jpg"), small_photo(7)).unwrap();
    fs::write(dir.join("x.png"), include_bytes!("../fixtures/media/drawing-1.png")).unwrap();
    fs::write(dir.join("note.txt"), "no photo").unwrap();
    fs::write(dir.join(".hidden.jpg"), camera_jpeg(9, (1000, 800))).unwrap();
    let path = |name: &str| user.home.path().join(name).to_str().unwrap().to_owned();
    let (photo, look) = (path("photo"), path("look/here"));
    let said = user.run(&["estimate", "--json", "--crops", &look, &photo]);
    said.exits(0);
    let found = schema::check("estimate", &said.stdout());
    assert_eq!(
        json!(["files", "jpegs", "sampled", "smaller"].map(|it| &found[it])),
        json!([5, 4, 4, 3]),
        "{found:#}"
    );
    assert_eq!(found["whole"], json!({"small": 1}));
    // All were tried, so nothing is estimated.
    assert_eq!(found["sent_bytes_low"], found["sent_bytes_high"]);
    let (bytes, sent) = (found["bytes"].as_u64().unwrap(), found["sent_bytes"].as_u64().unwrap());
    assert!(sent * 100 < bytes * 85, "{sent} of {bytes}");
    let crops = found["crops"].as_array().unwrap();
    assert_eq!(crops.len(), 3);
    for crop in crops {
        let picture = image::open(crop.as_str().unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), (808, 400));
    }
    // Crops of an earlier run stay.
    let text = user.run(&["estimate", "--sample", "2", "--crops", &look, &photo]);
    text.exits(0);
    let text = text.stdout();
    for part in [
        ": 4 JPEGs, and 1 other files",
        "A sample of 2 JPEGs: ",
        "' --quality saver:16mp,q90': about ",
    ] {
        assert!(text.contains(&part.replace("' --", "'--")), "no {part:?} in {text}");
    }
    assert!(fs::read_dir(&look).unwrap().count() > 3);
    user.run(&["estimate", "--quality", "original", &photo]).exits(2);
    user.run(&["estimate", &path("nowhere")]).exits(1).says("cannot list");
}
