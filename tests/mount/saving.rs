//! Programs that save a photo several times. Uploads are counted; the wait before them is so long
//! that a test never sees its end.

use gphotosfs_emulator::Call;

use crate::support::{World, jpeg, wait_for};

const FOR_HOURS: [&str; 2] = ["--upload-delay", "10h"];

fn uploads(world: &World) -> u64 {
    let stats = world.emulator.stats();
    stats.requests(Call::UploadRaw) + stats.requests(Call::UploadStart)
}

/// > An upload begins a moment after the last close (`--upload-delay`), or when somebody waits for
/// > it. So a program that saves a photo several times causes one upload.
#[test]
fn a_photo_that_is_saved_several_times_is_uploaded_once() {
    let world = World::new();
    world.mount(&FOR_HOURS);
    world.photo("photo/1.jpg", 1, 50_000);
    world.photo("photo/2.jpg", 2, 60_000);
    world.photo("photo/3.jpg", 3, 70_000);
    // `cp`, then metadata are written into the copy, as exiv2 and darktable do.
    world.sh("mkdir mnt/A && cp photo/*.jpg mnt/A/ && cp photo/2.jpg mnt/A/1.jpg");
    world.sh("for photo in mnt/A/*; do printf 'metadata of %s' $photo >> $photo; done");
    world.sh("touch mnt/A/* && chmod 600 mnt/A/*");
    // An archive is unpacked over files that were closed just now.
    world.sh("cd photo && python3 -m zipfile -c ../all.zip *.jpg");
    world.sh("if command -v unzip; then unzip -o all.zip -d mnt/A; else cp photo/*.jpg mnt/A/; fi");
    world.sh("for photo in mnt/A/*; do printf more >> $photo; done");
    assert_eq!(uploads(&world), 0);
    world.sync();
    assert_eq!(uploads(&world), 3);
    assert_eq!(world.remote("A"), ["1.jpg", "2.jpg", "3.jpg"]);
    world.sh("for at in 1 2 3; do (cat photo/$at.jpg; printf more) | cmp - mnt/A/$at.jpg; done");
    world.umount();
}

/// > It begins at once in a copy of many files, but for the latest of them, and always with
/// > `--commit close`.
#[test]
fn a_copy_of_many_files_does_not_wait() {
    let world = World::new();
    let copies = 20;
    for at in 0..copies {
        world.photo(&format!("photo/{at}.jpg"), at, 20_000);
    }
    world.mount(&[&FOR_HOURS[..], &["--uploads", "4"]].concat());
    world.sh("mkdir mnt/A && cp photo/*.jpg mnt/A/");
    wait_for("all but the latest files to be uploaded", || {
        uploads(&world) >= u64::from(copies) - 4
    });
    assert_eq!(uploads(&world), u64::from(copies) - 4);
    world.umount();
    assert_eq!(uploads(&world), u64::from(copies));
    world.mount(&[&FOR_HOURS[..], &["--commit", "close"]].concat());
    std::fs::write(world.mnt.join("A/now.jpg"), jpeg(99, 20_000)).unwrap();
    assert_eq!(uploads(&world), u64::from(copies) + 1);
    world.umount();
}

#[test]
fn an_upload_begins_although_nobody_waits() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 50_000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/");
    wait_for("the upload", || uploads(&world) == 1);
    world.umount();
}
