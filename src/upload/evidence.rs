//! Whose fault a failure is: a file's own, or the service's. Pure.
//!
//! Only if other files succeed meanwhile is a failure the file's own. If several files fail alike,
//! and none succeeds, that is an outage: the queue waits, and no file is refused. A picture that
//! Google refuses for its content, and whose bytes are broken, is at fault whatever happens to
//! others.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use lru::LruCache;

use crate::api::FailureKind;
use crate::media::FileId;
use crate::store::PastFailures;

/// After so many failures of its own, a file is refused whatever they are.
pub(super) const OWN_FAILURES_MAX: u32 = 30;
/// After this time, a file that only fails is refused.
pub(super) const FAILING_MAX: Duration = Duration::from_secs(24 * 3600);
/// Fewer failures of its own do not refuse a file that has failed for long: the clock may have been
/// set.
const OWN_FAILURES_MIN: u32 = 5;
/// So many equal refusals are believed if Google names the content as the reason.
const CONTENT_REFUSALS: u32 = 2;
/// So many equal refusals are believed if the reason may lie in the service.
const UNCLEAR_REFUSALS: u32 = 5;

/// So many failing files are remembered. A file that is forgotten counts from the start.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// So many files that failed since the last success suffice to recognise an outage.
const COMPARED_MAX: usize = 8;

/// What a failure says about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    /// The API says that the file is too large, which is believed at once.
    Size,
    /// Google names the content as the reason.
    Content,
    /// The bytes that arrived differ from those that were sent.
    Checksum,
    /// The API refuses, and the reason may lie in the file or in the service.
    Unclear,
    /// No answer about the file, but its bytes may be the cause: a server error, a broken
    /// connection, a success without a result.
    Failing,
    /// The answer does not come from the API, or says that the service is busy.
    Elsewhere,
}

impl Symptom {
    pub(super) fn of(kind: FailureKind) -> Self {
        use FailureKind as K;
        match kind {
            K::TooLarge => Self::Size,
            K::Checksum => Self::Checksum,
            K::Internal | K::Broken | K::Garbled | K::Unreadable => Self::Failing,
            K::Offline
            | K::OutOfFiles
            | K::TimedOut
            | K::Busy
            | K::Aborted
            | K::Foreign
            | K::LoginBusy
            | K::Throttled
            | K::WritesThrottled
            | K::DailyQuota
            | K::ShareUsedUp
            | K::LoginMissing
            | K::LoginRefused
            | K::ScopeMissing
            | K::ApiDisabled
            | K::StorageFull => Self::Elsewhere,
            K::NotFound
            | K::AlbumMissing
            | K::AlbumReadOnly
            | K::AlbumFull
            | K::InvalidItem
            | K::InvalidToken
            | K::StaleUrl
            | K::Request => Self::Unclear,
        }
    }
}

/// The fate of other files since this one last failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// At least one succeeded.
    Succeed,
    /// None succeeded, and at least one failed alike.
    FailAlike,
    /// None succeeded, and none failed alike: perhaps there are none.
    Unknown,
}

/// A failure, compared with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) symptom: Symptom,
    pub(super) others: Others,
    /// How often in a row the file has failed with this symptom.
    times: u32,
    /// How many of these failures came after a success of another file.
    own_times: u32,
}

/// The successes and failures of one step: of uploads, creations or additions.
pub(super) struct Evidence {
    successes: u64,
    failing: LruCache<FileId, Failing>,
    /// Files that failed since the last success.
    since_success: Vec<(FileId, Symptom)>,
}

struct Failing {
    /// The successes before it last failed.
    successes: u64,
    last: Compared,
}

impl Default for Evidence {
    fn default() -> Self {
        let failing = LruCache::new(REMEMBERED_MAX);
        Self { successes: 0, failing, since_success: Vec::new() }
    }
}

impl Evidence {
    /// Google has taken the file.
    pub(super) fn succeeded(&mut self, file: FileId) {
        self.successes += 1;
        self.since_success.clear();
        self.failing.pop(&file);
    }

