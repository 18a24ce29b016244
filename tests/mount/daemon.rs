//! The process behind a mount: it keeps nothing of the command that started it, and nothing of it is
//! open to other users. It never deletes a file that it has not made.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use gphotosfs_emulator::Edit;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{World, jpeg, wait_for};

fn process(world: &World) -> PathBuf {
    let status = fs::read(world.mnt.join(".gphotos/status.json")).unwrap();
    let status: Value = serde_json::from_slice(&status).unwrap();
    PathBuf::from(format!("/proc/{}", status["pid"]))
}

/// Everything below a directory, the directory included.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap().is_dir() {
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn a_mount_in_the_background_keeps_nothing_of_its_shell() {
    let world = World::new();
    fs::create_dir(world.dir.path().join("card")).unwrap();
    let program = format!("{:?}", world.program());
    // Debug output of a command is a line for a shell, with its environment.
    world.sh(&format!("umask 000; cd card; exec 7</etc/passwd 9>../lock; {program} mount ../mnt"));
    let process = process(&world);
    assert_eq!(fs::read_link(process.join("cwd")).unwrap(), Path::new("/"));
    let status = fs::read_to_string(process.join("status")).unwrap();
    assert!(status.contains("Umask:\t0077"), "{status}");
    let card = fs::canonicalize(world.dir.path()).unwrap();
    for entry in fs::read_dir(process.join("fd")).unwrap() {
        let Ok(file) = fs::read_link(entry.unwrap().path()) else { continue };
        assert!(file != Path::new("/etc/passwd") && file != card.join("lock"), "{file:?}");
    }
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp a.jpg mnt/A/ && sync mnt && cat mnt/A/a.jpg >/dev/null");
    for dir in ["config", "state", "cache"] {
        for path in below(&world.dir.path().join(dir).join("gphotosfs")) {
            let mode = path.metadata().unwrap().mode();
            assert_eq!(mode & 0o077, 0, "{path:?} {mode:o}");
        }
    }
    world.umount();
}

#[test]
fn directories_that_others_can_enter_are_closed() {
    let world = World::new();
    let dirs: Vec<_> = ["config", "state", "cache"]
        .map(|dir| world.dir.path().join(dir).join("gphotosfs/default"))
        .into();
    world.mount(&[]);
    world.umount();
    let spool = dirs[1].join("spool");
    for dir in dirs.iter().chain([&spool]) {
        fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    }
    let said = String::from_utf8(world.run(&["doctor"]).stdout).unwrap();
    for dir in &dirs {
        assert!(said.contains(&format!("{dir:?} (mode 0755); its mode is 0700 now")), "{said}");
    }
    assert!(said.contains(&format!("other users can enter {spool:?}")), "{said}");
    world.mount(&[]);
    for dir in dirs.iter().chain([&spool]) {
        assert_eq!(dir.metadata().unwrap().mode() & 0o7777, 0o700, "{dir:?}");
    }
    world.umount();
    let said = String::from_utf8(world.run(&["doctor"]).stdout).unwrap();
    assert!(said.contains("no other user can enter them"), "{said}");
}

/// A disk of which the cache has a part, through a link.
fn linked_cache(world: &World) -> PathBuf {
    let (disk, cache) =
        (world.dir.path().join("disk"), world.dir.path().join("cache/gphotosfs/default"));
    fs::create_dir_all(&disk).unwrap();
    fs::create_dir_all(&cache).unwrap();
    symlink(&disk, cache.join("content")).unwrap();
    disk
}

