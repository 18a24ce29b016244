//! `gphotosfs mount`: puts the parts together, and takes them apart again. Reading [`assemble`] tells what
//! the program is.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::{CommandError, Exit};
use crate::api::{self, BaseUrls, Budget, Login, SavedBudget};
use crate::cli::{Commit, MountSettings, Sizes};
use crate::content::{self, Content};
use crate::fs::{self, Fs};
use crate::fuse;
use crate::library::{self, Library};
use crate::profile::{Profile, Running};
use crate::store::Store;
use crate::upload::{self, Pipeline};

/// What the child of a detaching mount says on its standard output when the mount can be used.
const READY: &str = "ready";

/// How long a mount may take: it asks nobody on the network.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How often the request budget is kept, if it has changed.
const KEEP_BUDGET_EVERY: Duration = Duration::from_secs(5);

/// How long background work may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Where the request budget is kept.
const BUDGET: &str = "budget";

/// Mounts, and returns when the mount can be used, or in the foreground when it has ended.
///
/// # Errors
/// If it cannot be mounted; then nothing is left behind.
pub fn run(profile: &Profile, settings: &MountSettings) -> Result<Exit, CommandError> {
    if settings.foreground || settings.detached { serve(profile, settings) } else { detach() }
}

/// Runs the same command once more, in a session of its own, and waits until it is ready.
fn detach() -> Result<Exit, CommandError> {
    let trouble =
        |what: &str| CommandError::new(format!("cannot start the mount in the background: {what}"));
    let program =
        std::env::current_exe().map_err(|err| trouble("where is the program?").because(err))?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--detached")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|err| trouble("it does not start").because(err))?;
    let Some(stdout) = child.stdout.take() else { return Err(trouble("it has no output")) };
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
            Err(trouble("it is not ready after a minute"))
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
    let mountpoint = mountpoint(&settings.mountpoint)?;
    let mut lock = profile.lock().map_err(|err| {
        CommandError::new("cannot mount")
            .because(err)
            .hint("unmount it first with `gphotosfs umount`, or use another account with --profile")
    })?;
    raise_file_limit();
    let runtime =
        Runtime::new().map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let parts = assemble(profile, settings, &mountpoint, runtime.handle())?;

    let options =
        fuse::Options { read_only: settings.read_only, allow_other: settings.allow_other };
    let mount = fuse::Mount::new(parts.fs, &mountpoint, &options, runtime.handle().clone())
        .map_err(|err| {
            CommandError::new(format!("cannot mount on {}", mountpoint.display()))
                .because(err)
                .hint("is fuse3 installed, /dev/fuse there, and the mount point yours?")
        })?;
    mount
        .notify(parts.changes)
        .map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let running = Running { pid: std::process::id(), mountpoint: mountpoint.clone() };
    lock.announce(&running).map_err(no_directory)?;
    tell_ready(settings, profile.state_dir().map_err(no_directory)?)?;

    let ended = runtime.block_on(until_unmounted(mount, &mountpoint, &parts.store, &parts.budget));
    runtime.block_on(parts.pipeline.shutdown());
    keep_budget(&parts.store, &parts.budget);
    runtime.shutdown_timeout(SHUTDOWN_DEADLINE);
    ended.map(|()| Exit::Done)
}

/// The filesystem without its mount, and what is needed to end it well.
pub struct Parts {
    /// What each operation means.
    pub fs: Arc<Fs>,
    /// What is going.
    pub pipeline: Pipeline,
    /// All state.
    pub store: Store,
    /// What was spent of the daily allowances.
    pub budget: Arc<Budget>,
    /// What the kernel is to be told.
    pub changes: fuse::Changes,
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
    let state_dir = profile.state_dir().map_err(no_directory)?;
    let login =
        Login::load(profile).map_err(|err| CommandError::new("cannot mount").because(err))?;
    let store = Store::open(state_dir)
        .map_err(|err| CommandError::new("cannot open the database").because(err))?;
    let budget = Arc::new(kept_budget(&store)?);
    let _entered = runtime.enter();
    let api = api::Config {
        api_url: settings.api_url.clone(),
        ..api::Config::default().paced(settings.unstable_pace)
    };
    let client = api::Client::new(api, Arc::new(login), budget.clone())
        .map_err(|err| CommandError::new("cannot talk to Google").because(err))?;
    let base_urls = Arc::new(BaseUrls::start(client.clone(), runtime));
    let (on_change, changes) = fuse::changes();

