//! `gphotosfs status`: what a mount says about itself in `.gphotos/status.json`.
//!
//! A running mount is talked to through its own filesystem; there is no other socket.

use std::path::PathBuf;

use clap::Args;

use super::CommandError;
use crate::profile::Profile;

/// `gphotosfs status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The mount; without it, that of the profile
    mountpoint: Option<PathBuf>,

    /// Print the mount's status.json as it is
    #[arg(long)]
    json: bool,

    /// Print again every second, until interrupted or unmounted
    #[arg(short, long)]
    watch: bool,
}

/// Prints the status.
///
/// # Errors
/// If there is no running mount.
pub fn run(_args: &StatusArgs, _profile: &Profile) -> Result<(), CommandError> {
    Err(CommandError::new("status is not built yet"))
}
