//! Smaller copies of photos as users meet them: the option switched on and off, what it saved, and what reads
//! back. rsync and cmp judge.

use std::fs;

use bytesize::ByteSize;
use gphotosfs_emulator::{Call, Moment};
use serde_json::{Value, json};

use crate::support::{World, camera_jpeg, jpeg, schema, sha256, wait_for};

const SIZE: (u32, u32) = (900, 700);

/// Three photos that can be made smaller, one with a film behind it, and one that is small.
fn photos(world: &World) {
    let dir = world.dir.path().join("photo");
    fs::create_dir(&dir).unwrap();
    for at in 0..3 {
        fs::write(dir.join(format!("{at}.jpg")), camera_jpeg(at, SIZE)).unwrap();
    }
    let motion = [camera_jpeg(3, SIZE), b"a film".to_vec()].concat();
    fs::write(dir.join("motion.jpg"), motion).unwrap();
    fs::write(dir.join("small.jpg"), jpeg(4, 5000)).unwrap();
}

fn uploads(world: &World) -> u64 {
    let stats = world.emulator.stats();
    stats.requests(Call::UploadRaw) + stats.requests(Call::UploadStart)
}

fn quality(world: &World, args: &[&str]) {
    let args: Vec<_> =
        args.iter().map(|it| it.replace("mnt", world.mnt.to_str().unwrap())).collect();
    let args: Vec<_> = ["quality"].into_iter().chain(args.iter().map(String::as_str)).collect();
    let (done, said) = world.told(&args);
    assert!(done, "{said}");
}

