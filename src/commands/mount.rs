//! `gphotosfs mount`: puts the parts together, and takes them apart again. Reading [`assemble`] tells what
//! the program is.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::{Handle, Runtime};

use crate::api::Login;
use crate::app::engine::{EndSignals, Engine, no_database, no_directory};
use crate::app::running::in_use;
use crate::app::{CommandError, Exit, log, mounts};
use crate::fs::{self, Fs};
use crate::fuse;
use crate::library::{self, Library};
use crate::profile::{LockError, Profile, ProfileLock, Running};
use crate::settings::{Commit, MountSettings, Passthrough, Sizes};
use crate::store;

/// Where the kernel's side of every FUSE mount is.
const FUSE: &str = "/dev/fuse";

/// What the child of a detaching mount says on its standard output when the mount can be used.
const READY: &str = "ready";

/// How long a mount may take: it asks nobody on the network.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How long background work may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Mounts, and returns when the mount can be used, or in the foreground when it has ended. `args` are those that
/// led here, the program's name first.
///
/// # Errors
/// If it cannot be mounted; then nothing is left behind.
pub fn run(
    profile: &Profile,
    settings: &MountSettings,
    args: &[OsString],
) -> Result<Exit, CommandError> {
    if settings.foreground || settings.detached { serve(profile, settings) } else { detach(args) }
}

/// Goes on with `args` as another user. Only root may; returns only if it fails.
pub fn become_user(user: &str, args: &[OsString]) -> CommandError {
    let failed = || CommandError::new(format!("cannot mount for the user {user}"));
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(err) => return failed().because(err),
    };
    // It sets groups and home directory as a login does. mount(8) has taken /sbin from the path.
    let err = Command::new("/sbin/runuser")
        .args(["-u", user, "--"])
        .arg(program)
        .args(args.iter().skip(1))
        .exec();
    failed().because(err).hint("install util-linux, which has the command runuser")
}

/// Runs the same command once more, in a session of its own, and waits until it is ready.
fn detach(args: &[OsString]) -> Result<Exit, CommandError> {
    let failed =
        |what: &str| CommandError::new(format!("cannot start the mount in the background: {what}"));
    let program =
        std::env::current_exe().map_err(|err| failed("where is the program?").because(err))?;
    // Behind `--` it would be taken for a name.
    let flags = args.iter().skip(1).position(|arg| arg == "--").map_or(args.len(), |at| at + 1);
    let mut child = Command::new(program)
        .args(&args[1..flags])
        .arg("--detached")
        .args(&args[flags..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|err| failed("it does not start").because(err))?;
    let Some(stdout) = child.stdout.take() else { return Err(failed("it has no output")) };
    let (said, heard) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        // Nobody listens any more once the deadline has passed.
        let _ = said.send(line);
    });
    match heard.recv_timeout(READY_DEADLINE) {
        Ok(line) if line.trim() == READY => Ok(Exit::Done),
        // It has told on stderr, which it shares with us, what is wrong.
        Ok(_) => Ok(Exit::Failed),
        Err(_) => {
            let _ = child.kill();
            Err(failed("it is not ready after a minute"))
        }
    }
}

