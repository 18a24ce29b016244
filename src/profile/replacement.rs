//! Replaces the database and the spool of a profile, as one step.
//!
//! The new ones come in a directory that is whole and on disk. One rename decides: it gives that
//! directory its name in the state directory. The renames that follow can be carried out again from
//! any point, so the next holder of the profile's lock finishes them if the process has died.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::names::{BEFORE, DECIDED, DROPPED, KEPT, MARK};
use super::scratch::Scratch;
use super::{make_private, write_private};
use crate::crash;

/// The text of the sign that this program has decided it.
const MARK_TEXT: &[u8] = b"gphotosfs restore: the next mount finishes this, and removes it.\n";

/// The database, behind its companions while it is in use.
const DATABASE: &str = "gphotosfs.db";
const DATABASE_FILES: [&str; 3] = ["gphotosfs.db-wal", "gphotosfs.db-shm", DATABASE];
const SPOOL: &str = "spool";

/// Puts the database and the spool in the directory `new`, which goes, into the state directory.
/// With `keep`, those that are there go to [`BEFORE`].
///
/// # Errors
/// If that is not possible. Until the rename that decides, nothing has changed; later, the next
/// holder of the lock carries it out.
pub fn replace(state: &Path, new: &Path, keep: bool) -> io::Result<()> {
    let (spool, before) = (state.join(SPOOL), state.join(BEFORE));
    if is_mountpoint(state, &spool)? {
        return Err(failed(io::ErrorKind::CrossesDevices, &spool, "is the root of another disk"));
    }
    let mut taken = vec![state.join(DECIDED)];
    taken.extend(keep.then_some(before));
    if let Some(taken) = taken.iter().find(|it| it.symlink_metadata().is_ok()) {
        let why = "is there already: move it away";
        return Err(failed(io::ErrorKind::AlreadyExists, taken, why));
    }
    make_private(&new.join(SPOOL))?;
    make_private(&new.join(if keep { KEPT } else { DROPPED }))?;
    sync(&new.join(SPOOL))?;
    // It brings the names of `new` to the disk, too.
    write_private(&new.join(MARK), MARK_TEXT)?;
    crash::point(crash::REPLACE_BEFORE_DECISION);
    fs::rename(new, state.join(DECIDED))?;
    sync(state)?;
    crash::point(crash::REPLACE_AFTER_DECISION);
    carry_out(state)
}

/// Carries out what was decided, if anything is left of it. Needs the profile's lock.
pub(super) fn carry_out(state: &Path) -> io::Result<()> {
    let new = state.join(DECIDED);
    if !is_decided(&new) {
        return Ok(());
    }
    let kept = new.join(KEPT);
    let old = if kept.is_dir() { kept.clone() } else { new.join(DROPPED) };
    // The new database goes last. While it is here, the one in the profile is the old one, and
    // likewise the spool.
    if new.join(DATABASE).is_file() {
        let is_aside = old.join(DATABASE).is_file();
        for name in DATABASE_FILES {
            // A command that takes no lock may have made another one meanwhile.
            if_there(match is_aside {
                true => fs::remove_file(state.join(name)),
                false => fs::rename(state.join(name), old.join(name)),
            })?;
        }
        crash::point(crash::REPLACE_AFTER_OLD);
        if new.join(SPOOL).is_dir() {
            if_there(fs::rename(state.join(SPOOL), old.join(SPOOL)))?;
            fs::rename(new.join(SPOOL), state.join(SPOOL))?;
        }
        crash::point(crash::REPLACE_AFTER_SPOOL);
        fs::rename(new.join(DATABASE), state.join(DATABASE))?;
        sync(state)?;
        crash::point(crash::REPLACE_AFTER_DATABASE);
    }
    if_there(fs::rename(&kept, state.join(BEFORE)))?;
    // Under the name of a scratch directory it can be removed in any number of steps.
    let scratch = Scratch::new(state)?;
    fs::rename(&new, scratch.path())?;
    sync(state)
}

/// Whether a replacement was decided. A directory of others may have the same name.
fn is_decided(new: &Path) -> bool {
    let is_file = |it: &Path| it.symlink_metadata().is_ok_and(|it| it.is_file());
    let mark = new.join(MARK);
    new.symlink_metadata().is_ok_and(|it| it.is_dir())
        && is_file(&mark)
        && fs::read(&mark).is_ok_and(|it| it == MARK_TEXT)
}

/// Whether a directory in `state` is on another disk, so that it cannot be renamed.
fn is_mountpoint(state: &Path, dir: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    match dir.symlink_metadata() {
        Ok(meta) => Ok(meta.dev() != state.metadata()?.dev()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(err),
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A file that is not there need not be moved or removed.
///
/// # Errors
/// Other ones than that it is not there.
pub fn if_there(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn failed(kind: io::ErrorKind, path: &Path, what: &str) -> io::Error {
    io::Error::new(kind, format!("{} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state directory, with files of `name` in it.
    fn filled(dir: &Path, name: &str) {
        make_private(&dir.join(SPOOL)).unwrap();
        fs::write(dir.join(DATABASE), name).unwrap();
        fs::write(dir.join(SPOOL).join(name), name).unwrap();
    }

    fn holds(dir: &Path, name: &str) -> bool {
        let names = fs::read_dir(dir.join(SPOOL)).unwrap().map(|it| it.unwrap().file_name());
        fs::read_to_string(dir.join(DATABASE)).unwrap() == name && names.eq([name])
    }

    #[test]
    fn the_old_files_are_kept_or_dropped_as_a_whole() {
        for keep in [true, false] {
            let state = tempfile::tempdir().unwrap();
            let (state, new) = (state.path(), state.path().join("restore"));
            filled(state, "old");
            fs::write(state.join("gphotosfs.db-wal"), "log").unwrap();
            fs::write(state.join("log"), "others stay").unwrap();
            filled(&new, "new");
            replace(state, &new, keep).unwrap();
            assert!(holds(state, "new"));
            assert!(!state.join("gphotosfs.db-wal").exists() && state.join("log").exists());
            let before = state.join(BEFORE);
            assert_eq!(before.exists(), keep);
            if keep {
                assert!(holds(&before, "old") && before.join("gphotosfs.db-wal").exists());
            }
            assert!(!new.exists() && !state.join(DECIDED).exists());
            carry_out(state).unwrap();
            assert!(holds(state, "new"));
        }
    }

    #[test]
    fn what_was_kept_before_is_in_the_way() {
        let state = tempfile::tempdir().unwrap();
        let (state, new) = (state.path(), state.path().join("restore"));
        filled(state, "old");
        filled(&new, "new");
        for taken in [BEFORE, DECIDED] {
            fs::create_dir(state.join(taken)).unwrap();
            let error = replace(state, &new, true).unwrap_err();
            assert!(error.to_string().contains("is there already"), "{error}");
            assert!(holds(state, "old") && holds(&new, "new"));
            fs::remove_dir(state.join(taken)).unwrap();
        }
    }

    #[test]
    fn a_directory_that_only_has_the_name_of_a_replacement_stays() {
        for is_link in [true, false] {
            let (state, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let state = state.path();
            let decided = state.join(DECIDED);
            filled(state, "old");
            let theirs = if is_link { theirs.path() } else { &decided };
            filled(theirs, "theirs");
            if is_link {
                fs::write(theirs.join(MARK), MARK_TEXT).unwrap();
                std::os::unix::fs::symlink(theirs, &decided).unwrap();
            }
            carry_out(state).unwrap();
            assert!(holds(state, "old") && holds(theirs, "theirs"), "{is_link}");
        }
    }
}
