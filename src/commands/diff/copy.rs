//! Completes the album: `cp -p` of the files that it lacks.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::comparison::Comparison;
use crate::app::name::Name;
use crate::app::running::{Mount, REFUSED, not_done};
use crate::app::{CommandError, counted, tell};

/// The local files that the album lacks and that the mount would upload.
pub fn uploadable(result: &Comparison) -> Vec<&Name> {
    let not_taken: BTreeSet<_> = result.not_taken.iter().map(|it| &it.name).collect();
    result.only_here.iter().filter(|name| !not_taken.contains(name)).collect()
}

/// The commands for a shell, as bytes: a name need not be UTF-8. They work in any directory.
///
/// # Errors
/// If a name cannot be quoted.
pub fn script(here: &Path, album: &Path, names: &[&Name]) -> Result<Vec<u8>, CommandError> {
    let absolute = |path: &Path| {
        let cannot = || CommandError::new(format!("cannot use {}", path.display()));
        std::path::absolute(path).map_err(|err| cannot().because(err))
    };
    let (here, album) = (&absolute(here)?, &absolute(album)?);
    let mut script = Vec::new();
    let mut line = |words: &[&[u8]], paths: &[&Path]| -> Result<(), CommandError> {
        let paths = paths.iter().map(|it| it.as_os_str().as_bytes());
        let words = words.iter().copied().chain(paths);
        let joined = shlex::bytes::try_join(words)
            .map_err(|err| CommandError::new("cannot quote a name for the shell").because(err))?;
        script.extend(joined);
        script.push(b'\n');
        Ok(())
    };
    for dir in missing_dirs(album, names) {
        line(&[b"mkdir", b"-p", b"--"], &[&dir])?;
    }
    for name in names {
        line(&[b"cp", b"-pT", b"--"], &[&here.join(name.path()), &album.join(name.path())])?;
    }
    Ok(script)
}

fn missing_dirs(album: &Path, names: &[&Name]) -> BTreeSet<PathBuf> {
    let below = |dir: &Path| match dir.as_os_str().is_empty() {
        true => album.to_owned(),
        false => album.join(dir),
    };
    let dirs = names.iter().filter_map(|it| it.path().parent().map(below));
    dirs.filter(|dir| !dir.is_dir()).collect()
}

/// Copies the files, and waits until Google has everything under the album. Uses cp(1), because it
/// reports the errno of close(2), by which a mount refuses a file. Returns whether Google refused
/// none.
///
/// # Errors
/// If a file cannot be copied. The others are, and this waits for them.
pub fn apply(
    mount: &Mount,
    here: &Path,
    album: &Path,
    names: &[&Name],
) -> Result<bool, CommandError> {
    for dir in missing_dirs(album, names) {
        std::fs::create_dir_all(&dir).map_err(|err| {
            CommandError::new(format!("cannot make {}", dir.display())).because(err)
        })?;
    }
    let mut failed = 0;
    for name in names {
        let done = Command::new("cp")
            .args(["-pT", "--"])
            .args([here.join(name.path()), album.join(name.path())])
            .status()
            .map_err(|err| CommandError::new("cannot run cp").because(err))?;
        failed += usize::from(!done.success());
    }
    let all_taken = arrived(mount, album)?;
    if failed > 0 {
        let error = format!("{failed} of {} could not be copied", counted(names.len(), "file"));
        return Err(CommandError::new(error)
            .hint("cp has printed the reasons; 'gphotosfs failed' lists the refused files"));
    }
    Ok(all_taken)
}

fn arrived(mount: &Mount, album: &Path) -> Result<bool, CommandError> {
    let what = format!("not all files under {} were uploaded", Name::from(album));
    match mount.wait_for_uploads(album) {
        Ok(()) => Ok(true),
        Err(err) if err.raw_os_error() == Some(libc::EIO) => {
            tell(format!("gphotosfs: {what}: some files were refused\n  -> {REFUSED}"));
            Ok(false)
        }
        Err(err) => Err(not_done(CommandError::new(what), err)),
    }
}
