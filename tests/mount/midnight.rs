//! A mount that runs when Google's day ends: waiting work continues after the reset, and counting starts anew.

use std::fs;
use std::time::Duration;

use gphotosfs_emulator::{Call, Failure};

use crate::support::clock::{Clock, out_of_the_blur};
use crate::support::{World, wait_for};

/// More than a day: midnight Pacific has passed, and the quarter of an hour behind it in which nothing is sure.
const LATER: Duration = Duration::from_secs(25 * 3600);

fn status(world: &World) -> serde_json::Value {
    let status = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
    serde_json::from_slice(&status).unwrap()
}

#[test]
fn the_count_of_the_day_outlasts_steps_of_the_clock() {
    let mut world = World::new();
    let clock = Clock::of(&mut world);
    // A login is a process of its own, which does not count its requests.
    let of_login = world.emulator.stats().api_requests_today;
    world.mount(&[]);
    world.sh("mkdir mnt/A");
    let mut photos = 0;
    let mut copy_one = || {
        photos += 1;
        let name = format!("{photos}.jpg");
        world.photo(&name, photos, 20_000);
        world.sh(&format!("cp {name} mnt/A/ && sync mnt/A"));
    };
    let day = || status(&world)["quota"]["day"].clone();
    let is_complete = |when: &str| {
        let counted = status(&world)["quota"]["api_requests"].as_u64().unwrap();
        let sent = world.emulator.stats().api_requests_today - of_login;
        assert!(counted >= sent, "{when}: {counted} of {sent}");
    };
    copy_one();
    let today = day();
    let days = |days: i64| days * 24 * 3600;
    for (at, when) in [(days(2), "ahead"), (0, "right"), (-days(2), "behind"), (0, "right again")] {
        clock.set(at);
        copy_one();
        assert_eq!(day(), today, "{when}");
        is_complete(when);
        world.umount();
        world.mount(&[]);
        // With a wrong clock, the next mount must wait for Google's first answer.
        if at == 0 {
            is_complete(&format!("{when}, in the next mount"));
        }
    }
    assert_eq!(world.remote("A").len(), 5);
}

#[test]
fn a_used_up_quota_holds_the_queue_up_until_midnight_and_not_longer() {
    let mut world = World::new();
    let clock = Clock::of(&mut world);
    let begin = out_of_the_blur();
    world.emulator.advance_clock(begin);
    clock.set(begin.as_secs() as i64);
    world.mount(&[]);
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
    clock.set((begin + LATER).as_secs() as i64);
    world.sh("sync mnt/A");
    assert_eq!(world.remote("A").len(), 3);
    let quota = &status(&world)["quota"];
    assert_ne!(quota["day"], day);
    assert!(quota["api_requests"].as_u64().unwrap() <= 12, "the day before counts on: {quota:#}");
    assert!(quota["blocked_until"].is_null(), "{quota:#}");
}
