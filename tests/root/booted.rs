//! A Debian that systemd-nspawn boots, with the program, its units, and an account that a user of it is
//! logged in to. It shares this machine's network, where the emulator listens.

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::disk::run;
use crate::support::files::copy_tree;
use crate::support::{World, jpeg, wait_for, wait_within};

/// The user, whose home is `/home/me`.
const ME: u32 = 1000;

/// systemd waits so long for a service that does not end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(120);

/// See the module. It is powered off when dropped.
pub(crate) struct Booted {
    pub(crate) world: World,
    root: PathBuf,
    container: Child,
}

impl Booted {
    /// A system with these lines of `/etc/fstab`, after its first boot.
    pub(crate) fn new(fstab: &str) -> Self {
        let world = World::new();
        let root = world.dir.path().join("system");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        run(Command::new(sources.join("scripts/booted-system.sh")).arg(&root));
        install(sources, &root);
        fs::write(root.join("etc/fstab"), fstab).unwrap();
        let profile = root.join("home/me/.config/gphotosfs/default");
        fs::create_dir_all(&profile).unwrap();
        copy_tree(&world.dir.path().join("config/gphotosfs/default"), &profile);
        // systemd gives a unit no environment of the user, so the address is in the configuration.
        let settings = format!("api_url = '{}'\n", world.api_url);
        fs::write(profile.join("config.toml"), settings).unwrap();
        own(&root.join("home/me"));
        let container = boot(&world, &root);
        let booted = Self { world, root, container };
        booted.wait_for_user();
        booted
    }

    /// Writes photos into the user's directory `photo`: `1.jpg` and so on.
    pub(crate) fn photos(&self, numbers: RangeInclusive<u32>) {
        let dir = self.root.join("home/me/photo");
        fs::create_dir_all(&dir).unwrap();
        for number in numbers {
            fs::write(dir.join(format!("{number}.jpg")), jpeg(number, 20_000)).unwrap();
        }
        own(&dir);
    }

    /// Runs a shell script in the user's home; it must succeed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        self.succeeds(&self.outcome(script), script)
    }

    /// As [`Booted::sh`], as root.
    #[track_caller]
    pub(crate) fn sh_of_root(&self, script: &str) -> String {
        self.succeeds(&self.inside(&["bash", "-euc", script]).unwrap(), script)
    }

    /// Runs a shell script in the user's home.
    pub(crate) fn outcome(&self, script: &str) -> Output {
        let environment = ["HOME=/home/me", "XDG_RUNTIME_DIR=/run/user/1000", "PATH=/usr/bin:/bin"];
        let user = ["runuser", "-u", "me", "--", "env", "-i"];
        let shell = ["timeout", "100", "bash", "-euc"];
        let script = format!("cd; {script}");
        let args = [&user[..], &environment, &shell, &[&script]].concat();
        self.inside(&args).unwrap()
    }

    /// A property of the user's unit, as `systemctl show` prints it.
    pub(crate) fn property(&self, name: &str) -> String {
        self.sh(&format!("systemctl --user show --property {name} --value gphotosfs")).trim().into()
    }

    /// The log of the unit in systemd's journal, a JSON object for each line.
    pub(crate) fn journal(&self) -> Vec<serde_json::Value> {
        let unit = "_SYSTEMD_USER_UNIT=gphotosfs.service SYSLOG_IDENTIFIER=gphotosfs";
        let lines = self.sh_of_root(&format!("journalctl --output json {unit}"));
        lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    /// Powers it off, in systemd's order, and boots it again. Does not wait for the user's units.
    pub(crate) fn reboot(&mut self) {
        self.sh_of_root("systemctl poweroff");
        wait_within(SHUTDOWN_DEADLINE, || match self.container.try_wait().unwrap() {
            Some(_) => Ok(()),
            None => Err(self.console()),
        });
        self.container = boot(&self.world, &self.root);
    }

    /// Waits until the user's own systemd runs.
    pub(crate) fn wait_for_user(&self) {
        let manager = format!("user@{ME}.service");
        wait_for("the user's systemd", || {
            let state = self.inside(&["systemctl", "is-active", &manager]);
            state.is_some_and(|it| it.status.success())
        });
    }

    /// Runs a program inside. `None` if the system has not begun to boot.
    fn inside(&self, args: &[&str]) -> Option<Output> {
        let init = self.init()?.to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &init, "--all", "--"]).args(args).stdin(Stdio::null());
        Some(command.output().unwrap())
    }

    /// The first process inside, by its number here.
    fn init(&self) -> Option<u32> {
        let id = self.container.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    #[track_caller]
    fn succeeds(&self, outcome: &Output, script: &str) -> String {
        let [out, err] = [&outcome.stdout, &outcome.stderr].map(|it| String::from_utf8_lossy(it));
        let log = || self.inside(&["journalctl", "--no-pager", "--lines", "100"]).unwrap().stdout;
        let log = || String::from_utf8_lossy(&log()).into_owned();
        assert!(outcome.status.success(), "{script}\n{out}{err}\n{}", log());
        out.into_owned()
    }

    fn console(&self) -> String {
        fs::read_to_string(self.world.dir.path().join("console.log")).unwrap()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // With its first process, all others inside end.
        if let Some(init) = self.init() {
            let _ = Command::new("kill").args(["-KILL", &init.to_string()]).status();
        }
        let _ = self.container.wait();
    }
}

/// The files of the package, as far as systemd and mount(8) need them.
fn install(sources: &Path, root: &Path) {
    let bin = root.join("usr/bin/gphotosfs");
    fs::copy(env!("CARGO_BIN_EXE_gphotosfs"), bin).unwrap();
    for helper in ["mount.gphotosfs", "mount.fuse.gphotosfs"] {
        symlink("../bin/gphotosfs", root.join("usr/sbin").join(helper)).unwrap();
    }
    for unit in ["gphotosfs.service", "gphotosfs@.service"] {
        let from = sources.join("packaging").join(unit);
        fs::copy(from, root.join("usr/lib/systemd/user").join(unit)).unwrap();
    }
}

/// Gives everything below a directory to the user.
fn own(dir: &Path) {
    for entry in walkdir::WalkDir::new(dir) {
        chown(entry.unwrap().path(), Some(ME), Some(ME)).unwrap();
    }
}

fn boot(world: &World, root: &Path) -> Child {
    let log = fs::File::create(world.dir.path().join("console.log")).unwrap();
    let name = world.dir.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.');
    let mut command = Command::new("systemd-nspawn");
    command.args(["--quiet", "--boot", "--console=pipe", "--link-journal=no"]);
    command.args(["--resolv-conf=off", "--timezone=off", "--bind=/dev/fuse"]);
    // Without a systemd, this machine keeps no register of containers.
    if !Path::new("/run/systemd/system").exists() {
        command.args(["--register=no", "--keep-unit"]);
    }
    command.arg(format!("--machine=gphotosfs-{name}")).arg("--directory").arg(root);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}
