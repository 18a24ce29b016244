//! `gphotosfs verify` on real mounts: the bytes that Google returns, and the report.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use gphotosfs_emulator::{Call, Edit, Failure};
use serde_json::{Value, json};

use crate::support::encoder::{Encoder, film};
use crate::support::{World, camera, camera_jpeg, jpeg, schema, wait_for};

const TAKEN: &str = "2019:04:28 09:00:00";

/// Exit status, stdout, stderr.
fn run(world: &World, args: &[&str]) -> (i32, String, String) {
    let outcome = world.program().current_dir(world.dir.path()).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (outcome.status.code().unwrap(), text(outcome.stdout), text(outcome.stderr))
}

fn run_json(world: &World, args: &[&str]) -> (i32, Value) {
    let (code, stdout, _) = run(world, args);
    (code, schema::check(args[0], &stdout))
}

/// The verdict on each item, by name.
fn verdicts(said: &Value) -> Value {
    let items = said["items"].as_array().unwrap().iter();
    items.map(|it| (it["name"].as_str().unwrap().to_owned(), it["verdict"].clone())).collect()
}

fn write(world: &World, name: &str, content: &[u8]) {
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    fs::write(world.dir.path().join("photo").join(name), content).unwrap();
}

/// An album with a plain photo, a photo with a position, and a video, all uploaded from here.
fn world() -> World {
    let world = World::mounted();
    write(&world, "plain.jpg", &camera::photo(1, TAKEN, false));
    write(&world, "placed.jpg", &camera::photo(2, TAKEN, true));
    write(&world, "clip.mp4", &camera::movie(1, 1_556_442_000, (640, 360)));
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A");
    world
}

#[test]
fn the_rendition_of_each_kind_is_reported() {
    let world = world();
    let before = world.emulator.stats();
    let (code, said, _) = run(&world, &["verify", "mnt/A"]);
    let sum = "3 items = 1 identical + 1 without some metadata + 1 videos in Google's version; ";
    assert!(code == 0 && said.starts_with(sum), "{code} {said}");
    let after = world.emulator.stats();
    // Past the cache, in which the originals are; of the video only the length.
    let photos = ["plain.jpg", "placed.jpg"].map(|it| world.dir.path().join("photo").join(it));
    let sizes: u64 = photos.iter().map(|it| it.metadata().unwrap().len()).sum();
    assert!(after.download_bytes - before.download_bytes >= sizes);
    let (code, said) = run_json(&world, &["verify", "--json", "mnt/A"]);
    assert_eq!(code, 0);
    let size = |at: usize| photos[at].metadata().unwrap().len();
    assert_eq!(
        said["items"][1],
        json!({
            "name": "placed.jpg", "verdict": "metadata_stripped",
            "why": format!("{} bytes here, {} at Google", size(1), size(1) + 19),
        })
    );
    let mut fields: Vec<_> = said.as_object().unwrap().keys().collect();
    fields.sort();
    let documented = [
        "album",
        "counts",
        "items",
        "local",
        "requests",
        "seed",
        "unfinished",
        "unlisted",
        "version",
    ];
    assert_eq!(fields, documented);
    assert_eq!(said["counts"]["identical"], 1);
    assert_eq!(said["counts"]["missing"], 0);
}

#[test]
fn files_that_stay_here_are_no_trouble() {
    let world = world();
    world.sh(
        "touch mnt/A/empty.jpg && cp photo/plain.jpg mnt/A/.half.jpg && echo x > mnt/A/plain.xmp",
    );
    let (code, said) = run_json(&world, &["verify", "--json", "mnt/A"]);
    assert_eq!((code, &said["unfinished"]), (0, &json!([])));
    assert_eq!(said["local"], json!([".half.jpg", "empty.jpg", "plain.xmp"]));
    let (code, said, _) = run(&world, &["verify", "mnt/A"]);
    let named = "\nStays on this machine ('gphotosfs diff' says why):\n  .half.jpg\n  empty.jpg\n  plain.xmp\n";
    assert!(code == 0 && said.ends_with(named), "{code} {said}");
    // One that Google does not have yet is.
    world.emulator.faults(|faults| {
        faults.fail_next(Call::MediaItemsBatchCreate, 1000, Failure::Unavailable);
    });
    world.sh("cp photo/plain.jpg new.jpg && printf more >> new.jpg && cp new.jpg mnt/A/");
    let (code, said) = run_json(&world, &["verify", "--json", "mnt/A"]);
    assert_eq!((code, &said["unfinished"]), (1, &json!(["new.jpg"])));
    world.emulator.faults(|faults| faults.calls.clear());
    world.sync();
}

