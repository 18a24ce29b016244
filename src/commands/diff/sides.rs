//! The files of both sides, with the facts to compare them by.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::facts::Facts;
use crate::media::Saver;
use crate::upload::NameRules;

/// The files of one side, by their paths relative to the compared directory.
pub type Files<T> = BTreeMap<PathBuf, T>;

/// A file in the album's directory.
#[derive(Clone, Debug)]
pub struct AlbumFile {
    /// Its number in its directory.
    pub entry: i64,
    /// The stage of its upload.
    pub stage: Stage,
    /// The facts to compare it by.
    pub facts: Facts,
    /// Google encodes videos anew, so their sizes say nothing.
    pub is_video: bool,
    /// The item's id at Google. Two names of one item have the same id.
    pub id: Option<String>,
    /// Its name at Google, if that is another one.
    pub filename: Option<String>,
    /// If Google's list of the album lacks it: since when it should be there.
    pub unlisted: Option<Timestamp>,
    /// Its bytes look cut off.
    pub cut_off: bool,
    /// What went to Google is a smaller copy of its bytes.
    pub is_smaller: bool,
    /// How small photos become in its directory.
    pub saver: Option<Saver>,
    /// A picked item that has no name at Google.
    pub is_nameless: bool,
}

impl AlbumFile {
    /// Whether it is an item whose content is known by no hash.
    pub fn has_unknown_content(&self) -> bool {
        self.stage == Stage::Committed && self.facts.known().is_none() && !self.is_empty()
    }

    /// Whether it is a file of an export without bytes. Google has no such items.
    pub fn is_empty(&self) -> bool {
        self.stage == Stage::Committed && self.facts.is_empty()
    }

    /// Whether it is a photo at Google whose content is known by no hash.
    pub fn has_unknown_picture(&self) -> bool {
        self.has_unknown_content() && !self.is_video
    }
}

/// The stage of a file in the album's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An item in the album.
    Committed,
    /// Being uploaded, in this state.
    OnItsWay(String),
    /// It stays here: it is temporary or empty, or belongs to this machine.
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
    /// Which names keep a file on this machine.
    pub rules: NameRules,
}
