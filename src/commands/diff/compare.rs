//! Decides from the facts about both sides which files differ. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::comparison::{Comparison, Different, Doubt, Duplicate, Match, Remark, Renamed};
use super::copies::Candidate;
use super::differences::differences;
use super::evidence::{Evidence, Sure, classify};
use super::facts::Facts;
use super::neighbours::Neighbours;
use super::pairs::pairs;
use super::sides::{AlbumFile, Files, Sides, Stage};
use super::{apart, copies, fates, namesakes, renames};
use crate::media::ContentHash;
use crate::store::LocalReason;
use crate::upload::NameRules;

/// The local names whose metadata would add evidence: the album's item of that name is known by no
/// hash, or it has no file of that name and an unknown one that may be the same.
pub fn facts_wanted(here: &Files<Facts>, there: &Files<AlbumFile>) -> BTreeSet<PathBuf> {
    let unknown = AlbumFile::has_unknown_content;
    let apart = apart(here, there);
    let is_stranger = |name: &PathBuf| !here.contains_key(name) || apart.contains(name);
    let strangers = there.iter().any(|(name, it)| unknown(it) && is_stranger(name));
    let own = |name: &&PathBuf| there.get(*name).filter(|_| !apart.contains(name));
    here.keys().filter(|name| own(name).map_or(strangers, unknown)).cloned().collect()
}

/// The album's names whose sizes would add evidence: there is a local file of that name, or the only
/// one that may be the same under another name. Each size takes a request.
pub fn sizes_wanted(here: &Files<Facts>, there: &Files<AlbumFile>) -> Vec<PathBuf> {
    let (named, left) = there
        .iter()
        .filter(|(_, it)| it.has_unknown_picture())
        .partition::<Vec<_>, _>(|(name, _)| here.get(*name).is_some_and(|it| !it.is_empty()));
    // The album has their content under a name of its own.
    let in_album = there.iter().filter_map(|(name, it)| {
        let here = here.get(name).and_then(|it| it.hash);
        Some((name.parent(), it.facts.known().or(here)?))
    });
    let in_album: BTreeSet<_> = in_album.collect();
    let left_here = here.iter().filter(|(name, it)| {
        let content = it.hash.map(|hash| (name.parent(), hash));
        !there.contains_key(*name) && !content.is_some_and(|it| in_album.contains(&it))
    });
    let left = left.into_iter().map(|(name, it)| (name, &it.facts));
    let renamed = renames::of_one_moment(left_here, left).into_values();
    named.into_iter().map(|it| it.0).chain(renamed).cloned().collect()
}

/// The names whose two files are not one another.
fn apart<'a>(here: &'a Files<Facts>, there: &'a Files<AlbumFile>) -> BTreeSet<&'a PathBuf> {
    let items = there.iter().filter(|(_, it)| it.stage == Stage::Committed);
    let mut found = apart::found(here, &items.map(|(name, it)| (name, it.facts.known())).collect());
    let empty = here.iter().filter(|(_, it)| it.is_empty()).map(|it| it.0);
    found.extend(empty.filter(|name| there.get(*name).is_some_and(is_not_empty)));
    found
}

/// Whether an empty local file cannot be this file of its name. Files that stay on this machine are
/// compared by their sizes.
fn is_not_empty(it: &AlbumFile) -> bool {
    it.stage != Stage::Temporary && !it.is_empty()
}

