//! Finds photos of an album in other folders. An export has each photo of an album in the folder of
//! its year, too, and that may be in a part that is here.

use std::collections::{BTreeMap, HashMap};

use super::document::Sidecar;
use super::export::Export;
use super::folder::{Member, Pairing};
use super::naming;
use crate::app::CommandError;

/// Finds the files of items of a folder, whose JSON files have these numbers, in other folders.
///
/// # Errors
/// If a part cannot be read.
pub fn find(
    export: &mut Export,
    folder: usize,
    papers: &[usize],
) -> Result<HashMap<usize, Member>, CommandError> {
    // The same photo has the same name everywhere, but for the number.
    let mut wanted: HashMap<String, Vec<usize>> = HashMap::new();
    for &paper in papers {
        let name = base(&export.folders[folder].papers[paper].file.name);
        wanted.entry(name.to_owned()).or_default().push(paper);
    }
    let mut alike = Vec::new();
    for (other, it) in export.folders.iter().enumerate().filter(|it| it.0 != folder) {
        for (at, paper) in it.papers.iter().enumerate() {
            if wanted.contains_key(base(&paper.file.name)) {
                alike.push((other, at));
            }
        }
    }
    export.read_papers(alike.clone())?;
    let mut pairings: BTreeMap<usize, Pairing> = BTreeMap::new();
    let mut found = HashMap::new();
    for (other, at) in alike {
        let it = &export.folders[other];
        let Some(sidecar) = it.sidecar(at) else { continue };
        let same = wanted.get(base(&it.papers[at].file.name)).into_iter().flatten().find(|paper| {
            let of = export.folders[folder].sidecar(**paper);
            !found.contains_key(*paper) && of.is_some_and(|of| is_same(of, sidecar))
        });
        let Some(&paper) = same else { continue };
        let pairing = pairings.entry(other).or_insert_with(|| it.pairing());
        if let Some(file) = pairing.paper_of.iter().position(|it| *it == Some(at)) {
            found.insert(paper, it.files[file].clone());
        }
    }
    Ok(found)
}

/// The name of a JSON file without its number.
fn base(name: &str) -> &str {
    naming::number_behind(naming::split(name).0).0
}

/// Whether two JSON files describe one item.
fn is_same(a: &Sidecar, b: &Sidecar) -> bool {
    match (&a.url, &b.url) {
        (Some(a), Some(b)) => a == b,
        _ => !a.title.is_empty() && a.title == b.title && a.taken.is_some() && a.taken == b.taken,
    }
}
