//! `gphotosfs mount`: puts the parts together, mounts, and ends them in order. [`assemble`] shows
//! the structure of the whole program.

mod background;
mod import;
mod mountpoint;

use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::{Builder, Handle};

use crate::api::Login;
use crate::app::engine::{Engine, SpoolRules, no_database, no_directory};
use crate::app::running::in_use;
use crate::app::signals::{EndSignal, EndSignals};
use crate::app::{CommandError, Exit, daemon, memory, mounts, notices, tell, tell_manager};
use crate::fs::{self, Fs};
use crate::fuse::{self, SessionEnd};
use crate::library::{self, Library};
use crate::profile::{LockError, Profile, ProfileLock, Running, TIGHTENED, Tightened};
use crate::settings::{Commit, MountSettings, Passthrough, Sidecars, Sizes};
use crate::store::{self, Store};
use background::{detach, tell_ready};
use mountpoint::Mountpoint;

pub use background::become_user;

/// The device through which the kernel sends requests to FUSE mounts.
const FUSE: &str = "/dev/fuse";

/// How long background work may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// How long the process of the mount before may take to end. It cuts its uploads off within seconds.
const PREVIOUS_DEADLINE: Duration = Duration::from_secs(10);

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
    if settings.detached {
        // The mount would keep inherited descriptors open, and with them locks and disks. Its parent
        // cannot close them: it may be a login, whose threads use descriptors of their own.
        daemon::close_inherited().map_err(|err| {
            CommandError::new("cannot start the mount in the background").because(err)
        })?;
        return serve(profile, settings);
    }
    if !settings.foreground {
        // The mount makes the database.
        let is_first = std::io::stderr().is_terminal()
            && profile.state_dir().is_ok_and(|dir| matches!(Store::is_made(dir), Ok(false)));
        let exit = match settings.import {
            true => import::run(settings, || detach(args))?,
            false => detach(args)?,
        };
        if is_first && exit == Exit::Done {
            tell(first_words(&settings.mountpoint));
        }
        return Ok(exit);
    }
    if settings.import {
        return Err(CommandError::usage("--import cannot be used with --foreground"));
    }
    // Without the limit, the mount needs more memory, and works as well.
    let _ = memory::start_with_limit(args);
    serve(profile, settings).or_else(|error| {
        // It is the last word of 'systemctl status'.
        tell_manager(&[NotifyState::Status(&error.to_string())]);
        if !error.needs_person() {
            return Err(error);
        }
        error.say(false);
        Ok(Exit::NeedsPerson)
    })
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

/// Mounts, and returns when the mount has ended.
fn serve(profile: &Profile, settings: &MountSettings) -> Result<Exit, CommandError> {
    daemon::create_private_files();
    if settings.detached {
        // Ctrl-C in the terminal must not end a detached mount.
        rustix::process::setsid()
            .map_err(|err| CommandError::new("cannot leave the terminal").because(err))?;
    }
    let mut lock = lock(profile)?;
    let outcome = serve_locked(profile, settings, &mut lock);
    // At a terminal, the person who waits there reads the reason.
    if let Err(error) = &outcome
        && !std::io::stderr().is_terminal()
    {
        let (name, state_dir) = (profile.name().to_string(), profile.state_dir());
        let state_dir = state_dir.map_err(no_directory)?;
        notices::announce_failure(settings.notify, &name, state_dir, &error.in_one_line());
    }
    outcome.map(|()| Exit::Done)
}

/// Mounts, and returns when the mount has ended. This process has the profile for itself.
fn serve_locked(
    profile: &Profile,
    settings: &MountSettings,
    lock: &mut ProfileLock,
) -> Result<(), CommandError> {
    let place = Mountpoint::prepare(settings, profile)?;
    let mountpoint = place.path.clone();
    if settings.detached {
        // The mountpoint may have been a relative path. No path is one from here on.
        daemon::leave_directory()
            .map_err(|err| CommandError::new("cannot leave the directory").because(err))?;
    }
    warn_of_tightened(profile);
    profile.log_strangers().map_err(no_directory)?;
    if settings.allow_other {
        check_allow_other()?;
    }
    daemon::raise_file_limit();
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(fuse::BLOCKING_THREADS)
        .build()
        .map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let parts = assemble(profile, settings, (&mountpoint, &place.named), runtime.handle())?;
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
    let mount = place.while_open(|| {
        fuse::Mount::new(parts.fs, &mountpoint, &options, runtime.handle().clone())
            .map_err(|err| not_mounted(&mountpoint, err))
    })?;
    // A program may have written into the directory while it was open.
    if let Err(error) = place.check_empty() {
        super::umount::detach(&mountpoint)?;
        return Err(error);
    }
    warn_of_missing_scopes(parts.engine.client.login());
    mount
        .notify(parts.changes)
        .map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let running = Running { pid: std::process::id(), mountpoint: mountpoint.clone() };
    lock.announce(&running).map_err(no_directory)?;
    tell_ready(settings, profile.state_dir().map_err(no_directory)?)?;
    tell_manager(&[NotifyState::Ready, NotifyState::Status(&notices::mounted_on(&mountpoint))]);
    let (engine, handle) = (&parts.engine, runtime.handle());
    let notices = notices::Notices::start(profile, settings, &mountpoint, engine, handle)
        .map_err(no_directory)?;

    // Otherwise the first access would wait for the access token and the check of the account.
    // Operations that need a login report a dead one.
    let client = parts.engine.client.clone();
    runtime.spawn(async move { client.authorise().await });
    let device = mounts::device(&mountpoint).ok().flatten();
    let ended = runtime.block_on(until_unmounted(mount, &mountpoint, device, signals));
    if let Ok(Ended::Unmounted) = ended
        && let Err(error) = profile.withdraw_target(&mountpoint)
    {
        tracing::warn!(%error, "cannot store that the profile was unmounted");
    }
    if ended.is_ok()
        && let Err(error) = lock.withdraw()
    {
        tracing::warn!(%error, "cannot store that the mount is ending");
    }
    drop(notices);
    tell_manager(&[NotifyState::Stopping]);
    runtime.block_on(parts.engine.stop());
    runtime.shutdown_timeout(SHUTDOWN_DEADLINE);
    match ended? {
        Ended::Signalled(signal) if !signal.is_request => {
            Err(CommandError::new(format!("{} has ended the mount", signal.name)))
        }
        Ended::Unmounted | Ended::Signalled(_) => Ok(()),
    }
}

