//! `gphotosfs diff` on real mounts: the files that it names, the requests that it costs, its answers to mistakes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::time::Duration;

use gphotosfs_emulator::{Call, Edit, Failure};
use serde_json::{Value, json};

use crate::support::{World, camera, jpeg, schema, wait_for};

/// Exit status, stdout, stderr.
fn run(world: &World, args: &[&str]) -> (i32, String, String) {
    let outcome = world.program().current_dir(world.dir.path()).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (outcome.status.code().unwrap(), text(outcome.stdout), text(outcome.stderr))
}

fn diff_json(world: &World) -> (i32, Value) {
    run_json_of(world, &["diff", "--json", "photo", "mnt/A"])
}

fn run_json_of(world: &World, args: &[&str]) -> (i32, Value) {
    let (code, stdout, _) = run(world, args);
    (code, schema::check(args[0], &stdout))
}

/// Uploads the files in `photo` into the album `A`.
fn copy_all(world: &World) {
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A");
}

/// How a folder and its album differ.
struct Folders {
    /// Files that are in both, once each.
    shared: u32,
    /// Taken out of the album behind our back.
    lost: u32,
    /// Renamed in the album.
    renamed: u32,
    /// Only in the album: another program put them there.
    strangers: u32,
}

impl Folders {
    /// Makes them, with one duplicate and one file that Google refuses, and returns the answer that `diff` must give.
    #[track_caller]
    fn are_told_apart(&self, sums: [&str; 2]) {
        let world = World::mounted();
        let name = |at: u32| format!("DSC_{at:04}.JPG");
        let all = self.shared + self.lost + self.renamed;
        (0..all).for_each(|at| drop(world.photo(&format!("photo/{}", name(at)), at, 2500)));
        world.photo("photo/DSC_0003 (1).JPG", 3, 2500);
        world.sh_within(900, "mkdir mnt/A && cp -p photo/* mnt/A/ && sync mnt/A");
        // An item that no listing has shown yet is not missing: it may only be late.
        assert_eq!(run(&world, &["diff", "photo", "mnt/A"]).0, 0);
        let (lost, renamed) = (all - self.lost..all, self.shared..self.shared + self.renamed);
        for at in lost.clone() {
            world.edit(Edit::RemoveFromAlbum { album: "A".into(), item: name(at) });
        }
        for at in renamed.clone() {
            world.sh(&format!("mv mnt/A/{} mnt/A/renamed-{at}.JPG", name(at)));
        }
        for at in 0..self.strangers {
            let (album, filename) = (Some("A".to_owned()), format!("web-{at:02}.jpg"));
            let content = jpeg(900_000 + at, 2500);
            world.edit(Edit::AddItem { album, filename, content, foreign: false });
        }
        fs::write(world.dir.path().join("photo/notes.jpg"), "no photo").unwrap();
        assert!(!world.sh_outcome("cp photo/notes.jpg mnt/A/").status.success());
        wait_for("the refused file to leave the album", || !world.mnt.join("A/notes.jpg").exists());

        let before = world.emulator.stats();
        let (code, said) = diff_json(&world);
        let after = world.emulator.stats();
        assert_eq!(code, 1, "{said}");
        assert_eq!(said["source"], "album");
        let lost: Vec<_> = lost.map(name).collect();
        assert_eq!(said["only_here"], json!(lost), "{said}");
        let strangers = (0..self.strangers).map(|at| format!("web-{at:02}.jpg"));
        assert_eq!(said["only_in_album"], json!(strangers.collect::<Vec<_>>()));
        assert_eq!(said["failed"].as_array().unwrap().len(), 1);
        assert_eq!(said["failed"][0]["name"], "notes.jpg");
        let twin = json!([{"name": "DSC_0003 (1).JPG", "of": "DSC_0003.JPG"}]);
        assert_eq!((&said["twins_here"], &said["twins_in_album"]), (&twin, &twin));
        let moved = |at| json!({"here": name(at), "album": format!("renamed-{at}.JPG"), "sure": "identical"});
        assert_eq!(said["renamed"], json!(renamed.map(moved).collect::<Vec<_>>()));
        assert_eq!(said["same"]["identical"], self.shared);
        for none in ["different", "on_its_way", "scratch", "unreadable"] {
            assert_eq!(said[none], json!([]), "{none}");
        }
        // The list of albums, and the items 100 to a page; twice if one is gone, to be certain of it. No size of a
        // stranger is asked for, because no local file has its name.
        let pages = u64::from(self.shared + self.renamed + self.strangers).div_ceil(100);
        let passes = if self.lost > 0 { 2 } else { 1 };
        let cost =
            [Call::AlbumsList, Call::MediaItemsSearch, Call::AlbumsGet, Call::MediaItemsBatchGet]
                .map(|call| after.requests(call) - before.requests(call));
        assert_eq!(cost, [1, passes * pages, 0, 0]);
        assert_eq!(after.api_requests_today - before.api_requests_today, cost.iter().sum::<u64>());
        let asked = after.media_requests_today - before.media_requests_today;
        assert_eq!(asked, 0);
        assert_eq!(after.download_bytes, before.download_bytes);

        let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
        assert_eq!((code, said.lines().take(2).collect::<Vec<_>>()), (1, sums.to_vec()));
    }
}

