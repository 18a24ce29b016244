//! Files that only their owner may read.

use std::io::{self, Write};
use std::path::Path;

use super::error::{LoginError, file_error};

/// Replaces a file atomically, with mode 0600. After a crash it is the old or the new one.
pub(super) fn write_private(path: &Path, text: &[u8]) -> Result<(), LoginError> {
    let write = || {
        let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        // tempfile makes it 0600.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(text)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|err| err.error)?;
        std::fs::File::open(dir)?.sync_all()
    };
    write().map_err(|err| file_error(path, err))
}
