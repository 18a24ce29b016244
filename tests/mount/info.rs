//! The attributes of files and directories: `gphotosfs info`, and programs that copy attributes.

use std::fs;
use std::path::Path;

use gphotosfs_emulator::Call;
use serde_json::{Value, json};

use crate::support::{World, camera, wait_for};

/// An uploaded photo in album `A`, the same file in `photo/`.
fn world() -> World {
    let world = World::mounted();
    fs::create_dir(world.dir.path().join("photo")).unwrap();
    let photo = camera::photo(1, "2019:04:28 09:00:00", false);
    fs::write(world.dir.path().join("photo/1.jpg"), photo).unwrap();
    world.sh("mkdir mnt/A && cp -p photo/1.jpg mnt/A/ && sync mnt/A");
    world
}

fn run_json(world: &World, path: &Path) -> Value {
    let outcome = world.run(&["info", "--json", path.to_str().unwrap()]);
    assert!(outcome.status.success(), "{outcome:?}");
    serde_json::from_slice(&outcome.stdout).unwrap()
}

/// > `listxattr` returns no `user.gphotos.` attribute, so programs that copy attributes (`rsync -X`,
/// > `cp -a`, `tar --xattrs`) neither copy, set nor remove one.
#[test]
fn attributes_are_not_listed_and_survive_copies() {
    let world = world();
    let description = "user.gphotos.description";
    xattr::set(world.mnt.join("A/1.jpg"), description, b"of mine").unwrap();
    for path in ["A/1.jpg", "A", ".gphotos"] {
        assert_eq!(xattr::list(world.mnt.join(path)).unwrap().count(), 0, "{path}");
    }
    // Into the mount, and out of it; the second time there is nothing to do.
    world.sh("for _ in 1 2; do
             rsync -aX photo/ mnt/A/
             cp -a photo/1.jpg mnt/A/
             rsync -aX mnt/A/ out/
             cp -a mnt/A/1.jpg copied.jpg
         done
         test -z \"$(rsync -aX --itemize-changes photo/ mnt/A/ | grep -v '/$')\"
         test -z \"$(rsync -aX --itemize-changes mnt/A/ out/ | grep -v '/$')\"
         cmp photo/1.jpg copied.jpg
         tar --xattrs -C photo -cf in.tar . && tar --xattrs --xattrs-include='*' -C mnt/A -xf in.tar
         tar --xattrs -C mnt/A -cf out.tar . && mkdir untar && tar --xattrs -C untar -xf out.tar
         getfattr -d mnt/A/1.jpg > saved && setfattr --restore=saved
         sync mnt/A");
    assert_eq!(xattr::get(world.mnt.join("A/1.jpg"), description).unwrap().unwrap(), b"of mine");
    assert_eq!(world.emulator.stats().requests(Call::MediaItemsPatch), 1);
    assert_eq!(world.emulator.dump().items.len(), 1);
}

#[test]
fn all_attributes_of_files_and_directories_are_shown() {
    let world = world();
    let album = world.mnt.join("A");
    let before = world.emulator.stats().api_requests_today;
    let dump = world.emulator.dump();
    let said = run_json(&world, &album.join("1.jpg"));
    assert_eq!(said["version"], 1);
    assert_eq!(said["path"], album.join("1.jpg").to_str().unwrap());
    let facts = &said["attributes"];
    let expected = json!(["committed", "1.jpg", "image/jpeg", dump.items[0].id]);
    assert_eq!(
        json!(["state", "filename", "mime_type", "id"].map(|name| &facts[name])),
        expected,
        "{said}"
    );
    let hash = world.sh("sha256sum photo/1.jpg").split(' ').next().unwrap().to_owned();
    assert_eq!(facts["sha256"], hash);
    // As getfattr says it.
    for (name, value) in facts.as_object().unwrap() {
        let read = xattr::get(album.join("1.jpg"), format!("user.gphotos.{name}")).unwrap();
        assert_eq!(read.unwrap(), value.as_str().unwrap().as_bytes());
    }
    let expected = json!({"state": "album", "id": dump.albums[0].id, "title": "A"});
    assert_eq!(run_json(&world, &album)["attributes"], expected);
    assert_eq!(run_json(&world, &world.mnt)["attributes"], json!({"state": "parent"}));
    world.sh("mkdir mnt/.tmp");
    assert_eq!(run_json(&world, &world.mnt.join(".tmp"))["attributes"], json!({"state": "local"}));

    assert!(!world.sh_outcome("printf text > note.jpg && cp note.jpg mnt/A/").status.success());
    wait_for("the refused file", || world.mnt.join(".gphotos/failed/A/note.jpg").exists());
    let failed = run_json(&world, &world.mnt.join(".gphotos/failed/A/note.jpg"));
    assert_eq!(failed["attributes"]["state"], "failed");
    assert!(failed["attributes"]["error"].is_string(), "{failed}");

    let said = world.run(&["info", album.join("1.jpg").to_str().unwrap()]).stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("state          committed\nid             "), "{said}");
    let said = world.run(&["info", world.mnt.join(".gphotos").to_str().unwrap()]).stdout;
    assert!(String::from_utf8(said).unwrap().ends_with("/.gphotos has no attributes.\n"));
    assert_eq!(world.emulator.stats().api_requests_today, before);

    let (done, why) = world.told(&["info", world.dir.path().to_str().unwrap()]);
    assert!(!done && why.contains("is not on a gphotosfs mount"), "{why}");
}
