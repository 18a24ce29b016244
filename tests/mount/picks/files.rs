//! Picked items as files: what they are, what cannot be done with them, and what can be done instead.

use std::os::unix::fs::MetadataExt;

use super::*;

/// > A picked photo is a file with the time and the attributes that Google shows, from any uploader.
/// > A running mount shows it at once. Reading gives Google's version, and the log says so once.
#[test]
fn photos_of_others_become_files_that_can_be_read_and_compared() {
    let world = world();
    (0..4).for_each(|seed| photo(&world, seed));
    world.mount(&[]);
    assert_eq!(world.names(".gphotos/picked"), [""; 0]);
    world.emulator.reset_stats();
    let (code, out, err) = pick(&world, &["Trip"], some("Trip", 0, 3));
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out, "3 items picked, 3 of them new. Trip has 3 items now.\n");
    assert!(err.contains("a tick at a date takes the whole day"), "{err}");
    // The mount shows them at once, and asks Google nothing for their names.
    let names = ["DSC_0001.JPG", "DSC_0002.JPG", "DSC_0003.JPG"];
    assert_eq!(world.names(".gphotos/picked/Trip"), names);
    let stats = world.emulator.stats();
    assert_eq!(stats.requests(Call::PickerSessionsCreate), 1);
    assert_eq!(stats.requests(Call::PickerItemsList), 1);
    assert_eq!((stats.api_requests_today, stats.media_requests_today), (0, 0));

    let (code, said) = diff(&world);
    assert_eq!((code, &said["source"]), (1, &json!("pick")), "{said}");
    assert_eq!(said["only_here"], json!(["DSC_0000.JPG"]));
    assert_eq!(said["same"]["likely"], json!(names), "{said}");
    assert_eq!(world.emulator.stats().download_bytes, 0);
    let args = ["diff", "photo", "mnt/.gphotos/picked/Trip"];
    let text = world.program().current_dir(world.dir.path()).args(args).output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("This speaks of what was picked"), "{text}");

    // The bytes are as Google gives them out.
    let file = world.mnt.join(".gphotos/picked/Trip/DSC_0002.JPG");
    let original = fs::read(world.dir.path().join("photo/DSC_0002.JPG")).unwrap();
    assert_eq!(fs::read(&file).unwrap(), original);
    let facts = file.metadata().unwrap();
    assert_eq!((facts.len(), facts.mtime()), (original.len() as u64, 1_556_409_602));
    let said = world
        .sh("getfattr --only-values -n user.gphotos.state mnt/.gphotos/picked/Trip/DSC_0002.JPG");
    assert_eq!(said, "picked");
    wait_for("the warning", || world.log().contains("becomes a second item"));
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

/// > Nothing can be changed in a pick: `EROFS`. `ln` of a file from there into an album is `EPERM`, and
/// > a copy in an album is an item of its own.
#[test]
fn nothing_can_be_changed_in_a_pick_and_an_album_gets_copies_only() {
    let world = world();
    photo_at(&world, 1, true);
    world.mount(&[]);
    pick(&world, &["Trip"], Choice::album("Trip"));
    let refused = |script: &str| {
        let outcome = world.sh_outcome(&format!("cd mnt && {script}"));
        assert!(!outcome.status.success(), "{script}");
        String::from_utf8(outcome.stderr).unwrap()
    };
    world.sh("mkdir mnt/A");
    let read_only = "Read-only file system";
    for script in [
        "echo x > .gphotos/picked/Trip/DSC_0001.JPG",
        "echo x > .gphotos/picked/Trip/new.jpg",
        "rm .gphotos/picked/Trip/DSC_0001.JPG",
        "rmdir .gphotos/picked/Trip",
        "mkdir .gphotos/picked/Other",
        "mv .gphotos/picked/Trip/DSC_0001.JPG A/",
        "touch .gphotos/picked/Trip/DSC_0001.JPG",
        "chmod 600 .gphotos/picked/Trip",
        "setfattr -n user.gphotos.description -v x .gphotos/picked/Trip/DSC_0001.JPG",
        "ln A .gphotos/picked/Trip/a.jpg -T || ln -s a .gphotos/picked/Trip/a",
    ] {
        let said = refused(script);
        assert!(said.contains(read_only) || said.contains("Read-only"), "{script}: {said}");
    }
    let said = refused("ln .gphotos/picked/Trip/DSC_0001.JPG A/");
    assert!(said.contains("Operation not permitted"), "{said}");
    wait_for("the reason", || world.log().contains("copy your own originals instead"));
    let items = world.emulator.dump().items.len();
    world.sh("cp mnt/.gphotos/picked/Trip/DSC_0001.JPG mnt/A/ && sync mnt/A");
    assert_eq!((world.remote("A").len(), world.emulator.dump().items.len()), (1, items + 1));
    world.sh("cp mnt/.gphotos/picked/Trip/DSC_0001.JPG mnt/A/again.jpg && sync mnt/A");
    assert_eq!(world.log().matches("becomes a second item").count(), 1, "{}", world.log());
    assert_eq!(world.names(".gphotos/picked/Trip"), ["DSC_0001.JPG"]);
}

/// Google may let gphotosfs read the picked items then, or not: they are in the album in either case.
#[test]
fn the_originals_are_copied_into_an_album_and_become_the_picked_items() {
    for visible in [false, true] {
        let world = world();
        (0..3).for_each(|seed| photo(&world, seed));
        // The waits for an item that Google does not show are shortened.
        world.mount_with(&[("GPHOTOSFS_UNSTABLE_PACE", "50")], &[]);
        pick(&world, &["Trip"], some("Trip", 0, 2));
        world.emulator.faults(|faults| faults.matched_items_visible = visible);
        let script = world
            .program()
            .current_dir(world.dir.path())
            .args(["diff", "--copy", "photo", "mnt/.gphotos/picked/Trip"])
            .output()
            .unwrap();
        assert_eq!(script.status.code(), Some(1));
        let script = String::from_utf8(script.stdout).unwrap();
        let (here, root) = (world.dir.path().display(), world.mnt.display());
        let lines: Vec<_> = script.lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                format!("mkdir -p -- {root}/Trip"),
                format!("cp -pT -- {here}/photo/DSC_0001.JPG {root}/Trip/DSC_0001.JPG"),
                format!("cp -pT -- {here}/photo/DSC_0002.JPG {root}/Trip/DSC_0002.JPG"),
            ]
        );
        // It works in any directory.
        world.sh(&format!("cd /\n{script}\nsync {root}/Trip"));
        assert_eq!(world.names("Trip"), ["DSC_0001.JPG", "DSC_0002.JPG"]);
        // They are the items that were there before.
        let items = world.emulator.dump().items;
        assert!(items.len() == 2 && items.iter().all(|it| it.foreign), "{items:?}");
        assert_eq!(world.remote("Trip").len(), 2);
        let attribute = |name: &str| {
            world
                .sh(&format!("getfattr --only-values -n user.gphotos.{name} mnt/Trip/DSC_0001.JPG"))
        };
        assert_eq!(attribute("state"), if visible { "committed" } else { "unseen" });
        if !visible {
            assert!(attribute("error").starts_with("Google had these bytes from another program"));
            assert!(world.log().contains("does not show the item to this one"), "{}", world.log());
        }
        assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
    }
}
