//! Backups of a profile that is mounted, and busy.

use std::fs;

use gphotosfs_emulator::{Call, Moment};

use crate::support::{World, wait_for};

/// Names, times and hashes that Google does not know come back, and each queued file arrives once.
#[test]
fn a_backup_of_a_busy_mount_brings_everything_back() {
    let world = World::mounted();
    world.photo("p/a.jpg", 1, 5000);
    world.sh("touch -d '2019-04-28 12:00:00.123456789' p/a.jpg");
    world.sh("mkdir mnt/A && cp -p p/a.jpg mnt/A/ && sync mnt/A && mv mnt/A/a.jpg mnt/A/ours.jpg");
    world.sync();
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    for seed in 10..40 {
        world.photo(&format!("p/{seed}.jpg"), seed, 5000);
    }
    world.sh("cp p/??.jpg mnt/A/ && echo '<x/>' > mnt/A/a.xmp");
    let file = world.dir.path().join("b.tar");
    let file = file.to_str().unwrap();
    let (done, said) = world.told(&["backup", file, "--with-login"]);
    assert!(done, "{said}");
    // The machine is lost, and so is the profile.
    world.kill();
    world.sh("fusermount3 -u mnt; rm -r state config cache");
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    let (done, said) = world.told(&["restore", file]);
    assert!(done, "{said}");
    world.mount(&[]);
    world.sync();
    let mut wanted: Vec<_> = (10..40).map(|it| format!("{it}.jpg")).collect();
    wanted.insert(0, "a.jpg".into());
    let mut arrived = world.remote("A");
    arrived.sort_by_key(|name| (name != "a.jpg", name.clone()));
    assert_eq!(arrived, wanted);
    let modified = world.sh("stat -c %y mnt/A/ours.jpg");
    assert!(modified.starts_with("2019-04-28 12:00:00.123456789"), "{modified}");
    assert_eq!(fs::read(world.mnt.join("A/a.xmp")).unwrap(), b"<x/>\n");
    assert_eq!(world.sh("ls mnt/.gphotos/failed"), "");
    // The hash is known: a second copy sends nothing.
    world.emulator.reset_stats();
    world.sh("cp p/a.jpg mnt/A/again.jpg");
    world.sync();
    assert_eq!(world.emulator.stats().upload_bytes, 0);
}

/// While files come, change, and go, each backup has the bytes that belong to its journal.
#[test]
fn backups_while_files_come_and_go_lack_no_bytes() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    for seed in 0..120 {
        world.photo(&format!("p/{seed}.jpg"), seed, 60_000);
    }
    let copying = world.dir.path().to_owned();
    let copying = std::thread::spawn(move || {
        let script =
            "for i in $(seq 0 119); do cp p/$i.jpg mnt/A/; cat p/0.jpg >> mnt/A/$i.jpg; done";
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-ec", script]).current_dir(copying).status().unwrap().success());
    });
    let mut backups = Vec::new();
    while !copying.is_finished() && backups.len() < 8 {
        let file = world.dir.path().join(format!("{}.tar", backups.len()));
        let (done, said) = world.told(&["backup", file.to_str().unwrap()]);
        assert!(done, "{said}");
        backups.push(file);
    }
    copying.join().unwrap();
    world.sync();
    wait_for("the spool to be empty", || {
        fs::read_dir(world.dir.path().join("state/gphotosfs/default/spool")).unwrap().count() == 0
    });
    assert!(!backups.is_empty());
    for (at, file) in backups.iter().enumerate() {
        let profile = format!("p{at}");
        let (done, said) = world.told(&["--profile", &profile, "restore", file.to_str().unwrap()]);
        assert!(done, "{said}");
        let state = world.dir.path().join("state/gphotosfs").join(&profile);
        let database = rusqlite::Connection::open(state.join("gphotosfs.db")).unwrap();
        let sql = "SELECT u.file, f.size, u.state FROM uploads u JOIN files f ON f.id = u.file \
             WHERE u.state NOT IN ('open', 'unseen')";
        let mut rows = database.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)));
        for row in rows.unwrap() {
            let (number, size) = row.unwrap();
            let bytes = fs::read(state.join("spool").join(number.to_string()));
            let bytes = bytes.unwrap_or_else(|error| panic!("{file:?}: {number}: {error}"));
            assert_eq!(bytes.len() as u64, size, "{file:?}: {number}");
        }
    }
}