#[test]
fn the_files_that_differ_are_named_at_the_cost_of_a_listing() {
    Folders { shared: 120, lost: 1, renamed: 1, strangers: 3 }.are_told_apart([
        "124 local = 120 in the album + 1 under another name \
         + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG) + 1 refused + 1 only here",
        "125 in the album = 120 here + 1 under another name \
         + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG) + 3 only in the album",
    ]);
}

/// Its last uploads are not confirmed by a list of their own.
#[test]
fn the_files_that_differ_are_named_in_an_album_of_many_pages() {
    Folders { shared: 620, lost: 1, renamed: 1, strangers: 3 }.are_told_apart([
        "624 local = 620 in the album + 1 under another name \
         + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG) + 1 refused + 1 only here",
        "625 in the album = 620 here + 1 under another name \
         + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG) + 3 only in the album",
    ]);
}

#[test]
#[ignore = "takes a minute or two"]
fn the_file_that_differs_is_named_among_3282() {
    Folders { shared: 3280, lost: 0, renamed: 0, strangers: 0 }.are_told_apart([
        "3282 local = 3280 in the album + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG) + 1 refused",
        "3281 in the album = 3280 here + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG)",
    ]);
}

#[test]
#[ignore = "takes minutes"]
fn the_files_that_differ_are_named_among_5221_and_5230() {
    Folders { shared: 5217, lost: 1, renamed: 1, strangers: 11 }.are_told_apart([
        "5221 local = 5217 in the album + 1 under another name \
         + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG) + 1 refused + 1 only here",
        "5230 in the album = 5217 here + 1 under another name \
         + 1 duplicate (DSC_0003 (1).JPG = DSC_0003.JPG) + 11 only in the album",
    ]);
}

#[test]
fn duplicates_are_no_difference() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    world.photo("photo/b.jpg", 1, 4000);
    copy_all(&world);
    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("2 local = 1 in the album + 1 duplicate (b.jpg = a.jpg)\n"), "{said}");
}

#[test]
fn odd_names_and_unreadable_files_are_reported() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    let odd = world.dir.path().join("photo").join(OsStr::from_bytes(b"\xff\n.jpg"));
    fs::write(odd, jpeg(2, 3000)).unwrap();
    let (code, said) = diff_json(&world);
    assert_eq!(code, 1);
    assert_eq!(said["only_here"], json!([{"base64": "/wouanBn", "shown": "\u{fffd}\\n.jpg"}]));
    world.sh("ln -s nowhere photo/link.jpg && mkfifo photo/pipe.jpg");
    let (code, said) = diff_json(&world);
    assert_eq!(code, 2);
    let unreadable: Vec<_> = said["unreadable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["why"].as_str().unwrap()))
        .collect();
    assert_eq!(
        unreadable,
        [
            ("link.jpg", "a symbolic link to nothing"),
            ("pipe.jpg", "neither a file nor a directory")
        ]
    );
}

#[test]
fn json_has_the_documented_fields() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    let (code, said) = diff_json(&world);
    assert_eq!(code, 0);
    assert_eq!(
        said,
        json!({
            "version": 1, "source": "album", "here": "photo", "album": "mnt/A", "differ": false,
            "files_here": 1, "files_in_album": 1,
            "same": {"identical": 1, "smaller": 0, "adopted": 0, "almost_certain": 0, "likely": [], "unknown": []},
            "renamed": [], "twins_here": [], "twins_in_album": [], "only_here": [],
            "only_in_album": [], "different": [], "different_by": [], "doubts": [], "stored_smaller": [], "damaged": [], "on_its_way": [],
            "failed": [], "scratch": [], "kept": [], "not_taken": [], "unreadable": [], "cut_off": [], "unlisted": [], "pairs": [],
            "partial": false, "nameless": [], "maybe_copies": [],
        })
    );
}

