//! Values of the tree that several operations share.

use crate::media::{DirId, EntryName, FileId};

/// The target of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Child {
    /// A directory.
    Dir(DirId),
    /// A file.
    File(FileId),
}

/// One row of a directory listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The position to continue the listing after this entry. It is stable for the life of the
    /// entry, across mounts.
    pub cookie: i64,
    /// The name.
    pub name: EntryName,
    /// Its target.
    pub child: Child,
}

/// Why a name could not be given, taken or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// There is such a name already.
    #[error("the name exists already")]
    Exists,
    /// There is no such name.
    #[error("there is no such name")]
    Missing,
    /// It has names in it.
    #[error("the directory is not empty")]
    NotEmpty,
    /// It is a directory.
    #[error("it is a directory")]
    IsDir,
    /// It is not a directory.
    #[error("it is not a directory")]
    NotDir,
    /// It is not an album, so it cannot hold files.
    #[error("files live in albums, and the directory is not one: make an album in it with mkdir")]
    NotAlbum,
    /// There is no room in the album.
    #[error(
        "the album holds as many items as Google allows: take some out of it, or make another one"
    )]
    Full,
}

/// The file of a name that was removed or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlinked {
    /// The file that had it.
    pub file: FileId,
    /// No name refers to the file any more and Google never had it. When its last handle is closed,
    /// [`super::Store::forget_file`] may delete it.
    pub orphan: bool,
}
