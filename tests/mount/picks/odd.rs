//! Odd items in picks, and what `diff` says about them.

use super::*;

/// Adds made-up items to the album `Trip`.
fn made_up(world: &World, items: Vec<MadeUpItem>) {
    elsewhere(world, Edit::AddMadeUp { album: Some("Trip".into()), items });
}

/// The item of a photo that `camera::photo` makes.
fn item(filename: &str, seed: u32) -> MadeUpItem {
    MadeUpItem {
        filename: filename.to_owned(),
        captured_s: Some(1_556_409_600 + i64::from(seed)),
        width: 48,
        height: 32,
        ..MadeUpItem::default()
    }
}

fn local(world: &World, name: &str, content: &[u8]) {
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    fs::write(world.dir.path().join("photo").join(name), content).unwrap();
}

/// Two cameras use one name, and so does one camera again. Only the time tells their photos apart.
#[test]
fn of_two_items_of_one_name_the_one_of_the_local_files_time_is_meant() {
    for seed in [1, 2] {
        let world = world();
        made_up(&world, vec![item("DSC_0001.JPG", 1), item("DSC_0001.JPG", 2)]);
        local(&world, "DSC_0001.JPG", &camera::photo(seed, &taken(seed), false));
        world.mount(&[]);
        let (code, _, err) = pick(&world, &["Trip"], Choice::album("Trip"));
        assert_eq!(code, 0, "{err}");
        let (code, said) = diff(&world);
        assert_eq!(code, 1);
        let renamed = said["renamed"].as_array().unwrap();
        let likely = said["same"]["likely"].as_array().unwrap();
        assert_eq!(renamed.len() + likely.len(), 1, "{said}");
        assert_eq!(
            (&said["same"]["unknown"], &said["only_here"], &said["different"]),
            (&json!([]), &json!([]), &json!([])),
            "{said}"
        );
        // The other one is only there.
        let only = said["only_in_album"].as_array().unwrap();
        assert_eq!(only.len(), 1, "{said}");
        let attribute = format!(
            "getfattr --only-values -n user.gphotos.creation_time 'mnt/.gphotos/picked/Trip/{}'",
            only[0].as_str().unwrap()
        );
        let expected = format!("2019-04-28T00:00:0{}Z", 3 - seed);
        assert_eq!(world.sh(&attribute), expected);
    }
}

/// Google makes the copies of photos in storage-saver quality smaller. A motion photo is one item.
#[test]
fn smaller_copies_and_motion_photos_are_told_apart_from_missing_ones() {
    let world = world();
    let small = MadeUpItem { width: 300, height: 200, ..item("small.jpg", 1) };
    let cropped = MadeUpItem { width: 300, height: 210, ..item("cropped.jpg", 2) };
    let motion = item("PXL_3.MP.jpg", 3);
    let still = item("IMG_4.HEIC", 4);
    made_up(&world, vec![small, cropped, motion, still]);
    for (name, seed) in [("small.jpg", 1), ("cropped.jpg", 2)] {
        local(&world, name, &camera::sized_photo(seed, &taken(seed), (600, 400)));
    }
    local(&world, "PXL_3.MP.jpg", &camera::photo(3, &taken(3), false));
    local(&world, "IMG_4.HEIC", &camera::photo(4, &taken(4), false));
    local(&world, "IMG_4.MOV", &[0; 64]);
    world.mount(&[]);
    pick(&world, &["Trip"], Choice::album("Trip"));
    let (code, said) = diff(&world);
    assert_eq!(code, 1, "{said}");
    assert_eq!(said["stored_smaller"][0]["name"], "small.jpg", "{said}");
    let by = json!([{"fact": "dimensions", "here": "600×400", "album": "300×200"}]);
    assert_eq!(said["stored_smaller"][0]["by"], by);
    assert_eq!(said["different"], json!(["cropped.jpg"]));
    assert_eq!(said["same"]["likely"], json!(["IMG_4.HEIC", "PXL_3.MP.jpg"]));
    assert_eq!((&said["only_here"], &said["only_in_album"]), (&json!(["IMG_4.MOV"]), &json!([])));
    assert_eq!(said["pairs"], json!([["IMG_4.HEIC", "IMG_4.MOV"]]));
}

#[test]
fn names_that_are_no_names_become_files_all_the_same() {
    let world = world();
    let long = "x".repeat(400) + ".jpg";
    let names = ["", "a/b.jpg", "..", "line\nbreak.jpg", "\u{1b}[2J.jpg", ".hidden.jpg", &long];
    made_up(&world, (1..).zip(names).map(|(seed, name)| item(name, seed)).collect());
    world.mount(&[]);
    let (code, out, err) = pick(&world, &["Trip"], Choice::album("Trip"));
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("7 items picked, 7 of them new."), "{out}");
    let shown = world.names(".gphotos/picked/Trip");
    assert_eq!(shown.len(), 7, "{shown:?}");
    for name in &shown {
        assert!(!name.contains(char::is_control) && name.len() <= 255, "{name:?}");
        fs::metadata(world.mnt.join(".gphotos/picked/Trip").join(name)).unwrap();
    }
    local(&world, "b.jpg", &camera::photo(2, &taken(2), false));
    assert_eq!(diff(&world).1["same"]["likely"], json!(["b.jpg"]));
}

