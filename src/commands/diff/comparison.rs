//! The result of a comparison.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::copies::Candidate;
use super::differences::Difference;
use super::evidence::{Evidence, Sure};
use super::facts::Facts;
use crate::app::Exit;
use crate::app::name::Name;
use crate::store::LocalReason;

/// The result. Each local file is in exactly one group, and so is each name in the album's
/// directory.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// The number of local files.
    pub files_here: usize,
    /// The number of names in the album's directory.
    pub files_in_album: usize,
    /// Same name, and the content does not differ.
    pub same: Same,
    /// The pairs of one name of which some facts do not agree, and those in doubt for other files
    /// of their moment.
    pub doubts: Vec<Doubt>,
    /// Same content under other names. No difference.
    pub renamed: Vec<Renamed>,
    /// Local files with the content of another local file, which the album has. No difference.
    #[serde(rename = "twins_here")]
    pub duplicates_here: Vec<Duplicate>,
    /// Further names of an item in the album's directory. No difference.
    #[serde(rename = "twins_in_album")]
    pub duplicates_in_album: Vec<Duplicate>,
    /// Local files whose content the album does not have.
    pub only_here: Vec<Name>,
    /// Names in the album whose content is not here.
    pub only_in_album: Vec<Name>,
    /// One name, two contents.
    pub different: Vec<Name>,
    /// By which facts the files of `different` differ.
    pub different_by: Vec<Different>,
    /// Items that are the local file of the same name in storage-saver quality, by which facts.
    pub stored_smaller: Vec<Different>,
    /// Files of an export that are copies by Google of other items, or items of their own: the
    /// descriptions are missing.
    pub maybe_copies: Vec<Duplicate>,
    /// Files of an export whose bytes cannot be read, with the reasons.
    pub damaged: Vec<Remark>,
    /// Files that are not at Google yet, with their states.
    pub on_its_way: Vec<Remark>,
    /// Files that Google refused, with the reasons.
    pub failed: Vec<Remark>,
    /// Temporary and empty files, which stay here for now, and empty files of an export. Without a
    /// partner, local ones are in `only_here`.
    #[serde(rename = "scratch")]
    pub temporary: Vec<Remark>,
    /// Sidecars, and files that systems and programs leave. They belong to this machine. No
    /// difference.
    pub kept: Vec<Remark>,
    /// The names of `failed` that would be refused again, whatever Google says.
    #[serde(skip)]
    pub unfit: BTreeSet<Name>,
    /// Why files of `only_here` would not be uploaded.
    pub not_taken: Vec<Remark>,
    /// Local files that could not be read, with the reasons.
    pub unreadable: Vec<Remark>,
    /// Names that count as in the album although Google's list, which may lag, lacks them. No
    /// difference.
    pub unlisted: Vec<Name>,
    /// Names in the album's directory whose bytes look cut off. No difference.
    pub cut_off: Vec<Name>,
    /// RAW and JPEG, or photo and short video, of one moment. For information only.
    pub pairs: Vec<(Name, Name)>,
    /// Whether the other side is a pick that was not listed to its end.
    #[serde(rename = "partial")]
    pub is_partial: bool,
    /// Picked items that have no name at Google. They are compared by their capture times and
    /// dimensions, which are no proof: they count as a difference.
    pub nameless: Vec<Name>,
    /// All pairs in `same` and `renamed`.
    #[serde(skip)]
    pub matches: Vec<Match>,
}

/// A local file and the item that has its content.
#[derive(Clone, Debug)]
pub struct Match {
    /// The local name.
    pub here: PathBuf,
    /// The facts about the local file.
    pub local: Facts,
    /// The name in the album.
    pub album: PathBuf,
    /// The evidence that the content is the same.
    pub evidence: Evidence,
    /// If the item may be a smaller copy, what it takes to know that better.
    pub candidate: Option<Candidate>,
}

/// Same name, and the content does not differ.
#[derive(Debug, Default, Serialize)]
pub struct Same {
    /// How many agree by SHA-256.
    pub identical: usize,
    /// How many of these Google has as a smaller copy, made here.
    pub smaller: usize,
    /// How many `gphotosfs adopt` has matched.
    pub adopted: usize,
    /// How many agree by size and capture time.
    pub almost_certain: usize,
    /// The names that are likely the same.
    pub likely: Vec<Name>,
    /// The names that agree, while the other facts do not decide. They may differ.
    pub unknown: Vec<Name>,
}

/// A pair of one name that is not free of doubt.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Doubt {
    /// The name.
    pub name: Name,
    /// The evidence that the content is the same.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// One content under two names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Renamed {
    /// The local name.
    pub here: Name,
    /// The name in the album.
    pub album: Name,
    /// The evidence that the content is the same.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// A further name of a content that is counted under another name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Duplicate {
    /// Its name.
    pub name: Name,
    /// The name under which the content is counted.
    pub of: Name,
}

/// One name with two contents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Different {
    /// The name.
    pub name: Name,
    /// The facts that contradict each other.
    pub by: Vec<Difference>,
}

impl Duplicate {
    /// A file, and the one whose content it seems to be.
    pub(super) fn of(name: &Path, of: &Path) -> Self {
        Self { name: name.into(), of: of.into() }
    }
}

impl Different {
    /// `other size: 2.1 MB here, 3.4 MB there`
    pub fn facts(&self) -> String {
        let by: Vec<_> = self.by.iter().map(ToString::to_string).collect();
        by.join("; ")
    }
}

