//! The thumbnails that file managers show of an album, and the requests they cost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gphotosfs_emulator::{Call, Moment};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageReader, Rgb, RgbImage};

use crate::support::wait::let_pass;
use crate::support::{World, wait_for};

/// A photo that is no thumbnail by itself.
fn photo(world: &World, name: &str, shade: u8) -> PathBuf {
    let picture = RgbImage::from_fn(800, 600, |x, y| Rgb([x as u8, y as u8, shade]));
    let path = world.dir.path().join("photo").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    JpegEncoder::new(fs::File::create(&path).unwrap()).encode_image(&picture).unwrap();
    path
}

/// Photos that are at Google, and no longer here.
fn world() -> World {
    let world = World::mounted();
    for (shade, name) in ["a.jpg", "50 % (1) ä.jpg", "c.jpg"].into_iter().enumerate() {
        photo(&world, name, 80 * shade as u8);
    }
    world.sh("mkdir mnt/A && cp photo/* mnt/A/ && sync mnt/A");
    world.umount();
    fs::remove_dir_all(world.dir.path().join("cache/gphotosfs")).unwrap();
    world.mount(&[]);
    world
}

fn media_requests(world: &World) -> u64 {
    world.emulator.stats().media_requests_today
}

fn thumbnails(world: &World) -> String {
    let outcome = world.run(&["thumbnails", world.mnt.join("A").to_str().unwrap()]);
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(outcome.status.success(), "{said}{}", String::from_utf8_lossy(&outcome.stderr));
    said
}

/// The thumbnail of a file that GLib, and so GNOME, finds and accepts as up to date.
fn accepted_by_desktop(world: &World, path: &Path) -> PathBuf {
    let path = path.display();
    let cache = world.dir.path().join("cache");
    let said = world
        .sh(&format!("XDG_CACHE_HOME='{}' gio info -a 'thumbnail::*' '{path}'", cache.display()));
    let value = |key: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{path} has no {key}: {said}"))
    };
    assert_eq!(value("thumbnail::is-valid"), "TRUE", "{path}: {said}");
    value("thumbnail::path").into()
}

#[test]
fn desktops_find_thumbnails_for_which_no_original_was_read() {
    let world = world();
    let before = media_requests(&world);
    let said = thumbnails(&world);
    assert!(said.starts_with("3 files = 3 thumbnails made + 0 there already"), "{said}");
    // One small picture of each, and none of the originals; their sizes are known here.
    assert_eq!(media_requests(&world) - before, 3);
    for name in world.names("A") {
        let found = accepted_by_desktop(&world, &world.mnt.join("A").join(&name));
        let picture = ImageReader::open(&found).unwrap().decode().unwrap();
        assert_eq!((picture.width(), picture.height()), (256, 192), "{name}");
    }
    let again = thumbnails(&world);
    assert!(again.starts_with("3 files = 0 thumbnails made + 3 there already"), "{again}");
    assert_eq!(media_requests(&world) - before, 3, "gio and the second run read nothing");
    assert!(world.emulator.stats().violations.is_empty());
}

#[test]
fn pending_uploads_are_counted_apart_and_an_edited_photo_gets_a_new_thumbnail() {
    let mut world = world();
    thumbnails(&world);
    let edited = photo(&world, "a.jpg", 200);
    // A thumbnail distinguishes versions by the second of their mtime.
    let edited = edited.display();
    world.sh(&format!("touch -d 'now + 2 seconds' '{edited}'"));
    world.sh(&format!("cp --preserve=timestamps '{edited}' mnt/A/a.jpg && sync mnt/A"));
    let said = thumbnails(&world);
    assert!(said.starts_with("3 files = 1 thumbnail made + 2 there already"), "{said}");
    world.stop_emulator();
    photo(&world, "d.jpg", 9);
    world.sh("cp photo/d.jpg mnt/A/");
    let said = thumbnails(&world);
    let sum = "3 there already + 1 not at Google yet + 0 only on this machine + 0 failed";
    assert!(said.contains(sum), "{said}");
    world.sh("touch mnt/A/empty.jpg && echo x > mnt/A/a.xmp");
    let said = thumbnails(&world);
    assert!(said.contains("1 not at Google yet + 2 only on this machine + 0 failed"), "{said}");
}

