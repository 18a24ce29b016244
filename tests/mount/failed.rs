//! Files that Google rejected: where they are, the reason, and how to try them again.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::{World, schema, wait_for};

/// A mount with the album `A` and `count` photos of it that Google has refused.
fn refused(count: u32) -> World {
    let world = World::mounted();
    world.emulator.faults(|faults| faults.photo_bytes_max = 1000);
    for at in 0..count {
        world.photo(&format!("photo/{at}.jpg"), at, 5000);
    }
    world.sh("mkdir mnt/A && cp -p photo/* mnt/A/ && ! sync mnt/A");
    assert!(world.names("A").is_empty());
    assert_eq!(world.names(".gphotos/failed/A").len(), count as usize);
    world.emulator.faults(|faults| faults.photo_bytes_max = 200_000_000);
    world
}

fn run(world: &World, args: &[&str]) -> (bool, String, String) {
    let outcome = world.run(args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (outcome.status.success(), text(outcome.stdout), text(outcome.stderr))
}

fn listed(world: &World) -> serde_json::Value {
    let (done, stdout, stderr) = run(world, &["failed", "--json"]);
    assert!(done, "{stderr}");
    schema::check("failed", &stdout)["files"].take()
}

#[test]
fn a_failed_file_moved_back_into_an_album_arrives() {
    let world = refused(1);
    world.sh("cmp photo/0.jpg mnt/.gphotos/failed/A/0.jpg");
    world.sh("mkdir mnt/B && mv mnt/.gphotos/failed/A/0.jpg mnt/B/again.jpg && sync mnt");
    assert_eq!(world.remote("B"), ["again.jpg"]);
    assert!(world.remote("A").is_empty());
    world.sh("cmp photo/0.jpg mnt/B/again.jpg && test -z \"$(ls mnt/.gphotos/failed)\"");
    world.sh("test \"$(stat -c %Y photo/0.jpg)\" = \"$(stat -c %Y mnt/B/again.jpg)\"");
}

#[test]
fn a_text_file_is_refused_at_once_when_it_is_tried_again() {
    let world = World::mounted();
    world.sh("mkdir mnt/A && echo text > a.txt && ! cp a.txt mnt/A/");
    wait_for("the file to leave the album", || world.names("A").is_empty());
    let outcome = world.sh_outcome("mv mnt/.gphotos/failed/A/a.txt mnt/A/b.txt");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(said.contains("Wrong medium type"), "{said}");
    world.sh("cp mnt/.gphotos/failed/A/a.txt out.txt && cmp a.txt out.txt");
    let why = listed(&world)[0]["reason"].as_str().unwrap().to_owned();
    let (done, _, said) = run(&world, &["retry"]);
    let line = format!("cannot retry A/a.txt: {why}\n");
    assert!(!done && said.contains(&line) && said.contains("1 of 1 file could"), "{said}");
    world.umount();
    let (done, _, said) = run(&world, &["retry"]);
    assert!(!done && said.contains(&line) && !said.contains("os error"), "{said}");
    world.mount(&[]);
    world.sh("test -f mnt/.gphotos/failed/A/a.txt && rm mnt/.gphotos/failed/A/a.txt && sync mnt");
    assert_eq!(listed(&world), serde_json::json!([]));
}

#[test]
fn failed_files_are_listed_and_retried_through_the_mount() {
    let world = refused(3);
    let rows = listed(&world);
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(rows[0]["path"], "A/0.jpg");
    assert!(rows[0]["reason"].as_str().unwrap().contains("too large"), "{rows}");
    assert!(rows[0]["size"].as_u64().unwrap() > 2000, "{rows}");
    assert!(rows[0]["time"].as_str().unwrap().starts_with("20"), "{rows}");
    let lines = world.log().lines().filter(|line| line.contains("was refused")).count();
    assert_eq!(lines, 3, "one line each\n{}", world.log());

    let (done, _, said) = run(&world, &["retry", "A/1.jpg"]);
    assert!(done, "{said}");
    wait_for("the file to arrive", || world.remote("A") == ["1.jpg"]);
    let (done, result, said) = run(&world, &["retry"]);
    assert!(done, "{said}");
    assert_eq!(result, "2 files are in the queue again.\n");
    world.sync();
    assert_eq!(world.remote("A"), ["1.jpg", "0.jpg", "2.jpg"]);
    let (done, _, said) = run(&world, &["retry", "A/1.jpg"]);
    assert!(!done && said.contains("no such refused file"), "{said}");
}

#[test]
fn the_list_says_which_files_retry_does_not_help() {
    let world = refused(2);
    let steps = |world: &World| run(world, &["failed"]).2;
    assert_eq!(steps(&world), "  -> 'gphotosfs retry' sends 2 files again\n");
    world.sh("echo text > a.txt && ! cp a.txt mnt/A/");
    wait_for("the third file", || world.names(".gphotos/failed/A").len() == 3);
    let said = steps(&world);
    let unfit = "  -> retry does not help 1 file: Google Photos takes no such files.";
    assert!(said.contains("sends 2 files again\n") && said.contains(unfit), "{said}");
    world.umount();
    assert_eq!(steps(&world), said, "without a mount");
}

#[test]
fn failed_files_are_listed_and_retried_without_a_mount() {
    let world = refused(2);
    world.umount();
    let rows = listed(&world);
    assert_eq!(rows[1]["path"], "A/1.jpg");
    assert!(rows[1]["reason"].as_str().unwrap().contains("too large"), "{rows}");
    let (done, result, said) = run(&world, &["retry"]);
    assert!(done, "{said}");
    let next = "the next mount or 'gphotosfs sync' sends them";
    assert_eq!(result, format!("2 files are in the queue again; {next}.\n"));
    assert_eq!(listed(&world), serde_json::json!([]));
    let (_, result, _) = run(&world, &["retry"]);
    assert_eq!(result, "There are no refused files.\n");
    world.mount(&[]);
    world.sync();
    assert_eq!(world.remote("A"), ["0.jpg", "1.jpg"]);
}

#[test]
fn retry_leaves_a_file_alone_that_took_the_name_since() {
    let world = refused(1);
    let new = world.photo("new.jpg", 9, 6000);
    world.sh("cp new.jpg mnt/A/0.jpg && sync mnt/A || true");
    let (done, _, said) = run(&world, &["retry"]);
    assert!(!done && said.contains("File exists"), "{said}");
    assert_eq!(std::fs::read(world.mnt.join("A/0.jpg")).unwrap(), std::fs::read(new).unwrap());
    world.sh("mv -f mnt/.gphotos/failed/A/0.jpg mnt/A/0.jpg && sync mnt");
    world.sh("cmp photo/0.jpg mnt/A/0.jpg");
    assert_eq!(world.remote("A").len(), 1);
}

#[test]
fn retry_makes_the_album_again_that_was_removed_since() {
    let world = refused(1);
    world.sh("rmdir mnt/A");
    let (done, _, said) = run(&world, &["retry"]);
    assert!(done, "{said}");
    world.sync();
    assert_eq!(world.remote("A"), ["0.jpg"]);
}

#[test]
fn odd_names_are_shown_escaped_and_in_json_by_their_bytes() {
    let world = World::mounted();
    let odd = OsStr::from_bytes(b"\xff\x1b[2Ja.jpg");
    world.sh("mkdir mnt/A");
    let failed = std::fs::write(world.mnt.join("A").join(odd), "no photo");
    let album = world.mnt.join("A");
    wait_for("the file to leave the album", || album.read_dir().unwrap().count() == 0);
    let shown = "A/\u{fffd}\\u{1b}[2Ja.jpg";
    for mounted in [true, false] {
        if !mounted {
            world.umount();
        }
        let path = &listed(&world)[0]["path"];
        let expected = serde_json::json!({"base64": "QS//G1sySmEuanBn", "shown": shown});
        assert_eq!(path, &expected, "{failed:?}");
        let (done, said, _) = run(&world, &["failed"]);
        assert!(done && said.starts_with(shown) && !said.contains('\x1b'), "{said:?}");
        let (_, said, _) = run(&world, &["status"]);
        assert!(!said.contains('\x1b'), "{said:?}");
        assert_eq!(said.contains(shown), mounted, "{said:?}");
    }
    let (done, _, said) = run(&world, &["retry"]);
    assert!(!done && said.contains(shown) && !said.contains('\x1b'), "{said:?}");
}

/// > `.gphotos/failed` shows a refused file when its close has returned.
#[test]
fn a_refused_file_is_among_the_failed_ones_when_its_close_returns() {
    let world = World::mounted();
    world.sh("mkdir mnt/A && echo text > a.txt");
    for at in 0..40 {
        let name = format!("{at}.txt");
        let copied = std::fs::copy(world.dir.path().join("a.txt"), world.mnt.join("A").join(&name));
        // std reports no error of close(2).
        assert!(copied.is_ok());
        let found = world.mnt.join(".gphotos/failed/A").join(&name);
        assert!(found.exists(), "{name} of {:?}", world.names(".gphotos/failed/A"));
    }
    assert_eq!(world.names(".gphotos/failed/A").len(), 40);
}

/// > The same bytes that are refused again under the same name are one file in `.gphotos/failed`, and
/// > a `sync` says the same as before.
#[test]
fn a_file_that_is_refused_every_night_is_kept_once() {
    let world = refused(1);
    world.emulator.faults(|faults| faults.photo_bytes_max = 1000);
    let spooled = || {
        let files = world.dir.path().join("state/gphotosfs/default/spool");
        files.read_dir().unwrap().filter(|it| it.as_ref().unwrap().path().is_file()).count()
    };
    let night = |files: usize| {
        world.sh("! cp -p photo/* texts/* mnt/A/ && ! sync mnt/A");
        assert_eq!(world.names(".gphotos/failed/A").len(), files);
        wait_for("the bytes to go", || spooled() == files);
        let (_, said) = world.told(&["sync", world.mnt.to_str().unwrap()]);
        assert!(said.contains("some files were refused"), "{said}");
    };
    world.sh("mkdir texts && echo text > texts/notes.txt && echo list > texts/list");
    night(3);
    night(3);
    world.sh("echo other > texts/notes.txt");
    night(4);
    world.umount();
    world.mount(&[]);
    night(4);
    world.sh("echo text > texts/notes.txt");
    night(4);
}

/// > Renaming or linking a file that stays here to a name under which it would be refused fails with
/// > the error of that refusal, and the file keeps its name. A copy of the bytes is in
/// > `.gphotos/failed`, under the new name: programs delete a file that they cannot rename.
#[test]
fn a_refused_rename_leaves_the_bytes_among_the_failed_ones() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    world.sh("echo text > photo/notes.txt && mkdir mnt/A");
    for _ in 0..3 {
        let outcome = world.sh_outcome("rsync -a photo/ mnt/A/");
        assert_eq!(outcome.status.code(), Some(23), "{outcome:?}");
        assert_eq!(world.names("A"), ["1.jpg"]);
        let rows = listed(&world);
        assert_eq!((rows.as_array().unwrap().len(), &rows[0]["path"]), (1, &"A/notes.txt".into()));
        assert!(rows[0]["reason"].as_str().unwrap().contains("text file"), "{rows}");
        world.sh("cmp photo/notes.txt mnt/.gphotos/failed/A/notes.txt && ! sync mnt/A");
        world.sh(
            "test $(stat -c %Y photo/notes.txt) = $(stat -c %Y mnt/.gphotos/failed/A/notes.txt)",
        );
    }
    // A file that stays keeps its name, and a writer of one does not write the other.
    world.sh("echo more > mnt/A/x.part && ! mv mnt/A/x.part mnt/A/x.txt && ! ln mnt/A/x.part mnt/A/x.txt");
    world.sh("echo still more >> mnt/A/x.part && test $(cat mnt/.gphotos/failed/A/x.txt) = more");
    world.umount();
    world.mount(&[]);
    assert_eq!(world.names(".gphotos/failed/A"), ["notes.txt", "x.txt"]);
    world.sh("test $(cat mnt/.gphotos/failed/A/x.txt) = more && rm -r mnt/.gphotos/failed/A/*");
    world.sh("test \"$(echo $(cat mnt/A/x.part))\" = 'more still more' && sync mnt");
}
