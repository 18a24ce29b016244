//! The nodes of the tree, and their inode numbers. Pure.
//!
//! An inode number is a row number of the database, with a tag for the kind of node in the upper
//! bits. So it never changes, also across mounts, and no table of inodes is needed.

use crate::media::{DirId, FileId, View};
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
    /// `/.gphotos/failed` (for the root) and the directories in it, which mirror the albums.
    Failed(DirId),
    /// `/.gphotos/library`.
    Library,
    /// A directory in `/.gphotos/library`.
    View(View),
    /// A file in a view: the same bytes and attributes, but it cannot be changed there.
    ReadOnlyFile(FileId),
}

const TAG_SHIFT: u32 = 48;
const NUMBER_MASK: u64 = (1 << TAG_SHIFT) - 1;

impl Node {
    /// Its inode number.
    pub fn ino(self) -> Ino {
        let (tag, number) = match self {
            Self::Dir(dir) => (0, dir.0),
            Self::File(file) => (1, file.0),
            Self::Failed(dir) => (2, dir.0),
            Self::Control => (3, 1),
            Self::Status => (3, 2),
            Self::Metrics => (3, 3),
            Self::Library => (3, 4),
            Self::View(view) => (4, view.number()),
            Self::ReadOnlyFile(file) => (5, file.0),
        };
        // Row numbers count up from 1 and stay far below 2^48.
        Ino(tag << TAG_SHIFT | (number as u64 & NUMBER_MASK))
    }

    /// The file, if it is one.
    pub fn file(self) -> Option<FileId> {
        match self {
            Self::File(file) | Self::ReadOnlyFile(file) => Some(file),
            _ => None,
        }
    }

    /// Whether it is in `/.gphotos/library`, where nothing can be changed.
    pub fn is_in_views(self) -> bool {
        matches!(self, Self::Library | Self::View(_) | Self::ReadOnlyFile(_))
    }

    /// The scope of a listing, if it is a directory of items.
    pub fn listing_scope(self) -> Option<ListingScope> {
        match self {
            Self::Dir(dir) => Some(ListingScope::Dir(dir)),
            Self::View(view) => Some(ListingScope::View(view)),
            _ => None,
        }
    }

    /// Whether it is an album, a parent of albums, or a file in one.
    pub fn is_in_tree(self) -> bool {
        matches!(self, Self::Dir(_) | Self::File(_))
    }

    /// The inverse of [`Node::ino`]. `None` for a number that no node has.
    pub fn of(ino: Ino) -> Option<Self> {
        let number = (ino.0 & NUMBER_MASK) as i64;
        match (ino.0 >> TAG_SHIFT, number) {
            (0, 1..) => Some(Self::Dir(DirId(number))),
            (1, 1..) => Some(Self::File(FileId(number))),
            (2, 1..) => Some(Self::Failed(DirId(number))),
            (3, 1) => Some(Self::Control),
            (3, 2) => Some(Self::Status),
            (3, 3) => Some(Self::Metrics),
            (3, 4) => Some(Self::Library),
            (4, number) => View::of_number(number).map(Self::View),
            (5, 1..) => Some(Self::ReadOnlyFile(FileId(number))),
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
            Node::ReadOnlyFile(FileId(77)),
        ] {
            assert_eq!(Node::of(node.ino()), Some(node));
        }
        assert_eq!(Node::Dir(DirId::ROOT).ino(), Ino(1));
        for never in [
            0,
            3 << TAG_SHIFT,
            (3 << TAG_SHIFT) + 5,
            (4 << TAG_SHIFT) + 4,
            9 << TAG_SHIFT | 1,
            1 << TAG_SHIFT,
        ] {
            assert_eq!(Node::of(Ino(never)), None);
        }
    }
}
