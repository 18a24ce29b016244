//! Why a file is not at Google, or would not get there: it stays on this machine, or is refused.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::comparison::{Comparison, Remark};
use crate::app::name::Name;
use crate::media::EntryName;
use crate::store::LocalReason;
use crate::upload::{self, CopyOutcome, NameRules};

/// Why a file stays on the machine, if its name or that of a directory above it says so.
pub fn by_name(path: &Path, rules: &NameRules) -> Option<LocalReason> {
    let (name, dirs) = names(path)?;
    let above = dirs.iter().find_map(|it| rules.of_dir(it));
    above.or_else(|| rules.of_file(&name))
}

/// Finds out why the files that are only here would not be uploaded.
pub fn explain(here: &Path, rules: &NameRules, result: &mut Comparison) {
    let found = result.only_here.iter().filter_map(|name| {
        let why = not_taken(here, name.path(), rules)?;
        Some(Remark { name: name.clone(), here: true, in_album: false, why })
    });
    result.not_taken = found.collect();
}

/// Finds out which of the refused files Google Photos takes under no circumstances.
pub fn find_unfit(failed: &Path, rules: &NameRules, result: &mut Comparison) {
    let is_unfit = |name: &&Name| is_unfit(&failed.join(name.path()), name.path(), rules);
    let refused = result.failed.iter().map(|it| &it.name);
    result.unfit = refused.filter(is_unfit).cloned().collect();
}

/// Whether the file with these bytes would be refused under this name before anything is sent.
pub fn is_unfit(bytes: &Path, name: &Path, rules: &NameRules) -> bool {
    let found = names(name).zip(File::open(bytes).ok());
    let Some(((name, dirs), opened)) = found else { return false };
    let outcome = upload::would_upload(opened, &dirs, &name, rules);
    matches!(outcome, Ok(CopyOutcome::Refused(_)))
}

/// Whether Google would get the file if it were copied into an album.
pub fn is_taken(here: &Path, file: &Path, rules: &NameRules) -> bool {
    not_taken(here, file, rules).is_none()
}

fn not_taken(here: &Path, file: &Path, rules: &NameRules) -> Option<String> {
    let Some((name, dirs)) = names(file) else {
        return Some("its name cannot be used".to_owned());
    };
    let is_local = dirs.iter().any(|it| rules.of_dir(it).is_some());
    if !is_local && dirs.iter().any(|it| std::str::from_utf8(it.as_bytes()).is_err()) {
        let why = "the name of its directory is not UTF-8, so it cannot be an album's title";
        return Some(why.to_owned());
    }
    // If the file cannot be read, cp will report that.
    let opened = File::open(here.join(file)).ok()?;
    match upload::would_upload(opened, &dirs, &name, rules).ok()? {
        CopyOutcome::Uploaded => None,
        CopyOutcome::StaysHere(reason) => Some(reason.words().to_owned()),
        CopyOutcome::Refused(why) => Some(why),
    }
}

/// Why a file on a mount stays here, if its name or that of a directory above it says so. `path` lies
/// below the mountpoint.
pub fn by_path(path: &Path, rules: &NameRules) -> Option<LocalReason> {
    let (name, dirs) = names(path)?;
    rules.of_path(&dirs, &name)
}

/// The name of a file, and those of the directories above it.
fn names(path: &Path) -> Option<(EntryName, Vec<EntryName>)> {
    let names: Result<Vec<_>, _> = path.iter().map(|it| EntryName::new(it.as_bytes())).collect();
    let mut names = names.ok()?;
    let name = names.pop()?;
    Some((name, names))
}
