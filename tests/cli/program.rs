//! The built program: help, messages, exit status.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A user of the program with directories of their own.
pub struct User {
    pub home: TempDir,
}

impl User {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_gphotosfs"))
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(env.iter().copied())
            .output()
            .unwrap();
        Run { what: format!("{args:?} {env:?}"), output }
    }

    pub fn config_file(&self, profile: &str, text: &str) {
        let dir = self.home.path().join(".config/gphotosfs").join(profile);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("config.toml"), text).unwrap();
    }

    pub fn dir(&self, name: &str) -> String {
        let dir = self.home.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir.to_str().unwrap().to_owned()
    }
}

pub struct Run {
    what: String,
    pub output: Output,
}

impl Run {
    #[track_caller]
    pub fn exits(&self, status: i32) -> &Self {
        assert_eq!(
            self.output.status.code(),
            Some(status),
            "{}\nstdout: {}\nstderr: {}",
            self.what,
            self.stdout(),
            self.stderr()
        );
        self
    }

    #[track_caller]
    pub fn says(&self, part: &str) -> &Self {
        assert!(self.stderr().contains(part), "{}: no {part:?} in {:?}", self.what, self.stderr());
        self
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }
}

#[test]
fn help_lists_every_command_and_the_exit_statuses() {
    let user = User::new();
    let help = user.run(&["--help"]);
    help.exits(0);
    let commands =
        "login logout mount umount status sync refresh pick diff adopt estimate quality limit verify info failed retry backup restore debug doctor emulator"
            .split(' ')
            .map(|it| format!("  {it} "));
    for part in commands.chain(["Exit status: 0".into()]) {
        assert!(help.stdout().contains(&part), "no {part:?} in:\n{}", help.stdout());
    }
    assert_eq!(help.stderr(), "");
}

#[test]
fn help_of_mount_shows_environment_and_defaults_but_nothing_hidden() {
    let help = User::new().run(&["mount", "--help"]);
    help.exits(0);
    for part in ["GPHOTOSFS_CACHE_SIZE", "[default: 10G]", "--read-only", "--allow-other"] {
        assert!(help.stdout().contains(part), "no {part:?} in:\n{}", help.stdout());
    }
    assert!(!help.stdout().contains("--detached"));
}

