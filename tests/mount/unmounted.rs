//! A directory without its mount does not look as if the mount were there. root writes wherever it
//! likes, so these tests can copy into it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::World;

fn mode(world: &World) -> u32 {
    world.mnt.metadata().unwrap().permissions().mode() & 0o7777
}

/// The output of `doctor` about the mount.
fn doctor(world: &World) -> (bool, String) {
    let outcome = world.run(&["doctor"]);
    let said = String::from_utf8(outcome.stdout).unwrap();
    (outcome.status.success(), said)
}

fn status(world: &World) -> (Option<i32>, String) {
    let outcome = world.run(&["status"]);
    (outcome.status.code(), String::from_utf8(outcome.stdout).unwrap())
}

/// Ends the mount as a logout does.
fn log_out(world: &World) {
    let mut served = world.serve(&[]);
    assert!(served.is_ready(), "{}", world.log());
    kill_process(Pid::from_raw(served.pid() as i32).unwrap(), Signal::TERM).unwrap();
    served.ended();
}

#[test]
fn a_profile_is_meant_to_be_mounted_until_somebody_unmounts_it() {
    let world = World::new();
    let mnt = world.mnt.to_str().unwrap();
    assert_eq!(status(&world).0, Some(0), "never mounted");
    log_out(&world);
    let (code, said) = status(&world);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("not mounted, but meant to be on {mnt}")), "{said}");
    let (fine, said) = doctor(&world);
    assert!(!fine && said.contains(&format!("meant to be mounted on {mnt}, and is not")), "{said}");
    assert!(said.contains(&format!("mount it: 'gphotosfs mount {mnt}'")), "{said}");
    // The user says that it is to stay so.
    let (done, said) = world.told(&["umount", mnt]);
    assert!(done && said.contains("was not mounted; it stays so"), "{said}");
    assert_eq!(status(&world).0, Some(0));
    // It may complain of another mount on this machine, which a test has stopped.
    let (_, said) = doctor(&world);
    assert!(!said.contains(mnt), "{said}");

    world.mount(&[]);
    assert_eq!(status(&world).0, Some(0), "mounted");
    world.umount();
    assert_eq!(status(&world).0, Some(0), "unmounted by the program");
    world.mount(&[]);
    world.sh("umount mnt");
    crate::support::wait_for("the mount to end", || status(&world).1.contains("not mounted; run"));
    assert_eq!(status(&world).0, Some(0), "unmounted by another program");
}

#[test]
fn the_directory_without_its_mount_is_closed_for_writing() {
    let world = World::new();
    fs::set_permissions(&world.mnt, PermissionsExt::from_mode(0o775)).unwrap();
    world.mount(&[]);
    world.sh("mkdir mnt/A");
    world.umount();
    assert_eq!(mode(&world), 0o555);
    world.mount(&[]);
    assert_eq!(world.names(""), ["A"]);
    world.kill();
    world.sh("umount -l mnt");
    assert_eq!(mode(&world), 0o555, "also after a crash");

    // The user mounts over files on purpose.
    let world = World::new();
    world.sh("chmod 755 mnt && touch mnt/notes");
    world.mount(&["-o", "nonempty"]);
    world.umount();
    assert_eq!(mode(&world), 0o755);
}

#[test]
fn paths_below_the_mountpoint_are_named_as_not_mounted() {
    let world = World::new();
    log_out(&world);
    let mnt = world.mnt.to_str().unwrap();
    let album = format!("{mnt}/20190428");
    world.photo("local/a.jpg", 1, 5000);
    let local = world.dir.path().join("local");
    let local = local.to_str().unwrap();
    for there in [false, true] {
        if there {
            world.sh("mkdir mnt/20190428");
        }
        for args in [
            &["sync", &album][..],
            &["refresh", &album],
            &["status", &album],
            &["info", &album],
            &["diff", local, &album],
            &["verify", &album],
            &["adopt", local, &album],
        ] {
            let (done, said) = world.told(args);
            assert!(
                !done && said.contains(&format!("is not mounted on {mnt}")),
                "{args:?}: {said}"
            );
            assert!(said.contains(&format!("'gphotosfs mount {mnt}'")), "{args:?}: {said}");
        }
    }
}