fn not_mounted(mountpoint: &Path, err: std::io::Error) -> CommandError {
    let error = CommandError::new(format!("cannot mount on {}", mountpoint.display()));
    match File::options().read(true).write(true).open(FUSE) {
        Ok(_) => {
            error.because(err).hint("is the directory yours? 'gphotosfs doctor' checks the rest")
        }
        Err(closed) => error
            .because(format!("{FUSE}: {closed}"))
            .hint("'gphotosfs doctor' names the remedy")
            .for_a_person(),
    }
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
    (mountpoint, named): (&Path, &Path),
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
            named: named.to_owned(),
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

/// Takes the profile's lock. The process of a mount that was unmounted or killed keeps it until it
/// has ended, so this waits for that.
fn lock(profile: &Profile) -> Result<ProfileLock, CommandError> {
    let outcome = match profile.lock() {
        Err(LockError::Held(holder)) if is_ending(holder.as_ref()) => {
            tell(format!("gphotosfs: {}; waiting for its end", LockError::Held(holder)));
            profile.wait_until_free(PREVIOUS_DEADLINE).map_err(no_directory)?;
            profile.lock()
        }
        outcome => outcome,
    };
    outcome.map_err(|err| in_use("cannot mount", err))
}

/// Whether the holder of the profile may end without being asked: its mount is no more, or it has
/// announced none.
fn is_ending(holder: Option<&Running>) -> bool {
    holder.is_none_or(|it| {
        mounts::device(&it.mountpoint).is_ok_and(|device| device.is_none())
            || mounts::is_dead(&it.mountpoint)
    })
}

/// fusermount3 checks this too, but its message names no next step.
fn check_allow_other() -> Result<(), CommandError> {
    let conf = std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if rustix::process::geteuid().is_root() || mounts::permits_allow_other(&conf) {
        return Ok(());
    }
    let error = CommandError::new("--allow-other is not permitted on this machine").hint(
        "root can permit it with a line 'user_allow_other' in /etc/fuse.conf; or mount without it, for yourself alone",
    );
    Err(error.for_a_person())
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

/// How a mount has ended.
enum Ended {
    /// Somebody has unmounted it.
    Unmounted,
    /// A signal has ended it. The profile is still meant to be mounted.
    Signalled(EndSignal),
}

/// Waits until the mount is unmounted, or unmounts it when a signal asks this process to end.
async fn until_unmounted(
    mount: fuse::Mount,
    mountpoint: &Path,
    device: Option<String>,
    mut signals: EndSignals,
) -> Result<Ended, CommandError> {
    let failed = |err: std::io::Error| CommandError::new("the mount has failed").because(err);
    // No task of the runtime: a program that has a file open outlives a lazy unmount, and the
    // runtime's end must not wait for it.
    let (done, joined) = tokio::sync::oneshot::channel();
    let join = move || drop(done.send(mount.join()));
    std::thread::Builder::new().name("mount".into()).spawn(join).map_err(failed)?;
    let signal = tokio::select! {
        outcome = joined => {
            return match outcome.map_err(std::io::Error::other).flatten().map_err(failed)? {
                SessionEnd::Unmounted => Ok(Ended::Unmounted),
                SessionEnd::Aborted => {
                    Err(blocking(mountpoint, move |it| Ok(aborted(it, device))).await?)
                }
            };
        }
        signal = signals.received() => signal,
    };
    tracing::info!("{} ends the mount", signal.name);
    // `umount` has unmounted it, and a copy in another mount namespace keeps it alive. Another mount
    // may be there by now.
    if mounts::device(mountpoint).ok().flatten() != device {
        return Ok(Ended::Signalled(signal));
    }
    // Closed files are on disk. Programs that have files open there get errors from now on.
    blocking(mountpoint, super::umount::detach).await.map(|()| Ended::Signalled(signal))
}

/// The error of an aborted connection. Cleans up if the dead mount is still there.
fn aborted(mountpoint: &Path, device: Option<String>) -> CommandError {
    if device.is_some() && mounts::device(mountpoint).ok().flatten() == device {
        // If this fails, the next mount cleans up.
        let _ = super::umount::detach(mountpoint);
    }
    let error = CommandError::new("somebody has aborted the mount's connection to the kernel");
    error.hint("mount again: nothing that was closed is lost")
}

/// Runs what may wait for the kernel on a thread of its own.
async fn blocking<T: Send + 'static>(
    mountpoint: &Path,
    task: impl FnOnce(&Path) -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    let mountpoint = mountpoint.to_owned();
    let outcome = tokio::task::spawn_blocking(move || task(&mountpoint)).await;
    outcome.map_err(|err| CommandError::new("the mount has failed").because(err))?
}
