//! `gphotosfs sync` waits for a mount's uploads, or uploads the queue itself. `gphotosfs refresh`
//! lists a directory again.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::{failed, status};
use crate::app::engine::{Engine, SpoolRules};
use crate::app::name::Name;
use crate::app::progress::{Progress, Snapshot};
use crate::app::running::{self, GOOGLE_FULL, Mount, NO_LOGIN, NO_PERMISSION, REFUSED, in_use};
use crate::app::signals::EndSignals;
use crate::app::{CommandError, daemon, picked, tell, unmounted};
use crate::profile::{Holder, LockError, Profile};
use crate::settings::UploadSettings;
use crate::status::{CutOff, Saved};
use crate::store::Backlog;
use crate::upload::{BlockedReason, DrainError, Pipeline, SyncScope};

/// How often the progress bar is updated.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// So many files that look cut off are named.
const NAMED_MAX: usize = 5;

/// How long background work may take to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Waits until Google has everything under the path. Without a path, uploads the queue of a profile
/// that is not mounted.
///
/// # Errors
/// If Google refused a file, uploads are blocked, or the path is not on a mount.
pub fn run(
    path: Option<&Path>,
    settings: &UploadSettings,
    profile: &Profile,
) -> Result<(), CommandError> {
    if path.is_none() {
        match profile.lock() {
            Ok(_lock) => {
                daemon::create_private_files();
                send(profile, settings)?;
                return check_nothing_left(profile);
            }
            Err(LockError::Held(Some(_))) => {}
            Err(err) => return Err(in_use("cannot sync", err)),
        }
    }
    let (mount, path) = place(path, profile)?;
    let hint = "name the directory of an album, or none to wait for everything";
    picked::refuse(&mount, &path, "a pick has nothing to upload", hint)?;
    let was_idle = mount.status().is_ok_and(|it| it.queue.left() == 0);
    let outcome = mount.wait_for_uploads(&path).map_err(|err| {
        let error = CommandError::new(format!("cannot sync {}", path.display()));
        match err.raw_os_error() {
            Some(libc::EIO) => {
                // The error below stands without the names if the mount ends just now.
                let _ = failed::name_latest(&mount, &path);
                error.because("some files were refused").hint(REFUSED)
            }
            _ => running::not_done(error, err),
        }
    });
    // The outcome stands without the names if the mount ends just now.
    if let Ok(status) = mount.status() {
        let path = path.canonicalize().unwrap_or_default();
        name_cut_off(&status.cut_off, path.strip_prefix(&mount.root).unwrap_or(Path::new("")));
        if !was_idle {
            tell_saved(&status.saved);
        }
    }
    outcome
}

/// Says what smaller copies have saved, if any were asked for.
fn tell_saved(saved: &Saved) {
    if *saved != Saved::default() {
        tell(format!("gphotosfs: {}", status::saved(saved)));
    }
}

/// Names the files below a directory, or this file, that look cut off.
fn name_cut_off(cut_off: &CutOff, below: &Path) {
    let found: Vec<_> =
        cut_off.paths.iter().filter(|it| Path::new(it).starts_with(below)).collect();
    for path in found.iter().take(NAMED_MAX) {
        tell(format!("gphotosfs: {} looks cut off", Name::from(Path::new(path))));
    }
    if found.len() > NAMED_MAX {
        let more = found.len() - NAMED_MAX;
        tell(format!("gphotosfs: {} cut off", counted_look(more)));
    }
}

fn counted_look(more: usize) -> String {
    if more == 1 { "1 more file looks".to_owned() } else { format!("{more} more files look") }
}

/// Fails if files lie under the mountpoint. The user may have copied them there to upload them.
fn check_nothing_left(profile: &Profile) -> Result<(), CommandError> {
    match unmounted::find(profile) {
        Ok(Some(found)) if found.left.files > 0 => Err(unmounted::error(&found, profile)),
        // The queue is sent, which is what was asked for.
        _ => Ok(()),
    }
}

