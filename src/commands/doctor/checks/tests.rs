use std::io;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::facts::Helper;
use super::super::report::Verdict;
use super::*;

use crate::api::{ClientSecret, Grant, LoginError, Scope};
use crate::media::{Quality, UploadLimit, VideoQuality};
use crate::settings::{
    Apis, Commit, MountSettings, Notify, Passthrough, Sidecars, Sizes, UploadSettings,
};
use crate::store::{self, Backlog};

const NOW: &str = "2026-11-24T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn grant(days_old: i64, lives: Option<i64>) -> Grant {
    let at = |days: i64| (now() + SignedDuration::from_hours(24 * days)).to_string();
    let scopes: Vec<_> = Scope::LIBRARY.iter().map(|it| it.as_str()).collect();
    serde_json::from_value(serde_json::json!({
        "refresh_token": "r",
        "scope": scopes.join(" "),
        "granted_at": at(-days_old),
        "ends_at": lives.map(|days| at(days - days_old)),
    }))
    .unwrap()
}

fn settings(allow_other: bool) -> MountSettings {
    MountSettings {
        mountpoint: "/m".into(),
        foreground: false,
        detached: false,
        commit: Commit::Background,
        sizes: Sizes::Exact,
        refresh: Duration::from_secs(300),
        read_only: false,
        nonempty: false,
        import: false,
        allow_other,
        no_exec: false,
        umask: 0o022,
        uid: None,
        gid: None,
        spool_size: 50_000_000_000,
        sidecars: Sidecars::Keep,
        passthrough: Passthrough::Auto,
        thumbnails: crate::settings::Thumbnails::Auto,
        notify: Notify::Auto,
        upload: UploadSettings {
            quality: Quality::Original,
            limit_up: UploadLimit::default(),
            quality_video: VideoQuality::Original,
            cache_size: 10_000_000_000,
            uploads: 32,
            upload_delay: Duration::from_secs(1),
            temporary_names: Vec::new(),
            apis: Apis {
                library: "https://photoslibrary.googleapis.com".parse().unwrap(),
                picker: "https://photospicker.googleapis.com".parse().unwrap(),
            },
            metered: crate::settings::Metered::Pause,
            unstable_pace: 1,
        },
    }
}

/// A machine, a profile and a service without fault.
fn well() -> Facts {
    let client = r#"{"installed":{"client_id":"c","project_id":"p","client_secret":"s",
        "auth_uri":"https://a.example/","token_uri":"https://t.example/"}}"#;
    Facts {
        now: now(),
        root: false,
        device: Ok(()),
        helper: Some(Helper { path: "/usr/bin/fusermount3".into(), privileged: true }),
        video_tools: None,
        fuse_conf: Ok("user_allow_other\n".into()),
        settings: Ok(settings(false)),
        client: Ok(Some(ClientSecret::parse(client).unwrap())),
        grant: Ok(Some(grant(1, None))),
        token_mode: Some(0o600),
        renewal: Some(Ok(())),
        api_url: "https://photoslibrary.googleapis.com".parse().unwrap(),
        answer: Some(Ok(())),
        picker: None,
        skew: Some(SignedDuration::from_secs(1)),
        binding: None,
        account: None,
        spent: crate::api::Budget::new(now()).snapshot(now()),
        tightened: Vec::new(),
        exposed: Vec::new(),
        disks: vec![Ok(Disk {
            holds: "database, spool and cache",
            path: "/d".into(),
            spool: true,
            device: 1,
            free: 100 << 30,
            size: 200 << 30,
            kind: Kind::Durable,
        })],
        holder: Holder::Nobody,
        unmounted: None,
        unseen: None,
        mounts: vec![],
        backlog: Ok(None),
        earlier_version: None,
    }
}

/// What is not well: name, verdict and text with the remedy.
fn findings(facts: &Facts) -> Vec<(&'static str, Verdict, String)> {
    let mut report = Report::default();
    ALL.iter().for_each(|check| check(facts, &mut report));
    let bad = report.findings.into_iter().filter(|it| it.result != Verdict::Ok);
    bad.map(|it| (it.name, it.result, format!("{} -> {}", it.text, it.remedy.unwrap()))).collect()
}

