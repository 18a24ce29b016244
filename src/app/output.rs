//! Output of a command on stdout.

use std::io::{self, Write};

use super::error::CommandError;

/// Writes a command's result to stdout.
///
/// # Errors
/// If stdout cannot be written to. If its reader has gone, the program ends without a message.
pub fn print(text: impl AsRef<str>) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_ref().as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| CommandError::new("cannot write the output").because(err))
}
