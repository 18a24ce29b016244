//! Directories and files for this user alone: the state holds tokens and photos, and it may lie in a
//! directory that everybody can write to.

pub(crate) mod nonblocking;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Makes a directory of mode 0700, or takes one that is this user's, and tightens it.
pub(crate) fn dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let refused = |kind, what: &str| io::Error::new(kind, format!("{} {what}", path.display()));
    let dir = no_follow(OpenOptions::new().read(true), OFlags::DIRECTORY).open(path).map_err(
        |error| match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                refused(io::ErrorKind::NotADirectory, "is a link or no directory")
            }
            _ => error,
        },
    )?;
    let found = dir.metadata()?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused(io::ErrorKind::PermissionDenied, "belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        dir.set_permissions(Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Opens a file for reading, but follows no link.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options(OpenOptions::new().read(true)).open(path)
}

/// Makes a file of mode 0600, or empties an existing one, but follows no link.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    options(OpenOptions::new().write(true).create(true).truncate(true)).open(path)
}

/// Writes a whole file, as [`create`] does.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut create(path)?, bytes)
}

/// These options, for a file of this user alone.
pub(crate) fn options(options: &mut OpenOptions) -> &mut OpenOptions {
    no_follow(options.mode(0o600), OFlags::empty())
}

fn no_follow(options: &mut OpenOptions, more: OFlags) -> &mut OpenOptions {
    options.custom_flags((OFlags::NOFOLLOW | more).bits().cast_signed())
}
