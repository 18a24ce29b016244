//! Files that were closed just now. Many programs save a photo several times: they write it, and
//! open it again for its metadata. So an upload begins a moment after the last close.
//!
//! An upload begins at once if a caller waits for the queue. In a copy of many files only the latest
//! wait.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::media::FileId;

/// A file that is closed again within its moment waits so many times as long: its program is at
/// work on it.
const AGAIN: u32 = 2;

/// If so many files were closed within a moment, none of them waits.
const FILES_MAX: usize = 4096;

/// The longest time from a file's close to its upload, if that waits so long after the last close.
pub(super) fn longest(wait: Duration) -> Duration {
    wait.saturating_mul(AGAIN)
}

/// The files that were closed just now.
#[derive(Debug, Default)]
pub(super) struct JustClosed(Mutex<HashMap<FileId, Closed>>);

#[derive(Clone, Copy, Debug)]
struct Closed {
    at: Instant,
    wait: Duration,
}

/// The files whose uploads do not begin yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) files: HashSet<FileId>,
    /// How long the first of them has to wait.
    pub(super) next: Option<Duration>,
}

impl JustClosed {
    /// The last writer of a file has gone. Its upload waits for so long.
    pub(super) fn closed(&self, file: FileId, wait: Duration, now: Instant) {
        let mut files = self.0.lock();
        if files.len() >= FILES_MAX {
            files.clear();
        }
        let again = files.get(&file).is_some_and(|it| it.left(now).is_some());
        let wait = if again { wait * AGAIN } else { wait };
        files.insert(file, Closed { at: now, wait });
    }

    /// The latest files, at most `max` of them, whose wait is not over.
    pub(super) fn waiting(&self, max: usize, now: Instant) -> Waiting {
        let mut files = self.0.lock();
        files.retain(|_, it| it.left(now).is_some());
        let mut latest: Vec<_> =
            files.iter().map(|(file, it)| (it.at, *file, it.left(now))).collect();
        drop(files);
        latest.sort_unstable_by_key(|it| std::cmp::Reverse(it.0));
        latest.truncate(max);
        Waiting {
            files: latest.iter().map(|it| it.1).collect(),
            next: latest.iter().filter_map(|it| it.2).min(),
        }
    }
}

impl Closed {
    /// How long it still waits; `None` if it does not.
    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.wait.saturating_sub(now.saturating_duration_since(self.at));
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_secs(1);

    fn files(waiting: &Waiting) -> Vec<i64> {
        let mut files: Vec<_> = waiting.files.iter().map(|it| it.0).collect();
        files.sort_unstable();
        files
    }

    #[test]
    fn a_file_that_is_saved_again_waits_anew_and_longer() {
        let (closed, start) = (JustClosed::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        closed.closed(FileId(1), MOMENT, at(0));
        closed.closed(FileId(2), MOMENT, at(100));
        closed.closed(FileId(1), MOMENT, at(900));
        let waiting = closed.waiting(9, at(1000));
        assert_eq!(files(&waiting), [1, 2]);
        assert_eq!(waiting.next, Some(Duration::from_millis(100)));
        assert_eq!(files(&closed.waiting(9, at(2800))), [1]);
        assert_eq!(files(&closed.waiting(9, at(2900))), [] as [i64; 0]);
        closed.closed(FileId(1), MOMENT, at(3000));
        assert_eq!(closed.waiting(9, at(3000)).next, Some(MOMENT));
    }

    #[test]
    fn of_a_long_copy_only_the_latest_files_wait() {
        let (closed, start) = (JustClosed::default(), Instant::now());
        for file in 0..100 {
            closed.closed(FileId(file), MOMENT, start + Duration::from_millis(file as u64));
        }
        let waiting = closed.waiting(3, start + Duration::from_millis(100));
        assert_eq!(files(&waiting), [97, 98, 99]);
        for file in 0..=FILES_MAX as i64 {
            closed.closed(FileId(1000 + file), MOMENT, start + Duration::from_millis(200));
        }
        assert!(closed.0.lock().len() <= FILES_MAX);
    }
}
