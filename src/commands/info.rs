//! `gphotosfs info`: all attributes of a file or directory on a mount.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::diff;
use crate::app::name::{Name, shown};
use crate::app::running::{self, Mount};
use crate::app::{CommandError, print};
use crate::fs::ATTRIBUTES;

/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// The findings as JSON.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    path: Name,
    attributes: BTreeMap<&'a str, &'a str>,
}

/// Reads and prints the attributes.
///
/// # Errors
/// If the path does not exist or is not on a mount.
pub fn run(path: &Path, json: bool) -> Result<(), CommandError> {
    Mount::given(path)?;
    let mut found = Vec::new();
    for name in ATTRIBUTES {
        let value = diff::text(path, name).map_err(|err| running::cannot_use(path, err))?;
        found.extend(value.map(|it| (name, it)));
    }
    if json {
        let attributes = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let document = Document { version: VERSION, path: path.into(), attributes };
        let text = serde_json::to_string_pretty(&document)
            .map_err(|err| CommandError::new("cannot write the attributes as JSON").because(err))?;
        return print(text + "\n");
    }
    if found.is_empty() {
        return print(format!("{} has no attributes.\n", Name::from(path)));
    }
    let width = found.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in found {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:width$}  {}", shown(&value));
    }
    print(text)
}
