//! An album of an export as a side of a comparison: full names, hashes, and the files that are not
//! counted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::contents::{self, Contents};
use super::export::Export;
use super::folder::{Content, Member, Pairing, Place};
use super::item::{Item, described, full_name};
use super::naming::Beside;
use super::{elsewhere, namesakes, naming};
use crate::app::CommandError;
use crate::commands::diff::facts::{Facts, Taken, Zone};
use crate::commands::diff::metadata;
use crate::commands::diff::sides::{AlbumFile, Files, Stage};
use crate::media::ContentHash;

/// The album's side.
#[derive(Debug, Default)]
pub struct Album {
    /// The items, by their full names.
    pub files: Files<AlbumFile>,
    /// Items of `files` that are in no part. Only their names and times are known.
    pub missing: Vec<PathBuf>,
    /// Items of `files` without a JSON file. Their names may be truncated.
    pub nameless: Vec<PathBuf>,
    /// Copies that Google has made, with the photo of each. A copy that is here, too, is an item.
    pub besides: Vec<(PathBuf, PathBuf)>,
    /// Files that are copies as in `besides`, or items whose descriptions are missing.
    pub unsure: Vec<(PathBuf, PathBuf)>,
    /// Photos and videos that are in the bin. They are not in the album.
    pub binned: Vec<PathBuf>,
    /// Photos, videos and copies that cannot be read, with the reasons.
    pub damaged: Files<String>,
    /// JSON files that cannot be read, with the reasons.
    pub damaged_papers: Files<String>,
}

/// Reads the folders of an album, each with its directory.
///
/// # Errors
/// If a part cannot be read.
pub fn read(
    export: &mut Export,
    chosen: &[(PathBuf, usize)],
    (root, here): (&Path, &Files<Facts>),
) -> Result<Album, CommandError> {
    let all_papers = |&(_, at): &(PathBuf, usize)| {
        (0..export.folders[at].papers.len()).map(move |paper| (at, paper))
    };
    export.read_papers(chosen.iter().flat_map(all_papers).collect())?;
    let mut pairings = Vec::new();
    let mut wanted: BTreeMap<Place, Member> = BTreeMap::new();
    for (_, at) in chosen {
        let pairing = export.folders[*at].pairing();
        let lonely: Vec<_> = pairing.described.iter().map(|it| it.0).collect();
        let found = elsewhere::find(export, *at, &lonely)?;
        let folder = &export.folders[*at];
        let members = folder.files.iter().chain(&folder.again).chain(found.values());
        wanted.extend(members.map(|it| (it.place, it.clone())));
        pairings.push((pairing, lonely, found));
    }
    let known: HashSet<_> = here.values().filter_map(|it| it.hash).collect();
    let contents = contents::read(&mut export.parts, &wanted, &known)?;
    let lacks_part = export.lacks_part();
    let mut items = Vec::new();
    let mut album = Album::default();
    for ((dir, at), (pairing, lonely, found)) in chosen.iter().zip(&pairings) {
        let folder = Parts { export, at: *at, dir, contents: &contents, lacks_part };
        items.extend(folder.items(pairing));
        items.extend(folder.without_file(lonely, found));
        for paper in &export.folders[*at].papers {
            if let Content::Damaged(why) = &paper.content {
                let name = dir.join(paper.file.name.as_ref());
                album.damaged_papers.insert(name, why.clone());
            }
        }
    }
    album.add(items, (root, here), &known);
    Ok(album)
}

/// A folder with the facts about its files.
struct Parts<'a> {
    export: &'a Export,
    at: usize,
    dir: &'a Path,
    contents: &'a Contents,
    /// Whether descriptions may be missing.
    lacks_part: bool,
}

