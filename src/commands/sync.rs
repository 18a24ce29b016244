//! `gphotosfs sync` waits for what goes up; `gphotosfs refresh` asks again for what is there.

use std::path::PathBuf;

use clap::Args;

use super::CommandError;
use super::running::{self, Mount};
use crate::profile::Profile;

/// `gphotosfs sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// A directory or file on a mount; without it, all of the profile's mount
    path: Option<PathBuf>,
}

/// `gphotosfs refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// A directory on a mount; without it, the list of albums of the profile's mount
    path: Option<PathBuf>,
}

/// Waits until Google has everything under the path.
///
/// # Errors
/// If something was refused for good, or the path is not on a mount.
pub fn run(args: &SyncArgs, profile: &Profile) -> Result<(), CommandError> {
    let (mount, path) = place(args.path.as_ref(), profile)?;
    mount.wait_for_uploads(&path).map_err(|err| {
        let refused = err.raw_os_error() == Some(libc::EIO);
        let error = CommandError::new(format!("cannot sync {}", path.display())).because(err);
        if refused {
            error.hint(format!(
                "what Google refused is kept in {}; 'gphotosfs failed' says why",
                mount.control("failed").display()
            ))
        } else {
            error
        }
    })
}

/// Lists a directory again from Google.
///
/// # Errors
/// If Google does not answer, or the path is not on a mount.
pub fn refresh(args: &RefreshArgs, profile: &Profile) -> Result<(), CommandError> {
    let (_, path) = place(args.path.as_ref(), profile)?;
    running::list_again(&path).map_err(|err| {
        CommandError::new(format!("cannot list {} again", path.display())).because(err)
    })
}

/// The mount and the place in it that a command is about.
fn place(path: Option<&PathBuf>, profile: &Profile) -> Result<(Mount, PathBuf), CommandError> {
    Ok(match path {
        Some(path) => (Mount::holding(path)?, path.clone()),
        None => {
            let mount = Mount::of_profile(profile)?;
            let root = mount.root.clone();
            (mount, root)
        }
    })
}
