//! `gphotosfs adopt`: matches an album's items to local files, so that nothing is uploaded twice.
//! It is for a new machine, or a lost state directory.
//!
//! A match is an assumption. If a program copies the same bytes in again, the mount uses the
//! matched item and uploads nothing. If the item is another picture, Google does not have the
//! bytes. So only pairs of [`Sure::AlmostCertain`] are adopted unless the user asks for more. The
//! mount keeps adopted hashes apart from those of files that it has uploaded.

mod confirm;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use console::Style;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;

use super::diff;
use super::diff::{
    Comparison, Different, Duplicate, Evidence, Match, Remark, STAYS, Sure, group, only_here,
};
use crate::app::name::Name;
use crate::app::{
    CommandError, Exit, attributes, json_text, picked, print, print_coloured, running,
};
use crate::profile::Profile;

/// The arguments.
#[derive(Debug)]
pub struct Options {
    /// A directory on this machine.
    pub local: PathBuf,
    /// The album's directory on a mount.
    pub album: PathBuf,
    /// How sure it must be that an item is the local file.
    pub min: Min,
    /// Print which items would be adopted, and change nothing.
    pub dry_run: bool,
    /// Print the outcome as JSON.
    pub json: bool,
}

/// How sure a match must be to be adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Min {
    /// Size and capture time agree, and nothing contradicts.
    AlmostCertain,
    /// Another picture would be a coincidence. Videos are at most likely.
    Likely,
}

impl Min {
    fn sure(self) -> Sure {
        match self {
            Self::AlmostCertain => Sure::AlmostCertain,
            Self::Likely => Sure::Likely,
        }
    }
}

/// The outcome. Each local file is in one of these groups.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    version: u32,
    dry_run: bool,
    files_here: usize,
    /// Matched before, by hash or by an earlier adoption.
    known: usize,
    adopted: Vec<Adopted>,
    /// Local files with the content of another one that is adopted or known.
    #[serde(rename = "twins")]
    duplicates: Vec<Duplicate>,
    /// Matches that are not sure enough.
    unsure: Vec<Adopted>,
    different: Vec<Name>,
    /// By which facts they differ.
    different_by: Vec<Different>,
    /// On its way to Google, or refused.
    unfinished: Vec<Name>,
    /// Temporary and empty files, which stay here for now.
    #[serde(rename = "scratch")]
    temporary: Vec<Name>,
    /// Sidecars, and files that systems and programs leave. They belong to this machine.
    kept: Vec<Name>,
    unreadable: Vec<Name>,
    only_here: Vec<Name>,
    /// How many of `temporary` are empty.
    #[serde(skip)]
    empty: usize,
    /// The lines about `only_here`, with the reasons why files would not be uploaded.
    #[serde(skip)]
    only_here_lines: Vec<String>,
}

/// A local file and the name that its item had in the album.
#[derive(Debug, Serialize)]
struct Adopted {
    here: Name,
    album: Name,
    #[serde(flatten)]
    evidence: Evidence,
}

impl From<&Match> for Adopted {
    fn from(it: &Match) -> Self {
        Self {
            here: it.here.as_path().into(),
            album: it.album.as_path().into(),
            evidence: it.evidence.clone(),
        }
    }
}

/// The version of the JSON's layout. Added fields do not change it.
const VERSION: u32 = 1;

/// Compares, adopts and prints. Returns whether local files are left unmatched.
///
/// # Errors
/// If one side cannot be read, or the mount refuses a match.
pub fn run(options: &Options, profile: &Profile) -> Result<Exit, CommandError> {
    let mount = diff::check(&options.local, &options.album, profile)?;
    if picked::is_in(&mount, &options.album) {
        let what =
            format!("{} is a pick, whose items are not this program's", options.album.display());
        return Err(CommandError::usage(what).hint("adopt takes the directory of an album"));
    }
    let mut found = diff::comparison(&mount, &options.local, &options.album, profile)?;
    confirm::copies(&mut found.matches, &options.local);
    let outcome = adopt(options, &found)?;
    if options.json {
        print(json_text(&outcome)?)?;
    } else {
        print_coloured(outcome.text())?;
    }
    Ok(match (outcome.unreadable.is_empty(), outcome.left()) {
        (false, _) => Exit::Usage,
        (true, 0) => Exit::Done,
        (true, _) => Exit::Differ,
    })
}

fn adopt(options: &Options, found: &Comparison) -> Result<Outcome, CommandError> {
    let here = |it: &&Remark| it.here;
    let name = |it: &Remark| it.name.clone();
    let unfinished = [&found.on_its_way, &found.failed].into_iter().flatten();
    let temporary = found.temporary.iter().filter(here);
    let mut outcome = Outcome {
        version: VERSION,
        dry_run: options.dry_run,
        files_here: found.files_here,
        different: found.different.clone(),
        different_by: found.different_by.clone(),
        unfinished: unfinished.filter(here).map(name).collect(),
        empty: temporary.clone().filter(|it| it.is_of_empty_file()).count(),
        temporary: temporary.map(name).collect(),
        kept: found.kept.iter().filter(here).map(name).collect(),
        unreadable: found.unreadable.iter().map(name).collect(),
        only_here: found.only_here.clone(),
        only_here_lines: found.only_here.iter().map(|it| only_here(found, it)).collect(),
        ..Outcome::default()
    };
    for pair in &found.matches {
        if pair.evidence.sure >= Sure::Adopted {
            outcome.known += 1;
        } else if pair.evidence.sure >= options.min.sure() {
            if !options.dry_run {
                adopt_item(options, pair)?;
            }
            outcome.adopted.push(pair.into());
        } else {
            outcome.unsure.push(pair.into());
        }
    }
    for duplicate in &found.duplicates_here {
        let unsure = outcome.unsure.iter().find(|it| it.here == duplicate.of);
        if let Some(Adopted { album, evidence, .. }) = unsure {
            let (here, album) = (duplicate.name.clone(), album.clone());
            let duplicate = Adopted { here, album, evidence: evidence.clone() };
            outcome.unsure.push(duplicate);
            continue;
        }
        if !options.dry_run {
            link(&options.album, duplicate)?;
        }
        outcome.duplicates.push(duplicate.clone());
    }
    Ok(outcome)
}

