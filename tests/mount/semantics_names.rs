//! Names through a real mount. Each test quotes a sentence of docs/SEMANTICS.md.

use gphotosfs_emulator::{Call, Edit, Failure, Injection};

use crate::support::{World, wait_for};

fn titles(world: &World) -> Vec<String> {
    let mut titles: Vec<_> = world.emulator.dump().albums.into_iter().map(|it| it.title).collect();
    titles.sort();
    titles
}

/// A real answer that a call gets before it does anything.
fn fail(world: &World, call: Call, skip: u32, next: u32, failure: Failure) {
    world.emulator.faults(|faults| {
        let injection = Injection { skip, next, ..Injection::new(failure) };
        faults.on(call).failures.push(injection);
    });
}

/// > `ln` and `mv` of a file within an album change nothing at Google. Into another album, they put
/// > the item there, and `mv` takes it out of the old one, without an upload. These changes and
/// > `rm` take 50 items to a request.
#[test]
fn files_move_and_are_linked_without_an_upload() {
    let world = World::mounted();
    for at in 0..200 {
        world.photo(&format!("photo/{at:03}.jpg"), at, 4000);
    }
    world.sh("mkdir mnt/A mnt/B && cp photo/* mnt/A/ && sync mnt");
    let spent = |script: &str| {
        world.emulator.reset_stats();
        world.sh(&format!("{script} && sync mnt"));
        let stats = world.emulator.stats();
        let [added, removed] =
            [Call::AlbumsBatchAdd, Call::AlbumsBatchRemove].map(|call| stats.requests(call));
        (added, removed, stats.requests.values().sum::<u64>() - added - removed)
    };
    assert_eq!(spent("ln mnt/A/000.jpg mnt/A/x.jpg && mv mnt/A/001.jpg mnt/A/y.jpg"), (0, 0, 0));
    let (added, removed, others) = spent("ln mnt/A/1*.jpg mnt/B/");
    assert!((2..=3).contains(&added) && removed == 0 && others == 0, "{added} {removed} {others}");
    let (added, removed, others) = spent("mv mnt/A/0*.jpg mnt/B/");
    assert!((2..=3).contains(&added) && (2..=3).contains(&removed) && others == 0);
    // One is still there under another name, and one under its new one.
    assert_eq!((world.remote("A").len(), world.remote("B").len()), (102, 199));
    let (added, removed, others) = spent("rm mnt/B/*");
    assert!(added == 0 && (4..=5).contains(&removed) && others == 0, "{removed} {others}");
    assert_eq!(world.remote("B").len(), 0);
    assert_eq!(world.emulator.dump().items.len(), 200);
}

/// > `mv` of an album moves the albums below it as well: one `albums.patch` each, up to 200.
#[test]
fn albums_move_with_all_that_is_below() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    world.sh("mkdir -p mnt/A/B mnt/A/C/D mnt/AB && cp photo/1.jpg mnt/A/B/ && sync mnt");
    world.emulator.reset_stats();
    world.sh(
        "mv mnt/A mnt/Z && cmp photo/1.jpg mnt/Z/B/1.jpg && test ! -e mnt/A && test -d mnt/Z/C/D",
    );
    assert_eq!(titles(&world), ["AB", "Z", "Z/B", "Z/C", "Z/C/D"]);
    assert_eq!(world.emulator.stats().requests(Call::AlbumsPatch), 4);
    world.sh("mkdir mnt/N && mv mnt/Z mnt/N/ && mkdir mnt/N/Z/New && mv mnt/N/Z/C mnt/");
    assert_eq!(titles(&world), ["AB", "C", "C/D", "N", "N/Z", "N/Z/B", "N/Z/New"]);
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert_eq!(world.names(""), ["AB", "C", "N"]);
    assert_eq!(world.names("N/Z"), ["B", "New"]);
}