/// How often the list of albums and the items of an album were asked for.
fn listings(world: &World) -> [u64; 2] {
    let stats = world.emulator.stats();
    [Call::AlbumsList, Call::MediaItemsSearch].map(|call| stats.requests(call))
}

#[test]
fn items_missing_from_googles_listing_are_named_and_no_difference() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    world.photo("photo/b.jpg", 2, 4000);
    // No list has shown them in the second album.
    world.sh("mkdir mnt/B && cp -p photo/* mnt/B/ && sync mnt/B");
    world.sh("mkdir mnt/A && ln mnt/B/* mnt/A/ && sync mnt/A");
    world.edit(Edit::RemoveFromAlbum { album: "A".into(), item: "b.jpg".into() });
    let before = listings(&world);
    let (code, said) = diff_json(&world);
    assert_eq!((code, &said["differ"]), (0, &json!(false)), "{said}");
    assert_eq!(said["same"]["identical"], 2);
    assert_eq!(said["unlisted"], json!(["b.jpg"]));
    // It might only have been late, so Google was asked twice more.
    assert_eq!(listings(&world), before.map(|it| it + 3));

    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    let sums = "2 local = 2 in the album\n2 in the album = 2 here\n\
        (1 of them not in Google's list of the album)\n\n\
        Not in Google's list of the album, which may lag (run this again in ten minutes):\n  b.jpg\n";
    assert_eq!((code, said.as_str()), (0, sums));
    // The other album has it.
    let (_, said, _) = run(&world, &["diff", "--json", "photo", "mnt/B"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["unlisted"], &said["only_here"]), (&json!([]), &json!([])));
}

