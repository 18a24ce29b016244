//! Which files differ, decided from what is known about both sides. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::media::ContentHash;

/// What the files of one side are called, relative to the directory that is compared.
pub type Files<T> = BTreeMap<PathBuf, T>;

/// A local file.
#[derive(Clone, Debug)]
pub struct Here {
    /// In bytes.
    pub size: u64,
    /// Of its bytes.
    pub hash: ContentHash,
}

/// A file in the album's directory.
#[derive(Clone, Debug)]
pub struct There {
    /// How far it has got.
    pub stage: Stage,
    /// What its bytes can be compared by.
    pub content: Content,
    /// The item's id at Google; two names of one item have the same.
    pub id: Option<String>,
}

/// What is known about the bytes of a file in the album.
#[derive(Clone, Debug)]
pub enum Content {
    /// It was uploaded from here, so its hash is known.
    Hash(ContentHash),
    /// It was not; in bytes.
    Size(u64),
    /// Still being written.
    Unknown,
}

/// How far a file in the album's directory has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An item in the album.
    Committed,
    /// Going there, in this state.
    OnItsWay(String),
    /// Has a name that tools use for half-written files.
    Scratch,
    /// Refused for good, for this reason.
    Failed(String),
}

/// The result. Every local file is in exactly one of `same`, `renamed`, `different`, `on_its_way`,
/// `failed`, `scratch` and `only_here`; every file of the album's directory in exactly one of the
/// same with `only_in_album` for `only_here`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Local files.
    pub files_here: usize,
    /// Names in the album's directory.
    pub files_in_album: usize,
    /// Same name, same content: how many.
    pub same: usize,
    /// Local files whose content the album has, under other names only. No difference.
    pub renamed_here: Vec<PathBuf>,
    /// Names in the album whose content is here, under other names only. No difference.
    pub renamed_in_album: Vec<PathBuf>,
    /// Local files whose content the album does not have.
    pub only_here: Vec<PathBuf>,
    /// Names in the album whose content is not here.
    pub only_in_album: Vec<PathBuf>,
    /// One name, two contents.
    pub different: Vec<PathBuf>,
    /// Not at Google yet, and how far: name, state.
    pub on_its_way: Vec<Remark>,
    /// Refused by Google for good: name, reason.
    pub failed: Vec<Remark>,
    /// Never uploaded while they are called so.
    pub scratch: Vec<PathBuf>,
    /// Names that share their content, over both sides. For information only.
    pub twins: Vec<Vec<PathBuf>>,
    #[serde(skip)]
    counts: Counts,
}

/// A name and what there is to say about it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Relative to the directories compared.
    pub name: PathBuf,
    /// Its state or the reason.
    pub why: String,
}

/// How many of a mixed group are on each side.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    on_its_way: Sides,
    failed: Sides,
    scratch: Sides,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sides {
    here: usize,
    there: usize,
}

impl Sides {
    fn add(&mut self, here: bool) {
        self.here += usize::from(here);
        self.there += 1;
    }
}

/// Compares two directory trees. `refused` are names that Google refused, with the reason.
pub fn compare(here: &Files<Here>, there: &Files<There>, refused: &Files<String>) -> Comparison {
    let mut result =
        Comparison { files_here: here.len(), files_in_album: there.len(), ..Default::default() };
    // An album is one directory: bytes in another one do not count.
    let in_album: BTreeSet<_> = there
        .iter()
        .filter(|(_, file)| file.stage == Stage::Committed)
        .filter_map(|(name, file)| match file.content {
            Content::Hash(hash) => Some((name.parent(), hash)),
            _ => None,
        })
        .collect();
    let at_home: BTreeSet<_> = here.iter().map(|(name, file)| (name.parent(), file.hash)).collect();

    for (name, local) in here {
        match (there.get(name), refused.get(name)) {
            (Some(remote), _) => result.one_name(name, Some(local), remote),
            (None, Some(why)) => {
                result.counts.failed.here += 1;
                result.failed.push(Remark { name: name.clone(), why: why.clone() });
            }
            (None, None) if in_album.contains(&(name.parent(), local.hash)) => {
                result.renamed_here.push(name.clone());
            }
            (None, None) => result.only_here.push(name.clone()),
        }
    }
    for (name, remote) in there.iter().filter(|(name, _)| !here.contains_key(*name)) {
        match (&remote.stage, &remote.content) {
            (Stage::Committed, Content::Hash(hash))
                if at_home.contains(&(name.parent(), *hash)) =>
            {
                result.renamed_in_album.push(name.clone());
            }
            (Stage::Committed, _) => result.only_in_album.push(name.clone()),
            _ => result.one_name(name, None, remote),
        }
    }
    // Refused, and neither here nor in the album under this name: the bytes are in failed/ only.
    for (name, why) in refused {
        if !here.contains_key(name) && !there.contains_key(name) {
            result.failed.push(Remark { name: name.clone(), why: why.clone() });
        }
    }
    result.twins = twins(here, there);
    result
}

