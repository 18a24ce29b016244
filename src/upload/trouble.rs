//! What keeps the whole queue from moving, and when it is worth another try. Pure.

use std::time::{Duration, SystemTime};

use crate::api::{Advice, Error, Scope};
use crate::store::PendingChanges;

/// How long to wait before a full account or a missing login is looked at again, at least. In seconds they
/// are not over, and each look costs a request.
const PATIENT_FACTOR: u32 = 30;

/// The kind of a [`Trouble`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Google cannot be reached.
    Offline,
    /// Google answers, but not to the point: 5xx, 409, garbage.
    Unwell,
    /// A short-term limit was hit.
    Throttled,
    /// The day's requests are used up.
    Quota,
    /// The login is missing, dead or too narrow.
    Login,
    /// The account's storage is full.
    StorageFull,
    /// The login may not change what is in albums. Files go on.
    Permission,
}

impl TroubleKind {
    /// The word for the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Unwell => "google-unwell",
            Self::Throttled => "throttled",
            Self::Quota => "quota",
            Self::Login => "login",
            Self::StorageFull => "storage-full",
            Self::Permission => "permission",
        }
    }
}

/// Something that is nobody's file's fault and holds up all of them, or all changes of a kind.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What.
    pub kind: TroubleKind,
    /// In words, with causes.
    pub text: String,
    /// Since when.
    pub since: SystemTime,
    /// When it was last met.
    pub met: SystemTime,
    /// When it is tried again.
    pub until: SystemTime,
    /// Failures in a row.
    attempts: u32,
}

impl Trouble {
    /// Reads an error; `None` if it is about the thing at hand, which would fail again by itself. `before` is
    /// the trouble there was already, `pause` how long the client still holds its writers back, `jitter`
    /// lies in 0..1.
    pub(super) fn read(
        error: &Error,
        text: String,
        before: Option<&Self>,
        backoff: Backoff,
        pause: Option<Duration>,
        now: SystemTime,
        jitter: f64,
    ) -> Option<Self> {
        // What fails before the next attempt was under way when the trouble began.
        let attempts = before
            .map_or(1, |before| before.attempts.saturating_add(u32::from(before.until <= now)));
        let wait = backoff.wait(attempts, jitter);
        let (kind, until) = match error.advice() {
            Advice::Retry { .. } if error.is_offline() || error.is_timeout() => {
                (TroubleKind::Offline, now + wait)
            }
            Advice::Retry { after } => {
                (TroubleKind::Unwell, now + wait.max(after.unwrap_or_default()))
            }
            // The client knows best: it has counted how often this came before.
            Advice::PauseWrites { .. } => (TroubleKind::Throttled, now + pause.unwrap_or(wait)),
            Advice::WaitForQuota { until } => {
                let millis = u64::try_from(until.as_millisecond()).unwrap_or(0);
                (TroubleKind::Quota, SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            }
            Advice::Reauthorise => {
                (TroubleKind::Login, now + backoff.patiently().wait(attempts, jitter))
            }
            Advice::StorageFull => {
                (TroubleKind::StorageFull, now + backoff.patiently().wait(attempts, jitter))
            }
            Advice::GiveUp => return None,
        };
        let since = before.map_or(now, |before| before.since);
        Some(Self { kind, text, since, met: now, until, attempts })
    }

    /// The same, of a login that works but may not change what is in albums.
    pub(super) fn of_permission(self) -> Self {
        let text = format!(
            "additions to albums and removals from them, because {}",
            Scope::EditAppCreated.is_missing()
        );
        Self { kind: TroubleKind::Permission, text, ..self }
    }

    /// Whether it will not be over before somebody does something: logs in, or makes room at Google.
    pub(super) fn waits_for_a_person(&self) -> bool {
        match self.kind {
            TroubleKind::Login | TroubleKind::StorageFull | TroubleKind::Permission => true,
            TroubleKind::Offline
            | TroubleKind::Unwell
            | TroubleKind::Throttled
            | TroubleKind::Quota => false,
        }
    }

    /// Whether nothing of what is pending goes on before somebody does something.
    pub(super) fn leaves_to_a_person(&self, pending: PendingChanges) -> bool {
        self.waits_for_a_person()
            && (self.kind != TroubleKind::Permission || pending == PendingChanges::Memberships)
    }
}

/// Growing waits with full jitter, as Google advises (reference §10.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) base: Duration,
    pub(super) max: Duration,
}

impl Backoff {
    /// The wait after the `attempts`-th failure in a row, counted from 1. Never so short as to be a busy loop.
    pub(super) fn wait(self, attempts: u32, jitter: f64) -> Duration {
        let doubled = self.base.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        let ceiling = doubled.min(self.max);
        ceiling.mul_f64(jitter.clamp(0.0, 1.0)).max(ceiling / 10)
    }

    fn patiently(self) -> Self {
        Self { base: self.base.saturating_mul(PATIENT_FACTOR).min(self.max), max: self.max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_together_counts_once() {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
        let error = Error::TimedOut { call: "upload" };
        let met = |before: Option<&Trouble>, now| {
            Trouble::read(&error, String::new(), before, backoff, None, now, 1.0).unwrap()
        };
        let now = SystemTime::UNIX_EPOCH;
        let first =
            (0..32).fold(None, |before: Option<Trouble>, _| Some(met(before.as_ref(), now)));
        let first = first.unwrap();
        assert_eq!(first.until, now + Duration::from_secs(1));
        let second = met(Some(&first), first.until);
        assert_eq!(second.until, first.until + Duration::from_secs(2));
    }

    #[test]
    fn waits_grow_to_a_limit_and_are_never_nothing() {
        let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
        assert_eq!(backoff.wait(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.wait(4, 1.0), Duration::from_secs(8));
        assert_eq!(backoff.wait(4, 0.5), Duration::from_secs(4));
        assert_eq!(backoff.wait(u32::MAX, 1.0), Duration::from_secs(60));
        assert_eq!(backoff.wait(1, 0.0), Duration::from_millis(100));
    }
}
