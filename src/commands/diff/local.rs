//! The local side: its files and their hashes.

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::facts::Facts;
use super::hashes::Hashes;
use super::sides::Files;
use crate::app::{CommandError, progress};

/// A directory with more files is not one to compare. Links in a file system of the kernel's lead
/// round and round.
const FILES_MAX: usize = 1_000_000;

/// The local files.
#[derive(Debug, Default)]
pub struct Local {
    /// The readable files.
    pub files: Files<Facts>,
    /// The unreadable files, with the reasons.
    pub unreadable: Files<String>,
}

/// Hashes all files below `root`. Follows symbolic links, as cp does for its arguments.
///
/// # Errors
/// If `root` itself cannot be listed.
pub fn read(root: &Path, hashes: &Hashes) -> Result<Local, CommandError> {
    let mut local = Local::default();
    let names = names(root, &mut local.unreadable)?;
    let bar = progress::bar(names.len(), "local files hashed");
    let read: Vec<_> = names
        .into_par_iter()
        .map(|name| {
            let hashed = hashes.of(&root.join(&name));
            bar.inc(1);
            (name, hashed)
        })
        .collect();
    bar.finish_and_clear();
    for (name, hashed) in read {
        match hashed {
            Ok((size, hash)) => {
                local.files.insert(name, Facts::of_bytes(size, hash));
            }
            Err(error) => {
                local.unreadable.insert(name, plain(&error));
            }
        }
    }
    Ok(local)
}

/// The names of all files below `root`. Those that cannot be read come with the reasons.
///
/// # Errors
/// If `root` itself cannot be listed.
pub fn names(root: &Path, unreadable: &mut Files<String>) -> Result<Vec<PathBuf>, CommandError> {
    let mut names = Vec::new();
    let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_owned();
    for entry in WalkDir::new(root).follow_links(true) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                if names.len() == FILES_MAX {
                    let what = format!("{} has more than {FILES_MAX} files", root.display());
                    return Err(CommandError::usage(what)
                        .hint("name the directory that holds the files of the album"));
                }
                names.push(relative(entry.path()));
            }
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                // Reading a pipe might never end.
                let why = "neither a file nor a directory".to_owned();
                unreadable.insert(relative(entry.path()), why);
            }
            Err(err) => {
                let path = err.path().unwrap_or(root).to_owned();
                let depth = err.depth();
                let link = "a symbolic link leads back to a directory above it";
                let cause = err.into_io_error().unwrap_or_else(|| io::Error::other(link));
                if depth == 0 {
                    let error = CommandError::new(format!("cannot list {}", path.display()));
                    return Err(error.because(cause));
                }
                let dangling = path.is_symlink() && cause.kind() == io::ErrorKind::NotFound;
                let why =
                    if dangling { "a symbolic link to nothing".to_owned() } else { plain(&cause) };
                unreadable.insert(relative(&path), why);
            }
        }
    }
    Ok(names)
}

/// The message of an error without the number of its errno.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