/// Mounts, and stays until the mount has ended.
fn serve(profile: &Profile, settings: &MountSettings) -> Result<Exit, CommandError> {
    if settings.detached {
        // Signals to the terminal's foreground processes are not for us.
        rustix::process::setsid()
            .map_err(|err| CommandError::new("cannot leave the terminal").because(err))?;
    }
    let mut lock = lock(profile)?;
    let mountpoint = mountpoint(settings)?;
    if settings.allow_other {
        check_allow_other()?;
    }
    raise_file_limit();
    let runtime =
        Runtime::new().map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let parts = assemble(profile, settings, &mountpoint, runtime.handle())?;
    // A signal that ended us by itself from here on would leave a dead mount.
    let signals = EndSignals::listen(runtime.handle())?;

    let options = fuse::Options {
        read_only: settings.read_only,
        allow_other: settings.allow_other,
        passthrough: settings.passthrough == Passthrough::Auto,
        no_exec: settings.no_exec,
    };
    let mount = fuse::Mount::new(parts.fs, &mountpoint, &options, runtime.handle().clone())
        .map_err(|err| {
            let error = CommandError::new(format!("cannot mount on {}", mountpoint.display()));
            match File::options().read(true).write(true).open(FUSE) {
                Ok(_) => error
                    .because(err)
                    .hint("is the directory yours? 'gphotosfs doctor' checks the rest"),
                Err(closed) => error
                    .because(format!("{FUSE}: {closed}"))
                    .hint("'gphotosfs doctor' says what to do about it"),
            }
        })?;
    warn_of_missing_scopes(parts.engine.client.login());
    mount
        .notify(parts.changes)
        .map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let running = Running { pid: std::process::id(), mountpoint: mountpoint.clone() };
    lock.announce(&running).map_err(no_directory)?;
    tell_ready(settings, profile.state_dir().map_err(no_directory)?)?;
    let status = format!("mounted on {}", mountpoint.display());
    tell_manager(&[NotifyState::Ready, NotifyState::Status(&status)]);

    // Whoever looks first would have to wait for it. A login that is dead is told to those who need it.
    let client = parts.engine.client.clone();
    runtime.spawn(async move { client.login().access_token().await.map(drop) });
    let ended = runtime.block_on(until_unmounted(mount, &mountpoint, signals));
    tell_manager(&[NotifyState::Stopping]);
    runtime.block_on(parts.engine.stop());
    runtime.shutdown_timeout(SHUTDOWN_DEADLINE);
    ended.map(|()| Exit::Done)
}

/// The filesystem without its mount, and what is needed to end it well.
pub struct Parts {
    /// What each operation means.
    pub fs: Arc<Fs>,
    /// What is below it.
    pub engine: Engine,
    /// What the kernel is to be told.
    pub changes: Vec<store::InvalidationShard>,
}

/// The whole program: every part is made here and handed to those that use it.
///
/// # Errors
/// If the login is missing or a directory cannot be used. Nobody on the network is asked.
pub fn assemble(
    profile: &Profile,
    settings: &MountSettings,
    mountpoint: &Path,
    runtime: &Handle,
) -> Result<Parts, CommandError> {
    let engine = Engine::start(profile, &settings.upload, settings.spool_size, runtime)?;
    let changes = engine
        .store
        .track_invalidations()
        .map_err(|err| no_database("cannot use the database", err))?;
    let library = Library::new(
        library::Config { refresh: settings.refresh, clock: crate::media::Clock::default() },
        engine.store.clone(),
        engine.client.clone(),
        runtime.clone(),
        engine.base_urls.clone(),
    );
    let fs = Fs::new(
        fs::Config {
            read_only: settings.read_only,
            commit_at_close: settings.commit == Commit::Close,
            exact_sizes: settings.sizes == Sizes::Exact,
            shared: settings.allow_other,
            profile: profile.name().to_string(),
            mountpoint: mountpoint.to_owned(),
            api_url: settings.upload.api_url.to_string(),
        },
        engine.store.clone(),
        library,
        engine.pipeline.clone(),
        engine.content.clone(),
        engine.client.clone(),
    );
    Ok(Parts { fs, engine, changes })
}

