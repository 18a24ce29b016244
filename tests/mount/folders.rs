//! Folders as cameras, systems and photo programs leave them: only photos and videos become items, only folders of
//! photos become albums, and a second copy changes nothing.

use gphotosfs_emulator::Call;

use crate::support::{World, photo};

fn titles(world: &World) -> Vec<String> {
    let mut titles: Vec<_> = world.emulator.dump().albums.into_iter().map(|it| it.title).collect();
    titles.sort();
    titles
}

/// Photos with names that file systems write in different ways, a RAW, and a folder of a folder.
fn add_photos(world: &World) {
    let mut raw = photo(90, 4000);
    raw.splice(0..8, *b"II*\0\x08\0\0\0");
    world.photo("photo/IMG_1.jpg", 1, 5000);
    std::fs::write(world.dir.path().join("photo/IMG_1.NEF"), raw).unwrap();
    world.photo("photo/caf\u{e9}.jpg", 2, 5000);
    world.photo("photo/cafe\u{301}.jpg", 3, 5000);
    world.photo("photo/_DSC0001.JPG", 4, 5000);
    world.photo("photo/a 'b' $c.jpg", 5, 5000);
    world.photo("photo/Day 2/IMG_2.jpg", 6, 5000);
}

/// Sidecars, two of them pictures by their content.
const SIDECARS: &str = "cd photo
    echo '<x:xmpmeta/>' > IMG_1.xmp
    echo '<x:xmpmeta/>' > IMG_1.NEF.xmp
    echo '<plist/>' > IMG_1.AAE
    echo '[Version]' > IMG_1.NEF.pp3
    echo '{}' > IMG_1.jpg.json
    echo '{}' > 'IMG_1.jpg.supplemental-metadata(1).json'
    echo '{}' > metadata.json
    cp IMG_1.jpg MVI_1.THM
    printf '\\0\\0\\0\\030ftypmp42\\0\\0\\0\\0mp42isom' > GX010001.LRV";

/// What systems leave: directories with pictures in them, and files.
const JUNK: &str = "cd photo
    for dir in @eaDir/IMG_1.jpg '#recycle' __MACOSX .Trashes/501 .AppleDouble '$RECYCLE.BIN' 'System Volume Information'
    do mkdir -p \"$dir\"; head -c 3000 IMG_1.jpg > \"$dir/SYNOPHOTO_THUMB_M.jpg\"; echo x > \"$dir/info\"; done
    for file in Thumbs.db desktop.ini .DS_Store .picasa.ini ._IMG_1.jpg 'Day 2/Thumbs.db'
    do echo junk > \"$file\"; done
    touch .nomedia";

fn nothing_is_sent(world: &World, night: &str) {
    let before = titles(world);
    let cost = world.emulator.cost(|| {
        world.sh(night);
        world.sync();
    });
    let writes = cost.iter().filter(|(call, count)| {
        let sends = matches!(call, Call::UploadRaw | Call::UploadStart | Call::UploadChunk);
        *count > 0 && (sends || call.is_write())
    });
    assert_eq!(writes.count(), 0, "{night}: {cost:?}");
    assert_eq!(titles(world), before);
    world.sh("test -z \"$(ls mnt/.gphotos/failed)\"");
}

/// > Files and directories that systems and programs leave in folders stay here in the same way, under
/// > such names as `@eaDir`, `#recycle`, `__MACOSX`, `.Trashes`, `.AppleDouble`, `$RECYCLE.BIN`, `._x`,
/// > `Thumbs.db`, `desktop.ini` and `.DS_Store`.
#[test]
fn a_folder_of_everything_is_copied_night_after_night() {
    let world = World::mounted();
    add_photos(&world);
    world.sh(SIDECARS);
    world.sh(JUNK);
    let photos = 7;
    for (album, first, again) in [
        ("cp", "cp -rp photo mnt/cp", "cp -rp photo/. mnt/cp/"),
        (
            "rsync",
            "rsync -a photo/ mnt/rsync/",
            "rsync -a photo/ mnt/rsync/ && test -z \"$(rsync -ai photo/ mnt/rsync/ | grep -v '/$')\"",
        ),
        (
            "attributes",
            "rsync -aX photo/ mnt/attributes/",
            "rsync -aX photo/ mnt/attributes/ && test -z \"$(rsync -aiX photo/ mnt/attributes/ | grep -v '/$')\"",
        ),
        ("mv", "cp -rp photo moved && mv moved mnt/mv", "cp -rpu photo/. mnt/mv/"),
    ] {
        world.sh(first);
        world.sync();
        let below = format!("{album}/Day 2");
        assert_eq!(world.remote(album).len() + world.remote(&below).len(), photos, "{album}");
        assert_eq!(world.emulator.dump().items.len(), photos);
        assert_eq!(titles(&world).iter().filter(|it| it.starts_with(album)).count(), 2);
        world.sh(&format!("test -z \"$(ls mnt/.gphotos/failed)\" && diff -r photo mnt/{album}"));
        nothing_is_sent(&world, again);
        world.umount();
        world.mount(&[]);
        nothing_is_sent(&world, again);
        let [local, remote] = ["photo".to_owned(), format!("mnt/{album}")]
            .map(|it| world.dir.path().join(it).display().to_string());
        let outcome = world.run(&["diff", &local, &remote]);
        let said = String::from_utf8(outcome.stdout).unwrap();
        assert!(outcome.status.success(), "{said}");
        assert!(said.contains("37 local = 7 in the album + 30 only on this machine\n"), "{said}");
        assert!(said.contains("  IMG_1.xmp: a sidecar\n"), "{said}");
    }
}

