//! Picks on a mount, seen by commands that are about albums.

use std::path::{Path, PathBuf};

use super::error::CommandError;
use super::running::Mount;

/// A message names so many picks.
const NAMED_MAX: usize = 5;

/// The path below `.gphotos/picked`. `None` if it is elsewhere.
fn below(mount: &Mount, path: &Path) -> Option<PathBuf> {
    let (all, path) = (mount.control("picked"), path.canonicalize().ok()?);
    Some(path.strip_prefix(all).ok()?.to_owned())
}

/// Whether a path is `.gphotos/picked`, or in it.
pub fn is_in(mount: &Mount, path: &Path) -> bool {
    below(mount, path).is_some()
}

/// Refuses a path in `.gphotos/picked` to a command that does something else to albums.
///
/// # Errors
/// If it is one. `why` says what a pick lacks, and `hint` what to do instead.
pub fn refuse(mount: &Mount, path: &Path, why: &str, hint: &str) -> Result<(), CommandError> {
    if !is_in(mount, path) {
        return Ok(());
    }
    Err(CommandError::usage(format!("cannot use {}", path.display())).because(why).hint(hint))
}

/// Refuses the directory of all picks to a command that takes one of them.
///
/// # Errors
/// If it is that.
pub fn refuse_all(mount: &Mount, path: &Path) -> Result<(), CommandError> {
    if below(mount, path).is_none_or(|it| !it.as_os_str().is_empty()) {
        return Ok(());
    }
    let picks = mount.status()?.picks;
    let quoted = |name: &str| {
        let whole = path.join(name);
        shlex::try_quote(&whole.to_string_lossy())
            .map_or_else(|_| "PICK".into(), |it| it.into_owned())
    };
    let mut named: Vec<_> = picks.iter().take(NAMED_MAX).map(|it| quoted(&it.name)).collect();
    if picks.len() > NAMED_MAX {
        named.push("another one ('gphotosfs pick --list')".to_owned());
    }
    let error = CommandError::usage(format!("{} holds all picks", path.display()));
    Err(error.hint(match named.is_empty() {
        true => "there is none: 'gphotosfs pick NAME' makes one".to_owned(),
        false => format!("name one pick: {}", named.join(" or ")),
    }))
}
