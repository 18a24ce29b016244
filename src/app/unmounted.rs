//! Finds profiles that are not mounted where they are meant to be, and files under their
//! mountpoints, which are not on their way to Google.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::error::CommandError;
use super::mounts;
use super::words::counted;
use crate::profile::{Holder, MountTarget, Profile};
use crate::status::{Contents, Unmounted};

/// How many entries of a directory are counted.
const COUNT_MAX: usize = 10_000;

/// Whether a profile is not mounted as it is meant to be. `None` if a mount runs, and if the
/// profile was unmounted and nothing lies in the directory.
///
/// # Errors
/// If the profile's files or the table of mounts cannot be read.
pub fn find(profile: &Profile) -> io::Result<Option<Unmounted>> {
    let Some(target) = profile.target()? else { return Ok(None) };
    if matches!(profile.holder()?, Holder::Mount(_)) {
        return Ok(None);
    }
    // To look into another mount might wait for it, or start it.
    let left = match target.hides_files || mounts::is_mountpoint(&target.mountpoint)? {
        true => Contents::default(),
        false => contents(&target.mountpoint),
    };
    let MountTarget { mountpoint, wanted, .. } = target;
    let found = Unmounted { mountpoint, wanted, left };
    Ok((wanted || found.left.files > 0).then_some(found))
}

/// The error for a path that would be on a mount of this user, if the mount were there.
pub fn covering(path: &Path, profile: &Profile) -> Option<CommandError> {
    let path = existing(path)?;
    // Without this profile's record there may be one of another profile.
    profile.siblings().ok()?.iter().find_map(|profile| {
        let found = find(profile).ok().flatten()?;
        let covers = found.wanted && path.starts_with(&found.mountpoint);
        covers.then(|| error(&found, profile))
    })
}

/// The path without links. Its last names need not exist.
fn existing(path: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(path).ok()?;
    let (base, above) =
        whole.ancestors().find_map(|above| Some((above.canonicalize().ok()?, above)))?;
    Some(base.join(whole.strip_prefix(above).ok()?))
}

/// The error for a command that needs the mount.
pub fn error(found: &Unmounted, profile: &Profile) -> CommandError {
    let what =
        format!("profile {} is not mounted on {}", profile.name(), found.mountpoint.display());
    let error = CommandError::new(what).hint(remedy(found));
    match lying(found) {
        Some(lying) => error.because(lying),
        None => error,
    }
}

/// What lies in the directory, in words. `None` if it is empty.
pub fn lying(found: &Unmounted) -> Option<String> {
    let place = found.mountpoint.display();
    (found.left.files > 0)
        .then(|| format!("{} in {place} on this machine only", in_words(&found.left)))
}

/// A count of files, and the name of one.
pub fn in_words(contents: &Contents) -> String {
    let more = if contents.more { "more than " } else { "" };
    let count = counted(contents.files, "file");
    let verb = if contents.files == 1 { "lies" } else { "lie" };
    match &contents.example {
        Some(name) => format!("{more}{count} (such as {name}) {verb}"),
        None => format!("{more}{count} {verb}"),
    }
}

/// The next step.
pub fn remedy(found: &Unmounted) -> String {
    let place = found.mountpoint.display();
    if found.left.files > 0 {
        format!(
            "'gphotosfs mount --import {place}' mounts, and moves them into the mount; or move them \
             away"
        )
    } else {
        format!(
            "mount it: 'gphotosfs mount {place}', or 'systemctl --user start gphotosfs'; \
             'gphotosfs umount {place}' leaves it unmounted"
        )
    }
}

/// Counts the files below a directory. Does not enter other disks.
pub fn contents(dir: &Path) -> Contents {
    let mut found = Contents::default();
    let entries = WalkDir::new(dir).min_depth(1).same_file_system(true).sort_by_file_name();
    for (seen, entry) in entries.into_iter().enumerate() {
        if seen == COUNT_MAX {
            found.more = true;
            break;
        }
        // What cannot be read cannot be counted.
        let Ok(entry) = entry else { continue };
        if !entry.file_type().is_dir() {
            found.files += 1;
            let path = entry.path().strip_prefix(dir).unwrap_or(entry.path());
            found.example.get_or_insert_with(|| path.to_string_lossy().into_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_under_the_mountpoint_are_counted_and_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let profile = Profile::under(&dir.path().join("profiles/test"));
        assert_eq!(find(&profile).unwrap(), None, "never mounted");
        let mountpoint = dir.path().canonicalize().unwrap().join("mnt");
        std::fs::create_dir_all(mountpoint.join("Out/deep")).unwrap();
        let target = MountTarget { mountpoint, wanted: false, hides_files: false };
        profile.set_target(&target).unwrap();
        assert_eq!(find(&profile).unwrap(), None, "unmounted, and nothing lies there");
        std::fs::write(target.mountpoint.join("Out/deep/b.jpg"), "x").unwrap();
        std::fs::write(target.mountpoint.join("Out/a.jpg"), "x").unwrap();
        let found = find(&profile).unwrap().unwrap();
        assert!(!found.wanted);
        let (files, example) = (found.left.files, found.left.example.clone().unwrap());
        assert_eq!((files, example.as_str()), (2, "Out/a.jpg"));
        assert!(lying(&found).unwrap().starts_with("2 files (such as Out/a.jpg) lie in /"));
        assert!(remedy(&found).contains("mount --import /"), "{}", remedy(&found));

        profile.set_target(&MountTarget { wanted: true, hides_files: true, ..target }).unwrap();
        let found = find(&profile).unwrap().unwrap();
        assert_eq!(found.left.files, 0, "they lie there on purpose");
        let mut lock = profile.lock().unwrap();
        let mountpoint = found.mountpoint;
        lock.announce(&crate::profile::Running { pid: 1, mountpoint }).unwrap();
        assert_eq!(find(&profile).unwrap(), None, "it is mounted");
    }
}
