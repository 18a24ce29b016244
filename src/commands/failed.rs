//! `gphotosfs failed` lists the files that Google refused. `gphotosfs retry` puts them back in the
//! queue.
//!
//! They read the directory `.gphotos/failed` of a running mount. Without a mount they read the
//! database.

use std::cmp::Reverse;
use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Serialize, Serializer};
use walkdir::{DirEntryExt, WalkDir};

use super::diff;
use crate::app::engine::{no_database, no_directory};
use crate::app::name::{Name, shown};
use crate::app::running::{Mount, in_use};
use crate::app::{CommandError, attributes, counted, json_text, print, tell};
use crate::error_chain::{append_ends, without_number};
use crate::media::local_time;
use crate::profile::{LockError, Profile, ProfileLock};
use crate::store::{FailedName, Store};
use crate::upload::{self, NameRules, Spool};

/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// The refused files as JSON.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    files: &'a [Row],
}

/// A refused file.
#[derive(Debug, Serialize)]
struct Row {
    /// The path below the mountpoint, and below `.gphotos/failed`.
    #[serde(serialize_with = "as_name")]
    path: PathBuf,
    reason: String,
    time: Option<Timestamp>,
    /// Bytes.
    size: u64,
    /// The file that holds them.
    #[serde(skip)]
    bytes: PathBuf,
}

impl Row {
    /// Whether Google Photos takes such a file under no circumstances.
    fn is_unfit(&self) -> bool {
        diff::is_unfit(&self.bytes, &self.path, &NameRules::default())
    }
}

fn as_name<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    Name::from(path).serialize(to)
}

/// Lists the refused files.
///
/// # Errors
/// If neither a mount nor the database can be read.
pub fn run(json: bool, profile: &Profile) -> Result<(), CommandError> {
    let mut rows = match Mount::of_profile(profile)? {
        Some(mount) => rows_of_mount(&mount, Path::new(""))?,
        None => kept(profile)?,
    };
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    if json {
        return print(json_text(&Document { version: VERSION, files: &rows })?);
    }
    for row in &rows {
        let at = row.time.map_or_else(|| "?".to_owned(), local_time);
        let (path, reason) = (Name::from(row.path.as_path()), shown(&row.reason));
        print(format!("{path}: {reason} ({}, {at})\n", ByteSize(row.size)))?;
    }
    let unfit = rows.iter().filter(|row| row.is_unfit()).count();
    let fit = rows.len() - unfit;
    if fit > 0 {
        tell(format!("  -> 'gphotosfs retry' sends {} again", counted(fit, "file")));
    }
    if unfit > 0 {
        let files = counted(unfit, "file");
        tell(format!(
            "  -> retry does not help {files}: Google Photos takes no such files. {TAKE_OUT}"
        ));
    }
    Ok(())
}

/// So many refused files are named at the end of a wait.
const NAMED_MAX: usize = 5;

/// Names the latest refused files at or below `path` in a mount on stderr, each with its reason.
///
/// # Errors
/// If the mount cannot be read.
pub fn name_latest(mount: &Mount, path: &Path) -> Result<(), CommandError> {
    let path = path.canonicalize().unwrap_or_default();
    let below = path.strip_prefix(&mount.root).unwrap_or(Path::new(""));
    name(rows_of_mount(mount, below)?);
    Ok(())
}

/// As [`name_latest`], for all refused files of a profile that is not mounted.
///
/// # Errors
/// If the database cannot be read.
pub fn name_latest_unmounted(profile: &Profile) -> Result<(), CommandError> {
    name(kept(profile)?);
    Ok(())
}

fn name(mut rows: Vec<Row>) {
    rows.sort_by_key(|row| Reverse(row.time));
    for row in rows.iter().take(NAMED_MAX) {
        let (path, reason) = (Name::from(row.path.as_path()), shown(&row.reason));
        tell(format!("gphotosfs: {path} was refused: {reason}"));
    }
    if rows.len() > NAMED_MAX {
        tell(format!("gphotosfs: {} refused", counted(rows.len() - NAMED_MAX, "more file")));
    }
}

/// The next step for a file that Google Photos does not take.
const TAKE_OUT: &str = "'mv' takes a file out of .gphotos/failed, 'rm' there deletes it for good";

