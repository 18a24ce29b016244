//! The results that programs get through the real kernel, and the items that arrive at Google.

use std::fs;
use std::os::unix::fs::MetadataExt;

use gphotosfs_emulator::{Call, Edit, Failure, Injection};

use crate::support::{World, jpeg, wait_for};

#[test]
fn copied_photos_arrive_once_and_are_read_back_byte_for_byte() {
    let world = World::mounted();
    for at in 0..20 {
        world.photo(&format!("photo/IMG_{at:04}.jpg"), at, 20_000 + at as usize * 1000);
    }
    world.sh("mkdir mnt/20190428 && cp -p photo/*.jpg mnt/20190428/ && sync mnt/20190428");
    let remote = world.remote("20190428");
    assert_eq!(remote.len(), 20);
    assert!(remote.is_sorted(), "album order is the order of closing: {remote:?}");
    assert_eq!(world.names("20190428"), remote);
    world.sh("cd photo && sha256sum *.jpg > ../sums && cd ../mnt/20190428 && sha256sum -c --quiet ../../sums");
    world.sh("diff <(stat -c '%n %s %Y' photo/* | cut -d/ -f2) <(stat -c '%n %s %Y' mnt/20190428/* | cut -d/ -f3)");
    assert!(
        world.emulator.stats().violations.is_empty(),
        "{:?}",
        world.emulator.stats().violations
    );
}

/// > Bytes that were sent before are not sent again.
#[test]
fn a_second_copy_uploads_nothing() {
    let world = World::mounted();
    for at in 0..5 {
        world.photo(&format!("photo/{at}.jpg"), at, 5000);
    }
    world.sh("mkdir mnt/A && cp photo/* mnt/A/ && sync mnt/A");
    let before = world.emulator.stats().upload_bytes;
    world.sh("cp photo/* mnt/A/ && sync mnt/A");
    assert_eq!(world.emulator.stats().upload_bytes, before);
    assert_eq!(world.remote("A").len(), 5);
}

/// > Files with the same bytes in an album are names of one item, and so hard links, once Google
/// > has it.
#[test]
fn duplicates_are_hard_links_and_count_as_in_the_local_folder() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 5000);
    world.photo("photo/b.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp photo/* mnt/A/ && sync mnt/A");
    assert_eq!(world.names("A"), ["a.jpg", "b.jpg"]);
    assert_eq!(world.remote("A").len(), 1);
    // The invalidation follows the answer to sync, because the kernel may hold locks until that.
    wait_for("both names to be one file with two links", || {
        let [a, b] = ["A/a.jpg", "A/b.jpg"].map(|path| fs::metadata(world.mnt.join(path)).unwrap());
        (a.ino(), a.nlink()) == (b.ino(), 2)
    });
}

/// > A file that is neither a photo nor a video that Google supports is `EMEDIUMTYPE` at its close,
/// > and its bytes are kept in `.gphotos/failed`.
#[test]
fn a_text_file_is_refused_at_close_and_kept_in_failed() {
    let world = World::mounted();
    world.sh("mkdir mnt/A && echo 'not a photo' > notes.txt");
    let outcome = world.sh_outcome("cp notes.txt mnt/A/");
    assert!(!outcome.status.success());
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(said.contains("Wrong medium type"), "{said}");
    // The kernel releases the last descriptor after close has returned.
    wait_for("the file to leave the album", || world.names("A").is_empty());
    assert_eq!(world.sh("cat mnt/.gphotos/failed/A/notes.txt"), "not a photo\n");
    // The program can say no more than its errno. This says which file it was, and why.
    let status = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    let reason = "A/notes.txt: a text file is neither a photo nor a video";
    assert!(status.contains("1 failed") && status.contains(reason), "{status}");
    assert!(!world.sh_outcome("sync mnt/A").status.success(), "sync tells of the failure");
    world.sh("rm mnt/.gphotos/failed/A/notes.txt && sync mnt/A");
}

