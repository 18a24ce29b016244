//! Files that only their owner may read.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::names::UNFINISHED;

/// Replaces a file atomically, with mode 0600. After a crash it is the old or the new one.
///
/// # Errors
/// If the directory cannot be written. Then the old file stays.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // tempfile makes it 0600.
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|err| err.error)?;
    File::open(dir)?.sync_all()
}
