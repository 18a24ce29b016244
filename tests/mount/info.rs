//! The attributes of files and directories: `gphotosfs info`, and programs that copy attributes.

use std::fs;
use std::path::Path;

use gphotosfs_emulator::{Call, Failure};
use serde_json::{Value, json};

use crate::support::{World, camera, schema, wait_for};

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
    let expected = json!(
        {"state": "album", "id": dump.albums[0].id, "title": "A", "quality": "original"}
    );
    assert_eq!(run_json(&world, &album)["attributes"], expected);
    let expected = json!({"state": "parent", "quality": "original"});
    assert_eq!(run_json(&world, &world.mnt)["attributes"], expected);
    world.sh("mkdir mnt/.tmp");
    let expected = json!({"state": "local", "quality": "original"});
    assert_eq!(run_json(&world, &world.mnt.join(".tmp"))["attributes"], expected);

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

#[test]
fn people_read_why_a_file_stays_here_and_where_a_refused_one_is() {
    let world = world();
    world.sh("cd mnt/A && touch empty.jpg && echo x > a.xmp && echo x > b.part && echo x > Thumbs.db && mkdir .git && echo x > .git/config");
    let text = |args: &[&str]| {
        let outcome = world.run(args);
        String::from_utf8([outcome.stdout, outcome.stderr].concat()).unwrap()
    };
    let path = |name: &str| world.mnt.join("A").join(name).to_str().unwrap().to_owned();
    for (name, words) in [
        ("empty.jpg", "empty"),
        ("a.xmp", "sidecar"),
        ("b.part", "temporary"),
        ("Thumbs.db", "left by systems"),
        (".git/config", "left by systems"),
    ] {
        let said = text(&["info", &path(name)]);
        assert_eq!(said, format!("state  {words} (stays on this machine)\n"), "{name}");
        assert_eq!(
            run_json(&world, &world.mnt.join("A").join(name))["attributes"]["state"],
            "scratch"
        );
        let said = text(&["debug", "file", &path(name)]);
        assert!(said.contains(&format!("Journal  {words}\n")), "{said}");
    }
    let said = text(&["debug", "queue"]) + &text(&["status"]);
    assert!(said.contains("left by systems") && !said.contains("scratch"), "{said}");

    assert!(!world.sh_outcome("printf text > note.jpg && cp note.jpg mnt/A/").status.success());
    let failed = world.mnt.join(".gphotos/failed/A/note.jpg");
    wait_for("the refused file", || failed.exists());
    let said = text(&["info", &path("note.jpg")]);
    let why =
        "note.jpg was refused: a text file is neither a photo nor a video\n  -> its bytes are ";
    assert!(said.contains(why) && said.contains(failed.to_str().unwrap()), "{said}");
    let said = text(&["debug", "file", &path("note.jpg")]);
    assert!(said.contains("Names    .gphotos/failed/A/note.jpg\n"), "{said}");
    let said = text(&["info", &path("none.jpg")]);
    assert!(said.contains("No such file or directory\n  -> the mount has no such name"), "{said}");
}

/// > Other programs' attributes and access control lists are not stored, as on FAT. A file that has
/// > some is copied nevertheless. `rsync -X` and `rsync -A` name each of them and end with 23,
/// > `cp -p` and `cp -a` end with 1 because of a list, and `mv`, `tar` and `rsync -a` with 0.
#[test]
fn foreign_attributes_do_not_hinder_copies() {
    let world = world();
    let copied = |script: &str, status: i32| {
        world.sh("cp photo/1.jpg own.jpg && setfattr -n user.mine -v x own.jpg");
        world.sh("cp photo/1.jpg list.jpg && setfacl -m u:nobody:r list.jpg && rm -f mnt/A/*");
        let outcome = world.sh_outcome(script);
        assert_eq!(outcome.status.code(), Some(status), "{script}: {outcome:?}");
        assert_eq!(world.names("A").len(), 1, "{script}");
        world.sh("cmp photo/1.jpg mnt/A/*");
    };
    copied("cp -a own.jpg mnt/A/", 0);
    copied("mv own.jpg mnt/A/", 0);
    copied("rsync -a own.jpg mnt/A/", 0);
    copied("rsync -aX own.jpg mnt/A/", 23);
    copied("rsync -aX --filter='-x user.*' own.jpg mnt/A/", 0);
    copied(
        "tar --xattrs -cf a.tar own.jpg && tar --xattrs --xattrs-include='*' -C mnt/A -xf a.tar",
        0,
    );
    copied("cp list.jpg mnt/A/", 0);
    copied("cp -p list.jpg mnt/A/", 1);
    copied("cp -a list.jpg mnt/A/", 1);
    copied("mv list.jpg mnt/A/", 0);
    copied("rsync -a list.jpg mnt/A/", 0);
    copied("rsync -aA list.jpg mnt/A/", 23);
}

/// The pages of docs/commands name each key that the commands print as JSON.
#[test]
fn each_key_of_json_is_documented() {
    let world = world();
    // A refused file, one that stays here, and one that is on its way.
    world.emulator.faults(|faults| {
        faults.fail_next(Call::MediaItemsBatchCreate, 1000, Failure::Unavailable);
    });
    world.sh("echo text > photo/note.txt && echo x > photo/1.xmp && cp photo/1.jpg photo/2.jpg
         printf more >> photo/2.jpg && cp photo/2.jpg photo/1.xmp mnt/A/ && touch mnt/A/empty.jpg");
    assert!(!world.sh_outcome("cp photo/note.txt mnt/A/").status.success());
    wait_for("the outage", || {
        let said = world.run(&["status", "--json"]).stdout;
        serde_json::from_slice::<Value>(&said).unwrap()["trouble"].is_object()
    });
    let album = world.mnt.join("A");
    let (album, photo) = (album.to_str().unwrap(), world.dir.path().join("photo"));
    let photo = photo.to_str().unwrap();
    let moving = format!("{album}/2.jpg");
    let commands: &[&[&str]] = &[
        &["adopt", "--dry-run", "--json", photo, album],
        &["debug", "--json", "file", &moving],
        &["debug", "--json", "queue"],
        &["diff", "--json", photo, album],
        &["doctor", "--json"],
        &["failed", "--json"],
        &["info", "--json", &moving],
        &["status", "--json"],
        &["verify", "--json", "--against", photo, album],
    ];
    let page = |command: &str| {
        fs::read_to_string(format!("{}/docs/commands/{command}.md", env!("CARGO_MANIFEST_DIR")))
            .unwrap()
    };
    for args in commands {
        let said = world.run(args).stdout;
        let name = args.iter().filter(|it| **it == "debug" || **it == "file" || **it == "queue");
        let name = name.copied().collect::<Vec<_>>().join("-");
        let name = if name.is_empty() { args[0].to_owned() } else { name };
        let said = schema::check(&name, std::str::from_utf8(&said).unwrap());
        let mut documented = page(args[0]);
        if args[0] == "debug" {
            // It refers to this page for drafts and outages.
            documented += &page("status");
        }
        for key in keys(&said) {
            assert!(documented.contains(&format!("`{key}`")), "{args:?}: {key}");
        }
    }
    world.emulator.faults(|faults| faults.calls.clear());
}

/// All keys at any depth, except for counts of the kernel's operations, which have their names.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                let below = if key == "fuse" { Vec::new() } else { keys(value) };
                std::iter::once(key.clone()).chain(below)
            })
            .collect(),
        Value::Array(all) => all.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}
