//! Decides whether a local file and an item have the same content, and how sure that is. Pure.

use std::fmt;

use serde::Serialize;

use super::differences::{Difference, SIZE, doubts};
use super::facts::{Facts, Level};
use super::levels::Levels;

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
const TABLE: [Row; 11] = {
    use Level::{Doubtful, Explained, Near, Other, Same, Unknown};
    use Sure::{AlmostCertain, Likely};
    [
        //   how sure      size       dimensions camera   time
        row(AlmostCertain, Explained, Same, Unknown, Same),
        row(AlmostCertain, Same, Unknown, Unknown, Same),
        // A date may be wrong on either side. Another camera is another matter.
        row(Likely, Explained, Same, Unknown, Other),
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// How sure.
    pub sure: Sure,
    /// The facts that do not agree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Difference>,
    /// Whether other files have the same moment, which makes it less sure.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared_moment: bool,
    /// How well the facts agree, if it is not by hash.
    #[serde(skip)]
    pub levels: Option<Levels>,
    /// The item is the smaller copy that gphotosfs makes of the file.
    #[serde(skip)]
    pub is_copy: bool,
}

impl Evidence {
    /// Evidence by hash, or by name only.
    pub fn of(sure: Sure) -> Self {
        Self { sure, by: Vec::new(), shared_moment: false, levels: None, is_copy: false }
    }

    /// Evidence that an item is the smaller copy of a file.
    pub fn of_copy(sure: Sure) -> Self {
        Self { is_copy: true, ..Self::of(sure) }
    }

    /// The same evidence, but not surer than `sure`.
    pub fn at_most(self, sure: Sure) -> Self {
        Self { sure: self.sure.min(sure), ..self }
    }

    /// The same evidence, but not surer than `sure`, because other files have the same moment.
    pub fn among_others(self, sure: Sure) -> Self {
        Self { shared_moment: self.sure > sure, ..self.at_most(sure) }
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
        let Levels { size, dimensions, camera, time } = self.levels.unwrap_or_default();
        let differs = |fact| self.by.iter().any(|it| it.fact == fact);
        // A size that says little is equal nevertheless.
        let size = if size == Level::Near && !differs(SIZE) { Level::Same } else { size };
        let facts =
            [(time, "time"), (camera, "camera"), (dimensions, "dimensions"), (size, "size")];
        let of = facts.iter().filter(|it| it.0 == Level::Same).map(|it| it.1.to_owned());
        let others = self.shared_moment.then(|| "so have other files".to_owned());
        let by = self.by.iter().map(ToString::to_string);
        match list("same", of).into_iter().chain(others).chain(by).collect::<Vec<_>>().join("; ") {
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

/// Compares the facts of two files. `None` if they differ: [`super::differences`] says by which of
/// them.
pub fn classify(here: &Facts, there: &Facts) -> Option<Evidence> {
    if let (Some(a), Some(b)) = (here.hash, there.known()) {
        let sure = if there.hash.is_some() { Sure::Identical } else { Sure::Adopted };
        return (a == b).then(|| Evidence::of(sure));
    }
    if there.is_empty() && here.size != Some(0) {
        return None;
    }
    let levels = Levels::of(here, there);
    let sure = grade(&levels)?;
    let by = doubts(here, there);
    Some(Evidence { sure, by, shared_moment: false, levels: Some(levels), is_copy: false })
}

#[cfg(test)]
mod tests;
