//! Output of a command on stdout. Names and messages in it may come from anywhere, and a terminal
//! must not execute them.

use std::io::{self, Write};

use serde::Serialize;

use super::error::CommandError;
use crate::printable::{escaped_coloured, escaped_json, escaped_lines};

/// Writes a command's result to stdout.
///
/// # Errors
/// If stdout cannot be written to. If its reader has gone, the program ends without a message.
pub fn print(text: impl AsRef<str>) -> Result<(), CommandError> {
    write(&escaped_lines(text.as_ref()))
}

/// As [`print()`], for a text with colours of our own. Foreign text in it must be escaped already.
///
/// # Errors
/// As [`print()`].
pub fn print_coloured(text: impl AsRef<str>) -> Result<(), CommandError> {
    write(&escaped_coloured(text.as_ref()))
}

fn write(text: &str) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|err| CommandError::new("cannot write the output").because(err))
}

/// A command's result as JSON, to print.
///
/// # Errors
/// If it has no JSON.
pub fn json_text(document: &impl Serialize) -> Result<String, CommandError> {
    json_of(serde_json::to_string_pretty(document))
}

/// As [`json_text`], on one line.
///
/// # Errors
/// If it has no JSON.
pub fn json_line(document: &impl Serialize) -> Result<String, CommandError> {
    json_of(serde_json::to_string(document))
}

fn json_of(text: serde_json::Result<String>) -> Result<String, CommandError> {
    let text = text.map_err(|err| CommandError::new("cannot write JSON").because(err))?;
    Ok(escaped_json(&text).into_owned() + "\n")
}
