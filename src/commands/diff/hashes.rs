//! A cache of hashes of local files, so that a second comparison need not read them again.
//!
//! It is a text file in the profile's cache directory, with a line for each file. Each line is
//! appended by one write, so several comparisons can run at once, and Ctrl-C does no harm. Errors
//! do not matter: without a line, the file is hashed again.

use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::app::local_file;
use crate::media::ContentHash;

const NAME: &str = "local-hashes";
/// A larger file is emptied. This is about 300,000 lines.
const BYTES_MAX: u64 = 40_000_000;
/// A file that changed more recently may change again without a visible change of its times.
const SETTLED_SECONDS: i64 = 2;

/// Identifies a file's content: device, inode, size, mtime and ctime in nanoseconds.
type Key = (u64, u64, u64, i128, i128);

/// The hashes of earlier comparisons.
#[derive(Debug, Default)]
pub struct Hashes {
    known: HashMap<Key, ContentHash>,
    file: Option<File>,
}

impl Hashes {
    /// Loads the cache in `dir`. Without a directory it is empty, and stores nothing.
    pub fn load(dir: Option<&Path>) -> Self {
        let Some(dir) = dir else { return Self::default() };
        let path = dir.join(NAME);
        let anew = path.metadata().is_ok_and(|it| it.len() > BYTES_MAX);
        let text =
            if anew { String::new() } else { std::fs::read_to_string(&path).unwrap_or_default() };
        let mut options = OpenOptions::new();
        if anew && std::fs::remove_file(&path).is_err() {
            return Self::default();
        }
        let file = options.append(true).create(true).mode(0o600).open(path).ok();
        Self { known: text.lines().filter_map(parse).collect(), file }
    }

    /// The hash of a local file, and its size.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(&self, path: &Path) -> io::Result<(u64, ContentHash)> {
        let meta = path.metadata()?;
        if let Some(hash) = self.known.get(&key(&meta)) {
            // The file may have become unreadable since its hash was stored.
            rustix::fs::access(path, rustix::fs::Access::READ_OK)?;
            return Ok((meta.len(), *hash));
        }
        let file = local_file::open(path)?;
        let before = file.metadata()?;
        let mut hasher = Sha256::new();
        let size = local_file::pass_on(&file, &mut hasher)?;
        let hash = ContentHash(hasher.finalize().into());
        if key(&before) == key(&file.metadata()?) && is_settled(&before) {
            self.keep(&key(&before), hash);
        }
        Ok((size, hash))
    }

    fn keep(&self, key: &Key, hash: ContentHash) {
        let Some(mut file) = self.file.as_ref() else { return };
        let (device, inode, size, mtime, ctime) = key;
        let line = format!("{device} {inode} {size} {mtime} {ctime} {hash}\n");
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::debug!(%error, "cannot store a hash");
        }
    }
}

fn key(meta: &Metadata) -> Key {
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let mtime = nanos(meta.mtime(), meta.mtime_nsec());
    (meta.dev(), meta.ino(), meta.len(), mtime, nanos(meta.ctime(), meta.ctime_nsec()))
}

fn is_settled(meta: &Metadata) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    meta.ctime().saturating_add(SETTLED_SECONDS) < i64::try_from(now).unwrap_or(0)
}

/// Parses a line. `None` if it is incomplete, or written by another version.
fn parse(line: &str) -> Option<(Key, ContentHash)> {
    let words: Vec<_> = line.split(' ').collect();
    let [device, inode, size, mtime, ctime, hash] = words[..] else { return None };
    let key = (
        device.parse().ok()?,
        inode.parse().ok()?,
        size.parse().ok()?,
        mtime.parse().ok()?,
        ctime.parse().ok()?,
    );
    Some((key, ContentHash::from_hex(hash)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_half_of_one_is_not() {
        let hash = ContentHash([0xab; 32]);
        let line = format!("1 2 3 -4 5 {hash}");
        assert_eq!(parse(&line), Some(((1, 2, 3, -4, 5), hash)));
        assert_eq!(parse(&line[..line.len() - 1]), None);
    }

    #[test]
    fn kept_hashes_are_used_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let hashes = Hashes::load(Some(dir.path()));
        let (_, hash) = hashes.of(&path).unwrap();
        // The file is too new for its hash to be stored.
        assert!(std::fs::read_to_string(dir.path().join(NAME)).unwrap().is_empty());
        let invented = ContentHash([7; 32]);
        hashes.keep(&key(&path.metadata().unwrap()), invented);
        let again = Hashes::load(Some(dir.path()));
        assert_eq!(again.of(&path).unwrap(), (3, invented));
        std::fs::write(&path, "other").unwrap();
        assert_ne!(again.of(&path).unwrap().1, invented);
        assert_ne!(again.of(&path).unwrap().1, hash);
    }
}
