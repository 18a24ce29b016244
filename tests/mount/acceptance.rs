//! Files of unusual structure at their close: whether they are taken, and what users read otherwise.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::support::{World, ledger, wait_for};

/// The files of tests/fixtures/odd, which scripts/fixtures.sh makes.
fn odd(kind: &str) -> Vec<(String, Vec<u8>)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/odd").join(kind);
    let paths = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|it| (it.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(it).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{kind}");
    files
}

/// The errno of close(2) for a new file of pieces, each at an offset.
fn closed(world: &World, name: &str, pieces: &[(u64, &[u8])]) -> Option<i32> {
    let file = File::create(world.mnt.join("A").join(name)).unwrap();
    for (at, bytes) in pieces {
        file.write_all_at(bytes, *at).unwrap();
    }
    ledger::close(file).err().and_then(|error| error.raw_os_error())
}

/// The emulator reads them by itself, and takes them as well.
#[test]
fn photos_and_videos_of_unusual_structure_arrive() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    let mut names = Vec::new();
    for (name, content) in odd("taken") {
        assert_eq!(closed(&world, &name, &[(0, &content)]), None, "{name}");
        names.push(name);
    }
    let media = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media");
    let reserved = fs::read(media.join("reserved.bmp")).unwrap();
    assert_eq!(closed(&world, "reserved.bmp", &[(0, &reserved)]), None);
    // A first box of 17 MiB, nearly all of it a hole.
    let length = 17_u32 << 20;
    let movie = fs::read(media.join("first-free.mov")).unwrap();
    let head = [&length.to_be_bytes()[..], b"free"].concat();
    let pieces = [(0, &head[..]), (length.into(), &movie[..])];
    assert_eq!(closed(&world, "large-free.mov", &pieces), None);
    names.extend(["reserved.bmp", "large-free.mov"].map(str::to_owned));
    world.sync();
    names.sort();
    let mut arrived = world.remote("A");
    arrived.sort();
    assert_eq!(arrived, names);
    assert_eq!(world.names(".gphotos/failed"), [""; 0]);
}

/// Their close is `EMEDIUMTYPE`, and their bytes are kept.
#[test]
fn sound_in_containers_of_videos_and_texts_are_refused_at_close() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    let sound = odd("refused").into_iter().map(|(name, content)| (name, content, "a sound file"));
    // Their first words are those of photos and videos.
    let texts = [
        ("note.bmp", "BM is the beginning of a bitmap\n"),
        ("note.gif", "GIF89a is an old format\n"),
        ("note.mp4", "The ftypisom is a brand, as mif1 and heic are\n"),
        ("note.orf", "IIRO and others\n"),
        ("note.x3f", "FOVb is a word\n"),
        ("note.webp", "RIFF1234WEBP\n"),
        ("note.raf", "FUJIFILMCCD-RAW are words\n"),
        ("note.mov", "word mdat more free\n"),
    ];
    let texts = texts.into_iter().map(|(name, text)| (name.to_owned(), text.into(), "a text file"));
    let files: Vec<(String, Vec<u8>, &str)> = sound.chain(texts).collect();
    for (name, content, _) in &files {
        assert_eq!(closed(&world, name, &[(0, content)]), Some(libc::EMEDIUMTYPE), "{name}");
    }
    wait_for("the files to leave the album", || world.names("A").is_empty());
    let failed = world.run(&["failed", "--json"]).stdout;
    let failed: serde_json::Value = serde_json::from_slice(&failed).unwrap();
    let failed = failed["files"].as_array().unwrap();
    assert_eq!(failed.len(), files.len());
    let log = world.log();
    for (name, content, what) in files {
        let reason = format!("{what} is neither a photo nor a video");
        let path = format!("A/{name}");
        let row = failed.iter().find(|it| it["path"] == *path);
        assert_eq!(row.unwrap_or_else(|| panic!("{name}"))["reason"], *reason, "{name}");
        let is_logged = log.lines().any(|it| it.contains(&name) && it.contains(&reason));
        assert!(is_logged, "{name}\n{log}");
        let kept = fs::read(world.mnt.join(".gphotos/failed").join(path)).unwrap();
        assert!(kept == content, "{name}");
    }
    assert!(world.remote("A").is_empty());
}
