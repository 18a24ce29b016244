//! Folders as cameras, systems and photo programs leave them: only photos and videos become items, only folders of
//! photos become albums, and a second copy changes nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gphotosfs_emulator::Call;
use serde_json::Value;

use crate::support::camera::movie;
use crate::support::{World, jpeg, photo};

fn titles(world: &World) -> Vec<String> {
    let mut titles: Vec<_> = world.emulator.dump().albums.into_iter().map(|it| it.title).collect();
    titles.sort();
    titles
}

/// Photos and a video with names that file systems write in different ways, RAWs, and a folder of a folder. Returns
/// their paths below `photo`.
fn add_photos(world: &World) -> BTreeSet<PathBuf> {
    let long = format!("{}.jpg", "x".repeat(251));
    let pictures = [
        "IMG_1.jpg",
        "caf\u{e9}.jpg",
        "cafe\u{301}.jpg",
        "_DSC0001.JPG",
        "a 'b' $c.jpg",
        "-n.jpg",
        "two\nlines.jpg",
        " spaces .jpg",
        "\u{1f3d6} ünïcode.jpeg",
        &long,
        "Day 2/IMG_2.jpg",
        "Tag & Nacht \u{fc}/IMG_3.jpg",
    ];
    for (seed, name) in pictures.iter().enumerate() {
        world.photo(&format!("photo/{name}"), seed as u32, 5000);
    }
    let local = world.dir.path().join("photo");
    let odd = OsStr::from_bytes(b"latin-\xe9.jpg");
    std::fs::write(local.join(odd), jpeg(50, 5000)).unwrap();
    let raws = [("IMG_1.NEF", &b"II*\0\x08\0\0\0"[..]), ("IMG_4.CR2", b"II*\0\x10\0\0\0CR\x02\0")];
    for (seed, (name, head)) in raws.into_iter().enumerate() {
        let mut raw = photo(90 + seed as u64, 4000);
        raw.splice(0..head.len(), head.iter().copied());
        std::fs::write(local.join(name), raw).unwrap();
    }
    std::fs::write(local.join("MVI_1.MP4"), movie(1, 1_556_442_005, (1920, 1080))).unwrap();
    files_below(&local)
}

/// The paths of all files below a directory, relative to it.
fn files_below(dir: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                files.insert(path.strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    files
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

/// The album has the photos, and `diff` names each other file as one of this machine, with the reason.
fn diff_explains_every_file(world: &World, album: &str, photos: &BTreeSet<PathBuf>) {
    let local = world.dir.path().join("photo");
    let remote = world.mnt.join(album);
    let args = ["diff", local.to_str().unwrap(), remote.to_str().unwrap()];
    let outcome = world.run(&[&args[..], &["--json"]].concat());
    assert_eq!(outcome.status.code(), Some(0), "{album}: {outcome:?}");
    let said: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let all = files_below(&local);
    assert_eq!(said["files_here"], all.len());
    assert_eq!(said["files_in_album"], all.len());
    assert_eq!(said["same"]["identical"], photos.len(), "{said:#}");
    let named: BTreeSet<PathBuf> = said["kept"]
        .as_array()
        .unwrap()
        .iter()
        .inspect(|it| assert!(!it["why"].as_str().unwrap().is_empty(), "{it}"))
        .map(|it| PathBuf::from(it["name"].as_str().unwrap()))
        .collect();
    assert_eq!(named, all.difference(photos).cloned().collect());

    let said = String::from_utf8(world.run(&args).stdout).unwrap();
    let (here, kept) = (photos.len(), named.len());
    let sum =
        format!("{} local = {here} in the album + {kept} only on this machine\n", here + kept);
    assert!(said.contains(&sum), "{said}");
    assert!(said.contains("  IMG_1.xmp: a sidecar\n"), "{said}");
}

/// Moves each file of a copy of the folder, as a person does who empties a card.
const MOVE: &str = "cp -rp photo moved && cd moved
    find . -type d -exec mkdir -p ../mnt/mv/{} ';'
    find . -type f -exec mv -f {} ../mnt/mv/{} ';'
    test -z \"$(find . -type f)\" && cd .. && rm -r moved";

/// > Files and directories that systems and programs leave in folders stay here in the same way, under
/// > such names as `@eaDir`, `#recycle`, `__MACOSX`, `.Trashes`, `.AppleDouble`, `$RECYCLE.BIN`, `._x`,
/// > `Thumbs.db`, `desktop.ini` and `.DS_Store`.
#[test]
fn a_folder_of_everything_is_copied_night_after_night() {
    let world = World::mounted();
    let photos = add_photos(&world);
    assert_eq!(photos.len(), 16);
    world.sh(SIDECARS);
    world.sh(JUNK);
    for (album, first, again) in [
        ("cp", "cp -r photo mnt/cp", "cp -r photo/. mnt/cp/"),
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
        ("mv", "cp -rp photo moved && mv moved mnt/mv", MOVE),
    ] {
        world.sh(first);
        world.sync();
        let below =
            [album.to_owned(), format!("{album}/Day 2"), format!("{album}/Tag & Nacht \u{fc}")];
        let there: usize = below.iter().map(|title| world.remote(title).len()).sum();
        assert_eq!(there, photos.len(), "{album}");
        assert_eq!(world.emulator.dump().items.len(), photos.len());
        assert_eq!(titles(&world).iter().filter(|it| it.starts_with(album)).count(), below.len());
        world.sh(&format!("test -z \"$(ls mnt/.gphotos/failed)\" && diff -r photo mnt/{album}"));
        nothing_is_sent(&world, again);
        world.umount();
        world.mount(&[]);
        nothing_is_sent(&world, again);
        diff_explains_every_file(&world, album, &photos);
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
        said.contains("7 local = 1 in the album + 1 refused + 2 empty + 3 only here\n"),
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