    /// A file has failed. `beside` says whether another one succeeded in the same call.
    pub(super) fn failed(&mut self, file: FileId, symptom: Symptom, beside: bool) -> Compared {
        let before = self.failing.get(&file);
        let succeed = beside || before.is_some_and(|before| before.successes < self.successes);
        let alike = |it: &&(FileId, Symptom)| it.0 != file && it.1 == symptom;
        let others = if succeed {
            Others::Succeed
        } else if self.since_success.iter().any(|it| alike(&it)) {
            Others::FailAlike
        } else {
            Others::Unknown
        };
        let before = before.map(|before| before.last).filter(|last| last.symptom == symptom);
        let (times, own_times) = before.map_or((0, 0), |last| (last.times, last.own_times));
        let (times, own_times) = (times + 1, own_times + u32::from(succeed));
        let compared = Compared { symptom, others, times, own_times };
        self.failing.put(file, Failing { successes: self.successes, last: compared });
        if self.since_success.len() < COMPARED_MAX && !self.since_success.contains(&(file, symptom))
        {
            self.since_success.push((file, symptom));
        }
        compared
    }

    /// Whether the file has failed, and none has succeeded since.
    pub(super) fn is_failing(&self, file: FileId) -> bool {
        self.failing.peek(&file).is_some_and(|it| it.successes == self.successes)
    }

    /// Whether several files have failed alike, and none has succeeded since.
    pub(super) fn is_outage(&self) -> bool {
        let same = |a: &(FileId, Symptom), b: &(FileId, Symptom)| a.1 == b.1 && a.0 != b.0;
        self.since_success.iter().any(|a| self.since_success.iter().any(|b| same(a, b)))
    }
}

/// The circumstances of a failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// The request had no other file, and the file had failed before.
    pub(super) alone: bool,
    /// No other file is on its way.
    pub(super) only: bool,
    /// The bytes show that the picture is broken.
    pub(super) broken: bool,
    pub(super) past: PastFailures,
    pub(super) now: SystemTime,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file is refused: Google has said so about it.
    Refused,
    /// The file is refused: it has failed too often, or for too long.
    GivenUp,
    /// It is the file's own failure. It is tried again ever more rarely.
    Own,
    /// The file is tried again soon.
    Unknown,
    /// The service fails for all files.
    Outage,
}

impl Compared {
    /// Whether an answer that would be about all files, such as "the storage is full", is about this
    /// one only: others succeed meanwhile, or did so before and none fails alike now.
    pub(super) fn is_of_one_file(self, past: PastFailures) -> bool {
        match self.others {
            Others::Succeed => true,
            Others::Unknown => past.own > 0,
            Others::FailAlike => false,
        }
    }

    pub(super) fn verdict(self, trial: &Trial) -> Verdict {
        let Trial { alone, only, broken, past, now } = *trial;
        let age = past.since.and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
        let is_old = past.attempts + 1 >= OWN_FAILURES_MAX && age >= FAILING_MAX;
        let is_refused = match self.symptom {
            Symptom::Size => true,
            Symptom::Content => self.times >= CONTENT_REFUSALS,
            Symptom::Checksum => self.times >= UNCLEAR_REFUSALS,
            Symptom::Unclear => self.own_times >= UNCLEAR_REFUSALS,
            Symptom::Failing | Symptom::Elsewhere => false,
        };
        match self.others {
            _ if self.symptom == Symptom::Size => Verdict::Refused,
            // Two that know nothing of each other agree.
            _ if broken && alone && is_refused && self.symptom == Symptom::Content => {
                Verdict::Refused
            }
            Others::Succeed if alone && is_refused => Verdict::Refused,
            Others::Succeed => {
                let own = past.own + 1;
                let is_old = own >= OWN_FAILURES_MIN && age >= FAILING_MAX;
                let is_given_up = alone && (own >= OWN_FAILURES_MAX || is_old);
                if is_given_up { Verdict::GivenUp } else { Verdict::Own }
            }
            // Nobody else can prove that Google takes files.
            Others::Unknown if alone && only && is_refused && self.symptom != Symptom::Unclear => {
                Verdict::Refused
            }
            Others::Unknown if is_old && self.symptom != Symptom::Elsewhere => Verdict::GivenUp,
            Others::Unknown => Verdict::Unknown,
            Others::FailAlike if is_old && self.symptom == Symptom::Content => Verdict::GivenUp,
            Others::FailAlike => Verdict::Outage,
        }
    }
}

#[cfg(test)]
mod tests;
