//! Which files differ, decided from what is known about both sides. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::evidence::{Evidence, Facts, Sure, Taken, classify};
use super::pairs::pairs;
use crate::app::name::Name;
use crate::media::ContentHash;

/// What the files of one side are called, relative to the directory that is compared.
pub type Files<T> = BTreeMap<PathBuf, T>;

/// A file in the album's directory.
#[derive(Clone, Debug)]
pub struct AlbumFile {
    /// How far it has got.
    pub stage: Stage,
    /// What it can be compared by.
    pub facts: Facts,
    /// The item's id at Google; two names of one item have the same.
    pub id: Option<String>,
    /// The album's list at Google lacks it; since when it should be there.
    pub unlisted: Option<Timestamp>,
}

/// How far a file in the album's directory has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An item in the album.
    Committed,
    /// Going there, in this state.
    OnItsWay(String),
    /// Has a name that tools use for half-written files.
    Temporary,
    /// Refused for good, for this reason.
    Failed(String),
}

/// Both sides.
#[derive(Debug, Default)]
pub struct Sides {
    /// Local files.
    pub here: Files<Facts>,
    /// Local files that could not be read: why.
    pub unreadable: Files<String>,
    /// Files in the album's directory.
    pub there: Files<AlbumFile>,
    /// What Google refused of it: why.
    pub refused: Files<String>,
}

/// The result. Every local file is in exactly one group, and so is every name in the album's directory.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// Local files.
    pub files_here: usize,
    /// Names in the album's directory.
    pub files_in_album: usize,
    /// Same name, same content.
    pub same: Same,
    /// Same content under other names. No difference.
    pub renamed: Vec<Renamed>,
    /// Local files that have the content of another local file, which the album has. No difference.
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
    /// Not at Google yet, and how far.
    pub on_its_way: Vec<Remark>,
    /// Refused by Google for good, and why.
    pub failed: Vec<Remark>,
    /// Never uploaded while they are called so.
    #[serde(rename = "scratch")]
    pub temporary: Vec<Remark>,
    /// Local files that could not be read, and why.
    pub unreadable: Vec<Remark>,
    /// Names that count as in the album although Google's list of it, which may be late, lacks them. No difference.
    pub unlisted: Vec<Name>,
    /// RAW and JPEG, or photo and short video, of one moment. For information only.
    pub pairs: Vec<(Name, Name)>,
    /// All that `same` and `renamed` count.
    #[serde(skip)]
    pub matches: Vec<Match>,
}

/// A local file and the item that has its content.
#[derive(Clone, Debug)]
pub struct Match {
    /// The local name.
    pub here: PathBuf,
    /// What is known of the local file.
    pub local: Facts,
    /// The name in the album.
    pub album: PathBuf,
    /// That it is the same content.
    pub evidence: Evidence,
}

/// Same name, same content.
#[derive(Debug, Default, Serialize)]
pub struct Same {
    /// By SHA-256: how many.
    pub identical: usize,
    /// Taken for the same by `gphotosfs adopt`: how many.
    pub adopted: usize,
    /// By capture time, dimensions and size: how many.
    pub almost_certain: usize,
    /// By some of capture time, dimensions and size.
    pub likely: Vec<Name>,
    /// By name only.
    pub unknown: Vec<Name>,
}

/// One content under two names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Renamed {
    /// The local name.
    pub here: Name,
    /// The name in the album.
    pub album: Name,
    /// That it is the same content.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// A second name of what has been counted already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Duplicate {
    /// Its name.
    pub name: Name,
    /// The name under which it has been counted.
    pub of: Name,
}

/// A name and what there is to say about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    /// Relative to the directories compared.
    pub name: Name,
    /// There is a local file of this name.
    pub here: bool,
    /// The album's directory has this name.
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

    /// All of them.
    pub fn count(&self) -> usize {
        self.identical + self.adopted + self.almost_certain + self.likely.len() + self.unknown.len()
    }
}

/// The album's names of which the size would tell something: there is a local file of that name, or one that may be
/// the same under another. Google has to be asked for a size, and may keep one waiting.
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
        // What has not arrived there counts as that on the album's side.
        let there = sides.there.get(name).is_some_and(|it| it.stage == Stage::Committed);
        work.result.unreadable.push(remark(name, true, there, why));
    }
    let mut left_here = Vec::new();
    // Of several names of one content the shortest counts as its own: copies are called `x (1)` or `x copy`.
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
    // Refused, and neither here nor in the album under this name: the bytes are in failed/ only.
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

/// What has been found out. An album is one directory: bytes in another one do not count.
#[derive(Default)]
struct Work<'a> {
    result: Comparison,
    /// Local content that the album has, and under which name it was counted.
    counted_here: BTreeMap<(Option<&'a Path>, ContentHash), &'a Path>,
    counted_items: BTreeMap<(Option<&'a Path>, &'a str), &'a Path>,
    counted_there: BTreeMap<(Option<&'a Path>, ContentHash), &'a Path>,
}

impl<'a> Work<'a> {
    /// Files a name that the album's directory has.
    fn one_name(&mut self, name: &'a Path, local: Option<&'a Facts>, remote: &'a AlbumFile) {
        let here = local.is_some();
        let verdict =
            local.map_or(Some(Evidence::of(Sure::Unknown)), |local| classify(local, &remote.facts));
        match (&remote.stage, verdict) {
            (Stage::Failed(why), _) => self.result.failed.push(remark(name, here, true, why)),
            // Still being written: nothing can be said about its content.
            (Stage::OnItsWay(state), Some(_)) => {
                self.result.on_its_way.push(remark(name, here, true, state));
            }
            (Stage::Temporary, Some(_)) => {
                let why = match remote.facts.size {
                    Some(0) => "empty",
                    _ => "half-written by its name",
                };
                self.result.temporary.push(remark(name, here, true, why));
            }
            (_, None) => self.result.different.push(name.into()),
            (Stage::Committed, Some(evidence)) => match local {
                // Cannot be read here; counted on the album's side by `in_album`.
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

    /// Files a name of an item that has been counted under another name.
    fn is_duplicate_in_album(&mut self, name: &'a Path, remote: &'a AlbumFile) -> bool {
        let by_id =
            remote.id.as_deref().and_then(|id| self.counted_items.get(&(name.parent(), id)));
        let by_hash = || self.counted_there.get(&(name.parent(), remote.facts.known()?));
        let Some(of) = by_id.or_else(by_hash).copied() else { return false };
        self.result.duplicates_in_album.push(Duplicate { name: name.into(), of: of.into() });
        true
    }

    /// Files a local file whose content the album has under another name.
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

    /// Finds pictures that were renamed by when they were taken, where only one of each side can be meant.
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
            // Without the name the size must do: pictures taken in one second are of one camera and one format.
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

/// What two pictures of one kind, taken at the same time, have in common.
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
                plain(of(&self.temporary), "half-written"),
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

/// A few duplicates are named at once.
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
