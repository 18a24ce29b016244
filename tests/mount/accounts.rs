//! A profile belongs to one Google account and one OAuth client, and several machines may use one account.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use gphotosfs::store::Store;
use gphotosfs_emulator::{Account, Call, DEFAULT_USER, Edit, Failure, Moment, OauthClient};
use serde_json::Value;

use crate::support::{World, login};

const OTHER_USER: &str = "other@example.com";
const CONFIG: &str = "config/gphotosfs/default";

/// A profile with two names for one item and a file that waits, and its mount.
fn with_a_queue() -> World {
    let world = World::mounted();
    world.photo("p/a.jpg", 1, 5000);
    world.photo("p/b.jpg", 2, 5000);
    world.photo("p/c.jpg", 3, 5000);
    world.sh("mkdir mnt/A && cp p/a.jpg p/b.jpg mnt/A/ && sync mnt");
    world.sh("ln mnt/A/a.jpg mnt/A/again.jpg && mv mnt/A/b.jpg mnt/A/z.jpg");
    world.sync();
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    world.sh("cp p/c.jpg mnt/A/");
    world
}

fn status(world: &World) -> Value {
    serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap()
}

fn stdout(world: &World, args: &[&str]) -> String {
    String::from_utf8(world.run(args).stdout).unwrap()
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn login_refuses_another_account_and_another_client() {
    let world = with_a_queue();
    let token = world.dir.path().join(CONFIG).join("token.json");
    let before = fs::read(&token).unwrap();
    world.emulator.sign_in(OTHER_USER);
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &[]);
    assert!(!done, "{said}");
    has(
        &said,
        &[
            "nothing has changed: this login is of another Google account",
            "1 change is still queued",
            "--profile NAME",
            "login --same-account",
        ],
    );
    world.emulator.sign_in(DEFAULT_USER);
    world.emulator.reset_stats();
    let other = world.emulator.client_secret_json_of(OauthClient::Other);
    let (done, said) = world.log_in_with(&other, &[]);
    assert!(!done, "{said}");
    has(
        &said,
        &[
            "the profile belongs to the OAuth client 123456789012-",
            "to 210987654321-",
            "1 change is still queued",
            "--client-secret FILE",
        ],
    );
    assert!(world.emulator.stats().requests.is_empty(), "before the browser opens");
    assert_eq!(fs::read(&token).unwrap(), before);

    // A profile of its own for each takes them.
    for (client, user) in [(other, DEFAULT_USER), (world.emulator.client_secret_json(), OTHER_USER)]
    {
        world.emulator.sign_in(user);
        let (done, said) = world.log_in_with(&client, &["--profile", "new"]);
        assert!(done, "{said}");
    }
    world.emulator.sign_in(DEFAULT_USER);
    world.login();
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    world.sync();
    assert_eq!(world.remote("A"), ["a.jpg", "b.jpg", "c.jpg"]);
}

#[test]
fn a_mount_with_the_login_of_another_account_keeps_its_tree_and_says_why() {
    let world = with_a_queue();
    let names = world.names("A");
    let status_of_ours = status(&world);
    let bound = &status_of_ours["login"]["bound"];
    assert_eq!(bound["client_id"], status_of_ours["login"]["client_id"]);
    let config = world.dir.path().join(CONFIG);
    for account in [Account::of(OTHER_USER), Account::by_other_client()] {
        world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
        login::write_account(&config, &world.emulator, &account);
        world.mount(&[]);
        let (done, said) = world.told(&["sync"]);
        assert!(!done && said.contains("cannot sync"), "{said}");
        assert_eq!(world.names("A"), names);
        assert_eq!(world.names(""), ["A"]);
        let now = status(&world);
        assert_eq!(now["login"]["state"], "foreign");
        assert_eq!(&now["login"]["bound"], bound);
        assert_eq!((&now["queue"]["sealed"], &now["queue"]["failed"]), (&1.into(), &0.into()));
        has(now["login"]["message"].as_str().unwrap(), &["log in", "--profile NAME"]);
        let text = stdout(&world, &["status"]);
        has(&text, &["OAuth client 123456789012-", "since", "foreign: "]);
        let text = stdout(&world, &["doctor"]);
        has(&text, &["FAIL  account", "--profile NAME"]);
        // The first of it may come before the mount writes to its log.
        has(&world.log(), &["uploads are waiting (login)", "--profile NAME"]);
        let theirs = world.emulator.dump_of(&account);
        assert_eq!((theirs.albums.len(), theirs.items.len()), (0, 0));

        // Without a mount it is told as well, and nothing is sent.
        world.run(&["umount", "--now", world.mnt.to_str().unwrap()]);
        assert_eq!(status(&world)["login"]["state"], "foreign");
        let (done, said) = world.told(&["sync"]);
        assert!(!done, "{said}");
        has(&said, &["--profile NAME"]);
        world.login();
        world.mount(&[]);
    }
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    world.sync();
    assert_eq!(world.names("A"), names);
    assert_eq!(
        fs::metadata(world.mnt.join("A/a.jpg"))
            .map(|it| std::os::unix::fs::MetadataExt::nlink(&it))
            .unwrap(),
        2
    );
    assert_eq!(world.remote("A"), ["a.jpg", "b.jpg", "c.jpg"]);
    has(
        &stdout(&world, &["doctor"]),
        &["ok    account", "the profile's, of the OAuth client 123456789012-"],
    );
}

