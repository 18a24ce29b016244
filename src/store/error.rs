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
    /// The tables are those of a version from before the first release.
    #[error(
        "the database was made by a gphotosfs from before its first release, with other tables"
    )]
    Unreleased,
    /// The tables are those of an earlier version.
    #[error(
        "the database is of an earlier gphotosfs: its tables have version {found}, not {known}"
    )]
    Older {
        /// Their version.
        found: u32,
        /// The version of this program's tables.
        known: u32,
    },
    /// The tables are those of a later version.
    #[error(
        "the database was made by a newer gphotosfs: its tables have version {found}, and this program knows {known}"
    )]
    Newer {
        /// Their version.
        found: u32,
        /// The version of this program's tables.
        known: u32,
    },
    /// The file of a copy cannot be written.
    #[error("cannot write a copy of the database")]
    Copy(#[source] std::io::Error),
    /// A row has a value that this program never writes.
    #[error("the database holds an impossible value: {0}")]
    Corrupt(&'static str),
    /// A background task of ours ended early.
    #[error("the program is shutting down")]
    ShuttingDown,
}

impl Error {
    /// Whether the database is that of another version of this program.
    pub fn is_other_version(&self) -> bool {
        matches!(self, Self::Unreleased | Self::Older { .. } | Self::Newer { .. })
    }

    /// Whether the disk below the database is full.
    pub fn is_disk_full(&self) -> bool {
        let is_full = |error: &std::io::Error| error.kind() == std::io::ErrorKind::StorageFull;
        self.is(rusqlite::ErrorCode::DiskFull)
            || matches!(self, Self::Copy(error) if is_full(error))
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
