//! Why the queue is blocked, and when the worker tries again. Pure.

use std::time::{Duration, SystemTime};

pub(super) use crate::api::Backoff;
use crate::api::{Advice, Error, FailureKind, Scope};
use crate::error_chain::{chain, ends};
use crate::store::PendingChanges;

/// The worker waits this much longer before it tries a full account or a missing login again:
/// neither is over in seconds, and each attempt costs a request.
const PERSON_FACTOR: u32 = 30;

/// The kind of a [`Blocked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedReason {
    /// Google cannot be reached.
    Offline,
    /// Google answers, but not with a result: 5xx, 409, garbage.
    ServerError,
    /// A short-term limit was hit.
    Throttled,
    /// The day's requests are used up.
    Quota,
    /// The login is missing, dead or too narrow.
    Login,
    /// The account's storage is full.
    StorageFull,
    /// The login does not permit changes of albums. Uploads go on.
    Permission,
    /// The connection is metered, and the user has not permitted uploads over such ones.
    Metered,
}

impl BlockedReason {
    /// The table from kinds of failure to reasons that block the queue. `None` if the failure is
    /// about one file or one call.
    pub fn of(kind: FailureKind) -> Option<Self> {
        use FailureKind as K;
        Some(match kind {
            K::Offline | K::TimedOut => Self::Offline,
            K::Broken
            | K::OutOfFiles
            | K::Garbled
            | K::Internal
            | K::Busy
            | K::Aborted
            | K::Foreign
            | K::LoginBusy
            | K::Throttled => Self::ServerError,
            K::WritesThrottled => Self::Throttled,
            K::DailyQuota => Self::Quota,
            K::LoginMissing | K::LoginRefused | K::ScopeMissing | K::ApiDisabled => Self::Login,
            K::StorageFull => Self::StorageFull,
            K::NotFound
            | K::AlbumMissing
            | K::AlbumReadOnly
            | K::AlbumFull
            | K::InvalidItem
            | K::InvalidToken
            | K::StaleUrl
            | K::Checksum
            | K::TooLarge
            | K::Unreadable
            | K::ShareUsedUp
            | K::Request => return None,
        })
    }

    /// The word for the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::ServerError => "google-unwell",
            Self::Throttled => "throttled",
            Self::Quota => "quota",
            Self::Login => "login",
            Self::StorageFull => "storage-full",
            Self::Permission => "permission",
            Self::Metered => "metered",
        }
    }
}

/// A failure that is no file's own and that blocks all files, or all changes of a kind.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// Why.
    pub reason: BlockedReason,
    /// In words, for people.
    pub text: String,
    /// In words, with all causes, for the log.
    pub(super) detail: String,
    /// Since when.
    pub since: SystemTime,
    /// When a request last failed for this reason.
    pub last_seen: SystemTime,
    /// When the worker tries again.
    pub until: SystemTime,
    /// Failures in a row.
    attempts: u32,
}

impl Blocked {
    /// Classifies an error; `None` if it is about the request at hand, which would fail again by
    /// itself. `before` is the outage that there was already, `pause` the time for which the client
    /// still holds changes back; `jitter` lies in 0..1.
    pub(super) fn read(
        error: &Error,
        before: Option<&Self>,
        backoff: Backoff,
        pause: Option<Duration>,
        now: SystemTime,
        jitter: f64,
    ) -> Option<Self> {
        let reason = BlockedReason::of(error.kind())?;
        let attempts = attempts(before, now);
        let wait = backoff.wait(attempts, jitter);
        let until = match error.advice() {
            Advice::Retry { after } => now + wait.max(after.unwrap_or_default()),
            // The client knows best: it has counted how often this came before.
            Advice::PauseWrites { .. } => now + pause.unwrap_or(wait),
            Advice::WaitForQuota { until } => {
                let millis = u64::try_from(until.as_millisecond()).unwrap_or(0);
                SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
            }
            Advice::Reauthorise | Advice::StorageFull => {
                now + for_a_person(backoff).wait(attempts, jitter)
            }
            Advice::GiveUp => return None,
        };
        let since = before.map_or(now, |before| before.since);
        let (text, detail) = (ends(error), chain(error));
        Some(Self { reason, text, detail, since, last_seen: now, until, attempts })
    }