#[test]
fn without_a_network_one_line_says_so() {
    let mut world = world();
    world.sh("ls -l mnt/A");
    world.stop_emulator();
    let (done, said) = world.told(&["thumbnails", world.mnt.join("A").to_str().unwrap()]);
    let expected = "gphotosfs: not all thumbnails could be made: \
         Google cannot be reached (50 % (1) ä.jpg and 2 others)\n  -> ";
    assert!(!done && said.starts_with(expected) && said.lines().count() == 2, "{said}");
}

/// > Reading `user.gphotos.thumbnail` of an item gives a picture of at most 256 pixels made by
/// > Google, for `gphotosfs thumbnails`. A file that is not at Google lacks it (`ENODATA`).
#[test]
fn items_have_small_pictures() {
    let world = world();
    let path = world.mnt.join("A/a.jpg");
    let picture = xattr::get(&path, "user.gphotos.thumbnail").unwrap().unwrap();
    let picture = image::load_from_memory(&picture).unwrap();
    assert_eq!((picture.width(), picture.height()), (256, 192));
    world.sh("touch mnt/A/.scratch");
    assert_eq!(xattr::get(world.mnt.join("A/.scratch"), "user.gphotos.thumbnail").unwrap(), None);
}

/// Runs a program under another name.
fn run_as(world: &World, name: &str, program: &str, paths: &[&str]) -> Vec<u8> {
    let renamed = world.dir.path().join(name);
    if !renamed.exists() {
        fs::copy(program, &renamed).unwrap();
    }
    let paths = paths.iter().map(|it| world.mnt.join(it));
    let outcome = std::process::Command::new(renamed).args(paths).output().unwrap();
    assert!(outcome.status.success(), "{outcome:?}\n{}", world.log());
    outcome.stdout
}

/// Runs a program that makes thumbnails, by its name, and that reads photos.
fn thumbnailer(world: &World, photo: &str) -> Vec<u8> {
    run_as(world, "tumblerd", "/bin/cat", &[photo])
}

/// > A file manager of the mounting user that opens an album waits until the album has thumbnails made
/// > by Google. One that opens several directories within a second counts their entries, and gets only
/// > those of the first.
#[test]
fn a_file_manager_finds_the_thumbnails_of_the_album_that_it_opens() {
    let world = world();
    let before = media_requests(&world);
    run_as(&world, "thunar", "/bin/ls", &["", "A"]);
    assert_eq!(media_requests(&world), before, "it has counted");
    // A person takes longer.
    let_pass(Duration::from_millis(1100));
    run_as(&world, "thunar", "/bin/ls", &["A"]);
    for name in world.names("A") {
        accepted_by_desktop(&world, &world.mnt.join("A").join(&name));
    }
    assert_eq!(media_requests(&world) - before, 3, "a small picture of each, and no original");
    run_as(&world, "thunar", "/bin/ls", &["A"]);
    assert_eq!(media_requests(&world) - before, 3);
    world.umount();
}

/// > That wait ends if no thumbnail comes for five seconds, and after twenty seconds.
#[test]
#[ignore = "its waits take half a minute"]
fn a_file_manager_waits_as_long_as_thumbnails_come() {
    let world = World::mounted();
    for at in 0..40 {
        photo(&world, &format!("{at}.jpg"), at);
    }
    world.sh("mkdir mnt/A && cp photo/* mnt/A/ && sync mnt/A");
    world.umount();
    fs::remove_dir_all(world.dir.path().join("cache/gphotosfs")).unwrap();
    world.mount(&[]);
    // Not all of them are requested at once.
    world.emulator.faults(|it| it.on(Call::Download).latency_ms = 3500);
    let begun = Instant::now();
    run_as(&world, "thunar", "/bin/ls", &["A"]);
    assert!(begun.elapsed() > Duration::from_secs(6), "{:?}", begun.elapsed());
    for name in world.names("A") {
        accepted_by_desktop(&world, &world.mnt.join("A").join(&name));
    }
    world.umount();
    // None comes.
    fs::remove_dir_all(world.dir.path().join("cache")).unwrap();
    world.mount(&[]);
    world.emulator.hold(Call::Download, Moment::Request);
    let begun = Instant::now();
    run_as(&world, "thunar", "/bin/ls", &["A"]);
    let took = begun.elapsed();
    world.emulator.let_go(Call::Download, Moment::Request);
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(15), "{took:?}");
    assert_eq!(world.emulator.stats().originals, 0);
}