/// > An empty file stays here until it has content.
#[test]
fn an_empty_file_stays_here_until_it_has_content() {
    let world = World::mounted();
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/A && touch mnt/A/a.jpg && sync mnt/A && test -f mnt/A/a.jpg");
    assert!(world.remote("A").is_empty());
    world.sh("cat a.jpg > mnt/A/a.jpg && sync mnt/A && cmp a.jpg mnt/A/a.jpg");
    assert_eq!(world.remote("A"), ["a.jpg"]);
}

#[test]
fn rsync_transfers_nothing_the_second_time() {
    let world = World::mounted();
    for at in 0..4 {
        world.photo(&format!("photo/{at}.jpg"), at, 30_000);
    }
    world.sh("mkdir mnt/A && rsync -rt photo/ mnt/A/ && sync mnt/A");
    assert_eq!(world.remote("A").len(), 4);
    assert_eq!(world.sh("rsync -rt --itemize-changes photo/ mnt/A/ | grep -v '/$' || true"), "");
}

#[test]
fn names_survive_whatever_they_are_made_of() {
    let world = World::mounted();
    let names = ["with space.jpg", "🏖 beach.jpg", "quote\"'s.jpg", "-dash.jpg", "new\nline.jpg"];
    let long = format!("{}.jpg", "n".repeat(251));
    for (at, name) in names.iter().copied().chain([long.as_str()]).enumerate() {
        world.photo(&format!("photo/{name}"), at as u32, 4000);
    }
    world.sh("mkdir mnt/A && cp photo/* mnt/A/ && sync mnt/A");
    let mut wanted: Vec<String> = names.iter().map(ToString::to_string).chain([long]).collect();
    wanted.sort();
    assert_eq!(world.names("A"), wanted);
    assert_eq!(world.remote("A").len(), 6);
    let too_long = world.sh_outcome(&format!("touch mnt/A/{}", "n".repeat(256)));
    assert!(String::from_utf8_lossy(&too_long.stderr).contains("File name too long"));
}

/// > `mkdir` makes an album at once. `rmdir` of an empty album hides it here, because it stays at
/// > Google, and `mkdir` brings it back.
#[test]
fn albums_are_made_nested_renamed_hidden_and_shown_again() {
    let world = World::mounted();
    world.sh("mkdir -p mnt/2019/Trip && mkdir mnt/Old && mv mnt/Old mnt/New && rmdir mnt/New");
    assert_eq!(world.names(""), ["2019"]);
    let titles = || {
        let mut titles: Vec<_> =
            world.emulator.dump().albums.into_iter().map(|it| it.title).collect();
        titles.sort();
        titles
    };
    assert_eq!(titles(), ["2019", "2019/Trip", "New"]);
    world.sh("mkdir mnt/New");
    assert_eq!(titles(), ["2019", "2019/Trip", "New"], "no second album of the title");
    assert_eq!(world.names(""), ["2019", "New"]);
}

/// > `rm` of an item's last name in an album takes the item out of the album; it stays in the
/// > library.
#[test]
fn removed_names_leave_the_album_but_not_the_library() {
    let world = World::mounted();
    for at in 0..10 {
        world.photo(&format!("photo/{at}.jpg"), at, 4000);
    }
    world.sh("mkdir mnt/A && cp photo/* mnt/A/ && sync mnt/A && rm mnt/A/[0-4].jpg && sync mnt/A");
    assert_eq!(world.remote("A").len(), 5);
    assert_eq!(world.emulator.dump().items.len(), 10);
    assert_eq!(world.names("A").len(), 5);
}

#[test]
fn forbidden_operations_fail_with_a_clear_errno() {
    let world = World::mounted();
    world.photo("a.jpg", 1, 4000);
    world.sh("mkdir mnt/A");
    for (script, said) in [
        ("ln -s x mnt/A/link", "Operation not permitted"),
        ("cp a.jpg mnt/", "Operation not permitted"),
        ("mkdir mnt/.gphotos/x", "Operation not permitted"),
        ("mkdir mnt/A", "File exists"),
        ("mkfifo mnt/A/pipe", "Operation not permitted"),
        ("cat mnt/A/none.jpg", "No such file"),
        ("touch mnt/.gphotos/status.json && echo x > mnt/.gphotos/status.json", "ermi"),
    ] {
        let outcome = world.sh_outcome(script);
        let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
        assert!(!outcome.status.success() && stderr.contains(said), "{script}: {stderr}");
    }
    assert_eq!(world.names(""), ["A"], ".gphotos is never listed");
}

