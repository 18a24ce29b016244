//! From a path to a file's row, by the tables alone: a lookup in the mount might ask Google, or wait
//! for a mount that hangs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::app::CommandError;
use crate::app::name::Name;
use crate::media::{DirId, EntryName, FileId, Period, View};
use crate::store::{self, Child, PathName, Store};

pub(super) const FAILED: &str = ".gphotos/failed";
const LIBRARY: &str = ".gphotos/library";

/// The object that a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    File(FileId),
    Dir,
    Nothing,
}

/// The path below the root of the library of a path that a user has given. `root` is the mountpoint.
///
/// # Errors
/// If it is an absolute path elsewhere.
pub(super) fn in_library(given: &Path, root: Option<&Path>) -> Result<PathBuf, CommandError> {
    if let Some(below) = root.and_then(|root| below(root, given)) {
        return Ok(below);
    }
    if given.is_relative() {
        return Ok(resolved(given));
    }
    let error = |what| CommandError::new(format!("{}: {what}", Name::from(given)));
    Err(match root {
        Some(root) => error("the path is not on the profile's mount")
            .hint(format!("the mount is {}; --profile chooses another account", root.display())),
        None => error("the profile is not mounted")
            .hint("without a mount, name the file from the root of the library: ALBUM/NAME"),
    })
}

/// Resolves symbolic links as far as the mount, and nothing on it.
fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut at = PathBuf::new();
    for component in std::path::absolute(path).ok()?.components() {
        match component {
            Component::ParentDir => {
                at.pop();
            }
            component => at.push(component),
        }
        if !at.starts_with(root)
            && let Ok(real) = at.canonicalize()
        {
            at = real;
        }
    }
    at.strip_prefix(root).ok().map(Path::to_owned)
}

/// Without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut at = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(name) => at.push(name),
            _ => {}
        }
    }
    at
}

/// Finds a path below the root of the library.
///
/// # Errors
/// If the database fails.
pub(super) fn find(store: &Store, path: &Path) -> store::Result<Target> {
    if let Ok(path) = path.strip_prefix(LIBRARY) {
        return in_views(store, path);
    }
    match path.strip_prefix(FAILED) {
        Ok(path) => in_dirs(path, |dir, name| store.failed_child(dir, name)),
        Err(_) => in_dirs(path, |dir, name| store.child(dir, name)),
    }
}

fn in_dirs(
    path: &Path,
    child: impl Fn(DirId, &EntryName) -> store::Result<Option<Child>>,
) -> store::Result<Target> {
    let mut at = Child::Dir(DirId::ROOT);
    for name in path {
        let (Child::Dir(dir), Ok(name)) = (at, EntryName::new(name.as_bytes())) else {
            return Ok(Target::Nothing);
        };
        match child(dir, &name)? {
            Some(next) => at = next,
            None => return Ok(Target::Nothing),
        }
    }
    Ok(match at {
        Child::File(file) => Target::File(file),
        Child::Dir(_) => Target::Dir,
    })
}

fn in_views(store: &Store, path: &Path) -> store::Result<Target> {
    let mut names = path.iter().map(OsStr::as_bytes);
    let Some(first) = names.next() else { return Ok(Target::Dir) };
    let view = match (View::named(first), names.next()) {
        (None, _) => return Ok(Target::Nothing),
        (_, None) => return Ok(Target::Dir),
        (Some(View::By(span)), Some(period)) => {
            match (Period::called(span, period), names.next()) {
                (None, _) => return Ok(Target::Nothing),
                (_, None) => return Ok(Target::Dir),
                (Some(period), Some(name)) => (View::Of(period), name),
            }
        }
        (Some(view), Some(name)) => (view, name),
    };
    let (view, Ok(name), None) = (view.0, EntryName::new(view.1), names.next()) else {
        return Ok(Target::Nothing);
    };
    Ok(store.view_child(view, &name)?.map_or(Target::Nothing, Target::File))
}

/// The path of a name below the root of the library.
pub(super) fn path_of(name: &PathName) -> PathBuf {
    let root = Path::new(if name.is_failed { FAILED } else { "" });
    root.join(&name.dir_path).join(OsStr::from_bytes(name.name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_on_the_mount_through_a_link_or_from_the_root_of_the_library() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let root = home.join("mnt");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&root, home.join("link")).unwrap();
        let file = Path::new("A/x.jpg");
        for given in [
            root.join("A/x.jpg"),
            home.join("link/A/x.jpg"),
            root.join("B/../A/x.jpg"),
            home.join("mnt/../link/./A/x.jpg"),
            "A/x.jpg".into(),
            "./B/../A/x.jpg".into(),
        ] {
            assert_eq!(in_library(&given, Some(&root)).unwrap(), file, "{given:?}");
        }
        assert_eq!(in_library(file, None).unwrap(), file);
        let elsewhere = in_library(&home.join("x.jpg"), Some(&root)).unwrap_err();
        assert!(elsewhere.to_string().contains("not on the profile's mount"), "{elsewhere}");
        assert!(in_library(&home.join("x.jpg"), None).unwrap_err().next_step().is_some());
    }

    #[test]
    fn directories_and_unknown_names_are_no_files() {
        let store = Store::in_memory().unwrap();
        for (path, target) in [
            ("", Target::Dir),
            ("A/x.jpg", Target::Nothing),
            (".gphotos/failed", Target::Dir),
            (".gphotos/failed/A/x.jpg", Target::Nothing),
            (".gphotos/library", Target::Dir),
            (".gphotos/library/all", Target::Dir),
            (".gphotos/library/all/x.jpg", Target::Nothing),
            (".gphotos/library/by-year/2019", Target::Dir),
            (".gphotos/library/by-year/2019-04", Target::Nothing),
            (".gphotos/library/by-year/2019/x.jpg", Target::Nothing),
            (".gphotos/library/by-hour", Target::Nothing),
            (".gphotos/status.json", Target::Nothing),
        ] {
            assert_eq!(find(&store, Path::new(path)).unwrap(), target, "{path}");
        }
    }
}
