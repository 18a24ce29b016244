//! The error type with an errno, and the only table from causes to errno values.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::api::FailureKind;
use crate::error_chain::{chain, lack_of_descriptors};
use crate::{api, content, library, store, upload};

/// The reason why an operation failed: an errno for the caller, and causes for the log.
#[derive(Debug)]
pub struct Error {
    errno: Errno,
    doing: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// A positive Linux error number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errno {} ({})", self.0, io::Error::from_raw_os_error(self.0))
    }
}

/// Results of filesystem operations.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A refusal that the errno explains.
    pub fn plain(errno: i32) -> Self {
        Self { errno: Errno(errno), doing: String::new(), cause: None }
    }

    /// A refusal that the log should explain.
    pub fn because(errno: i32, why: impl Into<String>) -> Self {
        Self { errno: Errno(errno), doing: why.into(), cause: None }
    }

    /// A request that only the owner of the mount and root may make: it costs requests to Google, or
    /// waits for as long as an outage.
    pub fn owners_only() -> Self {
        Self::plain(libc::EPERM)
    }

    /// The errno for the kernel.
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// Whether there is nothing to log. Plain refusals are everyday answers.
    pub fn is_plain(&self) -> bool {
        self.cause.is_none() && self.doing.is_empty()
    }

    /// Adds the attempted operation, for the log.
    pub fn doing(mut self, doing: impl FnOnce() -> String) -> Self {
        if !self.is_plain() && self.doing.is_empty() {
            self.doing = doing();
        }
        self
    }

    fn caused(errno: i32, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let cause = cause.into();
        // Whatever the operation was: the caller can close files, or the administrator can raise the
        // limit.
        let errno = lack_of_descriptors(cause.as_ref()).unwrap_or(errno);
        Self { errno: Errno(errno), doing: String::new(), cause: Some(cause) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from_raw_os_error(self.errno.0))?;
        if !self.doing.is_empty() {
            write!(f, ": {}", self.doing)?;
        }
        match &self.cause {
            Some(cause) => write!(f, ": {}", chain(cause.as_ref())),
            None => Ok(()),
        }
    }
}