/// > A directory that is only the parent of albums moves in the same way.
#[test]
fn mere_parents_move() {
    let world = World::mounted();
    for title in ["2019/Summer", "2019/Winter/Snow", "2020/x"] {
        world.edit(Edit::CreateAlbum { title: title.into() });
    }
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    world.sh("mv mnt/2019 mnt/Old && ls mnt/Old/Winter && mv mnt/Old/Winter/Snow mnt/2020/");
    assert_eq!(titles(&world), ["2020/Snow", "2020/x", "Old/Summer"]);
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert_eq!(world.names(""), ["2020", "Old"]);
    assert_eq!(world.names("Old"), ["Summer"], "a parent of nothing is not shown");
}

/// > If Google refuses the first new title or cannot be reached, `mv` fails and nothing has
/// > changed.
#[test]
fn a_move_that_is_refused_at_first_changes_nothing() {
    let world = World::mounted();
    world.sh("mkdir -p mnt/A/B mnt/Empty");
    fail(&world, Call::AlbumsPatch, 0, 1, Failure::PermissionDenied);
    assert!(!world.sh_outcome("mv -T mnt/A mnt/Empty").status.success());
    assert_eq!(titles(&world), ["A", "A/B", "Empty"]);
    wait_for("all to be where it was", || world.names("") == ["A", "Empty"]);
    world.sh("test -d mnt/A/B && rmdir mnt/Empty && mv mnt/A mnt/Empty && test -d mnt/Empty/B");
}

/// > Once Google has accepted the first title, the move stands, here and on this disk. Titles that
/// > could not be sent are sent with a later listing of the albums, also after a crash.
#[test]
fn an_interrupted_move_is_completed() {
    let world = World::mounted();
    world.sh("mkdir -p mnt/A/B mnt/A/C");
    fail(&world, Call::AlbumsPatch, 1, 1, Failure::PermissionDenied);
    world.sh("mv mnt/A mnt/Z");
    assert_eq!(titles(&world), ["A/B", "A/C", "Z"]);
    assert_eq!(world.names("Z"), ["B", "C"]);
    world.kill();
    world.mount(&[]);
    world.sh("ls mnt");
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    wait_for("Google to know", || titles(&world) == ["Z", "Z/B", "Z/C"]);
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert_eq!(world.names(""), ["Z"]);
    assert_eq!(world.names("Z"), ["B", "C"]);
}

/// > If somebody changes a title at Google meanwhile, that title wins over ours.
#[test]
fn the_last_word_is_googles() {
    let world = World::mounted();
    world.sh("mkdir -p mnt/A/B mnt/A/C");
    fail(&world, Call::AlbumsPatch, 1, 1, Failure::PermissionDenied);
    world.sh("mv mnt/A mnt/Z");
    world.edit(Edit::RenameAlbum { album: "A/B".into(), title: "Mine".into() });
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    wait_for("Google to know", || titles(&world) == ["Mine", "Z", "Z/C"]);
    assert_eq!(world.names(""), ["Mine", "Z"]);
}

/// > `mv -T` of an album onto an empty one hides the empty one, as `rmdir` does. Onto one that is
/// > not empty, it is `ENOTEMPTY`.
#[test]
fn an_album_takes_the_place_of_an_empty_one() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    world.sh("mkdir mnt/A mnt/Empty mnt/Full && cp photo/1.jpg mnt/A/ && cp photo/1.jpg mnt/Full/ && sync mnt");
    let full = world.sh_outcome("mv -T mnt/A mnt/Full");
    assert!(String::from_utf8_lossy(&full.stderr).contains("not empty"), "{full:?}");
    world.sh("mv -T mnt/A mnt/Empty && cmp photo/1.jpg mnt/Empty/1.jpg");
    assert_eq!(world.names(""), ["Empty", "Full"]);
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert_eq!(world.names(""), ["Empty", "Full"]);
    assert_eq!(world.names("Empty"), ["1.jpg"]);
}

