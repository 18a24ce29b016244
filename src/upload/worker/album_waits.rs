//! Albums in which nothing is created, and to which nothing is added, for a while. Pure.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::media::DirId;

/// Albums that Google says do not exist, as long as that is not believed. Only calls that name them
/// wait. Bounded by the albums that are younger than the grace.
#[derive(Default)]
pub(super) struct AlbumWaits(HashMap<DirId, AlbumWait>);

#[derive(Default)]
struct AlbumWait {
    failures: u32,
    /// `None` if it is being tried again.
    until: Option<SystemTime>,
}

impl AlbumWaits {
    /// Google has said so again. Returns how often by now.
    pub(super) fn failed(&mut self, dir: DirId) -> u32 {
        let wait = self.0.entry(dir).or_default();
        wait.failures += 1;
        wait.failures
    }

    /// The album is tried again at `until`.
    pub(super) fn wait(&mut self, dir: DirId, until: SystemTime) {
        if let Some(wait) = self.0.get_mut(&dir) {
            wait.until = Some(until);
        }
    }

    /// Google has answered otherwise, or is believed.
    pub(super) fn ended(&mut self, dir: DirId) {
        self.0.remove(&dir);
    }

    /// Ends the waits whose time has come. Returns whether there were any.
    pub(super) fn take_due(&mut self, now: SystemTime) -> bool {
        let due = self.0.values_mut().filter(|it| it.until.is_some_and(|at| at <= now));
        due.map(|it| it.until = None).count() > 0
    }

    /// The albums that wait.
    pub(super) fn waiting(&self) -> Vec<DirId> {
        self.0.iter().filter(|(_, it)| it.until.is_some()).map(|(dir, _)| *dir).collect()
    }

    /// When the next wait ends.
    pub(super) fn next(&self) -> Option<SystemTime> {
        self.0.values().filter_map(|it| it.until).min()
    }

    /// Ends all waits.
    pub(super) fn end_all(&mut self) {
        self.0.values_mut().for_each(|it| it.until = None);
    }
}
