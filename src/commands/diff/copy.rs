//! Completes the album: `cp -p` of the files that it lacks.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::comparison::Comparison;
use crate::app::name::Name;
use crate::app::running::{Mount, REFUSED, not_done};
use crate::app::{CommandError, counted, tell};
use crate::printable::is_risky;

/// The local files that the album lacks and that the mount would upload.
pub fn uploadable(result: &Comparison) -> Vec<&Name> {
    let not_taken: BTreeSet<_> = result.not_taken.iter().map(|it| &it.name).collect();
    let contested = contested(result);
    let is_free = |name: &&Name| !not_taken.contains(name) && !contested.contains(name);
    result.only_here.iter().filter(is_free).collect()
}

/// The local files that the album lacks while it has another photo of their name. A copy would
/// replace that.
pub fn contested(result: &Comparison) -> BTreeSet<&Name> {
    let renamed = result.renamed.iter().map(|it| &it.album);
    let duplicates = result.duplicates_in_album.iter().map(|it| &it.name);
    let there: BTreeSet<_> = result.only_in_album.iter().chain(renamed).chain(duplicates).collect();
    result.only_here.iter().filter(|name| there.contains(name)).collect()
}

/// Commands for a shell, as words of bytes: a name need not be UTF-8.
pub struct Script(Vec<Vec<Vec<u8>>>);

/// The commands that copy the files into the album. They work in any directory.
///
/// # Errors
/// If the working directory is unknown.
pub fn script(here: &Path, album: &Path, names: &[&Name]) -> Result<Script, CommandError> {
    let absolute = |path: &Path| {
        let cannot = || CommandError::new(format!("cannot use {}", path.display()));
        std::path::absolute(path).map_err(|err| cannot().because(err))
    };
    let (here, album) = (&absolute(here)?, &absolute(album)?);
    let line = |words: &[&[u8]], paths: &[&Path]| -> Vec<Vec<u8>> {
        let paths = paths.iter().map(|it| it.as_os_str().as_bytes());
        words.iter().copied().chain(paths).map(<[u8]>::to_vec).collect()
    };
    let mut lines = Vec::new();
    for dir in missing_dirs(album, names) {
        lines.push(line(&[b"mkdir", b"-p", b"--"], &[&dir]));
    }
    for name in names {
        let paths = [&*here.join(name.path()), &*album.join(name.path())];
        lines.push(line(&[b"cp", b"-pT", b"--"], &paths));
    }
    Ok(Script(lines))
}

impl Script {
    /// The commands for any POSIX shell.
    ///
    /// # Errors
    /// If a name cannot be quoted.
    pub fn quoted(&self) -> Result<Vec<u8>, CommandError> {
        self.lines(quoted)
    }

    /// The commands for a person. Names that a terminal would execute or hide have escapes, which
    /// bash, zsh, ksh and busybox read (POSIX.1-2024, *Dollar-Single-Quotes*).
    ///
    /// # Errors
    /// If a name cannot be quoted.
    pub fn shown(&self) -> Result<String, CommandError> {
        let shown = self.lines(|word| match std::str::from_utf8(word) {
            Ok(text) if !text.contains(is_risky) => quoted(word),
            _ => Ok(with_escapes(word)),
        })?;
        Ok(String::from_utf8_lossy(&shown).into_owned())
    }

    fn lines(
        &self,
        quote: impl Fn(&[u8]) -> Result<Vec<u8>, CommandError>,
    ) -> Result<Vec<u8>, CommandError> {
        let mut script = Vec::new();
        for line in &self.0 {
            let words: Vec<_> = line.iter().map(|it| quote(it)).collect::<Result<_, _>>()?;
            script.extend(words.join(&b' '));
            script.push(b'\n');
        }
        Ok(script)
    }
}

fn quoted(word: &[u8]) -> Result<Vec<u8>, CommandError> {
    let quoted = shlex::bytes::try_quote(word)
        .map_err(|err| CommandError::new("cannot quote a name for the shell").because(err))?;
    Ok(quoted.into_owned())
}

/// `$'…'`, in ASCII. Three octal digits end an escape whatever follows.
fn with_escapes(word: &[u8]) -> Vec<u8> {
    let mut shown = b"$'".to_vec();
    for &byte in word {
        match byte {
            b'\'' | b'\\' => shown.extend([b'\\', byte]),
            b'\n' => shown.extend(b"\\n"),
            b' '..=b'~' => shown.push(byte),
            _ => shown.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    shown.push(b'\'');
    shown
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    const ODD: [&[u8]; 7] = [
        b"plain.jpg",
        b"a b.jpg",
        b"it's \\n $(x) `y`.jpg",
        b"\x1b[31mred\x1b[0m7.jpg",
        b"two\nlines\n.jpg",
        b"\xff\xfe.jpg",
        "\u{202e}gpj.\u{e9}'\\1".as_bytes(),
    ];

    fn run(shell: &str, script: &[u8]) -> Vec<u8> {
        let done = Command::new(shell).arg("-c").arg(OsStr::from_bytes(script)).output().unwrap();
        assert!(done.status.success(), "{shell}: {done:?}");
        done.stdout
    }

    #[test]
    fn what_is_printed_names_the_same_files_and_a_terminal_gets_nothing_raw() {
        let mut words = vec![b"printf".to_vec(), b"%s/".to_vec()];
        words.extend(ODD.map(<[u8]>::to_vec));
        let script = Script(vec![words]);
        let names = ODD.map(|it| [it, b"/"].concat()).concat();
        let shown = script.shown().unwrap();
        assert_eq!(run("bash", shown.as_bytes()), names, "{shown}");
        assert!(!shown.trim_end_matches('\n').contains(is_risky), "{shown:?}");
        for shell in ["bash", "sh"] {
            assert_eq!(run(shell, &script.quoted().unwrap()), names, "{shell}");
        }
    }
}
