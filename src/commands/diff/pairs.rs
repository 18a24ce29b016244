//! Pairs of files by their names: RAW and JPEG of one shot, a photo and its short video.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::app::name::Name;

const RAW: &[&str] =
    &["arw", "cr2", "cr3", "dng", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "srw"];
const PICTURE: &[&str] = &["heic", "heif", "jpeg", "jpg"];
const SHORT_VIDEO: &[&str] = &["mov", "mp4"];

/// The pairs among these names: one RAW file or short video and one picture, with the same
/// directory and stem.
pub fn pairs<'a>(names: impl Iterator<Item = &'a PathBuf>) -> Vec<(Name, Name)> {
    let mut by_stem: BTreeMap<_, BTreeSet<&Path>> = BTreeMap::new();
    for name in names {
        by_stem.entry(name.with_extension("")).or_default().insert(name);
    }
    let mut found = Vec::new();
    for group in by_stem.into_values() {
        let one_of = |kinds: &[&str]| group.iter().find(|name| is(name, kinds)).copied();
        let Some(picture) = one_of(PICTURE) else { continue };
        let others = [RAW, SHORT_VIDEO].into_iter().filter_map(one_of);
        found.extend(others.map(|other| (picture.into(), other.into())));
    }
    found
}

fn is(name: &Path, kinds: &[&str]) -> bool {
    let extension = name.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|it| kinds.contains(&it.as_str()))
}
