//! All outages at one time, by the actions that each of them blocks. Pure.

use std::time::SystemTime;

use super::blocked::{Blocked, BlockedReason};

/// The outages that keep the worker from acting.
#[derive(Clone, Debug, Default)]
pub(super) struct Blockers {
    /// Blocks everything.
    pub(super) everything: Option<Blocked>,
    /// Blocks uploads only, until the connection is another one.
    pub(super) metered: Option<Blocked>,
    /// Blocks changes of the library. A full account blocks uploads as well.
    pub(super) changes: Option<Blocked>,
    /// Blocks additions and removals only.
    pub(super) memberships: Option<Blocked>,
}

impl Blockers {
    /// All of them, the one that blocks most first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Blocked> {
        let all = [&self.everything, &self.metered, &self.changes, &self.memberships];
        all.into_iter().flatten()
    }

    /// The connection is a metered one, or it is not any more. Returns whether that is news.
    pub(super) fn set_metered(&mut self, is_metered: bool, now: SystemTime) -> bool {
        if self.metered.is_some() == is_metered {
            return false;
        }
        match is_metered {
            true => begin(&mut self.metered, Blocked::of_metered(now)),
            false => end(&mut self.metered),
        }
        true
    }

    /// The network has changed: an outage of the network is probed at once.
    pub(super) fn network_changed(&mut self, now: SystemTime) {
        for blocked in [&mut self.everything, &mut self.changes].into_iter().flatten() {
            blocked.network_changed(now);
        }
    }

    /// Google has answered an upload or a question.
    pub(super) fn answered(&mut self) {
        end(&mut self.everything);
    }

    /// Google has answered a change of the library.
    pub(super) fn changed(&mut self) {
        end(&mut self.changes);
        self.answered();
    }

    /// Google has changed memberships, or none are to be changed.
    pub(super) fn edited(&mut self) {
        end(&mut self.memberships);
    }

    /// An upload or a question has failed for this.
    pub(super) fn block(&mut self, blocked: Blocked) {
        begin(&mut self.everything, blocked);
    }

    /// A change of the library has failed for this. A reason that concerns every request blocks
    /// everything.
    pub(super) fn block_changes(&mut self, blocked: Blocked) {
        let slot = match blocked.reason {
            BlockedReason::Offline | BlockedReason::Quota | BlockedReason::Login => {
                &mut self.everything
            }
            BlockedReason::Permission => &mut self.memberships,
            BlockedReason::Metered => &mut self.metered,
            BlockedReason::ServerError | BlockedReason::Throttled | BlockedReason::StorageFull => {
                &mut self.changes
            }
        };
        begin(slot, blocked);
    }

    /// Additions or removals have failed for this. Nothing else waits for it.
    pub(super) fn block_memberships(&mut self, blocked: Blocked) {
        begin(&mut self.memberships, blocked);
    }

    /// Whether the login does not permit changes of albums.
    pub(super) fn is_edit_forbidden(&self) -> bool {
        self.memberships.as_ref().is_some_and(|it| it.reason == BlockedReason::Permission)
    }

    /// The clock was set back to `now`: all blockers may be probed at once. Otherwise each would last
    /// longer by the step.
    pub(super) fn clock_set_back(&mut self, now: SystemTime) {
        let all = [&mut self.everything, &mut self.changes, &mut self.memberships];
        for blocked in all.into_iter().flatten() {
            blocked.until = blocked.until.min(now);
            blocked.last_seen = blocked.last_seen.min(now);
            blocked.since = blocked.since.min(now);
        }
    }

    /// A person may have helped: blockers that wait for one may be probed at once. Returns whether
    /// there were any.
    pub(super) fn retry_now(&mut self, now: SystemTime) -> bool {
        let all = [&mut self.everything, &mut self.changes, &mut self.memberships];
        let waiting = all.into_iter().flatten().filter(|it| it.needs_a_person());
        waiting.map(|blocked| blocked.until = now).count() > 0
    }
}

/// Logs the beginning of an outage, not each failed attempt.
fn begin(slot: &mut Option<Blocked>, blocked: Blocked) {
    if slot.as_ref().is_none_or(|before| before.reason != blocked.reason) {
        let what = match blocked.reason {
            BlockedReason::Permission => "albums are not changed",
            _ => "uploads wait",
        };
        tracing::warn!(reason = blocked.reason.as_str(), "{what}: {}", blocked.detail);
    }
    *slot = Some(blocked);
}

fn end(slot: &mut Option<Blocked>) {
    if let Some(blocked) = slot.take() {
        tracing::info!(reason = blocked.reason.as_str(), "uploads go on");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::upload::blocked::Backoff;

    #[test]
    fn an_outage_does_not_last_longer_by_a_step_of_the_clock() {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100_000);
        let (reason, text) = (BlockedReason::ServerError, String::new());
        let mut blockers = Blockers::default();
        blockers.block(Blocked::of_files(reason, text, None, backoff, now, 1.0));
        let back = now - Duration::from_secs(3600);
        blockers.clock_set_back(back);
        assert!(blockers.iter().all(|it| it.until <= back && it.last_seen <= back));
    }
}
