//! Decides from the facts about both sides which files differ. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::evidence::{Evidence, Facts, Sure, Taken, classify};
use super::pairs::pairs;
use crate::app::name::Name;
use crate::media::ContentHash;

/// The files of one side, by their paths relative to the compared directory.
pub type Files<T> = BTreeMap<PathBuf, T>;

/// A file in the album's directory.
#[derive(Clone, Debug)]
pub struct AlbumFile {
    /// The stage of its upload.
    pub stage: Stage,
    /// The facts to compare it by.
    pub facts: Facts,
    /// The item's id at Google. Two names of one item have the same id.
    pub id: Option<String>,
    /// If Google's list of the album lacks it: since when it should be there.
    pub unlisted: Option<Timestamp>,
}

/// The stage of a file in the album's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An item in the album.
    Committed,
    /// Being uploaded, in this state.
    OnItsWay(String),
    /// A temporary file, which stays here.
    Temporary,
    /// Refused by Google for this reason.
    Failed(String),
}

/// Both sides.
#[derive(Debug, Default)]
pub struct Sides {
    /// Local files.
    pub here: Files<Facts>,
    /// Local files that could not be read, with the reasons.
    pub unreadable: Files<String>,
    /// Files in the album's directory.
    pub there: Files<AlbumFile>,
    /// The album's files that Google refused, with the reasons.
    pub refused: Files<String>,
}

/// The result. Each local file is in exactly one group, and so is each name in the album's
/// directory.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// The number of local files.
    pub files_here: usize,
    /// The number of names in the album's directory.
    pub files_in_album: usize,
    /// Same name, same content.
    pub same: Same,
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
    /// Files that are not at Google yet, with their states.
    pub on_its_way: Vec<Remark>,
    /// Files that Google refused, with the reasons.
    pub failed: Vec<Remark>,
    /// Temporary files, which stay here.
    #[serde(rename = "scratch")]
    pub temporary: Vec<Remark>,
    /// Local files that could not be read, with the reasons.
    pub unreadable: Vec<Remark>,
    /// Names that count as in the album although Google's list, which may lag, lacks them. No
    /// difference.
    pub unlisted: Vec<Name>,
    /// RAW and JPEG, or photo and short video, of one moment. For information only.
    pub pairs: Vec<(Name, Name)>,
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
}

/// Same name, same content.
#[derive(Debug, Default, Serialize)]
pub struct Same {
    /// How many agree by SHA-256.
    pub identical: usize,
    /// How many `gphotosfs adopt` has matched.
    pub adopted: usize,
    /// How many agree by capture time, dimensions and size.
    pub almost_certain: usize,
    /// The names that agree by some of these.
    pub likely: Vec<Name>,
    /// The names that agree by name only.
    pub unknown: Vec<Name>,
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

impl Same {
    fn add(&mut self, name: &Path, sure: Sure) {
        match sure {
            Sure::Identical => self.identical += 1,
            Sure::Adopted => self.adopted += 1,
            Sure::AlmostCertain => self.almost_certain += 1,
            Sure::Likely => self.likely.push(name.into()),
            Sure::Unknown => self.unknown.push(name.into()),
        }
    }

