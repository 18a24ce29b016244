//! `gphotosfs mount`: puts the parts together, mounts, and ends them in order. [`assemble`] shows
//! the structure of the whole program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::{Builder, Handle};

use crate::api::Login;
use crate::app::engine::{EndSignals, Engine, SpoolRules, no_database, no_directory};
use crate::app::running::in_use;
use crate::app::{CommandError, Exit, daemon, log, mounts, tell};
use crate::fs::{self, Fs};
use crate::fuse;
use crate::library::{self, Library};
use crate::profile::{LockError, Profile, ProfileLock, Running, TIGHTENED, Tightened};
use crate::settings::{Commit, MountSettings, Passthrough, Sidecars, Sizes};
use crate::store::{self, Store};

/// The device through which the kernel sends requests to FUSE mounts.
const FUSE: &str = "/dev/fuse";

/// The child of a detaching mount prints this line on stdout when the mount can be used.
const READY: &str = "ready";

/// Where a mount that root starts for a user finds programs.
const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long a mount may take to become usable. It does not wait for the network.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How long background work may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Mounts. Returns when the mount can be used or, in the foreground, when it has ended. `args` are
/// this command's own arguments, the program's name first.
///
/// # Errors
/// If the mount fails. Then nothing is left behind.
pub fn run(
    profile: &Profile,
    settings: &MountSettings,
    args: &[OsString],
) -> Result<Exit, CommandError> {
    if settings.foreground || settings.detached {
        return serve(profile, settings);
    }
    // The mount makes the database.
    let is_first =
        profile.state_dir().is_ok_and(|dir| matches!(Store::open_read_only(dir), Ok(None)));
    let exit = detach(args)?;
    if is_first && exit == Exit::Done && std::io::stderr().is_terminal() {
        tell(first_words(&settings.mountpoint));
    }
    Ok(exit)
}

/// What to know at the first mount of a profile, for a person at a terminal.
fn first_words(mountpoint: &Path) -> String {
    let dir = mountpoint.display();
    format!(
        "Mounted on {dir}. Three things to know:\n\
         1. A directory is an album. Make one and copy photos into it: mkdir {dir}/20190428\n\
         2. A photo is safe once it is copied, and uploads by itself. 'gphotosfs sync {dir}' waits\n   \
            until Google has all of them; 'gphotosfs status' shows how far it is.\n\
         3. Google shows gphotosfs its own uploads only, so other albums are not here. 'rm' takes a\n   \
            photo out of its album, and leaves it in Google Photos.\n\
         Read on: 'gphotosfs --help' lists the commands, docs/SEMANTICS.md has the exact rules, and\n\
         docs/TROUBLESHOOTING.md the remedies."
    )
}

/// Runs this program with `args` as another user, which needs root. The last of them is the
/// mountpoint. Returns only if that fails.
pub fn become_user(user: &str, args: &[OsString]) -> CommandError {
    let failed = || CommandError::new(format!("cannot mount for the user {user}"));
    let Some((mountpoint, rest)) = args.split_last() else { return failed() };
    let prepared = std::env::current_exe().and_then(|program| {
        let mountpoint = std::path::absolute(mountpoint)?;
        daemon::close_inherited()?;
        Ok((program, mountpoint))
    });
    let (program, mountpoint) = match prepared {
        Ok(prepared) => prepared,
        Err(err) => return failed().because(err),
    };
    daemon::create_private_files();
    // runuser sets groups, home directory and name as a login does. Everything else of root's
    // environment is none of the user's.
    let err = Command::new("/sbin/runuser")
        .args(["-u", user, "--"])
        .arg(program)
        .args(rest.iter().skip(1))
        .arg(mountpoint)
        .env_clear()
        .env("PATH", USER_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .exec();
    failed().because(err).hint("install util-linux, which has the command runuser")
}

/// Runs the same command again in a session of its own, and waits until the mount is ready.
fn detach(args: &[OsString]) -> Result<Exit, CommandError> {
    let failed =
        |what: &str| CommandError::new(format!("cannot start the mount in the background: {what}"));
    let program =
        std::env::current_exe().map_err(|err| failed("its program is not found").because(err))?;
    // What this process has inherited, the mount would keep open, and with it locks and disks.
    daemon::close_inherited()
        .map_err(|err| failed("it cannot close inherited files").because(err))?;
    // After `--`, clap would take the flag for a mountpoint.
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
        // This fails once the deadline has passed.
        let _ = said.send(line);
    });
    match heard.recv_timeout(READY_DEADLINE) {
        Ok(line) if line.trim() == READY => Ok(Exit::Done),
        // The child has printed the reason on stderr, which both processes share.
        Ok(_) => Ok(Exit::Failed),
        Err(_) => {
            let _ = child.kill();
            Err(failed("it is not ready after a minute"))
        }
    }
}

