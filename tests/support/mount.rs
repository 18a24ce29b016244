//! The depth of a mount: an emulator, an account that is logged in, and mounts of it by the built program.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gphotosfs_emulator::{Config, Edit};
use rustix::process::{Pid, Signal, kill_process};

use super::wait::{DEADLINE, let_pass, wait_within};
use super::{Google, jpeg, wait_for};

/// Everything a test needs; unmounts and stops when it is dropped, however the test ends.
pub struct World {
    pub emulator: Google,
    pub dir: tempfile::TempDir,
    pub mnt: PathBuf,
    /// Of the emulator, also while it is stopped.
    pub api_url: String,
    /// Additions to the environment of the program.
    pub env: Vec<(&'static str, String)>,
}

impl World {
    /// An emulator with an empty library, and an account logged in through the real `login`.
    pub fn new() -> Self {
        assert!(
            Path::new("/dev/fuse").exists(),
            "mount tests need /dev/fuse: load the fuse module, and run with the right to use it"
        );
        let dir = tempfile::tempdir().unwrap();
        let config = Config { state: Some(dir.path().join("google")), ..Config::default() };
        let emulator = Google::start(config);
        let mnt = dir.path().join("mnt");
        fs::create_dir(&mnt).unwrap();
        let api_url = emulator.url();
        let world = Self { emulator, dir, mnt, api_url, env: Vec::new() };
        world.login();
        world
    }

    /// A world with the account mounted.
    pub fn mounted() -> Self {
        let world = Self::new();
        world.mount(&[]);
        world
    }

    /// The program, with directories and the API of this world.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gphotosfs"));
        for (key, dir) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("HOME", "home"),
        ] {
            command.env(key, self.dir.path().join(dir));
        }
        command.env("GPHOTOSFS_API_URL", &self.api_url);
        command
            // A developer's own desktop must not show the troubles of tests.
            .env("GPHOTOSFS_NOTIFY", "off")
            // Nor must a developer's network have a say.
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .env("GPHOTOSFS_PICKER_URL", format!("{}/picker", self.api_url))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.program().args(args).output().unwrap()
    }

    /// Runs the program. Returns whether it succeeded, and its stderr.
    pub fn told(&self, args: &[&str]) -> (bool, String) {
        let outcome = self.run(args);
        (outcome.status.success(), String::from_utf8(outcome.stderr).unwrap())
    }

    pub fn login(&self) {
        let (done, said) = self.log_in_with(&self.emulator.client_secret_json(), &[]);
        assert!(done, "{said}");
    }

    /// Logs in the signed-in user with a client file. Returns whether that succeeded, and what the
    /// program has printed.
    pub fn log_in_with(&self, client: &str, options: &[&str]) -> (bool, String) {
        let secret = self.dir.path().join("client_secret.json");
        fs::write(&secret, client).unwrap();
        let mut login = self
            .program()
            .args(["login", "--no-browser", "--client-secret"])
            .arg(&secret)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Both are read all the time: a pipe may have room for a single write when the machine has many of them.
        let mut errors = login.stderr.take().unwrap();
        let errors = std::thread::spawn(move || io::read_to_string(&mut errors).unwrap());
        let stdout = BufReader::new(login.stdout.take().unwrap());
        let (sender, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let url = said.iter().find_map(|line| {
            line.split_whitespace().find(|it| it.starts_with("http")).map(str::to_owned)
        });
        // Without an address it has ended already.
        let page = url.map(|url| {
            self.emulator.wait(async { http().get(url).send().await?.text().await }).ok()
        });
        let rest: Vec<_> = said.iter().collect();
        let (status, stderr) = (login.wait().unwrap(), errors.join().unwrap());
        let page = if status.success() { None } else { page.flatten() };
        (status.success(), format!("{stderr}\n{}\n{}", rest.join("\n"), page.unwrap_or_default()))
    }

    /// Mounts and returns when the mount can be used.
    pub fn mount(&self, options: &[&str]) {
        self.mount_with(&[], options);
    }

    /// Mounts with additions to the environment.
    pub fn mount_with(&self, env: &[(&str, &str)], options: &[&str]) {
        let outcome = self
            .program()
            .envs(env.iter().copied())
            .arg("mount")
            .args(options)
            .arg(&self.mnt)
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&outcome.stderr),
            self.log()
        );
    }

    /// Mounts in the foreground, as a child whose end can be seen; it need not be ready yet.
    pub fn serve(&self, env: &[(&str, &str)]) -> Served {
        self.serve_with(env, &[])
    }

    /// As [`World::serve`], with options of `mount`.
    pub fn serve_with(&self, env: &[(&str, &str)], options: &[&str]) -> Served {
        let path = self.dir.path().join("served.log");
        let log = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        let child = self
            .program()
            .envs(env.iter().copied())
            .args(["mount", "-f"])
            .args(options)
            .arg(&self.mnt)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Served { child, mnt: self.mnt.clone() }
    }

    /// Unmounts, waiting for the uploads.
    pub fn umount(&self) {
        let outcome = self.program().arg("umount").arg(&self.mnt).output().unwrap();
        assert!(
            outcome.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&outcome.stderr),
            self.log()
        );
    }

    /// Ends the mount's process without any notice; the dead mount stays.
    pub fn kill(&self) {
        let status: serde_json::Value =
            serde_json::from_slice(&fs::read(self.mnt.join(".gphotos/status.json")).unwrap())
                .unwrap();
        let pid = Pid::from_raw(status["pid"].as_i64().unwrap() as i32).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        // It holds the lock of its profile until it has ended, also when the kernel has let go of the mount.
        let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
        wait_for("the mount's process to end", || {
            fs::read_to_string(&stat)
                .ok()
                .and_then(|it| it.rsplit_once(')').map(|(_, rest)| rest.starts_with(" Z")))
                .unwrap_or(true)
        });
        wait_for("the mount to die", || fs::read_dir(&self.mnt).is_err());
    }

    /// The log of all mounts so far.
    pub fn log(&self) -> String {
        let read = |path| fs::read_to_string(self.dir.path().join(path)).unwrap_or_default();
        read("state/gphotosfs/default/log") + &read("served.log")
    }

    /// Waits until everything has arrived at Google.
    pub fn sync(&self) {
        self.sh("sync mnt");
    }

    /// Runs a shell script in this world's directory; it must succeed.
    pub fn sh(&self, script: &str) -> String {
        let outcome = self.sh_outcome(script);
        assert!(
            outcome.status.success(),
            "{script}\n{}{}\n{}",
            String::from_utf8_lossy(&outcome.stdout),
            String::from_utf8_lossy(&outcome.stderr),
            self.log()
        );
        String::from_utf8(outcome.stdout).unwrap()
    }

    /// Runs a shell script that may take this many seconds; it must succeed.
    pub fn sh_within(&self, seconds: u32, script: &str) {
        let outcome = self.timed(seconds, script);
        assert!(outcome.status.success(), "{script}\n{outcome:?}\n{}", self.log());
    }

    /// Runs a shell script in this world's directory.
    pub fn sh_outcome(&self, script: &str) -> Output {
        self.timed(120, script)
    }

    fn timed(&self, seconds: u32, script: &str) -> Output {
        Command::new("timeout")
            .args([&seconds.to_string(), "bash", "-euc", script])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Writes a photo into this world's directory (not into the mount).
    pub fn photo(&self, name: &str, seed: u32, len: usize) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, jpeg(seed, len)).unwrap();
        path
    }

    /// File names in an album at Google, in album order.
    pub fn remote(&self, album: &str) -> Vec<String> {
        let dump = self.emulator.dump();
        let albums: Vec<_> = dump.albums.iter().filter(|it| it.title == album).collect();
        assert_eq!(albums.len(), 1, "albums titled {album}");
        let name = |id: &String| dump.item(id).expect("listed item exists").filename.clone();
        albums[0].items.iter().map(name).collect()
    }

    /// Takes Google off the network: connections to it are refused until [`World::start_emulator`].
    pub fn stop_emulator(&mut self) {
        self.emulator.go_away();
    }

    /// Brings Google back, with all that it knew.
    pub fn start_emulator(&mut self) {
        self.emulator.come_back();
    }

    /// Makes an album of `count` photos of 5000 bytes each at Google, `IMG_000000.jpg` and so on.
    pub fn seed(&self, album: &str, count: u64) {
        self.emulator.seed(album, count);
    }

    /// Does at Google what the user does in the app, or what another client has done before.
    pub fn edit(&self, edit: Edit) -> String {
        self.emulator.edit(edit)
    }

    /// Names in a directory of the mount, sorted.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.mnt.join(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let done = self.program().args(["umount", "--now"]).arg(&self.mnt).output();
        if !done.is_ok_and(|outcome| outcome.status.success()) {
            detach(&self.mnt);
        }
    }
}

