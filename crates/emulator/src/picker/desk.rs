//! The present work in the sessions: ticks on the page, and polls.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::state::Origin;

/// Two polls may be so much closer together, since two clocks never run alike: one part in so many.
const SLACK: i64 = 50;

/// The ticks and the polls of each session.
#[derive(Default)]
pub(crate) struct Desk {
    visits: Mutex<HashMap<String, Visit>>,
}

#[derive(Default)]
struct Visit {
    /// In the order of the ticks.
    ticked: Vec<Origin>,
    last_poll_ms: Option<i64>,
    /// A poll has said that `timeoutIn` has run out.
    is_over: bool,
}

/// More items are ticked than a session takes.
pub(crate) struct TooMany;

impl Desk {
    /// The ticked items of a session, in the order of the ticks.
    pub(crate) fn ticked(&self, session: &str) -> Vec<Origin> {
        self.visits.lock().get(session).map(|visit| visit.ticked.clone()).unwrap_or_default()
    }

    /// Ticks items, or none of them if there would be more than `max`.
    pub(crate) fn tick(
        &self,
        session: &str,
        items: &[Origin],
        max: usize,
    ) -> Result<usize, TooMany> {
        let mut visits = self.visits.lock();
        let ticked = &mut visits.entry(session.to_owned()).or_default().ticked;
        let known: std::collections::HashSet<Origin> = ticked.iter().copied().collect();
        let new: Vec<Origin> = items.iter().filter(|it| !known.contains(it)).copied().collect();
        if ticked.len() + new.len() > max {
            return Err(TooMany);
        }
        ticked.extend(new);
        Ok(ticked.len())
    }

    /// Takes ticks away.
    pub(crate) fn untick(&self, session: &str, items: &[Origin]) {
        if let Some(visit) = self.visits.lock().get_mut(session) {
            visit.ticked.retain(|it| !items.contains(it));
        }
    }

    /// Forgets the ticks, as when the tab is closed.
    pub(crate) fn leave(&self, session: &str) {
        if let Some(visit) = self.visits.lock().get_mut(session) {
            visit.ticked.clear();
        }
    }

    /// Forgets a session.
    pub(crate) fn end(&self, session: &str) {
        self.visits.lock().remove(session);
    }

    /// Notes a poll of a session that waits for its user. Returns the rule that it breaks.
    pub(crate) fn poll(
        &self,
        session: &str,
        now_ms: i64,
        interval_ms: i64,
        is_over: bool,
    ) -> Option<&'static str> {
        let mut visits = self.visits.lock();
        let visit = visits.entry(session.to_owned()).or_default();
        let next_ms = visit.last_poll_ms.replace(now_ms).map(|it| it + interval_ms);
        if std::mem::replace(&mut visit.is_over, is_over) {
            return Some("polled again after timeoutIn had run out");
        }
        let too_early = next_ms.is_some_and(|next_ms| now_ms < next_ms - interval_ms / SLACK);
        too_early.then_some("polled faster than pollInterval says")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_told_from_each_other() {
        let desk = Desk::default();
        assert_eq!(desk.poll("a", 0, 100, false), None);
        assert_eq!(desk.poll("b", 1, 100, false), None);
        assert!(desk.poll("a", 90, 100, false).is_some());
        assert_eq!(desk.poll("a", 189, 100, false), None);
        assert_eq!(desk.poll("a", 289, 100, true), None);
        assert!(desk.poll("a", 500, 100, true).is_some());
    }
}
