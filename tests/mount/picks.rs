//! `gphotosfs pick` and `.gphotos/picked` on real mounts: what the user picks in Google's page, the files that it becomes,
//! the requests that it costs, and what `gphotosfs diff` says about them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};

use gphotosfs_emulator::{Account, Call, Choice, Edit, MadeUpItem, PickStep};
use serde_json::{Value, json};

use crate::support::{World, camera, schema, wait_for};

/// A world whose login allows picks, with an album made in Google's web page.
fn world() -> World {
    let world = World::new();
    let secret = world.emulator.client_secret_json();
    let (done, said) = world.log_in_with(&secret, &["--picker"]);
    assert!(done, "{said}");
    world.emulator.faults(|faults| faults.picker.poll_interval_ms = 100);
    elsewhere(&world, Edit::CreateAlbum { title: "Trip".into() });
    world
}

/// Does what the user does with the phone, or in the web page.
fn elsewhere(world: &World, edit: Edit) {
    world.emulator.wait(world.emulator.edit_as(Account::in_google_app(), edit)).unwrap();
}

/// A photo in an album made elsewhere, and in the local directory `photo`.
fn photo(world: &World, seed: u32) {
    photo_at(world, seed, false);
}

/// As [`photo`], perhaps with the place where it was taken.
fn photo_at(world: &World, seed: u32, located: bool) {
    let content = camera::photo(seed, &taken(seed), located);
    let filename = format!("DSC_{seed:04}.JPG");
    fs::create_dir_all(world.dir.path().join("photo")).unwrap();
    fs::write(world.dir.path().join("photo").join(&filename), &content).unwrap();
    let album = Some("Trip".to_owned());
    elsewhere(world, Edit::AddItem { album, filename, content, foreign: false });
}

/// A second of the 28th of April 2019 or later, as EXIF has it.
fn taken(seed: u32) -> String {
    let (hour, minute, second) = (seed / 3600, seed / 60 % 60, seed % 60);
    format!("2019:04:28 {hour:02}:{minute:02}:{second:02}")
}

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["pick", "--no-browser"], more].concat()
}

/// A `pick` that has printed the address of Google's page.
struct Waiting {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    page: String,
}

impl Waiting {
    fn begin(world: &World, more: &[&str]) -> Self {
        let mut child = world
            .program()
            .args(args(more))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut page = String::new();
        stdout.read_line(&mut page).unwrap();
        Self { child, stdout, page }
    }

    /// Exit status, the rest of stdout, stderr.
    fn end(mut self) -> (i32, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        self.stdout.read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap().code().unwrap(), out, err)
    }
}

/// Picks in Google's page what is chosen there. Returns exit status, stdout and stderr.
fn pick(world: &World, more: &[&str], choice: Choice) -> (i32, String, String) {
    pick_by(world, more, PickStep::Pick { session: None, choice })
}

fn pick_by(world: &World, more: &[&str], step: PickStep) -> (i32, String, String) {
    let waiting = Waiting::begin(world, more);
    assert!(waiting.page.trim_end().ends_with("/autoclose"), "{}", waiting.page);
    world.emulator.wait(world.emulator.pick(step)).unwrap();
    waiting.end()
}

fn some(album: &str, skip: usize, take: usize) -> Choice {
    Choice { skip, take: Some(take), ..Choice::album(album) }
}

/// What `diff --json` says about the pick `Trip`, and its exit status.
fn diff(world: &World) -> (i32, Value) {
    let mut program = world.program();
    let args = ["diff", "--json", "photo", "mnt/.gphotos/picked/Trip"];
    let outcome = program.current_dir(world.dir.path()).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    let found = String::from_utf8(outcome.stdout).unwrap();
    assert!(!found.is_empty(), "{said}");
    (outcome.status.code().unwrap(), schema::check("diff", &found))
}

fn list(world: &World) -> Value {
    let said = world.run(&["pick", "--list", "--json"]).stdout;
    schema::check("pick", std::str::from_utf8(&said).unwrap())["picks"].take()
}

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
        let root = world.mnt.display();
        let lines: Vec<_> = script.lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                format!("mkdir -p -- {root}/Trip"),
                format!("cp -pT -- photo/DSC_0001.JPG {root}/Trip/DSC_0001.JPG"),
                format!("cp -pT -- photo/DSC_0002.JPG {root}/Trip/DSC_0002.JPG"),
            ]
        );
        world.sh(&format!("{script}\nsync mnt/Trip"));
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

