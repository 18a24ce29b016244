//! Why a call to the service failed.
//!
//! Pure. `failure` classifies these errors and gives advice.

use jiff::Timestamp;

use super::auth::error::LoginError;
use super::refusal::Refusal;
use crate::media::local_time;

/// A cause of any type, kept for the log.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call to the service failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not connect, so it sent nothing.
    #[error("no connection to {host}")]
    Offline {
        /// The host's name or address.
        host: String,
        /// The network's error.
        #[source]
        source: Cause,
    },
    /// This process or this machine has no free file descriptor for a connection.
    #[error("cannot open a connection for {call}")]
    OutOfFiles {
        /// The name of the call in the reference.
        call: &'static str,
        /// The system's error.
        #[source]
        source: Cause,
    },
    /// The deadline passed before the whole answer arrived.
    #[error("no answer to {call} in time")]
    TimedOut {
        /// The name of the call in the reference.
        call: &'static str,
    },
    /// The connection broke. The request may have arrived.
    #[error("the connection broke during {call}")]
    Broken {
        /// The name of the call in the reference.
        call: &'static str,
        /// The network's error.
        #[source]
        source: Cause,
    },
    /// The service refused the call.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The answer is a success, but the client cannot parse it.
    #[error("the answer to {call} cannot be understood: {why}")]
    Garbled {
        /// The name of the call in the reference.
        call: &'static str,
        /// The fault.
        why: String,
    },
    /// The daily quota is used up. Calls fail at once until it is renewed.
    #[error("Google's daily quota of {kind} requests is used up until {}", local_time(*.until))]
    QuotaExhausted {
        /// Which of the two quotas.
        kind: super::budget::Kind,
        /// When it is renewed.
        until: Timestamp,
    },
    /// The caller is another user of the machine, and other users have had their share of the day.
    #[error("other users of this machine have used up their share of today's {0} requests")]
    ShareUsedUp(super::budget::Kind),
    /// There is no usable login.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The client could not read the file to upload from this disk.
    #[error("cannot read the file to upload")]
    Payload(#[source] Cause),
    /// The client did not send the call, because it would break a rule of the service or of this
    /// program.
    #[error("{call} was not sent: {why}")]
    Unfit {
        /// The name of the call in the reference.
        call: &'static str,
        /// The rule.
        why: String,
    },
}

impl Error {
    /// Whether another request still writes to the same upload session: one whose connection has broken,
    /// which the server has not noticed yet.
    pub fn is_busy(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 409)
    }

    /// The refusal, if this is one.
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
    fn the_renewal_of_the_quota_is_shown_in_local_time() {
        let until: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let said =
            Error::QuotaExhausted { kind: super::super::budget::Kind::Api, until }.to_string();
        assert!(said.ends_with(&format!("is used up until {}", local_time(until))), "{said}");
        assert!(!said.contains('Z'), "{said}");
    }
}