#[test]
fn a_killed_mount_loses_nothing_that_was_closed() {
    let world = World::mounted();
    for at in 0..30 {
        world.photo(&format!("photo/{at:02}.jpg"), at, 50_000);
    }
    world.sh("mkdir mnt/A && cp photo/* mnt/A/");
    world.kill();
    world.mount(&[]);
    world.sync();
    assert_eq!(world.remote("A").len(), 30);
    assert_eq!(world.emulator.dump().items.len(), 30);
    world.sh("cd photo && sha256sum * > ../sums && cd ../mnt/A && sha256sum -c --quiet ../../sums");
}

#[test]
fn a_second_mount_lists_at_once_and_reads_from_the_cache() {
    let world = World::mounted();
    world.photo("photo/a.jpg", 1, 40_000);
    world.sh("mkdir mnt/A && cp photo/a.jpg mnt/A/");
    world.umount();
    world.mount(&[]);
    world.emulator.reset_stats();
    world.sh("ls mnt && ls -l mnt/A && cmp photo/a.jpg mnt/A/a.jpg");
    let stats = world.emulator.stats();
    assert_eq!(stats.media_requests_today, 0, "read from the local copy: {stats:?}");
}

#[test]
fn items_made_elsewhere_are_listed_sized_and_downloaded() {
    let world = World::new();
    let photo = jpeg(7, 100_000);
    let album = || Some("Web".to_owned());
    world.edit(Edit::CreateAlbum { title: "Web".into() });
    world.edit(Edit::Seed { album: album(), count: 120, size: 5000, prefix: "w".into() });
    let filename = "dir/big.jpg".to_owned();
    world.edit(Edit::AddItem { album: album(), filename, content: photo.clone(), foreign: false });
    world.mount(&[]);
    assert_eq!(world.names("Web").len(), 121);
    let got = fs::read(world.mnt.join("Web/big.jpg")).unwrap();
    assert_eq!(got.len() as u64, fs::metadata(world.mnt.join("Web/big.jpg")).unwrap().len());
    assert_eq!(got, photo, "a photo without a location comes back as it was");
}

