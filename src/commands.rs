//! What every subcommand shares: dispatch, logging, the one error line and the exit status.

pub mod adopt;
pub mod diff;
pub mod doctor;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod engine;
pub mod failed;
mod log;
pub mod login;
pub mod logout;
pub mod man;
pub mod mount;
mod mounts;
mod name;
pub mod progress;
pub mod running;
pub mod status;
pub mod sync;
pub mod thumbnails;
pub mod umount;
pub mod verify;

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{self, Called, Cli, CliError, Command};
use crate::error_chain::{append_chain, append_ends};
use crate::profile::Profile;

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match cli::called(std::env::args_os().collect()) {
        Ok(Called::As(args)) => args,
        Ok(Called::AsUser(user, args)) => {
            return mount::become_user(&user, &args).report(Exit::Failed, false);
        }
        Ok(Called::ForNothing) => return Exit::Done.into(),
        Err(err) => return answer(&err),
    };
    let (cli, profile) = match Cli::load(&args) {
        Ok(it) => it,
        Err(CliError::Arguments(err)) => return answer(&err),
        Err(CliError::Nothing) => {
            let help = Cli::command().render_help();
            let help = match console::colors_enabled_stderr() {
                true => help.ansi().to_string(),
                false => help.to_string(),
            };
            // If stderr is closed the exit status still tells.
            let _ = io::stderr().write_all(help.as_bytes());
            return Exit::Usage.into();
        }
        Err(err @ CliError::File { .. }) => {
            return CommandError::usage(err.to_string())
                .hint("put that file right; docs/CONFIGURATION.md lists keys and values")
                .report(Exit::Usage, false);
        }
        Err(CliError::Profile(err)) => {
            return CommandError::new("cannot use the profile's directories")
                .because(err)
                .report(Exit::Failed, false);
        }
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

/// Help and version go to stdout, refusals to stderr; a closed pipe is nobody's loss.
fn answer(err: &clap::Error) -> ExitCode {
    let _ = err.print();
    if err.use_stderr() { Exit::Usage } else { Exit::Done }.into()
}

fn dispatch(
    cli: Cli,
    profile: Profile,
    words: &[OsString],
    in_full: bool,
) -> Result<Exit, CommandError> {
    let done = |()| Exit::Done;
    match cli.command {
        Command::Login(args) => block_on(login::run(&args, &profile)).map(done),
        Command::Logout(args) => block_on(logout::run(&args, &profile, in_full)).map(done),
        Command::Mount(args) => mount::run(&profile, &args.settings(cli.api_url), words),
        Command::Umount(args) => umount::run(&args).map(done),
        Command::Status(args) => status::run(&args, &profile, &cli.api_url).map(done),
        Command::Sync(args) => sync::run(args, &profile, cli.api_url).map(done),
        Command::Refresh(args) => sync::refresh(&args, &profile).map(done),
        Command::Failed(args) => failed::run(&args, &profile).map(done),
        Command::Retry(args) => failed::retry(&args, &profile).map(done),
        Command::Diff(args) => diff::run(&args, &profile),
        Command::Adopt(args) => adopt::run(&args, &profile),
        Command::Verify(args) => verify::run(&args, &profile),
        Command::Thumbnails(args) => thumbnails::run(&args, &profile).map(done),
        Command::Doctor(args) => block_on(doctor::run(&args, &profile, cli.api_url)),
        #[cfg(feature = "emulator")]
        Command::Emulator(args) => emulator::run(args).map(done),
        Command::Completions(args) => man::completions(&args).map(done),
        Command::Man(args) => man::man(&args).map(done),
    }
}

/// Runs a command that talks to Google. What it left running ends with the program.
fn block_on<T>(command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|err| CommandError::new("cannot start the event loop").because(err))?;
    runtime.block_on(command)
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for has been done; `diff`: no differences.
    Done,
    /// `diff` found differences, `adopt` left files, `verify` missed something.
    Differ,
    /// It could not be done; stderr says why.
    Failed,
    /// The arguments or the configuration file were refused; `diff` and its like: any trouble, as diff(1).
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Differ | Exit::Failed => 1,
            Exit::Usage => 2,
        })
    }
}

