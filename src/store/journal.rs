//! The journal of uploads: where each file is on its way to Google.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// The durable part of a file's life. `upload::state` has the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UploadState {
    /// Being written: not promised to anybody yet.
    Open,
    /// Closed, but empty or under a name that tools use for half-written files: stays here.
    Scratch,
    /// Closed and durable here; Google has nothing, or a part of the bytes.
    Sealed,
    /// Google has the bytes, for a day; there is no item yet.
    Uploaded,
    /// An item was asked for; the answer may be lost.
    Creating,
    /// Google said it made the item; a later read has not resolved its id yet.
    Confirming,
    /// Refused for good; the bytes are kept.
    Failed,
}

impl UploadState {
    const ALL: [Self; 7] = [
        Self::Open,
        Self::Scratch,
        Self::Sealed,
        Self::Uploaded,
        Self::Creating,
        Self::Confirming,
        Self::Failed,
    ];

    /// The word shown to users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Scratch => "scratch",
            Self::Sealed => "sealed",
            Self::Uploaded => "uploaded",
            Self::Creating => "creating",
            Self::Confirming => "confirming",
            Self::Failed => "failed",
        }
    }
}

impl ToSql for UploadState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

impl FromSql for UploadState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at).copied())
            .ok_or(FromSqlError::OutOfRange(number))
    }
}
