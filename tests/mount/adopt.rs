//! `gphotosfs adopt` on real mounts: after the state was lost, it uploads no file twice and leaves none out.

use std::fs;

use gphotosfs_emulator::{Call, Edit};
use serde_json::{Value, json};

use gphotosfs::media::Saver;
use gphotosfs::shrink::Plan;

use crate::support::{World, camera, camera_jpeg, schema};

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

fn write(world: &World, name: &str, content: &[u8]) {
    let path = world.dir.path().join("photo").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The bytes and calls that the emulator has received.
fn sent(world: &World) -> u64 {
    let stats = world.emulator.stats();
    stats.requests(Call::UploadRaw) + stats.requests(Call::MediaItemsBatchCreate)
}

#[test]
fn nothing_is_sent_again_after_the_state_was_lost() {
    let world = World::mounted();
    for at in 0..4 {
        let taken = format!("2019:04:28 09:00:0{at}");
        let photo = match at {
            1 => camera::large_photo(at, &taken, true),
            _ => camera::photo(at, &taken, false),
        };
        write(&world, &format!("{at}.jpg"), &photo);
    }
    write(&world, "sub/clip.mp4", &camera::movie(1, 1_556_442_000, (640, 360)));
    world.sh("touch -d 2019-04-28T09:00:00.123456789 photo/*.jpg");
    world.sh("mkdir mnt/A && cp -rp photo/. mnt/A/ && sync mnt/A");
    // The item has the name of the first.
    world.sh("cp -p photo/0.jpg 'photo/0 (1).jpg' && cp -p 'photo/0 (1).jpg' mnt/A/ && sync mnt/A");
    world.sh("mv photo/3.jpg photo/z.jpg && mv mnt/A/3.jpg mnt/A/z.jpg");
    world.umount();
    world.sh("rm -r state/gphotosfs cache/gphotosfs");
    world.mount(&[]);
    let items = world.emulator.dump().items.len();
    world.emulator.reset_stats();

    let (code, said) = run_json(&world, &["adopt", "--dry-run", "--json", "photo", "mnt/A"]);
    assert_eq!((code, &said["dry_run"]), (1, &json!(true)));
    assert_eq!(world.names("A"), ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "sub"]);
    let (code, said, _) = run(&world, &["adopt", "photo", "mnt/A"]);
    let first = said.lines().next().unwrap();
    assert_eq!(
        (code, first),
        (1, "6 local = 3 adopted + 1 further name + 2 not sure enough"),
        "{said}"
    );
    // A name is evidence, too.
    assert!(said.contains("z.jpg (was 3.jpg) (likely"), "{said}");
    assert!(said.contains("sub/clip.mp4 (likely"), "{said}");
    assert_eq!(world.names("A"), ["0 (1).jpg", "0.jpg", "1.jpg", "2.jpg", "3.jpg", "sub"]);
    let (code, said) = run_json(&world, &["adopt", "--min", "likely", "--json", "photo", "mnt/A"]);
    assert_eq!(
        (code, said),
        (
            0,
            json!({
                "version": 1, "dry_run": false, "files_here": 6, "known": 3,
                "adopted": [
                    {"here": "sub/clip.mp4", "album": "sub/clip.mp4", "sure": "likely"},
                    {"here": "z.jpg", "album": "3.jpg", "sure": "likely"},
                ],
                "twins": [{"name": "0 (1).jpg", "of": "0.jpg"}],
                "unsure": [], "different": [], "different_by": [], "unfinished": [], "scratch": [], "kept": [],
                "unreadable": [], "only_here": [],
            })
        )
    );
    assert_eq!(world.names("A"), ["0 (1).jpg", "0.jpg", "1.jpg", "2.jpg", "sub", "z.jpg"]);

    let (code, said) = run_json(&world, &["diff", "--json", "photo", "mnt/A"]);
    assert_eq!(
        (code, &said["same"]["adopted"], &said["renamed"]),
        (0, &json!(5), &json!([])),
        "{said}"
    );
    assert_eq!(world.sh("rsync -rt --itemize-changes --omit-dir-times photo/ mnt/A/"), "");
    world.sh("cp -rn photo/. mnt/A/");
    // Written again, in place and as new files: the bytes are known.
    world.sh(
        "cp -rp photo/. mnt/A/ && mkdir mnt/B && cp -p photo/1.jpg mnt/B/other.jpg && sync mnt",
    );
    assert_eq!(sent(&world), 0);
    assert_eq!(world.emulator.dump().items.len(), items);
    assert_eq!(world.remote("B"), ["1.jpg"]);
    assert_eq!(world.emulator.stats().download_bytes, 0);
}

/// An album with `a.jpg`, and a local file of that name, moment and camera that was edited since.
fn edited() -> World {
    let world = World::new();
    let picture = camera::large_photo(1, "2019:04:28 09:00:00", false);
    let edited = [&picture[..2], b"\xff\xfe\0\x06edit", &picture[2..]].concat();
    write(&world, "a.jpg", &edited);
    world.edit(Edit::CreateAlbum { title: "A".into() });
    let (album, filename) = (Some("A".to_owned()), "a.jpg".to_owned());
    world.edit(Edit::AddItem { album, filename, content: picture, foreign: false });
    world.mount(&[]);
    world
}

