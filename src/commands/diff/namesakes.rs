//! Of several items with one name at Google, finds the one that a local file shows. Pure.
//!
//! Two cameras use the same names, and so does one camera again. A mount gives the second item a
//! name of its own, but the local file of the plain name may be that one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::evidence::{Evidence, Sure, classify};
use super::facts::Facts;

/// So many local files are compared with the items of one name.
const LOCALS_MAX: usize = 64;

/// An item: its name on the mount, its name at Google if that is another one, and the facts.
pub type Item<'a> = (&'a PathBuf, Option<&'a str>, &'a Facts);

/// The local files that are another item than the one of their name, each with that item and how
/// sure it is. No item is there twice.
pub fn found<'a>(
    here: &'a BTreeMap<PathBuf, Facts>,
    there: impl Iterator<Item = Item<'a>>,
) -> BTreeMap<&'a PathBuf, (&'a PathBuf, Evidence)> {
    let mut named: BTreeMap<(&Path, &str), Vec<(&PathBuf, &Facts)>> = BTreeMap::new();
    for (name, filename, facts) in there {
        let filename = filename.or_else(|| name.file_name()?.to_str());
        if let (Some(filename), Some(dir)) = (filename, name.parent()) {
            named.entry((dir, filename)).or_default().push((name, facts));
        }
    }
    let mut found = BTreeMap::new();
    for items in named.into_values().filter(|it| it.len() > 1) {
        let locals = items.iter().filter_map(|it| here.get_key_value(it.0)).take(LOCALS_MAX);
        let mut claims: Vec<_> = locals
            .flat_map(|local| items.iter().map(move |item| (local, item)))
            .filter_map(|((name, local), (of, item))| {
                Some((classify(local, item)?, name == *of, name, *of))
            })
            .collect();
        claims.sort_by(|a, b| (b.0.sure, b.1, a.2, a.3).cmp(&(a.0.sure, a.1, b.2, b.3)));
        let (mut locals_left, mut items_left): (Vec<_>, Vec<_>) =
            (claims.iter().map(|it| it.2).collect(), items.iter().map(|it| it.0).collect());
        for (evidence, is_own, local, item) in claims {
            if evidence.sure < Sure::Likely
                || !locals_left.contains(&local)
                || !items_left.contains(&item)
            {
                continue;
            }
            locals_left.retain(|it| *it != local);
            items_left.retain(|it| *it != item);
            if !is_own {
                found.insert(local, (item, evidence));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::facts::{Dimensions, Taken, Zone};

    fn facts(seconds: i64) -> Facts {
        Facts {
            taken: vec![Taken { seconds, zone: Zone::Utc }],
            dimensions: Dimensions::firm(4, 3),
            ..Facts::default()
        }
    }

    #[test]
    fn a_local_file_is_the_item_of_its_time_whatever_name_the_mount_gives_it() {
        let there = [("a.jpg", 1000), ("a 1.jpg", 2001), ("a 2.jpg", 3002), ("b.jpg", 2001)]
            .map(|(name, seconds)| (PathBuf::from(name), facts(seconds)));
        let of = |here: &[(&str, i64)]| {
            let here = here.iter().map(|it| (it.0.into(), facts(it.1))).collect();
            let items = there.iter().map(|(name, facts)| {
                let is_second = name.to_string_lossy().starts_with("a ");
                (name, is_second.then_some("a.jpg"), facts)
            });
            let found = found(&here, items);
            let pairs = found.iter().map(|(a, b)| format!("{} {}", a.display(), b.0.display()));
            pairs.collect::<Vec<_>>()
        };
        assert_eq!(of(&[("a.jpg", 1000), ("b.jpg", 3002)]), [""; 0]);
        assert_eq!(of(&[("a.jpg", 2001)]), ["a.jpg a 1.jpg"]);
        assert_eq!(of(&[("a.jpg", 5003)]), [""; 0]);
        // Two that have each other's names.
        let both = of(&[("a.jpg", 2001), ("a 1.jpg", 1000)]);
        assert_eq!(both, ["a 1.jpg a.jpg", "a.jpg a 1.jpg"]);
        // Two of one time: the own name decides.
        assert_eq!(of(&[("a.jpg", 3002), ("a 2.jpg", 3002)]), [""; 0]);
    }
}
