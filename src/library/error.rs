//! Why the library could not answer.

use std::sync::Arc;

use crate::api;
use crate::store::{self, TreeError};

/// Why the library could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Google could not be asked, or refused.
    #[error("asking Google failed")]
    Api(#[from] api::Error),
    /// What is kept could not be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The name is taken, or the like.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A listing never ends.
    #[error("Google answered the same page again and again")]
    PagesRepeat,
    /// The directory is only the parent of albums.
    #[error("the directory is not an album")]
    NotAnAlbum,
    /// Google takes titles of up to 500 characters, in Unicode.
    #[error("Google does not take this as an album's title: {0}")]
    BadTitle(&'static str),
    /// A listing that somebody else had started failed.
    #[error(transparent)]
    Shared(Arc<Error>),
    /// Each album below a directory that moves costs a request.
    #[error("there are {albums} albums in the directory; up to {max} are moved at once")]
    TooManyBelow {
        /// So many there are.
        albums: usize,
        /// So many there may be.
        max: u32,
    },
}

impl Error {
    /// Whether Google says that there is no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        match self {
            Self::Api(error) => error.is_not_found(),
            Self::Shared(error) => error.is_not_found(),
            _ => false,
        }
    }
}
