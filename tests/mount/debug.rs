//! `gphotosfs debug`: the facts about a file and about the queue, beside a mount and without one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use gphotosfs_emulator::{Call, Moment};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{World, jpeg, sha256, wait_for};

fn said(world: &World, args: &[&str]) -> String {
    let outcome = world.run(&[&["debug"], args].concat());
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));
    String::from_utf8(outcome.stdout).unwrap()
}

fn file(world: &World, path: &str) -> Value {
    serde_json::from_str(&said(world, &["file", path, "--json"])).unwrap()
}

fn queue(world: &World) -> Value {
    serde_json::from_str(&said(world, &["queue", "--json"])).unwrap()
}

/// A line of the text, without its name.
fn line(text: &str, name: &str) -> String {
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name:?} in:\n{text}")).trim().to_owned()
}

/// The upload tokens and the texts in upload sessions that the database has.
fn secrets(world: &World) -> Vec<String> {
    let path = world.dir.path().join("state/gphotosfs/default/gphotosfs.db");
    let db = Connection::open(path).unwrap();
    let mut query = db.prepare("SELECT session, token FROM uploads").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut secrets = Vec::new();
    for row in rows {
        let (session, token): (Option<String>, Option<String>) = row.unwrap();
        if let Some(session) = session {
            let session: Value = serde_json::from_str(&session).unwrap();
            let texts = session.as_object().unwrap().values().filter_map(Value::as_str);
            secrets.extend(texts.map(str::to_owned));
        }
        secrets.extend(token);
    }
    secrets
}

/// Whatever is said holds no secret of the `count` that there are.
fn keeps_secrets(world: &World, path: &str, count: usize) {
    let secrets = secrets(world);
    assert_eq!(secrets.len(), count, "{secrets:?}");
    for args in [&["file", path][..], &["file", path, "--json"], &["queue"], &["queue", "--json"]] {
        let said = said(world, args);
        assert!(!secrets.iter().any(|secret| said.contains(secret.as_str())), "{said}");
        assert!(!said.contains("http"), "{said}");
    }
}

#[test]
fn a_file_is_followed_from_its_writer_into_the_album() {
    const LARGE: usize = 9_000_000;
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    let (bytes, path) = (jpeg(1, LARGE), world.mnt.join("A/x.jpg"));
    let path = path.to_str().unwrap();
    world.emulator.hold(Call::UploadChunk, Moment::Request);
    world.emulator.hold(Call::MediaItemsBatchCreate, Moment::Request);

    // A process of its own: if this one wrote, each program that it starts would close a copy of
    // the descriptor, and that seals the file.
    let mut writer =
        Command::new("tee").arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    writer.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
    wait_for("all bytes", || fs::metadata(path).is_ok_and(|it| it.len() == bytes.len() as u64));
    let seen = file(&world, path);
    assert_eq!(seen["names"], json!(["A/x.jpg"]));
    assert_eq!(seen["inode"], fs::metadata(path).unwrap().ino());
    assert_eq!(seen["mountpoint"], world.mnt.to_str().unwrap());
    assert_eq!((&seen["phase"], &seen["draft"]["writers"]), (&json!("writing"), &json!(1)));
    assert_eq!(seen["journal"]["state"], "open");
    assert_eq!(seen["spool"], bytes.len());
    assert_eq!(line(&said(&world, &["file", path]), "Phase"), "writing, 1 writer");

    assert!(writer.wait().unwrap().success());
    let is_in_session =
        |seen: &Value| seen["phase"] == "in-flight" && seen["journal"]["session"] == true;
    wait_for("the upload", || is_in_session(&file(&world, path)));
    let seen = file(&world, path);
    assert_eq!(seen["journal"]["state"], "sealed");
    assert_eq!(seen["journal"]["token_at"], Value::Null);
    assert_eq!(seen["albums"][0]["pending"], "addition");
    assert_eq!(seen["cache"]["state"], "absent");
    let queued = queue(&world);
    assert_eq!(queued["files"].as_array().unwrap().len(), 1, "{queued}");
    let row = &queued["files"][0];
    assert_eq!((&row["path"], &row["phase"]), (&json!("A/x.jpg"), &json!("in-flight")));
    assert_eq!((&row["state"], &row["size"]), (&json!("sealed"), &json!(bytes.len())));
    assert_eq!(line(&said(&world, &["queue"]), "Journal"), "1 file, 1 in flight");
    keeps_secrets(&world, path, 1);

    world.emulator.let_go(Call::UploadChunk, Moment::Request);
    wait_for("the creation", || file(&world, path)["journal"]["state"] == "creating");
    let seen = file(&world, path);
    assert!(seen["journal"]["token_at"].is_string() && seen["journal"]["call"].is_i64(), "{seen}");
    assert_eq!(seen["phase"], "none");
    keeps_secrets(&world, path, 1);

    world.emulator.let_go(Call::MediaItemsBatchCreate, Moment::Request);
    world.sync();
    let seen = file(&world, path);
    assert_eq!((&seen["journal"], &seen["spool"]), (&Value::Null, &Value::Null));
    assert_eq!(seen["item"], world.emulator.dump().items[0].id);
    assert_eq!((&seen["confirmed"], &seen["filename"]), (&json!(true), &json!("x.jpg")));
    assert_eq!(seen["sha256"], sha256(&bytes));
    let album = &seen["albums"][0];
    assert_eq!((&album["path"], &album["observed"]), (&json!("A"), &json!("present")));
    assert_eq!((&album["desired"], &album["pending"]), (&json!(true), &Value::Null));
    assert!(album["since"].is_string(), "{album}");
    assert_eq!(seen["cache"], json!({"state": "original", "bytes": bytes.len()}));
    assert_eq!(queue(&world)["files"], json!([]));
    let text = said(&world, &["file", path]);
    assert!(line(&text, "Albums").starts_with("A: desired, present at Google since "), "{text}");
}

