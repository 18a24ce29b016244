//! Why a file cannot be sealed, and why the pipeline fails otherwise.

use std::io;

use crate::{api, store};

/// Why a file could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Google would not take it. The bytes go to the failed files when the last writer has gone.
    #[error("{0}")]
    Unsupported(String),
    /// It is larger than Google takes. The bytes go to the failed files when the last writer has
    /// gone.
    #[error("the file has {size} bytes, Google Photos takes {max}")]
    TooLarge {
        /// In bytes.
        size: u64,
        /// In bytes.
        max: u64,
    },
    /// The disk that holds spool and database is full.
    #[error("no space is left for the spool")]
    NoSpace(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A write failed, so this is not what the writer meant. The bytes go to the failed files when
    /// the last writer has gone.
    #[error("not all of it could be written: {0}")]
    Incomplete(io::Error),
    /// The spool file cannot be read or synced.
    #[error("the spool file failed")]
    Io(#[source] io::Error),
    /// The journal cannot be written.
    #[error(transparent)]
    Store(store::Error),
}

impl From<io::Error> for SealError {
    fn from(err: io::Error) -> Self {
        let full = matches!(err.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full { Self::NoSpace(err.into()) } else { Self::Io(err) }
    }
}

impl From<store::Error> for SealError {
    fn from(err: store::Error) -> Self {
        if err.is_disk_full() { Self::NoSpace(err.into()) } else { Self::Store(err) }
    }
}

impl SealError {
    /// Why Google takes no file like this, if that is the error.
    pub fn refusal(&self) -> Option<String> {
        matches!(self, Self::Unsupported(_) | Self::TooLarge { .. }).then(|| self.to_string())
    }

    /// Whether this version of the file can never go to Google. Other errors may pass.
    pub(super) fn is_rejection(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::TooLarge { .. } | Self::Incomplete(_))
    }
}

/// Why something else could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spool directory failed.
    #[error("the spool failed")]
    Spool(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The file was rejected for good: it can be copied, but not written.
    #[error("the file was refused by Google and cannot be written")]
    Rejected,
    /// A request to Google failed.
    #[error(transparent)]
    Api(#[from] api::Error),
}