/// Puts files back in the queue, under their old names.
///
/// # Errors
/// If a file could not be put back. The others were.
pub fn retry(paths: &[PathBuf], profile: &Profile) -> Result<(), CommandError> {
    let left_out = if paths.is_empty() { unfinished(profile)? } else { Vec::new() };
    for path in &left_out {
        let path = Name::from(path.as_path());
        tell(format!(
            "gphotosfs: {path} is left out: it was still being written when gphotosfs stopped; \
             to upload it as it is, name it"
        ));
    }
    let (tally, next) = match Holder::of(profile)? {
        Holder::Mount(mount) => (retry_in_mount(&mount, paths, &left_out)?, ""),
        Holder::Us(_lock, store) => (
            retry_in_store(profile, &store, paths, &left_out)?,
            "; the next mount or 'gphotosfs sync' sends them",
        ),
    };
    match (tally.refused, tally.all) {
        (0, 0) if !left_out.is_empty() => Ok(()),
        (0, 0) if !paths.is_empty() => Err(CommandError::new("there is no such refused file")
            .hint("'gphotosfs failed' lists the refused files")),
        (0, 0) => print("There are no refused files.\n"),
        (0, 1) => print(format!("1 file is in the queue again{next}.\n")),
        (0, all) => print(format!("{all} files are in the queue again{next}.\n")),
        (refused, all) => Err(CommandError::new(format!(
            "{refused} of {} could not be put back",
            counted(all, "file")
        ))
        .hint(format!("the bytes are still there: {TAKE_OUT}"))),
    }
}

/// How many files were to be put back, and how many were not.
struct Tally {
    all: usize,
    refused: usize,
}

/// Puts files back one after another, and reports each failure at once.
fn put_back<T>(
    files: &[T],
    path: impl Fn(&T) -> PathBuf,
    put_back: impl Fn(&T) -> Result<(), String>,
) -> Tally {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files put back")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    // It appears on a terminal only.
    let bar = ProgressBar::new(files.len() as u64).with_style(style);
    let mut refused = 0;
    for file in files {
        if let Err(why) = put_back(file) {
            let path = path(file);
            bar.suspend(|| {
                tell(format!("gphotosfs: cannot retry {}: {why}", Name::from(path.as_path())))
            });
            refused += 1;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Tally { all: files.len(), refused }
}

/// The process that may change the profile's state: a mount, or this one.
enum Holder {
    Mount(Mount),
    Us(ProfileLock, Store),
}

impl Holder {
    fn of(profile: &Profile) -> Result<Self, CommandError> {
        match profile.lock() {
            Ok(lock) => {
                let store = Store::open(profile.state_dir().map_err(no_directory)?)
                    .map_err(|err| no_database("cannot open the database", err))?;
                Ok(Self::Us(lock, store))
            }
            Err(LockError::Held(Some(running))) => {
                Ok(Self::Mount(Mount { root: running.mountpoint }))
            }
            Err(err) => Err(in_use("cannot put files back in the queue", err)),
        }
    }
}

/// Reads the refused files from the database, also while another process uses it.
fn kept(profile: &Profile) -> Result<Vec<Row>, CommandError> {
    let state_dir = profile.state_dir().map_err(no_directory)?;
    let spool = Spool::existing(state_dir.join("spool"));
    Ok(kept_names(profile)?.iter().map(|name| row(name, &spool)).collect())
}

fn kept_names(profile: &Profile) -> Result<Vec<FailedName>, CommandError> {
    let store = Store::open_read_only(profile.state_dir().map_err(no_directory)?)
        .map_err(|err| no_database("cannot open the database", err))?;
    // Without a database no file was ever uploaded.
    store.map_or_else(|| Ok(Vec::new()), |store| names(&store))
}

/// The files that were still being written when gphotosfs stopped. Google would take the beginning
/// of a photo.
fn unfinished(profile: &Profile) -> Result<Vec<PathBuf>, CommandError> {
    let names = kept_names(profile)?;
    Ok(names.iter().filter(|it| it.unfinished).map(path_of).collect())
}

fn rows_of_mount(mount: &Mount, path: &Path) -> Result<Vec<Row>, CommandError> {
    let files = files_below(mount, path)?;
    let rows = files.into_iter().map(|path| {
        let whole = mount.control("failed").join(&path);
        Row {
            reason: attribute(&whole, "error").unwrap_or_default(),
            time: attribute(&whole, "error_time").and_then(|it| it.parse().ok()),
            size: whole.metadata().map_or(0, |it| it.len()),
            path,
            bytes: whole,
        }
    });
    Ok(rows.collect())
}

fn attribute(path: &Path, name: &str) -> Option<String> {
    let value = attributes::get(path, name).ok().flatten()?;
    String::from_utf8(value).ok()
}

/// Failed files at or below `path`, as paths below `failed`. Those of a directory come in the order
/// in which they were made, which their inode numbers show.
fn files_below(mount: &Mount, path: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let failed = mount.control("failed");
    let mut found = Vec::new();
    for entry in WalkDir::new(failed.join(path)).sort_by_key(DirEntryExt::ino) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => found.extend(entry.path().strip_prefix(&failed).map(Path::to_owned)),
            Err(err) if err.io_error().is_some_and(|it| it.kind() == io::ErrorKind::NotFound) => {}
            Err(err) => {
                return Err(CommandError::new("cannot list the failed files").because(err));
            }
        }
    }
    Ok(found)
}