/// Mounts, and returns when the mount has ended.
fn serve(profile: &Profile, settings: &MountSettings) -> Result<Exit, CommandError> {
    daemon::create_private_files();
    if settings.detached {
        // Ctrl-C in the terminal must not end a detached mount.
        rustix::process::setsid()
            .map_err(|err| CommandError::new("cannot leave the terminal").because(err))?;
    }
    let mut lock = lock(profile)?;
    let mountpoint = mountpoint(settings)?;
    if settings.detached {
        // The mountpoint may have been a relative path. No path is one from here on.
        daemon::leave_directory()
            .map_err(|err| CommandError::new("cannot leave the directory").because(err))?;
    }
    warn_of_tightened(profile);
    if settings.allow_other {
        check_allow_other()?;
    }
    raise_file_limit();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(fuse::BLOCKING_THREADS)
        .build()
        .map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let parts = assemble(profile, settings, &mountpoint, runtime.handle())?;
    // From here on, a signal that ended the process at once would leave a dead mount.
    let signals = EndSignals::listen(runtime.handle())?;

    let options = fuse::Options {
        read_only: settings.read_only,
        allow_other: settings.allow_other,
        passthrough: settings.passthrough == Passthrough::Auto,
        no_exec: settings.no_exec,
        uid: settings.uid,
        gid: settings.gid,
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
                    .hint("'gphotosfs doctor' names the remedy"),
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

    // Otherwise the first access would wait for the access token and the check of the account.
    // Operations that need a login report a dead one.
    let client = parts.engine.client.clone();
    runtime.spawn(async move { client.authorise().await });
    let device = mounts::device(&mountpoint).ok().flatten();
    let ended = runtime.block_on(until_unmounted(mount, &mountpoint, device, signals));
    tell_manager(&[NotifyState::Stopping]);
    runtime.block_on(parts.engine.stop());
    runtime.shutdown_timeout(SHUTDOWN_DEADLINE);
    ended.map(|()| Exit::Done)
}

/// The parts of a mount, before it is mounted.
pub struct Parts {
    /// Implements the filesystem's operations.
    pub fs: Arc<Fs>,
    /// Everything below the filesystem.
    pub engine: Engine,
    /// The queue of invalidations for the kernel's caches.
    pub changes: Vec<store::InvalidationShard>,
}

/// Makes every part of the program, and gives each part the others that it uses. Sends no request.
///
/// # Errors
/// If the login is missing or a directory cannot be used.
pub fn assemble(
    profile: &Profile,
    settings: &MountSettings,
    mountpoint: &Path,
    runtime: &Handle,
) -> Result<Parts, CommandError> {
    let spool =
        SpoolRules { max: settings.spool_size, keep_sidecars: settings.sidecars == Sidecars::Keep };
    let engine = Engine::start(profile, &settings.upload, spool, runtime)?;
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
            keep_sidecars: settings.sidecars == Sidecars::Keep,
            temporary_names: settings.upload.temporary_names.clone(),
            commit_at_close: settings.commit == Commit::Close,
            exact_sizes: settings.sizes == Sizes::Exact,
            shared: settings.allow_other,
            umask: settings.umask,
            thumbnails: settings.thumbnails,
            named: std::path::absolute(&settings.mountpoint)
                .unwrap_or_else(|_| mountpoint.to_owned()),
            profile: profile.name().to_string(),
            mountpoint: mountpoint.to_owned(),
            api_url: settings.upload.apis.library.to_string(),
        },
        engine.store.clone(),
        library,
        engine.pipeline.clone(),
        engine.content.clone(),
        engine.client.clone(),
    );
    Ok(Parts { fs, engine, changes })
}