#[test]
fn picks_add_up_begin_anew_and_are_forgotten() {
    let world = world();
    (0..5).for_each(|seed| photo(&world, seed));
    let open = || world.emulator.stats().open_pick_sessions;
    // No mount is needed.
    let (code, out, _) = pick(&world, &["Trip"], some("Trip", 0, 3));
    assert_eq!((code, out.as_str()), (0, "3 items picked, 3 of them new. Trip has 3 items now.\n"));
    world.mount(&[]);
    assert_eq!(world.names(".gphotos/picked/Trip").len(), 3);
    let (_, out, _) = pick(&world, &["Trip"], some("Trip", 2, 3));
    assert_eq!(out, "3 items picked, 2 of them new. Trip has 5 items now.\n");
    assert_eq!((world.names(".gphotos/picked/Trip").len(), open()), (5, 2));
    let listed = list(&world);
    assert_eq!((&listed[0]["name"], &listed[0]["items"]), (&json!("Trip"), &json!(5)));
    assert!(listed[0]["readable_until"].is_string() && listed[0]["partial"] == false, "{listed}");
    // A mount says the same.
    let status = String::from_utf8(world.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(schema::check("status", &status)["picks"], listed);
    let status = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(status.contains("Trip: 5 items, readable until"), "{status}");

    // A pick that comes to nothing changes nothing.
    let (code, _, err) = pick_by(&world, &["Trip", "--new"], PickStep::Done { session: None });
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("nothing was picked"), "{err}");
    assert_eq!((world.names(".gphotos/picked/Trip").len(), open()), (5, 2));
    let (_, out, _) = pick(&world, &["Trip", "--new"], some("Trip", 4, 1));
    assert_eq!(out, "1 item picked, 1 of them new. Trip has 1 item now.\n");
    assert_eq!((world.names(".gphotos/picked/Trip"), open()), (vec!["DSC_0000.JPG".to_owned()], 1));

    let (done, said) = world.told(&["pick", "--forget", "Trip"]);
    assert!(done, "{said}");
    assert_eq!((world.names(".gphotos/picked"), open()), (vec![], 0));
    let (done, said) = world.told(&["pick", "--forget", "Trip"]);
    assert!(!done && said.contains("there is no pick Trip"), "{said}");
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

#[test]
fn a_closed_tab_a_short_patience_and_an_interrupt_leave_no_session() {
    let world = world();
    photo(&world, 1);
    let (code, out, err) = {
        let waiting = Waiting::begin(&world, &["Trip", "--timeout", "300ms"]);
        world.emulator.wait(world.emulator.pick(PickStep::Close { session: None })).unwrap();
        waiting.end()
    };
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("the wait is over"), "{err}");
    assert_eq!(world.emulator.stats().open_pick_sessions, 0);
    let waiting = Waiting::begin(&world, &["Trip", "--qr"]);
    let pid = rustix::process::Pid::from_raw(waiting.child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (code, _, err) = waiting.end();
    assert_eq!(code, 1);
    assert!(err.contains("stopped") && err.contains('█'), "{err}");
    assert_eq!((world.emulator.stats().open_pick_sessions, list(&world)), (0, json!([])));
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

/// > When Google has ended the session, the names stay, and the attributes. A read of bytes that are not
/// > in the cache is `ESTALE`.
#[test]
fn after_the_session_names_stay_and_bytes_do_not() {
    let world = world();
    (0..2).for_each(|seed| photo(&world, seed));
    world.mount(&[]);
    pick(&world, &["Trip"], Choice::album("Trip"));
    let read = |name: &str| fs::read(world.mnt.join(".gphotos/picked/Trip").join(name));
    read("DSC_0000.JPG").unwrap();
    let session = world.emulator.pick_sessions()[0].id.clone();
    world.emulator.wait(world.emulator.pick(PickStep::Expire { session: Some(session) })).unwrap();
    let error = read("DSC_0001.JPG").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ESTALE), "{}", world.log());
    wait_for("the next step", || world.log().contains("pick it again with 'gphotosfs pick NAME'"));
    assert_eq!(
        read("DSC_0000.JPG").unwrap().len(),
        fs::metadata(world.dir.path().join("photo/DSC_0000.JPG")).unwrap().len() as usize
    );
    assert_eq!(world.names(".gphotos/picked/Trip").len(), 2);
    assert_eq!(diff(&world).0, 0);
    assert_eq!(list(&world)[0]["readable_until"], Value::Null);
}

