//! `gphotosfs diff` on real mounts: what it names, what it costs, and what it says about mistakes.

#![allow(clippy::unwrap_used)] // What fails here fails the test.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use gphotosfs::emulator::Edit;
use serde_json::{Value, json};
use support::{World, jpeg, wait_for};

/// Exit status, stdout, stderr.
fn run(world: &World, args: &[&str]) -> (i32, String, String) {
    let outcome = world.program().current_dir(world.dir.path()).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (outcome.status.code().unwrap(), text(outcome.stdout), text(outcome.stderr))
}

fn diff_json(world: &World) -> (i32, Value) {
    let (code, stdout, stderr) = run(world, &["diff", "--json", "photo", "mnt/A"]);
    (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")))
}

/// Uploads what is in `photo` into the album `A`.
fn copy_all(world: &World) {
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A");
}

/// The counts of the demo: a folder of `count` files and its album, made to differ in five ways.
fn folders_that_differ_in_few_files(count: u32) {
    let world = World::mounted();
    let last = count - 4;
    for at in 0..last {
        world.photo(&format!("photo/DSC_{at:04}.JPG"), at, 6000);
    }
    world.photo("photo/DSC_0003 (1).JPG", 3, 6000);
    copy_all(&world);
    // What no listing has shown yet is not missed: it may only be late.
    assert_eq!(run(&world, &["diff", "photo", "mnt/A"]).0, 0);
    // Lost behind our back, renamed in the album, new on either side, and one that Google refuses.
    world.edit(Edit::RemoveFromAlbum { album: "A".into(), item: "DSC_0007.JPG".into() });
    let added = jpeg(900_000, 6000);
    let (album, filename) = (Some("A".to_owned()), "web.jpg".to_owned());
    world.edit(Edit::AddItem { album, filename, content: added, foreign: false });
    world.sh("mv mnt/A/DSC_0005.JPG mnt/A/renamed.JPG");
    world.photo("photo/new.JPG", 900_001, 6000);
    fs::write(world.dir.path().join("photo/notes.jpg"), "no photo").unwrap();
    let outcome = world.sh_outcome("cp photo/notes.jpg mnt/A/");
    assert!(!outcome.status.success());
    wait_for("the refused file to leave the album", || !world.mnt.join("A/notes.jpg").exists());

    let before = world.emulator.stats();
    let (code, said) = diff_json(&world);
    assert_eq!(code, 1, "{said}");
    assert_eq!(said["files_here"], last + 3);
    assert_eq!(said["files_in_album"], last + 1, "{said}");
    assert_eq!(said["only_here"], json!(["DSC_0007.JPG", "new.JPG"]));
    assert_eq!(said["only_in_album"], json!(["web.jpg"]));
    assert_eq!(said["failed"][0]["name"], "notes.jpg");
    assert_eq!(said["twins_here"], json!([{"name": "DSC_0003.JPG", "of": "DSC_0003 (1).JPG"}]));
    let renamed = json!([{"here": "DSC_0005.JPG", "album": "renamed.JPG", "sure": "identical"}]);
    assert_eq!(said["renamed"], renamed);
    assert_eq!(said["same"]["identical"], last - 2);
    let first = world.emulator.stats();
    let cost = first.api_requests_today - before.api_requests_today;
    let listing = listing_cost(&world);
    assert!(cost <= listing, "{cost} > {listing}");
    // The size of the one item that was not uploaded from here.
    assert!(first.media_requests_today <= before.media_requests_today + 1);
    assert_eq!(first.download_bytes, before.download_bytes);

    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    assert_eq!(code, 1);
    let sums: Vec<_> = said.lines().take(2).collect();
    assert_eq!(
        sums,
        [
            format!(
                "{} local = {} in the album + 1 under another name \
                 + 1 twin (DSC_0003.JPG = DSC_0003 (1).JPG) + 1 refused + 2 only here",
                last + 3,
                last - 2
            ),
            format!(
                "{} in the album = {} here + 1 under another name \
                 + 1 twin (DSC_0003.JPG = DSC_0003 (1).JPG) + 1 only in the album",
                last + 1,
                last - 2
            ),
        ]
    );
}

/// What it costs to list the album again.
fn listing_cost(world: &World) -> u64 {
    let before = world.emulator.stats().api_requests_today;
    let (code, _, said) = run(world, &["refresh", "mnt/A"]);
    assert_eq!(code, 0, "{said}");
    world.emulator.stats().api_requests_today - before
}

#[test]
fn the_files_that_differ_are_named_at_the_cost_of_a_listing() {
    folders_that_differ_in_few_files(250);
}

#[test]
#[ignore = "takes minutes"]
fn the_files_that_differ_are_named_among_3282() {
    folders_that_differ_in_few_files(3283);
}

#[test]
#[ignore = "takes minutes"]
fn the_files_that_differ_are_named_among_5221() {
    folders_that_differ_in_few_files(5222);
}

#[test]
fn twins_are_no_difference() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    world.photo("photo/b.jpg", 1, 4000);
    copy_all(&world);
    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("2 local = 1 in the album + 1 twin (b.jpg = a.jpg)\n"), "{said}");
}

