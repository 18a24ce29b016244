//! A mount and the other users of the machine.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gphotosfs_emulator::{Call, Edit, Moment};

use crate::disk::run;
use crate::support::{World, wait_for};

/// The user for whom root mounts.
pub(crate) const FRIEND: u32 = 1001;

/// Two users who have nothing to do with the mount.
const STRANGERS: [u32; 2] = [1002, 65534];

/// A mount that others may read. They can reach it, and nothing else of the test.
fn shared(options: &[&str]) -> World {
    let world = World::new();
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o711)).unwrap();
    world.mount(&[&["--allow-other"], options].concat());
    world
}

/// Runs a shell script as another user, in the test's directory.
fn script_of(world: &World, uid: u32, script: &str) -> Output {
    let number = uid.to_string();
    Command::new("setpriv")
        .args(["--reuid", &number, "--regid", &number, "--clear-groups"])
        .args(["timeout", "100", "bash", "-euc", script])
        .current_dir(world.dir.path())
        .output()
        .unwrap()
}

/// Runs a shell script that must succeed.
#[track_caller]
fn may(world: &World, uid: u32, script: &str) {
    let outcome = script_of(world, uid, script);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success(), "user {uid}: {script}: {said}\n{}", world.log());
}

/// Runs a shell script that must fail with these words.
#[track_caller]
fn may_not(world: &World, uid: u32, script: &str, why: &str) {
    let outcome = script_of(world, uid, script);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(!outcome.status.success() && said.contains(why), "user {uid}: {script}: {said}");
}

const DENIED: &str = "Permission denied";
const NOT_PERMITTED: &str = "Operation not permitted";

/// > With `--allow-other`, other users may read albums and photos. `.gphotos` and everything below
/// > it is closed to them.
#[test]
fn other_users_read_albums_and_not_the_control_directory() {
    let world = shared(&[]);
    world.photo("a.jpg", 1, 5000);
    world.sh("mkdir mnt/A && cp a.jpg mnt/A/ && sync mnt && chmod 644 a.jpg");
    for uid in STRANGERS {
        may(
            &world,
            uid,
            "ls -l mnt/A && cmp a.jpg mnt/A/a.jpg && getfattr -n user.gphotos.id mnt/A/a.jpg",
        );
        for path in ["", "/status.json", "/metrics", "/failed", "/library/all"] {
            may_not(&world, uid, &format!("stat mnt/.gphotos{path}/x"), DENIED);
            may_not(&world, uid, &format!("cat mnt/.gphotos{path}"), DENIED);
        }
        for change in ["touch mnt/A/a.jpg", "rm mnt/A/a.jpg", "mkdir mnt/B", "cp a.jpg mnt/A/b.jpg"]
        {
            may_not(&world, uid, change, DENIED);
        }
    }
    let modes = world.sh("stat -c '%a' mnt/.gphotos mnt/.gphotos/failed mnt/.gphotos/status.json");
    assert_eq!(modes, "500\n700\n400\n");
    world.umount();
}

/// > Attributes whose reads wait or cost requests (`synced`, `listed`, `login`, `verify` and
/// > `thumbnail`) are `EPERM` for other users than the owner of the mount and root. So is an `fsync`
/// > of theirs if it would have to wait.
#[test]
fn other_users_cause_no_requests_and_do_not_wait() {
    let world = shared(&["-o", &format!("uid={FRIEND},gid={FRIEND}")]);
    world.seed("A", 3);
    world.sh("ls -l mnt/A");
    let spent = || {
        let stats = world.emulator.stats();
        (stats.api_requests_today, stats.requests(Call::Download))
    };
    let before = spent();
    for uid in STRANGERS {
        for name in ["synced", "listed", "login", "verify", "thumbnail"] {
            let read = |path: &str| format!("getfattr -n user.gphotos.{name} {path}");
            may_not(&world, uid, &read("mnt/A/IMG_000000.jpg"), NOT_PERMITTED);
            may_not(&world, uid, &read("mnt/A"), NOT_PERMITTED);
        }
    }
    assert_eq!(spent(), before);
    for uid in STRANGERS {
        may(&world, uid, "sync mnt/A mnt/A/IMG_000000.jpg");
    }
    // The owner that everybody sees, and root, may.
    may(&world, FRIEND, "getfattr -n user.gphotos.thumbnail mnt/A/IMG_000000.jpg");
    world.sh("getfattr -n user.gphotos.listed mnt/A");
    world.emulator.hold(Call::UploadRaw, Moment::Request);
    world.photo("b.jpg", 9, 5000);
    world.sh("cp b.jpg mnt/A/");
    for uid in STRANGERS {
        may_not(&world, uid, "sync mnt/A", NOT_PERMITTED);
        may_not(&world, uid, "sync mnt/A/b.jpg", NOT_PERMITTED);
    }
    world.emulator.let_go(Call::UploadRaw, Moment::Request);
    may(&world, FRIEND, "sync mnt/A");
    world.umount();
}

