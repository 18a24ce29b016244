//! The notice of a mount that does not start, or that has ended by a failure.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Builder;

use super::desktop::Desktop;
use super::memory::{self, Failure, Memory};
use super::notice::Notice;
use crate::settings::Notify;

/// The same failure is announced again after this time.
const REPEAT_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The end of the process waits so long for the desktop at most.
const DEADLINE: Duration = Duration::from_secs(10);

/// Announces the failure of a mount, once for each reason in a row. Blocking. `why` is the reason
/// and the next step.
pub fn announce(notify: Notify, profile: &str, state_dir: &Path, why: &str) {
    if notify == Notify::Off {
        return;
    }
    let path = state_dir.join(memory::FILE);
    let mut memory = Memory::load(&path);
    let now = Timestamp::now();
    let is_known = memory
        .mount_failure
        .as_ref()
        .is_some_and(|it| it.why == why && now.duration_since(it.at) < REPEAT_AFTER);
    if is_known {
        return;
    }
    // A failure to start these is the least of this mount's troubles.
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    let shown = runtime.block_on(async {
        let notice = Notice::MountFailed { why: why.to_owned() };
        let mut desktop = Desktop::new(notify);
        let showing = desktop.show(profile, &notice);
        tokio::time::timeout(DEADLINE, showing).await.unwrap_or(false)
    });
    if shown {
        memory.mount_failure = Some(Failure { why: why.to_owned(), at: now });
        memory.save_now(&path);
    }
}
