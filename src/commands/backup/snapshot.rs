//! The database as it is at one instant, and links to the bytes that belong to it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::archive::SPOOL;
use crate::app::CommandError;
use crate::app::engine::{no_database, no_directory};
use crate::profile::{Scratch, make_private};
use crate::store::{JournalRow, Store, UploadState};

/// How often it is made anew, because files came, went or changed meanwhile.
const ATTEMPTS: u32 = 5;

/// See the module. Dropping it removes the copy and the links.
pub struct Snapshot {
    scratch: Scratch,
    /// Names below the spool's directory.
    files: BTreeSet<String>,
    bytes: u64,
    lacking: u64,
}

impl Snapshot {
    /// Takes the snapshot of a state directory, with the spool's bytes if wanted.
    pub fn take(state: &Path, with_files: bool) -> Result<Self, CommandError> {
        let scratch = Scratch::new(state).map_err(no_directory)?;
        let mut snapshot = Self { scratch, files: BTreeSet::new(), bytes: 0, lacking: 0 };
        let spool = state.join(SPOOL);
        for attempt in 1..=ATTEMPTS {
            snapshot.clear().map_err(no_directory)?;
            if with_files {
                snapshot.link_all(&spool, "").map_err(no_directory)?;
            }
            Store::copy(state, snapshot.dir())
                .map_err(|err| no_database("cannot copy the database", err))?;
            if !with_files {
                break;
            }
            snapshot.lacking = snapshot.compare(&spool)?;
            if snapshot.lacking == 0 {
                break;
            }
            tracing::debug!(attempt, lacking = snapshot.lacking, "files came or changed meanwhile");
        }
        Ok(snapshot)
    }

    /// The directory that has the copy of the database, and the links in `spool`.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// The linked files, by their names below the spool's directory.
    pub fn files(&self) -> &BTreeSet<String> {
        &self.files
    }

    /// Their length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files of the journal have no bytes, or others than it says.
    pub fn lacking(&self) -> u64 {
        self.lacking
    }

    /// Removes an earlier copy and its links.
    fn clear(&mut self) -> io::Result<()> {
        self.scratch.clear()?;
        (self.files, self.bytes) = (BTreeSet::new(), 0);
        make_private(&self.dir().join(SPOOL).join("orphans")).map(drop)
    }

    /// Links the files of `spool/below`, and those in its directories.
    fn link_all(&mut self, spool: &Path, below: &str) -> io::Result<()> {
        let entries = match fs::read_dir(spool.join(below)) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            // Files of others have other names.
            let Some(name) = name.to_str() else { continue };
            if below.is_empty() && name == "orphans" && kind.is_dir() {
                self.link_all(spool, "orphans/")?;
            } else if kind.is_file() && super::archive::is_spooled(&format!("{below}{name}")) {
                self.link(spool, format!("{below}{name}"))?;
            }
        }
        Ok(())
    }

    /// Links a file, if it is still there. A writer makes a copy before it changes a linked file.
    fn link(&mut self, spool: &Path, name: String) -> io::Result<()> {
        let link = self.dir().join(SPOOL).join(&name);
        match fs::hard_link(spool.join(&name), &link) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        }
        self.bytes += fs::metadata(link)?.len();
        self.files.insert(name);
        Ok(())
    }

    /// Links what came between the first links and the copy. Returns how many files of the journal
    /// have no bytes, or others than those of the copy.
    fn compare(&mut self, spool: &Path) -> Result<u64, CommandError> {
        let read = |err| no_database("cannot read the copy of the database", err);
        let store = Store::open_read_only(self.dir()).map_err(read)?;
        let journal = store.map_or_else(|| Ok(Vec::new()), |it| it.journal()).map_err(read)?;
        let mut lacking = 0;
        for row in journal {
            let name = row.file.0.to_string();
            if !self.files.contains(&name) {
                self.link(spool, name.clone()).map_err(no_directory)?;
            }
            lacking += u64::from(!self.has_bytes(spool, &name, &row));
        }
        Ok(lacking)
    }

    /// Whether the link has the bytes that the row tells of.
    fn has_bytes(&self, spool: &Path, name: &str, row: &JournalRow) -> bool {
        let linked = fs::metadata(self.dir().join(SPOOL).join(name));
        match (linked, row.state) {
            // Nothing is promised yet.
            (_, UploadState::Open) => true,
            // Google has it, and the bytes may have gone just now.
            (Err(_), UploadState::Unseen) => true,
            (Err(_), _) => false,
            // A file that a writer has begun anew has another inode. If it has gone, it has arrived
            // since.
            (Ok(linked), _) => {
                Some(linked.len()) == row.size
                    && fs::metadata(spool.join(name)).map_or(true, |now| now.ino() == linked.ino())
            }
        }
    }
}
