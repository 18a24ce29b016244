//! The packaged units and the lines of `/etc/fstab` under a real systemd, with an ordinary user. systemd
//! and its tools are asked, not the mount.

use std::time::Duration;

use crate::booted::Booted;
use crate::support::{DEADLINE, wait_within};

/// Longer than `RestartSec=` of the units.
const RESTART_DEADLINE: Duration = Duration::from_secs(90);

/// Copies a photo as soon as systemd says that the unit is active.
fn copy_once_active(system: &Booted, photo: &str) {
    system.sh(&format!(
        "until systemctl --user --quiet is-active gphotosfs; do :; done; cp {photo} gphotos/A/"
    ));
}

/// The names in an album at Google, sorted.
fn remote(system: &Booted, album: &str) -> Vec<String> {
    let mut names = system.world.remote(album);
    names.sort();
    names
}

/// Waits for some words in the unit's own status.
fn wait_for_status(system: &Booted, words: &str) {
    wait_within(DEADLINE, || match system.property("StatusText") {
        status if status.contains(words) => Ok(()),
        status => Err(status),
    });
}

/// Starts the unit, as its user. It starts with each boot from now on.
fn enable(system: &Booted) {
    system.sh("systemctl --user enable --now gphotosfs 2>&1");
}

/// Copies photos while Google is off the network.
fn queue(system: &mut Booted, photos: u32) {
    system.sh("mkdir gphotos/A");
    system.photos(1..=photos);
    system.world.stop_emulator();
    system.sh("cp photo/*.jpg gphotos/A/");
}

#[test]
#[ignore = "boots a Debian"]
fn a_unit_is_active_once_its_mount_can_be_used_and_not_before() {
    let system = Booted::new("");
    system.photos(1..=1);
    // Right behind the start, with nothing in between.
    system.sh("systemctl --user start gphotosfs && mkdir gphotos/A");
    assert_eq!(system.property("ActiveState"), "active");
    system.sh("systemctl --user stop gphotosfs");
    assert_eq!(system.property("ActiveState"), "inactive");
    for attempt in ["mkdir gphotos/Out", "cp photo/1.jpg gphotos/"] {
        let outcome = system.outcome(attempt);
        let said = String::from_utf8(outcome.stderr).unwrap();
        assert!(!outcome.status.success() && said.contains("Permission denied"), "{said}");
    }
    system.sh("systemctl --user start --no-block gphotosfs");
    copy_once_active(&system, "photo/1.jpg");
    system.sh("gphotosfs sync gphotos");
    assert_eq!(remote(&system, "A"), ["1.jpg"]);
    system.sh("systemctl --user stop gphotosfs && [ -z \"$(ls -A gphotos)\" ]");
}

#[test]
#[ignore = "boots a Debian"]
fn systemctl_shows_the_queue_and_why_it_waits() {
    let mut system = Booted::new("");
    enable(&system);
    assert_eq!(system.property("StatusText"), "mounted on /home/me/gphotos");
    queue(&mut system, 2);
    wait_for_status(&system, "2 files to send; uploads wait: ");
    let shown = system.sh("systemctl --user status gphotosfs");
    assert!(shown.contains("Status: \"mounted on /home/me/gphotos; 2 files to send"), "{shown}");
    system.world.start_emulator();
    system.sh("gphotosfs sync gphotos");
    wait_within(DEADLINE, || match system.property("StatusText") {
        status if status == "mounted on /home/me/gphotos" => Ok(()),
        status => Err(status),
    });
    // The login ends, as it does each week.
    system.world.emulator.revoke_grants();
    system.world.emulator.expire_access_tokens();
    system.photos(3..=3);
    system.sh("cp photo/3.jpg gphotos/A/");
    wait_for_status(&system, "gphotosfs login");
    assert_eq!(system.property("ActiveState"), "active");
}

#[test]
#[ignore = "boots a Debian"]
fn a_stop_and_a_reboot_keep_the_queue() {
    let mut system = Booted::new("");
    enable(&system);
    queue(&mut system, 3);
    system.sh("systemctl --user stop gphotosfs");
    assert_eq!(system.property("ActiveState"), "inactive");
    assert_eq!(system.property("Result"), "success");
    system.sh("systemctl --user start gphotosfs && cmp photo/1.jpg gphotos/A/1.jpg");
    assert_eq!(system.property("ActiveState"), "active");
    system.sh(
        "mv photo/1.jpg photo/4.jpg && printf more >> photo/4.jpg && cp photo/4.jpg gphotos/A/",
    );

    system.reboot();
    system.wait_for_user();
    // Nobody starts it by hand.
    copy_once_active(&system, "photo/4.jpg");
    system.world.start_emulator();
    system.sh("gphotosfs sync gphotos");
    assert_eq!(remote(&system, "A"), ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]);
    assert_eq!(system.world.emulator.dump().items.len(), 4, "nothing arrives twice");
    assert_eq!(system.property("NRestarts"), "0");
    system.sh("systemctl --user stop gphotosfs && [ -z \"$(ls -A gphotos)\" ]");
}