#[test]
fn a_cache_on_another_disk_leaves_files_of_others_alone() {
    let world = World::new();
    let disk = linked_cache(&world);
    fs::create_dir(disk.join("lost+found")).unwrap();
    world.mount(&[]);
    let spool = world.dir.path().join("state/gphotosfs/default/spool");
    let theirs = [
        disk.join("holiday.jpg"),
        disk.join("2019.photos.part"),
        disk.join("albums/1.jpg"),
        spool.join("notes.txt"),
        spool.join("old/2.jpg"),
    ];
    for path in &theirs {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, jpeg(1, 5000)).unwrap();
    }
    world.umount();
    world.mount(&["--cache-size", "1k"]);
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp a.jpg mnt/A/ && sync mnt && cmp a.jpg mnt/A/a.jpg");
    world.umount();
    for path in &theirs {
        assert_eq!(fs::read(path).unwrap(), jpeg(1, 5000), "{path:?}");
    }
    let log = world.log();
    assert_eq!(log.matches("gphotosfs has not put there; they stay").count(), 2, "{log}");
    assert!(log.contains("holiday.jpg") && log.contains("notes.txt"), "{log}");
}

#[test]
fn a_directory_full_of_pictures_does_not_become_the_cache() {
    let world = World::new();
    let disk = linked_cache(&world);
    fs::write(disk.join("holiday.jpg"), "x").unwrap();
    fs::set_permissions(&disk, Permissions::from_mode(0o755)).unwrap();
    let (mounted, said) = world.told(&["mount", world.mnt.to_str().unwrap()]);
    assert!(!mounted && said.contains("holiday.jpg") && said.contains("empty directory"), "{said}");
    assert_eq!(disk.metadata().unwrap().mode() & 0o7777, 0o755);
    fs::remove_file(disk.join("holiday.jpg")).unwrap();
    world.mount(&[]);
    world.umount();
}

#[test]
fn a_status_at_that_instant_refuses_neither_a_mount_nor_an_unmount() {
    let world = World::new();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(world.run(&["status"]));
                }
            });
        }
        let mut failed = Vec::new();
        for _ in 0..8 {
            for args in [&["mount"][..], &["umount", "--now"]] {
                let outcome = world.program().args(args).arg(&world.mnt).output().unwrap();
                if !outcome.status.success() {
                    failed.push(String::from_utf8(outcome.stderr).unwrap());
                }
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(failed, [""; 0]);
    });
}

/// umount(8) returns before the process has ended.
#[test]
fn a_mount_waits_for_the_end_of_the_one_before() {
    let world = World::new();
    let mut before = world.serve(&[]);
    wait_for("the mount", || before.is_ready());
    let stopped = Pid::from_raw(before.pid() as i32).unwrap();
    kill_process(stopped, Signal::STOP).unwrap();
    world.sh("umount mnt");
    let mut next = world.serve(&[]);
    wait_for("the next mount to wait", || world.log().contains("waiting for its end"));
    kill_process(stopped, Signal::CONT).unwrap();
    before.ended();
    wait_for("the next mount", || next.is_ready());
    world.umount();
    next.ended();
}

#[test]
fn a_reader_that_stays_still_refuses_the_unmount() {
    let world = World::mounted();
    world.edit(Edit::CreateAlbum { title: "A".into() });
    world.emulator.seed("A", 1);
    wait_for("the photo", || fs::read_dir(world.mnt.join("A")).is_ok_and(|it| it.count() == 1));
    let file = fs::File::open(world.mnt.join("A/IMG_000000.jpg")).unwrap();
    let (done, said) = world.told(&["umount", "--now", world.mnt.to_str().unwrap()]);
    assert!(!done && said.contains("busy"), "{said}");
    drop(file);
    world.umount();
}

/// > If the mount or the machine has no file descriptor left, an operation that needs one is `EMFILE`
/// > or `ENFILE`.
#[test]
fn a_lack_of_descriptors_is_emfile() {
    let world = World::new();
    let program = format!("{:?}", world.program());
    world.sh(&format!("ulimit -n 128; {program} mount mnt; mkdir mnt/A"));
    let mut open = Vec::new();
    let error = loop {
        let name = world.mnt.join("A").join(format!(".{}.tmp", open.len()));
        match fs::File::create(name) {
            Ok(file) => open.push(file),
            Err(error) => break error,
        }
        assert!(open.len() < 200);
    };
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}\n{}", world.log());
    drop(open);
    world.photo("a.jpg", 1, 5000);
    wait_for("a descriptor", || world.sh_outcome("cp a.jpg mnt/A/ && sync mnt/A").status.success());
    world.umount();
}
