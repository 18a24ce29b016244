//! A comparison as text, the sum first, then each group that is not empty; and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use console::Style;
use serde::Serialize;

use super::comparison::{Comparison, Duplicate, Remark};
use super::evidence::Sure;
use crate::app::name::Name;
use crate::printable::escaped;

/// The version of the JSON's layout. Added fields do not change it.
pub const VERSION: u32 = 1;

/// The heading of files that count as in the album although Google's list lacks them. After
/// `store::GRACE`, the list decides.
pub const UNLISTED: &str =
    "Not in Google's list of the album, which may lag (run this again in ten minutes)";

/// The heading of refused files that Google Photos takes under no circumstances.
const UNFIT: &str =
    "Refused, and 'gphotosfs retry' does not help: Google Photos takes no such files";

/// The heading of items in storage-saver quality.
const SMALLER: &str =
    "Stored smaller: same name, capture time and shape, as in storage-saver quality";

/// The heading of files of which only a missing description would say what they are.
const MAYBE_COPIES: &str =
    "Copies by Google, or items of the album: no part here has their descriptions";

/// The heading of temporary and empty files.
pub const STAYS: &str = "Stays here until it has another name or content";

/// The heading of files of an export without bytes.
const EMPTY: &str = "Empty in the export, so no photo";

/// The comparison as text. Coloured on a terminal, unless `NO_COLOR` is set. Files that are the same
/// are counted; `in_full` also names those of which no hash says so.
pub fn text(source: Source, it: &Comparison, in_full: bool) -> String {
    let place = source.place();
    let (bad, odd, good) = (Style::new().red(), Style::new().yellow(), Style::new().dim());
    let mut out = Style::new().bold().apply_to(it.sum(place)).to_string() + "\n";
    for (count, how) in [
        (it.same.adopted, "by 'gphotosfs adopt', not by hash"),
        (it.same.almost_certain, "almost certainly: by name, size and capture time, not by hash"),
        (it.same.likely.len(), "likely, not by hash: -v says by which facts"),
    ] {
        if count > 0 {
            // Writing into a string cannot fail.
            let _ = writeln!(out, "({count} of them {how})");
        }
    }
    if it.same.smaller > 0 {
        let _ = writeln!(out, "({} of them stored smaller, by '--quality saver')", it.same.smaller);
    }
    if !it.unlisted.is_empty() {
        let _ = writeln!(out, "({} of them not in Google's list of the album)", it.unlisted.len());
    }
    if !it.nameless.is_empty() {
        let _ = writeln!(
            out,
            "({} of the picked have no name at Google: compared by capture time and dimensions, no proof, so \
             the exit status is 1)",
            it.nameless.len()
        );
    }
    let mut group = |title: &str, style, lines| group(&mut out, title, style, lines);
    let empty: BTreeSet<_> = it.empty_here().map(|it| &it.name).collect();
    let only = it.only_here.iter().filter(|name| !empty.contains(name));
    group("Only here", &bad, only.map(|name| only_here(it, name)).collect());
    group(
        &format!("Only {place}"),
        &bad,
        it.only_in_album.iter().map(|name| only_there(it, name)).collect(),
    );
    let different = it.different_by.iter().map(ToString::to_string);
    group("Same name, other content", &bad, different.collect());
    let title = "Same name; it is not known whether the content is the same";
    group(title, &odd, same_names(it, Sure::Unknown));
    let smaller = it.stored_smaller.iter().map(ToString::to_string);
    group(SMALLER, &odd, smaller.collect());
    let maybe = it.maybe_copies.iter().map(|it| format!("{} of {}", it.name, it.of));
    group(MAYBE_COPIES, &odd, maybe.collect());
    group("Damaged in the export", &bad, remarks(&it.damaged));
    group("Still on its way ('gphotosfs sync' waits for it)", &odd, remarks(&it.on_its_way));
    let (unfit, refused): (Vec<_>, Vec<_>) =
        it.failed.iter().partition(|remark| it.unfit.contains(&remark.name));
    group("Refused ('gphotosfs retry' tries again)", &bad, remarks(refused));
    group(UNFIT, &bad, remarks(unfit));
    let (in_export, here): (Vec<_>, Vec<_>) =
        it.temporary.iter().partition(|it| source == Source::Takeout && it.in_album);
    group(EMPTY, &bad, remarks(in_export));
    let mut stays = remarks(here.into_iter().chain(it.empty_here()));
    stays.sort();
    group(STAYS, &odd, stays);
    group("Cannot be read here", &bad, remarks(&it.unreadable));
    group(UNLISTED, &odd, names(&it.unlisted));
    group("Looks cut off (the copy in the album)", &odd, names(&it.cut_off));
    group("Only on this machine, never uploaded (no difference)", &good, remarks(&it.kept));
    let renamed = it
        .renamed
        .iter()
        .map(|it| format!("{} here = {} {place}{}", it.here, it.album, it.evidence));
    group("Same content under another name (no difference)", &good, renamed.collect());
    let mut duplicates: Vec<_> =
        it.duplicates_here.iter().chain(&it.duplicates_in_album).map(duplicate).collect();
    duplicates.sort();
    duplicates.dedup();
    group("Same content under several names (no difference)", &good, duplicates);
    if in_full {
        let title = "Almost certainly the same content, but its hash is not known";
        group(title, &good, same_names(it, Sure::AlmostCertain));
        let title = "Likely the same content, but its hash is not known";
        group(title, &good, same_names(it, Sure::Likely));
    }
    out
}

