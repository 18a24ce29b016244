//! Finds renamed pictures by the facts that shots of one second do not share. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::evidence::{Evidence, Sure, classify};
use super::facts::{Facts, Level, Zone, set};
use super::levels::Levels;

/// The evidence that two files of one moment have the same content under two names. Shots of one
/// second have the same camera, format and dimensions, and often sizes that the place would
/// explain. So the sizes must be equal, and then it is no more than likely.
pub fn evidence(here: &Facts, there: &Facts) -> Option<Evidence> {
    let is_same_size = Levels::of(here, there).size == Level::Same;
    let found = classify(here, there).filter(|it| is_same_size && it.sure >= Sure::Likely)?;
    Some(found.at_most(Sure::Likely))
}

/// The evidence for an item that has no name, so that none contradicts. A pick tells no sizes.
pub fn evidence_without_name(here: &Facts, there: &Facts) -> Option<Evidence> {
    let found = classify(here, there).filter(|it| it.sure >= Sure::Likely)?;
    Some(found.at_most(Sure::Likely))
}

/// The local pictures and the items that agree in their moment, if only one of each side can be
/// meant.
pub fn of_one_moment<'a>(
    here: impl Iterator<Item = (&'a PathBuf, &'a Facts)>,
    there: impl Iterator<Item = (&'a PathBuf, &'a Facts)>,
) -> BTreeMap<&'a PathBuf, &'a PathBuf> {
    let mut locals: BTreeMap<_, BTreeSet<&PathBuf>> = BTreeMap::new();
    for (name, local) in here {
        for key in moments(name, local) {
            locals.entry(key).or_default().insert(name);
        }
    }
    // The items that each local file may be, and how many local files each of those may be.
    let mut items: BTreeMap<_, BTreeMap<_, usize>> = BTreeMap::new();
    for (name, remote) in there {
        let keys = moments(name, remote);
        let found: BTreeSet<_> = keys.iter().filter_map(|it| locals.get(it)).flatten().collect();
        for local in &found {
            items.entry(**local).or_default().insert(name, found.len());
        }
    }
    let only = |candidates: BTreeMap<&'a PathBuf, usize>| {
        let mut candidates = candidates.into_iter();
        match (candidates.next(), candidates.next()) {
            (Some((found, 1)), None) => Some(found),
            _ => None,
        }
    };
    items.into_iter().filter_map(|(local, found)| Some((local, only(found)?))).collect()
}

/// Directory, kind of file, seconds, and the shorter and the longer side in pixels.
type Moment<'a> = (Option<&'a Path>, String, i64, (u32, u32));

/// The keys by which two pictures of one format and one capture time agree: one for each time and
/// for each pair of dimensions that the file has.
fn moments<'a>(name: &'a Path, facts: &Facts) -> Vec<Moment<'a>> {
    let kind = &kind(name);
    let times = set(&facts.taken).filter(|it| it.zone != Zone::Name);
    let keys = times.flat_map(|taken| {
        let all = facts.dimensions.any.iter();
        all.map(move |&(x, y)| (name.parent(), kind.clone(), taken.seconds, (x.min(y), x.max(y))))
    });
    keys.collect()
}

/// The format of a file, by its name.
pub fn kind(name: &Path) -> String {
    let extension = name.extension().and_then(|it| it.to_str()).unwrap_or_default();
    extension.to_ascii_lowercase().replace("jpeg", "jpg")
}