impl From<store::TreeError> for Error {
    fn from(error: store::TreeError) -> Self {
        use store::TreeError as E;
        Self::plain(match error {
            E::Exists => libc::EEXIST,
            E::Missing => libc::ENOENT,
            E::NotEmpty => libc::ENOTEMPTY,
            E::IsDir => libc::EISDIR,
            E::NotDir => libc::ENOTDIR,
            E::NotAlbum => return Self::caused(libc::EPERM, error),
            E::Full => return Self::caused(libc::EMLINK, error),
        })
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let errno = if error.is_disk_full() { libc::ENOSPC } else { libc::EIO };
        Self::caused(errno, error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        // An error of our spool and cache files. Only limits concern the caller directly.
        let errno = match error.raw_os_error() {
            Some(own @ (libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => own,
            _ => libc::EIO,
        };
        Self::caused(errno, error)
    }
}

fn api_errno(error: &api::Error) -> i32 {
    failure_errno(error.kind())
}

/// The table from kinds of failure to errno values.
fn failure_errno(kind: FailureKind) -> i32 {
    use FailureKind as K;
    match kind {
        K::Offline => libc::EHOSTUNREACH,
        K::OutOfFiles => libc::EMFILE,
        // For a caller, a broken connection means that the rest of the answer did not come in time.
        K::TimedOut | K::Broken | K::Throttled | K::WritesThrottled => libc::ETIMEDOUT,
        K::DailyQuota | K::ShareUsedUp => libc::EDQUOT,
        K::LoginMissing | K::LoginRefused | K::ScopeMissing | K::ApiDisabled => libc::EACCES,
        K::StorageFull => libc::ENOSPC,
        K::NotFound | K::AlbumMissing => libc::ENOENT,
        K::Garbled
        | K::Internal
        | K::Busy
        | K::Aborted
        | K::Foreign
        | K::LoginBusy
        | K::AlbumReadOnly
        | K::AlbumFull
        | K::InvalidItem
        | K::InvalidToken
        | K::StaleUrl
        | K::Checksum
        | K::TooLarge
        | K::Unreadable
        | K::Request => libc::EIO,
    }
}

impl From<api::Error> for Error {
    fn from(error: api::Error) -> Self {
        Self::caused(api_errno(&error), error)
    }
}

fn library_errno(error: &library::Error) -> i32 {
    use library::Error as E;
    match error {
        E::Api(error) => api_errno(error),
        E::Shared(error) => library_errno(error),
        E::NotAnAlbum => libc::EPERM,
        E::BadTitle(_) => libc::EINVAL,
        E::TooManyBelow { .. } => libc::EOPNOTSUPP,
        E::Store(_) | E::Tree(_) | E::Unending(_) => libc::EIO,
    }
}

impl From<library::Error> for Error {
    fn from(error: library::Error) -> Self {
        match error {
            library::Error::Tree(error) => error.into(),
            library::Error::Store(error) => error.into(),
            error => Self::caused(library_errno(&error), error),
        }
    }
}

fn content_errno(error: &content::Error) -> i32 {
    use content::Error as E;
    match error {
        E::Shared(error) | E::Host(error) => content_errno(error),
        E::Download(error) => api_errno(error),
        E::Source(api::SourceError::Api(error)) => api_errno(error),
        E::Source(api::SourceError::Item(_)) | E::PickEnded | E::PickGone => libc::ESTALE,
        E::PickForbidden => failure_errno(FailureKind::ScopeMissing),
        E::PickerDisabled => failure_errno(FailureKind::ApiDisabled),
        E::Interrupted(error) => api_errno(error),
        // Not EAGAIN, which means "no data yet" for a pipe. Some programs would take it for the end
        // of the file.
        E::Processing => libc::EBUSY,
        E::TooSlow | E::Stalled | E::Limited | E::Crowded => libc::ETIMEDOUT,
        E::NowhereYet
        | E::Unending(_)
        | E::Changed
        | E::Short
        | E::ProcessingFailed
        | E::Source(_)
        | E::NoSize
        | E::TooLong
        | E::Unbounded
        | E::Cache(_)
        | E::Store(_) => libc::EIO,
    }
}

impl From<content::Error> for Error {
    fn from(error: content::Error) -> Self {
        match error {
            content::Error::Store(error) => error.into(),
            content::Error::Cache(error) => error.into(),
            error => Self::caused(content_errno(&error), error),
        }
    }
}

impl From<upload::Error> for Error {
    fn from(error: upload::Error) -> Self {
        match error {
            upload::Error::Store(error) => error.into(),
            upload::Error::Spool(error) => error.into(),
            upload::Error::Api(error) => error.into(),
            upload::Error::Rejected => Self::caused(libc::EPERM, error),
        }
    }
}

impl From<upload::SealError> for Error {
    fn from(error: upload::SealError) -> Self {
        use upload::SealError as E;
        match error {
            E::Store(error) => error.into(),
            E::Io(error) | E::Incomplete(error) => error.into(),
            E::NoSpace(_) => Self::caused(libc::ENOSPC, error),
            E::Unsupported(_) => Self::caused(libc::EMEDIUMTYPE, error),
            E::TooLarge { .. } => Self::caused(libc::EFBIG, error),
        }
    }
}

impl From<upload::RetryError> for Error {
    fn from(error: upload::RetryError) -> Self {
        match error {
            upload::RetryError::Seal(error) => error.into(),
            upload::RetryError::Tree(error) => error.into(),
        }
    }
}

impl From<upload::CommitError> for Error {
    fn from(error: upload::CommitError) -> Self {
        use upload::{CommitError as E, Rejection};
        match error {
            E::Rejected { rejection: Rejection::Other, .. } => Self::caused(libc::EIO, error),
            E::Rejected { rejection: Rejection::TooLarge, .. } => Self::caused(libc::EFBIG, error),
            E::Rejected { rejection: Rejection::AlbumFull, .. } => {
                Self::caused(libc::EMLINK, error)
            }
            E::Drain(error) => error.into(),
        }
    }
}

impl From<upload::NoRoom> for Error {
    fn from(error: upload::NoRoom) -> Self {
        match error {
            upload::NoRoom::Store(error) => error.into(),
            upload::NoRoom::Io(error) => error.into(),
            error => Self::caused(libc::ENOSPC, error),
        }
    }
}

impl From<upload::DrainError> for Error {
    fn from(error: upload::DrainError) -> Self {
        use upload::{BlockedReason, DrainError as E};
        let errno = match &error {
            E::Blocked(blocked) => match blocked.reason {
                BlockedReason::Offline => libc::EHOSTUNREACH,
                BlockedReason::ServerError => libc::ETIMEDOUT,
                BlockedReason::Throttled | BlockedReason::Metered => libc::ETIMEDOUT,
                BlockedReason::Quota => libc::EDQUOT,
                BlockedReason::Login => libc::EACCES,
                BlockedReason::StorageFull => libc::ENOSPC,
                BlockedReason::Permission => libc::EPERM,
            },
            E::Failed { .. } | E::ShuttingDown | E::Store(_) => libc::EIO,
        };
        Self::caused(errno, error)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::api::{Advice, Class, Error as Api, LoginError, QuotaKind, Refusal};

    fn refused(status: u16, message: &str) -> Api {
        Api::Refused(Box::new(Refusal::by_api("albums.create", Class::Write, status, message)))
    }

    #[test]
    fn what_keeps_a_call_from_google_has_its_errno() {
        let call = "albums.create";
        let source = || io::Error::from(io::ErrorKind::ConnectionReset).into();
        for (error, errno) in [
            (Api::Offline { host: "x".into(), source: source() }, libc::EHOSTUNREACH),
            (
                LoginError::Offline(std::sync::Arc::new(io::Error::other("x"))).into(),
                libc::EHOSTUNREACH,
            ),
            (Api::TimedOut { call }, libc::ETIMEDOUT),
            (Api::Broken { call, source: source() }, libc::ETIMEDOUT),
            (Api::Garbled { call, why: "x".into() }, libc::EIO),
            (Api::QuotaExhausted { kind: QuotaKind::Api, until: Timestamp::now() }, libc::EDQUOT),
            (LoginError::NotLoggedIn.into(), libc::EACCES),
            (LoginError::Ended("x".into()).into(), libc::EACCES),
            (refused(401, ""), libc::EACCES),
            (refused(404, ""), libc::ENOENT),
            (refused(429, ""), libc::ETIMEDOUT),
            (refused(400, "The remaining storage in the account is not enough"), libc::ENOSPC),
            (refused(400, "x"), libc::EIO),
            (refused(503, ""), libc::EIO),
            (Api::Refused(Box::new(Refusal::by_a_page("albums.create", 404))), libc::EIO),
        ] {
            let said = error.to_string();
            assert_eq!(Error::from(error).errno(), Errno(errno), "{said}");
        }
    }

    #[test]
    fn a_lack_of_descriptors_is_reported_wherever_it_appears() {
        for errno in [libc::EMFILE, libc::ENFILE] {
            let lack = || io::Error::from_raw_os_error(errno);
            let offline = api::Error::Offline { host: "x".into(), source: lack().into() };
            let shared = content::Error::Shared(std::sync::Arc::new(lack().into()));
            for error in [Error::from(lack()), offline.into(), shared.into()] {
                assert_eq!(error.errno(), Errno(errno), "{error}");
            }
        }
    }

    #[test]
    fn each_kind_of_failure_has_its_advice_errno_and_blocked_reason() {
        use FailureKind as K;
        use upload::BlockedReason as Blocked;
        let until = Timestamp::UNIX_EPOCH;
        let again = Advice::Retry { after: None };
        let quota = Advice::WaitForQuota { until };
        let pause = Advice::PauseWrites { at_least: Duration::from_secs(30) };
        let (login, never) = (Advice::Reauthorise, Advice::GiveUp);
        let table = [
            (K::Offline, again, libc::EHOSTUNREACH, Some(Blocked::Offline)),
            (K::OutOfFiles, again, libc::EMFILE, Some(Blocked::ServerError)),
            (K::TimedOut, again, libc::ETIMEDOUT, Some(Blocked::Offline)),
            (K::Broken, again, libc::ETIMEDOUT, Some(Blocked::ServerError)),
            (K::Garbled, again, libc::EIO, Some(Blocked::ServerError)),
            (K::Internal, again, libc::EIO, Some(Blocked::ServerError)),
            (K::Busy, again, libc::EIO, Some(Blocked::ServerError)),
            (K::Aborted, again, libc::EIO, Some(Blocked::ServerError)),
            (K::Foreign, again, libc::EIO, Some(Blocked::ServerError)),
            (K::LoginBusy, again, libc::EIO, Some(Blocked::ServerError)),
            (K::Throttled, again, libc::ETIMEDOUT, Some(Blocked::ServerError)),
            (K::WritesThrottled, pause, libc::ETIMEDOUT, Some(Blocked::Throttled)),
            (K::DailyQuota, quota, libc::EDQUOT, Some(Blocked::Quota)),
            (K::ShareUsedUp, never, libc::EDQUOT, None),
            (K::LoginMissing, login, libc::EACCES, Some(Blocked::Login)),
            (K::LoginRefused, login, libc::EACCES, Some(Blocked::Login)),
            (K::ScopeMissing, login, libc::EACCES, Some(Blocked::Login)),
            (K::ApiDisabled, login, libc::EACCES, Some(Blocked::Login)),
            (K::StorageFull, Advice::StorageFull, libc::ENOSPC, Some(Blocked::StorageFull)),
            (K::NotFound, never, libc::ENOENT, None),
            (K::AlbumMissing, never, libc::ENOENT, None),
            (K::AlbumReadOnly, never, libc::EIO, None),
            (K::AlbumFull, never, libc::EIO, None),
            (K::InvalidItem, never, libc::EIO, None),
            (K::InvalidToken, never, libc::EIO, None),
            (K::StaleUrl, never, libc::EIO, None),
            (K::Checksum, never, libc::EIO, None),
            (K::TooLarge, never, libc::EIO, None),
            (K::Unreadable, never, libc::EIO, None),
            (K::Request, never, libc::EIO, None),
        ];
        for (kind, advice, errno, blocked) in table {
            assert_eq!(kind.advice(None, until), advice, "{kind:?}");
            assert_eq!(failure_errno(kind), errno, "{kind:?}");
            assert_eq!(Blocked::of(kind), blocked, "{kind:?}");
        }
    }
}