#[test]
fn without_a_mount_a_file_is_named_from_the_root_of_the_library() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A");
    world.photo("x.jpg", 1, 10_000);
    world.stop_emulator();
    world.sh("cp x.jpg mnt/A/ && cp x.jpg mnt/A/y.jpg");
    wait_for("the outage", || queue(&world)["outages"][0]["kind"] == "offline");
    let text = said(&world, &["queue"]);
    assert!(line(&text, "Blocked").contains("next attempt"), "{text}");
    assert!(world.run(&["umount", "--now", world.mnt.to_str().unwrap()]).status.success());

    let queued = queue(&world);
    let rows = queued["files"].as_array().unwrap();
    let paths: Vec<_> = rows.iter().map(|row| &row["path"]).collect();
    assert_eq!(paths, ["A/x.jpg", "A/y.jpg"], "in the order of closing");
    assert_eq!((&queued["mountpoint"], &queued["outages"]), (&Value::Null, &json!([])));
    let seen = file(&world, "A/x.jpg");
    assert_eq!((&seen["phase"], &seen["draft"]), (&json!("none"), &Value::Null));
    assert_eq!(seen["journal"]["state"], "sealed");
    assert!(line(&said(&world, &["file", "./A/x.jpg"]), "Journal").starts_with("sealed, seq 1"));
    world.start_emulator();
}

#[test]
fn a_refused_file_is_found_with_the_reason() {
    let world = World::mounted();
    world.emulator.faults(|faults| faults.photo_bytes_max = 1000);
    world.photo("x.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/ && ! sync mnt/A");
    let refused = ".gphotos/failed/A/x.jpg";
    for mounted in [true, false] {
        if !mounted {
            world.umount();
        }
        let seen = file(&world, refused);
        assert_eq!(seen["names"], json!([refused]));
        assert_eq!(seen["failed"][0]["path"], refused);
        assert!(seen["failed"][0]["reason"].as_str().unwrap().contains("too large"), "{seen}");
        assert_eq!((&seen["journal"]["state"], &seen["phase"]), (&json!("failed"), &json!("none")));
        assert_eq!(seen["spool"], fs::metadata(world.dir.path().join("x.jpg")).unwrap().len());
        assert_eq!(queue(&world)["files"][0]["path"], refused);
        assert!(line(&said(&world, &["file", refused]), "Failed").contains("too large"));
    }
}

#[test]
fn what_is_no_file_is_refused_with_a_next_step() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    let album = world.mnt.join("A");
    let album = album.to_str().unwrap();
    for (path, why) in [
        ("A/x.jpg", "the database has no such file\n  -> "),
        (album, "the path is a directory\n  -> "),
        ("/etc/passwd", "the path is not on the profile's mount\n  -> "),
    ] {
        let outcome = world.run(&["debug", "file", path]);
        let said = String::from_utf8(outcome.stderr).unwrap();
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("gphotosfs: {path}: {why}")), "{said}");
    }
}