impl Comparison {
    /// Files a name that the album's directory has.
    fn one_name(&mut self, name: &Path, local: Option<&Here>, remote: &There) {
        let differs = local.is_some_and(|local| match remote.content {
            Content::Hash(hash) => hash != local.hash,
            Content::Size(size) => size != local.size,
            Content::Unknown => false,
        });
        let here = local.is_some();
        let remark = |why: &String| Remark { name: name.to_owned(), why: why.clone() };
        match &remote.stage {
            Stage::Failed(why) => {
                self.counts.failed.add(here);
                self.failed.push(remark(why));
            }
            _ if differs => self.different.push(name.to_owned()),
            Stage::Committed => self.same += 1,
            Stage::OnItsWay(state) => {
                self.counts.on_its_way.add(here);
                self.on_its_way.push(remark(state));
            }
            Stage::Scratch => {
                self.counts.scratch.add(here);
                self.scratch.push(name.to_owned());
            }
        }
    }

    /// Whether there is anything that diff(1) would call a difference.
    pub fn differ(&self) -> bool {
        !(self.only_here.is_empty()
            && self.only_in_album.is_empty()
            && self.different.is_empty()
            && self.on_its_way.is_empty()
            && self.failed.is_empty()
            && self.scratch.is_empty())
    }

    /// `N here = a same + b only here; M in the album = a same + c only in the album`.
    pub fn sum(&self) -> String {
        let side = |renamed: usize, only: usize, only_where: &str, of: fn(&Sides) -> usize| {
            let parts = [
                (self.same, "same"),
                (renamed, "same under another name"),
                (self.different.len(), "different"),
                (of(&self.counts.on_its_way), "on the way"),
                (of(&self.counts.failed), "failed"),
                (of(&self.counts.scratch), "not uploaded (scratch name)"),
                (only, only_where),
            ];
            let parts = parts.iter().enumerate().filter(|(i, it)| *i == 0 || it.0 > 0);
            parts.map(|(_, (n, what))| format!("{n} {what}")).collect::<Vec<_>>().join(" + ")
        };
        format!(
            "{} here = {}; {} in the album = {}",
            self.files_here,
            side(self.renamed_here.len(), self.only_here.len(), "only here", |it| it.here),
            self.files_in_album,
            side(
                self.renamed_in_album.len(),
                self.only_in_album.len(),
                "only in the album",
                |it| it.there
            ),
        )
    }
}