#[test]
fn diff_names_the_photo_that_was_removed_behind_our_back() {
    let world = World::mounted();
    for at in 0..6 {
        world.photo(&format!("photo/{at}.jpg"), at, 4000);
    }
    world.sh("mkdir mnt/A && cp photo/* mnt/A/ && sync mnt/A");
    let diff = || {
        world
            .program()
            .current_dir(world.dir.path())
            .args(["diff", "photo", "mnt/A"])
            .output()
            .unwrap()
    };
    assert_eq!(diff().status.code(), Some(0));
    world.edit(Edit::RemoveFromAlbum { album: "A".into(), item: "3.jpg".into() });
    let outcome = diff();
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert_eq!(
        outcome.status.code(),
        Some(1),
        "{said}{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    assert!(said.contains("3.jpg") && !said.contains("4.jpg"), "{said}");
}

#[test]
fn a_copy_into_a_second_album_shares_calls_and_uploads_nothing() {
    let world = World::mounted();
    for at in 0..60 {
        world.photo(&format!("photo/{at:02}.jpg"), at, 20_000);
    }
    world.sh("mkdir mnt/A mnt/B && cp photo/* mnt/A/ && touch -d 2001-01-01 mnt/A/* && sync mnt/A");
    world.emulator.reset_stats();
    world.sh("rsync -rt photo/ mnt/B/ && sync mnt/B");
    let stats = world.emulator.stats();
    assert_eq!(world.remote("B").len(), 60);
    assert_eq!(stats.upload_bytes, 0);
    assert!(stats.requests(Call::AlbumsBatchAdd) <= 4, "{stats:?}");
    // The names share an inode, and so the time that was set last.
    assert_eq!(world.sh("rsync -rt --itemize-changes photo/ mnt/B/ | grep -v '/$' || true"), "");
}

#[test]
fn waiting_for_uploads_locks_nobody_out_and_ends_with_ctrl_c() {
    let world = World::mounted();
    world.photo("a.jpg", 1, 20_000);
    world.sh("mkdir mnt/A");
    // Longer than any wait below: an operation that ends in time has not waited for it.
    world.emulator.faults(|faults| faults.on(Call::MediaItemsBatchCreate).latency_ms = 60_000);
    world.sh("cp a.jpg mnt/A/");
    let mut sync = world.program().arg("sync").arg(world.mnt.join("A")).spawn().unwrap();
    world.sh("timeout 10 ls -l mnt/A && timeout 10 touch mnt/A/.half && timeout 10 ls mnt");
    assert!(sync.try_wait().unwrap().is_none(), "sync waits");
    let pid = rustix::process::Pid::from_child(&sync);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    wait_for("Ctrl-C to end sync", || sync.try_wait().unwrap().is_some());
    // sync(1) waits inside the kernel, and is let go of all the same.
    let outcome = world.sh_outcome("timeout -s INT 1 sync mnt/A");
    assert_eq!(outcome.status.code(), Some(124), "{}", String::from_utf8_lossy(&outcome.stderr));
}

/// An album of items that were made elsewhere.
#[test]
fn appending_to_an_item_of_unknown_size_keeps_what_is_in_it() {
    let world = World::new();
    world.mount(&["--sizes", "lazy"]);
    world.seed("Trip", 1);
    world.sh("ls mnt/Trip && printf more >> mnt/Trip/IMG_000000.jpg");
    world.sh("test $(wc -c < mnt/Trip/IMG_000000.jpg) = 5004");
    world.sh("tail -c 4 mnt/Trip/IMG_000000.jpg | grep -qx more");
}

#[test]
fn more_operations_may_wait_than_there_are_threads() {
    let world = World::mounted();
    world.seed("Trip", 700);
    let names = world.names("Trip");
    world.emulator.faults(|faults| faults.on(Call::Download).latency_ms = 100);
    std::thread::scope(|scope| {
        for name in &names {
            let path = world.mnt.join("Trip").join(name);
            scope.spawn(move || assert_eq!(fs::metadata(path).unwrap().len(), 5000));
        }
    });
}

#[test]
fn downloads_that_stall_keep_nobody_from_reading_what_is_here() {
    let world = World::mounted();
    world.seed("Trip", 40);
    world.photo("photo/here.jpg", 1, 50_000);
    world.sh("mkdir mnt/A && cp photo/here.jpg mnt/A/ && sync mnt/A && ls -l mnt/Trip");
    world.emulator.faults(|faults| {
        let stall = Injection { rate: 1.0, ..Injection::new(Failure::Stall) };
        faults.on(Call::Download).failures.push(stall);
    });
    let before = world.emulator.stats().requests(Call::Download);
    let mut readers: Vec<_> = (0..40)
        .map(|at| {
            let path = world.mnt.join(format!("Trip/IMG_{at:06}.jpg"));
            let mut cat = std::process::Command::new("cat");
            cat.arg(path).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    // As many as go at a time. The other readers wait for one of them.
    let stalled = || world.emulator.stats().requests(Call::Download) - before;
    wait_for("many downloads", || stalled() >= 32);
    world.sh("timeout -s KILL 20 cmp photo/here.jpg mnt/A/here.jpg");
    for reader in &mut readers {
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
}

#[test]
fn an_unusable_mountpoint_is_refused_with_the_reason() {
    let world = World::new();
    let mount =
        |options: &[&str], place: &str| world.told(&[&["mount"], options, &[place]].concat());
    let mnt = world.mnt.to_str().unwrap();
    let (done, said) = mount(&[], &format!("{mnt}/missing"));
    assert!(!done && said.contains("No such file or directory\n  -> make it: mkdir -p"), "{said}");
    std::fs::write(world.mnt.join("file"), "x").unwrap();
    let (done, said) = mount(&[], &format!("{mnt}/file"));
    assert!(!done && said.contains("not a directory\n  -> "), "{said}");
    let (done, said) = mount(&[], mnt);
    assert!(
        !done && said.contains("mnt is not empty: 1 file (such as file) lies there\n  -> "),
        "{said}"
    );
    assert!(said.contains(&format!("gphotosfs mount --import {mnt}'")), "{said}");
    let (done, said) = mount(&["-o", "nonempty"], mnt);
    assert!(done, "{said}");
    let (done, said) = mount(&[], mnt);
    assert!(!done && said.contains("in use by another gphotosfs process (mounted on "), "{said}");
    assert!(said.contains(&format!("-> unmount it first with 'gphotosfs umount {mnt}'")), "{said}");
    let (done, said) = mount(&["-o", "profile=other"], mnt);
    assert!(!done && said.contains("is a gphotosfs mount already\n  -> "), "{said}");
    assert_eq!(world.names(""), Vec::<String>::new());
}

#[test]
fn commands_on_a_mount_that_has_died_say_how_to_go_on() {
    let world = World::mounted();
    world.kill();
    let mnt = world.mnt.to_str().unwrap();
    for command in [&["status", mnt][..], &["sync", mnt], &["refresh", mnt], &["diff", ".", mnt]] {
        let (done, said) = world.told(command);
        assert!(
            !done && said.contains("-> ") && said.contains("gphotosfs umount"),
            "{command:?}: {said}"
        );
    }
    // Nobody has the profile: its tables tell. The mount is missing, which a script must notice.
    let outcome = world.run(&["status"]);
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert!(outcome.status.code() == Some(1) && said.contains("the mount has died"), "{said}");
    let (done, said) = world.told(&["umount", mnt]);
    assert!(done && said.contains("has died; cleaning up"), "{said}");
    assert!(world.names(".").is_empty(), "the plain directory is back");
}

#[test]
fn the_cleanup_of_a_dead_mount_is_reported_at_the_terminal() {
    let world = World::mounted();
    world.kill();
    let (done, said) = world.told(&["mount", world.mnt.to_str().unwrap()]);
    assert!(done, "{said}");
    assert_eq!(said, "gphotosfs: the process behind the last mount has died; cleaning up\n");
}

#[test]
fn lines_for_the_journal_have_a_priority_and_no_time() {
    let world = World::mounted();
    world.kill();
    let log = world.dir.path().join("served.log");
    let meta = std::fs::File::create(&log).and_then(|file| file.metadata()).unwrap();
    let stream = format!("{}:{}", meta.dev(), meta.ino());
    let mut served = world.serve(&[("JOURNAL_STREAM", &stream)]);
    assert!(served.is_ready(), "{}", world.log());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.starts_with("<4>cleaning up after a mount whose process has died"), "{said}");
    world.umount();
    // A stream that was put in the journal's place is none.
    world.mount(&[]);
    world.kill();
    std::fs::File::create(&log).unwrap();
    let mut served = world.serve(&[("JOURNAL_STREAM", "1:1")]);
    assert!(served.is_ready(), "{}", world.log());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("WARN") && !said.contains('<'), "{said}");
}

#[test]
fn a_waiting_program_gets_the_reason_in_words() {
    let mut world = World::mounted();
    world.sh("mkdir mnt/A && echo text > mnt/A/x.jpg || true");
    let (done, said) = world.told(&["sync", world.mnt.to_str().unwrap()]);
    assert!(!done && said.contains("some files were refused\n  -> 'gphotosfs failed'"), "{said}");
    world.stop_emulator();
    let (done, said) = world.told(&["refresh"]);
    assert!(!done && said.contains("Google cannot be reached\n  -> check the network"), "{said}");
}

#[test]
fn a_mount_has_no_login_after_logout_and_the_new_one_after_login() {
    let world = World::mounted();
    world.sh("mkdir mnt/A");
    let login = || {
        let status = world.run(&["status", "--json"]).stdout;
        serde_json::from_slice::<serde_json::Value>(&status).unwrap()["login"]["state"].clone()
    };
    assert_eq!(login(), "ok");
    let (done, said) = world.told(&["logout"]);
    assert!(done, "{said}");
    assert_eq!(login(), "missing");
    assert!(!world.sh_outcome("mkdir mnt/B").status.success());
    world.login();
    assert_eq!(login(), "ok");
    world.sh("mkdir mnt/B");
}

/// `mount -f -vv` prints each of the kernel's requests with its result and duration.
#[test]
fn each_request_of_the_kernel_is_a_line_in_the_log_of_a_verbose_mount() {
    let world = World::new();
    let mut served = world.serve_with(&[], &["-vv"]);
    assert!(served.is_ready(), "{}", world.log());
    world.photo("photo/a.jpg", 1, 5000);
    let fake = r"$'b\n2000-01-01 lookup.jpg'";
    world.sh("mkdir mnt/Trip && cp photo/a.jpg mnt/Trip/a.jpg && sync mnt/Trip");
    world.sh("ls mnt/Trip && cat mnt/Trip/a.jpg > /dev/null");
    world.sh(&format!("! cat mnt/Trip/missing; ! cat mnt/Trip/{fake}; ! ln -s a mnt/Trip/b"));
    rustix::fs::removexattr(world.mnt.join("Trip/a.jpg"), "user.gphotos.id").unwrap_err();
    // The line follows the answer.
    wait_for("the last request's line", || world.log().contains("removexattr ino="));
    let log = world.log();
    let lines: Vec<_> = log
        .lines()
        .filter_map(|line| Some(line.split_once("DEBUG gphotosfs::fuse: ")?.1))
        .collect();
    let size = fs::metadata(world.dir.path().join("photo/a.jpg")).unwrap().len();
    for (request, result) in [
        ("mkdir ino=1 name=\"Trip\"", "ino "),
        ("create ino=", " fh "),
        ("write fh=", &format!("{size} bytes")),
        ("flush fh=", "ok"),
        ("read fh=", &format!("{size} bytes")),
        ("opendir ino=", "ok"),
        ("readdirplus ino=", "3 entries"),
        ("lookup ino=", "ENOENT"),
        ("symlink ino=", "EPERM"),
        ("removexattr ino=", "EPERM"),
    ] {
        assert!(
            lines.iter().any(|line| {
                let Some((begin, end)) = line.split_once(" → ") else { return false };
                begin.starts_with(request) && end.contains(result) && end.ends_with(" ms)")
            }),
            "no {request}… → …{result}… (… ms) in:\n{log}"
        );
    }
    assert!(log.contains(r#"name="b\n2000-01-01 lookup.jpg""#), "names are escaped:\n{log}");
    for call in ["albums.create", "uploads", "mediaItems.batchCreate"] {
        let call = format!("request call=\"{call}\" status=200 ");
        assert!(log.lines().any(|line| line.contains(&call)), "no {call}… in:\n{log}");
    }
    let text = fs::read_to_string(world.mnt.join(".gphotos/status.json")).unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    for operation in ["symlink", "removexattr"] {
        assert_eq!(status["fuse"][operation], 1, "{}", status["fuse"]);
    }
}

#[test]
fn umount_of_another_place_says_where_the_profile_is_mounted() {
    let world = World::mounted();
    world.sh("mkdir other");
    let other = world.dir.path().join("other");
    let other = other.to_str().unwrap();
    let (done, said) = world.told(&["umount", other]);
    let mine = format!("  -> profile default is mounted on {}", world.mnt.display());
    assert!(
        !done && said.contains("is not a gphotosfs mount\n") && said.trim_end().ends_with(&mine),
        "{said}"
    );
    let (done, said) = world.told(&["--profile", "another", "umount", other]);
    let not_mine = "  -> profile another is not mounted; other profiles or users have mounts on ";
    assert!(!done && said.contains(not_mine), "{said}");
    assert!(said.contains(world.mnt.to_str().unwrap()), "{said}");
}

#[test]
fn login_says_until_when_it_waits() {
    let world = World::new();
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &[]);
    assert!(done && said.contains("Waiting until 20") && said.contains("Ctrl-C stops"), "{said}");
}
