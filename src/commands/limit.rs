//! `gphotosfs limit`: how many bytes of uploads a second may go while the profile is mounted.

use std::io;

use crate::app::running::Mount;
use crate::app::{CommandError, attributes, print};
use crate::media::{UploadLimit, UploadLimitError};
use crate::profile::Profile;

/// The attribute of the mount's root.
const ATTRIBUTE: &str = "limit_up";

/// Shows the limit, or changes it to the one that `words` are.
///
/// # Errors
/// If the profile is not mounted, or this is no limit.
pub fn run(words: &[String], profile: &Profile) -> Result<(), CommandError> {
    let text = words.join(" ");
    let wanted = (!words.is_empty())
        .then(|| text.parse())
        .transpose()
        .map_err(|error: UploadLimitError| CommandError::usage(error.to_string()))?;
    let mount = Mount::of_profile(profile)?.ok_or_else(|| {
        CommandError::new(format!("the profile {} is not mounted", profile.name())).hint(
            "'gphotosfs mount --limit-up RATE', or limit_up in config.toml, limits a mount from its start",
        )
    })?;
    let failed = |what: &str, error: io::Error| {
        CommandError::new(format!("cannot {what} the limit of uploads")).because(error)
    };
    let root = mount.root.as_path();
    if let Some(limit) = wanted {
        let limit: UploadLimit = limit;
        attributes::set(root, ATTRIBUTE, limit.to_string().as_bytes())
            .map_err(|error| failed("change", error))?;
    }
    let limit = attributes::get(root, ATTRIBUTE).map_err(|error| failed("read", error))?;
    print(format!("{}\n", String::from_utf8_lossy(&limit.unwrap_or_default())))
}
