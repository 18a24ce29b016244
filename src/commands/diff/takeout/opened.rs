//! Files in the parts of an export.

use std::io::{self, Read};

/// A file in a part.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its number in the part.
    pub number: usize,
    /// Where it lies, with `/` between folders.
    pub path: &'a str,
    /// Its size in bytes, as far as the part says.
    pub size: u64,
}

/// A file in a part, open, or why it cannot be read.
pub type Opened<'a> = Result<&'a mut dyn Read, String>;

/// Why a file in a part cannot be read, in words.
pub fn reason(err: &io::Error) -> String {
    match err.raw_os_error() {
        Some(_) => format!("it cannot be read: {err}"),
        // The library's words speak of its inner parts.
        None => "its bytes are damaged".to_owned(),
    }
}
