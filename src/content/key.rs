//! What a cached file is called: by what it holds, and not by the number of the file that it belongs to here. Numbers
//! are the database's; another one, or an older copy of it, gives them to others.

use sha2::{Digest, Sha256};

use crate::media::{ContentHash, MediaId};
use crate::store::FileInfo;

/// Behind the name of what was downloaded: it need not be what was copied in.
const RENDITION: &str = ".google";

/// The name of some content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// What was copied in, by its hash.
    Original(ContentHash),
    /// What Google gave out of an item, by the hash of the item's id, which may not do as a file's name.
    Rendition(ContentHash),
}

impl Key {
    /// Of what Google gives out.
    pub(super) fn of_item(media: &MediaId) -> Self {
        Self::Rendition(ContentHash(Sha256::digest(media.as_str()).into()))
    }

    /// Where the bytes of a file may be, best first.
    pub(super) fn all_of(info: &FileInfo) -> impl Iterator<Item = Self> {
        let original = info.known().map(Self::Original);
        original.into_iter().chain(info.media.as_ref().map(Self::of_item))
    }

    /// The name on disk.
    pub(super) fn name(self) -> String {
        match self {
            Self::Original(hash) => hash.to_string(),
            Self::Rendition(hash) => format!("{hash}{RENDITION}"),
        }
    }

    /// What a name on disk stands for; `None` if we did not make it.
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

    #[test]
    fn names_are_read_back_and_others_are_not_taken_for_them() {
        for key in [Key::Original(ContentHash([0xab; 32])), Key::of_item(&MediaId::new("a/b"))] {
            assert_eq!(Key::parse(&key.name()), Some(key));
            assert_eq!(Key::parse(&key.name().to_uppercase()), None);
        }
        for other in ["", "1201", "1152.google", "1201.x1y2.part", ".google"] {
            assert_eq!(Key::parse(other), None, "{other}");
        }
    }
}
