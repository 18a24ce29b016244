//! Downloads that have not ended, beside the parts of an export.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::zip_name::{OF_MISSING_PART, named};
use crate::app::name::shown;

/// The endings that browsers append to the name of a file while they download it.
const ENDINGS: [&str; 5] = ["crdownload", "download", "opdownload", "part", "partial"];

/// So many downloads are named.
const NAMED_MAX: usize = 5;

/// The downloads of zips in the directories among these parts, and those of one export with a zip
/// among them.
pub fn beside(parts: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for part in parts {
        if part.is_dir() {
            found.extend(entries(part).filter(|it| is_of_zip(it)));
        } else if let Some((_, time, _)) = named(part) {
            let dir = part.parent().filter(|it| !it.as_os_str().is_empty());
            let first = format!("takeout-{time}-");
            let is_of_export = |it: &PathBuf| {
                let name = it.file_name().unwrap_or_default();
                name.to_string_lossy().starts_with(&first)
            };
            let all = entries(dir.unwrap_or(Path::new(".")));
            found.extend(all.filter(|it| is_of_zip(it) && is_of_export(it)));
        }
    }
    found
}

/// The paths in a directory. If it cannot be listed, the parts in it say so.
fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let listed = std::fs::read_dir(dir).into_iter().flatten();
    listed.filter_map(Result::ok).map(|it| it.path())
}

/// Whether a name is that of a zip that is being downloaded. Browsers may put letters of their own
/// behind the zip's name, or hide it.
pub fn is_of_zip(path: &Path) -> bool {
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_zip = name.ends_with(".zip") || name.contains(".zip.");
    let is_hidden = name.starts_with("takeout-") || name.starts_with("unconfirmed ");
    ENDINGS.contains(&extension.to_ascii_lowercase().as_str()) && (is_zip || is_hidden)
}

/// The warning that names them.
pub fn warning(found: &BTreeSet<PathBuf>) -> String {
    let names = found.iter().map(|it| it.file_name().unwrap_or_default().to_string_lossy());
    let mut named: Vec<_> = names.take(NAMED_MAX).map(|it| shown(&it)).collect();
    if found.len() > NAMED_MAX {
        named.push(format!("and {} more", found.len() - NAMED_MAX));
    }
    let (is, until) = match found.len() {
        1 => ("a download that has not ended is", "it has"),
        _ => ("downloads that have not ended are", "they have"),
    };
    format!(
        "gphotosfs: {is} left out: {}; {OF_MISSING_PART}\n  -> wait until {until}, then run this command again",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_have_the_names_that_browsers_give_them() {
        for name in [
            "takeout-20261101T120000Z-002.zip.crdownload",
            "takeout-20261101T120000Z-002.zip.part",
            "takeout-20261101T120000Z-002.Xy1_z.zip.part",
            "takeout-20261101T120000Z-002.zip.Xy1_z.part",
            "takeout-20261101T120000Z-002.zip.partial",
            "takeout-20261101T120000Z-002.zip.download",
            "TAKEOUT-20261101T120000Z-002.ZIP.OPDOWNLOAD",
            "Unconfirmed 123456.crdownload",
        ] {
            assert!(is_of_zip(Path::new(name)), "{name}");
        }
        for name in ["takeout-20261101T120000Z-002.zip", "IMG_1.jpg.part", "part", "x.zip.txt"] {
            assert!(!is_of_zip(Path::new(name)), "{name}");
        }
    }
}