fn retry_in_mount(
    mount: &Mount,
    paths: &[PathBuf],
    left_out: &[PathBuf],
) -> Result<Tally, CommandError> {
    let mut files = Vec::new();
    for path in chosen(paths, Some(&mount.root)) {
        files.extend(files_below(mount, &path)?);
    }
    files.dedup();
    files.retain(|it| !left_out.contains(it));
    Ok(put_back(&files, PathBuf::clone, |path| {
        move_back(mount, path).map_err(|err| {
            let words = without_number(&err.to_string()).to_owned();
            let is_refused = matches!(err.raw_os_error(), Some(libc::EMEDIUMTYPE | libc::EFBIG));
            let why = attribute(&mount.control("failed").join(path), "error");
            // A file that lacks bytes has the error of the write that failed.
            why.filter(|why| is_refused || why.contains(&words)).unwrap_or(words)
        })
    }))
}

fn move_back(mount: &Mount, path: &Path) -> io::Result<()> {
    let (from, to) = (mount.control("failed").join(path), mount.root.join(path));
    if let Some(album) = to.parent() {
        // The album may have been removed since.
        std::fs::create_dir_all(album)?;
    }
    // A file that has taken the name since may be a better copy, so it stays.
    Ok(renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE)?)
}

fn retry_in_store(
    profile: &Profile,
    store: &Store,
    paths: &[PathBuf],
    left_out: &[PathBuf],
) -> Result<Tally, CommandError> {
    let spool = profile
        .state_dir()
        .and_then(|dir| Spool::new(dir.join("spool"), u64::MAX))
        .map_err(|err| CommandError::new("cannot use the spool").because(err))?;
    let chosen = chosen(paths, None);
    let wanted = |path: &Path| chosen.iter().any(|it| path.starts_with(it));
    let mut names = names(store)?;
    names.retain(|it| wanted(&path_of(it)) && !left_out.contains(&path_of(it)));
    Ok(put_back(&names, path_of, |name| {
        let at = (name.dir, &name.name);
        upload::retry((store, &spool), &NameRules::default(), at, at, false)
            .map(drop)
            .map_err(|err| append_ends(err.to_string(), err.source()))
    }))
}

/// The files that `paths` mean, as paths below `failed`. Without any, all files.
fn chosen(paths: &[PathBuf], root: Option<&Path>) -> Vec<PathBuf> {
    if paths.is_empty() {
        return vec![PathBuf::new()];
    }
    let failed = Path::new(".gphotos/failed");
    let below = |path: &PathBuf| {
        let whole = std::path::absolute(path).ok();
        let inside = whole.as_deref().zip(root).and_then(|(it, root)| it.strip_prefix(root).ok());
        let inside = inside.unwrap_or(path);
        inside.strip_prefix(failed).unwrap_or(inside).to_owned()
    };
    paths.iter().map(below).collect()
}

fn names(store: &Store) -> Result<Vec<FailedName>, CommandError> {
    store.failed_names().map_err(|err| no_database("cannot read the database", err))
}

fn path_of(name: &FailedName) -> PathBuf {
    Path::new(&name.dir_path).join(OsStr::from_bytes(name.name.as_bytes()))
}

fn row(name: &FailedName, spool: &Spool) -> Row {
    Row {
        path: path_of(name),
        bytes: spool.path(name.file),
        reason: name.reason.clone(),
        time: Timestamp::try_from(name.at).ok(),
        size: name.size.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_named_as_listed_or_by_where_it_lies() {
        let chosen = |path: &str| chosen(&[path.into()], Some(Path::new("/m")));
        for path in ["A/x.jpg", "/m/A/x.jpg", "/m/.gphotos/failed/A/x.jpg"] {
            assert_eq!(chosen(path), [Path::new("A/x.jpg")], "{path}");
        }
    }
}
