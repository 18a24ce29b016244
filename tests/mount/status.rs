//! `gphotosfs status` and its files, with the built program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use gphotosfs_emulator::{Call, Moment};
use serde_json::Value;

use crate::support::{World, wait_for};

fn json(world: &World, args: &[&str]) -> Value {
    let outcome = world.run(&[&["status", "--json"], args].concat());
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    serde_json::from_slice(&outcome.stdout).unwrap()
}

fn text(world: &World) -> String {
    String::from_utf8(world.run(&["status"]).stdout).unwrap()
}

#[test]
fn progress_is_counted_and_timed() {
    let world = World::mounted();
    world.photo("x.jpg", 1, 3_000_000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
    world.sync();
    let status = json(&world, &[]);
    assert_eq!(status["progress"]["files_done"], 1);
    assert_eq!(
        status["progress"]["bytes_sent"],
        fs::metadata(world.dir.path().join("x.jpg")).unwrap().len()
    );
    assert_eq!(status["progress"]["seconds_left"], Value::Null);
    assert_eq!(status["mount"]["commit"], "background");
    assert!(status["login"]["client_id"].as_str().unwrap().contains("googleusercontent"));
    assert!(status["login"]["granted_at"].is_string());

    // Slow enough to be seen, whatever else the machine does.
    world.emulator.faults(|it| it.on(Call::UploadRaw).bytes_per_s = Some(400_000));
    world.photo("y.jpg", 2, 7_000_000);
    world.sh("cp y.jpg mnt/A/");
    wait_for("a rate and the time left", || {
        let now = json(&world, &[])["progress"].clone();
        now["bytes_per_second"].as_u64().unwrap() > 0 && now["seconds_left"].is_u64()
    });
    let said = text(&world);
    for part in ["Speed", "/s, ", "left", "1 to go", "logged in", "process "] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn without_a_mount_status_shows_the_queue() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1, 10_000);
    world.stop_emulator();
    world.sh("cp x.jpg mnt/A/");
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    let status = json(&world, &[]);
    assert_eq!((&status["mountpoint"], &status["pid"]), (&Value::Null, &Value::Null));
    assert_eq!(status["queue"]["sealed"], 1);
    assert_eq!(status["login"]["state"], "ok");
    assert!(status["quota"]["api_requests"].as_u64().unwrap() > 0);
    let said = text(&world);
    assert!(said.contains("not mounted") && said.contains("1 to go"), "{said}");
}

#[test]
fn metrics_are_there_to_be_scraped() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    let metrics = fs::read_to_string(world.mnt.join(".gphotos/metrics")).unwrap();
    for line in [
        "gphotosfs_login_ok 1",
        "gphotosfs_queue_files{state=\"failed\"} 0",
        "gphotosfs_done_total 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "no {line:?} in:\n{metrics}");
    }
    assert_eq!(world.names(".gphotos"), ["failed", "library", "metrics", "picked", "status.json"]);
    let refused = world.sh_outcome("echo 1 > mnt/.gphotos/metrics");
    assert!(!refused.status.success());
}

