//! `gphotosfs diff`: which files differ between a local directory and an album.

use std::path::PathBuf;

use clap::Args;

use super::{CommandError, Exit};

/// `gphotosfs diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A directory on this machine
    local: PathBuf,

    /// The album's directory on a mount
    album: PathBuf,

    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

/// Compares.
///
/// # Errors
/// If one side cannot be read.
pub fn run(_args: &DiffArgs) -> Result<Exit, CommandError> {
    Err(CommandError::new("diff is not built yet"))
}