#[test]
fn items_deleted_moments_after_their_upload_are_not_in_the_album() {
    let world = World::mounted();
    for at in 0..60 {
        world.photo(&format!("photo/{at:02}.jpg"), at, 2500);
    }
    copy_all(&world);
    for item in ["03.jpg", "57.jpg"] {
        world.edit(Edit::MoveToBin { item: item.into() });
    }
    // One is only taken out of the album: the list for its upload has shown it there.
    world.edit(Edit::RemoveFromAlbum { album: "A".into(), item: "05.jpg".into() });
    world.emulator.reset_stats();
    let (code, said) = diff_json(&world);
    let gone = json!(["03.jpg", "05.jpg", "57.jpg"]);
    assert_eq!((code, &said["only_here"]), (1, &gone), "{said}");
    assert_eq!((&said["same"]["identical"], &said["unlisted"]), (&json!(57), &json!([])));
    let (_, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    let sum = "60 local = 57 in the album + 3 only here";
    assert_eq!(said.lines().next(), Some(sum), "{said}");
    let (code, said, _) = run(&world, &["verify", "--against", "photo", "mnt/A"]);
    assert!(code == 1 && said.contains("3 missing"), "{said}");
}

/// An album of three pages and two photos that have just arrived in it: no list has shown them.
fn arrived_in_a_large_album() -> World {
    let world = World::new();
    world.emulator.seed("A", 300);
    world.mount(&["--refresh", "1day"]);
    world.photo("photo/new.jpg", 1, 2500);
    world.photo("photo/other.jpg", 2, 2500);
    world.sh("ls mnt/A > /dev/null && cp photo/* mnt/A/ && sync mnt/A");
    let state = "getfattr --only-values -n user.gphotos.state mnt/A/new.jpg";
    assert_eq!(world.sh(state), "unseen");
    world
}

#[test]
fn an_item_deleted_before_any_list_has_shown_it_is_named() {
    let world = arrived_in_a_large_album();
    world.edit(Edit::MoveToBin { item: "new.jpg".into() });
    let (code, said) = diff_json(&world);
    assert_eq!((code, &said["same"]["identical"]), (1, &json!(1)), "{said}");
    let failed = &said["failed"][0];
    assert_eq!((&failed["name"], &failed["here"]), (&json!("new.jpg"), &json!(true)), "{said}");
    assert!(failed["why"].as_str().unwrap().starts_with("Google has this photo in its bin"));
    world.sh("cmp photo/new.jpg mnt/.gphotos/failed/A/new.jpg");
    let (code, said) = run_json_of(&world, &["verify", "--json", "--budget", "0", "mnt/A"]);
    assert_eq!((code, &said["unfinished"]), (2, &json!(["new.jpg"])));
}

#[test]
fn an_item_removed_while_its_bytes_are_still_here_is_named() {
    let world = arrived_in_a_large_album();
    // A list shows it. The worker may not have released its bytes yet.
    assert_eq!(run(&world, &["diff", "photo", "mnt/A"]).0, 1);
    world.edit(Edit::RemoveFromAlbum { album: "A".into(), item: "new.jpg".into() });
    let (code, said) = diff_json(&world);
    assert_eq!((code, &said["only_here"]), (1, &json!(["new.jpg"])), "{said}");
    assert_eq!((&said["same"]["identical"], &said["failed"]), (&json!(1), &json!([])));
}

#[test]
fn a_listing_that_is_late_by_seconds_is_waited_for() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    world.emulator.faults(|faults| faults.album_delay_ms = 60_000);
    copy_all(&world);
    let [_, before] = listings(&world);
    let args = ["diff", "--json", "photo", "mnt/A"];
    let mut diff = world.program();
    let diff =
        diff.current_dir(world.dir.path()).args(args).stdout(Stdio::piped()).spawn().unwrap();
    // The second: the first one has lacked it.
    wait_for("the album to be listed again", || listings(&world)[1] == before + 2);
    world.emulator.advance_clock(Duration::from_secs(61));
    let said: Value = serde_json::from_slice(&diff.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!((&said["same"]["identical"], &said["unlisted"]), (&json!(1), &json!([])));
}

#[test]
fn copy_completes_the_album() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    world.photo("photo/it's $HOME.jpg", 2, 4000);
    world.photo("photo/sub/c.jpg", 3, 4000);
    let (code, script, _) = run(&world, &["diff", "--copy", "photo", "mnt/A"]);
    assert_eq!(code, 1);
    assert_eq!(script.lines().count(), 3, "{script}");
    world.sh(&script);
    world.sync();
    assert_eq!(world.names("A"), ["a.jpg", "it's $HOME.jpg", "sub"]);
    world.photo("photo/d.jpg", 4, 4000);
    let (code, _, said) = run(&world, &["diff", "--copy", "--apply", "photo", "mnt/A"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(world.remote("A").len(), 3);
    assert_eq!(world.remote("A/sub"), ["c.jpg"]);
    assert_eq!(run(&world, &["diff", "photo", "mnt/A"]).0, 0);
}

#[test]
fn after_the_state_is_lost_pictures_are_known_by_what_they_show() {
    let world = World::mounted();
    for at in 0..3 {
        world.photo(&format!("photo/{at}.jpg"), at, 4000 + at as usize);
    }
    copy_all(&world);
    world.umount();
    world.sh("rm -r state/gphotosfs cache/gphotosfs");
    world.mount(&[]);
    let (code, said) = diff_json(&world);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said["same"]["likely"], json!(["0.jpg", "1.jpg", "2.jpg"]));
}

#[test]
fn directories_in_nested_albums_are_compared() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    world.photo("photo/sub/b.jpg", 2, 4000);
    world.photo("photo/sub/deep/c.jpg", 3, 4000);
    world.sh("mkdir mnt/A && cp -rp photo/. mnt/A/ && sync mnt/A");
    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    assert_eq!((code, said.as_str()), (0, "3 local = 3 in the album\n3 in the album = 3 here\n"));
    world.edit(Edit::RemoveFromAlbum { album: "A/sub/deep".into(), item: "c.jpg".into() });
    world.sh("mv mnt/A/sub/b.jpg mnt/A/b.jpg && sync mnt/A");
    let (code, said) = diff_json(&world);
    assert_eq!(code, 1);
    // An album is one directory: a file that moved into another one is missing here.
    assert_eq!(said["only_here"], json!(["sub/b.jpg", "sub/deep/c.jpg"]));
    assert_eq!(said["only_in_album"], json!(["b.jpg"]));
}

/// The lists of albums, the pages of items and the requests for media that a comparison costs.
fn cost(world: &World, album: &str) -> [u64; 3] {
    let before = world.emulator.stats();
    let (code, said, stderr) = run(world, &["diff", "--json", "photo", album]);
    assert!(code < 2, "{said}{stderr}");
    let after = world.emulator.stats();
    let lists = [Call::AlbumsList, Call::MediaItemsSearch];
    let [albums, pages] = lists.map(|call| after.requests(call) - before.requests(call));
    let api = after.api_requests_today - before.api_requests_today;
    assert_eq!(api, albums + pages, "{said}");
    [albums, pages, after.media_requests_today - before.media_requests_today]
}

