//! Why content is not available.

use std::io;
use std::sync::Arc;

use crate::api::{self, ENABLE_PICKER, FailureKind, PICKER_DISABLED, Scope, SourceError};
use crate::store;

/// Why content is not available.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Google does not have the file yet.
    #[error("the file is not at Google and not in the local cache")]
    NowhereYet,
    /// Google is still processing the video.
    #[error("Google is still processing the video: try again later")]
    Processing,
    /// Google could not process the video.
    #[error("Google could not process the video")]
    ProcessingFailed,
    /// The pages of a session do not end.
    #[error(transparent)]
    Unending(#[from] api::Unending),
    /// There is no address to download from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The session has ended through which the picked item could be read.
    #[error(
        "Google gives out picked photos only for some days, and these are over: pick it again with 'gphotosfs pick NAME'"
    )]
    PickEnded,
    /// The login does not allow to read picked items.
    #[error("{}", Scope::Pick.is_missing())]
    PickForbidden,
    /// The user's project does not have the Picker API.
    #[error("{PICKER_DISABLED}: {ENABLE_PICKER}")]
    PickerDisabled,
    /// The session's list does not have the picked item any more.
    #[error("Google does not list the picked item any more: it may have been deleted")]
    PickGone,
    /// The bytes belong to different versions of the item.
    #[error("the item changed at Google while it was downloaded")]
    Changed,
    /// The download failed.
    #[error("the download failed")]
    Download(#[from] api::Error),
    /// The download broke off repeatedly.
    #[error("the download broke off")]
    Interrupted(#[source] api::Error),
    /// The download ended before the announced length, repeatedly.
    #[error("the download ended too early")]
    Short,
    /// There are more bytes than Google takes for a photo or video.
    #[error("Google has sent more bytes than such a file can have")]
    TooLong,
    /// The server does not say how long the file is, and the cache has no room for more of it.
    #[error("Google does not say how long the file is, and it does not fit into the cache")]
    Unbounded,
    /// No more bytes arrived.
    #[error("Google has not sent anything for too long")]
    Stalled,
    /// Google limits media requests, and the limit lasts too long.
    #[error("Google limits downloads, and the limit lasts too long: try again in some minutes")]
    Limited,
    /// The size did not arrive in time for a caller that lists a directory.
    #[error("Google did not report the size in time")]
    TooSlow,
    /// Google did not report the size.
    #[error("Google did not report the size")]
    NoSize,
    /// The cache could not be read or written.
    #[error("the content cache failed")]
    Cache(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The host of the item's address cannot be reached. Items at other hosts can be.
    #[error(transparent)]
    Host(Arc<Error>),
    /// Too many downloads run.
    #[error("too many downloads run at the same time: try again later")]
    Crowded,
    /// A download that another reader started has failed.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// The error of the service, if there is one.
    fn of_api(&self) -> Option<&api::Error> {
        match self {
            Self::Download(error) => Some(error),
            Self::Source(SourceError::Api(error)) => Some(error),
            Self::Shared(error) | Self::Host(error) => error.of_api(),
            _ => None,
        }
    }

    /// Whether this machine is at fault, so that a request later may succeed at once.
    pub(super) fn is_of_this_machine(&self) -> bool {
        self.of_api().is_some_and(|error| error.kind().is_local())
    }

    /// Whether the reader is another user without a share of today's requests. The owner's request
    /// may succeed at once.
    pub(super) fn is_share_used_up(&self) -> bool {
        self.of_api().is_some_and(|error| error.kind() == FailureKind::ShareUsedUp)
    }

    /// Whether the failure concerns all items: no network, no login, or a limit. A server error may
    /// concern one item.
    pub fn is_of_service(&self) -> bool {
        matches!(self, Self::PickForbidden | Self::PickerDisabled)
            || self.of_api().is_some_and(|error| error.kind().is_of_service())
    }
}
