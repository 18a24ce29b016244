//! Which albums or items a faulty pass through a listing leaves out.

use std::collections::HashSet;

use crate::faults::Omission;
use crate::state::{Album, Item};

/// An album or an item that could be listed.
pub(super) struct Listed<'a> {
    pub(super) id: &'a str,
    /// Its title or file name.
    pub(super) name: &'a str,
    /// The greater, the later it came.
    pub(super) age: (i64, u64),
}

impl<'a> Listed<'a> {
    pub(super) fn album(album: &'a Album) -> Listed<'a> {
        Listed { id: &album.id, name: &album.title, age: (0, album.seq) }
    }

    pub(super) fn item(item: &'a Item, age: (i64, u64)) -> Listed<'a> {
        Listed { id: &item.id, name: &item.filename, age }
    }
}

/// The ids that a pass with these omissions leaves out of `all`.
pub(super) fn left_out<'a, All: Iterator<Item = Listed<'a>>>(
    omissions: &[Omission],
    all: impl FnOnce() -> All,
) -> HashSet<String> {
    if omissions.iter().all(|omission| matches!(omission, Omission::EndsAfter(_))) {
        return HashSet::new();
    }
    let mut all: Vec<Listed<'_>> = all().collect();
    all.sort_by_key(|it| std::cmp::Reverse(it.age));
    let forgets = |it: &Listed<'_>, place: usize| {
        omissions.iter().any(|omission| match omission {
            Omission::EndsAfter(_) => false,
            Omission::Forgets(wanted) => it.id == wanted || it.name == wanted,
            Omission::LacksNewest(count) => place < *count as usize,
        })
    };
    let left_out = all.iter().enumerate().filter(|(place, it)| forgets(it, *place));
    left_out.map(|(_, it)| it.id.to_owned()).collect()
}