    /// An outage that shows in the failures of several files, or in the refusal of an item.
    pub(super) fn of_files(
        reason: BlockedReason,
        text: String,
        before: Option<&Self>,
        backoff: Backoff,
        now: SystemTime,
        jitter: f64,
    ) -> Self {
        let attempts = attempts(before, now);
        let backoff = match reason {
            BlockedReason::Login | BlockedReason::StorageFull => for_a_person(backoff),
            _ => backoff,
        };
        let until = now + backoff.wait(attempts, jitter);
        let since = before.map_or(now, |before| before.since);
        let detail = text.clone();
        Self { reason, text, detail, since, last_seen: now, until, attempts }
    }

    /// The same, for a login that works but does not permit changes of albums.
    pub(super) fn of_permission(self) -> Self {
        let text = format!(
            "additions to albums and removals from them, because {}",
            Scope::EditAppCreated.is_missing()
        );
        Self { reason: BlockedReason::Permission, detail: text.clone(), text, ..self }
    }

    /// The pause on a connection that is metered. Nothing needs to be tried: its end is told.
    pub(super) fn of_metered(now: SystemTime) -> Self {
        Self {
            reason: BlockedReason::Metered,
            text: "paused: the connection is metered".to_owned(),
            detail: "paused: the connection is metered ('--metered use' uploads all the same)"
                .to_owned(),
            since: now,
            last_seen: now,
            until: now,
            attempts: 0,
        }
    }

    /// The network has changed: what failed before says nothing about the next attempt.
    pub(super) fn network_changed(&mut self, now: SystemTime) {
        if matches!(self.reason, BlockedReason::Offline | BlockedReason::ServerError) {
            (self.until, self.attempts) = (now, 0);
        }
    }

    /// Whether it lasts until a person logs in again, or makes room at Google.
    pub(super) fn needs_a_person(&self) -> bool {
        match self.reason {
            BlockedReason::Login | BlockedReason::StorageFull | BlockedReason::Permission => true,
            BlockedReason::Offline
            | BlockedReason::ServerError
            | BlockedReason::Throttled
            | BlockedReason::Quota
            | BlockedReason::Metered => false,
        }
    }

    /// Whether uploads wait, and not only changes of albums.
    pub(super) fn blocks_uploads(&self) -> bool {
        self.reason != BlockedReason::Permission
    }

    /// Whether none of the pending changes goes on before a person acts.
    pub(super) fn stops_until_a_person_acts(&self, pending: PendingChanges) -> bool {
        self.needs_a_person() && (self.blocks_uploads() || pending == PendingChanges::Memberships)
    }
}

/// A request that fails before the next attempt was in flight when the outage began.
fn attempts(before: Option<&Blocked>, now: SystemTime) -> u32 {
    before.map_or(1, |before| before.attempts.saturating_add(u32::from(before.until <= now)))
}

/// Longer waits, for failures that are not over in seconds.
fn for_a_person(backoff: Backoff) -> Backoff {
    Backoff { base: backoff.base.saturating_mul(PERSON_FACTOR).min(backoff.max), ..backoff }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_at_the_same_time_count_once() {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
        let error = Error::TimedOut { call: "upload" };
        let met = |before: Option<&Blocked>, now| {
            Blocked::read(&error, before, backoff, None, now, 1.0).unwrap()
        };
        let now = SystemTime::UNIX_EPOCH;
        let first =
            (0..32).fold(None, |before: Option<Blocked>, _| Some(met(before.as_ref(), now)));
        let first = first.unwrap();
        assert_eq!(first.until, now + Duration::from_secs(1));
        let second = met(Some(&first), first.until);
        assert_eq!(second.until, first.until + Duration::from_secs(2));
    }
}
