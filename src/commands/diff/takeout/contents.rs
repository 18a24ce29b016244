//! Reads files of an export once: their hashes, and the metadata of those that differ.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::ends::Ends;
use super::folder::{Member, Place};
use super::opened::{Opened, reason};
use super::part::Part;
use crate::app::{CommandError, progress};
use crate::commands::diff::facts::Facts;
use crate::commands::diff::metadata;
use crate::media::ContentHash;

/// How many bytes are read at a time.
const STEP: usize = 128 << 10;

/// The facts about each file, or why it cannot be read.
pub type Contents = BTreeMap<Place, Result<Facts, String>>;

/// Reads these files, part by part, in the order of each part. If a hash is in `known`, the file is
/// the same as a local one, and its metadata do not matter.
///
/// # Errors
/// If a part cannot be read.
pub fn read(
    parts: &mut [Part],
    wanted: &BTreeMap<Place, Member>,
    known: &HashSet<ContentHash>,
) -> Result<Contents, CommandError> {
    let total = wanted.values().fold(0_u64, |sum, it| sum.saturating_add(it.size));
    let mut work = Work {
        known,
        bar: progress::byte_bar(total, "of the export compared"),
        ends: Ends::default(),
        buffer: vec![0; STEP],
    };
    let mut contents = Contents::new();
    for (at, part) in parts.iter_mut().enumerate() {
        let here = wanted.keys().filter(|it| it.part == at).map(|it| it.number).collect();
        part.read(&here, &mut |number, opened| {
            let place = Place { part: at, number };
            if let Some(member) = wanted.get(&place) {
                contents.insert(place, work.facts(&member.name, opened));
            }
            Ok(())
        })?;
    }
    work.bar.finish_and_clear();
    Ok(contents)
}

/// The memory that all files share.
struct Work<'a> {
    known: &'a HashSet<ContentHash>,
    bar: ProgressBar,
    ends: Ends,
    buffer: Vec<u8>,
}

impl Work<'_> {
    fn facts(&mut self, name: &str, opened: Opened<'_>) -> Result<Facts, String> {
        let file = opened?;
        let mut hasher = Sha256::new();
        let mut size = 0_u64;
        self.ends.clear();
        loop {
            let count = match file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(reason(&err)),
            };
            let bytes = &self.buffer[..count];
            hasher.update(bytes);
            self.ends.push(bytes);
            size += count as u64;
            self.bar.inc(count as u64);
        }
        let hash = ContentHash(hasher.finalize().into());
        let mut facts = Facts::of_bytes(size, hash);
        if size > 0 && !self.known.contains(&hash) {
            metadata::read(&mut self.ends, Path::new(name), &mut facts);
        }
        Ok(facts)
    }
}
