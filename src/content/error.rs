//! Why bytes could not be had.

use std::io;
use std::sync::Arc;

use crate::api::{self, SourceError};
use crate::store;

/// Why bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing at Google to read yet.
    #[error("the file is not at Google and not in the local cache")]
    NowhereYet,
    /// Google has not finished with the video.
    #[error("Google is still processing the video: try again later")]
    Processing,
    /// Google could not make sense of the video.
    #[error("Google could not process the video")]
    ProcessingFailed,
    /// There is no address to download from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bytes are not those of one picture.
    #[error("the item changed at Google while it was downloaded")]
    Changed,
    /// The download failed.
    #[error("the download failed")]
    Download(#[from] api::Error),
    /// The download broke off, again and again.
    #[error("the download broke off")]
    Interrupted(#[source] api::Error),
    /// Fewer bytes came than were announced, again and again.
    #[error("the download ended too early")]
    Short,
    /// Nothing came any more.
    #[error("Google has not sent anything for too long")]
    Stalled,
    /// Google takes no more requests for media for now, and it takes too long to wait for that.
    #[error("Google limits downloads, and that lasts too long: try again in some minutes")]
    Limited,
    /// It took too long for a caller who lists a directory.
    #[error("Google did not tell the size in time")]
    TooSlow,
    /// Google did not say how large the item is.
    #[error("Google did not tell the size")]
    NoSize,
    /// The cache could not be read or written.
    #[error("the content cache failed")]
    Cache(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A download that somebody else had started failed.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// What the service has said, if it was asked.
    fn of_api(&self) -> Option<&api::Error> {
        match self {
            Self::Download(error) => Some(error),
            Self::Source(SourceError::Api(error)) => Some(error),
            Self::Shared(error) => error.of_api(),
            _ => None,
        }
    }

    /// Whether another item would fare no better: there is no network, no login, or nothing left of the day's or the
    /// minute's requests. When that is over, it is over for all. A failure of the server's may be about one item.
    pub(super) fn is_of_service(&self) -> bool {
        self.of_api().is_some_and(|error| error.kind().is_of_service())
    }
}