/// > Operations of other users that wait have places of their own, and so have their downloads. They
/// > do not delay those of the owner.
#[test]
fn readers_whose_downloads_hang_do_not_stop_the_owner() {
    const COUNT: u64 = 300;
    let world = shared(&[]);
    world.seed("A", COUNT + 1);
    world.sh("ls -l mnt/A >/dev/null");
    world.emulator.hold(Call::Download, Moment::Request);
    std::thread::scope(|scope| {
        let readers = scope.spawn(|| {
            script_of(
                &world,
                STRANGERS[0],
                &format!("for i in $(seq 0 {}); do cat mnt/A/$(printf IMG_%06d.jpg $i) >/dev/null & done; wait", COUNT - 1),
            )
        });
        let status = || fs::read_to_string(world.mnt.join(".gphotos/status.json")).unwrap();
        let opened = |status: &str| {
            let status: serde_json::Value = serde_json::from_str(status).unwrap();
            status["fuse"]["open"].as_u64().unwrap_or(0)
        };
        wait_for("the readers to wait", || opened(&status()) >= COUNT);
        world.photo("mine.jpg", 400, 5000);
        world.sh_within(
            60,
            "mkdir mnt/B && cp mine.jpg mnt/B/ && ls -l mnt/A mnt/B >/dev/null && sync mnt/B",
        );
        // A file that a reader waits for in vain is the owner's at once, when Google answers.
        world.emulator.let_go(Call::Download, Moment::Request);
        world.sh_within(60, &format!("cat mnt/A/$(printf IMG_%06d.jpg {}) >/dev/null", COUNT - 1));
        readers.join().unwrap();
    });
    world.umount();
}

