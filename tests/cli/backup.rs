//! Backups of the frozen profiles, and what later versions make of these.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use gphotosfs::cli::Cli;
use gphotosfs::store::{SCHEMA_VERSION, Store};

use crate::program::User;
use crate::support::files::copy_tree;

const NEXT: &str = "restore it into another profile (--profile NAME)";

fn frozen(version: u32) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/fixtures/versions").join(version.to_string())
}

fn state(user: &User, profile: &str) -> PathBuf {
    user.home.path().join(".local/state/gphotosfs").join(profile)
}

fn config(user: &User, profile: &str) -> PathBuf {
    user.home.path().join(".config/gphotosfs").join(profile)
}

/// A user with the profile of a version.
pub fn thawed(version: u32) -> User {
    let user = User::new();
    copy_tree(&frozen(version).join("state"), &state(&user, "default"));
    copy_tree(&frozen(version).join("config"), &config(&user, "default"));
    // As a mount would: commands that only read leave an earlier database alone.
    drop(Store::open(&state(&user, "default")).unwrap());
    user
}

/// The spool of a profile: paths and bytes.
fn spool(user: &User, profile: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = state(user, profile).join("spool");
    let mut files: Vec<_> = walkdir::WalkDir::new(&dir)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|it| (it.path().strip_prefix(&dir).unwrap().to_owned(), fs::read(it.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn journal(user: &User, profile: &str) -> serde_json::Value {
    let said = user.run(&["--profile", profile, "debug", "queue", "--json"]);
    said.exits(0);
    serde_json::from_str::<serde_json::Value>(&said.stdout()).unwrap()["files"].take()
}

/// Makes the backup `b.tar` of the frozen profile.
fn backed_up(options: &[&str]) -> (User, String, String) {
    let user = thawed(SCHEMA_VERSION);
    let file = user.home.path().join("b.tar").to_str().unwrap().to_owned();
    let said = user.run(&[&["backup", file.as_str()], options].concat());
    said.exits(0);
    let text = said.stdout();
    (user, file, text)
}

#[test]
fn a_restored_profile_has_all_that_the_first_one_had() {
    let (user, file, text) = backed_up(&[]);
    for part in ["names, times and hashes", "files that Google does not have", "login is not in it"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(left_over(&state(&user, "default")).is_empty());
    let said = user.run(&["--profile", "new", "restore", &file]);
    said.exits(0);
    assert!(said.stdout().starts_with("Restored the profile default from 20"), "{}", said.stdout());
    assert!(said.stdout().contains("goes on with 15 changes in the queue"), "{}", said.stdout());
    assert_eq!(spool(&user, "new"), spool(&user, "default"));
    assert_eq!(journal(&user, "new"), journal(&user, "default"));
    let settings = |profile: &str| fs::read(config(&user, profile).join("config.toml")).unwrap();
    assert_eq!(settings("new"), settings("default"));
    assert!(!config(&user, "new").join("token.json").exists());
    assert!(left_over(&state(&user, "new")).is_empty());
    // It can be unpacked without this program.
    let script = "mkdir out && tar xf b.tar -C out && cd out && sha256sum --quiet -c SHA256SUMS";
    let mut shell = std::process::Command::new("sh");
    assert!(shell.args(["-ec", script]).current_dir(user.home.path()).status().unwrap().success());
}

#[test]
fn a_backup_replaces_nothing_and_needs_something_to_back_up() {
    let (user, file, _) = backed_up(&[]);
    let before = fs::read(&file).unwrap();
    user.run(&["backup", &file]).exits(1).says("b.tar exists already");
    assert_eq!(fs::read(&file).unwrap(), before);
    user.run(&["--profile", "none", "backup", "x.tar"]).exits(1).says("nothing to back up");
}

#[test]
fn the_login_comes_along_if_asked_for_and_replaces_none() {
    let (user, file, text) = backed_up(&["--with-login"]);
    assert!(text.contains("The login is in it"), "{text}");
    user.run(&["--profile", "new", "restore", &file]).exits(0);
    for name in ["client_secret.json", "token.json"] {
        let path = config(&user, "new").join(name);
        assert_eq!(
            fs::read(&path).unwrap(),
            fs::read(config(&user, "default").join(name)).unwrap()
        );
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    user.config_file("third", "uploads = 3\n");
    user.run(&["--profile", "third", "restore", &file]).exits(0);
    assert_eq!(fs::read(config(&user, "third").join("config.toml")).unwrap(), b"uploads = 3\n");
}

#[test]
fn without_its_files_a_backup_says_what_is_missing() {
    let (user, file, text) = backed_up(&["--without-files"]);
    assert!(
        text.contains("Not in it: the bytes of ") && text.contains("'gphotosfs sync'"),
        "{text}"
    );
    let said = user.run(&["--profile", "new", "restore", &file]);
    said.exits(0);
    assert!(
        said.stdout().contains(
            "lacks the bytes of 19 files. Those that were to be uploaded will be in .gphotos/failed"
        ),
        "{}",
        said.stdout()
    );
    assert_eq!(spool(&user, "new"), []);
}

#[test]
fn a_profile_with_a_library_is_replaced_only_if_asked_for_and_loses_nothing() {
    let (user, file, _) = backed_up(&[]);
    let (bytes, rows) = (spool(&user, "default"), journal(&user, "default"));
    user.run(&["restore", &file]).exits(1).says("has a library already").says("--replace");
    assert_eq!(spool(&user, "default"), bytes);
    let said = user.run(&["restore", "--replace", &file]);
    said.exits(0);
    assert!(said.stdout().contains("before-restore"), "{}", said.stdout());
    assert_eq!((spool(&user, "default"), journal(&user, "default")), (bytes.clone(), rows));
    let aside = state(&user, "default/before-restore");
    assert!(aside.join("gphotosfs.db").is_file());
    assert_eq!(fs::read_dir(aside.join("spool")).unwrap().count(), bytes.len());
    let again = user.run(&["restore", "--replace", &file]);
    again.exits(1).says("before-restore exists from an earlier restore").says("then delete it");
    assert_eq!(spool(&user, "default"), bytes);
}

/// Marks a profile, so that it differs from its backup.
#[cfg(feature = "crash-points")]
fn mark(state: &Path) {
    fs::write(state.join("spool/999"), "of the profile itself").unwrap();
    let database = rusqlite::Connection::open(state.join("gphotosfs.db")).unwrap();
    database.execute("INSERT INTO meta (key, value) VALUES ('mark', 'x')", []).unwrap();
}

/// Whether the spool and the database in a directory are marked. They must agree.
#[cfg(feature = "crash-points")]
fn is_marked(dir: &Path) -> bool {
    let database = rusqlite::Connection::open(dir.join("gphotosfs.db")).unwrap();
    let marks = "SELECT count(*) FROM meta WHERE key = 'mark'";
    let marks: u32 = database.query_row(marks, [], |row| row.get(0)).unwrap();
    assert_eq!(marks == 1, dir.join("spool/999").exists(), "half and half: {}", dir.display());
    marks == 1
}

#[cfg(feature = "crash-points")]
#[test]
fn a_restore_that_is_killed_leaves_the_old_profile_or_the_new_one() {
    use gphotosfs::crash;
    for point in crash::OF_REPLACEMENTS {
        let (user, file, _) = backed_up(&[]);
        let (bytes, rows) = (spool(&user, "default"), journal(&user, "default"));
        let state = state(&user, "default");
        mark(&state);
        let killed =
            user.run_with(&["restore", "--replace", &file], &[("GPHOTOSFS_CRASH_AT", point)]);
        assert_eq!(killed.output.status.code(), None, "{point}: {}", killed.stderr());
        // The next one that takes the lock, whatever it wants.
        user.run(&["restore", &file]).exits(1).says("has a library already");
        let before = state.join("before-restore");
        if point == crash::REPLACE_BEFORE_DECISION {
            assert!(is_marked(&state) && !before.exists(), "{point}");
            user.run(&["restore", "--replace", &file]).exits(0);
        }
        assert!(!is_marked(&state) && is_marked(&before), "{point}");
        let now = (spool(&user, "default"), journal(&user, "default"));
        assert_eq!(now, (bytes, rows), "{point}");
        assert!(left_over(&state).is_empty(), "{point}: {:?}", left_over(&state));
    }
}

/// Directories of one command that are still in a state directory.
fn left_over(state: &Path) -> Vec<OsString> {
    let names = fs::read_dir(state).unwrap().map(|it| it.unwrap().file_name());
    names.filter(|it| it.as_encoded_bytes().starts_with(b".")).collect()
}

#[test]
fn a_backup_and_a_restore_remove_nothing_of_the_users_and_follow_no_link() {
    const NAMES: [&str; 5] = ["backup", "restore", "replacement", ".replacement", ".scratch-mine"];
    for is_link in [true, false] {
        let user = thawed(SCHEMA_VERSION);
        let state = state(&user, "default");
        let theirs = user.home.path().join("theirs");
        for name in NAMES {
            let dir = if is_link { theirs.join(name) } else { state.join(name) };
            fs::create_dir_all(dir.join("spool/sub")).unwrap();
            fs::create_dir(dir.join("sub")).unwrap();
            for file in ["IMG_1.jpg", "sub/7", "spool/IMG_2.jpg", "spool/sub/7"] {
                fs::write(dir.join(file), "theirs").unwrap();
            }
            if is_link {
                // Names as of ours, too.
                fs::write(dir.join("gphotosfs.db"), "theirs").unwrap();
                fs::write(dir.join("spool/7"), "theirs").unwrap();
                std::os::unix::fs::symlink(&dir, state.join(name)).unwrap();
            }
        }
        let content = |dir: &Path| -> Vec<PathBuf> {
            let found = walkdir::WalkDir::new(dir).follow_links(true).sort_by_file_name();
            found.into_iter().map(|it| it.unwrap().into_path()).collect()
        };
        let before: Vec<_> = NAMES.iter().map(|it| content(&state.join(it))).collect();
        let file = user.home.path().join("x.tar").to_str().unwrap().to_owned();
        user.run(&["backup", &file]).exits(0);
        let refused = user.run(&["restore", "--replace", &file]);
        refused.exits(1).says(".replacement").says("move it away");
        let now: Vec<_> = NAMES.iter().map(|it| content(&state.join(it))).collect();
        assert_eq!(now, before, "{is_link}");
        fs::rename(state.join(".replacement"), state.join("moved")).unwrap();
        user.run(&["restore", "--replace", &file]).exits(0);
        for (name, before) in NAMES.iter().zip(&before).filter(|(it, _)| **it != ".replacement") {
            assert_eq!(&content(&state.join(name)), before, "{is_link}");
        }
        assert_eq!(content(&state.join("moved")).len(), before[3].len(), "{is_link}");
    }
}

#[test]
fn a_backup_of_another_client_service_or_account_is_refused() {
    let (user, file, _) = backed_up(&[]);
    let client = fs::read_to_string(config(&user, "default").join("client_secret.json")).unwrap();
    for (profile, from, to, what) in [
        ("client", "frozen.apps.example.org", "other.apps.example.org", "another OAuth client"),
        ("google", "http://127.0.0.1:9/", "https://oauth2.googleapis.com/", "another service"),
    ] {
        user.config_file(profile, "");
        let text = client.replace(from, to);
        fs::write(config(&user, profile).join("client_secret.json"), text).unwrap();
        let said = user.run(&["--profile", profile, "restore", &file]);
        said.exits(1).says(&format!("the backup is of {what}")).says(NEXT);
        assert!(!state(&user, profile).join("gphotosfs.db").exists());
    }
    // Another library of the same client.
    copy_tree(&state(&user, "default"), &state(&user, "account"));
    let database =
        rusqlite::Connection::open(state(&user, "account").join("gphotosfs.db")).unwrap();
    let other = "UPDATE files SET media = 'other ' || media; UPDATE albums SET remote = 'other ' || remote; \
         UPDATE meta SET value = replace(value, 'ccdd', 'ddcc') WHERE key = 'binding'";
    database.create_scalar_function("now_ns", 0, Default::default(), |_| Ok(0)).unwrap();
    database.execute_batch(other).unwrap();
    drop(database);
    let said = user.run(&["--profile", "account", "restore", "--replace", &file]);
    said.exits(1).says("the backup is of another account").says(NEXT);
    assert!(!state(&user, "account/before-restore").exists());
}

#[test]
fn a_damaged_backup_and_another_file_change_nothing() {
    let (user, file, _) = backed_up(&[]);
    let whole = fs::read(&file).unwrap();
    for (bytes, what) in [
        (&whole[..whole.len() / 2], "its end is missing"),
        (b"no tar".as_slice(), "it is no backup made by gphotosfs"),
    ] {
        fs::write(&file, bytes).unwrap();
        user.run(&["--profile", "new", "restore", &file]).exits(1).says(what);
        assert_eq!(fs::read_dir(state(&user, "new")).unwrap().count(), 1, "the lock");
    }
    user.run(&["restore", "--replace", "nowhere.tar"]).exits(1).says("No such file");
    assert!(state(&user, "default").join("gphotosfs.db").exists());
}

/// The settings, the client file and the login of each version are still taken.
#[test]
fn the_settings_and_the_login_of_each_version_are_taken() {
    for version in 1..=SCHEMA_VERSION {
        let user = thawed(version);
        let found = user.run(&["doctor", "--json"]);
        let found: serde_json::Value = serde_json::from_str(&found.stdout()).unwrap();
        let of = |name: &str| {
            let checks = found["checks"].as_array().unwrap();
            checks.iter().find(|it| it["name"] == name).map(|it| (&it["result"], &it["text"]))
        };
        for name in ["version", "config", "client file", "user_allow_other"] {
            assert_eq!(of(name).map(|it| it.0.as_str()), Some(Some("ok")), "{version}: {found:#}");
        }
        let scope = of("photoslibrary.appendonly").map(|it| it.0.as_str());
        assert_eq!(scope, Some(Some("ok")), "{version}: {found:#}");
    }
}

/// The newest settings have all keys, so that the next version cannot lose one.
#[test]
fn the_newest_frozen_settings_have_every_key() {
    fn keys(command: &clap::Command, found: &mut BTreeSet<String>) {
        let settings =
            command.get_arguments().filter(|it| it.get_env().is_some() && !it.is_hide_set());
        found.extend(settings.map(|it| it.get_id().to_string()));
        command.get_subcommands().for_each(|sub| keys(sub, found));
    }
    let mut wanted = BTreeSet::new();
    keys(&Cli::command(), &mut wanted);
    wanted.remove("profile");
    let text = fs::read_to_string(frozen(SCHEMA_VERSION).join("config/config.toml")).unwrap();
    let kept: toml::Table = text.parse().unwrap();
    assert_eq!(kept.keys().cloned().collect::<BTreeSet<_>>(), wanted);
}
