//! `gphotosfs man` and `gphotosfs completions`, generated from the definitions that parse the
//! command line.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::arguments::{Cli, CompletionsArgs, ManArgs};
use crate::app::{CommandError, print};

const NAME: &str = "gphotosfs";

/// Prints the manual page, or writes the pages of all commands into a directory.
///
/// # Errors
/// If a page cannot be written.
pub fn man(args: &ManArgs) -> Result<(), CommandError> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        // The pages of all commands have it too.
        clap_mangen::Man::new(Cli::command().disable_help_subcommand(true))
            .render(&mut page)
            .map_err(|err| CommandError::new("cannot make the manual page").because(err))?;
        return print(String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .map_err(|err| CommandError::new(format!("cannot write to {}", dir.display())).because(err))
}

/// Prints a script that completes commands, flags and values in a shell.
///
/// # Errors
/// If it cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<(), CommandError> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    clap_complete::generate(args.shell, &mut command, NAME, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    for flag in hidden(&command) {
        script = without(&script, &flag);
    }
    print(script)
}

/// The long flags of all commands that help does not show.
fn hidden(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter(|it| it.is_hide_set());
    let mut flags: BTreeSet<_> = own.filter_map(|it| it.get_long().map(str::to_owned)).collect();
    command.get_subcommands().for_each(|it| flags.extend(hidden(it)));
    flags
}

/// Removes a flag from a completion script, because clap_complete offers hidden flags too. The
/// script for bash has all flags of a command on one line, the other scripts have a line for each
/// flag.
fn without(script: &str, flag: &str) -> String {
    let (word, of_fish) = (format!("--{flag}"), format!(" -l {flag} "));
    let lines = script.lines().filter_map(|line| match line.trim_start() {
        plain if plain.starts_with("opts=\"") => Some(line.replace(&format!(" {word}"), "")),
        // The script for bash still completes the flag's values, which does no harm.
        plain if plain.starts_with(&word) => Some(line.to_owned()),
        _ if line.contains(&word) || line.contains(&of_fish) => None,
        _ => Some(line.to_owned()),
    });
    lines.map(|line| line + "\n").collect()
}