/// There is this one finding, and its text has these parts.
#[track_caller]
fn finds(facts: Facts, name: &str, verdict: Verdict, parts: &[&str]) {
    let found = findings(&facts);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1), (name, verdict), "{found:?}");
    for part in parts {
        assert!(found[0].2.contains(part), "no {part:?} in {found:?}");
    }
}

#[test]
fn nothing_is_wrong_where_nothing_is_wrong() {
    assert_eq!(findings(&well()), []);
}

#[test]
fn the_version_of_the_database_is_judged_once() {
    let other = |backlog| Facts { backlog: Err(backlog), ..well() };
    let newer = other(store::Error::Newer { found: 9, known: 1 });
    finds(newer, "version", Verdict::Fail, &["made by a newer gphotosfs", "UPGRADING.md"]);
    let older = other(store::Error::Older { found: 1, known: 9 });
    finds(older, "version", Verdict::Fail, &["gphotosfs 0.", "bring it up to date"]);
    let mut report = Report::default();
    version(&Facts { backlog: Ok(Some(Backlog::default())), ..well() }, &mut report);
    assert!(report.text().contains(&format!("the database has version {SCHEMA_VERSION}")));
    let earlier =
        Facts { backlog: Ok(Some(Backlog::default())), earlier_version: Some(7), ..well() };
    let mut report = Report::default();
    version(&earlier, &mut report);
    assert!(report.text().contains("version 7; the next mount brings it up to date"));
}

#[test]
fn missing_programs_for_videos_are_found_if_videos_are_to_become_smaller() {
    let facts = |tools: Result<(), &str>| Facts {
        video_tools: Some(tools.map_err(str::to_owned)),
        ..well()
    };
    let why = "ffmpeg or ffprobe is not installed";
    finds(facts(Err(why)), "videos", Verdict::Warn, &[why, "apt install ffmpeg"]);
    assert_eq!(findings(&facts(Ok(()))), []);
}

#[test]
fn the_machine_is_judged() {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    finds(
        Facts { device: Err(gone()), ..well() },
        "fuse device",
        Verdict::Fail,
        &["modprobe fuse"],
    );
    finds(Facts { helper: None, ..well() }, "fusermount3", Verdict::Fail, &["apt install fuse3"]);
    assert_eq!(findings(&Facts { helper: None, root: true, ..well() }), []);
    let helper = Some(Helper { path: "/h".into(), privileged: false });
    finds(Facts { helper, ..well() }, "fusermount3", Verdict::Fail, &["chmod u+s /h"]);
    // Off is how most machines are.
    let off = || Facts { fuse_conf: Ok("#user_allow_other\n".into()), ..well() };
    assert_eq!(findings(&off()), []);
    let wanted = || Facts { settings: Ok(settings(true)), ..off() };
    finds(wanted(), "user_allow_other", Verdict::Fail, &["mounting fails", "/etc/fuse.conf"]);
    assert_eq!(findings(&Facts { root: true, ..wanted() }), []);
}

#[test]
fn what_a_mount_will_be_told_is_judged() {
    let settings = Err("config.toml: invalid value '99' for '--uploads <N>'".to_owned());
    finds(
        Facts { settings, ..well() },
        "config",
        Verdict::Fail,
        &["'99' for '--uploads", "'gphotosfs mount --help'"],
    );
}

#[test]
fn disks_are_full_nearly_so_or_of_the_wrong_kind() {
    let disk = |free, kind| {
        let Ok(disk) = well().disks.remove(0) else { unreachable!() };
        Facts { disks: vec![Ok(Disk { free, kind, ..disk })], ..well() }
    };
    finds(disk(1 << 30, Kind::Durable), "disk", Verdict::Fail, &["files cannot be written"]);
    finds(disk(3 << 29, Kind::Durable), "disk", Verdict::Warn, &["free space on the disk of /d"]);
    finds(disk(9 << 30, Kind::Memory), "disk", Verdict::Fail, &["in memory", "XDG_STATE_HOME"]);
    finds(disk(9 << 30, Kind::Network), "disk", Verdict::Warn, &["network filesystem"]);
}

#[test]
fn directories_that_others_can_enter_are_named() {
    let open = || vec![crate::profile::Tightened { path: "/d/state".into(), mode: 0o755 }];
    let tightened = Facts { tightened: open(), ..well() };
    finds(tightened, "directories", Verdict::Warn, &["/d/state", "0755", "0700 now"]);
    let exposed = Facts { exposed: open(), ..well() };
    finds(exposed, "directories", Verdict::Warn, &["/d/state", "0755", "chmod 0700"]);
}