/// > `RENAME_EXCHANGE` swaps files. For directories it is `EOPNOTSUPP`, because Google cannot swap
/// > two titles.
#[test]
fn directories_are_not_exchanged() {
    let world = World::mounted();
    world.sh("mkdir mnt/A mnt/B");
    let [a, b] = ["A", "B"].map(|name| world.mnt.join(name));
    let swap = |a, b| {
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(rustix::fs::CWD, a, rustix::fs::CWD, b, flags)
    };
    assert_eq!(swap(&a, &b), Err(rustix::io::Errno::OPNOTSUPP));
    world.photo("1.jpg", 1, 5000);
    world.photo("2.jpg", 2, 5000);
    world.sh("cp 1.jpg mnt/A/ && cp 2.jpg mnt/B/ && sync mnt/A");
    swap(&a.join("1.jpg"), &b.join("2.jpg")).unwrap();
    world.sh("cmp 2.jpg mnt/A/1.jpg && cmp 1.jpg mnt/B/2.jpg && sync mnt");
    assert_eq!(world.remote("A"), ["2.jpg"]);
    assert_eq!(world.remote("B"), ["1.jpg"]);
}

/// > A file in the root, or in a directory that is only the parent of albums, is `EPERM`, and the
/// > log says why.
#[test]
fn files_live_in_albums() {
    let world = World::mounted();
    world.edit(Edit::CreateAlbum { title: "2019/Summer".into() });
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    for path in ["mnt/x.jpg", "mnt/2019/x.jpg"] {
        let outcome = world.sh_outcome(&format!("echo x > {path}"));
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(said.contains("Operation not permitted"), "{said}");
    }
    assert!(world.log().contains("files live in albums"), "{}", world.log());
}

/// > `mkdir` of `.Trash` or `.Trash-UID` in the root is `EPERM`: file managers would use it as a
/// > trash, and emptying that would delete nothing at Google.
#[test]
fn there_is_no_trash() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp photo/1.jpg mnt/A/ && sync mnt");
    assert!(!world.sh_outcome("gio trash mnt/A/1.jpg").status.success());
    for name in [".Trash", ".Trash-1000"] {
        let outcome = world.sh_outcome(&format!("mkdir mnt/{name}"));
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(said.contains("Operation not permitted"), "{said}");
    }
    assert!(world.log().contains("file managers make a trash"), "{}", world.log());
    assert_eq!(
        (titles(&world), world.names("A")),
        (vec!["A".to_owned()], vec!["1.jpg".to_owned()])
    );
    world.sh("mkdir mnt/.Trashes mnt/.Trash-bin mnt/A/.Trash-1000");
}