#[test]
fn each_album_of_a_nested_tree_is_listed_once() {
    let world = World::new();
    let local = world.dir.path().join("photo");
    for month in 1..=12_u32 {
        let dir = format!("Q{}/{month:02}", (month - 1) / 3 + 1);
        let title = format!("2019/{dir}");
        world.edit(Edit::CreateAlbum { title: title.clone() });
        fs::create_dir_all(local.join(&dir)).unwrap();
        for at in 0..3 {
            let (album, filename) = (Some(title.clone()), format!("{at}.jpg"));
            let content = jpeg(10 * month + at, 2500);
            if at == 0 {
                fs::write(local.join(&dir).join(&filename), &content).unwrap();
            }
            world.edit(Edit::AddItem { album, filename, content, foreign: false });
        }
    }
    world.mount(&[]);
    world.sh("ls mnt > /dev/null");
    // The sizes of the photos whose names are here, too.
    assert_eq!(cost(&world, "mnt/2019"), [1, 12, 12]);
    assert_eq!(cost(&world, "mnt/2019"), [1, 12, 0]);
    assert_eq!(cost(&world, "mnt/2019/Q1"), [1, 3, 0]);
}

#[test]
fn a_flat_album_is_listed_once() {
    let world = World::new();
    world.emulator.seed("A", 250);
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    world.photo("photo/own.jpg", 1, 2500);
    world.mount(&[]);
    // The kernel looks the path up first, for which a new mount lists the albums.
    assert_eq!(cost(&world, "mnt/A"), [2, 3, 0]);
    assert_eq!(cost(&world, "mnt/A"), [1, 3, 0]);
}

#[test]
fn foreign_photos_and_videos_are_compared_by_what_they_say() {
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "A".into() });
    let add = |filename: &str, content: Vec<u8>| {
        fs::create_dir_all(world.dir.path().join("photo")).unwrap();
        fs::write(world.dir.path().join("photo").join(filename), &content).unwrap();
        let (album, filename) = (Some("A".to_owned()), filename.to_owned());
        world.edit(Edit::AddItem { album, filename, content, foreign: false });
    };
    const TAKEN: &str = "2019:04:28 09:00:05";
    add("plain.jpg", camera::photo(1, TAKEN, false));
    add("located.jpg", camera::large_photo(2, "2019:04:28 09:00:06", true));
    add("clip.mp4", camera::movie(1, 1_556_442_000, (640, 360)));
    add("other.mp4", camera::movie(2, 1_556_442_060, (640, 360)));
    add("renamed.mov", camera::movie(3, 1_556_442_120, (640, 360)));
    add("small.mp4", camera::movie(4, 1_556_442_180, (640, 360)));
    // Other clips under names that the album has; and one with another name. Google may not have read the time of the
    // first one.
    let other = camera::movie(2, 1_556_442_061, (640, 360));
    fs::write(world.dir.path().join("photo/other.mp4"), other).unwrap();
    let small = camera::movie(4, 1_556_442_180, (320, 180));
    fs::write(world.dir.path().join("photo/small.mp4"), small).unwrap();
    world.sh("mv photo/renamed.mov photo/0001.mov");
    world.mount(&[]);
    let (code, said) = diff_json(&world);
    assert_eq!(code, 1, "{said}");
    assert_eq!(
        said["same"],
        json!({"identical": 0, "smaller": 0, "adopted": 0, "almost_certain": 2, "likely": ["clip.mp4"], "unknown": ["other.mp4"]})
    );
    let fact = json!({"fact": "dimensions", "here": "320×180", "album": "640×360"});
    assert_eq!(said["different"], json!(["small.mp4"]));
    assert_eq!(said["different_by"], json!([{"name": "small.mp4", "by": [fact]}]));
    let text = run(&world, &["diff", "photo", "mnt/A"]).1;
    let other = "\n  small.mp4: other dimensions: 320×180 here, 640×360 there\n";
    assert!(text.contains(other), "{text}");
    let other = "\n  other.mp4 (unknown: same dimensions; \
        other time: 2019-04-28 09:01:01 here, 2019-04-28 09:01:00 there)\n";
    assert!(text.contains(other), "{text}");
    // Two cameras may begin their clips in one second, and Google reports no size.
    assert_eq!(said["renamed"], json!([]));
    assert_eq!(
        (&said["only_here"], &said["only_in_album"]),
        (&json!(["0001.mov"]), &json!(["renamed.mov"]))
    );
    let sum = "6 local = 3 in the album + 1 with other content + 1 unknown + 1 only here";
    assert_eq!(text.lines().next(), Some(sum), "{text}");
    // Fields that a photo lacks are nothing to warn of.
    assert_eq!(run(&world, &["diff", "photo", "mnt/A"]).2, "");
}

