//! Decides whether and when to repeat a request. Pure: takes the error, the elapsed time and a
//! random number, and returns a wait. `transport` sleeps.
//!
//! The policy (reference §10.3): waits double from `base`. Each is drawn evenly from zero to that
//! limit ("full jitter"), so clients that failed together do not return together. `Retry-After` is
//! a lower bound. A caller waits meanwhile, so no wait may reach past `give_up_after`.

use std::time::Duration;

use super::backoff::Backoff;
use super::error::Error;
use super::failure::{Advice, FailureKind};

/// No backoff is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A longer `Retry-After` counts as this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// A lost network rarely returns within a filesystem call, a 500 can be permanent (reference §10.3),
/// and so can a page of a proxy. So these failures get only a few attempts.
const HOPELESS_ATTEMPTS_MAX: u32 = 3;

/// When a read is repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryLimits {
    /// The first wait's upper limit.
    pub base: Duration,
    /// No attempt begins later than this after the first.
    pub give_up_after: Duration,
    /// The least wait after a short-term 429 that names none.
    pub pause: Duration,
    /// Replaces `give_up_after` after such a 429, because it is known to pass.
    pub throttled: Duration,
}

/// How long to wait before the next attempt; `None` to give up.
///
/// The caller has made `attempts`, the first one `elapsed` ago, and draws `jitter` from 0..1.
pub(super) fn wait(
    error: &Error,
    attempts: u32,
    elapsed: Duration,
    limits: RetryLimits,
    jitter: f64,
) -> Option<Duration> {
    let Advice::Retry { after } = error.advice() else { return None };
    let hopeless = matches!(
        error.kind(),
        FailureKind::Offline
            | FailureKind::OutOfFiles
            | FailureKind::Garbled
            | FailureKind::Internal
            | FailureKind::Foreign
    );
    if hopeless && attempts >= HOPELESS_ATTEMPTS_MAX {
        return None;
    }
    let (least, give_up_after) = if error.is_throttled() {
        (after.unwrap_or(limits.pause), limits.throttled)
    } else {
        (after.unwrap_or_default(), limits.give_up_after)
    };
    let wait =
        least + Backoff { base: limits.base, max: BACKOFF_MAX }.limit(attempts).mul_f64(jitter);
    (elapsed + wait <= give_up_after).then_some(wait)
}

/// Parses a `Retry-After` header: seconds, or a date.
pub(super) fn parse_retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default() // negative: the date has passed
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{Class, Refusal};
    use super::*;

    const LIMITS: RetryLimits = RetryLimits {
        base: Duration::from_secs(1),
        give_up_after: Duration::from_secs(30),
        pause: Duration::from_secs(30),
        throttled: Duration::from_secs(120),
    };

    fn refused(status: u16, retry_after: Option<u64>) -> Error {
        let after = retry_after.map(Duration::from_secs);
        Error::Refused(Box::new(Refusal::read(
            "albums.list",
            Class::Read,
            status,
            true,
            br#"{"error": {"message": "x", "status": "SOMETHING"}}"#,
            after,
        )))
    }

    fn secs(wait: Option<Duration>) -> Option<u64> {
        wait.map(|it| it.as_secs())
    }

    #[test]
    fn waits_double_and_never_pass_the_deadline() {
        let error = refused(503, None);
        assert_eq!(secs(wait(&error, 1, Duration::ZERO, LIMITS, 1.0)), Some(1));
        assert_eq!(secs(wait(&error, 4, Duration::ZERO, LIMITS, 1.0)), Some(8));
        assert_eq!(secs(wait(&error, 4, Duration::ZERO, LIMITS, 0.0)), Some(0));
        assert_eq!(wait(&error, 4, Duration::from_secs(23), LIMITS, 1.0), None);
        assert_eq!(wait(&error, 500, Duration::ZERO, LIMITS, 1.0), None);
    }

    #[test]
    fn retry_after_is_a_lower_bound() {
        assert_eq!(secs(wait(&refused(503, Some(7)), 1, Duration::ZERO, LIMITS, 0.0)), Some(7));
        assert_eq!(wait(&refused(503, Some(31)), 1, Duration::ZERO, LIMITS, 0.0), None);
    }

    #[test]
    fn a_short_term_429_is_waited_out() {
        let error = refused(429, None);
        assert_eq!(secs(wait(&error, 1, Duration::ZERO, LIMITS, 0.0)), Some(30));
        assert_eq!(secs(wait(&error, 3, Duration::from_secs(90), LIMITS, 0.0)), Some(30));
        assert_eq!(wait(&error, 4, Duration::from_secs(91), LIMITS, 0.0), None);
        assert_eq!(secs(wait(&refused(429, Some(3)), 1, Duration::ZERO, LIMITS, 0.0)), Some(3));
        assert_eq!(wait(&refused(429, Some(600)), 1, Duration::ZERO, LIMITS, 0.0), None);
    }

    #[test]
    fn permanent_failures_are_not_repeated() {
        for status in [400, 401, 403, 404, 501] {
            assert_eq!(
                wait(&refused(status, None), 1, Duration::ZERO, LIMITS, 0.0),
                None,
                "{status}"
            );
        }
        assert!(wait(&refused(500, None), 2, Duration::ZERO, LIMITS, 0.0).is_some());
        assert_eq!(wait(&refused(500, None), 3, Duration::ZERO, LIMITS, 0.0), None);
    }

    #[test]
    fn retry_after_may_be_seconds_or_a_date() {
        let now = "2015-10-21T07:27:00Z".parse().unwrap();
        assert_eq!(secs(parse_retry_after(" 120 ", now)), Some(120));
        assert_eq!(secs(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now)), Some(60));
        assert_eq!(secs(parse_retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now)), Some(0));
        assert_eq!(secs(parse_retry_after("99999999999", now)), Some(3600));
        assert_eq!(parse_retry_after("soon", now), None);
    }
}
