//! The nodes of the tree, and their inode numbers. Pure.
//!
//! An inode number is a row number of the database, with a tag for the kind of node in the lowest
//! bits. So it never changes, also across mounts, and no table of inodes is needed. It fits into 32
//! bits for the first 500 million rows: programs without support of larger numbers fail at a file
//! whose number does not fit.

use crate::media::{DirId, FileId, PickId, View};
use crate::store::{Child, ListingScope};

/// An inode number. The root has 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ino(pub u64);

/// A file or directory of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// An album, or a parent of albums.
    Dir(DirId),
    /// A file, under any of its names.
    File(FileId),
    /// `/.gphotos`.
    Control,
    /// `/.gphotos/status.json`.
    Status,
    /// `/.gphotos/metrics`.
    Metrics,
    /// The link in the root to `/.gphotos/failed`.
    RefusedLink,
    /// `/.gphotos/failed` (for the root) and the directories in it, which mirror the albums.
    Failed(DirId),
    /// `/.gphotos/library`.
    Library,
    /// A directory in `/.gphotos/library`.
    View(View),
    /// `/.gphotos/picked`.
    Picks,
    /// A directory in `/.gphotos/picked`.
    Pick(PickId),
    /// A file in a view: the same bytes and attributes, but it cannot be changed there. Or a picked
    /// item.
    ReadOnlyFile(FileId),
}

/// How many of the lowest bits hold the tag.
const TAG_BITS: u32 = 3;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
/// The kernel's number for the root.
const ROOT: Ino = Ino(1);

impl Node {
    /// Its inode number.
    pub fn ino(self) -> Ino {
        let (tag, number) = match self {
            Self::Dir(DirId::ROOT) => return ROOT,
            Self::Dir(dir) => (0, dir.0),
            Self::File(file) => (1, file.0),
            Self::Failed(dir) => (2, dir.0),
            Self::Control => (3, 1),
            Self::Status => (3, 2),
            Self::Metrics => (3, 3),
            Self::Library => (3, 4),
            Self::Picks => (3, 5),
            Self::RefusedLink => (3, 6),
            Self::View(view) => (4, view.number()),
            Self::ReadOnlyFile(file) => (5, file.0),
            Self::Pick(pick) => (6, pick.0),
        };
        // Row numbers count up from 1 and stay far below 2^61.
        Ino((number as u64) << TAG_BITS | tag)
    }

    /// The file, if it is one.
    pub fn file(self) -> Option<FileId> {
        match self {
            Self::File(file) | Self::ReadOnlyFile(file) => Some(file),
            _ => None,
        }
    }

    /// Whether it is in `/.gphotos/library` or `/.gphotos/picked`, where nothing can be changed.
    pub fn is_read_only(self) -> bool {
        matches!(
            self,
            Self::Library | Self::View(_) | Self::Picks | Self::Pick(_) | Self::ReadOnlyFile(_)
        )
    }

    /// The scope of a listing, if it is a directory of items.
    pub fn listing_scope(self) -> Option<ListingScope> {
        match self {
            Self::Dir(dir) => Some(ListingScope::Dir(dir)),
            Self::View(view) => Some(ListingScope::View(view)),
            Self::Pick(pick) => Some(ListingScope::Pick(pick)),
            _ => None,
        }
    }

    /// Whether it is an album, a parent of albums, or a file in one.
    pub fn is_in_tree(self) -> bool {
        matches!(self, Self::Dir(_) | Self::File(_))
    }

    /// The inverse of [`Node::ino`]. `None` for a number that no node has.
    pub fn of(ino: Ino) -> Option<Self> {
        if ino == ROOT {
            return Some(Self::Dir(DirId::ROOT));
        }
        let number = (ino.0 >> TAG_BITS) as i64;
        match (ino.0 & TAG_MASK, number) {
            // The number 1 is that of the root.
            (0, 2..) => Some(Self::Dir(DirId(number))),
            (1, 1..) => Some(Self::File(FileId(number))),
            (2, 1..) => Some(Self::Failed(DirId(number))),
            (3, 1) => Some(Self::Control),
            (3, 2) => Some(Self::Status),
            (3, 3) => Some(Self::Metrics),
            (3, 4) => Some(Self::Library),
            (3, 5) => Some(Self::Picks),
            (3, 6) => Some(Self::RefusedLink),
            (4, number) => View::of_number(number).map(Self::View),
            (5, 1..) => Some(Self::ReadOnlyFile(FileId(number))),
            (6, 1..) => Some(Self::Pick(PickId(number))),
            _ => None,
        }
    }
}

impl From<Child> for Node {
    fn from(child: Child) -> Self {
        match child {
            Child::Dir(dir) => Self::Dir(dir),
            Child::File(file) => Self::File(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_correspond() {
        for node in [
            Node::Dir(DirId::ROOT),
            Node::Dir(DirId(77)),
            Node::File(FileId(77)),
            Node::Failed(DirId::ROOT),
            Node::Control,
            Node::Status,
            Node::Metrics,
            Node::Library,
            Node::View(View::All),
            Node::View(View::of_number(20190428).unwrap()),
            Node::Picks,
            Node::RefusedLink,
            Node::Pick(PickId(77)),
            Node::ReadOnlyFile(FileId(77)),
        ] {
            assert_eq!(Node::of(node.ino()), Some(node));
        }
        assert_eq!(Node::Dir(DirId::ROOT).ino(), Ino(1));
        let number = |tag, number: u64| number << TAG_BITS | tag;
        for never in [
            0,
            number(0, 1),
            number(3, 0),
            number(3, 7),
            number(4, 4),
            number(6, 0),
            number(7, 1),
            2,
        ] {
            assert_eq!(Node::of(Ino(never)), None);
        }
    }

    #[test]
    fn numbers_fit_into_32_bits_for_the_first_500_million_rows() {
        let row = 500_000_000;
        let latest = View::of_number(99_991_231).unwrap();
        for node in [
            Node::Dir(DirId(row)),
            Node::File(FileId(row)),
            Node::Failed(DirId(row)),
            Node::View(latest),
            Node::ReadOnlyFile(FileId(row)),
            Node::Pick(PickId(row)),
        ] {
            assert!(u32::try_from(node.ino().0).is_ok(), "{node:?}");
            assert_eq!(Node::of(node.ino()), Some(node));
        }
    }
}
