//! Filesystems of others that look like a mount of this program.

use std::fs;
use std::os::unix::fs::chown;

use gphotosfs_emulator::{Config, Emulator};

use crate::disk::Disk;
use crate::support::World;

#[test]
fn a_memory_card_with_a_status_is_not_believed() {
    let world = World::mounted();
    let status = fs::read_to_string(world.mnt.join(".gphotos/status.json")).unwrap();
    let card = Disk::tmpfs(world.dir.path().join("card"), "size=1m");
    fs::create_dir(card.dir.join(".gphotos")).unwrap();
    fs::write(card.dir.join(".gphotos/status.json"), status.replace("default", "forged\\u001b[2J"))
        .unwrap();
    let place = card.dir.to_str().unwrap();
    for args in [&["status", place][..], &["sync", place], &["info", place], &["refresh", place]] {
        let output = world.run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{args:?}");
        assert!(errors.contains("not on a gphotosfs mount of yours"), "{args:?}: {errors}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("forged"), "{args:?}");
    }
    assert!(world.run(&["status", world.mnt.to_str().unwrap()]).status.success());
}

#[tokio::test]
async fn the_emulator_takes_no_directory_of_another_user() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    chown(&state, Some(65534), None).unwrap();
    let config = Config { state: Some(state.clone()), ..Config::default() };
    let error = Emulator::start(config.clone()).await.err().unwrap();
    assert!(error.to_string().contains("belongs to another user"), "{error}");
    chown(&state, Some(0), None).unwrap();
    fs::create_dir(state.join("blobs")).unwrap();
    chown(state.join("blobs"), Some(65534), None).unwrap();
    assert!(Emulator::start(config).await.is_err());
}