/// Google has no name for some items.
#[test]
fn items_without_a_name_are_compared_by_time_and_dimensions() {
    let world = world();
    made_up(&world, vec![item("", 1), item("", 2), item("", 3), item("DSC_0004.JPG", 4)]);
    for (name, seed) in
        [("DSC_0001.JPG", 1), ("DSC_0002.JPG", 2), ("copy.JPG", 2), ("DSC_0004.JPG", 4)]
    {
        let content = [camera::photo(seed, &taken(seed), false), name.as_bytes().to_vec()].concat();
        local(&world, name, &content);
    }
    world.mount(&[]);
    assert_eq!(pick(&world, &["Trip"], Choice::album("Trip")).0, 0);
    let (code, said) = diff(&world);
    assert_eq!(code, 1);
    assert_eq!(said["nameless"].as_array().unwrap().len(), 3, "{said}");
    let renamed = &said["renamed"];
    assert_eq!(
        (renamed.as_array().unwrap().len(), &renamed[0]["here"], &renamed[0]["sure"]),
        (1, &json!("DSC_0001.JPG"), &json!("likely")),
        "{said}"
    );
    // Of two files of one moment, either may be meant.
    assert_eq!(said["only_here"], json!(["DSC_0002.JPG", "copy.JPG"]), "{said}");
    assert_eq!(said["only_in_album"].as_array().unwrap().len(), 2, "{said}");
    let text = diff_text(&world).0;
    assert!(text.contains("(3 of the picked have no name at Google"), "{text}");
    assert_eq!(text.matches(": no name at Google, and no one file here").count(), 2, "{text}");
}

#[test]
fn a_name_that_would_make_trouble_is_refused_before_anything_is_asked() {
    let world = world();
    world.emulator.reset_stats();
    for (name, why) in [
        ("", "a pick needs a name"),
        ("a\nb", "it has control characters"),
        (".Trip", "files that begin with a dot are hidden"),
        (" Trip", "it begins or ends with a space"),
        ("Trip ", "it begins or ends with a space"),
        ("Trip.part", "could not become an album"),
        ("a/b", "a pick cannot be called 'a/b'"),
    ] {
        let (done, said) = world.told(&["pick", name, "--no-browser"]);
        assert!(!done && said.contains(why) && said.contains("\n  -> use a name as for"), "{said}");
    }
    assert_eq!(world.emulator.stats().requests(Call::PickerSessionsCreate), 0);
}

/// Whatever the moment, `diff` compares with a whole pick or says that it cannot.
#[test]
fn a_pick_that_is_forgotten_while_diff_reads_it_is_never_taken_for_a_smaller_one() {
    let world = world();
    let many = 1500;
    made_up(&world, (0..many).map(|at| item(&format!("DSC_{at:04}.JPG"), at)).collect());
    local(&world, "DSC_0001.JPG", &camera::photo(1, &taken(1), false));
    world.mount(&[]);
    for _ in 0..3 {
        let (code, _, err) = pick(&world, &["Trip"], Choice::album("Trip"));
        assert_eq!(code, 0, "{err}");
        let args = ["diff", "--json", "photo", "mnt/.gphotos/picked/Trip"];
        let compare = || {
            world
                .program()
                .current_dir(world.dir.path())
                .args(args)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let compared: Vec<_> = std::iter::repeat_with(compare).take(3).collect();
        assert!(world.run(&["pick", "--forget", "Trip"]).status.success());
        for it in compared {
            let outcome = it.wait_with_output().unwrap();
            let said: Option<Value> = serde_json::from_slice(&outcome.stdout).ok();
            match said {
                Some(said) => assert_eq!(said["files_in_album"], many, "{said}"),
                None => assert_eq!(outcome.status.code(), Some(2)),
            }
        }
    }
}

/// The user takes the tick away from the picker's permission alone.
#[test]
fn a_login_without_the_pickers_scope_does_all_but_picks() {
    let world = World::new();
    let scope = "https://www.googleapis.com/auth/photospicker.mediaitems.readonly";
    world.emulator.faults(|faults| faults.unticked_scopes = vec![scope.into()]);
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &["--picker"]);
    assert!(done, "{said}");
    assert!(said.contains("pick"), "{said}");
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("run `gphotosfs login --picker` and tick all boxes"), "{said}");
    world.mount(&[]);
    world.sh("mkdir mnt/A");
    fs::write(world.mnt.join("A/a.jpg"), camera::photo(1, &taken(1), false)).unwrap();
    world.sync();
    assert_eq!(world.remote("A").len(), 1);
    world.emulator.faults(|faults| faults.unticked_scopes.clear());
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &["--picker"]);
    assert!(done, "{said}");
    elsewhere(&world, Edit::CreateAlbum { title: "Trip".into() });
    photo(&world, 2);
    world.emulator.faults(|faults| faults.picker.poll_interval_ms = 100);
    let (code, _, err) = pick(&world, &["Trip"], Choice::album("Trip"));
    assert_eq!(code, 0, "{err}");
}

/// Google may not show the items. That is no fault, and no message looks like one.
#[test]
fn messages_about_items_that_google_does_not_show_have_no_codes_in_them() {
    let world = world();
    (0..5).for_each(|seed| photo(&world, seed));
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "50")], &[]);
    pick(&world, &["Trip"], Choice::album("Trip"));
    world.emulator.faults(|faults| faults.matched_items_visible = false);
    let mut copy = world
        .program()
        .current_dir(world.dir.path())
        .args(["diff", "--copy", "--apply", "photo", "mnt/.gphotos/picked/Trip"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let status = || String::from_utf8(world.run(&["status"]).stdout).unwrap();
    while copy.try_wait().unwrap().is_none() {
        said += &status();
    }
    copy.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(copy.wait().unwrap().success(), "{said}");
    let after = status();
    assert!(!said.contains("code 5") && !said.contains("was not found"), "{said}");
    assert!(!after.contains("\nErrors") && !after.contains("Waiting"), "{after}");
}