#[test]
fn photos_that_may_have_been_edited_are_uploaded_and_not_adopted() {
    let world = edited();
    let (code, said) = run_json(&world, &["adopt", "--json", "photo", "mnt/A"]);
    assert_eq!((code, &said["adopted"]), (1, &json!([])));
    let size = |file: &str| fs::metadata(world.dir.path().join(file)).unwrap().len().to_string();
    let (here, there) = (size("photo/a.jpg"), size("mnt/A/a.jpg"));
    let by = json!([{"fact": "size", "here": here, "album": there, "may_be": "metadata"}]);
    let unsure = json!([
        {"here": "a.jpg", "album": "a.jpg", "sure": "likely", "by": by}
    ]);
    assert_eq!(said["unsure"], unsure);
    world.sh("cp -p photo/a.jpg mnt/A/ && sync mnt/A");
    assert_eq!(world.emulator.dump().items.len(), 2);
}

#[test]
fn a_wrong_adoption_can_be_taken_back() {
    let world = edited();
    assert_eq!(run(&world, &["adopt", "--min", "likely", "photo", "mnt/A"]).0, 0);
    let (_, said) = run_json(&world, &["diff", "--json", "photo", "mnt/A"]);
    assert_eq!(said["same"]["identical"], 0);
    assert_eq!(said["same"]["adopted"], 1);
    // As asked for.
    world.sh("cp -p photo/a.jpg mnt/A/b.jpg && sync mnt/A && rm mnt/A/b.jpg && sync mnt/A");
    assert_eq!(sent(&world), 0);
    xattr::remove(world.mnt.join("A/a.jpg"), "user.gphotos.adopted").unwrap();
    world.sh("cp -p photo/a.jpg mnt/A/ && sync mnt/A");
    assert_eq!(world.emulator.dump().items.len(), 2);
    let (code, said) = run_json(&world, &["diff", "--json", "photo", "mnt/A"]);
    assert_eq!((code, &said["same"]["identical"]), (0, &json!(1)));
}

#[test]
fn local_and_different_files_are_reported() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    world.sh("mkdir mnt/A && cp -p photo/a.jpg mnt/A/ && sync mnt/A");
    world.photo("photo/new.jpg", 2, 4000);
    world.photo("photo/a.jpg", 3, 4100);
    let (code, said, _) = run(&world, &["adopt", "photo", "mnt/A"]);
    assert_eq!(code, 1);
    assert_eq!(
        said.lines().next(),
        Some("2 local = 0 adopted + 1 with other content + 1 only here")
    );
    let (code, _, said) = run(&world, &["adopt", "photo", "photo"]);
    assert_eq!(code, 2);
    assert!(said.contains("where profile default is mounted"), "{said}");
}