/// The local photo, the one in the album under its name, and the two sizes in bytes.
fn located(local: &[u8], remote: Vec<u8>) -> (World, [u64; 2]) {
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "A".into() });
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    fs::write(world.dir.path().join("photo/a.jpg"), local).unwrap();
    let (album, filename) = (Some("A".to_owned()), "a.jpg".to_owned());
    world.edit(Edit::AddItem { album, filename, content: remote, foreign: false });
    world.mount(&[]);
    let sizes = ["photo/a.jpg", "mnt/A/a.jpg"];
    let sizes = sizes.map(|it| fs::metadata(world.dir.path().join(it)).unwrap().len());
    (world, sizes)
}

#[test]
fn a_size_without_the_place_is_told_with_its_reason() {
    let photo = camera::large_photo(1, "2019:04:28 09:00:05", true);
    let (world, [here, album]) = located(&photo, photo.clone());
    let (code, said) = diff_json(&world);
    assert_eq!((code, &said["same"]["almost_certain"]), (0, &json!(1)), "{said}");
    assert_ne!(here, album);
    let (here, album) = (here.to_string(), album.to_string());
    let fact = json!({"fact": "size", "here": here, "album": album, "may_be": "place"});
    let doubt = json!({"name": "a.jpg", "sure": "almost_certain", "by": [fact]});
    assert_eq!(said["doubts"], json!([doubt]));
}

/// An edit keeps the moment, the camera, the dimensions and the place.
#[test]
fn an_edit_of_a_photo_with_a_place_is_unknown() {
    let photo = camera::large_photo(1, "2019:04:28 09:00:05", true);
    // The picture is a tenth shorter.
    let edited = [&photo[..photo.len() - 40_000], b"\xff\xd9"].concat();
    let (world, _) = located(&photo, edited);
    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    assert_eq!(code, 1, "{said}");
    let unknown =
        "(unknown: same time, camera and dimensions; other size: 402.6 kB here, 362.6 kB there)";
    assert!(said.contains(&format!("\n  a.jpg {unknown}\n")), "{said}");
    assert_eq!(diff_json(&world).1["same"]["likely"], json!([]));
    assert_eq!(run(&world, &["adopt", "--dry-run", "photo", "mnt/A"]).0, 1);
}

/// A clip of which only the name and the dimensions agree.
#[test]
fn a_pair_that_is_unknown_does_not_count_as_the_same() {
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "A".into() });
    let content = camera::movie(1, 1_556_442_000, (640, 360));
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    fs::write(world.dir.path().join("photo/a.mp4"), &content).unwrap();
    let content = camera::movie(2, 1_556_442_061, (640, 360));
    let (album, filename) = (Some("A".to_owned()), "a.mp4".to_owned());
    world.edit(Edit::AddItem { album, filename, content, foreign: false });
    world.mount(&[]);
    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    let sums = "1 local = 0 in the album + 1 unknown\n1 in the album = 0 here + 1 unknown\n\n\
        Same name; it is not known whether the content is the same:\n  \
        a.mp4 (unknown: same dimensions; other time: 2019-04-28 09:00:00 here, 2019-04-28 09:01:01 there)\n";
    assert_eq!((code, said.as_str()), (1, sums));
    let (code, said) = diff_json(&world);
    assert_eq!((code, &said["differ"]), (1, &json!(true)), "{said}");
    let (code, script, said) = run(&world, &["diff", "--copy", "photo", "mnt/A"]);
    assert_eq!((code, script.as_str()), (1, ""));
    assert!(said.contains("1 file is left out: 1 unknown;"), "{said}");
}

/// The items that a comparison could not tell apart by their sizes, either.
#[test]
fn shots_of_one_second_cost_no_sizes_of_files_that_are_matched_by_name() {
    let world = World::new();
    world.edit(Edit::CreateAlbum { title: "A".into() });
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    for at in 0..40 {
        let content = camera::photo(at, "2019:04:28 09:00:05", false);
        let (album, filename) = (Some("A".to_owned()), format!("{at:02}.jpg"));
        if at < 2 {
            fs::write(world.dir.path().join("photo").join(&filename), &content).unwrap();
        }
        world.edit(Edit::AddItem { album, filename, content, foreign: false });
    }
    world.mount(&[]);
    world.sh("ls mnt > /dev/null");
    assert_eq!(cost(&world, "mnt/A"), [1, 1, 2]);
    // One more, which any of them may be.
    let content = camera::photo(50, "2019:04:28 09:00:05", false);
    fs::write(world.dir.path().join("photo/new.jpg"), content).unwrap();
    assert_eq!(cost(&world, "mnt/A"), [1, 1, 0]);
}

