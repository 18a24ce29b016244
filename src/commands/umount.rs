//! `gphotosfs umount`: drain, unmount, and wait until the mount's process is through.

use std::path::PathBuf;

use clap::Args;

use super::CommandError;

/// `gphotosfs umount`.
#[derive(Debug, Args)]
pub struct UmountArgs {
    /// Where it is mounted
    mountpoint: PathBuf,

    /// Do not wait for uploads; the next mount goes on with them
    #[arg(long)]
    now: bool,
}

/// Unmounts.
///
/// # Errors
/// If the mount is in use, or not one of ours.
pub fn run(_args: &UmountArgs) -> Result<(), CommandError> {
    Err(CommandError::new("umount is not built yet"))
}
