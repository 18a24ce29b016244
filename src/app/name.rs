//! File names in output. They may have any bytes, and a terminal would execute some as commands.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::printable::escaped;

/// A file's name. Text output escapes characters that a terminal would execute or hide. JSON output has a string, or an object
/// `{"base64": …, "shown": …}` for a name that is not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(PathBuf);

impl Name {
    /// The name itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Escapes characters that a terminal would execute or hide.
pub fn shown(text: &str) -> String {
    escaped(text).into_owned()
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0.to_string_lossy()))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.0.to_str() {
            return to.serialize_str(text);
        }
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("base64", &STANDARD.encode(self.0.as_os_str().as_bytes()))?;
        map.serialize_entry("shown", &self.to_string())?;
        map.end()
    }
}
