//! A mount that runs when Google's day ends: waiting work continues after the reset, and counting starts anew.

use std::fs;
use std::process::Command;
use std::time::Duration;

use gphotosfs_emulator::{Call, Failure};

use crate::support::{World, wait_for};

/// More than a day: midnight Pacific has passed, and the quarter of an hour behind it in which nothing is sure.
const LATER: Duration = Duration::from_secs(25 * 3600);

fn status(world: &World) -> serde_json::Value {
    let status = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
    serde_json::from_slice(&status).unwrap()
}

#[test]
fn a_used_up_quota_holds_the_queue_up_until_midnight_and_not_longer() {
    let world = World::new();
    let clock = world.dir.path().join("clock");
    fs::write(&clock, "+0").unwrap();
    // The library that puts itself before the clock is where faketime says.
    let preload = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
    let preload =
        String::from_utf8(preload.expect("scripts/test.sh installs faketime").stdout).unwrap();
    let env = [
        ("LD_PRELOAD", preload.trim()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // Deadlines and pauses go by the clock that nobody sets.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    world.mount_with(&env, &[]);
    for at in 0..3 {
        world.photo(&format!("photo/{at}.jpg"), at, 20_000);
    }
    world.sh("mkdir mnt/A && cp photo/0.jpg mnt/A/ && sync mnt/A");
    let (day, spent) = {
        let quota = &status(&world)["quota"];
        (quota["day"].clone(), quota["api_requests"].as_u64().unwrap())
    };
    assert!(spent > 3, "{spent}");
    world.emulator.faults(|faults| {
        faults.fail_next(Call::MediaItemsBatchCreate, 1000, Failure::RequestsPerDay);
    });
    world.sh("cp photo/1.jpg mnt/A/");
    wait_for("the queue to stop", || status(&world)["trouble"]["kind"] == "quota");
    let asked = world.emulator.stats().requests(Call::MediaItemsBatchCreate);
    // Whatever wakes the queue before the reset asks for nothing.
    world.sh("cp photo/2.jpg mnt/A/");
    let held = status(&world);
    assert_eq!(held["quota"]["blocked_until"], held["quota"]["resets_at"], "{held:#}");
    assert_eq!(world.emulator.stats().requests(Call::MediaItemsBatchCreate), asked);
    // Midnight.
    world.emulator.faults(|faults| faults.calls.clear());
    world.emulator.advance_clock(LATER);
    fs::write(&clock, format!("+{}", LATER.as_secs())).unwrap();
    world.sh("sync mnt/A");
    assert_eq!(world.remote("A").len(), 3);
    let quota = &status(&world)["quota"];
    assert_ne!(quota["day"], day);
    assert!(quota["api_requests"].as_u64().unwrap() <= 12, "the day before counts on: {quota:#}");
    assert!(quota["blocked_until"].is_null(), "{quota:#}");
}
