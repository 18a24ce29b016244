//! `gphotosfs man` and `gphotosfs completions`: made from the same definitions that parse the command line.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{CommandError, print};
use crate::cli::Cli;

const NAME: &str = "gphotosfs";

/// `gphotosfs man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the pages of all commands into this directory instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// `gphotosfs completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Prints the manual page, or writes all of them.
///
/// # Errors
/// If it cannot be written.
pub fn man(args: &ManArgs) -> Result<(), CommandError> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        // As in the pages of all commands.
        clap_mangen::Man::new(Cli::command().disable_help_subcommand(true))
            .render(&mut page)
            .map_err(|err| CommandError::new("cannot make the manual page").because(err))?;
        return print(String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .map_err(|err| CommandError::new(format!("cannot write to {}", dir.display())).because(err))
}

/// Prints what completes our commands, flags and values in a shell.
///
/// # Errors
/// If it cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    print(String::from_utf8_lossy(&script))
}
