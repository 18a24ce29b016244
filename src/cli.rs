//! The command line. Only this module turns flags, environment and `config.toml` into typed
//! settings. It calls each subcommand with plain values.

mod album_arguments;
mod arguments;
mod config;
mod man;
mod mount;
mod mount_helper;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use url::Url;

use arguments::PickArgs;
pub use arguments::{Cli, Command};
pub use config::CliError;

use crate::app::{CommandError, Exit, log};
use crate::commands;
use crate::printable::escaped_lines;
use crate::profile::Profile;
use crate::settings::Apis;
use mount_helper::{Called, called};

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match called(std::env::args_os().collect()) {
        Ok(Called::As(args)) => args,
        Ok(Called::AsUser(user, args)) => {
            return commands::mount::become_user(&user, &args).report(Exit::Failed, false);
        }
        Ok(Called::ForNothing) => return Exit::Done.into(),
        Err(err) => return answer(&err),
    };
    let (cli, profile) = match Cli::load(&args) {
        Ok(it) => it,
        Err(err) => return refuse(err),
    };
    let in_full = cli.verbose > 0;
    let (serves, detached) = match &cli.command {
        Command::Mount(args) => (true, args.detached),
        #[cfg(feature = "emulator")]
        Command::Emulator(_) => (true, false),
        _ => (false, false),
    };
    log::to_stderr(cli.verbose, serves, !detached);
    let on_failure = match cli.command {
        Command::Diff(_) | Command::Adopt(_) | Command::Verify(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    match dispatch(cli, profile, &args, in_full) {
        Ok(exit) => exit.into(),
        Err(err) => err.report(on_failure, in_full),
    }
}

/// Prints the reason why the command line cannot be used.
fn refuse(err: CliError) -> ExitCode {
    match err {
        CliError::Arguments(err) => answer(&err),
        CliError::Nothing => {
            let help = Cli::command().render_help();
            let help = match console::colors_enabled_stderr() {
                true => help.ansi().to_string(),
                false => help.to_string(),
            };
            // If stderr is closed, the exit status still shows the failure.
            let _ = io::stderr().write_all(help.as_bytes());
            Exit::Usage.into()
        }
        err @ CliError::File { .. } => CommandError::usage(err.to_string())
            .hint("correct this file; docs/CONFIGURATION.md lists keys and values")
            .report(Exit::Usage, false),
        CliError::Profile(err) => CommandError::new("cannot use the profile's directories")
            .because(err)
            .report(Exit::Failed, false),
    }
}

/// Prints help and version on stdout, errors on stderr. A closed pipe is not an error.
fn answer(err: &clap::Error) -> ExitCode {
    let text = err.render();
    let coloured = match err.use_stderr() {
        true => console::colors_enabled_stderr(),
        false => console::colors_enabled(),
    };
    let plain = text.to_string();
    // It quotes arguments, which a shell may have made of the names of files.
    let safe = escaped_lines(&plain);
    let text = if coloured && safe == plain { text.ansi().to_string() } else { safe.into_owned() };
    // If the stream is closed, the exit status still shows an error.
    let _ = match err.use_stderr() {
        true => io::stderr().write_all(text.as_bytes()),
        false => io::stdout().write_all(text.as_bytes()),
    };
    if err.use_stderr() { Exit::Usage } else { Exit::Done }.into()
}

fn dispatch(
    cli: Cli,
    profile: Profile,
    words: &[OsString],
    in_full: bool,
) -> Result<Exit, CommandError> {
    use arguments::DebugCommand;
    use commands::{
        backup, debug, doctor, failed, info, login, logout, restore, status, sync, thumbnails,
        umount,
    };
    let done = |()| Exit::Done;
    let apis = cli.apis();
    match cli.command {
        Command::Login(it) => {
            let options = login::Options {
                client_secret: it.client_secret,
                no_browser: it.no_browser,
                same_account: it.same_account,
                picker: it.picker,
            };
            match block_on(login::run(&options, &profile, &cli.api_url))? {
                Some(dir) => mount_after_login(&profile, [&cli.api_url, &cli.picker_url], &dir),
                None => Ok(Exit::Done),
            }
        }
        Command::Logout => block_on(logout::run(&profile, in_full)).map(done),
        Command::Mount(it) => commands::mount::run(&profile, &it.settings(apis), words),
        Command::Umount(it) => umount::run(&it.mountpoint, it.now, &profile).map(done),
        Command::Status(it) => status::run(&it.into(), &profile, &cli.api_url),
        Command::Sync(it) => {
            let settings = it.upload.settings(apis);
            sync::run(it.path.as_deref(), &settings, &profile).map(done)
        }
        Command::Refresh(it) => sync::refresh(it.path.as_deref(), &profile).map(done),
        Command::Info(it) => info::run(&it.path, it.json, &profile).map(done),
        Command::Failed(it) => failed::run(it.json, &profile).map(done),
        Command::Retry(it) => failed::retry(&it.paths, &profile).map(done),
        Command::Pick(it) => pick(it, &profile, &apis),
        Command::Diff(it) => {
            let options = commands::diff::Options { in_full, ..it.into() };
            commands::diff::run(&options, &profile)
        }
        Command::Adopt(it) => commands::adopt::run(&it.into(), &profile),
        Command::Estimate(it) => commands::estimate::run(&it.into()).map(done),
        Command::Quality(it) => commands::quality::run(&it.words).map(done),
        Command::Limit(it) => commands::limit::run(&it.words, &profile).map(done),
        Command::Verify(it) => commands::verify::run(&it.into(), &profile),
        Command::Thumbnails(it) => thumbnails::run(&it.dir, &profile).map(done),
        Command::Backup(it) => backup::run(&it.into(), &profile).map(done),
        Command::Restore(it) => restore::run(&it.file, it.replace, &profile).map(done),
        Command::Debug(it) => match it.about {
            DebugCommand::File { path } => debug::file(&path, it.json, &profile),
            DebugCommand::Queue => debug::queue(it.json, &profile),
        }
        .map(done),
        Command::Doctor(it) => {
            let settings = config::mount_settings(&profile);
            block_on(doctor::run(it.json, settings, &profile, apis))
        }
        #[cfg(feature = "emulator")]
        Command::Emulator(it) => commands::emulator::run(it.into()).map(done),
        Command::Completions(it) => man::completions(&it).map(done),
        Command::Man(it) => man::man(&it).map(done),
    }
}

/// Mounts as `gphotosfs mount DIR` would, with all settings of the configuration file.
fn mount_after_login(
    profile: &Profile,
    [api, picker]: [&Url; 2],
    dir: &Path,
) -> Result<Exit, CommandError> {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = profile.name().to_string();
    let (api, picker) = (api.as_str(), picker.as_str());
    let said = ["--profile", &name, "--api-url", api, "--picker-url", picker, "mount"];
    let mut words = vec![program];
    words.extend(said.map(OsString::from));
    words.push(dir.into());
    match Cli::load(&words) {
        Ok((cli, profile)) => dispatch(cli, profile, &words, false),
        Err(err) => Err(CommandError::new("cannot mount").because(err)),
    }
}

fn pick(it: PickArgs, profile: &Profile, apis: &Apis) -> Result<Exit, CommandError> {
    use commands::pick;
    match (it.name, it.forget) {
        (Some(name), _) => {
            let options = pick::Options {
                name,
                anew: it.new,
                no_browser: it.no_browser,
                qr: it.qr,
                timeout: it.timeout,
            };
            block_on(pick::run(&options, profile, apis))
        }
        (None, Some(name)) => block_on(pick::forget(name, profile, apis)).map(|()| Exit::Done),
        (None, None) => pick::list(it.json, profile).map(|()| Exit::Done),
    }
}

/// Runs a command that sends requests to Google. Its background tasks end with the program.
fn block_on<T>(command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|err| CommandError::new("cannot start the event loop").because(err))?;
    runtime.block_on(command)
}
