//! The kind of every failure, and what follows from it. Pure.
//!
//! [`Error::kind`] is the one place that classifies. Whatever depends on the kind is a table over it:
//! the advice here, the errno in `fs/error.rs`, the blocked reason in `upload/trouble.rs`.

use std::time::Duration;

use jiff::Timestamp;

use super::auth::error::LoginError;
use super::error::Error;
use super::messages::Text;
use super::refusal::{Class, Refusal};

/// The least wait after a short-term 429 (reference §10.3).
const THROTTLED_MIN: Duration = Duration::from_secs(30);

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection came about, to the service or to its login.
    Offline,
    /// No answer came in time.
    TimedOut,
    /// The connection broke. It may do so because of what is sent, so the network may be up.
    Broken,
    /// The answer cannot be understood.
    Garbled,
    /// HTTP 500, which can be permanent.
    Internal,
    /// The service cannot answer for now: any other 5xx.
    Busy,
    /// The call was aborted, or something on the way answered in place of the service.
    Aborted,
    /// The login service has a failure of its own.
    LoginBusy,
    /// A short-term limit on calls that look or fetch.
    Throttled,
    /// A short-term limit on calls that change something. The client holds back all of them.
    WritesThrottled,
    /// The day's allowance is used up.
    DailyQuota,
    /// There is no login on this machine.
    LoginMissing,
    /// Google does not accept the login, the OAuth client or the account.
    LoginRefused,
    /// The login lacks a scope that the call needs.
    ScopeMissing,
    /// The API is not enabled in the client's Google Cloud project (reference §3.8).
    ApiDisabled,
    /// The account's storage is full.
    StorageFull,
    /// The thing named in the call does not exist.
    NotFound,
    /// The album named in the call does not exist.
    AlbumMissing,
    /// This program may not put items into the album.
    AlbumReadOnly,
    /// The album would pass its 20,000 items.
    AlbumFull,
    /// An id in the call names no item of ours. Fails the whole batch.
    InvalidItem,
    /// An upload token in the call is unknown or too old. Fails the whole batch.
    InvalidToken,
    /// The base URL has expired.
    StaleUrl,
    /// The bytes of the file arrived changed.
    Checksum,
    /// The file is larger than Google takes.
    TooLarge,
    /// The file to upload cannot be read from this disk.
    Unreadable,
    /// The request itself is refused, by the service or by this client.
    Request,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Try again with growing waits, and not before `after` if given.
    Retry {
        /// The service's own wish.
        after: Option<Duration>,
    },
    /// A short-term limit: no library-changing call for at least this long. The client itself
    /// holds its writers back for that time.
    PauseWrites {
        /// How long.
        at_least: Duration,
    },
    /// The daily allowance is used up.
    WaitForQuota {
        /// When it is renewed.
        until: Timestamp,
    },
    /// The user must put right the login, its scopes, the Google Cloud project or the account. The file at
    /// hand is not at fault. The error's text says which.
    Reauthorise,
    /// The account's storage is full: nothing can be created until the user makes room.
    StorageFull,
    /// The same call will fail again.
    GiveUp,
}

impl FailureKind {
    /// The table of advice (reference §10.3). `after` is the service's wish, `until` the renewal of the quota.
    pub fn advice(self, after: Option<Duration>, until: Timestamp) -> Advice {
        match self {
            Self::Offline
            | Self::TimedOut
            | Self::Broken
            | Self::Garbled
            | Self::Internal
            | Self::Busy
            | Self::Aborted
            | Self::LoginBusy
            | Self::Throttled => Advice::Retry { after },
            Self::WritesThrottled => {
                Advice::PauseWrites { at_least: after.unwrap_or(THROTTLED_MIN) }
            }
            Self::DailyQuota => Advice::WaitForQuota { until },
            Self::LoginMissing | Self::LoginRefused | Self::ScopeMissing | Self::ApiDisabled => {
                Advice::Reauthorise
            }
            Self::StorageFull => Advice::StorageFull,
            Self::NotFound
            | Self::AlbumMissing
            | Self::AlbumReadOnly
            | Self::AlbumFull
            | Self::InvalidItem
            | Self::InvalidToken
            | Self::StaleUrl
            | Self::Checksum
            | Self::TooLarge
            | Self::Unreadable
            | Self::Request => Advice::GiveUp,
        }
    }

    /// Whether the failure lasts for all calls, not only for this one: no network, no login, or a limit.
    /// A failure of the server's may be about one item.
    pub fn is_of_service(self) -> bool {
        matches!(
            self,
            Self::Offline
                | Self::LoginBusy
                | Self::Throttled
                | Self::WritesThrottled
                | Self::DailyQuota
                | Self::LoginMissing
                | Self::LoginRefused
                | Self::ScopeMissing
                | Self::ApiDisabled
        )
    }
}