fn attribute(world: &World, path: &str, name: &str) -> String {
    let value = xattr::get(world.mnt.join(path), format!("user.gphotos.{name}")).unwrap();
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

fn json(world: &World, args: &[&str]) -> (Option<i32>, Value) {
    let outcome = world.program().current_dir(world.dir.path()).args(args).output().unwrap();
    let said = String::from_utf8(outcome.stdout).unwrap();
    (outcome.status.code(), schema::check(args[0], &said))
}

/// The same folder by every quality, by mounts and by directories: nothing is uploaded twice, and rsync has
/// nothing to do.
#[test]
fn the_option_on_off_and_on_again_uploads_nothing_twice() {
    let world = World::new();
    photos(&world);
    // The times of directories are their own.
    let idle =
        "for at in 1 2; do test -z \"$(rsync -rti photo/ mnt/A/ | grep -v '^\\.d')\" || exit; done";
    world.mount(&["--quality", "saver"]);
    world.sh(&format!("mkdir mnt/A && rsync -rt photo/ mnt/A/ && {idle} && sync mnt && {idle}"));
    assert_eq!((uploads(&world), world.emulator.dump().items.len()), (5, 5));
    let sizes = || world.emulator.dump().items.iter().map(|it| it.size).sum::<u64>();
    let before = sizes();
    world.umount();
    // New copies, in the same album and in another one; on a mount that keeps originals.
    world.mount(&[]);
    world.sh(&format!(
        "{idle}; cp -p photo/* mnt/A/ && mkdir mnt/B && cp -p photo/* mnt/B/ && sync mnt && {idle}"
    ));
    // Directories with qualities of their own.
    world.sh("mkdir mnt/E");
    for dir in ["mnt/A", "mnt/E"] {
        quality(&world, &["saver:12mp,q80", dir]);
    }
    world.sh(&format!("mkdir mnt/E/C && cp -p photo/* mnt/E/C/ && cp -p photo/* mnt/A/ && sync mnt && cp -p photo/* mnt/A/ && sync mnt && {idle}"));
    for dir in ["mnt/A", "mnt/E"] {
        quality(&world, &["original", dir]);
    }
    world.sh(&format!("cp -p photo/* mnt/E/C/ && sync mnt && {idle}"));
    quality(&world, &["inherit", "mnt/A"]);
    world.umount();
    world.mount(&["--quality", "saver:8mp"]);
    world.sh(&format!(
        "{idle}; mkdir mnt/D && cp -p photo/* mnt/D/ && cp -p photo/* mnt/A/ && sync mnt && {idle}"
    ));
    let dump = world.emulator.dump();
    assert_eq!((uploads(&world), dump.items.len(), sizes()), (5, 5, before));
    let counts: Vec<_> = dump.albums.iter().map(|it| it.items.len()).collect();
    assert_eq!(counts, [5, 5, 0, 5, 5], "one album has only another one in it");
    for album in ["A", "B", "E/C", "D"] {
        let (code, said) = json(&world, &["diff", "--json", "photo", &format!("mnt/{album}")]);
        let same = &said["same"];
        assert_eq!((code, &same["identical"], &same["smaller"]), (Some(0), &json!(5), &json!(3)));
    }
    assert_eq!(world.names(".gphotos/failed"), [""; 0]);
}

/// The end of sync, status and the metrics count all files of that time, also those that went whole.
#[test]
fn what_was_saved_is_what_google_has() {
    let world = World::new();
    photos(&world);
    world.mount(&["--quality", "saver"]);
    world.emulator.hold(Call::MediaItemsBatchCreate, Moment::Request);
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/");
    let status = || json(&world, &["status", "--json"]).1;
    let uploaded = || {
        let queue = status()["queue"].clone();
        queue["uploaded"].as_u64().unwrap() + queue["creating"].as_u64().unwrap()
    };
    wait_for("the uploads", || uploaded() == 5);
    assert_eq!(status()["saved"]["files"], 0, "Google has none of them");
    world.emulator.let_go(Call::MediaItemsBatchCreate, Moment::Request);
    world.sh("cp -p photo/0.jpg mnt/A/again.jpg");
    let (done, said) = world.told(&["sync", world.mnt.to_str().unwrap()]);
    assert!(done, "{said}");
    let (mut bytes, mut sent) = (0, 0);
    for entry in fs::read_dir(world.dir.path().join("photo")).unwrap() {
        bytes += entry.unwrap().metadata().unwrap().len();
    }
    for item in world.emulator.dump().items {
        sent += item.size;
    }
    let saved = status()["saved"].clone();
    let whole = json!({"small": 1, "trailing-bytes": 1});
    assert_eq!((&saved["files"], &saved["whole"]), (&json!(5), &whole));
    assert_eq!((&saved["bytes"], &saved["sent_bytes"]), (&json!(bytes), &json!(sent)));
    let expected = format!(
        "sent {} of {}; 3 files smaller; 2 files whole: 1 ",
        ByteSize(sent),
        ByteSize(bytes)
    );
    assert!(said.contains(&expected), "{said} lacks {expected}");
    let text = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(text.contains(&expected), "{text} lacks {expected}");
    let metrics = world.sh("cat mnt/.gphotos/metrics");
    for line in [
        format!("gphotosfs_saver_original_bytes {bytes}"),
        format!("gphotosfs_saver_sent_bytes {sent}"),
        "gphotosfs_saver_smaller_files 3".to_owned(),
        "gphotosfs_saver_whole_files{reason=\"trailing-bytes\"} 1".to_owned(),
        format!("gphotosfs_stored_bytes_total {sent}"),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{metrics} lacks {line}");
    }
}

/// While the cache has the original, it reads back; afterwards what Google has does, and `state` says so.
#[test]
fn the_original_reads_back_until_the_cache_loses_it() {
    let world = World::new();
    photos(&world);
    world.mount(&["--quality", "saver"]);
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A && diff -r photo mnt/A");
    let facts = |name: &str| {
        let path = format!("A/{name}");
        ["state", "quality", "sent_size", "sent_sha256"].map(|it| attribute(&world, &path, it))
    };
    let item = |name: &str| {
        let items = world.emulator.dump().items;
        items.into_iter().find(|it| it.filename == name).unwrap()
    };
    let (copy, whole) = (item("0.jpg"), item("motion.jpg"));
    let [size, hash] = [copy.size.to_string(), copy.sha256.clone().unwrap()];
    let expected = ["committed", "saver:16mp,q90", &size, &hash];
    assert_eq!(facts("0.jpg"), expected);
    let [whole_size, whole_hash] = [whole.size.to_string(), whole.sha256.clone().unwrap()];
    assert_eq!(facts("motion.jpg"), ["committed", "original", &whole_size, &whole_hash]);
    world.umount();
    world.sh("rm -r cache/gphotosfs");
    world.mount(&["--quality", "saver"]);
    assert_eq!(facts("0.jpg"), ["rendition", "saver:16mp,q90", &size, &hash]);
    // Its length, time and hash here stay those of the original.
    world.sh("test -z \"$(rsync -rtin photo/*.jpg mnt/A/)\"");
    assert_eq!(attribute(&world, "A/0.jpg", "sha256"), sha256(&camera_jpeg(0, SIZE)));
    world.sh("cat mnt/A/0.jpg > read.jpg");
    assert_eq!(sha256(&fs::read(world.dir.path().join("read.jpg")).unwrap()), hash);
    let (code, said) = json(&world, &["diff", "--json", "photo", "mnt/A"]);
    assert_eq!(
        (code, &said["same"]["identical"], &said["same"]["smaller"]),
        (Some(0), &json!(5), &json!(3))
    );
    let (code, said) = json(&world, &["verify", "--json", "--against", "photo", "mnt/A"]);
    assert_eq!(
        (code, &said["counts"]["shrunk"], &said["counts"]["identical"]),
        (Some(0), &json!(3), &json!(2))
    );
}

/// A full account: status says how much less smaller copies would have stored.
#[test]
fn on_a_full_account_status_says_what_smaller_copies_would_have_saved() {
    let world = World::new();
    photos(&world);
    world.mount(&[]);
    world.sh("mkdir mnt/A && cp photo/0.jpg photo/1.jpg mnt/A/ && sync mnt/A");
    let status = || String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(!status().contains("would have stored"), "{}", status());
    world.emulator.faults(|faults| faults.storage_bytes = Some(0));
    world.sh("cp photo/2.jpg mnt/A/");
    wait_for("a refusal", || status().contains("'--quality saver' would have stored about"));
    let (done, said) = world.told(&["sync", world.mnt.to_str().unwrap()]);
    assert!(!done && said.contains("--quality saver"), "{said}");
    world.emulator.faults(|faults| faults.storage_bytes = None);
}

/// An upload whose answer was lost is repeated by another process, which makes the same bytes.
#[test]
fn another_process_makes_the_same_copy_and_an_estimate_foretells_it() {
    let world = World::new();
    let photo = world.dir.path().join("photo");
    fs::create_dir(&photo).unwrap();
    for at in 0..2 {
        fs::write(photo.join(format!("{at}.jpg")), camera_jpeg(at, (900, 700))).unwrap();
    }
    let clip = [camera_jpeg(3, (900, 700)), b"clip".to_vec()].concat();
    fs::write(photo.join("3.jpg"), clip).unwrap();
    world.photo("photo/4.jpg", 4, 5000);
    fs::write(photo.join("5.png"), include_bytes!("../fixtures/media/drawing-1.png")).unwrap();
    let said = world.run(&["estimate", "--json", photo.to_str().unwrap()]);
    let estimated = schema::check("estimate", &String::from_utf8(said.stdout).unwrap());
    for run in 0..2 {
        world.mount(&["--quality", "saver"]);
        world.sh("mkdir -p mnt/A && cp photo/* mnt/A/ && sync mnt/A");
        let items = world.emulator.dump().items;
        assert_eq!(items.len(), 5, "in run {run}");
        let bytes: u64 = items.iter().map(|it| it.size).sum();
        // The sample has all photos, so the estimate is exact.
        assert_eq!(estimated["sent_bytes"], bytes);
        let whole = serde_json::json!({"trailing-bytes": 1, "small": 1});
        assert_eq!((&estimated["smaller"], &estimated["whole"]), (&2.into(), &whole));
        world.umount();
        world.sh("rm -r state/gphotosfs cache/gphotosfs");
    }
}

/// Videos have a quality of their own, which is the original one here.
#[test]
fn a_video_goes_as_it_is_beside_smaller_photos() {
    let world = World::new();
    world.mount(&["--quality", "saver"]);
    let album = world.mnt.join("A");
    fs::create_dir(&album).unwrap();
    fs::write(album.join("0.jpg"), camera_jpeg(0, SIZE)).unwrap();
    fs::write(album.join("1.mp4"), include_bytes!("../fixtures/media/clip.mp4")).unwrap();
    world.sh("sync mnt/A");
    assert_eq!(world.emulator.dump().items.len(), 2);
    assert_eq!(attribute(&world, "A/1.mp4", "whole"), "format");
}
