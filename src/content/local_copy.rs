//! The bytes of a file in the cache, as a process other than the mount sees them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::cache::is_part_of;
use super::key::Key;
use crate::store::FileInfo;

/// The unit of `st_blocks`.
const BLOCK_BYTES: u64 = 512;

/// The bytes of a file in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalCopy {
    /// All bytes, as they were copied in.
    Original(u64),
    /// All bytes, as Google encodes them.
    Rendition(u64),
    /// This many bytes of a download. They end with the mount.
    Pieces(u64),
    /// None.
    Absent,
}

impl LocalCopy {
    /// Reads the cache directory `dir`, beside a process that may change it. Blocking.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn of(info: &FileInfo, dir: &Path) -> io::Result<Self> {
        for key in Key::all_of(info) {
            match (fs::metadata(dir.join(key.name())), key) {
                (Ok(meta), Key::Original(_)) => return Ok(Self::Original(meta.len())),
                (Ok(meta), Key::Rendition(_)) => return Ok(Self::Rendition(meta.len())),
                (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {}
                (Err(error), _) => return Err(error),
            }
        }
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Absent),
            entries => entries?,
        };
        let mut pieces = None;
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| is_part_of(name, info.id)) {
                // A download that has ended meanwhile has no pieces.
                let bytes = entry.metadata().map_or(0, |meta| meta.blocks() * BLOCK_BYTES);
                *pieces.get_or_insert(0) += bytes;
            }
        }
        Ok(pieces.map_or(Self::Absent, Self::Pieces))
    }
}
