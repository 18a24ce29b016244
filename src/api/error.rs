//! Why a call to the service failed.
//!
//! Pure. `failure` classifies these errors and says what to do about them.

use jiff::Timestamp;

use super::auth::error::LoginError;
use super::refusal::Refusal;
use crate::media::local_time;

/// A cause of any type, kept for the log.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call to the service failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection came about, so nothing was sent.
    #[error("cannot connect for {call}")]
    Offline {
        /// The call, as the reference names it.
        call: &'static str,
        /// What the network said.
        #[source]
        source: Cause,
    },
    /// The deadline passed before the whole answer was there.
    #[error("no answer to {call} in time")]
    TimedOut {
        /// The call, as the reference names it.
        call: &'static str,
    },
    /// The connection broke; the request may have arrived all the same.
    #[error("the connection broke during {call}")]
    Broken {
        /// The call, as the reference names it.
        call: &'static str,
        /// What the network said.
        #[source]
        source: Cause,
    },
    /// The service answered, and the answer is no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The service said yes, but in a form that cannot be understood.
    #[error("the answer to {call} cannot be understood: {why}")]
    Garbled {
        /// The call, as the reference names it.
        call: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The day's allowance is used up; calls fail at once until it is renewed.
    #[error("Google's daily quota of {kind} requests is used up until {}", local_time(*.until))]
    QuotaExhausted {
        /// Which of the two allowances.
        kind: super::budget::Kind,
        /// When it is renewed.
        until: Timestamp,
    },
    /// There is no usable login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The bytes to upload could not be read from this disk.
    #[error("cannot read the file to upload")]
    Payload(#[source] Cause),
    /// The call was not made because it would break a rule of the service or of ours.
    #[error("{call} was not sent: {why}")]
    Unfit {
        /// The call, as the reference names it.
        call: &'static str,
        /// The rule.
        why: String,
    },
}

impl Error {
    /// The answer, if there was a negative one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_new_requests_is_told_as_every_other_time() {
        let until: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let said =
            Error::QuotaExhausted { kind: super::super::budget::Kind::Api, until }.to_string();
        assert!(said.ends_with(&format!("is used up until {}", local_time(until))), "{said}");
        assert!(!said.contains('Z'), "{said}");
    }
}
