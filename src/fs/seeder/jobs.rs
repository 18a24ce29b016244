//! The directories whose thumbnails are being made, the latest view first. Pure.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::sync::watch;

use crate::media::{DirId, EntryName, FileId};

/// Directories at the same time. Another one takes the place of the oldest.
const JOBS_MAX: usize = 8;

/// A directory that nobody has viewed for so long gets no more thumbnails.
const INTEREST: Duration = Duration::from_secs(60);

/// A directory that got its thumbnails is not searched for missing ones again so soon: a thumbnail
/// that cannot be made would cost each reader of the photo a request.
const REST: Duration = Duration::from_secs(60);

/// Directories that are remembered for that.
const ENDED_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A file of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub file: FileId,
    pub name: EntryName,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// List the directory; [`Jobs::listed`] takes the files.
    List(DirId),
    /// Make the thumbnails of a file; [`Jobs::finished`] notes the end.
    Make(DirId, Candidate),
}

pub(super) struct Jobs {
    /// The latest view comes last.
    jobs: Vec<Job>,
    ended: LruCache<DirId, Instant>,
}

struct Job {
    dir: DirId,
    viewed: Instant,
    /// `None` until the directory is listed.
    files: Option<VecDeque<Candidate>>,
    is_listing: bool,
    /// The file that a program looks at.
    at: Option<FileId>,
    in_flight: usize,
    /// How many are done.
    made: watch::Sender<usize>,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { jobs: Vec::new(), ended: LruCache::new(ENDED_MAX) }
    }
}

impl Jobs {
    /// A program views a directory, and perhaps looks at one of its files. `None` if the directory
    /// got its thumbnails just now.
    pub(super) fn view(
        &mut self,
        dir: DirId,
        at: Option<FileId>,
        now: Instant,
    ) -> Option<watch::Receiver<usize>> {
        if let Some(position) = self.jobs.iter().position(|job| job.dir == dir) {
            let mut job = self.jobs.remove(position);
            job.viewed = now;
            job.at = at.or(job.at);
            job.turn();
            let made = job.made.subscribe();
            self.jobs.push(job);
            return Some(made);
        }
        if self.ended.get(&dir).is_some_and(|at| now.duration_since(*at) < REST) {
            return None;
        }
        if self.jobs.len() == JOBS_MAX {
            self.jobs.remove(0);
        }
        let (made, receiver) = watch::channel(0);
        let (viewed, files, is_listing) = (now, None, false);
        self.jobs.push(Job { dir, viewed, files, is_listing, at, in_flight: 0, made });
        Some(receiver)
    }

    /// The next step, for the directory that was viewed last.
    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        let mut latest_first = (0..self.jobs.len()).rev();
        let step = latest_first.find_map(|at| self.jobs[at].next(now));
        self.drop_done(now);
        step
    }

    /// The files of a directory, in the order in which programs show them.
    pub(super) fn listed(&mut self, dir: DirId, files: VecDeque<Candidate>, now: Instant) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.dir == dir) {
            job.is_listing = false;
            job.files = Some(files);
            job.turn();
        }
        self.drop_done(now);
    }

    /// A file has its thumbnails, or cannot have them.
    pub(super) fn finished(&mut self, dir: DirId, now: Instant) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.dir == dir) {
            job.in_flight = job.in_flight.saturating_sub(1);
            job.made.send_modify(|made| *made += 1);
        }
        self.drop_done(now);
    }

    /// Ends all jobs, because Google gives out no pictures now.
    pub(super) fn give_up(&mut self, now: Instant) {
        for job in self.jobs.drain(..) {
            self.ended.put(job.dir, now);
        }
    }

    fn drop_done(&mut self, now: Instant) {
        let ended = &mut self.ended;
        self.jobs.retain(|job| {
            let done = job.is_done();
            if done {
                ended.put(job.dir, now);
            }
            !done
        });
    }
}

impl Job {
    fn next(&mut self, now: Instant) -> Option<Step> {
        if now.duration_since(self.viewed) > INTEREST {
            self.files = Some(VecDeque::new());
        }
        match &mut self.files {
            None if self.is_listing => None,
            None => {
                self.is_listing = true;
                Some(Step::List(self.dir))
            }
            Some(files) => {
                let next = files.pop_front()?;
                self.in_flight += 1;
                Some(Step::Make(self.dir, next))
            }
        }
    }

