//! Why the library could not answer.

use std::sync::Arc;

use crate::api::{self, FailureKind};
use crate::store::{self, TreeError};

/// Why the library could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to Google failed.
    #[error("a request to Google failed")]
    Api(#[from] api::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The name is taken, or the tree forbids the change otherwise.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A listing does not end.
    #[error(transparent)]
    Unending(#[from] api::Unending),
    /// The directory is only a parent of albums.
    #[error("the directory is not an album")]
    NotAnAlbum,
    /// Google accepts titles of up to 500 characters, in Unicode.
    #[error("Google does not take this as an album's title: {0}")]
    BadTitle(&'static str),
    /// A listing failed for which several callers wait.
    #[error(transparent)]
    Shared(Arc<Error>),
    /// Moving a directory costs a request for each album in it.
    #[error("there are {albums} albums in the directory; up to {max} are moved at once")]
    TooManyBelow {
        /// Albums in the directory.
        albums: usize,
        /// The limit.
        max: u32,
    },
}

impl Error {
    /// Whether the failure concerns all requests, not only this one.
    pub(super) fn is_of_service(&self) -> bool {
        match self {
            Self::Api(error) => error.kind().is_of_service() && !error.is_forbidden(),
            Self::Shared(error) => error.is_of_service(),
            _ => false,
        }
    }

    /// Whether the caller is another user without a share of today's requests.
    pub(super) fn is_share_used_up(&self) -> bool {
        match self {
            Self::Api(error) => error.kind() == FailureKind::ShareUsedUp,
            Self::Shared(error) => error.is_share_used_up(),
            _ => false,
        }
    }

    /// Whether Google answered that the object does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        match self {
            Self::Api(error) => error.is_not_found(),
            Self::Shared(error) => error.is_not_found(),
            _ => false,
        }
    }
}