    /// The number of all pairs.
    pub fn count(&self) -> usize {
        self.identical + self.adopted + self.almost_certain + self.likely.len() + self.unknown.len()
    }
}

/// The album's names whose sizes would add evidence: there is a local file of that name, or one
/// that may be the same under another name. Each size takes a request.
pub fn sizes_wanted(here: &Files<Facts>, there: &Files<AlbumFile>) -> Vec<PathBuf> {
    let moments: BTreeSet<_> = here.iter().filter_map(|(name, it)| moment(name, it)).collect();
    let wanted = there.iter().filter(|(name, it)| {
        let unknown = it.stage == Stage::Committed && it.facts.known().is_none();
        let same_moment = || moment(name, &it.facts).is_some_and(|it| moments.contains(&it));
        unknown && (here.contains_key(*name) || same_moment())
    });
    wanted.map(|(name, _)| name.clone()).collect()
}

/// Compares two directory trees.
pub fn compare(sides: &Sides) -> Comparison {
    let mut work = Work::default();
    work.result.files_here = sides.here.len() + sides.unreadable.len();
    work.result.files_in_album = sides.there.len();
    for (name, why) in &sides.unreadable {
        // A file that is still being uploaded has its own group on the album's side.
        let there = sides.there.get(name).is_some_and(|it| it.stage == Stage::Committed);
        work.result.unreadable.push(remark(name, true, there, why));
    }
    let mut left_here = Vec::new();
    // The shortest of several names of one content is counted as its own, because copies have names
    // like `x (1)` or `x copy`.
    let mut here: Vec<_> = sides.here.iter().collect();
    here.sort_by_key(|(name, _)| name.as_os_str().len());
    for (name, local) in here {
        match (sides.there.get(name), sides.refused.get(name)) {
            (Some(remote), _) => work.one_name(name, Some(local), remote),
            (None, Some(why)) => work.result.failed.push(remark(name, true, false, why)),
            (None, None) => left_here.push((name, local)),
        }
    }
    let mut left_there = BTreeMap::new();
    for (name, remote) in &sides.there {
        if sides.here.contains_key(name) {
        } else if sides.unreadable.contains_key(name) || remote.stage != Stage::Committed {
            work.one_name(name, None, remote);
        } else {
            left_there.insert(name, remote);
        }
    }
    left_here.retain(|(name, local)| !work.same_content(name, local, &mut left_there));
    work.same_moment(&mut left_here, &mut left_there);
    for (name, remote) in left_there {
        if !work.is_duplicate_in_album(name, remote) {
            work.result.only_in_album.push(name.as_path().into());
        }
    }
    work.result.only_here = left_here.into_iter().map(|(name, _)| name.as_path().into()).collect();
    // The other refused files are neither here nor in the album: their bytes are in failed/ only.
    for (name, why) in &sides.refused {
        if !sides.here.contains_key(name) && !sides.there.contains_key(name) {
            work.result.failed.push(remark(name, false, false, why));
        }
    }
    let unlisted = sides.there.iter().filter(|(_, it)| it.unlisted.is_some());
    work.result.unlisted = unlisted.map(|(name, _)| name.as_path().into()).collect();
    work.result.pairs = pairs(sides.here.keys().chain(sides.there.keys()));
    work.result.sort();
    work.result
}

fn remark(name: &Path, here: bool, in_album: bool, why: &str) -> Remark {
    Remark { name: name.into(), here, in_album, why: why.to_owned() }
}

/// The comparison so far. Each directory is an album of its own, so content in another directory
/// does not count.
#[derive(Default)]
struct Work<'a> {
    result: Comparison,
    /// Local content that the album has, with the name under which it is counted.
    counted_here: BTreeMap<(Option<&'a Path>, ContentHash), &'a Path>,
    counted_items: BTreeMap<(Option<&'a Path>, &'a str), &'a Path>,
    counted_there: BTreeMap<(Option<&'a Path>, ContentHash), &'a Path>,
}

impl<'a> Work<'a> {
    /// Puts a name that the album's directory has into its group.
    fn one_name(&mut self, name: &'a Path, local: Option<&'a Facts>, remote: &'a AlbumFile) {
        let here = local.is_some();
        let verdict =
            local.map_or(Some(Evidence::of(Sure::Unknown)), |local| classify(local, &remote.facts));
        match (&remote.stage, verdict) {
            (Stage::Failed(why), _) => self.result.failed.push(remark(name, here, true, why)),
            // It may still be written to, so its content does not matter.
            (Stage::OnItsWay(state), Some(_)) => {
                self.result.on_its_way.push(remark(name, here, true, state));
            }
            (Stage::Temporary, Some(_)) => {
                let why = match remote.facts.size {
                    Some(0) => "empty",
                    _ => "its name marks it as temporary",
                };
                self.result.temporary.push(remark(name, here, true, why));
            }
            (_, None) => self.result.different.push(name.into()),
            (Stage::Committed, Some(evidence)) => match local {
                // The local file cannot be read. Its remark has `in_album` set.
                None => {}
                Some(local) => {
                    let first =
                        local.hash.and_then(|hash| self.counted_here.get(&(name.parent(), hash)));
                    let duplicate =
                        first.copied().filter(|_| self.is_duplicate_in_album(name, remote));
                    if let Some(of) = duplicate {
                        self.result
                            .duplicates_here
                            .push(Duplicate { name: name.into(), of: of.into() });
                    } else {
                        self.result.same.add(name, evidence.sure);
                        self.count((name, local), (name, remote), evidence);
                    }
                }
            },
        }
    }

    fn count(
        &mut self,
        (here, local): (&'a Path, &Facts),
        (there, remote): (&'a Path, &'a AlbumFile),
        evidence: Evidence,
    ) {
        let (album, local_facts) = (there.to_owned(), local.clone());
        let found = Match { here: here.to_owned(), local: local_facts, album, evidence };
        self.result.matches.push(found);
        if let Some(hash) = local.hash {
            self.counted_here.entry((here.parent(), hash)).or_insert(here);
        }
        if let Some(hash) = remote.facts.known() {
            self.counted_there.entry((there.parent(), hash)).or_insert(there);
        }
        if let Some(id) = &remote.id {
            self.counted_items.entry((there.parent(), id)).or_insert(there);
        }
    }

    /// Groups a name as a further name if its item is counted under another name.
    fn is_duplicate_in_album(&mut self, name: &'a Path, remote: &'a AlbumFile) -> bool {
        let by_id =
            remote.id.as_deref().and_then(|id| self.counted_items.get(&(name.parent(), id)));
        let by_hash = || self.counted_there.get(&(name.parent(), remote.facts.known()?));
        let Some(of) = by_id.or_else(by_hash).copied() else { return false };
        self.result.duplicates_in_album.push(Duplicate { name: name.into(), of: of.into() });
        true
    }

    /// Groups a local file if the album has its content under another name.
    fn same_content(
        &mut self,
        name: &'a Path,
        local: &'a Facts,
        left: &mut BTreeMap<&'a PathBuf, &'a AlbumFile>,
    ) -> bool {
        let Some(hash) = local.hash else { return false };
        if let Some(of) = self.counted_here.get(&(name.parent(), hash)) {
            self.result.duplicates_here.push(Duplicate { name: name.into(), of: (*of).into() });
            return true;
        }
        let found = left
            .iter()
            .find(|(there, it)| it.facts.known() == Some(hash) && there.parent() == name.parent())
            .map(|(there, it)| (*there, *it));
        let Some((there, remote)) = found else { return false };
        left.remove(there);
        let evidence = classify(local, &remote.facts).unwrap_or(Evidence::of(Sure::Adopted));
        self.renamed(name, local, there, remote, evidence);
        true
    }

    fn renamed(
        &mut self,
        here: &'a Path,
        local: &Facts,
        there: &'a Path,
        remote: &'a AlbumFile,
        evidence: Evidence,
    ) {
        self.result.renamed.push(Renamed { here: here.into(), album: there.into(), evidence });
        self.count((here, local), (there, remote), evidence);
    }

    /// Finds renamed pictures by capture time, if only one file of each side has that time.
    fn same_moment(
        &mut self,
        here: &mut Vec<(&'a PathBuf, &'a Facts)>,
        there: &mut BTreeMap<&'a PathBuf, &'a AlbumFile>,
    ) {
        let mut locals: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (name, local) in here.iter() {
            if let Some(key) = moment(name, local) {
                locals.entry(key).or_default().insert(*name);
            }
        }
        let mut remotes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, remote) in there.iter().filter(|(_, it)| it.facts.known().is_none()) {
            if let Some(key) = moment(name, &remote.facts) {
                remotes.entry(key).or_default().push(*name);
            }
        }
        here.retain(|(name, local)| {
            let Some(key) = moment(name, local) else { return true };
            let alone = locals.get(&key).is_some_and(|it| it.len() == 1);
            let (true, Some(&[found])) = (alone, remotes.get(&key).map(Vec::as_slice)) else {
                return true;
            };
            let Some(remote) = there.get(found).copied() else { return true };
            let Some(evidence) = classify(local, &remote.facts) else { return true };
            there.remove(found);
            // The names differ, so only an equal size makes it more than likely: pictures of one
            // second mostly have the same camera and format.
            let sized = local.size == remote.facts.size;
            self.renamed(
                name,
                local,
                found,
                remote,
                if sized { evidence } else { evidence.at_most(Sure::Likely) },
            );
            false
        });
    }
}

/// Directory, kind of file, seconds, and the shorter and the longer side in pixels.
type Moment<'a> = (Option<&'a Path>, String, i64, (u32, u32));

/// The key by which two pictures of one format and one capture time agree.
fn moment<'a>(name: &'a Path, facts: &Facts) -> Option<Moment<'a>> {
    let Taken { seconds, .. } = facts.taken?;
    let (width, height) = facts.dimensions?;
    let kind = name.extension()?.to_str()?.to_ascii_lowercase().replace("jpeg", "jpg");
    Some((name.parent(), kind, seconds, (width.min(height), width.max(height))))
}