    /// Goes on with the file that a program looks at, and those behind it.
    fn turn(&mut self) {
        let Some(files) = &mut self.files else { return };
        let at = self.at.take();
        if let Some(position) = files.iter().position(|it| Some(it.file) == at) {
            files.rotate_left(position);
        }
    }

    fn is_done(&self) -> bool {
        self.in_flight == 0 && self.files.as_ref().is_some_and(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DirId = DirId(2);
    const B: DirId = DirId(3);

    fn files(numbers: &[i64]) -> VecDeque<Candidate> {
        let candidate = |number: &i64| Candidate {
            file: FileId(*number),
            name: EntryName::new(format!("{number}.jpg").into_bytes()).unwrap(),
        };
        numbers.iter().map(candidate).collect()
    }

    fn number(step: Option<Step>) -> Option<(DirId, i64)> {
        match step {
            Some(Step::Make(dir, candidate)) => Some((dir, candidate.file.0)),
            other => {
                assert_eq!(other, None);
                None
            }
        }
    }

    /// A job of a directory with these files.
    fn view(
        jobs: &mut Jobs,
        dir: DirId,
        at: i64,
        numbers: &[i64],
        now: Instant,
    ) -> watch::Receiver<usize> {
        let ended = jobs.view(dir, Some(FileId(at)), now).unwrap();
        assert_eq!(jobs.next(now), Some(Step::List(dir)));
        jobs.listed(dir, files(numbers), now);
        ended
    }

    #[test]
    fn a_directory_begins_at_the_file_that_is_looked_at() {
        let (mut jobs, now) = (Jobs::default(), Instant::now());
        let ended = view(&mut jobs, A, 3, &[1, 2, 3, 4], now);
        for expected in [3, 4, 1] {
            assert_eq!(number(jobs.next(now)), Some((A, expected)));
        }
        assert_eq!(number(jobs.next(now)), Some((A, 2)));
        for _ in 0..4 {
            assert!(ended.has_changed().is_ok(), "the last ones are in flight");
            jobs.finished(A, now);
        }
        assert!(ended.has_changed().is_err());
    }

    #[test]
    fn the_latest_view_comes_first_and_the_earlier_ones_go_on_after_it() {
        let (mut jobs, now) = (Jobs::default(), Instant::now());
        view(&mut jobs, A, 0, &[1, 2, 3], now);
        assert_eq!(number(jobs.next(now)), Some((A, 1)));
        view(&mut jobs, B, 0, &[9], now);
        assert_eq!(number(jobs.next(now)), Some((B, 9)));
        assert_eq!(number(jobs.next(now)), Some((A, 2)));
        // A program looks at the first one again, further down.
        assert!(jobs.view(A, Some(FileId(3)), now).is_some());
        assert_eq!(number(jobs.next(now)), Some((A, 3)));
    }

    #[test]
    fn a_directory_that_nobody_views_any_more_gets_nothing() {
        let (mut jobs, now) = (Jobs::default(), Instant::now());
        let ended = view(&mut jobs, A, 0, &[1, 2], now);
        assert_eq!(number(jobs.next(now)), Some((A, 1)));
        jobs.finished(A, now);
        assert_eq!(jobs.next(now + INTEREST + Duration::from_secs(1)), None);
        assert!(ended.has_changed().is_err());
    }

    #[test]
    fn a_directory_rests_after_its_thumbnails() {
        let (mut jobs, now) = (Jobs::default(), Instant::now());
        let ended = view(&mut jobs, A, 0, &[], now);
        assert!(ended.has_changed().is_err());
        assert!(jobs.view(A, None, now).is_none());
        assert!(jobs.view(A, None, now + REST).is_some());
        jobs.give_up(now + REST);
        assert!(jobs.view(A, None, now + REST).is_none());
    }

    #[test]
    fn the_number_of_directories_is_bounded() {
        let (mut jobs, now) = (Jobs::default(), Instant::now());
        let first = jobs.view(A, None, now).unwrap();
        for other in 10..10 + JOBS_MAX as i64 {
            assert!(first.has_changed().is_ok());
            jobs.view(DirId(other), None, now).unwrap();
        }
        assert!(first.has_changed().is_err());
        assert_eq!(jobs.jobs.len(), JOBS_MAX);
    }
}
