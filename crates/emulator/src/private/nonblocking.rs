//! Files of this user alone, for async tasks.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use tokio::fs::File;

/// Opens a file for reading, but follows no link.
pub(crate) async fn open(path: &Path) -> io::Result<File> {
    with(OpenOptions::new().read(true), path).await
}

/// Opens an existing file for writing, but follows no link.
pub(crate) async fn open_to_write(path: &Path) -> io::Result<File> {
    with(OpenOptions::new().write(true), path).await
}

/// Makes a file of mode 0600, or empties an existing one, but follows no link.
pub(crate) async fn create(path: &Path) -> io::Result<File> {
    with(OpenOptions::new().write(true).create(true).truncate(true), path).await
}

async fn with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    tokio::fs::OpenOptions::from(super::options(options).clone()).open(path).await
}
