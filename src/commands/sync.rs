//! `gphotosfs sync` and `gphotosfs refresh`: waiting for what goes up, asking again for what is there.

use std::path::PathBuf;

use clap::Args;

use super::CommandError;
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
pub fn run(_args: &SyncArgs, _profile: &Profile) -> Result<(), CommandError> {
    Err(CommandError::new("sync is not built yet"))
}

/// Lists a directory again from Google.
///
/// # Errors
/// If Google does not answer, or the path is not on a mount.
pub fn refresh(_args: &RefreshArgs, _profile: &Profile) -> Result<(), CommandError> {
    Err(CommandError::new("refresh is not built yet"))
}
