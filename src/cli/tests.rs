//! The command line as a whole: arguments, options and the configuration file.

use std::ffi::OsString;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::arguments::{Cli, Command};
use super::values::duration;
use crate::settings::{Commit, MountSettings, Sizes};

fn args(words: &[&str]) -> Vec<OsString> {
    ["gphotosfs"].iter().chain(words).map(OsString::from).collect()
}

fn mount(file: &str, words: &[&str]) -> MountSettings {
    let cli = Cli::parse_over(file, &args(words)).unwrap();
    let apis = cli.apis();
    let Command::Mount(mount) = cli.command else { panic!("not a mount: {words:?}") };
    mount.settings(apis)
}

#[test]
fn clap_finds_the_definition_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_environment_variable_is_named_after_its_key() {
    fn check(command: &clap::Command) {
        for arg in command.get_arguments() {
            let Some(env) = arg.get_env() else { continue };
            let expected = format!("GPHOTOSFS_{}", arg.get_id().as_str().to_uppercase());
            assert_eq!(env, expected.as_str(), "in {}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn file_replaces_defaults_and_flags_beat_the_file() {
    let file = "uploads = 7\nrefresh = '1h'\nread_only = true\napi_url = 'http://[::1]:8080'";
    let from_file = mount(file, &["mount", "/m"]);
    assert_eq!(from_file.upload.uploads, 7);
    assert_eq!(from_file.refresh, Duration::from_secs(3600));
    assert!(from_file.read_only);
    assert_eq!(from_file.upload.apis.library.port(), Some(8080));

    let flags = ["mount", "/m", "--uploads", "2", "--read-only=false"];
    let from_flags = mount(file, &flags);
    assert_eq!((from_flags.upload.uploads, from_flags.read_only), (2, false));
}

#[test]
fn settings_have_the_documented_defaults() {
    let it = mount("", &["mount", "/m"]);
    assert_eq!((it.commit, it.sizes), (Commit::Background, Sizes::Exact));
    assert_eq!(it.refresh, Duration::from_secs(300));
    assert_eq!((it.upload.cache_size, it.spool_size), (10_000_000_000, 50_000_000_000));
    assert_eq!(it.upload.apis.library.as_str(), "https://photoslibrary.googleapis.com/");
    assert!(!it.foreground && !it.read_only && !it.allow_other && !it.detached);
}

#[test]
fn a_setting_of_several_values_is_a_list_in_the_file() {
    let names = |file: &str, words: &[&str]| {
        let settings = mount(file, words).upload.temporary_names;
        settings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (file, plain) = ("temporary_names = ['*.wip', 'neu-*']", ["mount", "/m"]);
    assert_eq!(names(file, &plain), ["*.wip", "neu-*"]);
    assert_eq!(names("temporary_names = '*.wip'", &plain), ["*.wip"]);
    assert_eq!(names("temporary_names = []", &plain), Vec::<String>::new());
    assert_eq!(names(file, &["mount", "/m", "--temporary-names", "*.a,*.b"]), ["*.a", "*.b"]);
}

#[test]
fn fstab_options_beat_flags_and_the_last_one_wins() {
    let options = "rw,noauto,user,_netdev,x-systemd.automount,uploads=3,sizes=lazy,commit=close,ro";
    let it =
        mount("", &["mount", "/m", "--uploads", "9", "-o", options, "-o", "allow_other,nonempty"]);
    assert_eq!((it.upload.uploads, it.sizes, it.read_only), (3, Sizes::Lazy, true));
    assert!(it.allow_other && it.nonempty && it.commit == Commit::Close);
}

#[test]
fn lengths_of_time_have_a_unit() {
    for (text, seconds) in [
        ("0", 0),
        ("0s", 0),
        ("90s", 90),
        ("5m", 300),
        ("5min", 300),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("2 days", 172_800),
        ("7d", 604_800),
        ("1week", 604_800),
        (" 10 minutes ", 600),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
    for text in ["", "5", "-5m", "soon", "1 fortnight", "5m ago", "99999999999999999999s"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn profile_option_chooses_the_profile() {
    let words = args(&["--profile", "a", "mount", "/m", "-o", "ro,profile=b"]);
    assert_eq!(Cli::try_parse_from(words).unwrap().profile_name().to_string(), "b");
}

#[test]
fn refused_arguments_name_flag_value_and_rule() {
    for (words, parts) in [
        (&["mount", "/m", "--uploads", "0"][..], &["--uploads", "'0'", "1..=32"][..]),
        (&["mount", "/m", "--refresh", "soon"], &["--refresh", "'soon'"]),
        (&["mount", "/m", "--cache-size", "big"], &["--cache-size", "'big'"]),
        (&["mount", "/m", "--commit", "later"], &["--commit", "background", "close"]),
        (&["mount", "/m", "-o", "ro,speed=9"], &["-o", "\"speed=9\"", "not known here"]),
        (&["mount", "/m", "-o", "uploads=33"], &["\"uploads=33\"", "1 to 32"]),
        (&["--profile", "../x", "mount", "/m"], &["--profile", "letters, digits"]),
        (&["--api-url", "ftp://x", "mount", "/m"], &["--api-url", "https://"]),
    ] {
        let message = Cli::try_parse_from(args(words)).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{words:?}: {part:?} not in {message:?}");
        }
    }
}

#[test]
fn refused_file_values_name_key_and_rule() {
    for (file, part) in [
        ("uploads = 99", "'99' for '--uploads <N>'"),
        ("uploads = [1]", "uploads: use a string, a number or true/false, not array"),
        ("temporary_names = [[1]]", "temporary_names: use a string, a number or true/false"),
        ("temporary_names = ['*.a', '*']", "it describes every name"),
        ("colour = 'red'", "colour: no setting has this name"),
        ("profile = 'x'", "profile: no setting has this name"),
        ("mountpoint = '/m'", "mountpoint: no setting has this name"),
        ("uploads 7", "="),
        ("uploads =", "value"),
        ("refresh = '2h'", "duplicate"),
    ] {
        let file = format!("refresh = '1h'\n# the next one\n{file}\n");
        let why = Cli::parse_over(&file, &args(&["mount", "/m"])).unwrap_err();
        assert!(why.starts_with("line 3: ") && why.contains(part), "{file:?}: {why:?}");
        assert!(!why.contains('\n'), "{why:?}");
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_in_the_file_is_taken_or_refused(
        text in "(\\PC|\n|(refresh|uploads|cache_size|api_url|profile|commit|mountpoint) *= *(-?[0-9]{1,20}|\"\\PC{0,9}\"|true|\\[1\\])\n){0,12}",
    ) {
        if let Err(why) = Cli::parse_over(&text, &args(&["mount", "/m"])) {
            proptest::prop_assert!(!why.is_empty());
        }
    }
}