#[test]
fn version_is_the_crates() {
    let version = User::new().run(&["--version"]);
    version.exits(0);
    assert_eq!(version.stdout(), format!("gphotosfs {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_usage_exits_2_and_names_flag_value_and_rule() {
    let user = User::new();
    user.run(&[]).exits(2);
    user.run(&["fly"]).exits(2).says("'fly'");
    user.run(&["mount", "/m", "--uploads", "many"]).exits(2).says("'many' for '--uploads <N>'");
    user.run(&["mount", "/m", "--commit", "later"]).exits(2).says("background, close");
    user.run(&["mount", "/m", "-o", "warp"]).exits(2).says("\"warp\": not known here");
    user.run(&["--profile", "a/b", "status"]).exits(2).says("use 1 to 64 letters");
}

#[test]
fn settings_from_the_environment_are_not_demanded() {
    let user = User::new();
    let env = [("GPHOTOSFS_API_URL", "http://127.0.0.1:1")];
    let bare = user.run_with(&[], &env);
    bare.exits(2).says("Usage: gphotosfs [OPTIONS] <COMMAND>").says("  login ");
    bare.says("GPHOTOSFS_API_URL=http://127.0.0.1:1]");
    assert!(!bare.stderr().contains("error:"), "{}", bare.stderr());
    user.run_with(&["mount"], &env).exits(2).says("Usage: gphotosfs mount <MOUNTPOINT>\n");
}

#[test]
fn refused_environment_names_the_flag_it_stands_for() {
    let env = [("GPHOTOSFS_REFRESH", "sometimes")];
    User::new().run_with(&["mount", "/m"], &env).exits(2).says("'sometimes' for '--refresh <DUR>'");
}

#[test]
fn refused_config_file_is_named_with_its_key() {
    let user = User::new();
    user.config_file("default", "uploads = 0\n");
    let said = user.run(&["mount", "/m"]);
    said.exits(2)
        .says("default/config.toml: line 1: invalid value '0'")
        .says("\n  -> correct this file");
    user.config_file("other", "volume = 11\n");
    user.run(&["--profile", "other", "status"])
        .exits(2)
        .says("other/config.toml: line 1: volume: no setting has this name");
}

#[test]
fn commands_without_a_mount_say_how_to_get_one() {
    let user = User::new();
    user.run(&["sync"]).exits(1).says("not logged in; run `gphotosfs login`");
    let refresh = user.run(&["refresh"]);
    refresh.exits(1).says("profile default is not mounted\n").says("-> run 'gphotosfs mount");
    let status = user.run(&["status"]);
    status.exits(0);
    for part in ["profile default at https://photos", "missing: not logged in", "not mounted; run"]
    {
        assert!(status.stdout().contains(part), "no {part:?} in {:?}", status.stdout());
    }
}

#[test]
fn debug_of_a_profile_that_was_never_used_says_that_nothing_is_known() {
    let user = User::new();
    let queue = user.run(&["debug", "queue"]);
    queue.exits(0);
    assert_eq!(queue.stdout(), "Mount    not mounted\nJournal  empty\n");
    let file = user.run(&["debug", "file", "A/x.jpg"]);
    file.exits(1).says("A/x.jpg: the database has no such file\n  -> ");
    let file = user.run(&["debug", "file", "/A/x.jpg"]);
    file.exits(1).says("/A/x.jpg: the profile is not mounted\n  -> without a mount, name");
}

#[test]
fn a_login_that_cannot_be_read_has_its_next_step() {
    let user = User::new();
    user.config_file("default", "");
    std::fs::write(user.home.path().join(".config/gphotosfs/default/token.json"), "{").unwrap();
    for command in ["status", "sync"] {
        let said = user.run(&[command]);
        said.exits(1).says("token.json: it ends too early").says("\n  -> 'gphotosfs doctor'");
    }
}

#[test]
fn directories_that_are_no_mount_are_refused() {
    let user = User::new();
    let dir = user.dir("plain");
    user.run(&["umount", &dir]).says("-> ");
    user.run(&["refresh", &dir]).exits(2).says("-> 'gphotosfs status' says where");
    user.run(&["status", &dir]).exits(2).says("is not on a gphotosfs mount");
    user.run(&["sync", &dir]).exits(2).says("is not on a gphotosfs mount");
    user.run(&["diff", &dir, &dir]).exits(2).says("is not on a gphotosfs mount");
    user.run(&["umount", &dir]).exits(2).says("is not a gphotosfs mount");
    let missing = Path::new(&dir).join("missing");
    user.run(&["sync", missing.to_str().unwrap()]).exits(1).says("No such file or directory");
}

#[test]
fn every_failure_is_a_line_and_one_that_says_what_to_do() {
    let user = User::new();
    let run = user.run(&["refresh"]);
    assert_eq!(run.stderr().lines().count(), 2, "{:?}", run.stderr());
    assert!(run.stderr().lines().nth(1).unwrap().starts_with("  -> "));
    assert!(run.stderr().starts_with("gphotosfs: "));
    assert_eq!(run.stdout(), "");
}

#[test]
fn names_in_errors_reach_the_terminal_escaped() {
    let user = User::new();
    let name = "no\x1b[2J\n<0>such \u{202e}name";
    for args in [&["status", name][..], &["diff", name, name], &["diff", "a", "b", name]] {
        let run = user.run(args);
        let errors = run.stderr();
        // clap drops what looks like a colour by itself.
        let is_shown = errors.contains(r"no\u{1b}[2J") || args.len() == 4;
        assert!(is_shown, "{args:?}: {errors}");
        assert!(!errors.contains(['\x1b', '\u{202e}']), "{args:?}: {errors}");
    }
    let run = user.run(&["status", name]);
    assert!(!run.stderr().lines().any(|line| line.starts_with("<0>")), "{}", run.stderr());
}
