//! The facts about a local file or an item. Pure.

use super::clocks;
use crate::media::ContentHash;

/// A capture time, as one place in a file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Seconds since 1970. If the zone is not known, as if it were UTC.
    pub seconds: i64,
    /// How far it can be trusted.
    pub zone: Zone,
}

/// How far a capture time can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// It is in UTC.
    Utc,
    /// It is local time, or may be. Most cameras do not record the zone.
    Local,
    /// It is local time in the file's name, which says little.
    Name,
}

/// Width and height in pixels, in either order: Google turns pictures upright.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// Each pair that the file has. One of them is the picture's.
    pub any: Vec<(u32, u32)>,
    /// Whether no other pair is possible. Otherwise only agreement says something.
    pub firm: bool,
}

impl Dimensions {
    /// The only possible pair.
    pub fn firm(width: u32, height: u32) -> Self {
        Self { any: vec![(width, height)], firm: true }
    }

    /// Each pair of these beside each of the others.
    pub fn beside<'a>(
        &'a self,
        others: &'a Self,
    ) -> impl Iterator<Item = ((u32, u32), (u32, u32))> + 'a {
        self.any.iter().flat_map(|a| others.any.iter().map(move |b| (*a, *b)))
    }
}

/// The longer side first: Google turns pictures upright.
pub fn upright((x, y): (u32, u32)) -> (u32, u32) {
    (x.max(y), x.min(y))
}

/// The facts about a local file, or about an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The capture times. Any of them may be the one that Google has read.
    pub taken: Vec<Taken>,
    /// The dimensions.
    pub dimensions: Dimensions,
    /// The camera models. A file may have several parts with a model each.
    pub models: Vec<String>,
    /// How many bytes its place takes, if it has one. Google removes that.
    pub place: Option<u64>,
    /// How many bytes of metadata it has, any of which Google may write anew. `u64::MAX` if Google
    /// may give out another format.
    pub header: Option<u64>,
    /// The size in bytes, if it is known.
    pub size: Option<u64>,
    /// Whether other pictures have the same size: it follows from the dimensions, as that of an
    /// uncompressed picture or of one of a single colour, or the file is filled up to a round size.
    pub is_of_fixed_size: bool,
    /// The hash of its bytes, if it is known. That of an empty file is none: it says nothing.
    pub hash: Option<ContentHash>,
    /// The hash of the local file that `gphotosfs adopt` has matched to this item.
    pub adopted: Option<ContentHash>,
}

impl Facts {
    /// The hash of its bytes, from a hash or a match.
    pub fn known(&self) -> Option<ContentHash> {
        self.hash.or(self.adopted)
    }

    /// Whether it is a file without bytes. Two of them need not be the same photo.
    pub fn is_empty(&self) -> bool {
        self.size == Some(0) && self.known().is_none()
    }

    /// The size and the hash of bytes that have been read.
    pub fn of_bytes(size: u64, hash: ContentHash) -> Self {
        Self { size: Some(size), hash: (size > 0).then_some(hash), ..Self::default() }
    }

    /// Adds a camera model, unless it is empty or there already.
    pub fn add_model(&mut self, model: Option<impl AsRef<str>>) {
        let Some(model) = model else { return };
        let model = model.as_ref().trim();
        if !model.is_empty() && !self.models.iter().any(|it| it == model) {
            self.models.push(model.to_owned());
        }
    }

    /// Adds to the bytes of metadata that Google may write anew.
    pub fn add_header(&mut self, bytes: u64) {
        if bytes > 0 {
            self.header = Some(self.header.unwrap_or(0).saturating_add(bytes));
        }
    }
}

/// How well a fact agrees. A higher level is more evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The facts contradict each other.
    Other,
    /// Of a size: it differs, and rewritten metadata would explain that. So would an edit.
    Doubtful,
    /// One side does not have the fact, or it says nothing.
    #[default]
    Unknown,
    /// They may be the same, but the agreement says little. Of a size: other pictures have it, too,
    /// or the removal of the place explains the difference in a small picture. Of a time: they
    /// differ by a possible offset of a time zone.
    Near,
    /// Of a size: the removal of the place explains the difference, and that of few other pictures
    /// would be so small.
    Explained,
    /// They are equal.
    Same,
}

/// The times of clocks that were set.
pub fn set(times: &[Taken]) -> impl Iterator<Item = &Taken> {
    times.iter().filter(|it| !clocks::is_unset(it.seconds))
}

/// What a photo tells in tests.
#[cfg(test)]
pub fn of_photo(size: u64, (x, y): (u32, u32), seconds: i64) -> Facts {
    Facts {
        size: Some(size),
        dimensions: Dimensions::firm(x, y),
        taken: vec![Taken { seconds, zone: Zone::Local }],
        ..Facts::default()
    }
}
