//! Makes sure that an item is the smaller copy of a local photo: makes the copy anew, and compares.

use std::io;
use std::path::Path;

use rayon::prelude::*;

use crate::app::{local_file, progress};
use crate::commands::diff::{Candidate, Evidence, Match, Sure};
use crate::shrink::making::Maker;
use crate::shrink::size_of_copy;

/// Raises the evidence of items that agree with the copy in all facts. The others stay as they are:
/// they may be edits, or copies by another version.
pub(super) fn copies(matches: &mut [Match], local: &Path) {
    // If other files have the same moment, the size says nothing of which is which.
    let is_open = |it: &&mut Match| {
        it.candidate.is_some() && it.evidence.sure == Sure::Likely && !it.evidence.shared_moment
    };
    let open: Vec<_> = matches.iter_mut().filter(is_open).collect();
    let bar = progress::bar(open.len(), "copies made to compare");
    let maker = Maker::default();
    open.into_par_iter().for_each(|it| {
        let candidate = it.candidate.as_ref();
        // A file that cannot be read any more proves nothing.
        let is_copy = candidate.is_some_and(|of| is_copy(&maker, it, of, local).unwrap_or(false));
        if is_copy {
            it.evidence = Evidence::of_copy(Sure::AlmostCertain);
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
}

fn is_copy(maker: &Maker, it: &Match, of: &Candidate, local: &Path) -> io::Result<bool> {
    let file = local_file::open(&local.join(&it.here))?;
    maker.make(&file, of.saver, |_, copy| {
        let Ok(copy) = copy else { return false };
        let mut photos = it.local.dimensions.any.iter();
        photos.any(|&(width, height)| {
            let size = size_of_copy(width, height, of.saver);
            of.is_copy(&it.local, copy.len() as u64, size)
        })
    })
}
