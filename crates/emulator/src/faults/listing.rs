//! Listings that show less than there is.

use serde::{Deserialize, Serialize};

use crate::call::Call;

/// A listing that shows less than there is. Counts, get and the other listings stay true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingFault {
    /// `albums.list`, `mediaItems.list` or `mediaItems.search`.
    pub call: Call,
    /// The album whose search is struck, by id or title; without it any listing of the kind is.
    #[serde(default)]
    pub album: Option<String>,
    /// Passes through the listing, from the first page to the last, that it strikes. It counts down
    /// with each first page, and is removed at zero.
    pub passes: u32,
    /// The entries that it leaves out.
    pub omission: Omission,
}

/// The entries that a listing leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Omission {
    /// All that comes after so many pages; after none, everything.
    EndsAfter(u32),
    /// The albums or items of this id, title or file name.
    Forgets(String),
    /// So many of the albums or items that came last.
    LacksNewest(u32),
}

impl ListingFault {
    /// Whether it strikes a listing of `call`, of the album with that id and title if it is one.
    pub(super) fn strikes(&self, call: Call, album: Option<(&str, &str)>) -> bool {
        let fits =
            |wanted: &String| album.is_some_and(|(id, title)| id == wanted || title == wanted);
        self.passes > 0 && self.call == call && self.album.as_ref().is_none_or(fits)
    }
}