#[test]
fn watching_prints_a_line_for_each_change_and_ends_with_the_mount() {
    let world = World::mounted();
    let mut watch =
        world.program().args(["status", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().contains("nothing to send"));
    world.emulator.faults(|it| it.on(Call::UploadRaw).latency_ms = 600_000);
    world.photo("x.jpg", 1, 10_000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
    assert!(lines.any(|line| line.contains("1 to go")));
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    assert!(watch.wait().unwrap().success());
}

#[test]
fn watching_on_a_terminal_rings_once_when_uploads_begin_to_wait() {
    let world = World::mounted();
    let seen = world.dir.path().join("seen");
    let program = world.program();
    let script = format!(
        "stty rows 24 cols 80; '{}' status --watch",
        program.get_program().to_str().unwrap()
    );
    let mut watch = Command::new("script")
        .args(["-qefc", &script])
        .arg(&seen)
        .envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let shows = |what: &str| {
        std::fs::read(&seen).is_ok_and(|it| String::from_utf8_lossy(&it).contains(what))
    };
    wait_for("the first screen", || shows("nothing to send"));
    world.emulator.faults(|it| it.storage_bytes = Some(0));
    world.photo("x.jpg", 1, 10_000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
    wait_for("the screen with the reason", || shows("blocked ("));
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    assert!(watch.wait().unwrap().success());
    let screens = std::fs::read(&seen).unwrap();
    assert_eq!(screens.iter().filter(|it| **it == 7).count(), 1);
}

/// A mount with a photo `A/x.jpg` that waits, because the mount has noticed the end of its login.
fn with_an_ended_login() -> World {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1, 10_000);
    world.emulator.revoke_grants();
    world.sh("cp x.jpg mnt/A/");
    wait_for("the end of the login to be noticed", || {
        json(&world, &[])["trouble"]["kind"] == "login"
    });
    world
}

#[test]
fn a_mount_whose_login_has_ended_takes_a_new_one_at_once() {
    let world = with_an_ended_login();
    world.login();
    assert_eq!(json(&world, &[])["login"]["state"], "ok");
    wait_for("the upload", || world.remote("A") == ["x.jpg"]);
}

#[test]
fn a_refresh_reports_its_progress() {
    let world = World::mounted();
    world.sh("mkdir mnt/A mnt/B mnt/C");
    assert_eq!(json(&world, &[])["refresh"], Value::Null);
    world.emulator.hold(Call::MediaItemsSearch, Moment::Request);
    // On a terminal of its own.
    let program = world.program();
    let script =
        format!("stty rows 24 cols 80; '{}' refresh mnt", program.get_program().to_str().unwrap());
    let mut refresh = Command::new("script")
        .args(["-qec", &script, "/dev/null"])
        .envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))))
        .current_dir(world.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(refresh.stdout.take().unwrap()).split(b'\r');
    let mut shows = |what: &str| {
        let mut lines = shown.by_ref().map(|line| String::from_utf8(line.unwrap()).unwrap());
        assert!(lines.any(|line| line.contains(what)), "it has never shown {what}");
    };
    shows("0/3 albums listed again");
    world.emulator.let_pass(Call::MediaItemsSearch, Moment::Request, 2);
    shows("2/3 albums listed again");
    assert_eq!(json(&world, &[])["refresh"], serde_json::json!({"albums": 3, "listed": 2}));
    world.emulator.let_go(Call::MediaItemsSearch, Moment::Request);
    assert!(refresh.wait().unwrap().success());
    assert_eq!(json(&world, &[])["refresh"], Value::Null);
}

#[test]
fn a_login_that_was_found_dead_is_not_called_ok_afterwards() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1, 10_000);
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    world.sh("cp x.jpg mnt/A/");
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    world.emulator.revoke_grants();
    let (done, said) = world.told(&["sync"]);
    assert!(!done && said.contains("Google has ended this login"), "{said}");
    let login = json(&world, &[])["login"].clone();
    assert_eq!(login["state"], "dead");
    assert!(login["message"].as_str().unwrap().contains("Google has ended this login"), "{login}");
    world.login();
    assert_eq!(json(&world, &[])["login"]["state"], "ok", "it was about the one before");
}

#[test]
fn a_mount_whose_process_was_killed_is_called_dead() {
    let world = World::mounted();
    world.kill();
    let said = text(&world);
    let place = world.mnt.to_str().unwrap();
    let line = format!("{place}: the mount has died: run 'gphotosfs umount' on it");
    assert!(said.contains(&line) && !said.contains("not mounted"), "{said}");
    // Its profile is meant to be mounted, and is not.
    let outcome = world.run(&["status", "--json"]);
    assert_eq!(outcome.status.code(), Some(1));
    let status: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(status["dead_mountpoint"], place);
    assert_eq!(status["unmounted"]["wanted"], true);
    assert!(world.run(&["umount", place]).status.success());
    assert!(text(&world).contains("not mounted"));
    assert_eq!(json(&world, &[])["dead_mountpoint"], Value::Null);
}

#[test]
fn what_others_have_looked_at_is_not_told_again() {
    let world = World::mounted();
    world.sh("mkdir mnt/A && stat mnt/.gphotos/status.json && touch mnt/A/a.part");
    assert_eq!(json(&world, &[])["queue"]["scratch"], 1, "a program asked for the length before");
}

