//! A folder of an export: an album, or the photos of a year. Its files may lie in several parts.

use serde::Serialize;

use super::document::{Document, Sidecar};
use super::item;
use super::naming::{self, Beside};

/// Where a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the part.
    pub part: usize,
    /// The file's number in it.
    pub number: usize,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its name in the folder.
    pub name: Box<str>,
    /// Where it lies.
    pub place: Place,
    /// Its size in bytes, as far as the part says.
    pub size: u64,
}

/// A JSON file.
#[derive(Clone, Debug)]
pub struct Paper {
    /// The file.
    pub file: Member,
    /// What it describes, once it has been read.
    pub content: Content,
}

/// The content of a JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// It has not been read.
    Unread,
    /// It cannot be read, for this reason.
    Damaged(String),
    /// It describes this.
    Of(Document),
}

/// A folder.
#[derive(Debug, Default)]
pub struct Folder {
    /// Its own name and that of the folder above it: `Google Photos/Trip`.
    pub path: String,
    /// Photos and videos, by name. No name is there twice.
    pub files: Vec<Member>,
    /// Further files of these names, from a zip with doubles, or from parts that overlap.
    pub again: Vec<Member>,
    /// The JSON files, by name.
    pub papers: Vec<Paper>,
}

/// Which files of a folder belong together.
#[derive(Debug)]
pub struct Pairing {
    /// The JSON file of each photo or video.
    pub paper_of: Vec<Option<usize>>,
    /// The photo of each copy: one of the files, or behind them one of `described`.
    pub besides: Vec<Option<Beside>>,
    /// The JSON files without a photo.
    pub lonely: Vec<usize>,
    /// Those of `lonely` that describe one, each with the name of the missing file.
    pub described: Vec<(usize, String)>,
}

/// How much a folder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Photos and videos, as Google Photos counts them: without the copies beside them.
    pub items: usize,
    /// Files with copies.
    pub files: usize,
    /// Items that a JSON file describes, and that no part has.
    pub missing: usize,
    /// The size of the files.
    pub bytes: u64,
}

impl Folder {
    /// Sorts the files, and puts doubles aside.
    pub fn sort(&mut self) {
        self.files.sort_unstable();
        self.papers.sort_unstable_by(|a, b| a.file.cmp(&b.file));
        self.papers.dedup_by(|a, b| a.file.name == b.file.name);
        let is_double: Vec<_> = (0..self.files.len())
            .map(|at| at > 0 && self.files[at].name == self.files[at - 1].name)
            .collect();
        let mut doubles = is_double.into_iter();
        self.again = self.files.extract_if(.., |_| doubles.next() == Some(true)).collect();
    }

    /// The title of the album. `None` if nothing says that it is one.
    pub fn title(&self) -> Option<&str> {
        self.papers.iter().find_map(|it| match &it.content {
            Content::Of(Document::Album(title)) => Some(title.as_str()),
            _ => None,
        })
    }

    /// The title, or the folder's own name if there is none.
    pub fn shown(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.title().filter(|it| !it.is_empty()).unwrap_or(name)
    }

    /// The facts in a JSON file.
    pub fn sidecar(&self, paper: usize) -> Option<&Sidecar> {
        match &self.papers.get(paper)?.content {
            Content::Of(Document::Item(sidecar)) => Some(sidecar),
            _ => None,
        }
    }

    /// Which files belong together, as far as the JSON files have been read.
    pub fn pairing(&self) -> Pairing {
        let files: Vec<_> = self.files.iter().map(|it| it.name.as_ref()).collect();
        // An album's own file may have the name of a photo's.
        let may_be_of_photo =
            |it: &Paper| !matches!(&it.content, Content::Of(Document::Album(_) | Document::Other));
        let papers: Vec<_> =
            (0..self.papers.len()).filter(|&at| may_be_of_photo(&self.papers[at])).collect();
        let documents: Vec<_> = papers
            .iter()
            .map(|&at| naming::Document {
                stem: naming::split(&self.papers[at].file.name).0,
                title: self.sidecar(at).map(|it| it.title.as_str()),
            })
            .collect();
        let found = naming::pairs(&files, &documents);
        let mut pairing = Pairing {
            paper_of: vec![None; files.len()],
            besides: Vec::new(),
            lonely: Vec::new(),
            described: Vec::new(),
        };
        for (paper, file) in papers.into_iter().zip(found) {
            match file {
                Some(file) => pairing.paper_of[file] = Some(paper),
                None => pairing.lonely.push(paper),
            }
        }
        let has_document: Vec<_> = pairing.paper_of.iter().map(Option::is_some).collect();
        let describes = |&paper: &usize| {
            let sidecar = self.sidecar(paper)?;
            Some((paper, item::described(&self.papers[paper].file.name, &sidecar.title).1))
        };
        pairing.described = pairing.lonely.iter().filter_map(describes).collect();
        let described: Vec<_> = pairing.described.iter().map(|it| it.1.as_str()).collect();
        pairing.besides = naming::besides(&files, &has_document, &described);
        pairing
    }

    /// The JSON file and the name of a photo, by its number among the files, and then among the
    /// missing ones.
    pub fn photo<'a>(&'a self, pairing: &'a Pairing, at: usize) -> (Option<usize>, &'a str) {
        let missing = at.checked_sub(self.files.len()).and_then(|it| pairing.described.get(it));
        match (self.files.get(at), missing) {
            (Some(file), _) => (pairing.paper_of.get(at).copied().flatten(), &file.name),
            (None, Some((paper, name))) => (Some(*paper), name),
            (None, None) => (None, ""),
        }
    }

    /// How much it has.
    pub fn count(&self) -> Count {
        let Pairing { besides, described, .. } = self.pairing();
        let missing = described.len();
        let copies = besides.iter().flatten().count();
        let bytes = self.files.iter().fold(0_u64, |sum, it| sum.saturating_add(it.size));
        let files = self.files.len();
        Count { items: files - copies + missing, files, missing, bytes }
    }
}