impl Parts<'_> {
    fn items(&self, pairing: &Pairing) -> Vec<Item> {
        let folder = &self.export.folders[self.at];
        let mut items = Vec::new();
        let is_bare = |at: usize| pairing.paper_of[at].is_none() && pairing.besides[at].is_none();
        let lacks_papers = self.lacks_part || (0..folder.files.len()).any(is_bare);
        for (at, file) in folder.files.iter().enumerate() {
            let beside = pairing.besides[at].as_ref();
            let of = beside.map_or(at, |it| it.of);
            let (paper, own) = folder.photo(pairing, of);
            let sidecar = paper.and_then(|it| folder.sidecar(it));
            let photo = full_name(sidecar.map(|it| it.title.as_str()), own);
            let name = match beside {
                None => photo.clone(),
                Some(it) => {
                    let name = format!("{}{}", naming::split(&photo).0, it.suffix);
                    full_name(Some(&name), &file.name)
                }
            };
            let first = folder.again.partition_point(|it| it.name < file.name);
            let doubles = folder.again[first..].iter().take_while(|it| it.name == file.name);
            let mut seen = BTreeSet::new();
            for member in [file].into_iter().chain(doubles) {
                let content = self.content(member, sidecar.and_then(|it| it.taken));
                if content.as_ref().is_ok_and(|it| !seen.insert(it.hash)) {
                    continue;
                }
                items.push(Item {
                    dir: self.dir.to_owned(),
                    own: full_name(None, &file.name),
                    name: name.clone(),
                    content,
                    has_paper: paper.is_some(),
                    beside: beside.map(|_| photo.clone()),
                    is_unsure: lacks_papers && beside.is_some_and(Beside::may_be_an_item),
                    is_binned: sidecar.is_some_and(|it| it.is_binned),
                });
            }
        }
        items
    }

    /// The items that have only a JSON file in this folder. Their files may be in another one.
    fn without_file(&self, papers: &[usize], found: &HashMap<usize, Member>) -> Vec<Item> {
        let folder = &self.export.folders[self.at];
        let item = |&paper: &usize| {
            let sidecar = folder.sidecar(paper)?;
            let (name, own) = described(&folder.papers[paper].file.name, &sidecar.title);
            let content = match found.get(&paper) {
                Some(file) => self.content(file, sidecar.taken),
                None => Ok(with_time(Facts::default(), sidecar.taken)),
            };
            Some(Item {
                dir: self.dir.to_owned(),
                own,
                name,
                content,
                has_paper: true,
                beside: None,
                is_unsure: false,
                is_binned: sidecar.is_binned,
            })
        };
        papers.iter().filter_map(item).collect()
    }

    fn content(&self, member: &Member, taken: Option<i64>) -> Result<Facts, String> {
        let part = self.export.parts[member.place.part].path();
        let of = part.file_name().unwrap_or(part.as_os_str()).to_string_lossy().into_owned();
        match self.contents.get(&member.place) {
            Some(Ok(facts)) => Ok(with_time(facts.clone(), taken)),
            Some(Err(why)) => Err(format!("{why}, in {of}")),
            None => Err(format!("{of} has changed meanwhile")),
        }
    }
}

/// Adds the capture time by Google, which is in UTC.
fn with_time(mut facts: Facts, taken: Option<i64>) -> Facts {
    facts.taken.extend(taken.map(|seconds| Taken { seconds, zone: Zone::Utc }));
    facts
}

impl Album {
    fn add(
        &mut self,
        items: Vec<Item>,
        (root, here): (&Path, &Files<Facts>),
        known: &HashSet<ContentHash>,
    ) {
        let (binned, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|it| it.is_binned);
        self.binned = binned.iter().filter(|it| it.beside.is_none()).map(Item::path).collect();
        let is_here = |it: &Item| it.hash().is_some_and(|hash| known.contains(&hash));
        let counts =
            |it: &Item| it.beside.is_none() || is_here(it) || here.contains_key(&it.path());
        let (items, besides): (Vec<_>, Vec<_>) = items.into_iter().partition(counts);
        for it in besides {
            match &it.content {
                Err(why) => drop(self.damaged.insert(it.path(), why.clone())),
                Ok(_) => {
                    let photo = it.dir.join(it.beside.as_deref().unwrap_or_default());
                    let copies = if it.is_unsure { &mut self.unsure } else { &mut self.besides };
                    copies.push((it.path(), photo));
                }
            }
        }
        let wanted = namesakes::facts_wanted(&items, here);
        let claimed = wanted.iter().filter_map(|it| Some((it.clone(), here.get(it)?.clone())));
        let mut claimed = claimed.collect();
        metadata::add_facts(root, &mut claimed, &wanted);
        let names = namesakes::assign(&items, &claimed);
        for (name, item) in names.into_iter().zip(items) {
            self.insert(name, item);
        }
        self.besides.sort();
        self.unsure.sort();
        self.binned.sort();
        self.missing.sort();
        self.nameless.sort();
    }

    fn insert(&mut self, name: PathBuf, item: Item) {
        let facts = match item.content {
            Ok(facts) => facts,
            Err(why) => {
                self.damaged.insert(name, why);
                return;
            }
        };
        if facts.hash.is_none() && !facts.is_empty() {
            self.missing.push(name.clone());
        }
        if !item.has_paper {
            self.nameless.push(name.clone());
        }
        let file = AlbumFile {
            entry: 0,
            stage: Stage::Committed,
            facts,
            is_video: false,
            id: None,
            filename: None,
            unlisted: None,
            cut_off: false,
            is_smaller: false,
            saver: None,
            is_nameless: false,
        };
        self.files.insert(name, file);
    }
}