/// Writes a heading and its lines, if there are any.
pub fn group(out: &mut String, title: &str, style: &Style, lines: Vec<String>) {
    if !lines.is_empty() {
        let _ = writeln!(out, "\n{}", style.apply_to(format!("{title}:")));
        lines.iter().for_each(|line| out.push_str(&format!("  {}\n", escaped(line))));
    }
}

/// A name with its pair, and the reason why the file would not be uploaded.
pub fn only_here(it: &Comparison, name: &Name) -> String {
    let line = with_pair(it, name);
    match it.not_taken.iter().find(|remark| remark.name == *name) {
        Some(remark) => format!("{line}: {}", remark.why),
        None => line,
    }
}

/// A name with its pair, and why it may nevertheless be one of the local files.
fn only_there(it: &Comparison, name: &Name) -> String {
    let line = with_pair(it, name);
    match it.nameless.contains(name) {
        true => {
            format!("{line}: no name at Google, and no one file here has its time and dimensions")
        }
        false => line,
    }
}

fn with_pair(it: &Comparison, name: &Name) -> String {
    let other = it.pairs.iter().find_map(|(a, b)| match () {
        () if a == name => Some(b),
        () if b == name => Some(a),
        () => None,
    });
    other.map_or_else(|| name.to_string(), |other| format!("{name} (pair of {other})"))
}

fn names(names: &[Name]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// The files of one name that are as sure as this, with the evidence.
fn same_names(it: &Comparison, sure: Sure) -> Vec<String> {
    let found = it.matches.iter().filter(|it| it.here == it.album && it.evidence.sure == sure);
    let mut lines: Vec<_> = found.map(|it| (Name::from(it.here.as_path()), &it.evidence)).collect();
    lines.sort();
    lines.iter().map(|(name, evidence)| format!("{name}{evidence}")).collect()
}

fn remarks<'a>(remarks: impl IntoIterator<Item = &'a Remark>) -> Vec<String> {
    remarks.into_iter().map(|it| format!("{}: {}", it.name, it.why)).collect()
}

fn duplicate(it: &Duplicate) -> String {
    format!("{} = {}", it.name, it.of)
}

/// Where the other side of a comparison comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The directory of an album on a mount.
    Album,
    /// A directory of items that the user has picked.
    Pick,
    /// An album of a Google Takeout export.
    Takeout,
}

impl Source {
    /// Where an item of the other side is.
    fn place(self) -> &'static str {
        match self {
            Self::Album | Self::Takeout => "in the album",
            Self::Pick => "picked",
        }
    }
}

/// The limit of an answer about a pick.
pub const OF_PICK: &str = "\
This speaks of what was picked: a photo of the album that was not ticked counts as only here. Does Google show the \
same number of items for the album as were picked?
";

/// The comparison as JSON.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    version: u32,
    source: Source,
    here: Name,
    album: Name,
    differ: bool,
    #[serde(flatten)]
    result: &'a Comparison,
}

impl<'a> Document<'a> {
    /// Of a local directory, and the directory or the title of an album.
    pub fn new(source: Source, here: &Path, album: &Path, result: &'a Comparison) -> Self {
        let (here, album) = (here.into(), album.into());
        Self { version: VERSION, source, here, album, differ: result.differ(), result }
    }
}