#[test]
fn files_that_stay_on_this_machine_have_groups_of_their_own() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 4000);
    world.sh("cd photo && touch empty.jpg new.jpg && echo x > a.xmp && echo x > Thumbs.db && cp a.jpg b.jpg.part
         echo text > note.txt && mkdir ../mnt/A && ! cp -p [!n]* note.txt ../mnt/A/ && ! sync ../mnt/A");
    let (code, said, _) = run(&world, &["adopt", "photo", "mnt/A"]);
    assert_eq!(code, 1);
    let sum = "7 local = 0 adopted + 1 known before + 1 on the way or refused + 1 temporary + 1 empty \
         + 2 only on this machine + 1 only here";
    assert_eq!(said.lines().next(), Some(sum), "{said}");
    for part in [
        "On the way to Google or refused:\n  note.txt\n",
        "Stays here until it has another name or content:\n  b.jpg.part\n  empty.jpg\n",
        "Only on this machine, never uploaded (no difference):\n  Thumbs.db\n  a.xmp\n",
        "to complete the album):\n  new.jpg: it is empty\n",
    ] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let (_, said) = run_json(&world, &["adopt", "--json", "photo", "mnt/A"]);
    assert_eq!(said["scratch"], json!(["b.jpg.part", "empty.jpg"]));
    assert_eq!(
        (&said["kept"], &said["unfinished"]),
        (&json!(["Thumbs.db", "a.xmp"]), &json!(["note.txt"]))
    );
    let (_, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    let album = said.lines().nth(1).unwrap();
    assert_eq!(album, "5 in the album = 1 here + 1 temporary + 1 empty + 2 only on this machine");
    let unfit = "Refused, and 'gphotosfs retry' does not help: Google Photos takes no such files:\n  note.txt";
    assert!(said.contains(unfit) && !said.contains("tries again"), "{said}");
}

/// A photo of some size with the EXIF of a camera.
fn large_photo(seed: u32, taken: &str) -> Vec<u8> {
    photo_of(seed, taken, (1600, 1300))
}

fn photo_of(seed: u32, taken: &str, size: (u32, u32)) -> Vec<u8> {
    let small = camera::photo(seed, taken, false);
    let exif =
        img_parts::ImageEXIF::exif(&img_parts::jpeg::Jpeg::from_bytes(small.into()).unwrap());
    let mut photo = img_parts::jpeg::Jpeg::from_bytes(camera_jpeg(seed, size).into()).unwrap();
    img_parts::ImageEXIF::set_exif(&mut photo, exif);
    photo.encoder().bytes().to_vec()
}

/// The copies are known by name, time and shape, if the album's quality says that there are some.
#[test]
fn smaller_copies_are_recognised_after_the_state_was_lost() {
    let world = World::new();
    world.mount(&["--quality", "saver:2mp"]);
    write(&world, "1.jpg", &large_photo(1, "2019:04:28 09:00:01"));
    write(&world, "2.jpg", &camera::photo(2, "2019:04:28 09:00:02", false));
    world.sh("mkdir mnt/A && cp -rp photo/. mnt/A/");
    let (code, _, said) = run(&world, &["sync", "mnt/A"]);
    let expected = "; 1 file smaller; 1 file whole: ";
    assert!(code == 0 && said.contains(expected), "{said}");
    let (code, _, said) = run(&world, &["sync", "mnt/A"]);
    assert!(code == 0 && !said.contains("smaller"), "nothing was left to do: {said}");
    let (_, said) = run_json(&world, &["status", "--json"]);
    let items = world.emulator.dump().items;
    let stored: u64 = items.iter().map(|it| it.size).sum();
    assert_eq!(said["stored"]["bytes"], stored);
    assert_eq!(said["stored"]["jpeg_bytes"], 0, "both were looked at");
    world.umount();
    world.sh("rm -r state/gphotosfs cache/gphotosfs");
    world.mount(&[]);
    world.emulator.reset_stats();
    let (code, said) = run_json(&world, &["adopt", "--dry-run", "--json", "photo", "mnt/A"]);
    assert_eq!((code, said["adopted"].as_array().unwrap().len()), (1, 1), "{said:#}");
    run(&world, &["quality", "saver:2mp", "mnt/A"]);
    let (code, said, _) = run(&world, &["diff", "photo", "mnt/A"]);
    assert!(code == 0 && said.contains("(1 of them stored smaller"), "{said}");
    let (code, said, _) = run(&world, &["adopt", "photo", "mnt/A"]);
    let first = said.lines().next().unwrap();
    assert_eq!((code, first), (0, "2 local = 2 adopted"), "{said}");
    world.sh("test -z \"$(rsync -rtin photo/ mnt/A/ | grep -v '/$')\" && cp -p photo/* mnt/A/ && sync mnt/A");
    assert_eq!(sent(&world), 0);
    assert_eq!(world.emulator.dump().items.len(), items.len());
}

/// An edit with the pixels of the copy, resized or not, has its time and few bytes, too.
#[test]
fn an_edit_with_the_pixels_of_the_copy_is_not_adopted_as_the_copy() {
    let world = World::new();
    let taken = "2019:04:28 09:00:01";
    let photo = |seed, taken: &str| photo_of(seed, taken, (900, 700));
    let original = photo(1, taken);
    write(&world, "edited.jpg", &original);
    write(&world, "copied.jpg", &photo(2, "2019:04:28 09:00:02"));
    let saver = Saver { megapixels: 2, quality: 90 };
    world.mount(&["--quality", &saver.to_string()]);
    world.sh("mkdir mnt/A && cp -p photo/copied.jpg mnt/A/ && sync mnt/A");
    // Another picture, made smaller in the same way.
    let edit = Plan::new(&photo(3, taken), saver).unwrap().run().unwrap();
    assert!(edit.len() * 100 <= original.len() * 85);
    let (album, filename) = (Some("A".to_owned()), "edited.jpg".to_owned());
    world.edit(Edit::AddItem { album, filename, content: edit, foreign: false });
    world.umount();
    world.sh("rm -r state/gphotosfs cache/gphotosfs");
    world.mount(&["--quality", &saver.to_string()]);
    world.sh("ls mnt/A");
    let (_, said) = run_json(&world, &["diff", "--json", "photo", "mnt/A"]);
    assert_eq!(said["same"]["likely"], json!(["copied.jpg", "edited.jpg"]), "{said:#}");
    let (code, said) = run_json(&world, &["adopt", "--json", "photo", "mnt/A"]);
    assert_eq!(code, 1);
    let adopted = json!([{"here": "copied.jpg", "album": "copied.jpg", "sure": "almost_certain"}]);
    assert_eq!(said["adopted"], adopted, "{said:#}");
    let unsure = json!([{"here": "edited.jpg", "album": "edited.jpg", "sure": "likely"}]);
    assert_eq!(said["unsure"], unsure);
    // So the photo itself comes to Google.
    world.sh("cp -p photo/*.jpg mnt/A/ && sync mnt/A");
    assert_eq!(world.emulator.dump().items.len(), 3);
}
