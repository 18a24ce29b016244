//! States as the tables store them: words, each in one place.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::values::word;

/// The state of a file's upload. `upload::state` has the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UploadState {
    /// The file is being written. Nothing is promised yet.
    Open,
    /// Closed, and stays here: [`LocalReason`] says why. Users see the word `scratch`.
    Temporary,
    /// The file is closed and durable here. Google has nothing, or a part of the bytes.
    Sealed,
    /// Google has the bytes, for a day. There is no item yet.
    Uploaded,
    /// Google was asked to make the item. The answer may be lost.
    Creating,
    /// Google said it made the item, or had it. No later listing has shown it yet.
    Confirming,
    /// Google has refused the file for good. The bytes stay here.
    Failed,
    /// The item has arrived, but Google's lists do not show it yet, or never will, because Google had
    /// the bytes before us (reference §11.2c). Nobody waits for it, but the bytes stay here.
    Unseen,
}

impl UploadState {
    const ALL: [Self; 8] = [
        Self::Open,
        Self::Temporary,
        Self::Sealed,
        Self::Uploaded,
        Self::Creating,
        Self::Confirming,
        Self::Failed,
        Self::Unseen,
    ];

    /// The word in the database and for users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Temporary => "scratch",
            Self::Sealed => "sealed",
            Self::Uploaded => "uploaded",
            Self::Creating => "creating",
            Self::Confirming => "confirming",
            Self::Failed => "failed",
            Self::Unseen => "unseen",
        }
    }
}

impl ToSql for UploadState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for UploadState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        word(value, Self::ALL, Self::as_str)
    }
}

/// Why a closed file stays on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalReason {
    /// Its name, or that of its directory, marks it as half-written.
    Temporary,
    /// It has no bytes yet.
    Empty,
    /// Systems and programs leave files or directories of this name.
    Junk,
    /// A file that belongs to a photo or video beside it.
    Sidecar,
}

impl LocalReason {
    const ALL: [Self; 4] = [Self::Temporary, Self::Empty, Self::Junk, Self::Sidecar];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::Empty => "empty",
            Self::Junk => "junk",
            Self::Sidecar => "sidecar",
        }
    }

    /// Whether the file is complete: it stays here for good.
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Junk | Self::Sidecar)
    }

    /// The state of such a file in a word or two, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::Empty => "empty",
            Self::Junk => "left by systems",
            Self::Sidecar => "sidecar",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Temporary => "its name marks it as temporary",
            Self::Empty => "it is empty",
            Self::Junk => "systems and programs leave files of this name",
            Self::Sidecar => "a sidecar",
        }
    }
}

impl ToSql for LocalReason {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for LocalReason {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        word(value, Self::ALL, Self::as_str)
    }
}

/// What Google's listings and answers say about a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The item is not in the album.
    Absent,
    /// The item is in the album.
    Present,
    /// Google was asked to add or remove it, and the answer is not known yet.
    Unknown,
}

impl Observed {
    const ALL: [Self; 3] = [Self::Absent, Self::Present, Self::Unknown];

    /// The word in the database and for users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Present => "present",
            Self::Unknown => "unknown",
        }
    }
}

impl ToSql for Observed {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Observed {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        word(value, Self::ALL, Self::as_str)
    }
}
