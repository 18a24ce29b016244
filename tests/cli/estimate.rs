//! `gphotosfs estimate`, without a mount.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::backup::thawed;
use crate::support::{camera_jpeg, schema, small_photo, wait_for};
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

#[test]
fn ctrl_c_leaves_no_half_of_a_crop() {
    let user = thawed(SCHEMA_VERSION);
    let (photo, look) = (user.home.path().join("photo"), user.home.path().join("look"));
    fs::create_dir_all(&photo).unwrap();
    for at in 0..12 {
        fs::write(photo.join(format!("{at}.jpg")), camera_jpeg(at, (900, 700))).unwrap();
    }
    let mut program = Command::new(env!("CARGO_BIN_EXE_gphotosfs"));
    program.arg("estimate").arg("--crops").arg(&look).arg(&photo);
    let program = program.env("HOME", user.home.path()).stdout(Stdio::null());
    let mut running = program.spawn().unwrap();
    wait_for("the first crop", || fs::read_dir(&look).is_ok_and(|mut it| it.next().is_some()));
    let pid = Pid::from_child(&running);
    // It may have ended already.
    let _ = kill_process(pid, Signal::INT);
    let status = running.wait().unwrap();
    assert!(status.success() || status.signal() == Some(Signal::INT.as_raw()), "{status}");
    for crop in fs::read_dir(&look).unwrap() {
        let path = crop.unwrap().path();
        assert!(image::open(&path).is_ok(), "{}", path.display());
    }
}