#[test]
fn an_ended_login_has_expired_or_was_revoked_by_its_age() {
    let ended = |grant| Facts {
        grant: Ok(Some(grant)),
        renewal: Some(Err(LoginError::Ended("Token has been expired or revoked.".into()))),
        ..well()
    };
    let fail = Verdict::Fail;
    finds(
        ended(grant(8, Some(7))),
        "login",
        fail,
        &["expired: it was granted until", "Publish app"],
    );
    finds(ended(grant(3, None)), "login", fail, &["revoked: at an age of 3 days", "connections"]);
    finds(ended(grant(30, None)), "login", fail, &["expired or revoked, 30 days old", "Testing"]);
}

#[test]
fn the_seven_days_of_testing_are_warned_of_from_the_fifth() {
    let aged = |grant| Facts { grant: Ok(Some(grant)), ..well() };
    assert_eq!(findings(&aged(grant(4, None))), []);
    finds(aged(grant(5, None)), "login age", Verdict::Warn, &["ends on 2026-11-2", "Publish app"]);
    // It has outlived them, so it is published.
    assert_eq!(findings(&aged(grant(8, None))), []);
    let announced = &["Google will end it on 2026-", "before that", "Testing", "Publish app"];
    finds(aged(grant(1, Some(7))), "login age", Verdict::Warn, announced);
    let longer = Facts { grant: Ok(Some(grant(1, Some(180)))), ..well() };
    assert!(!format!("{:?}", findings(&longer)).contains("Testing"));
}

#[test]
fn no_login_leaves_the_rest_unasked() {
    let facts = Facts { grant: Ok(None), renewal: None, answer: None, skew: None, ..well() };
    let found = findings(&facts);
    let names: Vec<_> = found.iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(names, [("login", Verdict::Fail), ("api", Verdict::Warn)]);
}

#[test]
fn the_clock_is_compared() {
    let off = |secs| Facts { skew: Some(SignedDuration::from_secs(secs)), ..well() };
    assert_eq!(findings(&off(-59)), []);
    finds(off(90), "clock", Verdict::Warn, &["1m 30s behind"]);
    finds(off(-7200), "clock", Verdict::Fail, &["2h ahead", "set-ntp"]);
}

#[test]
fn quota_is_warned_of_when_it_is_nearly_or_wholly_used() {
    let spent = |api| {
        let spent = crate::api::SavedBudget { api, ..well().spent };
        Facts { spent, ..well() }
    };
    assert_eq!(findings(&spent(8999)), []);
    finds(spent(9000), "quota", Verdict::Warn, &["9000 of 10000 API requests", "1000 left"]);
    let mut used_up = well();
    used_up.spent.media_blocked_until = Some(now());
    finds(used_up, "quota", Verdict::Warn, &["downloads are used up"]);
}

#[test]
fn what_is_left_over_is_told() {
    let queue = |backlog| Facts { backlog: Ok(Some(backlog)), ..well() };
    let left = Backlog { sealed: 3, sealed_bytes: 5_000_000, ..Backlog::default() };
    finds(queue(left), "queue", Verdict::Warn, &["3 to go", "'gphotosfs sync'"]);
    assert_eq!(findings(&Facts { holder: Holder::Other, ..queue(left) }), []);
    let refused = Backlog { failed: 1, ..Backlog::default() };
    finds(queue(refused), "queue", Verdict::Warn, &["1 file refused", "'gphotosfs failed'"]);
    let mounts = |ours| vec![("/m".into(), MountState::Unresponsive { ours })];
    let said = |ours| {
        let mut report = Report::default();
        ALL.iter()
            .for_each(|check| check(&Facts { mounts: mounts(ours), ..queue(left) }, &mut report));
        report.text()
    };
    let ours = said(true);
    assert!(ours.contains("/m does not answer") && !ours.contains("not mounted"), "{ours}");
    assert!(ours.contains("3 to go") && !ours.contains("gphotosfs sync"), "{ours}");
    assert!(said(false).contains("this profile is not mounted"), "{}", said(false));
    let mounts = vec![("/m".into(), MountState::Dead)];
    finds(Facts { mounts, ..well() }, "mount", Verdict::Fail, &["gphotosfs umount /m"]);
}