#[test]
fn colour_is_for_terminals() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    world.photo("photo/a.jpg", 1, 4000);
    let program = env!("CARGO_BIN_EXE_gphotosfs");
    let on_terminal = |env: &str| {
        let said = world.program().arg("diff").output().unwrap();
        assert_eq!(said.status.code(), Some(2));
        let script = format!("{env} {program} diff photo mnt/A");
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &script, "/dev/null"]).current_dir(world.dir.path());
        let said =
            command.env("TERM", "xterm").stdin(std::process::Stdio::null()).output().unwrap();
        assert_eq!(said.status.code(), Some(1));
        String::from_utf8(said.stdout).unwrap()
    };
    assert!(on_terminal("").contains("\x1b[1m1 local"));
    assert!(!on_terminal("NO_COLOR=1").contains("\x1b[1m"));
    assert!(!run(&world, &["diff", "photo", "mnt/A"]).1.contains('\x1b'));
}

#[test]
fn mistakes_are_explained() {
    let mut world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    for (args, said) in [
        (["diff", "mnt/A", "photo"], "name the local directory first"),
        (["diff", "photo", "photo"], "where profile default is mounted"),
        (["diff", "photo/a.jpg", "mnt/A"], "photo/a.jpg is not a directory"),
        (["diff", "photo", "mnt/A/a.jpg"], "mnt/A/a.jpg is not a directory"),
        (["diff", "photo", "mnt/none"], "check the album's name"),
        (["diff", "none", "mnt/A"], "none"),
        (["diff", "photo", "none.zip"], "check the file's name"),
    ] {
        let (code, _, stderr) = run(&world, &args);
        assert!(code == 2 && stderr.contains(said), "{args:?}: {code} {stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
    }
    let (code, _, stderr) = run(&world, &["diff", "photo", "mnt/A", "none.zip"]);
    assert!(
        code == 2 && stderr.contains("mnt/A is on a mount, and no part of an export"),
        "{stderr}"
    );
    world.stop_emulator();
    let trouble = |world: &World, expected: &str| {
        let (code, _, stderr) = run(world, &["diff", "photo", "mnt/A"]);
        assert!(code == 2 && stderr.contains(expected), "{code} {stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
    };
    trouble(&world, "when there is a network");
    world.start_emulator();
    world.kill();
    trouble(&world, "the mount has died: run 'gphotosfs umount' on it");
    assert!(world.sh_outcome("umount -l mnt").status.success());
    trouble(&world, &format!("mount it: 'gphotosfs mount {}'", world.mnt.display()));
    assert!(world.run(&["umount", world.mnt.to_str().unwrap()]).status.success());
    trouble(&world, "run 'gphotosfs mount MOUNTPOINT' first");
}

#[test]
fn errors_from_google_are_reported_with_the_next_step() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    let commands: [&[&str]; 3] = [
        &["diff", "photo", "mnt/A"],
        &["adopt", "photo", "mnt/A"],
        &["verify", "--against", "photo", "mnt/A"],
    ];
    let trouble = |what: &str, next: &str| {
        for args in commands {
            let (code, _, stderr) = run(&world, args);
            assert!(code == 2 && stderr.contains(what), "{args:?}: {code} {stderr}");
            assert!(stderr.contains(&format!("\n  -> {next}")), "{args:?}: {stderr}");
            assert_eq!(stderr.lines().count(), 2, "{stderr}");
        }
    };
    world.emulator.revoke_grants();
    world.emulator.expire_access_tokens();
    trouble("Google does not accept the login", "run 'gphotosfs login'");
    world.photo("photo/b.jpg", 2, 4000);
    world.sh("cp -p photo/b.jpg mnt/A/");
    let (code, _, stderr) = run(&world, &["umount", "mnt"]);
    assert!(code == 1 && stderr.contains("Google does not accept the login"), "{code} {stderr}");
    for next in ["gphotosfs login", "umount --now"] {
        assert!(stderr.contains(next), "{stderr}");
    }
    world.login();
    world.sync();
    world.emulator.faults(|faults| {
        faults.fail_next(Call::AlbumsList, 1000, Failure::RequestsPerDay);
        faults.fail_next(Call::AlbumsGet, 1000, Failure::RequestsPerDay);
        faults.fail_next(Call::MediaItemsSearch, 1000, Failure::RequestsPerDay);
    });
    trouble("today's requests to Google are used up", "'gphotosfs status' shows when");
}

#[test]
fn files_that_are_never_uploaded_are_no_difference() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    world.photo("photo/new.jpg", 2, 4000);
    world.photo("photo/.hidden.jpg", 3, 4000);
    world.photo("photo/x~", 4, 4000);
    world.photo("photo/.thumbs/x.jpg", 5, 4000);
    world.sh("echo '<x:xmpmeta/>' > photo/DSC_01.xmp && touch photo/empty.jpg");
    let (code, script, said) = run(&world, &["diff", "--copy", "photo", "mnt/A"]);
    let dir = world.dir.path().display();
    let expected = format!("cp -pT -- {dir}/photo/new.jpg {dir}/mnt/A/new.jpg\n");
    assert_eq!((code, script.as_str()), (1, expected.as_str()));
    assert!(said.contains("4 that would not be uploaded"), "{said}");
    let apply = ["diff", "--copy", "--apply", "photo", "mnt/A"];
    let (code, _, said) = run(&world, &apply);
    assert!(code == 1 && said.contains("4 files are left out: 4 that would"), "{code} {said}");
    assert_eq!(world.remote("A"), ["a.jpg", "new.jpg"]);
    assert!(world.names(".gphotos/failed").is_empty());
    assert_eq!(world.names("A"), ["a.jpg", "new.jpg"]);
    // An unreadable file is an error, as without --copy.
    world.sh("ln -s nowhere photo/link.jpg");
    let (code, _, said) = run(&world, &apply);
    assert!(code == 2 && said.contains("1 unreadable here"), "{code} {said}");
}

