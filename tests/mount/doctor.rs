//! `gphotosfs doctor` against an emulator. The state of the machine does not matter.

use std::time::Duration;

use gphotosfs_emulator::{Call, Failure};
use serde_json::Value;

use crate::support::World;

/// The output of a check, as `result text -> remedy`.
fn check(world: &World, name: &str) -> String {
    let outcome = world.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let failed = checks.iter().any(|it| it["result"] == "fail");
    assert_eq!(report["ok"], !failed);
    assert_eq!(outcome.status.code(), Some(i32::from(failed)));
    let found: Vec<String> = checks
        .iter()
        .filter(|it| it["name"] == name)
        .map(|it| {
            let part = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} -> {}", part("result"), part("text"), part("remedy"))
        })
        .collect();
    found.join("\n")
}

#[track_caller]
fn says(world: &World, name: &str, parts: &[&str]) {
    let said = check(world, name);
    for part in parts {
        assert!(said.contains(part), "{name}: no {part:?} in {said:?}");
    }
}

#[test]
fn a_login_that_works_is_found_to_work_at_the_cost_of_one_request() {
    let world = World::new();
    for name in ["fuse device", "client file", "login", "login age", "api", "clock", "queue"] {
        assert!(check(&world, name).starts_with("ok "), "{name}: {}", check(&world, name));
    }
    says(&world, "photoslibrary.appendonly", &["ok granted: upload files"]);
    let before = world.emulator.stats().api_requests_today;
    let text = String::from_utf8(world.run(&["doctor"]).stdout).unwrap();
    assert!(text.contains("ok    login"), "{text}");
    assert_eq!(world.emulator.stats().api_requests_today, before + 1);
}

#[test]
fn each_refusal_of_google_has_its_remedy() {
    let world = World::new();
    world.emulator.faults(|it| it.fail_next(Call::AlbumsList, 1, Failure::ServiceDisabled));
    says(&world, "api", &["fail the Photos Library API is not enabled", "console.cloud.google"]);
    world.emulator.advance_clock(Duration::from_secs(7200));
    says(&world, "clock", &["fail 2h behind Google's", "set-ntp"]);
    world.emulator.faults(|it| it.fail_next(Call::AlbumsList, 1, Failure::Unavailable));
    says(&world, "api", &["warn Google answers with an error"]);
    world.emulator.revoke_grants();
    says(&world, "login", &["fail revoked", "run 'gphotosfs login'"]);
    says(&world, "api", &["warn", "was not checked"]);
}

#[test]
fn settings_that_a_mount_would_refuse_are_found() {
    let world = World::new();
    let said = check(&world, "config");
    assert!(said.starts_with("ok "), "{said}");
    let file = world.dir.path().join("config/gphotosfs/default/config.toml");
    for (text, why) in [
        ("uploads = 99\n", "config.toml: line 1: invalid value '99' for '--uploads <N>'"),
        ("refresh = '5m'\nuploads = \n", "config.toml: line 2: "),
        ("refresh = '5m'\n\nspeed = 1\n", "config.toml: line 3: speed: no setting has this name"),
    ] {
        std::fs::write(&file, text).unwrap();
        says(&world, "config", &["fail", why, "correct it"]);
        says(&world, "login", &["ok Google accepts it"]);
    }
}

#[test]
fn a_network_that_is_gone_is_not_taken_for_a_bad_login() {
    let mut world = World::new();
    world.stop_emulator();
    says(&world, "login", &["warn not checked", "may be good"]);
    let offline =
        "fail cannot reach Google's login service: no connection to 127.0.0.1: Connection refused";
    says(&world, "api", &[offline, "check the network"]);
}

#[test]
fn an_address_that_is_not_the_api_is_reported() {
    let mut world = World::new();
    world.api_url += "/elsewhere";
    says(&world, "api", &["fail", "404", "GPHOTOSFS_API_URL"]);
}

#[test]
fn a_running_mount_and_a_dead_one_are_checked() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1, 10_000);
    says(&world, "mount", &["ok", &format!("{}, process", world.mnt.display())]);
    // As the mount has it now, and with the request of doctor itself.
    let status = std::fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
    let status: Value = serde_json::from_slice(&status).unwrap();
    let spent = status["quota"]["api_requests"].as_u64().unwrap() + 1;
    says(&world, "quota", &[&format!("ok {spent} of 10000 API requests used")]);
    world.emulator.faults(|it| it.on(Call::UploadRaw).latency_ms = 600_000);
    world.sh("cp x.jpg mnt/A/");
    says(&world, "queue", &["ok 1 to go", "the mount uploads them"]);
    let pid: Value =
        serde_json::from_slice(&std::fs::read(world.mnt.join(".gphotos/status.json")).unwrap())
            .unwrap();
    let pid = pid["pid"].as_i64().unwrap();
    world.sh(&format!("kill -STOP {pid}"));
    let stuck = check(&world, "mount");
    world.sh(&format!("kill -CONT {pid}"));
    assert!(stuck.contains("does not answer") && !stuck.contains("is not mounted"), "{stuck}");
    world.kill();
    says(&world, "mount", &["fail the process behind", "gphotosfs umount"]);
    says(&world, "queue", &["warn 1 to go", "'gphotosfs sync'"]);
}
