//! The parts of an export: zips, and directories into which zips were extracted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::document::{BYTES_MAX, Document};
use super::opened::{Listed, Opened, reason};
use super::unfinished;
use super::zipped::Zipped;
use crate::app::CommandError;

/// How deep files of an export lie in a directory at most: `part1/Takeout/Google Photos/Trip/x`.
const DEPTH_MAX: usize = 5;

/// The directory that a zip of Takeout has at its top, in any language.
const TOP: &str = "Takeout";

/// So many JSON files are read at most to recognise a directory as an export.
const TRIES_MAX: usize = 100;

/// A part of an export.
pub enum Part {
    /// A zip.
    Zip(PathBuf, Box<Zipped>),
    /// The files of a directory.
    Directory(PathBuf, Vec<PathBuf>),
}

impl Part {
    /// Opens a zip, or a directory with the zips in it. A zip that cannot be read, or is not whole,
    /// is an error among the parts.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub fn open(path: &Path) -> Result<Vec<Result<Self, CommandError>>, CommandError> {
        if !path.is_dir() {
            return Ok(vec![Self::zip(path)]);
        }
        let files = files(path)?;
        let zips = files.iter().filter(|it| it.parent() == Some(path) && is_zip(it));
        let mut parts: Vec<_> = zips.map(|it| Self::zip(it)).collect();
        parts.push(Ok(Self::Directory(path.to_owned(), files)));
        Ok(parts)
    }

    fn zip(path: &Path) -> Result<Self, CommandError> {
        Ok(Self::Zip(path.to_owned(), Box::new(Zipped::open(path)?)))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Zip(path, _) | Self::Directory(path, _) => path,
        }
    }

    /// Calls `each` with every file.
    ///
    /// # Errors
    /// If the part is damaged, or `each` fails.
    pub fn list(
        &mut self,
        each: &mut dyn FnMut(Listed<'_>) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let (root, files) = match self {
            Self::Zip(_, zip) => return zip.list(each),
            Self::Directory(root, files) => (root, files),
        };
        // The last folders of the path may belong to the export.
        let above = root.canonicalize().unwrap_or_else(|_| root.clone());
        for (number, path) in files.iter().enumerate() {
            let below = path.strip_prefix(&root).unwrap_or(path);
            let size = path.metadata().map_or(0, |it| it.len());
            each(Listed { number, path: &above.join(below).to_string_lossy(), size })?;
        }
        Ok(())
    }

    /// Opens these files one after the other.
    ///
    /// # Errors
    /// If the part is damaged, or `each` fails. A damaged file is given to `each` as such.
    pub fn read(
        &mut self,
        wanted: &BTreeSet<usize>,
        each: &mut dyn FnMut(usize, Opened<'_>) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let files = match self {
            Self::Zip(_, zip) => return zip.read(wanted, each),
            Self::Directory(_, files) => files,
        };
        for (number, path) in wanted.iter().filter_map(|&it| Some((it, files.get(it)?))) {
            match File::open(path) {
                Ok(mut file) => each(number, Ok(&mut file))?,
                Err(err) => each(number, Err(reason(&err)))?,
            }
        }
        Ok(())
    }
}

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case("zip"))
}

fn files(root: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let cannot = |err| CommandError::new(format!("cannot list {}", root.display())).because(err);
    let mut files = Vec::new();
    for entry in WalkDir::new(root).max_depth(DEPTH_MAX).sort_by_file_name() {
        let entry = entry.map_err(|err| cannot(std::io::Error::from(err)))?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Whether a path is a part of an export, or is meant to be one. A directory's content says so.
pub fn is_export(path: &Path) -> bool {
    if !path.is_dir() {
        return is_zip(path) || path.is_file();
    }
    // Also without any description, so that its lack can be said.
    if path.iter().any(|it| it == TOP) || path.join(TOP).is_dir() {
        return true;
    }
    let found = WalkDir::new(path).max_depth(DEPTH_MAX).into_iter().filter_map(Result::ok);
    let files = found.filter(|it| it.file_type().is_file());
    let mut tries = 0;
    for entry in files {
        if entry.depth() == 1 && (is_zip(entry.path()) || unfinished::is_of_zip(entry.path())) {
            return true;
        }
        if is_document(entry.path()) && tries < TRIES_MAX {
            tries += 1;
            let text = File::open(entry.path()).ok().and_then(|mut it| read_document(&mut it));
            if matches!(text, Some(Document::Album(_) | Document::Item(_))) {
                return true;
            }
        }
    }
    false
}

/// Whether a file may describe a photo or an album, by its name.
pub fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json"))
}

/// Reads a document. `None` if it is damaged or too long.
pub fn read_document(file: &mut dyn Read) -> Option<Document> {
    let mut text = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut text).ok()?;
    if text.len() as u64 > BYTES_MAX { None } else { Document::parse(&text) }
}