/// Compares two directory trees.
pub fn compare(sides: &Sides) -> Comparison {
    let neighbours = Neighbours::new(&sides.here, &sides.there);
    let mut work = Work { rules: sides.rules.clone(), neighbours, ..Work::default() };
    work.result.files_here = sides.here.len() + sides.unreadable.len();
    work.result.files_in_album = sides.there.len();
    for (name, why) in &sides.unreadable {
        // A file that is still being uploaded has its own group on the album's side.
        let there = sides.there.get(name).is_some_and(|it| it.stage == Stage::Committed);
        work.result.unreadable.push(remark(name, true, there, why));
    }
    // An item whose local file cannot be read may be that file, and counts as such.
    let is_open = |name, it: &AlbumFile| {
        it.has_unknown_content() && !sides.unreadable.contains_key::<PathBuf>(name)
    };
    let unknown = sides.there.iter().filter(|(name, it)| is_open(*name, it));
    let items = unknown.map(|(name, it)| (name, it.filename.as_deref(), &it.facts));
    let apart = apart(&sides.here, &sides.there);
    let found = namesakes::found(&sides.here, items).into_iter();
    let namesakes = found.filter(|it| !apart.contains(it.0)).filter_map(|(name, found)| {
        let (there, evidence) = found;
        let (local, remote) = (sides.here.get(name)?, sides.there.get(there)?);
        let evidence = work.neighbours.weigh(evidence, (name, local), (there, remote));
        (evidence.sure >= Sure::Likely).then_some((name, (there, evidence)))
    });
    let namesakes: BTreeMap<_, _> = namesakes.collect();
    let taken: BTreeSet<_> = namesakes.values().map(|it| it.0).collect();
    let mut left_here = Vec::new();
    // The shortest of several names of one content is counted as its own, because copies have names
    // like `x (1)` or `x copy`.
    let mut here: Vec<_> = sides.here.iter().collect();
    here.sort_by_key(|(name, _)| name.as_os_str().len());
    for (name, local) in here {
        if let Some((there, evidence)) = namesakes.get(name)
            && let Some(remote) = sides.there.get(*there)
        {
            work.renamed(name, local, there, remote, evidence.clone());
            continue;
        }
        let is_own = !taken.contains(name) && !apart.contains(name);
        let there = sides.there.get(name).filter(|_| is_own);
        match (there, sides.refused.get(name)) {
            (Some(remote), _) => work.one_name(name, Some(local), remote),
            (None, Some(why)) => work.result.failed.push(remark(name, true, false, why)),
            (None, None) => left_here.push((name, local)),
        }
    }
    let mut left_there = BTreeMap::new();
    for (name, remote) in &sides.there {
        let is_own = !namesakes.contains_key(name) && !apart.contains(name);
        let has_own = sides.here.contains_key(name) && is_own;
        if has_own || taken.contains(name) {
        } else if sides.unreadable.contains_key(name) || remote.stage != Stage::Committed {
            work.one_name(name, None, remote);
        } else {
            left_there.insert(name, remote);
        }
    }
    left_here.retain(|(name, local)| !work.same_content(name, local, &mut left_there));
    work.same_moment(&mut left_here, &mut left_there);
    for (name, remote) in left_there {
        if remote.is_empty() {
            work.result.temporary.push(remark(name, false, true, LocalReason::Empty.words()));
        } else if !work.is_duplicate_in_album(name, remote) {
            work.result.only_in_album.push(name.as_path().into());
        }
    }
    for (name, _) in left_here {
        match work.kept(name) {
            Some(why) => work.result.kept.push(remark(name, true, false, why)),
            None => work.result.only_here.push(name.as_path().into()),
        }
    }
    // The other refused files are neither here nor in the album: their bytes are in failed/ only.
    for (name, why) in &sides.refused {
        if !sides.here.contains_key(name) && !sides.there.contains_key(name) {
            work.result.failed.push(remark(name, false, false, why));
        }
    }
    let unlisted = sides.there.iter().filter(|(_, it)| it.unlisted.is_some());
    work.result.unlisted = unlisted.map(|(name, _)| name.as_path().into()).collect();
    let nameless = sides.there.iter().filter(|(_, it)| it.is_nameless);
    work.result.nameless = nameless.map(|(name, _)| name.as_path().into()).collect();
    work.result.pairs = pairs(sides.here.keys().chain(sides.there.keys()));
    work.result.sort();
    work.result
}

/// Compares a local file with the item of its name. The item may be the smaller copy that
/// gphotosfs has made of it, on a machine that has not forgotten that.
fn of_one_name(name: &Path, local: &Facts, remote: &AlbumFile) -> Option<Evidence> {
    let found = classify(local, &remote.facts);
    if found.as_ref().is_some_and(|it| it.sure > Sure::Unknown) || remote.stage != Stage::Committed
    {
        return found;
    }
    let saver = remote.saver.filter(|_| is_named_jpeg(name));
    let copy = saver.and_then(|saver| copies::recognised(local, &remote.facts, saver));
    copy.map(Evidence::of_copy).or(found)
}

/// Only JPEGs are made smaller.
fn is_named_jpeg(name: &Path) -> bool {
    let extension = name.extension().and_then(|it| it.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "jpe"].iter().any(|it| extension.eq_ignore_ascii_case(it))
}

fn remark(name: &Path, here: bool, in_album: bool, why: &str) -> Remark {
    Remark { name: name.into(), here, in_album, why: why.to_owned() }
}