    let library = Library::new(
        library::Config { refresh: settings.refresh },
        store.clone(),
        client.clone(),
        runtime.clone(),
        base_urls.clone(),
        on_change.clone(),
    );
    let content = Content::new(
        content::Config {
            dir: profile.cache_dir().map_err(no_directory)?.join("content"),
            limit: settings.cache_size,
        },
        store.clone(),
        client.clone(),
        base_urls,
        runtime.clone(),
        on_change.clone(),
    )
    .map_err(|err| CommandError::new("cannot use the content cache").because(err))?;
    let keep = content.clone();
    let pipeline = Pipeline::start(
        upload::Config {
            uploads: usize::from(settings.uploads),
            ..upload::Config::new(
                state_dir.join("spool"),
                on_change,
                Arc::new(move |file, path| keep.keep(file, path)),
            )
            .paced(settings.unstable_pace)
        },
        store.clone(),
        client.clone(),
        runtime,
    )
    .map_err(|err| CommandError::new("cannot go on with the uploads").because(err))?;
    let fs = Fs::new(
        fs::Config {
            read_only: settings.read_only,
            commit_at_close: settings.commit == Commit::Close,
            exact_sizes: settings.sizes == Sizes::Exact,
            profile: profile.name().to_string(),
            mountpoint: mountpoint.to_owned(),
            api_url: settings.api_url.to_string(),
        },
        store.clone(),
        library,
        pipeline.clone(),
        content,
        client,
    );
    Ok(Parts { fs, pipeline, store, budget, changes })
}

fn no_directory(err: std::io::Error) -> CommandError {
    CommandError::new("cannot use the profile's directories").because(err)
}

/// The directory to mount on, absolute. One that a crashed mount has left behind is cleaned up first.
fn mountpoint(given: &Path) -> Result<PathBuf, CommandError> {
    let unusable =
        |err| CommandError::new(format!("cannot mount on {}", given.display())).because(err);
    if super::umount::is_dead(given) {
        tracing::warn!("cleaning up after a mount whose process has died");
        super::umount::detach(given)?;
    }
    let path = given.canonicalize().map_err(unusable)?;
    if !path.is_dir() {
        return Err(unusable(std::io::Error::from(std::io::ErrorKind::NotADirectory)));
    }
    Ok(path)
}

fn kept_budget(store: &Store) -> Result<Budget, CommandError> {
    let kept = store
        .meta(BUDGET)
        .map_err(|err| CommandError::new("cannot read the database").because(err))?;
    let saved = kept.and_then(|text| serde_json::from_str::<SavedBudget>(&text).ok());
    Ok(saved.map_or_else(|| Budget::new(Timestamp::now()), Budget::restore))
}

fn keep_budget(store: &Store, budget: &Budget) {
    let saved = budget.snapshot(Timestamp::now());
    let outcome = serde_json::to_string(&saved)
        .map_err(|err| err.to_string())
        .and_then(|text| store.set_meta(BUDGET, &text).map_err(|err| err.to_string()));
    if let Err(error) = outcome {
        tracing::warn!(error, "the request budget could not be kept");
    }
}

/// Says that the mount can be used; from here on a detached mount writes to its log alone.
fn tell_ready(settings: &MountSettings, state_dir: &Path) -> Result<(), CommandError> {
    if !settings.detached {
        return Ok(());
    }
    let trouble = |err| CommandError::new("cannot open the log").because(err);
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(state_dir.join("log"))
        .map_err(trouble)?;
    let mut out = std::io::stdout();
    // If the parent is gone there is nobody to tell.
    let _ = writeln!(out, "{READY}").and_then(|()| out.flush());
    rustix::stdio::dup2_stderr(&log)
        .and_then(|()| rustix::stdio::dup2_stdout(&log))
        .map_err(|err| trouble(err.into()))
}

/// Waits until somebody unmounts or stops us; keeps the budget meanwhile.
async fn until_unmounted(
    mount: fuse::Mount,
    mountpoint: &Path,
    store: &Store,
    budget: &Arc<Budget>,
) -> Result<(), CommandError> {
    let trouble = |err: std::io::Error| CommandError::new("the mount has broken down").because(err);
    let mut terminate = signal(SignalKind::terminate()).map_err(trouble)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(trouble)?;
    let mut ticks = tokio::time::interval(KEEP_BUDGET_EVERY);
    let mut joined = tokio::task::spawn_blocking(move || mount.join());
    let mut kept = budget.snapshot(Timestamp::now());
    loop {
        tokio::select! {
            outcome = &mut joined => {
                return match outcome {
                    Ok(outcome) => outcome.map_err(trouble),
                    Err(err) => Err(trouble(std::io::Error::other(err))),
                };
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = ticks.tick() => {
                let now = budget.snapshot(Timestamp::now());
                if now != kept {
                    kept = now;
                    let (store, budget) = (store.clone(), budget.clone());
                    let _ = tokio::task::spawn_blocking(move || keep_budget(&store, &budget)).await;
                }
            }
        }
    }
    // What is sealed is on disk; whoever has something open there gets errors from now on.
    let mountpoint = mountpoint.to_owned();
    match tokio::task::spawn_blocking(move || super::umount::detach(&mountpoint)).await {
        Ok(outcome) => outcome,
        Err(err) => Err(trouble(std::io::Error::other(err))),
    }
}

/// Every open file is a descriptor of ours, too.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // As before, if it is refused.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
