//! Gives each item of an album a name of its own. Pure.
//!
//! Several items may have one title. The one that a local file of that name shows gets it, so that
//! no other one is compared with that file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::item::Item;
use super::naming;
use crate::commands::diff::evidence::{Sure, classify};
use crate::commands::diff::facts::{Facts, Level};
use crate::commands::diff::levels::Levels;
use crate::commands::diff::sides::Files;
use crate::commands::diff::smaller::stored_smaller;
use crate::media::ContentHash;

/// An item is compared with so many local files of one second at most, so that names made to be
/// alike do not take quadratic time.
const CANDIDATES_MAX: usize = 64;

/// Local times differ from UTC by multiples of this, in seconds.
const ZONE_GRAIN: i64 = 900;

/// How well a local file agrees with an item of the same title. The last one is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Agreement {
    /// The time, but for the zone.
    Zone,
    /// The time.
    Time,
    /// So much that they are likely the same, or the item is a smaller copy.
    Likely,
    /// The bytes.
    Bytes,
}

impl Agreement {
    fn of(here: &Facts, there: &Facts) -> Option<Self> {
        if here.hash.is_some() && here.hash == there.hash {
            return Some(Self::Bytes);
        }
        let is_likely = classify(here, there).is_some_and(|it| it.sure >= Sure::Likely);
        if is_likely || stored_smaller(here, there).is_some() {
            return Some(Self::Likely);
        }
        match Levels::of(here, there).time {
            Level::Same => Some(Self::Time),
            Level::Near => Some(Self::Zone),
            _ => None,
        }
    }
}

/// The items by their titles.
fn by_title(items: &[Item]) -> BTreeMap<PathBuf, Vec<usize>> {
    let mut titled: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        titled.entry(item.path()).or_default().push(at);
    }
    titled
}

/// The local names that several items claim, in the order of the items: their title, and the names
/// in the export.
fn claimed(title: &Path, claimants: &[&Item], here: &Files<Facts>) -> BTreeSet<PathBuf> {
    let own = claimants.iter().map(|it| it.own_path());
    own.chain([title.to_owned()]).filter(|it| here.contains_key(it)).collect()
}

/// The local names whose metadata decide which of several items is meant.
pub fn facts_wanted(items: &[Item], here: &Files<Facts>) -> BTreeSet<PathBuf> {
    let several = by_title(items).into_iter().filter(|it| it.1.len() > 1);
    let claims = several.flat_map(|(title, claimants)| {
        let claimants: Vec<_> = claimants.iter().map(|&at| &items[at]).collect();
        claimed(&title, &claimants, here)
    });
    claims.collect()
}

/// The local files that several items may be.
#[derive(Default)]
struct Candidates<'a> {
    by_hash: HashMap<ContentHash, Vec<(&'a Path, &'a Facts)>>,
    by_time: HashMap<i64, Vec<(&'a Path, &'a Facts)>>,
}

impl<'a> Candidates<'a> {
    fn add(&mut self, name: &'a Path, facts: &'a Facts) {
        if let Some(hash) = facts.hash {
            self.by_hash.entry(hash).or_default().push((name, facts));
        }
        let times: BTreeSet<_> =
            facts.taken.iter().map(|it| it.seconds.rem_euclid(ZONE_GRAIN)).collect();
        for time in times {
            self.by_time.entry(time).or_default().push((name, facts));
        }
    }

    fn of(&self, item: &Facts) -> Vec<(Agreement, &'a Path)> {
        let same = item.hash.and_then(|it| self.by_hash.get(&it));
        let times: BTreeSet<_> =
            item.taken.iter().map(|it| it.seconds.rem_euclid(ZONE_GRAIN)).collect();
        let timed = times.iter().filter_map(|it| self.by_time.get(it));
        let all = same.into_iter().chain(timed).flatten().take(CANDIDATES_MAX);
        all.filter_map(|(name, facts)| Some((Agreement::of(facts, item)?, *name))).collect()
    }
}

