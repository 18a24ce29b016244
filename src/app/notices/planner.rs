//! Which notices are due. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::facts::Facts;
use super::memory::{Copy, Memory};
use super::notice::{Kind, Notice};
use crate::api::LOGIN_ENDS_SOON;

/// The time scale of the notices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Refused files are announced together once no further one has come for this time.
    quiet: SignedDuration,
    /// But after this time at the latest.
    patience: SignedDuration,
    /// A copy that took less is not announced: its person has watched it.
    long: SignedDuration,
}

impl Pace {
    /// The scale of users, divided by `pace` for tests.
    pub(super) fn new(pace: u32) -> Self {
        let paced = |seconds| {
            let time = Duration::from_secs(seconds) / pace;
            SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
        };
        Self { quiet: paced(10), patience: paced(120), long: paced(60) }
    }
}

/// Decides from facts and memory.
pub(super) struct Planner {
    memory: Memory,
    pace: Pace,
    /// How many files had arrived at the last look.
    arrived: u64,
    /// Whether refused files wait for the end of their burst.
    is_gathering: bool,
}

/// The outcome of a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Notices to show.
    pub(super) due: Vec<Notice>,
    /// Troubles that are over: their notices go.
    pub(super) over: Vec<Kind>,
}

impl Planner {
    pub(super) fn new(memory: Memory, pace: Pace) -> Self {
        Self { memory, pace, arrived: 0, is_gathering: false }
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether a notice may become due by itself soon.
    pub(super) fn is_busy(&self) -> bool {
        self.memory.copy.is_some() || self.is_gathering
    }

    /// Decides what to announce. A notice stays due until [`Planner::announced`].
    pub(super) fn look(&mut self, facts: &Facts) -> Plan {
        let mut plan = Plan::default();
        self.look_at_login(facts, &mut plan);
        self.look_at_quota(facts, &mut plan);
        self.look_at_storage(facts, &mut plan);
        self.look_at_metered(facts, &mut plan);
        self.look_at_refused(facts, &mut plan);
        self.look_at_copy(facts, &mut plan);
        self.arrived = facts.arrived;
        plan
    }

    /// A notice was shown, or `shown` says that there was no desktop to show it on.
    pub(super) fn announced(&mut self, notice: &Notice, shown: bool) {
        if matches!(notice, Notice::Arrived { .. }) {
            // Nobody who comes later needs it.
            self.memory.copy = None;
        }
        if !shown {
            return;
        }
        let memory = &mut self.memory;
        match notice {
            Notice::LoginEnded { granted_at, .. } => memory.login_ended = Some(*granted_at),
            Notice::LoginEnds { at, .. } => memory.login_ends = Some(*at),
            Notice::QuotaUsedUp { until } => memory.quota_until = Some(*until),
            Notice::StorageFull => memory.is_storage_full = true,
            Notice::Metered => memory.is_metered = true,
            Notice::Refused { up_to, .. } => memory.refused_up_to = *up_to,
            Notice::Arrived { .. } | Notice::MountFailed { .. } => {}
        }
    }

    fn look_at_login(&mut self, facts: &Facts, plan: &mut Plan) {
        let Facts { granted_at, now, .. } = *facts;
        if let Some(why) = &facts.login_ended {
            if self.memory.login_ended != Some(granted_at) {
                plan.due.push(Notice::LoginEnded { granted_at, why: why.clone() });
            }
            return;
        }
        let ends = facts.login_ends_at.filter(|at| at.duration_since(now) < LOGIN_ENDS_SOON);
        match ends {
            Some(at) if self.memory.login_ends != Some(at) => {
                let left_s = u64::try_from(at.duration_since(now).as_secs()).unwrap_or(0);
                plan.due.push(Notice::LoginEnds { at, left_s });
            }
            Some(_) => {}
            None => plan.over.push(Kind::Login),
        }
    }

    fn look_at_quota(&mut self, facts: &Facts, plan: &mut Plan) {
        match facts.quota_until {
            Some(until) if self.memory.quota_until != Some(until) => {
                plan.due.push(Notice::QuotaUsedUp { until });
            }
            Some(_) => {}
            None => plan.over.push(Kind::Quota),
        }
    }

    fn look_at_storage(&mut self, facts: &Facts, plan: &mut Plan) {
        if facts.is_storage_full {
            if !self.memory.is_storage_full {
                plan.due.push(Notice::StorageFull);
            }
        } else if facts.arrived > self.arrived {
            // After a start nothing is known before a file has arrived.
            self.memory.is_storage_full = false;
            plan.over.push(Kind::Storage);
        }
    }

    fn look_at_metered(&mut self, facts: &Facts, plan: &mut Plan) {
        if !facts.is_metered {
            self.memory.is_metered = false;
            plan.over.push(Kind::Metered);
        } else if facts.left > 0 && !self.memory.is_metered {
            plan.due.push(Notice::Metered);
        }
    }

    fn look_at_refused(&mut self, facts: &Facts, plan: &mut Plan) {
        if facts.failed == 0 {
            plan.over.push(Kind::Refused);
        }
        let refused = &facts.refused;
        self.is_gathering = refused.count > 0;
        if refused.count == 0 {
            return;
        }
        let since = |at: Timestamp| facts.now.duration_since(at);
        // A time that lies in the future comes from a clock that was set back.
        let is_over = |at: Timestamp, wait| since(at) >= wait || since(at).is_negative();
        if is_over(refused.last_at, self.pace.quiet)
            || is_over(refused.first_at, self.pace.patience)
        {
            plan.due.push(Notice::Refused {
                up_to: refused.up_to,
                count: refused.count,
                examples: refused.examples.clone(),
            });
        }
    }

    fn look_at_copy(&mut self, facts: &Facts, plan: &mut Plan) {
        let now = facts.now;
        let more = facts.arrived.saturating_sub(self.arrived);
        if facts.left > 0 {
            let copy = self.memory.copy.get_or_insert(Copy {
                since: now,
                busy_at: now,
                arrived: 0,
                failed_before: facts.failed,
            });
            copy.busy_at = now;
        }
        let Some(copy) = &mut self.memory.copy else { return };
        copy.arrived += more;
        if facts.left > 0 || now.duration_since(copy.busy_at) < self.pace.quiet {
            return;
        }
        if copy.busy_at.duration_since(copy.since) < self.pace.long || copy.arrived == 0 {
            self.memory.copy = None;
            return;
        }
        let is_all = facts.failed <= copy.failed_before;
        plan.due.push(Notice::Arrived { count: copy.arrived, is_all });
    }
}

#[cfg(test)]
mod tests;
