//! The user's limit of uploads.

use std::time::Instant;

use gphotosfs_line::Shape;
use serde_json::Value;

use crate::support::{Way, World, wait_for};

fn status(world: &World) -> Value {
    serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap()
}

/// What `gphotosfs limit` prints.
fn limit(world: &World, words: &[&str]) -> String {
    let outcome = world.run(&[&["limit"], words].concat());
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    String::from_utf8(outcome.stdout).unwrap().trim_end().to_owned()
}

/// > `user.gphotos.limit_up` of the mount's root is the limit of uploads, as `gphotosfs limit` takes
/// > it. A new value counts at once and until the mount ends. Another text is `EINVAL`. Only the
/// > owner of the mount reads or writes it.
#[test]
fn a_limit_holds_for_all_uploads_and_changes_while_they_run() {
    let mut world = World::new();
    let way = Way::of(&mut world, Shape::default());
    world.mount(&["--limit-up", "100k"]);
    for n in 0..3 {
        world.photo(&format!("photos/{n}.jpg"), n, 4_000_000);
    }
    let begun = Instant::now();
    world.sh("mkdir mnt/A && cp photos/* mnt/A/");
    wait_for("the uploads to be under way", || way.relay.counts().up > 250_000);
    // Credit for a quarter of a second, and the bytes of requests and of TLS.
    let allowed = 100_000.0 * begun.elapsed().as_secs_f64() + 25_000.0 + 50_000.0;
    let carried = way.relay.counts().up;
    assert!((carried as f64) < allowed, "{carried} bytes where {allowed} are allowed");
    let before = status(&world);
    assert_eq!(before["limit_up"]["setting"], "100k");
    assert_eq!(before["limit_up"]["bytes_per_second"], 100_000);
    assert!(before["queue"]["uploading"].as_u64() <= Some(2), "{before}");
    // Nearly 12 MB are left, or fewer after a while: the machine may be busy.
    wait_for("the time left", || {
        status(&world)["progress"]["seconds_left"].as_u64().is_some_and(|it| it >= 30)
    });
    let said = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(said.contains("uploads may take 100.0 kB/s"), "{said}");

    // At this rate they would take two minutes more, and at the first one as well.
    assert_eq!(limit(&world, &["off", "0:00-24:00=100k"]), "off 00:00-24:00=100k");
    assert_eq!(status(&world)["limit_up"]["bytes_per_second"], 100_000);
    assert_eq!(limit(&world, &["off"]), "off");
    wait_for("the photos to arrive", || world.remote("A").len() == 3);
    let carried = way.relay.counts().up;
    assert!(carried < 12_600_000, "{carried} bytes for 12,000,000: some were sent again");
    assert_eq!(limit(&world, &[]), "off");
    assert_eq!(status(&world)["limit_up"]["bytes_per_second"], Value::Null);

    // The next mount begins as it is told to.
    world.sync();
    limit(&world, &["1M"]);
    world.umount();
    world.mount(&["-o", "limit_up=2M 01:00-07:00"]);
    assert_eq!(limit(&world, &[]), "2M 01:00-07:00=off");
    let refused = world.sh("cd mnt; setfattr -n user.gphotos.limit_up -v fast . 2>&1 || true");
    assert!(refused.contains("Invalid argument"), "{refused}");
}

#[test]
fn a_limit_that_cannot_be_used_is_refused_with_what_to_do() {
    let world = World::new();
    let (done, said) = world.told(&["limit", "2M"]);
    assert!(!done && said.contains("is not mounted") && said.contains("limit_up"), "{said}");
    let outcome = world.run(&["limit", "01:00-07:00"]);
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(2), "{said}");
    assert!(said.contains("give the rate for the rest of the day first"), "{said}");
    let outcome = world.run(&["mount", "--limit-up", "fast", world.mnt.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(2), "{said}");
    assert!(said.contains("is no rate: use bytes a second"), "{said}");
}
