//! What would make the album complete: `cp -p` of what is only here.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::compare::Comparison;
use crate::commands::running::Mount;
use crate::commands::{CommandError, Exit};

/// Commands for a shell, as bytes: a name need not be UTF-8.
///
/// # Errors
/// If a name cannot be quoted.
pub fn script(here: &Path, album: &Path, result: &Comparison) -> Result<Vec<u8>, CommandError> {
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
    for dir in missing_dirs(album, result) {
        line(&[b"mkdir", b"-p", b"--"], &[&dir])?;
    }
    for name in &result.only_here {
        line(&[b"cp", b"-p", b"--"], &[&here.join(name.path()), &album.join(name.path())])?;
    }
    Ok(script)
}

fn missing_dirs(album: &Path, result: &Comparison) -> BTreeSet<PathBuf> {
    let dirs = result.only_here.iter().filter_map(|it| Some(album.join(it.path().parent()?)));
    dirs.filter(|dir| !dir.is_dir()).collect()
}

/// Copies, and waits until Google has everything under the album. It is cp(1) that copies, because it tells
/// what close(2) says, and that is where a mount refuses a file.
///
/// # Errors
/// If a file cannot be copied, or Google refuses one.
pub fn apply(
    mount: &Mount,
    here: &Path,
    album: &Path,
    result: &Comparison,
) -> Result<Exit, CommandError> {
    for dir in missing_dirs(album, result) {
        std::fs::create_dir_all(&dir).map_err(|err| {
            CommandError::new(format!("cannot make {}", dir.display())).because(err)
        })?;
    }
    let mut failed = 0;
    for name in &result.only_here {
        let done = Command::new("cp")
            .args(["-p", "--"])
            .args([here.join(name.path()), album.join(name.path())])
            .status()
            .map_err(|err| CommandError::new("cannot run cp").because(err))?;
        failed += usize::from(!done.success());
    }
    let refused = || {
        CommandError::new(format!("{failed} of {} files were not copied", result.only_here.len()))
            .hint("'gphotosfs failed' says what was refused, and why")
    };
    if failed > 0 {
        return Err(refused());
    }
    mount.wait_for_uploads(album).map_err(|err| {
        CommandError::new(format!("not everything under {} arrived", album.display()))
            .because(err)
            .hint("'gphotosfs failed' says what Google refused, and why")
    })?;
    Ok(Exit::Done)
}