/// Matches an item to a local file on the mount, and gives it the local name.
fn adopt_item(options: &Options, pair: &Match) -> Result<(), CommandError> {
    let (local, item) = (options.local.join(&pair.here), options.album.join(&pair.album));
    let (Some(hash), Some(size)) = (pair.local.hash, pair.local.size) else { return Ok(()) };
    let meta = local.metadata().map_err(|err| {
        CommandError::new(format!("cannot read {}", local.display())).because(err)
    })?;
    let mtime_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let value = format!("{hash} {size} {mtime_ns}");
    match attributes::set(&item, "adopted", value.as_bytes()) {
        Ok(()) => {}
        Err(err) => {
            let error = CommandError::new(format!("cannot adopt {}", item.display())).because(err);
            return Err(error.hint("the items adopted so far stay; run this command again"));
        }
    }
    if pair.here == pair.album {
        return Ok(());
    }
    match renameat_with(CWD, &item, CWD, options.album.join(&pair.here), RenameFlags::NOREPLACE) {
        // Another program has just made a file of this name, which may stay.
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(err) => Err(running::cannot_use(&item, err.into())),
    }
}

/// Links the item of a local duplicate under the duplicate's name too.
fn link(album: &Path, duplicate: &Duplicate) -> Result<(), CommandError> {
    let name = album.join(duplicate.name.path());
    match std::fs::hard_link(album.join(duplicate.of.path()), &name) {
        Ok(()) => Ok(()),
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(err) => Err(running::cannot_use(&name, err)),
    }
}

impl Outcome {
    /// How many local files are not matched.
    fn left(&self) -> usize {
        let Self { unsure, different, unfinished, temporary, only_here, .. } = self;
        unsure.len() + different.len() + unfinished.len() + temporary.len() + only_here.len()
    }

    fn text(&self) -> String {
        let (good, odd, bad) = (Style::new().dim(), Style::new().yellow(), Style::new().red());
        let what = if self.dry_run { "to adopt" } else { "adopted" };
        let further = if self.duplicates.len() == 1 { "further name" } else { "further names" };
        let parts = [
            (self.known, "known before"),
            (self.duplicates.len(), further),
            (self.unsure.len(), "not sure enough"),
            (self.different.len(), "with other content"),
            (self.unfinished.len(), "on the way or refused"),
            (self.temporary.len() - self.empty, "temporary"),
            (self.empty, "empty"),
            (self.kept.len(), "only on this machine"),
            (self.unreadable.len(), "unreadable here"),
            (self.only_here.len(), "only here"),
        ];
        let mut sum = format!("{} local = {} {what}", self.files_here, self.adopted.len());
        for (count, what) in parts.into_iter().filter(|it| it.0 > 0) {
            sum.push_str(&format!(" + {count} {what}"));
        }
        let mut out = Style::new().bold().apply_to(sum).to_string() + "\n";
        let pair = |it: &Adopted| match it.here == it.album {
            true => format!("{}{}", it.here, it.evidence),
            false => format!("{} (was {}){}", it.here, it.album, it.evidence),
        };
        let names = |names: &[Name]| names.iter().map(ToString::to_string).collect();
        // The other groups list the names alone.
        let notable = |it: &&Adopted| it.evidence.sure < Sure::AlmostCertain || it.here != it.album;
        let notable = self.adopted.iter().filter(notable).map(pair).collect();
        let title = if self.dry_run { "To adopt, among others" } else { "Adopted, among others" };
        group(&mut out, title, &good, notable);
        let duplicates =
            self.duplicates.iter().map(|it| format!("{} = {}", it.name, it.of)).collect();
        group(&mut out, "Further names of the same content", &good, duplicates);
        let title = "Not sure enough ('--min likely' adopts likely matches)";
        group(&mut out, title, &odd, self.unsure.iter().map(pair).collect());
        let different = self.different_by.iter().map(ToString::to_string).collect();
        group(&mut out, "Same name, other content", &bad, different);
        group(&mut out, "On the way to Google or refused", &odd, names(&self.unfinished));
        group(&mut out, STAYS, &odd, names(&self.temporary));
        let title = "Only on this machine, never uploaded (no difference)";
        group(&mut out, title, &good, names(&self.kept));
        group(&mut out, "Cannot be read here", &bad, names(&self.unreadable));
        let title = "Only here ('gphotosfs diff --copy' says how to complete the album)";
        group(&mut out, title, &bad, self.only_here_lines.clone());
        out
    }
}