#[test]
fn refused_files_are_named_without_the_originals() {
    let world = world();
    world.sh("mkdir mnt/A/sub && echo 'no photo' > note.jpg");
    assert!(!world.sh_outcome("cp note.jpg mnt/A/").status.success());
    assert!(!world.sh_outcome("cp note.jpg mnt/A/sub/").status.success());
    wait_for("the refused files to leave the album", || {
        !world.mnt.join("A/note.jpg").exists() && !world.mnt.join("A/sub/note.jpg").exists()
    });
    let (code, said) = run_json(&world, &["verify", "--json", "mnt/A"]);
    assert_eq!((code, &said["unfinished"]), (1, &json!(["note.jpg", "sub/note.jpg"])));
    let (code, said, _) = run(&world, &["verify", "mnt/A"]);
    let named = "\nNot at Google yet, or refused ('gphotosfs diff' says which):\n  note.jpg\n  sub/note.jpg\n";
    assert!(code == 1 && said.ends_with(named), "{code} {said}");
    // One that is not among the originals is no trouble of theirs, but it is one.
    let (code, said) = run_json(&world, &["verify", "--json", "--against", "photo", "mnt/A"]);
    assert_eq!((code, &said["unfinished"]), (1, &json!(["note.jpg", "sub/note.jpg"])));
    assert_eq!(run_json(&world, &["verify", "--json", "mnt/A/sub"]).0, 1);
    world.sh("rm -r mnt/.gphotos/failed/A/note.jpg mnt/.gphotos/failed/A/sub/note.jpg");
    assert_eq!(run_json(&world, &["verify", "--json", "mnt/A"]).0, 0);
}

#[test]
fn an_item_that_no_list_has_shown_is_verified() {
    let world = World::new();
    world.emulator.seed("Large", 300);
    world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "50")], &["--refresh", "1day"]);
    world.photo("photo/new.jpg", 1, 5000);
    world.sh("ls mnt/Large > /dev/null && cp photo/new.jpg mnt/Large/ && sync mnt/Large");
    let state = "getfattr --only-values -n user.gphotos.state mnt/Large/new.jpg";
    assert_eq!(world.sh(state), "unseen");
    let (_, said) = run_json(&world, &["verify", "--all", "--json", "mnt/Large"]);
    assert_eq!((&said["counts"]["identical"], &said["unfinished"]), (&json!(1), &json!([])));
}

#[test]
fn items_missing_from_googles_listing_are_named_and_verified() {
    let world = world();
    // No list has shown them in the second album.
    world.sh("mkdir mnt/B && ln mnt/A/* mnt/B/ && sync mnt/B");
    world.edit(Edit::RemoveFromAlbum { album: "B".into(), item: "plain.jpg".into() });
    let (code, said) = run_json(&world, &["verify", "--json", "--against", "photo", "mnt/B"]);
    assert_eq!((code, &said["counts"]["identical"]), (0, &json!(1)));
    assert_eq!(said["unlisted"], json!(["plain.jpg"]));
    let (code, said, _) = run(&world, &["verify", "--against", "photo", "mnt/B"]);
    assert!(code == 0 && said.contains("\nNot in Google's list of the album"), "{code} {said}");
    assert!(said.ends_with(":\n  plain.jpg\n"), "{said}");
    // Without --against the album is not listed again.
    let (_, said) = run_json(&world, &["verify", "--json", "mnt/B"]);
    assert_eq!(said["unlisted"], json!([]));
}

