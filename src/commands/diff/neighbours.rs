//! Finds out whether other files would fit a pair as well: the shots of one second. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use super::evidence::{Evidence, Sure};
use super::facts::{Facts, Level, set};
use super::levels::Levels;
use super::renames::kind;
use super::sides::{AlbumFile, Files, Stage};

/// Directory, kind of file and seconds.
type Moment<'a> = (Option<&'a Path>, String, i64);

/// The files of both sides by their moments.
#[derive(Default)]
pub struct Neighbours<'a> {
    here: BTreeMap<Moment<'a>, Vec<(&'a Path, &'a Facts)>>,
    there: BTreeMap<Moment<'a>, Vec<(&'a Path, &'a AlbumFile)>>,
}

impl<'a> Neighbours<'a> {
    /// All files that were compared by their facts.
    pub fn new(here: &'a Files<Facts>, there: &'a Files<AlbumFile>) -> Self {
        let mut all = Self::default();
        for (name, facts) in here {
            for moment in moments(name, facts) {
                all.here.entry(moment).or_default().push((name, facts));
            }
        }
        for (name, file) in there.iter().filter(|(_, it)| it.stage == Stage::Committed) {
            for moment in moments(name, &file.facts) {
                all.there.entry(moment).or_default().push((name, file));
            }
        }
        all
    }

    /// The evidence about a pair, knowing its neighbours: other files of one second, camera and
    /// format. A size that only the place explains is at most likely then, and so is an equal one
    /// that a neighbour shares. If neither size nor dimensions agree, nothing is left but the name.
    pub fn weigh(
        &self,
        evidence: Evidence,
        (here, local): (&Path, &Facts),
        (there, remote): (&Path, &AlbumFile),
    ) -> Evidence {
        let Some(levels) = evidence.levels else { return evidence };
        let sizes = self.sizes((here, local), (there, remote));
        let most = match levels.size {
            _ if sizes.is_empty() => return evidence,
            Level::Same if !sizes.contains(&Level::Same) => return evidence,
            Level::Same | Level::Explained => Sure::Likely,
            _ if levels.dimensions < Level::Same => Sure::Unknown,
            _ => return evidence,
        };
        evidence.among_others(most)
    }

    /// How well the sizes of the neighbours agree that would fit otherwise.
    fn sizes(
        &self,
        (here, local): (&Path, &Facts),
        (there, remote): (&Path, &AlbumFile),
    ) -> Vec<Level> {
        let others = moments(there, &remote.facts).into_iter().filter_map(|it| self.here.get(&it));
        let others = others.flatten().filter(move |(name, it)| {
            *name != here && (it.hash.is_none() || it.hash != local.hash)
        });
        let of_locals = others.map(|(_, it)| Levels::of(it, &remote.facts));
        let items = moments(here, local).into_iter().filter_map(|it| self.there.get(&it));
        let items = items
            .flatten()
            .filter(move |(name, it)| *name != there && (it.id.is_none() || it.id != remote.id));
        let of_items = items.map(|(_, it)| Levels::of(local, &it.facts));
        let fit = |it: &Levels| {
            it.time == Level::Same && it.camera != Level::Other && it.dimensions != Level::Other
        };
        of_locals.chain(of_items).filter(fit).map(|it| it.size).collect()
    }
}

fn moments<'a>(name: &'a Path, facts: &Facts) -> Vec<Moment<'a>> {
    let kind = kind(name);
    let mut seconds: Vec<_> = set(&facts.taken).map(|it| it.seconds).collect();
    seconds.sort_unstable();
    seconds.dedup();
    seconds.into_iter().map(|it| (name.parent(), kind.clone(), it)).collect()
}

#[cfg(test)]
mod tests;
