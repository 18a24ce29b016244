//! The names that this program gives to files in the directories of a profile. docs/FILES.md says
//! what they are. Everything else there is a stranger's, and stays.

use std::fs::DirEntry;

use super::directory::{Marker, is_plain};

/// The lock file in the state directory.
pub(super) const LOCK: &str = "lock";

/// The record of the mount target in the state directory.
pub(super) const TARGET: &str = "mount-target";

/// The lock file of the commands that wait for a pick, in the state directory.
pub(super) const PICKING: &str = "picking";

/// The beginning of the names of directories that last as long as one command.
pub(super) const SCRATCH: &str = ".scratch-";

/// A decided replacement of the profile's content.
pub const DECIDED: &str = ".replacement";

/// In there: what the profile had, to keep or to drop, and the sign that this program has made it.
pub(super) const KEPT: &str = "kept";
pub(super) const DROPPED: &str = "dropped";
pub(super) const MARK: &str = "decided";

/// Where the profile's own files go if they are kept.
pub const BEFORE: &str = "before-restore";

/// The beginning of the name of a file that is being written.
pub(super) const UNFINISHED: &str = ".new-";

/// Backup programs leave out a directory with this file (<https://bford.info/cachedir/>). Its text
/// says whose cache it is.
pub(super) const CACHE_MARKER: Marker = Marker {
    name: "CACHEDIR.TAG",
    text: "Signature: 8a477f597d28d172789f06886806bc55\n\
        # This directory is gphotosfs's cache. It deletes only files that it has made.\n",
    unfinished: ".unfinished",
};

const STATE: [&str; 13] = [
    "gphotosfs.db",
    "gphotosfs.db-wal",
    "gphotosfs.db-shm",
    "gphotosfs.db-journal",
    "gphotosfs.db.old",
    "gphotosfs.db.old-new",
    "log",
    "log.1",
    "log.2",
    "notices.json",
    TARGET,
    LOCK,
    PICKING,
];

const CONFIG: [&str; 3] = ["client_secret.json", "token.json", "config.toml"];

const CACHE: [&str; 1] = ["local-hashes"];

/// Whether an entry of a directory is of our making.
pub(super) type IsOurs = fn(&DirEntry) -> bool;

pub(super) fn in_state(entry: &DirEntry) -> bool {
    let dirs = ["spool", BEFORE, DECIDED];
    has_name(entry, |it| dirs.contains(&it)) && is_dir_or_link(entry)
        || is_scratch(entry)
        || is_file(entry, &STATE)
}

/// Whether an entry of the state directory lasts as long as one command.
pub(super) fn is_scratch(entry: &DirEntry) -> bool {
    has_name(entry, |it| it.starts_with(SCRATCH)) && entry.file_type().is_ok_and(|it| it.is_dir())
}

pub(super) fn in_config(entry: &DirEntry) -> bool {
    is_file(entry, &CONFIG)
}

pub(super) fn in_cache(entry: &DirEntry) -> bool {
    let unfinished = CACHE_MARKER.unfinished;
    has_name(entry, |it| it == "content") && is_dir_or_link(entry)
        || is_file(entry, &CACHE)
        || has_name(entry, |it| it.ends_with(unfinished)) && is_plain(entry)
}

fn is_file(entry: &DirEntry, names: &[&str]) -> bool {
    has_name(entry, |it| names.contains(&it) || it.starts_with(UNFINISHED)) && is_plain(entry)
}

fn has_name(entry: &DirEntry, is_fit: impl Fn(&str) -> bool) -> bool {
    entry.file_name().to_str().is_some_and(is_fit)
}

/// Users may put a large directory on another disk, and leave a link to it.
fn is_dir_or_link(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|it| it.is_dir() || it.is_symlink())
}