/// > With `--sidecars refuse`, the content of a sidecar decides, as that of any file: an `.xmp` is
/// > refused, and a `.thm` that holds a picture is uploaded.
#[test]
fn sidecars_may_be_refused() {
    let world = World::new();
    world.mount(&[]);
    world.photo("a.thm", 1, 5000);
    world.sh("echo x > a.xmp && mkdir mnt/A mnt/B && cp a.xmp mnt/A/kept.xmp");
    world.umount();
    world.mount(&["--sidecars", "refuse"]);
    world.sh("cmp a.xmp mnt/A/kept.xmp && cp a.thm mnt/A/ && sync mnt && rm mnt/A/kept.xmp");
    assert_eq!(world.remote("A"), ["a.thm"]);
    let outcome = world.sh_outcome("cp a.xmp mnt/B/");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(said.contains("Wrong medium type"), "{said}");
    let local = world.dir.path().join("only");
    world.sh("mkdir only && cp a.xmp only/");
    let outcome =
        world.run(&["diff", local.to_str().unwrap(), world.mnt.join("A").to_str().unwrap()]);
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert!(said.contains("  a.xmp: a text file is neither a photo nor a video"), "{said}");
}

/// > Sidecars of photos and videos stay here: they list and read back, and are never uploaded. The name
/// > alone decides, whether or not the photo is there: `.xmp`, `.aae`, `.thm`, `.lrv`, `.lrf`, `.srt`,
/// > `.pp3`, `.dop`, `.on1` and others, and Takeout's `IMG.jpg.json` in all its forms. Any other `.json`
/// > is refused.
#[test]
fn sidecars_are_files_as_any_other() {
    let world = World::mounted();
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/A mnt/B && cp a.jpg mnt/A/ && echo one > mnt/A/a.xmp && sync mnt");
    world.kill();
    world.mount(&[]);
    world.sh("test $(cat mnt/A/a.xmp) = one && echo two >> mnt/A/a.xmp && mv mnt/A/a.* mnt/B/ && sync mnt");
    world.sh("test \"$(echo $(cat mnt/B/a.xmp))\" = 'one two' && mv mnt/B/a.xmp mnt/B/b.xmp && rm mnt/B/b.xmp");
    let status = |key: &str| {
        let text = std::fs::read_to_string(world.mnt.join(".gphotos/status.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["queue"][key].as_u64()
    };
    assert_eq!((status("kept"), status("scratch")), (Some(0), Some(0)));
    world.sh("echo three > mnt/B/a.aae && echo x > mnt/B/x.part");
    assert_eq!((status("kept"), status("scratch")), (Some(1), Some(1)));
    assert_eq!((world.remote("A"), world.remote("B")), (vec![], vec!["a.jpg".to_owned()]));
    let outcome = world.sh_outcome("echo '{}' > package.json; cp package.json mnt/B/");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(said.contains("Wrong medium type"), "{said}");
    world.sh("rm mnt/B/a.aae mnt/B/a.jpg mnt/B/x.part && rmdir mnt/B");
}

#[test]
fn diff_explains_every_file_that_is_not_at_google() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    world.sh("echo text > photo/notes.txt && touch photo/empty.jpg && mkdir mnt/A && ! rsync -a photo/ mnt/A/");
    world.photo("photo/half.jpg.part", 2, 5000);
    world.sh(
        "mkdir photo/$'caf\\xe9' && cp photo/1.jpg photo/$'caf\\xe9'/2.jpg && touch photo/new.jpg",
    );
    world.sh("printf '%%PDF-1.7' > photo/a.pdf && sync mnt/A || true");
    let [local, remote] =
        ["photo", "mnt/A"].map(|it| world.dir.path().join(it).display().to_string());
    let outcome = world.run(&["diff", &local, &remote]);
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert!(
        said.contains("7 local = 1 in the album + 1 refused + 1 temporary + 4 only here\n"),
        "{said}"
    );
    for line in [
        "notes.txt: a text file is neither a photo nor a video",
        "empty.jpg: it is empty",
        "new.jpg: it is empty",
        "half.jpg.part: its name marks it as temporary",
        "a.pdf: Google Photos does not take files of type application/pdf",
        "2.jpg: the name of its directory is not UTF-8, so it cannot be an album's title",
    ] {
        assert!(said.contains(&format!("{line}\n")), "{line}\n{said}");
    }
}