/// > `mkdir` of a temporary name, or in such a directory, makes a directory that is only here:
/// > Google does not learn of it, and files in it stay here, whatever their names, until they are
/// > moved or linked into an album. `rmdir` deletes it. So `rsync --delay-updates`, `--partial-dir`
/// > and `--temp-dir` leave no albums behind.
#[test]
fn directories_for_half_written_files_are_only_here() {
    let world = World::mounted();
    for at in 1..=2 {
        world.photo(&format!("photo/{at}.jpg"), at, 5000);
    }
    world.sh("mkdir mnt/A mnt/x.part mnt/A/.t mnt/A/.t/sub && echo text > mnt/A/.t/notes.txt");
    world.sh("cp photo/1.jpg mnt/A/.t/ && cp photo/2.jpg mnt/A/.t/sub/ && cp photo/1.jpg mnt/x.part/ && sync mnt");
    let is_here = || {
        world.sh("cmp photo/1.jpg mnt/A/.t/1.jpg && cmp photo/2.jpg mnt/A/.t/sub/2.jpg");
        assert_eq!(world.names("A/.t"), ["1.jpg", "notes.txt", "sub"]);
        assert_eq!((titles(&world), world.emulator.dump().items.len()), (vec!["A".to_owned()], 0));
    };
    is_here();
    world.umount();
    world.mount(&[]);
    is_here();
    world.kill();
    world.mount(&[]);
    is_here();
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    is_here();
    assert_eq!(world.names(""), ["A", "x.part"]);

    world.sh("mv mnt/A/.t/1.jpg mnt/A/ && ln mnt/A/.t/sub/2.jpg mnt/A/ && sync mnt");
    assert_eq!(world.remote("A"), ["1.jpg", "2.jpg"]);
    world.sh("test $(stat -c %h mnt/A/2.jpg) = 2 && mv mnt/A/1.jpg mnt/A/.t/sub/ && sync mnt && cmp photo/1.jpg mnt/A/.t/sub/1.jpg");
    assert_eq!((world.remote("A"), world.emulator.dump().items.len()), (vec!["2.jpg".into()], 2));
    for (script, said) in [
        ("mv mnt/A/.t/notes.txt mnt/A/", "Wrong medium type"),
        ("rmdir mnt/A/.t/sub", "Directory not empty"),
        ("rm mnt/A/2.jpg && rmdir mnt/A", "Directory not empty"),
    ] {
        let outcome = world.sh_outcome(script);
        let told = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(told.contains(said), "{script}: {told}");
    }
    world.sh("rm -r mnt/A/.t mnt/x.part && rmdir mnt/A && test ! -e mnt/A && mkdir mnt/x.part");
    assert_eq!(world.names("x.part"), [""; 0]);
    assert_eq!(titles(&world), ["A"]);
}

/// > Moving such a directory to a place where `mkdir` would make an album is `EXDEV`, and `mv` then
/// > copies it into one. Moving an album into it is `EPERM`.
#[test]
fn directories_for_half_written_files_do_not_become_albums() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    world.sh("mkdir mnt/A mnt/.t mnt/.t/sub mnt/.empty && cp photo/1.jpg mnt/.t/sub/ && mv -T mnt/.t mnt/.u && mv mnt/.u mnt/A/.t");
    world.sh("mkdir mnt/A/.v && mv -T mnt/.empty mnt/A/.v && mv mnt/A/.t/sub mnt/A/.v/ && cmp photo/1.jpg mnt/A/.v/sub/1.jpg");
    assert_eq!(
        (world.names("A"), world.names("")),
        (vec![".t".into(), ".v".into()], vec!["A".into()])
    );
    let errno = |from: &str, to: &str| {
        let (from, to) = (world.mnt.join(from), world.mnt.join(to));
        std::fs::rename(from, to).unwrap_err().raw_os_error().unwrap()
    };
    assert_eq!(errno("A/.v", "Trip"), libc::EXDEV);
    assert_eq!(errno("A/.v/sub", "A/sub"), libc::EXDEV);
    assert_eq!(errno("A", "A/.t/A"), libc::EINVAL);
    world.sh("mkdir mnt/B && cp photo/1.jpg mnt/B/ && sync mnt");
    assert_eq!(errno("B", "A/.t/B"), libc::EPERM);
    assert_eq!(titles(&world), ["A", "B"]);
    world.sh("mv mnt/A/.v mnt/Trip && sync mnt && test ! -e mnt/A/.v && cmp photo/1.jpg mnt/Trip/sub/1.jpg");
    assert_eq!(titles(&world), ["A", "B", "Trip", "Trip/sub"]);
    assert_eq!(world.remote("Trip/sub"), ["1.jpg"]);
}

