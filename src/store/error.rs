//! Errors of the store.

/// A failure of the database itself: disk full, damaged, or not ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite has failed.
    #[error("the database failed")]
    Sqlite(#[source] rusqlite::Error),
    /// The file is damaged.
    #[error(
        "the database is damaged: unmount, move gphotosfs.db and its companions out of the profile's state directory, \
         and mount again; albums are then listed anew, and what had not arrived lies in spool/orphans there"
    )]
    Damaged(#[source] rusqlite::Error),
    /// The tables are those of another version of the program.
    #[error("the database was made by another version of gphotosfs, with other tables")]
    OtherVersion,
    /// A row has a value that this program never writes.
    #[error("the database holds an impossible value: {0}")]
    Corrupt(&'static str),
    /// A background task of ours ended early.
    #[error("the program is shutting down")]
    ShuttingDown,
}

impl Error {
    /// Whether the disk below the database is full.
    pub fn is_disk_full(&self) -> bool {
        self.is(rusqlite::ErrorCode::DiskFull)
    }

    /// Whether the database or its directory cannot be written. SQLite writes there even for reads.
    pub fn is_read_only(&self) -> bool {
        self.is(rusqlite::ErrorCode::ReadOnly)
    }

    fn is(&self, code: rusqlite::ErrorCode) -> bool {
        matches!(self, Self::Sqlite(rusqlite::Error::SqliteFailure(err, _)) if err.code == code)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// Shorthand for this module's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;
