//! How a command ends: its exit status, and one line with the reason of a failure.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use super::log;
use super::tell::tell;
use crate::error_chain::{append_chain, append_ends};
use crate::printable::escaped;

/// The outcome of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded; `diff`: no differences.
    Done,
    /// `diff` found differences, `adopt` left files unmatched, `verify` found a worse item.
    Differ,
    /// The command failed. The reason is on stderr.
    Failed,
    /// The arguments or the configuration file have an error; `diff`, `adopt` and `verify`: any
    /// failure, as in diff(1).
    Usage,
    /// A mount in the foreground failed, and fails again until a person acts. Service managers should
    /// not start it again: it is `EX_CONFIG` of sysexits.h.
    NeedsPerson,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Differ | Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NeedsPerson => 78,
        })
    }
}

/// The reason why a command failed, and the user's next step.
#[derive(Debug)]
pub struct CommandError {
    what: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    explanation: Option<&'static str>,
    usage: bool,
    needs_person: bool,
}

impl CommandError {
    /// `what` names the failed operation, without a full stop.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cause: None,
            hint: None,
            explanation: None,
            usage: false,
            needs_person: false,
        }
    }

    /// As [`CommandError::new`], for bad arguments: exit status 2.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(what) }
    }

    /// Adds the cause, with its own chain of causes.
    #[must_use]
    pub fn because(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(self, next: impl Into<String>) -> Self {
        Self { hint: Some(next.into()), ..self }
    }

    /// The operation fails again until a person acts.
    #[must_use]
    pub fn for_a_person(self) -> Self {
        Self { needs_person: true, ..self }
    }

    /// Whether the operation fails again until a person acts.
    pub fn needs_person(&self) -> bool {
        self.needs_person
    }

    /// Adds paragraphs below the lines of the error.
    #[must_use]
    pub fn explain(self, paragraphs: &'static str) -> Self {
        Self { explanation: Some(paragraphs), ..self }
    }

    /// The next step, if there is one.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Prints a line with the failure and one with the next step. `in_full` shows all causes.
    pub fn say(&self, in_full: bool) {
        let what = if in_full { self.in_full() } else { self.in_short() };
        tell(format!("{}{}", log::error_prefix(), self.lines(&what)));
    }

    /// Names and foreign messages in it must not begin a line of their own.
    fn lines(&self, what: &str) -> String {
        let hint = self.hint.as_ref().map(|it| format!("\n  -> {}", escaped(it)));
        let explanation = self.explanation.map(|it| format!("\n\n{it}"));
        let (hint, explanation) = (hint.unwrap_or_default(), explanation.unwrap_or_default());
        format!("gphotosfs: {}{hint}{explanation}", escaped(what.trim_end()))
    }

    /// Prints the error, unless the reader of stdout has gone, and returns the exit status.
    pub fn report(&self, on_failure: Exit, in_full: bool) -> ExitCode {
        if !self.reader_left() {
            self.say(in_full);
        }
        if self.usage { Exit::Usage } else { on_failure }.into()
    }

    /// The failure, and the next step, without a break of the line.
    pub fn in_one_line(&self) -> String {
        let hint = self.hint.as_ref().map(|it| format!("; {it}")).unwrap_or_default();
        format!("{}{hint}", self.in_short())
    }

    /// With all causes.
    fn in_full(&self) -> String {
        append_chain(self.what.clone(), self.source())
    }

    fn in_short(&self) -> String {
        append_ends(self.what.clone(), self.source())
    }

    /// Whether the reader of stdout has gone (`gphotosfs diff A B | head`).
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
    fn names_and_foreign_messages_stay_on_their_line() {
        let cause = io::Error::other("no \x1b[2J\n<0>such \u{202e}thing\n");
        let error = CommandError::new("cannot use /a\nb").because(cause).hint("look at /a\nb");
        let error = error.explain("One.\nTwo.");
        assert_eq!(
            error.lines(&error.in_short()),
            "gphotosfs: cannot use /a\\nb: no \\u{1b}[2J\\n<0>such \\u{202e}thing\n  \
             -> look at /a\\nb\n\nOne.\nTwo."
        );
    }

    #[test]
    fn words_of_a_cause_are_not_said_twice() {
        let again = io::Error::other("disk full");
        let error = CommandError::new("cannot write: disk full").because(again);
        assert_eq!(error.to_string(), "cannot write: disk full");
    }
}