/// The directory to mount on, absolute. One that a crashed mount has left behind is cleaned up first.
fn mountpoint(settings: &MountSettings) -> Result<PathBuf, CommandError> {
    let given = settings.mountpoint.as_path();
    let failed = || CommandError::new(format!("cannot mount on {}", given.display()));
    let unusable = |err: std::io::Error| {
        let hint = match err.kind() {
            std::io::ErrorKind::NotFound => format!("make it: mkdir -p {}", given.display()),
            _ => "name an empty directory of yours".to_owned(),
        };
        failed().because(err).hint(hint)
    };
    if mounts::is_dead(given) {
        if settings.detached {
            // Its log is not open yet: somebody waits at the terminal.
            eprintln!("gphotosfs: the process behind the last mount has died; cleaning up");
        } else {
            tracing::warn!("cleaning up after a mount whose process has died");
        }
        super::umount::detach(given)?;
    }
    let path = given.canonicalize().map_err(unusable)?;
    if !path.is_dir() {
        return Err(failed()
            .because(std::io::Error::from(std::io::ErrorKind::NotADirectory))
            .hint("name an empty directory"));
    }
    if mounts::ours().map_err(unusable)?.contains(&path) {
        return Err(CommandError::new(format!("{} is a gphotosfs mount already", given.display()))
            .hint("name another directory: this one has another profile's mount"));
    }
    if !settings.nonempty && path.read_dir().map_err(unusable)?.next().is_some() {
        return Err(CommandError::new(format!("{} is not empty", given.display())).hint(
            "the mount would hide what is in it: move that away, name an empty directory, or mount with -o nonempty",
        ));
    }
    Ok(path)
}

/// The profile's lock. A process that was killed lets go of its mount a little earlier than of the lock.
fn lock(profile: &Profile) -> Result<ProfileLock, CommandError> {
    match profile.lock() {
        Err(LockError::Held(Some(dying))) if mounts::is_dead(&dying.mountpoint) => {
            if let Some(process) = super::umount::open_process(dying.pid) {
                super::umount::wait_for_exit(&process)?;
            }
            profile.lock().map_err(|err| in_use("cannot mount", err))
        }
        outcome => outcome.map_err(|err| in_use("cannot mount", err)),
    }
}

/// fusermount3 refuses it as well, with fewer words.
fn check_allow_other() -> Result<(), CommandError> {
    let conf = std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if rustix::process::geteuid().is_root() || mounts::permits_allow_other(&conf) {
        return Ok(());
    }
    Err(CommandError::new("--allow-other is not permitted on this machine").hint(
        "root can permit it with a line 'user_allow_other' in /etc/fuse.conf; without it the mount is yours alone",
    ))
}

/// Some things will fail later, and few people would see why.
fn warn_of_missing_scopes(login: &Login) {
    for scope in login.missing_scopes() {
        eprintln!(
            "gphotosfs: not granted by the login, so you cannot {}: run 'gphotosfs login' again and tick all boxes",
            scope.allows()
        );
    }
}

/// Says that the mount can be used; from here on a detached mount writes to its log alone.
fn tell_ready(settings: &MountSettings, state_dir: &Path) -> Result<(), CommandError> {
    if !settings.detached {
        return Ok(());
    }
    let failed = |err| CommandError::new("cannot open the log").because(err);
    let log = log::File::open(state_dir.join("log")).map_err(failed)?;
    let mut out = std::io::stdout();
    // If the parent is gone there is nobody to tell.
    let _ = writeln!(out, "{READY}").and_then(|()| out.flush());
    log.take_over().map_err(failed)
}

/// Tells systemd, if it has started us, how we are (sd_notify(3)).
fn tell_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told that the state of the mount has changed");
    }
}

/// Waits until somebody unmounts or stops us.
async fn until_unmounted(
    mount: fuse::Mount,
    mountpoint: &Path,
    mut signals: EndSignals,
) -> Result<(), CommandError> {
    let failed = |err: std::io::Error| CommandError::new("the mount has broken down").because(err);
    let mut joined = tokio::task::spawn_blocking(move || mount.join());
    tokio::select! {
        outcome = &mut joined => {
            return match outcome {
                Ok(outcome) => outcome.map_err(failed),
                Err(err) => Err(failed(std::io::Error::other(err))),
            };
        }
        () = signals.received() => {}
    }
    // What is sealed is on disk; whoever has something open there gets errors from now on.
    let mountpoint = mountpoint.to_owned();
    match tokio::task::spawn_blocking(move || super::umount::detach(&mountpoint)).await {
        Ok(outcome) => outcome,
        Err(err) => Err(failed(std::io::Error::other(err))),
    }
}

/// Every open file is a descriptor of ours, too.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // As before, if it is refused.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
