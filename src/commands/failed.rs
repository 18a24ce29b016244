//! `gphotosfs failed` lists what Google refused; `gphotosfs retry` puts it back in the queue.
//!
//! A running mount is asked through its directory `.gphotos/failed`; without one the tables tell.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::Args;
use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Serialize, Serializer};
use walkdir::WalkDir;

use super::name::{Name, shown};
use super::running::{Mount, local_time};
use super::{CommandError, print};
use crate::profile::{LockError, Profile, ProfileLock};
use crate::store::{FailedName, Store};
use crate::upload::{self, Spool};

/// `gphotosfs failed`.
#[derive(Debug, Args)]
pub struct FailedArgs {
    /// Print a JSON array of objects with path, reason, time and size
    #[arg(long)]
    json: bool,
}

/// `gphotosfs retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Files or directories, as `failed` lists them or below .gphotos/failed; without any, all
    paths: Vec<PathBuf>,
}

/// A file that was refused.
#[derive(Debug, Serialize)]
struct Row {
    /// Below the mount point; also below `.gphotos/failed`.
    #[serde(serialize_with = "as_name")]
    path: PathBuf,
    reason: String,
    time: Option<Timestamp>,
    /// Bytes.
    size: u64,
}

fn as_name<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    Name::from(path).serialize(to)
}

/// Lists what was refused.
///
/// # Errors
/// If neither a mount nor the database can be read.
pub fn run(args: &FailedArgs, profile: &Profile) -> Result<(), CommandError> {
    let mut rows = match Holder::of(profile)? {
        Holder::Mount(mount) => rows_of_mount(&mount)?,
        Holder::Us(_lock, store) => names(&store)?.iter().map(row).collect(),
    };
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    if args.json {
        let text = serde_json::to_string_pretty(&rows)
            .map_err(|err| CommandError::new("cannot write JSON").because(err))?;
        return print(text + "\n");
    }
    for row in rows {
        let at = row.time.map_or_else(|| "?".to_owned(), local_time);
        let (path, reason) = (Name::from(row.path.as_path()), shown(&row.reason));
        print(format!("{path}: {reason} ({}, {at})\n", ByteSize(row.size)))?;
    }
    Ok(())
}

/// Puts files back in the queue, under the names they had.
///
/// # Errors
/// If one could not be put back; the others were.
pub fn retry(args: &RetryArgs, profile: &Profile) -> Result<(), CommandError> {
    let outcomes = match Holder::of(profile)? {
        Holder::Mount(mount) => retry_in_mount(&mount, &args.paths)?,
        Holder::Us(_lock, store) => retry_in_store(profile, &store, &args.paths)?,
    };
    let mut refused = 0;
    for (path, outcome) in &outcomes {
        if let Err(why) = outcome {
            eprintln!("gphotosfs: cannot retry {}: {why}", Name::from(path.as_path()));
            refused += 1;
        }
    }
    match (refused, outcomes.len()) {
        (0, 0) if !args.paths.is_empty() => Err(CommandError::new("no such file has failed")
            .hint("'gphotosfs failed' lists those that have")),
        (0, _) => Ok(()),
        (refused, all) => Err(CommandError::new(format!("{refused} of {all} were not put back"))
            .hint("their bytes are still kept")),
    }
}

type Outcome = (PathBuf, Result<(), String>);

/// Who may change the profile's state: a mount, or we.
enum Holder {
    Mount(Mount),
    Us(ProfileLock, Store),
}

impl Holder {
    fn of(profile: &Profile) -> Result<Self, CommandError> {
        match profile.lock() {
            Ok(lock) => {
                let state_dir = profile.state_dir().map_err(|err| {
                    CommandError::new("cannot use the profile's directories").because(err)
                })?;
                let store = Store::open(state_dir)
                    .map_err(|err| CommandError::new("cannot open the database").because(err))?;
                Ok(Self::Us(lock, store))
            }
            Err(LockError::Held(Some(running))) => {
                Ok(Self::Mount(Mount { root: running.mountpoint }))
            }
            Err(err) => Err(CommandError::new("cannot look at the failed files").because(err)),
        }
    }
}

fn rows_of_mount(mount: &Mount) -> Result<Vec<Row>, CommandError> {
    let attribute = |path: &Path, name: &str| {
        let value = xattr::get(path, format!("user.gphotos.{name}")).ok().flatten()?;
        String::from_utf8(value).ok()
    };
    let files = files_below(mount, Path::new(""))?;
    let rows = files.into_iter().map(|path| {
        let whole = mount.control("failed").join(&path);
        Row {
            reason: attribute(&whole, "error").unwrap_or_default(),
            time: attribute(&whole, "error_time").and_then(|it| it.parse().ok()),
            size: whole.metadata().map_or(0, |it| it.len()),
            path,
        }
    });
    Ok(rows.collect())
}

/// Failed files at or below `path`, as paths below `failed`.
fn files_below(mount: &Mount, path: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let failed = mount.control("failed");
    let mut found = Vec::new();
    for entry in WalkDir::new(failed.join(path)) {
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

fn retry_in_mount(mount: &Mount, paths: &[PathBuf]) -> Result<Vec<Outcome>, CommandError> {
    let mut files = Vec::new();
    for path in chosen(paths, Some(&mount.root)) {
        files.extend(files_below(mount, &path)?);
    }
    files.dedup();
    Ok(files
        .into_iter()
        .map(|path| {
            let outcome = move_back(mount, &path).map_err(|err| err.to_string());
            (path, outcome)
        })
        .collect())
}

fn move_back(mount: &Mount, path: &Path) -> io::Result<()> {
    let (from, to) = (mount.control("failed").join(path), mount.root.join(path));
    if let Some(album) = to.parent() {
        // It may have been removed since.
        std::fs::create_dir_all(album)?;
    }
    // A file that was put there in the meantime is the better one, for all we know.
    Ok(renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE)?)
}

fn retry_in_store(
    profile: &Profile,
    store: &Store,
    paths: &[PathBuf],
) -> Result<Vec<Outcome>, CommandError> {
    let spool = profile
        .state_dir()
        .and_then(|dir| Spool::new(dir.join("spool"), u64::MAX))
        .map_err(|err| CommandError::new("cannot use the spool").because(err))?;
    let chosen = chosen(paths, None);
    let wanted = |path: &Path| chosen.iter().any(|it| path.starts_with(it));
    let names = names(store)?;
    let mut outcomes = Vec::new();
    for name in names.iter().filter(|it| wanted(&row(it).path)) {
        let at = (name.dir, &name.name);
        let outcome = upload::retry(store, &spool, at, at, false);
        outcomes.push((row(name).path, outcome.map(|_| ()).map_err(|err| err.to_string())));
    }
    Ok(outcomes)
}

/// What is meant, as paths below `failed`: all, if nothing is named.
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
    store.failed_names().map_err(|err| CommandError::new("cannot read the database").because(err))
}

fn row(name: &FailedName) -> Row {
    Row {
        path: Path::new(&name.dir_path).join(OsStr::from_bytes(name.name.as_bytes())),
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
