//! The names of the zips of an export. They show which zips belong together, and which are missing.

use std::path::Path;

/// How photos of a missing part count.
pub const OF_MISSING_PART: &str = "a photo there that these parts describe is compared by name and capture time, and \
                               any other one counts as not at Google";

/// The name of a zip as Google gives it, `takeout-20261101T120000Z-002`: without its number, the time
/// in it, and the number.
pub fn named(path: &Path) -> Option<(&str, &str, u32)> {
    let (first, number) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let time = first.strip_prefix("takeout-")?.split('-').next()?;
    Some((first, time, number.parse().ok()?))
}
