//! What `-vv` shows of the kernel's requests: a span around each, and a line with its result and
//! duration.
//!
//! ```text
//! lookup ino=1 name="20190428" → ino 5 (0.12 ms)
//! read fh=3 off=0 len=131072 → 131072 bytes (1.2 ms)
//! ```
//!
//! Below that level, a request only checks the level: it formats nothing and reads no clock.

use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use fuser::{FileHandle, INodeNo};
use tracing::{Level, Span};

use crate::fs::Operation;

/// The target of the spans and lines, for filters.
const TARGET: &str = "gphotosfs::fuse";

/// The object of an operation.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    /// A file or directory.
    Node(INodeNo),
    /// A name in a directory.
    Name(INodeNo, &'a OsStr),
    /// An open file.
    Handle(INodeNo, FileHandle),
}

/// The answer to a request, as the log shows it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// Success, with nothing more to say.
    Done,
    /// A file or directory.
    Node(u64),
    /// Attributes.
    Size(u64),
    /// An open file.
    Handle(u64),
    /// A new open file, and its inode.
    Created(u64, u64),
    /// Bytes read, written, or in an attribute's value.
    Bytes(usize),
    /// Entries of a directory.
    Entries(usize),
    /// A position in a file.
    Offset(i64),
    /// Free blocks.
    Free(u64),
    /// An error number.
    Refused(i32),
    /// The reply was dropped, because its operation panicked or the mount ends.
    Dropped,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("ok"),
            Self::Node(ino) => write!(f, "ino {ino}"),
            Self::Size(size) => write!(f, "size {size}"),
            Self::Handle(fh) => write!(f, "fh {fh}"),
            Self::Created(ino, fh) => write!(f, "ino {ino} fh {fh}"),
            Self::Bytes(count) => write!(f, "{count} bytes"),
            Self::Entries(count) => write!(f, "{count} entries"),
            Self::Offset(offset) => write!(f, "offset {offset}"),
            Self::Free(blocks) => write!(f, "{blocks} blocks free"),
            Self::Refused(errno) => f.write_str(&errno_name(*errno)),
            Self::Dropped => f.write_str("EIO (no answer)"),
        }
    }
}

/// The trace of one request. Writes its line when it is dropped.
pub(super) struct Trace {
    /// Disabled below `-vv`.
    span: Span,
    line: Option<Box<Line>>,
}

struct Line {
    text: String,
    began: Instant,
    answer: Answer,
}

impl Trace {
    pub(super) fn begin(operation: Operation, operand: Operand<'_>) -> Self {
        if !tracing::enabled!(target: TARGET, Level::DEBUG) {
            return Self { span: Span::none(), line: None };
        }
        let op = operation.name();
        let (span, text) = match operand {
            Operand::Node(ino) => (
                tracing::debug_span!(target: TARGET, "fuse", op, ino = ino.0),
                format!("{op} ino={}", ino.0),
            ),
            // Debug escapes what is no plain text, so that no name can fake a line.
            Operand::Name(dir, name) => (
                tracing::debug_span!(target: TARGET, "fuse", op, ino = dir.0, ?name),
                format!("{op} ino={} name={name:?}", dir.0),
            ),
            Operand::Handle(ino, fh) => (
                tracing::debug_span!(target: TARGET, "fuse", op, ino = ino.0, fh = fh.0),
                format!("{op} fh={}", fh.0),
            ),
        };
        let line = Line { text, began: Instant::now(), answer: Answer::Dropped };
        Self { span, line: Some(Box::new(line)) }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Adds arguments to the line.
    pub(super) fn add(&mut self, arguments: fmt::Arguments<'_>) {
        if let Some(line) = &mut self.line {
            // Writing to a string cannot fail.
            let _ = write!(line.text, " {arguments}");
        }
    }

    /// The request has been answered.
    pub(super) fn answered(mut self, answer: Answer) {
        if let Some(line) = &mut self.line {
            line.answer = answer;
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            let Line { text, began, answer } = &**line;
            let took = Millis(began.elapsed());
            // Outside the span: the line says all that the span does.
            tracing::debug!(target: TARGET, parent: None, "{text} → {answer} ({took})");
        }
    }
}

/// A duration with two or more significant digits.
struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1000.0;
        let decimals = match millis {
            ..1.0 => 2,
            ..100.0 => 1,
            _ => 0,
        };
        write!(f, "{millis:.decimals$} ms")
    }
}

/// The symbol of an error number, as strace(1) prints it.
fn errno_name(errno: i32) -> String {
    macro_rules! names {
        ($($name:ident)*) => {
            match errno {
                $(libc::$name => stringify!($name).to_owned(),)*
                other => format!("errno {other}"),
            }
        };
    }
    names!(
        E2BIG EACCES EAGAIN EBADF EBUSY ECONNREFUSED EDQUOT EEXIST EFBIG EHOSTUNREACH EILSEQ EINTR
        EINVAL EIO EISDIR EMEDIUMTYPE EMLINK ENAMETOOLONG ENETUNREACH ENODATA ENOENT ENOMEM ENOSPC
        ENOSYS ENOTCONN ENOTDIR ENOTEMPTY ENXIO EOPNOTSUPP EOVERFLOW EPERM ERANGE EROFS ESTALE
        ETIMEDOUT EXDEV
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_durations_are_short_and_exact() {
        for (answer, text) in [
            (Answer::Node(5), "ino 5"),
            (Answer::Created(7, 3), "ino 7 fh 3"),
            (Answer::Bytes(131_072), "131072 bytes"),
            (Answer::Refused(libc::ENOENT), "ENOENT"),
            (Answer::Refused(4096), "errno 4096"),
        ] {
            assert_eq!(answer.to_string(), text);
        }
        for (micros, text) in
            [(4, "0.00 ms"), (120, "0.12 ms"), (1_240, "1.2 ms"), (300_400, "300 ms")]
        {
            assert_eq!(Millis(Duration::from_micros(micros)).to_string(), text);
        }
    }

    #[test]
    fn a_request_costs_nothing_to_trace_when_nobody_listens() {
        let operand = Operand::Name(INodeNo(1), OsStr::new("a"));
        let mut trace = Trace::begin(Operation::Lookup, operand);
        assert!(trace.line.is_none() && trace.span.is_none());
        struct Unprintable;
        impl fmt::Display for Unprintable {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("formatted for nobody")
            }
        }
        trace.add(format_args!("{Unprintable}"));
    }
}
