//! The desktop's notifications: a person who has only a file manager learns of each trouble once. A small
//! service on a bus of the test's own stands for the desktop.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use gphotosfs_emulator::Call;

use crate::support::desktop::{Bus, Called, Desktop, Shown};
use crate::support::manager::Manager;
use crate::support::{World, http, wait_for};

/// A minute becomes a second.
const PACE: &str = "60";

struct Seat {
    bus: Bus,
    desktop: Desktop,
    world: World,
    /// Divides every wait.
    pace: &'static str,
}

impl Seat {
    fn new() -> Self {
        let world = World::new();
        let bus = Bus::start(world.dir.path());
        let desktop = Desktop::start(&bus);
        Self { bus, desktop, world, pace: PACE }
    }

    fn mount(&self, options: &[&str]) {
        self.world.mount_with(&self.env(), options);
    }

    fn env(&self) -> [(&str, &str); 3] {
        [
            ("DBUS_SESSION_BUS_ADDRESS", self.bus.address.as_str()),
            ("GPHOTOSFS_NOTIFY", "auto"),
            ("GPHOTOSFS_UNSTABLE_PACE", self.pace),
        ]
    }

    /// Has pages opened in a browser of the test's own. Returns the file that gets their addresses.
    fn opens_pages(&mut self) -> PathBuf {
        let dir = self.world.dir.path();
        let (browser, page) = (dir.join("browser"), dir.join("page"));
        let script =
            format!("#!/bin/sh\necho \"$1\" > {0}.new && mv {0}.new {0}\n", page.display());
        fs::write(&browser, script).unwrap();
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
        self.world.env.push(("BROWSER", browser.to_str().unwrap().to_owned()));
        page
    }

    /// The login ends before a photo is copied. Returns the notice of it.
    fn loses_its_login(&self) -> Shown {
        self.world.photo("x.jpg", 1, 10_000);
        self.world.sh("mkdir mnt/A");
        self.world.emulator.revoke_grants();
        self.world.sh("cp x.jpg mnt/A/");
        self.desktop.shown()
    }

    /// The memory of the notices, once it has this in it.
    fn remembers(&self, what: &str) {
        let path = self.world.dir.path().join("state/gphotosfs/default/notices.json");
        wait_for(what, || fs::read_to_string(&path).is_ok_and(|it| it.contains(what)));
    }
}

#[test]
fn the_end_of_the_login_is_announced_once_and_taken_back() {
    let seat = Seat::new();
    let world = &seat.world;
    seat.mount(&[]);
    let shown = seat.loses_its_login();
    assert_eq!(shown.title, "The login to Google Photos has ended");
    assert!(shown.body.contains("gphotosfs login"), "{shown:?}");
    assert_eq!(shown.buttons, ["default", "login"]);
    seat.remembers("\"login_ended\":\"2");

    // A mount that starts again is in the same trouble, which is no news.
    world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
    seat.mount(&[]);
    wait_for("the mount to know", || {
        fs::read_to_string(world.mnt.join(".gphotos/status.json"))
            .is_ok_and(|it| it.contains("\"kind\": \"login\""))
    });
    world.login();
    wait_for("the upload", || world.remote("A") == ["x.jpg"]);
    world.umount();
    let rest = seat.desktop.rest();
    assert!(rest.iter().all(is_arrival), "{rest:?}");
}

#[test]
fn the_button_of_the_ended_login_opens_googles_page() {
    let mut seat = Seat::new();
    let page = seat.opens_pages();
    let world = &seat.world;
    seat.mount(&[]);
    let shown = seat.loses_its_login();
    seat.desktop.press(shown.number, "login");
    wait_for("Google's page", || page.exists());
    let address = fs::read_to_string(&page).unwrap();
    assert!(address.contains("/o/oauth2/auth"), "{address}");
    // The user agrees.
    world.emulator.wait(async { http().get(address.trim()).send().await }).unwrap();
    wait_for("the upload", || world.remote("A") == ["x.jpg"]);
    world.umount();
}

