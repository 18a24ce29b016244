//! A profile and its login belong to the service that the profile was first used with.

use std::fs;

use gphotosfs_emulator::Config;

use crate::support::{Google, World};

const GOOGLE: &str = "https://photoslibrary.googleapis.com/";
const CLIENT: &str = "config/gphotosfs/default/client_secret.json";

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
    let words = ["belongs to the emulator", GOOGLE.trim_end_matches('/'), "--profile", "api_url"];
    let mount = ["mount", &mnt];
    for args in [&mount[..], &["sync"]] {
        is_refused(&world, args, &words);
    }
    let said = String::from_utf8(world.run(&["doctor"]).stdout).unwrap();
    assert!(said.contains("FAIL  login") && said.contains("belongs to the emulator"), "{said}");

    // Where only the login or only the database is left it is no different.
    world.sh("mkdir aside && mv state/gphotosfs/default aside/");
    is_refused(&world, &mount, &words);
    world.sh("rm -r state/gphotosfs/default && mv aside/default state/gphotosfs/");
    let client = world.dir.path().join(CLIENT);
    let of_emulator = fs::read_to_string(&client).unwrap();
    let of_google = of_emulator.replace(&emulator, "https://oauth2.googleapis.com");
    assert_ne!(of_emulator, of_google);
    fs::write(&client, of_google).unwrap();
    is_refused(&world, &mount, &words);
    let words = ["belongs to the emulator", "https://oauth2.googleapis.com", "--profile"];
    is_refused(&world, &["login", "--no-browser"], &words);

    // A login of Google's is not sent to the emulator.
    world.sh("rm -r state/gphotosfs/default");
    world.api_url = emulator;
    is_refused(&world, &mount, &["belongs to Google", "127.0.0.1", "--profile"]);
}

#[test]
fn the_emulator_may_have_another_port() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A");
    world.umount();
    world.stop_emulator();
    let config = Config { state: Some(world.dir.path().join("google")), ..Config::default() };
    world.emulator = Google::start(config);
    world.api_url = world.emulator.url().replace("127.0.0.1", "localhost");
    world.login();
    world.mount(&[]);
    assert_eq!(world.names(""), ["A"]);
}