/// > Such a directory moves with its album, here or at Google, and stays if the album is deleted
/// > there.
#[test]
fn directories_for_half_written_files_go_with_their_album() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    let refresh = || drop(world.run(&["refresh", world.mnt.to_str().unwrap()]));
    // A new album of our own stays for a while, whatever Google lists.
    for title in ["A", "A/Day"] {
        world.edit(Edit::CreateAlbum { title: title.into() });
    }
    refresh();
    world.sh("mkdir mnt/A/.t && cp photo/1.jpg mnt/A/.t/");
    world.sh("mv mnt/A mnt/B && cmp photo/1.jpg mnt/B/.t/1.jpg");
    world.edit(Edit::RenameAlbum { album: "B".into(), title: "C".into() });
    refresh();
    world.sh("cmp photo/1.jpg mnt/C/.t/1.jpg");
    assert_eq!((world.names("B"), world.names("C")), (vec!["Day".into()], vec![".t".into()]));
    world.edit(Edit::DeleteAlbum { album: "C".into() });
    refresh();
    world.sh("cmp photo/1.jpg mnt/C/.t/1.jpg && mv mnt/C/.t/1.jpg mnt/B/Day/ && rmdir mnt/C/.t && sync mnt");
    // It was there for that alone.
    wait_for("the kernel to be told", || !world.mnt.join("C").exists());
    assert_eq!(world.remote("B/Day"), ["1.jpg"]);
}

/// > An album that has a temporary name at Google, or gets one by `mv`, is still an album. A hidden
/// > album of that name stays hidden when `mkdir` makes such a directory.
#[test]
fn an_album_may_be_called_as_half_written_files_are() {
    let world = World::mounted();
    world.photo("photo/1.jpg", 1, 5000);
    world.sh("mkdir mnt/A mnt/.t && cp photo/1.jpg mnt/.t/mine.jpg");
    for title in [".t", ".t/Day", "A/.old"] {
        world.edit(Edit::CreateAlbum { title: title.into() });
    }
    world.edit(Edit::Seed { album: Some(".t".into()), count: 1, size: 5000, prefix: "X".into() });
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert_eq!(world.names(".t"), ["Day", "mine.jpg"]);
    let names = world.names("");
    let [_, other, _] = &names[..] else { panic!("{names:?}") };
    assert!(other.starts_with(".t "), "{names:?}");
    assert_eq!(world.names(other), ["X000000.jpg"]);
    world.sh("cp photo/1.jpg mnt/A/.old/ && mv mnt/A mnt/.A && sync mnt");
    assert_eq!(titles(&world), [".A", ".A/.old", ".t", ".t/Day"]);
    assert_eq!(world.remote(".A/.old"), ["1.jpg"]);
    world.sh("rm mnt/.A/.old/1.jpg && rmdir mnt/.A/.old && mkdir mnt/.A/.old && cp photo/1.jpg mnt/.A/.old/ && sync mnt");
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert_eq!((world.names(".A"), world.remote(".A/.old")), (vec![".old".into()], vec![]));
}

/// > A directory whose name is not UTF-8 cannot be an album: `mkdir` is `EINVAL`, and the log says what to
/// > do. A file may have such a name; Google gets it with `�` in place of those bytes.
#[test]
fn names_that_are_not_utf_8_are_for_files_only() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 5000);
    let outcome = world.sh_outcome("mkdir mnt/$'caf\\xe9'");
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(said.contains("Invalid argument"), "{said}");
    assert!(world.log().contains("not UTF-8; convert the names of the folder"), "{}", world.log());
    world.sh(
        "mkdir mnt/A mnt/A/.half && cp 1.jpg mnt/A/$'caf\\xe9.jpg' && mkdir mnt/A/.half/$'\\xe9'",
    );
    world.sh("sync mnt && cmp 1.jpg mnt/A/$'caf\\xe9.jpg'");
    assert_eq!(world.remote("A"), ["caf�.jpg"]);
    assert_eq!(titles(&world), ["A"]);
}

