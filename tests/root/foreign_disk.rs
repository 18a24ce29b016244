//! Filesystems of others that look like a mount of this program.

use std::fs;
use std::os::unix::fs::chown;

use gphotosfs_emulator::{Config, Emulator};

use crate::disk::Disk;
use crate::support::World;
use crate::users::{FRIEND, friends_world, in_friends_world};

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

/// The friend's mount says that a process of root's is its own: in its namespace it has that number.
#[test]
fn a_mount_of_another_user_is_not_believed_by_umount() {
    let world = World::new();
    let dir = friends_world(&world);
    let script = format!(
        "echo user_allow_other >fuse.conf && mount --bind fuse.conf /etc/fuse.conf
         export GPHOTOSFS_API_URL={api} XDG_CONFIG_HOME=$PWD/friend/.config
         export XDG_STATE_HOME=$PWD/friend/state XDG_CACHE_HOME=$PWD/friend/cache
         sleep 100 & roots=$!
         unshare --pid --fork --kill-child bash -c \"
             echo $((roots - 1)) >/proc/sys/kernel/ns_last_pid
             setpriv --reuid {FRIEND} --regid {FRIEND} --clear-groups \
                 bin/gphotosfs mount --foreground --allow-other friend/photos & wait\" & space=$!
         timeout 60 bash -c 'until mountpoint -q friend/photos; do sleep 0.1; done'
         grep -Eq '\"pid\": ?'$roots, friend/photos/.gphotos/status.json
         own() {{ export XDG_CONFIG_HOME=$PWD/$1 XDG_STATE_HOME=$PWD/$1 XDG_CACHE_HOME=$PWD/$1; }}
         stranger() {{ setpriv --reuid 65534 --regid 65534 --clear-groups $PWD/bin/gphotosfs \"$@\"; }}
         mkdir -m 777 strangers && own strangers
         for now in '' --now; do
             status=0; stranger umount $now friend/photos || status=$?; test $status = 2
         done
         own roots
         status=0; bin/gphotosfs umount friend/photos || status=$?; test $status = 2
         mountpoint -q friend/photos
         bin/gphotosfs umount --now friend/photos
         grep -q '^State:.S' /proc/$roots/status && echo alive
         kill $roots && wait $space",
        api = world.api_url,
    );
    let outcome = in_friends_world(&dir, &script);
    let said = String::from_utf8_lossy(&outcome.stdout);
    let errors = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success() && said.ends_with("alive\n"), "{said}\n{errors}");
    assert_eq!(errors.matches("only that user and root can unmount it").count(), 2, "{errors}");
    assert!(errors.contains("without waiting for its uploads"), "{errors}");
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
