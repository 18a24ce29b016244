//! Names whose two files are not one another, because the hashes find one of them elsewhere. Pure.
//!
//! A hash says more than a name: a photo that is at Google under another name is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::facts::Facts;
use crate::media::ContentHash;

/// Hashes with their directories: each directory is an album of its own.
type Contents<'a> = BTreeSet<(Option<&'a Path>, ContentHash)>;

/// The names that both sides have, while the content of one of them is on the other side under
/// another name. `items` have their hashes, as far as they are known. An item without one keeps its
/// name, unless the content of the local file is an item that no file of its own name claims.
pub fn found<'a>(
    here: &'a BTreeMap<PathBuf, Facts>,
    items: &BTreeMap<&'a PathBuf, Option<ContentHash>>,
) -> BTreeSet<&'a PathBuf> {
    let contents_here: Contents<'_> =
        here.iter().filter_map(|(name, it)| Some((name.parent(), it.hash?))).collect();
    let (mut contents_there, mut unclaimed) = (Contents::new(), Contents::new());
    for (name, hash) in items {
        let Some(hash) = *hash else { continue };
        contents_there.insert((name.parent(), hash));
        if here.get(*name).is_none_or(|it| it.hash != Some(hash)) {
            unclaimed.insert((name.parent(), hash));
        }
    }
    let is_apart = |(name, local): &(&PathBuf, &Facts)| {
        let Some((known, hash)) = items.get(name).zip(local.hash) else { return false };
        let dir = name.parent();
        match *known {
            Some(known) if known == hash => false,
            Some(known) => {
                contents_there.contains(&(dir, hash)) || contents_here.contains(&(dir, known))
            }
            None => unclaimed.contains(&(dir, hash)),
        }
    };
    here.iter().filter(is_apart).map(|it| it.0).collect()
}