/// Names all items, in their order. `here` has the metadata of the files of [`facts_wanted`].
pub fn assign(items: &[Item], here: &Files<Facts>) -> Vec<PathBuf> {
    let titled = by_title(items);
    let mut claims = Vec::new();
    for (title, claimants) in &titled {
        let all: Vec<_> = claimants.iter().map(|&at| &items[at]).collect();
        let names = match all.len() {
            1 => BTreeSet::new(),
            _ => claimed(title, &all, here),
        };
        let mut candidates = Candidates::default();
        for name in &names {
            if let Some((name, facts)) = here.get_key_value(name) {
                candidates.add(name, facts);
            }
        }
        for &at in claimants {
            let Ok(facts) = &items[at].content else { continue };
            let found = candidates.of(facts).into_iter();
            claims.extend(found.map(|(agreement, name)| (agreement, name == title, at, name)));
        }
    }
    claims.sort_by(|a, b| (b.0, b.1, a.2, a.3).cmp(&(a.0, a.1, b.2, b.3)));
    let mut work = Work { names: vec![None; items.len()], taken: HashSet::new() };
    for (_, _, at, name) in claims {
        work.take(at, name.to_owned());
    }
    // Those that nobody contests, and then those whose file in the export has the title, too.
    for (title, claimants) in titled.iter().filter(|it| it.1.len() == 1) {
        work.take(claimants[0], title.clone());
    }
    for (at, item) in items.iter().enumerate().filter(|it| it.1.own == it.1.name) {
        work.take(at, item.path());
    }
    let mut numbers = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let _ = work.take(at, item.path()) || work.take(at, item.own_path());
        while work.names[at].is_none() {
            let number = numbers.entry(item.path()).or_insert(1_u32);
            *number += 1;
            let (stem, extension) = naming::split(&item.name);
            work.take(at, item.dir.join(format!("{stem} ({number}){extension}")));
        }
    }
    work.names.into_iter().flatten().collect()
}

struct Work {
    names: Vec<Option<PathBuf>>,
    taken: HashSet<PathBuf>,
}

impl Work {
    /// Gives an item this name, if it has none yet and the name is free. Returns whether it has one.
    fn take(&mut self, at: usize, name: PathBuf) -> bool {
        if self.names[at].is_none() && self.taken.insert(name.clone()) {
            self.names[at] = Some(name);
        }
        self.names[at].is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::facts::{Taken, Zone};

    fn timed(seconds: i64, zone: Zone) -> Facts {
        Facts { taken: vec![Taken { seconds, zone }], ..Facts::default() }
    }

    fn item(name: &str, own: &str, content: Facts) -> Item {
        Item {
            dir: PathBuf::new(),
            own: own.to_owned(),
            name: name.to_owned(),
            content: Ok(content),
            has_paper: true,
            beside: None,
            is_unsure: false,
            is_binned: false,
        }
    }

    #[test]
    fn the_best_agreement_decides_and_each_name_is_given_once() {
        const DAY: i64 = 1_556_442_000;
        let at = |seconds| timed(DAY + seconds, Zone::Utc);
        let items = [
            item("a.jpg", "a(1).jpg", at(3600)),
            item("a.jpg", "a.jpg", at(7)),
            item("a.jpg", "a(2).jpg", at(8)),
            // By its own title, and no number.
            item("a(1).jpg", "a(1).jpg", at(9)),
        ];
        let here: Files<_> =
            [("a.jpg", timed(DAY, Zone::Local))].map(|(a, b)| (a.into(), b)).into();
        let names = |here: &Files<Facts>| {
            assign(&items, here).iter().map(|it| it.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&here), ["a.jpg", "a (2).jpg", "a(2).jpg", "a(1).jpg"]);
        let here = [("a.jpg", at(8))].map(|(a, b)| (a.into(), b)).into();
        assert_eq!(names(&here), ["a (2).jpg", "a (3).jpg", "a.jpg", "a(1).jpg"]);
        assert_eq!(names(&Files::new()), ["a (2).jpg", "a.jpg", "a(2).jpg", "a(1).jpg"]);
    }

    #[test]
    fn many_items_of_one_title_and_one_second_take_no_quadratic_time() {
        let many = 20_000;
        let items: Vec<_> = (0..many)
            .map(|at| item("image.jpg", &format!("image({at}).jpg"), timed(7, Zone::Utc)))
            .collect();
        let here: Files<_> = (0..many)
            .map(|at| (format!("image({at}).jpg").into(), timed(7, Zone::Local)))
            .collect();
        let names: HashSet<_> = assign(&items, &here).into_iter().collect();
        assert_eq!(names.len(), many);
    }
}
