//! Messages on stderr. Names in them may come from anywhere, and a terminal or a log must not
//! execute them.

use std::io::{self, Write};

use crate::printable::escaped_lines;

/// Writes a message to stderr. If stderr is closed, the exit status still shows a failure.
pub fn tell(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", escaped_lines(text.as_ref()));
}
