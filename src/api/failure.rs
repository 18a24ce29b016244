//! Classifies every failure, and gives advice. Pure.
//!
//! [`Error::kind`] alone classifies. Other tables map the kind: the advice here, the errno in
//! `fs/error.rs`, the blocked reason in `upload/blocked.rs`.

use std::time::Duration;

use jiff::Timestamp;

use super::auth::error::LoginError;
use super::error::Error;
use super::messages::Text;
use super::refusal::{Class, ErrorInfo, Refusal, RefusalBody};
use crate::error_chain::lack_of_descriptors;

/// The least wait after a short-term 429 (reference §10.3).
const THROTTLED_MIN: Duration = Duration::from_secs(30);

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The client cannot connect to the service or to its login service.
    Offline,
    /// This process or this machine has no free file descriptor.
    OutOfFiles,
    /// No answer came in time.
    TimedOut,
    /// The connection broke. The sent bytes may be the cause, so the network may be up.
    Broken,
    /// The client cannot parse the answer.
    Garbled,
    /// HTTP 500, which can be permanent.
    Internal,
    /// The service cannot answer now: any other 5xx.
    Busy,
    /// The service aborted the call, or redirected it.
    Aborted,
    /// A page, a bare status or nothing stands in the place of the API's own answer. The service is
    /// out of order, or a proxy has answered.
    Foreign,
    /// The login service failed.
    LoginBusy,
    /// A short-term limit on reads or downloads.
    Throttled,
    /// A short-term limit on writes. The client delays all of them.
    WritesThrottled,
    /// The daily quota is used up.
    DailyQuota,
    /// Other users of the machine have used up their share of the day. The owner has not.
    ShareUsedUp,
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
    /// The object that the call names does not exist.
    NotFound,
    /// The album that the call names does not exist.
    AlbumMissing,
    /// This program may not add items to the album.
    AlbumReadOnly,
    /// The call would bring the album above 20,000 items.
    AlbumFull,
    /// An id in the call names no item of ours. Fails the whole batch.
    InvalidItem,
    /// An upload token in the call is unknown or too old. Fails the whole batch.
    InvalidToken,
    /// The base URL has expired.
    StaleUrl,
    /// The checksum of the uploaded bytes does not match.
    Checksum,
    /// The file is larger than Google accepts.
    TooLarge,
    /// The client cannot read the file to upload from this disk.
    Unreadable,
    /// The service or this client refuses the request itself.
    Request,
}

/// The next step after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Try again with growing waits, and not before `after` if given.
    Retry {
        /// The wait that the service asks for.
        after: Option<Duration>,
    },
    /// A short-term limit: make no library-changing call for at least this long. The client itself
    /// delays its writes for that time.
    PauseWrites {
        /// The length of the pause.
        at_least: Duration,
    },
    /// The daily quota is used up.
    WaitForQuota {
        /// When the quota is renewed.
        until: Timestamp,
    },
    /// The user must repair the login, its scopes, the Google Cloud project or the account. The
    /// error's text says which. The file is not at fault.
    Reauthorise,
    /// The account's storage is full. Google creates no item until the user makes room.
    StorageFull,
    /// The same call will fail again.
    GiveUp,
}

impl FailureKind {
    /// The advice for this kind (reference §10.3). `after` is the wait that the service asks for,
    /// `until` the time at which the quota is renewed.
    pub fn advice(self, after: Option<Duration>, until: Timestamp) -> Advice {
        match self {
            Self::Offline
            | Self::OutOfFiles
            | Self::TimedOut
            | Self::Broken
            | Self::Garbled
            | Self::Internal
            | Self::Busy
            | Self::Aborted
            | Self::Foreign
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
            | Self::ShareUsedUp
            | Self::Request => Advice::GiveUp,
        }
    }

    /// Whether this machine is at fault, and not the service or the network.
    pub fn is_local(self) -> bool {
        matches!(self, Self::OutOfFiles | Self::Unreadable)
    }