#[test]
fn odd_names_and_unreadable_files_are_reported() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    let odd = world.dir.path().join("photo").join(OsStr::from_bytes(b"\xff\n.jpg"));
    fs::write(odd, jpeg(2, 3000)).unwrap();
    let (code, said) = diff_json(&world);
    assert_eq!(code, 1);
    assert_eq!(said["only_here"], json!([{"base64": "/wouanBn", "shown": "\u{fffd}\\n.jpg"}]));
    world.sh("ln -s nowhere photo/link.jpg && mkfifo photo/pipe.jpg");
    let (code, said) = diff_json(&world);
    assert_eq!(code, 2);
    let unreadable: Vec<_> = said["unreadable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["why"].as_str().unwrap()))
        .collect();
    assert_eq!(
        unreadable,
        [
            ("link.jpg", "a symbolic link to nothing"),
            ("pipe.jpg", "neither a file nor a directory")
        ]
    );
}

#[test]
fn json_has_the_documented_fields() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    let (code, said) = diff_json(&world);
    assert_eq!(code, 0);
    assert_eq!(
        said,
        json!({
            "version": 1, "here": "photo", "album": "mnt/A", "differ": false,
            "files_here": 1, "files_in_album": 1,
            "same": {"identical": 1, "almost_certain": 0, "likely": [], "unknown": []},
            "renamed": [], "twins_here": [], "twins_in_album": [], "only_here": [],
            "only_in_album": [], "different": [], "on_its_way": [], "failed": [], "scratch": [],
            "unreadable": [], "pairs": [],
        })
    );
}

#[test]
fn copy_completes_the_album() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    world.photo("photo/it's $HOME.jpg", 2, 4000);
    world.photo("photo/sub/c.jpg", 3, 4000);
    let (code, script, _) = run(&world, &["diff", "--copy", "photo", "mnt/A"]);
    assert_eq!(code, 1);
    assert_eq!(script.lines().count(), 3, "{script}");
    world.sh(&script);
    world.sync();
    assert_eq!(world.names("A"), ["a.jpg", "it's $HOME.jpg", "sub"]);
    world.photo("photo/d.jpg", 4, 4000);
    let (code, _, said) = run(&world, &["diff", "--copy", "--apply", "photo", "mnt/A"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(world.remote("A").len(), 3);
    assert_eq!(world.remote("A/sub"), ["c.jpg"]);
    assert_eq!(run(&world, &["diff", "photo", "mnt/A"]).0, 0);
}

#[test]
fn after_the_state_is_lost_pictures_are_known_by_what_they_show() {
    let world = World::mounted();
    for at in 0..3 {
        world.photo(&format!("photo/{at}.jpg"), at, 4000 + at as usize);
    }
    copy_all(&world);
    world.umount();
    world.sh("rm -r state/gphotosfs cache/gphotosfs");
    world.mount(&[]);
    let (code, said) = diff_json(&world);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said["same"]["likely"], json!(["0.jpg", "1.jpg", "2.jpg"]));
}

#[test]
fn mistakes_are_explained() {
    let mut world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    for (args, said) in [
        (["diff", "mnt/A", "photo"], "name the local directory first"),
        (["diff", "photo", "photo"], "is it mounted?"),
        (["diff", "photo/a.jpg", "mnt/A"], "photo/a.jpg is not a directory"),
        (["diff", "photo", "mnt/A/a.jpg"], "mnt/A/a.jpg is not a directory"),
        (["diff", "photo", "mnt/none"], "No such file"),
        (["diff", "none", "mnt/A"], "none"),
    ] {
        let (code, _, stderr) = run(&world, &args);
        assert!(code == 2 && stderr.contains(said), "{args:?}: {code} {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    world.stop_emulator();
    let (code, _, stderr) = run(&world, &["diff", "photo", "mnt/A"]);
    assert!(code == 2 && stderr.contains("when there is a network"), "{code} {stderr}");
    world.start_emulator();
}