fn hint(error: &DrainError) -> Option<&'static str> {
    match error {
        DrainError::Failed { .. } => Some(REFUSED),
        DrainError::Blocked(blocked) => match blocked.reason {
            BlockedReason::Login => Some(NO_LOGIN),
            BlockedReason::StorageFull => Some(GOOGLE_FULL),
            BlockedReason::Permission => Some(NO_PERMISSION),
            _ => None,
        },
        DrainError::ShuttingDown | DrainError::Store(_) => None,
    }
}

/// Uploads the queue without a mount, until it is empty. The caller holds the profile's lock.
fn send(profile: &Profile, settings: &UploadSettings) -> Result<(), CommandError> {
    let runtime =
        Runtime::new().map_err(|err| CommandError::new("cannot start threads").because(err))?;
    let mut signals = EndSignals::listen(runtime.handle())?;
    // Without a mount there are no writers, so the spool needs no limit.
    let engine = Engine::start(profile, settings, SpoolRules::default(), runtime.handle())?;
    let was_idle = engine.pipeline.queue().is_ok_and(|it| it.backlog == Backlog::default());
    if was_idle {
        tell(format!(
            "gphotosfs: profile {} is not mounted, and nothing is queued",
            profile.name()
        ));
    }
    let outcome = runtime.block_on(async {
        let outcome = tokio::select! {
            outcome = engine.pipeline.drain(SyncScope::All) => outcome.map_err(|err| {
                let hint = hint(&err);
                if matches!(err, DrainError::Failed { .. }) {
                    let _ = failed::name_latest_unmounted(profile);
                }
                let error = CommandError::new("cannot sync").because(err);
                match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            }),
            _ = signals.received() => {
                Err(CommandError::new("stopped").hint("the next sync or mount uploads the rest of the queue"))
            }
            never = show_progress(&engine.pipeline) => match never {},
        };
        if let Ok(names) = engine.store.cut_off_names(CutOff::PATHS) {
            name_cut_off(&names.into(), Path::new(""));
        }
        if let Ok(queue) = engine.pipeline.queue()
            && !was_idle
            && outcome.is_ok()
        {
            tell_saved(&(&queue.saved).into());
        }
        engine.stop().await;
        outcome
    });
    runtime.shutdown_timeout(SHUTDOWN_DEADLINE);
    outcome
}

async fn show_progress(pipeline: &Pipeline) -> Infallible {
    let mut progress = Progress::start();
    let mut ticks = tokio::time::interval(SHOW_EVERY);
    loop {
        ticks.tick().await;
        // `drain` reports an error of the database.
        if let Ok(queue) = pipeline.queue() {
            progress.show(&Snapshot {
                progress: (&queue).into(),
                queue: (&queue).into(),
                failing: queue.failing.iter().map(Into::into).collect(),
                blocked_reason: queue.blocked.map(|it| it.text),
            });
        }
    }
}

/// Lists a directory again from Google.
///
/// # Errors
/// If Google does not answer, or the path is not on a mount.
pub fn refresh(path: Option<&Path>, profile: &Profile) -> Result<(), CommandError> {
    let (mount, path) = place(path, profile)?;
    let why = "a pick has nothing to list again: it stays as it was picked";
    picked::refuse(&mount, &path, why, "'gphotosfs pick NAME' adds to a pick")?;
    mount.refresh(&path).map_err(|err| {
        running::not_done(CommandError::new(format!("cannot list {} again", path.display())), err)
    })
}

/// The mount and the path in it that a command is about.
fn place(path: Option<&Path>, profile: &Profile) -> Result<(Mount, PathBuf), CommandError> {
    Ok(match path {
        Some(path) => (Mount::given(path, profile)?, path.to_owned()),
        None => {
            let holder = profile.holder().map_err(|err| {
                CommandError::new("cannot find out whether a mount is running").because(err)
            })?;
            let not_mounted = format!("profile {} is not mounted", profile.name());
            let root = match holder {
                Holder::Mount(running) => {
                    Mount::of_profile(profile)?.map_or(running.mountpoint, |it| it.root)
                }
                Holder::Other => return Err(in_use(not_mounted, LockError::Held(None))),
                Holder::Nobody => {
                    return Err(
                        CommandError::new(not_mounted).hint("run 'gphotosfs mount MOUNTPOINT'")
                    );
                }
            };
            (Mount { root: root.clone() }, root)
        }
    })
}
