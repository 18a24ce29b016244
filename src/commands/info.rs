//! `gphotosfs info`: all attributes of a file or directory on a mount.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::diff;
use crate::app::name::{Name, shown};
use crate::app::running::{self, Mount};
use crate::app::{CommandError, json_text, print};
use crate::fs::ATTRIBUTES;
use crate::profile::Profile;
use crate::store::{LocalReason, UploadState};
use crate::upload::NameRules;

/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// The findings as JSON.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    path: Name,
    attributes: BTreeMap<&'a str, &'a str>,
}

/// The state for people: a file that stays on this machine has one word in the attribute, whatever
/// the reason.
fn state_words(mount: &Mount, path: &Path, state: String) -> String {
    if state != UploadState::Temporary.as_str() {
        return state;
    }
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let below = whole.strip_prefix(&mount.root).unwrap_or(&whole);
    let by_size = match path.metadata() {
        Ok(meta) if meta.len() == 0 => LocalReason::Empty,
        _ => LocalReason::Temporary,
    };
    let reason = diff::by_path(below, &NameRules::default()).unwrap_or(by_size);
    format!("{} (stays on this machine)", reason.label())
}

/// The error for a name that is not in its album, because Google has refused the file.
fn refused(path: &Path) -> Option<CommandError> {
    let (dir, name) = (running::directory_of(path)?.canonicalize().ok()?, path.file_name()?);
    let mount = Mount::holding(&dir).ok()?;
    let failed = mount.control("failed").join(dir.strip_prefix(&mount.root).ok()?).join(name);
    let reason = diff::text(&failed, "error").ok()??;
    let error = CommandError::new(format!("{} was refused", Name::from(path)));
    let hint = format!(
        "its bytes are {}; 'gphotosfs failed' lists all such files",
        Name::from(failed.as_path())
    );
    Some(error.because(reason).hint(hint))
}

/// Reads and prints the attributes.
///
/// # Errors
/// If the path does not exist or is not on a mount.
pub fn run(path: &Path, json: bool, profile: &Profile) -> Result<(), CommandError> {
    let mount = Mount::given(path, profile).map_err(|err| refused(path).unwrap_or(err))?;
    let mut found = Vec::new();
    for name in ATTRIBUTES {
        let value = diff::text(path, name).map_err(|err| running::cannot_use(path, err))?;
        found.extend(value.map(|it| (name, it)));
    }
    if json {
        let attributes = found.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let document = Document { version: VERSION, path: path.into(), attributes };
        return print(json_text(&document)?);
    }
    if found.is_empty() {
        return print(format!("{} has no attributes.\n", Name::from(path)));
    }
    let width = found.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in found {
        // Writing to a string does not fail.
        let value = if name == "state" { state_words(&mount, path, value) } else { value };
        let _ = writeln!(text, "{name:width$}  {}", shown(&value));
    }
    print(text)
}