/// Groups of names with one content in one directory, over both sides.
fn twins(here: &Files<Here>, there: &Files<There>) -> Vec<Vec<PathBuf>> {
    let mut by_hash: BTreeMap<_, BTreeSet<&PathBuf>> = BTreeMap::new();
    let mut by_id: BTreeMap<_, BTreeSet<&PathBuf>> = BTreeMap::new();
    for (name, file) in here {
        by_hash.entry((name.parent(), file.hash)).or_default().insert(name);
    }
    for (name, file) in there {
        if let Content::Hash(hash) = file.content {
            by_hash.entry((name.parent(), hash)).or_default().insert(name);
        } else if let Some(id) = &file.id {
            by_id.entry((name.parent(), id)).or_default().insert(name);
        }
    }
    let mut groups: Vec<Vec<PathBuf>> = by_hash
        .into_values()
        .chain(by_id.into_values())
        .filter(|names| names.len() > 1)
        .map(|names| names.into_iter().cloned().collect())
        .collect();
    groups.sort();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(content: u8) -> ContentHash {
        ContentHash([content; 32])
    }

    fn here(files: &[(&str, u8)]) -> Files<Here> {
        files
            .iter()
            .map(|&(name, content)| {
                (name.into(), Here { size: content.into(), hash: hash(content) })
            })
            .collect()
    }

    fn there(files: &[(&str, Content, Stage)]) -> Files<There> {
        let file = |content: &Content, stage: &Stage| There {
            stage: stage.clone(),
            content: content.clone(),
            id: None,
        };
        files.iter().map(|(name, content, stage)| (name.into(), file(content, stage))).collect()
    }

    fn known(content: u8) -> Content {
        Content::Hash(hash(content))
    }

    fn way() -> Stage {
        Stage::OnItsWay("uploading".into())
    }

    #[track_caller]
    fn check(
        local: &[(&str, u8)],
        remote: &[(&str, Content, Stage)],
        refused: &[(&str, &str)],
        sum: &str,
        differ: bool,
    ) -> Comparison {
        let refused = refused.iter().map(|(name, why)| (name.into(), (*why).into())).collect();
        let result = compare(&here(local), &there(remote), &refused);
        assert_eq!(result.sum(), sum);
        assert_eq!(result.differ(), differ);
        result
    }

    #[test]
    fn nothing_is_the_same_as_nothing() {
        check(&[], &[], &[], "0 here = 0 same; 0 in the album = 0 same", false);
    }

    #[test]
    fn same_names_are_compared_by_hash_or_else_by_size() {
        use Stage::Committed;
        let result = check(
            &[("a", 1), ("b", 2), ("c", 3), ("d", 4)],
            &[
                ("a", known(1), Committed),
                ("b", known(9), Committed),
                ("c", Content::Size(3), Committed),
                ("d", Content::Size(9), Committed),
            ],
            &[],
            "4 here = 2 same + 2 different; 4 in the album = 2 same + 2 different",
            true,
        );
        assert_eq!(result.different, [Path::new("b"), Path::new("d")]);
    }

    #[test]
    fn missing_files_are_named_on_either_side() {
        let result = check(
            &[("a", 1), ("b", 2)],
            &[("a", known(1), Stage::Committed), ("z", known(26), Stage::Committed)],
            &[],
            "2 here = 1 same + 1 only here; 2 in the album = 1 same + 1 only in the album",
            true,
        );
        assert_eq!(result.only_here, [Path::new("b")]);
        assert_eq!(result.only_in_album, [Path::new("z")]);
    }

    #[test]
    fn same_content_under_another_name_is_no_difference() {
        let result = check(
            &[("a", 1), ("old", 2), ("copy of a", 1)],
            &[("a", known(1), Stage::Committed), ("new", known(2), Stage::Committed)],
            &[],
            "3 here = 1 same + 2 same under another name; \
             2 in the album = 1 same + 1 same under another name",
            false,
        );
        assert_eq!(
            result.twins,
            [[PathBuf::from("a"), "copy of a".into()], ["new".into(), "old".into()]]
        );
    }

    #[test]
    fn content_in_another_album_does_not_count() {
        let result = check(
            &[("A/a", 1), ("B/a", 1)],
            &[("A/a", known(1), Stage::Committed)],
            &[],
            "2 here = 1 same + 1 only here; 1 in the album = 1 same",
            true,
        );
        assert_eq!(result.only_here, [Path::new("B/a")]);
        assert!(result.twins.is_empty());
    }

    #[test]
    fn what_google_does_not_have_yet_is_a_difference() {
        let result = check(
            &[("a", 1), ("b", 2), ("c", 3), (".d", 4), ("edited", 5)],
            &[
                ("a", known(1), way()),
                ("b", Content::Unknown, Stage::OnItsWay("open".into())),
                (".d", Content::Size(4), Stage::Scratch),
                ("edited", known(6), way()),
                ("new", known(7), way()),
            ],
            &[("c", "not a photo or video"), ("elsewhere", "too large")],
            "5 here = 0 same + 1 different + 2 on the way + 1 failed \
             + 1 not uploaded (scratch name); \
             5 in the album = 0 same + 1 different + 3 on the way \
             + 1 not uploaded (scratch name)",
            true,
        );
        let failed: Vec<_> = result.failed.iter().map(|it| it.why.as_str()).collect();
        assert_eq!(failed, ["not a photo or video", "too large"]);
    }

    #[test]
    fn file_on_its_way_does_not_stand_for_its_twin() {
        let result = check(
            &[("a", 1), ("b", 1)],
            &[("a", known(1), way())],
            &[],
            "2 here = 0 same + 1 on the way + 1 only here; 1 in the album = 0 same + 1 on the way",
            true,
        );
        assert_eq!(result.only_here, [Path::new("b")]);
    }

    #[test]
    fn two_names_of_one_item_are_twins_even_without_a_hash() {
        let mut files = there(&[
            ("a", Content::Size(1), Stage::Committed),
            ("b", Content::Size(1), Stage::Committed),
        ]);
        files.values_mut().for_each(|file| file.id = Some("item".into()));
        let result = compare(&here(&[("a", 1), ("b", 1)]), &files, &Files::new());
        assert_eq!(result.twins, [[PathBuf::from("a"), "b".into()]]);
        assert!(!result.differ());
    }
}
