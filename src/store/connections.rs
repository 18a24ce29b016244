//! Connections that only read, and copies of the database that are made through one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{Error, Result};

/// How long to wait for another process that locks the database.
pub(super) const BUSY_DEADLINE: Duration = Duration::from_secs(10);

/// A connection to the database `path` that cannot write it.
pub(super) fn open_to_read(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_DEADLINE)?;
    Ok(connection)
}

/// Copies the database `from` as it is at one instant to the file `to`, which is replaced, and
/// brings the copy to the disk. Only its owner may read it.
pub(super) fn copy_database(from: &Path, to: &Path) -> Result<()> {
    let make = || {
        match fs::remove_file(to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
        // SQLite would create it for everybody to read.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)
    };
    let file = make().map_err(Error::Copy)?;
    let path = to.to_str().ok_or(Error::Corrupt("the path of a copy is no text"))?;
    open_to_read(from)?.execute("VACUUM INTO ?1", [path])?;
    file.sync_all().map_err(Error::Copy)
}