/// > Symbolic links, devices and pipes are `EPERM`. A name of more than 255 bytes is
/// > `ENAMETOOLONG`, a title of more than 500 characters `EINVAL`.
#[test]
fn unsupported_names_and_kinds_of_files_are_refused() {
    let world = World::mounted();
    let (long, half) = ("n".repeat(256), "n".repeat(251));
    world.sh(&format!("mkdir -p mnt/A/{half}"));
    for (script, said) in [
        ("ln -s x mnt/A/x", "Operation not permitted"),
        ("mkfifo mnt/A/x", "Operation not permitted"),
        ("mknod mnt/A/x c 1 3", "Operation not permitted"),
        (&format!("touch mnt/A/{long}"), "File name too long"),
        (&format!("mkdir mnt/A/{half}/{half}"), "Invalid argument"),
    ] {
        let outcome = world.sh_outcome(script);
        let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(!outcome.status.success() && stderr.contains(said), "{script}: {stderr}");
    }
    assert_eq!(titles(&world), ["A".to_owned(), format!("A/{half}")]);
}

/// > `mkdir` of the title of a hidden album brings that album back, also if another one has stood
/// > in its place meanwhile.
#[test]
fn hidden_albums_are_found_by_their_titles() {
    let world = World::mounted();
    world.sh(
        "mkdir -p mnt/A/Trip && rmdir mnt/A/Trip && mkdir mnt/Other && mv mnt/Other mnt/A/Trip",
    );
    world.sh("mv mnt/A/Trip mnt/Back && mkdir mnt/A/Trip");
    assert_eq!(titles(&world), ["A", "A/Trip", "Back"]);
    world.sh(
        "mkdir mnt/Empty && mv -T mnt/Back mnt/Empty && mv mnt/Empty mnt/Back && mkdir mnt/Empty",
    );
    assert_eq!(titles(&world), ["A", "A/Trip", "Back", "Empty"]);
    world.run(&["refresh", world.mnt.to_str().unwrap()]);
    assert_eq!(
        (world.names(""), world.names("A")),
        (names(&["A", "Back", "Empty"]), names(&["Trip"]))
    );
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// > If somebody makes an album at Google with the title of a hidden one, the new album gets the
/// > name.
#[test]
fn hidden_albums_are_in_nobodys_way() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 5000);
    world.sh("mkdir mnt/A mnt/Trip && rmdir mnt/A mnt/Trip");
    let make = |title: &str| {
        world.edit(Edit::CreateAlbum { title: title.into() });
        world.run(&["refresh", world.mnt.to_str().unwrap()]);
    };
    make("Trip");
    assert_eq!(world.names(""), ["Trip"]);
    make("A/B");
    make("A");
    assert_eq!((world.names(""), world.names("A")), (names(&["A", "Trip"]), names(&["B"])));
    world.sh("cp 1.jpg mnt/Trip/ && cp 1.jpg mnt/A/ && sync mnt");
    world.sh("rm -r mnt/A/B && rm mnt/A/1.jpg && rmdir mnt/A && mkdir -p mnt/A/B && ls mnt/A");
    assert_eq!(titles(&world), ["A", "A", "A/B", "Trip", "Trip"]);
}

/// > `rm -r` of an album takes its items out of it and hides it; `mkdir` of the same name brings it
/// > back, empty.
#[test]
fn a_removed_album_comes_back_empty() {
    let world = World::mounted();
    for at in 0..60 {
        world.photo(&format!("photo/{at}.jpg"), at, 4000);
    }
    world.sh("mkdir -p mnt/A/B && cp photo/* mnt/A/ && cp photo/1.jpg mnt/A/B/ && sync mnt && rm -r mnt/A && sync mnt");
    assert_eq!(world.remote("A").len() + world.remote("A/B").len(), 0);
    let calls = world.emulator.stats().requests(Call::AlbumsBatchRemove);
    assert!(calls <= 4, "60 items of one album and one of another in {calls} calls");
    world.sh("mkdir mnt/A mnt/A/B && test -z \"$(ls mnt/A/B)\"");
    assert_eq!(titles(&world), ["A", "A/B"]);
    assert_eq!(world.names("A"), ["B"]);
}