#[test]
fn empty_files_are_not_called_temporary() {
    let world = World::mounted();
    world.sh("mkdir mnt/A && touch mnt/A/a.jpg && echo x > mnt/A/b.jpg.part && cp mnt/A/b.jpg.part mnt/A/c.part");
    let said = text(&world);
    let queue = "nothing to send; 2 kept here only (temporary names), 1 kept here only (empty)";
    assert!(said.contains(queue), "{said}");
    let queue = json(&world, &[])["queue"].clone();
    assert_eq!((&queue["scratch"], &queue["empty"]), (&3.into(), &1.into()));
}

#[test]
fn an_outage_of_the_network_is_told_in_plain_words() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1, 10_000);
    world.stop_emulator();
    world.sh("cp x.jpg mnt/A/");
    wait_for("the outage", || json(&world, &[])["trouble"]["kind"] == "offline");
    let text = text(&world);
    let line = text.lines().find(|line| line.contains("blocked")).unwrap();
    assert!(line.contains("): no connection to 127.0.0.1: Connection refused; next"), "{line}");
    assert!(!text.contains("error sending request") && !text.contains("os error"), "{text}");
    assert!(world.log().contains("uploads wait: no connection to 127.0.0.1: Connection refused"));
}

#[test]
fn an_error_that_repeats_is_shown_once_and_sync_names_its_file() {
    let world = World::mounted();
    world.sh("mkdir mnt/A mnt/B");
    world.photo("whole.jpg", 1, 10_000);
    world.sh("cp whole.jpg mnt/A/ && sync mnt/A && head -c 3000 whole.jpg > cut.jpg && cp cut.jpg mnt/A/");
    let sync = |path: &str| world.told(&["sync", world.dir.path().join(path).to_str().unwrap()]);
    let (done, said) = sync("mnt");
    assert!(!done && said.contains("A/cut.jpg was refused: BAD_IMAGE: "), "{said}");
    let text = text(&world);
    assert_eq!(text.matches("A/cut.jpg: BAD_IMAGE").count(), 1, "{text}");
    let (done, said) = sync("mnt/B");
    assert!(done && !said.contains("refused"), "{said}");
}

#[test]
fn sync_without_a_mount_names_the_file_that_was_refused() {
    let world = World::new();
    // The mount uploads nothing before it ends.
    world.mount(&["--upload-delay", "1h"]);
    world.sh("mkdir mnt/A");
    world.photo("whole.jpg", 1, 10_000);
    world.sh("cp whole.jpg mnt/A/ && head -c 3000 whole.jpg > cut.jpg && cp cut.jpg mnt/A/");
    world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
    let (done, said) = world.told(&["sync"]);
    assert!(!done && said.contains("A/cut.jpg was refused: BAD_IMAGE: "), "{said}");
}

#[test]
fn a_check_fails_once_a_person_has_to_do_something() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A");
    assert_eq!(world.told(&["status", "--check"]), (true, String::new()));

    // An outage ends by itself: a restart of the mount would not end it.
    world.photo("x.jpg", 1, 10_000);
    world.stop_emulator();
    world.sh("cp x.jpg mnt/A/");
    wait_for("the outage", || json(&world, &[])["trouble"]["kind"] == "offline");
    assert_eq!(world.told(&["status", "--check"]), (true, String::new()));

    world.kill();
    let outcome = world.run(&["status", "--check"]);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("the mount has died"), "{said}");
    assert!(world.run(&["umount", world.mnt.to_str().unwrap()]).status.success());
    let (done, said) = world.told(&["status", "--check"]);
    assert!(!done && said.contains("gphotosfs: not mounted"), "{said}");
}

#[test]
fn a_check_fails_while_the_login_is_dead() {
    let world = with_an_ended_login();
    let (done, said) = world.told(&["status", "--check"]);
    assert!(!done && said.contains("gphotosfs login"), "{said}");
    world.login();
    wait_for("the mount to use the new login", || {
        world.told(&["status", "--check"]) == (true, String::new())
    });
}