impl Comparison {
    fn sort(&mut self) {
        let Self { same, only_here, only_in_album, different, unlisted, .. } = self;
        let Same { likely, unknown, .. } = same;
        for names in [likely, unknown, only_here, only_in_album, different, unlisted] {
            names.sort();
        }
        let Self { on_its_way, failed, temporary, unreadable, .. } = self;
        for remarks in [on_its_way, failed, temporary, unreadable] {
            remarks.sort();
        }
        self.renamed.sort();
        self.duplicates_here.sort();
        self.duplicates_in_album.sort();
    }

    /// Whether there is anything that diff(1) would call a difference.
    pub fn differ(&self) -> bool {
        !(self.only_here.is_empty()
            && self.only_in_album.is_empty()
            && self.different.is_empty()
            && self.on_its_way.is_empty()
            && self.failed.is_empty()
            && self.temporary.is_empty())
    }

    /// `N local = a in the album + b only here`, and the same for the album, on a line of its own.
    pub fn sum(&self) -> String {
        let same = self.same.count();
        let here = |of: &[Remark]| of.iter().filter(|it| it.here).count();
        let there = |of: &[Remark]| of.iter().filter(|it| it.in_album).count();
        let side = |first: &str,
                    duplicates: &[Duplicate],
                    of: &dyn Fn(&[Remark]) -> usize,
                    only: usize,
                    where_: &str| {
            let plain = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
            let parts = [
                Some(format!("{same} {first}")),
                plain(self.renamed.len(), "under another name"),
                duplicate_words(duplicates),
                plain(self.different.len(), "with other content"),
                plain(of(&self.on_its_way), "on the way"),
                plain(of(&self.failed), "refused"),
                plain(of(&self.temporary), "temporary"),
                plain(of(&self.unreadable), "unreadable here"),
                plain(only, where_),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" + ")
        };
        format!(
            "{} local = {}\n{} in the album = {}",
            self.files_here,
            side("in the album", &self.duplicates_here, &here, self.only_here.len(), "only here"),
            self.files_in_album,
            side(
                "here",
                &self.duplicates_in_album,
                &there,
                self.only_in_album.len(),
                "only in the album"
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

#[cfg(test)]
mod tests;