#[test]
fn one_file_that_cannot_be_copied_keeps_no_other_back() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    // A directory in the album has the name.
    world.sh("mkdir mnt/A/dir.jpg");
    world.photo("photo/dir.jpg", 2, 4000);
    world.photo("photo/new.jpg", 3, 4000);
    let (code, _, said) = run(&world, &["diff", "--copy", "--apply", "photo", "mnt/A"]);
    assert!(code == 2 && said.contains("1 of 2 files could not be copied"), "{code} {said}");
    assert!(world.names("A/dir.jpg").is_empty());
    assert_eq!(world.remote("A"), ["a.jpg", "new.jpg"]);
}

#[test]
fn refusals_of_a_copy_are_reported() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    world.emulator.faults(|faults| faults.photo_bytes_max = 1000);
    world.photo("photo/large.jpg", 2, 5000);
    for left in [0, 1] {
        let (code, _, said) = run(&world, &["diff", "--copy", "--apply", "photo", "mnt/A"]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("some files were refused"), "{said}");
        assert!(said.contains("\n  -> 'gphotosfs failed' lists the refused files"), "{said}");
        assert_eq!(said.matches("1 refused").count(), left, "{said}");
    }
}

#[test]
fn missing_evidence_is_not_printed() {
    let world = World::mounted();
    // Without EXIF; the time at Google is that of the upload.
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    world.umount();
    world.sh("rm -r state/gphotosfs cache/gphotosfs");
    world.mount(&[]);
    let (_, said, _) = run(&world, &["diff", "-v", "photo", "mnt/A"]);
    assert!(said.contains("\n  a.jpg (likely: same dimensions and size)\n"), "{said}");
    let (_, said, _) = run(&world, &["adopt", "--dry-run", "photo", "mnt/A"]);
    assert!(said.contains("\n  a.jpg (likely: same dimensions and size)\n"), "{said}");
}

#[test]
fn the_wait_for_google_can_be_seen() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    copy_all(&world);
    world.emulator.faults(|faults| faults.on(Call::AlbumsList).latency_ms = 500);
    let script = format!("{} diff photo mnt/A", env!("CARGO_BIN_EXE_gphotosfs"));
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &script, "/dev/null"]).current_dir(world.dir.path());
    let said = command.env("TERM", "xterm").stdin(std::process::Stdio::null()).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("listing mnt/A again from Google"), "{said}");
    assert!(said.contains("1/1 files of the album read"), "{said}");
    assert_eq!(run(&world, &["diff", "photo", "mnt/A"]).2, "");
}
