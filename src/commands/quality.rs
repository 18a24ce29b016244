//! `gphotosfs quality`: in which quality the photos of a directory are uploaded.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::app::name::Name;
use crate::app::running::Mount;
use crate::app::{CommandError, attributes, print};
use crate::media::{Quality, QualityError};

/// The attribute of a directory.
const ATTRIBUTE: &str = "quality";
/// The word for the quality of the directory above.
const INHERIT: &str = "inherit";

/// Shows the quality of a directory, or changes it. `words` are the new one, if there is one, and
/// the directory.
///
/// # Errors
/// If the directory is not on a mount, or the quality cannot be used.
pub fn run(words: &[OsString]) -> Result<(), CommandError> {
    let (value, dir) = match words {
        [dir] => (None, dir),
        [value, dir, ..] => (Some(value.to_string_lossy().into_owned()), dir),
        [] => return Err(CommandError::usage("no directory is named")),
    };
    let dir = Path::new(dir);
    Mount::holding(dir)?;
    if !dir.is_dir() {
        return Err(CommandError::new(format!("{} is no directory", Name::from(dir))));
    }
    let failed = |what: &str, error: io::Error| {
        CommandError::new(format!("cannot {what} the quality of {}", Name::from(dir)))
            .because(error)
    };
    match value.as_deref() {
        Some(INHERIT) => {
            attributes::remove(dir, ATTRIBUTE).map_err(|error| failed("change", error))?;
        }
        Some(value) => {
            let quality: Quality = value.parse().map_err(|error: QualityError| {
                CommandError::usage(format!("{value:?} is no quality")).because(error)
            })?;
            attributes::set(dir, ATTRIBUTE, quality.to_string().as_bytes())
                .map_err(|error| failed("change", error))?;
        }
        None => {}
    }
    let value = attributes::get(dir, ATTRIBUTE).map_err(|error| failed("read", error))?;
    print(format!("{}\n", String::from_utf8_lossy(&value.unwrap_or_default())))
}
