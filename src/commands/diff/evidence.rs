//! Decides whether a local file and an item have the same content, and how sure that is. Pure.

use std::fmt;

use serde::Serialize;

use super::facts::{Facts, Level, Levels};

/// How sure it is that two files have the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sure {
    /// The name agrees. The other facts are too few, or some agree and some do not.
    Unknown,
    /// So many facts agree that another picture would be a coincidence.
    Likely,
    /// Size and capture time agree, and nothing contradicts. An edit that leaves the size as it was
    /// cannot be seen.
    AlmostCertain,
    /// `gphotosfs adopt` has matched this file to the item.
    Adopted,
    /// The hashes are equal.
    Identical,
}

/// A row of [`TABLE`]: if each fact has at least this level, it is as sure as this.
#[derive(Clone, Copy, Debug)]
struct Row {
    sure: Sure,
    at_least: Levels,
}

const fn row(sure: Sure, size: Level, dimensions: Level, camera: Level, time: Level) -> Row {
    Row { sure, at_least: Levels { size, dimensions, camera, time } }
}

/// How sure the facts make it: the first row that they satisfy decides. If they satisfy none, the
/// contents differ. docs/commands/diff.md has the same table.
///
/// A row asks for no more than its levels, so a fact that agrees better never lowers the grade. The
/// last rows catch every pair that a row above would take with one fact more: without that fact the
/// contents may still be the same.
const TABLE: [Row; 13] = {
    use Level::{Doubtful, Explained, Near, Other, Same, Unknown};
    use Sure::{AlmostCertain, Likely};
    [
        //   how sure      size       dimensions camera   time
        row(AlmostCertain, Explained, Same, Unknown, Same),
        row(AlmostCertain, Same, Unknown, Unknown, Same),
        row(Likely, Same, Same, Other, Other),
        // Pictures of two cameras and two days often have sizes that a place would explain. One of
        // the two facts may be wrong.
        row(Likely, Explained, Same, Unknown, Other),
        row(Likely, Explained, Same, Other, Unknown),
        row(Likely, Same, Unknown, Unknown, Unknown),
        row(Likely, Unknown, Same, Unknown, Near),
        row(Likely, Unknown, Unknown, Unknown, Same),
        row(Sure::Unknown, Same, Other, Other, Other),
        row(Sure::Unknown, Near, Unknown, Other, Other),
        row(Sure::Unknown, Unknown, Same, Other, Other),
        row(Sure::Unknown, Doubtful, Unknown, Unknown, Other),
        // Google may have compressed the picture anew, or it was edited.
        row(Sure::Unknown, Other, Unknown, Unknown, Same),
    ]
};

/// How sure the facts make it. `None` if the contents differ.
fn grade(levels: &Levels) -> Option<Sure> {
    let satisfied = |row: &&Row| {
        let it = &row.at_least;
        levels.size >= it.size
            && levels.dimensions >= it.dimensions
            && levels.camera >= it.camera
            && levels.time >= it.time
    };
    TABLE.iter().find(satisfied).map(|row| row.sure)
}

/// How sure it is that two files have the same content, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// How sure.
    pub sure: Sure,
    /// How well the facts agree, if it is not by hash.
    #[serde(skip)]
    levels: Levels,
    /// The item is the smaller copy that gphotosfs makes of the file.
    #[serde(skip)]
    pub is_copy: bool,
}

impl Evidence {
    /// Evidence by hash, or by name only.
    pub fn of(sure: Sure) -> Self {
        Self { sure, levels: Levels::default(), is_copy: false }
    }

    /// Evidence that an item is the smaller copy of a file.
    pub fn of_copy(sure: Sure) -> Self {
        Self { is_copy: true, ..Self::of(sure) }
    }

    /// The same evidence, but not surer than `sure`.
    pub fn at_most(self, sure: Sure) -> Self {
        Self { sure: self.sure.min(sure), ..self }
    }
}

/// A remark to follow a pair of names. Empty if there is no doubt.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.sure {
            Sure::Identical => return Ok(()),
            Sure::Adopted => return f.write_str(" (adopted)"),
            Sure::Unknown => "unknown",
            Sure::AlmostCertain => "almost certain",
            Sure::Likely => "likely",
        };
        if self.is_copy {
            return write!(f, " ({how}: stored smaller, with the same time and shape)");
        }
        let Levels { size, dimensions, camera, time } = self.levels;
        let facts =
            [(time, "time"), (camera, "camera"), (dimensions, "dimensions"), (size, "size")];
        let of = |level| facts.iter().filter(move |it| it.0 == level).map(|it| it.1.to_owned());
        let place = (size == Level::Explained).then(|| "size but for the place".to_owned());
        let zone = (time == Level::Near).then(|| "time but for the zone".to_owned());
        let same = list("same", of(Level::Same).chain(place).chain(zone));
        let doubtful = (size == Level::Doubtful).then(|| "size".to_owned());
        let other = list("other", of(Level::Other).chain(doubtful));
        match [same, other].into_iter().flatten().collect::<Vec<_>>().join("; ") {
            none if none.is_empty() => f.write_str(" (nothing is known about the content)"),
            facts => write!(f, " ({how}: {facts})"),
        }
    }
}

/// `same time, dimensions and size`. `None` without words.
fn list(first: &str, words: impl Iterator<Item = String>) -> Option<String> {
    let mut words: Vec<_> = words.collect();
    let last = words.pop()?;
    Some(match words.is_empty() {
        true => format!("{first} {last}"),
        false => format!("{first} {} and {last}", words.join(", ")),
    })
}

/// Compares the facts of two files. `None` if they differ: [`super::facts::differences`] says by
/// which of them.
pub fn classify(here: &Facts, there: &Facts) -> Option<Evidence> {
    if let (Some(a), Some(b)) = (here.hash, there.known()) {
        let sure = if there.hash.is_some() { Sure::Identical } else { Sure::Adopted };
        return (a == b).then(|| Evidence::of(sure));
    }
    let levels = Levels::of(here, there);
    grade(&levels).map(|sure| Evidence { sure, levels, is_copy: false })
}

#[cfg(test)]
mod tests;
