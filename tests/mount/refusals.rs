//! Refusals that are the service's own fault, and files that fail alone, as a user sees them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use gphotosfs_emulator::{Call, Failure, FileMatch, Injection, ItemFailure};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{World, wait_for};

const PACE: (&str, &str) = ("GPHOTOSFS_UNSTABLE_PACE", "20");

fn status(world: &World) -> Value {
    serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap()
}

/// > If web pages or bare statuses stand in the place of Google's answers, files wait, and no file is
/// > refused. `mkdir` then fails with `EIO`.
#[test]
fn pages_in_the_place_of_answers_are_an_outage() {
    let world = World::new();
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    for at in 0..10 {
        world.photo(&format!("photo/{at}.jpg"), at, 5000);
    }
    let page = |http| Injection { rate: 1.0, ..Injection::new(Failure::HtmlPage { http }) };
    world.emulator.faults(|faults| {
        faults.every_call.failures = vec![page(404)];
        faults.on(Call::UploadRaw).failures = vec![page(413)];
    });
    world.sh("cp photo/* mnt/A/");
    wait_for("the outage", || status(&world)["trouble"]["kind"] == "google-unwell");
    let made = world.sh_outcome("mkdir mnt/B");
    let said = String::from_utf8(made.stderr).unwrap();
    assert!(!made.status.success() && said.contains("Input/output error"), "{said}");
    world.emulator.faults(|faults| {
        faults.every_call.failures.clear();
        faults.calls.clear();
    });
    world.sync();
    assert_eq!(world.remote("A").len(), 10);
    assert_eq!(world.names(".gphotos/failed"), [""; 0]);
    assert_eq!(status(&world)["trouble"], Value::Null);
}

/// > `gphotosfs sync` and `gphotosfs status` name a file that fails again and again, and say since when.
#[test]
fn status_and_sync_name_a_file_that_fails_alone() {
    let world = World::new();
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1, 5000);
    world.emulator.faults(|faults| {
        let file = FileMatch::name("x.jpg");
        faults.item_failures = vec![ItemFailure { rate: 1.0, file, ..ItemFailure::new(13) }];
    });
    world.sh("cp x.jpg mnt/A/");
    let mut sync =
        world.program().arg("sync").arg(&world.mnt).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(sync.stderr.take().unwrap()).lines().map(Result::unwrap);
    let named = "gphotosfs: waiting for A/x.jpg, which fails since ";
    let line = lines.find(|line| line.starts_with(named)).expect("sync names the file");
    assert!(line.contains("code 13"), "{line}");

    let failing = status(&world)["failing"][0].clone();
    assert_eq!(failing["path"], "A/x.jpg");
    assert!(failing["attempts"].as_u64().unwrap() >= 2 && failing["since"].is_string());
    let text = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(text.contains("Waiting") && text.contains("A/x.jpg has failed"), "{text}");
    assert!(!text.contains("about"), "nobody knows when a waiting file goes:\n{text}");

    world.emulator.faults(|faults| faults.item_failures.clear());
    assert!(sync.wait().unwrap().success());
    assert_eq!(world.remote("A"), ["x.jpg"]);
    assert_eq!(status(&world)["failing"], Value::Array(vec![]));
}

/// > A file that fails while others arrive is tried ever more rarely. After 30 such failures, or after a
/// > day with at least five, it goes to `.gphotos/failed`.
#[test]
fn a_file_that_fails_for_a_day_while_others_arrive_is_kept_in_failed() {
    let world = World::new();
    world.mount_with(&[PACE], &[]);
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1000, 5000);
    world.emulator.faults(|faults| {
        let file = FileMatch::name("x.jpg");
        faults.item_failures = vec![ItemFailure { rate: 1.0, file, ..ItemFailure::new(13) }];
    });
    world.sh("cp x.jpg mnt/A/");
    let attempts = || status(&world)["failing"][0]["attempts"].as_u64().unwrap_or(0);
    let mut photos = 0;
    let mut another_arrives = || {
        let name = format!("{photos}.jpg");
        world.photo(&name, photos, 5000);
        world.sh(&format!("cp {name} mnt/A/"));
        wait_for("a photo to arrive", || world.remote("A").contains(&name));
        photos += 1;
    };
    // Each failure after the arrival of another file is its own.
    for own in 1..=5 {
        another_arrives();
        let before = attempts();
        wait_for("another failure", || attempts() > before.max(own));
    }
    assert_eq!(world.names(".gphotos/failed"), [""; 0]);

    let left = world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
    assert!(left.status.success(), "{left:?}");
    let database = Connection::open(world.dir.path().join(DATABASE)).unwrap();
    let aged = database
        .execute("UPDATE uploads SET failing_since = failing_since - 25 * 3600 * 1000 WHERE failing_since > 0", [])
        .unwrap();
    assert_eq!(aged, 1);
    drop(database);
    world.mount_with(&[PACE], &[]);
    for _ in 0..5 {
        another_arrives();
        if !world.names(".gphotos/failed").is_empty() {
            break;
        }
    }
    wait_for("the file to be refused", || !world.names(".gphotos/failed").is_empty());
    world.sh("cmp x.jpg mnt/.gphotos/failed/A/x.jpg");
    let said = String::from_utf8(world.run(&["failed"]).stdout).unwrap();
    assert!(said.starts_with("A/x.jpg: ") && said.contains("code 13"), "{said}");
    let (done, said) = world.told(&["sync", world.mnt.to_str().unwrap()]);
    assert!(!done && said.contains("some files were refused"), "{said}");
    assert_eq!(status(&world)["failing"], Value::Array(vec![]));
}

const DATABASE: &str = "state/gphotosfs/default/gphotosfs.db";
