//! The append-only file of changes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use super::change::Change;
use super::dir::StateDir;
use crate::private;

/// The append-only file of changes.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Read at opening and not yet applied.
    changes: Vec<Change>,
}

impl Journal {
    /// Opens and reads the journal of a state directory. A last line that a sudden end has cut short
    /// is dropped; any other line that cannot be read is an error.
    pub(crate) fn open(state: &StateDir) -> io::Result<Journal> {
        let path = state.path().join("journal.jsonl");
        let file = private::options(OpenOptions::new().create(true).append(true).read(true))
            .open(&path)?;
        let mut changes = Vec::new();
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if line.ends_with(b"\n") {
                changes.push(serde_json::from_slice(&line)?);
            }
            line.clear();
        }
        Ok(Journal { path, file, changes })
    }

    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Replaces the whole history.
    pub(crate) fn rewrite(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut writer = BufWriter::new(private::create(&new)?);
        for change in &changes {
            write_line(&mut writer, change)?;
        }
        writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&new, &self.path)?;
        self.file = private::options(OpenOptions::new().append(true)).open(&self.path)?;
        Ok(())
    }

    pub(crate) fn append(&mut self, change: &Change) -> io::Result<()> {
        let mut line = Vec::new();
        write_line(&mut line, change)?;
        self.file.write_all(&line)
    }
}

fn write_line(to: &mut impl Write, change: &Change) -> io::Result<()> {
    serde_json::to_writer(&mut *to, change)?;
    to.write_all(b"\n")
}