impl Error {
    /// The kind of this failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Offline { .. } => FailureKind::Offline,
            Self::TimedOut { .. } => FailureKind::TimedOut,
            Self::Broken { .. } => FailureKind::Broken,
            Self::Garbled { .. } => FailureKind::Garbled,
            Self::QuotaExhausted { .. } => FailureKind::DailyQuota,
            Self::Login(error) => error.kind(),
            Self::Refused(refusal) => refusal.kind(),
            Self::Payload(_) => FailureKind::Unreadable,
            Self::Unfit { .. } => FailureKind::Request,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Advice {
        let until = match self {
            Self::QuotaExhausted { until, .. } => *until,
            _ => Timestamp::UNIX_EPOCH,
        };
        self.kind().advice(self.refusal().and_then(|it| it.retry_after), until)
    }

    /// Whether the call may have taken effect although it failed: the answer was lost, or came from
    /// something that does not know. Calls that are not idempotent must then be settled by looking.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Broken { .. } | Self::Garbled { .. } => true,
            Self::Refused(refusal) => refusal.status >= 500 || matches!(refusal.status, 408 | 499),
            _ => false,
        }
    }

    /// Whether Google limits calls for a short while; what was asked for has not been done.
    pub fn is_throttled(&self) -> bool {
        matches!(self.kind(), FailureKind::Throttled | FailureKind::WritesThrottled)
    }

    /// Whether the thing named in the call does not exist (any more).
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind(), FailureKind::NotFound | FailureKind::AlbumMissing)
    }

    /// Whether the service found fault with the request, with a page token that is too old for example.
    pub fn is_invalid_request(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 400)
    }
}

impl LoginError {
    /// The kind of this failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NotLoggedIn | Self::NoClient | Self::Foreign(_) | Self::File { .. } => {
                FailureKind::LoginMissing
            }
            Self::Ended(_) | Self::Refused { .. } => FailureKind::LoginRefused,
            Self::Offline(_) => FailureKind::Offline,
            Self::Unavailable(_) => FailureKind::LoginBusy,
        }
    }
}

impl Refusal {
    fn kind(&self) -> FailureKind {
        match self.status {
            // A daily quota never comes here: `transport` makes [`Error::QuotaExhausted`] of it.
            429 => match self.class {
                Class::Write | Class::Upload => FailureKind::WritesThrottled,
                Class::Read | Class::Media => FailureKind::Throttled,
            },
            // 3xx: we follow no redirect with a token, so something stands between us and the service
            // for now. 499 is CANCELLED.
            300..=399 | 408 | 409 | 499 => FailureKind::Aborted,
            500 => FailureKind::Internal,
            501 => FailureKind::Request,
            // 509 is a front end's "bandwidth exceeded".
            502..=u16::MAX => FailureKind::Busy,
            413 => FailureKind::TooLarge,
            _ if self.says(Text::StorageFull) => FailureKind::StorageFull,
            401 | 403 if self.class != Class::Media => self.kind_of_forbidden(),
            _ => self.kind_of_request(),
        }
    }

    fn kind_of_forbidden(&self) -> FailureKind {
        if self.status == 403 && self.says(Text::AlbumReadOnly) {
            FailureKind::AlbumReadOnly
        } else if self.status == 403 && !self.is_from_service {
            // It is about the way to the service, not about the login.
            FailureKind::Aborted
        } else if self.reason_is("ACCESS_TOKEN_SCOPE_INSUFFICIENT") || self.says(Text::ScopeMissing)
        {
            FailureKind::ScopeMissing
        } else if self.reason_is("SERVICE_DISABLED") || self.says(Text::ApiDisabled) {
            FailureKind::ApiDisabled
        } else {
            FailureKind::LoginRefused
        }
    }

    /// The call is at fault, or a thing named in it.
    fn kind_of_request(&self) -> FailureKind {
        if self.class == Class::Media {
            return match self.status {
                401 | 403 | 404 | 410 => FailureKind::StaleUrl,
                _ => FailureKind::Request,
            };
        }
        let of_album = self.call.starts_with("albums.");
        if self.says(Text::AlbumMissing) || (self.status == 404 && of_album) {
            FailureKind::AlbumMissing
        } else if self.status == 404 || self.reason_is("NOT_FOUND") {
            FailureKind::NotFound
        } else if self.says(Text::InvalidItem) {
            FailureKind::InvalidItem
        } else if self.says(Text::InvalidToken) {
            FailureKind::InvalidToken
        } else if self.class == Class::Upload && self.says(Text::Checksum) {
            FailureKind::Checksum
        } else if self.says(Text::AlbumReadOnly) {
            FailureKind::AlbumReadOnly
        } else if self.says(Text::AlbumFull) {
            FailureKind::AlbumFull
        } else {
            FailureKind::Request
        }
    }
}

#[cfg(test)]
mod tests;
