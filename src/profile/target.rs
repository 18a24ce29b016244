//! Where a profile is meant to be mounted, also while it is not.
//!
//! A directory without its mount looks like any other one. Only this record tells that files copied
//! into it go nowhere. `mount` writes it, and `umount` withdraws it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::write_private;

/// The directory that the last `mount` of a profile named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountTarget {
    /// The directory, absolute and without links.
    pub mountpoint: PathBuf,
    /// The profile is meant to be mounted there until somebody unmounts it.
    pub wanted: bool,
    /// The user mounts over files on purpose (`-o nonempty`).
    pub hides_files: bool,
}

impl MountTarget {
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            // Text of another version, or of nobody, names no place.
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err),
        }
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        write_private(path, &serde_json::to_vec(self)?)
    }
}