/// Why a command failed, and what the user can do.
#[derive(Debug)]
pub struct CommandError {
    what: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    usage: bool,
}

impl CommandError {
    /// Says what could not be done, without a full stop.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: None, hint: None, usage: false }
    }

    /// As [`CommandError::new`], for arguments that make no sense: exit status 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(what) }
    }

    /// Adds the cause; its own chain of causes is shown too.
    #[must_use]
    pub fn because(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(self, next: impl Into<String>) -> Self {
        Self { hint: Some(next.into()), ..self }
    }

    /// Prints a line that says what happened and one that says what to do. All causes are shown only `in_full`.
    fn say(&self, in_full: bool) {
        let what = if in_full { self.in_full() } else { self.in_short() };
        let hint = self.hint.as_ref().map(|it| format!("\n  -> {it}")).unwrap_or_default();
        // If even stderr is closed the exit status still tells.
        let _ = writeln!(io::stderr(), "{}gphotosfs: {what}{hint}", log::error_prefix());
    }

    /// Says it, unless nobody listens any more, and gives the exit status.
    fn report(&self, on_failure: Exit, in_full: bool) -> ExitCode {
        if !self.reader_left() {
            self.say(in_full);
        }
        if self.usage { Exit::Usage } else { on_failure }.into()
    }

    /// With all causes.
    fn in_full(&self) -> String {
        append_chain(self.what.clone(), self.source())
    }

    fn in_short(&self) -> String {
        append_ends(self.what.clone(), self.source())
    }

    /// Whether the reader of our output has gone away (`gphotosfs diff A B | head`).
    fn reader_left(&self) -> bool {
        let cause = self.cause.as_deref().and_then(|it| it.downcast_ref::<io::Error>());
        cause.is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_full())?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl Error for CommandError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|it| it as _)
    }
}

/// Writes a command's result to stdout.
///
/// # Errors
/// If it cannot be written. When the reader has left, the program ends without a message.
pub fn print(text: impl AsRef<str>) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_ref().as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| CommandError::new("cannot write the output").because(err))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_line_has_what_causes_and_next_step() {
        #[derive(Debug, thiserror::Error)]
        #[error("the token file is unreadable")]
        struct Outer(#[source] io::Error);

        let inner = io::Error::from_raw_os_error(libc::EACCES);
        let error = CommandError::new("cannot mount /m")
            .because(Outer(inner))
            .hint("run 'gphotosfs login'");
        assert_eq!(
            error.to_string(),
            "cannot mount /m: the token file is unreadable: Permission denied (os error 13); \
             run 'gphotosfs login'"
        );
    }

    #[test]
    fn what_people_read_has_the_cause_and_the_root_and_no_numbers() {
        #[derive(Debug, thiserror::Error)]
        enum Deep {
            #[error("no login service")]
            Top(#[source] Box<Deep>),
            #[error("error sending request")]
            Middle(#[source] io::Error),
        }

        let root = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let cause = Deep::Top(Box::new(Deep::Middle(root)));
        let error = CommandError::new("cannot sync").because(cause);
        assert_eq!(error.in_short(), "cannot sync: no login service: Connection refused");
        assert!(
            error.in_full().contains("error sending request: Connection refused (os error 111)")
        );
        let shallow = CommandError::new("cannot sync").because(io::Error::other("disk full"));
        assert_eq!(shallow.in_short(), "cannot sync: disk full");
        let of_a_program = io::Error::other("fusermount3: no such place\n");
        let error = CommandError::new("cannot mount").because(of_a_program);
        assert_eq!(error.in_short(), "cannot mount: fusermount3: no such place");
    }

    #[test]
    fn words_of_a_cause_are_not_said_twice() {
        let again = io::Error::other("disk full");
        let error = CommandError::new("cannot write: disk full").because(again);
        assert_eq!(error.to_string(), "cannot write: disk full");
    }
}