/// A mount that runs as a child of the test; killed when dropped.
pub struct Served {
    child: Child,
    mnt: PathBuf,
}

impl Served {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it can be used; false if it ends before.
    pub fn is_ready(&mut self) -> bool {
        let pid = format!("\"pid\": {}", self.pid());
        let status = self.mnt.join(".gphotos/status.json");
        let mut ready = false;
        wait_for("the mount to be ready", || {
            ready = fs::read_to_string(&status).is_ok_and(|text| text.contains(&pid));
            ready || self.child.try_wait().unwrap().is_some()
        });
        ready
    }

    /// Waits for its end.
    pub fn ended(self) {
        self.ended_with();
    }

    /// Waits for its end. Returns the exit status; `None` if a signal has killed it.
    pub fn ended_with(mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        let ended = || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None if Instant::now() < deadline => Err(String::new()),
            None => Err(format!("the mount's process does not end:\n{}", what_it_does(&self.mnt))),
        };
        wait_within(DEADLINE, ended).code()
    }

    /// Ends it without any notice once that time has passed, wherever it stands then.
    pub fn kill_after(&self, time: Duration) -> JoinHandle<()> {
        let pid = Pid::from_raw(self.pid() as i32).unwrap();
        std::thread::spawn(move || {
            let_pass(time);
            kill_process(pid, Signal::KILL).unwrap();
        })
    }

    /// Ends it without any notice.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Fails if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status and the log of a mount that ought to have ended.
fn what_it_does(mnt: &Path) -> String {
    let file = mnt.join(".gphotos/status.json");
    let status = Command::new("timeout").args(["10", "cat"]).arg(file).output();
    let status = status.map(|it| it.stdout).unwrap_or_default();
    let log = fs::read(mnt.with_file_name("served.log")).unwrap_or_default();
    format!("{}\n{}", String::from_utf8_lossy(&status), String::from_utf8_lossy(&log))
}

/// Unmounts whatever its state; does nothing if it is not mounted.
fn detach(mnt: &Path) {
    let _ = Command::new("fusermount3").args(["-u", "-z", "-q"]).arg(mnt).output();
}

/// A client for the test's own requests.
pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
