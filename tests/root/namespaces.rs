//! A mount that other mount namespaces have a copy of, as containers and `unshare --mount` do, and a
//! mount in a pid namespace of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gphotosfs_emulator::{Call, Failure, Injection};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::wait::wait_within;
use crate::support::{World, wait_for};

/// A process in a mount namespace of its own, with a copy of every mount.
struct Namespace(Child);

impl Namespace {
    fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", "echo ready && exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_copy_of_the_mount_in_another_namespace_does_not_hold_umount_up() {
    let world = World::mounted();
    let _other = Namespace::new();
    world.photo("1.jpg", 1, 20_000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/");
    let (done, said) = world.told(&["umount", world.mnt.to_str().unwrap()]);
    assert!(done && said.is_empty(), "{said}");
    assert_eq!(world.remote("A"), ["1.jpg"]);
    // The profile is free, and the new mount works.
    world.mount(&[]);
    world.sh("cmp 1.jpg mnt/A/1.jpg");
    world.umount();
}

/// All commands say who has the mount, and `umount` ends it.
fn is_held_and_can_be_ended(world: &World, words: &str) {
    let mnt = world.mnt.to_str().unwrap();
    let way_out = format!("'gphotosfs umount {mnt}' ends its process");
    for args in [&["status"][..], &["sync"], &["mount", mnt], &["refresh"]] {
        let (done, said) = world.told(args);
        assert!(!done && said.contains(&way_out), "{args:?}: {said}");
    }
    let outcome = world.run(&["doctor"]);
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert!(!outcome.status.success() && said.contains(words) && said.contains(&way_out), "{said}");
    let (done, said) = world.told(&["umount", mnt]);
    assert!(done && said.contains(words), "{said}");
    world.mount(&[]);
    world.sh("cmp 1.jpg mnt/A/1.jpg");
    world.umount();
}

#[test]
fn a_mount_that_only_another_namespace_has_is_named_and_can_be_ended() {
    let world = World::new();
    world.photo("1.jpg", 1, 20_000);
    let program = format!("{:?}", world.program());
    world.sh(&format!(
        "unshare --mount --propagation private sh -euc '{program} mount mnt; mkdir mnt/A; cp 1.jpg mnt/A/'"
    ));
    is_held_and_can_be_ended(&world, "in another mount namespace");
}

#[test]
fn a_lazy_unmount_is_named_and_can_be_ended() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 20_000);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/ && sync mnt/A");
    let file = std::fs::File::open(world.mnt.join("A/1.jpg")).unwrap();
    world.sh("umount -l mnt");
    is_held_and_can_be_ended(&world, "was unmounted lazily");
    drop(file);
}

#[test]
fn a_bind_mount_keeps_the_profile_until_umount_ends_it() {
    let world = World::mounted();
    world.photo("1.jpg", 1, 20_000);
    world.sh("mkdir mnt/A copy && cp 1.jpg mnt/A/ && mount --bind mnt copy && umount mnt");
    is_held_and_can_be_ended(&world, "a copy of the mount is elsewhere");
    world.sh("umount -l copy");
}

/// A mount by a process that is the first of its pid namespace: it sees no program outside.
struct Contained(Child);