/// > A photo without a thumbnail that a program of the mounting user opens to make one waits for up
/// > to five seconds, until its directory has thumbnails made by Google. Reads return the photo's own
/// > bytes. The program is known by its name, such as `tumblerd` or `gthumb`.
#[test]
fn a_directory_gets_its_thumbnails_when_a_program_begins_to_make_them() {
    let world = world();
    let before = media_requests(&world);
    let photo = fs::read(world.dir.path().join("photo/a.jpg")).unwrap();
    assert_eq!(thumbnailer(&world, "A/a.jpg"), photo);
    for name in world.names("A") {
        accepted_by_desktop(&world, &world.mnt.join("A").join(&name));
    }
    // A small picture of each photo, and the original that the program has opened.
    assert_eq!(media_requests(&world) - before, 3 + 1);
    // The desktop's own answers and a program that reads on cost no further pictures.
    assert_eq!(thumbnailer(&world, "A/a.jpg"), photo);
    thumbnailer(&world, "A/c.jpg");
    assert_eq!(media_requests(&world) - before, 3 + 2);
    assert!(world.emulator.stats().violations.is_empty());
}

#[test]
fn other_programs_and_switched_off_mounts_make_no_thumbnails() {
    let world = world();
    let before = media_requests(&world);
    world.sh("cat mnt/A/a.jpg > /dev/null && ls -l mnt/A && cp mnt/A/c.jpg .");
    assert_eq!(media_requests(&world) - before, 2, "the two photos");
    assert!(!world.dir.path().join("cache/thumbnails").exists());
    world.umount();
    fs::remove_dir_all(world.dir.path().join("cache/gphotosfs")).unwrap();
    world.mount(&["--thumbnails=off"]);
    thumbnailer(&world, "A/a.jpg");
    assert_eq!(media_requests(&world) - before, 3);
    assert!(!world.dir.path().join("cache/thumbnails").exists());
}

/// > With `--thumbnails on`, a directory also gets thumbnails after a program of the mounting user
/// > has listed it.
#[test]
fn a_listing_is_followed_by_thumbnails_if_the_user_wants_that() {
    let world = world();
    world.umount();
    world.mount(&["--thumbnails=on"]);
    let before = media_requests(&world);
    world.sh("ls mnt/A");
    let cached = world.dir.path().join("cache/thumbnails/normal");
    let made = || fs::read_dir(&cached).map_or(0, |it| it.flatten().filter(is_complete).count());
    wait_for("the thumbnails", || made() == 3);
    for name in world.names("A") {
        accepted_by_desktop(&world, &world.mnt.join("A").join(&name));
    }
    assert_eq!(media_requests(&world) - before, 3);
}

/// The mount leaves its working directory, and the path means the same afterwards.
#[test]
fn a_relative_mountpoint_gets_thumbnails_for_its_one_name() {
    let world = world();
    world.umount();
    let mut mount = world.program();
    let outcome = mount.current_dir(world.dir.path()).args(["mount", "mnt"]).output().unwrap();
    assert!(outcome.status.success(), "{outcome:?}");
    thumbnailer(&world, "A/a.jpg");
    for name in world.names("A") {
        accepted_by_desktop(&world, &world.mnt.join("A").join(&name));
    }
    let cached = fs::read_dir(world.dir.path().join("cache/thumbnails/normal")).unwrap();
    assert_eq!(cached.flatten().filter(is_complete).count(), 3);
    world.umount();
}

/// Whether it is no temporary file of a thumbnail.
fn is_complete(entry: &fs::DirEntry) -> bool {
    !entry.file_name().to_string_lossy().starts_with("gphotosfs-")
}

/// File managers address a photo by the path that the user came by.
#[test]
fn a_mountpoint_behind_a_symlink_gets_thumbnails_for_both_of_its_names() {
    let mut world = world();
    world.umount();
    let (real, link) = (world.mnt.clone(), world.dir.path().join("link"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    world.mnt = link.clone();
    world.mount(&[]);
    let before = media_requests(&world);
    thumbnailer(&world, "A/a.jpg");
    for root in [&real, &link] {
        accepted_by_desktop(&world, &root.join("A/c.jpg"));
    }
    assert_eq!(media_requests(&world) - before, 3 + 1);
    world.umount();
}