    /// Whether the failure concerns all calls, not only this one: no network, no login, or a limit.
    /// A server error may concern one item.
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
            Self::OutOfFiles { .. } => FailureKind::OutOfFiles,
            Self::TimedOut { .. } => FailureKind::TimedOut,
            Self::Broken { .. } => FailureKind::Broken,
            Self::Garbled { .. } => FailureKind::Garbled,
            Self::QuotaExhausted { .. } => FailureKind::DailyQuota,
            Self::ShareUsedUp(_) => FailureKind::ShareUsedUp,
            Self::Login(error) => error.kind(),
            Self::Refused(refusal) => refusal.kind(),
            Self::Payload(cause) if lack_of_descriptors(cause.as_ref()).is_some() => {
                FailureKind::OutOfFiles
            }
            Self::Payload(_) => FailureKind::Unreadable,
            Self::Unfit { .. } => FailureKind::Request,
        }
    }

    /// The next step.
    pub fn advice(&self) -> Advice {
        let until = match self {
            Self::QuotaExhausted { until, .. } => *until,
            _ => Timestamp::UNIX_EPOCH,
        };
        self.kind().advice(self.refusal().and_then(|it| it.retry_after), until)
    }

    /// Whether the call may have taken effect although it failed: the answer was lost, or came from
    /// a proxy that cannot know. If the call is not idempotent, the caller must then read the state
    /// before it repeats the call.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Broken { .. } | Self::Garbled { .. } => true,
            Self::Refused(refusal) => refusal.may_have_happened(),
            _ => false,
        }
    }

    /// Whether Google limits calls for a short while. The call has had no effect.
    pub fn is_throttled(&self) -> bool {
        matches!(self.kind(), FailureKind::Throttled | FailureKind::WritesThrottled)
    }

    /// Whether the object that the call names does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind(), FailureKind::NotFound | FailureKind::AlbumMissing)
    }

    /// Whether the API forbids this call, and does not say that the login or the project is at fault.
    /// Another call may be answered.
    pub fn is_forbidden(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 403 && it.is_from_api())
            && self.kind() == FailureKind::LoginRefused
    }

    /// Whether the service calls the request invalid, for example because its page token is too
    /// old.
    pub fn is_invalid_request(&self) -> bool {
        self.refusal().is_some_and(|it| it.status == 400 && it.is_from_api())
    }
}

impl LoginError {
    /// The kind of this failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NotLoggedIn | Self::NoClient | Self::Foreign(_) | Self::File { .. } => {
                FailureKind::LoginMissing
            }
            Self::Ended(_) | Self::Refused { .. } | Self::OtherLibrary(_) => {
                FailureKind::LoginRefused
            }
            Self::Offline(_) => FailureKind::Offline,
            Self::Unavailable(_) | Self::Unchecked(_) => FailureKind::LoginBusy,
        }
    }
}

impl Refusal {
    /// Only the API's own answer can blame the call or an object in it.
    fn kind(&self) -> FailureKind {
        match (self.status, &self.body) {
            // A daily quota never gets here: `transport` turns it into [`Error::QuotaExhausted`].
            (429, _) => match self.class {
                Class::Write | Class::Upload => FailureKind::WritesThrottled,
                Class::Read | Class::Media => FailureKind::Throttled,
            },
            // The host of the bytes has no other form than a page.
            (401 | 403 | 404 | 410, _) if self.class == Class::Media => FailureKind::StaleUrl,
            // 3xx: the client follows no redirect with a token. A proxy has answered, for now. 499
            // is CANCELLED.
            (300..=399 | 408 | 409 | 499, _) => FailureKind::Aborted,
            (500, RefusalBody::Api(_)) => FailureKind::Internal,
            // 509 is a front end's "bandwidth exceeded".
            (502..=u16::MAX, _) => FailureKind::Busy,
            _ if Text::StorageFull.is_in(self.message()) => FailureKind::StorageFull,
            (_, RefusalBody::Api(info)) => self.kind_by_info(info),
            (_, RefusalBody::Foreign(_)) => FailureKind::Foreign,
        }
    }

    fn kind_by_info(&self, info: &ErrorInfo) -> FailureKind {
        match self.status {
            413 => FailureKind::TooLarge,
            403 if info.says(Text::AlbumReadOnly) => FailureKind::AlbumReadOnly,
            401 | 403 => kind_of_forbidden(info),
            _ => self.kind_of_request(info),
        }
    }

    /// The kind of a refusal that blames the call or an object in it.
    fn kind_of_request(&self, info: &ErrorInfo) -> FailureKind {
        let of_album = self.call.starts_with("albums.");
        if info.says(Text::AlbumMissing) || (self.status == 404 && of_album) {
            FailureKind::AlbumMissing
        } else if self.status == 404 || info.reason_is("NOT_FOUND") {
            FailureKind::NotFound
        } else if info.says(Text::InvalidItem) {
            FailureKind::InvalidItem
        } else if info.says(Text::InvalidToken) {
            FailureKind::InvalidToken
        } else if self.class == Class::Upload && info.says(Text::Checksum) {
            FailureKind::Checksum
        } else if info.says(Text::AlbumReadOnly) {
            FailureKind::AlbumReadOnly
        } else if info.says(Text::AlbumFull) {
            FailureKind::AlbumFull
        } else {
            FailureKind::Request
        }
    }

    /// A front end may have passed the call on before it answered in its own way, except where it
    /// asks for a login, forbids, limits or redirects.
    fn may_have_happened(&self) -> bool {
        match self.status {
            408 | 499 | 500.. => true,
            300..=399 | 401 | 403 | 429 => false,
            _ => !self.is_from_api(),
        }
    }
}

fn kind_of_forbidden(info: &ErrorInfo) -> FailureKind {
    if info.reason_is("ACCESS_TOKEN_SCOPE_INSUFFICIENT") || info.says(Text::ScopeMissing) {
        FailureKind::ScopeMissing
    } else if info.reason_is("SERVICE_DISABLED") || info.says(Text::ApiDisabled) {
        FailureKind::ApiDisabled
    } else {
        FailureKind::LoginRefused
    }
}

#[cfg(test)]
mod tests;