impl Contained {
    fn mount(world: &World, env: &[(&str, &str)]) -> Self {
        let program = world.program();
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--"]).arg(program.get_program());
        command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let log = world.dir.path().join("served.log");
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = command
            .envs(env.iter().copied())
            .args(["mount", "-f"])
            .arg(&world.mnt)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for("the mount", || world.mnt.join(".gphotos").exists());
        Self(child)
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The process of a mount that is the only child of its parent.
fn only_child(parent: &Child) -> Pid {
    let id = parent.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

/// Its process tells the number that it has in the container, which is that of a stranger here.
#[test]
fn the_process_of_a_contained_mount_is_named_by_its_number_here() {
    let world = World::new();
    let mount = Contained::mount(&world, &[]);
    let pid = only_child(&mount.0).as_raw_nonzero().to_string();
    let mnt = world.mnt.to_str().unwrap();
    for args in [&["status"][..], &["status", mnt], &["doctor"]] {
        let said = String::from_utf8(world.run(args).stdout).unwrap();
        assert!(said.contains(&format!("process {pid}")), "{args:?}: {said}");
    }
    let (done, said) = world.told(&["mount", mnt]);
    assert!(!done && said.contains(&format!("'gphotosfs umount {mnt}'")), "{said}");
    assert!(!said.contains("pid"), "{said}");
    world.umount();
    drop(mount);
}

/// The mount's connection is gone, and its process lives on: the next mount waits for that process alone.
#[test]
fn the_next_mount_waits_for_a_contained_one_that_is_dying() {
    let world = World::new();
    world.photo("1.jpg", 1, 20_000);
    let mount = Contained::mount(&world, &[]);
    world.sh("mkdir mnt/A && cp 1.jpg mnt/A/ && sync mnt/A");
    let pid = only_child(&mount.0);
    kill_process(pid, Signal::STOP).unwrap();
    crate::aborted::abort(&world);
    let mut next = world.serve(&[]);
    wait_for("the next mount to wait", || world.log().contains("waiting for its end"));
    kill_process(pid, Signal::KILL).unwrap();
    assert!(next.is_ready(), "{}", world.log());
    world.sh("cmp 1.jpg mnt/A/1.jpg");
    world.umount();
    next.ended();
    drop(mount);
}

/// A command in a pid namespace of its own, with the mount outside. Of the outer /proc, each number means
/// a stranger there.
#[test]
fn commands_in_a_pid_namespace_name_no_process_outside() {
    let world = World::mounted();
    let inside = |options: &[&str], args: &[&str]| {
        let program = world.program();
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork"]).args(options).arg("--").arg(program.get_program());
        command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let outcome = command.args(args).output().unwrap();
        let text = [outcome.stdout, outcome.stderr].concat();
        (outcome.status.success(), String::from_utf8(text).unwrap())
    };
    for options in [&[][..], &["--mount-proc"]] {
        let (done, said) = inside(options, &["status"]);
        assert!(done && said.contains("/mnt since ") && !said.contains(", process"), "{said}");
    }
    let (done, said) = inside(&[], &["umount", world.mnt.to_str().unwrap()]);
    assert!(done && said.is_empty(), "{said}");
    // Its process ends by itself.
    wait_for("the profile", || world.run(&["sync"]).status.success());
    world.mount(&[]);
    world.umount();
}

/// A program outside that waits.
fn waiting(world: &World, script: &str) -> Child {
    Command::new("bash")
        .args(["-c", &format!("exec {script}")])
        .current_dir(world.dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

/// > A mount in another pid namespace than its user's programs does not see their signals. A read that
/// > Ctrl-C would end then ends with its own limit, a minute without bytes.
#[test]
fn a_stalled_read_of_a_contained_mount_ends_by_itself() {
    let world = World::new();
    world.seed("Trip", 1);
    // A minute is three seconds.
    let mount = Contained::mount(&world, &[("GPHOTOSFS_UNSTABLE_PACE", "20")]);
    world.sh("ls -l mnt/Trip > list");
    world.emulator.faults(|faults| {
        let stall = Injection { rate: 1.0, ..Injection::new(Failure::Stall) };
        faults.on(Call::Download).failures.push(stall);
    });
    let mut reader = waiting(&world, "cat mnt/Trip/IMG_000000.jpg");
    wait_for("a download", || world.emulator.stats().requests(Call::Download) > 0);
    interrupt(&reader);
    wait_for("the end of the reader", || reader.try_wait().unwrap().is_some());
    assert!(!reader.wait().unwrap().success());
    world.umount();
    drop(mount);
}

/// > There, `fsync` ends with `EINTR` after a minute, and `gphotosfs sync` goes on waiting, and can be
/// > ended each minute.
#[test]
#[ignore = "takes minutes"]
fn waits_for_uploads_of_a_contained_mount_end_after_a_minute() {
    let mut world = World::new();
    let mount = Contained::mount(&world, &[]);
    let photos = ["1.jpg", "2.jpg"];
    for (at, name) in photos.iter().enumerate() {
        world.photo(name, at as u32, 20_000);
    }
    world.sh("mkdir mnt/A");
    world.stop_emulator();
    world.sh("cp 1.jpg 2.jpg mnt/A/");
    let ended = |child: &mut Child| {
        wait_within(Duration::from_secs(90), || {
            child.try_wait().unwrap().ok_or_else(|| "waiting for the end".to_owned())
        })
    };
    let mut file = waiting(&world, "sync mnt/A/1.jpg");
    let sync =
        |world: &World| world.program().arg("sync").arg(world.mnt.join("A")).spawn().unwrap();
    let (mut ours, mut stopped) = (sync(&world), sync(&world));
    interrupt(&file);
    interrupt(&stopped);
    assert!(!ended(&mut file).success());
    assert!(!ended(&mut stopped).success());
    assert!(ours.try_wait().unwrap().is_none(), "gphotosfs sync waits");
    world.start_emulator();
    assert!(ours.wait().unwrap().success());
    assert_eq!(world.remote("A"), photos);
    world.umount();
    drop(mount);
}