/// The directory to mount on, as an absolute path. Unmounts it first if a crashed mount is there.
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
            // The log is not open yet, and the user waits at the terminal.
            tell("gphotosfs: the process behind the last mount has died; cleaning up");
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
            "the mount would hide the files in it: move them away, name an empty directory, or mount with -o nonempty",
        ));
    }
    Ok(path)
}

/// Takes the profile's lock. A killed process releases its mount shortly before the lock, so this
/// waits for its end.
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

/// fusermount3 checks this too, but its message names no next step.
fn check_allow_other() -> Result<(), CommandError> {
    let conf = std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if rustix::process::geteuid().is_root() || mounts::permits_allow_other(&conf) {
        return Ok(());
    }
    Err(CommandError::new("--allow-other is not permitted on this machine").hint(
        "root can permit it with a line 'user_allow_other' in /etc/fuse.conf; or mount without it, for yourself alone",
    ))
}

/// Warns of directories that were open to other users until now.
fn warn_of_tightened(profile: &Profile) {
    for Tightened { path, mode } in profile.tightened() {
        tracing::warn!(?path, mode = format!("{mode:04o}"), "{TIGHTENED}");
    }
}

/// Warns of missing scopes now. Operations that need them will fail later, with an errno only.
fn warn_of_missing_scopes(login: &Login) {
    for scope in login.missing_scopes() {
        tell(format!(
            "gphotosfs: not granted by the login, so you cannot {}: run 'gphotosfs login' again and tick all boxes",
            scope.allows()
        ));
    }
}

/// Reports to the parent that the mount can be used. From then on, a detached mount writes only to
/// its log.
fn tell_ready(settings: &MountSettings, state_dir: &Path) -> Result<(), CommandError> {
    if !settings.detached {
        return Ok(());
    }
    let failed = |err| CommandError::new("cannot open the log").because(err);
    let log = log::File::open(state_dir.join("log")).map_err(failed)?;
    let mut out = std::io::stdout();
    // This fails if the parent is gone, which is harmless.
    let _ = writeln!(out, "{READY}").and_then(|()| out.flush());
    log.take_over().map_err(failed)
}

/// Reports the mount's state to systemd, if systemd started this process (sd_notify(3)).
fn tell_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot report the mount's state to systemd");
    }
}

/// Waits until the mount is unmounted, or unmounts it when a signal asks this process to end.
async fn until_unmounted(
    mount: fuse::Mount,
    mountpoint: &Path,
    device: Option<String>,
    mut signals: EndSignals,
) -> Result<(), CommandError> {
    let failed = |err: std::io::Error| CommandError::new("the mount has failed").because(err);
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
    // `umount` has unmounted it, and a copy in another mount namespace keeps it alive. Another mount
    // may be there by now.
    if mounts::device(mountpoint).ok().flatten() != device {
        return Ok(());
    }
    // Closed files are on disk. Programs that have files open there get errors from now on.
    let mountpoint = mountpoint.to_owned();
    match tokio::task::spawn_blocking(move || super::umount::detach(&mountpoint)).await {
        Ok(outcome) => outcome,
        Err(err) => Err(failed(std::io::Error::other(err))),
    }
}

/// Raises the limit of descriptors: each open file of the mount is a descriptor of this process
/// too.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If this fails, the old limit stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
