//! Flags, environment and `config.toml` become one set of arguments.
//!
//! A setting is a clap argument with an environment variable. These are also the keys that
//! `config.toml` in the profile's configuration directory may hold: its values become the
//! arguments' defaults. So clap itself ensures that flag beats environment beats file, and one
//! parser for each setting checks all three.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser};
use toml::Spanned;

use super::arguments::{Cli, Command};
use crate::profile::Profile;
use crate::settings::MountSettings;

/// Why the command line cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line has no arguments.
    #[error("no command is named")]
    Nothing,
    /// The user asked for help, or clap rejected an argument or environment variable.
    #[error(transparent)]
    Arguments(#[from] clap::Error),
    /// The profile's directories cannot be used.
    #[error("cannot use the profile's directories")]
    Profile(#[source] io::Error),
    /// The configuration file cannot be read, or has an error.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The key, its value, and the rule that it breaks.
        why: String,
    },
}

impl Cli {
    /// Reads arguments, this process's environment and the profile's `config.toml`.
    ///
    /// # Errors
    /// If any of them is rejected; also to show help or the version.
    pub fn load(args: &[OsString]) -> Result<(Self, Profile), CliError> {
        // clap would report errors of the environment first.
        if args.len() < 2 {
            return Err(CliError::Nothing);
        }
        let cli = Self::try_parse_from(args).map_err(|err| without_environment(err, args))?;
        let profile = Profile::locate(cli.profile_name().clone()).map_err(CliError::Profile)?;
        let path = profile.config_dir().map_err(CliError::Profile)?.join("config.toml");
        let over_file = match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse_over(&text, args),
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok((cli, profile)),
            Err(err) => Err(err.to_string()),
        };
        match over_file {
            Ok(over_file) => Ok((over_file, profile)),
            // doctor reports errors of the file itself, together with all others.
            Err(_) if matches!(cli.command, Command::Doctor(_)) => Ok((cli, profile)),
            Err(why) => Err(CliError::File { path, why }),
        }
    }

    /// Parses `args` with the values of `file` as defaults. The caller has parsed `args` without
    /// them, so an error is about the file.
    pub(super) fn parse_over(file: &str, args: &[OsString]) -> Result<Self, String> {
        let at_line = |at: usize, why: String| {
            format!("line {}: {why}", 1 + file.bytes().take(at).filter(|it| *it == b'\n').count())
        };
        let table: BTreeMap<Spanned<String>, toml::Value> =
            toml::from_str(file).map_err(|err| {
                at_line(err.span().map_or(0, |span| span.start), err.message().to_owned())
            })?;
        let mut command = Self::command();
        let parse = |command: clap::Command| {
            let parsed = command.try_get_matches_from(args);
            parsed.and_then(|it| Self::from_arg_matches(&it)).map_err(|err| what_is_wrong(&err))
        };
        for (key, value) in table {
            let refused = |why| at_line(key.span().start, why);
            let key = key.get_ref();
            let (values, is_list) = match value {
                toml::Value::Array(it) => (it, true),
                one => (vec![one], false),
            };
            let values: Result<Vec<_>, _> = values.iter().map(text_of).collect();
            let values = values.map_err(|why| refused(format!("{key}: {why}")))?;
            let known;
            (command, known) = set_default(command, key, &values);
            match known {
                None => return Err(refused(format!("{key}: no setting has this name"))),
                Some(Takes::One) if is_list => {
                    return Err(refused(format!("{key}: {ONE_VALUE}, not array")));
                }
                Some(_) => {}
            }
            // One key at a time, so that an error names the key.
            parse(command.clone()).map_err(refused)?;
        }
        parse(command)
    }
}

/// The rule for a value of most settings.
const ONE_VALUE: &str = "use a string, a number or true/false";

/// How many values a setting takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    One,
    Several,
}

fn text_of(value: &toml::Value) -> Result<String, String> {
    match value {
        toml::Value::String(it) => Ok(it.clone()),
        toml::Value::Integer(it) => Ok(it.to_string()),
        toml::Value::Boolean(it) => Ok(it.to_string()),
        other => Err(format!("{ONE_VALUE}, not {}", other.type_str())),
    }
}

/// Returns clap's error for `args` without the environment, if there is one. Otherwise clap's usage
/// line would show each variable that is set as a required argument.
fn without_environment(err: clap::Error, args: &[OsString]) -> clap::Error {
    fn plain(command: clap::Command) -> clap::Command {
        command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(plain)
    }
    // Help shows the environment.
    if !err.use_stderr() {
        return err;
    }
    plain(Cli::command()).try_get_matches_from(args).err().unwrap_or(err)
}

/// The first paragraph of clap's error. The rest is about the command line.
fn what_is_wrong(err: &clap::Error) -> String {
    let text = err.to_string();
    let first = text.split("\n\n").next().unwrap_or(&text);
    first.trim_start_matches("error: ").trim_end().to_owned()
}

/// The settings of a mount without flags, from the environment and `config.toml`.
///
/// # Errors
/// The reason, in one line, if a mount would reject them.
pub fn mount_settings(profile: &Profile) -> Result<MountSettings, String> {
    let name = profile.name().to_string();
    let args = ["gphotosfs", "--profile", &name, "mount", "/"].map(OsString::from);
    let (cli, _) = Cli::load(&args).map_err(|err| match err {
        CliError::Arguments(err) => what_is_wrong(&err),
        err => err.to_string(),
    })?;
    let apis = cli.apis();
    match cli.command {
        Command::Mount(mount) => Ok(mount.settings(apis)),
        other => Err(format!("the arguments were parsed as another command: {other:?}")),
    }
}

/// Gives the setting `key` a default in each command that has it. Returns how many values it takes,
/// or `None` if no command has it.
fn set_default(
    command: clap::Command,
    key: &str,
    values: &[String],
) -> (clap::Command, Option<Takes>) {
    let mut known = None;
    let command = command.mut_args(|arg| {
        // The profile chooses the file, so it cannot be a key of the file.
        if arg.get_id() == key && arg.get_env().is_some() && key != "profile" {
            let takes_several = matches!(arg.get_action(), clap::ArgAction::Append);
            known = Some(if takes_several { Takes::Several } else { Takes::One });
            arg.default_values(values.to_vec())
        } else {
            arg
        }
    });
    let command = command.mut_subcommands(|sub| {
        let (sub, here) = set_default(sub, key, values);
        known = known.or(here);
        sub
    });
    (command, known)
}