/// > With `--allow-other`, a file or directory that keeps its content from others by its mode does so
/// > here. Names with the same content are as closed as the strictest of them. Nothing else of a mode
/// > counts.
#[test]
fn a_private_file_stays_private() {
    let world = shared(&[]);
    for (name, seed) in [("open.jpg", 1), ("private.jpg", 2), ("synced.jpg", 3), ("twin.jpg", 2)] {
        world.photo(name, seed, 5000);
    }
    world.sh("umask 022
         chmod 600 private.jpg && chmod 644 open.jpg synced.jpg twin.jpg
         mkdir mnt/A && mkdir -m 700 mnt/Own && cp open.jpg mnt/Own/
         cp open.jpg private.jpg mnt/A/ && rsync -a synced.jpg mnt/A/");
    let shown = || world.sh("cd mnt && stat -c '%a %n' A/* Own");
    let expected = "644 A/open.jpg\n600 A/private.jpg\n644 A/synced.jpg\n700 Own\n";
    assert_eq!(shown(), expected);
    let closed = |path: &str| may_not(&world, STRANGERS[0], &format!("cat mnt/{path}"), DENIED);
    let open = |path: &str| may(&world, STRANGERS[0], &format!("cat mnt/{path} >/dev/null"));
    for path in ["A/private.jpg", "Own/open.jpg"] {
        closed(path);
    }
    world.sync();
    world.umount();
    world.mount(&["--allow-other"]);
    assert_eq!(shown(), expected);
    closed("A/private.jpg");
    open("A/synced.jpg");
    world.sh("chmod 644 mnt/A/private.jpg && chmod 640 mnt/A/open.jpg && chmod 755 mnt/Own");
    open("A/private.jpg");
    closed("A/open.jpg");
    world.sh("chmod 600 mnt/A/private.jpg && cp twin.jpg mnt/A/ && sync mnt/A");
    closed("A/private.jpg");
    closed("A/twin.jpg");
    world.umount();
}

/// > `-o umask=OCTAL` takes other permission bits from everything than `022`, and `-o uid=N` and
/// > `-o gid=N` show another owner. That owner may do all that the mounting user may.
#[test]
fn mode_and_owner_can_be_chosen() {
    let world = shared(&["-o", &format!("umask=027,uid={FRIEND},gid=1003")]);
    world.photo("a.jpg", 1, 5000);
    world.sh("chmod 644 a.jpg");
    may(
        &world,
        FRIEND,
        "mkdir mnt/A && cp a.jpg mnt/A/ && sync mnt/A && cat mnt/.gphotos/status.json",
    );
    let shown = world.sh("cd mnt && stat -c '%a %u %g %n' . A A/a.jpg .gphotos");
    assert_eq!(
        shown,
        format!(
            "750 {FRIEND} 1003 .\n750 {FRIEND} 1003 A\n640 {FRIEND} 1003 A/a.jpg\n500 {FRIEND} 1003 .gphotos\n"
        )
    );
    may_not(&world, STRANGERS[0], "ls mnt", DENIED);
    world.umount();
    for wrong in ["umask=8", "umask=1777", "uid=me", "gid=-1"] {
        let (done, said) = world.told(&["mount", "-o", wrong, world.mnt.to_str().unwrap()]);
        assert!(!done && said.contains(wrong), "{said}");
    }
}

/// Lends the friend a home directory with the login, and writes a `passwd` that has the friend.
/// Returns the directory of both.
pub(crate) fn friends_world(world: &World) -> PathBuf {
    let dir = fs::canonicalize(world.dir.path()).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let home = dir.join("friend");
    let copy = |from: &str, to: &str| {
        fs::create_dir_all(home.join(to)).unwrap();
        run(Command::new("cp").arg("-r").arg(dir.join(from)).arg(home.join(to)));
    };
    copy("config/gphotosfs", ".config");
    fs::create_dir(home.join("photos")).unwrap();
    run(Command::new("chown").arg("-R").arg(format!("{FRIEND}:{FRIEND}")).arg(&home));
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let friend = format!("friend:x:{FRIEND}:{FRIEND}::{}:/bin/sh\n", home.display());
    fs::write(dir.join("passwd"), passwd + &friend).unwrap();
    fs::create_dir(dir.join("bin")).unwrap();
    fs::write(dir.join("bin/gphotosfs"), "").unwrap();
    symlink("gphotosfs", dir.join("bin/mount.gphotosfs")).unwrap();
    dir
}

/// Runs a shell script of root's in a mount namespace of its own, in which the friend may mount.
pub(crate) fn in_friends_world(dir: &Path, script: &str) -> Output {
    let script = format!(
        "mount --bind passwd /etc/passwd
         mknod fuse c 10 229 && chmod 666 fuse && mount --bind fuse /dev/fuse
         mount --bind {program} bin/gphotosfs
         {script}",
        program = env!("CARGO_BIN_EXE_gphotosfs"),
    );
    Command::new("timeout")
        .args(["120", "unshare", "--mount", "--propagation", "private", "bash", "-euc", &script])
        .current_dir(dir)
        .output()
        .unwrap()
}

#[test]
fn a_mount_that_root_starts_for_a_user_gets_nothing_of_roots() {
    let world = World::new();
    let dir = friends_world(&world);
    let home = dir.join("friend");
    let script = format!(
        "umask 000
         export SECRET=of-root XDG_CONFIG_HOME=/root/none XDG_STATE_HOME=/root/none
         (cd friend && exec 9</etc/shadow && exec ../bin/mount.gphotosfs photos photos -o rw,setuid=friend,api_url={api})
         pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' friend/.local/state/gphotosfs/default/lock)
         echo \"cwd $(readlink /proc/$pid/cwd)\"
         grep -E '^(Umask|Uid|Groups)' /proc/$pid/status
         tr '\\0' '\\n' </proc/$pid/environ | sed 's/^/env /'
         ls -l /proc/$pid/fd | sed 's/.* -> /fd /'
         umount friend/photos
         timeout 60 tail --pid=$pid -f /dev/null",
        api = world.api_url,
    );
    let outcome = in_friends_world(&dir, &script);
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let errors = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(outcome.status.success(), "{said}\n{errors}");
    assert!(said.contains("cwd /\n") && said.contains("Umask:\t0077"), "{said}");
    assert!(said.contains(&format!("Uid:\t{FRIEND}\t{FRIEND}\t{FRIEND}")), "{said}");
    let environment: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("env ")).collect();
    let names = environment.iter().filter_map(|it| it.split_once('=')).map(|it| it.0);
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    assert!(
        names.iter().all(|it| {
            // The last one is the program's own.
            ["HOME", "LOGNAME", "PATH", "SHELL", "USER", "GLIBC_TUNABLES"].contains(it)
        }),
        "{said}"
    );
    assert!(environment.contains(&format!("HOME={}", home.display()).as_str()), "{said}");
    assert!(!said.contains("/etc/shadow") && !said.contains("of-root"), "{said}");
    assert!(!Path::new("/root/none").exists());
}

/// Sets a count of the day's requests, while nothing is mounted.
fn set_spent(world: &World, count: &str, requests: u64) {
    let database = world.dir.path().join("state/gphotosfs/default/gphotosfs.db");
    let database = rusqlite::Connection::open(database).unwrap();
    let sql = "UPDATE meta SET value = json_set(value, '$.' || ?1, ?2) WHERE key = 'budget'";
    assert_eq!(database.execute(sql, rusqlite::params![count, requests]).unwrap(), 1);
}