#[test]
#[ignore = "boots a Debian"]
fn a_mount_that_is_killed_comes_back_with_its_queue() {
    let mut system = Booted::new("");
    enable(&system);
    queue(&mut system, 2);
    system.sh("systemctl --user kill --signal KILL gphotosfs");
    wait_within(RESTART_DEADLINE, || {
        let state = [system.property("NRestarts"), system.property("ActiveState")];
        if state == ["1", "active"] { Ok(()) } else { Err(format!("{state:?}")) }
    });
    system.sh("cmp photo/1.jpg gphotos/A/1.jpg");
    system.world.start_emulator();
    system.sh("gphotosfs sync gphotos");
    assert_eq!(remote(&system, "A"), ["1.jpg", "2.jpg"]);
    assert_eq!(system.world.emulator.dump().items.len(), 2);
}

#[test]
#[ignore = "boots a Debian"]
fn a_unit_stops_trying_where_only_a_person_can_help_and_says_why() {
    let system = Booted::new("");
    // Returns the status of a unit that does not start.
    let fails = || {
        let outcome = system.outcome("systemctl --user start gphotosfs");
        assert!(!outcome.status.success());
        let state = ["ActiveState", "ExecMainStatus", "NRestarts"].map(|it| system.property(it));
        assert_eq!(state, ["failed", "78", "0"]);
        String::from_utf8(system.outcome("systemctl --user status gphotosfs").stdout).unwrap()
    };
    let starts = || {
        system.sh("systemctl --user start gphotosfs");
        assert_eq!(system.property("ActiveState"), "active");
        system.sh("systemctl --user stop gphotosfs");
    };
    let login = ".config/gphotosfs/default/token.json";
    system.sh(&format!("mv {login} aside"));
    let said = fails();
    assert!(said.contains("Status: ") && said.contains("gphotosfs login"), "{said}");
    system.sh(&format!("mv aside {login}"));
    starts();
    system.photos(1..=1);
    system.sh("chmod u+w gphotos && cp photo/1.jpg gphotos/");
    let said = fails();
    assert!(said.contains("Status: ") && said.contains("--import"), "{said}");
    system.sh("rm -f gphotos/1.jpg");
    starts();
}

#[test]
#[ignore = "boots a Debian"]
fn the_journal_has_priorities_and_one_time_for_each_line() {
    let mut system = Booted::new("");
    enable(&system);
    queue(&mut system, 1);
    wait_within(DEADLINE, || {
        let lines = system.journal();
        let is_there = lines.iter().any(|line| line["PRIORITY"] == "4");
        if is_there { Ok(()) } else { Err(format!("{lines:#?}")) }
    });
    system.world.start_emulator();
    system.sh("gphotosfs sync gphotos");
    system.sh("systemctl --user stop gphotosfs && mv .config/gphotosfs/default/token.json aside");
    assert!(!system.outcome("systemctl --user start gphotosfs").status.success());
    let lines = system.journal();
    let of = |priority: &str| lines.iter().filter(|it| it["PRIORITY"] == priority).count();
    assert!(of("3") > 0 && of("4") > 0, "{lines:#?}");
    assert!(lines.len() < 20, "{lines:#?}");
    for line in &lines {
        let message = line["MESSAGE"].as_str().expect("text without control characters");
        let has_time =
            message.split_whitespace().any(|it| it.starts_with("20") && it.ends_with('Z'));
        assert!(!has_time && !message.starts_with('<'), "{message}");
        assert!(!["WARN", "INFO", "ERROR"].iter().any(|it| message.contains(it)), "{message}");
    }
}

/// The lines of docs/MOUNTING.md, with directories of their own.
#[test]
#[ignore = "boots a Debian"]
fn lines_of_fstab_mount_for_their_user() {
    let mut system = Booted::new(
        "photos /home/me/mine fuse.gphotosfs noauto,user,_netdev,profile=default 0 0\n\
         photos /home/me/boot fuse.gphotosfs noauto,_netdev,setuid=me,allow_other 0 0\n",
    );
    system.sh_of_root("echo user_allow_other >>/etc/fuse.conf");
    system.photos(1..=2);
    system.sh("mkdir mine boot && mount ~/mine && mkdir mine/A && cp photo/1.jpg mine/A/");
    system.sh("sync mine/A && umount ~/mine");
    assert_eq!(remote(&system, "A"), ["1.jpg"]);
    // systemd mounts for the user. Others may read.
    system
        .sh_of_root("systemctl start home-me-boot.mount && systemctl is-active home-me-boot.mount");
    system.sh_of_root("runuser -u nobody -- cmp /home/me/photo/1.jpg /home/me/boot/A/1.jpg");
    system.world.stop_emulator();
    system.sh("cp photo/2.jpg boot/A/");
    // At the end of the system, systemd unmounts it with its queue.
    system.reboot();
    system.wait_for_user();
    system.world.start_emulator();
    system.sh_of_root("systemctl start home-me-boot.mount");
    system.sh("cmp photo/2.jpg boot/A/2.jpg && gphotosfs sync boot");
    assert_eq!(remote(&system, "A"), ["1.jpg", "2.jpg"]);
    assert_eq!(system.world.emulator.dump().items.len(), 2);
    system.sh_of_root("systemctl stop home-me-boot.mount");
    system.sh("[ -z \"$(ls -A boot)\" ]");
}
