//! The other side of a comparison from a Google Takeout export, without network, login or mount.

mod album;
mod contents;
mod document;
mod elsewhere;
mod ends;
mod export;
mod folder;
mod item;
mod namesakes;
mod naming;
mod opened;
mod part;
mod report;
mod unfinished;
mod zip_name;
mod zipped;

use std::path::{Path, PathBuf};

pub use self::part::is_export;

use self::album::Album;
use self::export::Export;
use super::compare::compare;
use super::comparison::{Comparison, Duplicate, Remark};
use super::fates;
use super::hashes::Hashes;
use super::local::{self, Local};
use super::sides::Sides;
use super::{metadata, smaller};
use crate::app::{CommandError, Exit, print_coloured, tell};
use crate::profile::Profile;

/// The arguments.
#[derive(Debug)]
pub struct Options<'a> {
    /// A directory on this machine.
    pub local: &'a Path,
    /// The parts of the export.
    pub export: &'a [PathBuf],
    /// The title of the album. Without it, the albums are listed.
    pub album: Option<&'a str>,
    /// Print JSON.
    pub json: bool,
    /// Also name the files that are likely the same.
    pub in_full: bool,
}

/// Compares a local directory with an album of an export, or lists the albums.
///
/// # Errors
/// If a part cannot be read, or there is no such album.
pub fn run(options: &Options<'_>, profile: &Profile) -> Result<Exit, CommandError> {
    let unfinished = unfinished::beside(options.export);
    if !unfinished.is_empty() {
        tell(unfinished::warning(&unfinished));
    }
    let mut export = Export::open(options.export)?;
    export.lacks_download = !unfinished.is_empty();
    let parts: Vec<_> = export.parts.iter().map(|it| it.path()).collect();
    export::oddities(&parts, export.missing())
        .iter()
        .for_each(|it| tell(format!("gphotosfs: {it}")));
    let Some(title) = options.album else {
        print_coloured(match options.json {
            true => report::albums_json(&export, options.export)?,
            false => report::albums_text(&export),
        })?;
        return Ok(if report::damaged(&export).is_empty() { Exit::Done } else { Exit::Usage });
    };
    let chosen = export.choose(title)?;
    let here = local::read(options.local, &Hashes::load(profile.cache_dir().ok()))?;
    let mut album = album::read(&mut export, &chosen, (options.local, &here.files))?;
    let result = comparison(options.local, here, &mut album);
    print_coloured(match options.json {
        true => report::json((options.local, options.export, title), &result, &album)?,
        false => report::text(&result, &album, options.in_full),
    })?;
    Ok(result.exit())
}

fn comparison(root: &Path, here: Local, album: &mut Album) -> Comparison {
    let Local { files, unreadable } = here;
    let there = std::mem::take(&mut album.files);
    let mut sides = Sides { here: files, unreadable, there, ..Sides::default() };
    if !album.missing.is_empty() {
        let wanted = super::compare::facts_wanted(&sides.here, &sides.there);
        metadata::add_facts(root, &mut sides.here, &wanted);
    }
    let mut result = compare(&sides);
    add_damaged(album, &mut result);
    result.maybe_copies = album.unsure.iter().map(|(name, of)| Duplicate::of(name, of)).collect();
    result.files_in_album += album.unsure.len();
    find_smaller(root, &mut sides, &mut result);
    fates::explain(root, &sides.rules, &mut result);
    result
}

/// Gives damaged files of the album a group of their own. Nothing is known about their content.
fn add_damaged(album: &Album, result: &mut Comparison) {
    for (name, why) in &album.damaged {
        let name = name.as_path().into();
        let before = result.only_here.len();
        result.only_here.retain(|it| *it != name);
        let here = result.only_here.len() < before;
        result.files_in_album += 1;
        result.damaged.push(Remark { name, here, in_album: true, why: why.clone() });
    }
    // A description is no file of the album, so no sum counts it.
    let papers = album.damaged_papers.iter().map(|(name, why)| Remark {
        name: name.as_path().into(),
        here: false,
        in_album: false,
        why: why.clone(),
    });
    result.damaged.extend(papers);
}

/// Finds the items that are the local file in storage-saver quality.
fn find_smaller(root: &Path, sides: &mut Sides, result: &mut Comparison) {
    let different = result.different.iter().map(|it| it.path().to_owned()).collect();
    metadata::add_facts(root, &mut sides.here, &different);
    smaller::find(sides, result);
}

#[cfg(test)]
mod tests;