#[test]
fn files_under_the_mountpoint_are_reported_and_imported_without_loss_or_double() {
    let world = World::mounted();
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/Out && cp a.jpg mnt/Out/ && sync mnt");
    world.umount();
    log_out(&world);
    // It was there before, is another one of the same name, is a new one in a new album.
    for (name, seed) in [("Out/a.jpg", 1), ("Out/b.jpg", 2), ("New/c.jpg", 3)] {
        world.photo(&format!("mnt/{name}"), seed, 5000);
    }
    let mnt = world.mnt.to_str().unwrap();
    let import = format!("'gphotosfs mount --import {mnt}'");
    let (code, said) = status(&world);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("3 files (such as New/c.jpg) lie in ") && said.contains(&import),
        "{said}"
    );
    let (fine, said) = doctor(&world);
    assert!(!fine && said.contains("3 files (such as") && said.contains(&import), "{said}");
    for args in [&["sync"][..], &["sync", mnt], &["mount", mnt]] {
        let (done, said) = world.told(args);
        assert!(!done && said.contains("3 files (such as New/c.jpg)"), "{args:?}: {said}");
        assert!(said.contains(&import), "{args:?}: {said}");
    }

    let (done, said) = world.told(&["mount", "--import", mnt]);
    assert!(done, "{said}");
    assert!(
        said.contains("moved 2 files into ") && said.contains("1 were there already"),
        "{said}"
    );
    world.sync();
    assert_eq!(world.remote("Out"), ["a.jpg", "b.jpg"]);
    assert_eq!(world.remote("New"), ["c.jpg"]);
    assert_eq!(world.emulator.dump().items.len(), 3);
    world.umount();
    assert_eq!(world.names(""), [""; 0], "nothing is left under the mountpoint");
    assert_eq!(mode(&world), 0o555);
    assert_eq!(status(&world).0, Some(0));
}

#[test]
fn what_cannot_be_imported_stays_where_it_is() {
    let world = World::new();
    world.photo("mnt/A/a.jpg", 1, 5000);
    fs::write(world.mnt.join("A/notes.txt"), "no photo").unwrap();
    fs::write(world.mnt.join("lonely.jpg"), "in no album").unwrap();
    let mnt = world.mnt.to_str().unwrap();
    let (done, said) = world.told(&["mount", "--import", mnt]);
    assert!(!done && said.contains("moved 1 file into "), "{said}");
    assert!(said.contains("could not move 2") && said.contains("A/notes.txt: "), "{said}");
    // The text file is among the refused ones, as after any copy of it.
    let (done, said) = world.told(&["sync", mnt]);
    assert!(!done && said.contains("some files were refused"), "{said}");
    assert_eq!(world.remote("A"), ["a.jpg"]);
    world.umount();
    assert_eq!(world.names(""), ["A", "lonely.jpg"]);
    assert_eq!(fs::read_to_string(world.mnt.join("A/notes.txt")).unwrap(), "no photo");
    assert_eq!(status(&world).0, Some(1), "they are reported until somebody moves them");
}

#[test]
fn a_mount_in_the_foreground_says_what_only_a_person_can_mend() {
    let world = World::new();
    world.photo("mnt/A/a.jpg", 1, 5000);
    let place = world.mnt.to_str().unwrap();
    let outcome = world.run(&["mount", "-f", place]);
    assert_eq!(outcome.status.code(), Some(78), "{outcome:?}");
    assert_eq!(world.run(&["mount", place]).status.code(), Some(1));
    world.sh("rm -r mnt/A");
    let outcome = world.run(&["--profile", "new", "mount", "-f", place]);
    assert_eq!(outcome.status.code(), Some(78), "no login: {outcome:?}");
    let outcome = world.run(&["mount", "-f", &format!("{place}/missing")]);
    assert_eq!(outcome.status.code(), Some(78), "{outcome:?}");
    for unit in ["gphotosfs.service", "gphotosfs@.service"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(unit);
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("RestartPreventExitStatus=2 78\n"), "{unit}");
    }
}

/// A path of other bytes would not fit into what `status` and the next commands read.
#[test]
fn a_mountpoint_whose_path_is_not_utf_8_is_refused_in_words() {
    let world = World::new();
    let dir = world.dir.path().join(OsStr::from_bytes(b"ph\xffotos"));
    fs::create_dir(&dir).unwrap();
    let outcome = world.program().arg("mount").arg(&dir).output().unwrap();
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert!(!outcome.status.success(), "{said}");
    assert!(said.contains("cannot mount on") && said.contains("its path is not UTF-8"), "{said}");
    let (done, said) = world.told(&["status"]);
    assert!(done, "it is meant to be mounted nowhere: {said}");
}