/// `a.jpg: other size: 2.1 MB here, 3.4 MB there`
impl fmt::Display for Different {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.facts())
    }
}

/// A name with a remark.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// The path relative to the compared directories.
    pub name: Name,
    /// Whether there is a local file of this name.
    pub here: bool,
    /// Whether the album's directory has this name.
    pub in_album: bool,
    /// Its state or the reason.
    pub why: String,
}

impl Remark {
    /// Whether the remark says that the file stays here because it is empty.
    pub fn is_of_empty_file(&self) -> bool {
        self.why == LocalReason::Empty.words()
    }
}

impl Same {
    pub(super) fn add(&mut self, name: &Path, sure: Sure) {
        match sure {
            Sure::Identical => self.identical += 1,
            Sure::Adopted => self.adopted += 1,
            Sure::AlmostCertain => self.almost_certain += 1,
            Sure::Likely => self.likely.push(name.into()),
            Sure::Unknown => self.unknown.push(name.into()),
        }
    }

    /// The number of pairs that are the same, as far as can be told.
    pub fn count(&self) -> usize {
        self.identical + self.adopted + self.almost_certain + self.likely.len()
    }
}

impl Comparison {
    pub(super) fn sort(&mut self) {
        let Self { same, only_here, only_in_album, different, unlisted, .. } = self;
        let Same { likely, unknown, .. } = same;
        for names in [likely, unknown, only_here, only_in_album, different, unlisted] {
            names.sort();
        }
        let Self { on_its_way, failed, temporary, kept, unreadable, .. } = self;
        for remarks in [on_its_way, failed, temporary, kept, unreadable] {
            remarks.sort();
        }
        self.different_by.sort();
        self.doubts.sort();
        self.renamed.sort();
        self.duplicates_here.sort();
        self.duplicates_in_album.sort();
    }

    /// Whether there is anything that diff(1) would call a difference. A pair about which too
    /// little is known is one: a script must not take the album for complete.
    pub fn differ(&self) -> bool {
        !(!self.is_partial
            && self.nameless.is_empty()
            && self.same.unknown.is_empty()
            && self.only_here.is_empty()
            && self.only_in_album.is_empty()
            && self.different.is_empty()
            && self.stored_smaller.is_empty()
            && self.damaged.is_empty()
            && self.maybe_copies.is_empty()
            && self.on_its_way.is_empty()
            && self.failed.is_empty()
            && self.temporary.is_empty())
    }

    /// The exit status, as of diff(1).
    pub fn exit(&self) -> Exit {
        match (self.unreadable.is_empty() && self.damaged.is_empty(), self.differ()) {
            (false, _) => Exit::Usage,
            (true, true) => Exit::Differ,
            (true, false) => Exit::Done,
        }
    }

    /// The files of `only_here` that are empty.
    pub fn empty_here(&self) -> impl Iterator<Item = &Remark> {
        self.not_taken.iter().filter(|it| it.is_of_empty_file())
    }

    /// `N local = a in the album + b only here`, and the same for the album, on a line of its own.
    /// `place` is in the place of `in the album`.
    pub fn sum(&self, place: &str) -> String {
        let same = self.same.count();
        let (here, there) = (|it: &&Remark| it.here, |it: &&Remark| it.in_album);
        let side = |first: &str,
                    duplicates: &[Duplicate],
                    is_in: &dyn Fn(&&Remark) -> bool,
                    only: usize,
                    where_: &str| {
            let plain = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
            let of = |remarks: &[Remark]| remarks.iter().filter(is_in).count();
            let temporary = self.temporary.iter().filter(is_in);
            let empty = temporary.clone().filter(|it| it.is_of_empty_file()).count();
            let is_here = where_ == "only here";
            let alone = if is_here { self.empty_here().count() } else { 0 };
            let parts = [
                Some(format!("{same} {first}")),
                plain(self.renamed.len(), "under another name"),
                duplicate_words(duplicates),
                plain(self.different.len(), "with other content"),
                plain(self.same.unknown.len(), "unknown"),
                plain(self.stored_smaller.len(), "stored smaller"),
                plain(of(&self.damaged), "damaged in the export"),
                plain(of(&self.on_its_way), "on the way"),
                plain(of(&self.failed), "refused"),
                plain(temporary.count() - empty, "temporary"),
                plain(empty + alone, "empty"),
                plain(of(&self.kept), "only on this machine"),
                plain(of(&self.unreadable), "unreadable here"),
                plain(only - alone, where_),
                plain(if is_here { 0 } else { self.maybe_copies.len() }, "copies or items"),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" + ")
        };
        format!(
            "{} local = {}\n{} {place} = {}",
            self.files_here,
            side(place, &self.duplicates_here, &here, self.only_here.len(), "only here"),
            self.files_in_album,
            side(
                "here",
                &self.duplicates_in_album,
                &there,
                self.only_in_album.len(),
                &format!("only {place}")
            ),
        )
    }
}

/// The number of duplicates, with their names if they are few.
fn duplicate_words(duplicates: &[Duplicate]) -> Option<String> {
    let named = |it: &Duplicate| format!("{} = {}", it.name, it.of);
    match duplicates {
        [] => None,
        [one] => Some(format!("1 duplicate ({})", named(one))),
        [_, _] | [_, _, _] => {
            let all: Vec<_> = duplicates.iter().map(named).collect();
            Some(format!("{} duplicates ({})", duplicates.len(), all.join(", ")))
        }
        _ => Some(format!("{} duplicates", duplicates.len())),
    }
}