#[test]
fn without_the_scope_or_the_api_it_says_the_next_step() {
    let world = World::new();
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("run `gphotosfs login --picker` and tick all boxes"), "{said}");
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &["--picker"]);
    assert!(done, "{said}");
    world.emulator.faults(|faults| faults.picker.disabled = true);
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("enable the \"Google Photos Picker API\""), "{said}");
    world
        .emulator
        .faults(|faults| (faults.picker.disabled, faults.picker.no_account) = (false, true));
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("open https://photos.google.com once"), "{said}");
    world
        .emulator
        .faults(|faults| (faults.picker.no_account, faults.picker.open_sessions_max) = (false, 0));
    let (done, said) = world.told(&["pick", "Trip", "--no-browser"]);
    assert!(!done && said.contains("too many sessions"), "{said}");
}

/// An album made by hand of `there` photos, and a folder of `here` of them, of which some are only here and some only there.
#[track_caller]
fn told_apart(both: u32, here: u32, there: u32) {
    let world = world();
    fs::create_dir(world.dir.path().join("photo")).unwrap();
    let name = |at: u32| format!("DSC_{at:04}.JPG");
    for at in 0..both + here {
        let content = camera::photo(at, &taken(at), false);
        fs::write(world.dir.path().join("photo").join(name(at)), content).unwrap();
    }
    let made_up = |at: u32| MadeUpItem {
        filename: name(at),
        captured_s: Some(1_556_409_600 + i64::from(at)),
        width: 48,
        height: 32,
        ..MadeUpItem::default()
    };
    let items: Vec<_> = (0..both).chain(both + here..both + here + there).map(made_up).collect();
    let count = items.len();
    elsewhere(&world, Edit::AddMadeUp { album: Some("Trip".into()), items });
    world.mount(&[]);
    world.emulator.reset_stats();
    let sessions = count.div_ceil(2000);
    for session in 0..sessions {
        let (code, out, err) = pick(&world, &["Trip"], some("Trip", session * 2000, 2000));
        assert_eq!(code, 0, "{out}{err}");
    }
    let before = world.emulator.stats();
    let pages = (0..sessions).map(|it| (count - it * 2000).min(2000).div_ceil(100)).sum::<usize>();
    assert_eq!(before.requests(Call::PickerItemsList), pages as u64);
    assert_eq!(before.requests(Call::PickerSessionsCreate), sessions as u64);
    let (code, said) = diff(&world);
    assert_eq!((code, &said["source"]), (1, &json!("pick")));
    let names = |range: std::ops::Range<u32>| range.map(name).collect::<Vec<_>>();
    assert_eq!(said["only_here"], json!(names(both..both + here)));
    assert_eq!(said["only_in_album"], json!(names(both + here..both + here + there)));
    assert_eq!(
        (&said["files_here"], &said["files_in_album"]),
        (&json!(both + here), &json!(count))
    );
    assert_eq!(said["same"]["likely"], json!(names(0..both)));
    let after = world.emulator.stats();
    assert_eq!(after.download_bytes, 0);
    assert_eq!((after.api_requests_today, after.media_requests_today), (0, 0));
    for call in [Call::PickerItemsList, Call::PickerDownload, Call::PickerSessionsGet] {
        assert_eq!(after.requests(call), before.requests(call), "{call:?}");
    }
    assert_eq!(world.emulator.stats().violations, Vec::<String>::new());
}

#[test]
fn the_photo_that_is_missing_in_an_album_made_by_hand_is_named() {
    told_apart(240, 1, 3);
}

#[test]
#[ignore = "takes a minute or two"]
fn the_photo_that_is_missing_is_named_among_3282_from_two_picks() {
    told_apart(3281, 1, 0);
}

#[test]
#[ignore = "takes a minute or two"]
fn the_photos_that_differ_are_named_among_5221_and_5230_from_three_picks() {
    told_apart(5220, 1, 10);
}
