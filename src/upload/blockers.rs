//! All outages at one time, by what each of them holds up. Pure.

use std::time::SystemTime;

use super::trouble::{Trouble, TroubleKind};

/// What keeps the worker from acting.
#[derive(Clone, Debug, Default)]
pub(super) struct Blockers {
    /// Blocks everything.
    pub(super) everything: Option<Trouble>,
    /// Blocks changes of the library. A full account blocks uploads as well.
    pub(super) changes: Option<Trouble>,
    /// Blocks additions and removals only.
    pub(super) memberships: Option<Trouble>,
}

impl Blockers {
    /// All of them, the one that blocks most first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Trouble> {
        [&self.everything, &self.changes, &self.memberships].into_iter().flatten()
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

    /// An upload or a question has met this.
    pub(super) fn block(&mut self, trouble: Trouble) {
        begin(&mut self.everything, trouble);
    }

    /// A change of the library has met this. A reason that concerns every request blocks everything.
    pub(super) fn block_changes(&mut self, trouble: Trouble) {
        let blocked = match trouble.kind {
            TroubleKind::Offline | TroubleKind::Quota | TroubleKind::Login => &mut self.everything,
            TroubleKind::Permission => &mut self.memberships,
            TroubleKind::Unwell | TroubleKind::Throttled | TroubleKind::StorageFull => {
                &mut self.changes
            }
        };
        begin(blocked, trouble);
    }

    /// A person may have helped: blockers that wait for one may be probed at once. Returns whether
    /// there were any.
    pub(super) fn retry_now(&mut self, now: SystemTime) -> bool {
        let all = [&mut self.everything, &mut self.changes, &mut self.memberships];
        let waiting = all.into_iter().flatten().filter(|it| it.waits_for_a_person());
        waiting.map(|trouble| trouble.until = now).count() > 0
    }
}

/// Logs the beginning of an outage, not each failed attempt.
fn begin(blocked: &mut Option<Trouble>, trouble: Trouble) {
    if blocked.as_ref().is_none_or(|before| before.kind != trouble.kind) {
        let what = if trouble.kind == TroubleKind::Permission { "held up" } else { "uploads wait" };
        tracing::warn!(trouble = trouble.kind.as_str(), "{what}: {}", trouble.text);
    }
    *blocked = Some(trouble);
}

fn end(blocked: &mut Option<Trouble>) {
    if let Some(trouble) = blocked.take() {
        tracing::info!(trouble = trouble.kind.as_str(), "uploads go on");
    }
}
