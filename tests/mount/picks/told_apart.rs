//! The photo that is missing in an album made by hand.

use super::*;

/// An album made by hand of `there` photos, and a folder of `here` of them, of which some are only here and some only there.
#[track_caller]
fn told_apart(both: u32, here: u32, there: u32) {
    let world = world();
    fs::create_dir(world.dir.path().join("photo")).unwrap();
    let name = |at: u32| format!("DSC_{at:04}.JPG");
    for at in 0..both + here {
        let content = camera::photo(at, &taken(at), false);
        fs::write(world.dir.path().join("photo").join(name(at)), content).unwrap();
    }
    let made_up = |at: u32| MadeUpItem {
        filename: name(at),
        captured_s: Some(1_556_409_600 + i64::from(at)),
        width: 48,
        height: 32,
        ..MadeUpItem::default()
    };
    let items: Vec<_> = (0..both).chain(both + here..both + here + there).map(made_up).collect();
    let count = items.len();
    elsewhere(&world, Edit::AddMadeUp { album: Some("Trip".into()), items });
    world.mount(&[]);
    world.emulator.reset_stats();
    let sessions = count.div_ceil(2000);
    for session in 0..sessions {
        let (code, out, err) = pick(&world, &["Trip"], some("Trip", session * 2000, 2000));
        assert_eq!(code, 0, "{out}{err}");
    }
    let before = world.emulator.stats();
    let pages = (0..sessions).map(|it| (count - it * 2000).min(2000).div_ceil(100)).sum::<usize>();
    assert_eq!(before.requests(Call::PickerItemsList), pages as u64);
    assert_eq!(before.requests(Call::PickerSessionsCreate), sessions as u64);
    let (code, said) = diff(&world);
    assert_eq!((code, &said["source"]), (1, &json!("pick")));
    let names = |range: std::ops::Range<u32>| range.map(name).collect::<Vec<_>>();
    assert_eq!(said["only_here"], json!(names(both..both + here)));
    assert_eq!(said["only_in_album"], json!(names(both + here..both + here + there)));
    assert_eq!(
        (&said["files_here"], &said["files_in_album"]),
        (&json!(both + here), &json!(count))
    );
    assert_eq!(said["same"]["likely"], json!(names(0..both)));
    let after = world.emulator.stats();
    assert_eq!(after.download_bytes, 0);
    assert_eq!((after.api_requests_today, after.media_requests_today), (0, 0));
    for call in [Call::PickerItemsList, Call::PickerDownload, Call::PickerSessionsGet] {
        assert_eq!(after.requests(call), before.requests(call), "{call:?}");
    }
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

#[test]
fn the_photo_that_is_missing_in_an_album_made_by_hand_is_named() {
    told_apart(240, 1, 3);
}

#[test]
#[ignore = "takes a minute or two"]
fn the_photo_that_is_missing_is_named_among_3282_from_two_picks() {
    told_apart(3281, 1, 0);
}

#[test]
#[ignore = "takes a minute or two"]
fn the_photos_that_differ_are_named_among_5221_and_5230_from_three_picks() {
    told_apart(5220, 1, 10);
}
