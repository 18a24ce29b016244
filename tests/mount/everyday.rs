//! How the system starts and ends mounts, and the other files that a package installs.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use gphotosfs::cli::Cli;

use crate::support::World;
use crate::support::manager::Manager;

/// The options of a directory's mount, from the kernel.
fn mount_options(dir: &Path) -> String {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let dir = dir.to_str().unwrap();
    let line = table.lines().find(|line| line.split(' ').nth(4) == Some(dir)).unwrap();
    line.split(' ').nth(5).unwrap().to_owned()
}

#[test]
fn mount_8_mounts_with_the_options_of_fstab() {
    let world = World::new();
    let helper = world.dir.path().join("mount.fuse.gphotosfs");
    symlink(env!("CARGO_BIN_EXE_gphotosfs"), &helper).unwrap();
    let mut command = Command::new(&helper);
    let theirs = world.program();
    command.envs(theirs.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let said = command
        .arg("photos")
        .arg(&world.mnt)
        .args([
            "-o",
            "rw,noexec,nosuid,nodev,noatime,user=somebody,_netdev,sizes=lazy,strange=1",
            "-s",
        ])
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let options = mount_options(&world.mnt);
    assert!(options.contains("noexec") && options.starts_with("rw"), "{options}");
    world.sh("mkdir mnt/A && ls mnt");
}

#[test]
fn a_mountpoint_behind_two_dashes_is_mounted() {
    let world = World::new();
    let said = world.program().args(["mount", "--"]).arg(&world.mnt).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    world.sh("mkdir mnt/A");
}

#[test]
fn systemd_is_notified_when_the_mount_is_ready_and_when_it_ends() {
    let world = World::new();
    let manager = Manager::listen(world.dir.path());
    let served = world.serve(&[("NOTIFY_SOCKET", manager.path.to_str().unwrap())]);
    let ready = manager.next();
    assert!(ready.contains("READY=1") && ready.contains("STATUS=mounted on"), "{ready}");
    world.sh("mkdir mnt/A");
    world.umount();
    assert!(manager.next().contains("STOPPING=1"));
    served.ended();
}

#[test]
fn a_signal_before_the_mount_has_reported_ready_unmounts_it() {
    let world = World::new();
    let manager = Manager::listen(world.dir.path());
    // While nobody listens, a sender to the manager waits.
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to(b"full", &manager.path).is_ok() {}
    let mut served = world.serve(&[("NOTIFY_SOCKET", manager.path.to_str().unwrap())]);
    assert!(served.is_ready());
    let pid = rustix::process::Pid::from_raw(served.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let listening = std::thread::spawn(move || manager.hear("STOPPING=1"));
    served.ended();
    let left = fs::read_dir(&world.mnt).map(Iterator::count);
    assert_eq!(left.unwrap(), 0, "{}", world.log());
    listening.join().unwrap();
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let gphotosfs = || Command::new(env!("CARGO_BIN_EXE_gphotosfs"));
    let made = gphotosfs().arg("man").arg("--dir").arg(dir.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for command in Cli::command().get_subcommands() {
        let page = dir.path().join(format!("gphotosfs-{}.1", command.get_name()));
        assert!(page.exists(), "{}", page.display());
    }
    let main = gphotosfs().arg("man").output().unwrap();
    let main = String::from_utf8(main.stdout).unwrap();
    assert_eq!(main, fs::read_to_string(dir.path().join("gphotosfs.1")).unwrap());
    let mount = fs::read_to_string(dir.path().join("gphotosfs-mount.1")).unwrap();
    assert!(mount.contains("cache\\-size") && !mount.contains("detached"), "{mount}");
}

#[test]
fn bash_completes_commands_and_values() {
    let script = "source <($PROGRAM completions bash)
        complete() { COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMPREPLY=(); _gphotosfs gphotosfs \"${*: -1}\" \"${*: -2:1}\"; echo \"${COMPREPLY[@]}\"; }
        complete gphotosfs umo
        complete gphotosfs mount --commit cl
        complete gphotosfs mount --de
        complete gphotosfs mount --un";
    let said = Command::new("bash")
        .args(["-c", script])
        .env("PROGRAM", env!("CARGO_BIN_EXE_gphotosfs"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stdout);
    assert_eq!(said, "umount\nclose\n\n\n", "nothing that help does not show");
}

#[test]
fn no_shell_offers_what_help_does_not_show() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let made =
            Command::new(env!("CARGO_BIN_EXE_gphotosfs")).args(["completions", shell]).output();
        let said = String::from_utf8(made.unwrap().stdout).unwrap();
        assert!(said.contains("spool-size") && !said.contains("detached"), "{shell}: {said}");
    }
}