#[test]
fn refused_files_are_announced_together_and_shown_in_the_file_manager() {
    // On a busy machine, the files of a burst come seconds apart.
    let seat = Seat { pace: "4", ..Seat::new() };
    let world = &seat.world;
    seat.mount(&[]);
    world.sh("mkdir 'mnt/A&B'");
    for at in 0..5 {
        fs::write(world.mnt.join(format!("A&B/<{at}>.jpg")), "no photo").unwrap_or_default();
    }
    let shown = seat.desktop.shown();
    assert_eq!(shown.title, "5 files were not uploaded", "{shown:?}");
    // They were refused in no order.
    let lines: Vec<_> = shown.body.lines().collect();
    let (last, named) = lines.split_last().unwrap();
    assert!(
        named.iter().all(|it| it.starts_with("A&amp;B/&lt;") && it.contains(".jpg: ")),
        "{shown:?}"
    );
    assert_eq!((named.len(), *last), (3, "and 2 more"), "{shown:?}");
    assert_eq!(shown.buttons, ["default", "folder"]);

    seat.desktop.press(shown.number, "folder");
    let folder = format!("file://{}/.gphotos/failed/", world.mnt.canonicalize().unwrap().display());
    assert_eq!(seat.desktop.next(), Called::Folders(vec![folder]));

    // They are dealt with.
    world.sh("rm mnt/.gphotos/failed/A*/*");
    assert_eq!(seat.desktop.next(), Called::Withdrawn(shown.number));
    assert_eq!(seat.desktop.rest(), []);
}

#[test]
fn a_full_storage_is_announced_once_and_its_button_opens_googles_page() {
    let mut seat = Seat::new();
    let page = seat.opens_pages();
    let world = &seat.world;
    seat.mount(&[]);
    world.emulator.faults(|it| it.storage_bytes = Some(0));
    for at in 0..3 {
        world.photo(&format!("in/{at}.jpg"), at, 10_000);
    }
    world.sh("cp -r in mnt/A");
    let shown = seat.desktop.shown();
    assert_eq!(shown.title, "The storage at Google is full");
    assert_eq!(shown.buttons, ["default", "storage"]);
    seat.desktop.press(shown.number, "storage");
    wait_for("Google's page", || page.exists());
    assert_eq!(fs::read_to_string(&page).unwrap().trim(), "https://one.google.com/storage");
    world.emulator.faults(|it| it.storage_bytes = None);
    world.sync();
    assert_eq!(seat.desktop.next(), Called::Withdrawn(shown.number));
    assert!(seat.desktop.rest().iter().all(is_arrival));
}

/// The copy has waited for long.
fn is_arrival(called: &Called) -> bool {
    matches!(called, Called::Shown(it) if it.title.ends_with("at Google"))
}

#[test]
fn a_used_up_quota_is_announced_once_with_its_end() {
    let seat = Seat::new();
    let world = &seat.world;
    seat.mount(&[]);
    world.sh("mkdir mnt/A");
    let spent = world.emulator.stats().api_requests_today;
    world.emulator.faults(|it| it.daily_requests = spent);
    world.photo("x.jpg", 1, 10_000);
    world.sh("cp x.jpg mnt/A/");
    let shown = seat.desktop.shown();
    assert_eq!(shown.title, "Google's quota of the day is used up");
    assert!(shown.body.contains("Uploads go on at 2"), "{shown:?}");
    seat.remembers("\"quota_until\":\"2");
    world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
    assert_eq!(seat.desktop.rest(), []);
}

#[test]
fn a_long_copy_is_announced_when_all_of_it_has_arrived() {
    let seat = Seat::new();
    let world = &seat.world;
    seat.mount(&[]);
    for at in 0..12 {
        world.photo(&format!("in/{at}.jpg"), at, 10_000);
    }
    // The paced minute is a second.
    world.emulator.faults(|it| it.on(Call::MediaItemsBatchCreate).latency_ms = 1500);
    world.sh("cp -r in mnt/A && sync mnt/A");
    assert_eq!(seat.desktop.shown().title, "All 12 files are at Google");
    world.emulator.faults(|it| it.on(Call::MediaItemsBatchCreate).latency_ms = 0);
    world.umount();
    assert_eq!(seat.desktop.rest(), []);
}

