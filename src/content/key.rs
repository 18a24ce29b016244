//! Names of cached files, by their content or item, not by the file's number in the database. A
//! restored or replaced database numbers files differently.

use sha2::{Digest, Sha256};

use crate::media::{ContentHash, ItemId};
use crate::store::FileInfo;

/// The suffix of downloads, which may differ from the original.
const RENDITION: &str = ".google";

/// The name of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// The original file, by its hash.
    Original(ContentHash),
    /// Google's rendition of an item, by the hash of the item's id, which may not be usable as a
    /// file name.
    Rendition(ContentHash),
}

impl Key {
    /// The key of Google's rendition of an item.
    pub(super) fn of_item(item: &ItemId) -> Self {
        // The two APIs may give out other bytes, also if they have the same id for an item.
        let digest = match item {
            ItemId::Library(id) => Sha256::digest(id.as_str()),
            ItemId::Picked(id) => Sha256::digest(format!("picked {id}")),
        };
        Self::Rendition(ContentHash(digest.into()))
    }

    /// All keys that may hold the bytes of a file, best first.
    pub(super) fn all_of(info: &FileInfo) -> impl Iterator<Item = Self> {
        let original = info.known().map(Self::Original);
        original.into_iter().chain(info.item().as_ref().map(Self::of_item))
    }

    /// The name on disk.
    pub(super) fn name(self) -> String {
        match self {
            Self::Original(hash) => hash.to_string(),
            Self::Rendition(hash) => format!("{hash}{RENDITION}"),
        }
    }

    /// Parses a name on disk; `None` if the cache did not make it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let key = match name.strip_suffix(RENDITION) {
            Some(hash) => Self::Rendition(ContentHash::from_hex(hash)?),
            None => Self::Original(ContentHash::from_hex(name)?),
        };
        (key.name() == name).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaId;

    #[test]
    fn names_are_read_back_and_others_are_not_taken_for_them() {
        let id = MediaId::new("a/b");
        for key in [
            Key::Original(ContentHash([0xab; 32])),
            Key::of_item(&ItemId::Library(id.clone())),
            Key::of_item(&ItemId::Picked(id)),
        ] {
            assert_eq!(Key::parse(&key.name()), Some(key));
            assert_eq!(Key::parse(&key.name().to_uppercase()), None);
        }
        for other in ["", "1201", "1152.google", "1201.x1y2.part", ".google"] {
            assert_eq!(Key::parse(other), None, "{other}");
        }
    }
}
