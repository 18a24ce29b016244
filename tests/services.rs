//! A profile belongs to the service that it was first used with, and so does its login.

#![allow(clippy::unwrap_used)] // In a test, a step that fails is the finding.

mod support;

use std::fs;

use gphotosfs::emulator::{Config, Emulator};
use support::World;

const GOOGLE: &str = "https://photoslibrary.googleapis.com/";
const TOKEN: &str = "config/gphotosfs/default/token.json";

#[track_caller]
fn is_refused(world: &World, args: &[&str], words: &[&str]) {
    let (done, said) = world.told(args);
    assert!(!done, "{args:?}: {said}");
    for part in words {
        assert!(said.contains(part), "{args:?}: no {part:?} in {said}");
    }
}

#[test]
fn a_profile_of_the_emulator_is_not_used_with_google_nor_the_reverse() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A");
    world.umount();
    let emulator = std::mem::replace(&mut world.api_url, GOOGLE.to_owned());
    let mnt = world.mnt.to_str().unwrap().to_owned();
    let words = [emulator.as_str(), GOOGLE.trim_end_matches('/'), "--profile", "api_url"];
    for args in [&["mount", &mnt][..], &["sync"], &["login", "--no-browser"]] {
        is_refused(&world, args, &words);
    }
    let said = String::from_utf8(world.run(&["doctor"]).stdout).unwrap();
    assert!(said.contains("FAIL  login") && said.contains(&emulator), "{said}");

    // Where only the login is left it is no different, also one of an earlier version, which does not say whose it is.
    world.sh("rm -r state/gphotosfs/default");
    is_refused(&world, &["mount", &mnt], &words);
    let path = world.dir.path().join(TOKEN);
    let mut token: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    token.as_object_mut().unwrap().remove("service").unwrap();
    fs::write(&path, token.to_string()).unwrap();
    is_refused(&world, &["mount", &mnt], &words);
    is_refused(&world, &["login", "--no-browser"], &words);

    // A profile that does not say whose it is becomes that of the service which it is used with next.
    world.api_url = emulator.clone();
    world.mount(&[]);
    world.umount();
    token["service"] = GOOGLE.into();
    fs::write(&path, token.to_string()).unwrap();
    is_refused(&world, &["mount", &mnt], &words);
}

#[test]
fn the_emulator_may_have_another_port() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A");
    world.umount();
    world.stop_emulator();
    let config = Config { state: Some(world.dir.path().join("google")), ..Config::default() };
    world.emulator = world.runtime.block_on(Emulator::start(config)).unwrap();
    world.api_url = world.emulator.url().replace("127.0.0.1", "localhost");
    world.login();
    world.mount(&[]);
    assert_eq!(world.names(""), ["A"]);
}
