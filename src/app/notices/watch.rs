//! The task that announces: looks at the facts, and has the desktop show the notices that are due.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::actions::Actions;
use super::desktop::{Desktop, Event};
use super::facts::{Facts, Source};
use super::memory::{self, Memory};
use super::planner::{Pace, Planner};
use super::words::{mounted_on, status_line};
use crate::app::engine::Engine;
use crate::app::manager::tell_manager;
use crate::profile::Profile;
use crate::settings::{MountSettings, Notify};

/// How long to wait after a change for further ones.
const SETTLE: Duration = Duration::from_secs(2);
/// How often to look while something is under way.
const LOOK_EVERY_BUSY: Duration = Duration::from_secs(5);
/// How often to look while nothing is.
const LOOK_EVERY_IDLE: Duration = Duration::from_secs(60);

/// The settings of the announcements.
#[derive(Clone, Debug)]
struct Options {
    notify: Notify,
    profile: String,
    /// The file of the memory.
    memory: PathBuf,
    mountpoint: PathBuf,
    /// For tests: divides every wait.
    pace: u32,
}

/// The task that announces. It ends when this is dropped.
pub struct Notices(JoinHandle<()>);

impl Drop for Notices {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Notices {
    /// Begins to watch a mount that can be used. Blocking.
    ///
    /// # Errors
    /// If the profile's state directory cannot be used.
    pub fn start(
        profile: &Profile,
        settings: &MountSettings,
        mountpoint: &Path,
        engine: &Engine,
        runtime: &Handle,
    ) -> io::Result<Self> {
        let options = Options {
            notify: settings.notify,
            profile: profile.name().to_string(),
            memory: profile.state_dir()?.join(memory::FILE),
            mountpoint: mountpoint.to_owned(),
            pace: settings.upload.unstable_pace,
        };
        let source = Source {
            store: engine.store.clone(),
            client: engine.client.clone(),
            pipeline: engine.pipeline.clone(),
        };
        // The next failure of a mount is news.
        let mut memory = Memory::load(&options.memory);
        if memory.mount_failure.take().is_some() {
            memory.save_now(&options.memory);
        }
        Ok(Self(runtime.spawn(watch(options, memory, source))))
    }
}

async fn watch(options: Options, mut saved: Memory, source: Source) {
    let paced = |time: Duration| time / options.pace;
    let mut progress = source.pipeline.subscribe();
    let source = Arc::new(source);
    let mut planner = Planner::new(saved.clone(), Pace::new(options.pace));
    let mut desktop = Desktop::new(options.notify);
    let actions = Actions::new(&options.profile, &options.mountpoint);
    // The service manager knows as much already.
    let mut status = mounted_on(&options.mountpoint);
    loop {
        progress.borrow_and_update();
        let looking = source.clone();
        let seen = planner.memory().refused_up_to;
        let facts = tokio::task::spawn_blocking(move || Facts::gather(&looking, seen)).await;
        let mut is_busy = false;
        if let Ok(Ok(facts)) = facts {
            let line = status_line(&options.mountpoint, &facts);
            if line != status {
                tell_manager(&[sd_notify::NotifyState::Status(&line)]);
                status = line;
            }
            let plan = planner.look(&facts);
            for kind in plan.over {
                desktop.withdraw(kind).await;
            }
            for notice in plan.due {
                let shown = desktop.show(&options.profile, &notice).await;
                planner.announced(&notice, shown);
            }
            is_busy = planner.is_busy();
        }
        if *planner.memory() != saved {
            saved = planner.memory().clone();
            saved.save(&options.memory).await;
        }
        let look_every = if is_busy { LOOK_EVERY_BUSY } else { LOOK_EVERY_IDLE };
        let settled = Instant::now() + paced(SETTLE);
        let next = Instant::now() + paced(look_every);
        loop {
            tokio::select! {
                changed = progress.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                () = sleep_until(next) => break,
                Event { kind, action } = desktop.event() => {
                    actions.run(kind, &action, desktop.connection()).await;
                }
            }
        }
        sleep_until(settled).await;
    }
}