/// With `--quality saver`: never identical, whoever has the original.
#[test]
fn a_smaller_copy_is_neither_identical_nor_a_fault() {
    let world = World::new();
    world.mount(&["--quality", "saver"]);
    for (name, seed) in [("1.jpg", 1), ("2.jpg", 2)] {
        write(&world, name, &camera_jpeg(seed, (1000, 800)));
    }
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A");
    let (code, said) = run_json(&world, &["verify", "--json", "mnt/A"]);
    let expected = json!({"1.jpg": "shrunk", "2.jpg": "shrunk"});
    assert_eq!((code, verdicts(&said)), (0, expected.clone()));
    let (code, stdout, _) = run(&world, &["diff", "--json", "photo", "mnt/A"]);
    let same = &schema::check("diff", &stdout)["same"];
    assert_eq!((code, &same["identical"], &same["smaller"]), (0, &json!(2), &json!(2)));
    let (_, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    assert!(said.contains("(2 of them stored smaller, by '--quality saver')"), "{said}");
    world.umount();
    world.sh("rm -r cache/gphotosfs");
    world.mount(&[]);
    let (code, said) = run_json(&world, &["verify", "--json", "--against", "photo", "mnt/A"]);
    assert_eq!((code, verdicts(&said)), (0, expected));
}

/// As photos: what Google makes of a film is neither its copy nor the film.
#[test]
fn a_smaller_copy_of_a_video_is_neither_identical_nor_a_fault() {
    let mut world = World::new();
    let encoder = Encoder::new(world.dir.path());
    world.env.push(("PATH", encoder.path()));
    world.mount(&["--quality-video", "1080p"]);
    write(&world, "1.mp4", &film(1));
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A");
    let quality = world.sh("getfattr --only-values -n user.gphotos.quality mnt/A/1.mp4");
    assert_eq!(quality, "video:1080p");
    let expected = json!({"1.mp4": "shrunk"});
    let (code, said) = run_json(&world, &["verify", "--json", "mnt/A"]);
    assert_eq!((code, verdicts(&said)), (0, expected.clone()), "{said:#}");
    world.umount();
    world.sh("rm -r cache/gphotosfs");
    world.mount(&[]);
    for args in
        [&["verify", "--json", "mnt/A"][..], &["verify", "--json", "--against", "photo", "mnt/A"]]
    {
        let (code, said) = run_json(&world, args);
        assert_eq!((code, verdicts(&said)), (0, expected.clone()), "{said:#}");
    }
}

#[test]
fn without_the_cache_the_originals_say_more() {
    let world = world();
    world.umount();
    world.sh("rm -r cache/gphotosfs");
    world.mount(&[]);
    let (code, said) = run_json(&world, &["verify", "--json", "mnt/A"]);
    let expected =
        json!({"plain.jpg": "identical", "placed.jpg": "changed", "clip.mp4": "transcoded"});
    assert_eq!((code, verdicts(&said)), (1, expected));
    let (code, said) = run_json(&world, &["verify", "--json", "--against", "photo", "mnt/A"]);
    let expected = json!({"plain.jpg": "identical", "placed.jpg": "metadata_stripped", "clip.mp4": "transcoded"});
    assert_eq!((code, verdicts(&said)), (0, expected));
}

#[test]
fn each_problem_is_named() {
    let world = world();
    // Only an item of one listing can be missing from the next one.
    assert_eq!(run(&world, &["refresh", "mnt/A"]).0, 0);
    // Deleted in the app; put there by another program; one for which another picture was taken; never sent.
    world.edit(Edit::DeleteItem { item: "plain.jpg".into() });
    let add = |filename: &str, content: Vec<u8>| {
        let (album, filename) = (Some("A".to_owned()), filename.to_owned());
        world.edit(Edit::AddItem { album, filename, content, foreign: false });
    };
    let (code, said, stderr) = run(&world, &["verify", "mnt/A"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("\nMissing:\n  plain.jpg ("), "{said}");
    assert!(stderr.starts_with("gphotosfs: plain.jpg: missing ("), "{stderr}");

    add("web.jpg", jpeg(7, 4000));
    add("other.jpg", camera::photo(8, "2019:04:28 10:00:00", false));
    write(&world, "other.jpg", &camera::photo(9, "2019:04:28 10:00:00", false));
    assert_eq!(run(&world, &["adopt", "--min", "likely", "photo", "mnt/A"]).0, 1);
    fs::write(world.mnt.join("A/.half"), "x").unwrap();
    let (code, said) = run_json(&world, &["verify", "--json", "--against", "photo", "mnt/A"]);
    assert_eq!(code, 1);
    let expected = json!({
        "placed.jpg": "metadata_stripped", "clip.mp4": "transcoded", "plain.jpg": "missing",
        "web.jpg": "unknown", "other.jpg": "recompressed",
    });
    assert_eq!(verdicts(&said), expected);
    assert_eq!((&said["unfinished"], &said["local"]), (&json!([]), &json!([".half"])));
}

/// An album of `count` photos that somebody else has put there, seen once.
fn seeded(count: u64) -> World {
    let world = World::new();
    world.seed("A", count);
    world.mount(&[]);
    assert_eq!(world.names("A").len() as u64, count);
    world.sh("ls -l mnt/A");
    world
}

/// Requests that count.
fn asked(world: &World) -> u64 {
    let stats = world.emulator.stats();
    stats.api_requests_today + stats.media_requests_today
}

#[test]
fn no_more_is_asked_for_than_allowed() {
    let mut world = seeded(30);
    let before = asked(&world);
    let (code, said) = run_json(&world, &["verify", "--budget", "10", "--json", "mnt/A"]);
    assert_eq!(code, 2);
    let spent = asked(&world) - before;
    assert!(spent <= 10, "{spent}");
    assert!(said["counts"]["unknown"].as_u64().unwrap() >= 4, "{said}");
    assert!(said["counts"]["unchecked"].as_u64().unwrap() >= 15, "{said}");
    let sample = |seed| {
        let args = ["verify", "--sample", "5", "--seed", seed, "--json", "mnt/A"];
        let (_, said) = run_json(&world, &args);
        assert_eq!(said["items"].as_array().unwrap().len(), 5);
        verdicts(&said)
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
    world.stop_emulator();
    let (code, said) = run_json(&world, &["verify", "--sample", "1", "--json", "mnt/A"]);
    assert_eq!((code, &said["counts"]["unchecked"]), (2, &json!(1)));
    world.start_emulator();
    let (code, _, said) = run(&world, &["verify", "photo"]);
    assert!(code == 2 && said.contains("where profile default is mounted"), "{code} {said}");
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let world = world();
    let before = world.emulator.stats().requests(Call::Download);
    world.emulator.faults(|faults| faults.on(Call::Download).bytes_per_s = Some(10));
    let mut verify = world.program();
    verify.arg("verify").arg(world.mnt.join("A")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = verify.spawn().unwrap();
    wait_for("a download", || world.emulator.stats().requests(Call::Download) > before);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut ended = None;
    wait_for("the end of it", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().signal(), Some(libc::SIGINT));
    assert_eq!(world.names("A").len(), 3);
}

#[test]
fn originals_that_the_album_lacks_are_reported() {
    let world = world();
    // Edited since; refused; and half-written by its name.
    write(&world, "plain.jpg", &camera::photo(5, TAKEN, false));
    write(&world, "note.jpg", b"no photo");
    assert!(!world.sh_outcome("cp photo/note.jpg mnt/A/").status.success());
    wait_for("the refused file to leave the album", || !world.mnt.join("A/note.jpg").exists());
    world.sh("cp photo/placed.jpg photo/.half.jpg && cp photo/.half.jpg mnt/A/");
    let verify = ["verify", "--json", "--against", "photo", "mnt/A"];
    let (code, said) = run_json(&world, &verify);
    let mut expected = json!({
        "plain.jpg": "changed", "note.jpg": "missing", "placed.jpg": "metadata_stripped",
        "clip.mp4": "transcoded",
    });
    assert_eq!((code, verdicts(&said)), (1, expected.clone()));
    assert_eq!(said["items"].as_array().unwrap().len(), 4);
    assert_eq!((&said["unfinished"], &said["local"]), (&json!([]), &json!([".half.jpg"])));
    let (_, text, _) = run(&world, &["verify", "--against", "photo", "mnt/A"]);
    assert!(text.contains("plain.jpg (the album has other content"), "{text}");
    assert!(text.contains("note.jpg (refused: "), "{text}");

    world.sh("ln -s nowhere photo/link.jpg");
    let (code, said) = run_json(&world, &verify);
    expected["link.jpg"] = "unchecked".into();
    assert_eq!((code, verdicts(&said)), (2, expected));
}

#[test]
fn answers_that_fail_do_not_cost_more_than_allowed() {
    let world = seeded(30);
    world.emulator.faults(|faults| {
        faults.fail_next(Call::Download, 1000, Failure::Internal);
    });
    let before = asked(&world);
    let (code, _, said) = run(&world, &["verify", "--budget", "8", "mnt/A"]);
    assert_eq!(code, 2, "{said}");
    let spent = asked(&world) - before;
    assert!((1..=8).contains(&spent), "{spent}");
}

#[test]
fn an_outage_stops_all_items_and_is_reported_once() {
    let mut world = seeded(30);
    world.stop_emulator();
    let (code, text, stderr) = run(&world, &["verify", "mnt/A"]);
    assert_eq!(code, 2, "{text}");
    assert_eq!(stderr.matches("Google cannot be reached").count(), 1, "{stderr}");
    assert!(stderr.contains("\n  -> check the network"), "{stderr}");
    assert!(text.starts_with("30 items = 30 not checked"), "{text}");
    assert_eq!(text.matches("Google cannot be reached").count(), 1, "{text}");
    // No more than were under way at a time, each tried a few times.
    let spent = text.lines().next().unwrap().split("; ").nth(1).unwrap();
    let spent: u64 = spent.trim_end_matches(" requests").parse().unwrap();
    assert!(spent <= 4 * 3, "{text}");
}
