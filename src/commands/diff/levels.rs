//! How well the facts about a local file and an item agree. Pure.

use super::facts::{Dimensions, Facts, Level, Taken, Zone, set, upright};
use super::{clocks, sizes};

/// How well the facts about two files agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Levels {
    /// The sizes.
    pub size: Level,
    /// The dimensions.
    pub dimensions: Level,
    /// The camera models.
    pub camera: Level,
    /// The capture times.
    pub time: Level,
}

impl Levels {
    /// Compares a local file with an item.
    pub fn of(here: &Facts, there: &Facts) -> Self {
        Self {
            size: sizes::level(here, there),
            dimensions: dimensions(&here.dimensions, &there.dimensions),
            camera: camera(&here.models, &there.models),
            time: time(&here.taken, &there.taken),
        }
    }
}

fn dimensions(here: &Dimensions, there: &Dimensions) -> Level {
    match () {
        () if here.any.is_empty() || there.any.is_empty() => Level::Unknown,
        () if here.beside(there).any(|(a, b)| upright(a) == upright(b)) => Level::Same,
        () if here.firm && there.firm => Level::Other,
        () => Level::Unknown,
    }
}

/// Makers write the model with or without their name, so one may contain the other. Of several
/// models any may agree.
fn camera(here: &[String], there: &[String]) -> Level {
    let plain = |all: &[String]| -> Vec<_> {
        let all = all.iter().map(|it| it.trim().to_lowercase());
        all.filter(|it| !it.is_empty()).collect()
    };
    let (here, there) = (plain(here), plain(there));
    let same = |a: &String| there.iter().any(|b| a.contains(b) || b.contains(a));
    match () {
        () if here.is_empty() || there.is_empty() => Level::Unknown,
        () if here.iter().any(same) => Level::Same,
        () => Level::Other,
    }
}

/// The time of a clock that was never set is as good as none.
fn time(here: &[Taken], there: &[Taken]) -> Level {
    let best = |named: bool| {
        let of_kind = set(here).filter(move |it| (it.zone == Zone::Name) == named);
        of_kind.flat_map(|a| set(there).map(move |b| same_time(a, b))).max()
    };
    // A name may have been given at any time, so it contradicts nothing.
    let by_name = best(true).filter(|it| *it != Level::Other);
    best(false).max(by_name).unwrap_or_default()
}

fn same_time(here: &Taken, there: &Taken) -> Level {
    let apart = here.seconds.abs_diff(there.seconds);
    match here.zone {
        Zone::Utc | Zone::Local if apart == 0 => Level::Same,
        Zone::Local | Zone::Name if clocks::is_zone(apart) => Level::Near,
        _ => Level::Other,
    }
}

#[cfg(test)]
mod tests;