/// The comparison so far. Each directory is an album of its own, so content in another directory
/// does not count.
#[derive(Default)]
struct Work<'a> {
    result: Comparison,
    rules: NameRules,
    neighbours: Neighbours<'a>,
    /// Local content that the album has, with the name under which it is counted.
    counted_here: BTreeMap<(Option<&'a Path>, ContentHash), &'a Path>,
    counted_items: BTreeMap<(Option<&'a Path>, &'a str), &'a Path>,
    counted_there: BTreeMap<(Option<&'a Path>, ContentHash), &'a Path>,
}

impl<'a> Work<'a> {
    /// Puts a name that the album's directory has into its group.
    fn one_name(&mut self, name: &'a Path, local: Option<&'a Facts>, remote: &'a AlbumFile) {
        let here = local.is_some();
        let verdict = local
            .map_or(Some(Evidence::of(Sure::Unknown)), |local| of_one_name(name, local, remote));
        match (&remote.stage, verdict) {
            (Stage::Failed(why), _) => self.result.failed.push(remark(name, here, true, why)),
            // It may still be written to, so its content does not matter.
            (Stage::OnItsWay(state), Some(_)) => {
                self.result.on_its_way.push(remark(name, here, true, state));
            }
            (Stage::Temporary, Some(_)) => match (self.kept(name), remote.facts.size) {
                (Some(why), _) => self.result.kept.push(remark(name, here, true, why)),
                (None, size) => {
                    let reason = match size {
                        Some(0) => LocalReason::Empty,
                        _ => LocalReason::Temporary,
                    };
                    self.result.temporary.push(remark(name, here, true, reason.words()));
                }
            },
            (_, None) => {
                let by = local.map(|local| differences(local, &remote.facts)).unwrap_or_default();
                self.result.different_by.push(Different { name: name.into(), by });
                self.result.different.push(name.into());
            }
            (Stage::Committed, Some(_)) if here && remote.is_empty() => {
                self.result.temporary.push(remark(name, true, true, LocalReason::Empty.words()));
            }
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
                        let evidence =
                            self.neighbours.weigh(evidence, (name, local), (name, remote));
                        self.result.same.add(name, evidence.sure);
                        self.doubt(name, &evidence);
                        let proven = evidence.sure == Sure::Identical && remote.is_smaller;
                        self.result.same.smaller += usize::from(proven || evidence.is_copy);
                        self.count((name, local), (name, remote), evidence);
                    }
                }
            },
        }
    }

    /// Says which facts of a pair of one name do not agree.
    fn doubt(&mut self, name: &Path, evidence: &Evidence) {
        if evidence.shared_moment || !evidence.by.is_empty() {
            let (name, evidence) = (name.into(), evidence.clone());
            self.result.doubts.push(Doubt { name, evidence });
        }
    }

    /// Why a file belongs to this machine for good.
    fn kept(&self, name: &Path) -> Option<&'static str> {
        let reason = fates::by_name(name, &self.rules);
        reason.filter(|it| it.is_kept()).map(LocalReason::words)
    }

    fn count(
        &mut self,
        (here, local): (&'a Path, &Facts),
        (there, remote): (&'a Path, &'a AlbumFile),
        evidence: Evidence,
    ) {
        let (album, local_facts) = (there.to_owned(), local.clone());
        let saver = remote.saver.filter(|_| evidence.is_copy);
        let candidate = saver.map(|saver| Candidate { there: remote.facts.clone(), saver });
        let here_owned = here.to_owned();
        let found = Match { here: here_owned, local: local_facts, album, evidence, candidate };
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
        let renamed =
            Renamed { here: here.into(), album: there.into(), evidence: evidence.clone() };
        self.result.renamed.push(renamed);
        self.count((here, local), (there, remote), evidence);
    }

    /// Finds renamed pictures by capture time and size.
    fn same_moment(
        &mut self,
        here: &mut Vec<(&'a PathBuf, &'a Facts)>,
        there: &mut BTreeMap<&'a PathBuf, &'a AlbumFile>,
    ) {
        let unknown = there.iter().filter(|(_, it)| it.has_unknown_picture());
        let unknown = unknown.map(|(name, it)| (*name, &it.facts));
        let found = renames::of_one_moment(here.iter().copied(), unknown);
        here.retain(|(name, local)| {
            let Some(&found) = found.get(name) else { return true };
            let Some(remote) = there.get(found).copied() else { return true };
            let evidence = match remote.is_nameless {
                true => renames::evidence_without_name(local, &remote.facts),
                false => renames::evidence(local, &remote.facts),
            };
            let Some(evidence) = evidence else { return true };
            there.remove(found);
            self.renamed(name, local, found, remote, evidence);
            false
        });
    }
}

#[cfg(test)]
mod tests;