#[test]
fn a_login_to_a_library_that_was_emptied_is_taken_on_the_users_word() {
    let world = World::mounted();
    world.photo("p/a.jpg", 1, 5000);
    world.photo("p/b.jpg", 2, 5000);
    world.sh("mkdir mnt/A && cp p/a.jpg mnt/A/ && sync mnt");
    let item = world.emulator.dump().items[0].id.clone();
    world.edit(Edit::DeleteItem { item });
    world.edit(Edit::DeleteAlbum { album: "A".into() });
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &[]);
    assert!(!done, "{said}");
    has(&said, &["everything that this profile knows was deleted", "login --same-account"]);
    let (done, said) = world.log_in_with(&world.emulator.client_secret_json(), &["--same-account"]);
    assert!(done, "{said}");
    has(&said, &["uses this login from now on"]);
    world.sh("mkdir mnt/B && cp p/b.jpg mnt/B/ && sync mnt/B");
    assert_eq!(world.remote("B"), ["b.jpg"]);
    world.umount();
    world.mount(&[]);
    assert_eq!(status(&world)["login"]["state"], "ok");
}

#[test]
fn a_login_that_cannot_be_checked_leaves_the_earlier_one_alone() {
    let world = World::mounted();
    world.photo("p/a.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp p/a.jpg mnt/A/ && sync mnt");
    let token = world.dir.path().join(CONFIG).join("token.json");
    let before = fs::read(&token).unwrap();
    let log_in = |failure: Failure| {
        world.emulator.faults(|faults| faults.fail_next(Call::MediaItemsBatchGet, 1, failure));
        world.log_in_with(&world.emulator.client_secret_json(), &[])
    };
    let (done, said) = log_in(Failure::RequestsPerDay);
    assert!(!done, "{said}");
    has(&said, &["nothing has changed: cannot check now", "login --same-account"]);
    assert_eq!(fs::read(&token).unwrap(), before);
    // A refusal to show one item leaves it to the others, and to the albums.
    let (done, said) = log_in(Failure::PermissionDenied);
    assert!(done, "{said}");
    assert_ne!(fs::read(&token).unwrap(), before);
}

/// The mount of another machine with the same account.
struct Second<'a> {
    world: &'a World,
    mnt: PathBuf,
}

impl<'a> Second<'a> {
    fn mount(world: &'a World) -> Self {
        let (done, said) =
            world.log_in_with(&world.emulator.client_secret_json(), &["--profile", "second"]);
        assert!(done, "{said}");
        let mnt = world.dir.path().join("second");
        fs::create_dir(&mnt).unwrap();
        let second = Self { world, mnt };
        let outcome = world.run(&["mount", "--profile", "second", second.mnt.to_str().unwrap()]);
        assert!(outcome.status.success(), "{outcome:?}");
        second
    }
}

impl Drop for Second<'_> {
    fn drop(&mut self) {
        let mnt = self.mnt.to_str().unwrap();
        if !self.world.run(&["umount", "--now", mnt]).status.success() {
            let _ = Command::new("fusermount3").args(["-u", "-z", "-q", mnt]).output();
        }
    }
}

/// Makes the last list of the albums a minute old.
fn age_list(state: &Path) {
    let store = Store::open(state).unwrap();
    let pages = store.albums_pages().unwrap();
    store.set_albums_listed(SystemTime::now() - Duration::from_secs(60), pages).unwrap();
}

#[test]
fn two_machines_that_copy_the_same_folders_make_each_album_once() {
    let world = World::mounted();
    let second = Second::mount(&world);
    let dirs = ["20190427", "20190428", "20190429"];
    for (n, dir) in dirs.iter().enumerate() {
        world.photo(&format!("one/{dir}/a.jpg"), n as u32, 5000);
        world.photo(&format!("two/{dir}/b.jpg"), 100 + n as u32, 5000);
    }
    assert_eq!(world.sh("ls mnt second"), "mnt:\n\nsecond:\n");
    world.sh("cp -r one/* mnt/");
    age_list(&world.dir.path().join("state/gphotosfs/second"));
    world.sh("cp -r two/* second/ && mkdir -p second/20190427 && sync mnt second");
    let mut titles: Vec<_> =
        world.emulator.dump().albums.into_iter().map(|album| album.title).collect();
    titles.sort();
    assert_eq!(titles, dirs);
    for dir in dirs {
        assert_eq!(world.remote(dir), ["a.jpg", "b.jpg"]);
    }
    drop(second);
}

#[test]
fn a_machine_without_root_certificates_can_use_a_service_without_https() {
    let world = World::new();
    world.mount_with(&[("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/dev/null")], &[]);
    world.photo("x.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp x.jpg mnt/A/");
    world.sync();
    assert_eq!(world.remote("A"), ["x.jpg"]);
}
