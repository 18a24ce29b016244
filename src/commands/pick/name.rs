//! Names of picks. Each is a directory's name, and the title of the album that `diff --copy` fills.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::app::CommandError;
use crate::media::EntryName;
use crate::upload::NameRules;

/// The name of a pick that is to be made, unless it is made for trouble.
pub(super) fn for_new_pick(name: &OsStr) -> Result<EntryName, CommandError> {
    let entry = of_pick(name)?;
    let text = entry.to_text();
    let why = match () {
        () if text.chars().any(char::is_control) => {
            "it has control characters, such as a line break"
        }
        () if text.trim() != text => "it begins or ends with a space",
        () if text.starts_with('.') => "files that begin with a dot are hidden",
        () if NameRules::default().of_dir(&entry).is_some() => {
            "a directory of this name stays on this machine, so it could not become an album"
        }
        () => return Ok(entry),
    };
    Err(cannot(name).because(why))
}

/// The name of a pick that there may be. As for an album, it has to be text.
pub(super) fn of_pick(name: &OsStr) -> Result<EntryName, CommandError> {
    if name.to_str().is_none() {
        return Err(cannot(name).because("the name is not UTF-8"));
    }
    if name.is_empty() {
        return Err(CommandError::usage("a pick needs a name").hint(HINT));
    }
    EntryName::new(name.as_bytes().to_vec()).map_err(|err| cannot(name).because(err))
}

const HINT: &str = "use a name as for a directory, for example the album's title without '/'";

fn cannot(name: &OsStr) -> CommandError {
    let what = format!("a pick cannot be called '{}'", Path::new(name).display());
    CommandError::usage(what).hint(HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_picks_have_plain_names_and_old_ones_can_be_forgotten() {
        for name in ["Trip 2019", "Ausflug", "é", "a.b", "-x", "20190428"] {
            assert!(for_new_pick(OsStr::new(name)).is_ok(), "{name}");
        }
        for (name, why) in [
            ("a\nb", "line break"),
            ("a\u{1b}[2J", "control characters"),
            (" a", "space"),
            ("a\u{a0}", "space"),
            (".a", "dot"),
            ("Trip.part", "stays on this machine"),
            ("@eaDir", "stays on this machine"),
        ] {
            let said = for_new_pick(OsStr::new(name)).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
            assert!(of_pick(OsStr::new(name)).is_ok(), "{name:?}");
        }
        for name in ["", ".", "..", "a/b"] {
            assert!(of_pick(OsStr::new(name)).is_err(), "{name:?}");
        }
        let said = of_pick(OsStr::new("")).unwrap_err().to_string();
        assert!(said.starts_with("a pick needs a name"), "{said}");
        assert!(of_pick(OsStr::from_bytes(b"\xff")).is_err());
    }
}
