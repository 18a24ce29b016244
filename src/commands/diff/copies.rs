//! Recognises the smaller copies that gphotosfs makes of photos. Pure.

use super::evidence::{Sure, classify};
use super::facts::{Dimensions, Facts, Level, upright};
use super::levels::Levels;
use crate::media::Saver;
use crate::shrink;

/// An item that may be the smaller copy of a local file.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The facts about the item.
    pub there: Facts,
    /// How small photos become in its album.
    pub saver: Saver,
}

impl Candidate {
    /// Whether the item agrees with the copy of the local file as equal files do. The copy has just
    /// been made, and has so many bytes and pixels.
    pub fn is_copy(&self, here: &Facts, bytes: u64, dimensions: (u32, u32)) -> bool {
        let copy = Facts {
            size: Some(bytes),
            dimensions: Dimensions::firm(dimensions.0, dimensions.1),
            hash: None,
            ..here.clone()
        };
        classify(&copy, &self.there).is_some_and(|it| it.sure >= Sure::AlmostCertain)
    }
}

/// Whether an item of the same name may be the copy that `--quality saver` makes of the local file:
/// the pixels are as many as it would have, the bytes as few, and the time agrees. An edit that was
/// resized is like that, too. So this is at most likely; [`Candidate::is_copy`] says more.
pub fn recognised(here: &Facts, there: &Facts, saver: Saver) -> Option<Sure> {
    let levels = Levels::of(here, there);
    // A hash that is known is another one.
    if there.known().is_some() || levels.camera == Level::Other {
        return None;
    }
    let few = there.size? * 100 <= here.size?.saturating_mul(shrink::PERCENT_MAX);
    let as_copy = |(x, y): (u32, u32)| shrink::size_of_copy(x, y, saver);
    let mut pairs = here.dimensions.beside(&there.dimensions);
    let same = pairs.any(|(a, b)| upright(as_copy(a)) == upright(b));
    (few && same && levels.time >= Level::Near).then_some(Sure::Likely)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::diff::facts::of_photo as facts;

    #[test]
    fn a_copy_of_ours_has_the_pixels_that_it_would_have() {
        let saver = Saver::default();
        let large = facts(12_000_000, (6000, 4000), 7);
        let (width, height) = shrink::size_of_copy(6000, 4000, saver);
        assert_eq!(
            recognised(&large, &facts(3_000_000, (width, height), 7), saver),
            Some(Sure::Likely)
        );
        assert_eq!(
            recognised(&large, &facts(3_000_000, (height, width), 7), saver),
            Some(Sure::Likely)
        );
        let later = facts(3_000_000, (width, height), 7 + 7200);
        assert_eq!(recognised(&large, &later, saver), Some(Sure::Likely));
        let small = facts(4_000_000, (4000, 3000), 7);
        assert_eq!(
            recognised(&small, &facts(2_000_000, (4000, 3000), 7), saver),
            Some(Sure::Likely)
        );
        for no in [
            facts(3_500_000, (4000, 3000), 7),
            facts(2_000_000, (3999, 3000), 7),
            facts(2_000_000, (4000, 3000), 8),
            Facts { taken: Vec::new(), ..facts(2_000_000, (4000, 3000), 7) },
            Facts { size: None, ..facts(2_000_000, (4000, 3000), 7) },
        ] {
            assert_eq!(recognised(&small, &no, saver), None, "{no:?}");
        }
    }

    #[test]
    fn only_an_item_with_the_bytes_of_the_copy_is_almost_certain() {
        let here = facts(12_000_000, (6000, 4000), 7);
        let there = facts(3_000_000, (4898, 3265), 7);
        let candidate = Candidate { there, saver: Saver::default() };
        assert!(candidate.is_copy(&here, 3_000_000, (4898, 3265)));
        for bytes in [2_990_000, 2_999_999, 3_000_001, 3_400_000] {
            assert!(!candidate.is_copy(&here, bytes, (4898, 3265)), "{bytes}");
        }
        assert!(!candidate.is_copy(&here, 3_000_000, (4897, 3265)));
    }
}