/// > Other users cause at most 1,000 API requests a day, a tenth of what Google allows. After that
/// > they see the lists that are known here, and a list that is not known is `EDQUOT`. The owner's
/// > view never depends on it.
#[test]
fn other_users_have_a_share_of_the_days_lists() {
    let world = shared(&[]);
    world.seed("A", 3);
    world.seed("B", 3);
    world.sh("ls mnt/A");
    world.umount();
    set_spent(&world, "others_api", 1000);
    world.mount(&["--allow-other", "--refresh", "1s"]);
    world.edit(Edit::Seed { album: Some("A".into()), count: 1, size: 5000, prefix: "NEW_".into() });
    let before = world.emulator.stats().api_requests_today;
    for uid in STRANGERS {
        may(&world, uid, "test $(ls mnt/A | wc -l) = 3 && ls mnt | grep -q A && stat mnt/A");
        may_not(&world, uid, "ls mnt/B", "Disk quota exceeded");
        may_not(&world, uid, "stat mnt/B/IMG_000000.jpg", "Disk quota exceeded");
    }
    assert_eq!(world.emulator.stats().api_requests_today, before);
    let said = String::from_utf8(world.run(&["status"]).stdout).unwrap();
    assert!(said.contains("other users have caused 1000 API requests"), "{said}");
    world.sh("test $(ls mnt/B | wc -l) = 3");
    may(&world, STRANGERS[0], "test $(ls mnt/B | wc -l) = 3");
    wait_for("the owner to see the new item", || world.sh("ls mnt/A").lines().count() == 4);
    world.umount();
}

/// > Of the lines that other users cause in the log, one of each kind is written in a minute, and
/// > the next one says how many were left out.
#[test]
fn other_users_do_not_fill_the_log() {
    let world = shared(&[]);
    world.seed("A", 300);
    world.sh("ls mnt/A >/dev/null");
    world.umount();
    set_spent(&world, "media", 37500);
    set_spent(&world, "others_api", 1000);
    world.mount(&["--allow-other"]);
    let before = world.log().lines().count();
    let uid = STRANGERS[0];
    may_not(
        &world,
        uid,
        "cat mnt/A/* 2>&1 >/dev/null | tail -1 >&2; exit 1",
        "Disk quota exceeded",
    );
    may(
        &world,
        uid,
        "for name in synced listed verify x; do getfattr -n user.gphotos.$name mnt/A/* 2>/dev/null || true; done",
    );
    may(&world, uid, "cd mnt/A && mkdir x y 2>/dev/null || true; chmod 777 * 2>/dev/null || true");
    let log = world.log();
    let written = log.lines().count() - before;
    println!("{written} lines");
    // One each for `open` and `read`, and for the look-ups of names.
    assert!(written <= 5, "{log}");
    world.umount();
}

/// > Other users cause no more downloads when half of the day's media requests are spent. An
/// > operation that needs one is `EDQUOT`, and a size that is not known shows as 0.
#[test]
fn other_users_have_a_share_of_the_days_downloads() {
    let world = shared(&[]);
    world.seed("A", 3);
    world.sh("ls -l mnt/A && cat mnt/A/IMG_000000.jpg >/dev/null");
    world.umount();
    set_spent(&world, "media", 37500);
    world.mount(&["--allow-other"]);
    may(&world, STRANGERS[0], "cat mnt/A/IMG_000000.jpg >/dev/null && ls -l mnt/A");
    may_not(&world, STRANGERS[0], "cat mnt/A/IMG_000001.jpg", "Disk quota exceeded");
    world.sh("cat mnt/A/IMG_000001.jpg >/dev/null");
    may(&world, STRANGERS[0], "cat mnt/A/IMG_000001.jpg >/dev/null");
    world.umount();
}

/// > Other users may have so many files open as are a quarter of the descriptors that the mount may
/// > have. Then their `open` is `EMFILE`.
#[test]
fn other_users_leave_descriptors_for_the_owner() {
    let world = World::new();
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o711)).unwrap();
    let program = format!("{:?}", world.program());
    world.sh(&format!("ulimit -n 160; {program} mount --allow-other mnt"));
    world.seed("A", 60);
    world.sh("cat mnt/A/* >/dev/null");
    // Ends when this test does.
    let script = "opened=0
        for file in mnt/A/*; do exec {fd}<$file || break; opened=$((opened + 1)); done
        echo $opened; exec cat";
    let number = STRANGERS[0].to_string();
    let mut stranger = Command::new("setpriv")
        .args(["--reuid", &number, "--regid", &number, "--clear-groups", "bash", "-c", script])
        .current_dir(world.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut opened = String::new();
    BufReader::new(stranger.stdout.take().unwrap()).read_line(&mut opened).unwrap();
    assert_eq!(opened, "40\n");
    world.photo("mine.jpg", 400, 5000);
    world.sh("cp mine.jpg mnt/A/ && sync mnt/A && cat mnt/A/IMG_000059.jpg >/dev/null");
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
    world.umount();
}