#[test]
fn a_mount_that_fails_again_and_again_is_announced_once() {
    let seat = Seat::new();
    let world = &seat.world;
    let fail = || {
        let args = ["mount", "-f"];
        let said = world.program().args(args).arg(&world.mnt).envs(seat.env()).output().unwrap();
        assert!(!said.status.success());
    };
    let write_below = || {
        // An ended mount leaves its directory closed.
        fs::set_permissions(&world.mnt, PermissionsExt::from_mode(0o755)).unwrap();
        fs::write(world.mnt.join("x.jpg"), "local").unwrap();
    };
    write_below();
    for _ in 0..3 {
        fail();
    }
    let shown = seat.desktop.shown();
    assert_eq!(shown.title, "Google Photos is not mounted");
    assert!(shown.body.contains("is not empty"), "{shown:?}");
    assert_eq!(seat.desktop.rest(), []);
    // A mount that has succeeded in between makes it news again.
    fs::remove_file(world.mnt.join("x.jpg")).unwrap();
    seat.mount(&[]);
    world.umount();
    write_below();
    fail();
    assert_eq!(seat.desktop.shown().title, "Google Photos is not mounted");
    fs::remove_file(world.mnt.join("x.jpg")).unwrap();
}

#[test]
fn a_notice_waits_for_a_desktop_and_notify_off_shows_none() {
    let world = World::new();
    let bus = Bus::start(world.dir.path());
    let seat_env =
        [("DBUS_SESSION_BUS_ADDRESS", bus.address.as_str()), ("GPHOTOSFS_UNSTABLE_PACE", PACE)];
    // There is a bus, and nothing on it yet.
    world.mount_with(&seat_env, &["--notify", "auto"]);
    world.sh("mkdir mnt/A");
    let refuse = |name: &str| fs::write(world.mnt.join(name), "no photo").unwrap_or_default();
    refuse("A/x.jpg");
    wait_for("the refusal", || world.mnt.join(".gphotos/failed/A/x.jpg").exists());
    let desktop = Desktop::start(&bus);
    assert_eq!(desktop.shown().title, "1 file was not uploaded");
    world.umount();

    world.mount_with(&seat_env, &["-o", "notify=off"]);
    refuse("A/y.jpg");
    let memory = world.dir.path().join("state/gphotosfs/default/notices.json");
    wait_for("the notice that nobody sees", || {
        fs::read_to_string(&memory).is_ok_and(|it| it.contains("\"refused_up_to\":2"))
    });
    world.umount();
    assert_eq!(desktop.rest(), []);
}

#[test]
fn a_bus_that_does_not_answer_delays_nothing() {
    let world = World::new();
    let socket = world.dir.path().join("silent");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let address = format!("unix:path={}", socket.display());
    world.mount_with(
        &[("DBUS_SESSION_BUS_ADDRESS", &address), ("GPHOTOSFS_UNSTABLE_PACE", PACE)],
        &["--notify", "auto"],
    );
    world.sh("mkdir mnt/A");
    fs::write(world.mnt.join("A/x.jpg"), "no photo").unwrap_or_default();
    world.photo("y.jpg", 1, 10_000);
    world.sh("cp y.jpg mnt/A/ && sync mnt/A/y.jpg");
    world.umount();
}

#[test]
fn systemd_is_told_what_is_left_and_what_is_wrong() {
    let world = World::new();
    let manager = Manager::listen(world.dir.path());
    let socket = manager.path.to_str().unwrap();
    let mut served = world.serve(&[("NOTIFY_SOCKET", socket), ("GPHOTOSFS_UNSTABLE_PACE", PACE)]);
    assert!(served.is_ready());
    world.sh("mkdir mnt/A");
    world.emulator.faults(|it| it.storage_bytes = Some(0));
    world.photo("x.jpg", 1, 10_000);
    world.sh("cp x.jpg mnt/A/");
    let said = manager.hear("uploads wait");
    assert!(said.starts_with("STATUS=mounted on ") && said.contains("1 file to send"), "{said}");
    world.emulator.faults(|it| it.storage_bytes = None);
    world.sh("sync mnt/A");
    fs::write(world.mnt.join("A/y.jpg"), "no photo").unwrap_or_default();
    assert!(manager.hear("1 file was refused").starts_with("STATUS=mounted on "));
    world.umount();
    served.ended();
}
